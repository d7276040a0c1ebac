// Payments over HTTP: what is decoded and encoded. No rules.
#include "http/problem.h"
#include "payment/rows.h"

enum { ITEMS_MAX = 1000, REFERENCE_MAX = 64 };

const fq_choice payment_method_choices[] = {
#define X(stored, name, wire) {wire, name},
    PAYMENT_METHODS(X)
#undef X
        {NULL, 0}};
const fq_choice payment_capture_choices[] = {{"automatic", 0}, {"manual", 1}, {NULL, 0}};

#define PAY_FIELDS(type)                                                          \
    {.name = "order_id",                                                          \
     .kind = FQ_FIELD_ID,                                                         \
     .required = true,                                                            \
     .id_kind = FQ_ID_order,                                                      \
     .offset = FQ_AT(type, order_id)},                                            \
        {.name = "user_id",                                                       \
         .kind = FQ_FIELD_ID,                                                     \
         .required = true,                                                        \
         .id_kind = FQ_ID_user,                                                   \
         .offset = FQ_AT(type, payer_id)},                                        \
        {.name = "amount",                                                        \
         .kind = FQ_FIELD_AMOUNT,                                                 \
         .required = true,                                                        \
         .offset = FQ_AT(type, amount_minor)},                                    \
        {.name = "currency",                                                      \
         .kind = FQ_FIELD_CURRENCY,                                               \
         .required = true,                                                        \
         .offset = FQ_AT(type, currency)},                                        \
        {.name = "method",                                                        \
         .kind = FQ_FIELD_ENUM,                                                   \
         .required = true,                                                        \
         .choices = payment_method_choices,                                       \
         .offset = FQ_AT(type, method)},                                          \
        {.name = "capture",                                                       \
         .kind = FQ_FIELD_ENUM,                                                   \
         .choices = payment_capture_choices,                                      \
         .offset = FQ_AT(type, capture)},                                         \
        {.name = "reference",                                                     \
         .kind = FQ_FIELD_ASCII,                                                  \
         .minimum = 1,                                                            \
         .maximum = REFERENCE_MAX,                                                \
         .offset = FQ_AT(type, reference)},                                       \
    {                                                                             \
        .name = "metadata", .kind = FQ_FIELD_MAP, .offset = FQ_AT(type, metadata) \
    }

static const fq_field pay_rows[] = {PAY_FIELDS(payment_pay)};
const fq_fields payment_pay_fields = FQ_FIELDS(pay_rows, payment_pay);
const char *const payment_pay_names[] = {"order_id", "user_id",   "amount",   "currency", "method",
                                         "capture",  "reference", "metadata", NULL};

// Channels are not spoken here: what is asked for must be a way to pay that this server has.
static fq_err check_method(const payment_pay *pay, const char *param) {
    return pay->method == METHOD_BALANCE
               ? FQ_OK
               : fq_refuse_text(FQ_INVALID_FIELD, param, "this server takes balance only");
}

static void fill_in(const fq_call *call, payment_pay *pay) {
    pay->authorization_lifetime_ms = call->service->settings->payment_authorization_lifetime;
    pay->fee_bps = call->service->settings->payment_fee_bps;
}

fq_err payment_decode_pay(fq_call *call, fq_command *command) {
    payment_pay *pay = (payment_pay *)command;
    FQ_TRY(fq_call_query(call, &(fq_fields){NULL, 0, 0}, NULL));
    FQ_TRY(fq_call_body(call, &payment_pay_fields, pay));
    fill_in(call, pay);
    return check_method(pay, "method");
}

fq_err payment_encode_pay(fq_call *call, const fq_command *command) {
    const payment_row *shown = &((const payment_pay *)command)->shown;
    fq_json_writer out = fq_call_answer(call, 201, shown->version);
    payment_encode(&out, NULL, shown);
    return FQ_OK;
}

// --- the short form ---

typedef struct {
    payment_pay pay;
    fq_str signature, nonce, key_id;
    int64_t created;
    fq_given order_given;
} short_body;

