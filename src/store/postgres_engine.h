// Inside of the PostgreSQL engine: what its files share. For src/store/*postgres* only.
#pragma once

#include "store/engine.h"
#include "store/postgres_link.h"
#include "store/row_cache.h"

enum { POSTGRES_PENDING_MAX = 16 };

typedef struct {
    fq_engine engine;
    char *url;
    postgres_target target;
    bool read_only;
    postgres_link writer;

    // The lease: several writers may share a database, each under a number and an epoch of its own.
    uint32_t number;
    uint64_t epoch;       // 0: no lease yet
    int64_t epoch_seen;   // what the database says about our number, read with the head locked
    int64_t renew_at_ms;  // monotonic
    // Batch id of this writer's last commit: nobody asks for it any more after the next one.
    uint64_t claim_before;
    // Batches that still lock what they load, because another writer was met; 0: this one is alone.
    uint32_t locking_left;

    // What a writer that is alone remembers of the database (postgres_memory.c).
    row_cache **caches;   // of each table, NULL where rows are not remembered
    uint64_t batch_seen;  // the last batch that the memory knows of
    int64_t batch_found;  // the last one of the state that the batch at hand reads; -1: not asked
    fq_save pending[POSTGRES_PENDING_MAX];  // of the batch at hand, in its arena
    size_t pending_count;
} postgres_engine;

// The columns of the head, in the order that postgres_read_head takes them.
#define POSTGRES_HEAD_COLUMNS                                                                    \
    "event_position, transfer_position, request_position, batch_number, epoch, id_last, at_ms, " \
    "clock_shift_ms, seal"
// Reads the one row of the head; `context` is an fq_head.
bool postgres_read_head(void *context, const PGresult *result);
// Reads one bigint; `context` is an int64_t, left alone when there is no row.
bool postgres_read_integer(void *context, const PGresult *result);

// Brings the database into being and up to date (postgres_schema.c), and refuses a server that
// would lose commits.
fq_err postgres_schema_open(postgres_engine *engine, bool migrate);
// Refuses a server that is set to lose commits, is too old, or only a standby. For each connection
// that writes.
fq_err postgres_schema_check(postgres_link *link);

// The readers' side (postgres_reader.c).
fq_err postgres_reader_open(fq_engine *engine, fq_reader **out);
void postgres_reader_close(fq_reader *reader);
fq_err postgres_reader_begin(fq_reader *reader);
void postgres_reader_end(fq_reader *reader);
fq_err postgres_reader_load(fq_reader *reader, fq_arena *arena, const fq_row_group *groups,
                            size_t count);
fq_err postgres_reader_scan(fq_reader *reader, const fq_scan *scan);
fq_err postgres_reader_head(fq_reader *reader, fq_head *out);

// The writer's lease (postgres_lease.c).
fq_err postgres_lease_prepare(postgres_link *link);
fq_err postgres_lease_take(fq_engine *engine, uint32_t *out_writer, fq_head *out);
// Queues the check that the lease is still ours; `epoch_seen` holds the answer after the round.
void postgres_lease_check(postgres_engine *engine);
// Queues its renewal when it is due.
void postgres_lease_renew(postgres_engine *engine);
// Gives it back, as far as the server can be reached.
void postgres_lease_end(postgres_engine *engine);
// Queues the beginning of a transaction: "write" (READ COMMITTED) or "snapshot" (REPEATABLE READ).
fq_err postgres_begin(postgres_engine *engine, const char *how);
// Connects the writer unless it is connected (engine_postgres.c).
fq_err postgres_writer_connect(postgres_engine *engine);

// The memory: rows that this writer has read or written, right as long as nobody else has committed
// since, which each batch asks first.
void postgres_memory_make(postgres_engine *engine);
void postgres_memory_free(postgres_engine *engine);
// Forgets all: what was written may not be what is there.
void postgres_memory_clear(postgres_engine *engine);
// Fills rows from memory; the group that is left to load is `out`, its list in `arena`.
void postgres_memory_recall(const postgres_engine *engine, fq_arena *arena,
                            const fq_row_group *group, fq_row_group *out);
// The rows of these groups were loaded.
void postgres_memory_note_loaded(const postgres_engine *engine, const fq_row_group *groups,
                                 size_t count);
// These are written by the transaction at hand; they are remembered when it is committed.
void postgres_memory_note_saves(postgres_engine *engine, const fq_save *saves, size_t count);
void postgres_memory_note_commit(postgres_engine *engine, uint64_t batch_number);

// Online backup by pg_dump (postgres_backup.c).
fq_err postgres_backup(fq_engine *engine, const char *to_path);

// Idempotency records age (postgres_forget.c).
fq_err postgres_forget(fq_engine *engine, int64_t before_ms, uint32_t count_max, bool *out_more);

// Is the database sound? (postgres_examine.c)
fq_err postgres_examine(fq_engine *engine, fq_store_health *out);
