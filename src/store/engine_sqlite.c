// The SQLite engine: opening a data folder, and the writer's side. One process has the folder, one
// connection writes the file and checkpoints it: SQLite before 3.51.3 has a race between two
// connections that do so at the same time.
#include "store/sqlite_engine.h"

#include "base/log.h"
#include "store/migrate.h"
#include "store/sqlite_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CACHE_BYTES = 24 << 20,
    // The log is copied into the database when it has grown by so many pages: often enough that one
    // step is short.
    CHECKPOINT_PAGES = 256,
    WRITER_NUMBERS = 1024,
};

static sqlite_engine *of(fq_engine *engine) {
    return (sqlite_engine *)engine;
}

// --- the writer's connection ---

static int note_log_size(void *context, sqlite3 *db, const char *name, int pages) {
    (void)db;
    (void)name;
    ((sqlite_engine *)context)->wal_pages = pages;
    return SQLITE_OK;
}

static void close_connection(sqlite_engine *engine) {
    sqlite3_finalize(engine->begin);
    sqlite3_finalize(engine->commit);
    sqlite3_finalize(engine->head_read);
    sqlite3_finalize(engine->head_write);
    engine->begin = engine->commit = engine->head_read = engine->head_write = NULL;
    rows_close(&engine->rows);
    if (engine->behind) {
        behind_forget_connection(engine->behind);
    }
    connection_close(engine->db);
    engine->db = NULL;
    engine->doubtful = false;
    for (size_t i = 0; i < engine->engine.schema->table_count; i++) {
        if (engine->caches[i]) {
            cache_clear(engine->caches[i]);
        }
    }
}

static fq_err open_connection(sqlite_engine *engine) {
    if (engine->db) {
        return FQ_OK;
    }
    const int64_t cache_bytes =
        engine->options.cache_bytes > 0 ? engine->options.cache_bytes : CACHE_BYTES;
    FQ_TRY(
        connection_open(engine->path,
                        &(connection_options){.role = engine->options.read_only ? CONNECTION_READER
                                                                                : CONNECTION_WRITER,
                                              .cache_bytes = cache_bytes,
                                              .busy_timeout_ms = engine->options.busy_timeout_ms,
                                              .read_only = engine->options.read_only},
                        &engine->db));
    FQ_TRY(rows_open(&engine->rows, engine->db, engine->engine.schema));
    FQ_TRY(connection_prepare(engine->db, "COMMIT", &engine->commit));
    FQ_TRY(connection_prepare(engine->db, "BEGIN IMMEDIATE", &engine->begin));
    sqlite3_wal_hook(engine->db, note_log_size, engine);
    return FQ_OK;
}

// Copies what the log holds into the database. Readers that still need old pages only delay it.
static void checkpoint(sqlite_engine *engine) {
    int in_log = 0, done = 0;
    const int rc =
        sqlite3_wal_checkpoint_v2(engine->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        const fq_err err = connection_error(engine->db, rc, "checkpoint");
        (void)err;  // the log keeps all; it is tried again
    }
    // Also after a failure, so that the next try waits for as many pages as this one did.
    engine->wal_pages_done = engine->wal_pages;
}

static void checkpoint_when(sqlite_engine *engine, int pages) {
    if (engine->wal_pages < engine->wal_pages_done) {  // the log has begun anew
        engine->wal_pages_done = 0;
    }
    if (engine->wal_pages - engine->wal_pages_done >= pages) {
        checkpoint(engine);
    }
}

static fq_err begin(fq_engine *base) {
    sqlite_engine *engine = of(base);
    FQ_TRY(open_connection(engine));
    FQ_ASSERT(sqlite3_get_autocommit(engine->db));
    // Here nobody waits for an answer of the commit before, and the commands to come gather
    // meanwhile.
    checkpoint_when(engine, CHECKPOINT_PAGES);
    return connection_run(engine->db, engine->begin, "BEGIN");
}

// Errors that may leave the connection in doubt: it is opened anew before the next transaction.
static fq_err note_doubt(sqlite_engine *engine, fq_err err) {
    if (err.code == FQ_STORE_LOST || err.code == FQ_STORE_UNKNOWN) {
        engine->doubtful = true;
    }
    return err;
}

static void rollback(fq_engine *base) {
    sqlite_engine *engine = of(base);
    engine->saved_count = 0;
    if (engine->behind) {
        behind_rolled_back(engine->behind);
    }
    if (!engine->db) {
        return;
    }
    // After some errors SQLite has rolled back by itself.
    if (!sqlite3_get_autocommit(engine->db)) {
        const fq_err err = connection_execute(engine->db, "ROLLBACK");
        engine->doubtful = engine->doubtful || err.code;
    }
    if (engine->doubtful) {
        close_connection(engine);
    }
}

