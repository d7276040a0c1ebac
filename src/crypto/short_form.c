// The short form's signature. The caller canonicalises and looks at the other fields.
#include "crypto/short_form.h"

#include "crypto/message_signature.h"

fq_err fq_short_form_verify(const fq_verify_key *key, fq_str canonical, fq_str signature_base64,
                            int64_t created_s, int64_t now_s) {
    if (signature_base64.len == 0) {
        return fq_refuse(FQ_SIGNATURE_MISSING, NULL);
    }
    int64_t age_s = 0;
    if (__builtin_sub_overflow(now_s, created_s, &age_s) || age_s > FQ_SIGNATURE_AGE_MAX_S ||
        age_s < -FQ_SIGNATURE_AHEAD_MAX_S) {
        return fq_refuse(FQ_SIGNATURE_EXPIRED, NULL);
    }
    uint8_t signature[FQ_SHORT_FORM_TEXT_MAX];
    size_t signature_bytes = 0;
    if (signature_base64.len >= sizeof(signature) ||
        !fq_base64_decode(signature_base64, signature, &signature_bytes)) {
        return fq_refuse_text(FQ_SIGNATURE_INVALID, "signature",
                              "it is not standard base64 with padding");
    }
    if (!fq_signature_check(key, canonical, (fq_str){(const char *)signature, signature_bytes})) {
        return fq_refuse_text(FQ_SIGNATURE_INVALID, "signature",
                              "it is not this key's over the body as RFC 8785 writes it "
                              "(send ids beyond 2^53 as strings)");
    }
    return FQ_OK;
}

fq_err fq_short_form_sign(const fq_sign_key *key, fq_str canonical,
                          char out[FQ_SHORT_FORM_TEXT_MAX]) {
    uint8_t signature[FQ_SIGNATURE_BYTES_MAX];
    size_t signature_bytes = 0;
    FQ_TRY(fq_signature_make(key, canonical, signature, &signature_bytes));
    out[fq_base64_encode((fq_str){(const char *)signature, signature_bytes}, out)] = '\0';
    return FQ_OK;
}
