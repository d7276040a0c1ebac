// SQLite connections: opened one way, with the settings that durability and safety need, and their
// errors turned into ours. For the SQLite engine's files only; knows no table.
#pragma once

#include "store/engine.h"

#include <sqlite3.h>

typedef enum {
    CONNECTION_WRITER,   // the one that writes and checkpoints a file; every commit is synced
    CONNECTION_DERIVED,  // the same; a power cut may take its last commits: it can be made again
    CONNECTION_READER,   // never writes, never checkpoints
} connection_role;

typedef struct {
    connection_role role;
    int64_t cache_bytes;
    int64_t busy_timeout_ms;
    bool read_only;  // another process may be writing the file
} connection_options;

// What SQLite's `rc` means to a caller who has not tried to commit: nothing was written. Logged
// once, here.
fq_err connection_error(sqlite3 *db, int rc, const char *doing);
// Opens `path`, which the writer roles make (mode 0600) when it is missing. Logs what is wrong.
// Errors: FQ_STORE_LOST, FQ_STORE_FULL, FQ_STATE_CONFLICT (synchronous or the journal mode could
// not be had).
FQ_MUST_USE fq_err connection_open(const char *path, const connection_options *options,
                                   sqlite3 **out);
// All statements must have been finalized. NULL is fine.
void connection_close(sqlite3 *db);
// SQL without parameters and rows; several statements.
FQ_MUST_USE fq_err connection_execute(sqlite3 *db, const char *sql);
// A statement that is kept.
FQ_MUST_USE fq_err connection_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
// The first column of the first row; `out` is left alone when there is no row.
FQ_MUST_USE fq_err connection_integer(sqlite3 *db, const char *sql, int64_t *out);
// Steps a statement that gives no row, and resets it.
FQ_MUST_USE fq_err connection_run(sqlite3 *db, sqlite3_stmt *statement, const char *doing);

// Binds bytes that stay alive until the statement is reset; NULL bytes become an empty blob, not
// NULL.
int connection_bind_bytes(sqlite3_stmt *statement, int index, fq_str bytes);
// A view that lives until the statement is stepped or reset.
fq_str connection_column_bytes(sqlite3_stmt *statement, int index);
