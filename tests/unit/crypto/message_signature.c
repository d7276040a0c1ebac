// RFC 9421's own examples, signature bases, whole signed requests, and round trips of our signer.
#include "crypto/message_signature.h"

#include "http_message.h"
#include "vectors.h"

static fq_arena arena;

static int set_up(void **state) {
    (void)state;
    fq_arena_init(&arena, 4 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fq_arena_free(&arena);
    return 0;
}

// "(...)...;params" as the value of a Dictionary member.
static fq_sf_node *parse_input(fq_str text) {
    fq_sf_node *node = NULL;
    const fq_str member = fq_arena_printf(&arena, "s=%.*s", FQ_STR_ARGS(text));
    assert_true(fq_sf_parse(&arena, member, (fq_sf_rules){FQ_SF_DICTIONARY, 64, true}, &node));
    return node;
}

static void builds_the_bases_of_the_vectors(void **state) {
    (void)state;
    json_t *root = vectors_load("rfc9421");
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "base_cases"), i, vector) {
        print_message("%s\n", vectors_text(vector, "id"));
        fq_message request;
        const json_t *request_json = json_object_get(vector, "request");
        if (request_json) {
            request = message_from_json(&arena, request_json);
        }
        fq_message message = message_from_json(&arena, json_object_get(vector, "message"));
        message.request = request_json ? &request : NULL;
        fq_str base = {0};
        const fq_signature_fault fault = fq_signature_base(
            &arena, &message, parse_input(vectors_str(vector, "signature_params")), &base);
        if (strcmp(vectors_text(vector, "expect"), "base") == 0) {
            assert_int_equal(fault, FQ_FAULT_NONE);
            assert_str(base, vectors_str(vector, "base"));
        } else {
            assert_int_not_equal(fault, FQ_FAULT_NONE);
        }
        fq_arena_reset(&arena);
    }
    json_decref(root);
}

static void verifies_the_examples_of_the_rfc(void **state) {
    (void)state;
    json_t *root = vectors_load("rfc9421");
    const json_t *messages = json_object_get(root, "messages");
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "examples"), i, vector) {
        print_message("%s\n", vectors_text(vector, "id"));
        const fq_message message =
            message_from_json(&arena, json_object_get(messages, vectors_text(vector, "message")));
        fq_sf_node *input = NULL, *signature = NULL;
        const fq_sf_rules rules = {FQ_SF_DICTIONARY, 64, true};
        assert_true(fq_sf_parse(&arena, vectors_str(vector, "signature_input"), rules, &input));
        const fq_str field = fq_arena_printf(&arena, "s=:%s:", vectors_text(vector, "signature"));
        const fq_str given = vectors_str(vector, "signature");
        assert_true(fq_sf_parse(&arena, memchr(given.at, ':', given.len) ? given : field, rules,
                                &signature));
        fq_str base;
        assert_int_equal(fq_signature_base(&arena, &message, input, &base), FQ_FAULT_NONE);
        assert_str(base, vectors_str(vector, "base"));
        fq_verify_key *key =
            vectors_verify_key(vectors_text(vector, "keyid"), vectors_text(vector, "alg"));
        assert_true(fq_signature_check(key, base, signature->value.text));
        const fq_str other = fq_arena_printf(&arena, "%.*s\n", FQ_STR_ARGS(base));
        assert_false(fq_signature_check(key, other, signature->value.text));
        fq_verify_key_free(key);
        fq_arena_reset(&arena);
    }
    json_decref(root);
}

typedef struct {
    fq_str keyid;
    const fq_verify_key *key;
    bool revoked;
} one_key;

static fq_key_state look_up(void *context, fq_str keyid, const fq_verify_key **out_key) {
    const one_key *known = context;
    if (!fq_str_equal(keyid, known->keyid)) {
        return FQ_KEY_STATE_UNKNOWN;
    }
    *out_key = known->key;
    return known->revoked ? FQ_KEY_STATE_REVOKED : FQ_KEY_STATE_ACTIVE;
}

static bool is_expected(const json_t *vector, fq_err err) {
    const fq_error_row *row = fq_error_row_of(err.code);
    const char *also = vectors_text(vector, "code_also");
    return strcmp(row->name, vectors_text(vector, "code")) == 0 ||
           (*also && strcmp(row->name, also) == 0) ||
           row->status == json_integer_value(json_object_get(vector, "status_also"));
}

