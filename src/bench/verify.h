// After the run: does the server still say what it answered? Reads a sample of the payments, and
// every balance.
#pragma once

#include "bench/pay.h"

typedef struct {
    uint64_t payments, wallets;  // found right
    bool right;
    char first_error[BENCH_ERROR_TEXT_MAX];
} bench_verification;

// The balances of all wallets must add up to what was put into them: payments among them move
// money, but make none.
void bench_verify(const bench_world *world, bench_run *run, const bench_payer *payers,
                  uint32_t payer_count, bench_verification *out);
