// Balances, accounts and entries over HTTP. No rules.
#include "payment/rows.h"
#include "service/list.h"

enum { ACCOUNTS_MAX = 512 };

static const fq_fields no_fields = {NULL, 0, 0};

static const fq_engine_ops *ops_of(const fq_call *call) {
    return call->service->engine->ops;
}

static fq_err load(fq_call *call, fq_reader *reader, const fq_table *table, fq_row *row) {
    return ops_of(call)->reader_load(reader, call->arena, &(fq_row_group){table, &row, 1}, 1);
}

// The house owns accounts too, but is no user.
static bool is_users(uint64_t owner) {
    return owner > FQ_OWNER_HOUSE;
}

// --- a user's balances ---

typedef struct {
    const fq_account_row *rows[ACCOUNTS_MAX];
    size_t count;
    fq_arena *arena;
} owned;

static bool note(void *context, const fq_row *row) {
    owned *at = context;
    at->rows[at->count++] = (const fq_account_row *)fq_row_copy(row, at->arena);
    return at->count < ACCOUNTS_MAX;
}

static fq_err accounts_of(fq_call *call, fq_reader *reader, uint64_t owner, owned *out) {
    out->arena = call->arena;
    return ops_of(call)->reader_scan(reader, &(fq_scan){.table = &fq_account_table,
                                                        .above = owner - 1,
                                                        .below = owner + 1,
                                                        .forward = true,
                                                        .visit = note,
                                                        .context = out});
}

static fq_err user_exists(fq_call *call, uint64_t id) {
    fq_user_facts facts;
    FQ_TRY(fq_user_facts_of(call->service->peers, call->arena, &id, 1, &facts));
    return facts.exists ? FQ_OK : fq_refuse(FQ_USER_NOT_FOUND, NULL);
}

// One object a currency; accounts come sorted by currency, then kind.
fq_err ledger_read_balances(fq_call *call, fq_reader *reader) {
    uint64_t id;
    owned *accounts = FQ_NEW(call->arena, owned);
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_user, FQ_USER_NOT_FOUND, &id));
    if (!is_users(id) || !fq_scope_may_to(&call->caller, FQ_MAY_ACCOUNT_SEE, (fq_sides){id, id})) {
        return fq_refuse(FQ_USER_NOT_FOUND, NULL);
    }
    FQ_TRY(accounts_of(call, reader, id, accounts));
    if (accounts->count == 0) {
        FQ_TRY(user_exists(call, id));
    }
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_array_begin(&out, NULL);
    for (size_t i = 0; i < accounts->count;) {
        int64_t balance[FQ_ACCOUNT_HELD + 1] = {0};
        const fq_currency currency = accounts->rows[i]->currency;
        for (; i < accounts->count && fq_currency_equal(accounts->rows[i]->currency, currency);
             i++) {
            if (fq_account_kind_is_wallet(accounts->rows[i]->kind)) {
                balance[accounts->rows[i]->kind] = accounts->rows[i]->balance_minor;
            }
        }
        fq_json_object_begin(&out, NULL);
        fq_json_put_currency(&out, "currency", currency);
        fq_json_put_i64(&out, "available", balance[FQ_ACCOUNT_AVAILABLE]);
        fq_json_put_i64(&out, "pending", balance[FQ_ACCOUNT_PENDING]);
        fq_json_put_i64(&out, "held", balance[FQ_ACCOUNT_HELD]);
        fq_json_object_end(&out);
    }
    fq_json_array_end(&out);
    return FQ_OK;
}

// --- accounts ---

static void encode_account(fq_json_writer *out, const fq_account_row *row, int64_t balance_minor,
                           int64_t at_ms) {
    fq_json_object_begin(out, NULL);
    fq_json_put_id(out, "id", FQ_ID_account, row->id.v);
    fq_json_put_literal(out, "object", "account");
    if (is_users(row->owner)) {
        fq_json_put_id(out, "user_id", FQ_ID_user, row->owner);
    } else {
        fq_json_put_null(out, "user_id");
    }
    fq_json_put_currency(out, "currency", row->currency);
    fq_json_put_literal(out, "kind", fq_account_kind_text((fq_account_kind)row->kind));
    fq_json_put_i64(out, "balance", balance_minor);
    if (at_ms) {
        fq_json_put_time(out, "at", at_ms);
    }
    fq_json_put_time(out, "created_at", row->created_ms);
    fq_json_put_u64(out, "version", row->version);
    fq_json_object_end(out);
}

