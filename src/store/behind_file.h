// The index file: slices on disk, written by one thread and read by any. Knows slices, no rows.
#pragma once

#include "store/behind_memory.h"
#include "store/behind_slice.h"
#include "store/sqlite_connection.h"

// One connection to the file, with its statements. All zero is a closed one. For one thread.
typedef struct {
    sqlite3 *db;
    sqlite3_stmt *slices[2];  // of an index: newest first, oldest first
    sqlite3_stmt *one, *chunk;
    sqlite3_stmt *add_slice, *add_chunk, *add_filter;
} index_file;

// A slice covers the keys above `above_key` up to `to_key`, of which there are rows. `anchor` is a
// hash of the last row.
typedef struct {
    int64_t id;  // index number and slice number
    int64_t above_key, to_key, anchor;
    int64_t first_chunk;
    fq_str directory;  // a view into a statement when read
} index_slice;

// Opens for reading or, in the indexer, for writing; the writer makes what is missing, and makes a
// damaged or outdated file anew.
FQ_MUST_USE fq_err index_file_open(const char *path, bool writer, int64_t busy_timeout_ms,
                                   index_file *out);
void index_file_close(index_file *file);

// All calls between these see one state of the file (reader), or are committed together (writer).
FQ_MUST_USE fq_err index_file_begin(index_file *file);
FQ_MUST_USE fq_err index_file_end(index_file *file);
void index_file_roll_back(index_file *file);

// The newest slice of an index; `*out_found` false when it has none. The directory is not given.
FQ_MUST_USE fq_err index_file_newest(index_file *file, int index_number, index_slice *out,
                                     bool *out_found);
// Starts going through the slices of an index, newest or oldest first; `next` gives one after the
// other. Ended by `reset`. The directory lives until the next call.
FQ_MUST_USE fq_err index_file_walk(index_file *file, int index_number, bool forward);
FQ_MUST_USE fq_err index_file_next(index_file *file, bool forward, index_slice *out,
                                   bool *out_found);
void index_file_reset(index_file *file, bool forward);
// One slice; its directory lives until index_file_release.
FQ_MUST_USE fq_err index_file_slice(index_file *file, int64_t id, index_slice *out,
                                    bool *out_found);
void index_file_release(index_file *file);
// Reads chunk `chunk` of a slice.
FQ_MUST_USE fq_err index_file_chunk(index_file *file, const index_slice *slice, size_t chunk,
                                    index_pair out[SLICE_CHUNK_PAIRS_MAX], size_t *out_count);

// Appends a slice of sorted pairs (maybe none) after the index's newest; sets its id, first chunk
// and, when `filter` is not NULL, saves a filter of its values, made here. In a transaction.
FQ_MUST_USE fq_err index_file_append(index_file *file, int index_number, index_slice *slice,
                                     const index_pair *pairs, size_t count, slice_filter *filter);
// Removes a slice with its chunks and filter.
FQ_MUST_USE fq_err index_file_remove(index_file *file, int64_t id);
// Calls `take` with each filter of an index, oldest first; it owns them.
FQ_MUST_USE fq_err index_file_filters(index_file *file, int index_number,
                                      void (*take)(void *context, const slice_filter *filter),
                                      void *context);
