// Times, durations and sizes as text.
#include "base/clock.h"

#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_time_known(void **state) {
    (void)state;
    static const struct {
        int64_t unix_ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(1735689600000), "2025-01-01T00:00:00.000Z"},
        {INT64_C(951782400123), "2000-02-29T00:00:00.123Z"},
        {INT64_C(4107542399999), "2100-02-28T23:59:59.999Z"},
        {INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[FQ_TIME_TEXT_MAX];
        int64_t back = 1;
        fq_time_text(rows[i].unix_ms, text);
        assert_string_equal(text, rows[i].text);
        assert_true(fq_time_parse(fq_str_of(text), &back));
        assert_int_equal(back, rows[i].unix_ms);
    }
}

static void test_time_agrees_with_libc(void **state) {
    (void)state;
    test_random random = test_random_start("time");
    for (int i = 0; i < 20000; i++) {
        const int64_t unix_ms =
            test_random_between(&random, INT64_C(-62167219200000), INT64_C(253402300799999));
        const int64_t ms = ((unix_ms % 1000) + 1000) % 1000;
        const time_t seconds = (time_t)((unix_ms - ms) / 1000);
        struct tm parts;
        char expected[64], text[FQ_TIME_TEXT_MAX];
        assert_non_null(gmtime_r(&seconds, &parts));
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                 parts.tm_sec, (int)ms);
        fq_time_text(unix_ms, text);
        assert_string_equal(text, expected);
    }
}

static void test_time_forms(void **state) {
    (void)state;
    int64_t a = 0, b = 0;
    assert_true(fq_time_parse(FQ_STR("2026-11-23T18:54:28Z"), &a));
    assert_true(fq_time_parse(FQ_STR("2026-11-24T02:54:28+08:00"), &b));
    assert_int_equal(a, b);
    assert_true(fq_time_parse(FQ_STR("2026-11-23t13:24:28.000999999-05:30"), &b));
    assert_int_equal(a, b);
    static const char *const wrong[] = {"",
                                        "2026-11-23",
                                        "2026-11-23T18:54:28",
                                        "2026-11-23 18:54:28Z",
                                        "2026-02-29T00:00:00Z",
                                        "2026-13-01T00:00:00Z",
                                        "2026-00-01T00:00:00Z",
                                        "2026-01-00T00:00:00Z",
                                        "2026-01-01T24:00:00Z",
                                        "2026-01-01T00:60:00Z",
                                        "2026-01-01T00:00:60Z",
                                        "2026-01-01T00:00:00.Z",
                                        "2026-01-01T00:00:00.1234567890Z",
                                        "2026-01-01T00:00:00+24:00",
                                        "2026-01-01T00:00:00+0800",
                                        "2026-01-01T00:00:00Zx",
                                        "+026-01-01T00:00:00Z",
                                        "0000-01-01T00:00:00+00:01",
                                        "9999-12-31T23:59:59-00:01"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (fq_time_parse(fq_str_of(wrong[i]), &a)) {
            fail_msg("taken: %s", wrong[i]);
        }
    }
}

static void test_durations(void **state) {
    (void)state;
    int64_t ms = 0;
    assert_true(fq_duration_parse(FQ_STR("500ms"), &ms) && ms == 500);
    assert_true(fq_duration_parse(FQ_STR("30s"), &ms) && ms == 30000);
    assert_true(fq_duration_parse(FQ_STR("15m"), &ms) && ms == 900000);
    assert_true(fq_duration_parse(FQ_STR("24h"), &ms) && ms == 86400000);
    assert_true(fq_duration_parse(FQ_STR("7d"), &ms) && ms == 604800000);
    static const char *const wrong[] = {
        "", "s", "5", "-5s", "5 s", "1.5s", "05s", "5S", "9223372036854775807d"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(fq_duration_parse(fq_str_of(wrong[i]), &ms));
    }
}

static void test_sizes(void **state) {
    (void)state;
    int64_t bytes = 0;
    assert_true(fq_size_parse(FQ_STR("64KiB"), &bytes) && bytes == 65536);
    assert_true(fq_size_parse(FQ_STR("512B"), &bytes) && bytes == 512);
    assert_true(fq_size_parse(FQ_STR("512"), &bytes) && bytes == 512);
    assert_true(fq_size_parse(FQ_STR("2GiB"), &bytes) && bytes == INT64_C(2) << 30);
    static const char *const wrong[] = {"", "KiB", "64kb", "64KB", "-1B", "9223372036854775807GiB"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(fq_size_parse(fq_str_of(wrong[i]), &bytes));
    }
}

static void test_clocks_go_on(void **state) {
    (void)state;
    const int64_t before = fq_monotonic_ns();
    assert_true(fq_monotonic_ns() >= before);
    assert_true(fq_wall_ms() > INT64_C(1735689600000));
    assert_true(fq_monotonic_ms() >= before / 1000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_known), cmocka_unit_test(test_time_agrees_with_libc),
        cmocka_unit_test(test_time_forms), cmocka_unit_test(test_durations),
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_clocks_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
