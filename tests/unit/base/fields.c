// Decoding by tables: every kind of field, the order of faults, queries, and the order body of the
// hazard vectors.
#include "base/fields.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct {
    fq_str name;
    int64_t quantity, unit_amount;
} item;

typedef struct {
    uint64_t payee_id, payer_id;
    int64_t amount, expires_in, created_from;
    fq_currency currency;
    fq_str description, reference, metadata;
    int capture, roles;
    bool atomic;
    fq_given given_expires_in, given_reference;
    fq_list items;
    item best;
    const fq_json *any;
} order;

static const fq_choice captures[] = {{"automatic", 1}, {"manual", 2}, {0}};
static const fq_choice roles[] = {{"payer", 1}, {"merchant", 2}, {0}};
static const fq_field item_rows[] = {
    {"name", FQ_FIELD_STRING, .required = true, .minimum = 1, .maximum = 5,
     .offset = FQ_AT(item, name)},
    {"quantity", FQ_FIELD_INTEGER, .required = true, .minimum = 1, .maximum = 99,
     .offset = FQ_AT(item, quantity)},
    {"unit_amount", FQ_FIELD_AMOUNT, .required = true, .offset = FQ_AT(item, unit_amount)},
};
static const fq_fields item_fields = FQ_FIELDS(item_rows, item);
static const fq_field order_rows[] = {
    {"payee_id", FQ_FIELD_ID, .required = true, .id_kind = FQ_ID_user,
     .offset = FQ_AT(order, payee_id)},
    {"payer_id", FQ_FIELD_ID_ANY, .id_kind = FQ_ID_user, .offset = FQ_AT(order, payer_id)},
    {"amount", FQ_FIELD_AMOUNT, .required = true, .offset = FQ_AT(order, amount)},
    {"currency", FQ_FIELD_CURRENCY, .required = true, .offset = FQ_AT(order, currency)},
    {"description", FQ_FIELD_STRING, .required = true, .maximum = 100,
     .offset = FQ_AT(order, description)},
    {"expires_in", FQ_FIELD_INTEGER, .minimum = 60, .maximum = 3600,
     .offset = FQ_AT(order, expires_in), .given = FQ_GIVEN_AT(order, given_expires_in)},
    {"reference", FQ_FIELD_ASCII, .null_allowed = true, .minimum = 1, .maximum = 64,
     .offset = FQ_AT(order, reference), .given = FQ_GIVEN_AT(order, given_reference)},
    {"metadata", FQ_FIELD_MAP, .offset = FQ_AT(order, metadata)},
    {"capture", FQ_FIELD_ENUM, .choices = captures, .offset = FQ_AT(order, capture)},
    {"roles", FQ_FIELD_FLAGS, .choices = roles, .minimum = 1, .maximum = 2,
     .offset = FQ_AT(order, roles)},
    {"atomic", FQ_FIELD_BOOL, .offset = FQ_AT(order, atomic)},
    {"items", FQ_FIELD_LIST, .nested = &item_fields, .maximum = 3, .offset = FQ_AT(order, items)},
    {"best", FQ_FIELD_OBJECT, .nested = &item_fields, .offset = FQ_AT(order, best)},
    {"any", FQ_FIELD_VALUE, .offset = FQ_AT(order, any)},
    {"created_from", FQ_FIELD_TIME, .offset = FQ_AT(order, created_from)},
};
static const fq_fields order_fields = FQ_FIELDS(order_rows, order);

static fq_arena arena;

static int set_up(void **state) {
    (void)state;
    fq_arena_init(&arena, 16 * 1024 * 1024);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fq_arena_free(&arena);
    return 0;
}

#define PAYEE "\"payee_id\":\"usr_0123456789012\""
#define GOOD PAYEE ",\"amount\":1999,\"currency\":\"CNY\",\"description\":\"tea\""

