// The requests that the load generator makes in place, against the check that a server makes of
// them.
#include "bench/message.h"

#include "base/clock.h"
#include "crypto/message_signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { FIELDS_MAX = 16 };

#define SECRET "0123456789abcdef0123456789abcdef"

typedef struct {
    fq_verify_key *key;
    fq_message_field fields[FIELDS_MAX];
    fq_message message;
    fq_str body;
} received;

static fq_key_state look_up(void *context, fq_str key_id, const fq_verify_key **out_key) {
    assert_true(fq_str_equal(key_id, FQ_STR("key_0000000000001")));
    *out_key = ((received *)context)->key;
    return FQ_KEY_STATE_ACTIVE;
}

// Cuts a request into its parts, as a server's parser does.
static void receive(fq_str bytes, received *out) {
    const char *blank = memmem(bytes.at, bytes.len, "\r\n\r\n", 4);
    assert_non_null(blank);
    out->body = (fq_str){blank + 4, bytes.len - (size_t)(blank + 4 - bytes.at)};
    const char *at = bytes.at, *space = strchr(at, ' ');
    out->message = (fq_message){.method = {at, (size_t)(space - at)},
                                .scheme = FQ_STR("http"),
                                .authority = FQ_STR("127.0.0.1:8080"),
                                .path = {space + 1, (size_t)(strchr(space + 1, ' ') - space - 1)},
                                .fields = out->fields};
    for (const char *line = strstr(at, "\r\n") + 2; line < blank + 2;
         line = strstr(line, "\r\n") + 2) {
        const char *colon = strchr(line, ':'), *end = strstr(line, "\r\n");
        assert_true(out->message.field_count < FIELDS_MAX);
        out->fields[out->message.field_count++] = (fq_message_field){
            .name = {line, (size_t)(colon - line)},
            .value = fq_str_trim((fq_str){colon + 1, (size_t)(end - colon - 1)})};
    }
}

static fq_str field_of(const received *r, fq_str name) {
    for (size_t i = 0; i < r->message.field_count; i++) {
        if (fq_str_equal(r->fields[i].name, name)) {
            return r->fields[i].value;
        }
    }
    return (fq_str){0};
}

// Is the request one that a server takes? Stores its nonce.
static void check(received *r, fq_arena *arena, fq_str bytes, fq_str *out_nonce) {
    receive(bytes, r);
    fq_verdict verdict;
    const fq_signature_policy policy = {
        .now_s = fq_wall_ms() / 1000, .lookup = look_up, .lookup_context = r};
    const fq_err err = fq_message_verify(arena, &r->message, r->body, &policy, &verdict);
    assert_int_equal(err.code, FQ_DONE);
    *out_nonce = verdict.nonce;
}

static void make_caller(fq_sign_key *key, bench_caller *out) {
    *out = (bench_caller){.key = key, .key_id = "key_0000000000001", .authority = "127.0.0.1:8080"};
}

static size_t post(bench_template *template, const char *body, char *out) {
    memcpy(bench_message_begin(template, strlen(body), out), body, strlen(body));
    const size_t bytes = bench_message_end(template, strlen(body), out);
    out[bytes] = '\0';
    return bytes;
}

static void requests_are_right(fq_sign_key *key, fq_verify_key *verify_key) {
    bench_caller caller;
    make_caller(key, &caller);
    bench_template template;
    bench_template_init(&template, &caller, "/v1/payments");
    fq_arena arena;
    fq_arena_init(&arena, FQ_SIGNATURE_ARENA_BYTES * 2);
    char first[BENCH_HEAD_BYTES_MAX + 64], second[BENCH_HEAD_BYTES_MAX + 64];
    received a = {.key = verify_key}, b = {.key = verify_key};
    fq_str nonce_a, nonce_b;
    const size_t first_bytes = post(&template, "{\"amount\":1}", first);
    check(&a, &arena, (fq_str){first, first_bytes}, &nonce_a);
    assert_true(fq_str_equal(a.body, FQ_STR("{\"amount\":1}")));
    assert_true(fq_str_equal(field_of(&a, FQ_STR("Content-Length")), FQ_STR("12")));
    // The second differs in all that must be new, and in length.
    const size_t second_bytes = post(&template, "{}", second);
    check(&b, &arena, (fq_str){second, second_bytes}, &nonce_b);
    assert_true(fq_str_equal(field_of(&b, FQ_STR("Content-Length")), FQ_STR("2")));
    assert_int_equal(nonce_a.len, BENCH_TOKEN_LEN);
    assert_false(fq_str_equal(nonce_a, nonce_b));
    const fq_str key_a = field_of(&a, FQ_STR("Idempotency-Key")),
                 key_b = field_of(&b, FQ_STR("Idempotency-Key"));
    assert_false(fq_str_equal(key_a, key_b));
    assert_false(fq_str_equal(key_a, nonce_a));
    fq_arena_free(&arena);
}

