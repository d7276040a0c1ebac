// Whole runs of the load generator against a server that is told how to go wrong: are payments,
// errors and times counted as they were?
#include "bench/bench.h"

#include "base/clock.h"
#include "bench/server.h"
#include "fake_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char KEY[] =
    "{\"id\":\"key_0000000000001\",\"algorithm\":\"hmac-sha256\",\"scope\":\"admin\","
    "\"secret\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}";

// One run against one fake server; both results stay to be looked at.
typedef struct {
    fake_server server;
    fq_bench_report report;
    int exit_code;
} trial;

static char key_path[] = "/tmp/feiqian-bench-key-XXXXXX";

static int write_key(void **state) {
    (void)state;
    const int fd = mkstemp(key_path);
    const bool written = fd >= 0 && write(fd, KEY, sizeof(KEY) - 1) == (ssize_t)sizeof(KEY) - 1;
    close(fd);
    return written ? 0 : -1;
}

static int remove_key(void **state) {
    (void)state;
    return unlink(key_path);
}

// Small and quick: what a test changes, it changes before it calls run().
static fq_bench_options small(void) {
    fq_bench_options options = fq_bench_defaults;
    options.key_path = key_path;
    options.connections = 8;
    options.wallets = 20;
    options.warmup_seconds = 0;
    options.payments = 2000;
    return options;
}

// Its result holds until the next run.
static const trial *run(fq_bench_options options, fake_faults faults) {
    static trial t;
    fake_server_start(&t.server, faults);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", t.server.port);
    options.url = url;
    t.exit_code = fq_bench_run(&options, &t.report);
    fake_server_stop(&t.server);
    return &t;
}

static void counts_what_was_paid(void **state) {
    (void)state;
    const trial *t = run(small(), (fake_faults){0});
    assert_string_equal(t->report.first_error, "");
    assert_int_equal(t->exit_code, 0);
    assert_int_equal(t->report.payments, 2000);
    assert_int_equal(t->report.requests, 2000);
    assert_int_equal(t->report.errors, 0);
    assert_int_equal(t->report.latency_us.count, 2000);
    assert_int_equal(t->server.payments, 2000);
    assert_int_equal(t->report.orders, 2000);
    assert_true(t->report.seconds > 0 && t->report.generator_cpu_seconds > 0);
    // The server is this very process, found by its port.
    assert_true(t->report.server_known);
    assert_true(t->report.server_rss_bytes > 1 << 20);
}

static void stops_when_the_time_is_over(void **state) {
    (void)state;
    fq_bench_options options = small();
    options.payments = 0;
    options.seconds = 0.5;
    options.warmup_seconds = 0.2;
    const trial *t = run(options, (fake_faults){0});
    assert_int_equal(t->exit_code, 0);
    assert_true(t->report.seconds > 0.4 && t->report.seconds < 1.5);
    assert_true(t->report.payments > 100);
    // The warm-up was paid, but is not counted.
    assert_true(t->server.payments > t->report.payments);
}

