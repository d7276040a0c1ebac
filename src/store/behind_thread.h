// What behind.c and behind_thread.c share. For them only.
#pragma once

#include "store/behind.h"
#include "store/behind_rows.h"

#include <pthread.h>

// How many slices may hold one hash by their filters; hundreds of slices give a handful.
enum { BEHIND_SLICES_MAX = 64 };

typedef struct {
    indexed_table indexed;  // high_water: the indexer's alone once its thread runs
    size_t slice_rows, lag_rows;

    // The writer's alone.
    int64_t claimed, highest, next_claim;
    size_t since_claim, since_next_claim;
    size_t pending_rows;  // of the transaction at hand
    int64_t pending_highest;

    // Under the lock: where the indexer is to go, and where it is.
    int64_t target, reached;
} followed_table;

struct behind_indexes {
    behind_options options;
    followed_table *tables;  // in the schema's order
    followed_table *hashed;  // the one that is sought by hash, or NULL

    // The writer's alone.
    sqlite3_stmt *add_late;
    index_pair *pending_hashes;
    size_t pending_count, pending_capacity;

    // The indexer's alone, and the opener's before.
    index_file file;
    sqlite3 *db;
    row_store rows;
    row_source source;

    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    hash_memory memory;  // under the lock
    bool stop, resting;  // under the lock; resting: the last step failed
    pthread_t thread;
    bool started;
};

// Writes the next slices of a table and moves `reached`.
FQ_MUST_USE fq_err indexer_step(behind_indexes *behind, followed_table *followed);
FQ_MUST_USE fq_err indexer_start(behind_indexes *behind);
void indexer_stop(behind_indexes *behind);
