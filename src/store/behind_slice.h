// The form of a slice: pairs (value, key) in order, cut into chunks, and a directory of each
// chunk's first pair. Pure.
//
//     directory   16 bytes a chunk: value, key (little-endian)
//     chunk       for each pair after the first: LEB128 of what its value is above the one before,
//                 zig-zag LEB128 of how its key differs from the one before
#pragma once

#include "base/str.h"

typedef struct {
    int64_t value, key;
} index_pair;

enum {
    SLICE_CHUNK_PAIRS_MAX = 512,
    SLICE_CHUNK_BYTES_MAX = 4000,  // two chunks fill a page of 8 KiB
    SLICE_ENTRY_BYTES = 16,        // of the directory
};
#define SLICE_NOWHERE SIZE_MAX

// Sorts pairs by value, then key.
void slice_sort(index_pair *pairs, size_t count);
// Writes the first pairs of `count` (at least 1, sorted) as a chunk; returns how many it took.
size_t slice_chunk_write(const index_pair *pairs, size_t count, char out[SLICE_CHUNK_BYTES_MAX],
                         size_t *out_bytes);
// Reads a chunk whose first pair is `first`. False when it is damaged.
bool slice_chunk_read(fq_str chunk, index_pair first, index_pair out[SLICE_CHUNK_PAIRS_MAX],
                      size_t *out_count);

void slice_directory_write(index_pair first, char out[SLICE_ENTRY_BYTES]);
size_t slice_directory_count(fq_str directory);
index_pair slice_directory_read(fq_str directory, size_t chunk);
// The last chunk whose first pair is not above `wanted`; SLICE_NOWHERE when there is none.
size_t slice_directory_find(fq_str directory, index_pair wanted);
