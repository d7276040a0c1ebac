// The reader against the hazard vectors and against jansson, and the canonical form against RFC
// 8785's vectors.
#include "base/json.h"

#include "support.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static fq_arena arena;

static int set_up(void **state) {
    (void)state;
    fq_arena_init(&arena, 64 * 1024 * 1024);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fq_arena_free(&arena);
    return 0;
}

static json_t *load_vectors(const char *name) {
    char path[512];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/security/%s", FQ_TEST_VECTORS, name);
    json_t *vectors = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!vectors) {
        fail_msg("%s: %s", path, error.text);
    }
    return vectors;
}

static void add_hex(fq_buffer *out, const char *hex) {
    for (; hex[0] && hex[1]; hex += 2) {
        const char pair[3] = {hex[0], hex[1], '\0'};
        fq_buffer_add_char(out, (char)strtol(pair, NULL, 16));
    }
}

// text, hex or parts of a case.
static fq_str body_of(const json_t *vector, fq_buffer *out) {
    const json_t *text = json_object_get(vector, "text"), *parts = json_object_get(vector, "parts");
    const char *hex = json_string_value(json_object_get(vector, "hex"));
    if (text) {
        fq_buffer_add(out, (fq_str){json_string_value(text), json_string_length(text)});
    } else if (hex) {
        add_hex(out, hex);
    }
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        for (json_int_t times = json_integer_value(json_array_get(part, 1)); times > 0; times--) {
            fq_buffer_add(out, fq_str_of(json_string_value(json_array_get(part, 0))));
        }
    }
    return fq_buffer_str(out);
}

static void test_hazards(void **state) {
    (void)state;
    json_t *vectors = load_vectors("json-hazards.json");
    size_t index;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "cases"), index, vector) {
        fq_buffer body;
        fq_buffer_init(&body, 1024 * 1024);
        const fq_str text = body_of(vector, &body);
        const char *id = json_string_value(json_object_get(vector, "id"));
        const char *code = json_string_value(json_object_get(vector, "code"));
        const char *also = json_string_value(json_object_get(vector, "code_also"));
        const fq_json *out = NULL;
        const fq_err err = fq_json_parse(&arena, text, FQ_JSON_REQUEST, &out);
        const bool malformed = code && strcmp(code, "malformed_json") == 0;
        const bool may_be = also && strcmp(also, "malformed_json") == 0;
        if (malformed ? err.code != FQ_MALFORMED_JSON : err.code != FQ_DONE && !may_be) {
            fail_msg("%s: %s", id, fq_error_row_of(err.code)->name);
        }
        assert_true((err.code == FQ_DONE) == (out != NULL));
        char sentence[256];
        fq_error_sentence(err, FQ_ENGLISH, sentence, sizeof(sentence));
        assert_null(strchr(sentence, '{'));
        fq_buffer_free(&body);
        fq_arena_reset(&arena);
    }
    json_decref(vectors);
}

static void test_canonical(void **state) {
    (void)state;
    json_t *vectors = load_vectors("jcs.json");
    const fq_json_limits limits = {
        .depth_max = 16, .values_max = 1000, .any_top_level = true, .nul_allowed = true};
    size_t index;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "cases"), index, vector) {
        fq_buffer out;
        fq_buffer_init(&out, 64 * 1024);
        const fq_json *value = NULL;
        const fq_str input = fq_str_of(json_string_value(json_object_get(vector, "input")));
        const json_t *canonical = json_object_get(vector, "canonical");
        assert_int_equal(fq_json_parse(&arena, input, limits, &value).code, FQ_DONE);
        assert_int_equal(fq_json_canonical(value, NULL, &out).code, FQ_DONE);
        const fq_str expected = {json_string_value(canonical), json_string_length(canonical)};
        if (!fq_str_equal(fq_buffer_str(&out), expected)) {
            fail_msg("%s: %.*s", json_string_value(json_object_get(vector, "id")), (int)out.len,
                     out.at);
        }
        fq_buffer_free(&out);
    }
    json_array_foreach(json_object_get(vectors, "errors"), index, vector) {
        fq_buffer out;
        fq_buffer_init(&out, 64 * 1024);
        const fq_json *value = NULL;
        const fq_str input = fq_str_of(json_string_value(json_object_get(vector, "input")));
        fq_err err = fq_json_parse(&arena, input, limits, &value);
        if (err.code == FQ_DONE) {
            err = fq_json_canonical(value, NULL, &out);
        }
        assert_int_equal(err.code, FQ_MALFORMED_JSON);
        fq_buffer_free(&out);
    }
    json_decref(vectors);
}

