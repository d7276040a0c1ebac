// The short form's vectors: canonical bytes, signatures and the refusals that belong to the
// signature.
#include "crypto/short_form.h"

#include "base/json.h"
#include "vectors.h"

static bool expects(const json_t *vector, const char *code) {
    return strcmp(vectors_text(vector, "code"), code) == 0;
}

// Cases whose fault lies in other fields than the signature; who decodes the body refuses those.
static bool is_about_the_signature(const json_t *vector) {
    return strcmp(vectors_text(vector, "expect"), "invalid") != 0 ||
           (json_integer_value(json_object_get(vector, "status")) == 401 &&
            !expects(vector, "key_unknown"));
}

static void run_case(const json_t *vector) {
    fq_arena arena;
    fq_buffer canonical;
    fq_arena_init(&arena, 1 << 20);
    fq_buffer_init(&canonical, 1 << 16);
    const fq_json *body = NULL;
    assert_done(fq_json_parse(&arena, vectors_str(vector, "body"), FQ_JSON_REQUEST, &body));
    assert_done(fq_json_canonical(body, "signature", &canonical));
    if (vectors_str(vector, "canonical").len > 0) {
        assert_str(fq_buffer_str(&canonical), vectors_str(vector, "canonical"));
    }
    fq_verify_key *key =
        vectors_verify_key(vectors_text(vector, "key_id"), vectors_text(vector, "alg_of_key"));
    const fq_json *signature = fq_json_member(body, "signature");
    const fq_err err = fq_short_form_verify(key, fq_buffer_str(&canonical),
                                            signature ? signature->text : FQ_STR(""),
                                            fq_json_member(body, "created")->integer,
                                            json_integer_value(json_object_get(vector, "now")));
    if (strcmp(vectors_text(vector, "expect"), "invalid") != 0) {
        assert_int_equal(err.code, FQ_DONE);
    } else {
        const char *name = fq_error_row_of(err.code)->name;
        assert_true(expects(vector, name) || strcmp(vectors_text(vector, "code_also"), name) == 0);
    }
    fq_verify_key_free(key);
    fq_buffer_free(&canonical);
    fq_arena_free(&arena);
}

static void judges_the_vectors(void **state) {
    (void)state;
    json_t *root = vectors_load("short-form");
    size_t i, judged = 0;
    json_t *vector;
    json_array_foreach(json_object_get(root, "cases"), i, vector) {
        if (is_about_the_signature(vector)) {
            print_message("%s\n", vectors_text(vector, "id"));
            run_case(vector);
            judged++;
        }
    }
    assert_int_equal(judged, 26);
    json_decref(root);
}

static void signs_what_it_verifies(void **state) {
    (void)state;
    fq_sign_key *sign_key = vectors_sign_key("test-key-rsa", "rsa-v1_5-sha256");
    fq_verify_key *verify_key = vectors_verify_key("test-key-rsa", "rsa-v1_5-sha256");
    char text[FQ_SHORT_FORM_TEXT_MAX];
    assert_done(fq_short_form_sign(sign_key, FQ_STR("{}"), text));
    assert_done(fq_short_form_verify(verify_key, FQ_STR("{}"), fq_str_of(text), 1000, 1300));
    assert_done(fq_short_form_verify(verify_key, FQ_STR("{}"), fq_str_of(text), 1000, 940));
    assert_refused(fq_short_form_verify(verify_key, FQ_STR("{}"), fq_str_of(text), 1000, 1301),
                   FQ_SIGNATURE_EXPIRED);
    assert_refused(fq_short_form_verify(verify_key, FQ_STR("{}"), fq_str_of(text), 1000, 939),
                   FQ_SIGNATURE_EXPIRED);
    assert_refused(fq_short_form_verify(verify_key, FQ_STR("{}"), fq_str_of(text), INT64_MIN, 939),
                   FQ_SIGNATURE_EXPIRED);
    assert_refused(fq_short_form_verify(verify_key, FQ_STR("{ }"), fq_str_of(text), 1000, 1000),
                   FQ_SIGNATURE_INVALID);
    fq_sign_key_free(sign_key);
    fq_verify_key_free(verify_key);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(judges_the_vectors),
                                       cmocka_unit_test(signs_what_it_verifies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
