// What a writer that is alone with its database remembers of it: accounts and parties, which each
// payment asks for and few payments are the first to ask for.
#include "store/postgres_engine.h"

#include <stdlib.h>

static row_cache *cache_of(const postgres_engine *engine, const fq_table *table) {
    const fq_schema *schema = engine->engine.schema;
    for (size_t i = 0; i < schema->table_count; i++) {
        if (schema->tables[i] == table) {
            return engine->caches[i];
        }
    }
    return NULL;
}

void postgres_memory_make(postgres_engine *engine) {
    const fq_schema *schema = engine->engine.schema;
    engine->caches = calloc(schema->table_count + 1, sizeof(row_cache *));
    FQ_ASSERT(engine->caches != NULL);
    for (size_t i = 0; i < schema->table_count; i++) {
        if (schema->tables[i]->remembered && !engine->read_only) {
            engine->caches[i] = cache_make(schema->tables[i], REMEMBERED_ROWS_MAX);
        }
    }
}

void postgres_memory_free(postgres_engine *engine) {
    for (size_t i = 0; engine->caches && i < engine->engine.schema->table_count; i++) {
        if (engine->caches[i]) {
            cache_free(engine->caches[i]);
        }
    }
    free(engine->caches);
    engine->caches = NULL;
}

void postgres_memory_clear(postgres_engine *engine) {
    for (size_t i = 0; i < engine->engine.schema->table_count; i++) {
        if (engine->caches[i]) {
            cache_clear(engine->caches[i]);
        }
    }
    engine->pending_count = 0;
}

void postgres_memory_recall(const postgres_engine *engine, fq_arena *arena,
                            const fq_row_group *group, fq_row_group *out) {
    row_cache *cache = engine->locking_left > 0 ? NULL : cache_of(engine, group->table);
    *out = *group;
    if (!cache) {
        return;
    }
    *out = (fq_row_group){group->table, FQ_NEW_ARRAY(arena, fq_row *, group->count), 0};
    for (size_t i = 0; i < group->count; i++) {
        if (!cache_get(cache, group->rows[i], arena)) {
            out->rows[out->count++] = group->rows[i];
        }
    }
}

void postgres_memory_note_loaded(const postgres_engine *engine, const fq_row_group *groups,
                                 size_t count) {
    for (size_t i = 0; i < count && engine->locking_left == 0; i++) {
        row_cache *cache = cache_of(engine, groups[i].table);
        for (size_t j = 0; cache && j < groups[i].count; j++) {
            if (groups[i].rows[j]->state == FQ_ROW_LOADED) {
                cache_put(cache, groups[i].rows[j]);
            }
        }
    }
}

void postgres_memory_note_saves(postgres_engine *engine, const fq_save *saves, size_t count) {
    for (size_t i = 0; i < count && engine->locking_left == 0; i++) {
        if (cache_of(engine, saves[i].group.table)) {
            FQ_ASSERT(engine->pending_count < POSTGRES_PENDING_MAX);
            engine->pending[engine->pending_count++] = saves[i];
        }
    }
}

void postgres_memory_note_commit(postgres_engine *engine, uint64_t batch_number) {
    if (batch_number != engine->batch_seen + 1) {
        postgres_memory_clear(engine);  // it asked nothing before, and somebody else was there
    }
    for (size_t i = 0; i < engine->pending_count; i++) {
        const fq_save *save = &engine->pending[i];
        row_cache *cache = cache_of(engine, save->group.table);
        for (size_t j = 0; j < save->group.count; j++) {
            if (save->kind == FQ_SAVE_DELETE) {
                cache_drop(cache, save->group.rows[j]);
            } else {
                cache_put(cache, save->group.rows[j]);
            }
        }
    }
    engine->pending_count = 0;
    engine->batch_seen = batch_number;
}
