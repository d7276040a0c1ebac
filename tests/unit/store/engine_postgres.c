// src/store/engine_postgres.c against a real server: what a batch writes and reads, what two
// writers do to each other, and what becomes of commits whose answers are lost.
#include "store/engine.h"
#include "store/journal.h"
#include "store/migrate.h"
#include "store/postgres_engine.h"

#include "base/clock.h"
#include "postgres_server.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PURSE_COLUMNS(C, R)            \
    C(R, uint64_t, id, FQ_KEY)         \
    C(R, uint16_t, kind, FQ_FIXED)     \
    C(R, uint64_t, owner, FQ_FIXED)    \
    C(R, int64_t, balance, FQ_CHANGES) \
    C(R, fq_str, note, FQ_CHANGES)
FQ_ROW(purse_row, PURSE_COLUMNS)
#define PAIR_COLUMNS(C, R)       \
    C(R, uint64_t, high, FQ_KEY) \
    C(R, uint64_t, low, FQ_KEY)
FQ_ROW(pair_row, PAIR_COLUMNS)

static const fq_column purse_columns[] = {FQ_COLUMNS(purse_row, PURSE_COLUMNS)};
static const fq_table purse_table = {
    .name = "purse", .key_count = 1, .remembered = true, FQ_TABLE_OF(purse_row, purse_columns)};
static const fq_column pair_columns[] = {FQ_COLUMNS(pair_row, PAIR_COLUMNS)};
static const fq_table pair_table = {
    .name = "pair", .key_count = 2, FQ_TABLE_OF(pair_row, pair_columns)};
static const fq_table *const tables[] = {&purse_table,      &pair_table,     &fq_event_table,
                                         &fq_request_table, &fq_batch_table, &fq_work_table,
                                         &fq_followed_table};
static const fq_index by_owner = {
    .name = "purse_by_owner", .table = &purse_table, .column = "owner", .number = 1};
static const fq_index *const indexes[] = {&by_owner};
static const char purse_migration[] =
    "-- oldest: 1\n"
    "CREATE TABLE purse (id {int} PRIMARY KEY, kind {int} NOT NULL, owner {int} NOT NULL,\n"
    "  balance {int} NOT NULL CHECK (balance >= 0), note {bytes} NOT NULL);\n"
    "CREATE TABLE pair (high {int}, low {int}, PRIMARY KEY (high, low)){without_rowid};\n";
static const char *const migrations[] = {fq_journal_migration, purse_migration};
static const fq_schema schema = {.service = "purse",
                                 .migrations = migrations,
                                 .migration_count = 2,
                                 .tables = tables,
                                 .table_count = sizeof(tables) / sizeof(*tables),
                                 .indexes = indexes,
                                 .index_count = 1};

enum { SKIPPED = 77 };  // to Meson

static postgres_server server;
static fq_arena arena;
static fq_id_dealer dealer;
static uint64_t next_batch_id = 1;

static fq_err open_engine(fq_engine **out) {
    const fq_store_options options = {
        .migrate = true, .lock_timeout_ms = 8000, .statement_timeout_ms = 9000};
    return fq_store_open(server.url, &schema, &options, out);
}

static fq_engine *opened(void) {
    fq_engine *engine = NULL;
    assert_int_equal(open_engine(&engine).code, FQ_DONE);
    return engine;
}

static fq_engine *leased(fq_head *out) {
    fq_engine *engine = opened();
    uint32_t number;
    assert_int_equal(engine->ops->lease(engine, &number, out).code, FQ_DONE);
    return engine;
}

// One statement by the database's owner, beside the engines.
static int64_t owner_says(const char *sql) {
    char url[300];
    snprintf(url, sizeof(url), "postgresql://feiqian@/feiqian_purse?host=%s", server.folder);
    PGconn *connection = PQconnectdb(url);
    assert_int_equal(PQstatus(connection), CONNECTION_OK);
    PGresult *result = PQexec(connection, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK) {
        fail_msg("%s: %s", sql, PQerrorMessage(connection));
    }
    const int64_t value = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    PQfinish(connection);
    return value;
}

static int backend_of(fq_engine *engine) {
    return PQbackendPID(((postgres_engine *)engine)->writer.connection);
}

static purse_row *purse(uint64_t id) {
    purse_row *row = (purse_row *)fq_row_make(&purse_table, &arena);
    row->id = id;
    return row;
}

static fq_batch *batch_of(void) {
    return fq_batch_make(&arena, &dealer, 1);
}

// Loads `count` rows in the transaction at hand.
static fq_err load(fq_engine *engine, fq_row **rows, size_t count) {
    const fq_row_group group = {rows[0]->table, rows, count};
    return engine->ops->load(engine, batch_of(), &group, 1);
}

static fq_err save(fq_engine *engine, fq_save_kind kind, fq_row **rows, size_t count) {
    const fq_save one = {kind, {rows[0]->table, rows, count}};
    return engine->ops->save(engine, &one, 1);
}

