// The writer: what it writes, and that jansson and our own reader read it back.
#include "base/json_writer.h"

#include "base/json.h"
#include "support.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_members(void **state) {
    (void)state;
    fq_buffer out;
    fq_buffer_init(&out, 4096);
    fq_json_writer w = fq_json_writer_on(&out);
    fq_currency cny;
    assert_int_equal(fq_currency_parse(FQ_STR("CNY"), "currency", &cny).code, FQ_DONE);
    fq_json_object_begin(&w, NULL);
    fq_json_put_id(&w, "id", FQ_ID_payment, 1);
    fq_json_put_id(&w, "refund_id", FQ_ID_refund, 0);
    fq_json_put_literal(&w, "object", "payment");
    fq_json_put_money(&w, (fq_money){1999, cny});
    fq_json_put_time(&w, "created_at", 0);
    fq_json_put_bool(&w, "live", false);
    fq_json_put_null(&w, "reference");
    fq_json_put_raw(&w, "metadata", (fq_str){0});
    fq_json_array_begin(&w, "data");
    fq_json_object_begin(&w, NULL);
    fq_json_object_end(&w);
    fq_json_put_i64(&w, NULL, INT64_MIN);
    fq_json_put_u64(&w, NULL, UINT64_MAX);
    fq_json_put_decimal(&w, NULL, 12.5, 3);
    fq_json_put_decimal(&w, NULL, 7, 3);
    fq_json_array_end(&w);
    fq_json_object_begin(&w, "pairs");
    fq_json_put_pair(&w, FQ_STR("a\"b"), FQ_STR("1"));
    fq_json_put_pair(&w, FQ_STR("c"), FQ_STR("2"));
    fq_json_object_end(&w);
    fq_json_object_end(&w);
    fq_buffer_add_char(&out, '\0');
    assert_string_equal(
        out.at,
        "{\"id\":\"pay_0000000000001\",\"object\":\"payment\",\"amount\":1999,\"currency\":\"CNY\","
        "\"created_at\":\"1970-01-01T00:00:00.000Z\",\"live\":false,\"reference\":null,\"metadata\":{},"
        "\"data\":[{},-9223372036854775808,18446744073709551615,12.5,7],"
        "\"pairs\":{\"a\\\"b\":\"1\",\"c\":\"2\"}}");
    fq_buffer_free(&out);
}

static size_t put_point(char *out, uint32_t point) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    out[0] = (char)(0xE0 | point >> 12);
    out[1] = (char)(0x80 | (point >> 6 & 0x3F));
    out[2] = (char)(0x80 | (point & 0x3F));
    return 3;
}

// Any text comes back as it went in, by jansson and by our own reader.
static void test_strings_come_back(void **state) {
    (void)state;
    test_random random = test_random_start("json string");
    for (int i = 0; i < 20000; i++) {
        char text[64];
        size_t len = 0;
        for (uint64_t points = test_random_below(&random, 20); points > 0; points--) {
            const uint32_t most = test_random_chance(&random, 2) ? 0x80 : 0xD800;
            len += put_point(text + len, (uint32_t)test_random_below(&random, most - 1) + 1);
        }
        fq_buffer out;
        fq_arena arena;
        fq_buffer_init(&out, 4096);
        fq_arena_init(&arena, 1024 * 1024);
        fq_json_string(&out, (fq_str){text, len});
        json_t *theirs = json_loadb(out.at, out.len, JSON_DECODE_ANY, NULL);
        assert_non_null(theirs);
        assert_true(fq_str_equal((fq_str){json_string_value(theirs), json_string_length(theirs)},
                                 (fq_str){text, len}));
        const fq_json_limits limits = {.depth_max = 1, .values_max = 1, .any_top_level = true};
        const fq_json *ours = NULL;
        assert_int_equal(fq_json_parse(&arena, fq_buffer_str(&out), limits, &ours).code, FQ_DONE);
        assert_true(fq_str_equal(ours->text, (fq_str){text, len}));
        json_decref(theirs);
        fq_arena_free(&arena);
        fq_buffer_free(&out);
    }
}

static void test_ceiling(void **state) {
    (void)state;
    fq_buffer out;
    fq_buffer_init(&out, 30);
    fq_json_writer w = fq_json_writer_on(&out);
    fq_json_object_begin(&w, NULL);
    fq_json_put_literal(&w, "object", "a long text that does not fit");
    fq_json_object_end(&w);
    assert_true(out.overflowed);
    assert_true(out.len <= 30);
    fq_buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_strings_come_back),
        cmocka_unit_test(test_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
