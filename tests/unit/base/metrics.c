// Metrics: sums over threads, the exposition text, and what happens when there are too many series.
#include "base/metrics.h"

#include "base/process.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 8, ROUNDS = 20000 };

static void *count(void *nothing) {
    for (int i = 0; i < ROUNDS; i++) {
        fq_metrics_add_to(FQ_METRIC_PAYMENTS, FQ_STR("balance"), FQ_STR("succeeded"), FQ_STR("CNY"),
                          1);
        fq_metrics_add(fq_metrics_plain(FQ_METRIC_HTTP_ACTIVE_REQUESTS), i % 2 ? -1 : 1);
        fq_metrics_observe(fq_metrics_series(FQ_METRIC_WRITER_BATCH_SIZE, FQ_STR("payment"),
                                             FQ_STR(""), FQ_STR("")),
                           i % 5);
    }
    return nothing;
}

static void test_sums_over_threads(void **state) {
    (void)state;
    for (int round = 0; round < 2; round++) {  // the second ones take over the rows of the first
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    const fq_series payments = fq_metrics_series(FQ_METRIC_PAYMENTS, FQ_STR("balance"),
                                                 FQ_STR("succeeded"), FQ_STR("CNY"));
    assert_int_equal(fq_metrics_read(payments), 2 * THREADS * ROUNDS);
    assert_int_equal(fq_metrics_read(fq_metrics_plain(FQ_METRIC_HTTP_ACTIVE_REQUESTS)), 0);
    const fq_series batches =
        fq_metrics_series(FQ_METRIC_WRITER_BATCH_SIZE, FQ_STR("payment"), FQ_STR(""), FQ_STR(""));
    assert_int_equal(fq_metrics_read(batches), 2 * THREADS * ROUNDS);
}

static char *text_of_all(void) {
    fq_buffer out;
    fq_buffer_init(&out, 4 * 1024 * 1024);
    fq_metrics_text(&out);
    fq_buffer_add_char(&out, '\0');
    assert_false(out.overflowed);
    return out.at;
}

static void assert_has(const char *text, const char *line) {
    if (!strstr(text, line)) {
        fail_msg("missing: %s", line);
    }
}

static void test_text(void **state) {
    (void)state;
    fq_metrics_build_info("0.1.0", "abc");
    const fq_series requests = fq_metrics_series(FQ_METRIC_HTTP_REQUEST_DURATION, FQ_STR("POST"),
                                                 FQ_STR("/v1/payments"), FQ_STR("201"));
    fq_metrics_observe(requests, 1000000);
    fq_metrics_observe(requests, 1000001);
    fq_metrics_observe(requests, INT64_C(20000000000));
    fq_metrics_set(fq_metrics_series(FQ_METRIC_OUTBOX_LAG, FQ_STR("order"), FQ_STR(""), FQ_STR("")),
                   1500);
    fq_metrics_set(
        fq_metrics_series(FQ_METRIC_LEDGER_IMBALANCE, FQ_STR("a\"\\\nb"), FQ_STR(""), FQ_STR("")),
        -3);
    char *text = text_of_all();
    assert_has(text, "# TYPE http_server_request_duration_seconds histogram\n");
#define SERIES \
    "{http_request_method=\"POST\",http_route=\"/v1/payments\",http_response_status_code=\"201\""
    assert_has(text, "\nhttp_server_request_duration_seconds_bucket" SERIES ",le=\"0.001\"} 1\n");
    assert_has(text, "\nhttp_server_request_duration_seconds_bucket" SERIES ",le=\"0.0025\"} 2\n");
    assert_has(text, "\nhttp_server_request_duration_seconds_bucket" SERIES ",le=\"10\"} 2\n");
    assert_has(text, "\nhttp_server_request_duration_seconds_bucket" SERIES ",le=\"+Inf\"} 3\n");
    assert_has(text, "\nhttp_server_request_duration_seconds_sum" SERIES "} 20.002000001\n");
    assert_has(text, "\nhttp_server_request_duration_seconds_count" SERIES "} 3\n");
    assert_has(text, "\nfeiqian_outbox_lag_seconds{service=\"order\"} 1.5\n");
    assert_has(text, "\nfeiqian_ledger_imbalance{currency=\"a\\\"\\\\\\nb\"} -3\n");
    assert_has(text, "\nfeiqian_http_connections 0\n");
    assert_has(text, "\nfeiqian_build_info{version=\"0.1.0\",commit=\"abc\"} 1\n");
    assert_has(text, "\nprocess_resident_memory_bytes ");
    free(text);
}

// The rules of `promtool check metrics`: help before type before samples, _total for counters and
// for them alone.
static void test_names_obey_the_rules(void **state) {
    (void)state;
    char *text = text_of_all(), *rest = text;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[128], type[32];
        if (sscanf(line, "# TYPE %127s %31s", name, type) == 2) {
            const size_t len = strlen(name);
            const bool total = len > 6 && strcmp(name + len - 6, "_total") == 0;
            assert_true(total == (strcmp(type, "counter") == 0));
            assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), len);
            assert_null(strstr(name, "_ms"));
        } else {
            assert_true(strncmp(line, "# HELP ", 7) == 0 || strchr(line, ' ') != NULL);
        }
    }
    free(text);
}

static void test_too_many_series_become_other(void **state) {
    (void)state;
    for (int i = 0; i < 5000; i++) {
        char label[32];
        snprintf(label, sizeof(label), "%d", i);
        const fq_series series = fq_metrics_series(FQ_METRIC_STORE_ERRORS, FQ_STR("payment"),
                                                   fq_str_of(label), FQ_STR(""));
        fq_metrics_add(series, 1);
    }
    const fq_str other = FQ_STR("other");
    assert_true(fq_metrics_read(fq_metrics_series(FQ_METRIC_STORE_ERRORS, other, other, other)) >
                2000);
    // A metric that comes late still has its own.
    const fq_series late =
        fq_metrics_series(FQ_METRIC_REFUNDS, FQ_STR("succeeded"), FQ_STR("CNY"), FQ_STR(""));
    fq_metrics_add(late, 5);
    assert_int_equal(fq_metrics_read(fq_metrics_series(FQ_METRIC_REFUNDS, other, other, other)), 5);
}

static void test_process(void **state) {
    (void)state;
    fq_process_usage usage;
    assert_true(fq_process_read(0, &usage));
    assert_true(usage.resident_bytes > 100000 && usage.virtual_bytes >= usage.resident_bytes);
    assert_true(usage.threads >= 1 && usage.open_files >= 3);
    assert_true(usage.cpu_seconds > 0 && usage.start_unix_seconds > 1.7e9);
    assert_false(fq_process_read(INT32_MAX, &usage));
}

static void test_quota_of_a_control_group(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned cores;
    } rows[] = {{"max 100000\n", 0},
                {"200000 100000\n", 2},
                {"150000 100000\n", 2},
                {"10000 100000\n", 1},
                {"0 100000\n", 1},
                {"100000 0\n", 0},
                {"", 0}};
    char folder[] = "/tmp/feiqian-cgroup-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/cpu.max", folder);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(rows[i].text, file);
        fclose(file);
        assert_int_equal(fq_process_quota(folder), rows[i].cores);
    }
    unlink(path);
    assert_int_equal(fq_process_quota(folder), 0);
    rmdir(folder);
    assert_true(fq_process_cores() >= 1 && fq_process_cores() <= sysconf(_SC_NPROCESSORS_ONLN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_over_threads),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_names_obey_the_rules),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_quota_of_a_control_group),
        cmocka_unit_test(test_too_many_series_become_other),  // last: fills the table
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
