// Vector files and test keys. Decides nothing; a broken file stops the test.
#include "vectors.h"

#include "crypto/digest.h"

#include <stdio.h>
#include <stdlib.h>

json_t *vectors_load(const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/security/%s.json", FQ_TEST_VECTORS, name);
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!root) {
        fail_msg("%s: %s", path, error.text);
    }
    return root;
}

const char *vectors_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

fq_str vectors_str(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? (fq_str){json_string_value(value), json_string_length(value)}
                                 : FQ_STR("");
}

static json_t *find_key(json_t *root, const char *keyid) {
    size_t i;
    json_t *key;
    json_array_foreach(json_object_get(root, "keys"), i, key) {
        if (strcmp(vectors_text(key, "keyid"), keyid) == 0) {
            return key;
        }
    }
    fail_msg("no key %s", keyid);
    return NULL;
}

static fq_algorithm algorithm_of(const char *name) {
    fq_algorithm algorithm = FQ_ALGORITHM_HMAC_SHA256;
    assert_true(fq_algorithm_parse(fq_str_of(name), &algorithm));
    return algorithm;
}

static fq_str secret_of(const json_t *key, uint8_t out[256]) {
    size_t len = 0;
    assert_true(fq_base64_decode(vectors_str(key, "secret_base64"), out, &len));
    return (fq_str){(const char *)out, len};
}

fq_verify_key *vectors_verify_key(const char *keyid, const char *algorithm_name) {
    json_t *root = vectors_load("rfc9421");
    const json_t *key = find_key(root, keyid);
    const fq_algorithm algorithm = algorithm_of(algorithm_name);
    fq_verify_key *made = NULL;
    uint8_t secret[256];
    if (fq_algorithm_uses_pair(algorithm)) {
        assert_done(
            fq_verify_key_from_pem(algorithm, vectors_str(key, "public_pem"), "public_key", &made));
    } else {
        assert_done(fq_verify_key_from_secret(algorithm, secret_of(key, secret), "secret", &made));
    }
    json_decref(root);
    return made;
}

fq_sign_key *vectors_sign_key(const char *keyid, const char *algorithm_name) {
    json_t *root = vectors_load("rfc9421");
    const json_t *key = find_key(root, keyid);
    const fq_algorithm algorithm = algorithm_of(algorithm_name);
    fq_sign_key *made = NULL;
    uint8_t secret[256];
    if (fq_algorithm_uses_pair(algorithm)) {
        assert_done(fq_sign_key_from_pem(algorithm, vectors_str(key, "private_pem_pkcs8"),
                                         "private_key", &made));
    } else {
        assert_done(fq_sign_key_from_secret(secret_of(key, secret), "secret", &made));
    }
    json_decref(root);
    return made;
}