static fq_err find_account(fq_call *call, fq_reader *reader, uint64_t id, fq_account_row **out) {
    fq_account_name_row *name =
        (fq_account_name_row *)fq_row_make(&fq_account_name_table, call->arena);
    fq_account_row *row = (fq_account_row *)fq_row_make(&fq_account_table, call->arena);
    name->id.v = id;
    FQ_TRY(load(call, reader, &fq_account_name_table, &name->row));
    row->owner = name->owner;
    row->currency = name->currency;
    row->kind = name->kind;
    if (name->row.state != FQ_ROW_ABSENT) {
        FQ_TRY(load(call, reader, &fq_account_table, &row->row));
    }
    const bool visible =
        name->row.state != FQ_ROW_ABSENT &&
        fq_scope_may_to(&call->caller, FQ_MAY_ACCOUNT_SEE, (fq_sides){row->owner, row->owner});
    if (!visible) {
        return fq_refuse(FQ_ACCOUNT_NOT_FOUND, NULL);
    }
    *out = row;
    return FQ_OK;
}

// The last transfer of the batches up to `at_ms`: their times never go back, so it is found by
// halving.
static fq_err position_at(fq_call *call, fq_reader *reader, int64_t at_ms, uint64_t *out) {
    fq_head head;
    FQ_TRY(ops_of(call)->reader_head(reader, &head));
    uint64_t low = 0, high = head.batch_number;  // the answer is in (low, high], or 0
    *out = 0;
    while (low < high) {
        const uint64_t middle = high - (high - low) / 2;
        fq_batch_row *batch = (fq_batch_row *)fq_row_make(&fq_batch_table, call->arena);
        batch->number = middle;
        FQ_TRY(load(call, reader, &fq_batch_table, &batch->row));
        if (batch->row.state != FQ_ROW_ABSENT && batch->at_ms <= at_ms) {
            *out = batch->transfer_first + batch->transfer_count - 1;
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return FQ_OK;
}

typedef struct {
    uint64_t position;
    int64_t after;
    bool debit;
} last_entry;

static bool note_last(void *context, const fq_row *row) {
    last_entry *at = context;
    const fq_transfer_row *transfer = (const fq_transfer_row *)row;
    if (transfer->position > at->position) {
        at->position = transfer->position;
        at->after = at->debit ? transfer->debit_after : transfer->credit_after;
    }
    return false;
}

static fq_err balance_at(fq_call *call, fq_reader *reader, const fq_account_row *account,
                         int64_t at_ms, int64_t *out) {
    uint64_t position;
    last_entry last = {0};
    FQ_TRY(position_at(call, reader, at_ms, &position));
    const fq_index *const indexes[] = {&transfer_by_credit, &transfer_by_debit};
    for (size_t i = 0; i < 2 && position > 0; i++) {
        last.debit = i == 1;
        FQ_TRY(ops_of(call)->reader_scan(reader, &(fq_scan){.table = &fq_transfer_table,
                                                            .index = indexes[i],
                                                            .value = account->id.v,
                                                            .below = position + 1,
                                                            .visit = note_last,
                                                            .context = &last}));
    }
    *out = last.after;
    return FQ_OK;
}

typedef struct {
    int64_t at_ms;
    fq_given given;
} account_query;

static const fq_field account_rows[] = {
    {.name = "at",
     .kind = FQ_FIELD_TIME,
     .offset = FQ_AT(account_query, at_ms),
     .given = FQ_GIVEN_AT(account_query, given)},
};
static const fq_fields account_fields = FQ_FIELDS(account_rows, account_query);

fq_err ledger_read_account(fq_call *call, fq_reader *reader) {
    uint64_t id;
    account_query query = {0};
    fq_account_row *row;
    FQ_TRY(fq_call_query(call, &account_fields, &query));
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_account, FQ_ACCOUNT_NOT_FOUND, &id));
    FQ_TRY(find_account(call, reader, id, &row));
    int64_t balance_minor = row->balance_minor;
    if (query.given == FQ_GIVEN) {
        FQ_TRY(balance_at(call, reader, row, query.at_ms, &balance_minor));
    }
    fq_json_writer out = fq_call_answer(call, 200, query.given == FQ_GIVEN ? 0 : row->version);
    encode_account(&out, row, balance_minor, query.given == FQ_GIVEN ? query.at_ms : 0);
    return FQ_OK;
}

