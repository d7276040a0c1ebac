// Counters, gauges and histograms, and their text for Prometheus (exposition format 0.0.4).
// Counting touches a cell of the calling thread alone and costs a few nanoseconds. Ids are never
// labels: the number of series is bounded.
#pragma once

#include "base/buffer.h"

typedef enum {
#define X(id, name, type, unit, buckets, labels, help) FQ_METRIC_##id,
#include "base/metrics.def"
#undef X
    FQ_METRIC_COUNT
} fq_metric;

// One set of label values of one metric. Keep it where it is used often.
typedef struct {
    uint32_t cell;
} fq_series;

#define FQ_METRIC_LABELS_MAX 3

// The series of these label values (in the order of metrics.def; "" for those it does not have),
// made when it is new. Labels are copied, at most 63 bytes of each. When the table is full, the
// series whose labels are all "other".
fq_series fq_metrics_series(fq_metric metric, fq_str label_0, fq_str label_1, fq_str label_2);
// A metric without labels.
fq_series fq_metrics_plain(fq_metric metric);

// Counters and gauges.
void fq_metrics_add(fq_series series, int64_t amount);
// Gauges only, and only where one thread at a time sets it; do not mix with fq_metrics_add.
void fq_metrics_set(fq_series series, int64_t value);
// Histograms: seconds are given in nanoseconds, everything else as it is.
void fq_metrics_observe(fq_series series, int64_t value);

// In plain words, for the common cases.
static inline void fq_metrics_add_to(fq_metric metric, fq_str label_0, fq_str label_1,
                                     fq_str label_2, int64_t amount) {
    fq_metrics_add(fq_metrics_series(metric, label_0, label_1, label_2), amount);
}

// The sum over all threads: a counter, a gauge, or how many observations a histogram has.
int64_t fq_metrics_read(fq_series series);

// Version and commit for feiqian_build_info; literals.
void fq_metrics_build_info(const char *version, const char *commit);

// Appends all of it, and process_* as /proc tells. Content type: text/plain; version=0.0.4;
// charset=utf-8.
void fq_metrics_text(fq_buffer *out);
