// What is kept in memory of a table that is sought by hash: a filter over each slice, which says
// for nearly every hash that the slice does not have it, and the rows that are in no slice yet. For
// one thread at a time; knows no file.
#pragma once

#include "base/str.h"

// A Bloom filter in blocks of 32 bytes, of which a hash touches one: eight bits, one in each word
// (the split-block filter of Apache Parquet, "Bloom Filter", 2021). At 16 bits a key, 1 hash in 700
// or so is wrongly thought to be there.
typedef struct {
    int64_t slice;  // its id
    int64_t to_key;
    uint32_t *words;
    uint32_t block_count;
} slice_filter;

enum { FILTER_BLOCK_WORDS = 8, FILTER_BLOCK_BYTES = 32 };

// An empty filter for `count` keys; filter_free gives it back.
void filter_make(slice_filter *filter, size_t count);
void filter_free(slice_filter *filter);
void filter_add(slice_filter *filter, uint64_t hash);
// The filter as it is stored, and back; false when the bytes are not whole blocks.
fq_str filter_bytes(const slice_filter *filter);
bool filter_read(slice_filter *filter, fq_str bytes);

// Rows in no slice yet, up to a position: hash to position. Grows.
typedef struct hash_tail {
    struct hash_tail *older;
    int64_t to_key;  // the highest position in it
    struct tail_slot *slots;
    size_t slot_count, used;
} hash_tail;

hash_tail *tail_make(void);
void tail_free(hash_tail *tail);
void tail_add(hash_tail *tail, uint64_t hash, int64_t position);

// All of one table.
typedef struct {
    hash_tail *tails;       // newest first
    slice_filter *filters;  // oldest first
    size_t filter_count, filter_capacity;
} hash_memory;

void memory_free(hash_memory *memory);
// Starts a new tail: the one before is complete.
void memory_start_tail(hash_memory *memory);
// Takes the filter over and forgets tails that the slices now cover.
void memory_add_filter(hash_memory *memory, const slice_filter *filter);
// Forgets filters of slices that end before `position`.
void memory_forget_before(hash_memory *memory, int64_t position);
// Positions in the tails, newest first, up to `positions_max`.
size_t memory_seek_tails(const hash_memory *memory, uint64_t hash, int64_t *out,
                         size_t positions_max);
// Slices that may have the hash, newest first, up to `slices_max`.
size_t memory_seek_filters(const hash_memory *memory, uint64_t hash, int64_t *out,
                           size_t slices_max);
