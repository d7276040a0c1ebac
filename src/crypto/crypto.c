// What is fetched from OpenSSL once. Never freed: it lives as long as the process.
#include "crypto/crypto.h"

#include "base/err.h"
#include "crypto/algorithms.h"

#include <pthread.h>

// The one changing thing at file scope in this room: written once, before anybody reads it.
static crypto_algorithms fetched;
static pthread_once_t fetched_once = PTHREAD_ONCE_INIT;

static EVP_CIPHER *fetch_cipher(const char *name) {
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    FQ_ASSERT(cipher != NULL);
    return cipher;
}

static EVP_MD *fetch_digest(const char *name) {
    EVP_MD *digest = EVP_MD_fetch(NULL, name, NULL);
    FQ_ASSERT(digest != NULL);
    return digest;
}

static void fetch_all(void) {
    fetched = (crypto_algorithms){
        .sha256 = fetch_digest("SHA2-256"),
        .sha512 = fetch_digest("SHA2-512"),
        .aes_128_gcm = fetch_cipher("AES-128-GCM"),
        .aes_192_gcm = fetch_cipher("AES-192-GCM"),
        .aes_256_gcm = fetch_cipher("AES-256-GCM"),
    };
}

const crypto_algorithms *crypto_algorithms_get(void) {
    FQ_ASSERT(pthread_once(&fetched_once, fetch_all) == 0);
    return &fetched;
}

void fq_crypto_init(void) {
    (void)crypto_algorithms_get();
}
