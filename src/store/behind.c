// The writer's side of the indexes, and opening them; the indexer's thread is in behind_thread.c.
#include "store/behind_thread.h"

#include "base/log.h"

#include <stdlib.h>

enum {
    LIST_ROWS = 16 << 10,
    HASH_ROWS = 128 << 10,
    ROW_READER_CACHE_BYTES = 2 << 20,
};

const char behind_late_sql[] =
    "CREATE TABLE IF NOT EXISTS behind_late (index_number INTEGER NOT NULL, "
    "value INTEGER NOT NULL, key INTEGER NOT NULL, "
    "PRIMARY KEY (index_number, value, key)) WITHOUT ROWID";

// --- which tables have indexes ---

static void add_index(indexed_table *table, int number, const fq_column *column) {
    FQ_ASSERT(table->index_count < BEHIND_INDEXES_MAX);
    FQ_ASSERT(column->type == FQ_COLUMN_INTEGER && column->role != FQ_CHANGES);
    table->index_numbers[table->index_count] = number;
    table->columns[table->index_count] = column;
    table->index_count++;
}

static void add_table(behind_indexes *behind, size_t table_index) {
    const fq_schema *schema = behind->options.schema;
    const fq_table *table = schema->tables[table_index];
    followed_table *followed = &behind->tables[table_index];
    indexed_table *indexed = &followed->indexed;
    *indexed = (indexed_table){
        .table = table, .table_index = table_index, .order = rows_order_column(table)};
    followed->slice_rows = behind->options.list_rows ? behind->options.list_rows : LIST_ROWS;
    followed->lag_rows = followed->slice_rows / 8;
    if (table->sought_by_hash) {
        FQ_ASSERT(!behind->hashed);
        behind->hashed = followed;
        add_index(indexed, BEHIND_HASH_INDEX, &table->columns[0]);
        followed->slice_rows = behind->options.hash_rows ? behind->options.hash_rows : HASH_ROWS;
        followed->lag_rows = 0;
    }
    for (size_t i = 0; i < schema->index_count; i++) {
        const fq_index *index = schema->indexes[i];
        if (index->table == table) {
            FQ_ASSERT(index->number > BEHIND_HASH_INDEX && !table->sought_by_hash &&
                      indexed->order);
            add_index(indexed, index->number, fq_table_column(table, index->column));
        }
    }
}

// --- opening ---

// Slices that end at a row which is not there, or is another, belong to a later or another life of
// the database: a backup was put back. They are dropped, newest first.
static fq_err drop_strange_slices(behind_indexes *behind, indexed_table *table, size_t i) {
    while (true) {
        index_slice newest;
        bool found = false, row_found = false;
        int64_t anchor = 0;
        FQ_TRY(index_file_newest(&behind->file, table->index_numbers[i], &newest, &found));
        if (!found) {
            table->high_water[i] = 0;
            return FQ_OK;
        }
        FQ_TRY(source_anchor(&behind->source, table, newest.to_key, &anchor, &row_found));
        if (row_found && anchor == newest.anchor) {
            table->high_water[i] = newest.to_key;
            return FQ_OK;
        }
        fq_log(FQ_LOG_WARN, "a slice of an index does not fit the database and is dropped",
               FQ_LOG_TEXT("table", table->table->name),
               FQ_LOG_INT("index", table->index_numbers[i]), FQ_LOG_INT("to_key", newest.to_key));
        FQ_TRY(index_file_remove(&behind->file, newest.id));
    }
}

static void take_filter(void *context, const slice_filter *filter) {
    memory_add_filter(context, filter);
}

// Fills the newest tail with the rows above the last slice.
static fq_err load_tail(behind_indexes *behind, followed_table *followed) {
    const indexed_table *table = &followed->indexed;
    row_pairs pairs = {0};
    pairs.pairs[0] = calloc(followed->slice_rows, sizeof(index_pair));
    FQ_ASSERT(pairs.pairs[0] != NULL);
    const fq_err err = source_pairs(&behind->source, table, table->high_water[0], INT64_MAX,
                                    followed->slice_rows, &pairs);
    memory_start_tail(&behind->memory);
    for (size_t i = 0; !err.code && i < pairs.counts[0]; i++) {
        tail_add(behind->memory.tails, (uint64_t)pairs.pairs[0][i].value, pairs.pairs[0][i].key);
    }
    free(pairs.pairs[0]);
    return err;
}

// How many rows are above a slice, up to a slice's own. A journal's positions have no gaps, and its
// rows may be large, so they are not counted one by one.
static fq_err count_above(behind_indexes *behind, const followed_table *followed, int64_t lowest,
                          int64_t slice_end, size_t *out) {
    if (followed != behind->hashed) {
        return source_count_above(&behind->source, &followed->indexed, slice_end,
                                  followed->slice_rows, out);
    }
    const int64_t before = slice_end > lowest - 1 ? slice_end : lowest - 1;
    const int64_t count = followed->highest > before ? followed->highest - before : 0;
    *out = (size_t)count < followed->slice_rows ? (size_t)count : followed->slice_rows;
    return FQ_OK;
}

