// What the SQLite engine's files share: the engine and its readers. For them only.
#pragma once

#include "store/behind.h"
#include "store/row_cache.h"
#include "store/sqlite_rows.h"

// A remembered row that was saved in the transaction at hand; it reaches the cache when that is
// committed.
typedef struct {
    size_t table_index;
    fq_save_kind kind;
    const fq_row *row;
} saved_row;

typedef struct {
    fq_engine engine;  // first, so that one pointer serves for both
    fq_store_options options;
    char *path, *index_path;
    size_t list_rows, hash_rows;  // of a slice; 0: the usual
    int lock_fd;
    // The writer's connection; NULL after an error that leaves it in doubt, until `begin` or
    // `settle` opens it again.
    sqlite3 *db;
    bool doubtful;  // to be closed at the next rollback
    row_store rows;
    sqlite3_stmt *begin, *commit, *head_read, *head_write;
    int wal_pages, wal_pages_done;  // in the log; of them copied into the database
    row_cache **caches;             // of each table, NULL where rows are not remembered
    saved_row *saved;
    size_t saved_count, saved_capacity;
    behind_indexes *behind;  // NULL when opened read only
    index_file view;         // the writer's
} sqlite_engine;

struct fq_reader {
    sqlite_engine *engine;
    sqlite3 *db;
    row_store rows;
    fq_row *scratch;        // room for a row of any table
    sqlite3_stmt **by_key;  // two of each table: backward, forward
    sqlite3_stmt **tail;    // two of each index
    sqlite3_stmt *late[2];
    sqlite3_stmt *head_read;
    index_file view;
    int64_t deadline_ms;  // monotonic; 0: none
};

// As fq_engine_sqlite_open, with slices of so many rows (see behind.h): tests want them small.
fq_err sqlite_engine_open(const char *folder, const fq_schema *schema,
                          const fq_store_options *options, size_t list_rows, size_t hash_rows,
                          fq_engine **out);

// sqlite_reader.c
fq_err sqlite_reader_open(fq_engine *engine, fq_reader **out);
void sqlite_reader_close(fq_reader *reader);
fq_err sqlite_reader_begin(fq_reader *reader);
void sqlite_reader_end(fq_reader *reader);
fq_err sqlite_reader_load(fq_reader *reader, fq_arena *arena, const fq_row_group *groups,
                          size_t count);
fq_err sqlite_reader_head(fq_reader *reader, fq_head *out);
// Loads a row of a table that is sought by hash, for the writer or a reader.
fq_err sqlite_load_by_hash(behind_indexes *behind, index_file *view, row_store *rows,
                           size_t table_index, fq_row *row, fq_arena *arena);
fq_err sqlite_head_read(sqlite3 *db, sqlite3_stmt **statement, fq_head *out);

// sqlite_scan.c
fq_err sqlite_reader_scan(fq_reader *reader, const fq_scan *scan);
void sqlite_scan_close(fq_reader *reader);

// sqlite_forget.c
fq_err sqlite_forget(fq_engine *engine, int64_t before_ms, uint32_t count_max, bool *out_more);

// sqlite_backup.c
fq_err sqlite_backup(fq_engine *engine, const char *to_path);

// sqlite_examine.c
fq_err sqlite_examine(fq_engine *engine, fq_store_health *out);
