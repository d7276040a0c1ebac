// The index file. Everything in it can be made again, so a power cut may take its last slices,
// never its order.
#include "store/behind_file.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    // Raised when the form of slices changes: files of another form are made anew.
    FORMAT = 1,
    READER_CACHE_BYTES = 1 << 20,
    WRITER_CACHE_BYTES = 2 << 20,
    SQL_BYTES_MAX = 256,
};

// The two tables are only appended to, so pages are written once, full, and next to each other.
static const char tables_sql[] =
    "CREATE TABLE IF NOT EXISTS slice (id INTEGER PRIMARY KEY, above_key INTEGER NOT NULL,"
    " to_key INTEGER NOT NULL,"
    " anchor INTEGER NOT NULL, first_chunk INTEGER NOT NULL, directory BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS chunk (id INTEGER PRIMARY KEY, pairs BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS filter (slice INTEGER PRIMARY KEY, to_key INTEGER NOT NULL,"
    " words BLOB NOT NULL);";

static int64_t first_id(int index_number) {
    return (int64_t)index_number << 32;
}

static fq_err refuse_damage(const index_file *file, const char *what) {
    fq_log(FQ_LOG_ERROR,
           "the index file is damaged: stop the server, delete the file and start again; it "
           "is made anew",
           FQ_LOG_TEXT("file", sqlite3_db_filename(file->db, "main")),
           FQ_LOG_TEXT("damaged", what));
    return fq_refuse(FQ_INTERNAL, NULL);
}

// --- opening ---

static void delete_file(const char *path) {
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char *name = NULL;
        FQ_ASSERT(asprintf(&name, "%s%s", path, endings[i]) > 0);
        unlink(name);
        free(name);
    }
}

static fq_err open_writer(const char *path, int64_t busy_timeout_ms, index_file *out,
                          bool *out_fits) {
    FQ_TRY(connection_open(path,
                           &(connection_options){.role = CONNECTION_DERIVED,
                                                 .cache_bytes = WRITER_CACHE_BYTES,
                                                 .busy_timeout_ms = busy_timeout_ms},
                           &out->db));
    int64_t format = 0, tables = 0;
    FQ_TRY(connection_integer(out->db, "PRAGMA user_version", &format));
    FQ_TRY(connection_integer(out->db, "SELECT count(*) FROM sqlite_schema", &tables));
    *out_fits = format == FORMAT || tables == 0;
    if (*out_fits) {
        char sql[SQL_BYTES_MAX];
        snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", FORMAT);
        FQ_TRY(connection_execute(out->db, sql));
        FQ_TRY(connection_execute(out->db, tables_sql));
    }
    return FQ_OK;
}

static fq_err open_reader(const char *path, int64_t busy_timeout_ms, index_file *out) {
    return connection_open(path,
                           &(connection_options){.role = CONNECTION_READER,
                                                 .cache_bytes = READER_CACHE_BYTES,
                                                 .busy_timeout_ms = busy_timeout_ms},
                           &out->db);
}

fq_err index_file_open(const char *path, bool writer, int64_t busy_timeout_ms, index_file *out) {
    *out = (index_file){0};
    bool fits = true;
    fq_err err = writer ? open_writer(path, busy_timeout_ms, out, &fits)
                        : open_reader(path, busy_timeout_ms, out);
    if (writer && (err.code == FQ_INTERNAL || !fits)) {
        fq_log(FQ_LOG_WARN, "the index file is damaged or of another version: it is made anew",
               FQ_LOG_TEXT("file", path));
        index_file_close(out);
        delete_file(path);
        err = open_writer(path, busy_timeout_ms, out, &fits);
    }
    if (err.code) {
        index_file_close(out);
    }
    return err;
}

void index_file_close(index_file *file) {
    sqlite3_stmt *statements[] = {file->slices[0], file->slices[1], file->one,       file->chunk,
                                  file->add_slice, file->add_chunk, file->add_filter};
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        sqlite3_finalize(statements[i]);
    }
    connection_close(file->db);
    *file = (index_file){0};
}

fq_err index_file_begin(index_file *file) {
    return connection_execute(file->db, "BEGIN");
}

fq_err index_file_end(index_file *file) {
    return connection_execute(file->db, "COMMIT");
}

void index_file_roll_back(index_file *file) {
    if (!sqlite3_get_autocommit(file->db)) {
        const fq_err err = connection_execute(file->db, "ROLLBACK");
        (void)err;  // the transaction is gone in any case
    }
}

// --- reading ---

static fq_err prepare(index_file *file, sqlite3_stmt **statement, const char *sql) {
    return *statement ? FQ_OK : connection_prepare(file->db, sql, statement);
}