// --- rows ---

static fq_err load_row(sqlite_engine *engine, size_t table_index, fq_row *row, fq_arena *arena) {
    row_cache *cache = engine->caches[table_index];
    if (row->table->sought_by_hash) {
        return sqlite_load_by_hash(engine->behind, &engine->view, &engine->rows, table_index, row,
                                   arena);
    }
    if (cache && cache_get(cache, row, arena)) {
        return FQ_OK;
    }
    FQ_TRY(rows_load(&engine->rows, table_index, row, arena));
    if (cache && row->state == FQ_ROW_LOADED) {
        cache_put(cache, row);
    }
    return FQ_OK;
}

static fq_err load(fq_engine *base, fq_batch *batch, const fq_row_group *groups, size_t count) {
    sqlite_engine *engine = of(base);
    for (size_t i = 0; i < count; i++) {
        const size_t table_index = rows_table_index(base->schema, groups[i].table);
        for (size_t j = 0; j < groups[i].count; j++) {
            FQ_TRY(note_doubt(
                engine, load_row(engine, table_index, groups[i].rows[j], fq_batch_arena(batch))));
        }
    }
    return FQ_OK;
}

static void note_saved(sqlite_engine *engine, size_t table_index, fq_save_kind kind,
                       const fq_row *row) {
    if (engine->saved_count == engine->saved_capacity) {
        engine->saved_capacity = engine->saved_capacity ? engine->saved_capacity * 2 : 1024;
        engine->saved =
            realloc(engine->saved, fq_array_bytes(engine->saved_capacity, sizeof(saved_row)));
        FQ_ASSERT(engine->saved != NULL);
    }
    engine->saved[engine->saved_count++] = (saved_row){table_index, kind, row};
}

static fq_err save_row(sqlite_engine *engine, size_t table_index, fq_save_kind kind,
                       const fq_row *row) {
    FQ_TRY(rows_save(&engine->rows, table_index, kind, row));
    if (kind == FQ_SAVE_INSERT) {
        FQ_TRY(behind_insert(engine->behind, engine->db, table_index, row));
    }
    if (engine->caches[table_index]) {
        note_saved(engine, table_index, kind, row);
    }
    return FQ_OK;
}

static fq_err save(fq_engine *base, const fq_save *saves, size_t count) {
    sqlite_engine *engine = of(base);
    for (size_t i = 0; i < count; i++) {
        const fq_row_group *group = &saves[i].group;
        const size_t table_index = rows_table_index(base->schema, group->table);
        for (size_t j = 0; j < group->count; j++) {
            FQ_TRY(
                note_doubt(engine, save_row(engine, table_index, saves[i].kind, group->rows[j])));
        }
    }
    return FQ_OK;
}

// The rows of the batch are committed: from now on they are what the cache shows.
static void remember_saved(sqlite_engine *engine) {
    for (size_t i = 0; i < engine->saved_count; i++) {
        const saved_row *saved = &engine->saved[i];
        row_cache *cache = engine->caches[saved->table_index];
        if (saved->kind == FQ_SAVE_DELETE) {
            cache_drop(cache, saved->row);
        } else {
            cache_put(cache, saved->row);
        }
    }
    engine->saved_count = 0;
}

// --- the head and the commit ---

static fq_err head_lock(fq_engine *base, fq_head *out) {
    sqlite_engine *engine = of(base);
    return note_doubt(engine, sqlite_head_read(engine->db, &engine->head_read, out));
}

static fq_err write_head(sqlite_engine *engine, const fq_head *head, uint64_t batch_id) {
    sqlite3 *db = engine->db;
    if (!engine->head_write) {
        FQ_TRY(connection_prepare(
            db,
            "UPDATE head SET event_position = ?1, transfer_position = ?2, request_position = ?3, "
            "batch_number = ?4, id_last = ?5, at_ms = ?6, clock_shift_ms = ?7, seal = ?8, "
            "claim = ?9 WHERE id = 1 AND epoch = ?10",
            &engine->head_write));
    }
    const int64_t values[] = {(int64_t)head->position[FQ_JOURNAL_EVENT],
                              (int64_t)head->position[FQ_JOURNAL_TRANSFER],
                              (int64_t)head->position[FQ_JOURNAL_REQUEST],
                              (int64_t)head->batch_number,
                              (int64_t)head->id_last,
                              head->at_ms,
                              head->clock_shift_ms};
    enum { VALUES = sizeof(values) / sizeof(values[0]) };
    for (int i = 0; i < VALUES; i++) {
        sqlite3_bind_int64(engine->head_write, i + 1, values[i]);
    }
    connection_bind_bytes(engine->head_write, VALUES + 1,
                          (fq_str){(const char *)head->seal, sizeof(head->seal)});
    sqlite3_bind_int64(engine->head_write, VALUES + 2, (int64_t)batch_id);
    sqlite3_bind_int64(engine->head_write, VALUES + 3, (int64_t)head->epoch);
    FQ_TRY(connection_run(db, engine->head_write, "the head"));
    if (sqlite3_changes(db) != 1) {
        fq_log(FQ_LOG_ERROR, "another writer has taken this database over",
               FQ_LOG_TEXT("file", engine->path));
        return fq_refuse(FQ_INTERNAL, NULL);
    }
    return FQ_OK;
}

