// Keys: what is taken, what is refused, and the pitfalls of each algorithm.
#include "crypto/keys.h"

#include "vectors.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static fq_arena arena;

static int set_up(void **state) {
    (void)state;
    fq_arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fq_arena_free(&arena);
    return 0;
}

static fq_str public_pem(EVP_PKEY *pair) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pair), 1);
    const long len = BIO_get_mem_data(bio, &data);
    const fq_str pem = fq_arena_copy(&arena, (fq_str){data, (size_t)len});
    BIO_free(bio);
    EVP_PKEY_free(pair);
    return pem;
}

static void refuses_pem(fq_algorithm algorithm, fq_str pem) {
    fq_verify_key *key = NULL;
    const fq_err err = fq_verify_key_from_pem(algorithm, pem, "public_key", &key);
    assert_int_equal(err.code, FQ_INVALID_FIELD);
    assert_string_equal(err.param, "public_key");
    assert_null(key);
}

static void knows_its_algorithms(void **state) {
    (void)state;
    for (fq_algorithm i = 0; i < FQ_ALGORITHM_COUNT; i++) {
        fq_algorithm back = FQ_ALGORITHM_COUNT;
        assert_true(fq_algorithm_parse(fq_str_of(fq_algorithm_name(i)), &back));
        assert_int_equal(back, i);
    }
    fq_algorithm none;
    assert_false(fq_algorithm_parse(FQ_STR("HMAC-SHA256"), &none));
    assert_false(fq_algorithm_parse(FQ_STR(""), &none));
}

static void refuses_keys_of_another_kind(void **state) {
    (void)state;
    const fq_str p256 = public_pem(EVP_EC_gen("P-256")), p384 = public_pem(EVP_EC_gen("P-384"));
    const fq_str ed25519 = public_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    const fq_str rsa = public_pem(EVP_RSA_gen(2048)), rsa_small = public_pem(EVP_RSA_gen(1024));
    refuses_pem(FQ_ALGORITHM_ECDSA_P256_SHA256, p384);
    refuses_pem(FQ_ALGORITHM_ECDSA_P256_SHA256, rsa);
    refuses_pem(FQ_ALGORITHM_ED25519, p256);
    refuses_pem(FQ_ALGORITHM_RSA_PSS_SHA512, ed25519);
    refuses_pem(FQ_ALGORITHM_RSA_V1_5_SHA256, rsa_small);
    refuses_pem(FQ_ALGORITHM_RSA_PSS_SHA512, rsa_small);
    refuses_pem(FQ_ALGORITHM_ED25519, FQ_STR(""));
    refuses_pem(FQ_ALGORITHM_ED25519,
                FQ_STR("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
    fq_verify_key *key = NULL;
    assert_done(fq_verify_key_from_pem(FQ_ALGORITHM_RSA_PSS_SHA512, rsa, "public_key", &key));
    fq_verify_key_free(key);
}

// A point that is not on the curve lets an attacker choose what verifies.
static void refuses_a_point_off_the_curve(void **state) {
    (void)state;
    const fq_str pem = public_pem(EVP_EC_gen("P-256"));
    char *broken = fq_arena_text(&arena, pem);
    char *last_line = strstr(broken, "\n-----END");
    last_line[-6] = last_line[-6] == 'A' ? 'B' : 'A';
    refuses_pem(FQ_ALGORITHM_ECDSA_P256_SHA256, fq_str_of(broken));
}

static void refuses_encrypted_pem_without_asking(void **state) {
    (void)state;
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, pair, EVP_aes_256_cbc(), "secret", 6, NULL, NULL), 1);
    const long len = BIO_get_mem_data(bio, &data);
    fq_sign_key *key = NULL;
    assert_refused(fq_sign_key_from_pem(FQ_ALGORITHM_ECDSA_P256_SHA256, (fq_str){data, (size_t)len},
                                        "key", &key),
                   FQ_INVALID_FIELD);
    BIO_free(bio);
    EVP_PKEY_free(pair);
}

static void bounds_secrets(void **state) {
    (void)state;
    char secret[257] = {0};
    fq_verify_key *key = NULL;
    assert_refused(
        fq_verify_key_from_secret(FQ_ALGORITHM_HMAC_SHA256, (fq_str){secret, 15}, "secret", &key),
        FQ_INVALID_FIELD);
    assert_refused(
        fq_verify_key_from_secret(FQ_ALGORITHM_HMAC_SHA256, (fq_str){secret, 257}, "secret", &key),
        FQ_INVALID_FIELD);
    assert_refused(
        fq_verify_key_from_secret(FQ_ALGORITHM_BEARER, (fq_str){secret, 31}, "token", &key),
        FQ_INVALID_FIELD);
    assert_done(
        fq_verify_key_from_secret(FQ_ALGORITHM_HMAC_SHA256, (fq_str){secret, 32}, "secret", &key));
    fq_verify_key_free(key);
    fq_verify_key_free(NULL);
    fq_sign_key_free(NULL);
}

