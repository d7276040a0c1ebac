// Refunds and top-ups over HTTP. No rules.
#include "payment/rows.h"
#include "service/list.h"

enum { REFERENCE_MAX = 64, REASON_MAX = 500 };

static const fq_fields no_fields = {NULL, 0, 0};
const fq_choice move_status_choices[] = {
#define X(stored, name, wire) {wire, name},
    MOVE_STATUSES(X)
#undef X
        {NULL, 0}};

static const fq_field refund_rows[] = {
    {.name = "payment_id",
     .kind = FQ_FIELD_ID,
     .required = true,
     .id_kind = FQ_ID_payment,
     .offset = FQ_AT(refund_create, payment_id)},
    {.name = "amount", .kind = FQ_FIELD_AMOUNT, .offset = FQ_AT(refund_create, amount_minor)},
    {.name = "reason",
     .kind = FQ_FIELD_STRING,
     .minimum = 1,
     .maximum = REASON_MAX,
     .offset = FQ_AT(refund_create, reason)},
    {.name = "reference",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = REFERENCE_MAX,
     .offset = FQ_AT(refund_create, reference)},
    {.name = "metadata", .kind = FQ_FIELD_MAP, .offset = FQ_AT(refund_create, metadata)},
};
static const fq_fields refund_fields = FQ_FIELDS(refund_rows, refund_create);

fq_err refund_decode_create(fq_call *call, fq_command *command) {
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    return fq_call_body(call, &refund_fields, command);
}

fq_err refund_encode_create(fq_call *call, const fq_command *command) {
    const refund_row *shown = &((const refund_create *)command)->shown;
    fq_json_writer out = fq_call_answer(call, 201, shown->version);
    refund_encode(&out, NULL, shown);
    return FQ_OK;
}

static const fq_field topup_rows[] = {
    {.name = "user_id",
     .kind = FQ_FIELD_ID,
     .required = true,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(topup_create, user_id)},
    {.name = "amount",
     .kind = FQ_FIELD_AMOUNT,
     .required = true,
     .offset = FQ_AT(topup_create, amount_minor)},
    {.name = "currency",
     .kind = FQ_FIELD_CURRENCY,
     .required = true,
     .offset = FQ_AT(topup_create, currency)},
    {.name = "method",
     .kind = FQ_FIELD_ENUM,
     .required = true,
     .choices = payment_method_choices,
     .offset = FQ_AT(topup_create, method)},
    {.name = "reference",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = REFERENCE_MAX,
     .offset = FQ_AT(topup_create, reference)},
    {.name = "metadata", .kind = FQ_FIELD_MAP, .offset = FQ_AT(topup_create, metadata)},
};
static const fq_fields topup_fields = FQ_FIELDS(topup_rows, topup_create);

fq_err topup_decode_create(fq_call *call, fq_command *command) {
    topup_create *topup = (topup_create *)command;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_body(call, &topup_fields, topup));
    if (topup->method != METHOD_SANDBOX || call->service->live) {
        return fq_refuse_text(FQ_INVALID_FIELD, "method", "sandbox, in sandbox mode");
    }
    return FQ_OK;
}

fq_err topup_encode_create(fq_call *call, const fq_command *command) {
    const topup_row *shown = &((const topup_create *)command)->shown;
    fq_json_writer out = fq_call_answer(call, 201, shown->version);
    topup_encode(&out, NULL, shown);
    return FQ_OK;
}

// --- reading ---

// Loads the row that the path names.
static fq_err load_one(fq_call *call, fq_reader *reader, const fq_table *table, fq_id_kind kind,
                       fq_code not_found, fq_row **out) {
    uint64_t id;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_path_id(call, 0, kind, not_found, &id));
    *out = fq_row_make(table, call->arena);
    fq_column_set_integer(*out, &table->columns[0], (int64_t)id);
    FQ_TRY(call->service->engine->ops->reader_load(reader, call->arena,
                                                   &(fq_row_group){table, out, 1}, 1));
    return (*out)->state == FQ_ROW_ABSENT ? fq_refuse(not_found, NULL) : FQ_OK;
}

fq_err refund_read_one(fq_call *call, fq_reader *reader) {
    fq_row *found;
    FQ_TRY(load_one(call, reader, &refund_table, FQ_ID_refund, FQ_REFUND_NOT_FOUND, &found));
    const refund_row *row = (const refund_row *)found;
    if (!fq_scope_may_to(&call->caller, FQ_MAY_PAYMENT_SEE,
                         (fq_sides){row->payee_id.v, row->payer_id.v})) {
        return fq_refuse(FQ_REFUND_NOT_FOUND, NULL);
    }
    fq_json_writer out = fq_call_answer(call, 200, row->version);
    refund_encode(&out, NULL, row);
    return FQ_OK;
}

