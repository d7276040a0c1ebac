// Keys that make and check signatures. A key knows its algorithm: none is ever chosen by a message.
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "crypto/digest.h"

// To add an algorithm, add a row: name, wire name (RFC 9421 section 3.3), does it use a key pair.
// Stored by wire name.
#define FQ_ALGORITHMS(X)                            \
    X(HMAC_SHA256, "hmac-sha256", false)            \
    X(ECDSA_P256_SHA256, "ecdsa-p256-sha256", true) \
    X(RSA_PSS_SHA512, "rsa-pss-sha512", true)       \
    X(RSA_V1_5_SHA256, "rsa-v1_5-sha256", true)     \
    X(ED25519, "ed25519", true)                     \
    X(BEARER, "bearer", false)

typedef enum {
#define X(name, wire, pair) FQ_ALGORITHM_##name,
    FQ_ALGORITHMS(X)
#undef X
        FQ_ALGORITHM_COUNT
} fq_algorithm;

const char *fq_algorithm_name(fq_algorithm algorithm);
bool fq_algorithm_parse(fq_str name, fq_algorithm *out);
bool fq_algorithm_uses_pair(fq_algorithm algorithm);

enum {
    FQ_RSA_BITS_MIN = 2048,
    FQ_RSA_BITS_MAX = 8192,
    FQ_SIGNATURE_BYTES_MAX = FQ_RSA_BITS_MAX / 8,
    FQ_SECRET_BYTES = 32,      // of the HMAC secrets that we make
    FQ_SECRET_BYTES_MIN = 16,  // of the ones that we take
    FQ_SECRET_BYTES_MAX = 256,
    FQ_PEM_BYTES_MAX = 16384,
};

// Checks signatures. Made once, used by any number of threads, freed by its owner.
typedef struct fq_verify_key fq_verify_key;
// From secret bytes: hmac-sha256 (the raw secret) or bearer (the token's SHA-256, as stored).
// Errors: invalid_field on `param`.
FQ_MUST_USE fq_err fq_verify_key_from_secret(fq_algorithm algorithm, fq_str secret,
                                             const char *param, fq_verify_key **out);
// From an SPKI PEM. The curve, the size of an RSA modulus and the key's own soundness
// (EVP_PKEY_public_check) are looked at, which takes 3 ms for RSA: keep the key.
// Errors: invalid_field on `param`.
FQ_MUST_USE fq_err fq_verify_key_from_pem(fq_algorithm algorithm, fq_str pem, const char *param,
                                          fq_verify_key **out);
void fq_verify_key_free(fq_verify_key *key);  // NULL is fine; secrets are wiped
fq_algorithm fq_verify_key_algorithm(const fq_verify_key *key);

// Is `signature` (raw bytes: ECDSA as r then s, 64 bytes) this key's over `bytes`? Always false for
// bearer keys.
bool fq_signature_check(const fq_verify_key *key, fq_str bytes, fq_str signature);
// Is `token` the bearer key's? Constant time; always false for other keys.
bool fq_bearer_check(const fq_verify_key *key, fq_str token);

// Makes signatures. Made once, used by any number of threads, freed by its owner.
typedef struct fq_sign_key fq_sign_key;
// hmac-sha256 from its raw secret. Errors: invalid_field on `param`.
FQ_MUST_USE fq_err fq_sign_key_from_secret(fq_str secret, const char *param, fq_sign_key **out);
// From an unencrypted PKCS#8 PEM. Errors: invalid_field on `param`.
FQ_MUST_USE fq_err fq_sign_key_from_pem(fq_algorithm algorithm, fq_str pem, const char *param,
                                        fq_sign_key **out);
void fq_sign_key_free(fq_sign_key *key);  // NULL is fine; secrets are wiped
fq_algorithm fq_sign_key_algorithm(const fq_sign_key *key);
// The public half as SPKI PEM (NUL-terminated) in the arena; NULL for hmac-sha256.
char *fq_sign_key_public_pem(const fq_sign_key *key, fq_arena *arena);

// Signs `bytes`. Errors: internal, when the library fails.
FQ_MUST_USE fq_err fq_signature_make(const fq_sign_key *key, fq_str bytes,
                                     uint8_t out[FQ_SIGNATURE_BYTES_MAX], size_t *out_bytes);
// A new key pair (RSA: 2048 bits): the private half as PKCS#8 PEM in the arena.
// Errors: internal.
FQ_MUST_USE fq_err fq_sign_key_generate(fq_algorithm algorithm, fq_arena *arena,
                                        fq_str *out_private_pem);