static void judges_whole_requests(void **state) {
    (void)state;
    json_t *root = vectors_load("signed-requests");
    size_t i, valid = 0;
    json_t *vector;
    json_array_foreach(json_object_get(root, "cases"), i, vector) {
        print_message("%s\n", vectors_text(vector, "id"));
        fq_str body;
        const fq_message request =
            message_from_bytes(&arena, vectors_str(vector, "request"), FQ_STR("https"), &body);
        const bool unknown = strcmp(vectors_text(vector, "code"), "key_unknown") == 0;
        fq_verify_key *key =
            vectors_verify_key(unknown ? "test-shared-secret" : vectors_text(vector, "keyid"),
                               vectors_text(vector, "alg_of_key"));
        one_key known = {unknown ? FQ_STR("test-shared-secret") : vectors_str(vector, "keyid"), key,
                         false};
        const fq_signature_policy policy = {json_integer_value(json_object_get(vector, "now")),
                                            look_up, &known};
        fq_verdict verdict;
        const fq_err err = fq_message_verify(&arena, &request, body, &policy, &verdict);
        const fq_explanation told =
            fq_signature_explain(&arena, &request, body, &policy, FQ_ENGLISH);
        assert_int_equal(told.err.code, err.code);
        assert_true(told.detail.len > 0);
        if (strcmp(vectors_text(vector, "expect"), "valid") == 0) {
            assert_int_equal(err.code, FQ_DONE);
            if (vectors_str(vector, "base").len > 0) {
                assert_str(verdict.base, vectors_str(vector, "base"));
            }
            valid++;
        } else if (strcmp(vectors_text(vector, "code"), "nonce_reused") == 0) {
            assert_int_equal(err.code, FQ_DONE);  // the nonce is its caller's last step
            assert_str(verdict.nonce, fq_str_of(json_string_value(json_array_get(
                                          json_object_get(vector, "nonces_already_seen"), 0))));
        } else if (!is_expected(vector, err)) {
            fail_msg("%s instead of %s", fq_error_row_of(err.code)->name,
                     vectors_text(vector, "code"));
        }
        fq_verify_key_free(key);
        fq_arena_reset(&arena);
    }
    assert_int_equal(valid, 22);
    json_decref(root);
}

#define FIELDS_MAX 8

// A payment as a client sends it, signed.
typedef struct {
    fq_message message;
    fq_message_field fields[FIELDS_MAX];
    fq_str body;
} sample;

static void make_sample(sample *out, const fq_sign_key *key, const char *method, fq_str query,
                        fq_str body) {
    *out = (sample){.body = body};
    out->fields[0] = (fq_message_field){FQ_STR("Host"), FQ_STR("Pay.Example:443")};
    out->fields[1] = (fq_message_field){FQ_STR("Content-Type"), FQ_STR("application/json")};
    out->fields[2] = (fq_message_field){FQ_STR("Idempotency-Key"), FQ_STR("k-1")};
    out->message = (fq_message){.method = fq_str_of(method),
                                .scheme = FQ_STR("https"),
                                .authority = FQ_STR("Pay.Example:443"),
                                .path = FQ_STR("/v1/payments"),
                                .query = query,
                                .fields = out->fields,
                                .field_count = 3};
    const fq_signing signing = {
        .key = key, .keyid = FQ_STR("key_1"), .nonce = FQ_STR("n1"), .created_s = 1000};
    fq_signed_fields made;
    assert_done(fq_message_sign(&arena, &out->message, body, &signing, &made));
    out->fields[3] = (fq_message_field){FQ_STR("Signature-Input"), made.signature_input};
    out->fields[4] = (fq_message_field){FQ_STR("Signature"), made.signature};
    out->fields[5] = (fq_message_field){FQ_STR("Content-Digest"), made.content_digest};
    out->message.field_count = body.len > 0 ? 6 : 5;
}

static fq_err verify(const sample *given, const one_key *known, int64_t now_s, fq_verdict *out) {
    one_key copy = *known;
    const fq_signature_policy policy = {now_s, look_up, &copy};
    return fq_message_verify(&arena, &given->message, given->body, &policy, out);
}

static const char *const signers[][2] = {
    {"test-shared-secret", "hmac-sha256"},  {"test-key-ecc-p256", "ecdsa-p256-sha256"},
    {"test-key-rsa-pss", "rsa-pss-sha512"}, {"test-key-rsa", "rsa-pss-sha512"},
    {"test-key-rsa", "rsa-v1_5-sha256"},    {"test-key-ed25519", "ed25519"}};

