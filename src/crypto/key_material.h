// What a key consists of. For keys.c and signature.c only: the owners' view is in keys.h.
#pragma once

#include "crypto/keys.h"

#include <openssl/evp.h>

// Which member counts follows from the algorithm. Never changed after it was made.
typedef struct {
    fq_algorithm algorithm;
    fq_hmac_key hmac;
    fq_hash token;   // the bearer token's SHA-256
    EVP_PKEY *pair;  // both halves, or the public one
} key_material;

struct fq_verify_key {
    key_material material;
};

struct fq_sign_key {
    key_material material;
};
