// Orders over HTTP: what is decoded and encoded. No rules.
#include "http/problem.h"
#include "order/rows.h"

#include <stdio.h>

enum {
    ITEMS_MAX = 1000,
    REFERENCE_MAX = 64,
    LINES_MAX = 100,
    EXPIRES_MAX_S = 31536000,
    URL_MAX = 2048
};

static const fq_fields no_fields = {NULL, 0, 0};

// --- what is asked ---

static const fq_field create_rows[] = {
    {.name = "payee_id",
     .kind = FQ_FIELD_ID,
     .required = true,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(order_create, payee_id)},
    {.name = "payer_id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_user,
     .offset = FQ_AT(order_create, payer_id)},
    {.name = "amount",
     .kind = FQ_FIELD_AMOUNT,
     .required = true,
     .offset = FQ_AT(order_create, amount_minor)},
    {.name = "currency",
     .kind = FQ_FIELD_CURRENCY,
     .required = true,
     .offset = FQ_AT(order_create, currency)},
    {.name = "description",
     .kind = FQ_FIELD_STRING,
     .required = true,
     .minimum = 1,
     .maximum = 500,
     .offset = FQ_AT(order_create, description)},
    {.name = "items", .kind = FQ_FIELD_VALUE, .offset = FQ_AT(order_create, items_given)},
    {.name = "reference",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = REFERENCE_MAX,
     .offset = FQ_AT(order_create, reference)},
    {.name = "expires_in",
     .kind = FQ_FIELD_INTEGER,
     .minimum = 1,
     .maximum = EXPIRES_MAX_S,
     .offset = FQ_AT(order_create, expires_in_s),
     .given = FQ_GIVEN_AT(order_create, expires_given)},
    {.name = "return_url",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = URL_MAX,
     .offset = FQ_AT(order_create, return_url)},
    {.name = "metadata", .kind = FQ_FIELD_MAP, .offset = FQ_AT(order_create, metadata)},
};
static const fq_fields create_fields = FQ_FIELDS(create_rows, order_create);

typedef struct {
    fq_str name;
    int64_t quantity, unit_minor;
} line;

static const fq_field line_rows[] = {
    {.name = "name",
     .kind = FQ_FIELD_STRING,
     .required = true,
     .minimum = 1,
     .maximum = 200,
     .offset = FQ_AT(line, name)},
    {.name = "quantity",
     .kind = FQ_FIELD_INTEGER,
     .required = true,
     .minimum = 1,
     .maximum = 1000000,
     .offset = FQ_AT(line, quantity)},
    {.name = "unit_amount",
     .kind = FQ_FIELD_INTEGER,
     .required = true,
     .minimum = 0,
     .maximum = FQ_AMOUNT_MAX,
     .offset = FQ_AT(line, unit_minor)},
};
static const fq_fields line_fields = FQ_FIELDS(line_rows, line);

// The lines must come to the order's amount; they are kept as canonical JSON.
static fq_err decode_items(fq_call *call, order_create *create) {
    const fq_json *items = create->items_given;
    int64_t sum_minor = 0;
    if (!items) {
        return FQ_OK;
    }
    if (items->type != FQ_JSON_ARRAY || items->count == 0 || items->count > LINES_MAX) {
        return fq_refuse_text(FQ_INVALID_FIELD, "items", "a list of 1 to 100 items");
    }
    size_t index = 0;
    for (const fq_json *item = items->first; item; item = item->next, index++) {
        line at = {0};
        int64_t line_minor;
        const char *item_path = fq_arena_printf(call->arena, "items[%zu].", index).at;
        FQ_TRY(fq_fields_decode(call->arena, &line_fields, item, item_path, &at));
        if (!fq_mul(at.quantity, at.unit_minor, &line_minor) ||
            !fq_add(sum_minor, line_minor, &sum_minor)) {
            return fq_refuse_text(FQ_INVALID_FIELD, "items", "their sum is too large");
        }
    }
    if (sum_minor != create->amount_minor) {
        return fq_refuse_text(FQ_INVALID_FIELD, "items", "their sum must be the order's amount");
    }
    fq_buffer text;
    fq_buffer_init(&text, 1 << 18);
    const fq_err err = fq_json_canonical(items, NULL, &text);
    create->items = fq_arena_copy(call->arena, fq_buffer_str(&text));
    fq_buffer_free(&text);
    return err;
}

static bool is_web_url(fq_str url) {
    const bool scheme =
        fq_str_starts(url, FQ_STR("https://")) || fq_str_starts(url, FQ_STR("http://"));
    return scheme && url.len > sizeof("https://");
}

static fq_err decode_one(fq_call *call, const fq_json *object, order_create *create) {
    FQ_TRY(fq_fields_decode(call->arena, &create_fields, object, NULL, create));
    FQ_TRY(decode_items(call, create));
    if (create->return_url.len > 0 && !is_web_url(create->return_url)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "return_url", "an http or https URL");
    }
    create->expires_in_ms = create->expires_given == FQ_GIVEN
                                ? create->expires_in_s * 1000
                                : call->service->settings->order_expires_in;
    return FQ_OK;
}

fq_err order_decode_create(fq_call *call, fq_command *command) {
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    return decode_one(call, call->body, (order_create *)command);
}

typedef struct {
    const fq_json *orders;
    bool atomic;
} bulk_body;

static const fq_field bulk_rows[] = {
    {.name = "orders",
     .kind = FQ_FIELD_VALUE,
     .required = true,
     .offset = FQ_AT(bulk_body, orders)},
    {.name = "atomic", .kind = FQ_FIELD_BOOL, .offset = FQ_AT(bulk_body, atomic)},
};
static const fq_fields bulk_fields = FQ_FIELDS(bulk_rows, bulk_body);

