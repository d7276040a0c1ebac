// Idempotency: which requests are the same, and in what others differ.
#include "store/request.h"

#include "store/journal.h"
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *const names[] = {"user_id", "amount", "items", "metadata", "capture", NULL};
static const fq_command_kind kind = {.name = "thing.create", .number = 7, .field_names = names};
static const fq_command_kind other_kind = {
    .name = "thing.change", .number = 8, .field_names = names};

static fq_arena arena;

static int begin(void **state) {
    (void)state;
    fq_arena_init(&arena, 16 << 20);
    return 0;
}

static int end(void **state) {
    (void)state;
    fq_arena_free(&arena);
    return 0;
}

static fq_request_mark mark_with(uint64_t root_key, const char *key, const char *target,
                                 const char *body) {
    const fq_json *json = NULL;
    if (body) {
        assert_int_equal(fq_json_parse(&arena, fq_str_of(body), FQ_JSON_REQUEST, &json).code,
                         FQ_DONE);
    }
    return fq_request_mark_of(&arena, &kind, root_key, fq_str_of(key), FQ_STR("POST"),
                              fq_str_of(target), json);
}

static fq_request_mark mark_of(const char *body) {
    return mark_with(1, "k", "/v1/things", body);
}

// The names of the fields in which a request differs from the one that was made before; "" when it
// is the same.
static const char *differs(fq_request_mark then, fq_request_mark now,
                           const fq_command_kind *now_kind) {
    const fq_request_row record = {
        .row = {.table = &fq_request_table}, .kind = kind.number, .fingerprint = then.fingerprint};
    const fq_command command = {.kind = now_kind, .arena = &arena, .request = now};
    if (fq_request_is_same(&command, &record.row)) {
        return "";
    }
    const fq_err err = fq_request_differs(&command, &record.row);
    assert_int_equal(err.code, FQ_IDEMPOTENCY_KEY_REUSED);
    return err.detail.blank[0].value.text;
}

static void test_differs(void **state) {
    (void)state;
    static const struct {
        const char *then, *now, *names;
    } rows[] = {
        {"{}", "{}", ""},
        {NULL, NULL, ""},
        {NULL, "{}", ""},
        {"{\"amount\":1}", "{\"amount\":1}", ""},
        {"{\"user_id\":\"a\",\"amount\":1}", "{ \"amount\" : 1, \"user_id\" : \"a\" }", ""},
        {"{\"user_id\":\"a\"}", "{\"user_id\":\"\\u0061\"}", ""},
        {"{\"amount\":1}", "{\"amount\":2}", "[\"amount\"]"},
        {"{\"amount\":1}", "{}", "[\"amount\"]"},
        {"{}", "{\"amount\":null}", "[\"amount\"]"},
        {"{\"amount\":1}", "{\"amount\":\"1\"}", "[\"amount\"]"},
        {"{\"capture\":true}", "{\"capture\":false}", "[\"capture\"]"},
        {"{\"amount\":1,\"user_id\":\"a\"}", "{\"amount\":2,\"user_id\":\"b\"}",
         "[\"user_id\",\"amount\"]"},
        {"{\"items\":[1,2]}", "{\"items\":[2,1]}", "[\"items\"]"},
        {"{\"items\":[[1],[]]}", "{\"items\":[[],[1]]}", "[\"items\"]"},
        // What ends an inner list or object is part of the request.
        {"{\"items\":[[1],2]}", "{\"items\":[[1,2]]}", "[\"items\"]"},
        {"{\"items\":[{\"m\":{\"a\":\"1\"},\"b\":\"2\"}]}",
         "{\"items\":[{\"m\":{\"a\":\"1\",\"b\":\"2\"}}]}", "[\"items\"]"},
        {"{\"items\":[\"ab\",\"c\"]}", "{\"items\":[\"a\",\"bc\"]}", "[\"items\"]"},
        {"{\"metadata\":{\"a\":\"b\"}}", "{\"metadata\":{\"b\":\"a\"}}", "[\"metadata\"]"},
        {"{\"metadata\":{}}", "{\"metadata\":[]}", "[\"metadata\"]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(differs(mark_of(rows[i].then), mark_of(rows[i].now), &kind),
                            rows[i].names);
    }
    const fq_request_mark then = mark_of("{\"amount\":1}");
    assert_string_equal(differs(then, mark_with(1, "k", "/v1/things?x=1", "{\"amount\":1}"), &kind),
                        "[\"path\"]");
    assert_string_equal(differs(then, mark_with(1, "k", "/v1/others", "{\"amount\":2}"), &kind),
                        "[\"path\",\"amount\"]");
    assert_string_equal(differs(then, then, &other_kind), "[\"path\"]");
}

