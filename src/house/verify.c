// The whole ledger again, from its first batch. Reads; keeps nothing but one balance an account and
// one tree a batch of the stretch at hand.
#include "house/verify.h"

#include "crypto/audit_chain.h"
#include "house/accounts.h"
#include "ledger/ledger.h"
#include "store/journal.h"

#include <stdlib.h>

enum {
    STRETCH_BATCHES_MAX = 512,  // gone through at a time: their events, then their transfers
    LEAF_BYTES_MAX = 2 << 20,
    PROGRESS_ROWS = 4096,
};

// A batch as its row has it, and its leaves as they are found.
typedef struct {
    uint64_t number, event_first, transfer_first;
    uint32_t event_count, transfer_count;
    bool seal_is_whole;
    fq_hash seal;
    fq_merkle tree;
} batch_claim;

typedef struct {
    fq_reader *reader;
    const fq_engine_ops *ops;
    const fq_ledger_watch *watch;
    bool has_transfers;
    fq_head head;
    batch_claim *claims;  // of the stretch
    size_t claim_count;
    fq_journal journal;  // that is being walked
    size_t at;           // the claim that its rows belong to now
    uint64_t next;       // the position that must come
    uint64_t batch, event_last, transfer_last;
    fq_hash seal;
    ledger_accounts accounts;
    fq_buffer leaf;
    fq_ledger_summary done;
    fq_ledger_fault fault;
} verification;

// Of several faults the one of the first batch is told; of one batch's the first found.
static void note(verification *it, fq_ledger_fault fault) {
    if (it->fault.kind == FQ_LEDGER_SOUND || fault.batch < it->fault.batch) {
        it->fault = fault;
    }
}

// A journal's key.
static uint64_t position_of(const fq_row *row) {
    return (uint64_t)fq_column_integer(row, &row->table->columns[0]);
}

static void show_progress(verification *it) {
    const uint64_t rows = it->done.events + it->done.transfers;
    if (it->watch && it->watch->at && rows % PROGRESS_ROWS == 0) {
        it->watch->at(it->watch->context, rows,
                      it->head.position[FQ_JOURNAL_EVENT] + it->head.position[FQ_JOURNAL_TRANSFER]);
    }
}

// --- the batches of a stretch ---

static bool visit_batch(void *context, const fq_row *row) {
    verification *it = context;
    const fq_batch_row *batch = (const fq_batch_row *)row;
    if (batch->number != it->batch + 1) {
        note(it, (fq_ledger_fault){.kind = FQ_LEDGER_BATCH_MISSING, .batch = it->batch + 1});
        return false;
    }
    if (batch->event_first != it->event_last + 1 ||
        batch->transfer_first != it->transfer_last + 1) {
        note(it, (fq_ledger_fault){.kind = FQ_LEDGER_BATCH_RANGE, .batch = batch->number});
        return false;
    }
    batch_claim *claim = &it->claims[it->claim_count++];
    claim->number = it->batch = batch->number;
    claim->event_first = batch->event_first;
    claim->event_count = batch->event_count;
    claim->transfer_first = batch->transfer_first;
    claim->transfer_count = batch->transfer_count;
    it->event_last += batch->event_count;
    it->transfer_last += batch->transfer_count;
    claim->seal_is_whole = batch->seal.len == FQ_HASH_BYTES;
    if (claim->seal_is_whole) {
        memcpy(claim->seal.bytes, batch->seal.at, FQ_HASH_BYTES);
    }
    fq_merkle_init(&claim->tree);
    return it->claim_count < STRETCH_BATCHES_MAX;
}

// --- their events and transfers ---

static uint64_t last_of(const verification *it, const batch_claim *claim) {
    return it->journal == FQ_JOURNAL_EVENT ? claim->event_first + claim->event_count - 1
                                           : claim->transfer_first + claim->transfer_count - 1;
}

static void note_gap(verification *it, uint64_t batch, uint64_t found) {
    note(it, (fq_ledger_fault){.kind = it->journal == FQ_JOURNAL_EVENT ? FQ_LEDGER_EVENT_GAP
                                                                       : FQ_LEDGER_TRANSFER_GAP,
                               .batch = batch,
                               .expected = (int64_t)it->next,
                               .found = (int64_t)found});
}

