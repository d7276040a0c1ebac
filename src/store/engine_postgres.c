// The PostgreSQL engine: a batch's transaction in four round trips, and the lookup of a commit
// whose answer was lost.
//
//     begin, load     one a round of load: BEGIN, every table's lookup, in key order
//     save, head_lock one: every table's insert, update and delete, then the head, then the lease
//     save, commit    one: journals, the head, the claim, COMMIT
//
// Several writers may share a database; the head orders their commits. A writer that is alone with
// it locks nothing else: it reads one state of the database (REPEATABLE READ), remembers accounts
// and parties, and to lock the head fails where another writer has committed since. Having met
// another writer so, it locks what it loads for a while (READ COMMITTED is enough then: what a
// batch decides on is locked, what it found absent is inserted under a primary key). A lock is a
// write to the row and to the log.
#include "base/clock.h"
#include "base/log.h"
#include "store/postgres_engine.h"
#include "store/postgres_rows.h"
#include "store/postgres_wire.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECT_TIMEOUT_MS = 3000,
    STATEMENT_TIMEOUT_MS = 10000,
    LOCK_TIMEOUT_MS = 5000,
    IDLE_IN_TRANSACTION_TIMEOUT_MS = 15000,
    LOCKING_BATCHES = 500,  // after another writer was met
};

// A claim says what became of a batch id: committed at a time, or never to be.
enum { CLAIM_NEVER = 0 };

// --- connection ---

