// src/store/migrate.c: templates, the order of migrations, and which binary may run on what.
#include "store/migrate.h"

#include "store/sqlite_engine.h"

#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// --- templates ---

static void check_text(const char *text, fq_dialect dialect, const char *expected) {
    fq_buffer out;
    fq_buffer_init(&out, 4096);
    fq_migration_text(text, dialect, &out);
    assert_string_equal(out.at, expected);
    fq_buffer_free(&out);
}

static void templates_become_either_engines_sql(void **state) {
    (void)state;
    const char *text = "CREATE TABLE t (a {int}, b {bytes}){without_rowid};\n"
                       "-- sqlite: S {int};\n-- postgres: P {int};\n{x}";
    check_text(text, FQ_DIALECT_SQLITE,
               "CREATE TABLE t (a INTEGER, b BLOB) WITHOUT ROWID;\n S INTEGER;\n{x}\n");
    check_text(text, FQ_DIALECT_POSTGRES, "CREATE TABLE t (a BIGINT, b BYTEA);\n P BIGINT;\n{x}\n");
}

static void the_oldest_binary_is_named_or_is_the_migration_itself(void **state) {
    (void)state;
    assert_int_equal(fq_migration_oldest("-- oldest: 1\nCREATE", 3), 1);
    assert_int_equal(fq_migration_oldest("CREATE", 3), 3);
}

// --- on a database ---

typedef struct {
    sqlite3 *db;
    int executed;
    int fail_at;  // the statement that fails, from 1; 0: none
} database;

static fq_err execute(void *context, const char *sql) {
    database *to = context;
    if (++to->executed == to->fail_at) {
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    return connection_execute(to->db, sql);
}

static fq_err integer(void *context, const char *sql, int64_t *out) {
    return connection_integer(((database *)context)->db, sql, out);
}

static const char *const three[] = {
    "-- oldest: 1\nCREATE TABLE a (x {int});\n",
    "-- oldest: 1\nCREATE TABLE b (x {int}); INSERT INTO b VALUES (1);\n",
    "CREATE TABLE c (x {int});\n"};

static fq_schema schema_of(size_t count) {
    return (fq_schema){.service = "test", .migrations = three, .migration_count = count};
}

static database open_database(void) {
    database made = {0};
    assert_int_equal(sqlite3_open(":memory:", &made.db), SQLITE_OK);
    return made;
}

static fq_code migrate(database *on, size_t known, bool apply) {
    const fq_migrator migrator = {FQ_DIALECT_SQLITE, on, execute, integer};
    const fq_schema schema = schema_of(known);
    return fq_migrate(&migrator, &schema, apply).code;
}

static int64_t number(database *on, const char *sql) {
    int64_t found = -1;
    assert_int_equal(connection_integer(on->db, sql, &found).code, FQ_DONE);
    return found;
}

static void each_is_applied_once(void **state) {
    (void)state;
    database on = open_database();
    assert_int_equal(migrate(&on, 2, true), FQ_DONE);
    assert_int_equal(migrate(&on, 3, true), FQ_DONE);
    assert_int_equal(migrate(&on, 3, true), FQ_DONE);
    assert_int_equal(number(&on, "SELECT count(*) FROM b"), 1);
    assert_int_equal(number(&on, "SELECT count(*) FROM schema_migration"), 3);
    assert_int_equal(number(&on, "SELECT count(*) FROM head"), 1);
    sqlite3_close(on.db);
}

static void an_old_binary_runs_on_a_newer_schema_that_allows_it_and_on_no_other(void **state) {
    (void)state;
    database on = open_database();
    assert_int_equal(migrate(&on, 2, true), FQ_DONE);
    assert_int_equal(migrate(&on, 1, true), FQ_DONE);
    assert_int_equal(migrate(&on, 3, true), FQ_DONE);
    assert_int_equal(migrate(&on, 2, true), FQ_STATE_CONFLICT);
    assert_int_equal(migrate(&on, 1, false), FQ_STATE_CONFLICT);
    sqlite3_close(on.db);
}

static void a_schema_that_is_behind_is_refused_when_it_may_not_be_changed(void **state) {
    (void)state;
    database on = open_database();
    assert_int_equal(migrate(&on, 2, true), FQ_DONE);
    assert_int_equal(migrate(&on, 3, false), FQ_STATE_CONFLICT);
    assert_int_equal(number(&on, "SELECT count(*) FROM sqlite_schema WHERE name = 'c'"), 0);
    sqlite3_close(on.db);
}

// formance/ledger#1174: a migration that could not be taken up again.
static void broken_off_anywhere_it_goes_on_at_the_next_try(void **state) {
    (void)state;
    for (int fail_at = 1;; fail_at++) {
        database on = open_database();
        on.fail_at = fail_at;
        const bool failed = migrate(&on, 3, true) != FQ_DONE;
        if (!sqlite3_get_autocommit(on.db)) {  // the connection was lost
            assert_int_equal(connection_execute(on.db, "ROLLBACK").code, FQ_DONE);
        }
        on.fail_at = 0;
        assert_int_equal(migrate(&on, 3, true), FQ_DONE);
        assert_int_equal(number(&on, "SELECT count(*) FROM b"), 1);
        sqlite3_close(on.db);
        if (!failed) {
            assert_true(fail_at > 9);
            return;
        }
    }
}

int main(void) {
    fq_log_configure(open("/dev/null", O_WRONLY | O_CLOEXEC), FQ_LOG_ERROR, FQ_LOG_JSON);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_become_either_engines_sql),
        cmocka_unit_test(the_oldest_binary_is_named_or_is_the_migration_itself),
        cmocka_unit_test(each_is_applied_once),
        cmocka_unit_test(an_old_binary_runs_on_a_newer_schema_that_allows_it_and_on_no_other),
        cmocka_unit_test(a_schema_that_is_behind_is_refused_when_it_may_not_be_changed),
        cmocka_unit_test(broken_off_anywhere_it_goes_on_at_the_next_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
