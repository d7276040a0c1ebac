// Problem documents and their language.
#include "http/problem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_language_is_the_one_preferred(void **state) {
    (void)state;
    static const struct {
        const char *field;
        fq_language language;
    } rows[] = {
        {"", FQ_ENGLISH},
        {"zh", FQ_CHINESE},
        {"zh-CN", FQ_CHINESE},
        {"ZH-hans-cn", FQ_CHINESE},
        {"zhx", FQ_ENGLISH},
        {"en", FQ_ENGLISH},
        {"en, zh", FQ_ENGLISH},
        {"zh, en", FQ_ENGLISH},
        {"zh-CN,zh;q=0.9,en;q=0.8", FQ_CHINESE},
        {"en;q=0.8,zh;q=0.9", FQ_CHINESE},
        {"en;q=0.81, zh;q=0.805", FQ_ENGLISH},
        {"en; q=0, zh ; q=0.001", FQ_CHINESE},
        {"*", FQ_ENGLISH},
        {"fr, *;q=0.5", FQ_ENGLISH},
        {"*, en;q=0.5", FQ_CHINESE},
        {"*, zh;q=0.5", FQ_ENGLISH},
        {"zh;q=0", FQ_ENGLISH},
        {"fr", FQ_ENGLISH},
        {"zh;q=2", FQ_ENGLISH},
        {"zh;q=x", FQ_ENGLISH},
        {"zh;q=", FQ_ENGLISH},
        {",,;;,zh", FQ_CHINESE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (fq_language_of(fq_str_of(rows[i].field)) != rows[i].language) {
            fail_msg("%s", rows[i].field);
        }
    }
}

static json_t *encode(fq_err err, fq_language language, fq_str extra) {
    fq_buffer out;
    fq_buffer_init(&out, 4096);
    fq_problem_encode(err, language, FQ_STR("req_1"), extra, &out);
    json_t *document = json_loadb(out.at, out.len, 0, NULL);
    assert_non_null(document);
    fq_buffer_free(&out);
    return document;
}

static const char *text_of(json_t *document, const char *name) {
    return json_string_value(json_object_get(document, name));
}

static void a_document_says_it_all(void **state) {
    (void)state;
    json_t *document = encode(fq_refuse_text(FQ_INVALID_FIELD, "a\"b", "bad"), FQ_ENGLISH,
                              FQ_STR("\"differs\":[\"amount\"]"));
    assert_string_equal(text_of(document, "type"), "/problems/invalid_field");
    assert_string_equal(text_of(document, "title"), "Invalid field");
    assert_int_equal(json_integer_value(json_object_get(document, "status")), 400);
    assert_string_equal(text_of(document, "detail"), "'a\"b' is not valid: bad.");
    assert_string_equal(text_of(document, "code"), "invalid_field");
    assert_string_equal(text_of(document, "param"), "a\"b");
    assert_string_equal(text_of(document, "request_id"), "req_1");
    assert_int_equal(json_array_size(json_object_get(document, "differs")), 1);
    json_decref(document);

    document = encode(fq_refuse(FQ_INSUFFICIENT_BALANCE, NULL), FQ_CHINESE, (fq_str){0});
    assert_string_equal(text_of(document, "title"), "余额不足");
    assert_null(json_object_get(document, "param"));
    json_decref(document);

    // What the store says among ourselves.
    document = encode(fq_refuse(FQ_STORE_UNKNOWN, NULL), FQ_ENGLISH, (fq_str){0});
    assert_string_equal(text_of(document, "code"), "unavailable");
    json_decref(document);
}

// A text that does not fit is cut between characters, not within one.
static void a_long_sentence_stays_utf8(void **state) {
    (void)state;
    enum { CHARACTERS = 500 };
    char *text = malloc(CHARACTERS * 3 + 3);
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = 0; i < CHARACTERS; i++) {
            memcpy(text + shift + 3 * i, "飞", 3);
        }
        text[shift + CHARACTERS * 3] = '\0';
        json_decref(
            encode(fq_refuse_text(FQ_INVALID_FIELD, "name", text), FQ_ENGLISH, (fq_str){0}));
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_language_is_the_one_preferred),
        cmocka_unit_test(a_document_says_it_all),
        cmocka_unit_test(a_long_sentence_stays_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
