// Hashes, MACs, text forms, Content-Digest.
#include "crypto/digest.h"

#include "vectors.h"

static void assert_hex(fq_str bytes, const char *expected) {
    char text[256];
    assert_true(bytes.len * 2 <= sizeof(text));
    fq_hex_encode(bytes, text);
    assert_str(((fq_str){text, bytes.len * 2}), fq_str_of(expected));
}

static void hashes_in_pieces(void **state) {
    (void)state;
    const fq_hash whole = fq_sha256_of(FQ_STR("abc"));
    assert_hex(fq_hash_str(&whole),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    fq_sha256 sha;
    fq_sha256_init(&sha);
    fq_sha256_add(&sha, FQ_STR("a"));
    fq_sha256 copy = sha;
    fq_sha256_add(&sha, FQ_STR("bc"));
    fq_sha256_add(&copy, FQ_STR("bc"));
    const fq_hash pieces = fq_sha256_end(&sha), copied = fq_sha256_end(&copy);
    assert_memory_equal(pieces.bytes, whole.bytes, sizeof(whole.bytes));
    assert_memory_equal(copied.bytes, whole.bytes, sizeof(whole.bytes));
    fq_sha256_init(&sha);
    fq_sha256_add_u64(&sha, UINT64_C(0x6162636465666768));
    const fq_hash number = fq_sha256_end(&sha), text = fq_sha256_of(FQ_STR("abcdefgh"));
    assert_memory_equal(number.bytes, text.bytes, sizeof(text.bytes));
}

// RFC 4231, cases 1, 2, 6 and 7.
static void makes_macs(void **state) {
    (void)state;
    char secret[131];
    fq_hmac_key key;
    memset(secret, 0x0b, 20);
    fq_hmac_key_init(&key, (fq_str){secret, 20});
    fq_hash mac = fq_hmac(&key, FQ_STR("Hi There"));
    assert_hex(fq_hash_str(&mac),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    fq_hmac_key_init(&key, FQ_STR("Jefe"));
    mac = fq_hmac(&key, FQ_STR("what do ya want for nothing?"));
    assert_hex(fq_hash_str(&mac),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(secret, 0xaa, sizeof(secret));
    fq_hmac_key_init(&key, (fq_str){secret, sizeof(secret)});
    mac = fq_hmac(&key, FQ_STR("Test Using Larger Than Block-Size Key - Hash Key First"));
    assert_hex(fq_hash_str(&mac),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    mac = fq_hmac(&key, FQ_STR("Test Using Larger Than Block-Size Key - Hash Key First"));
    assert_hex(fq_hash_str(&mac),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    fq_hmac_key_wipe(&key);
}

// RFC 5869 appendix A.3: neither salt nor info. A label changes all.
static void derives_keys(void **state) {
    (void)state;
    char secret[22];
    uint8_t out[42], other[42];
    memset(secret, 0x0b, sizeof(secret));
    fq_hkdf((fq_str){secret, sizeof(secret)}, FQ_STR(""), out, sizeof(out));
    assert_hex(
        (fq_str){(const char *)out, sizeof(out)},
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    fq_hkdf((fq_str){secret, sizeof(secret)}, FQ_STR("label"), other, sizeof(other));
    assert_memory_not_equal(out, other, sizeof(out));
}

static void writes_and_reads_base64(void **state) {
    (void)state;
    // RFC 4648 section 10.
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[16];
        uint8_t bytes[16];
        size_t len = fq_base64_encode(fq_str_of(rows[i][0]), text);
        assert_int_equal(len, FQ_BASE64_LEN(strlen(rows[i][0])));
        assert_str(((fq_str){text, len}), fq_str_of(rows[i][1]));
        assert_true(fq_base64_decode(fq_str_of(rows[i][1]), bytes, &len));
        assert_str(((fq_str){(const char *)bytes, len}), fq_str_of(rows[i][0]));
    }
    static const char *const faults[] = {"Z",    "Zg",   "Zg=",    "Zg=a",   "====",
                                         "Zh==", "Zm9=", "Z===",   "Zm9vYg", "Zm-v",
                                         "Zm_v", "Zm 9", "Zg==\n", "=Zg=",   "Zg==Zg=="};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        uint8_t bytes[16];
        size_t len = 0;
        assert_false(fq_base64_decode(fq_str_of(faults[i]), bytes, &len));
    }
}

static void writes_and_reads_hex(void **state) {
    (void)state;
    uint8_t bytes[4];
    assert_true(fq_hex_decode(FQ_STR("00fFaB10"), bytes));
    assert_hex((fq_str){(const char *)bytes, 4}, "00ffab10");
    assert_false(fq_hex_decode(FQ_STR("0"), bytes));
    assert_false(fq_hex_decode(FQ_STR("0g"), bytes));
    assert_false(fq_hex_decode(FQ_STR("0@"), bytes));
}

static void compares_secrets(void **state) {
    (void)state;
    assert_true(fq_equal_secret(FQ_STR("abc"), FQ_STR("abc")));
    assert_false(fq_equal_secret(FQ_STR("abc"), FQ_STR("abd")));
    assert_false(fq_equal_secret(FQ_STR("abc"), FQ_STR("ab")));
    assert_true(fq_equal_secret(FQ_STR(""), FQ_STR("")));
}

static fq_digest_verdict verdict_of(const char *name) {
    return strcmp(name, "match") == 0      ? FQ_DIGEST_MATCH
           : strcmp(name, "mismatch") == 0 ? FQ_DIGEST_MISMATCH
           : strcmp(name, "unusable") == 0 ? FQ_DIGEST_UNUSABLE
                                           : FQ_DIGEST_MALFORMED;
}

static void checks_content_digests(void **state) {
    (void)state;
    json_t *root = vectors_load("content-digest");
    fq_arena arena;
    fq_arena_init(&arena, 1 << 16);
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "cases"), i, vector) {
        print_message("%s\n", vectors_text(vector, "id"));
        const fq_str field = fq_str_trim(vectors_str(vector, "content_digest"));
        assert_int_equal(fq_content_digest_check(&arena, field, vectors_str(vector, "body")),
                         verdict_of(vectors_text(vector, "expect")));
        fq_arena_reset(&arena);
    }
    json_decref(root);
    fq_arena_free(&arena);
}

static void makes_content_digests(void **state) {
    (void)state;
    char text[FQ_CONTENT_DIGEST_LEN];
    fq_content_digest_make(FQ_STR(""), text);
    assert_str(((fq_str){text, sizeof(text)}),
               FQ_STR("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_in_pieces),       cmocka_unit_test(makes_macs),
        cmocka_unit_test(derives_keys),           cmocka_unit_test(writes_and_reads_base64),
        cmocka_unit_test(writes_and_reads_hex),   cmocka_unit_test(compares_secrets),
        cmocka_unit_test(checks_content_digests), cmocka_unit_test(makes_content_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
