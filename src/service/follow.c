// Following another service's events.
#include "service/follow.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
    EVENTS_MAX = 1000,  // of one command
    ARENA_BYTES_MAX = 16 << 20,
    POLL_MS = 100,  // how often a service elsewhere is asked
    LOST_MS = 500,  // pause after it could not be reached
    CATCH_UP_STEP_MS = 5,
    // Under load events come all the time: those of so long are applied together, for a commit of a
    // few costs the store as much as one of many.
    GATHER_MS = 20,
};

typedef struct fq_follow {
    fq_service *service;
    const fq_follow_rule *rule;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool started, woken, stopping;
    atomic_uint_least64_t position;
    atomic_bool caught_up;  // the last look found nothing new
    atomic_bool caught_up_once;
    atomic_int_least64_t behind_since_ms;  // business time; 0: it is not behind
} fq_follow;

typedef struct {
    fq_command base;
    fq_service *service;
    const fq_follow_rule *rule;
    const fq_event_row *rows;
    size_t count;
    fq_followed_row *followed;
} apply_command;

static bool want(fq_command *command, fq_batch *batch, int round) {
    apply_command *apply = (apply_command *)command;
    if (round == 0) {
        apply->followed =
            (fq_followed_row *)fq_want(batch, &fq_followed_table, apply->rule->source, 0, 0);
    }
    for (size_t i = 0; i < apply->count && round < 2; i++) {
        apply->rule->want(apply->service, batch, &apply->rows[i], round);
    }
    return round == 0;
}

static fq_err decide(fq_command *command, fq_batch *batch) {
    apply_command *apply = (apply_command *)command;
    fq_row_touch(batch, &apply->followed->row);
    for (size_t i = 0; i < apply->count; i++) {
        const fq_event_row *event = &apply->rows[i];
        if (event->position <= apply->followed->position) {
            continue;  // delivered before
        }
        FQ_ASSERT(event->position == apply->followed->position + 1);
        apply->rule->decide(apply->service, batch, event);
        apply->followed->position = event->position;
    }
    return FQ_OK;
}

static void want_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command, (void)batch, (void)record;
}

static fq_err restore(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command, (void)batch, (void)record;
    return FQ_OK;
}

static const char *const no_fields[] = {NULL};
static const fq_command_kind apply_kind = {"follow", 1,          no_fields, want,
                                           decide,   want_again, restore};

// `oldest` is the first event that is not applied; NULL: there is none, or it is not known.
static void note_lag(fq_follow *follow, fq_err err, const fq_event_row *oldest) {
    if (oldest) {
        atomic_store(&follow->behind_since_ms, oldest->at_ms);
    } else if (!err.code) {
        atomic_store(&follow->behind_since_ms, 0);
    } else if (atomic_load(&follow->behind_since_ms) == 0) {
        atomic_store(&follow->behind_since_ms, fq_writer_now_ms(follow->service->writer));
    }
}

// Applies what is new; says how much that was.
static fq_err apply_next(fq_follow *follow, size_t *out_count) {
    fq_service *service = follow->service;
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    fq_event_row *rows;
    size_t count = 0;
    const uint64_t position = atomic_load(&follow->position);
    fq_err err = fq_peer_events(service->peers, follow->rule->source, position, EVENTS_MAX, &arena,
                                &rows, &count);
    note_lag(follow, err, count > 0 ? rows : NULL);
    if (!err.code && count > 0) {
        apply_command apply = {
            .base = {.kind = &apply_kind, .arena = &arena, .units = (uint32_t)count},
            .service = service,
            .rule = follow->rule,
            .rows = rows,
            .count = count};
        err = fq_writer_run(service->writer, &apply.base);
        if (!err.code) {
            atomic_store(&follow->position, rows[count - 1].position);
        }
    }
    fq_arena_free(&arena);
    *out_count = count;
    atomic_store(&follow->caught_up, !err.code && count == 0);
    if (!err.code && count == 0) {
        atomic_store(&follow->caught_up_once, true);
    }
    return err;
}

static void wait(fq_follow *follow, int64_t wait_ms) {
    const int64_t until_ns = fq_monotonic_ns() + wait_ms * 1000000;
    const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    pthread_mutex_lock(&follow->lock);
    while (!follow->woken && !follow->stopping) {
        if (pthread_cond_timedwait(&follow->wake, &follow->lock, &until) != 0) {
            break;
        }
    }
    follow->woken = false;
    pthread_mutex_unlock(&follow->lock);
}

static void gather(int64_t since_ms) {
    const int64_t left_ms = since_ms + GATHER_MS - fq_monotonic_ms();
    if (left_ms > 0) {
        nanosleep(&(struct timespec){.tv_nsec = left_ms * 1000000}, NULL);
    }
}

static bool is_stopping(fq_follow *follow) {
    pthread_mutex_lock(&follow->lock);
    const bool stopping = follow->stopping;
    pthread_mutex_unlock(&follow->lock);
    return stopping;
}

