// The accounts of a verification in memory, by id: what each holds, and what its entries make. For
// verify.c only.
#pragma once

#include "base/money.h"

typedef struct {
    uint64_t id;  // 0: an empty place
    int64_t balance_minor, computed_minor;
    fq_currency currency;
    bool is_wallet;
} ledger_account;

// Begins as zeros.
typedef struct {
    ledger_account *places;  // open addressing; a power of two of them
    size_t place_count, count;
} ledger_accounts;

void ledger_accounts_add(ledger_accounts *accounts, ledger_account account);
// NULL when there is none.
ledger_account *ledger_accounts_find(const ledger_accounts *accounts, uint64_t id);
// The account with the lowest id whose balance is not what its entries make, or NULL.
const ledger_account *ledger_accounts_wrong(const ledger_accounts *accounts);
// Do the balances of each currency add up to zero? Stores the first currency whose do not, and else
// how many there are.
bool ledger_accounts_add_up(const ledger_accounts *accounts, fq_currency *out_wrong,
                            uint64_t *out_currencies);
void ledger_accounts_free(ledger_accounts *accounts);
