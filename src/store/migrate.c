// Applying migrations. The SQL is the services'; this file only turns templates into text and keeps
// count.
#include "store/migrate.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>

// The house's own tables, in every database. `head` is the row that gives a database its one order.
static const char house[] =
    "CREATE TABLE IF NOT EXISTS schema_migration (number {int} PRIMARY KEY,\n"
    "  applied_ms {int} NOT NULL, oldest_binary {int} NOT NULL);\n"
    "CREATE TABLE IF NOT EXISTS stamp (name TEXT NOT NULL PRIMARY KEY, value {bytes} NOT NULL);\n"
    "CREATE TABLE IF NOT EXISTS head (id {int} PRIMARY KEY, event_position {int} NOT NULL,\n"
    "  transfer_position {int} NOT NULL, request_position {int} NOT NULL,\n"
    "  batch_number {int} NOT NULL, epoch {int} NOT NULL, id_last {int} NOT NULL,\n"
    "  at_ms {int} NOT NULL, clock_shift_ms {int} NOT NULL, seal {bytes} NOT NULL,\n"
    "  claim {int} NOT NULL);\n"
    "-- sqlite: INSERT OR IGNORE INTO head VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, zeroblob(32), 0);\n"
    "-- postgres: INSERT INTO head VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0,\n"
    "-- postgres:   decode(repeat('00', 32), 'hex'), 0)\n"
    "-- postgres:   ON CONFLICT DO NOTHING;\n"
    "-- postgres: CREATE TABLE IF NOT EXISTS claim (batch_id BIGINT PRIMARY KEY,\n"
    "-- postgres:   at_ms BIGINT NOT NULL);\n";

// Two processes that open a new database at once must not both migrate it.
static const char begin[] = "-- sqlite: BEGIN IMMEDIATE;\n"
                            "-- postgres: BEGIN; SELECT pg_advisory_xact_lock(7166311014);\n";

typedef struct {
    const char *template[2];  // [FQ_DIALECT_SQLITE], [FQ_DIALECT_POSTGRES]
    const char *word;
} word_row;

static const word_row words[] = {
    {{"INTEGER", "BIGINT"}, "{int}"},
    {{"BLOB", "BYTEA"}, "{bytes}"},
    {{" WITHOUT ROWID", ""}, "{without_rowid}"},
    {{"", " WITH (fillfactor = 50)"}, "{updated}"},
};

static const char *const dialect_marks[] = {"-- sqlite:", "-- postgres:"};

static void add_line(fq_str line, fq_dialect dialect, fq_buffer *out) {
    while (line.len > 0) {
        bool replaced = false;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !replaced; i++) {
            const fq_str word = fq_str_of(words[i].word);
            if (fq_str_starts(line, word)) {
                fq_buffer_add(out, fq_str_of(words[i].template[dialect]));
                line = (fq_str){line.at + word.len, line.len - word.len};
                replaced = true;
            }
        }
        if (!replaced) {
            fq_buffer_add_char(out, *line.at);
            line = (fq_str){line.at + 1, line.len - 1};
        }
    }
    fq_buffer_add_char(out, '\n');
}

void fq_migration_text(const char *text, fq_dialect dialect, fq_buffer *out) {
    const fq_str ours = fq_str_of(dialect_marks[dialect]);
    const fq_str theirs = fq_str_of(dialect_marks[1 - (int)dialect]);
    for (const char *at = text; *at;) {
        fq_str line = {at, strcspn(at, "\n")};
        at += line.len + (at[line.len] == '\n' ? 1 : 0);
        if (fq_str_starts(line, theirs)) {
            continue;
        }
        if (fq_str_starts(line, ours)) {
            line = (fq_str){line.at + ours.len, line.len - ours.len};
        }
        add_line(line, dialect, out);
    }
    fq_buffer_add_char(out, '\0');
    FQ_ASSERT(!out->overflowed);
}

int64_t fq_migration_oldest(const char *text, int64_t number) {
    const fq_str mark = FQ_STR("-- oldest:");
    const fq_str line = {text, strcspn(text, "\n")};
    if (!fq_str_starts(line, mark)) {
        return number;
    }
    int64_t oldest = 0;
    const fq_str value = fq_str_trim((fq_str){line.at + mark.len, line.len - mark.len});
    FQ_ASSERT(fq_str_to_i64(value, &oldest) && oldest >= 1 && oldest <= number);
    return oldest;
}

static fq_err execute(const fq_migrator *migrator, const char *text) {
    fq_buffer sql;
    fq_buffer_init(&sql, FQ_MIGRATION_BYTES_MAX);
    fq_migration_text(text, migrator->dialect, &sql);
    const fq_err err = migrator->execute(migrator->context, sql.at);
    fq_buffer_free(&sql);
    return err;
}

// Asks for an integer in the engine's own words.
static fq_err ask(const fq_migrator *migrator, const char *template, int64_t *out) {
    fq_buffer sql;
    fq_buffer_init(&sql, FQ_MIGRATION_BYTES_MAX);
    fq_migration_text(template, migrator->dialect, &sql);
    const fq_err err = migrator->integer(migrator->context, sql.at, out);
    fq_buffer_free(&sql);
    return err;
}

