// The rules of payments, refunds and top-ups. Pure: no I/O, clock, randomness. Each function
// refuses first, in the order that the contract names, then changes; so none can half-fail.
//
//     payment:  (new) --pay--> succeeded
//               (new) --pay, manual--> authorized --capture--> succeeded
//                                          \--cancel, lapse--> cancelled
//     guard:    open --pay--> paid         open --pay, manual--> held --capture--> paid
//               open --close--> cancelled | expired
//               held --cancel, lapse--> open (or what was wished)
#include "payment/rows.h"
#include "service/worker.h"

enum { BASIS_POINTS = 10000 };

// --- what several rules share ---

static fq_err see_parties(fq_batch *batch, fq_party_row *party, const fq_user_facts *facts,
                          bool known) {
    return fq_party_take(batch, party, known ? facts : NULL);
}

static fq_money money_of(int64_t amount_minor, fq_currency currency) {
    return (fq_money){amount_minor, currency};
}

// What the house keeps of a payment; never more than the payment.
static int64_t fee_of(int64_t amount_minor, int64_t fee_bps) {
    return amount_minor / BASIS_POINTS * fee_bps +
           amount_minor % BASIS_POINTS * fee_bps / BASIS_POINTS;
}

static void take_reference(fq_batch *batch, reference_row *taken, uint64_t subject) {
    if (taken) {
        fq_row_touch(batch, &taken->row);
        taken->subject = subject;
    }
}

static bool is_taken(const reference_row *taken) {
    return taken && taken->row.state != FQ_ROW_ABSENT;
}

// Books what the caller has made sure can be booked.
static void book(fq_batch *batch, const fq_transfer *transfer) {
    const fq_err err = fq_ledger_book(batch, transfer);
    FQ_ASSERT(!err.code);
}

static bool fits(const fq_account_row *credit, int64_t amount_minor) {
    int64_t sum;
    return fq_add(credit->balance_minor, amount_minor, &sum);
}

static void guard_set(fq_batch *batch, guard_row *guard, fq_guard_state state) {
    fq_row_touch(batch, &guard->row);
    guard->state = (uint8_t)state;
    guard->version++;
}

static fq_guard_state guard_state(const guard_row *guard) {
    return guard->row.state == FQ_ROW_ABSENT ? FQ_GUARD_OPEN : (fq_guard_state)guard->state;
}

// --- pay ---

// The order and both users are there and may be seen by the caller; the caller may pay; the roles
// allow it.
static fq_err check_who(payment_pay *pay, fq_batch *batch) {
    const fq_order_facts *order = &pay->facts.order;
    const fq_caller *by = &pay->base.by;
    const bool known = pay->facts.users_known;
    const fq_sides payer_sides = {pay->payer_id.v, pay->payer_id.v};
    FQ_TRY(see_parties(batch, pay->payer, &pay->facts.payer, known));
    if (!fq_scope_may_to(by, FQ_MAY_USER_SEE, payer_sides)) {
        return fq_refuse(FQ_USER_NOT_FOUND, "user_id");
    }
    const uint64_t order_payer = order->payer.v ? order->payer.v : pay->payer_id.v;
    if (!order->exists ||
        !fq_scope_may_to(by, FQ_MAY_ORDER_SEE, (fq_sides){order->payee.v, order_payer})) {
        return fq_refuse(FQ_ORDER_NOT_FOUND, "order_id");
    }
    FQ_TRY(see_parties(batch, pay->payee, &pay->facts.payee, known));
    if (!fq_scope_may_to(by, FQ_MAY_PAY, (fq_sides){0, pay->payer_id.v}) ||
        !(pay->payer->roles & FQ_ROLE_PAYER)) {
        return fq_refuse(FQ_NOT_ALLOWED, "user_id");
    }
    return FQ_OK;
}

static fq_err check_order(const payment_pay *pay) {
    const fq_order_facts *order = &pay->facts.order;
    if (order->payer.v && order->payer.v != pay->payer_id.v) {
        return fq_refuse(FQ_PAYER_MISMATCH, "user_id");
    }
    if (order->payee.v == pay->payer_id.v) {
        return fq_refuse(FQ_PAYER_IS_PAYEE, "user_id");
    }
    if (pay->payer->status != FQ_USER_IS_ACTIVE || pay->payee->status != FQ_USER_IS_ACTIVE) {
        return fq_refuse(FQ_USER_FROZEN, NULL);
    }
    if (pay->amount_minor != order->amount.amount_minor) {
        return fq_refuse(FQ_AMOUNT_MISMATCH, "amount");
    }
    if (pay->currency.v && !fq_currency_equal(pay->currency, order->amount.currency)) {
        return fq_refuse(FQ_CURRENCY_MISMATCH, "currency");
    }
    return FQ_OK;
}