static void generates_pairs_that_sign(void **state) {
    (void)state;
    static const fq_algorithm algorithms[] = {FQ_ALGORITHM_ECDSA_P256_SHA256, FQ_ALGORITHM_ED25519,
                                              FQ_ALGORITHM_RSA_PSS_SHA512,
                                              FQ_ALGORITHM_RSA_V1_5_SHA256};
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        fq_str pem;
        fq_sign_key *sign_key = NULL;
        fq_verify_key *verify_key = NULL;
        assert_done(fq_sign_key_generate(algorithms[i], &arena, &pem));
        assert_done(fq_sign_key_from_pem(algorithms[i], pem, "key", &sign_key));
        const char *half = fq_sign_key_public_pem(sign_key, &arena);
        assert_done(fq_verify_key_from_pem(algorithms[i], fq_str_of(half), "key", &verify_key));
        assert_int_equal(fq_verify_key_algorithm(verify_key), algorithms[i]);
        assert_int_equal(fq_sign_key_algorithm(sign_key), algorithms[i]);
        uint8_t signature[FQ_SIGNATURE_BYTES_MAX];
        size_t len = 0;
        assert_done(fq_signature_make(sign_key, FQ_STR("text"), signature, &len));
        const fq_str made = {(const char *)signature, len};
        assert_true(fq_signature_check(verify_key, FQ_STR("text"), made));
        assert_false(fq_signature_check(verify_key, FQ_STR("Text"), made));
        assert_false(fq_signature_check(verify_key, FQ_STR("text"), (fq_str){made.at, len - 1}));
        assert_false(fq_signature_check(verify_key, FQ_STR("text"), FQ_STR("")));
        signature[len / 2] ^= 1;
        assert_false(fq_signature_check(verify_key, FQ_STR("text"), made));
        fq_sign_key_free(sign_key);
        fq_verify_key_free(verify_key);
    }
}

static void ecdsa_is_64_bytes_even_with_leading_zeros(void **state) {
    (void)state;
    fq_sign_key *sign_key = vectors_sign_key("test-key-ecc-p256", "ecdsa-p256-sha256");
    fq_verify_key *verify_key = vectors_verify_key("test-key-ecc-p256", "ecdsa-p256-sha256");
    int short_ones = 0;
    for (int i = 0; i < 2000 && short_ones == 0; i++) {
        uint8_t signature[FQ_SIGNATURE_BYTES_MAX];
        size_t len = 0;
        assert_done(fq_signature_make(sign_key, FQ_STR("text"), signature, &len));
        assert_int_equal(len, 64);
        if (signature[0] == 0 || signature[32] == 0) {
            short_ones++;
            assert_true(fq_signature_check(verify_key, FQ_STR("text"),
                                           (fq_str){(const char *)signature, len}));
        }
    }
    const uint8_t zeros[64] = {0};
    assert_false(fq_signature_check(verify_key, FQ_STR("text"),
                                    (fq_str){(const char *)zeros, sizeof(zeros)}));
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
}

static void checks_bearer_tokens(void **state) {
    (void)state;
    fq_verify_key *bearer = NULL, *hmac = vectors_verify_key("test-shared-secret", "hmac-sha256");
    const fq_hash hash = fq_sha256_of(FQ_STR("fq_test_abc"));
    assert_done(
        fq_verify_key_from_secret(FQ_ALGORITHM_BEARER, fq_hash_str(&hash), "token", &bearer));
    assert_true(fq_bearer_check(bearer, FQ_STR("fq_test_abc")));
    assert_false(fq_bearer_check(bearer, FQ_STR("fq_test_abd")));
    assert_false(fq_bearer_check(bearer, fq_hash_str(&hash)));
    assert_false(fq_bearer_check(hmac, FQ_STR("fq_test_abc")));
    assert_false(fq_signature_check(bearer, FQ_STR("x"), fq_hash_str(&hash)));
    fq_verify_key_free(bearer);
    fq_verify_key_free(hmac);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(knows_its_algorithms),
        TEST(refuses_keys_of_another_kind),
        TEST(refuses_a_point_off_the_curve),
        TEST(refuses_encrypted_pem_without_asking),
        TEST(bounds_secrets),
        TEST(generates_pairs_that_sign),
        TEST(ecdsa_is_64_bytes_even_with_leading_zeros),
        TEST(checks_bearer_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
