// What tests of rules share: a batch without a writer or a store. A row that a test fills in counts
// as loaded; what a command leaves behind is there for the next one, as within one batch. Not for
// anything but tests.
#pragma once

#include "base/clock.h"
#include "store/command.h"
#include "store/journal.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// 2026-01-01T00:00:00Z
#define WORLD_NOW_MS INT64_C(1767225600000)

typedef struct {
    fq_arena arena;          // of the batch
    fq_arena request_arena;  // of the commands: outlives the batch
    fq_id_dealer dealer;
    fq_batch *batch;
} batch_world;

static inline void world_begin(batch_world *world, int64_t now_ms) {
    *world = (batch_world){.dealer = {.writer = 1}};
    fq_arena_init(&world->arena, 64 << 20);
    fq_arena_init(&world->request_arena, 64 << 20);
    world->batch = fq_batch_make(&world->arena, &world->dealer, now_ms);
}

static inline void world_end(batch_world *world) {
    fq_arena_free(&world->arena);
    fq_arena_free(&world->request_arena);
}

// A row as if it had been loaded; the caller fills in its columns.
static inline fq_row *world_row(batch_world *world, const fq_table *table, uint64_t key0,
                                uint64_t key1, uint64_t key2) {
    fq_row *row = fq_want(world->batch, table, key0, key1, key2);
    row->state = FQ_ROW_LOADED;
    return row;
}

// Rounds of load until the command wants no more; rows that nobody has filled in are absent.
static inline void world_load(batch_world *world, fq_command *command) {
    command->arena = &world->request_arena;
    for (int round = 0; command->kind->want(command, world->batch, round); round++) {
        assert_true(round + 1 < FQ_ROUNDS_MAX);
    }
}

// Load and decide, as the writer runs them.
static inline fq_err world_run(batch_world *world, fq_command *command) {
    world_load(world, command);
    command->at_ms = fq_batch_now_ms(world->batch);
    command->outcome = command->kind->decide(command, world->batch);
    return command->outcome;
}

static inline size_t world_events(const batch_world *world) {
    return fq_batch_journal(world->batch, FQ_JOURNAL_EVENT)->count;
}

// The event told `back` events ago; 0 is the last.
static inline const fq_event_row *world_event(const batch_world *world, size_t back) {
    const fq_row_list *events = fq_batch_journal(world->batch, FQ_JOURNAL_EVENT);
    assert_true(back < events->count);
    return (const fq_event_row *)events->rows[events->count - 1 - back];
}

// Gives the journal's events their positions, and makes them rows that a later command of the batch
// can load.
static inline void world_commit_events(batch_world *world) {
    const fq_row_list *events = fq_batch_journal(world->batch, FQ_JOURNAL_EVENT);
    for (size_t i = 0; i < events->count; i++) {
        fq_event_row *event = (fq_event_row *)events->rows[i];
        event->position = i + 1;
        fq_event_row *row = (fq_event_row *)world_row(world, &fq_event_table, i + 1, 0, 0);
        const fq_row head = row->row;
        *row = *event;
        row->row = head;
    }
}

// What the writer keeps of a command that succeeded under an Idempotency-Key.
static inline fq_request_row *world_record(batch_world *world, const fq_command *command) {
    fq_request_row *record =
        (fq_request_row *)fq_row_make(&fq_request_table, &world->request_arena);
    record->row.state = FQ_ROW_LOADED;
    record->kind = command->kind->number;
    record->subject = command->subject;
    record->event = command->told ? ((const fq_event_row *)command->told)->position : 0;
    record->kept = command->kept;
    return record;
}

// The same request again, answered from its record.
static inline fq_err world_replay(batch_world *world, fq_command *again,
                                  const fq_request_row *record) {
    again->arena = &world->request_arena;
    again->kind->want_again(again, world->batch, &record->row);
    return again->kind->restore(again, world->batch, &record->row);
}

// Does an assertion of ours stop the process? Run in a child, whose complaint is not shown.
static inline bool world_stops(void (*run)(void *context), void *context) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) {
            _exit(2);
        }
        signal(SIGABRT, SIG_DFL);
        run(context);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