static fq_err check_guard(const guard_row *guard) {
    switch (guard_state(guard)) {
    case FQ_GUARD_OPEN:
        return FQ_OK;
    case FQ_GUARD_PAID:
        return fq_refuse(FQ_ORDER_ALREADY_PAID, "order_id");
    case FQ_GUARD_HELD:
    case FQ_GUARD_CANCELLED:
    case FQ_GUARD_EXPIRED:
        return fq_refuse(FQ_ORDER_NOT_PAYABLE, "order_id");
    }
    return fq_refuse(FQ_INTERNAL, NULL);  // the store holds what no state is
}

static fq_err check_payable(const payment_pay *pay, int64_t now_ms) {
    const fq_order_facts *order = &pay->facts.order;
    FQ_TRY(check_guard(pay->guard));
    if (order->expires_ms != 0 && order->expires_ms <= now_ms) {
        return fq_refuse(FQ_ORDER_NOT_PAYABLE, "order_id");
    }
    return is_taken(pay->taken) ? fq_refuse(FQ_REFERENCE_TAKEN, "reference") : FQ_OK;
}

static void make_payment(payment_pay *pay, fq_batch *batch) {
    payment_row *payment = pay->payment;
    fq_row_touch(batch, &payment->row);
    payment->order_id = pay->order_id;
    payment->payer_id = pay->payer_id;
    payment->payee_id = pay->facts.order.payee;
    payment->amount_minor = pay->amount_minor;
    payment->currency = pay->facts.order.amount.currency;
    payment->method = (uint8_t)pay->method;
    payment->manual = pay->capture != 0;
    payment->created_ms = fq_batch_now_ms(batch);
    payment->updated_ms = payment->created_ms;
    payment->capture_before_ms =
        payment->manual ? payment->created_ms + pay->authorization_lifetime_ms : 0;
    payment->previous = pay->guard->payment_id;
    payment->reference = pay->reference;
    payment->metadata = pay->metadata;
    payment->version = 1;
    take_reference(batch, pay->taken, payment->id.v);
}

// Money to the payee, and the house's fee out of it.
static void settle(fq_batch *batch, payment_row *payment, fq_account_row *from,
                   fq_account_row *payee, fq_account_row *fees, fq_transfer_kind kind,
                   int64_t amount_minor, int64_t fee_bps) {
    book(batch, &(fq_transfer){.debit = from,
                               .credit = payee,
                               .amount = money_of(amount_minor, payment->currency),
                               .kind = kind,
                               .payment = payment->id.v,
                               .subject = payment->id.v});
    payment->captured_minor = amount_minor;
    payment->fee_minor = fee_of(amount_minor, fee_bps);
    if (payment->fee_minor > 0) {
        book(batch, &(fq_transfer){.debit = payee,
                                   .credit = fees,
                                   .amount = money_of(payment->fee_minor, payment->currency),
                                   .kind = FQ_TRANSFER_FEE,
                                   .payment = payment->id.v,
                                   .subject = payment->id.v});
    }
    payment->status = FQ_PAYMENT_IS_SUCCEEDED;
}

static void pay_at_once(payment_pay *pay, fq_batch *batch) {
    settle(batch, pay->payment, pay->payer_available, pay->payee_available, pay->fees,
           FQ_TRANSFER_PAYMENT, pay->amount_minor, pay->fee_bps);
    guard_set(batch, pay->guard, FQ_GUARD_PAID);
    pay->guard->paid_minor = pay->amount_minor;
    fq_tell(batch, &pay->base, FQ_PAYMENT_SUCCEEDED, pay->payment->id.v, 1, &pay->payment->row);
}

static void hold(payment_pay *pay, fq_batch *batch) {
    payment_row *payment = pay->payment;
    book(batch, &(fq_transfer){.debit = pay->payer_available,
                               .credit = pay->payer_held,
                               .amount = money_of(pay->amount_minor, payment->currency),
                               .kind = FQ_TRANSFER_HOLD,
                               .payment = payment->id.v,
                               .subject = payment->id.v});
    payment->status = FQ_PAYMENT_IS_AUTHORIZED;
    guard_set(batch, pay->guard, FQ_GUARD_HELD);
    fq_work_schedule(batch, payment->capture_before_ms, WORK_END_AUTHORIZATION, payment->id.v);
    fq_tell(batch, &pay->base, FQ_PAYMENT_AUTHORIZED, payment->id.v, 1, &payment->row);
}

