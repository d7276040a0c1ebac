// What other services may ask of the payment service, and the events it tells. Nothing else.
#pragma once

#include "service/peers.h"

// Is this order paid, being paid, or closed? One guard an order decides, in the same commit as the
// ledger.
#define FQ_GUARD_STATES(X) /* stored, name */                             \
    X(1, FQ_GUARD_OPEN)    /* nobody pays it now */                       \
    X(2, FQ_GUARD_HELD)    /* an attempt is under way, authorised */      \
    X(3, FQ_GUARD_PAID)                                                   \
    X(4, FQ_GUARD_CANCELLED) /* by its payee; may not be paid any more */ \
    X(5, FQ_GUARD_EXPIRED)
typedef enum {
#define X(stored, name) name = stored,
    FQ_GUARD_STATES(X)
#undef X
} fq_guard_state;

typedef struct {
    fq_guard_state state;
    int64_t paid_minor, refunded_minor;
    uint64_t version;  // 0: no attempt was ever made
    fq_user_id payer;  // of the attempt that holds or has paid it; 0: nobody
} fq_guard_facts;

// The guards of `count` orders at once (at most 1,000), in order; an order nobody tried to pay is
// open with version 0.
// Errors: unavailable.
FQ_MUST_USE fq_err fq_payment_guards_of(const fq_peers *peers, fq_arena *arena,
                                        const uint64_t *order_ids, size_t count,
                                        fq_guard_facts *out);

// Closes an order's guard (state: FQ_GUARD_CANCELLED or FQ_GUARD_EXPIRED), so that it can never be
// paid. Idempotent.
// Errors: order_already_paid; order_not_payable while an attempt is under way (the wish is kept and
// carried out when that attempt ends); state_conflict when it was closed the other way;
// unavailable.
FQ_MUST_USE fq_err fq_payment_close_order(const fq_peers *peers, fq_order_id order,
                                          fq_guard_state state);

// Closes a user for the ledger: from now on he neither pays nor is paid. Errors: state_conflict
// while a balance of his is not zero (he is then as he was); unavailable.
FQ_MUST_USE fq_err fq_payment_close_user(const fq_peers *peers, fq_user_id user);

// How far payment has followed the user service's events. Errors: unavailable.
FQ_MUST_USE fq_err fq_payment_followed_users(const fq_peers *peers, uint64_t *out_position);

extern const fq_service_kind fq_payment_service;
