// Reads, checks, makes and frees keys. Signs nothing: that is signature.c's.
#include "crypto/keys.h"

#include "crypto/key_material.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

static const struct {
    const char *name;
    bool uses_pair;
} algorithms[FQ_ALGORITHM_COUNT] = {
#define X(name, wire, pair) [FQ_ALGORITHM_##name] = {wire, pair},
    FQ_ALGORITHMS(X)
#undef X
};

const char *fq_algorithm_name(fq_algorithm algorithm) {
    FQ_ASSERT(algorithm < FQ_ALGORITHM_COUNT);
    return algorithms[algorithm].name;
}

bool fq_algorithm_parse(fq_str name, fq_algorithm *out) {
    for (fq_algorithm i = 0; i < FQ_ALGORITHM_COUNT; i++) {
        if (fq_str_equal(name, fq_str_of(algorithms[i].name))) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool fq_algorithm_uses_pair(fq_algorithm algorithm) {
    FQ_ASSERT(algorithm < FQ_ALGORITHM_COUNT);
    return algorithms[algorithm].uses_pair;
}

static void material_clear(key_material *material) {
    EVP_PKEY_free(material->pair);
    fq_wipe(material, sizeof(*material));
}

// On the heap: a key outlives the request that made it.
static void *new_key(size_t bytes) {
    void *key = calloc(1, bytes);
    FQ_ASSERT(key != NULL);
    return key;
}

static fq_err material_from_secret(key_material *material, fq_algorithm algorithm, fq_str secret,
                                   const char *param) {
    FQ_ASSERT(!fq_algorithm_uses_pair(algorithm));
    material->algorithm = algorithm;
    if (algorithm == FQ_ALGORITHM_BEARER) {
        if (secret.len != sizeof(material->token.bytes)) {
            return fq_refuse_text(FQ_INVALID_FIELD, param,
                                  "a bearer key is kept as the 32 bytes of its token's SHA-256");
        }
        memcpy(material->token.bytes, secret.at, secret.len);
        return FQ_OK;
    }
    if (secret.len < FQ_SECRET_BYTES_MIN || secret.len > FQ_SECRET_BYTES_MAX) {
        return fq_refuse_text(FQ_INVALID_FIELD, param, "an HMAC secret has 16 to 256 bytes");
    }
    fq_hmac_key_init(&material->hmac, secret);
    return FQ_OK;
}

// Why this key pair cannot serve the algorithm; NULL when it can.
static const char *pair_fault(fq_algorithm algorithm, EVP_PKEY *pair) {
    switch (algorithm) {
    case FQ_ALGORITHM_ECDSA_P256_SHA256: {
        char group[32] = "";
        if (!EVP_PKEY_is_a(pair, "EC") ||
            EVP_PKEY_get_group_name(pair, group, sizeof(group), NULL) != 1 ||
            strcmp(group, "prime256v1") != 0) {
            return "not a key on the curve P-256";
        }
        return NULL;
    }
    case FQ_ALGORITHM_ED25519:
        return EVP_PKEY_is_a(pair, "ED25519") ? NULL : "not an Ed25519 key";
    case FQ_ALGORITHM_RSA_PSS_SHA512:
    case FQ_ALGORITHM_RSA_V1_5_SHA256:
        if (!EVP_PKEY_is_a(pair, "RSA") &&
            !(algorithm == FQ_ALGORITHM_RSA_PSS_SHA512 && EVP_PKEY_is_a(pair, "RSA-PSS"))) {
            return "not an RSA key for this algorithm";
        }
        if (EVP_PKEY_get_bits(pair) < FQ_RSA_BITS_MIN ||
            EVP_PKEY_get_bits(pair) > FQ_RSA_BITS_MAX) {
            return "an RSA key has 2048 to 8192 bits";
        }
        return NULL;
    case FQ_ALGORITHM_HMAC_SHA256:
    case FQ_ALGORITHM_BEARER:
    case FQ_ALGORITHM_COUNT:
        break;
    }
    return "this algorithm has no key pair";
}

static bool is_sound(EVP_PKEY *pair) {
    EVP_PKEY_CTX *check = EVP_PKEY_CTX_new_from_pkey(NULL, pair, NULL);
    const bool sound = check && EVP_PKEY_public_check(check) == 1;
    EVP_PKEY_CTX_free(check);
    return sound;
}

// An encrypted PEM is refused; without this OpenSSL would ask at the terminal.
static int no_password(char *out, int size, int writing, void *context) {
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

// Returns NULL when the text holds no such key.
static EVP_PKEY *read_pem(fq_str pem, bool is_private) {
    if (pem.len == 0 || pem.len > FQ_PEM_BYTES_MAX) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    FQ_ASSERT(bio != NULL);
    EVP_PKEY *pair = is_private ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
                                : PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
    BIO_free(bio);
    return pair;
}

static fq_err material_from_pem(key_material *material, fq_algorithm algorithm, fq_str pem,
                                bool is_private, const char *param) {
    material->algorithm = algorithm;
    material->pair = read_pem(pem, is_private);
    const char *fault = NULL;
    if (!material->pair) {
        fault = is_private ? "not an unencrypted PKCS#8 private key in PEM"
                           : "not an SPKI public key in PEM";
    } else {
        fault = pair_fault(algorithm, material->pair);
        if (!fault && !is_sound(material->pair)) {
            fault = "the public key is not sound";
        }
    }
    ERR_clear_error();
    return fault ? fq_refuse_text(FQ_INVALID_FIELD, param, fault) : FQ_OK;
}

fq_err fq_verify_key_from_secret(fq_algorithm algorithm, fq_str secret, const char *param,
                                 fq_verify_key **out) {
    fq_verify_key *key = new_key(sizeof(*key));
    const fq_err err = material_from_secret(&key->material, algorithm, secret, param);
    if (err.code) {
        fq_verify_key_free(key);
        return err;
    }
    *out = key;
    return FQ_OK;
}

fq_err fq_verify_key_from_pem(fq_algorithm algorithm, fq_str pem, const char *param,
                              fq_verify_key **out) {
    fq_verify_key *key = new_key(sizeof(*key));
    const fq_err err = material_from_pem(&key->material, algorithm, pem, false, param);
    if (err.code) {
        fq_verify_key_free(key);
        return err;
    }
    *out = key;
    return FQ_OK;
}

void fq_verify_key_free(fq_verify_key *key) {
    if (key) {
        material_clear(&key->material);
        free(key);
    }
}

fq_algorithm fq_verify_key_algorithm(const fq_verify_key *key) {
    return key->material.algorithm;
}

fq_err fq_sign_key_from_secret(fq_str secret, const char *param, fq_sign_key **out) {
    fq_sign_key *key = new_key(sizeof(*key));
    const fq_err err =
        material_from_secret(&key->material, FQ_ALGORITHM_HMAC_SHA256, secret, param);
    if (err.code) {
        fq_sign_key_free(key);
        return err;
    }
    *out = key;
    return FQ_OK;
}

fq_err fq_sign_key_from_pem(fq_algorithm algorithm, fq_str pem, const char *param,
                            fq_sign_key **out) {
    fq_sign_key *key = new_key(sizeof(*key));
    const fq_err err = material_from_pem(&key->material, algorithm, pem, true, param);
    if (err.code) {
        fq_sign_key_free(key);
        return err;
    }
    *out = key;
    return FQ_OK;
}

void fq_sign_key_free(fq_sign_key *key) {
    if (key) {
        material_clear(&key->material);
        free(key);
    }
}

fq_algorithm fq_sign_key_algorithm(const fq_sign_key *key) {
    return key->material.algorithm;
}

static char *copy_pem(BIO *bio, fq_arena *arena) {
    char *data = NULL;
    const long len = BIO_get_mem_data(bio, &data);
    FQ_ASSERT(len > 0);
    return fq_arena_text(arena, (fq_str){data, (size_t)len});
}

char *fq_sign_key_public_pem(const fq_sign_key *key, fq_arena *arena) {
    if (!key->material.pair) {
        return NULL;
    }
    BIO *bio = BIO_new(BIO_s_mem());
    FQ_ASSERT(bio && PEM_write_bio_PUBKEY(bio, key->material.pair) == 1);
    char *pem = copy_pem(bio, arena);
    BIO_free(bio);
    return pem;
}

fq_err fq_sign_key_generate(fq_algorithm algorithm, fq_arena *arena, fq_str *out_private_pem) {
    FQ_ASSERT(fq_algorithm_uses_pair(algorithm));
    EVP_PKEY *pair = algorithm == FQ_ALGORITHM_ECDSA_P256_SHA256 ? EVP_EC_gen("P-256")
                     : algorithm == FQ_ALGORITHM_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                                         : EVP_RSA_gen(FQ_RSA_BITS_MIN);
    BIO *bio = BIO_new(BIO_s_secmem());  // wiped when freed
    const bool done =
        pair && bio && PEM_write_bio_PKCS8PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL) == 1;
    if (done) {
        *out_private_pem = fq_str_of(copy_pem(bio, arena));
    }
    BIO_free(bio);
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return done ? FQ_OK : fq_refuse(FQ_INTERNAL, NULL);
}