static void test_double_text(void **state) {
    (void)state;
    json_t *vectors = load_vectors("jcs.json");
    size_t index;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "numbers"), index, vector) {
        const uint64_t bits =
            strtoull(json_string_value(json_object_get(vector, "ieee754_hex")), NULL, 16);
        double number;
        char text[FQ_JSON_DOUBLE_TEXT_MAX];
        memcpy(&number, &bits, sizeof(number));
        fq_json_double_text(number, text);
        assert_string_equal(text, json_string_value(json_object_get(vector, "json")));
    }
    json_decref(vectors);
    test_random random = test_random_start("double");
    for (int i = 0; i < 20000; i++) {
        const uint64_t bits = test_random_u64(&random);
        double number;
        char text[FQ_JSON_DOUBLE_TEXT_MAX];
        memcpy(&number, &bits, sizeof(number));
        if (number - number == 0) {  // finite
            fq_json_double_text(number, text);
            assert_true(strtod(text, NULL) == number);
        }
    }
}

static void test_canonical_without_a_member(void **state) {
    (void)state;
    const fq_json *value = NULL;
    fq_buffer out;
    fq_buffer_init(&out, 1024);
    const fq_str text =
        FQ_STR("{\"signature\":\"x\",\"b\":{\"signature\":1},\"a\":9223372036854775807,\"c\":-0}");
    assert_int_equal(fq_json_parse(&arena, text, FQ_JSON_REQUEST, &value).code, FQ_DONE);
    assert_int_equal(fq_json_canonical(value, "signature", &out).code, FQ_DONE);
    fq_buffer_add_char(&out, '\0');
    assert_string_equal(out.at, "{\"a\":9223372036854775807,\"b\":{\"signature\":1},\"c\":0}");
    fq_buffer_free(&out);
}

static void test_tree(void **state) {
    (void)state;
    const fq_json *top = NULL;
    const fq_str text =
        FQ_STR("{\"a\":[1,-2.5,\"\\u00e9\\ud83d\\ude00\\n\"],\"b\":null,\"c\":true,\"d\":{}}");
    assert_int_equal(fq_json_parse(&arena, text, FQ_JSON_REQUEST, &top).code, FQ_DONE);
    assert_int_equal(top->count, 4);
    const fq_json *list = fq_json_member(top, "a");
    assert_int_equal(list->type, FQ_JSON_ARRAY);
    assert_int_equal(list->count, 3);
    assert_true(list->first->is_integer && list->first->integer == 1);
    const fq_json *fraction = list->first->next;
    assert_true(!fraction->is_integer && fq_str_equal(fraction->text, FQ_STR("-2.5")));
    assert_int_equal(fraction->offset, 8);
    assert_true(fq_str_equal(fraction->next->text, FQ_STR("\xC3\xA9\xF0\x9F\x98\x80\n")));
    assert_null(fraction->next->next);
    assert_int_equal(fq_json_member(top, "b")->type, FQ_JSON_NULL);
    assert_true(fq_json_member(top, "c")->boolean);
    assert_null(fq_json_member(top, "d")->first);
    assert_null(fq_json_member(top, "e"));
    assert_null(fq_json_member(list, "a"));
    assert_null(fq_json_member(NULL, "a"));
}

static fq_err parse(fq_buffer *text, fq_json_limits limits) {
    const fq_json *out;
    return fq_json_parse(&arena, fq_buffer_str(text), limits, &out);
}