fq_err payment_decide_pay(payment_pay *pay, fq_batch *batch) {
    FQ_ASSERT(pay->amount_minor > 0);
    FQ_TRY(check_who(pay, batch));
    FQ_TRY(check_order(pay));
    FQ_TRY(check_payable(pay, fq_batch_now_ms(batch)));
    fq_account_row *credited = pay->capture ? pay->payer_held : pay->payee_available;
    if (!fq_account_covers(pay->payer_available, pay->amount_minor)) {
        return fq_refuse(FQ_INSUFFICIENT_BALANCE, "amount");
    }
    if (!fits(credited, pay->amount_minor)) {
        return fq_refuse(FQ_STATE_CONFLICT, "amount");
    }
    make_payment(pay, batch);
    if (pay->capture) {
        hold(pay, batch);
    } else {
        pay_at_once(pay, batch);
    }
    pay->guard->payment_id = pay->payment->id;
    pay->base.subject = pay->payment->id.v;
    pay->shown = *pay->payment;
    return FQ_OK;
}

// --- what becomes of an authorisation ---

static fq_err check_change(const payment_change *change, fq_operation operation) {
    const payment_row *payment = change->payment;
    if (payment->row.state == FQ_ROW_ABSENT) {
        return fq_refuse(FQ_PAYMENT_NOT_FOUND, NULL);
    }
    FQ_TRY(fq_scope_check(&change->base.by, FQ_MAY_PAYMENT_SEE, operation,
                          (fq_sides){payment->payee_id.v, payment->payer_id.v},
                          FQ_PAYMENT_NOT_FOUND));
    return payment->status == FQ_PAYMENT_IS_AUTHORIZED ? FQ_OK : fq_refuse(FQ_STATE_CONFLICT, NULL);
}

static void change_payment(payment_change *change, fq_batch *batch, uint16_t event) {
    payment_row *payment = change->payment;
    payment->version++;
    payment->updated_ms = fq_batch_now_ms(batch);
    fq_work_done(batch, change->work);
    fq_tell(batch, &change->base, event, payment->id.v, payment->version, &payment->row);
    change->base.subject = payment->id.v;
    // The row's texts die with the batch; the answer's must not.
    memcpy(&change->shown, fq_row_copy(&payment->row, change->base.arena), sizeof(change->shown));
}

static void release(payment_change *change, fq_batch *batch, int64_t amount_minor) {
    if (amount_minor > 0) {
        book(batch, &(fq_transfer){.debit = change->payer_held,
                                   .credit = change->payer_available,
                                   .amount = money_of(amount_minor, change->payment->currency),
                                   .kind = FQ_TRANSFER_RELEASE,
                                   .payment = change->payment->id.v,
                                   .subject = change->payment->id.v});
    }
}