static const fq_field short_rows[] = {
    {.name = "order_id",
     .kind = FQ_FIELD_ID_ANY,
     .id_kind = FQ_ID_order,
     .offset = FQ_AT(short_body, pay.order_id),
     .given = FQ_GIVEN_AT(short_body, order_given)},
    {.name = "user_id",
     .kind = FQ_FIELD_ID_ANY,
     .required = true,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(short_body, pay.payer_id)},
    {.name = "amount",
     .kind = FQ_FIELD_AMOUNT,
     .required = true,
     .offset = FQ_AT(short_body, pay.amount_minor)},
    {.name = "currency", .kind = FQ_FIELD_CURRENCY, .offset = FQ_AT(short_body, pay.currency)},
    {.name = "method",
     .kind = FQ_FIELD_ENUM,
     .choices = payment_method_choices,
     .offset = FQ_AT(short_body, pay.method)},
    {.name = "capture",
     .kind = FQ_FIELD_ENUM,
     .choices = payment_capture_choices,
     .offset = FQ_AT(short_body, pay.capture)},
    {.name = "reference",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = REFERENCE_MAX,
     .offset = FQ_AT(short_body, pay.reference)},
    {.name = "metadata", .kind = FQ_FIELD_MAP, .offset = FQ_AT(short_body, pay.metadata)},
    {.name = "signature",
     .kind = FQ_FIELD_STRING,
     .maximum = 2048,
     .offset = FQ_AT(short_body, signature)},
    {.name = "nonce",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = 255,
     .offset = FQ_AT(short_body, nonce)},
    {.name = "key_id",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = 64,
     .offset = FQ_AT(short_body, key_id)},
    {.name = "created",
     .kind = FQ_FIELD_INTEGER,
     .minimum = 0,
     .maximum = FQ_AMOUNT_MAX,
     .offset = FQ_AT(short_body, created)},
};
static const fq_fields short_fields = FQ_FIELDS(short_rows, short_body);

fq_err payment_decode_short(fq_call *call, fq_command *command) {
    payment_pay *pay = (payment_pay *)command;
    uint64_t path_order;
    short_body *body = FQ_NEW(call->arena, short_body);
    body->pay.method = METHOD_BALANCE;
    FQ_TRY(fq_call_query(call, &(fq_fields){NULL, 0, 0}, NULL));
    FQ_TRY(fq_call_body(call, &short_fields, body));
    FQ_TRY(fq_call_path_id_any(call, 0, FQ_ID_order, FQ_ORDER_NOT_FOUND, &path_order));
    if (body->order_given == FQ_GIVEN && body->pay.order_id.v != path_order) {
        return fq_refuse_text(FQ_INVALID_FIELD, "order_id", "not the order of the path");
    }
    body->pay.order_id.v = path_order;
    body->pay.base = *command;
    *pay = body->pay;
    fill_in(call, pay);
    return check_method(pay, "method");
}

fq_err payment_encode_short(fq_call *call, const fq_command *command) {
    const payment_row *shown = &((const payment_pay *)command)->shown;
    const bool done = shown->status == FQ_PAYMENT_IS_SUCCEEDED;
    fq_json_writer out = fq_call_answer(call, done ? 200 : 202, shown->version);
    fq_json_object_begin(&out, NULL);
    fq_json_put_literal(&out, "message", done ? "支付成功" : "支付处理中");
    payment_encode(&out, "payment", shown);
    fq_json_object_end(&out);
    return FQ_OK;
}

// --- bulk ---

typedef struct {
    const fq_json *payments;
    bool atomic;
} bulk_body;

static const fq_field bulk_rows[] = {
    {.name = "payments",
     .kind = FQ_FIELD_VALUE,
     .required = true,
     .offset = FQ_AT(bulk_body, payments)},
    {.name = "atomic", .kind = FQ_FIELD_BOOL, .offset = FQ_AT(bulk_body, atomic)},
};
static const fq_fields bulk_fields = FQ_FIELDS(bulk_rows, bulk_body);