fq_err topup_read_one(fq_call *call, fq_reader *reader) {
    fq_row *found;
    FQ_TRY(load_one(call, reader, &topup_table, FQ_ID_topup, FQ_TOPUP_NOT_FOUND, &found));
    const topup_row *row = (const topup_row *)found;
    if (!fq_scope_may_to(&call->caller, FQ_MAY_TOPUP_SEE,
                         (fq_sides){row->user_id.v, row->user_id.v})) {
        return fq_refuse(FQ_TOPUP_NOT_FOUND, NULL);
    }
    fq_json_writer out = fq_call_answer(call, 200, row->version);
    topup_encode(&out, NULL, row);
    return FQ_OK;
}

typedef struct {
    fq_page page;
    fq_caller caller;
    fq_user_id user_id;
    fq_payment_id payment_id;
    int status;
    fq_str reference;
} moves_query;

static bool accept_refund(void *context, const fq_row *at) {
    const moves_query *query = context;
    const refund_row *row = (const refund_row *)at;
    return fq_scope_may_to(&query->caller, FQ_MAY_PAYMENT_SEE,
                           (fq_sides){row->payee_id.v, row->payer_id.v}) &&
           (!query->user_id.v || query->user_id.v == row->payer_id.v ||
            query->user_id.v == row->payee_id.v) &&
           (!query->payment_id.v || query->payment_id.v == row->payment_id.v) &&
           (!query->status || query->status == row->status) &&
           (query->reference.len == 0 || fq_str_equal(query->reference, row->reference));
}

static void encode_refund(void *context, fq_json_writer *out, const fq_row *row) {
    (void)context;
    refund_encode(out, NULL, (const refund_row *)row);
}

static const fq_field refund_query_rows[] = {
    FQ_PAGE_FIELDS(moves_query),
    {.name = "user_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(moves_query, user_id)},
    {.name = "payment_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_payment,
     .offset = FQ_AT(moves_query, payment_id)},
    {.name = "status",
     .kind = FQ_FIELD_ENUM,
     .choices = move_status_choices,
     .offset = FQ_AT(moves_query, status)},
    {.name = "reference",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = REFERENCE_MAX,
     .offset = FQ_AT(moves_query, reference)},
};
static const fq_fields refund_query_fields = FQ_FIELDS(refund_query_rows, moves_query);

// Whose rows are looked at: the caller's own, else the filter's user. Where a page of others' rows
// ends would tell how many they have.
static uint64_t whose(const moves_query *query) {
    return query->caller.user.v ? query->caller.user.v : query->user_id.v;
}

fq_err refund_read_list(fq_call *call, fq_reader *reader) {
    moves_query query = {.page = {.limit = FQ_PAGE_LIMIT_DEFAULT}, .caller = call->caller};
    FQ_TRY(fq_call_query(call, &refund_query_fields, &query));
    fq_list_of list = {.table = &refund_table,
                       .id_kind = FQ_ID_refund,
                       .source_count = 1,
                       .page = &query.page,
                       .accept = accept_refund,
                       .encode = encode_refund,
                       .context = &query};
    if (query.payment_id.v) {
        list.sources[0] = (fq_list_source){&refund_by_payment, query.payment_id.v};
    } else if (whose(&query)) {
        list.sources[0] = (fq_list_source){&refund_by_payer, whose(&query)};
        list.sources[1] = (fq_list_source){&refund_by_payee, whose(&query)};
        list.source_count = 2;
    }
    return fq_list_answer(call, reader, &list);
}

static bool accept_topup(void *context, const fq_row *at) {
    const moves_query *query = context;
    const topup_row *row = (const topup_row *)at;
    return fq_scope_may_to(&query->caller, FQ_MAY_TOPUP_SEE,
                           (fq_sides){row->user_id.v, row->user_id.v}) &&
           (!query->user_id.v || query->user_id.v == row->user_id.v) &&
           (!query->status || query->status == row->status) &&
           (query->reference.len == 0 || fq_str_equal(query->reference, row->reference));
}

static void encode_topup(void *context, fq_json_writer *out, const fq_row *row) {
    (void)context;
    topup_encode(out, NULL, (const topup_row *)row);
}

static const fq_field topup_query_rows[] = {
    FQ_PAGE_FIELDS(moves_query),
    {.name = "user_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(moves_query, user_id)},
    {.name = "status",
     .kind = FQ_FIELD_ENUM,
     .choices = move_status_choices,
     .offset = FQ_AT(moves_query, status)},
    {.name = "reference",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = REFERENCE_MAX,
     .offset = FQ_AT(moves_query, reference)},
};
static const fq_fields topup_query_fields = FQ_FIELDS(topup_query_rows, moves_query);

fq_err topup_read_list(fq_call *call, fq_reader *reader) {
    moves_query query = {.page = {.limit = FQ_PAGE_LIMIT_DEFAULT}, .caller = call->caller};
    FQ_TRY(fq_call_query(call, &topup_query_fields, &query));
    fq_list_of list = {.table = &topup_table,
                       .id_kind = FQ_ID_topup,
                       .source_count = 1,
                       .page = &query.page,
                       .accept = accept_topup,
                       .encode = encode_topup,
                       .context = &query};
    if (whose(&query)) {
        list.sources[0] = (fq_list_source){&topup_by_user, whose(&query)};
    }
    return fq_list_answer(call, reader, &list);
}
