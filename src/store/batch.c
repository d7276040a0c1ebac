// The rows and effects of one batch, in memory.
#include "store/batch.h"

#include <stdlib.h>

enum { SETS_MAX = 24, SLOTS_MIN = 64, JOURNAL_ROWS_MIN = 64 };

typedef struct {
    uint64_t key[FQ_TABLE_KEYS_MAX];
    fq_row *row;  // NULL: empty
} slot;

// The rows of one table: found by key, and listed in the order they were wanted.
typedef struct {
    const fq_table *table;
    slot *slots;
    size_t slot_count;  // a power of two
    fq_row_list rows;
    fq_row_list unloaded;  // wanted since the last round
} row_set;

struct fq_batch {
    fq_arena *arena;
    fq_id_dealer *dealer;
    int64_t now_ms;
    row_set sets[SETS_MAX];
    size_t set_count;
    fq_row_list journals[FQ_JOURNALS];
    // The mark at hand.
    bool marked;
    uint32_t mark;
    fq_row *touched;
    size_t journal_counts[FQ_JOURNALS];
};

fq_batch *fq_batch_make(fq_arena *arena, fq_id_dealer *dealer, int64_t now_ms) {
    fq_batch *batch = FQ_NEW(arena, fq_batch);
    batch->arena = arena;
    batch->dealer = dealer;
    batch->now_ms = now_ms;
    return batch;
}

int64_t fq_batch_now_ms(const fq_batch *batch) {
    return batch->now_ms;
}

fq_arena *fq_batch_arena(fq_batch *batch) {
    return batch->arena;
}

uint64_t fq_batch_deal_id(fq_batch *batch) {
    return fq_id_deal(batch->dealer, batch->now_ms);
}

static void list_add(fq_arena *arena, fq_row_list *list, fq_row *row) {
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : JOURNAL_ROWS_MIN;
        fq_row **rows = FQ_NEW_ARRAY(arena, fq_row *, capacity);
        if (list->count > 0) {
            memcpy(rows, list->rows, list->count * sizeof(fq_row *));
        }
        list->rows = rows;
        list->capacity = capacity;
    }
    list->rows[list->count++] = row;
}

static row_set *set_of(fq_batch *batch, const fq_table *table) {
    for (size_t i = 0; i < batch->set_count; i++) {
        if (batch->sets[i].table == table) {
            return &batch->sets[i];
        }
    }
    FQ_ASSERT(batch->set_count < SETS_MAX);
    row_set *set = &batch->sets[batch->set_count++];
    set->table = table;
    set->slot_count = SLOTS_MIN;
    set->slots = FQ_NEW_ARRAY(batch->arena, slot, SLOTS_MIN);
    return set;
}

static size_t hash_of(const uint64_t key[FQ_TABLE_KEYS_MAX]) {
    uint64_t hash = key[0] * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ (hash >> 32) ^ key[1]) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ (hash >> 29) ^ key[2]) * UINT64_C(0x94D049BB133111EB);
    return (size_t)(hash ^ (hash >> 31));
}

// The slot that holds the key, or the empty one where it belongs.
static slot *slot_of(row_set *set, const uint64_t key[FQ_TABLE_KEYS_MAX]) {
    size_t at = hash_of(key) & (set->slot_count - 1);
    while (set->slots[at].row && memcmp(set->slots[at].key, key, sizeof(set->slots[at].key)) != 0) {
        at = (at + 1) & (set->slot_count - 1);
    }
    return &set->slots[at];
}

static void grow(fq_batch *batch, row_set *set) {
    const slot *old = set->slots;
    const size_t old_count = set->slot_count;
    set->slot_count *= 2;
    set->slots = FQ_NEW_ARRAY(batch->arena, slot, set->slot_count);
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].row) {
            *slot_of(set, old[i].key) = old[i];
        }
    }
}

// Finds or makes the row; says which.
static fq_row *find_or_make(fq_batch *batch, row_set *set, const uint64_t key[FQ_TABLE_KEYS_MAX],
                            bool *out_made) {
    slot *found = slot_of(set, key);
    *out_made = !found->row;
    if (found->row) {
        return found->row;
    }
    if (set->rows.count * 2 >= set->slot_count) {
        grow(batch, set);
        found = slot_of(set, key);
    }
    fq_row *row = fq_row_make(set->table, batch->arena);
    FQ_ASSERT(set->table->key_count <= FQ_TABLE_KEYS_MAX);
    for (size_t i = 0; i < set->table->key_count; i++) {
        fq_column_set_integer(row, &set->table->columns[i], (int64_t)key[i]);
    }
    memcpy(found->key, key, sizeof(found->key));
    found->row = row;
    list_add(batch->arena, &set->rows, row);
    return row;
}

fq_row *fq_want(fq_batch *batch, const fq_table *table, uint64_t key0, uint64_t key1,
                uint64_t key2) {
    row_set *set = set_of(batch, table);
    bool made;
    fq_row *row = find_or_make(batch, set, (uint64_t[]){key0, key1, key2}, &made);
    if (made) {
        list_add(batch->arena, &set->unloaded, row);
    }
    return row;
}