// Locks the head and commits one batch more.
static fq_err finish(fq_engine *engine, uint64_t *out_batch_id) {
    fq_head head;
    const uint64_t id = next_batch_id++;
    if (out_batch_id) {
        *out_batch_id = id;
    }
    FQ_TRY(engine->ops->head_lock(engine, &head));
    head.batch_number++;
    return engine->ops->commit(engine, &head, id);
}

static void put(fq_engine *engine, purse_row **rows, size_t count) {
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_INSERT, (fq_row **)rows, count).code, FQ_DONE);
    assert_int_equal(finish(engine, NULL).code, FQ_DONE);
}

static void put_purse(fq_engine *engine, uint64_t id, uint64_t owner, int64_t balance) {
    purse_row *row = purse(id);
    row->owner = owner;
    row->balance = balance;
    put(engine, &row, 1);
}

static int each_setup(void **state) {
    (void)state;
    fq_arena_init(&arena, 64 << 20);
    return 0;
}

static int each_teardown(void **state) {
    (void)state;
    fq_arena_free(&arena);
    return 0;
}

static int start(void **state) {
    (void)state;
    return postgres_server_start(&server) ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    postgres_server_stop(&server);
    return 0;
}

// --- what is written is read again ---

static void test_rows_round_trip(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    purse_row *a = purse(1), *b = purse(2), *missing = purse(3);
    a->kind = 65535;
    a->owner = UINT64_MAX;
    a->balance = INT64_MAX;
    a->note = (fq_str){"\0\xff'\\", 4};
    purse_row *both[] = {a, b};
    put(engine, both, 2);

    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    purse_row *a2 = purse(1), *b2 = purse(2);
    fq_row *wanted[] = {&a2->row, &b2->row, &missing->row};
    assert_int_equal(load(engine, wanted, 3).code, FQ_DONE);
    assert_int_equal(a2->row.state, FQ_ROW_LOADED);
    assert_int_equal(a2->kind, 65535);
    assert_true(a2->owner == UINT64_MAX);
    assert_true(a2->balance == INT64_MAX);
    assert_true(fq_str_equal(a2->note, a->note));
    assert_int_equal(b2->row.state, FQ_ROW_LOADED);
    assert_int_equal(b2->note.len, 0);
    assert_int_equal(missing->row.state, FQ_ROW_ABSENT);

    b2->balance = 7;
    b2->kind = 9;  // fixed: an update leaves it alone
    b2->note = FQ_STR("changed");
    fq_row *changed[] = {&b2->row}, *gone[] = {&a2->row};
    assert_int_equal(save(engine, FQ_SAVE_UPDATE, changed, 1).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_DELETE, gone, 1).code, FQ_DONE);
    assert_int_equal(finish(engine, NULL).code, FQ_DONE);

    postgres_memory_clear((postgres_engine *)engine);  // what is there, not what is remembered
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    purse_row *a3 = purse(1), *b3 = purse(2);
    fq_row *again[] = {&a3->row, &b3->row};
    assert_int_equal(load(engine, again, 2).code, FQ_DONE);
    assert_int_equal(a3->row.state, FQ_ROW_ABSENT);
    assert_int_equal(b3->balance, 7);
    assert_int_equal(b3->kind, 0);
    assert_true(fq_str_equal(b3->note, FQ_STR("changed")));
    engine->ops->rollback(engine);
    engine->ops->close(engine);
}

static void test_a_table_of_keys_alone(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    pair_row *there = (pair_row *)fq_row_make(&pair_table, &arena);
    pair_row *swapped = (pair_row *)fq_row_make(&pair_table, &arena);
    there->high = swapped->low = UINT64_MAX - 1;
    there->low = swapped->high = 5;
    fq_row *one[] = {&there->row}, *two[] = {&swapped->row, &there->row};
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_INSERT, one, 1).code, FQ_DONE);
    assert_int_equal(finish(engine, NULL).code, FQ_DONE);
    there->row.state = FQ_ROW_ABSENT;
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(load(engine, two, 2).code, FQ_DONE);
    assert_int_equal(there->row.state, FQ_ROW_LOADED);
    assert_int_equal(swapped->row.state, FQ_ROW_ABSENT);
    engine->ops->rollback(engine);
    engine->ops->close(engine);
}

static void test_the_head_is_kept(void **state) {
    (void)state;
    fq_head head, found;
    fq_engine *engine = leased(&head);
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(engine->ops->head_lock(engine, &head).code, FQ_DONE);
    for (int i = 1; i < FQ_JOURNALS; i++) {
        head.position[i] += (uint64_t)i;
    }
    head.batch_number++;
    head.id_last = UINT64_C(1) << 62;
    head.at_ms += 1000;
    head.clock_shift_ms = -5;
    memset(head.seal, 0xab, sizeof(head.seal));
    assert_int_equal(engine->ops->commit(engine, &head, next_batch_id++).code, FQ_DONE);
    fq_reader *reader;
    assert_int_equal(engine->ops->reader_open(engine, &reader).code, FQ_DONE);
    assert_int_equal(engine->ops->reader_begin(reader).code, FQ_DONE);
    assert_int_equal(engine->ops->reader_head(reader, &found).code, FQ_DONE);
    engine->ops->reader_end(reader);
    engine->ops->reader_close(reader);
    assert_memory_equal(&found, &head, sizeof(head));
    engine->ops->close(engine);
}

