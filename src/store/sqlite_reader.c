// The SQLite engine's readers: connections that never write. What one reads between begin and end
// is one state.
#include "store/sqlite_engine.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    CACHE_BYTES = 2 << 20,
    STEPS_PER_LOOK =
        20000,  // of SQLite's machine between two looks at the clock; about a millisecond
};

// A snapshot that is held for long keeps the log from starting anew; statements that run on are
// broken off.
static int is_late(void *context) {
    const fq_reader *reader = context;
    return reader->deadline_ms != 0 && fq_monotonic_ms() > reader->deadline_ms;
}

fq_err sqlite_reader_open(fq_engine *base, fq_reader **out) {
    sqlite_engine *engine = (sqlite_engine *)base;
    fq_reader *reader = calloc(1, sizeof(*reader));
    FQ_ASSERT(reader != NULL);
    reader->engine = engine;
    reader->scratch = rows_scratch(base->schema);
    const int64_t cache_bytes =
        engine->options.reader_cache_bytes > 0 ? engine->options.reader_cache_bytes : CACHE_BYTES;
    fq_err err =
        connection_open(engine->path,
                        &(connection_options){.role = CONNECTION_READER,
                                              .cache_bytes = cache_bytes,
                                              .busy_timeout_ms = engine->options.busy_timeout_ms,
                                              .read_only = engine->options.read_only},
                        &reader->db);
    if (!err.code) {
        sqlite3_progress_handler(reader->db, STEPS_PER_LOOK, is_late, reader);
        err = rows_open(&reader->rows, reader->db, base->schema);
    }
    if (!err.code && engine->behind) {
        err = index_file_open(engine->index_path, false, engine->options.busy_timeout_ms,
                              &reader->view);
    }
    if (err.code) {
        sqlite_reader_close(reader);
        return err;
    }
    *out = reader;
    return FQ_OK;
}

void sqlite_reader_close(fq_reader *reader) {
    sqlite_scan_close(reader);
    rows_close(&reader->rows);
    sqlite3_finalize(reader->head_read);
    connection_close(reader->db);
    index_file_close(&reader->view);
    free(reader->scratch);
    free(reader);
}

fq_err sqlite_reader_begin(fq_reader *reader) {
    const int64_t timeout_ms = reader->engine->options.statement_timeout_ms;
    reader->deadline_ms = timeout_ms > 0 ? fq_monotonic_ms() + timeout_ms : 0;
    return connection_execute(reader->db, "BEGIN");
}

void sqlite_reader_end(fq_reader *reader) {
    reader->deadline_ms = 0;
    if (!sqlite3_get_autocommit(reader->db)) {
        const fq_err err = connection_execute(reader->db, "COMMIT");
        (void)err;  // nothing was written; what matters is that the state is let go
    }
}

// Without the index (read only, beside a running server): a search through the whole table.
static fq_err load_by_search(row_store *rows, fq_row *row, int64_t *out_position) {
    const fq_table *table = row->table;
    fq_buffer sql;
    fq_buffer_init(&sql, 1024);
    fq_buffer_printf(
        &sql,
        "SELECT position FROM %s WHERE %s = %lld AND %s = %lld ORDER BY position DESC LIMIT 1",
        table->name, table->columns[0].name, (long long)fq_column_integer(row, &table->columns[0]),
        table->columns[1].name, (long long)fq_column_integer(row, &table->columns[1]));
    fq_buffer_add_char(&sql, '\0');
    const fq_err err = connection_integer(rows->db, sql.at, out_position);
    fq_buffer_free(&sql);
    return err;
}

