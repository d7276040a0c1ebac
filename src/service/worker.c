// Timers that survive restarts.
#include "service/worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    LOOK_EVERY_MS = 250,
    LEASE_MS = 30000,
    FORGET_EVERY_MS = 600000,
    LOOK_OVER_EVERY_MS = 60000,
    TAKEN_MAX = 256,  // of one look
    ARENA_BYTES_MAX = 8 << 20,
};

typedef struct fq_worker {
    fq_service *service;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    int64_t forget_at_ms, look_over_at_ms;  // monotonic
} fq_worker;

void fq_work_schedule(fq_batch *batch, int64_t due_ms, uint16_t kind, uint64_t subject) {
    fq_row_touch(batch, fq_want(batch, &fq_work_table, (uint64_t)due_ms, kind, subject));
}

fq_work_row *fq_work_want(fq_batch *batch, int64_t due_ms, uint16_t kind, uint64_t subject) {
    return (fq_work_row *)fq_want(batch, &fq_work_table, (uint64_t)due_ms, kind, subject);
}

void fq_work_done(fq_batch *batch, fq_work_row *row) {
    fq_row_remove(batch, &row->row);
}

// --- taking what is due, under a lease ---

typedef struct {
    fq_command base;
    fq_service *service;
    fq_work_row *due[TAKEN_MAX];
    fq_work_row *rows[TAKEN_MAX];
    bool taken[TAKEN_MAX];
    size_t count;
    fq_arena *arena;
} take_command;

static bool note_due(void *context, const fq_row *row) {
    take_command *take = context;
    take->due[take->count++] = (fq_work_row *)fq_row_copy(row, take->arena);
    return take->count < TAKEN_MAX;
}

static bool want(fq_command *command, fq_batch *batch, int round) {
    take_command *take = (take_command *)command;
    for (size_t i = 0; round == 0 && i < take->count; i++) {
        take->rows[i] =
            fq_work_want(batch, take->due[i]->due_ms, take->due[i]->kind, take->due[i]->subject);
    }
    return false;
}

static fq_err decide(fq_command *command, fq_batch *batch) {
    take_command *take = (take_command *)command;
    const int64_t now_ms = fq_batch_now_ms(batch);
    for (size_t i = 0; i < take->count; i++) {
        fq_work_row *row = take->rows[i];
        take->taken[i] = row->row.state == FQ_ROW_LOADED && row->leased_until_ms <= now_ms;
        if (take->taken[i]) {
            fq_row_touch(batch, &row->row);
            row->leased_until_ms = now_ms + LEASE_MS;
        }
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
static const fq_command_kind take_kind = {"work.take", 2,          no_fields, want,
                                          decide,      want_again, restore};

static fq_err look(fq_worker *worker, take_command *take) {
    fq_service *service = worker->service;
    const uint64_t from_now_on = (uint64_t)fq_writer_now_ms(service->writer) + 1;
    return fq_service_scan(service, &(fq_scan){.table = &fq_work_table,
                                               .below = from_now_on,
                                               .forward = true,
                                               .visit = note_due,
                                               .context = take});
}

static const fq_work_kind *kind_of(const fq_service *service, uint16_t number) {
    for (size_t i = 0; i < service->kind->work_count; i++) {
        if (service->kind->work[i].number == number) {
            return &service->kind->work[i];
        }
    }
    return NULL;
}

static void do_work(fq_service *service, fq_arena *arena, const fq_work_row *row) {
    const fq_work_kind *kind = kind_of(service, row->kind);
    fq_command *command = kind ? kind->make(service, arena, row) : NULL;
    const fq_err err = command ? fq_writer_run(service->writer, command) : FQ_OK;
    if (!kind || err.code) {
        // It stays in the table: its lease runs out and it is tried again.
        fq_log(FQ_LOG_WARN, "timed work was not done", FQ_LOG_TEXT("service", service->kind->name),
               FQ_LOG_INT("kind", row->kind), FQ_LOG_TEXT("code", fq_error_row_of(err.code)->name));
    }
}

// One look at what is due; says whether there may be more.
static bool run_once(fq_worker *worker) {
    fq_service *service = worker->service;
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    take_command *take = FQ_NEW(&arena, take_command);
    take->arena = &arena;
    take->base = (fq_command){.kind = &take_kind, .arena = &arena, .units = 1};
    const fq_err err = look(worker, take);
    const size_t count = err.code ? 0 : take->count;
    fq_metrics_set(service->measures.timer_lag,
                   count > 0 ? fq_writer_now_ms(service->writer) - take->due[0]->due_ms : 0);
    if (count > 0 && !fq_writer_run(service->writer, &take->base).code) {
        for (size_t i = 0; i < count; i++) {
            if (take->taken[i]) {
                do_work(service, &arena, take->due[i]);
            }
        }
    }
    fq_arena_free(&arena);
    return count == TAKEN_MAX;
}

static bool wait(fq_worker *worker) {
    const int64_t until_ns = fq_monotonic_ns() + LOOK_EVERY_MS * INT64_C(1000000);
    const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    pthread_mutex_lock(&worker->lock);
    if (!worker->stopping) {
        pthread_cond_timedwait(&worker->wake, &worker->lock, &until);
    }
    const bool go_on = !worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    return go_on;
}

// Idempotency records age by the business clock.
static void forget_requests(fq_worker *worker) {
    fq_service *service = worker->service;
    if (fq_monotonic_ms() >= worker->forget_at_ms) {
        worker->forget_at_ms = fq_monotonic_ms() + FORGET_EVERY_MS;
        fq_writer_forget(service->writer, fq_writer_now_ms(service->writer) -
                                              service->settings->payment_idempotency_lifetime);
    }
}

static void look_over(fq_worker *worker) {
    fq_service *service = worker->service;
    if (service->kind->look_over && fq_monotonic_ms() >= worker->look_over_at_ms) {
        worker->look_over_at_ms = fq_monotonic_ms() + LOOK_OVER_EVERY_MS;
        service->kind->look_over(service);
    }
}

static void *run(void *context) {
    fq_worker *worker = context;
    while (wait(worker)) {
        forget_requests(worker);
        look_over(worker);
        while (run_once(worker)) {
        }
    }
    return NULL;
}

fq_err fq_worker_start(fq_service *service) {
    fq_worker *worker = calloc(1, sizeof(*worker));
    FQ_ASSERT(worker != NULL);
    worker->service = service;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    service->worker = worker;
    return pthread_create(&worker->thread, NULL, run, worker) == 0
               ? FQ_OK
               : fq_refuse(FQ_UNAVAILABLE, NULL);
}

void fq_worker_stop(fq_service *service) {
    fq_worker *worker = service->worker;
    if (!worker) {
        return;
    }
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
    service->worker = NULL;
}
