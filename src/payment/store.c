// Which rows a command of this room needs, and the tables they are in. No rules.
#include "crypto/digest.h"
#include "payment/rows.h"
#include "service/worker.h"

static const fq_column payment_columns[] = {FQ_COLUMNS(payment_row, PAYMENT_COLUMNS)};
const fq_table payment_table = {
    .name = "payment", .key_count = 1, FQ_TABLE_OF(payment_row, payment_columns)};
static const fq_column guard_columns[] = {FQ_COLUMNS(guard_row, GUARD_COLUMNS)};
const fq_table guard_table = {
    .name = "guard", .key_count = 1, FQ_TABLE_OF(guard_row, guard_columns)};
static const fq_column refund_columns[] = {FQ_COLUMNS(refund_row, REFUND_COLUMNS)};
const fq_table refund_table = {
    .name = "refund", .key_count = 1, FQ_TABLE_OF(refund_row, refund_columns)};
static const fq_column topup_columns[] = {FQ_COLUMNS(topup_row, TOPUP_COLUMNS)};
const fq_table topup_table = {
    .name = "topup", .key_count = 1, FQ_TABLE_OF(topup_row, topup_columns)};
static const fq_column reference_columns[] = {FQ_COLUMNS(reference_row, REFERENCE_COLUMNS)};
const fq_table reference_table = {
    .name = "reference", .key_count = 3, FQ_TABLE_OF(reference_row, reference_columns)};

const fq_index payment_by_payer = {"payment_by_payer", &payment_table, "payer_id", 1};
const fq_index payment_by_payee = {"payment_by_payee", &payment_table, "payee_id", 2};
const fq_index refund_by_payment = {"refund_by_payment", &refund_table, "payment_id", 3};
const fq_index refund_by_payer = {"refund_by_payer", &refund_table, "payer_id", 4};
const fq_index refund_by_payee = {"refund_by_payee", &refund_table, "payee_id", 5};
const fq_index topup_by_user = {"topup_by_user", &topup_table, "user_id", 6};
const fq_index transfer_by_debit = {"transfer_by_debit", &fq_transfer_table, "debit_account", 7};
const fq_index transfer_by_credit = {"transfer_by_credit", &fq_transfer_table, "credit_account", 8};
const fq_index transfer_by_payment = {"transfer_by_payment", &fq_transfer_table, "payment", 9};

// To change a table, add a migration at the end; one that stands is never edited.
static const char payment_migration[] =
    "CREATE TABLE payment (id {int} PRIMARY KEY, order_id {int} NOT NULL, payer_id {int} NOT NULL,\n"
    "  payee_id {int} NOT NULL, amount_minor {int} NOT NULL, currency {int} NOT NULL,\n"
    "  method {int} NOT NULL, manual {int} NOT NULL, created_ms {int} NOT NULL,\n"
    "  capture_before_ms {int} NOT NULL, previous {int} NOT NULL, reference {bytes} NOT NULL,\n"
    "  metadata {bytes} NOT NULL, status {int} NOT NULL, captured_minor {int} NOT NULL,\n"
    "  refunded_minor {int} NOT NULL, fee_minor {int} NOT NULL, updated_ms {int} NOT NULL,\n"
    "  version {int} NOT NULL, CHECK (refunded_minor <= captured_minor));\n"
    "CREATE TABLE guard (order_id {int} PRIMARY KEY, state {int} NOT NULL, wish {int} NOT NULL,\n"
    "  payment_id {int} NOT NULL, paid_minor {int} NOT NULL, refunded_minor {int} NOT NULL,\n"
    "  version {int} NOT NULL, CHECK (refunded_minor <= paid_minor));\n"
    "CREATE TABLE refund (id {int} PRIMARY KEY, payment_id {int} NOT NULL, payer_id {int} NOT NULL,\n"
    "  payee_id {int} NOT NULL, amount_minor {int} NOT NULL, currency {int} NOT NULL,\n"
    "  created_ms {int} NOT NULL, reason {bytes} NOT NULL, reference {bytes} NOT NULL,\n"
    "  metadata {bytes} NOT NULL, status {int} NOT NULL, updated_ms {int} NOT NULL,\n"
    "  version {int} NOT NULL);\n"
    "CREATE TABLE topup (id {int} PRIMARY KEY, user_id {int} NOT NULL, amount_minor {int} NOT NULL,\n"
    "  currency {int} NOT NULL, method {int} NOT NULL, created_ms {int} NOT NULL,\n"
    "  reference {bytes} NOT NULL, metadata {bytes} NOT NULL, status {int} NOT NULL,\n"
    "  updated_ms {int} NOT NULL, version {int} NOT NULL);\n"
    "CREATE TABLE reference (hash_high {int} NOT NULL, hash_low {int} NOT NULL,\n"
    "  owner {int} NOT NULL, subject {int} NOT NULL,\n"
    "  PRIMARY KEY (hash_high, hash_low, owner)){without_rowid};\n";