static void *run(void *context) {
    fq_follow *follow = context;
    while (!is_stopping(follow)) {
        size_t count = 0;
        const int64_t begun_ms = fq_monotonic_ms();
        const fq_err err = apply_next(follow, &count);
        if (err.code) {
            fq_log(FQ_LOG_WARN, "events could not be followed",
                   FQ_LOG_TEXT("service", follow->service->kind->name),
                   FQ_LOG_TEXT("source", fq_service_name_of(follow->rule->source)),
                   FQ_LOG_TEXT("code", fq_error_row_of(err.code)->name));
            wait(follow, LOST_MS);
        } else if (count == 0) {
            wait(follow, POLL_MS);
        } else if (count < EVENTS_MAX) {
            gather(begun_ms);
        }
    }
    return NULL;
}

static fq_err read_position(fq_follow *follow) {
    fq_service *service = follow->service;
    fq_arena arena;
    fq_arena_init(&arena, 1 << 16);
    fq_followed_row *row = (fq_followed_row *)fq_row_make(&fq_followed_table, &arena);
    row->source = (uint16_t)follow->rule->source;
    const fq_err err = fq_service_load(service, &arena, &row->row);
    atomic_store(&follow->position, row->position);
    fq_arena_free(&arena);
    return err;
}

fq_err fq_follow_start(fq_service *service) {
    const fq_service_kind *kind = service->kind;
    service->follows = calloc(kind->follow_count + 1, sizeof(fq_follow));
    FQ_ASSERT(service->follows != NULL);
    for (size_t i = 0; i < kind->follow_count; i++) {
        fq_follow *follow = &service->follows[i];
        follow->service = service;
        follow->rule = &kind->follows[i];
        pthread_mutex_init(&follow->lock, NULL);
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&follow->wake, &attributes);
        pthread_condattr_destroy(&attributes);
        FQ_TRY(read_position(follow));
        FQ_ASSERT(service->peers->follow_count < FQ_FOLLOWS_MAX);
        service->peers->follows[service->peers->follow_count++] = follow;
        if (pthread_create(&follow->thread, NULL, run, follow) != 0) {
            return fq_refuse(FQ_UNAVAILABLE, NULL);
        }
        follow->started = true;
    }
    return FQ_OK;
}

void fq_follow_stop(fq_service *service) {
    for (size_t i = 0; service->follows && i < service->kind->follow_count; i++) {
        fq_follow *follow = &service->follows[i];
        if (!follow->started) {
            continue;
        }
        pthread_mutex_lock(&follow->lock);
        follow->stopping = true;
        pthread_cond_signal(&follow->wake);
        pthread_mutex_unlock(&follow->lock);
        pthread_join(follow->thread, NULL);
        follow->started = false;
    }
}

uint64_t fq_follow_position(const fq_service *service, fq_service_number source) {
    for (size_t i = 0; i < service->kind->follow_count; i++) {
        if (service->follows[i].rule->source == source) {
            return atomic_load(&service->follows[i].position);
        }
    }
    return 0;
}

bool fq_follow_catch_up(const fq_service *service, int64_t timeout_ms) {
    const int64_t until_ms = fq_monotonic_ms() + timeout_ms;
    for (size_t i = 0; i < service->kind->follow_count; i++) {
        while (!atomic_load(&service->follows[i].caught_up)) {
            if (fq_monotonic_ms() > until_ms) {
                return false;
            }
            nanosleep(&(struct timespec){.tv_nsec = CATCH_UP_STEP_MS * 1000000}, NULL);
        }
    }
    return true;
}

bool fq_follow_has_caught_up(const fq_service *service) {
    bool caught_up = true;
    for (size_t i = 0; service->follows && i < service->kind->follow_count; i++) {
        caught_up &= atomic_load(&service->follows[i].caught_up_once);
    }
    return caught_up;
}

int64_t fq_follow_lag_ms(const fq_service *service) {
    const int64_t now_ms = fq_writer_now_ms(service->writer);
    int64_t lag_ms = 0;
    for (size_t i = 0; service->follows && i < service->kind->follow_count; i++) {
        const int64_t since_ms = atomic_load(&service->follows[i].behind_since_ms);
        if (since_ms > 0 && now_ms - since_ms > lag_ms) {
            lag_ms = now_ms - since_ms;
        }
    }
    return lag_ms;
}

void fq_follow_wake(const fq_peers *peers, fq_service_number source) {
    for (size_t i = 0; i < peers->follow_count; i++) {
        fq_follow *follow = peers->follows[i];
        if (follow->rule->source == source) {
            pthread_mutex_lock(&follow->lock);
            follow->woken = true;
            pthread_cond_signal(&follow->wake);
            pthread_mutex_unlock(&follow->lock);
        }
    }
}
