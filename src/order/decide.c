// The rules of orders. Pure: no I/O, clock, randomness. Each function refuses first, in the
// contract's order.
//
//     pending --payment succeeded--> paid --refunded in part--> partially_refunded
//     paid, partially_refunded --refunded--> refunded
//     pending --cancel--> cancelled          pending --lapse--> expired
//
// Whether an order may still be paid is payment's to decide (its guard); the status here follows.
#include "order/rows.h"

bool order_is_visible(const fq_caller *by, const order_row *order) {
    const bool open_to_any = by->scope == FQ_SCOPE_PAYER && order->payer_id.v == 0;
    return open_to_any ||
           fq_scope_may_to(by, FQ_MAY_ORDER_SEE, (fq_sides){order->payee_id.v, order->payer_id.v});
}

// --- create ---

static fq_err check_users(order_create *create, fq_batch *batch) {
    const fq_sides payee = {create->payee_id.v, create->payee_id.v};
    FQ_TRY(fq_party_take(batch, create->payee, create->users_known ? &create->payee_facts : NULL));
    FQ_TRY(fq_scope_check(&create->base.by, FQ_MAY_USER_SEE, FQ_MAY_ORDER_CREATE, payee,
                          FQ_USER_NOT_FOUND));
    if (!(create->payee->roles & FQ_ROLE_MERCHANT)) {
        return fq_refuse(FQ_NOT_ALLOWED, "payee_id");
    }
    if (create->payer) {
        FQ_TRY(
            fq_party_take(batch, create->payer, create->users_known ? &create->payer_facts : NULL));
        if (!(create->payer->roles & FQ_ROLE_PAYER)) {
            return fq_refuse(FQ_NOT_ALLOWED, "payer_id");
        }
        if (create->payer_id.v == create->payee_id.v) {
            return fq_refuse(FQ_PAYER_IS_PAYEE, "payer_id");
        }
    }
    const bool active = create->payee->status == FQ_USER_IS_ACTIVE &&
                        (!create->payer || create->payer->status == FQ_USER_IS_ACTIVE);
    return active ? FQ_OK : fq_refuse(FQ_USER_FROZEN, NULL);
}

fq_err order_decide_create(order_create *create, fq_batch *batch) {
    FQ_ASSERT(create->amount_minor > 0);
    FQ_TRY(check_users(create, batch));
    if (create->taken && create->taken->row.state != FQ_ROW_ABSENT) {
        return fq_refuse(FQ_REFERENCE_TAKEN, "reference");
    }
    order_row *order = create->order;
    fq_row_touch(batch, &order->row);
    order->payee_id = create->payee_id;
    order->payer_id = create->payer_id;
    order->amount_minor = create->amount_minor;
    order->currency = create->currency;
    order->created_ms = order->updated_ms = fq_batch_now_ms(batch);
    order->expires_ms = order->created_ms + create->expires_in_ms;
    order->description = create->description;
    order->items = create->items;
    order->reference = create->reference;
    order->return_url = create->return_url;
    order->metadata = create->metadata;
    order->status = ORDER_PENDING;
    order->version = 1;
    if (create->taken) {
        fq_row_touch(batch, &create->taken->row);
        create->taken->subject = order->id.v;
    }
    fq_work_schedule(batch, order->expires_ms, WORK_EXPIRE, order->id.v);
    fq_tell(batch, &create->base, TOLD_CREATED, order->id.v, 1, &order->row);
    create->base.subject = order->id.v;
    create->shown = *order;
    return FQ_OK;
}

// --- what changes a status ---

static void set_status(fq_batch *batch, fq_command *command, order_row *order, order_status status,
                       order_event event) {
    fq_row_touch(batch, &order->row);
    order->status = (uint8_t)status;
    order->updated_ms = fq_batch_now_ms(batch);
    order->version++;
    fq_tell(batch, command, (uint16_t)event, order->id.v, order->version, &order->row);
}

