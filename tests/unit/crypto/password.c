// argon2id strings, friendly and hostile, and which passwords are taken.
#include "crypto/password.h"

#include "crypto/digest.h"
#include "vectors.h"

#include <argon2.h>

static const fq_password_cost cheap = {1024, 1, 1};

static void verifies_the_vectors(void **state) {
    (void)state;
    json_t *root = vectors_load("passwords");
    static const char *const lists[] = {"hashes", "verify_negative"};
    for (size_t list = 0; list < 2; list++) {
        size_t i;
        json_t *vector;
        json_array_foreach(json_object_get(root, lists[list]), i, vector) {
            print_message("%s\n", vectors_text(vector, "id"));
            bool match = false;
            assert_done(fq_password_verify(vectors_str(vector, "phc"),
                                           vectors_str(vector, "password"), &match));
            assert_int_equal(match, strcmp(vectors_text(vector, "expect"), "match") == 0);
        }
    }
    json_decref(root);
}

// RFC 9106 section 5.3, with secret and associated data: the library that everything above rests
// on.
static void the_library_is_argon2id(void **state) {
    (void)state;
    uint8_t password[32], salt[16], secret[8], data[12], tag[32], expected[32];
    memset(password, 1, sizeof(password));
    memset(salt, 2, sizeof(salt));
    memset(secret, 3, sizeof(secret));
    memset(data, 4, sizeof(data));
    argon2_context context = {.out = tag,
                              .outlen = sizeof(tag),
                              .pwd = password,
                              .pwdlen = sizeof(password),
                              .salt = salt,
                              .saltlen = sizeof(salt),
                              .secret = secret,
                              .secretlen = sizeof(secret),
                              .ad = data,
                              .adlen = sizeof(data),
                              .t_cost = 3,
                              .m_cost = 32,
                              .lanes = 4,
                              .threads = 4,
                              .version = ARGON2_VERSION_13};
    assert_int_equal(argon2id_ctx(&context), ARGON2_OK);
    json_t *root = vectors_load("passwords");
    assert_true(
        fq_hex_decode(vectors_str(json_object_get(root, "rfc9106_5_3"), "tag_hex"), expected));
    assert_memory_equal(tag, expected, sizeof(tag));
    json_decref(root);
}

static void accepts_and_refuses_by_policy(void **state) {
    (void)state;
    json_t *root = vectors_load("passwords");
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "policy"), i, vector) {
        print_message("%s\n", vectors_text(vector, "why"));
        const fq_err err =
            fq_password_accept(vectors_str(vector, "password"), FQ_STR(""), "password");
        assert_int_equal(err.code, strcmp(vectors_text(vector, "expect"), "accept") == 0
                                       ? FQ_DONE
                                       : FQ_INVALID_FIELD);
    }
    json_decref(root);
    static const char *const refused[] = {"Password12345678!",  "abcdefghijklmnopqrst",
                                          "9876543210987654",   "abababababababab",
                                          "QWERTYqwerty123456", "correcthorsebatterystaple",
                                          "1q2w3e4r1q2w3e4r",   "我爱你我爱你我爱你我爱你我爱你",
                                          "Admin2026Admin2026"};
    for (size_t j = 0; j < sizeof(refused) / sizeof(refused[0]); j++) {
        assert_refused(fq_password_accept(fq_str_of(refused[j]), FQ_STR(""), "password"),
                       FQ_INVALID_FIELD);
    }
    assert_done(fq_password_accept(FQ_STR("zhang.weimin@x1"), FQ_STR(""), "password"));
    assert_refused(
        fq_password_accept(FQ_STR("zhang.weimin@x1"), FQ_STR("Zhang.Weimin@x1"), "password"),
        FQ_INVALID_FIELD);
    assert_refused(fq_password_accept(FQ_STR("not utf-8 at all \xFF\xFE"), FQ_STR(""), "password"),
                   FQ_INVALID_FIELD);
}

static void spells_alike_after_nfkc(void **state) {
    (void)state;
    json_t *root = vectors_load("passwords");
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "normalisation"), i, vector) {
        char phc[FQ_PASSWORD_TEXT_MAX];
        bool match = false;
        assert_done(fq_password_hash(vectors_str(vector, "enrolled"), cheap, phc));
        assert_done(fq_password_verify(fq_str_of(phc), vectors_str(vector, "given"), &match));
        assert_true(match);
    }
    json_decref(root);
}

static void hashes_under_a_new_salt_each_time(void **state) {
    (void)state;
    char first[FQ_PASSWORD_TEXT_MAX], second[FQ_PASSWORD_TEXT_MAX];
    assert_done(fq_password_hash(FQ_STR("correct horse battery"), cheap, first));
    assert_done(fq_password_hash(FQ_STR("correct horse battery"), cheap, second));
    assert_string_not_equal(first, second);
    assert_true(fq_str_starts(fq_str_of(first), FQ_STR("$argon2id$v=19$m=1024,t=1,p=1$")));
    assert_int_equal(strlen(first), 30 + 22 + 1 + 43);
    fq_password_verify_nobody(FQ_STR("correct horse battery"), cheap);
}

static void is_told_when_to_hash_anew(void **state) {
    (void)state;
    char phc[FQ_PASSWORD_TEXT_MAX];
    assert_done(fq_password_hash(FQ_STR("correct horse battery"), cheap, phc));
    assert_false(fq_password_is_outdated(fq_str_of(phc), cheap));
    assert_true(fq_password_is_outdated(fq_str_of(phc), (fq_password_cost){1025, 1, 1}));
    assert_true(fq_password_is_outdated(fq_str_of(phc), FQ_PASSWORD_COST_DEFAULT));
    assert_true(fq_password_is_outdated(FQ_STR("plain"), cheap));
}

static void expanding_characters_stay_within_bounds(void **state) {
    (void)state;
    // U+FDFA is one code point that NFKC makes eighteen.
    char text[FQ_PASSWORD_BYTES_MAX + 3];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = "\xEF\xB7\xBA"[i % 3];
    }
    char phc[FQ_PASSWORD_TEXT_MAX];
    assert_refused(fq_password_accept((fq_str){text, 1023}, FQ_STR(""), "password"),
                   FQ_INVALID_FIELD);
    assert_refused(fq_password_hash((fq_str){text, 1023}, cheap, phc), FQ_INVALID_FIELD);
    assert_refused(fq_password_hash((fq_str){text, 1026}, cheap, phc), FQ_INVALID_FIELD);
    bool match = true;
    assert_done(fq_password_hash(FQ_STR("correct horse battery"), cheap, phc));
    assert_done(fq_password_verify(fq_str_of(phc), (fq_str){text, 1026}, &match));
    assert_false(match);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_vectors),
        cmocka_unit_test(the_library_is_argon2id),
        cmocka_unit_test(accepts_and_refuses_by_policy),
        cmocka_unit_test(spells_alike_after_nfkc),
        cmocka_unit_test(hashes_under_a_new_salt_each_time),
        cmocka_unit_test(is_told_when_to_hash_anew),
        cmocka_unit_test(expanding_characters_stay_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