static void verifies_what_it_signs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(signers) / sizeof(signers[0]); i++) {
        fq_sign_key *sign_key = vectors_sign_key(signers[i][0], signers[i][1]);
        fq_verify_key *verify_key = vectors_verify_key(signers[i][0], signers[i][1]);
        const one_key known = {FQ_STR("key_1"), verify_key, false};
        sample given;
        fq_verdict verdict;
        make_sample(&given, sign_key, "POST", FQ_STR(""), FQ_STR("{\"amount\":1}"));
        assert_done(verify(&given, &known, 1000, &verdict));
        assert_str(verdict.keyid, FQ_STR("key_1"));
        assert_str(verdict.nonce, FQ_STR("n1"));
        assert_int_equal(verdict.created_s, 1000);
        given.body = FQ_STR("{\"amount\":2}");
        assert_refused(verify(&given, &known, 1000, &verdict), FQ_SIGNATURE_INVALID);
        assert_int_equal(verdict.fault, FQ_FAULT_DIGEST_MISMATCH);
        make_sample(&given, sign_key, "GET", FQ_STR("?limit=1"), FQ_STR(""));
        assert_done(verify(&given, &known, 1000, &verdict));
        given.message.query = FQ_STR("?limit=2");
        assert_refused(verify(&given, &known, 1000, &verdict), FQ_SIGNATURE_INVALID);
        fq_sign_key_free(sign_key);
        fq_verify_key_free(verify_key);
        fq_arena_reset(&arena);
    }
}

static void keeps_the_window(void **state) {
    (void)state;
    fq_sign_key *sign_key = vectors_sign_key("test-shared-secret", "hmac-sha256");
    fq_verify_key *verify_key = vectors_verify_key("test-shared-secret", "hmac-sha256");
    one_key known = {FQ_STR("key_1"), verify_key, false};
    sample given;
    fq_verdict verdict;
    make_sample(&given, sign_key, "POST", FQ_STR(""), FQ_STR("{}"));
    assert_done(verify(&given, &known, 1300, &verdict));
    assert_done(verify(&given, &known, 940, &verdict));
    assert_refused(verify(&given, &known, 1301, &verdict), FQ_SIGNATURE_EXPIRED);
    assert_refused(verify(&given, &known, 939, &verdict), FQ_SIGNATURE_EXPIRED);
    known.revoked = true;
    assert_refused(verify(&given, &known, 1000, &verdict), FQ_KEY_REVOKED);
    known.keyid = FQ_STR("key_2");
    assert_refused(verify(&given, &known, 1000, &verdict), FQ_KEY_UNKNOWN);
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
}

static void asks_for_the_idempotency_key(void **state) {
    (void)state;
    fq_sign_key *sign_key = vectors_sign_key("test-shared-secret", "hmac-sha256");
    fq_verify_key *verify_key = vectors_verify_key("test-shared-secret", "hmac-sha256");
    const one_key known = {FQ_STR("key_1"), verify_key, false};
    sample given;
    fq_verdict verdict;
    make_sample(&given, sign_key, "POST", FQ_STR(""), FQ_STR("{}"));
    given.fields[2].name = FQ_STR("X-Other");
    const fq_err err = verify(&given, &known, 1000, &verdict);
    assert_int_equal(err.code, FQ_MISSING_FIELD);
    assert_string_equal(err.param, "Idempotency-Key");
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
}

static void never_trusts_a_bearer_key_to_sign(void **state) {
    (void)state;
    fq_sign_key *sign_key = vectors_sign_key("test-shared-secret", "hmac-sha256");
    fq_verify_key *bearer = NULL;
    const fq_hash token = fq_sha256_of(FQ_STR("fq_test_1"));
    assert_done(
        fq_verify_key_from_secret(FQ_ALGORITHM_BEARER, fq_hash_str(&token), "token", &bearer));
    const one_key known = {FQ_STR("key_1"), bearer, false};
    sample given;
    fq_verdict verdict;
    make_sample(&given, sign_key, "POST", FQ_STR(""), FQ_STR("{}"));
    assert_refused(verify(&given, &known, 1000, &verdict), FQ_SIGNATURE_INVALID);
    fq_sign_key_free(sign_key);
    fq_verify_key_free(bearer);
}

