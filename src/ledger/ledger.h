// The ledger: accounts, and transfers between them with two legs. Pure: works on the rows of a
// batch, does no I/O.
//
//   1. Debits equal credits: a transfer takes from one account what it gives to another, in one
//      currency.
//   2. A wallet (available, pending, held) never goes below zero. A system account may: it mirrors
//      the outside.
//   3. Transfers are never changed or deleted; a mistake is mended by another transfer.
//   4. A transfer knows both balances after it, so a balance at any past moment is read from the
//      entries.
#pragma once

#include "base/id.h"
#include "base/money.h"
#include "store/batch.h"

// To add a kind of account, add a row: stored, name, wire, is it a wallet.
#define FQ_ACCOUNT_KINDS(X)                       \
    X(1, FQ_ACCOUNT_AVAILABLE, "available", true) \
    X(2, FQ_ACCOUNT_PENDING, "pending", true)     \
    X(3, FQ_ACCOUNT_HELD, "held", true)           \
    X(4, FQ_ACCOUNT_CHANNEL, "channel", false)    \
    X(5, FQ_ACCOUNT_FEES, "fees", false)          \
    X(6, FQ_ACCOUNT_SUSPENSE, "suspense", false)
typedef enum {
#define X(stored, name, wire, wallet) name = stored,
    FQ_ACCOUNT_KINDS(X)
#undef X
} fq_account_kind;

// Owners of system accounts: below every id that is ever dealt.
typedef enum { FQ_OWNER_SANDBOX_CHANNEL = 1, FQ_OWNER_HOUSE = 2 } fq_system_owner;

// To add a kind of transfer, add a row: stored, name, wire.
#define FQ_TRANSFER_KINDS(X)             \
    X(1, FQ_TRANSFER_PAYMENT, "payment") \
    X(2, FQ_TRANSFER_HOLD, "hold")       \
    X(3, FQ_TRANSFER_RELEASE, "release") \
    X(4, FQ_TRANSFER_CAPTURE, "capture") \
    X(5, FQ_TRANSFER_REFUND, "refund")   \
    X(6, FQ_TRANSFER_TOPUP, "topup")     \
    X(7, FQ_TRANSFER_FEE, "fee")
typedef enum {
#define X(stored, name, wire) name = stored,
    FQ_TRANSFER_KINDS(X)
#undef X
} fq_transfer_kind;

const char *fq_account_kind_text(fq_account_kind kind);
bool fq_account_kind_is_wallet(fq_account_kind kind);
const char *fq_transfer_kind_text(fq_transfer_kind kind);

#define FQ_ACCOUNT_COLUMNS(C, R)             \
    C(R, uint64_t, owner, FQ_KEY)            \
    C(R, fq_currency, currency, FQ_KEY)      \
    C(R, uint8_t, kind, FQ_KEY)              \
    C(R, fq_account_id, id, FQ_FIXED)        \
    C(R, int64_t, created_ms, FQ_FIXED)      \
    C(R, int64_t, balance_minor, FQ_CHANGES) \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(fq_account_row, FQ_ACCOUNT_COLUMNS)
extern const fq_table fq_account_table;

// Finds an account by its id; written once, when the account is opened.
#define FQ_ACCOUNT_NAME_COLUMNS(C, R)     \
    C(R, fq_account_id, id, FQ_KEY)       \
    C(R, uint64_t, owner, FQ_FIXED)       \
    C(R, fq_currency, currency, FQ_FIXED) \
    C(R, uint8_t, kind, FQ_FIXED)
FQ_ROW(fq_account_name_row, FQ_ACCOUNT_NAME_COLUMNS)
extern const fq_table fq_account_name_table;

// `subject` is the payment, refund or top-up that moved the money; `payment` the payment it belongs
// to, 0 for top-ups.
#define FQ_TRANSFER_COLUMNS(C, R)                 \
    C(R, uint64_t, position, FQ_KEY)              \
    C(R, fq_account_id, debit_account, FQ_FIXED)  \
    C(R, fq_account_id, credit_account, FQ_FIXED) \
    C(R, int64_t, amount_minor, FQ_FIXED)         \
    C(R, fq_currency, currency, FQ_FIXED)         \
    C(R, uint8_t, kind, FQ_FIXED)                 \
    C(R, uint64_t, payment, FQ_FIXED)             \
    C(R, uint64_t, subject, FQ_FIXED)             \
    C(R, int64_t, debit_after, FQ_FIXED)          \
    C(R, int64_t, credit_after, FQ_FIXED)         \
    C(R, int64_t, at_ms, FQ_FIXED)
FQ_ROW(fq_transfer_row, FQ_TRANSFER_COLUMNS)
extern const fq_table fq_transfer_table;

// The tables' migration text, for the schema of the service whose ledger it is.
extern const char fq_ledger_migration[];

// For `want`: an account, whether it is open yet or not.
fq_account_row *fq_account_want(fq_batch *batch, uint64_t owner, fq_currency currency,
                                fq_account_kind kind);

// Does the account cover the amount? Always true for system accounts.
bool fq_account_covers(const fq_account_row *account, int64_t amount_minor);

// What a transfer is; the accounts are rows of the batch and are opened here when they were not.
typedef struct {
    fq_account_row *debit, *credit;  // money goes from debit to credit
    fq_money amount;                 // more than zero, in both accounts' currency
    fq_transfer_kind kind;
    uint64_t payment, subject;
} fq_transfer;

// Books it. The caller has asked fq_account_covers for every wallet it debits, in the order it
// debits them.
// Errors: insufficient_balance, and state_conflict when the credited balance would overflow;
// nothing is changed then.
FQ_MUST_USE fq_err fq_ledger_book(fq_batch *batch, const fq_transfer *transfer);