// Each API key has its own Idempotency-Keys, and no two share one by standing beside one another.
static void test_keys(void **state) {
    (void)state;
    const fq_request_mark a = mark_with(1, "k", "/", NULL),
                          same = mark_with(1, "k", "/other", "{}");
    assert_true(a.asked);
    assert_true(a.hash_high == same.hash_high && a.hash_low == same.hash_low);
    const fq_request_mark others[] = {mark_with(2, "k", "/", NULL), mark_with(1, "k ", "/", NULL),
                                      mark_with(1, "K", "/", NULL)};
    for (size_t i = 0; i < 3; i++) {
        assert_true(a.hash_high != others[i].hash_high || a.hash_low != others[i].hash_low);
    }
}

// A record that was damaged: some refusal, and never a read beyond it.
static void test_damaged_records(void **state) {
    (void)state;
    test_random random = test_random_start("damaged fingerprints");
    const fq_request_mark now = mark_of("{\"user_id\":\"a\",\"amount\":1,\"metadata\":{}}");
    for (int run = 0; run < 2000; run++) {
        const size_t len = (size_t)test_random_below(&random, now.fingerprint.len + 8);
        char *bytes = malloc(len ? len : 1);  // of its own, so that a read beyond is seen
        assert_non_null(bytes);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = test_random_chance(&random, 4) || i >= now.fingerprint.len
                           ? (char)test_random_u64(&random)
                           : now.fingerprint.at[i];
        }
        fq_request_mark then = now;
        then.fingerprint = (fq_str){bytes, len};
        const char *found = differs(then, now, &kind);
        const bool same = fq_str_equal(then.fingerprint, now.fingerprint);
        assert_int_equal(found[0] == '\0', same);
        free(bytes);
    }
}

// A secret's plain hash does not stay in the record, and the same secret is still the same.
static void test_hidden_field(void **state) {
    (void)state;
    fq_command command = {.kind = &kind,
                          .arena = &arena,
                          .request = mark_of("{\"user_id\":\"secret\",\"amount\":1}")};
    fq_command other = {.kind = &kind, .arena = &arena, .request = mark_of("{\"amount\":1}")};
    const fq_request_mark plain = command.request;
    const fq_hash keyed = fq_sha256_of(FQ_STR("keyed"));
    fq_request_hide(&arena, &command, "user_id", &keyed);
    assert_string_equal(differs(plain, command.request, &kind), "[\"user_id\"]");
    fq_command again = {.kind = &kind, .arena = &arena, .request = plain};
    fq_request_hide(&arena, &again, "user_id", &keyed);
    assert_string_equal(differs(command.request, again.request, &kind), "");
    const fq_request_mark before = other.request;
    fq_request_hide(&arena, &other, "user_id", &keyed);
    assert_string_equal(differs(before, other.request, &kind), "");
    fq_command unasked = {.kind = &kind, .arena = &arena};
    fq_request_hide(&arena, &unasked, "user_id", &keyed);
    assert_int_equal(unasked.request.fingerprint.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_differs, begin, end),
        cmocka_unit_test_setup_teardown(test_keys, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged_records, begin, end),
        cmocka_unit_test_setup_teardown(test_hidden_field, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