static void test_rollback_leaves_nothing(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    purse_row *row = purse(50);
    fq_row *rows[] = {&row->row};
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_INSERT, rows, 1).code, FQ_DONE);
    assert_int_equal(engine->ops->head_lock(engine, &head).code, FQ_DONE);
    engine->ops->rollback(engine);
    assert_int_equal(owner_says("SELECT count(*) FROM purse WHERE id = 50"), 0);
    put_purse(engine, 50, 0, 0);  // and the connection goes on
    engine->ops->close(engine);
}

// A save that does not write what it was given must not be committed.
static void test_an_update_of_a_missing_row_is_refused(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    purse_row *row = purse(60);
    fq_row *rows[] = {&row->row};
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_UPDATE, rows, 1).code, FQ_DONE);
    assert_int_equal(engine->ops->head_lock(engine, &head).code, FQ_INTERNAL);
    engine->ops->rollback(engine);
    engine->ops->close(engine);
}

static void test_a_broken_check_is_internal(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    purse_row *row = purse(61);
    row->balance = -1;
    fq_row *rows[] = {&row->row};
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_INSERT, rows, 1).code, FQ_DONE);
    assert_int_equal(finish(engine, NULL).code, FQ_INTERNAL);
    engine->ops->rollback(engine);
    engine->ops->close(engine);
}

static void test_stamps_are_set_once(void **state) {
    (void)state;
    fq_engine *engine = opened();
    fq_buffer found;
    fq_buffer_init(&found, 1024);
    assert_int_equal(fq_store_stamp(engine, "colour", FQ_STR(""), &found).code, FQ_DONE);
    assert_int_equal(found.len, 0);
    assert_int_equal(fq_store_stamp(engine, "colour", FQ_STR("red"), &found).code, FQ_DONE);
    assert_true(fq_str_equal(fq_buffer_str(&found), FQ_STR("red")));
    assert_int_equal(fq_store_stamp(engine, "colour", FQ_STR("blue"), &found).code, FQ_DONE);
    assert_true(fq_str_equal(fq_buffer_str(&found), FQ_STR("red")));
    fq_buffer_free(&found);
    engine->ops->close(engine);
}

// --- two writers ---

static void test_both_make_the_same_row(void **state) {
    (void)state;
    fq_head head;
    fq_engine *first = leased(&head), *second = leased(&head);
    purse_row *mine = purse(100), *theirs = purse(100);
    fq_row *my_rows[] = {&mine->row}, *their_rows[] = {&theirs->row};
    assert_int_equal(first->ops->begin(first).code, FQ_DONE);
    assert_int_equal(second->ops->begin(second).code, FQ_DONE);
    assert_int_equal(load(first, my_rows, 1).code, FQ_DONE);
    assert_int_equal(load(second, their_rows, 1).code, FQ_DONE);
    assert_int_equal(mine->row.state, FQ_ROW_ABSENT);
    assert_int_equal(theirs->row.state, FQ_ROW_ABSENT);
    assert_int_equal(save(first, FQ_SAVE_INSERT, my_rows, 1).code, FQ_DONE);
    assert_int_equal(finish(first, NULL).code, FQ_DONE);
    assert_int_equal(save(second, FQ_SAVE_INSERT, their_rows, 1).code, FQ_DONE);
    assert_int_equal(finish(second, NULL).code, FQ_STORE_CONFLICT);
    second->ops->rollback(second);
    assert_int_equal(second->ops->begin(second).code, FQ_DONE);
    assert_int_equal(load(second, their_rows, 1).code, FQ_DONE);
    assert_int_equal(theirs->row.state, FQ_ROW_LOADED);
    second->ops->rollback(second);
    first->ops->close(first);
    second->ops->close(second);
}

typedef struct {
    fq_engine *engine;
    unsigned seed;
    int batches, conflicts, failures;
} racer;

enum {
    RACE_PURSES = 24,
    RACE_ROWS = 12,
    RACE_BATCHES = 120,
    RACE_FIRST = 1000,
    RACE_BALANCE = 1000
};

// Takes some purses in key order and moves money around among them. True when the batch was
// committed.
static fq_err race_once(racer *at, fq_arena *own) {
    fq_row *rows[RACE_ROWS];
    size_t count = 0;
    for (uint64_t i = 0; i < RACE_PURSES && count < RACE_ROWS; i++) {
        if (rand_r(&at->seed) % 2) {
            purse_row *row = (purse_row *)fq_row_make(&purse_table, own);
            row->id = RACE_FIRST + i;
            rows[count++] = &row->row;
        }
    }
    if (count == 0) {
        return FQ_OK;
    }
    const fq_row_group group = {&purse_table, rows, count};
    fq_id_dealer own_dealer = {0};
    FQ_TRY(at->engine->ops->begin(at->engine));
    FQ_TRY(at->engine->ops->load(at->engine, fq_batch_make(own, &own_dealer, 1), &group, 1));
    int64_t moved = 0;
    for (size_t i = 0; i < count; i++) {
        purse_row *row = (purse_row *)rows[i];
        const int64_t take = i + 1 < count && row->balance > 0 ? 1 : 0;
        row->balance += i + 1 < count ? -take : moved;
        moved += take;
    }
    const fq_save one = {FQ_SAVE_UPDATE, group};
    fq_head head;
    FQ_TRY(at->engine->ops->save(at->engine, &one, 1));
    FQ_TRY(at->engine->ops->head_lock(at->engine, &head));
    head.batch_number++;
    return at->engine->ops->commit(at->engine, &head,
                                   __atomic_fetch_add(&next_batch_id, 1, __ATOMIC_SEQ_CST));
}

