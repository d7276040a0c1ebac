// Verifying a database: silent on a whole one, and each thing that a thief may change is found and
// named with its batch. The thief has the file and SQLite's own tools.
#include "house/verify.h"

#include "ledger/ledger.h"
#include "store/commit.h"
#include "store/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { OWNERS = 7, BATCHES = 1200, NOW_MS = 1000 };  // more batches than one stretch holds

static const char *const migrations[] = {fq_journal_migration, fq_ledger_migration};
static const fq_table *const tables[] = {&fq_request_table,      &fq_account_table,
                                         &fq_account_name_table, &fq_transfer_table,
                                         &fq_event_table,        &fq_batch_table};
static const fq_schema schema = {.service = "payment",
                                 .migrations = migrations,
                                 .migration_count = 2,
                                 .tables = tables,
                                 .table_count = sizeof(tables) / sizeof(tables[0])};

// --- a command: money from one account to another, and an event that says so ---

typedef struct {
    fq_command base;
    uint64_t from, to;  // owners; FQ_OWNER_SANDBOX_CHANNEL is the outside
    int64_t amount_minor;
    fq_account_row *debit, *credit;
} move;

static const fq_currency cny = {.v = 3 << 10 | 14 << 5 | 25};

static fq_account_row *account_of(fq_batch *batch, uint64_t owner) {
    return fq_account_want(batch, owner, cny,
                           owner == FQ_OWNER_SANDBOX_CHANNEL ? FQ_ACCOUNT_CHANNEL
                                                             : FQ_ACCOUNT_AVAILABLE);
}

static bool want_move(fq_command *command, fq_batch *batch, int round) {
    move *it = (move *)command;
    if (round == 0) {
        it->debit = account_of(batch, it->from);
        it->credit = account_of(batch, it->to);
    }
    return false;
}

static fq_err decide_move(fq_command *command, fq_batch *batch) {
    const move *it = (const move *)command;
    const fq_transfer transfer = {.debit = it->debit,
                                  .credit = it->credit,
                                  .amount = {it->amount_minor, cny},
                                  .kind = FQ_TRANSFER_PAYMENT,
                                  .subject = 5};
    FQ_TRY(fq_ledger_book(batch, &transfer));
    fq_event_row *event = (fq_event_row *)fq_batch_append(batch, &fq_event_table);
    event->type = 1;
    event->subject = 5;
    event->version = 1;
    event->told = FQ_STR("told");
    return FQ_OK;
}

static const fq_command_kind move_kind = {
    .name = "move", .number = 1, .want = want_move, .decide = decide_move};

// --- a folder with a ledger in it ---

typedef struct {
    char folder[64], file[96];
} world;

static void run(fq_commit *commit, uint64_t from, uint64_t to, int64_t amount_minor) {
    fq_arena arena;
    fq_arena_init(&arena, 1 << 20);
    move it = {.base = {.kind = &move_kind, .arena = &arena},
               .from = from,
               .to = to,
               .amount_minor = amount_minor};
    fq_command *list = &it.base, *deferred;
    fq_writer_sample sample = {0};
    assert_int_equal(fq_commit_batch(commit, NOW_MS, &list, &deferred, &sample).code, FQ_DONE);
    assert_int_equal(it.base.outcome.code, FQ_DONE);
    fq_arena_free(&arena);
}

static fq_engine *open_engine(const world *w, bool read_only) {
    fq_engine *engine;
    const fq_store_options options = {.migrate = !read_only, .read_only = read_only};
    assert_int_equal(fq_store_open(w->folder, &schema, &options, &engine).code, FQ_DONE);
    return engine;
}

static void fill(const world *w) {
    fq_engine *engine = open_engine(w, false);
    fq_commit commit;
    assert_int_equal(fq_commit_open(&commit, engine).code, FQ_DONE);
    for (uint64_t i = 0; i < BATCHES; i++) {
        const uint64_t owner = 100 + i % OWNERS;
        if (i < OWNERS) {
            run(&commit, FQ_OWNER_SANDBOX_CHANNEL, owner, 100000);
        } else {
            run(&commit, owner, 100 + (i + 1) % OWNERS, (int64_t)(i % 50) + 1);
        }
    }
    fq_commit_close(&commit);
    engine->ops->close(engine);
}

