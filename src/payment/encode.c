// How this room's rows are shown.
#include "payment/rows.h"

const char *payment_status_text(fq_payment_status status) {
    switch (status) {
#define X(stored, name, wire) \
    case name:                \
        return wire;
        FQ_PAYMENT_STATUSES(X)
#undef X
    }
    return "";
}

const char *payment_method_text(payment_method method) {
    switch (method) {
#define X(stored, name, wire) \
    case name:                \
        return wire;
        PAYMENT_METHODS(X)
#undef X
    }
    return "";
}

const char *move_status_text(move_status status) {
    switch (status) {
#define X(stored, name, wire) \
    case name:                \
        return wire;
        MOVE_STATUSES(X)
#undef X
    }
    return "";
}

static void put_common(fq_json_writer *out, fq_str reference, fq_str metadata, int64_t created_ms,
                       int64_t updated_ms, uint64_t version) {
    if (reference.len > 0) {
        fq_json_put_text(out, "reference", reference);
    }
    fq_json_put_raw(out, "metadata", metadata);
    fq_json_put_time(out, "created_at", created_ms);
    fq_json_put_time(out, "updated_at", updated_ms);
    fq_json_put_u64(out, "version", version);
}

void payment_encode(fq_json_writer *out, const char *name, const payment_row *row) {
    char id[FQ_ID_TEXT_MAX], entries[64];
    fq_id_text(FQ_ID_payment, row->id.v, id);
    fq_json_object_begin(out, name);
    fq_json_put_literal(out, "id", id);
    fq_json_put_literal(out, "object", "payment");
    fq_json_put_id(out, "order_id", FQ_ID_order, row->order_id.v);
    fq_json_put_id(out, "user_id", FQ_ID_user, row->payer_id.v);
    fq_json_put_id(out, "payee_id", FQ_ID_user, row->payee_id.v);
    fq_json_put_money(out, (fq_money){row->amount_minor, row->currency});
    fq_json_put_literal(out, "method", payment_method_text((payment_method)row->method));
    fq_json_put_literal(out, "capture", row->manual ? "manual" : "automatic");
    fq_json_put_literal(out, "status", payment_status_text((fq_payment_status)row->status));
    fq_json_put_i64(out, "amount_captured", row->captured_minor);
    fq_json_put_i64(out, "amount_refunded", row->refunded_minor);
    fq_json_put_i64(out, "fee", row->fee_minor);
    if (row->capture_before_ms) {
        fq_json_put_time(out, "capture_before", row->capture_before_ms);
    }
    const char *const parts[] = {"/v1/payments/", id, "/entries"};
    char *at = entries;
    for (size_t i = 0; i < 3; i++) {
        const size_t len = strlen(parts[i]);
        memcpy(at, parts[i], len);
        at += len;
    }
    fq_json_put_text(out, "entries_url", (fq_str){entries, (size_t)(at - entries)});
    put_common(out, row->reference, row->metadata, row->created_ms, row->updated_ms, row->version);
    fq_json_object_end(out);
}

void refund_encode(fq_json_writer *out, const char *name, const refund_row *row) {
    fq_json_object_begin(out, name);
    fq_json_put_id(out, "id", FQ_ID_refund, row->id.v);
    fq_json_put_literal(out, "object", "refund");
    fq_json_put_id(out, "payment_id", FQ_ID_payment, row->payment_id.v);
    fq_json_put_money(out, (fq_money){row->amount_minor, row->currency});
    fq_json_put_literal(out, "status", move_status_text((move_status)row->status));
    if (row->reason.len > 0) {
        fq_json_put_text(out, "reason", row->reason);
    }
    put_common(out, row->reference, row->metadata, row->created_ms, row->updated_ms, row->version);
    fq_json_object_end(out);
}

void topup_encode(fq_json_writer *out, const char *name, const topup_row *row) {
    fq_json_object_begin(out, name);
    fq_json_put_id(out, "id", FQ_ID_topup, row->id.v);
    fq_json_put_literal(out, "object", "topup");
    fq_json_put_id(out, "user_id", FQ_ID_user, row->user_id.v);
    fq_json_put_money(out, (fq_money){row->amount_minor, row->currency});
    fq_json_put_literal(out, "method", payment_method_text((payment_method)row->method));
    fq_json_put_literal(out, "status", move_status_text((move_status)row->status));
    put_common(out, row->reference, row->metadata, row->created_ms, row->updated_ms, row->version);
    fq_json_object_end(out);
}
