// The API keys that callers were seen with: how long they are believed, revocation, and limits per
// key.
#include "service/directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

enum { BELIEVED_MS = 60, LONG_MS = 600000 };
static const int64_t second_ns = INT64_C(1000000000);

static fq_key_record record_of(uint64_t id) {
    return (fq_key_record){.id = {id},
                           .root = {id - 1},
                           .exists = true,
                           .algorithm = FQ_ALGORITHM_HMAC_SHA256,
                           .scope = FQ_SCOPE_PAYER,
                           .user = {77},
                           .material = FQ_STR("0123456789abcdef0123456789abcdef")};
}

static fq_known known(fq_directory *directory, uint64_t id) {
    fq_known_key *key = NULL;
    const fq_known found = fq_directory_find(directory, id, &key);
    assert_int_equal(key != NULL, found == FQ_KEY_ACTIVE_KEY);
    fq_directory_release(directory, key);
    return found;
}

static void test_what_is_known(void **state) {
    (void)state;
    fq_directory *directory = fq_directory_make(LONG_MS);
    assert_int_equal(known(directory, 10), FQ_KEY_ASK);
    fq_key_record record = record_of(10);
    fq_directory_put(directory, 10, NULL, &record);
    assert_int_equal(known(directory, 10), FQ_KEY_ACTIVE_KEY);
    fq_known_key *key;
    assert_int_equal(fq_directory_find(directory, 10, &key), FQ_KEY_ACTIVE_KEY);
    const fq_caller caller = fq_known_key_caller(key);
    assert_int_equal(caller.key.v, 10);
    assert_int_equal(caller.root.v, 9);
    assert_int_equal(caller.scope, FQ_SCOPE_PAYER);
    assert_int_equal(caller.user.v, 77);
    assert_int_equal(fq_verify_key_algorithm(fq_known_key_verifier(key)), FQ_ALGORITHM_HMAC_SHA256);
    // Revoked meanwhile: who holds it still may look at it, who comes may not have it.
    record.revoked = true;
    fq_directory_put(directory, 10, NULL, &record);
    assert_int_equal(known(directory, 10), FQ_KEY_REVOKED_KEY);
    assert_int_equal(fq_known_key_caller(key).key.v, 10);
    fq_directory_release(directory, key);
    record = (fq_key_record){0};
    fq_directory_put(directory, 11, NULL, &record);
    assert_int_equal(known(directory, 11), FQ_KEY_NONE);
    // A key whose material is none cannot be anybody's.
    record = record_of(12);
    record.material = FQ_STR("short");
    fq_directory_put(directory, 12, NULL, &record);
    assert_int_equal(known(directory, 12), FQ_KEY_NONE);
    fq_directory_free(directory);
    fq_directory_free(NULL);
}

static void test_believed_for_a_while(void **state) {
    (void)state;
    fq_directory *directory = fq_directory_make(BELIEVED_MS);
    const fq_key_record record = record_of(10), none = {0};
    fq_directory_put(directory, 10, NULL, &record);
    fq_directory_put(directory, 11, NULL, &none);
    assert_int_equal(known(directory, 10), FQ_KEY_ACTIVE_KEY);
    assert_int_equal(known(directory, 11), FQ_KEY_NONE);
    nanosleep(&(struct timespec){.tv_nsec = 2 * BELIEVED_MS * 1000000}, NULL);
    assert_int_equal(known(directory, 10), FQ_KEY_ASK);
    assert_int_equal(known(directory, 11), FQ_KEY_ASK);
    fq_directory_put(directory, 10, NULL, &record);
    assert_int_equal(known(directory, 10), FQ_KEY_ACTIVE_KEY);
    fq_directory_free(directory);
}

static void test_tokens(void **state) {
    (void)state;
    fq_directory *directory = fq_directory_make(LONG_MS);
    fq_hash hash = fq_sha256_of(FQ_STR("fq_test_token"));
    fq_key_record record = record_of(10);
    record.algorithm = FQ_ALGORITHM_BEARER;
    record.material = fq_hash_str(&hash);
    fq_known_key *key = NULL;
    assert_int_equal(fq_directory_find_token(directory, &hash, &key), FQ_KEY_ASK);
    fq_directory_put(directory, 0, &hash, &record);
    assert_int_equal(fq_directory_find_token(directory, &hash, &key), FQ_KEY_ACTIVE_KEY);
    assert_int_equal(fq_known_key_caller(key).key.v, 10);
    fq_directory_release(directory, key);
    // The same beginning is not the same token, and a token is not found as an id.
    uint64_t beginning;
    memcpy(&beginning, hash.bytes, sizeof(beginning));
    assert_int_equal(known(directory, beginning), FQ_KEY_ASK);
    hash.bytes[31] ^= 1;
    assert_int_equal(fq_directory_find_token(directory, &hash, &key), FQ_KEY_ASK);
    fq_directory_free(directory);
}