fq_err order_decide_close(order_close *close, fq_batch *batch) {
    order_row *order = close->order;
    if (close->by_timer) {
        fq_work_done(batch, close->work);
        if (order->row.state == FQ_ROW_ABSENT || order->status != ORDER_PENDING || !close->status) {
            return FQ_OK;  // it ended otherwise before its time came
        }
    } else {
        if (order->row.state == FQ_ROW_ABSENT || !order_is_visible(&close->base.by, order)) {
            return fq_refuse(FQ_ORDER_NOT_FOUND, NULL);
        }
        FQ_TRY(fq_scope_check(&close->base.by, FQ_MAY_ORDER_SEE, FQ_MAY_ORDER_CREATE,
                              (fq_sides){order->payee_id.v, order->payer_id.v}, FQ_NOT_ALLOWED));
    }
    if (order->status == ORDER_PENDING) {
        set_status(batch, &close->base, order, close->status,
                   close->status == ORDER_EXPIRED ? TOLD_EXPIRED : TOLD_CANCELLED);
        fq_work_done(batch, close->work);
    } else if (order->status == ORDER_PAID || order->status == ORDER_PARTIALLY_REFUNDED ||
               order->status == ORDER_REFUNDED) {
        return fq_refuse(FQ_ORDER_ALREADY_PAID, NULL);
    } else if (close->was_closed || order->status != (uint8_t)close->status) {
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    close->base.subject = order->id.v;
    memcpy(&close->shown, fq_row_copy(&order->row, close->base.arena), sizeof(close->shown));
    return FQ_OK;
}

// --- following payment ---

FQ_ROW(payment_told, FQ_PAYMENT_TOLD_COLUMNS)
static const fq_column payment_told_columns[] = {FQ_COLUMNS(payment_told, FQ_PAYMENT_TOLD_COLUMNS)};
static const fq_table payment_told_table = {
    .name = "payment_told", .key_count = 1, FQ_TABLE_OF(payment_told, payment_told_columns)};

FQ_ROW(guard_told, FQ_GUARD_TOLD_COLUMNS)
static const fq_column guard_told_columns[] = {FQ_COLUMNS(guard_told, FQ_GUARD_TOLD_COLUMNS)};
static const fq_table guard_told_table = {
    .name = "guard_told", .key_count = 1, FQ_TABLE_OF(guard_told, guard_told_columns)};

// The order that an event is about; 0 when it is about none.
static uint64_t order_of(const fq_event_row *event, payment_told *out) {
    *out = (payment_told){.row = {.table = &payment_told_table}};
    if (event->type == FQ_GUARD_CLOSED) {
        return event->subject;
    }
    const bool about_payment =
        event->type < FQ_GUARD_CLOSED && fq_row_apply_told_prefix(&out->row, event->told);
    return about_payment ? out->order_id.v : 0;
}

void order_follow_want(fq_service *service, fq_batch *batch, const fq_event_row *event, int round) {
    (void)service;
    payment_told told;
    const uint64_t id = order_of(event, &told);
    if (id == 0) {
        return;
    }
    const order_row *order = (const order_row *)fq_want(batch, &order_table, id, 0, 0);
    if (round == 1 && order->status == ORDER_PENDING) {
        fq_work_want(batch, order->expires_ms, WORK_EXPIRE, id);
    }
}

// An order that has ended does not lapse any more.
static void end_timer(fq_batch *batch, const order_row *order) {
    fq_work_row *work = fq_work_want(batch, order->expires_ms, WORK_EXPIRE, order->id.v);
    if (work->row.state != FQ_ROW_ABSENT) {
        fq_work_done(batch, work);
    }
}

static void close_by_guard(fq_batch *batch, order_row *order, const fq_event_row *event) {
    guard_told told = {.row = {.table = &guard_told_table}};
    if (order->status == ORDER_PENDING && fq_row_apply_told_prefix(&told.row, event->told)) {
        const bool expired = told.state == FQ_GUARD_EXPIRED;
        end_timer(batch, order);
        set_status(batch, NULL, order, expired ? ORDER_EXPIRED : ORDER_CANCELLED,
                   expired ? TOLD_EXPIRED : TOLD_CANCELLED);
    }
}

static void follow_payment(fq_batch *batch, order_row *order, const payment_told *told) {
    if (told->status != FQ_PAYMENT_IS_SUCCEEDED) {
        return;
    }
    if (order->status == ORDER_PENDING) {
        end_timer(batch, order);
    }
    fq_row_touch(batch, &order->row);
    order->paid_minor = told->captured_minor;
    order->refunded_minor = told->refunded_minor;
    if (told->refunded_minor == 0) {
        set_status(batch, NULL, order, ORDER_PAID, TOLD_PAID);
    } else if (told->refunded_minor < told->captured_minor) {
        set_status(batch, NULL, order, ORDER_PARTIALLY_REFUNDED, TOLD_PARTIALLY_REFUNDED);
    } else {
        set_status(batch, NULL, order, ORDER_REFUNDED, TOLD_REFUNDED);
    }
}

void order_follow_decide(fq_service *service, fq_batch *batch, const fq_event_row *event) {
    (void)service;
    payment_told told;
    const uint64_t id = order_of(event, &told);
    if (id == 0) {
        return;
    }
    order_row *order = (order_row *)fq_want(batch, &order_table, id, 0, 0);
    if (order->row.state == FQ_ROW_ABSENT) {
        return;
    }
    if (event->type == FQ_GUARD_CLOSED) {
        close_by_guard(batch, order, event);
    } else {
        follow_payment(batch, order, &told);
    }
}