fq_err payment_decode_bulk(fq_call *call, fq_command *command) {
    payment_bulk *bulk = (payment_bulk *)command;
    bulk_body body = {0};
    FQ_TRY(fq_call_query(call, &(fq_fields){NULL, 0, 0}, NULL));
    FQ_TRY(fq_call_body(call, &bulk_fields, &body));
    const int64_t items_max = call->service->settings->payment_bulk_items_max;
    if (body.payments->type != FQ_JSON_ARRAY || body.payments->count == 0 ||
        body.payments->count > items_max) {
        return fq_refuse_text(FQ_INVALID_FIELD, "payments", "a list of 1 to 1,000 payments");
    }
    bulk->atomic = body.atomic;
    bulk->items = FQ_NEW_ARRAY(call->arena, bulk_item, body.payments->count);
    for (const fq_json *item = body.payments->first; item; item = item->next, bulk->count++) {
        payment_pay *pay = &bulk->items[bulk->count].pay;
        fq_err *fault = &bulk->items[bulk->count].fault;
        pay->base = *command;
        pay->base.kind = &payment_pay_kind;
        fill_in(call, pay);
        *fault = fq_fields_decode(call->arena, &payment_pay_fields, item, NULL, pay);
        if (!fault->code) {
            *fault = check_method(pay, "method");
        }
    }
    command->units = (uint32_t)bulk->count;
    return FQ_OK;
}

fq_err payment_encode_bulk(fq_call *call, const fq_command *command) {
    const payment_bulk *bulk = (const payment_bulk *)command;
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_buffer problem;
    fq_buffer_init(&problem, 1 << 16);
    fq_json_object_begin(&out, NULL);
    fq_json_put_literal(&out, "object", "list");
    fq_json_array_begin(&out, "data");
    for (size_t i = 0; i < bulk->count; i++) {
        const bulk_item *item = &bulk->items[i];
        fq_json_object_begin(&out, NULL);
        fq_json_put_i64(&out, "status",
                        item->outcome.code ? fq_error_row_of(item->outcome.code)->status : 201);
        if (item->outcome.code) {
            fq_buffer_clear(&problem);
            fq_problem_encode(item->outcome, call->language, call->exchange->request_id,
                              (fq_str){0}, &problem);
            fq_json_put_raw(&out, "body", fq_buffer_str(&problem));
        } else {
            payment_encode(&out, "body", &item->pay.shown);
        }
        fq_json_object_end(&out);
    }
    fq_json_array_end(&out);
    fq_json_object_end(&out);
    fq_buffer_free(&problem);
    return FQ_OK;
}

// --- capture and cancel ---

static const fq_field capture_rows[] = {
    {.name = "amount", .kind = FQ_FIELD_AMOUNT, .offset = FQ_AT(payment_change, amount_minor)},
};
static const fq_fields capture_fields = FQ_FIELDS(capture_rows, payment_change);
static const fq_fields no_fields = {NULL, 0, 0};

fq_err payment_decode_capture(fq_call *call, fq_command *command) {
    payment_change *change = (payment_change *)command;
    change->fee_bps = call->service->settings->payment_fee_bps;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_body(call, &capture_fields, change));
    return fq_call_path_id(call, 0, FQ_ID_payment, FQ_PAYMENT_NOT_FOUND, &change->id.v);
}

fq_err payment_decode_cancel(fq_call *call, fq_command *command) {
    payment_change *change = (payment_change *)command;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_body(call, &no_fields, change));
    return fq_call_path_id(call, 0, FQ_ID_payment, FQ_PAYMENT_NOT_FOUND, &change->id.v);
}

fq_err payment_encode_change(fq_call *call, const fq_command *command) {
    const payment_row *shown = &((const payment_change *)command)->shown;
    fq_json_writer out = fq_call_answer(call, 200, shown->version);
    payment_encode(&out, NULL, shown);
    return FQ_OK;
}