static void counts_wrong_answers(void **state) {
    (void)state;
    const struct {
        fake_faults faults;
        const char *first_error;
    } cases[] = {
        {{.refuse_every = 100}, "HTTP status 402"},
        {{.wrong_order_every = 100}, "HTTP status 201"},
        {{.wrong_amount_every = 100}, "HTTP status 201"},
        {{.drop_every = 100}, "HTTP status 0: the server closed the connection"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const trial *t = run(small(), cases[i].faults);
        assert_int_equal(t->exit_code, 1);
        assert_int_equal(t->report.errors, 20);
        assert_int_equal(t->report.payments, 1980);
        assert_memory_equal(t->report.first_error, cases[i].first_error,
                            strlen(cases[i].first_error));
    }
}

static void checks_each_item_of_a_bulk(void **state) {
    (void)state;
    fq_bench_options options = small();
    options.bulk = 50;
    const trial *t = run(options, (fake_faults){.refuse_every = 100});
    assert_int_equal(t->exit_code, 1);
    assert_int_equal(t->report.requests, 40);
    assert_int_equal(t->report.errors, 20);
    assert_int_equal(t->report.payments, 1980);
    assert_non_null(strstr(t->report.first_error, "insufficient_balance"));
    options.payments = 1999;  // the last bulk is a shorter one
    t = run(options, (fake_faults){0});
    assert_int_equal(t->exit_code, 0);
    assert_int_equal(t->report.payments, 1999);
    assert_int_equal(t->report.requests, 40);
}

// 1,000 payments a second for a second; in the middle the server stands still for 400 ms. In open
// loop the 400 or so that were due meanwhile waited 200 ms on average: more than a quarter of all
// waited over 100 ms. A generator that measured from the moment of sending would see only as many
// slow ones as it has connections.
static void a_stall_shows_in_open_loop(void **state) {
    (void)state;
    fq_bench_options options = small();
    options.payments = 0;
    options.seconds = 1;
    options.rate = 1000;
    options.even = true;
    const trial *t = run(options, (fake_faults){.stall_at = 500, .stall_ms = 400});
    assert_int_equal(t->exit_code, 0);
    assert_in_range(t->report.payments, 990, 1001);
    assert_true(fq_histogram_percentile(&t->report.latency_us, 99) > 380000);
    assert_true(fq_histogram_percentile(&t->report.latency_us, 75) > 100000);
    assert_true(fq_histogram_percentile(&t->report.latency_us, 25) < 100000);
}

static void arrivals_keep_their_rate(void **state) {
    (void)state;
    fq_bench_options options = small();
    options.payments = 0;
    options.seconds = 1;
    options.rate = 2000;
    options.threads = 2;
    const trial *t = run(options, (fake_faults){0});
    assert_int_equal(t->exit_code, 0);
    // A Poisson process: 2,000 give or take 45; six times that never happens.
    assert_in_range(t->report.payments, 1730, 2270);
}

static void a_share_goes_to_one_merchant(void **state) {
    (void)state;
    fq_bench_options options = small();
    options.hot_share = 0.9;
    const trial *t = run(options, (fake_faults){0});
    assert_int_equal(t->exit_code, 0);
    // 0.9, and a twentieth of the rest; six standard deviations are 78.
    assert_in_range(t->server.hot_payments, 1810 - 80, 1810 + 80);
}

static void reads_back_what_was_paid(void **state) {
    (void)state;
    fq_bench_options options = small();
    options.verify = true;
    options.threads = 2;
    const trial *t = run(options, (fake_faults){0});
    assert_int_equal(t->exit_code, 0);
    assert_true(t->report.verified);
    assert_in_range(t->report.verified_payments, 1000, 2000);
    assert_int_equal(t->report.verified_wallets, 20);
    t = run(options, (fake_faults){.lose_money_every = 1000});
    assert_int_equal(t->exit_code, 1);
    assert_false(t->report.verified);
    assert_non_null(strstr(t->report.first_error, "balances add up"));
}

static void says_what_is_wrong_before_the_run(void **state) {
    (void)state;
    const trial *t = run(small(), (fake_faults){.refuse_users = 1});
    assert_int_equal(t->exit_code, 4);
    assert_non_null(strstr(t->report.first_error, "while making users: HTTP status 401"));
    static fq_bench_report report;
    fq_bench_options options = small();
    options.url = "http://127.0.0.1:1";
    assert_int_equal(fq_bench_run(&options, &report), 3);
    static const char *const bad_urls[] = {"https://127.0.0.1:1", "http://127.0.0.1:1/v1",
                                           "127.0.0.1", "http://", ""};
    for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++) {
        options.url = bad_urls[i];
        assert_int_equal(fq_bench_run(&options, &report), 2);
    }
    options.url = "http://127.0.0.1:1/";
    options.key_path = "/nowhere/key.json";
    assert_int_equal(fq_bench_run(&options, &report), 3);
    options.key_path = "/dev/null";
    assert_int_equal(fq_bench_run(&options, &report), 2);
    options.wallets = 1;
    assert_int_equal(fq_bench_run(&options, &report), 2);
}

static void a_report_is_json(void **state) {
    (void)state;
    static fq_bench_report report = {.payments = 10, .seconds = 2, .first_error = "a \"quote\""};
    char text[8192] = {0};
    FILE *out = fmemopen(text, sizeof(text), "w");
    fq_bench_report_json(&fq_bench_defaults, &report, out);
    fclose(out);
    static const char *const parts[] = {"\"payments_per_second\":5",
                                        "\"p50_ms\":0",
                                        "\"p99_ms\":0",
                                        "\"p999_ms\":0",
                                        "\"errors\":0",
                                        "\"connections\":256",
                                        "\"seconds\":2",
                                        "\"machine\":{",
                                        "\"server_rss_bytes\":null",
                                        "\"server_cpu_seconds\":null",
                                        "\\\"quote\\\"",
                                        "\"seed\":1"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        assert_non_null(strstr(text, parts[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_was_paid),
        cmocka_unit_test(stops_when_the_time_is_over),
        cmocka_unit_test(counts_wrong_answers),
        cmocka_unit_test(checks_each_item_of_a_bulk),
        cmocka_unit_test(a_stall_shows_in_open_loop),
        cmocka_unit_test(arrivals_keep_their_rate),
        cmocka_unit_test(a_share_goes_to_one_merchant),
        cmocka_unit_test(reads_back_what_was_paid),
        cmocka_unit_test(says_what_is_wrong_before_the_run),
        cmocka_unit_test(a_report_is_json),
    };
    return cmocka_run_group_tests(tests, write_key, remove_key);
}
