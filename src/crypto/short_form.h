// The short form's signature: standard base64 over the body in JSON Canonicalization (RFC 8785)
// without `signature`.
#pragma once

#include "crypto/keys.h"

// Checks `signature_base64` over `canonical`, and `created` against the contract's window (300 s
// old, 60 s ahead).
// Errors: signature_missing (empty text), signature_expired, signature_invalid.
FQ_MUST_USE fq_err fq_short_form_verify(const fq_verify_key *key, fq_str canonical,
                                        fq_str signature_base64, int64_t created_s, int64_t now_s);

// Signs; writes base64 and a NUL. Errors: internal.
#define FQ_SHORT_FORM_TEXT_MAX (FQ_BASE64_LEN(FQ_SIGNATURE_BYTES_MAX) + 1)
FQ_MUST_USE fq_err fq_short_form_sign(const fq_sign_key *key, fq_str canonical,
                                      char out[FQ_SHORT_FORM_TEXT_MAX]);
