// OpenSSL's algorithms, fetched once: a fetch by name takes locks. For inside the room only.
#pragma once

#include <openssl/evp.h>

typedef struct {
    EVP_MD *sha256, *sha512;
    EVP_CIPHER *aes_128_gcm, *aes_192_gcm, *aes_256_gcm;
} crypto_algorithms;

// Never NULL, and neither is any member.
const crypto_algorithms *crypto_algorithms_get(void);
