// Rows in and out of one SQLite connection: the four statements of each table, made from its
// columns, prepared once and kept. For the SQLite engine's files only.
#pragma once

#include "store/sqlite_connection.h"

// The statements of one table. Each is prepared when it is first used.
typedef struct {
    const fq_table *table;
    sqlite3_stmt *select, *insert, *update, *remove;
} row_statements;

typedef struct {
    sqlite3 *db;
    const fq_schema *schema;
    row_statements *of_table;  // in the schema's order
} row_store;

FQ_MUST_USE fq_err rows_open(row_store *rows, sqlite3 *db, const fq_schema *schema);
void rows_close(row_store *rows);

// The place of `table` in the schema; stops the process when it is not there (our mistake).
size_t rows_table_index(const fq_schema *schema, const fq_table *table);
// Zeroed room for a row of any table of the schema; the caller frees it.
fq_row *rows_scratch(const fq_schema *schema);
// The column that the table is physically sorted by, when it is a single one: the key, or the
// position of a table that is sought by hash.
const fq_column *rows_order_column(const fq_table *table);
// "a, b, c": all columns in order.
void rows_column_names(const fq_table *table, fq_buffer *sql);
// Fills all columns of `row` from a statement whose columns begin with rows_column_names. Bytes are
// views into the statement, or copies in `arena` when that is given.
void rows_fill(fq_row *row, sqlite3_stmt *statement, fq_arena *arena);

// Loads one row under its key columns; the state says whether it was there. Tables that are sought
// by hash are loaded under their position.
FQ_MUST_USE fq_err rows_load(row_store *rows, size_t table_index, fq_row *row, fq_arena *arena);
// As rows_load, but the row's bytes are views that live until rows_release.
FQ_MUST_USE fq_err rows_view(row_store *rows, size_t table_index, fq_row *row);
void rows_release(row_store *rows, size_t table_index);
FQ_MUST_USE fq_err rows_save(row_store *rows, size_t table_index, fq_save_kind kind,
                             const fq_row *row);