static void read_slice(sqlite3_stmt *statement, index_slice *out) {
    *out = (index_slice){.id = sqlite3_column_int64(statement, 0),
                         .above_key = sqlite3_column_int64(statement, 1),
                         .to_key = sqlite3_column_int64(statement, 2),
                         .anchor = sqlite3_column_int64(statement, 3),
                         .first_chunk = sqlite3_column_int64(statement, 4),
                         .directory = connection_column_bytes(statement, 5)};
}

static fq_err walk_prepare(index_file *file, bool forward) {
    return prepare(file, &file->slices[forward],
                   forward ? "SELECT * FROM slice WHERE id > ?1 AND id < ?2 ORDER BY id"
                           : "SELECT * FROM slice WHERE id > ?1 AND id < ?2 ORDER BY id DESC");
}

fq_err index_file_walk(index_file *file, int index_number, bool forward) {
    FQ_TRY(walk_prepare(file, forward));
    sqlite3_bind_int64(file->slices[forward], 1, first_id(index_number));
    sqlite3_bind_int64(file->slices[forward], 2, first_id(index_number + 1));
    return FQ_OK;
}

fq_err index_file_next(index_file *file, bool forward, index_slice *out, bool *out_found) {
    const int rc = sqlite3_step(file->slices[forward]);
    *out_found = rc == SQLITE_ROW;
    if (*out_found) {
        read_slice(file->slices[forward], out);
    }
    return *out_found || rc == SQLITE_DONE ? FQ_OK : connection_error(file->db, rc, "slices");
}

void index_file_reset(index_file *file, bool forward) {
    sqlite3_reset(file->slices[forward]);
}

fq_err index_file_newest(index_file *file, int index_number, index_slice *out, bool *out_found) {
    FQ_TRY(index_file_walk(file, index_number, false));
    const fq_err err = index_file_next(file, false, out, out_found);
    out->directory = (fq_str){0};
    index_file_reset(file, false);
    return err;
}

fq_err index_file_slice(index_file *file, int64_t id, index_slice *out, bool *out_found) {
    FQ_TRY(prepare(file, &file->one, "SELECT * FROM slice WHERE id = ?1"));
    sqlite3_bind_int64(file->one, 1, id);
    const int rc = sqlite3_step(file->one);
    *out_found = rc == SQLITE_ROW;
    if (*out_found) {
        read_slice(file->one, out);
        return FQ_OK;
    }
    index_file_release(file);
    return rc == SQLITE_DONE ? FQ_OK : connection_error(file->db, rc, "slice");
}

void index_file_release(index_file *file) {
    sqlite3_reset(file->one);
}

fq_err index_file_chunk(index_file *file, const index_slice *slice, size_t chunk,
                        index_pair out[SLICE_CHUNK_PAIRS_MAX], size_t *out_count) {
    FQ_TRY(prepare(file, &file->chunk, "SELECT pairs FROM chunk WHERE id = ?1"));
    sqlite3_bind_int64(file->chunk, 1, slice->first_chunk + (int64_t)chunk);
    const int rc = sqlite3_step(file->chunk);
    bool whole = false;
    if (rc == SQLITE_ROW) {
        whole = slice_chunk_read(connection_column_bytes(file->chunk, 0),
                                 slice_directory_read(slice->directory, chunk), out, out_count);
    }
    const bool failed = rc != SQLITE_ROW && rc != SQLITE_DONE;
    const fq_err err = failed ? connection_error(file->db, rc, "chunk") : FQ_OK;
    sqlite3_reset(file->chunk);
    FQ_TRY(err);
    return whole ? FQ_OK : refuse_damage(file, "chunk");
}

fq_err index_file_filters(index_file *file, int index_number,
                          void (*take)(void *context, const slice_filter *filter), void *context) {
    sqlite3_stmt *statement = NULL;
    FQ_TRY(connection_prepare(
        file->db,
        "SELECT slice, to_key, words FROM filter WHERE slice > ?1 AND slice < ?2 ORDER BY slice",
        &statement));
    sqlite3_bind_int64(statement, 1, first_id(index_number));
    sqlite3_bind_int64(statement, 2, first_id(index_number + 1));
    fq_err err = FQ_OK;
    int rc = SQLITE_ROW;
    while (!err.code && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const fq_str words = connection_column_bytes(statement, 2);
        slice_filter filter = {.slice = sqlite3_column_int64(statement, 0),
                               .to_key = sqlite3_column_int64(statement, 1)};
        if (filter_read(&filter, words)) {
            take(context, &filter);
        } else {
            err = refuse_damage(file, "filter");
        }
    }
    if (!err.code && rc != SQLITE_DONE) {
        err = connection_error(file->db, rc, "filters");
    }
    sqlite3_finalize(statement);
    return err;
}

