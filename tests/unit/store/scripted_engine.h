// An engine for tests of the writer: a handful of rows in memory, and a script of what each call
// returns, one answer a call; when the script of a call is used up it succeeds. Not for anything
// but tests.
#pragma once

#include "crypto/audit_chain.h"
#include "store/commit.h"
#include "store/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNTER_COLUMNS(C, R)        \
    C(R, uint64_t, id, FQ_KEY)       \
    C(R, int64_t, value, FQ_CHANGES) \
    C(R, uint64_t, next, FQ_FIXED)
FQ_ROW(counter_row, COUNTER_COLUMNS)
static const fq_column counter_columns[] = {FQ_COLUMNS(counter_row, COUNTER_COLUMNS)};
static const fq_table counter_table = {
    .name = "counter", .key_count = 1, FQ_TABLE_OF(counter_row, counter_columns)};

static const fq_table *const scripted_tables[] = {&counter_table, &fq_request_table,
                                                  &fq_event_table, &fq_batch_table};
static const fq_schema scripted_schema = {
    .service = "scripted", .tables = scripted_tables, .table_count = 4};

typedef enum {
    CALL_BEGIN,
    CALL_LOAD,
    CALL_SAVE,
    CALL_HEAD,
    CALL_COMMIT,
    CALL_SETTLE,
    CALL_LEASE,
    CALLS
} scripted_call;
enum { SCRIPT_MAX = 64, STORED_MAX = 256, TRACE_MAX = 512 };

typedef struct {
    fq_engine engine;  // first, so that one pointer serves for both
    fq_code script[CALLS][SCRIPT_MAX];
    size_t answered[CALLS];
    bool settled_as;        // what `settle` says once it answers
    uint64_t poison;        // a counter that can never be saved
    int64_t interference;   // what another writer adds to counter 1 when there is a conflict
    char trace[TRACE_MAX];  // a letter a call: b l s h c S L, r for rollback, i for idle
    size_t trace_len;
    fq_arena arena;
    fq_row *stored[STORED_MAX], *pending[STORED_MAX];
    size_t stored_count, pending_count;
    fq_head head;
    uint64_t batch_ids[SCRIPT_MAX];  // of each commit tried
    size_t commits;
} scripted_engine;

static inline fq_err scripted_answer(scripted_engine *engine, scripted_call call) {
    static const char letters[CALLS] = "blshcSL";
    assert_true(engine->trace_len + 1 < TRACE_MAX);
    engine->trace[engine->trace_len++] = letters[call];
    const size_t index = engine->answered[call]++;
    const fq_code code = index < SCRIPT_MAX ? engine->script[call][index] : FQ_DONE;
    for (size_t i = 0; code == FQ_STORE_CONFLICT && i < engine->stored_count; i++) {
        counter_row *row = (counter_row *)engine->stored[i];
        if (row->row.table == &counter_table && row->id == 1) {
            row->value += engine->interference;
        }
    }
    return fq_refuse(code, NULL);
}

static inline bool scripted_same_key(const fq_row *a, const fq_row *b) {
    bool same = a->table == b->table;
    for (size_t i = 0; same && i < a->table->key_count; i++) {
        const fq_column *column = &a->table->columns[i];
        same = fq_column_integer(a, column) == fq_column_integer(b, column);
    }
    return same;
}

static inline fq_row *scripted_find(const scripted_engine *engine, const fq_row *key) {
    for (size_t i = 0; i < engine->stored_count; i++) {
        if (scripted_same_key(engine->stored[i], key)) {
            return engine->stored[i];
        }
    }
    return NULL;
}

static inline fq_err scripted_begin(fq_engine *base) {
    scripted_engine *engine = (scripted_engine *)base;
    engine->pending_count = 0;
    return scripted_answer(engine, CALL_BEGIN);
}

