// What waits for a writer, oldest first, and whose requests are in the batch at hand. Knows
// nothing of batches.
#pragma once

#include "store/command.h"

#include <pthread.h>

typedef struct {
    uint64_t high, low;  // of fq_request_mark
} fq_queue_mark;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    fq_command *first, **end;
    uint64_t units;
    bool closed;
    fq_queue_mark *at_hand;  // requests that were taken and have no outcome yet
    size_t at_hand_count, at_hand_room;
} fq_queue;

void fq_queue_init(fq_queue *queue);
void fq_queue_free(fq_queue *queue);

// Puts a list (linked by next) at the end, all or none. False when it would hold more than
// `units_max` or is closed; `out_full` says which.
bool fq_queue_add(fq_queue *queue, fq_command *list, uint64_t units_max, bool *out_full);
// Cuts the oldest off, up to `units_max` but at least one; they are at hand until fq_queue_done.
fq_command *fq_queue_take(fq_queue *queue, uint64_t units_max);
// What was taken has its outcome.
void fq_queue_done(fq_queue *queue);
// Back to the front: a command that must see what another one of its batch has committed.
void fq_queue_put_back(fq_queue *queue, fq_command *list);
// Cuts off those whose deadline has passed and gives them their refusal: idempotency_in_progress
// where the same request is at hand, else unavailable. They get no effect.
fq_command *fq_queue_cut_late(fq_queue *queue, int64_t now_ms);
// Units of work that wait.
uint64_t fq_queue_units(fq_queue *queue);
// Waits until something is there or the queue is closed, or until `until_ns` (monotonic). False
// when it is closed and empty; `out_idle` says that the time ran out.
bool fq_queue_wait(fq_queue *queue, int64_t until_ns, bool *out_idle);
// Takes no more; what waits is still given out.
void fq_queue_close(fq_queue *queue);