static void looks_at_four_labels_and_no_more(void **state) {
    (void)state;
    fq_sign_key *sign_key = vectors_sign_key("test-shared-secret", "hmac-sha256");
    fq_verify_key *verify_key = vectors_verify_key("test-shared-secret", "hmac-sha256");
    const one_key known = {FQ_STR("key_1"), verify_key, false};
    sample given;
    fq_verdict verdict;
    make_sample(&given, sign_key, "POST", FQ_STR(""), FQ_STR("{}"));
    const fq_str input = given.fields[3].value, signature = given.fields[4].value;
    given.fields[3].value = fq_arena_printf(
        &arena, "a=();keyid=\"x\", b=();keyid=\"y\", c=(), %.*s", FQ_STR_ARGS(input));
    given.fields[4].value = fq_arena_printf(&arena, "a=:AAAA:, %.*s", FQ_STR_ARGS(signature));
    assert_done(verify(&given, &known, 1000, &verdict));
    assert_str(verdict.label, FQ_STR("fq"));
    given.fields[3].value =
        fq_arena_printf(&arena, "a=(), b=(), c=(), d=(), %.*s", FQ_STR_ARGS(input));
    assert_refused(verify(&given, &known, 1000, &verdict), FQ_SIGNATURE_INVALID);
    assert_int_equal(verdict.fault, FQ_FAULT_TOO_MANY_LABELS);
    given.fields[3].value = FQ_STR("a=()");
    assert_refused(verify(&given, &known, 1000, &verdict), FQ_SIGNATURE_INVALID);
    assert_int_equal(verdict.fault, FQ_FAULT_NO_KEYID);
    // An earlier known key decides alone, though a later signature is right.
    given.fields[3].value =
        fq_arena_printf(&arena, "a=();keyid=\"key_1\", %.*s", FQ_STR_ARGS(input));
    assert_refused(verify(&given, &known, 1000, &verdict), FQ_SIGNATURE_INVALID);
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
}

static void signs_answers(void **state) {
    (void)state;
    fq_sign_key *sign_key = vectors_sign_key("test-key-ed25519", "ed25519");
    fq_verify_key *verify_key = vectors_verify_key("test-key-ed25519", "ed25519");
    sample request;
    make_sample(&request, sign_key, "POST", FQ_STR(""), FQ_STR("{}"));
    const fq_str body = FQ_STR("{\"id\":\"pay_0123456789012\"}");
    fq_message_field fields[4] = {{FQ_STR("Content-Type"), FQ_STR("application/json")}};
    fq_message answer = {
        .status = 201, .fields = fields, .field_count = 1, .request = &request.message};
    const fq_signing signing = {.key = sign_key,
                                .keyid = FQ_STR("server"),
                                .created_s = 1000,
                                .request_label = FQ_STR("fq")};
    fq_signed_fields made;
    assert_done(fq_answer_sign(&arena, &answer, body, &signing, &made));
    fields[1] = (fq_message_field){FQ_STR("Content-Digest"), made.content_digest};
    fields[2] = (fq_message_field){FQ_STR("Signature-Input"), made.signature_input};
    fields[3] = (fq_message_field){FQ_STR("Signature"), made.signature};
    answer.field_count = 4;
    fq_verdict verdict;
    assert_done(fq_answer_verify(&arena, &answer, body, verify_key, &verdict));
    assert_refused(fq_answer_verify(&arena, &answer, FQ_STR("{}"), verify_key, &verdict),
                   FQ_SIGNATURE_INVALID);
    answer.status = 200;
    assert_refused(fq_answer_verify(&arena, &answer, body, verify_key, &verdict),
                   FQ_SIGNATURE_INVALID);
    answer.status = 201;
    request.fields[4].value = FQ_STR("fq=:AAAA:");
    assert_refused(fq_answer_verify(&arena, &answer, body, verify_key, &verdict),
                   FQ_SIGNATURE_INVALID);
    // Two labels: the answer names the one that was checked.
    request.fields[4].value = FQ_STR("fq=:AAAA:, other=:BBBB:");
    assert_done(fq_answer_sign(&arena, &answer, body, &signing, &made));
    assert_non_null(memmem(made.signature_input.at, made.signature_input.len,
                           "\"signature\";req;key=\"fq\"", 24));
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
}

