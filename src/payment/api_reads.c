// Reading payments: one, and lists. No rules.
#include "payment/rows.h"
#include "service/list.h"

enum { REFERENCE_MAX = 64 };

static const fq_fields no_fields = {NULL, 0, 0};
const fq_choice payment_status_choices[] = {
#define X(stored, name, wire) {wire, name},
    FQ_PAYMENT_STATUSES(X)
#undef X
        {NULL, 0}};

static fq_err load(fq_call *call, fq_reader *reader, const fq_table *table, uint64_t id,
                   fq_row **out) {
    *out = fq_row_make(table, call->arena);
    fq_column_set_integer(*out, &table->columns[0], (int64_t)id);
    return call->service->engine->ops->reader_load(reader, call->arena,
                                                   &(fq_row_group){table, out, 1}, 1);
}

fq_err payment_read_one(fq_call *call, fq_reader *reader) {
    uint64_t id;
    fq_row *found;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_payment, FQ_PAYMENT_NOT_FOUND, &id));
    FQ_TRY(load(call, reader, &payment_table, id, &found));
    const payment_row *row = (const payment_row *)found;
    if (found->state == FQ_ROW_ABSENT ||
        !fq_scope_may_to(&call->caller, FQ_MAY_PAYMENT_SEE,
                         (fq_sides){row->payee_id.v, row->payer_id.v})) {
        return fq_refuse(FQ_PAYMENT_NOT_FOUND, NULL);
    }
    fq_json_writer out = fq_call_answer(call, 200, row->version);
    payment_encode(&out, NULL, row);
    return FQ_OK;
}

// --- lists ---

typedef struct {
    fq_page page;
    fq_caller caller;
    fq_user_id user_id;
    fq_order_id order_id;
    int status;
    fq_str reference;
} payments_query;