static fq_err prepare(postgres_link *link, const fq_schema *schema) {
    postgres_link_prepare(link, "begin", "write",
                          "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
    postgres_link_prepare(link, "begin", "snapshot",
                          "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE");
    postgres_link_prepare(link, "end", "commit", "COMMIT");
    postgres_link_prepare(link, "end", "rollback", "ROLLBACK");
    postgres_link_prepare(link, "head", "lock",
                          "SELECT " POSTGRES_HEAD_COLUMNS " FROM head WHERE id = 1 FOR UPDATE");
    postgres_link_prepare(link, "head", "batch", "SELECT batch_number FROM head WHERE id = 1");
    postgres_link_prepare(
        link, "head", "write",
        "UPDATE head SET (event_position, transfer_position, request_position, batch_number,"
        " id_last, at_ms, clock_shift_ms, seal)"
        " = ($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint,"
        " $8::bytea) WHERE id = 1");
    postgres_link_prepare(link, "claim", "write",
                          "WITH before AS (DELETE FROM claim WHERE batch_id = $3::bigint)"
                          " INSERT INTO claim (batch_id, at_ms) VALUES ($1::bigint, $2::bigint)");
    // Waits for a transaction that has claimed the id and not ended yet. Writing the row in either
    // case makes this commit wait for the standbys that the lost one may not have waited for.
    postgres_link_prepare(
        link, "claim", "settle",
        "INSERT INTO claim AS c (batch_id, at_ms) VALUES ($1::bigint, $2::bigint)"
        " ON CONFLICT (batch_id) DO UPDATE SET at_ms = c.at_ms RETURNING c.at_ms");
    postgres_link_prepare(
        link, "stamp", "set",
        "INSERT INTO stamp (name, value) VALUES (convert_from($1::bytea, 'UTF8'), $2::bytea)"
        " ON CONFLICT (name) DO NOTHING");
    postgres_link_prepare(link, "stamp", "get",
                          "SELECT value FROM stamp WHERE name = convert_from($1::bytea, 'UTF8')");
    FQ_TRY(postgres_lease_prepare(link));
    return postgres_rows_prepare(link, schema, POSTGRES_FOR_WRITING);
}

fq_err postgres_writer_connect(postgres_engine *engine) {
    if (postgres_link_alive(&engine->writer)) {
        return FQ_OK;
    }
    FQ_TRY(postgres_link_open(&engine->writer, &engine->target, NULL,
                              engine->read_only ? POSTGRES_FOR_READING : POSTGRES_FOR_WRITING));
    fq_err err = postgres_schema_check(&engine->writer);
    if (!err.code) {
        err = prepare(&engine->writer, engine->engine.schema);
    }
    if (err.code) {
        postgres_link_close(&engine->writer);
    }
    return err;
}

// --- a batch ---

bool postgres_read_head(void *context, const PGresult *result) {
    fq_head *head = context;
    int64_t integers[8];
    fq_str seal;
    _Static_assert(FQ_JOURNALS == 4, "the head has a position for each journal");
    if (PQntuples(result) != 1 || PQnfields(result) != 9) {
        return false;
    }
    for (int i = 0; i < 8; i++) {
        if (!postgres_get_integer(result, 0, i, &integers[i])) {
            return false;
        }
    }
    if (!postgres_get_bytes(result, 0, 8, &seal) || seal.len != sizeof(head->seal)) {
        return false;
    }
    *head = (fq_head){.position = {[FQ_JOURNAL_EVENT] = (uint64_t)integers[0],
                                   [FQ_JOURNAL_TRANSFER] = (uint64_t)integers[1],
                                   [FQ_JOURNAL_REQUEST] = (uint64_t)integers[2]},
                      .batch_number = (uint64_t)integers[3],
                      .epoch = (uint64_t)integers[4],
                      .id_last = (uint64_t)integers[5],
                      .at_ms = integers[6],
                      .clock_shift_ms = integers[7]};
    memcpy(head->seal, seal.at, seal.len);
    return true;
}

fq_err postgres_begin(postgres_engine *engine, const char *how) {
    FQ_ASSERT(!engine->read_only);
    FQ_TRY(postgres_writer_connect(engine));
    postgres_link_execute(&engine->writer,
                          (postgres_step){.verb = "begin", .subject = how, .rows_expected = -1},
                          NULL);
    return FQ_OK;
}

static fq_err begin(fq_engine *base) {
    postgres_engine *engine = (postgres_engine *)base;
    engine->batch_found = -1;
    engine->pending_count = 0;
    return postgres_begin(engine, engine->locking_left > 0 ? "write" : "snapshot");
}

static fq_err note_failure(postgres_engine *engine, fq_err err) {
    if (err.code) {
        postgres_memory_clear(engine);
    }
    if (err.code == FQ_STORE_CONFLICT) {
        engine->locking_left = LOCKING_BATCHES;
    }
    return err;
}

// Has nobody else committed what the memory does not know of? The snapshot that answers is the
// batch's own, and to lock the head fails if somebody commits after it.
static void ask_last_batch(postgres_engine *engine) {
    if (engine->locking_left == 0 && engine->batch_found < 0) {
        postgres_link_execute(&engine->writer,
                              (postgres_step){.verb = "head",
                                              .subject = "batch",
                                              .read = postgres_read_integer,
                                              .context = &engine->batch_found,
                                              .rows_expected = -1},
                              NULL);
    }
}

static fq_err load(fq_engine *base, fq_batch *batch, const fq_row_group *groups, size_t count) {
    postgres_engine *engine = (postgres_engine *)base;
    fq_arena *arena = fq_batch_arena(batch);
    fq_row_group *left = FQ_NEW_ARRAY(arena, fq_row_group, count);
    ask_last_batch(engine);
    for (size_t i = 0; i < count; i++) {
        postgres_memory_recall(engine, arena, &groups[i], &left[i]);
        if (left[i].count > 0) {
            postgres_rows_load(&engine->writer, arena, &left[i], engine->locking_left > 0);
        }
    }
    FQ_TRY(note_failure(engine, postgres_link_round(&engine->writer)));
    if (engine->locking_left == 0 && (uint64_t)engine->batch_found != engine->batch_seen) {
        engine->batch_seen = (uint64_t)engine->batch_found;
        return note_failure(engine, fq_refuse(FQ_STORE_CONFLICT, NULL));
    }
    postgres_memory_note_loaded(engine, left, count);
    return FQ_OK;
}

static fq_err save(fq_engine *base, const fq_save *saves, size_t count) {
    postgres_engine *engine = (postgres_engine *)base;
    for (size_t i = 0; i < count; i++) {
        if (saves[i].group.count > 0 && !postgres_rows_save(&engine->writer, &saves[i])) {
            fq_log(FQ_LOG_ERROR, "a batch is too large to be saved",
                   FQ_LOG_TEXT("table", saves[i].group.table->name));
            return fq_refuse(FQ_INTERNAL, NULL);
        }
    }
    postgres_memory_note_saves(engine, saves, count);
    return FQ_OK;
}

// The head's epoch is the last one given to any writer; what a writer is told is its own, which is
// checked here.
static fq_err head_lock(fq_engine *base, fq_head *out) {
    postgres_engine *engine = (postgres_engine *)base;
    fq_head head = {0};
    postgres_link_execute(&engine->writer,
                          (postgres_step){.verb = "head",
                                          .subject = "lock",
                                          .read = postgres_read_head,
                                          .context = &head,
                                          .rows_expected = -1},
                          NULL);
    postgres_lease_check(engine);
    FQ_TRY(note_failure(engine, postgres_link_round(&engine->writer)));
    if ((uint64_t)engine->epoch_seen != engine->epoch) {
        fq_log(FQ_LOG_ERROR, "this writer's lease was taken over while it was away",
               FQ_LOG_INT("writer", engine->number));
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    head.epoch = engine->epoch;
    *out = head;
    return FQ_OK;
}

static void queue_head(postgres_link *link, const fq_head *head) {
    postgres_values values = {0};
    postgres_integer room[7];
    const int64_t integers[7] = {(int64_t)head->position[FQ_JOURNAL_EVENT],
                                 (int64_t)head->position[FQ_JOURNAL_TRANSFER],
                                 (int64_t)head->position[FQ_JOURNAL_REQUEST],
                                 (int64_t)head->batch_number,
                                 (int64_t)head->id_last,
                                 head->at_ms,
                                 head->clock_shift_ms};
    for (int i = 0; i < 7; i++) {
        postgres_put_integer(&values, &room[i], integers[i]);
    }
    postgres_put_bytes(&values, (fq_str){(const char *)head->seal, sizeof(head->seal)});
    postgres_link_execute(
        link, (postgres_step){.verb = "head", .subject = "write", .rows_expected = 1}, &values);
}

static fq_err commit(fq_engine *base, const fq_head *head, uint64_t batch_id) {
    postgres_engine *engine = (postgres_engine *)base;
    postgres_values values = {0};
    postgres_integer id, at_ms, before;
    queue_head(&engine->writer, head);
    postgres_put_integer(&values, &id, (int64_t)batch_id);
    postgres_put_integer(&values, &at_ms, fq_wall_ms());
    postgres_put_integer(&values, &before, (int64_t)engine->claim_before);
    postgres_link_execute(&engine->writer,
                          (postgres_step){.verb = "claim", .subject = "write", .rows_expected = 1},
                          &values);
    postgres_lease_renew(engine);
    FQ_TRY(note_failure(engine, postgres_link_commit(&engine->writer)));
    postgres_memory_note_commit(engine, head->batch_number);
    engine->claim_before = batch_id;
    engine->locking_left -= engine->locking_left > 0 ? 1 : 0;
    return FQ_OK;
}

static void rollback(fq_engine *base) {
    postgres_link_rollback(&((postgres_engine *)base)->writer);
}

// --- a commit whose answer was lost ---

static fq_err try_settle(postgres_engine *engine, uint64_t batch_id, int64_t *out_at_ms) {
    postgres_link *link = &engine->writer;
    postgres_values values = {0};
    postgres_integer id, never;
    FQ_TRY(postgres_begin(engine, "write"));
    postgres_put_integer(&values, &id, (int64_t)batch_id);
    postgres_put_integer(&values, &never, CLAIM_NEVER);
    postgres_link_execute(link,
                          (postgres_step){.verb = "claim",
                                          .subject = "settle",
                                          .read = postgres_read_integer,
                                          .context = out_at_ms,
                                          .rows_expected = 1},
                          &values);
    return postgres_link_commit(link);
}

// A claim that this function itself wrote, in a try whose own answer was lost, says "never" and is
// not taken for the batch's: so it may be asked again until it answers. Whatever keeps it from
// answering is FQ_STORE_LOST.
static fq_err settle(fq_engine *base, uint64_t batch_id, bool *out_committed) {
    postgres_engine *engine = (postgres_engine *)base;
    int64_t at_ms = -1;
    postgres_link_close(&engine->writer);
    const fq_err err = try_settle(engine, batch_id, &at_ms);
    if (err.code || at_ms < 0) {
        postgres_link_rollback(&engine->writer);
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    engine->claim_before = batch_id;
    *out_committed = at_ms != CLAIM_NEVER;
    return FQ_OK;
}

// --- the rest ---

// Notices a connection that was lost, and keeps the lease while there is nothing to write.
static fq_err idle(fq_engine *base) {
    postgres_engine *engine = (postgres_engine *)base;
    if (engine->epoch == 0) {
        return FQ_OK;
    }
    FQ_TRY(postgres_writer_connect(engine));
    if (fq_monotonic_ms() < engine->renew_at_ms) {
        return FQ_OK;
    }
    postgres_lease_renew(engine);
    const fq_err err = postgres_link_round(&engine->writer);
    if (err.code) {
        postgres_link_close(&engine->writer);
    }
    return err;
}

static bool read_stamp(void *context, const PGresult *result) {
    fq_str value = {0};
    if (PQntuples(result) > 0 && !postgres_get_bytes(result, 0, 0, &value)) {
        return false;
    }
    fq_buffer_add(context, value);
    return true;
}

static fq_err stamp(fq_engine *base, const char *name, fq_str wanted, fq_buffer *out_found) {
    postgres_engine *engine = (postgres_engine *)base;
    postgres_link *link = &engine->writer;
    FQ_TRY(postgres_writer_connect(engine));
    fq_buffer_clear(out_found);
    postgres_values values = {0};
    postgres_put_bytes(&values, fq_str_of(name));
    if (wanted.len > 0) {
        postgres_values set = values;
        postgres_put_bytes(&set, wanted);
        postgres_link_execute(
            link, (postgres_step){.verb = "stamp", .subject = "set", .rows_expected = -1}, &set);
        FQ_TRY(postgres_link_round(link));
    }
    postgres_link_execute(link,
                          (postgres_step){.verb = "stamp",
                                          .subject = "get",
                                          .read = read_stamp,
                                          .context = out_found,
                                          .rows_expected = -1},
                          &values);
    return postgres_link_round(link);
}

static void close_engine(fq_engine *base) {
    postgres_engine *engine = (postgres_engine *)base;
    postgres_lease_end(engine);
    postgres_memory_free(engine);
    postgres_link_free(&engine->writer);
    if (engine->url) {
        explicit_bzero(engine->url, strlen(engine->url));  // it may hold a password
    }
    free(engine->url);
    free(engine);
}

static const fq_engine_ops ops = {
    .system = "postgresql",
    .begin = begin,
    .load = load,
    .save = save,
    .head_lock = head_lock,
    .commit = commit,
    .rollback = rollback,
    .settle = settle,
    .lease = postgres_lease_take,
    .idle = idle,
    .forget = postgres_forget,
    .reader_open = postgres_reader_open,
    .reader_close = postgres_reader_close,
    .reader_begin = postgres_reader_begin,
    .reader_end = postgres_reader_end,
    .reader_load = postgres_reader_load,
    .reader_scan = postgres_reader_scan,
    .reader_head = postgres_reader_head,
    .backup = postgres_backup,
    .examine = postgres_examine,
    .stamp = stamp,
    .close = close_engine,
};

// --- opening ---

static bool is_plain_name(const char *name) {
    return *name != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

// The database is the URL's name and the service's.
static bool name_database(postgres_target *target, const char *service) {
    char *message = NULL;
    PQconninfoOption *given = PQconninfoParse(target->url, &message);
    PQfreemem(message);
    int bytes = 0;
    for (const PQconninfoOption *option = given; option && option->keyword; option++) {
        if (strcmp(option->keyword, "dbname") == 0 && option->val) {
            bytes =
                snprintf(target->database, sizeof(target->database), "%s_%s", option->val, service);
        }
    }
    PQconninfoFree(given);
    return bytes > 0 && (size_t)bytes < sizeof(target->database) && is_plain_name(target->database);
}

static int64_t or_else(int64_t value, int64_t otherwise) {
    return value > 0 ? value : otherwise;
}

fq_err fq_engine_postgres_open(const char *url, const fq_schema *schema,
                               const fq_store_options *options, fq_engine **out) {
    postgres_engine *engine = calloc(1, sizeof(*engine));
    FQ_ASSERT(engine != NULL);
    engine->engine = (fq_engine){&ops, schema};
    engine->url = strdup(url);
    FQ_ASSERT(engine->url != NULL);
    engine->read_only = options->read_only;
    engine->target = (postgres_target){
        .url = engine->url,
        .connect_timeout_ms = or_else(options->connect_timeout_ms, CONNECT_TIMEOUT_MS),
        .statement_timeout_ms = or_else(options->statement_timeout_ms, STATEMENT_TIMEOUT_MS),
        .lock_timeout_ms = or_else(options->lock_timeout_ms, LOCK_TIMEOUT_MS),
        .idle_in_transaction_timeout_ms = IDLE_IN_TRANSACTION_TIMEOUT_MS,
    };
    snprintf(engine->target.application, sizeof(engine->target.application), "feiqian %s",
             schema->service);
    postgres_link_init(&engine->writer);
    postgres_memory_make(engine);
    fq_err err = fq_refuse(FQ_STORE_LOST, NULL);
    if (name_database(&engine->target, schema->service)) {
        err = postgres_schema_open(engine, options->migrate && !options->read_only);
    } else {
        fq_log(FQ_LOG_ERROR,
               "the PostgreSQL URL must name a database of small letters, digits and '_', up to "
               "50: it is the prefix of each service's database");
    }
    if (err.code) {
        close_engine(&engine->engine);
        return err;
    }
    *out = &engine->engine;
    return FQ_OK;
}
