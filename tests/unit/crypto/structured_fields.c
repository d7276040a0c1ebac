// The HTTP working group's vectors, and what they leave out: limits, duplicates refused.
#include "crypto/structured_fields.h"

#include "vectors.h"

#include <stdio.h>

// RFC 4648 base32, as the vectors write bytes.
static size_t base32_decode(const char *text, uint8_t *out) {
    uint64_t bits = 0;
    unsigned held = 0;
    size_t len = 0;
    for (; *text && *text != '='; text++) {
        const unsigned value =
            *text >= 'A' ? (unsigned)(*text - 'A') : (unsigned)(*text - '2' + 26);
        bits = bits << 5 | value;
        held += 5;
        if (held >= 8) {
            held -= 8;
            out[len++] = (uint8_t)(bits >> held);
        }
    }
    return len;
}

static void check_bare(const fq_sf_node *node, const json_t *expected) {
    if (json_is_boolean(expected)) {
        assert_int_equal(node->kind, FQ_SF_BOOLEAN);
        assert_int_equal(node->value.number, json_is_true(expected));
    } else if (json_is_integer(expected)) {
        if (node->kind == FQ_SF_DECIMAL) {  // JSON writes 1.0 as 1 in some places
            assert_int_equal(node->value.number, json_integer_value(expected) * 1000);
        } else {
            assert_int_equal(node->kind, FQ_SF_INTEGER);
            assert_int_equal(node->value.number, json_integer_value(expected));
        }
    } else if (json_is_real(expected)) {
        assert_int_equal(node->kind, FQ_SF_DECIMAL);
        const double thousandths = json_real_value(expected) * 1000;
        assert_true((double)node->value.number - thousandths < 0.5 &&
                    thousandths - (double)node->value.number < 0.5);
    } else if (json_is_string(expected)) {
        assert_int_equal(node->kind, FQ_SF_STRING);
        assert_str(node->value.text,
                   ((fq_str){json_string_value(expected), json_string_length(expected)}));
    } else {
        const char *type = vectors_text(expected, "__type");
        if (strcmp(type, "token") == 0) {
            assert_int_equal(node->kind, FQ_SF_TOKEN);
            assert_str(node->value.text, vectors_str(expected, "value"));
        } else if (strcmp(type, "binary") == 0) {
            uint8_t bytes[1024];
            const size_t len = base32_decode(vectors_text(expected, "value"), bytes);
            assert_int_equal(node->kind, FQ_SF_BYTES);
            assert_str(node->value.text, ((fq_str){(const char *)bytes, len}));
        } else if (strcmp(type, "date") == 0) {
            assert_int_equal(node->kind, FQ_SF_DATE);
            assert_int_equal(node->value.number,
                             json_integer_value(json_object_get(expected, "value")));
        } else {
            assert_string_equal(type, "displaystring");
            assert_int_equal(node->kind, FQ_SF_DISPLAY_STRING);
            assert_str(node->value.text, vectors_str(expected, "value"));
        }
    }
}

static void check_parameters(const fq_sf_node *first, const json_t *expected) {
    size_t i;
    json_t *pair;
    json_array_foreach(expected, i, pair) {
        assert_non_null(first);
        assert_str(first->key, fq_str_of(json_string_value(json_array_get(pair, 0))));
        check_bare(first, json_array_get(pair, 1));
        first = first->next;
    }
    assert_null(first);
}

static void check_member(const fq_sf_node *node, const json_t *expected) {
    const json_t *value = json_array_get(expected, 0);
    if (json_is_array(value)) {
        assert_int_equal(node->kind, FQ_SF_INNER_LIST);
        const fq_sf_node *item = node->value.items;
        size_t i;
        json_t *inner;
        json_array_foreach(value, i, inner) {
            assert_non_null(item);
            check_member(item, inner);
            item = item->next;
        }
        assert_null(item);
    } else {
        check_bare(node, value);
    }
    check_parameters(node->parameters, json_array_get(expected, 1));
}

static void check_all(const fq_sf_node *first, fq_sf_type type, const json_t *expected) {
    if (type == FQ_SF_ITEM) {
        check_member(first, expected);
        return;
    }
    size_t i;
    json_t *member;
    json_array_foreach(expected, i, member) {
        assert_non_null(first);
        if (type == FQ_SF_DICTIONARY) {
            assert_str(first->key, fq_str_of(json_string_value(json_array_get(member, 0))));
            check_member(first, json_array_get(member, 1));
        } else {
            check_member(first, member);
        }
        first = first->next;
    }
    assert_null(first);
}

static void join_lines(const json_t *lines, fq_buffer *out) {
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line) {
        if (i > 0) {
            FQ_ADD(out, ", ");
        }
        fq_buffer_add(out, (fq_str){json_string_value(line), json_string_length(line)});
    }
}

