// Accounts by id: a hash table that only grows. Knows no rows.
#include "house/accounts.h"

#include <stdlib.h>

enum { PLACES_MIN = 1024, CURRENCY_NUMBERS = 1 << 15 };

// Sums of balances that someone has changed may leave 64 bits.
__extension__ typedef __int128 wide;

static size_t place_of(const ledger_accounts *accounts, uint64_t id) {
    size_t place =
        (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (accounts->place_count - 1);
    while (accounts->places[place].id != 0 && accounts->places[place].id != id) {
        place = (place + 1) & (accounts->place_count - 1);
    }
    return place;
}

static void grow(ledger_accounts *accounts) {
    ledger_accounts larger = {.place_count =
                                  accounts->place_count ? accounts->place_count * 2 : PLACES_MIN,
                              .count = accounts->count};
    larger.places = calloc(larger.place_count, sizeof(*larger.places));
    FQ_ASSERT(larger.places != NULL);
    for (size_t i = 0; i < accounts->place_count; i++) {
        if (accounts->places[i].id != 0) {
            larger.places[place_of(&larger, accounts->places[i].id)] = accounts->places[i];
        }
    }
    free(accounts->places);
    *accounts = larger;
}

void ledger_accounts_add(ledger_accounts *accounts, ledger_account account) {
    if ((accounts->count + 1) * 3 > accounts->place_count * 2) {
        grow(accounts);
    }
    accounts->places[place_of(accounts, account.id)] = account;
    accounts->count++;
}

ledger_account *ledger_accounts_find(const ledger_accounts *accounts, uint64_t id) {
    if (accounts->place_count == 0 || id == 0) {
        return NULL;
    }
    ledger_account *account = &accounts->places[place_of(accounts, id)];
    return account->id == id ? account : NULL;
}

const ledger_account *ledger_accounts_wrong(const ledger_accounts *accounts) {
    const ledger_account *wrong = NULL;
    for (size_t i = 0; i < accounts->place_count; i++) {
        const ledger_account *account = &accounts->places[i];
        if (account->balance_minor != account->computed_minor &&
            (!wrong || account->id < wrong->id)) {
            wrong = account;
        }
    }
    return wrong;
}

bool ledger_accounts_add_up(const ledger_accounts *accounts, fq_currency *out_wrong,
                            uint64_t *out_currencies) {
    struct {
        wide sum_minor;
        bool used;
    } *sums = calloc(CURRENCY_NUMBERS, sizeof(*sums));
    FQ_ASSERT(sums != NULL);
    for (size_t i = 0; i < accounts->place_count; i++) {
        const ledger_account *account = &accounts->places[i];
        if (account->id != 0) {
            sums[account->currency.v % CURRENCY_NUMBERS].sum_minor += account->balance_minor;
            sums[account->currency.v % CURRENCY_NUMBERS].used = true;
        }
    }
    bool right = true;
    uint64_t currencies = 0;
    for (size_t i = 0; i < CURRENCY_NUMBERS && right; i++) {
        currencies += sums[i].used;
        right = sums[i].sum_minor == 0;
        if (!right) {
            out_wrong->v = (uint16_t)i;
        }
    }
    free(sums);
    *out_currencies = currencies;
    return right;
}

void ledger_accounts_free(ledger_accounts *accounts) {
    free(accounts->places);
    *accounts = (ledger_accounts){0};
}