// Where the writer goes on: `since_claim` rows are above what is claimed.
static fq_err open_table(behind_indexes *behind, followed_table *followed) {
    indexed_table *table = &followed->indexed;
    int64_t lowest = 0, highest_slice = 0;
    for (size_t i = 0; i < table->index_count; i++) {
        FQ_TRY(drop_strange_slices(behind, table, i));
        highest_slice = table->high_water[i] > highest_slice ? table->high_water[i] : highest_slice;
    }
    FQ_TRY(source_ends(&behind->source, table, &lowest, &followed->highest));
    FQ_TRY(count_above(behind, followed, lowest, highest_slice, &followed->since_claim));
    followed->claimed = followed->target = highest_slice;
    if (followed->since_claim >=
        followed->slice_rows) {  // far behind: no transaction is open, so all can be claimed
        followed->claimed = followed->target = followed->highest;
        followed->since_claim = 0;
    }
    followed->reached = followed->target;
    for (size_t i = 0; i < table->index_count; i++) {
        followed->reached =
            table->high_water[i] < followed->reached ? table->high_water[i] : followed->reached;
    }
    if (followed != behind->hashed) {
        return FQ_OK;
    }
    FQ_TRY(index_file_filters(&behind->file, BEHIND_HASH_INDEX, take_filter, &behind->memory));
    // What a request's fate hangs on is complete before the first one is served.
    while (followed->reached < followed->target) {
        FQ_TRY(indexer_step(behind, followed));
    }
    return load_tail(behind, followed);
}

static fq_err open_files(behind_indexes *behind) {
    const behind_options *options = &behind->options;
    FQ_TRY(index_file_open(options->index_path, true, options->busy_timeout_ms, &behind->file));
    FQ_TRY(connection_open(options->database_path,
                           &(connection_options){.role = CONNECTION_READER,
                                                 .cache_bytes = ROW_READER_CACHE_BYTES,
                                                 .busy_timeout_ms = options->busy_timeout_ms},
                           &behind->db));
    FQ_TRY(rows_open(&behind->rows, behind->db, options->schema));
    behind->source = (row_source){.rows = &behind->rows, .scratch = rows_scratch(options->schema)};
    for (size_t i = 0; i < options->schema->table_count; i++) {
        if (behind->tables[i].indexed.index_count > 0) {
            FQ_TRY(open_table(behind, &behind->tables[i]));
        }
    }
    return FQ_OK;
}

fq_err behind_open(const behind_options *options, behind_indexes **out) {
    behind_indexes *behind = calloc(1, sizeof(*behind));
    FQ_ASSERT(behind != NULL);
    *out = behind;
    behind->options = *options;
    pthread_mutex_init(&behind->lock, NULL);
    pthread_cond_init(&behind->wake, NULL);
    pthread_cond_init(&behind->done, NULL);
    behind->tables = calloc(options->schema->table_count, sizeof(followed_table));
    FQ_ASSERT(behind->tables != NULL);
    for (size_t i = 0; i < options->schema->table_count; i++) {
        add_table(behind, i);
    }
    FQ_TRY(open_files(behind));
    return indexer_start(behind);
}

void behind_close(behind_indexes *behind) {
    indexer_stop(behind);
    source_close(&behind->source);
    free(behind->source.scratch);
    rows_close(&behind->rows);
    connection_close(behind->db);
    index_file_close(&behind->file);
    memory_free(&behind->memory);
    pthread_mutex_destroy(&behind->lock);
    pthread_cond_destroy(&behind->wake);
    pthread_cond_destroy(&behind->done);
    free(behind->pending_hashes);
    free(behind->tables);
    free(behind);
}

// --- the writer's side ---

static fq_err note_late(behind_indexes *behind, sqlite3 *db, const indexed_table *table,
                        const fq_row *row, int64_t key) {
    if (!behind->add_late) {
        FQ_TRY(connection_prepare(db, "INSERT OR IGNORE INTO behind_late VALUES (?1, ?2, ?3)",
                                  &behind->add_late));
    }
    for (size_t i = 0; i < table->index_count; i++) {
        const int64_t value = fq_column_integer(row, table->columns[i]);
        if (value == 0) {
            continue;
        }
        sqlite3_bind_int64(behind->add_late, 1, table->index_numbers[i]);
        sqlite3_bind_int64(behind->add_late, 2, value);
        sqlite3_bind_int64(behind->add_late, 3, key);
        FQ_TRY(connection_run(db, behind->add_late, "behind_late"));
    }
    return FQ_OK;
}

static void note_hash(behind_indexes *behind, uint64_t hash, int64_t position) {
    if (behind->pending_count == behind->pending_capacity) {
        behind->pending_capacity = behind->pending_capacity ? behind->pending_capacity * 2 : 1024;
        behind->pending_hashes = realloc(
            behind->pending_hashes, fq_array_bytes(behind->pending_capacity, sizeof(index_pair)));
        FQ_ASSERT(behind->pending_hashes != NULL);
    }
    behind->pending_hashes[behind->pending_count++] = (index_pair){(int64_t)hash, position};
}

