// Reading the rows of one table for its next slices. For the indexer: one connection, one thread.
#pragma once

#include "store/behind_slice.h"
#include "store/sqlite_rows.h"

enum { BEHIND_INDEXES_MAX = 8 };

// The indexes of one table, and how far each has come.
typedef struct {
    const fq_table *table;
    size_t table_index;
    const fq_column *order;  // the key that slices go along
    size_t index_count;
    int index_numbers[BEHIND_INDEXES_MAX];
    const fq_column *columns[BEHIND_INDEXES_MAX];
    int64_t high_water[BEHIND_INDEXES_MAX];  // the last key in a slice
} indexed_table;

typedef struct {
    row_store *rows;
    fq_row *scratch;        // of any table
    sqlite3_stmt **ranges;  // of each table
} row_source;

// The pairs of each index for the rows read; of row 0 (a value of 0 is not indexed) there is none.
typedef struct {
    index_pair *pairs[BEHIND_INDEXES_MAX];
    size_t counts[BEHIND_INDEXES_MAX];
    size_t row_count;
    int64_t last_key;
} row_pairs;

void source_close(row_source *source);
// Reads the rows above `above_key` up to `to_key`, at most `rows_max` of them, in order of their
// keys. `out` has room for rows_max pairs of each index.
FQ_MUST_USE fq_err source_pairs(row_source *source, const indexed_table *table, int64_t above_key,
                                int64_t to_key, size_t rows_max, row_pairs *out);
// A hash of what never changes of the row under `key`; `*out_found` false when there is none.
FQ_MUST_USE fq_err source_anchor(row_source *source, const indexed_table *table, int64_t key,
                                 int64_t *out, bool *out_found);
// The lowest and the highest key; 0 when the table is empty.
FQ_MUST_USE fq_err source_ends(row_source *source, const indexed_table *table, int64_t *out_lowest,
                               int64_t *out_highest);
// How many rows are above `key`, counted up to `count_max`.
FQ_MUST_USE fq_err source_count_above(row_source *source, const indexed_table *table, int64_t key,
                                      size_t count_max, size_t *out);
