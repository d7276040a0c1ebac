// The queue before a writer.
#include "store/queue.h"

#include <stdlib.h>
#include <time.h>

void fq_queue_init(fq_queue *queue) {
    *queue = (fq_queue){.closed = false};
    queue->end = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

void fq_queue_free(fq_queue *queue) {
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    free(queue->at_hand);
}

// The last one, and the work of all of them.
static fq_command *last_of(fq_command *list, uint64_t *out_units) {
    fq_command *last = list;
    *out_units = 0;
    for (fq_command *command = list; command; command = command->next) {
        *out_units += command->units;
        last = command;
    }
    return last;
}

bool fq_queue_add(fq_queue *queue, fq_command *list, uint64_t units_max, bool *out_full) {
    uint64_t units;
    fq_command *last = last_of(list, &units);
    pthread_mutex_lock(&queue->lock);
    *out_full = queue->units + units > units_max;
    const bool taken = !*out_full && !queue->closed;
    if (taken) {
        const bool was_empty = queue->first == NULL;
        *queue->end = list;
        queue->end = &last->next;
        queue->units += units;
        if (was_empty) {
            pthread_cond_signal(&queue->wake);
        }
    }
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

static void note_at_hand(fq_queue *queue, const fq_command *command) {
    if (!command->request.asked) {
        return;
    }
    if (queue->at_hand_count == queue->at_hand_room) {
        queue->at_hand_room = queue->at_hand_room ? queue->at_hand_room * 2 : 256;
        queue->at_hand = realloc(queue->at_hand, queue->at_hand_room * sizeof(*queue->at_hand));
        FQ_ASSERT(queue->at_hand != NULL);
    }
    queue->at_hand[queue->at_hand_count++] =
        (fq_queue_mark){command->request.hash_high, command->request.hash_low};
}

fq_command *fq_queue_take(fq_queue *queue, uint64_t units_max) {
    pthread_mutex_lock(&queue->lock);
    fq_command *list = queue->first;
    fq_command **cut = &queue->first;
    uint64_t units = 0;
    while (*cut && (units == 0 || units + (*cut)->units <= units_max)) {
        units += (*cut)->units;
        note_at_hand(queue, *cut);
        cut = &(*cut)->next;
    }
    fq_command *rest = *cut;
    if (list) {
        *cut = NULL;
    }
    queue->first = rest;
    if (!rest) {
        queue->end = &queue->first;
    }
    queue->units -= units;
    pthread_mutex_unlock(&queue->lock);
    return list;
}

void fq_queue_done(fq_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->at_hand_count = 0;
    pthread_mutex_unlock(&queue->lock);
}

void fq_queue_put_back(fq_queue *queue, fq_command *list) {
    if (!list) {
        return;
    }
    uint64_t units;
    fq_command *last = last_of(list, &units);
    pthread_mutex_lock(&queue->lock);
    last->next = queue->first;
    if (!queue->first) {
        queue->end = &last->next;
    }
    queue->first = list;
    queue->units += units;
    pthread_mutex_unlock(&queue->lock);
}

static bool is_at_hand(const fq_queue *queue, const fq_request_mark *request) {
    for (size_t i = 0; request->asked && i < queue->at_hand_count; i++) {
        if (queue->at_hand[i].high == request->hash_high &&
            queue->at_hand[i].low == request->hash_low) {
            return true;
        }
    }
    return false;
}

fq_command *fq_queue_cut_late(fq_queue *queue, int64_t now_ms) {
    fq_command *late = NULL, **late_end = &late;
    pthread_mutex_lock(&queue->lock);
    for (fq_command **at = &queue->first; *at;) {
        fq_command *command = *at;
        if (command->deadline_ms == 0 || command->deadline_ms >= now_ms) {
            at = &command->next;
            continue;
        }
        *at = command->next;
        if (!command->next) {
            queue->end = at;
        }
        queue->units -= command->units;
        command->outcome = fq_refuse(
            is_at_hand(queue, &command->request) ? FQ_IDEMPOTENCY_IN_PROGRESS : FQ_UNAVAILABLE,
            NULL);
        command->next = NULL;
        *late_end = command;
        late_end = &command->next;
    }
    pthread_mutex_unlock(&queue->lock);
    return late;
}

uint64_t fq_queue_units(fq_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    const uint64_t units = queue->units;
    pthread_mutex_unlock(&queue->lock);
    return units;
}

bool fq_queue_wait(fq_queue *queue, int64_t until_ns, bool *out_idle) {
    const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    pthread_mutex_lock(&queue->lock);
    *out_idle = false;
    if (!queue->first && !queue->closed) {
        *out_idle = pthread_cond_timedwait(&queue->wake, &queue->lock, &until) != 0;
    }
    const bool more = queue->first || !queue->closed;
    pthread_mutex_unlock(&queue->lock);
    return more;
}

void fq_queue_close(fq_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_signal(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}
