// A log-linear histogram after HdrHistogram: three significant digits from 1 microsecond to half an
// hour, in a fixed 180 KiB, so that it can be merged and never grows. Used by the load generator.
// Pure; not for several threads at once.
#pragma once

#include <stdint.h>

enum {
    FQ_HISTOGRAM_HALF = 1024,  // slots a power of two
    FQ_HISTOGRAM_POWERS = 20,  // powers of two above the first 2,048 values
    FQ_HISTOGRAM_SLOTS = FQ_HISTOGRAM_HALF * (FQ_HISTOGRAM_POWERS + 2),
};
#define FQ_HISTOGRAM_MAX ((INT64_C(2048) << FQ_HISTOGRAM_POWERS) - 1)

// All zero is an empty one.
typedef struct {
    uint64_t counts[FQ_HISTOGRAM_SLOTS];
    uint64_t count;
    int64_t sum, minimum, maximum;
} fq_histogram;

// Counts `value` (clamped to 0 and FQ_HISTOGRAM_MAX).
void fq_histogram_record(fq_histogram *histogram, int64_t value);
// Also counts the requests that a stalled sender should have made every `interval` meanwhile
// (coordinated omission).
void fq_histogram_record_corrected(fq_histogram *histogram, int64_t value, int64_t interval);
// The value that `percent` (0 to 100) of all do not exceed, exact to three digits; 0 when empty.
int64_t fq_histogram_percentile(const fq_histogram *histogram, double percent);
double fq_histogram_mean(const fq_histogram *histogram);
void fq_histogram_merge(fq_histogram *into, const fq_histogram *from);
