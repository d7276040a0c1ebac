// Hashes, MACs and the text forms of bytes. Pure: no allocation, no I/O.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <openssl/sha.h>

enum { FQ_HASH_BYTES = 32, FQ_SHA512_BYTES = 64 };

// A SHA-256 value.
typedef struct {
    uint8_t bytes[FQ_HASH_BYTES];
} fq_hash;

static inline fq_str fq_hash_str(const fq_hash *hash) {
    return (fq_str){(const char *)hash->bytes, FQ_HASH_BYTES};
}

// SHA-256 piece by piece. A plain value: it may be copied half way and goes on from there.
typedef struct {
    SHA256_CTX state;
} fq_sha256;

void fq_sha256_init(fq_sha256 *sha);
void fq_sha256_add(fq_sha256 *sha, fq_str bytes);
// Big-endian, for fields of fixed width.
void fq_sha256_add_u64(fq_sha256 *sha, uint64_t number);
fq_hash fq_sha256_end(fq_sha256 *sha);

fq_hash fq_sha256_of(fq_str bytes);
void fq_sha512_of(fq_str bytes, uint8_t out[FQ_SHA512_BYTES]);

// HMAC-SHA256 (RFC 2104) with the key's two first blocks already hashed, so that a MAC costs its
// text and one block. Never changed once made: many threads may use one. The owner wipes it.
typedef struct {
    fq_sha256 inner, outer;
} fq_hmac_key;

void fq_hmac_key_init(fq_hmac_key *key, fq_str secret);
void fq_hmac_key_wipe(fq_hmac_key *key);
fq_hash fq_hmac(const fq_hmac_key *key, fq_str bytes);

// HKDF-SHA256 (RFC 5869) without salt: one key a purpose, named by `label` (at most 256 bytes).
// `out_bytes` is 1 to 255 * 32.
void fq_hkdf(fq_str secret, fq_str label, uint8_t *out, size_t out_bytes);

// Equal in constant time for equal lengths; lengths are no secret.
bool fq_equal_secret(fq_str a, fq_str b);
void fq_wipe(void *at, size_t bytes);

// Base64 (RFC 4648 section 4): standard alphabet, with padding, nothing else.
#define FQ_BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)
// Writes FQ_BASE64_LEN(bytes.len) characters, no NUL; returns how many.
size_t fq_base64_encode(fq_str bytes, char *out);
// False on a foreign character, wrong padding, or bits set that no byte uses.
// `out` holds text.len / 4 * 3 bytes.
bool fq_base64_decode(fq_str text, uint8_t *out, size_t *out_bytes);

// Lower-case hex: 2 * bytes.len characters, no NUL.
void fq_hex_encode(fq_str bytes, char *out);
// Either case; false on an odd length or a foreign character. `out` holds text.len / 2 bytes.
bool fq_hex_decode(fq_str text, uint8_t *out);

// Content-Digest (RFC 9530): `sha-256=:...:`.
#define FQ_CONTENT_DIGEST_LEN (sizeof("sha-256=::") - 1 + FQ_BASE64_LEN(FQ_HASH_BYTES))
// Writes FQ_CONTENT_DIGEST_LEN characters, no NUL.
void fq_content_digest_make(fq_str content, char out[FQ_CONTENT_DIGEST_LEN]);

typedef enum {
    FQ_DIGEST_MATCH,
    FQ_DIGEST_MISMATCH,
    FQ_DIGEST_UNUSABLE,   // no sha-256 and no sha-512 in it; others do not count
    FQ_DIGEST_MALFORMED,  // not a Dictionary of Byte Sequences, or a key twice
} fq_digest_verdict;

// Of several digests each one that is sha-256 or sha-512 must match. `field` is the field's lines
// joined by ", ".
fq_digest_verdict fq_content_digest_check(fq_arena *arena, fq_str field, fq_str content);
