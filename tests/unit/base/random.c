// Randomness: all of it is filled, and it differs.
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_fills_all(void **state) {
    (void)state;
    unsigned char seen[300] = {0}, draw[300];
    for (int i = 0; i < 20; i++) {
        fq_random(draw, sizeof(draw));
        for (size_t j = 0; j < sizeof(draw); j++) {
            seen[j] |= draw[j];
        }
    }
    for (size_t j = 0; j < sizeof(seen); j++) {
        assert_true(seen[j] != 0);
    }
    unsigned char a[16], b[16];
    fq_random(a, sizeof(a));
    fq_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    fq_random(a, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fills_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