fq_row *fq_want_fresh(fq_batch *batch, const fq_table *table, uint64_t key0) {
    bool made;
    fq_row *row = find_or_make(batch, set_of(batch, table), (uint64_t[]){key0, 0, 0}, &made);
    FQ_ASSERT(made);
    return row;
}

// Keeps the row as it is, once a mark, so that a rewind can bring it back.
static void remember(fq_batch *batch, fq_row *row) {
    if (!batch->marked || row->mark == batch->mark) {
        return;
    }
    row->mark = batch->mark;
    row->before = fq_arena_alloc(batch->arena, row->table->row_bytes);
    memcpy(row->before, row, row->table->row_bytes);
    row->next_touched = batch->touched;
    batch->touched = row;
}

void fq_row_touch(fq_batch *batch, fq_row *row) {
    remember(batch, row);
    switch (row->state) {
    case FQ_ROW_ABSENT:
        row->state = FQ_ROW_NEW;
        break;
    case FQ_ROW_LOADED:
    case FQ_ROW_GONE:
        row->state = FQ_ROW_CHANGED;
        break;
    case FQ_ROW_NEW:
    case FQ_ROW_CHANGED:
        break;
    }
}

void fq_row_remove(fq_batch *batch, fq_row *row) {
    remember(batch, row);
    switch (row->state) {
    case FQ_ROW_LOADED:
    case FQ_ROW_CHANGED:
        row->state = FQ_ROW_GONE;
        break;
    case FQ_ROW_NEW:
        row->state = FQ_ROW_ABSENT;
        break;
    case FQ_ROW_ABSENT:
    case FQ_ROW_GONE:
        break;
    }
}

fq_row *fq_batch_append(fq_batch *batch, const fq_table *table) {
    FQ_ASSERT(table->journal != FQ_JOURNAL_NONE);
    fq_row *row = fq_row_make(table, batch->arena);
    row->state = FQ_ROW_NEW;
    list_add(batch->arena, &batch->journals[table->journal], row);
    return row;
}

void fq_batch_mark(fq_batch *batch) {
    FQ_ASSERT(!batch->marked);
    batch->marked = true;
    batch->mark++;
    batch->touched = NULL;
    for (size_t i = 0; i < FQ_JOURNALS; i++) {
        batch->journal_counts[i] = batch->journals[i].count;
    }
}

void fq_batch_rewind(fq_batch *batch) {
    FQ_ASSERT(batch->marked);
    for (fq_row *row = batch->touched; row;) {
        fq_row *next = row->next_touched;
        memcpy(row, row->before, row->table->row_bytes);
        row = next;
    }
    for (size_t i = 0; i < FQ_JOURNALS; i++) {
        batch->journals[i].count = batch->journal_counts[i];
    }
    batch->marked = false;
}

void fq_batch_keep(fq_batch *batch) {
    FQ_ASSERT(batch->marked);
    batch->marked = false;
}

fq_row_list *fq_batch_journal(fq_batch *batch, fq_journal journal) {
    return &batch->journals[journal];
}

static int by_key(const void *left, const void *right) {
    const fq_row *a = *(fq_row *const *)left, *b = *(fq_row *const *)right;
    for (size_t i = 0; i < a->table->key_count; i++) {
        const int64_t x = fq_column_integer(a, &a->table->columns[i]);
        const int64_t y = fq_column_integer(b, &b->table->columns[i]);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return 0;
}

static void sort_by_key(fq_row_list *list) {
    if (list->count > 1) {
        qsort(list->rows, list->count, sizeof(fq_row *), by_key);
    }
}

void fq_batch_wanted(fq_batch *batch, const fq_table *const *tables, size_t table_count,
                     fq_row_list *out_by_table) {
    for (size_t i = 0; i < table_count; i++) {
        row_set *set = set_of(batch, tables[i]);
        out_by_table[i] = set->unloaded;
        sort_by_key(&out_by_table[i]);
        set->unloaded = (fq_row_list){0};
    }
}

void fq_batch_in_state(fq_batch *batch, const fq_table *const *tables, size_t table_count,
                       fq_row_state state, fq_row_list *out_by_table) {
    for (size_t i = 0; i < table_count; i++) {
        const row_set *set = set_of(batch, tables[i]);
        out_by_table[i] = (fq_row_list){0};
        for (size_t j = 0; j < set->rows.count; j++) {
            if (set->rows.rows[j]->state == state) {
                list_add(batch->arena, &out_by_table[i], set->rows.rows[j]);
            }
        }
        sort_by_key(&out_by_table[i]);
    }
}

bool fq_batch_is_changed(const fq_batch *batch) {
    for (size_t i = 0; i < batch->set_count; i++) {
        for (size_t j = 0; j < batch->sets[i].rows.count; j++) {
            const fq_row_state state = batch->sets[i].rows.rows[j]->state;
            if (state != FQ_ROW_ABSENT && state != FQ_ROW_LOADED) {
                return true;
            }
        }
    }
    return batch->journals[FQ_JOURNAL_EVENT].count > 0;
}
