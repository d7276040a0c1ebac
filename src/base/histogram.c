// A log-linear histogram: exact up to 2,047, then 1,024 slots for each power of two.
#include "base/histogram.h"

enum { EXACT = 2 * FQ_HISTOGRAM_HALF };

static int64_t clamp(int64_t value) {
    return value < 0 ? 0 : value > FQ_HISTOGRAM_MAX ? FQ_HISTOGRAM_MAX : value;
}

static int shift_of(int64_t value) {
    return value < EXACT ? 0 : 53 - __builtin_clzll((uint64_t)value);  // leaves 1,024 to 2,047
}

static int slot_of(int64_t value) {
    const int shift = shift_of(value);
    return FQ_HISTOGRAM_HALF * shift + (int)(value >> shift);
}

// The largest value that falls into the slot.
static int64_t slot_maximum(int slot) {
    const int shift = slot < EXACT ? 0 : slot / FQ_HISTOGRAM_HALF - 1;
    const int64_t part = slot - FQ_HISTOGRAM_HALF * shift;
    return ((part + 1) << shift) - 1;
}

void fq_histogram_record(fq_histogram *histogram, int64_t value) {
    value = clamp(value);
    histogram->counts[slot_of(value)]++;
    histogram->minimum =
        histogram->count == 0 || value < histogram->minimum ? value : histogram->minimum;
    histogram->maximum = value > histogram->maximum ? value : histogram->maximum;
    histogram->count++;
    histogram->sum += value;
}

void fq_histogram_record_corrected(fq_histogram *histogram, int64_t value, int64_t interval) {
    value = clamp(value);
    fq_histogram_record(histogram, value);
    if (interval > 0) {
        for (int64_t missed = value - interval; missed >= interval; missed -= interval) {
            fq_histogram_record(histogram, missed);
        }
    }
}

int64_t fq_histogram_percentile(const fq_histogram *histogram, double percent) {
    const double share = percent < 0 ? 0 : percent > 100 ? 1 : percent / 100;
    const double exact = share * (double)histogram->count;
    uint64_t wanted = (uint64_t)exact;
    if ((double)wanted < exact || wanted == 0) {
        wanted++;
    }
    uint64_t seen = 0;
    for (int slot = 0; slot < FQ_HISTOGRAM_SLOTS; slot++) {
        seen += histogram->counts[slot];
        if (seen >= wanted) {
            const int64_t value = slot_maximum(slot);
            return value < histogram->maximum ? value : histogram->maximum;
        }
    }
    return histogram->maximum;
}

double fq_histogram_mean(const fq_histogram *histogram) {
    return histogram->count > 0 ? (double)histogram->sum / (double)histogram->count : 0;
}

void fq_histogram_merge(fq_histogram *into, const fq_histogram *from) {
    if (from->count == 0) {
        return;
    }
    for (int slot = 0; slot < FQ_HISTOGRAM_SLOTS; slot++) {
        into->counts[slot] += from->counts[slot];
    }
    into->minimum =
        into->count == 0 || from->minimum < into->minimum ? from->minimum : into->minimum;
    into->maximum = from->maximum > into->maximum ? from->maximum : into->maximum;
    into->count += from->count;
    into->sum += from->sum;
}
