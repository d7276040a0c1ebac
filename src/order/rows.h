// The nouns of this room: rows and commands. For inside only.
#pragma once

#include "order/order.h"
#include "payment/payment.h"
#include "payment/told.h"
#include "service/facts.h"
#include "service/worker.h"
#include "user/party.h"

#define ORDER_STATUSES(X) /* stored, name, wire */       \
    X(1, ORDER_PENDING, "pending")                       \
    X(2, ORDER_PAID, "paid")                             \
    X(3, ORDER_PARTIALLY_REFUNDED, "partially_refunded") \
    X(4, ORDER_REFUNDED, "refunded")                     \
    X(5, ORDER_CANCELLED, "cancelled")                   \
    X(6, ORDER_EXPIRED, "expired")
typedef enum {
#define X(stored, name, wire) name = stored,
    ORDER_STATUSES(X)
#undef X
} order_status;

// Types of events; numbers stand for good.
typedef enum {
    TOLD_CREATED = 1,
    TOLD_PAID = 2,
    TOLD_PARTIALLY_REFUNDED = 3,
    TOLD_REFUNDED = 4,
    TOLD_CANCELLED = 5,
    TOLD_EXPIRED = 6,
} order_event;

typedef enum { WORK_EXPIRE = 1 } order_work;

#define ORDER_COLUMNS(C, R)                   \
    C(R, fq_order_id, id, FQ_KEY)             \
    C(R, fq_user_id, payee_id, FQ_FIXED)      \
    C(R, fq_user_id, payer_id, FQ_FIXED)      \
    C(R, int64_t, amount_minor, FQ_FIXED)     \
    C(R, fq_currency, currency, FQ_FIXED)     \
    C(R, int64_t, created_ms, FQ_FIXED)       \
    C(R, int64_t, expires_ms, FQ_FIXED)       \
    C(R, fq_str, description, FQ_FIXED)       \
    C(R, fq_str, items, FQ_FIXED)             \
    C(R, fq_str, reference, FQ_FIXED)         \
    C(R, fq_str, return_url, FQ_FIXED)        \
    C(R, fq_str, metadata, FQ_FIXED)          \
    C(R, uint8_t, status, FQ_CHANGES)         \
    C(R, int64_t, paid_minor, FQ_CHANGES)     \
    C(R, int64_t, refunded_minor, FQ_CHANGES) \
    C(R, int64_t, updated_ms, FQ_CHANGES)     \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(order_row, ORDER_COLUMNS)
extern const fq_table order_table;

// Which order of a payee carries a reference; written only where one was given.
#define ORDER_REFERENCE_COLUMNS(C, R) \
    C(R, uint64_t, hash_high, FQ_KEY) \
    C(R, uint64_t, hash_low, FQ_KEY)  \
    C(R, uint64_t, owner, FQ_KEY)     \
    C(R, uint64_t, subject, FQ_FIXED)
FQ_ROW(order_reference_row, ORDER_REFERENCE_COLUMNS)
extern const fq_table order_reference_table;

typedef struct {
    uint64_t high, low;
} order_reference_hash;
order_reference_hash order_reference_hash_of(fq_str reference);

extern const fq_index order_by_payee, order_by_payer;
extern const fq_schema order_schema;

// --- commands ---

typedef struct {
    fq_command base;
    fq_user_id payee_id, payer_id;
    int64_t amount_minor;
    fq_currency currency;
    fq_str description, items, reference, return_url, metadata;
    const fq_json *items_given;
    int64_t expires_in_s;
    fq_given expires_given;
    int64_t expires_in_ms;
    fq_user_facts payee_facts, payer_facts;
    bool users_known;
    // rows
    order_row *order;
    fq_party_row *payee, *payer;
    order_reference_row *taken;
    order_row shown;
} order_create;

typedef struct {
    order_create order;
    fq_err fault;  // what was wrong with the item as it was asked
    fq_err outcome;
} order_bulk_item;

typedef struct {
    fq_command base;
    bool atomic;
    order_bulk_item *items;
    size_t count;
} order_bulk;

// An order ends unpaid: cancelled by its payee, or lapsed. Payment has closed its guard before.
typedef struct {
    fq_command base;
    fq_order_id id;
    order_status status;  // ORDER_CANCELLED or ORDER_EXPIRED; 0: only the timer's row is removed
    int64_t due_ms;       // of the timer's row; 0: the order says
    bool by_timer;
    bool was_closed;  // before this call began
    order_row *order;
    fq_work_row *work;
    order_row shown;
} order_close;

extern const fq_command_kind order_create_kind, order_bulk_kind, order_cancel_kind,
    order_expire_kind;
extern const char *const order_create_names[];

// --- rules (decide.c, bulk.c) ---

fq_err order_decide_create(order_create *create, fq_batch *batch);
fq_err order_decide_close(order_close *close, fq_batch *batch);
// May the caller see the order? An order that names no payer may be seen, and paid, by any payer.
bool order_is_visible(const fq_caller *by, const order_row *order);
// What payment told: the order's status follows.
void order_follow_want(fq_service *service, fq_batch *batch, const fq_event_row *event, int round);
void order_follow_decide(fq_service *service, fq_batch *batch, const fq_event_row *event);

bool order_want_create(fq_command *command, fq_batch *batch, int round);

// --- the fact stage (facts.c) ---

bool order_returned(fq_service *service, fq_command *command);
void order_count(fq_service *service, fq_batch *batch);
fq_err order_find_facts(fq_service *service, fq_command *list);

// --- answers and routes ---

const char *order_status_text(order_status status);
void order_encode(const fq_service *service, fq_json_writer *out, const char *name,
                  const order_row *row);

fq_err order_decode_create(fq_call *call, fq_command *command);
fq_err order_encode_create(fq_call *call, const fq_command *command);
fq_err order_decode_bulk(fq_call *call, fq_command *command);
fq_err order_encode_bulk(fq_call *call, const fq_command *command);
fq_err order_decode_cancel(fq_call *call, fq_command *command);
fq_err order_before_cancel(fq_call *call, fq_command *command);
fq_err order_encode_close(fq_call *call, const fq_command *command);
fq_err order_read_one(fq_call *call, fq_reader *reader);
fq_err order_read_list(fq_call *call, fq_reader *reader);
fq_err order_internal_facts(fq_call *call, fq_reader *reader);
