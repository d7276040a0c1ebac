// Scans: rows of a table in order of key, or those with one value of an indexed column. The latter
// come from three places, each in order of key, which are gone through as one:
//
//     forward   slices, oldest first, then the rows above the last slice
//     backward  the rows above the last slice, then slices, newest first
//     both      merged with the keys that came late (behind_late)
#include "store/sqlite_engine.h"

#include <stdio.h>
#include <stdlib.h>

enum { SQL_BYTES_MAX = 2048 };

static sqlite3_stmt **statements_of(sqlite3_stmt ***all, size_t count, size_t number,
                                    bool forward) {
    if (!*all) {
        *all = calloc(count * 2, sizeof(sqlite3_stmt *));
        FQ_ASSERT(*all != NULL);
    }
    return &(*all)[number * 2 + forward];
}

static void close_all(sqlite3_stmt **all, size_t count) {
    for (size_t i = 0; all && i < count * 2; i++) {
        sqlite3_finalize(all[i]);
    }
    free(all);
}

void sqlite_scan_close(fq_reader *reader) {
    const fq_schema *schema = reader->engine->engine.schema;
    close_all(reader->by_key, schema->table_count);
    close_all(reader->tail, schema->index_count);
    sqlite3_finalize(reader->late[0]);
    sqlite3_finalize(reader->late[1]);
}

static int64_t upper_bound(const fq_scan *scan) {
    return scan->below == 0 || scan->below > INT64_MAX ? INT64_MAX : (int64_t)scan->below;
}

// --- by key ---

static void add_order(const fq_table *table, bool forward, fq_buffer *sql) {
    const char *direction = forward ? "" : " DESC";
    if (table->sought_by_hash) {
        fq_buffer_printf(sql, " ORDER BY %s%s", rows_order_column(table)->name, direction);
        return;
    }
    for (size_t i = 0; i < table->key_count; i++) {
        fq_buffer_printf(sql, "%s%s%s", i ? ", " : " ORDER BY ", table->columns[i].name, direction);
    }
}

static fq_err prepare_by_key(fq_reader *reader, const fq_table *table, bool forward,
                             sqlite3_stmt **out) {
    const char *first =
        table->sought_by_hash ? rows_order_column(table)->name : table->columns[0].name;
    fq_buffer sql;
    fq_buffer_init(&sql, SQL_BYTES_MAX);
    FQ_ADD(&sql, "SELECT ");
    rows_column_names(table, &sql);
    fq_buffer_printf(&sql, " FROM %s WHERE %s > ?1 AND %s < ?2", table->name, first, first);
    add_order(table, forward, &sql);
    fq_buffer_add_char(&sql, '\0');
    FQ_ASSERT(!sql.overflowed);
    const fq_err err = connection_prepare(reader->db, sql.at, out);
    fq_buffer_free(&sql);
    return err;
}

static fq_err scan_by_key(fq_reader *reader, const fq_scan *scan) {
    const fq_schema *schema = reader->rows.schema;
    sqlite3_stmt **statement = statements_of(&reader->by_key, schema->table_count,
                                             rows_table_index(schema, scan->table), scan->forward);
    if (!*statement) {
        FQ_TRY(prepare_by_key(reader, scan->table, scan->forward, statement));
    }
    sqlite3_bind_int64(*statement, 1, (int64_t)scan->above);
    sqlite3_bind_int64(*statement, 2, upper_bound(scan));
    fq_row *row = reader->scratch;
    row->table = scan->table;
    int rc;
    while ((rc = sqlite3_step(*statement)) == SQLITE_ROW) {
        rows_fill(row, *statement, NULL);
        if (!scan->visit(scan->context, row)) {
            break;
        }
    }
    const bool failed = rc != SQLITE_ROW && rc != SQLITE_DONE;
    const fq_err err = failed ? connection_error(reader->db, rc, scan->table->name) : FQ_OK;
    sqlite3_reset(*statement);
    return err;
}

// --- by an index ---

typedef enum { PLACE_TAIL, PLACE_SLICES, PLACE_END } place;

typedef struct {
    fq_reader *reader;
    const fq_scan *scan;
    size_t table_index;
    const fq_column *column;
    int64_t value, above, below;
    int64_t high_water;  // of the index
    sqlite3_stmt *tail, *late;
    place place;
    bool slice_open;
    index_slice slice;
    size_t chunk;                         // the next one to read, SLICE_NOWHERE when there is none
    int64_t keys[SLICE_CHUNK_PAIRS_MAX];  // of one chunk, in the order of the scan
    size_t key_at, key_count;
} index_scan;

