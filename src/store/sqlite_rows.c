// Rows in and out of one SQLite connection. SQL text is made here from names in our own tables,
// never from input.
#include "store/sqlite_rows.h"

#include <stdlib.h>

enum { SQL_BYTES_MAX = 8192 };

size_t rows_table_index(const fq_schema *schema, const fq_table *table) {
    for (size_t i = 0; i < schema->table_count; i++) {
        if (schema->tables[i] == table) {
            return i;
        }
    }
    fq_assert_failed("the table is in the schema", table->name, 0);
}

fq_row *rows_scratch(const fq_schema *schema) {
    size_t bytes = sizeof(fq_row);
    for (size_t i = 0; i < schema->table_count; i++) {
        bytes = schema->tables[i]->row_bytes > bytes ? schema->tables[i]->row_bytes : bytes;
    }
    fq_row *row = calloc(1, bytes);
    FQ_ASSERT(row != NULL);
    return row;
}

const fq_column *rows_order_column(const fq_table *table) {
    if (table->sought_by_hash) {
        return fq_table_column(table, "position");
    }
    return table->key_count == 1 ? &table->columns[0] : NULL;
}

void rows_column_names(const fq_table *table, fq_buffer *sql) {
    for (size_t i = 0; i < table->column_count; i++) {
        fq_buffer_printf(sql, "%s%s", i ? ", " : "", table->columns[i].name);
    }
}

// " WHERE key0 = ?1 AND key1 = ?2": the parameters that find a row come first in each statement.
static void add_where(const fq_table *table, fq_buffer *sql) {
    if (table->sought_by_hash) {
        fq_buffer_printf(sql, " WHERE %s = ?1", rows_order_column(table)->name);
        return;
    }
    for (size_t i = 0; i < table->key_count; i++) {
        fq_buffer_printf(sql, "%s%s = ?%zu", i ? " AND " : " WHERE ", table->columns[i].name,
                         i + 1);
    }
}

static void write_select(const fq_table *table, fq_buffer *sql) {
    FQ_ADD(sql, "SELECT ");
    rows_column_names(table, sql);
    fq_buffer_printf(sql, " FROM %s", table->name);
    add_where(table, sql);
}

static void write_insert(const fq_table *table, fq_buffer *sql) {
    fq_buffer_printf(sql, "INSERT INTO %s (", table->name);
    rows_column_names(table, sql);
    FQ_ADD(sql, ") VALUES (");
    for (size_t i = 0; i < table->column_count; i++) {
        fq_buffer_printf(sql, "%s?%zu", i ? ", " : "", i + 1);
    }
    FQ_ADD(sql, ")");
}

static void write_update(const fq_table *table, fq_buffer *sql) {
    size_t parameter = table->sought_by_hash ? 1 : table->key_count;
    const char *before = " SET ";
    fq_buffer_printf(sql, "UPDATE %s", table->name);
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].role == FQ_CHANGES) {
            fq_buffer_printf(sql, "%s%s = ?%zu", before, table->columns[i].name, ++parameter);
            before = ", ";
        }
    }
    add_where(table, sql);
}

static void write_delete(const fq_table *table, fq_buffer *sql) {
    fq_buffer_printf(sql, "DELETE FROM %s", table->name);
    add_where(table, sql);
}

typedef void write_sql(const fq_table *table, fq_buffer *sql);

static fq_err prepare(sqlite3 *db, const fq_table *table, write_sql *write, sqlite3_stmt **out) {
    if (*out) {
        return FQ_OK;
    }
    fq_buffer sql;
    fq_buffer_init(&sql, SQL_BYTES_MAX);
    write(table, &sql);
    fq_buffer_add_char(&sql, '\0');
    FQ_ASSERT(!sql.overflowed);
    const fq_err err = connection_prepare(db, sql.at, out);
    fq_buffer_free(&sql);
    return err;
}

fq_err rows_open(row_store *rows, sqlite3 *db, const fq_schema *schema) {
    *rows = (row_store){.db = db, .schema = schema};
    rows->of_table = calloc(schema->table_count, sizeof(*rows->of_table));
    FQ_ASSERT(rows->of_table != NULL || schema->table_count == 0);
    for (size_t i = 0; i < schema->table_count; i++) {
        FQ_ASSERT(schema->tables[i]->column_count <= FQ_TABLE_COLUMNS_MAX);
        rows->of_table[i].table = schema->tables[i];
    }
    return FQ_OK;
}

void rows_close(row_store *rows) {
    for (size_t i = 0; rows->of_table && i < rows->schema->table_count; i++) {
        row_statements *statements = &rows->of_table[i];
        sqlite3_finalize(statements->select);
        sqlite3_finalize(statements->insert);
        sqlite3_finalize(statements->update);
        sqlite3_finalize(statements->remove);
    }
    free(rows->of_table);
    rows->of_table = NULL;
}

