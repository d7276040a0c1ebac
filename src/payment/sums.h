// The balances of each currency, added up: 0, for whatever one account has another one owes.
#pragma once

#include "base/money.h"
#include "service/service.h"

enum { FQ_LEDGER_SUMS_MAX = 64 };

typedef struct {
    fq_currency currency;
    int64_t sum_minor;  // modulo 2^64
} fq_ledger_sum;

// Reads every account's balance in one state of the database. Errors: the store's; unavailable when
// it takes longer than `timeout_ms`; internal when there are more currencies than there can be.
FQ_MUST_USE fq_err fq_ledger_sums_read(fq_service *service, int64_t timeout_ms,
                                       fq_ledger_sum out[FQ_LEDGER_SUMS_MAX], size_t *out_count);