static void *race(void *context) {
    racer *at = context;
    fq_arena own;
    fq_arena_init(&own, 16 << 20);
    while (at->batches < RACE_BATCHES && at->failures == 0) {
        fq_arena_reset(&own);
        const fq_err err = race_once(at, &own);
        if (!err.code) {
            at->batches++;
            continue;
        }
        at->engine->ops->rollback(at->engine);
        at->conflicts += err.code == FQ_STORE_CONFLICT;
        at->failures += err.code != FQ_STORE_CONFLICT;
    }
    fq_arena_free(&own);
    return NULL;
}

// formance/ledger#770: deadlocks between transactions over several accounts. blnk#239: a balance
// read outside of the transaction that writes it.
static void test_batches_over_many_accounts_never_deadlock_and_lose_nothing(void **state) {
    (void)state;
    fq_head before, after;
    racer racers[2] = {{.engine = leased(&before), .seed = 1},
                       {.engine = leased(&before), .seed = 2}};
    for (uint64_t i = 0; i < RACE_PURSES; i++) {
        put_purse(racers[0].engine, RACE_FIRST + i, 0, RACE_BALANCE);
    }
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(racers[i].failures, 0);
        assert_true(racers[i].conflicts <= 1);  // having met the other, it locks what it loads
        assert_int_equal(racers[i].batches, RACE_BATCHES);
    }
    assert_int_equal(owner_says("SELECT sum(balance) FROM purse WHERE id BETWEEN 1000 AND 1023"),
                     RACE_PURSES * RACE_BALANCE);
    assert_int_equal(racers[0].engine->ops->begin(racers[0].engine).code, FQ_DONE);
    assert_int_equal(racers[0].engine->ops->head_lock(racers[0].engine, &after).code, FQ_DONE);
    assert_true(after.batch_number >= before.batch_number + RACE_PURSES + 2 * RACE_BATCHES - 2);
    racers[0].engine->ops->rollback(racers[0].engine);
    for (int i = 0; i < 2; i++) {
        racers[i].engine->ops->close(racers[i].engine);
    }
}

// --- the lease ---

static void test_two_writers_have_two_numbers_and_growing_epochs(void **state) {
    (void)state;
    fq_head first_head, second_head;
    uint32_t first_number, second_number;
    fq_engine *first = opened(), *second = opened();
    assert_int_equal(first->ops->lease(first, &first_number, &first_head).code, FQ_DONE);
    assert_int_equal(second->ops->lease(second, &second_number, &second_head).code, FQ_DONE);
    assert_int_not_equal(first_number, second_number);
    assert_true(second_head.epoch > first_head.epoch);
    put_purse(first, 200, 0, 0);  // the older one still writes
    first->ops->close(first);
    fq_engine *third = opened();
    uint32_t third_number;
    assert_int_equal(third->ops->lease(third, &third_number, &first_head).code, FQ_DONE);
    assert_int_equal(third_number, first_number);  // given back at the end
    second->ops->close(second);
    third->ops->close(third);
}

static void test_a_paused_writer_whose_lease_was_taken_commits_nothing(void **state) {
    (void)state;
    fq_head head;
    fq_engine *paused = leased(&head);
    purse_row *row = purse(210);
    fq_row *rows[] = {&row->row};
    assert_int_equal(paused->ops->begin(paused).code, FQ_DONE);
    assert_int_equal(save(paused, FQ_SAVE_INSERT, rows, 1).code, FQ_DONE);
    owner_says("UPDATE writer SET expires_ms = 0");
    fq_engine *successor = leased(&head);
    assert_int_equal(((postgres_engine *)successor)->number, ((postgres_engine *)paused)->number);
    assert_int_equal(finish(paused, NULL).code, FQ_STATE_CONFLICT);
    paused->ops->rollback(paused);
    assert_int_equal(owner_says("SELECT count(*) FROM purse WHERE id = 210"), 0);
    put_purse(successor, 210, 0, 0);
    paused->ops->close(paused);
    put_purse(successor, 211, 0, 0);  // the paused one's end did not touch its successor's lease
    assert_int_equal(owner_says("SELECT count(*) FROM writer WHERE expires_ms > 0"), 1);
    successor->ops->close(successor);
}