fq_err order_decode_bulk(fq_call *call, fq_command *command) {
    order_bulk *bulk = (order_bulk *)command;
    bulk_body body = {0};
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_body(call, &bulk_fields, &body));
    if (body.orders->type != FQ_JSON_ARRAY || body.orders->count == 0 ||
        body.orders->count > ITEMS_MAX) {
        return fq_refuse_text(FQ_INVALID_FIELD, "orders", "a list of 1 to 1,000 orders");
    }
    bulk->atomic = body.atomic;
    bulk->items = FQ_NEW_ARRAY(call->arena, order_bulk_item, body.orders->count);
    for (const fq_json *item = body.orders->first; item; item = item->next, bulk->count++) {
        order_create *create = &bulk->items[bulk->count].order;
        create->base = *command;
        create->base.kind = &order_create_kind;
        bulk->items[bulk->count].fault = decode_one(call, item, create);
    }
    command->units = (uint32_t)bulk->count;
    return FQ_OK;
}

fq_err order_decode_cancel(fq_call *call, fq_command *command) {
    order_close *close = (order_close *)command;
    close->status = ORDER_CANCELLED;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_body(call, &no_fields, close));
    return fq_call_path_id(call, 0, FQ_ID_order, FQ_ORDER_NOT_FOUND, &close->id.v);
}

// --- what is answered ---

const char *order_status_text(order_status status) {
    switch (status) {
#define X(stored, name, wire) \
    case name:                \
        return wire;
        ORDER_STATUSES(X)
#undef X
    }
    return "";
}

static void put_checkout_url(const fq_service *service, fq_json_writer *out, const order_row *row) {
    char id[FQ_ID_TEXT_MAX], url[URL_MAX];
    const fq_settings *settings = service->settings;
    const char *served = atomic_load(&service->url);  // NULL in the moment before it is known
    const char *base = settings->order_checkout_url[0] ? settings->order_checkout_url
                       : settings->server_origin[0]    ? settings->server_origin
                       : served                        ? served
                                                       : "";
    fq_id_text(FQ_ID_order, row->id.v, id);
    const int len = snprintf(url, sizeof(url), "%s/checkout/%s", base, id);
    fq_json_put_text(out, "checkout_url", (fq_str){url, len < URL_MAX ? (size_t)len : URL_MAX - 1});
}

void order_encode(const fq_service *service, fq_json_writer *out, const char *name,
                  const order_row *row) {
    fq_json_object_begin(out, name);
    fq_json_put_id(out, "id", FQ_ID_order, row->id.v);
    fq_json_put_literal(out, "object", "order");
    fq_json_put_literal(out, "status", order_status_text((order_status)row->status));
    fq_json_put_id(out, "payee_id", FQ_ID_user, row->payee_id.v);
    fq_json_put_id(out, "payer_id", FQ_ID_user, row->payer_id.v);
    fq_json_put_money(out, (fq_money){row->amount_minor, row->currency});
    fq_json_put_text(out, "description", row->description);
    if (row->items.len > 0) {
        fq_json_put_raw(out, "items", row->items);
    }
    if (row->reference.len > 0) {
        fq_json_put_text(out, "reference", row->reference);
    }
    if (row->return_url.len > 0) {
        fq_json_put_text(out, "return_url", row->return_url);
    }
    put_checkout_url(service, out, row);
    fq_json_put_i64(out, "amount_paid", row->paid_minor);
    fq_json_put_i64(out, "amount_refunded", row->refunded_minor);
    fq_json_put_time(out, "expires_at", row->expires_ms);
    fq_json_put_raw(out, "metadata", row->metadata);
    fq_json_put_time(out, "created_at", row->created_ms);
    fq_json_put_time(out, "updated_at", row->updated_ms);
    fq_json_put_u64(out, "version", row->version);
    fq_json_object_end(out);
}

fq_err order_encode_create(fq_call *call, const fq_command *command) {
    const order_row *shown = &((const order_create *)command)->shown;
    fq_json_writer out = fq_call_answer(call, 201, shown->version);
    order_encode(call->service, &out, NULL, shown);
    return FQ_OK;
}

fq_err order_encode_close(fq_call *call, const fq_command *command) {
    const order_row *shown = &((const order_close *)command)->shown;
    fq_json_writer out = fq_call_answer(call, 200, shown->version);
    order_encode(call->service, &out, NULL, shown);
    return FQ_OK;
}

fq_err order_encode_bulk(fq_call *call, const fq_command *command) {
    const order_bulk *bulk = (const order_bulk *)command;
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_buffer problem;
    fq_buffer_init(&problem, 1 << 16);
    fq_json_object_begin(&out, NULL);
    fq_json_put_literal(&out, "object", "list");
    fq_json_array_begin(&out, "data");
    for (size_t i = 0; i < bulk->count; i++) {
        const order_bulk_item *item = &bulk->items[i];
        fq_json_object_begin(&out, NULL);
        fq_json_put_i64(&out, "status",
                        item->outcome.code ? fq_error_row_of(item->outcome.code)->status : 201);
        if (item->outcome.code) {
            fq_buffer_clear(&problem);
            fq_problem_encode(item->outcome, call->language, call->exchange->request_id,
                              (fq_str){0}, &problem);
            fq_json_put_raw(&out, "body", fq_buffer_str(&problem));
        } else {
            order_encode(call->service, &out, "body", &item->order.shown);
        }
        fq_json_object_end(&out);
    }
    fq_json_array_end(&out);
    fq_json_object_end(&out);
    fq_buffer_free(&problem);
    return FQ_OK;
}