static fq_err prepare_tail(index_scan *at) {
    const fq_schema *schema = at->reader->rows.schema;
    const fq_table *table = at->scan->table;
    size_t number = 0;
    while (number < schema->index_count && schema->indexes[number] != at->scan->index) {
        number++;
    }
    FQ_ASSERT(number < schema->index_count);
    const bool forward = at->scan->forward;
    sqlite3_stmt **statement =
        statements_of(&at->reader->tail, schema->index_count, number, forward);
    if (!*statement) {
        char sql[SQL_BYTES_MAX];
        const char *key = table->columns[0].name;
        snprintf(sql, sizeof(sql),
                 "SELECT %s FROM %s WHERE %s > ?1 AND %s < ?2 AND +%s = ?3 ORDER BY %s %s", key,
                 table->name, key, key, at->column->name, key, forward ? "" : "DESC");
        FQ_TRY(connection_prepare(at->reader->db, sql, statement));
    }
    at->tail = *statement;
    sqlite3_bind_int64(at->tail, 1, at->above > at->high_water ? at->above : at->high_water);
    sqlite3_bind_int64(at->tail, 2, at->below);
    sqlite3_bind_int64(at->tail, 3, at->value);
    return FQ_OK;
}

static fq_err prepare_late(index_scan *at) {
    const bool forward = at->scan->forward;
    sqlite3_stmt **statement = &at->reader->late[forward];
    if (!*statement) {
        FQ_TRY(connection_prepare(
            at->reader->db,
            forward ? "SELECT key FROM behind_late WHERE index_number = ?1 AND value = ?2 "
                      "AND key > ?3 AND key < ?4 ORDER BY key"
                    : "SELECT key FROM behind_late WHERE index_number = ?1 AND value = ?2 "
                      "AND key > ?3 AND key < ?4 ORDER BY key DESC",
            statement));
    }
    at->late = *statement;
    sqlite3_bind_int64(at->late, 1, at->scan->index->number);
    sqlite3_bind_int64(at->late, 2, at->value);
    sqlite3_bind_int64(at->late, 3, at->above);
    sqlite3_bind_int64(at->late, 4, at->below);
    return FQ_OK;
}

// The next key that a statement gives; 0 at its end.
static fq_err step_key(index_scan *at, sqlite3_stmt *statement, int64_t *out_key) {
    const int rc = sqlite3_step(statement);
    *out_key = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? FQ_OK
                                                 : connection_error(at->reader->db, rc, "scan");
}

// The chunk of the slice at hand where keys of the scan begin.
static size_t first_chunk(const index_scan *at) {
    const fq_str directory = at->slice.directory;
    if (!at->scan->forward) {
        return slice_directory_find(directory, (index_pair){at->value, at->below - 1});
    }
    const size_t chunk = slice_directory_find(directory, (index_pair){at->value, at->above});
    return chunk == SLICE_NOWHERE && slice_directory_count(directory) > 0 ? 0 : chunk;
}

// The chunk after (or, backward, before) this one, if it may have keys of the scan too.
static size_t next_chunk(const index_scan *at, size_t chunk) {
    const fq_str directory = at->slice.directory;
    if (at->scan->forward) {
        const bool more = chunk + 1 < slice_directory_count(directory) &&
                          slice_directory_read(directory, chunk + 1).value <= at->value;
        return more ? chunk + 1 : SLICE_NOWHERE;
    }
    return chunk > 0 && slice_directory_read(directory, chunk).value == at->value ? chunk - 1
                                                                                  : SLICE_NOWHERE;
}

static fq_err read_chunk(index_scan *at) {
    index_pair pairs[SLICE_CHUNK_PAIRS_MAX];
    size_t count = 0;
    FQ_TRY(index_file_chunk(&at->reader->view, &at->slice, at->chunk, pairs, &count));
    at->key_at = at->key_count = 0;
    for (size_t i = 0; i < count; i++) {
        const index_pair *pair = &pairs[at->scan->forward ? i : count - 1 - i];
        if (pair->value == at->value && pair->key > at->above && pair->key < at->below) {
            at->keys[at->key_count++] = pair->key;
        }
    }
    at->chunk = next_chunk(at, at->chunk);
    return FQ_OK;
}

// Goes to the next slice that can have keys of the scan.
static fq_err next_slice(index_scan *at) {
    bool found = true;
    while (found) {
        FQ_TRY(index_file_next(&at->reader->view, at->scan->forward, &at->slice, &found));
        if (found && at->slice.to_key > at->above && at->slice.above_key + 1 < at->below) {
            at->chunk = first_chunk(at);
            return FQ_OK;
        }
    }
    at->slice_open = false;
    return FQ_OK;
}