// One side of a transfer: what the account has after it, against what the transfer says.
static void check_side(verification *it, const fq_transfer_row *row, fq_account_id id, bool gets,
                       int64_t after_minor) {
    fq_ledger_fault fault = {.batch = it->claims[it->at].number,
                             .position = row->position,
                             .account = id.v,
                             .found = after_minor};
    ledger_account *account = ledger_accounts_find(&it->accounts, id.v);
    const int64_t before_minor = account ? account->computed_minor : 0;
    const bool fits = gets ? fq_add(before_minor, row->amount_minor, &fault.expected)
                           : fq_sub(before_minor, row->amount_minor, &fault.expected);
    if (!account) {
        fault.kind = FQ_LEDGER_ACCOUNT_UNKNOWN;
    } else if (!fq_currency_equal(account->currency, row->currency)) {
        fault.kind = FQ_LEDGER_CURRENCY;
    } else if (!fits || fault.expected != after_minor) {
        fault.kind = FQ_LEDGER_AFTER;
    } else if (account->is_wallet && after_minor < 0) {
        fault.kind = FQ_LEDGER_BELOW_ZERO;
    }
    if (account) {
        account->computed_minor = fault.expected;
    }
    if (fault.kind != FQ_LEDGER_SOUND) {
        note(it, fault);
    }
}

static void check_transfer(verification *it, const fq_transfer_row *row) {
    check_side(it, row, row->debit_account, false, row->debit_after);
    check_side(it, row, row->credit_account, true, row->credit_after);
    it->done.transfers++;
}

// The claim that a position belongs to; scans end where the last claim does.
static void go_to(verification *it, uint64_t position) {
    while (position > last_of(it, &it->claims[it->at])) {
        it->at++;
    }
}

static bool visit_journal(void *context, const fq_row *row) {
    verification *it = context;
    const uint64_t position = position_of(row);
    if (position != it->next) {
        go_to(it, it->next);
        note_gap(it, it->claims[it->at].number, position);
    }
    go_to(it, position);
    it->next = position + 1;
    fq_buffer_clear(&it->leaf);
    fq_row_encode(row, &it->leaf);
    const fq_hash leaf = fq_merkle_leaf(fq_buffer_str(&it->leaf));
    fq_merkle_add(&it->claims[it->at].tree, &leaf);
    if (it->journal == FQ_JOURNAL_TRANSFER) {
        check_transfer(it, (const fq_transfer_row *)row);
    } else {
        it->done.events++;
    }
    show_progress(it);
    return true;
}

static fq_err walk(verification *it, fq_journal journal, const fq_table *table, uint64_t last) {
    const batch_claim *first = &it->claims[0];
    it->journal = journal;
    it->at = 0;
    it->next = journal == FQ_JOURNAL_EVENT ? first->event_first : first->transfer_first;
    const fq_scan scan = {.table = table,
                          .above = it->next - 1,
                          .below = last + 1,
                          .forward = true,
                          .visit = visit_journal,
                          .context = it};
    if (it->next > last) {
        return FQ_OK;
    }
    FQ_TRY(it->ops->reader_scan(it->reader, &scan));
    if (it->next <= last) {
        go_to(it, it->next);
        note_gap(it, it->claims[it->at].number, last + 1);
    }
    return FQ_OK;
}

// --- their seals ---

static void check_seals(verification *it) {
    for (size_t i = 0; i < it->claim_count; i++) {
        const batch_claim *claim = &it->claims[i];
        const fq_batch_record record = {.batch = claim->number,
                                        .first_position = claim->event_first,
                                        .leaf_count = claim->tree.count,
                                        .root = fq_merkle_root(&claim->tree)};
        const fq_hash seal = fq_batch_seal(&it->seal, &record);
        if (!claim->seal_is_whole || memcmp(seal.bytes, claim->seal.bytes, FQ_HASH_BYTES) != 0) {
            note(it, (fq_ledger_fault){.kind = FQ_LEDGER_SEAL, .batch = claim->number});
            return;
        }
        it->seal = seal;
        it->done.batches++;
    }
}

static fq_err verify_stretch(verification *it) {
    it->claim_count = 0;
    const fq_scan scan = {.table = &fq_batch_table,
                          .above = it->batch,
                          .forward = true,
                          .visit = visit_batch,
                          .context = it};
    FQ_TRY(it->ops->reader_scan(it->reader, &scan));
    if (it->claim_count == 0) {
        return FQ_OK;
    }
    FQ_TRY(walk(it, FQ_JOURNAL_EVENT, &fq_event_table, it->event_last));
    if (it->has_transfers) {
        FQ_TRY(walk(it, FQ_JOURNAL_TRANSFER, &fq_transfer_table, it->transfer_last));
    }
    check_seals(it);
    return FQ_OK;
}

// --- the end ---

static bool visit_behind(void *context, const fq_row *row) {
    verification *it = context;
    note(it, (fq_ledger_fault){.kind = FQ_LEDGER_BEHIND,
                               .batch = it->batch,
                               .position = (uint64_t)fq_column_integer(
                                   row, fq_table_column(row->table, "position"))});
    return false;
}

