// What payment's events tell those who follow them: the beginning of the records, which stays as it
// is.
#pragma once

#include "base/id.h"
#include "store/table.h"

// Types of events; numbers stand for good.
typedef enum {
    FQ_PAYMENT_AUTHORIZED = 1,
    FQ_PAYMENT_SUCCEEDED = 2,
    FQ_PAYMENT_CANCELLED = 4,
    FQ_PAYMENT_REFUNDED = 5,
    FQ_GUARD_CLOSED = 20,  // subject: the order
    FQ_REFUND_SUCCEEDED = 30,
    FQ_TOPUP_SUCCEEDED = 40,
} fq_payment_event;

// Of types 1 to 19 (subject: the payment).
#define FQ_PAYMENT_TOLD_COLUMNS(C, R)         \
    C(R, fq_payment_id, id, FQ_KEY)           \
    C(R, fq_order_id, order_id, FQ_TOLD)      \
    C(R, uint8_t, status, FQ_CHANGES)         \
    C(R, int64_t, captured_minor, FQ_CHANGES) \
    C(R, int64_t, refunded_minor, FQ_CHANGES)
// Of FQ_GUARD_CLOSED: an order was cancelled or has expired (fq_guard_state).
#define FQ_GUARD_TOLD_COLUMNS(C, R) \
    C(R, fq_order_id, id, FQ_KEY)   \
    C(R, uint8_t, state, FQ_CHANGES)

// Numbers stand for good.
#define FQ_PAYMENT_STATUSES(X) /* stored, name, wire */    \
    X(1, FQ_PAYMENT_IS_REQUIRES_ACTION, "requires_action") \
    X(2, FQ_PAYMENT_IS_PROCESSING, "processing")           \
    X(3, FQ_PAYMENT_IS_AUTHORIZED, "authorized")           \
    X(4, FQ_PAYMENT_IS_SUCCEEDED, "succeeded")             \
    X(5, FQ_PAYMENT_IS_FAILED, "failed")                   \
    X(6, FQ_PAYMENT_IS_CANCELLED, "cancelled")
typedef enum {
#define X(stored, name, wire) name = stored,
    FQ_PAYMENT_STATUSES(X)
#undef X
} fq_payment_status;