// At each limit it is taken, one further it is refused, and never needs more memory than was told.
static void test_limits(void **state) {
    (void)state;
    for (unsigned over = 0; over <= 1; over++) {
        const fq_code expected = over ? FQ_MALFORMED_JSON : FQ_DONE;
        fq_buffer text;
        fq_buffer_init(&text, 1024 * 1024);
        FQ_ADD(&text, "{");
        for (unsigned i = 0; i < FQ_JSON_MEMBERS_MAX + over; i++) {
            fq_buffer_printf(&text, "%s\"%u\":0", i ? "," : "", i);
        }
        FQ_ADD(&text, "}");
        assert_int_equal(parse(&text, FQ_JSON_REQUEST).code, expected);
        fq_buffer_clear(&text);
        FQ_ADD(&text, "{\"a\":[");
        for (unsigned i = 0; i < FQ_JSON_REQUEST.values_max - 1 + over; i++) {
            fq_buffer_printf(&text, "%s0", i ? "," : "");
        }
        FQ_ADD(&text, "]}");
        assert_int_equal(parse(&text, FQ_JSON_REQUEST).code, expected);
        fq_buffer_free(&text);
    }
    fq_arena small;
    fq_buffer text;
    fq_buffer_init(&text, 1024 * 1024);
    FQ_ADD(&text, "{\"a\":[0");
    for (unsigned i = 0; i < 4000; i++) {
        FQ_ADD(&text, ",\"\\n\"");
    }
    FQ_ADD(&text, "]}");
    fq_arena_init(&small, fq_json_arena_bytes(text.len, FQ_JSON_REQUEST));
    const fq_json *out;
    assert_int_equal(fq_json_parse(&small, fq_buffer_str(&text), FQ_JSON_REQUEST, &out).code,
                     FQ_DONE);
    fq_arena_free(&small);
    fq_buffer_free(&text);
}

static void test_faults_are_worded(void **state) {
    (void)state;
    const fq_json *out;
    char sentence[200];
    const fq_err err = fq_json_parse(&arena, FQ_STR("{\"a\":01}"), FQ_JSON_REQUEST, &out);
    fq_error_sentence(err, FQ_ENGLISH, sentence, sizeof(sentence));
    assert_string_equal(sentence,
                        "The body is not well-formed JSON: unexpected character at byte 6.");
    fq_error_sentence(err, FQ_CHINESE, sentence, sizeof(sentence));
    assert_string_equal(sentence, "请求体不是合法的 JSON：第 6 字节处有意外字符。");
}

// Small texts, changed at random: what we take, jansson takes too and reads alike.
static void test_agrees_with_jansson(void **state) {
    (void)state;
    static const char *const seeds[] = {
        "{\"order_id\":\"ord_0123456789012\",\"amount\":1999,\"x\":[true,false,null,1.5e3]}",
        "{\"a\":{\"b\":{\"c\":[\"\\u00e9\",\"\\ud83d\\ude00\",\"\xE5\x8D\x88\"]}},\"z\":-0}"};
    static const char bytes[] = "{}[]\",:0123456789-+.eE\\u tfn\x01\x80\xC3\xE5\xF0";
    test_random random = test_random_start("jansson");
    unsigned taken = 0;
    for (int i = 0; i < 60000; i++) {
        char text[128];
        const char *seed = seeds[test_random_below(&random, 2)];
        const size_t len = strlen(seed);
        memcpy(text, seed, len);
        for (uint64_t changes = test_random_below(&random, 3); changes > 0; changes--) {
            text[test_random_below(&random, len)] =
                bytes[test_random_below(&random, sizeof(bytes) - 1)];
        }
        const fq_json *ours = NULL;
        json_error_t error;
        json_t *theirs = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
        const bool right =
            fq_json_parse(&arena, (fq_str){text, len}, FQ_JSON_REQUEST, &ours).code == FQ_DONE;
        if (right != (theirs != NULL) && !(theirs && json_is_array(theirs)) &&
            !strstr(error.text, "too big") && !strstr(error.text, "overflow")) {
            fail_msg("%.*s: ours %d, jansson: %s", (int)len, text, right, error.text);
        }
        if (right && theirs) {
            const json_t *amount = json_object_get(theirs, "amount");
            const fq_json *member = fq_json_member(ours, "amount");
            assert_true((amount != NULL) == (member != NULL));
            if (json_is_integer(amount)) {
                assert_true(member->is_integer && member->integer == json_integer_value(amount));
            }
            taken++;
        }
        json_decref(theirs);
        fq_arena_reset(&arena);
    }
    assert_true(taken > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hazards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_canonical, set_up, tear_down),
        cmocka_unit_test(test_double_text),
        cmocka_unit_test_setup_teardown(test_canonical_without_a_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults_are_worded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_agrees_with_jansson, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