static void test_a_whole_order(void **state) {
    (void)state;
    order out = {0};
    const fq_str body = FQ_STR(
        "{" GOOD
        ",\"payer_id\":12345678901,\"expires_in\":60,\"reference\":null,\"metadata\":{\"b\":\"\\u0001\",\"a\":\"x\"},"
        "\"capture\":\"manual\",\"roles\":[\"merchant\",\"payer\"],\"atomic\":true,\"any\":[null],"
        "\"items\":[{\"name\":\"a\",\"quantity\":1,\"unit_amount\":5},{\"name\":\"b\",\"quantity\":2,\"unit_amount\":6}],"
        "\"best\":{\"unit_amount\":7,\"quantity\":3,\"name\":\"c\"},\"created_from\":\"1970-01-01T00:00:01Z\"}");
    assert_int_equal(fq_fields_decode_body(&arena, &order_fields, body, false, &out).code, FQ_DONE);
    char currency[4];
    fq_currency_text(out.currency, currency);
    assert_string_equal(currency, "CNY");
    assert_int_equal(out.amount, 1999);
    assert_true(out.payer_id == 12345678901);
    assert_int_equal(out.given_expires_in, FQ_GIVEN);
    assert_int_equal(out.given_reference, FQ_GIVEN_NULL);
    assert_true(fq_str_equal(out.metadata, FQ_STR("{\"a\":\"x\",\"b\":\"\\u0001\"}")));
    assert_int_equal(out.capture, 2);
    assert_int_equal(out.roles, 3);
    assert_true(out.atomic);
    assert_int_equal(out.items.count, 2);
    assert_int_equal(((item *)out.items.at)[1].unit_amount, 6);
    assert_int_equal(out.best.quantity, 3);
    assert_int_equal(out.any->type, FQ_JSON_ARRAY);
    assert_int_equal(out.created_from, 1000);
}

// Body, then what it is refused for; each row names the fault that comes first in the contract's
// order.
static const struct {
    const char *body;
    fq_code code;
    const char *param;
} refusals[] = {
    {"{" GOOD "", FQ_MALFORMED_JSON, NULL},
    {"{\"amount\":99999999999999999999,\"nope\":1}", FQ_MALFORMED_JSON, "amount"},
    {"{\"amount\":-1,\"currency\":1,\"nope\":1}", FQ_UNKNOWN_FIELD, "nope"},
    {"{\"amount\":-1,\"currency\":1}", FQ_MISSING_FIELD, "payee_id"},
    {"{}", FQ_MISSING_FIELD, "payee_id"},
    {"{" PAYEE ",\"amount\":-1,\"currency\":1,\"description\":\"\"}", FQ_INVALID_FIELD, "currency"},
    {"{" PAYEE ",\"amount\":-1,\"currency\":\"CNY\",\"description\":\"\"}", FQ_AMOUNT_NOT_POSITIVE,
     "amount"},
    {"{" PAYEE ",\"amount\":1e3,\"currency\":\"CNY\",\"description\":\"\"}", FQ_INVALID_FIELD,
     "amount"},
    {"{" GOOD ",\"payer_id\":\"usr_812345678901\"}", FQ_INVALID_FIELD, "payer_id"},
    {"{" GOOD ",\"payer_id\":0}", FQ_INVALID_FIELD, "payer_id"},
    {"{" GOOD ",\"expires_in\":59}", FQ_INVALID_FIELD, "expires_in"},
    {"{" GOOD ",\"expires_in\":3601}", FQ_INVALID_FIELD, "expires_in"},
    {"{" GOOD ",\"expires_in\":null}", FQ_INVALID_FIELD, "expires_in"},
    {"{" GOOD ",\"reference\":\"a b\"}", FQ_INVALID_FIELD, "reference"},
    {"{" GOOD ",\"reference\":\"\"}", FQ_INVALID_FIELD, "reference"},
    {"{" GOOD ",\"reference\":\"\xC3\xA9\"}", FQ_INVALID_FIELD, "reference"},
    {"{" GOOD ",\"metadata\":[]}", FQ_INVALID_FIELD, "metadata"},
    {"{" GOOD ",\"metadata\":{\"\":\"x\"}}", FQ_INVALID_FIELD, "metadata"},
    {"{" GOOD ",\"metadata\":{\"a\":1}}", FQ_INVALID_FIELD, "metadata"},
    {"{" GOOD ",\"capture\":\"both\"}", FQ_INVALID_FIELD, "capture"},
    {"{" GOOD ",\"capture\":1}", FQ_INVALID_FIELD, "capture"},
    {"{" GOOD ",\"roles\":[]}", FQ_INVALID_FIELD, "roles"},
    {"{" GOOD ",\"roles\":[\"payer\",\"payer\"]}", FQ_INVALID_FIELD, "roles"},
    {"{" GOOD ",\"roles\":\"payer\"}", FQ_INVALID_FIELD, "roles"},
    {"{" GOOD ",\"atomic\":\"true\"}", FQ_INVALID_FIELD, "atomic"},
    {"{" GOOD ",\"items\":[1]}", FQ_INVALID_FIELD, "items[0]"},
    {"{" GOOD ",\"items\":[{},{},{},{}]}", FQ_INVALID_FIELD, "items"},
    {"{" GOOD
     ",\"items\":[{\"name\":\"a\",\"quantity\":1,\"unit_amount\":5},{\"name\":\"a\",\"quantity\":0,\"unit_amount\":5}]}",
     FQ_INVALID_FIELD, "items[1].quantity"},
    {"{" GOOD ",\"items\":[{\"name\":\"a\",\"quantity\":1,\"unit_amount\":0},{\"nam\":\"a\"}]}",
     FQ_UNKNOWN_FIELD, "items[1].nam"},
    {"{" GOOD ",\"best\":{\"name\":\"a\",\"quantity\":1,\"unit_amount\":0}}",
     FQ_AMOUNT_NOT_POSITIVE, "best.unit_amount"},
    {"{" GOOD ",\"best\":7}", FQ_INVALID_FIELD, "best"},
    {"{" GOOD ",\"created_from\":\"yesterday\"}", FQ_INVALID_FIELD, "created_from"},
};

