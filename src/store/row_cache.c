// A bounded map from key to row with second-chance eviction (the "clock"). Knows no SQL.
#include "store/row_cache.h"

#include <stdlib.h>

enum { ENTRIES_MIN = 1024, BYTE_COLUMNS_MAX = 1024 };

typedef struct {
    uint64_t key[FQ_TABLE_KEYS_MAX];
    char *kept;  // the row, then its byte columns' content; NULL: the entry is free
    size_t kept_bytes;
    uint32_t next;  // in its bucket, or in the list of free ones; 0 ends it
    bool asked;     // since the hand last passed
} entry;

struct row_cache {
    const fq_table *table;
    size_t rows_max;
    entry *entries;      // number 0 is not used
    uint32_t *buckets;   // as many as entries; a power of two
    size_t entry_count;  // capacity
    size_t used;         // entries ever handed out, number 0 included
    uint32_t free_list;
    size_t hand;
};

static void *take_memory(size_t count, size_t size) {
    void *memory = calloc(count, size);
    FQ_ASSERT(memory != NULL);
    return memory;
}

static void key_of(const fq_row *row, uint64_t out[FQ_TABLE_KEYS_MAX]) {
    for (size_t i = 0; i < FQ_TABLE_KEYS_MAX; i++) {
        out[i] = i < row->table->key_count
                     ? (uint64_t)fq_column_integer(row, &row->table->columns[i])
                     : 0;
    }
}

static uint32_t *bucket_of(const row_cache *cache, const uint64_t key[FQ_TABLE_KEYS_MAX]) {
    uint64_t hash = key[0] * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ (hash >> 32) ^ key[1]) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ (hash >> 29) ^ key[2]) * UINT64_C(0x94D049BB133111EB);
    return &cache->buckets[(hash ^ (hash >> 31)) & (cache->entry_count - 1)];
}

row_cache *cache_make(const fq_table *table, size_t rows_max) {
    row_cache *cache = take_memory(1, sizeof(*cache));
    *cache = (row_cache){.table = table, .rows_max = rows_max};
    cache_clear(cache);
    return cache;
}

static void free_entries(row_cache *cache) {
    for (size_t i = 1; i < cache->used; i++) {
        free(cache->entries[i].kept);
    }
    free(cache->entries);
    free(cache->buckets);
}

void cache_free(row_cache *cache) {
    free_entries(cache);
    free(cache);
}

void cache_clear(row_cache *cache) {
    free_entries(cache);
    cache->entry_count = ENTRIES_MIN;
    cache->entries = take_memory(ENTRIES_MIN, sizeof(entry));
    cache->buckets = take_memory(ENTRIES_MIN, sizeof(uint32_t));
    cache->used = 1;
    cache->free_list = 0;
    cache->hand = 1;
}

static entry *find(const row_cache *cache, const uint64_t key[FQ_TABLE_KEYS_MAX]) {
    for (uint32_t at = *bucket_of(cache, key); at != 0; at = cache->entries[at].next) {
        if (memcmp(cache->entries[at].key, key, sizeof(cache->entries[at].key)) == 0) {
            return &cache->entries[at];
        }
    }
    return NULL;
}

static void unlink_entry(row_cache *cache, uint32_t number) {
    uint32_t *at = bucket_of(cache, cache->entries[number].key);
    while (*at != number) {
        at = &cache->entries[*at].next;
    }
    *at = cache->entries[number].next;
}

static void grow(row_cache *cache) {
    const size_t count = cache->entry_count * 2;
    cache->entries = realloc(cache->entries, fq_array_bytes(count, sizeof(entry)));
    FQ_ASSERT(cache->entries != NULL);
    free(cache->buckets);
    cache->buckets = take_memory(count, sizeof(uint32_t));
    cache->entry_count = count;
    for (uint32_t i = 1; i < cache->used; i++) {
        if (cache->entries[i].kept) {
            uint32_t *bucket = bucket_of(cache, cache->entries[i].key);
            cache->entries[i].next = *bucket;
            *bucket = i;
        }
    }
}