static void run_case(const json_t *vector) {
    const char *type_name = vectors_text(vector, "header_type");
    const fq_sf_type type = strcmp(type_name, "item") == 0   ? FQ_SF_ITEM
                            : strcmp(type_name, "list") == 0 ? FQ_SF_LIST
                                                             : FQ_SF_DICTIONARY;
    fq_arena arena;
    fq_buffer raw, expected, written;
    fq_arena_init(&arena, 1 << 20);
    fq_buffer_init(&raw, 1 << 16);
    fq_buffer_init(&expected, 1 << 16);
    fq_buffer_init(&written, 1 << 16);
    join_lines(json_object_get(vector, "raw"), &raw);
    fq_sf_node *first = NULL;
    const bool good = fq_sf_parse(&arena, fq_buffer_str(&raw),
                                  (fq_sf_rules){type, FQ_SF_NODES_MAX, false}, &first);
    if (json_is_true(json_object_get(vector, "must_fail"))) {
        assert_false(good);
    } else if (!good) {
        assert_true(json_is_true(json_object_get(vector, "can_fail")));
    } else {
        check_all(first, type, json_object_get(vector, "expected"));
        const json_t *canonical = json_object_get(vector, "canonical");
        join_lines(canonical ? canonical : json_object_get(vector, "raw"), &expected);
        fq_sf_write(&written, type, first);
        assert_str(fq_buffer_str(&written), fq_buffer_str(&expected));
    }
    fq_buffer_free(&raw);
    fq_buffer_free(&expected);
    fq_buffer_free(&written);
    fq_arena_free(&arena);
}

static void passes_the_published_vectors(void **state) {
    (void)state;
    json_t *root = vectors_load("structured-fields");
    const json_t *cases = json_object_get(root, "cases");
    size_t i;
    json_t *vector;
    json_array_foreach(cases, i, vector) {
        print_message("%s: %s\n", vectors_text(vector, "file"), vectors_text(vector, "name"));
        run_case(vector);
    }
    assert_int_equal(json_array_size(cases), 275);
    json_decref(root);
}

static bool parses(const char *text, fq_sf_rules rules) {
    fq_arena arena;
    fq_arena_init(&arena, 1 << 20);
    fq_sf_node *first = NULL;
    const bool good = fq_sf_parse(&arena, fq_str_of(text), rules, &first);
    fq_arena_free(&arena);
    return good;
}

static void is_strict_about_padding_and_pad_bits(void **state) {
    (void)state;
    const fq_sf_rules item = {FQ_SF_ITEM, 8, false};
    assert_true(parses(":aGVsbG8=:", item));
    assert_false(parses(":aGVsbG8:", item));
    assert_false(parses(":iZ==:", item));
    assert_false(parses(":aGVs=bG8:", item));
}

static void refuses_duplicates_where_told(void **state) {
    (void)state;
    assert_true(parses("a=1, a=2", (fq_sf_rules){FQ_SF_DICTIONARY, 8, false}));
    assert_false(parses("a=1, a=2", (fq_sf_rules){FQ_SF_DICTIONARY, 8, true}));
    assert_false(parses("a;x=1;x=2", (fq_sf_rules){FQ_SF_DICTIONARY, 8, true}));
    assert_false(parses("(a;x;x)", (fq_sf_rules){FQ_SF_LIST, 8, true}));
}

static void counts_every_node(void **state) {
    (void)state;
    assert_true(parses("a;b;c, (d e)", (fq_sf_rules){FQ_SF_LIST, 6, false}));
    assert_false(parses("a;b;c, (d e)", (fq_sf_rules){FQ_SF_LIST, 5, false}));
}

static void finds_and_keeps_order(void **state) {
    (void)state;
    fq_arena arena;
    fq_buffer out;
    fq_arena_init(&arena, 1 << 20);
    fq_buffer_init(&out, 1024);
    fq_sf_node *first = NULL;
    assert_true(fq_sf_parse(&arena, FQ_STR("b=1;z;y=2, a=2, b=3;q"),
                            (fq_sf_rules){FQ_SF_DICTIONARY, 16, false}, &first));
    fq_sf_write(&out, FQ_SF_DICTIONARY, first);
    assert_str(fq_buffer_str(&out), FQ_STR("b=3;q, a=2"));
    assert_int_equal(fq_sf_find(first, FQ_STR("a"))->value.number, 2);
    assert_null(fq_sf_find(first, FQ_STR("c")));
    fq_buffer_free(&out);
    fq_arena_free(&arena);
}

static void refuses_high_bytes_and_cut_texts(void **state) {
    (void)state;
    const fq_sf_rules item = {FQ_SF_ITEM, 8, false};
    const char *const faults[] = {"\"\xC3\xA9\"", "\"a",     "\"a\\", ":aGVs",
                                  "%\"%c3\"",     "%\"%c\"", "?",     "@",
                                  "@1.0",         "-",       "1.",    "%"};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_false(parses(faults[i], item));
    }
    assert_true(parses("%\"%c3%a9\"", item));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_the_published_vectors),
        cmocka_unit_test(is_strict_about_padding_and_pad_bits),
        cmocka_unit_test(refuses_duplicates_where_told),
        cmocka_unit_test(counts_every_node),
        cmocka_unit_test(finds_and_keeps_order),
        cmocka_unit_test(refuses_high_bytes_and_cut_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