static fq_err check_end(verification *it) {
    const fq_table *const tables[] = {&fq_event_table, &fq_transfer_table};
    const uint64_t last[] = {it->event_last, it->transfer_last};
    const fq_head *head = &it->head;
    if (head->batch_number > it->batch) {
        note(it, (fq_ledger_fault){.kind = FQ_LEDGER_BATCH_MISSING, .batch = it->batch + 1});
        return FQ_OK;
    }
    if (head->batch_number != it->batch || head->position[FQ_JOURNAL_EVENT] != it->event_last ||
        head->position[FQ_JOURNAL_TRANSFER] != it->transfer_last ||
        memcmp(head->seal, it->seal.bytes, FQ_HASH_BYTES) != 0) {
        note(it, (fq_ledger_fault){.kind = FQ_LEDGER_HEAD, .batch = it->batch});
        return FQ_OK;
    }
    for (size_t i = 0; i < (it->has_transfers ? 2u : 1u); i++) {
        const fq_scan scan = {.table = tables[i],
                              .above = last[i],
                              .forward = true,
                              .visit = visit_behind,
                              .context = it};
        FQ_TRY(it->ops->reader_scan(it->reader, &scan));
    }
    return FQ_OK;
}

// --- accounts ---

static bool visit_account(void *context, const fq_row *row) {
    verification *it = context;
    const fq_account_row *account = (const fq_account_row *)row;
    ledger_accounts_add(&it->accounts, (ledger_account){.id = account->id.v,
                                                        .balance_minor = account->balance_minor,
                                                        .currency = account->currency,
                                                        .is_wallet = fq_account_kind_is_wallet(
                                                            (fq_account_kind)account->kind)});
    it->done.accounts++;
    return true;
}

static fq_err load_accounts(verification *it) {
    const fq_scan scan = {
        .table = &fq_account_table, .forward = true, .visit = visit_account, .context = it};
    return it->has_transfers ? it->ops->reader_scan(it->reader, &scan) : FQ_OK;
}

static void check_balances(verification *it) {
    const ledger_account *wrong = ledger_accounts_wrong(&it->accounts);
    fq_currency currency;
    if (wrong) {
        note(it, (fq_ledger_fault){.kind = FQ_LEDGER_BALANCE,
                                   .batch = it->batch,
                                   .account = wrong->id,
                                   .expected = wrong->computed_minor,
                                   .found = wrong->balance_minor});
    } else if (!ledger_accounts_add_up(&it->accounts, &currency, &it->done.currencies)) {
        note(it,
             (fq_ledger_fault){.kind = FQ_LEDGER_SUM, .batch = it->batch, .currency = currency});
    }
}

// --- all of it ---

static bool has_table(const fq_schema *schema, const fq_table *table) {
    for (size_t i = 0; i < schema->table_count; i++) {
        if (schema->tables[i] == table) {
            return true;
        }
    }
    return false;
}

static fq_err verify_inside(verification *it) {
    FQ_TRY(it->ops->reader_begin(it->reader));
    FQ_TRY(it->ops->reader_head(it->reader, &it->head));
    FQ_TRY(load_accounts(it));
    do {
        FQ_TRY(verify_stretch(it));
    } while (it->claim_count > 0 && it->fault.kind == FQ_LEDGER_SOUND);
    if (it->fault.kind == FQ_LEDGER_SOUND) {
        FQ_TRY(check_end(it));
    }
    if (it->fault.kind == FQ_LEDGER_SOUND) {
        check_balances(it);
    }
    return FQ_OK;
}

fq_err fq_ledger_verify(fq_engine *engine, const fq_ledger_watch *watch,
                        fq_ledger_summary *out_summary, fq_ledger_fault *out_fault) {
    verification it = {.ops = engine->ops,
                       .watch = watch,
                       .has_transfers = has_table(engine->schema, &fq_transfer_table)};
    FQ_TRY(engine->ops->reader_open(engine, &it.reader));
    it.claims = calloc(STRETCH_BATCHES_MAX, sizeof(*it.claims));
    FQ_ASSERT(it.claims != NULL);
    fq_buffer_init(&it.leaf, LEAF_BYTES_MAX);
    const fq_err err = verify_inside(&it);
    engine->ops->reader_end(it.reader);
    engine->ops->reader_close(it.reader);
    ledger_accounts_free(&it.accounts);
    fq_buffer_free(&it.leaf);
    free(it.claims);
    if (!err.code) {
        *out_summary = it.done;
        *out_fault = it.fault;
    }
    return err;
}
