// A store in memory that keeps to the contract of store/engine.h, and fails in all the ways that
// contract allows. Rows are never changed once they are stored: a change stores another, so that
// whoever saw the old one is told apart.
#pragma once

#include "store/engine.h"

enum { SIM_TABLES_MAX = 16, SIM_WRITERS_MAX = 64 };

typedef struct {
    const fq_table *table;
    fq_row **rows;  // in key order
    size_t count, capacity;
} sim_table;

// A place in a table, and what is there, was there or shall be there; NULL is nothing.
typedef struct {
    sim_table *table;
    int64_t key[FQ_TABLE_KEYS_MAX];
    fq_row *row;
    fq_save_kind kind;
} sim_cell;

typedef struct {
    sim_cell *at;
    size_t count, capacity;
} sim_cells;

typedef struct {
    uint64_t batch_id;
    bool committed;  // false: it never will be
} sim_claim;

typedef struct {
    const fq_schema *schema;
    fq_arena arena;  // rows
    sim_table tables[SIM_TABLES_MAX];
    fq_head head;
    // What goes back when the power goes: everything since the last sync.
    sim_cells undo;
    fq_head undo_head;
    // Leases of writers: the last epoch of each number, and who has it.
    uint64_t epochs[SIM_WRITERS_MAX];
    const struct sim_engine *holders[SIM_WRITERS_MAX];
    sim_claim *claims;
    size_t claim_count, claim_capacity;
    uint64_t commits;
} sim_database;

// One connection, and its transaction.
typedef struct sim_engine {
    fq_engine base;
    sim_database *db;
    struct sim_process *process;
    uint32_t writer;
    uint64_t epoch;
    bool begun, holds_head;  // others wait for the head
    fq_err late;             // an error that a later call of the transaction tells
    sim_cells seen, writes;
} sim_engine;

sim_database *sim_database_make(const fq_schema *schema);
void sim_database_free(sim_database *db);
// Undoes what is not durable.
void sim_database_recover(sim_database *db);
sim_table *sim_table_of(sim_database *db, const fq_table *table);
// The row under the key, or NULL.
fq_row *sim_table_find(const sim_table *table, const int64_t key[FQ_TABLE_KEYS_MAX]);
static inline fq_row *sim_find(sim_database *db, const fq_table *table, uint64_t key) {
    return sim_table_find(sim_table_of(db, table),
                          (const int64_t[FQ_TABLE_KEYS_MAX]){(int64_t)key});
}
// Puts a row there at once, for services that are only simulated.
void sim_database_put(sim_database *db, const fq_row *row);

void sim_key_of(const fq_row *row, int64_t out[FQ_TABLE_KEYS_MAX]);
void sim_cells_add(sim_cells *cells, sim_cell cell);
// One row of a commit, and the end of it: what was written since the last sync is durable.
void sim_database_write(sim_database *db, const sim_cell *write);
void sim_database_sync(sim_database *db);
// NULL: nobody has claimed the batch.
sim_claim *sim_claim_of(sim_database *db, uint64_t batch_id);
void sim_claim_add(sim_database *db, uint64_t batch_id, bool committed);

// `process` may be NULL (nothing then fails). `writer` is the number of its first lease, whoever
// has it: another one's is taken to have run out.
sim_engine *sim_engine_make(sim_database *db, struct sim_process *process, uint32_t writer);
void sim_engine_free(sim_engine *engine);

// Where the world may step in: told by world.c whether the call fails, and how. It may not return
// (a crash).
typedef enum {
    SIM_AT_BEGIN,
    SIM_AT_LOAD,
    SIM_AT_SAVE,
    SIM_AT_HEAD,
    SIM_AT_SETTLE,
    SIM_AT_LEASE,
    SIM_AT_READ,
    SIM_AT_REPLY
} sim_point;
fq_err sim_at(struct sim_process *process, sim_point point);

typedef enum {
    SIM_COMMITS,
    SIM_CRASHES_BEFORE,
    SIM_CRASHES_WITHIN,
    SIM_CRASHES_AFTER,
    SIM_UNKNOWN_DONE,
    SIM_UNKNOWN_NOT_DONE,
    SIM_COMMIT_REFUSED,  // *out_err
} sim_commit_fate;
sim_commit_fate sim_commit_fate_of(struct sim_process *process, fq_err *out_err);
