// How errors are worded.
#include "base/err.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void test_rows_are_whole(void **state) {
    (void)state;
    for (fq_code code = 0; code < FQ_CODE_COUNT; code++) {
        const fq_error_row *row = fq_error_row_of(code);
        assert_non_null(row->name);
        assert_true(row->status >= 200 && row->status < 600);
        assert_true(fq_utf8_valid(fq_str_of(row->detail[FQ_CHINESE]), NULL));
    }
}

static void test_sentences(void **state) {
    (void)state;
    char text[256];
    fq_error_sentence(
        fq_refuse_reason(FQ_INVALID_FIELD, "description", "must have at most {1} characters", 500),
        FQ_ENGLISH, text, sizeof(text));
    assert_string_equal(text, "'description' is not valid: must have at most 500 characters.");
    fq_error_sentence(
        fq_refuse_reason(FQ_INVALID_FIELD, "description", "must have at most {1} characters", 500),
        FQ_CHINESE, text, sizeof(text));
    assert_string_equal(text, "“description”无效：最多 500 个字符。");
    fq_error_sentence(fq_refuse_text(FQ_INVALID_FIELD, "x", "because of {0} {p}"), FQ_ENGLISH, text,
                      sizeof(text));
    assert_string_equal(text, "'x' is not valid: because of  x.");
    fq_error_sentence(fq_refuse_number(FQ_REFUND_EXCEEDS_PAYMENT, "amount", -5, 0), FQ_ENGLISH,
                      text, sizeof(text));
    assert_string_equal(text, "More would be refunded than was paid; -5 is left.");
    fq_error_sentence(fq_refuse(FQ_MISSING_FIELD, NULL), FQ_ENGLISH, text, sizeof(text));
    assert_string_equal(text, "'' is required.");
}

// Whatever the room, the text ends between two code points.
static void test_cut_sentences(void **state) {
    (void)state;
    const fq_err err = fq_refuse_reason(FQ_INVALID_FIELD, "名称", "must be a string", 0);
    for (unsigned room = 1; room < 60; room++) {
        char text[64];
        memset(text, 'x', sizeof(text));
        fq_error_sentence(err, FQ_CHINESE, text, room);
        assert_true(strlen(text) < room);
        assert_true(fq_utf8_valid(fq_str_of(text), NULL));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_whole),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_cut_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
