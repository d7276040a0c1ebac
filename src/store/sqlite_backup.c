// Online backup: a copy of one state of the database while the writer goes on.
#include "store/sqlite_engine.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGES_A_STEP = 1024 };

static fq_err refuse_path(const char *path, const char *why) {
    fq_log(FQ_LOG_ERROR, "the backup cannot be written", FQ_LOG_TEXT("path", path),
           FQ_LOG_TEXT("why", why));
    return fq_refuse(FQ_STATE_CONFLICT, NULL);
}

static fq_err io_error(const char *path, int error) {
    fq_log(FQ_LOG_ERROR, "the backup cannot be written", FQ_LOG_TEXT("path", path),
           FQ_LOG_TEXT("why", strerror(error)));
    return fq_refuse(error == ENOSPC || error == EDQUOT ? FQ_STORE_FULL : FQ_STORE_LOST, NULL);
}

static fq_err sync_path(const char *path, int flags) {
    const int fd = open(path, flags | O_CLOEXEC);
    const bool synced = fd >= 0 && fsync(fd) == 0;
    const int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return synced ? FQ_OK : io_error(path, error);
}

static fq_err sync_folder_of(const char *path) {
    char *copy = strdup(path);
    FQ_ASSERT(copy != NULL);
    const fq_err err = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY);
    free(copy);
    return err;
}

// The reader's transaction is held for the whole copy: a backup whose source is changed between two
// steps by another connection would begin anew each time.
static fq_err copy_pages(sqlite3 *from, sqlite3 *to) {
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup) {
        return connection_error(to, sqlite3_errcode(to), "backup");
    }
    int rc;
    do {
        rc = sqlite3_backup_step(backup, PAGES_A_STEP);
    } while (rc == SQLITE_OK);
    const int finished = sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE && finished == SQLITE_OK ? FQ_OK : connection_error(to, rc, "backup");
}

static fq_err copy_to(sqlite_engine *engine, const char *path) {
    fq_reader *reader = NULL;
    sqlite3 *to = NULL;
    fq_head head;
    FQ_TRY(sqlite_reader_open(&engine->engine, &reader));
    fq_err err = connection_execute(reader->db, "BEGIN");
    if (!err.code) {
        err = sqlite_reader_head(reader,
                                 &head);  // the first read: from here on the state stands still
    }
    if (!err.code) {
        const int rc =
            sqlite3_open_v2(path, &to, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL);
        err = rc == SQLITE_OK ? copy_pages(reader->db, to) : connection_error(to, rc, path);
    }
    connection_close(to);
    sqlite_reader_end(reader);
    sqlite_reader_close(reader);
    return err;
}

// Reads the copy as it lies there, making no files beside it.
static fq_err verify(const char *path, const fq_schema *schema) {
    char *uri = NULL;
    sqlite3 *db = NULL;
    int64_t last = 0;
    FQ_ASSERT(asprintf(&uri, "file:%s?immutable=1", path) > 0);
    const int rc = sqlite3_open_v2(
        uri, &db, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    fq_err err = rc == SQLITE_OK ? FQ_OK : connection_error(db, rc, path);
    if (!err.code) {
        err = connection_integer(db, "SELECT count(*) FROM schema_migration, head", &last);
    }
    if (!err.code && last < (int64_t)schema->migration_count) {
        err = refuse_path(path, "the copy is not whole");
    }
    connection_close(db);
    free(uri);
    return err;
}

static fq_err make_file(const char *path) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const int error = errno;
    if (fd < 0) {
        return error == EEXIST ? refuse_path(path, "there is such a file already")
                               : io_error(path, error);
    }
    close(fd);
    return FQ_OK;
}

static fq_err write_backup(sqlite_engine *engine, const char *partial, const char *path) {
    FQ_TRY(copy_to(engine, partial));
    FQ_TRY(verify(partial, engine->engine.schema));
    FQ_TRY(sync_path(partial, O_RDONLY));
    if (link(partial, path) != 0) {  // unlike rename, never over another file
        return errno == EEXIST ? refuse_path(path, "there is such a file already")
                               : io_error(path, errno);
    }
    return FQ_OK;
}

// The copy has its name only when it is whole and on the disk.
fq_err sqlite_backup(fq_engine *base, const char *to_path) {
    sqlite_engine *engine = (sqlite_engine *)base;
    char *partial = NULL;
    FQ_ASSERT(asprintf(&partial, "%s.partial", to_path) > 0);
    fq_err err = access(to_path, F_OK) == 0 ? refuse_path(to_path, "there is such a file already")
                                            : make_file(partial);
    if (!err.code) {
        err = write_backup(engine, partial, to_path);
        unlink(partial);
        if (!err.code) {
            err = sync_folder_of(to_path);
        }
    }
    free(partial);
    return err;
}
