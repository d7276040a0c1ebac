// Log lines: each one is JSON whatever is put in, and none can forge another.
#include "base/log.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2];
static char text[8192];

static int set_up(void **state) {
    (void)state;
    return pipe(ends);
}

static int tear_down(void **state) {
    (void)state;
    fq_log_configure(STDERR_FILENO, FQ_LOG_INFO, FQ_LOG_AUTO);
    return close(ends[0]) | close(ends[1]);
}

// What one write() put in.
static const char *read_line(void) {
    const ssize_t len = read(ends[0], text, sizeof(text) - 1);
    assert_true(len > 0);
    text[len] = '\0';
    return text;
}

static json_t *read_json(void) {
    const char *line = read_line();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    json_t *value = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(value);
    return value;
}

static void test_json(void **state) {
    (void)state;
    const fq_str traceparent = FQ_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    fq_log_configure(ends[1], FQ_LOG_INFO, FQ_LOG_JSON);
    const fq_log_context before =
        fq_log_use((fq_log_context){.request_id = FQ_STR("r\"1"), .traceparent = traceparent});
    assert_ptr_equal(fq_log_here().traceparent.at, traceparent.at);
    fq_log(FQ_LOG_WARN, "batch again", FQ_LOG_INT("commands", 7),
           FQ_LOG_TEXT("cause", "x\n{\x1b\xC2\x9B\xFF"), FQ_LOG_BOOL("last", true),
           FQ_LOG_NS("took_ms", 1234567), FQ_LOG_STR("none", (fq_str){0}));
    fq_log_use(before);
    json_t *line = read_json();
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(line, "msg")), "batch again");
    assert_string_equal(json_string_value(json_object_get(line, "request_id")), "r\"1");
    assert_string_equal(json_string_value(json_object_get(line, "trace_id")),
                        "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(json_string_value(json_object_get(line, "span_id")), "b7ad6b7169203331");
    assert_int_equal(json_integer_value(json_object_get(line, "commands")), 7);
    assert_string_equal(json_string_value(json_object_get(line, "cause")),
                        "x\n{\x1b\xC2\x9B\xEF\xBF\xBD");
    assert_true(json_is_true(json_object_get(line, "last")));
    assert_true(json_real_value(json_object_get(line, "took_ms")) == 1.235);
    assert_string_equal(json_string_value(json_object_get(line, "none")), "");
    json_decref(line);
    fq_log(FQ_LOG_INFO, "ready");
    line = read_json();
    assert_null(json_object_get(line, "request_id"));
    assert_null(json_object_get(line, "trace_id"));
    json_decref(line);
}

static void test_levels(void **state) {
    (void)state;
    fq_log_configure(ends[1], FQ_LOG_WARN, FQ_LOG_JSON);
    fq_log(FQ_LOG_INFO, "not this");
    fq_log(FQ_LOG_ERROR, "but this");
    assert_non_null(strstr(read_line(), "but this"));
    assert_null(strstr(text, "not this"));
    assert_false(fq_log_enabled(FQ_LOG_DEBUG));
    fq_log_level level;
    assert_true(fq_log_level_parse(FQ_STR("debug"), &level) && level == FQ_LOG_DEBUG);
    assert_false(fq_log_level_parse(FQ_STR("loud"), &level));
}

static void test_long_lines_stay_json(void **state) {
    (void)state;
    static char value[5000];
    memset(value, '\x01', sizeof(value) - 1);
    fq_log_configure(ends[1], FQ_LOG_INFO, FQ_LOG_JSON);
    fq_log(FQ_LOG_INFO, "long", FQ_LOG_TEXT("a", value), FQ_LOG_TEXT("b", value),
           FQ_LOG_INT("c", 1));
    json_t *line = read_json();
    assert_true(json_string_length(json_object_get(line, "a")) == 515);
    assert_null(json_object_get(line, "b"));
    assert_int_equal(json_integer_value(json_object_get(line, "c")), 1);
    assert_true(json_is_true(json_object_get(line, "cut")));
    json_decref(line);
}

static void test_plain(void **state) {
    (void)state;
    fq_log_configure(ends[1], FQ_LOG_DEBUG, FQ_LOG_PLAIN);
    fq_log(FQ_LOG_DEBUG, "ready", FQ_LOG_TEXT("url", "http://x"), FQ_LOG_TEXT("who", "a b\n"),
           FQ_LOG_INT("n", -1));
    const char *line = read_line();
    assert_string_equal(line + 13, "DEBUG ready url=http://x who=\"a b\\u000a\" n=-1\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_lines_stay_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plain, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
