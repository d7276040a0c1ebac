// Settings: where they come from, which one wins, and what is said when one is wrong.
#include "base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/feiqian-config-XXXXXX";
static fq_config config;
static fq_config_fault fault;

static int set_up(void **state) {
    (void)state;
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    const int fd = mkstemp(path);
    fq_config_init(&config);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state) {
    (void)state;
    fq_config_free(&config);
    return unlink(path);
}

static bool load(const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return fq_config_load_file(&config, path, &fault);
}

static void test_defaults(void **state) {
    (void)state;
    assert_string_equal(config.settings.server_listen, "127.0.0.1:8080");
    assert_int_equal(config.settings.server_mode, FQ_MODE_SANDBOX);
    assert_int_equal(config.settings.server_body_bytes_max, 64 * 1024);
    assert_int_equal(config.settings.payment_authorization_lifetime,
                     INT64_C(7) * 24 * 60 * 60 * 1000);
    assert_int_equal(config.settings.crypto_data_key_bits, 256);
    assert_true(config.settings.store_migrate);
    assert_true(fq_config_check(&config, &fault));
}

static void test_later_wins(void **state) {
    (void)state;
    assert_true(load(
        "# ours\n[server]\nlisten = 0.0.0.0:80\n  mode = live\n\n[log]\nlevel=debug\nformat = json\n"));
    char *environment[] = {(char[]){"HOME=/root"},
                           (char[]){"FEIQIAN_LOG_LEVEL=warn"},
                           (char[]){"FEIQIAN_CONFIG=x"},
                           (char[]){"FEIQIAN_TEST_SEED=1"},
                           (char[]){"FEIQIAN_SERVER_DRAIN_DELAY=5s"},
                           NULL};
    assert_true(fq_config_load_environment(&config, environment, &fault));
    assert_true(fq_config_set_flag(&config, "--server-drain-delay", "7s", &fault));
    assert_true(fq_config_set(&config, "server.listen", "127.0.0.1:0", "--listen", &fault));
    assert_string_equal(config.settings.server_listen, "127.0.0.1:0");
    assert_int_equal(config.settings.server_mode, FQ_MODE_LIVE);
    assert_int_equal(config.settings.log_level, 1);
    assert_int_equal(config.settings.log_format, 1);
    assert_int_equal(config.settings.server_drain_delay, 7000);
    assert_string_equal(config.origin[FQ_SETTING_server_listen], "--listen");
    assert_string_equal(config.origin[FQ_SETTING_log_level], "FEIQIAN_LOG_LEVEL");
}

