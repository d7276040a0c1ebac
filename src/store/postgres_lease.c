// The writer's lease. Each writer of a database has a number (ids are dealt under it) and an epoch,
// in a row of its own in the table `writer`. Every commit reads that row after it has locked the
// head; taking a lease locks the head too. So a writer that slept through the end of its lease
// finds another epoch there, and commits nothing any more.
#include "store/postgres_engine.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "store/postgres_wire.h"

#include <stdio.h>
#include <unistd.h>

enum { LEASE_MS = 15000, RENEW_MS = 5000, HOLDER_BYTES_MAX = 128 };

// By the database's own clock: the writers' clocks may differ.
#define NOW_MS "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

fq_err postgres_lease_prepare(postgres_link *link) {
    postgres_link_prepare(link, "lease", "check",
                          "SELECT epoch FROM writer WHERE number = $1::bigint");
    postgres_link_prepare(link, "lease", "renew",
                          "UPDATE writer SET expires_ms = " NOW_MS
                          " + $3::bigint WHERE number = $1::bigint AND epoch = $2::bigint");
    postgres_link_prepare(
        link, "lease", "take",
        "INSERT INTO writer AS w (number, epoch, holder, expires_ms)"
        " SELECT n, $1::bigint, convert_from($2::bytea, 'UTF8'), " NOW_MS " + $3::bigint"
        " FROM generate_series(0::bigint, $4::bigint - 1) AS n"
        " WHERE NOT EXISTS (SELECT FROM writer WHERE number = n AND expires_ms > " NOW_MS ")"
        " ORDER BY n LIMIT 1"
        " ON CONFLICT (number) DO UPDATE SET epoch = EXCLUDED.epoch, holder = EXCLUDED.holder,"
        " expires_ms = EXCLUDED.expires_ms RETURNING w.number");
    postgres_link_prepare(link, "lease", "epoch",
                          "UPDATE head SET epoch = $1::bigint WHERE id = 1");
    return postgres_link_round(link);
}

void postgres_lease_check(postgres_engine *engine) {
    postgres_values values = {0};
    postgres_integer number;
    FQ_ASSERT(engine->epoch > 0);
    engine->epoch_seen = 0;
    postgres_put_integer(&values, &number, engine->number);
    postgres_link_execute(&engine->writer,
                          (postgres_step){.verb = "lease",
                                          .subject = "check",
                                          .read = postgres_read_integer,
                                          .context = &engine->epoch_seen,
                                          .rows_expected = -1},
                          &values);
}

static void queue_renewal(postgres_engine *engine, int64_t lease_ms) {
    postgres_values values = {0};
    postgres_integer number, epoch, duration;
    postgres_put_integer(&values, &number, engine->number);
    postgres_put_integer(&values, &epoch, (int64_t)engine->epoch);
    postgres_put_integer(&values, &duration, lease_ms);
    postgres_link_execute(&engine->writer,
                          (postgres_step){.verb = "lease", .subject = "renew", .rows_expected = -1},
                          &values);
}

void postgres_lease_renew(postgres_engine *engine) {
    if (engine->epoch == 0 || fq_monotonic_ms() < engine->renew_at_ms) {
        return;
    }
    engine->renew_at_ms = fq_monotonic_ms() + RENEW_MS;
    queue_renewal(engine, LEASE_MS);
}

void postgres_lease_end(postgres_engine *engine) {
    if (engine->epoch == 0 || !postgres_link_alive(&engine->writer)) {
        return;
    }
    queue_renewal(engine, 0);
    if (postgres_link_round(&engine->writer).code) {
        postgres_link_close(&engine->writer);  // it ends by itself
    }
    engine->epoch = 0;
}

static void queue_take(postgres_engine *engine, uint64_t epoch, int64_t *out_number) {
    char host[64] = "", holder[HOLDER_BYTES_MAX];
    gethostname(host, sizeof(host) - 1);
    const int bytes = snprintf(holder, sizeof(holder), "%s %ld", host, (long)getpid());
    postgres_values take = {0}, raise = {0};
    postgres_integer epoch_room, duration, numbers;
    postgres_put_integer(&take, &epoch_room, (int64_t)epoch);
    postgres_put_bytes(&take, (fq_str){holder, (size_t)bytes});
    postgres_put_integer(&take, &duration, LEASE_MS);
    postgres_put_integer(&take, &numbers, FQ_ID_WRITERS);
    postgres_link_execute(&engine->writer,
                          (postgres_step){.verb = "lease",
                                          .subject = "take",
                                          .read = postgres_read_integer,
                                          .context = out_number,
                                          .rows_expected = -1},
                          &take);
    postgres_put_integer(&raise, &epoch_room, (int64_t)epoch);
    postgres_link_execute(&engine->writer,
                          (postgres_step){.verb = "lease", .subject = "epoch", .rows_expected = 1},
                          &raise);
}

static fq_err take(postgres_engine *engine, fq_head *head) {
    postgres_link *link = &engine->writer;
    int64_t number = -1;
    FQ_TRY(postgres_begin(engine, "write"));
    postgres_link_execute(link,
                          (postgres_step){.verb = "head",
                                          .subject = "lock",
                                          .read = postgres_read_head,
                                          .context = head,
                                          .rows_expected = -1},
                          NULL);
    FQ_TRY(postgres_link_round(link));
    const uint64_t epoch = head->epoch + 1;
    queue_take(engine, epoch, &number);
    FQ_TRY(postgres_link_round(link));
    if (number < 0) {
        fq_log(FQ_LOG_ERROR, "all writer numbers of this database are leased");
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    FQ_TRY(postgres_link_commit(link));
    engine->number = (uint32_t)number;
    engine->epoch = epoch;
    engine->renew_at_ms = fq_monotonic_ms() + RENEW_MS;
    return FQ_OK;
}

// A lease whose commit stays unknown may stand in the table until it ends; it is simply not used.
fq_err postgres_lease_take(fq_engine *base, uint32_t *out_writer, fq_head *out) {
    postgres_engine *engine = (postgres_engine *)base;
    fq_head head = {0};
    const fq_err err = take(engine, &head);
    if (err.code) {
        postgres_link_rollback(&engine->writer);
        return err.code == FQ_STORE_UNKNOWN ? fq_refuse(FQ_STORE_LOST, NULL) : err;
    }
    head.epoch = engine->epoch;
    postgres_memory_clear(engine);
    engine->batch_seen = head.batch_number;
    *out_writer = engine->number;
    *out = head;
    return FQ_OK;
}