// --- the list of accounts: names newest first, then the accounts themselves ---

static const fq_choice kind_choices[] = {
#define X(stored, name, wire, wallet) {wire, name},
    FQ_ACCOUNT_KINDS(X)
#undef X
        {NULL, 0}};

typedef struct {
    fq_page page;
    fq_caller caller;
    fq_user_id user_id;
    fq_currency currency;
    int kind;
    fq_call *call;
    fq_reader *reader;
} accounts_query;

static const fq_field accounts_rows[] = {
    FQ_PAGE_FIELDS(accounts_query),
    {.name = "user_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(accounts_query, user_id)},
    {.name = "currency", .kind = FQ_FIELD_CURRENCY, .offset = FQ_AT(accounts_query, currency)},
    {.name = "kind",
     .kind = FQ_FIELD_ENUM,
     .choices = kind_choices,
     .offset = FQ_AT(accounts_query, kind)},
};
static const fq_fields accounts_fields = FQ_FIELDS(accounts_rows, accounts_query);

static bool accept_name(void *context, const fq_row *at) {
    const accounts_query *query = context;
    const fq_account_name_row *row = (const fq_account_name_row *)at;
    return fq_scope_may_to(&query->caller, FQ_MAY_ACCOUNT_SEE,
                           (fq_sides){row->owner, row->owner}) &&
           (!query->user_id.v || query->user_id.v == row->owner) &&
           (!query->currency.v || query->currency.v == row->currency.v) &&
           (!query->kind || query->kind == row->kind);
}

// Every name of the page becomes its account; they are encoded in that order.
static fq_err load_accounts(void *context, fq_row **rows, size_t count) {
    accounts_query *query = context;
    for (size_t i = 0; i < count; i++) {
        const fq_account_name_row *name = (const fq_account_name_row *)rows[i];
        fq_account_row *account =
            (fq_account_row *)fq_row_make(&fq_account_table, query->call->arena);
        account->owner = name->owner;
        account->currency = name->currency;
        account->kind = name->kind;
        FQ_TRY(load(query->call, query->reader, &fq_account_table, &account->row));
        rows[i] = &account->row;
    }
    return FQ_OK;
}

static void encode_one(void *context, fq_json_writer *out, const fq_row *row) {
    (void)context;
    const fq_account_row *account = (const fq_account_row *)row;
    encode_account(out, account, account->balance_minor, 0);
}

// A user's accounts are few and found by their owner.
static fq_err names_of(accounts_query *query, uint64_t owner, fq_list_of *list) {
    owned *accounts = FQ_NEW(query->call->arena, owned);
    FQ_TRY(accounts_of(query->call, query->reader, owner, accounts));
    list->rows = FQ_NEW_ARRAY(query->call->arena, fq_row *, accounts->count + 1);
    list->source_count = 0;
    for (size_t i = 0; i < accounts->count && is_users(owner); i++) {
        fq_account_name_row *name =
            (fq_account_name_row *)fq_row_make(&fq_account_name_table, query->call->arena);
        name->id = accounts->rows[i]->id;
        name->owner = owner;
        name->currency = accounts->rows[i]->currency;
        name->kind = accounts->rows[i]->kind;
        size_t at = list->row_count++;
        for (; at > 0 && ((fq_account_name_row *)list->rows[at - 1])->id.v < name->id.v; at--) {
            list->rows[at] = list->rows[at - 1];
        }
        list->rows[at] = &name->row;
    }
    return FQ_OK;
}

fq_err ledger_read_accounts(fq_call *call, fq_reader *reader) {
    accounts_query query = {.page = {.limit = FQ_PAGE_LIMIT_DEFAULT},
                            .caller = call->caller,
                            .call = call,
                            .reader = reader};
    FQ_TRY(fq_call_query(call, &accounts_fields, &query));
    const uint64_t owner = call->caller.user.v ? call->caller.user.v : query.user_id.v;
    fq_list_of list = {.table = &fq_account_name_table,
                       .id_kind = FQ_ID_account,
                       .source_count = 1,
                       .page = &query.page,
                       .accept = accept_name,
                       .encode = encode_one,
                       .prepare = load_accounts,
                       .context = &query};
    if (owner) {
        FQ_TRY(names_of(&query, owner, &list));
    }
    return fq_list_answer(call, reader, &list);
}

// --- entries ---

typedef struct {
    fq_page page;
} entries_query;

static const fq_field entries_rows[] = {
    {.name = "limit",
     .kind = FQ_FIELD_INTEGER,
     .minimum = 1,
     .maximum = FQ_PAGE_LIMIT_MAX,
     .offset = FQ_AT(entries_query, page.limit)},
    {.name = "after",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = 64,
     .offset = FQ_AT(entries_query, page.after)},
};
static const fq_fields entries_fields = FQ_FIELDS(entries_rows, entries_query);

static bool accept_all(void *context, const fq_row *row) {
    (void)context, (void)row;
    return true;
}

static void encode_entry(void *context, fq_json_writer *out, const fq_row *at) {
    (void)context;
    const fq_transfer_row *row = (const fq_transfer_row *)at;
    fq_json_object_begin(out, NULL);
    fq_json_put_id(out, "id", FQ_ID_entry, row->position);
    fq_json_put_literal(out, "object", "entry");
    fq_json_put_id(out, "debit_account", FQ_ID_account, row->debit_account.v);
    fq_json_put_id(out, "credit_account", FQ_ID_account, row->credit_account.v);
    fq_json_put_money(out, (fq_money){row->amount_minor, row->currency});
    fq_json_put_id(out, "payment_id", FQ_ID_payment, row->payment);
    if (row->kind == FQ_TRANSFER_REFUND) {
        fq_json_put_id(out, "refund_id", FQ_ID_refund, row->subject);
    }
    if (row->kind == FQ_TRANSFER_TOPUP) {
        fq_json_put_id(out, "topup_id", FQ_ID_topup, row->subject);
    }
    fq_json_put_literal(out, "kind", fq_transfer_kind_text((fq_transfer_kind)row->kind));
    fq_json_put_time(out, "created_at", row->at_ms);
    fq_json_object_end(out);
}

static fq_err entries(fq_call *call, fq_reader *reader, const fq_list_source *sources,
                      size_t count) {
    entries_query query = {.page = {.limit = FQ_PAGE_LIMIT_DEFAULT}};
    FQ_TRY(fq_call_query(call, &entries_fields, &query));
    fq_list_of list = {.table = &fq_transfer_table,
                       .id_kind = FQ_ID_entry,
                       .source_count = count,
                       .page = &query.page,
                       .accept = accept_all,
                       .encode = encode_entry};
    memcpy(list.sources, sources, count * sizeof(*sources));
    return fq_list_answer(call, reader, &list);
}

fq_err ledger_read_entries(fq_call *call, fq_reader *reader) {
    uint64_t id;
    fq_account_row *account;
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_account, FQ_ACCOUNT_NOT_FOUND, &id));
    FQ_TRY(find_account(call, reader, id, &account));
    return entries(call, reader,
                   (fq_list_source[]){{&transfer_by_debit, id}, {&transfer_by_credit, id}}, 2);
}

fq_err payment_read_entries(fq_call *call, fq_reader *reader) {
    uint64_t id;
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_payment, FQ_PAYMENT_NOT_FOUND, &id));
    payment_row *payment = (payment_row *)fq_row_make(&payment_table, call->arena);
    payment->id.v = id;
    FQ_TRY(load(call, reader, &payment_table, &payment->row));
    if (payment->row.state == FQ_ROW_ABSENT ||
        !fq_scope_may_to(&call->caller, FQ_MAY_PAYMENT_SEE,
                         (fq_sides){payment->payee_id.v, payment->payer_id.v})) {
        return fq_refuse(FQ_PAYMENT_NOT_FOUND, NULL);
    }
    return entries(call, reader, (fq_list_source[]){{&transfer_by_payment, id}}, 1);
}