static void test_faults_of_a_file(void **state) {
    (void)state;
    static char long_line[1000];
    memset(long_line, 'x', sizeof(long_line) - 1);
    memcpy(long_line, "[server]\norigin=", 16);
    static const struct {
        const char *text, *says[2];
    } rows[] = {
        {"[server]\nlisten = a\nlisen = b\n",
         {":3: there is no setting server.lisen; the nearest is server.listen.",
          "最接近的是 server.listen"}},
        {"[sever]\nlisten = a\n", {"the nearest is server.listen", "server.listen"}},
        {"listen = a\n", {":1: there is no setting .listen", "没有设置项"}},
        {"[log]\nlevel = loud\n",
         {":2: log.level = loud is not allowed; it takes one of the following: error|warn|info|debug.",
          "log.level = loud 无效；应为下列之一：error|warn|info|debug。"}},
        {"[server]\nhead_timeout = 10\n",
         {"a duration such as 500ms, 30s, 15m, 24h or 7d: 100ms..10m", "时长"}},
        {"[server]\nhead_timeout = 11m\n", {"100ms..10m", "100ms..10m"}},
        {"[crypto]\nargon2_memory = 18MiB\n", {"19MiB..128MiB", "19MiB..128MiB"}},
        {"[crypto]\ndata_key_bits = 160\n", {"128|192|256", "128|192|256"}},
        {"[store]\nmigrate = yes\n", {"true or false", "true 或 false"}},
        {"[server]\nthreads = 1\nthreads = 2\n", {":3: server.threads stands twice", "两次"}},
        {"[server]\nwhat\n", {":2: expected [section], name = value, or a comment.", "应为"}},
        {"[crypto]\nmaster_key = \xFF\n", {"(hidden)", "(hidden)"}},
        {long_line, {":2: the line is too long", "过长"}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(load(rows[i].text));
        for (int language = 0; language < 2; language++) {
            if (!strstr(fault.sentence[language], rows[i].says[language])) {
                fail_msg("%s", fault.sentence[language]);
            }
        }
    }
}

static void test_files_that_are_none(void **state) {
    (void)state;
    assert_false(fq_config_load_file(&config, "/nowhere/feiqian.conf", &fault));
    assert_non_null(strstr(fault.sentence[0], "/nowhere/feiqian.conf cannot be opened"));
    assert_false(fq_config_load_file(&config, "/dev/zero", &fault));
    assert_false(fq_config_load_file(&config, "/tmp", &fault));
    FILE *file = fopen(path, "w");
    for (int i = 0; i < FQ_CONFIG_FILE_BYTES_MAX / 2 + 1; i++) {
        fputs("#\n", file);
    }
    fclose(file);
    assert_false(fq_config_load_file(&config, path, &fault));
    assert_non_null(strstr(fault.sentence[0], "262144"));
}

static void test_environment_and_flags(void **state) {
    (void)state;
    char *unknown[] = {(char[]){"FEIQIAN_LOG_LEVLE=warn"}, NULL};
    assert_false(fq_config_load_environment(&config, unknown, &fault));
    assert_non_null(
        strstr(fault.sentence[0],
               "there is no setting FEIQIAN_LOG_LEVLE; the nearest is FEIQIAN_LOG_LEVEL."));
    char *secret[] = {(char[]){"FEIQIAN_CRYPTO_MASTER_KEY=c2VjcmV0"}, NULL};
    assert_true(fq_config_load_environment(&config, secret, &fault));
    assert_string_equal(config.settings.crypto_master_key, "c2VjcmV0");
    assert_true(fq_config_is_flag("--log-level"));
    assert_true(fq_config_is_flag("--store-sqlite-page-cache"));
    assert_false(fq_config_is_flag("--log_level"));
    assert_false(fq_config_is_flag("-log-level"));
    assert_false(fq_config_set_flag(&config, "--log-levle", "warn", &fault));
    assert_non_null(strstr(fault.sentence[0], "the nearest is --log-level."));
    assert_false(fq_config_set_flag(&config, "--crypto-master-key", "x", &fault));
    assert_null(strstr(fault.sentence[0], "= x"));
}

static void test_settings_that_belong_together(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
        bool right;
    } rows[] = {
        {"tls.certificate_file", "a.pem", false},
        {"tls.private_key_file", "b.pem", true},
        {"server.services", "payment", false},
        {"user.url", "http://user", false},
        {"order.url", "http://order", false},
        {"server.service_key_file", "key", true},
        {"server.services", "payments", false},
        {"server.services", "", false},
        {"server.services", "payment,payment", false},
        {"server.services", "order,payment", true},
        {"crypto.master_key", "x", true},
        {"crypto.master_key_file", "y", false},
        {"crypto.master_key_file", "", true},
        {"server.listen", "127.0.0.1:65536", false},
        {"server.listen", "127.0.0.1", false},
        {"server.listen", "", false},
        {"server.listen", "[::1]:0", true},
        {"server.admin_listen", "9090", false},
        {"server.admin_listen", "127.0.0.1:9090", true},
        {"server.origin", "pay.example", false},
        {"server.origin", "https://pay.example/", false},
        {"server.origin", "https://pay.example:0", false},
        {"server.origin", "https://:443", false},
        {"server.origin", "https://[::1]", true},
        {"server.origin", "https://pay.example:8443", true},
        {"order.checkout_url", "http://shop.example:0/to", false},
        {"order.checkout_url", "http://shop.example/to?order=", false},
        {"order.checkout_url", "http://shop.example:81/to", true},
        {"server.data", "mysql://db/feiqian", false},
        {"server.data", "", false},
        {"server.data", "postgresql://db/feiqian", true},
        {"user.data", "postgress://db/feiqian", false},
        {"user.data", "", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(fq_config_set(&config, rows[i].name, rows[i].value, "test", &fault));
        assert_int_equal(fq_config_check(&config, &fault) && fq_config_check_peers(&config, &fault),
                         rows[i].right);
    }
}

static size_t taken_count, left_count;

static void note_change(const fq_setting_row *row, bool taken) {
    taken_count += taken;
    left_count += !taken;
    assert_int_equal(taken, row->reloads);
}

// Who looks into one service's database need not know where the other services are.
static void test_peers_are_asked_for_apart(void **state) {
    (void)state;
    assert_true(fq_config_set(&config, "server.services", "payment", "test", &fault));
    assert_true(fq_config_check(&config, &fault));
    assert_false(fq_config_check_peers(&config, &fault));
    assert_non_null(strstr(fault.sentence[FQ_ENGLISH], "user.url"));
    assert_true(fq_config_set(&config, "server.services", "user,shop", "test", &fault));
    assert_false(fq_config_check(&config, &fault));
    assert_non_null(strstr(fault.sentence[FQ_ENGLISH], "user,shop"));
}

// A running server takes over what it can, and keeps the rest.
static void test_reload(void **state) {
    (void)state;
    fq_config fresh;
    fq_config_init(&fresh);
    assert_true(fq_config_set(&fresh, "server.idle_timeout", "9s", "later", &fault));
    assert_true(fq_config_set(&fresh, "log.level", "warn", "later", &fault));
    assert_true(fq_config_set(&fresh, "store.reader_threads", "7", "later", &fault));
    fq_config_take_over(&config, &fresh, note_change);
    fq_config_free(&fresh);
    assert_int_equal(taken_count, 2);
    assert_int_equal(left_count, 1);
    assert_int_equal(config.settings.server_idle_timeout, 9000);
    assert_int_equal(config.settings.log_level, 1);
    assert_int_equal(config.settings.store_reader_threads, 2);
    assert_string_equal(config.text[FQ_SETTING_server_idle_timeout], "9s");
    assert_string_equal(config.origin[FQ_SETTING_log_level], "later");
    assert_string_equal(config.origin[FQ_SETTING_store_reader_threads], "default");
}

// What is printed is a configuration that loads and means the same; secrets are not in it.
static void test_printed_text_loads(void **state) {
    (void)state;
    assert_true(fq_config_set(&config, "server.threads", "3", "test", &fault));
    assert_true(fq_config_set(&config, "crypto.master_key", "c2VjcmV0", "test", &fault));
    for (fq_language language = FQ_ENGLISH; language <= FQ_CHINESE; language++) {
        fq_buffer out;
        fq_buffer_init(&out, 256 * 1024);
        fq_config_print(&config, language, &out);
        fq_buffer_add_char(&out, '\0');
        assert_false(out.overflowed);
        assert_null(strstr(out.at, "c2VjcmV0"));
        assert_non_null(strstr(out.at, "master_key = (hidden)"));
        fq_config_free(&config);
        fq_config_init(&config);
        if (!load(out.at)) {
            fail_msg("%s", fault.sentence[0]);
        }
        assert_int_equal(config.settings.server_threads, 3);
        assert_string_equal(config.settings.server_listen, "127.0.0.1:8080");
        fq_buffer_free(&out);
        assert_true(fq_config_set(&config, "crypto.master_key", "c2VjcmV0", "test", &fault));
    }
}

static void test_table_is_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        const fq_setting_row *row = &fq_setting_rows()[i];
        for (int language = 0; language < 2; language++) {
            assert_true(strlen(row->sentence[language]) > 5);
        }
        char name[100];
        snprintf(name, sizeof(name), "%s.%s", row->section, row->name);
        assert_true(fq_config_set(&config, name, row->standard, "default", &fault));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_later_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults_of_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_environment_and_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings_that_belong_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_peers_are_asked_for_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_printed_text_loads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_table_is_whole, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
