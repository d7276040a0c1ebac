// JSON (RFC 8259, held to I-JSON's strictness): a reader that makes a tree of views in an arena,
// and the canonical form of RFC 8785. Knows no request and no field; fields.h decodes those.
// Writing is in json_writer.h.
#pragma once

#include "base/arena.h"
#include "base/buffer.h"

typedef enum {
    FQ_JSON_NULL = 0,
    FQ_JSON_BOOL,
    FQ_JSON_NUMBER,
    FQ_JSON_STRING,
    FQ_JSON_ARRAY,
    FQ_JSON_OBJECT,
} fq_json_type;

// A value of the tree, and its key when it is an object's member. Lives as long as the arena and
// the text it was read from, since what has no escapes is a view into that text.
typedef struct fq_json fq_json;
struct fq_json {
    fq_str key;   // unescaped; empty in arrays and at the top
    fq_str text;  // string: unescaped; number: the token as it stood; empty otherwise
    union {
        int64_t integer;       // number, when is_integer
        bool boolean;          // bool
        const fq_json *first;  // array, object: the first child, or NULL
    };
    const fq_json *next;  // the next sibling, or NULL
    uint32_t count;       // array, object: how many children
    uint32_t offset;      // where the value begins in the text, in bytes
    uint8_t type;         // fq_json_type
    bool is_integer;      // number: the token is -?digits and fits 64 bits
};

// No object has more members, whatever the limits say: finding duplicates costs their square.
#define FQ_JSON_MEMBERS_MAX 64
#define FQ_JSON_DEPTH_MAX 16

typedef struct {
    uint32_t depth_max, values_max;
    bool any_top_level;  // else the top must be an object
    bool nul_allowed;    // else \u0000 is refused
} fq_json_limits;

// Of a request body (64 KiB), and of a bulk one (1 MiB).
#define FQ_JSON_REQUEST ((fq_json_limits){.depth_max = FQ_JSON_DEPTH_MAX, .values_max = 4096})
#define FQ_JSON_BULK ((fq_json_limits){.depth_max = FQ_JSON_DEPTH_MAX, .values_max = 65536})

// Reads one value and nothing behind it but white space. Refuses duplicate members (compared
// unescaped), depth, byte order marks, bad UTF-8, lone surrogates, and everything else that RFC
// 8259 does not allow. Errors: malformed_json with the reason and the byte offset; `*out` is
// untouched then.
FQ_MUST_USE fq_err fq_json_parse(fq_arena *arena, fq_str text, fq_json_limits limits,
                                 const fq_json **out);

// How much of an arena reading `text_bytes` can take at most: what callers size theirs by.
size_t fq_json_arena_bytes(size_t text_bytes, fq_json_limits limits);

// The member of that name, or NULL; also NULL when `object` is NULL or no object.
const fq_json *fq_json_member(const fq_json *object, const char *name);

// Appends the canonical form (RFC 8785), without the top-level member `without` when that is not
// NULL. Integers that fit 64 bits keep their digits, also beyond 2^53 (ids); all other numbers are
// printed as doubles. Errors: malformed_json for a number no double can hold. A full buffer is told
// by `out->overflowed`.
FQ_MUST_USE fq_err fq_json_canonical(const fq_json *value, const char *without, fq_buffer *out);

#define FQ_JSON_DOUBLE_TEXT_MAX 48
// A finite double as ECMAScript prints it (RFC 8785 section 3.2.2.3): the shortest digits that read
// back the same.
void fq_json_double_text(double number, char out[FQ_JSON_DOUBLE_TEXT_MAX]);
