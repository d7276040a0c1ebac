// The payment service as a whole: its routes, events, timers, and what it follows.
#include "payment/rows.h"
#include "service/events.h"

// To add a route, add a row: who may (scope.h), the command with its decoder and encoder, or what
// reads.
static const fq_route routes[] = {
    {.method = FQ_POST,
     .path = "/v1/payments",
     .operation = FQ_MAY_PAY,
     .command = &payment_pay_kind,
     .command_bytes = sizeof(payment_pay),
     .decode = payment_decode_pay,
     .encode = payment_encode_pay,
     .key_required = true},
    {.method = FQ_POST,
     .path = "/payment/{order_id}",
     .operation = FQ_MAY_PAY,
     .command = &payment_pay_kind,
     .command_bytes = sizeof(payment_pay),
     .decode = payment_decode_short,
     .encode = payment_encode_short,
     .short_form = true},
    {.method = FQ_POST,
     .path = "/v1/payments/bulk",
     .operation = FQ_MAY_PAY,
     .command = &payment_bulk_kind,
     .command_bytes = sizeof(payment_bulk),
     .decode = payment_decode_bulk,
     .encode = payment_encode_bulk,
     .body_bytes_max = 1 << 20,
     .key_required = true},
    {.method = FQ_POST,
     .path = "/v1/payments/{payment_id}/capture",
     .operation = FQ_MAY_CAPTURE,
     .command = &payment_capture_kind,
     .command_bytes = sizeof(payment_change),
     .decode = payment_decode_capture,
     .encode = payment_encode_change,
     .body_optional = true,
     .key_required = true},
    {.method = FQ_POST,
     .path = "/v1/payments/{payment_id}/cancel",
     .operation = FQ_MAY_PAY,
     .command = &payment_cancel_kind,
     .command_bytes = sizeof(payment_change),
     .decode = payment_decode_cancel,
     .encode = payment_encode_change,
     .body_optional = true},
    {.method = FQ_GET,
     .path = "/v1/payments",
     .operation = FQ_MAY_PAYMENT_SEE,
     .read = payment_read_list},
    {.method = FQ_GET,
     .path = "/v1/payments/{payment_id}",
     .operation = FQ_MAY_PAYMENT_SEE,
     .read = payment_read_one},
    {.method = FQ_GET,
     .path = "/v1/payments/{payment_id}/entries",
     .operation = FQ_MAY_PAYMENT_SEE,
     .read = payment_read_entries},
    {.method = FQ_POST,
     .path = "/v1/refunds",
     .operation = FQ_MAY_REFUND,
     .command = &refund_create_kind,
     .command_bytes = sizeof(refund_create),
     .decode = refund_decode_create,
     .encode = refund_encode_create,
     .key_required = true},
    {.method = FQ_GET,
     .path = "/v1/refunds",
     .operation = FQ_MAY_PAYMENT_SEE,
     .read = refund_read_list},
    {.method = FQ_GET,
     .path = "/v1/refunds/{refund_id}",
     .operation = FQ_MAY_PAYMENT_SEE,
     .read = refund_read_one},
    {.method = FQ_POST,
     .path = "/v1/topups",
     .operation = FQ_MAY_TOPUP_CREATE,
     .command = &topup_create_kind,
     .command_bytes = sizeof(topup_create),
     .decode = topup_decode_create,
     .encode = topup_encode_create,
     .key_required = true},
    {.method = FQ_GET,
     .path = "/v1/topups",
     .operation = FQ_MAY_TOPUP_SEE,
     .read = topup_read_list},
    {.method = FQ_GET,
     .path = "/v1/topups/{topup_id}",
     .operation = FQ_MAY_TOPUP_SEE,
     .read = topup_read_one},
    {.method = FQ_GET,
     .path = "/v1/users/{user_id}/balances",
     .operation = FQ_MAY_ACCOUNT_SEE,
     .read = ledger_read_balances},
    {.method = FQ_GET,
     .path = "/v1/accounts",
     .operation = FQ_MAY_ACCOUNT_SEE,
     .read = ledger_read_accounts},
    {.method = FQ_GET,
     .path = "/v1/accounts/{account_id}",
     .operation = FQ_MAY_ACCOUNT_SEE,
     .read = ledger_read_account},
    {.method = FQ_GET,
     .path = "/v1/accounts/{account_id}/entries",
     .operation = FQ_MAY_ACCOUNT_SEE,
     .read = ledger_read_entries},
    {.method = FQ_POST,
     .path = "/internal/payment/guards",
     .read = internal_read_guards,
     .house_only = true},
    {.method = FQ_POST,
     .path = "/internal/payment/close_order",
     .command = &guard_close_kind,
     .command_bytes = sizeof(guard_close),
     .decode = internal_decode_close_order,
     .encode = internal_encode_close_order,
     .house_only = true},
    {.method = FQ_POST,
     .path = "/internal/payment/close_user",
     .read = internal_read_close_user,
     .house_only = true},
    {.method = FQ_POST,
     .path = "/internal/payment/followed",
     .read = internal_read_followed,
     .house_only = true},
    FQ_EVENTS_ROUTE("payment"),
};

