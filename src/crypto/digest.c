// Hashes, MACs and the text forms of bytes. No allocation but the arena's, no I/O.
//
// SHA-2 goes through OpenSSL's low-level functions, though 3.0 marks them deprecated: their state
// is a plain value that lies on the stack and can be copied half way, which is what a prepared HMAC
// key is, and they cost 50 ns a short text where EVP_Digest takes 105. Everything else of the room
// is EVP.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/digest.h"

#include "crypto/structured_fields.h"

#include <openssl/crypto.h>

_Static_assert((int)FQ_HASH_BYTES == SHA256_DIGEST_LENGTH, "SHA-256");
_Static_assert((int)FQ_SHA512_BYTES == SHA512_DIGEST_LENGTH, "SHA-512");

void fq_sha256_init(fq_sha256 *sha) {
    FQ_ASSERT(SHA256_Init(&sha->state) == 1);
}

void fq_sha256_add(fq_sha256 *sha, fq_str bytes) {
    if (bytes.len > 0) {
        FQ_ASSERT(SHA256_Update(&sha->state, bytes.at, bytes.len) == 1);
    }
}

void fq_sha256_add_u64(fq_sha256 *sha, uint64_t number) {
    const uint64_t big_endian = __builtin_bswap64(number);
    fq_sha256_add(sha, (fq_str){(const char *)&big_endian, sizeof(big_endian)});
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the swap above");

fq_hash fq_sha256_end(fq_sha256 *sha) {
    fq_hash hash;
    FQ_ASSERT(SHA256_Final(hash.bytes, &sha->state) == 1);
    return hash;
}

fq_hash fq_sha256_of(fq_str bytes) {
    fq_sha256 sha;
    fq_sha256_init(&sha);
    fq_sha256_add(&sha, bytes);
    return fq_sha256_end(&sha);
}

void fq_sha512_of(fq_str bytes, uint8_t out[FQ_SHA512_BYTES]) {
    SHA512_CTX state;
    FQ_ASSERT(SHA512_Init(&state) == 1);
    if (bytes.len > 0) {
        FQ_ASSERT(SHA512_Update(&state, bytes.at, bytes.len) == 1);
    }
    FQ_ASSERT(SHA512_Final(out, &state) == 1);
}

void fq_hmac_key_init(fq_hmac_key *key, fq_str secret) {
    enum { BLOCK_BYTES = 64, INNER = 0x36, OUTER = 0x5C };
    uint8_t block[BLOCK_BYTES] = {0};
    if (secret.len > BLOCK_BYTES) {
        const fq_hash hash = fq_sha256_of(secret);
        memcpy(block, hash.bytes, sizeof(hash.bytes));
    } else if (secret.len > 0) {
        memcpy(block, secret.at, secret.len);
    }
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= INNER;
    }
    fq_sha256_init(&key->inner);
    fq_sha256_add(&key->inner, (fq_str){(const char *)block, BLOCK_BYTES});
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= INNER ^ OUTER;
    }
    fq_sha256_init(&key->outer);
    fq_sha256_add(&key->outer, (fq_str){(const char *)block, BLOCK_BYTES});
    fq_wipe(block, sizeof(block));
}

void fq_hmac_key_wipe(fq_hmac_key *key) {
    fq_wipe(key, sizeof(*key));
}

fq_hash fq_hmac(const fq_hmac_key *key, fq_str bytes) {
    fq_sha256 inner = key->inner, outer = key->outer;
    fq_sha256_add(&inner, bytes);
    const fq_hash hash = fq_sha256_end(&inner);
    fq_sha256_add(&outer, fq_hash_str(&hash));
    return fq_sha256_end(&outer);
}

void fq_hkdf(fq_str secret, fq_str label, uint8_t *out, size_t out_bytes) {
    enum { LABEL_BYTES_MAX = 256, BLOCKS_MAX = 255 };
    FQ_ASSERT(label.len <= LABEL_BYTES_MAX);
    FQ_ASSERT(out_bytes > 0 && out_bytes <= (size_t)BLOCKS_MAX * FQ_HASH_BYTES);
    static const uint8_t no_salt[FQ_HASH_BYTES];
    fq_hmac_key key;
    fq_hmac_key_init(&key, (fq_str){(const char *)no_salt, sizeof(no_salt)});
    fq_hash block = fq_hmac(&key, secret);
    fq_hmac_key_init(&key, fq_hash_str(&block));

    uint8_t text[FQ_HASH_BYTES + LABEL_BYTES_MAX + 1];
    size_t block_bytes = 0;  // the block before; none before the first
    for (size_t done = 0, number = 1; done < out_bytes; number++) {
        memcpy(text, block.bytes, block_bytes);
        memcpy(text + block_bytes, label.at, label.len);
        text[block_bytes + label.len] = (uint8_t)number;
        block = fq_hmac(&key, (fq_str){(const char *)text, block_bytes + label.len + 1});
        block_bytes = sizeof(block.bytes);
        const size_t left = out_bytes - done;
        const size_t take = left < sizeof(block.bytes) ? left : sizeof(block.bytes);
        memcpy(out + done, block.bytes, take);
        done += take;
    }
    fq_wipe(text, sizeof(text));
    fq_wipe(&block, sizeof(block));
    fq_hmac_key_wipe(&key);
}

bool fq_equal_secret(fq_str a, fq_str b) {
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.at, b.at, a.len) == 0);
}

void fq_wipe(void *at, size_t bytes) {
    OPENSSL_cleanse(at, bytes);
}

void fq_content_digest_make(fq_str content, char out[FQ_CONTENT_DIGEST_LEN]) {
    static const char name[] = "sha-256=:";
    const fq_hash hash = fq_sha256_of(content);
    memcpy(out, name, sizeof(name) - 1);
    const size_t len =
        sizeof(name) - 1 + fq_base64_encode(fq_hash_str(&hash), out + sizeof(name) - 1);
    out[len] = ':';
}

fq_digest_verdict fq_content_digest_check(fq_arena *arena, fq_str field, fq_str content) {
    char usual[FQ_CONTENT_DIGEST_LEN];
    fq_content_digest_make(content, usual);
    if (fq_str_equal(field, (fq_str){usual, sizeof(usual)})) {
        return FQ_DIGEST_MATCH;  // the one form that nearly everybody sends needs no parser
    }
    enum { NODES_MAX = 32 };
    fq_sf_node *first = NULL;
    if (!fq_sf_parse(arena, field, (fq_sf_rules){FQ_SF_DICTIONARY, NODES_MAX, true}, &first)) {
        return FQ_DIGEST_MALFORMED;
    }
    uint8_t sha512[FQ_SHA512_BYTES];
    const fq_hash sha256 = fq_sha256_of(content);
    fq_sha512_of(content, sha512);
    fq_digest_verdict verdict = FQ_DIGEST_UNUSABLE;
    for (const fq_sf_node *member = first; member; member = member->next) {
        fq_str expected;
        if (fq_str_equal(member->key, FQ_STR("sha-256"))) {
            expected = fq_hash_str(&sha256);
        } else if (fq_str_equal(member->key, FQ_STR("sha-512"))) {
            expected = (fq_str){(const char *)sha512, sizeof(sha512)};
        } else {
            continue;
        }
        if (member->kind != FQ_SF_BYTES) {
            return FQ_DIGEST_MALFORMED;
        }
        if (!fq_str_equal(member->value.text, expected)) {
            verdict = FQ_DIGEST_MISMATCH;
        } else if (verdict == FQ_DIGEST_UNUSABLE) {
            verdict = FQ_DIGEST_MATCH;
        }
    }
    return verdict;
}
