// Who may do what: the one table that the code checks and the documentation prints. Pure.
#pragma once

#include "base/err.h"
#include "store/command.h"

// To add an operation, add a row: name for the documentation, then whether it is allowed to a key
// of each scope:
//   admin  read   merchant      payer
// Y yes, N no, O only for its own user (merchant: as payee; payer: as payer).
#define FQ_OPERATIONS(X)                                                           \
    X(USER_CREATE, "create a user", Y, N, N, N)                                    \
    X(USER_SEE, "see a user", Y, Y, O, O)                                          \
    X(USER_CHANGE, "change, freeze or close a user, check a password", Y, N, N, N) \
    X(ORDER_CREATE, "create or cancel an order", Y, N, O, N)                       \
    X(ORDER_SEE, "see an order", Y, Y, O, O)                                       \
    X(PAY, "pay from a wallet, cancel an authorisation", Y, N, N, O)               \
    X(PAYMENT_SEE, "see a payment, refund or their entries", Y, Y, O, O)           \
    X(CAPTURE, "capture an authorisation as payee", Y, N, O, N)                    \
    X(REFUND, "refund a payment", Y, N, O, N)                                      \
    X(TOPUP_CREATE, "top up a wallet", Y, N, N, N)                                 \
    X(TOPUP_SEE, "see a top-up", Y, Y, O, O)                                       \
    X(ACCOUNT_SEE, "see balances, accounts and entries", Y, Y, O, O)               \
    X(EVENT_SEE, "read the event feed", Y, Y, O, O)

typedef enum {
#define X(name, what, admin, read, merchant, payer) FQ_MAY_##name,
    FQ_OPERATIONS(X)
#undef X
        FQ_OPERATION_COUNT
} fq_operation;

// The two sides of a thing: the users who may see it as payee and as payer. 0 where there is none;
// for a thing of one user (a wallet, a top-up, a user) both are that user.
typedef struct {
    uint64_t payee, payer;
} fq_sides;

// May the caller do it at all, to whomever? For lists, and before anything was looked up.
bool fq_scope_may(const fq_caller *caller, fq_operation operation);
// May the caller do it to a thing of these sides?
bool fq_scope_may_to(const fq_caller *caller, fq_operation operation, fq_sides sides);
// Sees it, else `not_found`; may do it, else not_allowed: 404 before 403.
FQ_MUST_USE fq_err fq_scope_check(const fq_caller *caller, fq_operation see, fq_operation operation,
                                  fq_sides sides, fq_code not_found);

// "admin", "read", "merchant:usr_…", "payer:usr_…".
FQ_MUST_USE fq_err fq_scope_parse(fq_str text, fq_scope *out, fq_user_id *out_user);
fq_str fq_scope_text(fq_arena *arena, fq_scope scope, fq_user_id user);
