// Envelopes and the key ring: round trips, tampering, rotation.
#include "crypto/envelope.h"

#include "vectors.h"

static fq_arena arena;
static fq_keyring *ring;
static const fq_master_key master = {{1, 2, 3}};

static fq_wrapped_key add_key(fq_wrapped_kind kind, uint32_t id, unsigned bits) {
    fq_wrapped_key wrapped;
    uint32_t got = 0;
    assert_done(fq_keyring_make(ring, kind, id, bits, &wrapped));
    assert_done(fq_keyring_add(ring, (fq_str){(const char *)wrapped.bytes, wrapped.len}, &got));
    assert_int_equal(got, id);
    return wrapped;
}

static int set_up(void **state) {
    (void)state;
    fq_arena_init(&arena, 8 << 20);
    ring = fq_keyring_new(&master);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fq_keyring_free(ring);
    fq_arena_free(&arena);
    return 0;
}

static const fq_str place = {"user.email.usr_1", 16};

static void opens_what_it_seals(void **state) {
    (void)state;
    const unsigned sizes[] = {128, 192, 256};
    for (uint32_t i = 0; i < 3; i++) {
        add_key(FQ_WRAPPED_DATA, i + 1, sizes[i]);
        fq_str envelope, text;
        assert_done(fq_envelope_seal(ring, &arena, FQ_PURPOSE_PERSONAL, FQ_STR("li@example.cn"),
                                     place, &envelope));
        assert_int_equal(envelope.len, 13 + FQ_ENVELOPE_EXTRA_BYTES);
        assert_int_equal(fq_envelope_key_id(envelope), i + 1);
        assert_done(fq_envelope_open(ring, &arena, FQ_PURPOSE_PERSONAL, envelope, place, &text));
        assert_str(text, FQ_STR("li@example.cn"));
        assert_done(
            fq_envelope_seal(ring, &arena, FQ_PURPOSE_SECRET, FQ_STR(""), FQ_STR(""), &envelope));
        assert_done(fq_envelope_open(ring, &arena, FQ_PURPOSE_SECRET, envelope, FQ_STR(""), &text));
        assert_int_equal(text.len, 0);
    }
    assert_int_equal(fq_keyring_seals(ring), 2);
}

static void refuses_any_change(void **state) {
    (void)state;
    add_key(FQ_WRAPPED_DATA, 7, 256);
    fq_str envelope, text = FQ_STR("untouched");
    assert_done(fq_envelope_seal(ring, &arena, FQ_PURPOSE_PERSONAL, FQ_STR("13800138000"), place,
                                 &envelope));
    for (size_t i = 0; i < envelope.len; i++) {
        char *changed = fq_arena_text(&arena, envelope);
        changed[i] ^= 1;
        assert_refused(fq_envelope_open(ring, &arena, FQ_PURPOSE_PERSONAL,
                                        (fq_str){changed, envelope.len}, place, &text),
                       FQ_INTERNAL);
    }
    for (size_t len = 0; len < envelope.len; len++) {
        assert_refused(fq_envelope_open(ring, &arena, FQ_PURPOSE_PERSONAL,
                                        (fq_str){envelope.at, len}, place, &text),
                       FQ_INTERNAL);
    }
    assert_refused(fq_envelope_open(ring, &arena, FQ_PURPOSE_PERSONAL, envelope,
                                    FQ_STR("user.email.usr_2"), &text),
                   FQ_INTERNAL);
    assert_refused(fq_envelope_open(ring, &arena, FQ_PURPOSE_SECRET, envelope, place, &text),
                   FQ_INTERNAL);
    assert_str(text, FQ_STR("untouched"));
}

static void rotates(void **state) {
    (void)state;
    fq_str before, after, text;
    assert_refused(fq_envelope_seal(ring, &arena, FQ_PURPOSE_PERSONAL, FQ_STR("x"), place, &before),
                   FQ_UNAVAILABLE);
    add_key(FQ_WRAPPED_DATA, 1, 256);
    assert_done(fq_envelope_seal(ring, &arena, FQ_PURPOSE_PERSONAL, FQ_STR("old"), place, &before));
    add_key(FQ_WRAPPED_DATA, 2, 128);
    assert_int_equal(fq_keyring_current(ring, FQ_WRAPPED_DATA), 2);
    assert_done(fq_envelope_seal(ring, &arena, FQ_PURPOSE_PERSONAL, FQ_STR("new"), place, &after));
    assert_int_equal(fq_envelope_key_id(before), 1);
    assert_int_equal(fq_envelope_key_id(after), 2);
    assert_done(fq_envelope_open(ring, &arena, FQ_PURPOSE_PERSONAL, before, place, &text));
    assert_str(text, FQ_STR("old"));
}