static inline fq_err scripted_load(fq_engine *base, fq_batch *batch, const fq_row_group *groups,
                                   size_t count) {
    scripted_engine *engine = (scripted_engine *)base;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < groups[i].count; j++) {
            fq_row *row = groups[i].rows[j];
            const fq_row *found = scripted_find(engine, row);
            if (found) {
                const fq_row head = *row;
                memcpy(row, fq_row_copy(found, fq_batch_arena(batch)), row->table->row_bytes);
                *row = head;
                row->state = FQ_ROW_LOADED;
            }
        }
    }
    return scripted_answer(engine, CALL_LOAD);
}

static inline fq_err scripted_save(fq_engine *base, const fq_save *saves, size_t count) {
    scripted_engine *engine = (scripted_engine *)base;
    bool poisoned = false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < saves[i].group.count; j++) {
            fq_row *row = saves[i].group.rows[j];
            poisoned |= row->table == &counter_table && engine->poison &&
                        ((counter_row *)row)->id == engine->poison;
            assert_true(engine->pending_count < STORED_MAX);
            engine->pending[engine->pending_count++] = fq_row_copy(row, &engine->arena);
        }
    }
    const fq_err err = scripted_answer(engine, CALL_SAVE);
    return poisoned ? fq_refuse(FQ_INTERNAL, NULL) : err;
}

static inline fq_err scripted_head(fq_engine *base, fq_head *out) {
    scripted_engine *engine = (scripted_engine *)base;
    *out = engine->head;
    return scripted_answer(engine, CALL_HEAD);
}

static inline void scripted_apply(scripted_engine *engine, const fq_head *head) {
    for (size_t i = 0; i < engine->pending_count; i++) {
        fq_row *row = engine->pending[i], *found = scripted_find(engine, row);
        if (found) {
            memcpy(found, row, row->table->row_bytes);
        } else {
            assert_true(engine->stored_count < STORED_MAX);
            engine->stored[engine->stored_count++] = row;
        }
    }
    engine->head = *head;
}

// A commit whose outcome is unknown was made when settle is to say so.
static inline fq_err scripted_commit(fq_engine *base, const fq_head *head, uint64_t batch_id) {
    scripted_engine *engine = (scripted_engine *)base;
    engine->batch_ids[engine->commits++ % SCRIPT_MAX] = batch_id;
    const fq_err err = scripted_answer(engine, CALL_COMMIT);
    if (!err.code || (err.code == FQ_STORE_UNKNOWN && engine->settled_as)) {
        scripted_apply(engine, head);
    }
    return err;
}

static inline void scripted_note(fq_engine *base, char letter) {
    scripted_engine *engine = (scripted_engine *)base;
    assert_true(engine->trace_len + 1 < TRACE_MAX);
    engine->trace[engine->trace_len++] = letter;
}

static inline void scripted_rollback(fq_engine *base) {
    ((scripted_engine *)base)->pending_count = 0;
    scripted_note(base, 'r');
}

static inline fq_err scripted_idle(fq_engine *base) {
    (void)base;
    return FQ_OK;
}

static inline fq_err scripted_settle(fq_engine *base, uint64_t batch_id, bool *out_committed) {
    scripted_engine *engine = (scripted_engine *)base;
    assert_true(batch_id == engine->batch_ids[(engine->commits - 1) % SCRIPT_MAX]);
    *out_committed = engine->settled_as;
    return scripted_answer(engine, CALL_SETTLE);
}

static inline fq_err scripted_lease(fq_engine *base, uint32_t *out_writer, fq_head *out) {
    scripted_engine *engine = (scripted_engine *)base;
    const fq_err err = scripted_answer(engine, CALL_LEASE);
    if (!err.code) {
        engine->head.epoch++;
        *out_writer = (uint32_t)engine->head.epoch;
        *out = engine->head;
    }
    return err;
}

static const fq_engine_ops scripted_ops = {.begin = scripted_begin,
                                           .load = scripted_load,
                                           .save = scripted_save,
                                           .head_lock = scripted_head,
                                           .commit = scripted_commit,
                                           .rollback = scripted_rollback,
                                           .settle = scripted_settle,
                                           .lease = scripted_lease,
                                           .idle = scripted_idle};

