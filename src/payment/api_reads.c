// Reading payments: one, and lists. No rules.
#include "payment/rows.h"
#include "service/list.h"

#include <stdlib.h>

enum { REFERENCE_MAX = 64, ATTEMPTS_MAX = 100 };

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

// The rows that a list is made of when they are few and known: an order's attempts, or those that
// carry a reference.
typedef struct {
    fq_row *rows[ATTEMPTS_MAX];
    size_t count;
    fq_call *call;
    fq_reader *reader;
} few;

static fq_err add(few *list, uint64_t id) {
    FQ_TRY(load(list->call, list->reader, &payment_table, id, &list->rows[list->count]));
    list->count += list->rows[list->count]->state != FQ_ROW_ABSENT;
    return FQ_OK;
}

// From the order's guard back through the attempts.
static fq_err attempts_of(few *list, fq_order_id order) {
    fq_row *guard;
    FQ_TRY(load(list->call, list->reader, &guard_table, order.v, &guard));
    uint64_t id = ((const guard_row *)guard)->payment_id.v;
    while (id != 0 && list->count < ATTEMPTS_MAX) {
        const size_t before = list->count;
        FQ_TRY(add(list, id));
        id = list->count > before ? ((const payment_row *)list->rows[before])->previous.v : 0;
    }
    return FQ_OK;
}

typedef struct {
    uint64_t ids[ATTEMPTS_MAX];
    size_t count;
    uint64_t low;
} referred;

static bool note_reference(void *context, const fq_row *row) {
    referred *at = context;
    const reference_row *reference = (const reference_row *)row;
    if (reference->hash_low == at->low) {
        at->ids[at->count++] = reference->subject;
    }
    return at->count < ATTEMPTS_MAX;
}

static int newest_first(const void *left, const void *right) {
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? 1 : a > b ? -1 : 0;
}

static fq_err with_reference(few *list, fq_str reference) {
    const reference_hash hash = reference_hash_of(FQ_ID_payment, reference);
    referred at = {.low = hash.low};
    FQ_TRY(list->call->service->engine->ops->reader_scan(list->reader,
                                                         &(fq_scan){.table = &reference_table,
                                                                    .above = hash.high - 1,
                                                                    .below = hash.high + 1,
                                                                    .forward = true,
                                                                    .visit = note_reference,
                                                                    .context = &at}));
    qsort(at.ids, at.count, sizeof(at.ids[0]), newest_first);
    for (size_t i = 0; i < at.count; i++) {
        FQ_TRY(add(list, at.ids[i]));
    }
    return FQ_OK;
}

fq_err payment_read_list(fq_call *call, fq_reader *reader) {
    payments_query query = {.page = {.limit = FQ_PAGE_LIMIT_DEFAULT}, .caller = call->caller};
    FQ_TRY(fq_call_query(call, &query_fields, &query));
    const uint64_t user = query.user_id.v ? query.user_id.v : call->caller.user.v;
    fq_list_of list = {.table = &payment_table,
                       .id_kind = FQ_ID_payment,
                       .source_count = 1,
                       .page = &query.page,
                       .accept = accept,
                       .encode = encode,
                       .context = &query};
    if (query.order_id.v || query.reference.len > 0) {
        few *found = FQ_NEW(call->arena, few);
        found->call = call;
        found->reader = reader;
        FQ_TRY(query.order_id.v ? attempts_of(found, query.order_id)
                                : with_reference(found, query.reference));
        list.rows = found->rows;
        list.row_count = found->count;
        list.source_count = 0;
    } else if (user) {
        list.sources[0] = (fq_list_source){&payment_by_payer, user};
        list.sources[1] = (fq_list_source){&payment_by_payee, user};
        list.source_count = 2;
    }
    return fq_list_answer(call, reader, &list);
}