static const char *const migrations[] = {fq_journal_migration, fq_party_migration,
                                         fq_ledger_migration, payment_migration};
// The order in which rows are loaded, locked and saved.
static const fq_table *const tables[] = {
    &fq_followed_table, &fq_request_table, &fq_work_table,         &fq_party_table,
    &guard_table,       &payment_table,    &refund_table,          &topup_table,
    &reference_table,   &fq_account_table, &fq_account_name_table, &fq_transfer_table,
    &fq_event_table,    &fq_batch_table,
};
static const fq_index *const indexes[] = {
    &payment_by_payer,  &payment_by_payee,   &refund_by_payment,
    &refund_by_payer,   &refund_by_payee,    &topup_by_user,
    &transfer_by_debit, &transfer_by_credit, &transfer_by_payment,
};
const fq_schema payment_schema = {
    .service = "payment",
    .migrations = migrations,
    .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    .tables = tables,
    .table_count = sizeof(tables) / sizeof(tables[0]),
    .indexes = indexes,
    .index_count = sizeof(indexes) / sizeof(indexes[0]),
};

// Two bits are dropped: a scan names the keys around it, which must be integers of the store too.
reference_hash reference_hash_of(fq_id_kind kind, fq_str reference) {
    fq_sha256 sha;
    fq_sha256_init(&sha);
    fq_sha256_add_u64(&sha, kind);
    fq_sha256_add(&sha, reference);
    const fq_hash hash = fq_sha256_end(&sha);
    reference_hash out;
    memcpy(&out.high, hash.bytes, 8);
    memcpy(&out.low, hash.bytes + 8, 8);
    out.high = (out.high >> 2) + 1;
    return out;
}

static reference_row *want_reference(fq_batch *batch, fq_id_kind kind, fq_str reference,
                                     uint64_t owner) {
    if (reference.len == 0) {
        return NULL;
    }
    const reference_hash hash = reference_hash_of(kind, reference);
    return (reference_row *)fq_want(batch, &reference_table, hash.high, hash.low, owner);
}

static fq_party_row *want_party(fq_batch *batch, fq_user_id user) {
    return (fq_party_row *)fq_want(batch, &fq_party_table, user.v, 0, 0);
}

static guard_row *want_guard(fq_batch *batch, fq_order_id order) {
    return (guard_row *)fq_want(batch, &guard_table, order.v, 0, 0);
}

static fq_account_row *want_fees(fq_batch *batch, fq_currency currency, int64_t fee_bps) {
    return fee_bps > 0 ? fq_account_want(batch, FQ_OWNER_HOUSE, currency, FQ_ACCOUNT_FEES) : NULL;
}

// --- pay ---

bool payment_want_pay(fq_command *command, fq_batch *batch, int round) {
    payment_pay *pay = (payment_pay *)command;
    if (round > 0) {
        return false;
    }
    const fq_order_facts *order = &pay->facts.order;
    const fq_currency currency = order->amount.currency;
    pay->payment = (payment_row *)fq_want_fresh(batch, &payment_table, fq_batch_deal_id(batch));
    pay->guard = want_guard(batch, pay->order_id);
    pay->payer = want_party(batch, pay->payer_id);
    pay->payee = want_party(batch, order->payee);
    pay->payer_available = fq_account_want(batch, pay->payer_id.v, currency, FQ_ACCOUNT_AVAILABLE);
    pay->payee_available = fq_account_want(batch, order->payee.v, currency, FQ_ACCOUNT_AVAILABLE);
    pay->payer_held =
        pay->capture ? fq_account_want(batch, pay->payer_id.v, currency, FQ_ACCOUNT_HELD) : NULL;
    pay->fees = want_fees(batch, currency, pay->fee_bps);
    pay->taken = want_reference(batch, FQ_ID_payment, pay->reference, order->payee.v);
    return false;
}

