// A signed request from a stranger: method, path, query, then field lines, as "name: value" between
// line feeds. The check must neither crash nor take more of the arena than it says, and what our
// signer signs must verify.
#include "crypto/message_signature.h"

enum { FIELDS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fq_str take_line(fq_str *rest) {
    const char *feed = rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
    const size_t len = feed ? (size_t)(feed - rest->at) : rest->len;
    const fq_str line = {rest->at, len};
    const size_t used = len + (feed != NULL);
    *rest = (fq_str){rest->at + used, rest->len - used};
    return line;
}

static fq_key_state look_up(void *context, fq_str keyid, const fq_verify_key **out_key) {
    *out_key = context;
    return fq_str_equal(keyid, FQ_STR("revoked"))   ? FQ_KEY_STATE_REVOKED
           : fq_str_equal(keyid, FQ_STR("unknown")) ? FQ_KEY_STATE_UNKNOWN
                                                    : FQ_KEY_STATE_ACTIVE;
}

static void check_own_signature(fq_message *message, fq_message_field *fields, fq_str body,
                                const fq_sign_key *key, const fq_signature_policy *policy) {
    fq_arena arena;
    fq_arena_init(&arena, 4 << 20);
    const fq_signing signing = {
        .key = key, .keyid = FQ_STR("k"), .nonce = FQ_STR("n"), .created_s = policy->now_s};
    fq_signed_fields made;
    if (message->field_count + 3 <= FIELDS_MAX && !fq_message_is_signed(message) &&
        fq_message_sign(&arena, message, body, &signing, &made).code == FQ_DONE) {
        size_t count = message->field_count, kept = 0;
        for (size_t i = 0; i < count; i++) {
            if (!fq_str_equal_nocase(fields[i].name, FQ_STR("content-digest"))) {
                fields[kept++] = fields[i];
            }
        }
        fields[kept++] = (fq_message_field){FQ_STR("signature-input"), made.signature_input};
        fields[kept++] = (fq_message_field){FQ_STR("signature"), made.signature};
        if (made.content_digest.len > 0) {
            fields[kept++] = (fq_message_field){FQ_STR("content-digest"), made.content_digest};
        }
        message->field_count = kept;
        fq_verdict verdict;
        const fq_err err = fq_message_verify(&arena, message, body, policy, &verdict);
        FQ_ASSERT(err.code == FQ_DONE || verdict.fault == FQ_FAULT_FIELD_TWICE ||
                  verdict.fault == FQ_FAULT_IDEMPOTENCY_KEY_ABSENT);
    }
    fq_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 16384) {
        return 0;
    }
    fq_sign_key *sign_key = NULL;
    fq_verify_key *verify_key = NULL;
    const fq_str secret = FQ_STR("0123456789abcdef0123456789abcdef");
    FQ_ASSERT(fq_sign_key_from_secret(secret, "secret", &sign_key).code == FQ_DONE);
    FQ_ASSERT(
        fq_verify_key_from_secret(FQ_ALGORITHM_HMAC_SHA256, secret, "secret", &verify_key).code ==
        FQ_DONE);

    fq_str rest = {(const char *)data, size};
    fq_message_field fields[FIELDS_MAX];
    fq_message message = {
        .scheme = FQ_STR("https"), .authority = FQ_STR("pay.example"), .fields = fields};
    message.method = take_line(&rest);
    message.path = take_line(&rest);
    message.query = take_line(&rest);
    while (rest.len > 0 && message.field_count < FIELDS_MAX) {
        const fq_str line = take_line(&rest);
        const char *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
        if (!colon) {
            break;
        }
        const size_t name_len = (size_t)(colon - line.at);
        fields[message.field_count++] =
            (fq_message_field){{line.at, name_len}, {colon + 1, line.len - name_len - 1}};
    }
    const fq_signature_policy policy = {1000, look_up, verify_key};
    fq_arena arena;
    fq_arena_init(&arena, FQ_SIGNATURE_ARENA_BYTES);
    fq_verdict verdict;
    (void)fq_message_verify(&arena, &message, rest, &policy, &verdict).code;
    fq_arena_free(&arena);
    fq_arena_init(&arena, 4 * FQ_SIGNATURE_ARENA_BYTES);
    (void)fq_signature_explain(&arena, &message, rest, &policy, FQ_CHINESE).err.code;
    fq_arena_free(&arena);
    check_own_signature(&message, fields, rest, sign_key, &policy);
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
    return 0;
}