fq_err behind_insert(behind_indexes *behind, sqlite3 *db, size_t table_index, const fq_row *row) {
    followed_table *followed = &behind->tables[table_index];
    const indexed_table *table = &followed->indexed;
    if (table->index_count == 0) {
        return FQ_OK;
    }
    const int64_t key = fq_column_integer(row, table->order);
    if (followed == behind->hashed) {
        FQ_ASSERT(key > followed->claimed);  // positions only grow
        note_hash(behind, (uint64_t)fq_column_integer(row, table->columns[0]), key);
    } else if (key <= followed->claimed) {
        return note_late(behind, db, table, row, key);
    }
    followed->pending_rows++;
    followed->pending_highest = key > followed->pending_highest ? key : followed->pending_highest;
    return FQ_OK;
}

// Claims up to a key that has been the highest for a while, so that hardly a row comes in below it.
static bool claim(followed_table *followed) {
    if (followed->next_claim == 0 && followed->since_claim >= followed->slice_rows) {
        followed->next_claim = followed->highest;
        followed->since_next_claim = 0;
    }
    if (followed->next_claim == 0 || followed->since_next_claim < followed->lag_rows) {
        return false;
    }
    followed->claimed = followed->next_claim;
    followed->since_claim = followed->since_next_claim;
    followed->next_claim = 0;
    return true;
}

void behind_committed(behind_indexes *behind) {
    bool claimed = false;
    pthread_mutex_lock(&behind->lock);
    for (size_t i = 0; i < behind->pending_count; i++) {
        tail_add(behind->memory.tails, (uint64_t)behind->pending_hashes[i].value,
                 behind->pending_hashes[i].key);
    }
    for (size_t i = 0; i < behind->options.schema->table_count; i++) {
        followed_table *followed = &behind->tables[i];
        if (followed->pending_rows == 0) {
            continue;
        }
        followed->since_claim += followed->pending_rows;
        followed->since_next_claim += followed->pending_rows;
        followed->highest = followed->pending_highest > followed->highest
                                ? followed->pending_highest
                                : followed->highest;
        if (claim(followed)) {
            followed->target = followed->claimed;
            claimed = true;
            if (followed == behind->hashed) {
                memory_start_tail(&behind->memory);
            }
        }
    }
    if (claimed) {
        pthread_cond_signal(&behind->wake);
    }
    pthread_mutex_unlock(&behind->lock);
    behind_rolled_back(behind);
}

void behind_rolled_back(behind_indexes *behind) {
    behind->pending_count = 0;
    for (size_t i = 0; i < behind->options.schema->table_count; i++) {
        behind->tables[i].pending_rows = 0;
        behind->tables[i].pending_highest = 0;
    }
}

void behind_forget_connection(behind_indexes *behind) {
    sqlite3_finalize(behind->add_late);
    behind->add_late = NULL;
}

// --- seeking by hash ---

// Adds the positions of the pairs with this value in one slice, newest first.
static fq_err seek_slice(index_file *view, const index_slice *slice, int64_t value, int64_t *out,
                         size_t *count) {
    index_pair pairs[SLICE_CHUNK_PAIRS_MAX];
    const size_t begun = *count;
    size_t chunk = slice_directory_find(slice->directory, (index_pair){value, INT64_MAX});
    while (chunk != SLICE_NOWHERE && *count < BEHIND_FOUND_MAX) {
        size_t pair_count = 0;
        FQ_TRY(index_file_chunk(view, slice, chunk, pairs, &pair_count));
        for (size_t i = pair_count; i > 0 && *count < BEHIND_FOUND_MAX; i--) {
            if (pairs[i - 1].value == value) {
                out[(*count)++] = pairs[i - 1].key;
            }
        }
        // The chunk before may end with the same value.
        chunk = pairs[0].value == value && chunk > 0 ? chunk - 1 : SLICE_NOWHERE;
    }
    FQ_ASSERT(*count >= begun);
    return FQ_OK;
}

fq_err behind_seek(behind_indexes *behind, index_file *view, uint64_t hash,
                   int64_t out_positions[BEHIND_FOUND_MAX], size_t *out_count) {
    int64_t slices[BEHIND_SLICES_MAX];
    pthread_mutex_lock(&behind->lock);
    *out_count = memory_seek_tails(&behind->memory, hash, out_positions, BEHIND_FOUND_MAX);
    const size_t slice_count =
        memory_seek_filters(&behind->memory, hash, slices, BEHIND_SLICES_MAX);
    pthread_mutex_unlock(&behind->lock);
    for (size_t i = 0; i < slice_count && *out_count < BEHIND_FOUND_MAX; i++) {
        index_slice slice;
        bool found = false;
        FQ_TRY(index_file_slice(view, slices[i], &slice, &found));
        if (!found) {  // aged meanwhile
            continue;
        }
        const fq_err err = seek_slice(view, &slice, (int64_t)hash, out_positions, out_count);
        index_file_release(view);
        FQ_TRY(err);
    }
    return FQ_OK;
}
