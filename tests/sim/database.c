// The simulated database: tables as sorted rows, what is durable of them, leases and claims. Fails
// never by itself; the engine over it (store.c) does.
#include "sim/store.h"

#include <stdlib.h>

enum { ROWS_BYTES_MAX = 64 << 20 };

static void *grown(void *at, size_t count, size_t *capacity, size_t bytes) {
    if (count < *capacity) {
        return at;
    }
    *capacity = *capacity ? *capacity * 2 : 64;
    void *larger = realloc(at, *capacity * bytes);
    FQ_ASSERT(larger != NULL);
    return larger;
}

// --- tables ---

void sim_key_of(const fq_row *row, int64_t out[FQ_TABLE_KEYS_MAX]) {
    for (size_t i = 0; i < FQ_TABLE_KEYS_MAX; i++) {
        out[i] = i < row->table->key_count ? fq_column_integer(row, &row->table->columns[i]) : 0;
    }
}

static int compare(const fq_row *row, const int64_t key[FQ_TABLE_KEYS_MAX]) {
    for (size_t i = 0; i < row->table->key_count; i++) {
        const int64_t value = fq_column_integer(row, &row->table->columns[i]);
        if (value != key[i]) {
            return value < key[i] ? -1 : 1;
        }
    }
    return 0;
}

// Where the key is or belongs.
static size_t place_of(const sim_table *table, const int64_t key[FQ_TABLE_KEYS_MAX]) {
    size_t low = 0, high = table->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare(table->rows[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

fq_row *sim_table_find(const sim_table *table, const int64_t key[FQ_TABLE_KEYS_MAX]) {
    const size_t at = place_of(table, key);
    return at < table->count && compare(table->rows[at], key) == 0 ? table->rows[at] : NULL;
}

sim_table *sim_table_of(sim_database *db, const fq_table *table) {
    for (size_t i = 0; i < db->schema->table_count; i++) {
        if (db->tables[i].table == table) {
            return &db->tables[i];
        }
    }
    fq_assert_failed(table->name, __FILE__, __LINE__);
}

// Puts `row` (NULL: nothing) where the cell says; returns what was there.
static fq_row *put(const sim_cell *cell, fq_row *row) {
    sim_table *table = cell->table;
    const size_t at = place_of(table, cell->key);
    fq_row *before =
        at < table->count && compare(table->rows[at], cell->key) == 0 ? table->rows[at] : NULL;
    if (before && row) {
        table->rows[at] = row;
    } else if (before) {
        table->count--;
        memmove(&table->rows[at], &table->rows[at + 1], (table->count - at) * sizeof(fq_row *));
    } else if (row) {
        table->rows = grown(table->rows, table->count, &table->capacity, sizeof(fq_row *));
        memmove(&table->rows[at + 1], &table->rows[at], (table->count - at) * sizeof(fq_row *));
        table->rows[at] = row;
        table->count++;
    }
    return before;
}

void sim_cells_add(sim_cells *cells, sim_cell cell) {
    cells->at = grown(cells->at, cells->count, &cells->capacity, sizeof(sim_cell));
    cells->at[cells->count++] = cell;
}

// --- databases ---

sim_database *sim_database_make(const fq_schema *schema) {
    sim_database *db = calloc(1, sizeof(*db));
    FQ_ASSERT(db != NULL && schema->table_count <= SIM_TABLES_MAX);
    db->schema = schema;
    fq_arena_init(&db->arena, ROWS_BYTES_MAX);
    for (size_t i = 0; i < schema->table_count; i++) {
        db->tables[i].table = schema->tables[i];
    }
    return db;
}

void sim_database_free(sim_database *db) {
    for (size_t i = 0; i < db->schema->table_count; i++) {
        free(db->tables[i].rows);
    }
    fq_arena_free(&db->arena);
    free(db->undo.at);
    free(db->claims);
    free(db);
}

void sim_database_sync(sim_database *db) {
    db->undo.count = 0;
    db->undo_head = db->head;
}

void sim_database_recover(sim_database *db) {
    while (db->undo.count > 0) {
        const sim_cell *cell = &db->undo.at[--db->undo.count];
        put(cell, cell->row);
    }
    db->head = db->undo_head;
}

void sim_database_write(sim_database *db, const sim_cell *write) {
    sim_cell before = *write;
    before.row = put(write, write->row);
    sim_cells_add(&db->undo, before);
}

void sim_database_put(sim_database *db, const fq_row *row) {
    sim_cell cell = {.table = sim_table_of(db, row->table), .row = fq_row_copy(row, &db->arena)};
    sim_key_of(row, cell.key);
    sim_database_write(db, &cell);
    db->commits++;
    sim_database_sync(db);
}

sim_claim *sim_claim_of(sim_database *db, uint64_t batch_id) {
    for (size_t i = 0; i < db->claim_count; i++) {
        if (db->claims[i].batch_id == batch_id) {
            return &db->claims[i];
        }
    }
    return NULL;
}

void sim_claim_add(sim_database *db, uint64_t batch_id, bool committed) {
    db->claims = grown(db->claims, db->claim_count, &db->claim_capacity, sizeof(sim_claim));
    db->claims[db->claim_count++] = (sim_claim){batch_id, committed};
}
