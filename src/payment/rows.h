// The nouns of this room: rows and commands. For inside only.
#pragma once

#include "ledger/ledger.h"
#include "order/order.h"
#include "payment/payment.h"
#include "payment/told.h"
#include "service/facts.h"
#include "user/party.h"

// To add a way to pay, add a row: stored, name, wire.
#define PAYMENT_METHODS(X)                \
    X(1, METHOD_BALANCE, "balance")       \
    X(2, METHOD_CARD, "card")             \
    X(3, METHOD_ALIPAY, "alipay")         \
    X(4, METHOD_WECHAT_PAY, "wechat_pay") \
    X(5, METHOD_SANDBOX, "sandbox")
typedef enum {
#define X(stored, name, wire) name = stored,
    PAYMENT_METHODS(X)
#undef X
} payment_method;

// Of refunds and top-ups; stored, name, wire.
#define MOVE_STATUSES(X)                   \
    X(1, MOVE_IS_PROCESSING, "processing") \
    X(2, MOVE_IS_SUCCEEDED, "succeeded")   \
    X(3, MOVE_IS_FAILED, "failed")
typedef enum {
#define X(stored, name, wire) name = stored,
    MOVE_STATUSES(X)
#undef X
} move_status;

const char *payment_status_text(fq_payment_status status);
const char *payment_method_text(payment_method method);
const char *move_status_text(move_status status);

// `previous` is the attempt before this one for the same order: from the guard back, they are all
// found.
// Its told columns begin as told.h promises.
#define PAYMENT_COLUMNS(C, R)                  \
    C(R, fq_payment_id, id, FQ_KEY)            \
    C(R, fq_order_id, order_id, FQ_TOLD)       \
    C(R, fq_user_id, payer_id, FQ_FIXED)       \
    C(R, fq_user_id, payee_id, FQ_FIXED)       \
    C(R, int64_t, amount_minor, FQ_FIXED)      \
    C(R, fq_currency, currency, FQ_FIXED)      \
    C(R, uint8_t, method, FQ_FIXED)            \
    C(R, uint8_t, manual, FQ_FIXED)            \
    C(R, int64_t, created_ms, FQ_FIXED)        \
    C(R, int64_t, capture_before_ms, FQ_FIXED) \
    C(R, fq_payment_id, previous, FQ_FIXED)    \
    C(R, fq_str, reference, FQ_FIXED)          \
    C(R, fq_str, metadata, FQ_FIXED)           \
    C(R, uint8_t, status, FQ_CHANGES)          \
    C(R, int64_t, captured_minor, FQ_CHANGES)  \
    C(R, int64_t, refunded_minor, FQ_CHANGES)  \
    C(R, int64_t, fee_minor, FQ_CHANGES)       \
    C(R, int64_t, updated_ms, FQ_CHANGES)      \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(payment_row, PAYMENT_COLUMNS)
extern const fq_table payment_table;

// Decides whether an order can be paid. `wish` is the state it is to take when the attempt under
// way ends unpaid.
#define GUARD_COLUMNS(C, R)                     \
    C(R, fq_order_id, order_id, FQ_KEY)         \
    C(R, uint8_t, state, FQ_CHANGES)            \
    C(R, uint8_t, wish, FQ_CHANGES)             \
    C(R, fq_payment_id, payment_id, FQ_CHANGES) \
    C(R, int64_t, paid_minor, FQ_CHANGES)       \
    C(R, int64_t, refunded_minor, FQ_CHANGES)   \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(guard_row, GUARD_COLUMNS)
extern const fq_table guard_table;

#define REFUND_COLUMNS(C, R)                  \
    C(R, fq_refund_id, id, FQ_KEY)            \
    C(R, fq_payment_id, payment_id, FQ_FIXED) \
    C(R, fq_user_id, payer_id, FQ_FIXED)      \
    C(R, fq_user_id, payee_id, FQ_FIXED)      \
    C(R, int64_t, amount_minor, FQ_FIXED)     \
    C(R, fq_currency, currency, FQ_FIXED)     \
    C(R, int64_t, created_ms, FQ_FIXED)       \
    C(R, fq_str, reason, FQ_FIXED)            \
    C(R, fq_str, reference, FQ_FIXED)         \
    C(R, fq_str, metadata, FQ_FIXED)          \
    C(R, uint8_t, status, FQ_CHANGES)         \
    C(R, int64_t, updated_ms, FQ_CHANGES)     \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(refund_row, REFUND_COLUMNS)
