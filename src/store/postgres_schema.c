// Opening: the database is made, checked and brought up to date. Statements of its own only; no
// service's data.
#include "store/postgres_engine.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/migrate.h"
#include "store/postgres_rows.h"
#include "store/postgres_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum {
    SERVER_VERSION_MIN = 150000,
    INDEX_LOCK = 71663110,  // advisory, beside the migrations' own
    INDEX_LOCK_PAUSE_MS = 50,
    INDEX_LOCK_TRIES_MAX = 72000,  // an hour
    SQL_BYTES_MAX = 1024,
};

// Where CREATE DATABASE is said; present on every server unless its owner removed it.
static const char maintenance[] = "postgres";

// --- is this server fit to keep money? ---

typedef struct {
    bool careless, standby;
} fitness;

static bool read_fitness(void *context, const PGresult *result) {
    fitness *found = context;
    for (int i = 0; i < PQntuples(result); i++) {
        fq_str name;
        if (!postgres_get_bytes(result, i, 0, &name)) {
            return false;
        }
        if (fq_str_equal(name, FQ_STR("standby"))) {
            found->standby = true;
            continue;
        }
        found->careless = true;
        fq_log(FQ_LOG_ERROR,
               "this PostgreSQL setting is off, so acknowledged payments could be lost: turn it on",
               FQ_LOG_STR("setting", name));
    }
    return true;
}