// The same answer again: the resource's row with the event's record laid over it.
static void want_answer(fq_batch *batch, const fq_table *table, const fq_row *record) {
    const fq_request_row *request = (const fq_request_row *)record;
    fq_want(batch, table, request->subject, 0, 0);
    fq_want(batch, &fq_event_table, request->event, 0, 0);
}

static fq_err restore_answer(fq_batch *batch, const fq_table *table, const fq_row *record,
                             fq_arena *arena, void *shown) {
    const fq_request_row *request = (const fq_request_row *)record;
    const fq_row *row = fq_want(batch, table, request->subject, 0, 0);
    const fq_event_row *event =
        (const fq_event_row *)fq_want(batch, &fq_event_table, request->event, 0, 0);
    fq_row *copy = fq_row_copy(row, arena);
    if (row->state == FQ_ROW_ABSENT || (request->event != 0 && !fq_event_restore(event, copy))) {
        return fq_refuse(FQ_INTERNAL, NULL);
    }
    memcpy(shown, fq_row_copy(copy, arena), table->row_bytes);
    return FQ_OK;
}

static fq_err decide_pay(fq_command *command, fq_batch *batch) {
    return payment_decide_pay((payment_pay *)command, batch);
}

static void pay_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command;
    want_answer(batch, &payment_table, record);
}

static fq_err restore_pay(fq_command *command, fq_batch *batch, const fq_row *record) {
    return restore_answer(batch, &payment_table, record, command->arena,
                          &((payment_pay *)command)->shown);
}

const fq_command_kind payment_pay_kind = {
    "payment.create", 10, payment_pay_names, payment_want_pay, decide_pay, pay_again, restore_pay};

// --- capture and cancel ---

static bool want_change(fq_command *command, fq_batch *batch, int round) {
    payment_change *change = (payment_change *)command;
    if (round == 0) {
        change->payment = (payment_row *)fq_want(batch, &payment_table, change->id.v, 0, 0);
        return true;
    }
    const payment_row *payment = change->payment;
    if (round == 1 && payment->row.state != FQ_ROW_ABSENT) {
        change->guard = want_guard(batch, payment->order_id);
        change->payer_available =
            fq_account_want(batch, payment->payer_id.v, payment->currency, FQ_ACCOUNT_AVAILABLE);
        change->payer_held =
            fq_account_want(batch, payment->payer_id.v, payment->currency, FQ_ACCOUNT_HELD);
        change->payee_available =
            fq_account_want(batch, payment->payee_id.v, payment->currency, FQ_ACCOUNT_AVAILABLE);
        change->fees = want_fees(batch, payment->currency, change->fee_bps);
        change->payer = want_party(batch, payment->payer_id);
        change->payee = want_party(batch, payment->payee_id);
        change->work =
            fq_work_want(batch, payment->capture_before_ms, WORK_END_AUTHORIZATION, payment->id.v);
    }
    return false;
}

static fq_err decide_capture(fq_command *command, fq_batch *batch) {
    return payment_decide_capture((payment_change *)command, batch);
}

static fq_err decide_cancel(fq_command *command, fq_batch *batch) {
    return payment_decide_cancel((payment_change *)command, batch);
}

static fq_err restore_change(fq_command *command, fq_batch *batch, const fq_row *record) {
    return restore_answer(batch, &payment_table, record, command->arena,
                          &((payment_change *)command)->shown);
}

static const char *const capture_names[] = {"amount", NULL}, *const no_names[] = {NULL};
const fq_command_kind payment_capture_kind = {
    "payment.capture", 12, capture_names, want_change, decide_capture, pay_again, restore_change};
const fq_command_kind payment_cancel_kind = {
    "payment.cancel", 13, no_names, want_change, decide_cancel, pay_again, restore_change};

// --- refunds ---

static bool want_refund(fq_command *command, fq_batch *batch, int round) {
    refund_create *refund = (refund_create *)command;
    if (round == 0) {
        refund->refund = (refund_row *)fq_want_fresh(batch, &refund_table, fq_batch_deal_id(batch));
        refund->payment = (payment_row *)fq_want(batch, &payment_table, refund->payment_id.v, 0, 0);
        return true;
    }
    const payment_row *payment = refund->payment;
    if (round == 1 && payment->row.state != FQ_ROW_ABSENT) {
        refund->guard = want_guard(batch, payment->order_id);
        refund->payer_available =
            fq_account_want(batch, payment->payer_id.v, payment->currency, FQ_ACCOUNT_AVAILABLE);
        refund->payee_available =
            fq_account_want(batch, payment->payee_id.v, payment->currency, FQ_ACCOUNT_AVAILABLE);
        refund->payee_pending =
            fq_account_want(batch, payment->payee_id.v, payment->currency, FQ_ACCOUNT_PENDING);
        refund->taken = want_reference(batch, FQ_ID_refund, refund->reference, payment->payee_id.v);
    }
    return false;
}

