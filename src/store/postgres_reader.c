// Readers: a connection each. A reader's transaction begins with its first question, so that a load
// is one round trip.
#include "base/clock.h"
#include "store/postgres_engine.h"
#include "store/postgres_rows.h"

#include <stdlib.h>
#include <time.h>

enum {
    CONNECT_MS_MAX = 3000,  // of trying again, before a question is answered with "unavailable"
    PAUSE_MS_MIN = 50,
    PAUSE_MS_MAX = 800,
    ARENA_BYTES_MAX = 16 << 20,
};

struct fq_reader {
    postgres_engine *engine;
    postgres_link link;
    fq_arena arena;  // rows of scans
    fq_err failed;   // in the transaction at hand: every further call says the same
};

fq_err postgres_reader_open(fq_engine *engine, fq_reader **out) {
    fq_reader *reader = calloc(1, sizeof(*reader));
    FQ_ASSERT(reader != NULL);
    reader->engine = (postgres_engine *)engine;
    postgres_link_init(&reader->link);
    reader->link.quiet = true;  // told by the writer, and by what the question is answered with
    fq_arena_init(&reader->arena, ARENA_BYTES_MAX);
    *out = reader;
    return FQ_OK;
}

void postgres_reader_close(fq_reader *reader) {
    postgres_link_free(&reader->link);
    fq_arena_free(&reader->arena);
    free(reader);
}

static fq_err connect_once(fq_reader *reader) {
    postgres_link *link = &reader->link;
    FQ_TRY(postgres_link_open(link, &reader->engine->target, NULL, POSTGRES_FOR_READING));
    postgres_link_prepare(link, "begin", "read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    postgres_link_prepare(link, "end", "read", "COMMIT");
    postgres_link_prepare(link, "end", "rollback", "ROLLBACK");
    postgres_link_prepare(link, "head", "read",
                          "SELECT " POSTGRES_HEAD_COLUMNS " FROM head WHERE id = 1");
    const fq_err err =
        postgres_rows_prepare(link, reader->engine->engine.schema, POSTGRES_FOR_READING);
    if (err.code) {
        postgres_link_close(link);
    }
    return err;
}

static fq_err connect_again(fq_reader *reader) {
    const int64_t until_ms = fq_monotonic_ms() + CONNECT_MS_MAX;
    int64_t pause_ms = PAUSE_MS_MIN;
    fq_err err = connect_once(reader);
    while (err.code == FQ_STORE_LOST && fq_monotonic_ms() + pause_ms < until_ms) {
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000000L}, NULL);
        pause_ms = pause_ms * 2 < PAUSE_MS_MAX ? pause_ms * 2 : PAUSE_MS_MAX;
        err = connect_once(reader);
    }
    return err;
}

fq_err postgres_reader_begin(fq_reader *reader) {
    fq_arena_reset(&reader->arena);
    reader->failed = FQ_OK;
    if (postgres_link_catch_up(&reader->link).code) {
        postgres_link_close(&reader->link);  // the last transaction did not end well: start afresh
    }
    if (!postgres_link_alive(&reader->link)) {
        FQ_TRY(connect_again(reader));
    }
    postgres_link_execute(&reader->link,
                          (postgres_step){.verb = "begin", .subject = "read", .rows_expected = -1},
                          NULL);
    return FQ_OK;
}

void postgres_reader_end(fq_reader *reader) {
    if (reader->failed.code) {
        postgres_link_rollback(&reader->link);
        return;
    }
    postgres_link_execute(&reader->link,
                          (postgres_step){.verb = "end", .subject = "read", .rows_expected = -1},
                          NULL);
    postgres_link_send(&reader->link);
}

// After an error the transaction can do nothing more.
static fq_err keep(fq_reader *reader, fq_err err) {
    reader->failed = err;
    return err;
}

fq_err postgres_reader_load(fq_reader *reader, fq_arena *arena, const fq_row_group *groups,
                            size_t count) {
    FQ_TRY(reader->failed);
    for (size_t i = 0; i < count; i++) {
        if (groups[i].count > 0) {
            postgres_rows_load(&reader->link, arena, &groups[i], false);
        }
    }
    return keep(reader, postgres_link_round(&reader->link));
}

fq_err postgres_reader_scan(fq_reader *reader, const fq_scan *scan) {
    FQ_TRY(reader->failed);
    return keep(reader, postgres_rows_scan(&reader->link, &reader->arena, scan));
}

fq_err postgres_reader_head(fq_reader *reader, fq_head *out) {
    FQ_TRY(reader->failed);
    fq_head head = {0};
    postgres_link_execute(&reader->link,
                          (postgres_step){.verb = "head",
                                          .subject = "read",
                                          .read = postgres_read_head,
                                          .context = &head,
                                          .rows_expected = -1},
                          NULL);
    FQ_TRY(keep(reader, postgres_link_round(&reader->link)));
    *out = head;
    return FQ_OK;
}
