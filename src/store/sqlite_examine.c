// Is a SQLite database sound? Reads all of it; changes nothing.
#include "store/sqlite_engine.h"

#include <stdio.h>

// integrity_check says "ok", or one row a fault; the first is enough.
static fq_err check_integrity(sqlite3 *db, fq_store_health *out) {
    sqlite3_stmt *statement = NULL;
    FQ_TRY(connection_prepare(db, "PRAGMA integrity_check(1)", &statement));
    const int rc = sqlite3_step(statement);
    fq_err err = FQ_OK;
    if (rc == SQLITE_ROW) {
        const fq_str found = connection_column_bytes(statement, 0);
        out->sound = fq_str_equal(found, FQ_STR("ok"));
        snprintf(out->fault, sizeof(out->fault), "%.*s", out->sound ? 0 : (int)found.len, found.at);
    } else {
        err = connection_error(db, rc, "integrity_check");
    }
    sqlite3_finalize(statement);
    return err;
}

fq_err sqlite_examine(fq_engine *base, fq_store_health *out) {
    sqlite_engine *engine = (sqlite_engine *)base;
    fq_reader *reader = NULL;
    *out = (fq_store_health){0};
    FQ_TRY(sqlite_reader_open(&engine->engine, &reader));
    fq_err err = connection_integer(
        reader->db, "SELECT coalesce(max(number), 0) FROM schema_migration", &out->migration_last);
    if (!err.code) {
        err = check_integrity(reader->db, out);
    }
    sqlite_reader_close(reader);
    return err;
}
