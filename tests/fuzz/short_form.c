// A body of the short form from a stranger: its signature, checked over the canonical form as the
// server does. The check must take anything, what our signer signs must verify, and the same
// signature must not fit another body.
#include "crypto/short_form.h"
#include "base/json.h"

enum { BODY_BYTES_MAX = 16384, NOW_S = 1763920000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fq_str text_of(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member && member->type == FQ_JSON_STRING ? member->text : (fq_str){0};
}

static int64_t created_of(const fq_json *object) {
    const fq_json *member = fq_json_member(object, "created");
    return member && member->is_integer ? member->integer : NOW_S;
}

static void check(const fq_json *body, fq_buffer *canonical, const fq_sign_key *sign_key,
                  const fq_verify_key *verify_key) {
    char made[FQ_SHORT_FORM_TEXT_MAX];
    const fq_str text = fq_buffer_str(canonical);
    (void)fq_short_form_verify(verify_key, text, text_of(body, "signature"), created_of(body),
                               NOW_S)
        .code;
    FQ_ASSERT(fq_short_form_sign(sign_key, text, made).code == FQ_DONE);
    FQ_ASSERT(fq_short_form_verify(verify_key, text, fq_str_of(made), NOW_S, NOW_S).code ==
              FQ_DONE);
    fq_buffer_add(canonical, FQ_STR(" "));
    FQ_ASSERT(canonical->overflowed || fq_short_form_verify(verify_key, fq_buffer_str(canonical),
                                                            fq_str_of(made), NOW_S, NOW_S)
                                               .code == FQ_SIGNATURE_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > BODY_BYTES_MAX) {
        return 0;
    }
    const fq_str secret = FQ_STR("0123456789abcdef0123456789abcdef");
    fq_sign_key *sign_key = NULL;
    fq_verify_key *verify_key = NULL;
    FQ_ASSERT(fq_sign_key_from_secret(secret, "secret", &sign_key).code == FQ_DONE);
    FQ_ASSERT(
        fq_verify_key_from_secret(FQ_ALGORITHM_HMAC_SHA256, secret, "secret", &verify_key).code ==
        FQ_DONE);
    fq_arena arena;
    fq_buffer canonical;
    fq_arena_init(&arena, 4 << 20);
    fq_buffer_init(&canonical, 1 << 18);
    const fq_json *body = NULL;
    if (fq_json_parse(&arena, (fq_str){(const char *)data, size}, FQ_JSON_REQUEST, &body).code ==
            FQ_DONE &&
        body->type == FQ_JSON_OBJECT &&
        fq_json_canonical(body, "signature", &canonical).code == FQ_DONE && !canonical.overflowed) {
        check(body, &canonical, sign_key, verify_key);
    }
    fq_buffer_free(&canonical);
    fq_arena_free(&arena);
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
    return 0;
}