fq_err payment_decide_capture(payment_change *change, fq_batch *batch) {
    payment_row *payment = change->payment;
    FQ_TRY(check_change(change, FQ_MAY_CAPTURE));
    const int64_t amount_minor =
        change->amount_minor ? change->amount_minor : payment->amount_minor;
    if (payment->capture_before_ms <= fq_batch_now_ms(batch)) {
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    if (change->payer->status != FQ_USER_IS_ACTIVE || change->payee->status != FQ_USER_IS_ACTIVE) {
        return fq_refuse(FQ_USER_FROZEN, NULL);
    }
    if (amount_minor > payment->amount_minor) {
        return fq_refuse_number(FQ_CAPTURE_EXCEEDS_PAYMENT, "amount", payment->amount_minor, 0);
    }
    if (!fits(change->payee_available, amount_minor)) {
        return fq_refuse(FQ_STATE_CONFLICT, "amount");
    }
    FQ_ASSERT(fq_account_covers(change->payer_held, payment->amount_minor));
    fq_row_touch(batch, &payment->row);
    settle(batch, payment, change->payer_held, change->payee_available, change->fees,
           FQ_TRANSFER_CAPTURE, amount_minor, change->fee_bps);
    release(change, batch, payment->amount_minor - amount_minor);
    guard_set(batch, change->guard, FQ_GUARD_PAID);
    change->guard->paid_minor = amount_minor;
    change_payment(change, batch, FQ_PAYMENT_SUCCEEDED);
    return FQ_OK;
}

static void tell_guard_closed(fq_batch *batch, fq_command *command, const guard_row *guard) {
    fq_tell(batch, command, FQ_GUARD_CLOSED, guard->order_id.v, guard->version, &guard->row);
}

fq_err payment_decide_cancel(payment_change *change, fq_batch *batch) {
    payment_row *payment = change->payment;
    const fq_err err = check_change(change, FQ_MAY_PAY);
    if (change->lapsed && err.code == FQ_STATE_CONFLICT) {
        fq_work_done(batch, change->work);  // captured or cancelled before its time came
        return FQ_OK;
    }
    FQ_TRY(err);
    FQ_ASSERT(fq_account_covers(change->payer_held, payment->amount_minor));
    fq_row_touch(batch, &payment->row);
    release(change, batch, payment->amount_minor);
    payment->status = FQ_PAYMENT_IS_CANCELLED;
    guard_row *guard = change->guard;
    guard_set(batch, guard, guard->wish ? (fq_guard_state)guard->wish : FQ_GUARD_OPEN);
    if (guard->wish) {
        guard->wish = 0;
        tell_guard_closed(batch, &change->base, guard);
    }
    change_payment(change, batch, FQ_PAYMENT_CANCELLED);
    return FQ_OK;
}

// --- refund ---

// A refund is taken from what is pending first.
static int64_t from_pending(const refund_create *refund, int64_t amount_minor) {
    const int64_t pending_minor = refund->payee_pending->balance_minor;
    return pending_minor < amount_minor ? pending_minor : amount_minor;
}

static fq_err check_refund(const refund_create *refund, int64_t *out_amount_minor) {
    const payment_row *payment = refund->payment;
    if (payment->row.state == FQ_ROW_ABSENT) {
        return fq_refuse(FQ_PAYMENT_NOT_FOUND, "payment_id");
    }
    FQ_TRY(fq_scope_check(&refund->base.by, FQ_MAY_PAYMENT_SEE, FQ_MAY_REFUND,
                          (fq_sides){payment->payee_id.v, payment->payer_id.v},
                          FQ_PAYMENT_NOT_FOUND));
    const int64_t left_minor = payment->captured_minor - payment->refunded_minor;
    FQ_ASSERT(left_minor >= 0);
    if (payment->status != FQ_PAYMENT_IS_SUCCEEDED || left_minor == 0) {
        return fq_refuse(FQ_PAYMENT_NOT_REFUNDABLE, "payment_id");
    }
    *out_amount_minor = refund->amount_minor ? refund->amount_minor : left_minor;
    if (*out_amount_minor > left_minor) {
        return fq_refuse_number(FQ_REFUND_EXCEEDS_PAYMENT, "amount", left_minor, 0);
    }
    if (is_taken(refund->taken)) {
        return fq_refuse(FQ_REFERENCE_TAKEN, "reference");
    }
    const int64_t pending_minor = from_pending(refund, *out_amount_minor);
    if (!fq_account_covers(refund->payee_available, *out_amount_minor - pending_minor)) {
        return fq_refuse(FQ_INSUFFICIENT_BALANCE, "amount");
    }
    return fits(refund->payer_available, *out_amount_minor)
               ? FQ_OK
               : fq_refuse(FQ_STATE_CONFLICT, "amount");
}

static void give_back(refund_create *refund, fq_batch *batch, fq_account_row *from,
                      int64_t amount_minor) {
    if (amount_minor > 0) {
        book(batch, &(fq_transfer){.debit = from,
                                   .credit = refund->payer_available,
                                   .amount = money_of(amount_minor, refund->payment->currency),
                                   .kind = FQ_TRANSFER_REFUND,
                                   .payment = refund->payment->id.v,
                                   .subject = refund->refund->id.v});
    }
}

fq_err payment_decide_refund(refund_create *refund, fq_batch *batch) {
    int64_t amount_minor;
    FQ_TRY(check_refund(refund, &amount_minor));
    payment_row *payment = refund->payment;
    refund_row *row = refund->refund;
    const int64_t now_ms = fq_batch_now_ms(batch);
    fq_row_touch(batch, &row->row);
    row->payment_id = payment->id;
    row->payer_id = payment->payer_id;
    row->payee_id = payment->payee_id;
    row->amount_minor = amount_minor;
    row->currency = payment->currency;
    row->created_ms = row->updated_ms = now_ms;
    row->reason = refund->reason;
    row->reference = refund->reference;
    row->metadata = refund->metadata;
    row->status = MOVE_IS_SUCCEEDED;
    row->version = 1;
    take_reference(batch, refund->taken, row->id.v);
    const int64_t pending_minor = from_pending(refund, amount_minor);
    give_back(refund, batch, refund->payee_pending, pending_minor);
    give_back(refund, batch, refund->payee_available, amount_minor - pending_minor);
    fq_row_touch(batch, &payment->row);
    payment->refunded_minor += amount_minor;
    payment->updated_ms = now_ms;
    payment->version++;
    fq_row_touch(batch, &refund->guard->row);
    refund->guard->refunded_minor += amount_minor;
    refund->guard->version++;
    FQ_ASSERT(payment->refunded_minor <= payment->captured_minor);
    fq_tell(batch, &refund->base, FQ_PAYMENT_REFUNDED, payment->id.v, payment->version,
            &payment->row);
    fq_tell(batch, &refund->base, FQ_REFUND_SUCCEEDED, row->id.v, 1, &row->row);
    refund->base.subject = row->id.v;
    refund->shown = *row;
    return FQ_OK;
}

// --- top-up ---

fq_err payment_decide_topup(topup_create *topup, fq_batch *batch) {
    const fq_sides sides = {topup->user_id.v, topup->user_id.v};
    FQ_TRY(see_parties(batch, topup->user, &topup->facts.payer, topup->facts.users_known));
    FQ_TRY(fq_scope_check(&topup->base.by, FQ_MAY_USER_SEE, FQ_MAY_TOPUP_CREATE, sides,
                          FQ_USER_NOT_FOUND));
    if (topup->user->status != FQ_USER_IS_ACTIVE) {
        return fq_refuse(FQ_USER_FROZEN, "user_id");
    }
    if (is_taken(topup->taken)) {
        return fq_refuse(FQ_REFERENCE_TAKEN, "reference");
    }
    int64_t channel_after;
    if (!fits(topup->available, topup->amount_minor) ||
        !fq_sub(topup->channel->balance_minor, topup->amount_minor, &channel_after)) {
        return fq_refuse(FQ_STATE_CONFLICT, "amount");
    }
    topup_row *row = topup->topup;
    fq_row_touch(batch, &row->row);
    row->user_id = topup->user_id;
    row->amount_minor = topup->amount_minor;
    row->currency = topup->currency;
    row->method = (uint8_t)topup->method;
    row->created_ms = row->updated_ms = fq_batch_now_ms(batch);
    row->reference = topup->reference;
    row->metadata = topup->metadata;
    row->status = MOVE_IS_SUCCEEDED;
    row->version = 1;
    take_reference(batch, topup->taken, row->id.v);
    book(batch, &(fq_transfer){.debit = topup->channel,
                               .credit = topup->available,
                               .amount = money_of(topup->amount_minor, topup->currency),
                               .kind = FQ_TRANSFER_TOPUP,
                               .subject = row->id.v});
    fq_tell(batch, &topup->base, FQ_TOPUP_SUCCEEDED, row->id.v, 1, &row->row);
    topup->base.subject = row->id.v;
    topup->shown = *row;
    return FQ_OK;
}

// --- an order is closed by the order service ---

fq_err payment_decide_close_guard(guard_close *close, fq_batch *batch) {
    guard_row *guard = close->guard;
    switch (guard_state(guard)) {
    case FQ_GUARD_PAID:
        return fq_refuse(FQ_ORDER_ALREADY_PAID, NULL);
    case FQ_GUARD_HELD:
        // The wish is kept although the answer is no; it is carried out when the attempt ends
        // unpaid.
        fq_row_touch(batch, &guard->row);
        guard->wish = (uint8_t)close->state;
        return fq_refuse(FQ_ORDER_NOT_PAYABLE, NULL);
    case FQ_GUARD_CANCELLED:
    case FQ_GUARD_EXPIRED:
        return guard->state == (uint8_t)close->state ? FQ_OK : fq_refuse(FQ_STATE_CONFLICT, NULL);
    case FQ_GUARD_OPEN:
        guard_set(batch, guard, close->state);
        tell_guard_closed(batch, &close->base, guard);
        return FQ_OK;
    }
    return fq_refuse(FQ_INTERNAL, NULL);  // the store holds what no state is
}
