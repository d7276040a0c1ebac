// Committed rows of one table kept in memory for the writer, who alone changes them: small, hot
// rows such as accounts. Bounded; what was not asked for lately gives way. For a writer's thread
// only.
#pragma once

#include "store/table.h"

typedef struct row_cache row_cache;

enum { REMEMBERED_ROWS_MAX = 128 << 10 };  // of one table

// Never NULL. Memory is taken as rows come, for `rows_max` of them at most.
row_cache *cache_make(const fq_table *table, size_t rows_max);
void cache_free(row_cache *cache);
// Fills the row under its key columns; bytes are copied into `arena`. False when it is not kept (it
// may exist still).
bool cache_get(row_cache *cache, fq_row *row, fq_arena *arena);
// Keeps a copy of a row as it was committed.
void cache_put(row_cache *cache, const fq_row *row);
// Forgets the row under these key columns.
void cache_drop(row_cache *cache, const fq_row *row);
void cache_clear(row_cache *cache);