static inline void scripted_init(scripted_engine *engine) {
    *engine = (scripted_engine){.engine = {&scripted_ops, &scripted_schema}};
    fq_arena_init(&engine->arena, 64 << 20);
}

static inline void scripted_free(scripted_engine *engine) {
    fq_arena_free(&engine->arena);
}

// The calls since the last look.
static inline const char *scripted_trace(scripted_engine *engine) {
    engine->trace[engine->trace_len] = '\0';
    engine->trace_len = 0;
    return engine->trace;
}

static inline int64_t scripted_value(const scripted_engine *engine, uint64_t id) {
    counter_row key = {.row = {.table = &counter_table}, .id = id};
    const counter_row *found = (const counter_row *)scripted_find(engine, &key.row);
    return found ? found->value : 0;
}

// --- a command: adds to a counter, and to the one that the counter names ---

typedef struct {
    fq_command base;
    uint64_t id;
    int64_t amount;
    fq_code refusal;
    counter_row *row, *next;
    int64_t shown;
    int decided, answered;
} add_command;

static inline bool add_want(fq_command *command, fq_batch *batch, int round) {
    add_command *add = (add_command *)command;
    if (round == 0) {
        add->next = NULL;
        add->row = (counter_row *)fq_want(batch, &counter_table, add->id, 0, 0);
        return true;
    }
    if (round == 1 && add->row->next) {
        add->next = (counter_row *)fq_want(batch, &counter_table, add->row->next, 0, 0);
    }
    return false;
}

static inline fq_err add_decide(fq_command *command, fq_batch *batch) {
    add_command *add = (add_command *)command;
    add->decided++;
    if (add->refusal) {
        return fq_refuse(add->refusal, NULL);
    }
    fq_row_touch(batch, &add->row->row);
    add->row->value += add->amount;
    if (add->next) {
        fq_row_touch(batch, &add->next->row);
        add->next->value += add->amount;
    }
    fq_event_row *event = (fq_event_row *)fq_batch_append(batch, &fq_event_table);
    event->type = 1;
    event->subject = add->id;
    fq_buffer told = {
        .at = fq_arena_alloc(fq_batch_arena(batch), 10), .capacity = 10, .bytes_max = 10};
    fq_row_encode_told(&add->row->row, &told);
    event->told = fq_buffer_str(&told);
    command->told = &event->row;
    command->subject = add->id;
    add->shown = add->row->value;
    return FQ_OK;
}

static inline void add_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command;
    const fq_request_row *request = (const fq_request_row *)record;
    fq_want(batch, &counter_table, request->subject, 0, 0);
    fq_want(batch, &fq_event_table, request->event, 0, 0);
}

static inline fq_err add_restore(fq_command *command, fq_batch *batch, const fq_row *record) {
    const fq_request_row *request = (const fq_request_row *)record;
    const fq_event_row *event =
        (const fq_event_row *)fq_want(batch, &fq_event_table, request->event, 0, 0);
    fq_row *row =
        fq_row_copy(fq_want(batch, &counter_table, request->subject, 0, 0), command->arena);
    assert_true(fq_row_apply_told(row, event->told));
    ((add_command *)command)->shown = ((const counter_row *)row)->value;
    return FQ_OK;
}

static const char *const add_names[] = {"id", "amount", NULL};
static const fq_command_kind add_kind = {"counter.add", 100,       add_names,  add_want,
                                         add_decide,    add_again, add_restore};

static inline add_command add_of(uint64_t id, int64_t amount) {
    return (add_command){.base = {.kind = &add_kind, .units = 1}, .id = id, .amount = amount};
}

// As asked under an Idempotency-Key; the fingerprint is `text`.
static inline void add_ask(add_command *add, fq_arena *arena, uint64_t key, const char *text) {
    add->base.arena = arena;
    add->base.request = (fq_request_mark){
        .asked = true, .hash_high = key, .hash_low = ~key, .fingerprint = fq_str_of(text)};
}