static void test_refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        order out = {0};
        char sentence[300];
        const fq_str body = fq_str_of(refusals[i].body);
        const fq_err err = fq_fields_decode_body(&arena, &order_fields, body, false, &out);
        const char *param = err.param ? err.param : "",
                   *expected = refusals[i].param ? refusals[i].param : "";
        if (err.code != refusals[i].code || strcmp(param, expected) != 0) {
            fail_msg("%s: %s %s", refusals[i].body, fq_error_row_of(err.code)->name, param);
        }
        // Every reason given here has its Chinese.
        fq_error_sentence(err, FQ_CHINESE, sentence, sizeof(sentence));
        assert_null(strstr(sentence, "must"));
    }
}

static void test_unknown_names_are_cut(void **state) {
    (void)state;
    char body[400] = "{\"";
    for (int i = 0; i < 100; i++) {
        strcat(body, "\xE5\x8D\x88");
    }
    strcat(body, "\":1}");
    order out = {0};
    const fq_err err = fq_fields_decode_body(&arena, &order_fields, fq_str_of(body), false, &out);
    assert_int_equal(err.code, FQ_UNKNOWN_FIELD);
    assert_int_equal(strlen(err.param), 63);
}

static void test_metadata_bounds(void **state) {
    (void)state;
    static const struct {
        int pairs, key, value;
        fq_code code;
    } rows[] = {{20, 38, 500, FQ_DONE},
                {21, 1, 1, FQ_INVALID_FIELD},
                {1, 39, 1, FQ_INVALID_FIELD},
                {1, 1, 501, FQ_INVALID_FIELD}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fq_buffer body;
        fq_buffer_init(&body, 256 * 1024);
        FQ_ADD(&body, "{" GOOD ",\"metadata\":{");
        for (int j = 0; j < rows[i].pairs; j++) {
            fq_buffer_printf(&body, "%s\"%0*d%02d\":\"", j ? "," : "", rows[i].key, 0, j);
            for (int k = 0; k < rows[i].value; k++) {
                FQ_ADD(&body, "\\u0001");
            }
            FQ_ADD(&body, "\"");
        }
        FQ_ADD(&body, "}}");
        order out = {0};
        assert_int_equal(
            fq_fields_decode_body(&arena, &order_fields, fq_buffer_str(&body), false, &out).code,
            rows[i].code);
        fq_buffer_free(&body);
        fq_arena_reset(&arena);
    }
}

static void test_empty_body(void **state) {
    (void)state;
    static const fq_field rows[] = {{"amount", FQ_FIELD_AMOUNT, .offset = FQ_AT(order, amount)}};
    static const fq_fields fields = FQ_FIELDS(rows, order);
    order out = {0};
    assert_int_equal(fq_fields_decode_body(&arena, &fields, (fq_str){0}, true, &out).code, FQ_DONE);
    assert_int_equal(fq_fields_decode_body(&arena, &fields, FQ_STR("{}"), true, &out).code,
                     FQ_DONE);
    assert_int_equal(fq_fields_decode_body(&arena, &fields, (fq_str){0}, false, &out).code,
                     FQ_MALFORMED_JSON);
}

typedef struct {
    int64_t limit, created_from;
    fq_str reference;
    uint64_t user_id;
    bool all;
} filter;