static void test_the_lease_is_renewed(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    owner_says("UPDATE writer SET expires_ms = 1");
    assert_int_equal(engine->ops->idle(engine).code, FQ_DONE);  // not due yet
    assert_int_equal(owner_says("SELECT count(*) FROM writer WHERE expires_ms > 1"), 0);
    ((postgres_engine *)engine)->renew_at_ms = 0;
    assert_int_equal(engine->ops->idle(engine).code, FQ_DONE);
    assert_int_equal(owner_says("SELECT count(*) FROM writer WHERE expires_ms > 1"), 1);
    owner_says("UPDATE writer SET expires_ms = 1");
    ((postgres_engine *)engine)->renew_at_ms = 0;
    put_purse(engine, 220, 0, 0);
    assert_int_equal(owner_says("SELECT count(*) FROM writer WHERE expires_ms > 1"), 1);
    engine->ops->close(engine);
}

// --- lost connections and unknown commits ---

static void terminate(int backend) {
    char sql[100];
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)::int", backend);
    owner_says(sql);
}

static void test_a_connection_lost_before_the_commit_is_lost(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    purse_row *row = purse(300);
    fq_row *rows[] = {&row->row};
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(load(engine, rows, 1).code, FQ_DONE);
    terminate(backend_of(engine));
    assert_int_equal(save(engine, FQ_SAVE_INSERT, rows, 1).code, FQ_DONE);
    assert_int_equal(finish(engine, NULL).code, FQ_STORE_LOST);
    engine->ops->rollback(engine);
    put_purse(engine, 300, 0, 0);  // connected again, prepared again
    engine->ops->close(engine);
}

static void test_a_connection_closed_between_batches_costs_none(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    terminate(backend_of(engine));
    put_purse(engine, 310, 0, 0);
    engine->ops->close(engine);
}

static void test_killed_before_the_commit_arrives_is_unknown_and_settled_as_never(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    purse_row *row = purse(320);
    fq_row *rows[] = {&row->row};
    bool committed = true;
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_INSERT, rows, 1).code, FQ_DONE);
    assert_int_equal(engine->ops->head_lock(engine, &head).code, FQ_DONE);
    terminate(backend_of(engine));
    assert_int_equal(engine->ops->commit(engine, &head, 32001).code, FQ_STORE_UNKNOWN);
    assert_int_equal(engine->ops->settle(engine, 32001, &committed).code, FQ_DONE);
    assert_false(committed);
    committed = true;
    assert_int_equal(engine->ops->settle(engine, 32001, &committed).code, FQ_DONE);
    assert_false(committed);  // also when asked twice
    assert_int_equal(owner_says("SELECT count(*) FROM purse WHERE id = 320"), 0);
    put_purse(engine, 320, 0, 0);
    assert_int_equal(owner_says("SELECT count(*) FROM claim WHERE batch_id = 32001"), 0);  // swept
    engine->ops->close(engine);
}

static void reload_until(const char *set, const char *condition) {
    char sql[200];
    owner_says(set);
    owner_says("SELECT pg_reload_conf()");
    snprintf(sql, sizeof(sql), "SELECT (%s)::int", condition);
    for (int i = 0; i < 100 && !owner_says(sql); i++) {
        usleep(20 * 1000);
    }
    assert_int_equal(owner_says(sql), 1);
}

typedef struct {
    int backend;
    const char *function;
} killer;

// Waits until the backend waits for a standby in its commit, which is then written here, and
// strikes.
static void *strike(void *context) {
    const killer *at = context;
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT coalesce((SELECT (%s(pid))::int FROM pg_stat_activity"
             " WHERE pid = %d AND wait_event = 'SyncRep'), 0)",
             at->function, at->backend);
    for (int i = 0; i < 200 && !owner_says(sql); i++) {
        usleep(20 * 1000);
    }
    return NULL;
}

// A commit that waits for a standby that never answers is broken off: it was written here, and
// nobody was told.
static void commit_without_answer(uint64_t id, const char *function) {
    fq_head head;
    fq_engine *engine = leased(&head);
    purse_row *row = purse(id);
    fq_row *rows[] = {&row->row};
    bool committed = false;
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_INSERT, rows, 1).code, FQ_DONE);
    assert_int_equal(engine->ops->head_lock(engine, &head).code, FQ_DONE);
    reload_until("ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
                 "current_setting('synchronous_standby_names') = 'nobody'");
    usleep(200 * 1000);  // the checkpointer tells the backends that commits wait now
    killer striker = {backend_of(engine), function};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, strike, &striker), 0);
    head.batch_number++;
    assert_int_equal(engine->ops->commit(engine, &head, id).code, FQ_STORE_UNKNOWN);
    pthread_join(thread, NULL);
    reload_until("ALTER SYSTEM RESET synchronous_standby_names",
                 "current_setting('synchronous_standby_names') = ''");
    usleep(200 * 1000);
    assert_int_equal(engine->ops->settle(engine, id, &committed).code, FQ_DONE);
    assert_true(committed);
    char sql[100];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM purse WHERE id = %" PRIu64, id);
    assert_int_equal(owner_says(sql), 1);
    put_purse(engine, id + 1, 0, 0);
    engine->ops->close(engine);
}

static void test_killed_after_the_commit_is_unknown_and_settled_as_committed(void **state) {
    (void)state;
    commit_without_answer(330, "pg_terminate_backend");
}

static void test_a_commit_with_a_warning_is_unknown(void **state) {
    (void)state;
    commit_without_answer(340, "pg_cancel_backend");
}

