// Inside of the PostgreSQL engine: what its files share. For src/store/*postgres* only.
#pragma once

#include "store/engine.h"
#include "store/postgres_link.h"

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

// Online backup by pg_dump (postgres_backup.c).
fq_err postgres_backup(fq_engine *engine, const char *to_path);

// Idempotency records age (postgres_forget.c).
fq_err postgres_forget(fq_engine *engine, int64_t before_ms, uint32_t count_max, bool *out_more);

// Is the database sound? (postgres_examine.c)
fq_err postgres_examine(fq_engine *engine, fq_store_health *out);