// --- writing ---

static fq_err add_chunk(index_file *file, int64_t id, fq_str bytes) {
    FQ_TRY(prepare(file, &file->add_chunk, "INSERT INTO chunk VALUES (?1, ?2)"));
    sqlite3_bind_int64(file->add_chunk, 1, id);
    connection_bind_bytes(file->add_chunk, 2, bytes);
    return connection_run(file->db, file->add_chunk, "chunk");
}

static fq_err add_chunks(index_file *file, int64_t first_chunk, const index_pair *pairs,
                         size_t count, fq_buffer *directory) {
    for (int64_t id = first_chunk; count > 0; id++) {
        char chunk[SLICE_CHUNK_BYTES_MAX], entry[SLICE_ENTRY_BYTES];
        size_t bytes = 0;
        const size_t taken = slice_chunk_write(pairs, count, chunk, &bytes);
        slice_directory_write(pairs[0], entry);
        fq_buffer_add(directory, (fq_str){entry, sizeof(entry)});
        FQ_TRY(add_chunk(file, id, (fq_str){chunk, bytes}));
        pairs += taken;
        count -= taken;
    }
    return FQ_OK;
}

static fq_err add_filter(index_file *file, const index_slice *slice, const index_pair *pairs,
                         size_t count, slice_filter *filter) {
    *filter = (slice_filter){.slice = slice->id, .to_key = slice->to_key};
    filter_make(filter, count);
    for (size_t i = 0; i < count; i++) {
        filter_add(filter, (uint64_t)pairs[i].value);
    }
    FQ_TRY(prepare(file, &file->add_filter, "INSERT INTO filter VALUES (?1, ?2, ?3)"));
    sqlite3_bind_int64(file->add_filter, 1, slice->id);
    sqlite3_bind_int64(file->add_filter, 2, slice->to_key);
    connection_bind_bytes(file->add_filter, 3, filter_bytes(filter));
    return connection_run(file->db, file->add_filter, "filter");
}

static fq_err add_slice(index_file *file, const index_slice *slice) {
    FQ_TRY(prepare(file, &file->add_slice, "INSERT INTO slice VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
    const int64_t numbers[] = {slice->id, slice->above_key, slice->to_key, slice->anchor,
                               slice->first_chunk};
    for (int i = 0; i < 5; i++) {
        sqlite3_bind_int64(file->add_slice, i + 1, numbers[i]);
    }
    connection_bind_bytes(file->add_slice, 6, slice->directory);
    return connection_run(file->db, file->add_slice, "slice");
}

fq_err index_file_append(index_file *file, int index_number, index_slice *slice,
                         const index_pair *pairs, size_t count, slice_filter *filter) {
    index_slice newest;
    bool found = false;
    FQ_TRY(index_file_newest(file, index_number, &newest, &found));
    slice->id = found ? newest.id + 1 : first_id(index_number) + 1;
    slice->first_chunk = 1;
    FQ_TRY(connection_integer(file->db, "SELECT id + 1 FROM chunk ORDER BY id DESC LIMIT 1",
                              &slice->first_chunk));
    fq_buffer directory;
    fq_buffer_init(&directory, (count + 1) * SLICE_ENTRY_BYTES);
    fq_err err = add_chunks(file, slice->first_chunk, pairs, count, &directory);
    slice->directory = fq_buffer_str(&directory);
    if (!err.code) {
        err = add_slice(file, slice);
    }
    slice->directory = (fq_str){0};
    fq_buffer_free(&directory);
    if (!err.code && filter) {
        err = add_filter(file, slice, pairs, count, filter);
    }
    return err;
}

fq_err index_file_remove(index_file *file, int64_t id) {
    index_slice slice;
    bool found = false;
    FQ_TRY(index_file_slice(file, id, &slice, &found));
    if (!found) {
        return FQ_OK;
    }
    const int64_t chunks = (int64_t)slice_directory_count(slice.directory);
    index_file_release(file);
    char sql[SQL_BYTES_MAX];
    snprintf(sql, sizeof(sql),
             "DELETE FROM chunk WHERE id >= %" PRId64 " AND id < %" PRId64
             "; DELETE FROM filter WHERE slice = %" PRId64 "; DELETE FROM slice WHERE id = %" PRId64
             ";",
             slice.first_chunk, slice.first_chunk + chunks, id, id);
    return connection_execute(file->db, sql);
}