// The server takes the COMMIT and is silent. Whichever way it ends later, settle says it.
static void test_a_silent_server_is_given_up(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    postgres_link *link = &((postgres_engine *)engine)->writer;
    purse_row *row = purse(345);
    fq_row *rows[] = {&row->row};
    bool committed = false;
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_INSERT, rows, 1).code, FQ_DONE);
    assert_int_equal(engine->ops->head_lock(engine, &head).code, FQ_DONE);
    const pid_t backend = backend_of(engine);
    link->patience_ms = 200;
    assert_int_equal(kill(backend, SIGSTOP), 0);
    head.batch_number++;
    const int64_t begun_ms = fq_monotonic_ms();
    assert_int_equal(engine->ops->commit(engine, &head, 34501).code, FQ_STORE_UNKNOWN);
    assert_true(fq_monotonic_ms() - begun_ms < 2000);
    assert_int_equal(kill(backend, SIGCONT), 0);
    assert_int_equal(engine->ops->settle(engine, 34501, &committed).code, FQ_DONE);
    assert_int_equal(owner_says("SELECT count(*) FROM purse WHERE id = 345"), committed ? 1 : 0);
    put_purse(engine, 346, 0, 0);
    engine->ops->close(engine);
}

typedef struct {
    fq_engine *engine;
    uint64_t batch_id;
    fq_err err;
    bool committed;
} settler;

static void *settle_in_thread(void *context) {
    settler *at = context;
    at->err = at->engine->ops->settle(at->engine, at->batch_id, &at->committed);
    return NULL;
}

// The old backend is still at work on the commit: settle waits for it, whichever way it ends.
static void settle_beside(fq_engine *engine, uint64_t batch_id, const char *end, bool committed) {
    char url[300], sql[100];
    snprintf(url, sizeof(url), "postgresql://feiqian@/feiqian_purse?host=%s", server.folder);
    PGconn *old = PQconnectdb(url);
    PQclear(PQexec(old, "BEGIN"));
    snprintf(sql, sizeof(sql), "INSERT INTO claim VALUES (%" PRIu64 ", 12345)", batch_id);
    PQclear(PQexec(old, sql));
    settler at = {.engine = engine, .batch_id = batch_id, .committed = !committed};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, settle_in_thread, &at), 0);
    while (
        !owner_says("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'")) {
        usleep(10 * 1000);
    }
    PQclear(PQexec(old, end));
    pthread_join(thread, NULL);
    PQfinish(old);
    assert_int_equal(at.err.code, FQ_DONE);
    assert_int_equal(at.committed, committed);
}

static void test_settle_waits_for_the_one_in_flight(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    settle_beside(engine, 35001, "COMMIT", true);
    settle_beside(engine, 35002, "ROLLBACK", false);
    engine->ops->close(engine);
}

// A COMMIT that the server turns into a ROLLBACK is a success to libpq, and must not be one to us.
static void test_a_commit_answered_by_rollback_is_no_commit(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    postgres_link *link = &((postgres_engine *)engine)->writer;
    const postgres_step step = {.verb = "test", .subject = "failure", .rows_expected = -1};
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    postgres_link_plain(link, step, "SELECT 1 / 0");
    assert_int_equal(postgres_link_round(link).code, FQ_INTERNAL);
    assert_int_equal(postgres_link_commit(link).code, FQ_STORE_CONFLICT);
    engine->ops->rollback(engine);
    put_purse(engine, 360, 0, 0);
    engine->ops->close(engine);
}