static int begin(void **state) {
    world *w = calloc(1, sizeof(*w));
    snprintf(w->folder, sizeof(w->folder), "/tmp/feiqian-verify-XXXXXX");
    if (!w || !mkdtemp(w->folder)) {
        return -1;
    }
    snprintf(w->file, sizeof(w->file), "%s/payment.db", w->folder);
    fill(w);
    *state = w;
    return 0;
}

static int end(void **state) {
    static const char *const suffixes[] = {".db",           ".db-wal",       ".db-shm", "-index.db",
                                           "-index.db-wal", "-index.db-shm", ".lock"};
    world *w = *state;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[96];
        snprintf(path, sizeof(path), "%s/payment%s", w->folder, suffixes[i]);
        unlink(path);
    }
    rmdir(w->folder);
    free(w);
    return 0;
}

static void tamper(const world *w, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(w->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA ignore_check_constraints = 1", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_true(sqlite3_changes(db) > 0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static fq_ledger_fault verify(const world *w, fq_ledger_summary *out_summary) {
    fq_engine *engine = open_engine(w, true);
    fq_ledger_fault fault;
    assert_int_equal(fq_ledger_verify(engine, NULL, out_summary, &fault).code, FQ_DONE);
    engine->ops->close(engine);
    return fault;
}

// --- the tests ---

static void test_a_whole_ledger(void **state) {
    fq_ledger_summary summary;
    const fq_ledger_fault fault = verify(*state, &summary);
    assert_int_equal(fault.kind, FQ_LEDGER_SOUND);
    assert_int_equal(summary.batches, BATCHES);
    assert_int_equal(summary.events, BATCHES);
    assert_int_equal(summary.transfers, BATCHES);
    assert_int_equal(summary.accounts, OWNERS + 1);
    assert_int_equal(summary.currencies, 1);
}

static void test_an_empty_one(void **state) {
    (void)state;
    world w = {.folder = "/tmp/feiqian-verify-XXXXXX"};
    fq_ledger_summary summary;
    assert_non_null(mkdtemp(w.folder));
    fq_engine *engine = open_engine(&w, false);
    fq_ledger_fault fault;
    assert_int_equal(fq_ledger_verify(engine, NULL, &summary, &fault).code, FQ_DONE);
    assert_int_equal(fault.kind, FQ_LEDGER_SOUND);
    assert_int_equal(summary.batches, 0);
    engine->ops->close(engine);
    char command[96];
    snprintf(command, sizeof(command), "rm -r %s", w.folder);
    assert_int_equal(system(command), 0);
}

// Each on a ledger of its own; `batch` is what must be named.
typedef struct {
    const char *name, *sql;
    fq_ledger_fault_kind kind;
    uint64_t batch;
} theft;

static const theft thefts[] = {
    {"a balance", "UPDATE account SET balance_minor = balance_minor + 1 WHERE owner = 103",
     FQ_LEDGER_BALANCE, 0},
    {"two balances, so that the sum stays",
     "UPDATE account SET balance_minor = balance_minor + owner * 2 - 205 WHERE owner IN (102, 103)",
     FQ_LEDGER_BALANCE, 0},
    {"a wallet below zero", "UPDATE account SET balance_minor = -1 WHERE owner = 104",
     FQ_LEDGER_BALANCE, 0},
    {"a transfer's amount",
     "UPDATE transfer SET amount_minor = amount_minor + 1 WHERE position = 600", FQ_LEDGER_AFTER,
     600},
    {"a transfer's balance after",
     "UPDATE transfer SET credit_after = credit_after + 1 WHERE position = 3", FQ_LEDGER_AFTER, 3},
    {"a transfer's account", "UPDATE transfer SET credit_account = 9 WHERE position = 1100",
     FQ_LEDGER_ACCOUNT_UNKNOWN, 1100},
    {"a transfer's currency", "UPDATE transfer SET currency = 1 WHERE position = 77",
     FQ_LEDGER_CURRENCY, 77},
    {"what a transfer is about", "UPDATE transfer SET subject = 6 WHERE position = 513",
     FQ_LEDGER_SEAL, 513},
    {"a transfer gone", "DELETE FROM transfer WHERE position = 512", FQ_LEDGER_TRANSFER_GAP, 512},
    {"the last transfer gone", "DELETE FROM transfer WHERE position = 1200", FQ_LEDGER_TRANSFER_GAP,
     BATCHES},
    {"a transfer more",
     "INSERT INTO transfer SELECT 1201, debit_account, credit_account, amount_minor, currency, "
     "kind, payment, subject, debit_after, credit_after, at_ms FROM transfer WHERE position = 1",
     FQ_LEDGER_BEHIND, BATCHES},
    {"what an event told", "UPDATE event SET told = x'00' WHERE position = 40", FQ_LEDGER_SEAL, 40},
    {"when an event was", "UPDATE event SET at_ms = at_ms + 1 WHERE position = 1", FQ_LEDGER_SEAL,
     1},
    {"an event gone", "DELETE FROM event WHERE position = 900", FQ_LEDGER_EVENT_GAP, 900},
    {"an event more", "INSERT INTO event VALUES (1201, 1, 5, 1, 1, 1, x'')", FQ_LEDGER_BEHIND,
     BATCHES},
    {"a batch gone", "DELETE FROM batch WHERE number = 700", FQ_LEDGER_BATCH_MISSING, 700},
    {"the last batch gone", "DELETE FROM batch WHERE number = 1200", FQ_LEDGER_BATCH_MISSING, 1200},
    {"a batch's count", "UPDATE batch SET event_count = 2 WHERE number = 10", FQ_LEDGER_SEAL, 10},
    {"where a batch begins", "UPDATE batch SET event_first = 12 WHERE number = 11",
     FQ_LEDGER_BATCH_RANGE, 11},
    {"a seal", "UPDATE batch SET seal = zeroblob(32) WHERE number = 1024", FQ_LEDGER_SEAL, 1024},
    {"a seal cut short", "UPDATE batch SET seal = x'00' WHERE number = 5", FQ_LEDGER_SEAL, 5},
    {"the head's seal", "UPDATE head SET seal = zeroblob(32)", FQ_LEDGER_HEAD, BATCHES},
    {"an event and a later transfer: the first batch is told",
     "UPDATE event SET version = 2 WHERE position = 20;"
     "UPDATE transfer SET amount_minor = 1 WHERE position = 30",
     FQ_LEDGER_SEAL, 20},
};

static void test_every_theft_is_found(void **state) {
    for (size_t i = 0; i < sizeof(thefts) / sizeof(thefts[0]); i++) {
        const theft *it = &thefts[i];
        fq_ledger_summary summary;
        char sentence[FQ_LEDGER_FAULT_TEXT_MAX], number[32];
        void *own = NULL;
        assert_int_equal(begin(&own), 0);
        tamper(own, it->sql);
        const fq_ledger_fault fault = verify(own, &summary);
        fq_ledger_fault_text(&fault, FQ_ENGLISH, sentence);
        if (fault.kind != it->kind || (it->batch && fault.batch != it->batch)) {
            fail_msg("%s: %s", it->name, sentence);
        }
        snprintf(number, sizeof(number), "batch %llu", (unsigned long long)it->batch);
        assert_true(it->batch == 0 || strstr(sentence, number) || it->kind == FQ_LEDGER_BEHIND ||
                    it->kind == FQ_LEDGER_HEAD);
        end(&own);
    }
    (void)state;
}

static void test_faults_in_words(void **state) {
    (void)state;
    const fq_ledger_fault fault = {.kind = FQ_LEDGER_AFTER,
                                   .batch = 12,
                                   .position = 34,
                                   .account = 1,
                                   .expected = -5,
                                   .found = 7};
    char sentence[FQ_LEDGER_FAULT_TEXT_MAX];
    fq_ledger_fault_text(&fault, FQ_ENGLISH, sentence);
    assert_string_equal(sentence, "batch 12, transfer 34: account acc_0000000000001 has -5 after "
                                  "it, but the transfer says 7");
    fq_ledger_fault_text(&(fq_ledger_fault){.kind = FQ_LEDGER_SUM, .currency = cny}, FQ_CHINESE,
                         sentence);
    assert_string_equal(sentence, "CNY 各账户余额之和不为零");
    fq_ledger_fault_text(&(fq_ledger_fault){0}, FQ_ENGLISH, sentence);
    assert_string_equal(sentence, "all is right");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_whole_ledger, begin, end),
        cmocka_unit_test(test_an_empty_one),
        cmocka_unit_test(test_every_theft_is_found),
        cmocka_unit_test(test_faults_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
