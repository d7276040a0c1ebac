// The histogram against sorted values.
#include "base/histogram.h"

#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static fq_histogram histogram, other;

static int compare(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void reset(void) {
    histogram = (fq_histogram){0};
    other = (fq_histogram){0};
}

static void test_percentiles_to_three_digits(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static int64_t values[COUNT];
    test_random random = test_random_start("histogram");
    reset();
    for (int i = 0; i < COUNT; i++) {
        values[i] = (int64_t)(test_random_u64(&random) >> test_random_between(&random, 33, 63));
        fq_histogram_record(i % 2 ? &histogram : &other, values[i]);
    }
    fq_histogram_merge(&histogram, &other);
    qsort(values, COUNT, sizeof(values[0]), compare);
    assert_int_equal(histogram.count, COUNT);
    assert_int_equal(histogram.minimum, values[0]);
    assert_int_equal(histogram.maximum, values[COUNT - 1]);
    static const double percents[] = {0, 1, 25, 50, 90, 99, 99.9, 100};
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        const double exact = percents[i] / 100 * COUNT;
        const int rank = exact <= 1 ? 1 : (int)exact + ((double)(int)exact < exact ? 1 : 0);
        const int64_t expected = values[rank - 1],
                      got = fq_histogram_percentile(&histogram, percents[i]);
        assert_true(got >= expected && got <= expected + expected / 1000 + 1);
    }
}

static void test_edges(void **state) {
    (void)state;
    reset();
    assert_int_equal(fq_histogram_percentile(&histogram, 99), 0);
    assert_true(fq_histogram_mean(&histogram) == 0);
    static const int64_t values[] = {-5,       0, 1, 2047, 2048, 2049, 4095, 4096, FQ_HISTOGRAM_MAX,
                                     INT64_MAX};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        fq_histogram_record(&histogram, values[i]);
    }
    assert_int_equal(histogram.maximum, FQ_HISTOGRAM_MAX);
    assert_int_equal(histogram.minimum, 0);
    assert_int_equal(fq_histogram_percentile(&histogram, 100), FQ_HISTOGRAM_MAX);
    assert_int_equal(fq_histogram_percentile(&histogram, 40), 2047);
}

static void test_coordinated_omission(void **state) {
    (void)state;
    reset();
    fq_histogram_record_corrected(&histogram, 100, 10);  // 100, and 90 to 10 that were never sent
    assert_int_equal(histogram.count, 10);
    assert_int_equal(histogram.sum, 550);
    fq_histogram_record_corrected(&histogram, 5, 10);
    assert_int_equal(histogram.count, 11);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles_to_three_digits),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_coordinated_omission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