static void unwraps_only_under_its_master_key(void **state) {
    (void)state;
    const fq_master_key other = {{9}};
    fq_wrapped_key wrapped = add_key(FQ_WRAPPED_DATA, 1, 192), again;
    fq_str envelope, text;
    uint32_t id = 0;
    assert_done(fq_envelope_seal(ring, &arena, FQ_PURPOSE_PERSONAL, FQ_STR("x"), place, &envelope));
    fq_keyring *new_ring = fq_keyring_new(&other);
    const fq_str bytes = {(const char *)wrapped.bytes, wrapped.len};
    assert_refused(fq_keyring_add(new_ring, bytes, &id), FQ_INVALID_FIELD);
    assert_done(fq_keyring_rewrap(ring, bytes, &other, &again));
    assert_done(fq_keyring_add(new_ring, (fq_str){(const char *)again.bytes, again.len}, &id));
    assert_done(fq_envelope_open(new_ring, &arena, FQ_PURPOSE_PERSONAL, envelope, place, &text));
    for (size_t i = 0; i < wrapped.len; i++) {
        wrapped.bytes[i] ^= 1;
        assert_refused(fq_keyring_add(ring, bytes, &id), FQ_INVALID_FIELD);
        assert_refused(fq_keyring_add(ring, (fq_str){bytes.at, i}, &id), FQ_INVALID_FIELD);
        wrapped.bytes[i] ^= 1;
    }
    fq_keyring_free(new_ring);
}

static void bounds_its_keys(void **state) {
    (void)state;
    fq_wrapped_key wrapped;
    uint32_t id = 0;
    assert_refused(fq_keyring_make(ring, FQ_WRAPPED_DATA, 1, 512, &wrapped), FQ_INVALID_FIELD);
    assert_refused(fq_keyring_make(ring, FQ_WRAPPED_INDEX, 1, 128, &wrapped), FQ_INVALID_FIELD);
    for (uint32_t i = 1; i <= FQ_KEYRING_KEYS_MAX; i++) {
        wrapped = add_key(FQ_WRAPPED_DATA, i, 256);
    }
    assert_done(fq_keyring_add(ring, (fq_str){(const char *)wrapped.bytes, wrapped.len}, &id));
    assert_done(fq_keyring_make(ring, FQ_WRAPPED_DATA, FQ_KEYRING_KEYS_MAX + 1, 256, &wrapped));
    assert_refused(fq_keyring_add(ring, (fq_str){(const char *)wrapped.bytes, wrapped.len}, &id),
                   FQ_UNAVAILABLE);
}

static void indexes_blindly(void **state) {
    (void)state;
    fq_hash a, b;
    assert_refused(fq_blind_index(ring, FQ_STR("user.email"), FQ_STR("x"), &a), FQ_UNAVAILABLE);
    add_key(FQ_WRAPPED_INDEX, 1, 256);
    assert_done(fq_blind_index(ring, FQ_STR("user.email"), FQ_STR("li@example.cn"), &a));
    add_key(FQ_WRAPPED_DATA, 5, 256);
    assert_done(fq_blind_index(ring, FQ_STR("user.email"), FQ_STR("li@example.cn"), &b));
    assert_memory_equal(a.bytes, b.bytes, sizeof(a.bytes));
    assert_done(fq_blind_index(ring, FQ_STR("user.phone"), FQ_STR("li@example.cn"), &b));
    assert_memory_not_equal(a.bytes, b.bytes, sizeof(a.bytes));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(opens_what_it_seals),
        TEST(refuses_any_change),
        TEST(rotates),
        TEST(unwraps_only_under_its_master_key),
        TEST(bounds_its_keys),
        TEST(indexes_blindly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