// More keys than there is room for: the newest are found, and the others asked for again.
static void test_room(void **state) {
    (void)state;
    enum { KEYS = 40000 };
    fq_directory *directory = fq_directory_make(LONG_MS);
    const fq_key_record none = {0};
    size_t found = 0;
    for (uint64_t id = 1; id <= KEYS; id++) {
        fq_directory_put(directory, id, NULL, &none);
        found += known(directory, id) == FQ_KEY_NONE;
    }
    assert_int_equal(found, KEYS);
    size_t forgotten = 0;
    for (uint64_t id = 1; id <= KEYS; id++) {
        forgotten += known(directory, id) == FQ_KEY_ASK;
    }
    assert_true(forgotten > 0 && forgotten < KEYS);
    fq_directory_free(directory);
}

// --- limits ---

static void test_limit(void **state) {
    (void)state;
    fq_directory *directory = fq_directory_make(LONG_MS);
    fq_key_record record = record_of(10);
    fq_directory_put(directory, 10, NULL, &record);
    fq_known_key *key;
    assert_int_equal(fq_directory_find(directory, 10, &key), FQ_KEY_ACTIVE_KEY);
    // 10 a second, and 5 at once above that.
    int64_t now_ns = 1000 * second_ns, wait_ns = 0;
    for (int i = 0; i < 6; i++) {
        assert_true(fq_known_key_take(key, 10, 5, now_ns, &wait_ns));
    }
    assert_false(fq_known_key_take(key, 10, 5, now_ns, &wait_ns));
    assert_int_equal(wait_ns, second_ns / 10);
    assert_false(fq_known_key_take(key, 10, 5, now_ns + wait_ns - 1, &wait_ns));
    assert_int_equal(wait_ns, 1);
    assert_true(fq_known_key_take(key, 10, 5, now_ns + second_ns / 10, &wait_ns));
    assert_false(fq_known_key_take(key, 10, 5, now_ns + second_ns / 10, &wait_ns));
    // What the user service says anew does not refill it.
    fq_directory_release(directory, key);
    fq_directory_put(directory, 10, NULL, &record);
    assert_int_equal(fq_directory_find(directory, 10, &key), FQ_KEY_ACTIVE_KEY);
    assert_false(fq_known_key_take(key, 10, 5, now_ns + second_ns / 10, &wait_ns));
    // Rest does not save up more than the burst; asked 100 times a second, 10 pass.
    now_ns += 100 * second_ns;
    int passed = 0;
    for (int i = 0; i < 1000; i++) {
        passed += fq_known_key_take(key, 10, 5, now_ns + i * (second_ns / 100), &wait_ns);
    }
    assert_true(passed >= 100 && passed <= 106);
    // A clock that goes back lets nobody in twice.
    assert_false(fq_known_key_take(key, 10, 5, now_ns, &wait_ns));
    fq_directory_release(directory, key);
    fq_directory_free(directory);
}

// Whoever asks for many keys that are none pushes out no key that is one, nor what its limit has
// counted.
static void test_strangers_take_no_place(void **state) {
    (void)state;
    enum { STRANGERS = 40000 };
    fq_directory *directory = fq_directory_make(LONG_MS);
    const fq_key_record record = record_of(10), none = {0};
    const int64_t now_ns = 1000 * second_ns;
    int64_t wait_ns = 0;
    fq_known_key *key;
    fq_directory_put(directory, 10, NULL, &record);
    assert_int_equal(fq_directory_find(directory, 10, &key), FQ_KEY_ACTIVE_KEY);
    assert_true(fq_known_key_take(key, 1, 0, now_ns, &wait_ns));
    fq_directory_release(directory, key);
    for (uint64_t id = 1000; id < 1000 + STRANGERS; id++) {
        fq_directory_put(directory, id, NULL, &none);
    }
    assert_int_equal(fq_directory_find(directory, 10, &key), FQ_KEY_ACTIVE_KEY);
    assert_false(fq_known_key_take(key, 1, 0, now_ns, &wait_ns));
    fq_directory_release(directory, key);
    // One that was none and is one now is found.
    const fq_key_record made = record_of(1000 + STRANGERS - 1);
    assert_int_equal(known(directory, 1000 + STRANGERS - 1), FQ_KEY_NONE);
    fq_directory_put(directory, 1000 + STRANGERS - 1, NULL, &made);
    assert_int_equal(known(directory, 1000 + STRANGERS - 1), FQ_KEY_ACTIVE_KEY);
    fq_directory_free(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known), cmocka_unit_test(test_believed_for_a_while),
        cmocka_unit_test(test_tokens),        cmocka_unit_test(test_room),
        cmocka_unit_test(test_limit),         cmocka_unit_test(test_strangers_take_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