// A commit that was refused before its last page left memory wrote nothing; of any other the fate
// is open.
static fq_err commit_error(sqlite_engine *engine, int rc) {
    const fq_err err = connection_error(engine->db, rc, "COMMIT");
    if (err.code == FQ_STORE_FULL || err.code == FQ_STORE_CONFLICT) {
        return err;
    }
    return note_doubt(engine, fq_refuse(FQ_STORE_UNKNOWN, NULL));
}

static fq_err commit(fq_engine *base, const fq_head *head, uint64_t batch_id) {
    sqlite_engine *engine = of(base);
    FQ_TRY(note_doubt(engine, write_head(engine, head, batch_id)));
    const int rc = sqlite3_step(engine->commit);
    const fq_err err = rc == SQLITE_DONE ? FQ_OK : commit_error(engine, rc);
    sqlite3_reset(engine->commit);
    if (!err.code) {
        remember_saved(engine);
        behind_committed(engine->behind);
    }
    return err;
}

// The head keeps the last batch's id, and only this process writes: the old connection is closed,
// so what it did not finish never will be.
static fq_err settle(fq_engine *base, uint64_t batch_id, bool *out_committed) {
    sqlite_engine *engine = of(base);
    if (engine->db && engine->doubtful) {
        close_connection(engine);
    }
    FQ_TRY(open_connection(engine));
    int64_t claim = 0;
    FQ_TRY(connection_integer(engine->db, "SELECT claim FROM head", &claim));
    *out_committed = (uint64_t)claim == batch_id;
    if (!*out_committed) {
        // What the failed commit left at the end of the log is written over, so that a crash cannot
        // bring it back.
        FQ_TRY(connection_execute(engine->db,
                                  "UPDATE head SET claim = CASE claim WHEN 0 THEN 1 ELSE 0 END"));
    }
    engine->saved_count = 0;
    if (*out_committed) {
        behind_committed(engine->behind);
    } else {
        behind_rolled_back(engine->behind);
    }
    return FQ_OK;
}

static fq_err lease(fq_engine *base, uint32_t *out_writer, fq_head *out) {
    sqlite_engine *engine = of(base);
    FQ_TRY(open_connection(engine));
    FQ_TRY(connection_execute(engine->db, "UPDATE head SET epoch = epoch + 1"));
    FQ_TRY(sqlite_head_read(engine->db, &engine->head_read, out));
    *out_writer = (uint32_t)(out->epoch % WRITER_NUMBERS);
    return FQ_OK;
}

static fq_err idle(fq_engine *base) {
    sqlite_engine *engine = of(base);
    if (engine->db) {
        checkpoint_when(engine, 1);
    }
    return FQ_OK;
}

static fq_err stamp(fq_engine *base, const char *name, fq_str wanted, fq_buffer *out_found) {
    sqlite_engine *engine = of(base);
    sqlite3_stmt *statement = NULL;
    FQ_TRY(open_connection(engine));
    if (wanted.len > 0 && !engine->options.read_only) {
        FQ_TRY(connection_prepare(engine->db, "INSERT OR IGNORE INTO stamp VALUES (?1, ?2)",
                                  &statement));
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        connection_bind_bytes(statement, 2, wanted);
        const fq_err err = connection_run(engine->db, statement, "stamp");
        sqlite3_finalize(statement);
        FQ_TRY(err);
    }
    FQ_TRY(connection_prepare(engine->db, "SELECT value FROM stamp WHERE name = ?1", &statement));
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    const int rc = sqlite3_step(statement);
    fq_buffer_clear(out_found);
    if (rc == SQLITE_ROW) {
        fq_buffer_add(out_found, connection_column_bytes(statement, 0));
    }
    const fq_err err =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? FQ_OK : connection_error(engine->db, rc, "stamp");
    sqlite3_finalize(statement);
    return err;
}