static fq_err is_empty(const fq_migrator *migrator, bool *out) {
    int64_t tables = 0;
    FQ_TRY(ask(migrator,
               "-- sqlite: SELECT count(*) FROM sqlite_master WHERE name = 'schema_migration'\n"
               "-- postgres: SELECT count(*) FROM pg_tables\n"
               "-- postgres: WHERE schemaname = 'public' AND tablename = 'schema_migration'\n",
               &tables));
    *out = tables == 0;
    return FQ_OK;
}

// A file copied to another service's name must not be taken for it.
static fq_err check_service(const fq_migrator *migrator, const fq_schema *schema) {
    int64_t others = 0;
    char sql[300];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM stamp WHERE name = 'service' AND\n"
             "-- sqlite: CAST(value AS TEXT) <> '%s'\n"
             "-- postgres: convert_from(value, 'UTF8') <> '%s'\n",
             schema->service, schema->service);
    FQ_TRY(ask(migrator, sql, &others));
    if (others > 0) {
        fq_log(FQ_LOG_ERROR,
               "this is another service's database: put each service's own back in its place",
               FQ_LOG_TEXT("service", schema->service));
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    return FQ_OK;
}

static fq_err stamp_service(const fq_migrator *migrator, const fq_schema *schema) {
    char sql[300];
    snprintf(sql, sizeof(sql),
             "-- sqlite: INSERT OR IGNORE INTO stamp VALUES ('service', CAST('%s' AS BLOB));\n"
             "-- postgres: INSERT INTO stamp VALUES ('service', convert_to('%s', 'UTF8'))\n"
             "-- postgres:   ON CONFLICT DO NOTHING;\n",
             schema->service, schema->service);
    return execute(migrator, sql);
}

static fq_err last_applied(const fq_migrator *migrator, int64_t *out) {
    *out = 0;
    return migrator->integer(migrator->context,
                             "SELECT coalesce(max(number), 0) FROM schema_migration", out);
}

// Inside a transaction: applies migration `number` unless another process was faster.
static fq_err apply_inside(const fq_migrator *migrator, const fq_schema *schema, int64_t number) {
    int64_t last = 0;
    FQ_TRY(last_applied(migrator, &last));
    if (last >= number) {
        return FQ_OK;
    }
    const char *text = schema->migrations[number - 1];
    FQ_TRY(execute(migrator, text));
    char insert[160];
    snprintf(insert, sizeof(insert),
             "INSERT INTO schema_migration VALUES (%" PRId64 ", %" PRId64 ", %" PRId64 ");", number,
             fq_wall_ms(), fq_migration_oldest(text, number));
    FQ_TRY(migrator->execute(migrator->context, insert));
    fq_log(FQ_LOG_INFO, "migration applied", FQ_LOG_TEXT("service", schema->service),
           FQ_LOG_INT("number", number));
    return FQ_OK;
}

static fq_err finish(const fq_migrator *migrator, fq_err err) {
    if (!err.code) {
        return migrator->execute(migrator->context, "COMMIT;");
    }
    const fq_err rollback = migrator->execute(migrator->context, "ROLLBACK;");
    (void)rollback;  // what went wrong first is what is told
    return err;
}

static fq_err apply_all(const fq_migrator *migrator, const fq_schema *schema) {
    FQ_TRY(execute(migrator, begin));
    FQ_TRY(finish(migrator, execute(migrator, house)));
    FQ_TRY(stamp_service(migrator, schema));
    int64_t last = 0;
    FQ_TRY(last_applied(migrator, &last));
    for (int64_t number = last + 1; number <= (int64_t)schema->migration_count; number++) {
        FQ_TRY(execute(migrator, begin));
        FQ_TRY(finish(migrator, apply_inside(migrator, schema, number)));
    }
    return FQ_OK;
}

// May this binary, which knows the first `migration_count` migrations, run on the database as it
// is?
static fq_err check(const fq_migrator *migrator, const fq_schema *schema) {
    const int64_t known = (int64_t)schema->migration_count;
    int64_t last = 0, oldest = 0;
    FQ_TRY(last_applied(migrator, &last));
    FQ_TRY(migrator->integer(migrator->context,
                             "SELECT coalesce(max(oldest_binary), 0) FROM schema_migration",
                             &oldest));
    if (oldest > known) {
        fq_log(
            FQ_LOG_ERROR,
            "the database was migrated by a newer version and this one may not run on it: install "
            "that version",
            FQ_LOG_TEXT("service", schema->service), FQ_LOG_INT("schema", last),
            FQ_LOG_INT("oldest_allowed", oldest), FQ_LOG_INT("this_version", known));
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    if (last < known) {
        fq_log(FQ_LOG_ERROR,
               "the database's schema is behind this version: run `feiqian db migrate`",
               FQ_LOG_TEXT("service", schema->service), FQ_LOG_INT("schema", last),
               FQ_LOG_INT("this_version", known));
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    return FQ_OK;
}

fq_err fq_migrate(const fq_migrator *migrator, const fq_schema *schema, bool apply) {
    bool empty;
    FQ_TRY(is_empty(migrator, &empty));
    if (empty && !apply) {
        fq_log(FQ_LOG_ERROR, "the database is empty: run `feiqian db migrate`",
               FQ_LOG_TEXT("service", schema->service));
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    if (!empty) {
        FQ_TRY(check_service(migrator, schema));
    }
    if (apply) {
        FQ_TRY(apply_all(migrator, schema));
    }
    return check(migrator, schema);
}

fq_err fq_store_stamp(fq_engine *engine, const char *name, fq_str wanted, fq_buffer *out_found) {
    return engine->ops->stamp(engine, name, wanted, out_found);
}