static const fq_field query_rows[] = {
    FQ_PAGE_FIELDS(payments_query),
    {.name = "user_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(payments_query, user_id)},
    {.name = "order_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_order,
     .offset = FQ_AT(payments_query, order_id)},
    {.name = "status",
     .kind = FQ_FIELD_ENUM,
     .choices = payment_status_choices,
     .offset = FQ_AT(payments_query, status)},
    {.name = "reference",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = REFERENCE_MAX,
     .offset = FQ_AT(payments_query, reference)},
};
static const fq_fields query_fields = FQ_FIELDS(query_rows, payments_query);

static bool accept(void *context, const fq_row *at) {
    const payments_query *query = context;
    const payment_row *row = (const payment_row *)at;
    return fq_scope_may_to(&query->caller, FQ_MAY_PAYMENT_SEE,
                           (fq_sides){row->payee_id.v, row->payer_id.v}) &&
           (!query->user_id.v || query->user_id.v == row->payer_id.v ||
            query->user_id.v == row->payee_id.v) &&
           (!query->order_id.v || query->order_id.v == row->order_id.v) &&
           (!query->status || query->status == row->status) &&
           (query->reference.len == 0 || fq_str_equal(query->reference, row->reference));
}

static void encode(void *context, fq_json_writer *out, const fq_row *row) {
    (void)context;
    payment_encode(out, NULL, (const payment_row *)row);
}

// The order's attempt that a page begins with: the newest, or the one before the last page's last.
static fq_err first_attempt(fq_call *call, fq_reader *reader, fq_order_id order, fq_str after,
                            uint64_t *out) {
    fq_row *row;
    uint64_t id;
    if (fq_id_parse(FQ_ID_payment, after, &id)) {
        FQ_TRY(load(call, reader, &payment_table, id, &row));
        const payment_row *last = (const payment_row *)row;
        if (row->state != FQ_ROW_ABSENT && last->order_id.v == order.v) {
            *out = last->previous.v;
            return FQ_OK;
        }
    }
    FQ_TRY(load(call, reader, &guard_table, order.v, &row));
    *out = ((const guard_row *)row)->payment_id.v;
    return FQ_OK;
}

static fq_err attempts_of(fq_call *call, fq_reader *reader, fq_order_id order, fq_list_of *list) {
    uint64_t id;
    FQ_TRY(first_attempt(call, reader, order, list->page->after, &id));
    list->rows = FQ_NEW_ARRAY(call->arena, fq_row *, FQ_LIST_FOUND_MAX);
    while (id != 0 && list->row_count < FQ_LIST_FOUND_MAX) {
        fq_row *row;
        FQ_TRY(load(call, reader, &payment_table, id, &row));
        if (row->state != FQ_ROW_ABSENT) {
            list->rows[list->row_count++] = row;
        }
        id = ((const payment_row *)row)->previous.v;
    }
    list->rows_cut = id != 0;  // the array is full then
    list->source_count = 0;
    return FQ_OK;
}

typedef struct {
    fq_list_found found;
    reference_hash hash;
} referred;

static bool note(void *context, const fq_row *row) {
    referred *at = context;
    const reference_row *reference = (const reference_row *)row;
    if (reference->hash_low == at->hash.low) {
        fq_list_found_add(&at->found, reference->subject);
    }
    return true;
}

// One payee's payment of that reference, by the whole key: there is at most one.
static fq_err note_of_payee(fq_call *call, fq_reader *reader, uint64_t payee, referred *at) {
    reference_row *row = (reference_row *)fq_row_make(&reference_table, call->arena);
    row->hash_high = at->hash.high;
    row->hash_low = at->hash.low;
    row->owner = payee;
    fq_row *rows[] = {&row->row};
    FQ_TRY(call->service->engine->ops->reader_load(reader, call->arena,
                                                   &(fq_row_group){&reference_table, rows, 1}, 1));
    if (row->row.state != FQ_ROW_ABSENT) {
        fq_list_found_add(&at->found, row->subject);
    }
    return FQ_OK;
}

static fq_err with_reference(fq_call *call, fq_reader *reader, fq_str reference, fq_list_of *list) {
    referred *at = FQ_NEW(call->arena, referred);
    at->hash = reference_hash_of(FQ_ID_payment, reference);
    FQ_TRY(fq_list_found_begin(list, &at->found));
    if (call->caller.scope == FQ_SCOPE_MERCHANT) {
        FQ_TRY(note_of_payee(call, reader, call->caller.user.v, at));
    } else {
        FQ_TRY(
            call->service->engine->ops->reader_scan(reader, &(fq_scan){.table = &reference_table,
                                                                       .above = at->hash.high - 1,
                                                                       .below = at->hash.high + 1,
                                                                       .forward = true,
                                                                       .visit = note,
                                                                       .context = at}));
    }
    return fq_list_found_load(call, reader, &at->found, list);
}

fq_err payment_read_list(fq_call *call, fq_reader *reader) {
    payments_query query = {.page = {.limit = FQ_PAGE_LIMIT_DEFAULT}, .caller = call->caller};
    FQ_TRY(fq_call_query(call, &query_fields, &query));
    // The caller's own rows first: where a page of others' ends would tell how many they have.
    const uint64_t user = call->caller.user.v ? call->caller.user.v : query.user_id.v;
    fq_list_of list = {.table = &payment_table,
                       .id_kind = FQ_ID_payment,
                       .source_count = 1,
                       .page = &query.page,
                       .accept = accept,
                       .encode = encode,
                       .context = &query};
    if (query.order_id.v) {
        FQ_TRY(attempts_of(call, reader, query.order_id, &list));
    } else if (query.reference.len > 0 && call->caller.scope != FQ_SCOPE_PAYER) {
        FQ_TRY(with_reference(call, reader, query.reference, &list));
    } else if (user) {
        list.sources[0] = (fq_list_source){&payment_by_payer, user};
        list.sources[1] = (fq_list_source){&payment_by_payee, user};
        list.source_count = 2;
    }
    return fq_list_answer(call, reader, &list);
}
