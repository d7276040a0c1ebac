// One database, either engine. The batch writer writes through it, readers read through it; nothing
// else knows SQL. engine_sqlite.c, engine_postgres.c and, in the simulator, tests/sim implement it.
#pragma once

#include "store/batch.h"

// The row that gives a database its one order, locked last in each commit.
typedef struct {
    uint64_t position[FQ_JOURNALS];  // the last one dealt of each journal
    uint64_t batch_number;           // the last batch
    uint64_t epoch;                  // the writer's lease: a writer with an older one must stop
    uint64_t id_last;                // the highest id dealt
    int64_t at_ms;                   // business time of the last batch; never goes back
    int64_t clock_shift_ms;          // how far the sandbox has moved the business clock
    uint8_t seal[32];                // of the last batch
} fq_head;

// The rows of one table that one step is about.
typedef struct {
    const fq_table *table;
    fq_row **rows;  // in key order
    size_t count;
} fq_row_group;

typedef enum { FQ_SAVE_INSERT, FQ_SAVE_UPDATE, FQ_SAVE_DELETE } fq_save_kind;

typedef struct {
    fq_save_kind kind;
    fq_row_group group;
} fq_save;

// A seek for lists, newest first (or oldest first with `forward`), by primary key or by an index.
// `above` and `below` bound the first column of the key (also of a key of several columns: all rows
// of one owner are above owner - 1 and below owner + 1); the order is that of the whole key. An
// index is of a table with one integer key.
typedef struct fq_index fq_index;
typedef struct {
    const fq_table *table;
    const fq_index *index;  // NULL: the whole table, by key
    uint64_t value;         // the indexed column's value
    uint64_t above, below;  // keys strictly between; below 0 means no upper bound
    bool forward;
    // Called for each row; the row and its bytes live until the call returns. False ends the scan.
    bool (*visit)(void *context, const fq_row *row);
    void *context;
} fq_scan;

// An index for lists: rows of `table` by `column`. PostgreSQL keeps a B-tree (made by the
// migration); SQLite fills sorted slices behind the writer (behind.h).
struct fq_index {
    const char *name;
    const fq_table *table;
    const char *column;
    uint8_t number;  // stored: stands for good
};

// What a service has to say about its database.
typedef struct {
    const char *service;            // "payment": names the file or the database
    const char *const *migrations;  // numbered from 1; see migrate.h
    size_t migration_count;
    const fq_table *const *tables;  // the fixed order of load and save
    size_t table_count;
    const fq_index *const *indexes;
    size_t index_count;
} fq_schema;

typedef struct fq_engine fq_engine;
typedef struct fq_reader fq_reader;

// What an examination of a database found.
typedef struct {
    int64_t migration_last;  // number of the last migration applied
    bool sound;
    char fault[200];  // the engine's own words; empty when sound
} fq_store_health;

// What can happen to a commit besides success: FQ_STORE_CONFLICT (nothing was written; load and
// decide again), FQ_STORE_UNKNOWN (it may or may not have been written: ask `settle`),
// FQ_STORE_LOST (the database cannot be reached, nothing was written), FQ_STORE_FULL (nothing was
// written), FQ_INTERNAL (this statement will never work).
typedef struct {
    const char *system;  // "sqlite", "postgresql": OpenTelemetry's db.system.name
    // The writer's side: one thread at a time. Calls may be sent together; an error may surface at
    // a later call of the same transaction, at the latest at commit. After any error the
    // transaction is gone (rollback is still called).
    fq_err (*begin)(fq_engine *engine);
    fq_err (*load)(fq_engine *engine, fq_batch *batch, const fq_row_group *groups, size_t count);
    fq_err (*save)(fq_engine *engine, const fq_save *saves, size_t count);
    fq_err (*head_lock)(fq_engine *engine, fq_head *out);
    // Writes the head and the batch's claim, and commits durably.
    fq_err (*commit)(fq_engine *engine, const fq_head *head, uint64_t batch_id);
    void (*rollback)(fq_engine *engine);
    // After FQ_STORE_UNKNOWN: reconnects and inserts the batch's claim again; a duplicate means it
    // was committed.
    fq_err (*settle)(fq_engine *engine, uint64_t batch_id, bool *out_committed);
    // Takes the writer's lease: raises the epoch, deals a writer number, and returns the head as it
    // is.
    fq_err (*lease)(fq_engine *engine, uint32_t *out_writer, fq_head *out);
    // Called by the writer when it has nothing to do: checkpoints in small steps, keeps the lease.
    // FQ_STORE_LOST when the database is found to be gone.
    fq_err (*idle)(fq_engine *engine);
    // Deletes requests (idempotency records) older than `before_ms`, the oldest first, at most
    // `count_max`, in a transaction of its own; says whether there may be more.
    fq_err (*forget)(fq_engine *engine, int64_t before_ms, uint32_t count_max, bool *out_more);

    // Readers: any number, each used by one thread at a time. All calls between reader_begin and
    // reader_end see one state of the database.
    fq_err (*reader_open)(fq_engine *engine, fq_reader **out);
    void (*reader_close)(fq_reader *reader);
    fq_err (*reader_begin)(fq_reader *reader);
    void (*reader_end)(fq_reader *reader);
    // Loads rows whose key columns are set; bytes are copied into `arena`; states become LOADED or
    // ABSENT.
    fq_err (*reader_load)(fq_reader *reader, fq_arena *arena, const fq_row_group *groups,
                          size_t count);
    fq_err (*reader_scan)(fq_reader *reader, const fq_scan *scan);
    fq_err (*reader_head)(fq_reader *reader, fq_head *out);

    fq_err (*backup)(fq_engine *engine, const char *to_path);
    // Reads the whole database with the engine's own means (SQLite: integrity_check; PostgreSQL:
    // that no index is invalid) and says whether it is sound.
    fq_err (*examine)(fq_engine *engine, fq_store_health *out);
    // See fq_store_stamp in migrate.h.
    fq_err (*stamp)(fq_engine *engine, const char *name, fq_str wanted, fq_buffer *out_found);
    void (*close)(fq_engine *engine);
} fq_engine_ops;

struct fq_engine {
    const fq_engine_ops *ops;
    const fq_schema *schema;
};

typedef struct {
    int64_t busy_timeout_ms;
    int64_t cache_bytes, reader_cache_bytes;        // SQLite; 0: the engine's own
    int64_t connect_timeout_ms;                     // PostgreSQL; 0: the engine's own
    int64_t statement_timeout_ms, lock_timeout_ms;  // PostgreSQL
    bool migrate;                                   // bring the schema up to date at opening
    bool read_only;                                 // for verify beside a running server
} fq_store_options;

// Opens the database of schema->service at `where`: a folder (SQLite: where/payment.db) or a
// PostgreSQL URL whose database name is a prefix (…/feiqian means feiqian_payment, created when
// missing and allowed). Applies migrations.
// Errors are logged with what to mend: FQ_STORE_LOST (cannot reach or open), FQ_STATE_CONFLICT
// (schema newer than this binary, or fsync/full_page_writes off), FQ_STORE_FULL.
FQ_MUST_USE fq_err fq_store_open(const char *where, const fq_schema *schema,
                                 const fq_store_options *options, fq_engine **out);
FQ_MUST_USE fq_err fq_engine_sqlite_open(const char *folder, const fq_schema *schema,
                                         const fq_store_options *options, fq_engine **out);
FQ_MUST_USE fq_err fq_engine_postgres_open(const char *url, const fq_schema *schema,
                                           const fq_store_options *options, fq_engine **out);