static void bind_column(sqlite3_stmt *statement, int parameter, const fq_row *row,
                        const fq_column *column) {
    const int rc = column->type == FQ_COLUMN_INTEGER
                       ? sqlite3_bind_int64(statement, parameter, fq_column_integer(row, column))
                       : connection_bind_bytes(statement, parameter, fq_column_bytes(row, column));
    FQ_ASSERT(rc == SQLITE_OK ||
              rc == SQLITE_TOOBIG);  // all input is bounded far below SQLite's limit
}

// Binds what finds the row; returns how many parameters that took.
static int bind_key(sqlite3_stmt *statement, const fq_row *row) {
    if (row->table->sought_by_hash) {
        bind_column(statement, 1, row, rows_order_column(row->table));
        return 1;
    }
    for (int i = 0; i < row->table->key_count; i++) {
        bind_column(statement, i + 1, row, &row->table->columns[i]);
    }
    return row->table->key_count;
}

void rows_fill(fq_row *row, sqlite3_stmt *statement, fq_arena *arena) {
    const fq_table *table = row->table;
    for (int i = 0; i < table->column_count; i++) {
        const fq_column *column = &table->columns[i];
        if (column->type == FQ_COLUMN_INTEGER) {
            fq_column_set_integer(row, column, sqlite3_column_int64(statement, i));
            continue;
        }
        fq_str bytes = connection_column_bytes(statement, i);
        if (arena && bytes.len > 0) {
            bytes = fq_arena_copy(arena, bytes);
        }
        fq_column_set_bytes(row, column, bytes);
    }
    row->state = FQ_ROW_LOADED;
}

static fq_err load(row_store *rows, size_t table_index, fq_row *row, fq_arena *arena) {
    row_statements *statements = &rows->of_table[table_index];
    FQ_TRY(prepare(rows->db, statements->table, write_select, &statements->select));
    bind_key(statements->select, row);
    const int rc = sqlite3_step(statements->select);
    if (rc == SQLITE_ROW) {
        rows_fill(row, statements->select, arena);
        return FQ_OK;
    }
    row->state = FQ_ROW_ABSENT;
    return rc == SQLITE_DONE ? FQ_OK : connection_error(rows->db, rc, statements->table->name);
}

fq_err rows_view(row_store *rows, size_t table_index, fq_row *row) {
    const fq_err err = load(rows, table_index, row, NULL);
    if (err.code) {
        rows_release(rows, table_index);
    }
    return err;
}

void rows_release(row_store *rows, size_t table_index) {
    sqlite3_reset(rows->of_table[table_index].select);
}

fq_err rows_load(row_store *rows, size_t table_index, fq_row *row, fq_arena *arena) {
    const fq_err err = load(rows, table_index, row, arena);
    rows_release(rows, table_index);
    return err;
}

static fq_err insert(row_store *rows, row_statements *statements, const fq_row *row) {
    const fq_table *table = statements->table;
    FQ_TRY(prepare(rows->db, table, write_insert, &statements->insert));
    for (int i = 0; i < table->column_count; i++) {
        bind_column(statements->insert, i + 1, row, &table->columns[i]);
    }
    return connection_run(rows->db, statements->insert, table->name);
}

static fq_err update(row_store *rows, row_statements *statements, const fq_row *row) {
    const fq_table *table = statements->table;
    FQ_TRY(prepare(rows->db, table, write_update, &statements->update));
    int parameter = bind_key(statements->update, row);
    for (int i = 0; i < table->column_count; i++) {
        if (table->columns[i].role == FQ_CHANGES) {
            bind_column(statements->update, ++parameter, row, &table->columns[i]);
        }
    }
    return connection_run(rows->db, statements->update, table->name);
}

static fq_err delete_row(row_store *rows, row_statements *statements, const fq_row *row) {
    FQ_TRY(prepare(rows->db, statements->table, write_delete, &statements->remove));
    bind_key(statements->remove, row);
    return connection_run(rows->db, statements->remove, statements->table->name);
}

fq_err rows_save(row_store *rows, size_t table_index, fq_save_kind kind, const fq_row *row) {
    row_statements *statements = &rows->of_table[table_index];
    switch (kind) {
    case FQ_SAVE_INSERT:
        return insert(rows, statements, row);
    case FQ_SAVE_DELETE:
        return delete_row(rows, statements, row);
    case FQ_SAVE_UPDATE:
        FQ_TRY(update(rows, statements, row));
        // The row was loaded in this transaction: if it is not there any more, memory and file have
        // come apart.
        FQ_ASSERT(sqlite3_changes(rows->db) == 1);
        return FQ_OK;
    }
    fq_assert_failed("a known kind of save", __FILE__, __LINE__);
}
