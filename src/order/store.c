// Which rows a command of this room needs, and the tables they are in. No rules.
#include "crypto/digest.h"
#include "order/rows.h"

static const fq_column order_columns[] = {FQ_COLUMNS(order_row, ORDER_COLUMNS)};
const fq_table order_table = {
    .name = "orders", .key_count = 1, FQ_TABLE_OF(order_row, order_columns)};
static const fq_column reference_columns[] = {
    FQ_COLUMNS(order_reference_row, ORDER_REFERENCE_COLUMNS)};
const fq_table order_reference_table = {
    .name = "order_reference", .key_count = 3, FQ_TABLE_OF(order_reference_row, reference_columns)};

const fq_index order_by_payee = {"order_by_payee", &order_table, "payee_id", 1};
const fq_index order_by_payer = {"order_by_payer", &order_table, "payer_id", 2};

// To change a table, add a migration at the end; one that stands is never edited.
static const char order_migration[] =
    "CREATE TABLE orders (id {int} PRIMARY KEY, payee_id {int} NOT NULL, payer_id {int} NOT NULL,\n"
    "  amount_minor {int} NOT NULL CHECK (amount_minor > 0), currency {int} NOT NULL,\n"
    "  created_ms {int} NOT NULL, expires_ms {int} NOT NULL, description {bytes} NOT NULL,\n"
    "  items {bytes} NOT NULL, reference {bytes} NOT NULL, return_url {bytes} NOT NULL,\n"
    "  metadata {bytes} NOT NULL, status {int} NOT NULL, paid_minor {int} NOT NULL,\n"
    "  refunded_minor {int} NOT NULL, updated_ms {int} NOT NULL, version {int} NOT NULL){updated};\n"
    "CREATE TABLE order_reference (hash_high {int} NOT NULL, hash_low {int} NOT NULL,\n"
    "  owner {int} NOT NULL, subject {int} NOT NULL,\n"
    "  PRIMARY KEY (hash_high, hash_low, owner)){without_rowid};\n";

static const char *const migrations[] = {fq_journal_migration, fq_party_migration, order_migration};
// The order in which rows are loaded, locked and saved.
static const fq_table *const tables[] = {
    &fq_followed_table, &fq_request_table,      &fq_work_table,  &fq_party_table,
    &order_table,       &order_reference_table, &fq_event_table, &fq_batch_table,
};
static const fq_index *const indexes[] = {&order_by_payee, &order_by_payer};
const fq_schema order_schema = {
    .service = "order",
    .migrations = migrations,
    .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    .tables = tables,
    .table_count = sizeof(tables) / sizeof(tables[0]),
    .indexes = indexes,
    .index_count = sizeof(indexes) / sizeof(indexes[0]),
};

// Two bits are dropped: a scan names the keys around it, which must be integers of the store too.
order_reference_hash order_reference_hash_of(fq_str reference) {
    const fq_hash hash = fq_sha256_of(reference);
    order_reference_hash out;
    memcpy(&out.high, hash.bytes, 8);
    memcpy(&out.low, hash.bytes + 8, 8);
    out.high = (out.high >> 2) + 1;
    return out;
}

// --- create ---

bool order_want_create(fq_command *command, fq_batch *batch, int round) {
    order_create *create = (order_create *)command;
    if (round > 0) {
        return false;
    }
    create->order = (order_row *)fq_want_fresh(batch, &order_table, fq_batch_deal_id(batch));
    create->payee = (fq_party_row *)fq_want(batch, &fq_party_table, create->payee_id.v, 0, 0);
    create->payer = create->payer_id.v
                        ? (fq_party_row *)fq_want(batch, &fq_party_table, create->payer_id.v, 0, 0)
                        : NULL;
    create->taken = NULL;
    if (create->reference.len > 0) {
        const order_reference_hash hash = order_reference_hash_of(create->reference);
        create->taken = (order_reference_row *)fq_want(batch, &order_reference_table, hash.high,
                                                       hash.low, create->payee_id.v);
    }
    return false;
}

static fq_err decide_create(fq_command *command, fq_batch *batch) {
    return order_decide_create((order_create *)command, batch);
}

// The same answer again: the order's row with the event's record laid over it.
static void want_answer(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command;
    const fq_request_row *request = (const fq_request_row *)record;
    fq_want(batch, &order_table, request->subject, 0, 0);
    fq_want(batch, &fq_event_table, request->event, 0, 0);
}

static fq_err restore_answer(fq_batch *batch, const fq_row *record, fq_arena *arena,
                             order_row *shown) {
    const fq_request_row *request = (const fq_request_row *)record;
    fq_row *row = fq_row_copy(fq_want(batch, &order_table, request->subject, 0, 0), arena);
    const fq_event_row *event =
        (const fq_event_row *)fq_want(batch, &fq_event_table, request->event, 0, 0);
    if (row->state == FQ_ROW_ABSENT || (request->event != 0 && !fq_event_restore(event, row))) {
        return fq_refuse(FQ_INTERNAL, NULL);
    }
    memcpy(shown, row, sizeof(*shown));
    return FQ_OK;
}

static fq_err restore_create(fq_command *command, fq_batch *batch, const fq_row *record) {
    return restore_answer(batch, record, command->arena, &((order_create *)command)->shown);
}

const char *const order_create_names[] = {"payee_id",    "payer_id", "amount",    "currency",
                                          "description", "items",    "reference", "expires_in",
                                          "return_url",  "metadata", NULL};
const fq_command_kind order_create_kind = {
    "order.create", 10,          order_create_names, order_want_create,
    decide_create,  want_answer, restore_create};

// --- cancel and expire ---

static bool want_close(fq_command *command, fq_batch *batch, int round) {
    order_close *close = (order_close *)command;
    if (round == 0) {
        close->order = (order_row *)fq_want(batch, &order_table, close->id.v, 0, 0);
        if (close->by_timer) {
            close->work = fq_work_want(batch, close->due_ms, WORK_EXPIRE, close->id.v);
        }
        return true;
    }
    if (!close->by_timer && close->order->row.state != FQ_ROW_ABSENT) {
        close->work = fq_work_want(batch, close->order->expires_ms, WORK_EXPIRE, close->id.v);
    }
    return false;
}

static fq_err decide_close(fq_command *command, fq_batch *batch) {
    return order_decide_close((order_close *)command, batch);
}

static fq_err restore_close(fq_command *command, fq_batch *batch, const fq_row *record) {
    return restore_answer(batch, record, command->arena, &((order_close *)command)->shown);
}

static const char *const no_names[] = {NULL};
const fq_command_kind order_cancel_kind = {"order.cancel", 12,          no_names,     want_close,
                                           decide_close,   want_answer, restore_close};
const fq_command_kind order_expire_kind = {"order.expire", 13,          no_names,     want_close,
                                           decide_close,   want_answer, restore_close};
