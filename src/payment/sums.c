// Do the balances of each currency add up? Reads; changes nothing.
#include "payment/sums.h"

#include "base/clock.h"
#include "ledger/ledger.h"

enum { ROWS_A_LOOK = 1024 };  // between two looks at the clock

typedef struct {
    fq_ledger_sum *sums;
    size_t count;
    uint64_t rows;
    int64_t until_ms;
    fq_err err;
} adding;

// NULL: there is no room for another currency.
static fq_ledger_sum *sum_of(adding *at, fq_currency currency) {
    for (size_t i = 0; i < at->count; i++) {
        if (fq_currency_equal(at->sums[i].currency, currency)) {
            return &at->sums[i];
        }
    }
    if (at->count == FQ_LEDGER_SUMS_MAX) {
        return NULL;
    }
    at->sums[at->count] = (fq_ledger_sum){.currency = currency};
    return &at->sums[at->count++];
}

static bool add(void *context, const fq_row *row) {
    adding *at = context;
    const fq_account_row *account = (const fq_account_row *)row;
    fq_ledger_sum *sum = sum_of(at, account->currency);
    if (!sum) {
        at->err = fq_refuse(FQ_INTERNAL, NULL);
        return false;
    }
    sum->sum_minor = (int64_t)((uint64_t)sum->sum_minor + (uint64_t)account->balance_minor);
    if (++at->rows % ROWS_A_LOOK == 0 && fq_monotonic_ms() > at->until_ms) {
        at->err = fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    return !at->err.code;
}

fq_err fq_ledger_sums_read(fq_service *service, int64_t timeout_ms,
                           fq_ledger_sum out[FQ_LEDGER_SUMS_MAX], size_t *out_count) {
    adding at = {.sums = out, .until_ms = fq_monotonic_ms() + timeout_ms};
    FQ_TRY(fq_service_scan(
        service,
        &(fq_scan){.table = &fq_account_table, .forward = true, .visit = add, .context = &at}));
    FQ_TRY(at.err);
    *out_count = at.count;
    return FQ_OK;
}
