// Makes and checks signatures by the algorithms of RFC 9421 section 3.3. A key is only read, so
// threads may share it.
#include "crypto/algorithms.h"
#include "crypto/key_material.h"
#include "crypto/keys.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

enum { P256_BYTES = 32, ECDSA_DER_BYTES_MAX = 80, PSS_SALT_BYTES = 64 };

// RFC 9421 has r and s, 32 bytes each; OpenSSL wants DER. Returns its length, 0 on failure.
static size_t ecdsa_to_der(fq_str raw, uint8_t out[ECDSA_DER_BYTES_MAX]) {
    const uint8_t *bytes = (const uint8_t *)raw.at;
    BIGNUM *r = BN_bin2bn(bytes, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(bytes + P256_BYTES, P256_BYTES, NULL);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    FQ_ASSERT(r && s && signature && ECDSA_SIG_set0(signature, r, s) == 1);
    const int len = i2d_ECDSA_SIG(signature, NULL);
    size_t written = 0;
    if (len > 0 && len <= ECDSA_DER_BYTES_MAX) {
        uint8_t *at = out;
        written = (size_t)i2d_ECDSA_SIG(signature, &at);
    }
    ECDSA_SIG_free(signature);
    return written;
}

static bool ecdsa_from_der(const uint8_t *der, size_t der_bytes, uint8_t out[2 * P256_BYTES]) {
    const uint8_t *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)der_bytes);
    const bool done =
        signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, P256_BYTES) == P256_BYTES &&
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + P256_BYTES, P256_BYTES) == P256_BYTES;
    ECDSA_SIG_free(signature);
    return done;
}

static const EVP_MD *digest_of(fq_algorithm algorithm) {
    switch (algorithm) {
    case FQ_ALGORITHM_ECDSA_P256_SHA256:
    case FQ_ALGORITHM_RSA_V1_5_SHA256:
        return crypto_algorithms_get()->sha256;
    case FQ_ALGORITHM_RSA_PSS_SHA512:
        return crypto_algorithms_get()->sha512;
    case FQ_ALGORITHM_ED25519:
    case FQ_ALGORITHM_HMAC_SHA256:
    case FQ_ALGORITHM_BEARER:
    case FQ_ALGORITHM_COUNT:
        break;
    }
    return NULL;  // Ed25519 hashes by itself
}

// The salt's length is set: OpenSSL's own choice would be the longest.
static bool set_padding(fq_algorithm algorithm, EVP_PKEY_CTX *context) {
    if (algorithm == FQ_ALGORITHM_RSA_V1_5_SHA256) {
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
    }
    if (algorithm == FQ_ALGORITHM_RSA_PSS_SHA512) {
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(context, PSS_SALT_BYTES) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(context, crypto_algorithms_get()->sha512) == 1;
    }
    return true;
}

static bool check_pair(const key_material *key, fq_str bytes, fq_str signature) {
    uint8_t der[ECDSA_DER_BYTES_MAX];
    if (key->algorithm == FQ_ALGORITHM_ECDSA_P256_SHA256) {
        if (signature.len != 2 * P256_BYTES) {
            return false;
        }
        signature = (fq_str){(const char *)der, ecdsa_to_der(signature, der)};
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    FQ_ASSERT(context != NULL);
    EVP_PKEY_CTX *key_context = NULL;  // belongs to `context`
    const bool right = EVP_DigestVerifyInit(context, &key_context, digest_of(key->algorithm), NULL,
                                            key->pair) == 1 &&
                       set_padding(key->algorithm, key_context) &&
                       EVP_DigestVerify(context, (const uint8_t *)signature.at, signature.len,
                                        (const uint8_t *)bytes.at, bytes.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return right;
}

bool fq_signature_check(const fq_verify_key *key, fq_str bytes, fq_str signature) {
    const key_material *material = &key->material;
    if (material->algorithm == FQ_ALGORITHM_BEARER || signature.len == 0 ||
        signature.len > FQ_SIGNATURE_BYTES_MAX) {
        return false;
    }
    if (material->algorithm == FQ_ALGORITHM_HMAC_SHA256) {
        const fq_hash expected = fq_hmac(&material->hmac, bytes);
        return fq_equal_secret(fq_hash_str(&expected), signature);
    }
    return check_pair(material, bytes, signature);
}

bool fq_bearer_check(const fq_verify_key *key, fq_str token) {
    if (key->material.algorithm != FQ_ALGORITHM_BEARER) {
        return false;
    }
    const fq_hash hash = fq_sha256_of(token);
    return fq_equal_secret(fq_hash_str(&hash), fq_hash_str(&key->material.token));
}

static bool sign_by_pair(const key_material *key, fq_str bytes, uint8_t out[FQ_SIGNATURE_BYTES_MAX],
                         size_t *out_bytes) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    FQ_ASSERT(context != NULL);
    EVP_PKEY_CTX *key_context = NULL;  // belongs to `context`
    size_t len = FQ_SIGNATURE_BYTES_MAX;
    bool done = EVP_DigestSignInit(context, &key_context, digest_of(key->algorithm), NULL,
                                   key->pair) == 1 &&
                set_padding(key->algorithm, key_context) &&
                EVP_DigestSign(context, out, &len, (const uint8_t *)bytes.at, bytes.len) == 1;
    EVP_MD_CTX_free(context);
    if (done && key->algorithm == FQ_ALGORITHM_ECDSA_P256_SHA256) {
        uint8_t raw[2 * P256_BYTES];
        done = ecdsa_from_der(out, len, raw);
        memcpy(out, raw, sizeof(raw));
        len = sizeof(raw);
    }
    ERR_clear_error();
    *out_bytes = len;
    return done;
}

fq_err fq_signature_make(const fq_sign_key *key, fq_str bytes, uint8_t out[FQ_SIGNATURE_BYTES_MAX],
                         size_t *out_bytes) {
    if (key->material.algorithm == FQ_ALGORITHM_HMAC_SHA256) {
        const fq_hash mac = fq_hmac(&key->material.hmac, bytes);
        memcpy(out, mac.bytes, sizeof(mac.bytes));
        *out_bytes = sizeof(mac.bytes);
        return FQ_OK;
    }
    return sign_by_pair(&key->material, bytes, out, out_bytes) ? FQ_OK
                                                               : fq_refuse(FQ_INTERNAL, NULL);
}
