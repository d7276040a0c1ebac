// AES-GCM in one call. Nonces are random, 96 bits: a key may seal 2^32 texts (SP 800-38D section
// 8.3).
#include "crypto/gcm.h"

#include "base/err.h"
#include "base/random.h"
#include "crypto/algorithms.h"
#include "crypto/digest.h"

#include <limits.h>
#include <openssl/err.h>

static const EVP_CIPHER *cipher_of(size_t key_bytes) {
    const crypto_algorithms *algorithms = crypto_algorithms_get();
    FQ_ASSERT(key_bytes == 16 || key_bytes == 24 || key_bytes == 32);
    return key_bytes == 16   ? algorithms->aes_128_gcm
           : key_bytes == 24 ? algorithms->aes_192_gcm
                             : algorithms->aes_256_gcm;
}

static bool add_context(EVP_CIPHER_CTX *cipher, gcm_context context) {
    const fq_str parts[] = {context.header, context.bound_to};
    int written = 0;
    for (size_t i = 0; i < 2; i++) {
        if (parts[i].len > 0 &&
            EVP_CipherUpdate(cipher, NULL, &written, (const uint8_t *)parts[i].at,
                             (int)parts[i].len) != 1) {
            return false;
        }
    }
    return true;
}

// Both directions: `tag` is written when sealing and checked when opening.
static bool run(fq_str key, gcm_context context, const uint8_t *nonce, fq_str in, uint8_t *out,
                uint8_t *tag, bool seals) {
    FQ_ASSERT(in.len <= INT_MAX && context.header.len <= INT_MAX &&
              context.bound_to.len <= INT_MAX);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    FQ_ASSERT(cipher != NULL);
    int written = 0;
    uint8_t nothing = 0;
    const bool done =
        EVP_CipherInit_ex2(cipher, cipher_of(key.len), (const uint8_t *)key.at, nonce, seals,
                           NULL) == 1 &&
        add_context(cipher, context) &&
        (seals || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_BYTES, tag) == 1) &&
        (in.len == 0 ||
         EVP_CipherUpdate(cipher, out, &written, (const uint8_t *)in.at, (int)in.len) == 1) &&
        EVP_CipherFinal_ex(cipher, &nothing, &written) == 1 &&
        (!seals || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, tag) == 1);
    EVP_CIPHER_CTX_free(cipher);
    ERR_clear_error();
    return done;
}

bool gcm_seal(fq_str key, gcm_context context, fq_str text, uint8_t *out) {
    fq_random(out, GCM_NONCE_BYTES);
    uint8_t *ciphertext = out + GCM_NONCE_BYTES;
    return run(key, context, out, text, ciphertext, ciphertext + text.len, true);
}

bool gcm_open(fq_str key, gcm_context context, fq_str sealed, uint8_t *out) {
    if (sealed.len < GCM_NONCE_BYTES + GCM_TAG_BYTES) {
        return false;
    }
    const uint8_t *bytes = (const uint8_t *)sealed.at;
    const fq_str ciphertext = {sealed.at + GCM_NONCE_BYTES,
                               sealed.len - GCM_NONCE_BYTES - GCM_TAG_BYTES};
    uint8_t tag[GCM_TAG_BYTES];
    memcpy(tag, bytes + sealed.len - GCM_TAG_BYTES, sizeof(tag));
    const bool done = run(key, context, bytes, ciphertext, out, tag, false);
    if (!done && ciphertext.len > 0) {
        fq_wipe(out, ciphertext.len);
    }
    return done;
}
