// SQLite connections. What is set here decides whether a commit survives a power cut; nobody else
// opens a database file.
#include "store/sqlite_connection.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_BYTES = 8192,
    // A log that once grew (a long reader held it) is cut back to this when it starts anew.
    WAL_BYTES_KEPT = 64 << 20,
    PRAGMA_BYTES_MAX = 96,
};

static fq_code code_of(int rc) {
    switch (rc & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return FQ_STORE_CONFLICT;
    case SQLITE_FULL:
        return FQ_STORE_FULL;
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_INTERRUPT:
    case SQLITE_PROTOCOL:
        return FQ_STORE_LOST;
    default:  // a constraint, a damaged file, our own mistake: trying again will not help
        return FQ_INTERNAL;
    }
}

fq_err connection_error(sqlite3 *db, int rc, const char *doing) {
    const char *file = db ? sqlite3_db_filename(db, "main") : NULL;
    const int system_error = db ? sqlite3_system_errno(db) : 0;
    fq_log(FQ_LOG_ERROR, "SQLite refuses", FQ_LOG_TEXT("doing", doing),
           FQ_LOG_TEXT("file", file ? file : ""), FQ_LOG_INT("result", rc),
           FQ_LOG_TEXT("meaning", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc)),
           FQ_LOG_TEXT("system", system_error ? strerror(system_error) : ""));
    return fq_refuse(code_of(rc), NULL);
}

fq_err connection_execute(sqlite3 *db, const char *sql) {
    const int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? FQ_OK : connection_error(db, rc, sql);
}

fq_err connection_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out) {
    const int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return rc == SQLITE_OK ? FQ_OK : connection_error(db, rc, sql);
}

fq_err connection_integer(sqlite3 *db, const char *sql, int64_t *out) {
    sqlite3_stmt *statement = NULL;
    FQ_TRY(connection_prepare(db, sql, &statement));
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(statement, 0);
    }
    const fq_err err =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? FQ_OK : connection_error(db, rc, sql);
    sqlite3_finalize(statement);
    return err;
}

fq_err connection_run(sqlite3 *db, sqlite3_stmt *statement, const char *doing) {
    const int rc = sqlite3_step(statement);
    const fq_err err = rc == SQLITE_DONE ? FQ_OK : connection_error(db, rc, doing);
    sqlite3_reset(statement);
    return err;
}

int connection_bind_bytes(sqlite3_stmt *statement, int index, fq_str bytes) {
    return sqlite3_bind_blob64(statement, index, bytes.at ? bytes.at : "", bytes.len,
                               SQLITE_STATIC);
}

fq_str connection_column_bytes(sqlite3_stmt *statement, int index) {
    const char *at = sqlite3_column_blob(statement, index);  // before the length, as SQLite asks
    return (fq_str){at, at ? (size_t)sqlite3_column_bytes(statement, index) : 0};
}

// Sets a pragma and reads it back: SQLite ignores what it cannot do.
static fq_err expect(sqlite3 *db, const char *pragma, int64_t wanted) {
    char sql[PRAGMA_BYTES_MAX];
    int64_t found = -1;
    snprintf(sql, sizeof(sql), "PRAGMA %s = %" PRId64, pragma, wanted);
    FQ_TRY(connection_execute(db, sql));
    snprintf(sql, sizeof(sql), "PRAGMA %s", pragma);
    FQ_TRY(connection_integer(db, sql, &found));
    if (found != wanted) {
        fq_log(FQ_LOG_ERROR, "SQLite does not take a setting that safety needs",
               FQ_LOG_TEXT("setting", pragma), FQ_LOG_INT("wanted", wanted),
               FQ_LOG_INT("found", found));
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    return FQ_OK;
}

static fq_err use_wal(sqlite3 *db) {
    sqlite3_stmt *statement = NULL;
    FQ_TRY(connection_prepare(db, "PRAGMA journal_mode = WAL", &statement));
    const int rc = sqlite3_step(statement);
    const bool wal =
        rc == SQLITE_ROW && fq_str_equal(connection_column_bytes(statement, 0), FQ_STR("wal"));
    fq_err err = FQ_OK;
    if (rc != SQLITE_ROW) {
        err = connection_error(db, rc, "journal_mode");
    } else if (!wal) {
        fq_log(FQ_LOG_ERROR,
               "the data folder's file system cannot hold a database: use a local one");
        err = fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    sqlite3_finalize(statement);
    return err;
}

// SQLite makes -wal and -shm with the database's own mode, so it is enough to make that one.
static fq_err make_file(const char *path) {
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return FQ_OK;
    }
    if (errno ==
        EEXIST) {  // not opened here: closing a descriptor of an open database drops its locks
        return FQ_OK;
    }
    const int error = errno;
    fq_log(FQ_LOG_ERROR, "the database file cannot be made: is the folder there and ours to write?",
           FQ_LOG_TEXT("file", path), FQ_LOG_TEXT("reason", strerror(error)));
    return fq_refuse(error == ENOSPC || error == EDQUOT ? FQ_STORE_FULL : FQ_STORE_LOST, NULL);
}

static fq_err configure(sqlite3 *db, const connection_options *options) {
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, (int)options->busy_timeout_ms);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, options->role == CONNECTION_READER,
                      (int *)NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    FQ_TRY(expect(db, "trusted_schema", 0));
    FQ_TRY(expect(db, "cell_size_check", 1));
    FQ_TRY(expect(db, "mmap_size", 0));
    // Overwriting what is deleted costs a page write each; who can read the file can read what is
    // not deleted too.
    FQ_TRY(connection_execute(db, "PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY"));
    FQ_TRY(expect(db, "cache_size", -(options->cache_bytes / 1024)));
    if (options->role == CONNECTION_READER) {
        return expect(db, "query_only", 1);
    }
    char sql[PRAGMA_BYTES_MAX];
    // The page size can only be given before the first page is written.
    snprintf(sql, sizeof(sql), "PRAGMA page_size = %d; PRAGMA journal_size_limit = %d", PAGE_BYTES,
             WAL_BYTES_KEPT);
    FQ_TRY(connection_execute(db, sql));
    FQ_TRY(use_wal(db));
    // A batch stays in memory until it commits, so that nothing of a failed one reaches the log.
    FQ_TRY(connection_execute(db, "PRAGMA cache_spill = OFF"));
    if (options->role == CONNECTION_WRITER) {
        FQ_TRY(expect(db, "wal_autocheckpoint", 0));
    }
    return expect(db, "synchronous", options->role == CONNECTION_WRITER ? 2 : 1);
}

fq_err connection_open(const char *path, const connection_options *options, sqlite3 **out) {
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
    if (options->read_only) {
        flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY;
    } else if (options->role != CONNECTION_READER) {
        FQ_TRY(make_file(path));
    }
    sqlite3 *db = NULL;
    const int rc = sqlite3_open_v2(path, &db, flags, NULL);
    const fq_err err = rc == SQLITE_OK ? configure(db, options) : connection_error(db, rc, path);
    if (err.code) {
        connection_close(db);
        return err;
    }
    *out = db;
    return FQ_OK;
}

void connection_close(sqlite3 *db) {
    // Fails only with a statement left open: our mistake, and the file would stay locked.
    FQ_ASSERT(sqlite3_close(db) == SQLITE_OK);
}