static void hmac_requests(void **state) {
    (void)state;
    fq_sign_key *key = NULL;
    fq_verify_key *verify_key = NULL;
    assert_int_equal(fq_sign_key_from_secret(FQ_STR(SECRET), NULL, &key).code, FQ_DONE);
    assert_int_equal(
        fq_verify_key_from_secret(FQ_ALGORITHM_HMAC_SHA256, FQ_STR(SECRET), NULL, &verify_key).code,
        FQ_DONE);
    requests_are_right(key, verify_key);
    fq_sign_key_free(key);
    fq_verify_key_free(verify_key);
}

static void pair_requests(void **state) {
    (void)state;
    static const fq_algorithm algorithms[] = {FQ_ALGORITHM_ECDSA_P256_SHA256, FQ_ALGORITHM_ED25519,
                                              FQ_ALGORITHM_RSA_PSS_SHA512,
                                              FQ_ALGORITHM_RSA_V1_5_SHA256};
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        fq_arena arena;
        fq_arena_init(&arena, 1 << 20);
        fq_str pem;
        fq_sign_key *key = NULL;
        fq_verify_key *verify_key = NULL;
        assert_int_equal(fq_sign_key_generate(algorithms[i], &arena, &pem).code, FQ_DONE);
        assert_int_equal(fq_sign_key_from_pem(algorithms[i], pem, NULL, &key).code, FQ_DONE);
        const fq_str public_pem = fq_str_of(fq_sign_key_public_pem(key, &arena));
        assert_int_equal(fq_verify_key_from_pem(algorithms[i], public_pem, NULL, &verify_key).code,
                         FQ_DONE);
        requests_are_right(key, verify_key);
        fq_sign_key_free(key);
        fq_verify_key_free(verify_key);
        fq_arena_free(&arena);
    }
}

static void two_templates_share_no_nonce(void **state) {
    (void)state;
    fq_sign_key *key = NULL;
    assert_int_equal(fq_sign_key_from_secret(FQ_STR(SECRET), NULL, &key).code, FQ_DONE);
    bench_caller caller;
    make_caller(key, &caller);
    static bench_template a, b;
    bench_template_init(&a, &caller, "/v1/payments");
    bench_template_init(&b, &caller, "/v1/payments");
    assert_memory_not_equal(a.token, b.token, BENCH_TOKEN_LEN);
    fq_sign_key_free(key);
}

static void reads_are_signed(void **state) {
    (void)state;
    fq_sign_key *key = NULL;
    received r = {0};
    assert_int_equal(fq_sign_key_from_secret(FQ_STR(SECRET), NULL, &key).code, FQ_DONE);
    assert_int_equal(
        fq_verify_key_from_secret(FQ_ALGORITHM_HMAC_SHA256, FQ_STR(SECRET), NULL, &r.key).code,
        FQ_DONE);
    bench_caller caller;
    make_caller(key, &caller);
    char bytes[BENCH_HEAD_BYTES_MAX];
    const size_t len = bench_message_get(&caller, "/v1/payments/pay_0000000000001", bytes);
    fq_arena arena;
    fq_arena_init(&arena, FQ_SIGNATURE_ARENA_BYTES);
    fq_str nonce;
    check(&r, &arena, (fq_str){bytes, len}, &nonce);
    assert_int_equal(nonce.len, 0);
    fq_sign_key_free(key);
    fq_verify_key_free(r.key);
    fq_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_requests),
        cmocka_unit_test(pair_requests),
        cmocka_unit_test(two_templates_share_no_nonce),
        cmocka_unit_test(reads_are_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
