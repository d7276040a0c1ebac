// Writing JSON onto a buffer, one call a member. Commas are placed here; that objects and arrays
// are closed is the caller's care. A buffer that ran over says so itself (`overflowed`).
#pragma once

#include "base/buffer.h"
#include "base/id.h"
#include "base/money.h"

typedef struct {
    fq_buffer *out;
    bool comma;  // something stands before the next value on this level
} fq_json_writer;

static inline fq_json_writer fq_json_writer_on(fq_buffer *out) {
    return (fq_json_writer){.out = out};
}

// `name` is a literal that needs no escapes, or NULL at the top and within arrays.
void fq_json_object_begin(fq_json_writer *writer, const char *name);
void fq_json_object_end(fq_json_writer *writer);
void fq_json_array_begin(fq_json_writer *writer, const char *name);
void fq_json_array_end(fq_json_writer *writer);

// Text must be well-formed UTF-8.
void fq_json_put_text(fq_json_writer *writer, const char *name, fq_str text);
void fq_json_put_literal(fq_json_writer *writer, const char *name, const char *text);
// A member whose name comes from outside (metadata).
void fq_json_put_pair(fq_json_writer *writer, fq_str name, fq_str text);
void fq_json_put_i64(fq_json_writer *writer, const char *name, int64_t number);
void fq_json_put_u64(fq_json_writer *writer, const char *name, uint64_t number);
void fq_json_put_bool(fq_json_writer *writer, const char *name, bool value);
void fq_json_put_null(fq_json_writer *writer, const char *name);
// "pay_0123456789012"; nothing at all when `id` is 0.
void fq_json_put_id(fq_json_writer *writer, const char *name, fq_id_kind kind, uint64_t id);
// RFC 3339 with milliseconds.
void fq_json_put_time(fq_json_writer *writer, const char *name, int64_t unix_ms);
// "currency":"CNY"
void fq_json_put_currency(fq_json_writer *writer, const char *name, fq_currency currency);
// "amount":1999,"currency":"CNY"
void fq_json_put_money(fq_json_writer *writer, fq_money money);
// With `decimals` digits after the point at most, trailing zeros dropped; for measurements, never
// for money.
void fq_json_put_decimal(fq_json_writer *writer, const char *name, double number, int decimals);
// A piece of JSON made elsewhere (kept metadata); "{}" when it is empty.
void fq_json_put_raw(fq_json_writer *writer, const char *name, fq_str json);

// Appends `text` as a JSON string with its quotes: escapes quote, backslash and what is below
// space, as RFC 8785 does.
void fq_json_string(fq_buffer *out, fq_str text);
