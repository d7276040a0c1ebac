// Structured field values for HTTP (RFC 9651): a strict parser and its inverse. Knows no field by
// name.
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/str.h"

typedef enum {
    FQ_SF_INTEGER,
    FQ_SF_DECIMAL,
    FQ_SF_STRING,
    FQ_SF_TOKEN,
    FQ_SF_BYTES,
    FQ_SF_BOOLEAN,
    FQ_SF_DATE,
    FQ_SF_DISPLAY_STRING,
    FQ_SF_INNER_LIST,
} fq_sf_kind;

// One shape for all: an item, a parameter, a member of a list or dictionary. Order of lists is
// order of arrival.
typedef struct fq_sf_node {
    fq_str key;  // of parameters and dictionary members; else empty
    fq_sf_kind kind;
    union {
        int64_t number;  // INTEGER; DATE in seconds; DECIMAL in thousandths; BOOLEAN 0 or 1
        fq_str text;     // STRING and DISPLAY_STRING unescaped, TOKEN, BYTES decoded
        struct fq_sf_node *items;  // INNER_LIST: its first item or NULL
    } value;
    struct fq_sf_node *parameters;  // the first or NULL
    struct fq_sf_node *next;        // the sibling or NULL
} fq_sf_node;

typedef enum { FQ_SF_ITEM, FQ_SF_LIST, FQ_SF_DICTIONARY } fq_sf_type;

// The most nodes of one field, parameters and inner items included; more fail the field.
#define FQ_SF_NODES_MAX 1024

typedef struct {
    fq_sf_type type;
    unsigned nodes_max;      // 1 to FQ_SF_NODES_MAX
    bool refuse_duplicates;  // a key twice fails; else the last value wins, in the first's place
} fq_sf_rules;

// Parses a field whose lines were joined by ", ". `*out` is the first member (for an item: the
// item), NULL for an empty list or dictionary. Texts are views of `field`, or of the arena where
// they had to be unescaped or decoded. Takes at most nodes_max * sizeof(fq_sf_node) + field.len +
// 16 * nodes_max bytes of the arena. False on any fault.
bool fq_sf_parse(fq_arena *arena, fq_str field, fq_sf_rules rules, fq_sf_node **out);

// The sibling or parameter of that key, NULL when there is none.
const fq_sf_node *fq_sf_find(const fq_sf_node *first, fq_str key);

// Writes the canonical form: siblings from `first` on as `type` says, one member with parameters,
// or parameters alone.
void fq_sf_write(fq_buffer *out, fq_sf_type type, const fq_sf_node *first);
void fq_sf_write_member(fq_buffer *out, const fq_sf_node *member);
void fq_sf_write_parameters(fq_buffer *out, const fq_sf_node *first);