extern const fq_table refund_table;

#define TOPUP_COLUMNS(C, R)               \
    C(R, fq_topup_id, id, FQ_KEY)         \
    C(R, fq_user_id, user_id, FQ_FIXED)   \
    C(R, int64_t, amount_minor, FQ_FIXED) \
    C(R, fq_currency, currency, FQ_FIXED) \
    C(R, uint8_t, method, FQ_FIXED)       \
    C(R, int64_t, created_ms, FQ_FIXED)   \
    C(R, fq_str, reference, FQ_FIXED)     \
    C(R, fq_str, metadata, FQ_FIXED)      \
    C(R, uint8_t, status, FQ_CHANGES)     \
    C(R, int64_t, updated_ms, FQ_CHANGES) \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(topup_row, TOPUP_COLUMNS)
extern const fq_table topup_table;

// Which resource of a payee carries a reference; written only where one was given. The hash is of
// the resource's kind and the text.
#define REFERENCE_COLUMNS(C, R)       \
    C(R, uint64_t, hash_high, FQ_KEY) \
    C(R, uint64_t, hash_low, FQ_KEY)  \
    C(R, uint64_t, owner, FQ_KEY)     \
    C(R, uint64_t, subject, FQ_FIXED)
FQ_ROW(reference_row, REFERENCE_COLUMNS)
extern const fq_table reference_table;

typedef struct {
    uint64_t high, low;
} reference_hash;
reference_hash reference_hash_of(fq_id_kind kind, fq_str reference);

extern const fq_index payment_by_payer, payment_by_payee, refund_by_payment, refund_by_payer,
    refund_by_payee, topup_by_user, transfer_by_debit, transfer_by_credit, transfer_by_payment;

typedef enum { WORK_END_AUTHORIZATION = 1 } payment_work;

// --- commands; each begins with what was asked and ends with what is shown ---

// Facts of other services that a payment needs before it can be decided.
typedef struct {
    fq_order_facts order;
    fq_user_facts payer, payee;
    bool order_known, users_known;
} payment_facts;

typedef struct {
    fq_command base;
    fq_order_id order_id;
    fq_user_id payer_id;
    int64_t amount_minor;
    fq_currency currency;  // 0: the order's
    int method, capture;   // payment_method; 0 automatic, 1 manual
    fq_str reference, metadata;
    int64_t authorization_lifetime_ms, fee_bps;
    payment_facts facts;
    // rows
    payment_row *payment;
    guard_row *guard;
    fq_party_row *payer, *payee;
    fq_account_row *payer_available, *payer_held, *payee_available, *fees;
    reference_row *taken;
    payment_row shown;
} payment_pay;

typedef struct {
    payment_pay pay;
    fq_err fault;  // what was wrong with the item as it was asked
    fq_err outcome;
} bulk_item;

typedef struct {
    fq_command base;
    bool atomic;
    bulk_item *items;
    size_t count;
} payment_bulk;

// Capture, cancel, and the end of an authorisation.
typedef struct {
    fq_command base;
    fq_payment_id id;
    int64_t amount_minor;  // of a capture; 0: all
    int64_t fee_bps;
    bool lapsed;  // by the timer
    payment_row *payment;
    guard_row *guard;
    fq_account_row *payer_available, *payer_held, *payee_available, *fees;
    fq_work_row *work;
    fq_party_row *payer, *payee;
    payment_row shown;
} payment_change;

typedef struct {
    fq_command base;
    fq_payment_id payment_id;
    int64_t amount_minor;  // 0: what is left
    fq_str reason, reference, metadata;
    refund_row *refund;
    payment_row *payment;
    guard_row *guard;
    fq_account_row *payer_available, *payee_available, *payee_pending;
    reference_row *taken;
    refund_row shown;
} refund_create;

typedef struct {
    fq_command base;
    fq_user_id user_id;
    int64_t amount_minor;
    fq_currency currency;
    int method;
    fq_str reference, metadata;
    payment_facts facts;  // the user is facts.payer
    topup_row *topup;
    fq_party_row *user;
    fq_account_row *available, *channel;
    reference_row *taken;
    topup_row shown;
} topup_create;

