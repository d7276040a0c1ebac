// What unit tests share: a seeded generator whose seed is printed, so that a failing property can
// be run again with FEIQIAN_TEST_SEED=number. Not for anything but tests.
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    uint64_t state;
} test_random;

// Takes the seed from FEIQIAN_TEST_SEED, else from the clock, and prints it.
static inline test_random test_random_start(const char *property) {
    const char *given = getenv("FEIQIAN_TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t seed =
        given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
    printf("%s: FEIQIAN_TEST_SEED=%" PRIu64 "\n", property, seed);
    return (test_random){seed};
}

// SplitMix64.
static inline uint64_t test_random_u64(test_random *random) {
    uint64_t z = (random->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

// 0 to `count` - 1; `count` must not be 0.
static inline uint64_t test_random_below(test_random *random, uint64_t count) {
    return test_random_u64(random) % count;
}

// `from` to `to`, both included.
static inline int64_t test_random_between(test_random *random, int64_t from, int64_t to) {
    const uint64_t span = (uint64_t)to - (uint64_t)from;
    const uint64_t step =
        span == UINT64_MAX ? test_random_u64(random) : test_random_below(random, span + 1);
    return (int64_t)((uint64_t)from + step);
}

static inline bool test_random_chance(test_random *random, unsigned one_in) {
    return test_random_below(random, one_in) == 0;
}

// An amount as attackers and accountants like them: mostly small, sometimes at the edges.
static inline int64_t test_random_amount(test_random *random) {
    static const int64_t edges[] = {
        0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, (INT64_C(1) << 53) - 1};
    switch (test_random_below(random, 4)) {
    case 0:
        return edges[test_random_below(random, sizeof(edges) / sizeof(edges[0]))];
    case 1:
        return (int64_t)test_random_u64(random);
    default:
        return test_random_between(random, -1000000, 1000000);
    }
}
