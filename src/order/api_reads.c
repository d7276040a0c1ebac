// Reading orders, and cancelling one: what must be looked at before the command. No rules.
#include "order/rows.h"
#include "service/list.h"
#include "store/journal.h"
#include "store/request.h"

enum { REFERENCE_MAX = 64 };

static const fq_fields no_fields = {NULL, 0, 0};

static fq_err load(const fq_service *service, fq_reader *reader, fq_arena *arena, uint64_t id,
                   order_row **out) {
    *out = (order_row *)fq_row_make(&order_table, arena);
    (*out)->id.v = id;
    fq_row *rows[] = {&(*out)->row};
    return service->engine->ops->reader_load(reader, arena, &(fq_row_group){&order_table, rows, 1},
                                             1);
}

// What payment says of the order is fresher than what it has told yet.
static void overlay(order_row *order, const fq_guard_facts *guard) {
    if (guard->version == 0 || guard->state == FQ_GUARD_OPEN || guard->state == FQ_GUARD_HELD) {
        return;
    }
    order->paid_minor = guard->paid_minor;
    order->refunded_minor = guard->refunded_minor;
    if (guard->state == FQ_GUARD_CANCELLED) {
        order->status = ORDER_CANCELLED;
    } else if (guard->state == FQ_GUARD_EXPIRED) {
        order->status = ORDER_EXPIRED;
    } else if (guard->refunded_minor == 0) {
        order->status = ORDER_PAID;
    } else {
        order->status =
            guard->refunded_minor < guard->paid_minor ? ORDER_PARTIALLY_REFUNDED : ORDER_REFUNDED;
    }
}

// What anybody may pay is everybody's to see until somebody pays it.
static bool is_anothers(const fq_caller *by, const fq_guard_facts *guard) {
    return by->scope == FQ_SCOPE_PAYER && guard->payer.v != 0 && guard->payer.v != by->user.v;
}

fq_err order_read_one(fq_call *call, fq_reader *reader) {
    uint64_t id;
    order_row *order;
    fq_guard_facts guard;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_order, FQ_ORDER_NOT_FOUND, &id));
    FQ_TRY(load(call->service, reader, call->arena, id, &order));
    if (order->row.state == FQ_ROW_ABSENT || !order_is_visible(&call->caller, order)) {
        return fq_refuse(FQ_ORDER_NOT_FOUND, NULL);
    }
    FQ_TRY(fq_payment_guards_of(call->service->peers, call->arena, &id, 1, &guard));
    if (is_anothers(&call->caller, &guard)) {
        return fq_refuse(FQ_ORDER_NOT_FOUND, NULL);
    }
    const order_row known = *order;
    overlay(order, &guard);
    // No ETag while it shows more than its version says: the same one stands for the same content.
    const bool same =
        order->status == known.status && order->refunded_minor == known.refunded_minor;
    fq_json_writer out = fq_call_answer(call, 200, same ? order->version : 0);
    order_encode(call->service, &out, NULL, order);
    return FQ_OK;
}

// --- cancel: payment closes its guard before the order is cancelled here ---

// What is known of this very request: a row that is absent where it was not made before.
static fq_err load_record(fq_call *call, const fq_command *command, fq_reader *reader,
                          fq_row **out) {
    *out = fq_row_make(&fq_request_table, call->arena);
    if (!command->request.asked) {
        return FQ_OK;
    }
    fq_column_set_integer(*out, &fq_request_table.columns[0], (int64_t)command->request.hash_high);
    fq_column_set_integer(*out, &fq_request_table.columns[1], (int64_t)command->request.hash_low);
    return call->service->engine->ops->reader_load(reader, call->arena,
                                                   &(fq_row_group){&fq_request_table, out, 1}, 1);
}

static fq_err look(fq_call *call, const order_close *close, order_row **out, fq_row **out_record) {
    fq_reading reading FQ_READING_ENDS = {0};
    FQ_TRY(fq_reading_begin(call->service, &reading));
    FQ_TRY(load(call->service, reading.reader, call->arena, close->id.v, out));
    return load_record(call, &close->base, reading.reader, out_record);
}

static fq_err check_cancel(fq_call *call, const order_row *order) {
    const fq_err err =
        fq_scope_check(&call->caller, FQ_MAY_ORDER_SEE, FQ_MAY_ORDER_CREATE,
                       (fq_sides){order->payee_id.v, order->payer_id.v}, FQ_NOT_ALLOWED);
    if (err.code && call->caller.scope == FQ_SCOPE_PAYER) {
        fq_guard_facts guard;
        FQ_TRY(fq_payment_guards_of(call->service->peers, call->arena, &order->id.v, 1, &guard));
        return is_anothers(&call->caller, &guard) ? fq_refuse(FQ_ORDER_NOT_FOUND, NULL) : err;
    }
    return err;
}

fq_err order_before_cancel(fq_call *call, fq_command *command) {
    order_close *close = (order_close *)command;
    order_row *order;
    fq_row *record;
    FQ_TRY(look(call, close, &order, &record));
    if (order->row.state == FQ_ROW_ABSENT || !order_is_visible(&call->caller, order)) {
        return fq_refuse(FQ_ORDER_NOT_FOUND, NULL);
    }
    FQ_TRY(check_cancel(call, order));
    // Another request's key is refused before payment has closed anything.
    if (record->state != FQ_ROW_ABSENT && !fq_request_is_same(command, record)) {
        return fq_request_differs(command, record);
    }
    close->was_closed = order->status != ORDER_PENDING;
    // A repeated call finds the guard closed already; whether it is a replay is seen with its
    // record, in the command.
    return close->was_closed
               ? FQ_OK
               : fq_payment_close_order(call->service->peers, close->id, FQ_GUARD_CANCELLED);
}

