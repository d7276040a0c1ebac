// Indexes filled behind the writer. An index kept row by row on values that come in no order
// dirties a page for each row; so here rows are written in order of their keys alone, and each time
// enough of them have come, the pairs (value, key) of the new ones are sorted and appended to a
// file of their own as one slice. What is not sliced yet is found in the rows themselves.
//
//     payment.db        rows, in order of key ............................. | tail |
//     payment-index.db  slice 1 | slice 2 | slice 3 | ... | slice n         ^ claimed
//
// The index file is derived: it may be deleted, and is made again from the rows. It never decides
// alone: a key found there is looked up, and a row that is not there, or has another value, does
// not count.
//
// `claimed` is a key of each table: all rows up to it are committed before the indexer slices them.
// A row that is inserted under a lower key later (ids are dealt before the commit) is noted in the
// main database's table behind_late, in the same transaction, and seekers look there too.
//
// For the SQLite engine only. Knows no service.
#pragma once

#include "store/behind_file.h"

typedef struct behind_indexes behind_indexes;

// The table behind_late; made in the main database before behind_open.
extern const char behind_late_sql[];
// The index number of the hash of a table that is sought by it; those of lists are above.
enum { BEHIND_HASH_INDEX = 0 };

typedef struct {
    const char *database_path, *index_path;
    const fq_schema *schema;
    int64_t busy_timeout_ms;
    // Rows a slice: of lists, and of tables that are sought by hash (those have filters in memory).
    // 0: the usual.
    size_t list_rows, hash_rows;
} behind_options;

// Opens the index file, drops slices that do not fit the database, loads filters and the tail of
// tables that are sought by hash, and starts the indexer's thread. A damaged file is made anew.
// `out` is set also on an error, to be closed.
FQ_MUST_USE fq_err behind_open(const behind_options *options, behind_indexes **out);
// Stops the thread.
void behind_close(behind_indexes *behind);

// The writer's side. `db` is its connection, with a transaction open; `row` was just inserted.
FQ_MUST_USE fq_err behind_insert(behind_indexes *behind, sqlite3 *db, size_t table_index,
                                 const fq_row *row);
// What was inserted since the last call of either is committed, or is not.
void behind_committed(behind_indexes *behind);
void behind_rolled_back(behind_indexes *behind);
// Before the writer's connection is closed.
void behind_forget_connection(behind_indexes *behind);

// Positions of rows of the table (sought by hash) whose first key column may be `hash`, newest
// first; at most BEHIND_FOUND_MAX. Sees all that was committed. `view` is the calling thread's.
enum { BEHIND_FOUND_MAX = 8 };
FQ_MUST_USE fq_err behind_seek(behind_indexes *behind, index_file *view, uint64_t hash,
                               int64_t out_positions[BEHIND_FOUND_MAX], size_t *out_count);

// Waits until the indexer has nothing left to do, or has failed and rests. For tests and
// measurements.
void behind_wait(behind_indexes *behind);