static void explains_usual_mistakes(void **state) {
    (void)state;
    fq_sign_key *sign_key = vectors_sign_key("test-shared-secret", "hmac-sha256");
    fq_verify_key *verify_key = vectors_verify_key("test-shared-secret", "hmac-sha256");
    one_key known = {FQ_STR("key_1"), verify_key, false};
    const fq_signature_policy policy = {1000, look_up, &known};
    sample given;
    make_sample(&given, sign_key, "POST", FQ_STR(""), FQ_STR("{}"));
    fq_explanation told =
        fq_signature_explain(&arena, &given.message, given.body, &policy, FQ_CHINESE);
    assert_int_equal(told.err.code, FQ_DONE);
    uint8_t signature[FQ_SIGNATURE_BYTES_MAX];
    size_t bytes = 0;
    const fq_str base = fq_arena_printf(&arena, "%.*s\n", FQ_STR_ARGS(told.verdict.base));
    assert_done(fq_signature_make(sign_key, base, signature, &bytes));
    char text[64];
    const size_t len = fq_base64_encode((fq_str){(const char *)signature, bytes}, text);
    given.fields[4].value = fq_arena_printf(&arena, "fq=:%.*s:", (int)len, text);
    told = fq_signature_explain(&arena, &given.message, given.body, &policy, FQ_ENGLISH);
    assert_int_equal(told.err.code, FQ_SIGNATURE_INVALID);
    assert_non_null(memmem(told.detail.at, told.detail.len, "line feed after the last line", 29));
    told = fq_signature_explain(&arena, &given.message, given.body,
                                &(fq_signature_policy){5000, look_up, &known}, FQ_ENGLISH);
    assert_int_equal(told.err.code, FQ_SIGNATURE_EXPIRED);
    assert_true(told.verdict.base.len > 0);
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
}

static void bounds_what_is_covered(void **state) {
    (void)state;
    char *large = fq_arena_alloc(&arena, 16000);
    memset(large, 'a', 16000);
    const fq_message_field fields[] = {{FQ_STR("x-a"), {large, 16000}}};
    const fq_message message = {.method = FQ_STR("GET"), .fields = fields, .field_count = 1};
    fq_str base;
    assert_int_equal(
        fq_signature_base(&arena, &message, parse_input(FQ_STR("(\"x-a\" \"x-a\";bs)")), &base),
        FQ_FAULT_NONE);
    assert_true(base.len > 32000);
    assert_int_equal(fq_signature_base(&arena, &message,
                                       parse_input(FQ_STR("(\"x-a\";key=\"b\" \"x-a\";key=\"c\")")),
                                       &base),
                     FQ_FAULT_COMPONENT_ABSENT);
    fq_buffer many;
    fq_buffer_init(&many, 4096);
    FQ_ADD(&many, "(");
    for (int i = 0; i <= FQ_SIGNATURE_COMPONENTS_MAX; i++) {
        fq_buffer_printf(&many, "%s\"x-a\";key=\"%d\"", i ? " " : "", i);
    }
    FQ_ADD(&many, ")");
    fq_sf_node *node = NULL;
    const fq_str member = fq_arena_printf(&arena, "s=%.*s", FQ_STR_ARGS(fq_buffer_str(&many)));
    assert_true(fq_sf_parse(&arena, member, (fq_sf_rules){FQ_SF_DICTIONARY, 192, true}, &node));
    assert_int_equal(fq_signature_base(&arena, &message, node, &base), FQ_FAULT_TOO_LARGE);
    fq_buffer_free(&many);
}

static void same_parameters_in_another_order_are_a_duplicate(void **state) {
    (void)state;
    const fq_message_field fields[] = {{FQ_STR("example-dict"), FQ_STR("a=1")}};
    const fq_message message = {.method = FQ_STR("GET"), .fields = fields, .field_count = 1};
    fq_str base;
    assert_int_equal(
        fq_signature_base(
            &arena, &message,
            parse_input(FQ_STR("(\"example-dict\";sf;key=\"a\" \"example-dict\";key=\"a\";sf)")),
            &base),
        FQ_FAULT_COMPONENT_TWICE);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(builds_the_bases_of_the_vectors),
        TEST(verifies_the_examples_of_the_rfc),
        TEST(judges_whole_requests),
        TEST(verifies_what_it_signs),
        TEST(keeps_the_window),
        TEST(asks_for_the_idempotency_key),
        TEST(never_trusts_a_bearer_key_to_sign),
        TEST(looks_at_four_labels_and_no_more),
        TEST(signs_answers),
        TEST(explains_usual_mistakes),
        TEST(bounds_what_is_covered),
        TEST(same_parameters_in_another_order_are_a_duplicate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