// Loads the row at `position`, if it has the key that is looked for.
static fq_err load_at(row_store *rows, size_t table_index, fq_row *row, int64_t position,
                      fq_arena *arena) {
    const fq_table *table = row->table;
    int64_t key[FQ_TABLE_KEYS_MAX];
    bool same = true;
    for (size_t i = 0; i < table->key_count; i++) {
        key[i] = fq_column_integer(row, &table->columns[i]);
    }
    fq_column_set_integer(row, rows_order_column(table), position);
    FQ_TRY(rows_load(rows, table_index, row, arena));
    for (size_t i = 0; i < table->key_count; i++) {
        same = same && key[i] == fq_column_integer(row, &table->columns[i]);
        fq_column_set_integer(row, &table->columns[i], key[i]);
    }
    row->state = same ? row->state : FQ_ROW_ABSENT;
    return FQ_OK;
}

fq_err sqlite_load_by_hash(behind_indexes *behind, index_file *view, row_store *rows,
                           size_t table_index, fq_row *row, fq_arena *arena) {
    int64_t positions[BEHIND_FOUND_MAX] = {0};
    size_t count = 0;
    if (behind) {
        const uint64_t hash = (uint64_t)fq_column_integer(row, &row->table->columns[0]);
        FQ_TRY(behind_seek(behind, view, hash, positions, &count));
    } else {
        FQ_TRY(load_by_search(rows, row, &positions[0]));
        count = 1;
    }
    row->state = FQ_ROW_ABSENT;
    for (size_t i = 0; i < count && row->state == FQ_ROW_ABSENT; i++) {
        FQ_TRY(load_at(rows, table_index, row, positions[i], arena));
    }
    return FQ_OK;
}

fq_err sqlite_reader_load(fq_reader *reader, fq_arena *arena, const fq_row_group *groups,
                          size_t count) {
    for (size_t i = 0; i < count; i++) {
        const size_t table_index = rows_table_index(reader->rows.schema, groups[i].table);
        for (size_t j = 0; j < groups[i].count; j++) {
            fq_row *row = groups[i].rows[j];
            FQ_TRY(groups[i].table->sought_by_hash
                       ? sqlite_load_by_hash(reader->engine->behind, &reader->view, &reader->rows,
                                             table_index, row, arena)
                       : rows_load(&reader->rows, table_index, row, arena));
        }
    }
    return FQ_OK;
}

fq_err sqlite_head_read(sqlite3 *db, sqlite3_stmt **statement, fq_head *out) {
    if (!*statement) {
        FQ_TRY(connection_prepare(
            db,
            "SELECT event_position, transfer_position, request_position, batch_number, epoch, "
            "id_last, at_ms, clock_shift_ms, seal FROM head WHERE id = 1",
            statement));
    }
    const int rc = sqlite3_step(*statement);
    if (rc != SQLITE_ROW) {
        const fq_err err = connection_error(db, rc, "the head");
        sqlite3_reset(*statement);
        return rc == SQLITE_DONE ? fq_refuse(FQ_INTERNAL, NULL) : err;
    }
    sqlite3_stmt *row = *statement;
    *out = (fq_head){.position = {[FQ_JOURNAL_EVENT] = (uint64_t)sqlite3_column_int64(row, 0),
                                  [FQ_JOURNAL_TRANSFER] = (uint64_t)sqlite3_column_int64(row, 1),
                                  [FQ_JOURNAL_REQUEST] = (uint64_t)sqlite3_column_int64(row, 2)},
                     .batch_number = (uint64_t)sqlite3_column_int64(row, 3),
                     .epoch = (uint64_t)sqlite3_column_int64(row, 4),
                     .id_last = (uint64_t)sqlite3_column_int64(row, 5),
                     .at_ms = sqlite3_column_int64(row, 6),
                     .clock_shift_ms = sqlite3_column_int64(row, 7)};
    const fq_str seal = connection_column_bytes(row, 8);
    const bool whole = seal.len == sizeof(out->seal);
    if (whole) {
        memcpy(out->seal, seal.at, sizeof(out->seal));
    }
    sqlite3_reset(row);
    return whole ? FQ_OK : fq_refuse(FQ_INTERNAL, NULL);
}

fq_err sqlite_reader_head(fq_reader *reader, fq_head *out) {
    return sqlite_head_read(reader->db, &reader->head_read, out);
}