static void test_sqlstates(void **state) {
    (void)state;
    static const struct {
        const char *sqlstate;
        fq_code code;
    } cases[] = {{"23505", FQ_STORE_CONFLICT},
                 {"40001", FQ_STORE_CONFLICT},
                 {"40P01", FQ_STORE_CONFLICT},
                 {"55P03", FQ_STORE_CONFLICT},
                 {"08006", FQ_STORE_LOST},
                 {"57P01", FQ_STORE_LOST},
                 {"57P02", FQ_STORE_LOST},
                 {"57P03", FQ_STORE_LOST},
                 {"57014", FQ_STORE_LOST},
                 {"53300", FQ_STORE_LOST},
                 {"25006", FQ_STORE_LOST},
                 {"53100", FQ_STORE_FULL},
                 {"53200", FQ_STORE_FULL},
                 {"23514", FQ_INTERNAL},
                 {"42P01", FQ_INTERNAL},
                 {"22003", FQ_INTERNAL},
                 {"", FQ_INTERNAL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(postgres_code_of(cases[i].sqlstate), cases[i].code);
    }
}

// --- readers ---

static bool count_rows(void *context, const fq_row *row) {
    (void)row;
    ++*(int *)context;
    return true;
}

typedef struct {
    uint64_t keys[600];
    size_t count, stop_after;
    const char *note;
} seen;

static bool see(void *context, const fq_row *row) {
    seen *at = context;
    const purse_row *found = (const purse_row *)row;
    assert_true(fq_str_equal(found->note, FQ_STR("listed")));
    at->keys[at->count++] = found->id;
    return at->count != at->stop_after;
}

static void expect_scan(fq_reader *reader, const fq_engine *engine, fq_scan scan, size_t stop_after,
                        size_t count, uint64_t first, int64_t step) {
    seen at = {.stop_after = stop_after};
    scan.table = &purse_table;
    scan.visit = see;
    scan.context = &at;
    assert_int_equal(engine->ops->reader_scan(reader, &scan).code, FQ_DONE);
    assert_int_equal(at.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(at.keys[i], first + (uint64_t)((int64_t)i * step));
    }
}

static void test_scans(void **state) {
    (void)state;
    enum { FIRST = 5000, COUNT = 500 };
    fq_head head;
    fq_engine *engine = leased(&head);
    purse_row *rows[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        rows[i] = purse(FIRST + i);
        rows[i]->owner = 77 + i % 2;
        rows[i]->note = FQ_STR("listed");
    }
    put(engine, rows, COUNT);
    fq_reader *reader;
    assert_int_equal(engine->ops->reader_open(engine, &reader).code, FQ_DONE);
    assert_int_equal(engine->ops->reader_begin(reader).code, FQ_DONE);
    const uint64_t above = FIRST - 1, last = FIRST + COUNT - 1;
    expect_scan(reader, engine, (fq_scan){.above = above}, 0, COUNT, last, -1);
    expect_scan(reader, engine, (fq_scan){.above = above, .forward = true}, 0, COUNT, FIRST, 1);
    expect_scan(reader, engine, (fq_scan){.above = above, .below = FIRST + 10}, 0, 10, FIRST + 9,
                -1);
    expect_scan(reader, engine, (fq_scan){.above = FIRST + 5, .below = FIRST + 6}, 0, 0, 0, 0);
    expect_scan(reader, engine, (fq_scan){.above = above, .forward = true}, 70, 70, FIRST, 1);
    expect_scan(reader, engine, (fq_scan){.index = &by_owner, .value = 78}, 0, COUNT / 2, last, -2);
    expect_scan(reader, engine,
                (fq_scan){.index = &by_owner, .value = 77, .above = FIRST + 1, .forward = true}, 64,
                64, FIRST + 2, 2);
    expect_scan(reader, engine, (fq_scan){.index = &by_owner, .value = 79}, 0, 0, 0, 0);
    expect_scan(reader, engine, (fq_scan){.above = UINT64_MAX}, 0, 0, 0, 0);
    engine->ops->reader_end(reader);
    engine->ops->reader_close(reader);
    engine->ops->close(engine);
}

static int64_t read_balance(fq_engine *engine, fq_reader *reader, uint64_t id) {
    purse_row *row = purse(id);
    fq_row *rows[] = {&row->row};
    const fq_row_group group = {&purse_table, rows, 1};
    assert_int_equal(engine->ops->reader_load(reader, &arena, &group, 1).code, FQ_DONE);
    return row->row.state == FQ_ROW_LOADED ? row->balance : -1;
}

static void test_a_reader_sees_one_state(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    fq_reader *reader;
    put_purse(engine, 400, 0, 1);
    assert_int_equal(engine->ops->reader_open(engine, &reader).code, FQ_DONE);
    assert_int_equal(engine->ops->reader_begin(reader).code, FQ_DONE);
    assert_int_equal(read_balance(engine, reader, 400), 1);
    purse_row *row = purse(400);
    row->balance = 2;
    fq_row *rows[] = {&row->row};
    assert_int_equal(engine->ops->begin(engine).code, FQ_DONE);
    assert_int_equal(save(engine, FQ_SAVE_UPDATE, rows, 1).code, FQ_DONE);
    assert_int_equal(finish(engine, NULL).code, FQ_DONE);
    put_purse(engine, 401, 0, 1);
    assert_int_equal(read_balance(engine, reader, 400), 1);
    assert_int_equal(read_balance(engine, reader, 401), -1);
    engine->ops->reader_end(reader);
    assert_int_equal(engine->ops->reader_begin(reader).code, FQ_DONE);
    assert_int_equal(read_balance(engine, reader, 400), 2);
    assert_int_equal(read_balance(engine, reader, 401), 1);
    engine->ops->reader_end(reader);
    engine->ops->reader_close(reader);
    engine->ops->close(engine);
}

static void test_a_reader_connects_again(void **state) {
    (void)state;
    fq_head head;
    fq_engine *engine = leased(&head);
    fq_reader *reader;
    put_purse(engine, 410, 0, 5);
    assert_int_equal(engine->ops->reader_open(engine, &reader).code, FQ_DONE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(engine->ops->reader_begin(reader).code, FQ_DONE);
        assert_int_equal(read_balance(engine, reader, 410), 5);
        engine->ops->reader_end(reader);
        owner_says("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                   " WHERE application_name = 'feiqian purse'");
    }
    assert_int_equal(engine->ops->reader_begin(reader).code, FQ_DONE);
    owner_says("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
               " WHERE application_name = 'feiqian purse'");
    int count = 0;
    const fq_scan scan = {.table = &purse_table, .visit = count_rows, .context = &count};
    assert_int_equal(engine->ops->reader_scan(reader, &scan).code, FQ_STORE_LOST);
    assert_int_equal(engine->ops->reader_scan(reader, &scan).code, FQ_STORE_LOST);
    engine->ops->reader_end(reader);
    assert_int_equal(engine->ops->reader_begin(reader).code, FQ_DONE);
    assert_int_equal(read_balance(engine, reader, 410), 5);
    engine->ops->reader_end(reader);
    engine->ops->reader_close(reader);
    engine->ops->close(engine);
}

// --- opening ---

static void expect_refusal(const char *set, const char *reset) {
    fq_engine *engine = NULL;
    owner_says(set);
    owner_says("SELECT pg_reload_conf()");
    fq_err err = FQ_OK;
    for (int i = 0; i < 100 && !err.code; i++) {  // until the reload has reached the server
        usleep(20 * 1000);
        err = open_engine(&engine);
        if (!err.code) {
            engine->ops->close(engine);
        }
    }
    assert_int_equal(err.code, FQ_STATE_CONFLICT);
    owner_says(reset);
    owner_says("SELECT pg_reload_conf()");
    for (int i = 0; i < 100 && err.code; i++) {
        usleep(20 * 1000);
        err = open_engine(&engine);
    }
    assert_int_equal(err.code, FQ_DONE);
    engine->ops->close(engine);
}

static void test_careless_servers_are_refused(void **state) {
    (void)state;
    expect_refusal("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM RESET fsync");
    expect_refusal("ALTER SYSTEM SET full_page_writes = off",
                   "ALTER SYSTEM RESET full_page_writes");
    expect_refusal("ALTER ROLE feiqian SET synchronous_commit = off",
                   "ALTER ROLE feiqian RESET synchronous_commit");
}

static void *open_in_thread(void *context) {
    fq_engine *engine = NULL;
    *(fq_err *)context = open_engine(&engine);
    if (engine) {
        engine->ops->close(engine);
    }
    return NULL;
}

// Several processes of a service start at once on a server that knows none of them.
static void test_starting_together(void **state) {
    (void)state;
    enum { STARTERS = 4 };
    fq_err outcomes[STARTERS];
    pthread_t threads[STARTERS];
    for (int i = 0; i < STARTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_in_thread, &outcomes[i]), 0);
    }
    for (int i = 0; i < STARTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(outcomes[i].code, FQ_DONE);
    }
    assert_int_equal(owner_says("SELECT count(*) FROM pg_indexes WHERE indexname = 'purse_owner'"),
                     1);
}