static const fq_field filter_rows[] = {
    {"limit", FQ_FIELD_INTEGER, .minimum = 1, .maximum = 100, .offset = FQ_AT(filter, limit)},
    {"created_from", FQ_FIELD_TIME, .offset = FQ_AT(filter, created_from)},
    {"reference", FQ_FIELD_STRING, .maximum = 64, .offset = FQ_AT(filter, reference)},
    {"user_id", FQ_FIELD_ID_ANY, .id_kind = FQ_ID_user, .offset = FQ_AT(filter, user_id)},
    {"all", FQ_FIELD_BOOL, .offset = FQ_AT(filter, all)},
};
static const fq_fields filter_fields = FQ_FIELDS(filter_rows, filter);

static void test_queries(void **state) {
    (void)state;
    filter out = {.limit = 20};
    const fq_str query = FQ_STR(
        "limit=7&created_from=1970-01-01T08%3A00:00%2b08:00&reference=a+b%20%E5%8d%88&user_id=5&all=true&");
    assert_int_equal(fq_fields_decode_query(&arena, &filter_fields, query, &out).code, FQ_DONE);
    assert_int_equal(out.limit, 7);
    assert_int_equal(out.created_from, 0);
    assert_true(fq_str_equal(out.reference, FQ_STR("a b \xE5\x8D\x88")));
    assert_true(out.user_id == 5 && out.all);
    out.limit = 20;
    assert_int_equal(fq_fields_decode_query(&arena, &filter_fields, (fq_str){0}, &out).code,
                     FQ_DONE);
    assert_int_equal(out.limit, 20);
    static const struct {
        const char *query, *param;
    } wrong[] = {
        {"limit=0", "limit"},
        {"limit=101", "limit"},
        {"limit=", "limit"},
        {"limit", "limit"},
        {"limit=1e1", "limit"},
        {"limit=1&limit=1", "limit"},
        {"limit=1&l%69mit=1", "limit"},
        {"limits=1", "limits"},
        {"all=1", "all"},
        {"reference=%", "query"},
        {"reference=%4", "query"},
        {"reference=%zz", "query"},
        {"reference=%00", "query"},
        {"reference=%ff", "query"},
        {"=1", ""},
        {"created_from=1970-01-01T08:00:00+08:00", "created_from"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const fq_err err =
            fq_fields_decode_query(&arena, &filter_fields, fq_str_of(wrong[i].query), &out);
        if (err.code != FQ_INVALID_FIELD || strcmp(err.param, wrong[i].param) != 0) {
            fail_msg("%s: %s %s", wrong[i].query, fq_error_row_of(err.code)->name, err.param);
        }
    }
    fq_buffer many;
    fq_buffer_init(&many, 4096);
    for (int i = 0; i < 65; i++) {
        fq_buffer_printf(&many, "&a%d=", i);
    }
    assert_int_equal(
        fq_fields_decode_query(&arena, &filter_fields, fq_buffer_str(&many), &out).code,
        FQ_INVALID_FIELD);
    fq_buffer_free(&many);
}

// The bodies for POST /v1/orders, from the fields' point of view.
static void test_hazards(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof(path), "%s/security/json-hazards.json", FQ_TEST_VECTORS);
    json_t *vectors = json_load_file(path, JSON_ALLOW_NUL, NULL);
    assert_non_null(vectors);
    size_t index, tried = 0;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "cases"), index, vector) {
        const json_t *text = json_object_get(vector, "text");
        if (!text) {
            continue;  // bytes that are no text are the reader's affair
        }
        order out = {0};
        const fq_str body = {json_string_value(text), json_string_length(text)};
        const fq_err err = fq_fields_decode_body(&arena, &order_fields, body, false, &out);
        const char *got = fq_error_row_of(err.code)->name,
                   *id = json_string_value(json_object_get(vector, "id"));
        const char *code = json_string_value(json_object_get(vector, "code"));
        const char *also = json_string_value(json_object_get(vector, "code_also"));
        if (strcmp(got, code ? code : "done") != 0 && !(also && strcmp(got, also) == 0)) {
            fail_msg("%s: %s, not %s", id, got, code);
        }
        tried++;
        fq_arena_reset(&arena);
    }
    assert_true(tried > 80);
    json_decref(vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_order),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unknown_names_are_cut),
        cmocka_unit_test(test_metadata_bounds),
        cmocka_unit_test(test_empty_body),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_hazards),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