// --- lists ---

static const fq_choice status_choices[] = {
#define X(stored, name, wire) {wire, name},
    ORDER_STATUSES(X)
#undef X
        {NULL, 0}};

typedef struct {
    fq_page page;
    fq_caller caller;
    fq_user_id user_id, payee_id, payer_id;
    int status;
    fq_str reference;
    const fq_service *service;
} orders_query;

static const fq_field query_rows[] = {
    FQ_PAGE_FIELDS(orders_query),
    {.name = "user_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(orders_query, user_id)},
    {.name = "payee_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(orders_query, payee_id)},
    {.name = "payer_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(orders_query, payer_id)},
    {.name = "status",
     .kind = FQ_FIELD_ENUM,
     .choices = status_choices,
     .offset = FQ_AT(orders_query, status)},
    {.name = "reference",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = REFERENCE_MAX,
     .offset = FQ_AT(orders_query, reference)},
};
static const fq_fields query_fields = FQ_FIELDS(query_rows, orders_query);

static bool accept(void *context, const fq_row *at) {
    const orders_query *query = context;
    const order_row *row = (const order_row *)at;
    return fq_scope_may_to(&query->caller, FQ_MAY_ORDER_SEE,
                           (fq_sides){row->payee_id.v, row->payer_id.v}) &&
           (!query->user_id.v || query->user_id.v == row->payee_id.v ||
            query->user_id.v == row->payer_id.v) &&
           (!query->payee_id.v || query->payee_id.v == row->payee_id.v) &&
           (!query->payer_id.v || query->payer_id.v == row->payer_id.v) &&
           (!query->status || query->status == row->status) &&
           (query->reference.len == 0 || fq_str_equal(query->reference, row->reference));
}

static void encode(void *context, fq_json_writer *out, const fq_row *row) {
    const orders_query *query = context;
    order_encode(query->service, out, NULL, (const order_row *)row);
}

typedef struct {
    fq_list_found found;
    order_reference_hash hash;
} referred;

static bool note(void *context, const fq_row *row) {
    referred *at = context;
    const order_reference_row *reference = (const order_reference_row *)row;
    if (reference->hash_low == at->hash.low) {
        fq_list_found_add(&at->found, reference->subject);
    }
    return true;
}

// One payee's order of that reference, by the whole key: there is at most one.
static fq_err note_of_payee(fq_call *call, fq_reader *reader, uint64_t payee, referred *at) {
    order_reference_row *row =
        (order_reference_row *)fq_row_make(&order_reference_table, call->arena);
    row->hash_high = at->hash.high;
    row->hash_low = at->hash.low;
    row->owner = payee;
    fq_row *rows[] = {&row->row};
    FQ_TRY(call->service->engine->ops->reader_load(
        reader, call->arena, &(fq_row_group){&order_reference_table, rows, 1}, 1));
    if (row->row.state != FQ_ROW_ABSENT) {
        fq_list_found_add(&at->found, row->subject);
    }
    return FQ_OK;
}

// `payee` 0: any payee's.
static fq_err with_reference(fq_call *call, fq_reader *reader, fq_str reference, uint64_t payee,
                             fq_list_of *list) {
    referred *at = FQ_NEW(call->arena, referred);
    at->hash = order_reference_hash_of(reference);
    FQ_TRY(fq_list_found_begin(list, &at->found));
    if (payee) {
        FQ_TRY(note_of_payee(call, reader, payee, at));
    } else {
        FQ_TRY(call->service->engine->ops->reader_scan(reader,
                                                       &(fq_scan){.table = &order_reference_table,
                                                                  .above = at->hash.high - 1,
                                                                  .below = at->hash.high + 1,
                                                                  .forward = true,
                                                                  .visit = note,
                                                                  .context = at}));
    }
    return fq_list_found_load(call, reader, &at->found, list);
}

fq_err order_read_list(fq_call *call, fq_reader *reader) {
    orders_query query = {
        .page = {.limit = FQ_PAGE_LIMIT_DEFAULT}, .caller = call->caller, .service = call->service};
    FQ_TRY(fq_call_query(call, &query_fields, &query));
    // The caller's own rows: where a page of others' ends would tell how many they have.
    const bool payer = call->caller.scope == FQ_SCOPE_PAYER;
    const uint64_t payee =
        call->caller.scope == FQ_SCOPE_MERCHANT ? call->caller.user.v : query.payee_id.v;
    fq_list_of list = {.table = &order_table,
                       .id_kind = FQ_ID_order,
                       .source_count = 1,
                       .page = &query.page,
                       .accept = accept,
                       .encode = encode,
                       .context = &query};
    if (payer) {
        list.sources[0] = (fq_list_source){&order_by_payer, call->caller.user.v};
    } else if (query.reference.len > 0) {
        FQ_TRY(with_reference(call, reader, query.reference, payee, &list));
    } else if (payee) {
        list.sources[0] = (fq_list_source){&order_by_payee, payee};
    } else if (query.payer_id.v) {
        list.sources[0] = (fq_list_source){&order_by_payer, query.payer_id.v};
    } else if (query.user_id.v) {
        list.sources[0] = (fq_list_source){&order_by_payee, query.user_id.v};
        list.sources[1] = (fq_list_source){&order_by_payer, query.user_id.v};
        list.source_count = 2;
    }
    return fq_list_answer(call, reader, &list);
}