static fq_err decide_refund(fq_command *command, fq_batch *batch) {
    return payment_decide_refund((refund_create *)command, batch);
}

static void refund_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command;
    want_answer(batch, &refund_table, record);
}

static fq_err restore_refund(fq_command *command, fq_batch *batch, const fq_row *record) {
    return restore_answer(batch, &refund_table, record, command->arena,
                          &((refund_create *)command)->shown);
}

static const char *const refund_names[] = {"payment_id", "amount",   "reason",
                                           "reference",  "metadata", NULL};
const fq_command_kind refund_create_kind = {
    "refund.create", 14, refund_names, want_refund, decide_refund, refund_again, restore_refund};

// --- top-ups ---

static bool want_topup(fq_command *command, fq_batch *batch, int round) {
    topup_create *topup = (topup_create *)command;
    if (round == 0) {
        topup->topup = (topup_row *)fq_want_fresh(batch, &topup_table, fq_batch_deal_id(batch));
        topup->user = want_party(batch, topup->user_id);
        topup->available =
            fq_account_want(batch, topup->user_id.v, topup->currency, FQ_ACCOUNT_AVAILABLE);
        topup->channel =
            fq_account_want(batch, FQ_OWNER_SANDBOX_CHANNEL, topup->currency, FQ_ACCOUNT_CHANNEL);
        topup->taken = want_reference(batch, FQ_ID_topup, topup->reference, topup->user_id.v);
    }
    return false;
}

static fq_err decide_topup(fq_command *command, fq_batch *batch) {
    return payment_decide_topup((topup_create *)command, batch);
}

static void topup_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command;
    want_answer(batch, &topup_table, record);
}

static fq_err restore_topup(fq_command *command, fq_batch *batch, const fq_row *record) {
    return restore_answer(batch, &topup_table, record, command->arena,
                          &((topup_create *)command)->shown);
}

static const char *const topup_names[] = {"user_id",   "amount",   "currency", "method",
                                          "reference", "metadata", NULL};
const fq_command_kind topup_create_kind = {"topup.create", 15,          topup_names,  want_topup,
                                           decide_topup,   topup_again, restore_topup};

// --- what other services ask ---

static bool want_close(fq_command *command, fq_batch *batch, int round) {
    guard_close *close = (guard_close *)command;
    if (round == 0) {
        close->guard = want_guard(batch, close->order_id);
    }
    return false;
}

static fq_err decide_close(fq_command *command, fq_batch *batch) {
    return payment_decide_close_guard((guard_close *)command, batch);
}

static bool want_party_close(fq_command *command, fq_batch *batch, int round) {
    party_close *close = (party_close *)command;
    if (round == 0) {
        close->user = want_party(batch, close->user_id);
    }
    return false;
}

static fq_err decide_party_close(fq_command *command, fq_batch *batch) {
    party_close *close = (party_close *)command;
    FQ_TRY(
        fq_party_take(batch, close->user, close->facts.users_known ? &close->facts.payer : NULL));
    fq_party_row *user = close->user;
    const fq_user_facts *facts = &close->facts.payer;
    if (!close->closed && user->version > facts->version) {
        return FQ_OK;  // told of since the facts were asked for
    }
    fq_row_touch(batch, &user->row);
    user->status = close->closed ? FQ_USER_IS_CLOSED : (uint8_t)facts->status;
    // What is told late of before the facts must not open him again.
    if (facts->version > user->version) {
        user->roles = (uint8_t)facts->roles;
        user->version = facts->version;
    }
    return FQ_OK;
}

// Calls between services carry their own ways of being repeated.
static void nothing_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command, (void)batch, (void)record;
}

static fq_err restore_nothing(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command, (void)batch, (void)record;
    return FQ_OK;
}

const fq_command_kind guard_close_kind = {
    "order.close", 16, no_names, want_close, decide_close, nothing_again, restore_nothing};
const fq_command_kind party_close_kind = {
    "user.close",   17, no_names, want_party_close, decide_party_close, nothing_again,
    restore_nothing};
