// AES-GCM in one call, for envelopes and wrapped keys. For inside the room only.
#pragma once

#include "base/str.h"

#include <stddef.h>

enum { GCM_NONCE_BYTES = 12, GCM_TAG_BYTES = 16 };

// Additional data in two parts: a header of ours and the caller's.
typedef struct {
    fq_str header, bound_to;
} gcm_context;

// Writes nonce (random), ciphertext and tag: text.len + 28 bytes. `key` has 16, 24 or 32 bytes.
// False when OpenSSL fails.
bool gcm_seal(fq_str key, gcm_context context, fq_str text, uint8_t *out);
// The inverse: sealed.len - 28 bytes. False when the tag does not fit; `out` is wiped then.
bool gcm_open(fq_str key, gcm_context context, fq_str sealed, uint8_t *out);