fq_err postgres_schema_check(postgres_link *link) {
    fitness found = {0};
    postgres_link_plain(link,
                        (postgres_step){.verb = "check",
                                        .subject = "server",
                                        .read = read_fitness,
                                        .context = &found,
                                        .rows_expected = -1},
                        "SELECT name FROM (VALUES"
                        " ('fsync'), ('full_page_writes'), ('synchronous_commit')) AS s(name)"
                        " WHERE current_setting(name) = 'off'"
                        " UNION ALL SELECT 'standby' WHERE pg_is_in_recovery()");
    FQ_TRY(postgres_link_round(link));
    if (PQserverVersion(link->connection) < SERVER_VERSION_MIN) {
        fq_log(FQ_LOG_ERROR, "PostgreSQL is too old: 15 or later is needed",
               FQ_LOG_INT("version", PQserverVersion(link->connection)));
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    if (found.standby) {
        fq_log(FQ_LOG_ERROR, "this PostgreSQL is a standby: the URL must lead to the primary");
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    return found.careless ? fq_refuse(FQ_STATE_CONFLICT, NULL) : FQ_OK;
}

// --- the database itself ---

bool postgres_read_integer(void *context, const PGresult *result) {
    return PQntuples(result) == 0 || postgres_get_integer(result, 0, 0, context);
}

static fq_err ask_integer(postgres_link *link, const char *sql, int64_t *out) {
    postgres_link_plain(link,
                        (postgres_step){.verb = "ask",
                                        .subject = "schema",
                                        .read = postgres_read_integer,
                                        .context = out,
                                        .rows_expected = -1},
                        sql);
    return postgres_link_round(link);
}

// Its name is made of letters, digits and '_' (checked when the engine is opened), so that it needs
// no escaping.
static fq_err create_database(postgres_link *link, const char *name) {
    char sql[SQL_BYTES_MAX];
    int64_t there = 0;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_database WHERE datname = '%s'", name);
    FQ_TRY(ask_integer(link, sql, &there));
    if (there > 0) {
        return FQ_OK;
    }
    snprintf(sql, sizeof(sql),
             "CREATE DATABASE \"%s\" ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0", name);
    // Another process may be faster, or it may not be allowed: connecting to it will show.
    if (!postgres_link_script(link, "create database", sql).code) {
        fq_log(FQ_LOG_INFO, "database created", FQ_LOG_TEXT("database", name));
    }
    return FQ_OK;
}

static fq_err connect_or_create(postgres_link *link, const postgres_target *target, bool create) {
    link->quiet = create;
    const fq_err err = postgres_link_open(link, target, NULL, POSTGRES_FOR_BUILDING);
    if (!err.code || !create) {
        return err;
    }
    if (!postgres_link_open(link, target, maintenance, POSTGRES_FOR_BUILDING).code) {
        const fq_err created = create_database(link, target->database);
        postgres_link_close(link);
        FQ_TRY(created);
    }
    link->quiet = false;
    return postgres_link_open(link, target, NULL, POSTGRES_FOR_BUILDING);
}

// --- migrations ---

static fq_err migrator_execute(void *context, const char *sql) {
    return postgres_link_script(context, "migration", sql);
}

static fq_err migrator_integer(void *context, const char *sql, int64_t *out) {
    return ask_integer(context, sql, out);
}

// --- indexes ---

static fq_err index_is_there(postgres_link *link, const char *name, bool *out) {
    char sql[SQL_BYTES_MAX];
    int64_t count = 0;
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM pg_index"
             " WHERE indisvalid AND indexrelid = to_regclass('public.\"%s\"')",
             name);
    FQ_TRY(ask_integer(link, sql, &count));
    *out = count > 0;
    return FQ_OK;
}

// Builds it beside running writers. What a broken-off build leaves behind is invalid and goes
// first.
static fq_err build_index(postgres_link *link, const fq_index *index, const char *name) {
    char sql[SQL_BYTES_MAX];
    bool there = false;
    FQ_TRY(index_is_there(link, name, &there));
    if (there) {
        return FQ_OK;  // another process was faster
    }
    snprintf(sql, sizeof(sql), "DROP INDEX IF EXISTS public.\"%s\"", name);
    FQ_TRY(postgres_link_script(link, name, sql));
    snprintf(sql, sizeof(sql),
             "CREATE INDEX CONCURRENTLY \"%s\" ON public.\"%s\" (\"%s\", \"%s\") WHERE \"%s\" <> 0",
             name, index->table->name, index->column, index->table->columns[0].name, index->column);
    return postgres_link_script(link, name, sql);
}

// The lock is tried for, not waited for: whoever waits inside a statement holds a snapshot, and a
// concurrent build waits for old snapshots to end.
static fq_err lock_indexes(postgres_link *link) {
    for (int attempt = 0; attempt < INDEX_LOCK_TRIES_MAX; attempt++) {
        char sql[SQL_BYTES_MAX];
        int64_t locked = 0;
        snprintf(sql, sizeof(sql), "SELECT pg_try_advisory_lock(%d)::int::bigint", INDEX_LOCK);
        FQ_TRY(ask_integer(link, sql, &locked));
        if (locked) {
            return FQ_OK;
        }
        nanosleep(&(struct timespec){.tv_nsec = INDEX_LOCK_PAUSE_MS * 1000000L}, NULL);
    }
    return fq_refuse(FQ_STORE_CONFLICT, NULL);
}

// The lock goes with the connection, which is closed after the opening.
static fq_err make_indexes(postgres_link *link, const fq_schema *schema) {
    bool locked = false;
    for (size_t i = 0; i < schema->index_count; i++) {
        char name[POSTGRES_NAME_BYTES];
        bool there = false;
        postgres_index_name(schema->indexes[i], name);
        FQ_TRY(index_is_there(link, name, &there));
        if (there) {
            continue;
        }
        if (!locked) {
            FQ_TRY(lock_indexes(link));
            locked = true;
        }
        FQ_TRY(build_index(link, schema->indexes[i], name));
    }
    return FQ_OK;
}

// --- all of it ---

static const char writer_table[] =
    "BEGIN; SELECT pg_advisory_xact_lock(7166311014);\n"
    "CREATE TABLE IF NOT EXISTS public.writer (number BIGINT PRIMARY KEY, epoch BIGINT NOT NULL,\n"
    "  holder TEXT NOT NULL, expires_ms BIGINT NOT NULL) WITH (fillfactor = 50);\n"
    "COMMIT;";

static fq_err build(postgres_link *link, const fq_schema *schema, bool migrate) {
    const fq_migrator migrator = {.dialect = FQ_DIALECT_POSTGRES,
                                  .context = link,
                                  .execute = migrator_execute,
                                  .integer = migrator_integer};
    FQ_TRY(postgres_schema_check(link));
    FQ_TRY(fq_migrate(&migrator, schema, migrate));
    if (!migrate) {
        return FQ_OK;
    }
    FQ_TRY(postgres_link_script(link, "writer", writer_table));
    return make_indexes(link, schema);
}

fq_err postgres_schema_open(postgres_engine *engine, bool migrate) {
    postgres_link link;
    postgres_link_init(&link);
    fq_err err = connect_or_create(&link, &engine->target, migrate);
    if (!err.code) {
        err = build(&link, engine->engine.schema, migrate);
    }
    postgres_link_free(&link);
    return err;
}
