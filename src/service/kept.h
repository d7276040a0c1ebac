// What a bulk keeps of its items for its Idempotency-Key, and how the answer is made of it again.
//
// An item after the other: for a resource its id (8 bytes, never 0); for a refusal 8 zero bytes,
// then length and text of its code and of its field (1 byte of length each). The events of a bulk's
// resources stand one behind the other in the order of the items; the request's record names the
// last.
#pragma once

#include "store/journal.h"

typedef struct {
    fq_buffer bytes;
} fq_kept;

fq_kept fq_kept_make(fq_arena *arena, size_t item_count);
void fq_kept_add(fq_kept *kept, fq_err outcome, uint64_t id);
fq_str fq_kept_bytes(const fq_kept *kept);

// For want_again: asks for every resource and its event.
void fq_kept_want(fq_batch *batch, const fq_table *table, const fq_row *record);

typedef struct {
    fq_str rest;
    uint64_t position;
} fq_kept_reader;

fq_kept_reader fq_kept_read(const fq_row *record);
// The next item: a resource's row as it was then (a copy in `arena`) with FQ_OK, or NULL with the
// refusal.
const fq_row *fq_kept_next(fq_kept_reader *reader, fq_batch *batch, const fq_table *table,
                           fq_arena *arena, fq_err *out);
