// Views of text, arenas and buffers.
#include "base/str.h"

#include "base/arena.h"
#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_numbers(void **state) {
    (void)state;
    int64_t number = 7;
    assert_true(fq_str_to_i64(FQ_STR("-9223372036854775808"), &number) && number == INT64_MIN);
    assert_true(fq_str_to_i64(FQ_STR("9223372036854775807"), &number) && number == INT64_MAX);
    assert_true(fq_str_to_i64(FQ_STR("-0"), &number) && number == 0);
    static const char *const wrong[] = {"",
                                        "-",
                                        "01",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "1e3",
                                        "99999999999999999999"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(fq_str_to_i64(fq_str_of(wrong[i]), &number));
    }
    uint64_t large;
    assert_true(fq_str_to_u64(FQ_STR("18446744073709551615"), &large) && large == UINT64_MAX);
    assert_false(fq_str_to_u64(FQ_STR("18446744073709551616"), &large));
}

static void test_utf8(void **state) {
    (void)state;
    size_t count = 0;
    assert_true(fq_utf8_valid(FQ_STR("a\xC3\xA9\xE5\x8D\x88\xF0\x9F\x98\x80"), &count) &&
                count == 4);
    assert_true(fq_utf8_valid((fq_str){0}, &count) && count == 0);
    static const char *const wrong[] = {"\x80",
                                        "\xC0\xAF",
                                        "\xE0\x80\xAF",
                                        "\xED\xA0\x80",
                                        "\xF4\x90\x80\x80",
                                        "\xF8\x88\x80\x80\x80",
                                        "\xE4\xB8",
                                        "\xFF",
                                        "\xC3"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(fq_utf8_valid(fq_str_of(wrong[i]), NULL));
    }
    assert_int_equal(fq_str_cut(FQ_STR("ab\xE5\x8D\x88"), 4).len, 2);
    assert_int_equal(fq_str_cut(FQ_STR("ab\xE5\x8D\x88"), 5).len, 5);
}

static void test_comparing(void **state) {
    (void)state;
    assert_true(fq_str_equal_nocase(FQ_STR("Content-Type"), FQ_STR("content-type")));
    assert_false(fq_str_equal_nocase(FQ_STR("a"), FQ_STR("ab")));
    assert_true(fq_str_equal(fq_str_trim(FQ_STR(" \tx y\t ")), FQ_STR("x y")));
    assert_int_equal(fq_str_distance(FQ_STR("kitten"), FQ_STR("sitting")), 3);
    assert_int_equal(fq_str_distance(FQ_STR(""), FQ_STR("abc")), 3);
}

static void test_buffer_has_a_ceiling(void **state) {
    (void)state;
    fq_buffer buffer;
    fq_buffer_init(&buffer, 10);
    FQ_ADD(&buffer, "12345");
    fq_buffer_add_i64(&buffer, -123);
    assert_false(buffer.overflowed);
    FQ_ADD(&buffer, "67");
    assert_true(buffer.overflowed);
    assert_int_equal(buffer.len, 9);
    fq_buffer_free(&buffer);
    fq_buffer_init(&buffer, 4096);
    fq_buffer_printf(&buffer, "%0500d", 7);
    assert_int_equal(buffer.len, 500);
    fq_buffer_add_i64(&buffer, INT64_MIN);
    assert_true(fq_str_equal((fq_str){buffer.at + 500, 20}, FQ_STR("-9223372036854775808")));
    fq_buffer_free(&buffer);
}

static void test_arena(void **state) {
    (void)state;
    fq_arena arena;
    fq_arena_init(&arena, 1024 * 1024);
    for (int round = 0; round < 3; round++) {
        for (size_t bytes = 1; bytes < 20000; bytes = bytes * 3) {
            char *memory = fq_arena_alloc(&arena, bytes);
            assert_int_equal((uintptr_t)memory % 16, 0);
            for (size_t i = 0; i < bytes; i++) {
                assert_int_equal(memory[i], 0);
            }
            memset(memory, 'x', bytes);
        }
        assert_true(fq_str_equal(fq_arena_printf(&arena, "%d-%s", 5, "x"), FQ_STR("5-x")));
        fq_arena_reset(&arena);
    }
    fq_arena_wipe(&arena);
    fq_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_comparing), cmocka_unit_test(test_buffer_has_a_ceiling),
        cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
