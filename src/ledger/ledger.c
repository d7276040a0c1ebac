// The ledger: the rules of double entry. Pure.
#include "ledger/ledger.h"

static const fq_column account_columns[] = {FQ_COLUMNS(fq_account_row, FQ_ACCOUNT_COLUMNS)};
const fq_table fq_account_table = {.name = "account",
                                   .key_count = 3,
                                   .remembered = true,
                                   FQ_TABLE_OF(fq_account_row, account_columns)};

static const fq_column name_columns[] = {FQ_COLUMNS(fq_account_name_row, FQ_ACCOUNT_NAME_COLUMNS)};
const fq_table fq_account_name_table = {
    .name = "account_name", .key_count = 1, FQ_TABLE_OF(fq_account_name_row, name_columns)};

static const fq_column transfer_columns[] = {FQ_COLUMNS(fq_transfer_row, FQ_TRANSFER_COLUMNS)};
const fq_table fq_transfer_table = {.name = "transfer",
                                    .key_count = 1,
                                    .journal = FQ_JOURNAL_TRANSFER,
                                    .sealed = true,
                                    FQ_TABLE_OF(fq_transfer_row, transfer_columns)};

const char fq_ledger_migration[] =
    "CREATE TABLE account (owner {int} NOT NULL, currency {int} NOT NULL, kind {int} NOT NULL,\n"
    "  id {int} NOT NULL, created_ms {int} NOT NULL, balance_minor {int} NOT NULL,\n"
    "  version {int} NOT NULL, PRIMARY KEY (owner, currency, kind),\n"
    "  CHECK (kind > 3 OR balance_minor >= 0)){without_rowid}{updated};\n"
    "CREATE TABLE account_name (id {int} PRIMARY KEY, owner {int} NOT NULL,\n"
    "  currency {int} NOT NULL, kind {int} NOT NULL);\n"
    "CREATE TABLE transfer (position {int} PRIMARY KEY, debit_account {int} NOT NULL,\n"
    "  credit_account {int} NOT NULL, amount_minor {int} NOT NULL CHECK (amount_minor > 0),\n"
    "  currency {int} NOT NULL, kind {int} NOT NULL, payment {int} NOT NULL,\n"
    "  subject {int} NOT NULL, debit_after {int} NOT NULL, credit_after {int} NOT NULL,\n"
    "  at_ms {int} NOT NULL);\n";

static const struct {
    const char *wire;
    bool wallet;
} account_kinds[] = {
#define X(stored, name, wire, wallet) [name] = {wire, wallet},
    FQ_ACCOUNT_KINDS(X)
#undef X
};

static const char *const transfer_kinds[] = {
#define X(stored, name, wire) [name] = wire,
    FQ_TRANSFER_KINDS(X)
#undef X
};

// Kinds are read from rows, also of a store that was tampered with: what no kind is has no name,
// and counts as a wallet, so that it may not go below zero.
static bool is_account_kind(fq_account_kind kind) {
    return kind < sizeof(account_kinds) / sizeof(account_kinds[0]) && account_kinds[kind].wire;
}

const char *fq_account_kind_text(fq_account_kind kind) {
    return is_account_kind(kind) ? account_kinds[kind].wire : "";
}

bool fq_account_kind_is_wallet(fq_account_kind kind) {
    return !is_account_kind(kind) || account_kinds[kind].wallet;
}

const char *fq_transfer_kind_text(fq_transfer_kind kind) {
    const bool known =
        kind < sizeof(transfer_kinds) / sizeof(transfer_kinds[0]) && transfer_kinds[kind];
    return known ? transfer_kinds[kind] : "";
}

fq_account_row *fq_account_want(fq_batch *batch, uint64_t owner, fq_currency currency,
                                fq_account_kind kind) {
    return (fq_account_row *)fq_want(batch, &fq_account_table, owner, currency.v, kind);
}

bool fq_account_covers(const fq_account_row *account, int64_t amount_minor) {
    return !fq_account_kind_is_wallet(account->kind) || account->balance_minor >= amount_minor;
}

// An account is opened by the first transfer that touches it.
static void open_account(fq_batch *batch, fq_account_row *account) {
    fq_row_touch(batch, &account->row);
    if (account->id.v != 0) {
        return;
    }
    account->id.v = fq_batch_deal_id(batch);
    account->created_ms = fq_batch_now_ms(batch);
    fq_account_name_row *name =
        (fq_account_name_row *)fq_want_fresh(batch, &fq_account_name_table, account->id.v);
    fq_row_touch(batch, &name->row);
    name->owner = account->owner;
    name->currency = account->currency;
    name->kind = account->kind;
}

fq_err fq_ledger_book(fq_batch *batch, const fq_transfer *transfer) {
    fq_account_row *debit = transfer->debit, *credit = transfer->credit;
    const int64_t amount_minor = transfer->amount.amount_minor;
    FQ_ASSERT(amount_minor > 0);
    FQ_ASSERT(debit != credit);
    FQ_ASSERT(fq_currency_equal(debit->currency, transfer->amount.currency));
    FQ_ASSERT(fq_currency_equal(credit->currency, transfer->amount.currency));
    int64_t debit_after, credit_after;
    if (!fq_account_covers(debit, amount_minor)) {
        return fq_refuse(FQ_INSUFFICIENT_BALANCE, NULL);
    }
    if (!fq_sub(debit->balance_minor, amount_minor, &debit_after) ||
        !fq_add(credit->balance_minor, amount_minor, &credit_after)) {
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    open_account(batch, debit);
    open_account(batch, credit);
    debit->balance_minor = debit_after;
    debit->version++;
    credit->balance_minor = credit_after;
    credit->version++;
    fq_transfer_row *row = (fq_transfer_row *)fq_batch_append(batch, &fq_transfer_table);
    row->debit_account = debit->id;
    row->credit_account = credit->id;
    row->amount_minor = amount_minor;
    row->currency = transfer->amount.currency;
    row->kind = (uint8_t)transfer->kind;
    row->payment = transfer->payment;
    row->subject = transfer->subject;
    row->debit_after = debit_after;
    row->credit_after = credit_after;
    return FQ_OK;
}