// The hand passes over entries that were asked for since it came by, and takes the first that was
// not.
static uint32_t evict(row_cache *cache) {
    while (true) {
        cache->hand = cache->hand + 1 < cache->used ? cache->hand + 1 : 1;
        entry *candidate = &cache->entries[cache->hand];
        if (!candidate->asked) {
            unlink_entry(cache, (uint32_t)cache->hand);
            return (uint32_t)cache->hand;
        }
        candidate->asked = false;
    }
}

static uint32_t take_entry(row_cache *cache) {
    if (cache->free_list != 0) {
        const uint32_t number = cache->free_list;
        cache->free_list = cache->entries[number].next;
        return number;
    }
    if (cache->used > cache->rows_max) {
        return evict(cache);
    }
    if (cache->used == cache->entry_count) {
        grow(cache);
    }
    const uint32_t number = (uint32_t)cache->used++;
    cache->entries[number] = (entry){0};
    return number;
}

bool cache_get(row_cache *cache, fq_row *row, fq_arena *arena) {
    uint64_t key[FQ_TABLE_KEYS_MAX];
    key_of(row, key);
    entry *found = find(cache, key);
    if (!found) {
        return false;
    }
    found->asked = true;
    const fq_row *kept = (const fq_row *)(const void *)found->kept;
    for (size_t i = 0; i < cache->table->column_count; i++) {
        const fq_column *column = &cache->table->columns[i];
        if (column->type == FQ_COLUMN_INTEGER) {
            fq_column_set_integer(row, column, fq_column_integer(kept, column));
        } else {
            const fq_str bytes = fq_column_bytes(kept, column);
            fq_column_set_bytes(row, column,
                                bytes.len > 0 ? fq_arena_copy(arena, bytes) : (fq_str){0});
        }
    }
    row->state = FQ_ROW_LOADED;
    return true;
}

static size_t bytes_of(const fq_row *row) {
    size_t bytes = 0;
    for (size_t i = 0; i < row->table->column_count; i++) {
        if (row->table->columns[i].type == FQ_COLUMN_BYTES) {
            bytes += fq_column_bytes(row, &row->table->columns[i]).len;
        }
    }
    return bytes;
}

static void keep_copy(entry *into, const fq_row *row) {
    const size_t bytes = row->table->row_bytes + bytes_of(row);
    if (into->kept_bytes != bytes) {
        free(into->kept);
        into->kept = take_memory(1, bytes);
        into->kept_bytes = bytes;
    }
    memcpy(into->kept, row, row->table->row_bytes);
    fq_row *kept = (fq_row *)(void *)into->kept;
    char *at = into->kept + row->table->row_bytes;
    for (size_t i = 0; i < row->table->column_count; i++) {
        const fq_column *column = &row->table->columns[i];
        if (column->type == FQ_COLUMN_BYTES) {
            const fq_str content = fq_column_bytes(row, column);
            if (content.len > 0) {
                memcpy(at, content.at, content.len);
            }
            fq_column_set_bytes(kept, column, (fq_str){at, content.len});
            at += content.len;
        }
    }
}

void cache_put(row_cache *cache, const fq_row *row) {
    if (bytes_of(row) > BYTE_COLUMNS_MAX) {  // large rows are not what this is for
        cache_drop(cache, row);
        return;
    }
    uint64_t key[FQ_TABLE_KEYS_MAX];
    key_of(row, key);
    entry *found = find(cache, key);
    if (!found) {
        const uint32_t number = take_entry(cache);
        found = &cache->entries[number];
        uint32_t *bucket = bucket_of(cache, key);
        memcpy(found->key, key, sizeof(found->key));
        found->next = *bucket;
        found->asked = false;
        *bucket = number;
    }
    keep_copy(found, row);
}

void cache_drop(row_cache *cache, const fq_row *row) {
    uint64_t key[FQ_TABLE_KEYS_MAX];
    key_of(row, key);
    entry *found = find(cache, key);
    if (!found) {
        return;
    }
    const uint32_t number = (uint32_t)(found - cache->entries);
    unlink_entry(cache, number);
    free(found->kept);
    *found = (entry){.next = cache->free_list, .asked = true};
    cache->free_list = number;
}
