// The order service as a whole: its routes, events, timers, and what it follows.
#include "order/rows.h"
#include "service/events.h"

// To add a route, add a row: who may (scope.h), the command with its decoder and encoder, or what
// reads.
static const fq_route routes[] = {
    {.method = FQ_POST,
     .path = "/v1/orders",
     .operation = FQ_MAY_ORDER_CREATE,
     .command = &order_create_kind,
     .command_bytes = sizeof(order_create),
     .decode = order_decode_create,
     .encode = order_encode_create},
    {.method = FQ_POST,
     .path = "/v1/orders/bulk",
     .operation = FQ_MAY_ORDER_CREATE,
     .command = &order_bulk_kind,
     .command_bytes = sizeof(order_bulk),
     .decode = order_decode_bulk,
     .encode = order_encode_bulk,
     .body_bytes_max = 1 << 20},
    {.method = FQ_POST,
     .path = "/v1/orders/{order_id}/cancel",
     .operation = FQ_MAY_ORDER_CREATE,
     .command = &order_cancel_kind,
     .command_bytes = sizeof(order_close),
     .decode = order_decode_cancel,
     .before = order_before_cancel,
     .encode = order_encode_close,
     .body_optional = true},
    {.method = FQ_GET,
     .path = "/v1/orders",
     .operation = FQ_MAY_ORDER_SEE,
     .read = order_read_list},
    {.method = FQ_GET,
     .path = "/v1/orders/{order_id}",
     .operation = FQ_MAY_ORDER_SEE,
     .read = order_read_one},
    {.method = FQ_POST,
     .path = "/internal/order/facts",
     .read = order_internal_facts,
     .house_only = true},
    FQ_EVENTS_ROUTE("order"),
};

static void show(fq_service *service, fq_json_writer *out, const fq_row *row) {
    order_encode(service, out, "data", (const order_row *)row);
}

static fq_sides sides(const fq_row *row) {
    const order_row *order = (const order_row *)row;
    return (fq_sides){order->payee_id.v, order->payer_id.v};
}

static const fq_event_type events[] = {
    {TOLD_CREATED, "order.created", &order_table, FQ_ID_order, show, sides},
    {TOLD_PAID, "order.paid", &order_table, FQ_ID_order, show, sides},
    {TOLD_PARTIALLY_REFUNDED, "order.partially_refunded", &order_table, FQ_ID_order, show, sides},
    {TOLD_REFUNDED, "order.refunded", &order_table, FQ_ID_order, show, sides},
    {TOLD_CANCELLED, "order.cancelled", &order_table, FQ_ID_order, show, sides},
    {TOLD_EXPIRED, "order.expired", &order_table, FQ_ID_order, show, sides},
};

// Payment closes its guard first; what it says decides whether the order lapses. Runs on the
// timer's thread.
static fq_command *expire(fq_service *service, fq_arena *arena, const fq_work_row *work) {
    const fq_order_id id = {work->subject};
    const fq_err err = fq_payment_close_order(service->peers, id, FQ_GUARD_EXPIRED);
    if (err.code == FQ_UNAVAILABLE || err.code == FQ_INTERNAL) {
        return NULL;  // asked again when the lease has run out
    }
    order_close *close = FQ_NEW(arena, order_close);
    close->base = (fq_command){.kind = &order_expire_kind, .arena = arena, .units = 1};
    close->id = id;
    close->by_timer = true;
    close->due_ms = work->due_ms;
    close->status = err.code ? 0 : ORDER_EXPIRED;
    return &close->base;
}

static const fq_work_kind work[] = {{WORK_EXPIRE, "order.expire", expire}};

static const fq_follow_rule follows[] = {
    {FQ_SERVICE_USER, fq_party_follow_want, fq_party_follow_decide},
    {FQ_SERVICE_PAYMENT, order_follow_want, order_follow_decide},
};

const fq_service_kind fq_order_service = {
    .number = FQ_SERVICE_ORDER,
    .name = "order",
    .schema = &order_schema,
    .routes = routes,
    .route_count = sizeof(routes) / sizeof(routes[0]),
    .events = events,
    .event_count = sizeof(events) / sizeof(events[0]),
    .work = work,
    .work_count = sizeof(work) / sizeof(work[0]),
    .follows = follows,
    .follow_count = sizeof(follows) / sizeof(follows[0]),
    .find = order_find_facts,
    .returned = order_returned,
    .count = order_count,
};