// --- events ---

static void show_payment(fq_service *service, fq_json_writer *out, const fq_row *row) {
    (void)service;
    payment_encode(out, "data", (const payment_row *)row);
}

static fq_sides sides_of_payment(const fq_row *row) {
    const payment_row *payment = (const payment_row *)row;
    return (fq_sides){payment->payee_id.v, payment->payer_id.v};
}

static void show_refund(fq_service *service, fq_json_writer *out, const fq_row *row) {
    (void)service;
    refund_encode(out, "data", (const refund_row *)row);
}

static fq_sides sides_of_refund(const fq_row *row) {
    const refund_row *refund = (const refund_row *)row;
    return (fq_sides){refund->payee_id.v, refund->payer_id.v};
}

static void show_topup(fq_service *service, fq_json_writer *out, const fq_row *row) {
    (void)service;
    topup_encode(out, "data", (const topup_row *)row);
}

static fq_sides sides_of_topup(const fq_row *row) {
    const topup_row *topup = (const topup_row *)row;
    return (fq_sides){topup->user_id.v, topup->user_id.v};
}

static void show_guard(fq_service *service, fq_json_writer *out, const fq_row *row) {
    (void)service;
    const guard_row *guard = (const guard_row *)row;
    fq_json_object_begin(out, "data");
    fq_json_put_id(out, "order_id", FQ_ID_order, guard->order_id.v);
    fq_json_put_literal(out, "object", "order_guard");
    fq_json_put_literal(out, "status", guard->state == FQ_GUARD_EXPIRED ? "expired" : "cancelled");
    fq_json_object_end(out);
}

// Who may see a guard is not known here; the order service tells the order's own event.
static fq_sides sides_of_guard(const fq_row *row) {
    (void)row;
    return (fq_sides){0, 0};
}

static const fq_event_type events[] = {
    {FQ_PAYMENT_AUTHORIZED, "payment.authorized", &payment_table, FQ_ID_payment, show_payment,
     sides_of_payment},
    {FQ_PAYMENT_SUCCEEDED, "payment.succeeded", &payment_table, FQ_ID_payment, show_payment,
     sides_of_payment},
    {FQ_PAYMENT_CANCELLED, "payment.cancelled", &payment_table, FQ_ID_payment, show_payment,
     sides_of_payment},
    {FQ_PAYMENT_REFUNDED, "payment.refunded", &payment_table, FQ_ID_payment, show_payment,
     sides_of_payment},
    {FQ_GUARD_CLOSED, "order_guard.closed", &guard_table, FQ_ID_order, show_guard, sides_of_guard},
    {FQ_REFUND_SUCCEEDED, "refund.succeeded", &refund_table, FQ_ID_refund, show_refund,
     sides_of_refund},
    {FQ_TOPUP_SUCCEEDED, "topup.succeeded", &topup_table, FQ_ID_topup, show_topup, sides_of_topup},
};

// --- timers ---

static fq_command *end_authorization(fq_service *service, fq_arena *arena,
                                     const fq_work_row *work) {
    (void)service;
    payment_change *change = FQ_NEW(arena, payment_change);
    change->base = (fq_command){.kind = &payment_cancel_kind, .arena = arena, .units = 1};
    change->id.v = work->subject;
    change->lapsed = true;
    return &change->base;
}

static const fq_work_kind work[] = {
    {WORK_END_AUTHORIZATION, "payment.end_authorization", end_authorization}};

static const fq_follow_rule follows[] = {
    {FQ_SERVICE_USER, fq_party_follow_want, fq_party_follow_decide}};

const fq_service_kind fq_payment_service = {
    .number = FQ_SERVICE_PAYMENT,
    .name = "payment",
    .schema = &payment_schema,
    .routes = routes,
    .route_count = sizeof(routes) / sizeof(routes[0]),
    .events = events,
    .event_count = sizeof(events) / sizeof(events[0]),
    .work = work,
    .work_count = sizeof(work) / sizeof(work[0]),
    .follows = follows,
    .follow_count = sizeof(follows) / sizeof(follows[0]),
    .find = payment_find_facts,
    .submit = payment_submit,
    .returned = payment_returned,
    .count = payment_count,
    .look_over = payment_look_over,
};
