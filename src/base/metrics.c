// Metrics: a registry of series, one row of cells a thread, and the text that Prometheus reads.
#include "base/metrics.h"

#include "base/err.h"
#include "base/process.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

typedef enum { COUNTER, GAUGE, HISTOGRAM } metric_type;

static const double latency_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                                        0.25,  0.5,    0.75,  1,    2.5,   5,    7.5,   10};
static const double batch_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};

typedef struct {
    const double *bounds;
    size_t count;
} buckets;

#define LATENCY \
    { latency_bounds, sizeof(latency_bounds) / sizeof(latency_bounds[0]) }
#define BATCH \
    { batch_bounds, sizeof(batch_bounds) / sizeof(batch_bounds[0]) }
#define NONE \
    { NULL, 0 }

typedef struct {
    const char *name;
    metric_type type;
    int64_t unit;
    buckets buckets;
    const char *labels;  // names, by comma
    const char *help;
} metric_row;

static const metric_row rows[FQ_METRIC_COUNT] = {
#define X(id, name, type, unit, buckets, labels, help) \
    [FQ_METRIC_##id] = {name, type, unit, buckets, labels, help},
#include "base/metrics.def"
#undef X
};

enum {
    LABEL_BYTES = 64,
    SERIES_MAX = 2048,
    INDEX_SLOTS = 2 * SERIES_MAX,  // a power of two
    THREADS_MAX = 128,
    CELLS_MAX = 16384,
    CELLS_OF_ONE_MAX = 18,  // a latency histogram: 16 buckets, the rest, the sum
    // Kept free, so that each metric can have its series of "other".
    CELLS_SPARE = FQ_METRIC_COUNT * CELLS_OF_ONE_MAX,
};

typedef struct {
    fq_metric metric;
    uint32_t cell;
    char labels[FQ_METRIC_LABELS_MAX][LABEL_BYTES];
} series_row;

// State of the whole process, unlike all else: counting must not need a context, and must not wait.
// Series are added under the lock and never change; whoever finds one in `slots` finds it whole.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static series_row all_series[SERIES_MAX];
static _Atomic uint32_t series_count;
static _Atomic uint16_t slots[INDEX_SLOTS];  // position in all_series plus one
static uint32_t cells_used;
// A thread writes its own row alone, so it needs no atomic addition. Row 0 is shared: by set
// gauges, and by threads beyond THREADS_MAX. A row outlives its thread and goes on with the next
// one: sums stay.
static _Atomic int64_t cells[THREADS_MAX][CELLS_MAX];
static _Atomic uint32_t rows_used = 1;
static bool row_taken[THREADS_MAX];
static pthread_key_t row_key;
static pthread_once_t row_once = PTHREAD_ONCE_INIT;
static _Thread_local uint32_t own_row;
static const char *build_version = "", *build_commit = "";

static void give_row_back(void *row) {
    pthread_mutex_lock(&lock);
    row_taken[(uintptr_t)row] = false;
    pthread_mutex_unlock(&lock);
}

static void make_row_key(void) {
    FQ_ASSERT(pthread_key_create(&row_key, give_row_back) == 0);
}

static uint32_t take_row(void) {
    pthread_once(&row_once, make_row_key);
    pthread_mutex_lock(&lock);
    uint32_t row = 1;
    while (row < THREADS_MAX && row_taken[row]) {
        row++;
    }
    if (row < THREADS_MAX) {
        row_taken[row] = true;
        if (row >= rows_used) {
            rows_used = row + 1;
        }
    }
    pthread_mutex_unlock(&lock);
    if (row == THREADS_MAX || pthread_setspecific(row_key, (void *)(uintptr_t)row) != 0) {
        return 0;
    }
    return own_row = row;
}

static void add_to_cell(uint32_t cell, int64_t amount) {
    const uint32_t row = own_row > 0 ? own_row : take_row();
    _Atomic int64_t *at = &cells[row][cell];
    if (row == 0) {
        atomic_fetch_add_explicit(at, amount, memory_order_relaxed);
    } else {
        const int64_t before = atomic_load_explicit(at, memory_order_relaxed);
        atomic_store_explicit(at, before + amount, memory_order_relaxed);
    }
}

static int64_t read_cell(uint32_t cell) {
    int64_t sum = 0;
    for (uint32_t row = 0; row < rows_used; row++) {
        sum += atomic_load_explicit(&cells[row][cell], memory_order_relaxed);
    }
    return sum;
}

// A histogram's cells: one a bucket, the rest, the sum.
static uint32_t cells_of(fq_metric metric) {
    return rows[metric].type == HISTOGRAM ? (uint32_t)rows[metric].buckets.count + 2 : 1;
}

// FNV-1a
static uint32_t hash_of(fq_metric metric, const fq_str labels[FQ_METRIC_LABELS_MAX]) {
    uint32_t hash = 2166136261u ^ (uint32_t)metric;
    for (int i = 0; i < FQ_METRIC_LABELS_MAX; i++) {
        for (size_t j = 0; j < labels[i].len; j++) {
            hash = (hash ^ (unsigned char)labels[i].at[j]) * 16777619u;
        }
        hash = (hash ^ 0xFF) * 16777619u;
    }
    return hash ^ hash >> 15;
}

static bool is_series(const series_row *row, fq_metric metric,
                      const fq_str labels[FQ_METRIC_LABELS_MAX]) {
    bool same = row->metric == metric;
    for (int i = 0; same && i < FQ_METRIC_LABELS_MAX; i++) {
        same = strncmp(row->labels[i], labels[i].at, labels[i].len) == 0 &&
               row->labels[i][labels[i].len] == '\0';
    }
    return same;
}

// The slot that holds the series, or the free one where it belongs.
static uint32_t find_slot(fq_metric metric, const fq_str labels[FQ_METRIC_LABELS_MAX]) {
    uint32_t slot = hash_of(metric, labels) & (INDEX_SLOTS - 1);
    for (;;) {
        const uint16_t position = atomic_load_explicit(&slots[slot], memory_order_acquire);
        if (position == 0 || is_series(&all_series[position - 1], metric, labels)) {
            return slot;
        }
        slot = (slot + 1) & (INDEX_SLOTS - 1);
    }
}

// Under the lock: makes the series, unless the tables are full.
static bool make_series(uint32_t slot, fq_metric metric, const fq_str labels[FQ_METRIC_LABELS_MAX],
                        bool spare) {
    const uint32_t series_limit = spare ? SERIES_MAX : SERIES_MAX - FQ_METRIC_COUNT;
    const uint32_t cells_limit = spare ? CELLS_MAX : CELLS_MAX - CELLS_SPARE;
    if (series_count >= series_limit || cells_used + cells_of(metric) > cells_limit) {
        return false;
    }
    series_row *row = &all_series[series_count];
    row->metric = metric;
    row->cell = cells_used;
    for (int i = 0; i < FQ_METRIC_LABELS_MAX; i++) {
        memcpy(row->labels[i], labels[i].at, labels[i].len);
        row->labels[i][labels[i].len] = '\0';
    }
    cells_used += cells_of(metric);
    series_count++;
    atomic_store_explicit(&slots[slot], (uint16_t)series_count, memory_order_release);
    return true;
}

static fq_series find_or_make(fq_metric metric, const fq_str labels[FQ_METRIC_LABELS_MAX],
                              bool spare) {
    uint32_t slot = find_slot(metric, labels);
    if (slots[slot] == 0) {
        pthread_mutex_lock(&lock);
        slot = find_slot(metric, labels);
        const bool there = slots[slot] != 0 || make_series(slot, metric, labels, spare);
        pthread_mutex_unlock(&lock);
        if (!there) {
            FQ_ASSERT(!spare);
            const fq_str other = FQ_STR("other");
            return find_or_make(metric, (const fq_str[]){other, other, other}, true);
        }
    }
    return (fq_series){all_series[slots[slot] - 1].cell << 8 | (uint32_t)metric};
}

_Static_assert(FQ_METRIC_COUNT <= 256, "a series' number has 8 bits for its metric");

fq_series fq_metrics_series(fq_metric metric, fq_str label_0, fq_str label_1, fq_str label_2) {
    const fq_str none = FQ_STR("");
    const fq_str labels[] = {label_0.at ? fq_str_cut(label_0, LABEL_BYTES - 1) : none,
                             label_1.at ? fq_str_cut(label_1, LABEL_BYTES - 1) : none,
                             label_2.at ? fq_str_cut(label_2, LABEL_BYTES - 1) : none};
    return find_or_make(metric, labels, false);
}

fq_series fq_metrics_plain(fq_metric metric) {
    FQ_ASSERT(rows[metric].labels[0] == '\0');
    return fq_metrics_series(metric, FQ_STR(""), FQ_STR(""), FQ_STR(""));
}

static uint32_t cell_of(fq_series series) {
    return series.cell >> 8;
}

static const metric_row *row_of(fq_series series) {
    return &rows[series.cell & 0xFF];
}

void fq_metrics_add(fq_series series, int64_t amount) {
    FQ_ASSERT(row_of(series)->type != HISTOGRAM);
    add_to_cell(cell_of(series), amount);
}

void fq_metrics_set(fq_series series, int64_t value) {
    FQ_ASSERT(row_of(series)->type == GAUGE);
    atomic_store_explicit(&cells[0][cell_of(series)], value, memory_order_relaxed);
}

void fq_metrics_observe(fq_series series, int64_t value) {
    const metric_row *row = row_of(series);
    FQ_ASSERT(row->type == HISTOGRAM);
    const double measured = (double)value / (double)row->unit;
    uint32_t bucket = 0;
    while (bucket < row->buckets.count && measured > row->buckets.bounds[bucket]) {
        bucket++;
    }
    add_to_cell(cell_of(series) + bucket, 1);
    add_to_cell(cell_of(series) + (uint32_t)row->buckets.count + 1, value);
}

int64_t fq_metrics_read(fq_series series) {
    const metric_row *row = row_of(series);
    int64_t sum = 0;
    for (uint32_t i = 0; i <= row->buckets.count; i++) {
        sum += read_cell(cell_of(series) + i);
    }
    return sum;
}

void fq_metrics_build_info(const char *version, const char *commit) {
    build_version = version;
    build_commit = commit;
}

static void put_escaped(fq_buffer *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\n') {
            FQ_ADD(out, "\\n");
        } else {
            if (*text == '"' || *text == '\\') {
                fq_buffer_add_char(out, '\\');
            }
            fq_buffer_add_char(out, *text);
        }
    }
}

