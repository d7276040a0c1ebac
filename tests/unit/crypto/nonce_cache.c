// Nonces: once each, for as long as they count, from any thread, within bounds.
#include "crypto/nonce_cache.h"

#include "vectors.h"

#include <pthread.h>
#include <stdio.h>

static fq_err insert(fq_nonce_cache *cache, const char *keyid, const char *nonce, int64_t until_s,
                     int64_t now_s) {
    return fq_nonce_insert(cache, fq_str_of(keyid), fq_str_of(nonce), until_s, now_s);
}

static void takes_each_nonce_once(void **state) {
    (void)state;
    fq_nonce_cache *cache = fq_nonce_cache_new(8 << 20);
    assert_done(insert(cache, "key_1", "a", 1300, 1000));
    assert_refused(insert(cache, "key_1", "a", 1300, 1000), FQ_NONCE_REUSED);
    assert_done(insert(cache, "key_2", "a", 1300, 1000));
    assert_done(insert(cache, "key_1", "", 1300, 1000));
    assert_done(insert(cache, "key_", "1a", 1300, 1000));
    assert_done(insert(cache, "key_1", "a long nonce of more than eight characters", 1300, 1000));
    assert_refused(insert(cache, "key_1", "a long nonce of more than eight characters", 1300, 1000),
                   FQ_NONCE_REUSED);
    fq_nonce_cache_free(cache);
    fq_nonce_cache_free(NULL);
}

static void forgets_when_it_no_longer_counts(void **state) {
    (void)state;
    fq_nonce_cache *cache = fq_nonce_cache_new(8 << 20);
    const int64_t start = 65530;  // the low 16 bits come round on the way
    assert_done(insert(cache, "k", "a", start + 300, start));
    assert_refused(insert(cache, "k", "a", start + 600, start + 300), FQ_NONCE_REUSED);
    assert_done(insert(cache, "k", "a", start + 601, start + 301));
    fq_nonce_cache_free(cache);
}

static void takes_a_moment_that_has_just_passed(void **state) {
    (void)state;
    fq_nonce_cache *cache = fq_nonce_cache_new(8 << 20);
    assert_done(insert(cache, "k", "a", 999, 1000));
    assert_refused(insert(cache, "k", "a", 999, 1000), FQ_NONCE_REUSED);
    assert_done(insert(cache, "k", "b", 100000, 1000));
    fq_nonce_cache_free(cache);
}

static void remembers_when_the_clock_steps_back(void **state) {
    (void)state;
    fq_nonce_cache *cache = fq_nonce_cache_new(8 << 20);
    assert_done(insert(cache, "k", "a", 100300, 100000));
    assert_refused(insert(cache, "k", "a", 97000, 96400), FQ_NONCE_REUSED);
    fq_nonce_cache_free(cache);
}

static void grows_and_shrinks(void **state) {
    (void)state;
    enum { COUNT = 200000 };
    fq_nonce_cache *cache = fq_nonce_cache_new(64 << 20);
    const size_t empty = fq_nonce_cache_bytes(cache);
    char nonce[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(nonce, sizeof(nonce), "n-%d", i);
        assert_done(insert(cache, "k", nonce, 1300, 1000));
    }
    const size_t full = fq_nonce_cache_bytes(cache);
    assert_true(full > empty && full < (size_t)COUNT * 24);
    for (int i = 0; i < COUNT; i++) {
        snprintf(nonce, sizeof(nonce), "n-%d", i);
        assert_refused(insert(cache, "k", nonce, 1300, 1001), FQ_NONCE_REUSED);
    }
    // A trickle afterwards lets the tables shrink again.
    for (int i = 0; i < COUNT; i++) {
        snprintf(nonce, sizeof(nonce), "m-%d", i);
        assert_done(insert(cache, "k", nonce, 1601 + i / 25, 1301 + i / 25));
    }
    assert_true(fq_nonce_cache_bytes(cache) < full / 4);
    fq_nonce_cache_tidy(cache, 100000);
    assert_int_equal(fq_nonce_cache_bytes(cache), empty);
    fq_nonce_cache_free(cache);
}

// What could be replayed is never dropped for room: the caller gets 503.
static void refuses_rather_than_forgets(void **state) {
    (void)state;
    fq_nonce_cache *cache = fq_nonce_cache_new(64 * 4096);
    char nonce[32];
    int taken = 0;
    fq_err err = FQ_OK;
    for (; taken < 1000000; taken++) {
        snprintf(nonce, sizeof(nonce), "n-%d", taken);
        err = insert(cache, "k", nonce, 1300, 1000);
        if (err.code) {
            break;
        }
    }
    assert_int_equal(err.code, FQ_UNAVAILABLE);
    assert_true(taken > 64 * 4096 / 8 / 2);
    for (int i = 0; i < taken; i++) {
        snprintf(nonce, sizeof(nonce), "n-%d", i);
        assert_refused(insert(cache, "k", nonce, 1300, 1300), FQ_NONCE_REUSED);
    }
    snprintf(nonce, sizeof(nonce), "n-%d", taken);
    assert_done(insert(cache, "k", nonce, 1601, 1301));
    fq_nonce_cache_free(cache);
}

enum { THREADS = 4, SHARED = 20000 };

typedef struct {
    fq_nonce_cache *cache;
    int accepted;
} racer;

static void *race(void *argument) {
    racer *self = argument;
    char nonce[32];
    for (int i = 0; i < SHARED; i++) {
        snprintf(nonce, sizeof(nonce), "n-%d", i);
        self->accepted += insert(self->cache, "k", nonce, 1300, 1000).code == FQ_DONE;
    }
    return NULL;
}

static void one_of_many_threads_wins(void **state) {
    (void)state;
    fq_nonce_cache *cache = fq_nonce_cache_new(8 << 20);
    pthread_t threads[THREADS];
    racer racers[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        racers[i].cache = cache;
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    int accepted = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        accepted += racers[i].accepted;
    }
    assert_int_equal(accepted, SHARED);
    fq_nonce_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_each_nonce_once),
        cmocka_unit_test(forgets_when_it_no_longer_counts),
        cmocka_unit_test(takes_a_moment_that_has_just_passed),
        cmocka_unit_test(remembers_when_the_clock_steps_back),
        cmocka_unit_test(grows_and_shrinks),
        cmocka_unit_test(refuses_rather_than_forgets),
        cmocka_unit_test(one_of_many_threads_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
