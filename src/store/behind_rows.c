// Rows for the indexer.
#include "store/behind_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SQL_BYTES_MAX = 1024 };

void source_close(row_source *source) {
    for (size_t i = 0; source->ranges && i < source->rows->schema->table_count; i++) {
        sqlite3_finalize(source->ranges[i]);
    }
    free(source->ranges);
    source->ranges = NULL;
}

static fq_err prepare_range(row_source *source, const indexed_table *table, sqlite3_stmt **out) {
    if (!source->ranges) {
        source->ranges = calloc(source->rows->schema->table_count, sizeof(sqlite3_stmt *));
        FQ_ASSERT(source->ranges != NULL);
    }
    sqlite3_stmt **range = &source->ranges[table->table_index];
    if (!*range) {
        char sql[SQL_BYTES_MAX];
        const char *order = table->order->name;
        int len = snprintf(sql, sizeof(sql), "SELECT %s", order);
        for (size_t i = 0; i < table->index_count; i++) {
            len += snprintf(sql + len, sizeof(sql) - (size_t)len, ", %s", table->columns[i]->name);
        }
        len += snprintf(sql + len, sizeof(sql) - (size_t)len,
                        " FROM %s WHERE %s > ?1 AND %s <= ?2 ORDER BY %s LIMIT ?3",
                        table->table->name, order, order, order);
        FQ_ASSERT((size_t)len < sizeof(sql));
        FQ_TRY(connection_prepare(source->rows->db, sql, range));
    }
    *out = *range;
    return FQ_OK;
}

fq_err source_pairs(row_source *source, const indexed_table *table, int64_t above_key,
                    int64_t to_key, size_t rows_max, row_pairs *out) {
    sqlite3_stmt *range = NULL;
    FQ_TRY(prepare_range(source, table, &range));
    sqlite3_bind_int64(range, 1, above_key);
    sqlite3_bind_int64(range, 2, to_key);
    sqlite3_bind_int64(range, 3, (int64_t)rows_max);
    memset(out->counts, 0, sizeof(out->counts));
    out->row_count = 0;
    out->last_key = above_key;
    int rc;
    while ((rc = sqlite3_step(range)) == SQLITE_ROW) {
        out->last_key = sqlite3_column_int64(range, 0);
        out->row_count++;
        for (size_t i = 0; i < table->index_count; i++) {
            const int64_t value = sqlite3_column_int64(range, (int)i + 1);
            if (value != 0) {
                out->pairs[i][out->counts[i]++] = (index_pair){value, out->last_key};
            }
        }
    }
    const fq_err err =
        rc == SQLITE_DONE ? FQ_OK : connection_error(source->rows->db, rc, table->table->name);
    sqlite3_reset(range);
    return err;
}

// FNV-1a, 64 bits.
static uint64_t add_bytes(uint64_t hash, fq_str bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ (uint8_t)bytes.at[i]) * UINT64_C(0x100000001B3);
    }
    return hash;
}

fq_err source_anchor(row_source *source, const indexed_table *table, int64_t key, int64_t *out,
                     bool *out_found) {
    fq_row *row = source->scratch;
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    row->table = table->table;
    fq_column_set_integer(row, table->order, key);
    FQ_TRY(rows_view(source->rows, table->table_index, row));
    *out_found = row->state == FQ_ROW_LOADED;
    for (size_t i = 0; *out_found && i < table->table->column_count; i++) {
        const fq_column *column = &table->table->columns[i];
        if (column->role == FQ_CHANGES) {
            continue;
        }
        const int64_t number =
            column->type == FQ_COLUMN_INTEGER ? fq_column_integer(row, column) : 0;
        hash = add_bytes(hash, column->type == FQ_COLUMN_INTEGER
                                   ? (fq_str){(const char *)&number, sizeof(number)}
                                   : fq_column_bytes(row, column));
    }
    rows_release(source->rows, table->table_index);
    *out = (int64_t)hash;
    return FQ_OK;
}

fq_err source_ends(row_source *source, const indexed_table *table, int64_t *out_lowest,
                   int64_t *out_highest) {
    char sql[SQL_BYTES_MAX];
    *out_lowest = *out_highest = 0;
    snprintf(sql, sizeof(sql), "SELECT %s FROM %s ORDER BY %s LIMIT 1", table->order->name,
             table->table->name, table->order->name);
    FQ_TRY(connection_integer(source->rows->db, sql, out_lowest));
    snprintf(sql, sizeof(sql), "SELECT %s FROM %s ORDER BY %s DESC LIMIT 1", table->order->name,
             table->table->name, table->order->name);
    return connection_integer(source->rows->db, sql, out_highest);
}

fq_err source_count_above(row_source *source, const indexed_table *table, int64_t key,
                          size_t count_max, size_t *out) {
    char sql[SQL_BYTES_MAX];
    int64_t count = 0;
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s > %" PRId64 " LIMIT %zu)",
             table->table->name, table->order->name, key, count_max);
    FQ_TRY(connection_integer(source->rows->db, sql, &count));
    *out = (size_t)count;
    return FQ_OK;
}