// The next key of the slices; 0 when there are no more.
static fq_err slices_key(index_scan *at, int64_t *out_key) {
    while (at->key_at == at->key_count && at->slice_open) {
        if (at->chunk == SLICE_NOWHERE) {
            FQ_TRY(next_slice(at));
        } else {
            FQ_TRY(read_chunk(at));
        }
    }
    *out_key = at->key_at < at->key_count ? at->keys[at->key_at++] : 0;
    return FQ_OK;
}

// The next key of slices and tail; 0 at the end.
static fq_err main_key(index_scan *at, int64_t *out_key) {
    const place first = at->scan->forward ? PLACE_SLICES : PLACE_TAIL;
    *out_key = 0;
    while (*out_key == 0 && at->place != PLACE_END) {
        FQ_TRY(at->place == PLACE_TAIL ? step_key(at, at->tail, out_key) : slices_key(at, out_key));
        if (*out_key == 0) {
            const place second = first == PLACE_TAIL ? PLACE_SLICES : PLACE_TAIL;
            at->place = at->place == first ? second : PLACE_END;
        }
    }
    return FQ_OK;
}

// Shows the row under `key`, if it is there (in this state of the database) and has the value.
static fq_err visit(index_scan *at, int64_t key, bool *out_more) {
    fq_row *row = at->reader->scratch;
    row->table = at->scan->table;
    fq_column_set_integer(row, &row->table->columns[0], key);
    FQ_TRY(rows_view(&at->reader->rows, at->table_index, row));
    if (row->state == FQ_ROW_LOADED && fq_column_integer(row, at->column) == at->value) {
        *out_more = at->scan->visit(at->scan->context, row);
    }
    rows_release(&at->reader->rows, at->table_index);
    return FQ_OK;
}

static fq_err merge(index_scan *at) {
    int64_t ours = 0, late = 0;
    bool more = true;
    FQ_TRY(main_key(at, &ours));
    FQ_TRY(step_key(at, at->late, &late));
    while (more && (ours != 0 || late != 0)) {
        const bool late_first =
            ours == 0 || (late != 0 && (at->scan->forward ? late < ours : late > ours));
        const int64_t key = late_first ? late : ours;
        FQ_TRY(visit(at, key, &more));
        if (!late_first) {
            FQ_TRY(main_key(at, &ours));
        }
        if (late ==
            key) {  // a key can be in both: rows that came late and are sliced after a restart
            FQ_TRY(step_key(at, at->late, &late));
        }
    }
    return FQ_OK;
}

// Everything is looked at in one state of the index file, and in the reader's state of the
// database: a slice may hold keys that are not there yet, which is no harm.
static fq_err scan_inside(index_scan *at) {
    const int number = at->scan->index->number;
    bool found = false;
    if (at->reader->engine->behind) {
        FQ_TRY(index_file_newest(&at->reader->view, number, &at->slice, &found));
        at->high_water = found ? at->slice.to_key : 0;
        FQ_TRY(index_file_walk(&at->reader->view, number, at->scan->forward));
        at->slice_open = found;
    }
    FQ_TRY(prepare_tail(at));
    FQ_TRY(prepare_late(at));
    return merge(at);
}

static void end_scan(index_scan *at) {
    if (at->tail) {
        sqlite3_reset(at->tail);
    }
    if (at->late) {
        sqlite3_reset(at->late);
    }
    if (at->reader->engine->behind) {
        index_file_reset(&at->reader->view, at->scan->forward);
        const fq_err err = index_file_end(&at->reader->view);
        (void)err;  // nothing was written
    }
}

static fq_err scan_by_index(fq_reader *reader, const fq_scan *scan) {
    FQ_ASSERT(scan->table == scan->index->table);
    index_scan at = {.reader = reader,
                     .scan = scan,
                     .table_index = rows_table_index(reader->rows.schema, scan->table),
                     .column = fq_table_column(scan->table, scan->index->column),
                     .value = (int64_t)scan->value,
                     .above = (int64_t)scan->above,
                     .below = upper_bound(scan),
                     .place = scan->forward ? PLACE_SLICES : PLACE_TAIL,
                     .chunk = SLICE_NOWHERE};
    if (reader->engine->behind) {
        FQ_TRY(index_file_begin(&reader->view));
    }
    const fq_err err = scan_inside(&at);
    end_scan(&at);
    return err;
}

fq_err sqlite_reader_scan(fq_reader *reader, const fq_scan *scan) {
    return scan->index ? scan_by_index(reader, scan) : scan_by_key(reader, scan);
}