// --- opening and closing ---

static fq_err migrate_execute(void *context, const char *sql) {
    return connection_execute(context, sql);
}

static fq_err migrate_integer(void *context, const char *sql, int64_t *out) {
    return connection_integer(context, sql, out);
}

static void close_engine(fq_engine *base) {
    sqlite_engine *engine = of(base);
    const fq_schema *schema = base->schema;
    index_file_close(&engine->view);
    if (engine->db) {
        if (!engine->options.read_only && !engine->doubtful) {
            checkpoint_when(engine, 1);
        }
        close_connection(engine);
    }
    if (engine->behind) {
        behind_close(engine->behind);
    }
    for (size_t i = 0; i < schema->table_count; i++) {
        if (engine->caches[i]) {
            cache_free(engine->caches[i]);
        }
    }
    if (engine->lock_fd >= 0) {
        close(engine->lock_fd);
    }
    free(engine->caches);
    free(engine->saved);
    free(engine->path);
    free(engine->index_path);
    free(engine);
}

static fq_err open_inside(sqlite_engine *engine, const char *folder) {
    const fq_schema *schema = engine->engine.schema;
    if (!engine->options.read_only) {
        FQ_TRY(folder_make(folder));
        FQ_TRY(folder_lock(folder, schema->service, &engine->lock_fd));
    }
    FQ_TRY(open_connection(engine));
    const fq_migrator migrator = {FQ_DIALECT_SQLITE, engine->db, migrate_execute, migrate_integer};
    FQ_TRY(fq_migrate(&migrator, schema, engine->options.migrate && !engine->options.read_only));
    if (engine->options.read_only) {
        return FQ_OK;
    }
    FQ_TRY(connection_execute(engine->db, behind_late_sql));
    FQ_TRY(behind_open(&(behind_options){.database_path = engine->path,
                                         .index_path = engine->index_path,
                                         .schema = schema,
                                         .busy_timeout_ms = engine->options.busy_timeout_ms,
                                         .list_rows = engine->list_rows,
                                         .hash_rows = engine->hash_rows},
                       &engine->behind));
    return index_file_open(engine->index_path, false, engine->options.busy_timeout_ms,
                           &engine->view);
}

static const fq_engine_ops ops = {
    .system = "sqlite",
    .begin = begin,
    .load = load,
    .save = save,
    .head_lock = head_lock,
    .commit = commit,
    .rollback = rollback,
    .settle = settle,
    .lease = lease,
    .idle = idle,
    .forget = sqlite_forget,
    .reader_open = sqlite_reader_open,
    .reader_close = sqlite_reader_close,
    .reader_begin = sqlite_reader_begin,
    .reader_end = sqlite_reader_end,
    .reader_load = sqlite_reader_load,
    .reader_scan = sqlite_reader_scan,
    .reader_head = sqlite_reader_head,
    .backup = sqlite_backup,
    .examine = sqlite_examine,
    .stamp = stamp,
    .close = close_engine,
};

fq_err sqlite_engine_open(const char *folder, const fq_schema *schema,
                          const fq_store_options *options, size_t list_rows, size_t hash_rows,
                          fq_engine **out) {
    sqlite_engine *engine = calloc(1, sizeof(*engine));
    FQ_ASSERT(engine != NULL);
    *engine = (sqlite_engine){.engine = {&ops, schema},
                              .options = *options,
                              .list_rows = list_rows,
                              .hash_rows = hash_rows,
                              .lock_fd = -1};
    engine->caches = calloc(schema->table_count, sizeof(row_cache *));
    FQ_ASSERT(engine->caches != NULL);
    for (size_t i = 0; i < schema->table_count; i++) {
        if (schema->tables[i]->remembered && !options->read_only) {
            engine->caches[i] = cache_make(schema->tables[i], REMEMBERED_ROWS_MAX);
        }
    }
    FQ_ASSERT(asprintf(&engine->path, "%s/%s.db", folder, schema->service) > 0);
    FQ_ASSERT(asprintf(&engine->index_path, "%s/%s-index.db", folder, schema->service) > 0);
    const fq_err err = open_inside(engine, folder);
    if (err.code) {
        close_engine(&engine->engine);
        return err;
    }
    *out = &engine->engine;
    return FQ_OK;
}

fq_err fq_engine_sqlite_open(const char *folder, const fq_schema *schema,
                             const fq_store_options *options, fq_engine **out) {
    return sqlite_engine_open(folder, schema, options, 0, 0, out);
}
