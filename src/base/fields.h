// Decoding a request's body or query into a struct by a table: one row a field. All faults of a
// body are looked at and the first in the contract's order is told: malformed_json, unknown_field,
// missing_field, invalid_field, amount_not_positive.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/money.h"

// What a field holds; behind it, the C type at its offset.
typedef enum {
    FQ_FIELD_ID,        // uint64_t or fq_…_id: prefix and 13 characters of `id_kind`
    FQ_FIELD_ID_ANY,    // the same, or decimal as an integer or a string of digits
    FQ_FIELD_STRING,    // fq_str: minimum to maximum code points
    FQ_FIELD_ASCII,     // fq_str: minimum to maximum visible ASCII characters (! to ~)
    FQ_FIELD_AMOUNT,    // int64_t: 1 to FQ_AMOUNT_MAX minor units
    FQ_FIELD_INTEGER,   // int64_t: minimum to maximum
    FQ_FIELD_CURRENCY,  // fq_currency
    FQ_FIELD_BOOL,      // bool
    FQ_FIELD_ENUM,      // int (or an enum): a text of `choices`
    FQ_FIELD_FLAGS,     // int: minimum to maximum distinct texts of `choices`, values or-ed
    FQ_FIELD_TIME,      // int64_t: RFC 3339 to Unix milliseconds
    FQ_FIELD_MAP,       // fq_str: string pairs (metadata), kept as canonical JSON text
    FQ_FIELD_OBJECT,    // a struct at the offset, decoded by `nested`
    FQ_FIELD_LIST,      // fq_list: minimum to maximum structs, decoded by `nested`
    FQ_FIELD_VALUE,     // const fq_json *: any value, the caller looks at it
} fq_field_kind;

// Whether a field was there: what a row's `given` points at.
typedef enum { FQ_ABSENT = 0, FQ_GIVEN, FQ_GIVEN_NULL } fq_given;

typedef struct {
    const char *text;  // NULL ends the table
    int value;
} fq_choice;

typedef struct {
    void *at;  // NULL when empty
    size_t count;
} fq_list;

typedef struct fq_fields fq_fields;

typedef struct {
    const char *name;
    fq_field_kind kind;
    bool required;
    bool null_allowed;  // null sets `given` to FQ_GIVEN_NULL and no more; else it is invalid_field
    int64_t minimum, maximum;
    size_t offset;  // FQ_AT(struct, member)
    size_t given;   // FQ_GIVEN_AT(struct, member): an fq_given; 0 for none
    union {
        fq_id_kind id_kind;
        const fq_choice *choices;
        const fq_fields *nested;
    };
} fq_field;

struct fq_fields {
    const fq_field *rows;
    size_t count;  // at most 64
    size_t bytes;  // of the struct that is filled
};

#define FQ_AT(type, member) offsetof(type, member)
#define FQ_GIVEN_AT(type, member) (offsetof(type, member) + 1)
#define FQ_FIELDS(rows_array, type) \
    { (rows_array), sizeof(rows_array) / sizeof((rows_array)[0]), sizeof(type) }

#define FQ_METADATA_PAIRS_MAX 20
#define FQ_METADATA_KEY_MAX 40
#define FQ_METADATA_VALUE_MAX 500

// Fills `out` (a struct the caller has set to its defaults) from `object`. `path` comes before the
// names in `param` ("items[3]."), or is NULL. What is written lives in the arena or in the text
// that `object` was read from. After an error `out` is half filled and must not be used. Errors:
// malformed_json, unknown_field, missing_field, invalid_field, amount_not_positive; the first in
// this order.
FQ_MUST_USE fq_err fq_fields_decode(fq_arena *arena, const fq_fields *fields, const fq_json *object,
                                    const char *path, void *out);
// Body text to struct: fq_json_parse, then fq_fields_decode. An empty body counts as {} when
// `empty_allowed`.
FQ_MUST_USE fq_err fq_fields_decode_body(fq_arena *arena, const fq_fields *fields, fq_str body,
                                         bool empty_allowed, void *out);
// The same from a query string without its '?'. Numbers and bools are read from their text; an
// unknown parameter is invalid_field, as are a duplicate, a broken escape and bad UTF-8.
FQ_MUST_USE fq_err fq_fields_decode_query(fq_arena *arena, const fq_fields *fields, fq_str query,
                                          void *out);

// "a=1&b=x%20y" to an object of strings: percent-decoded, '+' is a space. Errors: invalid_field.
FQ_MUST_USE fq_err fq_query_parse(fq_arena *arena, fq_str query, const fq_json **out);

// Of two faults of one body the one that the contract names first; FQ_OK counts last.
fq_err fq_fault_first(fq_err a, fq_err b);