// {method="balance",status="succeeded",le="0.005"}
static void put_labels(fq_buffer *out, const char *names, const series_row *series,
                       const char *le) {
    const char *separator = "{";
    for (int i = 0; *names; i++) {
        const size_t len = strcspn(names, ",");
        fq_buffer_printf(out, "%s%.*s=\"", separator, (int)len, names);
        put_escaped(out, series->labels[i]);
        FQ_ADD(out, "\"");
        names += len + (names[len] == ',' ? 1 : 0);
        separator = ",";
    }
    if (le) {
        fq_buffer_printf(out, "%sle=\"%s\"", separator, le);
        separator = ",";
    }
    if (*separator == ',') {
        FQ_ADD(out, "}");
    }
}

static void put_value(fq_buffer *out, int64_t value, int64_t unit) {
    if (unit == 1) {
        fq_buffer_printf(out, " %" PRId64 "\n", value);
    } else {
        fq_buffer_printf(out, " %.15g\n", (double)value / (double)unit);
    }
}

static void put_histogram(fq_buffer *out, const metric_row *row, const series_row *series) {
    int64_t count = 0;
    for (uint32_t i = 0; i <= row->buckets.count; i++) {
        char le[32] = "+Inf";
        if (i < row->buckets.count) {
            snprintf(le, sizeof(le), "%g", row->buckets.bounds[i]);
        }
        count += read_cell(series->cell + i);
        fq_buffer_printf(out, "%s_bucket", row->name);
        put_labels(out, row->labels, series, le);
        put_value(out, count, 1);
    }
    fq_buffer_printf(out, "%s_sum", row->name);
    put_labels(out, row->labels, series, NULL);
    put_value(out, read_cell(series->cell + (uint32_t)row->buckets.count + 1), row->unit);
    fq_buffer_printf(out, "%s_count", row->name);
    put_labels(out, row->labels, series, NULL);
    put_value(out, count, 1);
}

static void put_metric(fq_buffer *out, fq_metric metric) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const metric_row *row = &rows[metric];
    fq_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                     types[row->type]);
    const uint32_t count = series_count;
    for (uint32_t i = 0; i < count; i++) {
        const series_row *series = &all_series[i];
        if (series->metric != metric) {
            continue;
        }
        if (row->type == HISTOGRAM) {
            put_histogram(out, row, series);
        } else {
            fq_buffer_add(out, fq_str_of(row->name));
            put_labels(out, row->labels, series, NULL);
            put_value(out, read_cell(series->cell), row->unit);
        }
    }
}

void fq_metrics_text(fq_buffer *out) {
    for (fq_metric metric = 0; metric < FQ_METRIC_COUNT; metric++) {
        if (rows[metric].labels[0] == '\0') {
            (void)fq_metrics_plain(metric);  // tells 0 rather than nothing
        }
        put_metric(out, metric);
    }
    fq_buffer_printf(out,
                     "# HELP feiqian_build_info What is running.\n# TYPE feiqian_build_info gauge\n"
                     "feiqian_build_info{version=\"%s\",commit=\"%s\"} 1\n",
                     build_version, build_commit);
    fq_process_text(out);
}