static void test_urls(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "postgresql://", "postgresql://localhost", "postgresql://localhost/Up%22per",
        "postgresql://localhost:port/a", "postgresql:///feiqian?host=/nowhere"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        fq_engine *engine = NULL;
        const fq_store_options options = {.migrate = true};
        assert_int_equal(fq_store_open(wrong[i], &schema, &options, &engine).code, FQ_STORE_LOST);
        assert_null(engine);
    }
}

static void test_backup(void **state) {
    (void)state;
    char path[200], begin[6] = "";
    fq_engine *engine = opened();
    snprintf(path, sizeof(path), "%s/backup.dump", server.folder);
    assert_int_equal(engine->ops->backup(engine, path).code, FQ_DONE);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(begin, 1, 5, file), 5);
    fclose(file);
    assert_string_equal(begin, "PGDMP");
    assert_int_equal(engine->ops->backup(engine, path).code,
                     FQ_STATE_CONFLICT);  // nothing is written over
    engine->ops->close(engine);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, each_setup, each_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_starting_together),
        TEST(test_rows_round_trip),
        TEST(test_a_table_of_keys_alone),
        TEST(test_the_head_is_kept),
        TEST(test_rollback_leaves_nothing),
        TEST(test_an_update_of_a_missing_row_is_refused),
        TEST(test_a_broken_check_is_internal),
        TEST(test_stamps_are_set_once),
        TEST(test_both_make_the_same_row),
        TEST(test_batches_over_many_accounts_never_deadlock_and_lose_nothing),
        TEST(test_two_writers_have_two_numbers_and_growing_epochs),
        TEST(test_a_paused_writer_whose_lease_was_taken_commits_nothing),
        TEST(test_the_lease_is_renewed),
        TEST(test_a_connection_lost_before_the_commit_is_lost),
        TEST(test_a_connection_closed_between_batches_costs_none),
        TEST(test_killed_before_the_commit_arrives_is_unknown_and_settled_as_never),
        TEST(test_killed_after_the_commit_is_unknown_and_settled_as_committed),
        TEST(test_a_commit_with_a_warning_is_unknown),
        TEST(test_a_silent_server_is_given_up),
        TEST(test_settle_waits_for_the_one_in_flight),
        TEST(test_a_commit_answered_by_rollback_is_no_commit),
        TEST(test_sqlstates),
        TEST(test_scans),
        TEST(test_a_reader_sees_one_state),
        TEST(test_a_reader_connects_again),
        TEST(test_careless_servers_are_refused),
        TEST(test_urls),
        TEST(test_backup),
    };
    if (!postgres_server_installed()) {
        puts("PostgreSQL is not installed: skipped");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