typedef struct {
    fq_command base;
    fq_order_id order_id;
    fq_guard_state state;
    guard_row *guard;
} guard_close;

// Closes a user in this service's own copy, or opens him again where a balance was found.
typedef struct {
    fq_command base;
    fq_user_id user_id;
    bool closed;
    payment_facts facts;
    fq_party_row *user;
} party_close;

extern const fq_command_kind payment_pay_kind, payment_bulk_kind, payment_capture_kind,
    payment_cancel_kind, refund_create_kind, topup_create_kind, guard_close_kind, party_close_kind;

// --- rules (decide.c, decide_bulk.c) ---

fq_err payment_decide_pay(payment_pay *pay, fq_batch *batch);
fq_err payment_decide_bulk(payment_bulk *bulk, fq_batch *batch);
fq_err payment_decide_capture(payment_change *change, fq_batch *batch);
fq_err payment_decide_cancel(payment_change *change, fq_batch *batch);
fq_err payment_decide_refund(refund_create *refund, fq_batch *batch);
fq_err payment_decide_topup(topup_create *topup, fq_batch *batch);
fq_err payment_decide_close_guard(guard_close *close, fq_batch *batch);

// --- rows asked for (store.c, store_bulk.c) ---

extern const fq_schema payment_schema;
bool payment_want_pay(fq_command *command, fq_batch *batch, int round);

// --- the fact stage (facts.c) ---

bool payment_submit(fq_service *service, fq_command *command);
bool payment_returned(fq_service *service, fq_command *command);
void payment_count(fq_service *service, fq_batch *batch);
void payment_look_over(fq_service *service);
fq_err payment_find_facts(fq_service *service, fq_command *list);

// --- answers (encode.c) ---

void payment_encode(fq_json_writer *out, const char *name, const payment_row *row);
void refund_encode(fq_json_writer *out, const char *name, const refund_row *row);
void topup_encode(fq_json_writer *out, const char *name, const topup_row *row);

// --- routes, by noun ---

extern const fq_choice payment_method_choices[], payment_capture_choices[],
    payment_status_choices[], move_status_choices[];
extern const fq_fields payment_pay_fields;
extern const char *const payment_pay_names[];

fq_err payment_decode_pay(fq_call *call, fq_command *command);
fq_err payment_encode_pay(fq_call *call, const fq_command *command);
fq_err payment_decode_short(fq_call *call, fq_command *command);
fq_err payment_encode_short(fq_call *call, const fq_command *command);
fq_err payment_decode_bulk(fq_call *call, fq_command *command);
fq_err payment_encode_bulk(fq_call *call, const fq_command *command);
fq_err payment_decode_capture(fq_call *call, fq_command *command);
fq_err payment_decode_cancel(fq_call *call, fq_command *command);
fq_err payment_encode_change(fq_call *call, const fq_command *command);
fq_err payment_read_one(fq_call *call, fq_reader *reader);
fq_err payment_read_list(fq_call *call, fq_reader *reader);
fq_err payment_read_entries(fq_call *call, fq_reader *reader);
fq_err refund_decode_create(fq_call *call, fq_command *command);
fq_err refund_encode_create(fq_call *call, const fq_command *command);
fq_err refund_read_one(fq_call *call, fq_reader *reader);
fq_err refund_read_list(fq_call *call, fq_reader *reader);
fq_err topup_decode_create(fq_call *call, fq_command *command);
fq_err topup_encode_create(fq_call *call, const fq_command *command);
fq_err topup_read_one(fq_call *call, fq_reader *reader);
fq_err topup_read_list(fq_call *call, fq_reader *reader);
fq_err ledger_read_balances(fq_call *call, fq_reader *reader);
fq_err ledger_read_account(fq_call *call, fq_reader *reader);
fq_err ledger_read_accounts(fq_call *call, fq_reader *reader);
fq_err ledger_read_entries(fq_call *call, fq_reader *reader);
fq_err internal_read_guards(fq_call *call, fq_reader *reader);
fq_err internal_decode_close_order(fq_call *call, fq_command *command);
fq_err internal_encode_close_order(fq_call *call, const fq_command *command);
fq_err internal_read_close_user(fq_call *call, fq_reader *reader);
fq_err internal_read_followed(fq_call *call, fq_reader *reader);
