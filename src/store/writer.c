// The batch writer: its thread, and one batch in five steps. The steps themselves are in commit.c,
// what waits for them in queue.c.
#include "store/writer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/commit.h"
#include "store/queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
    // A store that cannot be reached is asked again after 50 ms, then twice as long, up to this.
    BACKOFF_MS_MIN = 50,
    BACKOFF_MS_MAX = 2000,
    IDLE_WAKE_MS = 100,
    LATE_LOOK_MS = 250,      // commands whose time is over are looked for
    FORGET_COUNT_MAX = 500,  // aged records deleted between two batches
};

struct fq_writer {
    fq_writer_config config;
    fq_commit commit;

    fq_queue queue;

    pthread_t thread, warden;
    bool started;
    pthread_mutex_t warden_lock;
    pthread_cond_t warden_wake;
    bool stopping;
    atomic_bool healthy;
    atomic_bool unsettled;  // the store does not tell what became of the batch at hand
    atomic_bool giving_up;
    atomic_int_least64_t head_at_ms, clock_shift_ms, clock_move_ms;
    atomic_int_least64_t forget_before_ms;  // 0: nothing to forget
    int64_t backoff_ms, retry_at_ms;        // while the store is lost
    fq_command asking;                      // submitted only while the queue is empty
    fq_series queue_full;
    uint64_t steps_seen;  // fq_writer_is_alive's own
};

// Nobody who comes now could be answered in time, so he is refused at once.
static bool keep_asking(void *context) {
    fq_writer *writer = context;
    if (!atomic_exchange(&writer->unsettled, true)) {
        fq_log(FQ_LOG_ERROR, "the store does not tell what became of a commit; it is asked again",
               FQ_LOG_TEXT("service", writer->config.service));
    }
    return !atomic_load(&writer->giving_up);
}

static void committed(void *context, fq_batch *batch) {
    const fq_writer *writer = context;
    if (writer->config.counted) {
        writer->config.counted(writer->config.context, batch);
    }
}

fq_err fq_writer_make(const fq_writer_config *config, fq_writer **out) {
    fq_writer *writer = calloc(1, sizeof(*writer));
    FQ_ASSERT(writer != NULL);
    writer->config = *config;
    fq_queue_init(&writer->queue);
    writer->queue_full = fq_metrics_series(
        FQ_METRIC_WRITER_QUEUE_FULL, config->service ? fq_str_of(config->service) : FQ_STR(""),
        FQ_STR(""), FQ_STR(""));
    pthread_mutex_init(&writer->warden_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->warden_wake, &attributes);
    pthread_condattr_destroy(&attributes);
    const fq_err err = fq_commit_open(&writer->commit, config->engine);
    if (err.code) {
        fq_writer_free(writer);
        return err;
    }
    writer->commit.keep_asking = keep_asking;
    writer->commit.committed = committed;
    writer->commit.context = writer;
    atomic_store(&writer->healthy, true);
    atomic_store(&writer->head_at_ms, writer->commit.head.at_ms);
    atomic_store(&writer->clock_shift_ms, writer->commit.head.clock_shift_ms);
    *out = writer;
    return FQ_OK;
}

void fq_writer_free(fq_writer *writer) {
    fq_commit_close(&writer->commit);
    fq_queue_free(&writer->queue);
    pthread_cond_destroy(&writer->warden_wake);
    pthread_mutex_destroy(&writer->warden_lock);
    free(writer);
}

bool fq_writer_healthy(const fq_writer *writer) {
    return atomic_load(&writer->healthy) && !atomic_load(&writer->unsettled);
}

int64_t fq_writer_now_ms(const fq_writer *writer) {
    const fq_writer_config *config = &writer->config;
    const int64_t clock_ms = config->now_ms ? config->now_ms(config->context) : fq_wall_ms();
    const int64_t now_ms = clock_ms + atomic_load(&writer->clock_shift_ms);
    const int64_t head_ms = atomic_load(&writer->head_at_ms);
    return now_ms > head_ms ? now_ms : head_ms;
}

bool fq_writer_submit(fq_writer *writer, fq_command *list) {
    bool full = false;
    if (atomic_load(&writer->unsettled)) {
        return false;
    }
    if (fq_queue_add(&writer->queue, list, writer->config.queue_units_max, &full)) {
        return true;
    }
    int64_t count = 0;
    for (const fq_command *command = list; full && command; command = command->next) {
        count++;
    }
    fq_metrics_add(writer->queue_full, count);
    return false;
}

uint64_t fq_writer_queue_units(fq_writer *writer) {
    return fq_queue_units(&writer->queue);
}

bool fq_writer_is_alive(fq_writer *writer) {
    const uint64_t steps = atomic_load_explicit(&writer->commit.steps, memory_order_relaxed);
    const bool alive = steps != writer->steps_seen || steps % 2 == 1 || steps == 0;
    writer->steps_seen = steps;
    return alive;
}

// A store that is lost costs each batch its answer, not the process: callers get 503, and the next
// try waits a little.
static void note_health(fq_writer *writer, fq_err err) {
    const bool lost = err.code == FQ_STORE_LOST || err.code == FQ_STORE_UNKNOWN;
    if (lost) {
        writer->backoff_ms = writer->backoff_ms ? writer->backoff_ms * 2 : BACKOFF_MS_MIN;
        if (writer->backoff_ms > BACKOFF_MS_MAX) {
            writer->backoff_ms = BACKOFF_MS_MAX;
        }
        writer->retry_at_ms = fq_monotonic_ms() + writer->backoff_ms;
    } else {
        writer->backoff_ms = 0;
        writer->retry_at_ms = 0;
    }
    if (atomic_exchange(&writer->healthy, !lost) == lost) {
        if (lost) {
            fq_log(FQ_LOG_ERROR, "the store is lost",
                   FQ_LOG_TEXT("service", writer->config.service));
        } else {
            fq_log(FQ_LOG_INFO, "the store is back",
                   FQ_LOG_TEXT("service", writer->config.service));
        }
    }
}

static bool refuse_while_lost(const fq_writer *writer, fq_command *list) {
    if (writer->retry_at_ms == 0 || fq_monotonic_ms() >= writer->retry_at_ms) {
        return false;
    }
    for (fq_command *command = list; command; command = command->next) {
        command->outcome = fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    return true;
}

// Commands with a `done` of their own are answered by it; the others go to the service in one
// group.
static void answer(fq_writer *writer, fq_command *list) {
    fq_command *group = NULL, **group_end = &group;
    while (list) {
        fq_command *command = list;
        list = command->next;
        command->next = NULL;
        if (command->done) {
            command->done(command);
        } else {
            *group_end = command;
            group_end = &command->next;
        }
    }
    if (group) {
        writer->config.done(writer->config.context, group);
    }
}

static fq_commands_kind what_became_of(const fq_command *command) {
    const fq_code code = command->outcome.code;
    return command->replayed                               ? FQ_COMMANDS_REPLAYED
           : code == FQ_DONE                               ? FQ_COMMANDS_DONE
           : code == FQ_UNAVAILABLE || code == FQ_INTERNAL ? FQ_COMMANDS_FAILED
                                                           : FQ_COMMANDS_REFUSED;
}

// Those that lack a fact are not at their end: they come again.
static void tally(fq_writer_sample *sample, const fq_command *list) {
    for (const fq_command *command = list; command; command = command->next) {
        if (command->outcome.code != FQ_FACT_MISSING) {
            sample->became[what_became_of(command)]++;
        }
    }
}

static void observe(const fq_writer *writer, const fq_writer_sample *sample) {
    if (writer->config.observed) {
        writer->config.observed(writer->config.context, sample);
    }
}

// Commands whose caller has given up get no effect: they are answered before decide.
static size_t answer_late(fq_writer *writer) {
    fq_command *late = fq_queue_cut_late(&writer->queue, fq_monotonic_ms());
    fq_writer_sample sample = {.queue_units = late ? fq_queue_units(&writer->queue) : 0};
    for (const fq_command *command = late; command; command = command->next) {
        sample.became[FQ_COMMANDS_EXPIRED]++;
    }
    if (late) {
        observe(writer, &sample);
        answer(writer, late);
    }
    return sample.became[FQ_COMMANDS_EXPIRED];
}

size_t fq_writer_run_once(fq_writer *writer) {
    const size_t late = answer_late(writer);
    fq_command *list = fq_queue_take(&writer->queue, writer->config.batch_units_max);
    fq_writer_sample sample = {.queue_units = fq_queue_units(&writer->queue)};
    if (!list) {
        return late > 0 ? 1 : 0;
    }
    if (refuse_while_lost(writer, list)) {
        fq_queue_done(&writer->queue);
        tally(&sample, list);
        observe(writer, &sample);
        answer(writer, list);
        return 1;
    }
    fq_command *deferred = NULL;
    writer->commit.clock_move_ms += atomic_exchange(&writer->clock_move_ms, 0);
    const uint64_t batch_before = writer->commit.head.batch_number;
    sample.outcome =
        fq_commit_batch(&writer->commit, fq_writer_now_ms(writer), &list, &deferred, &sample);
    atomic_store(&writer->unsettled, false);
    note_health(writer, sample.outcome);
    fq_queue_done(&writer->queue);
    fq_queue_put_back(&writer->queue, deferred);
    atomic_store(&writer->head_at_ms, writer->commit.head.at_ms);
    atomic_store(&writer->clock_shift_ms, writer->commit.head.clock_shift_ms);
    tally(&sample, list);
    observe(writer, &sample);
    if (writer->config.committed && writer->commit.head.batch_number != batch_before) {
        writer->config.committed(writer->config.context, &writer->commit.head);
    }
    answer(writer, list);
    return sample.commands;
}

static bool want_nothing(fq_command *command, fq_batch *batch, int round) {
    (void)command, (void)batch, (void)round;
    return false;
}

static fq_err decide_nothing(fq_command *command, fq_batch *batch) {
    (void)command, (void)batch;
    return FQ_OK;
}

static const fq_command_kind nothing_kind = {
    .name = "nothing", .want = want_nothing, .decide = decide_nothing};

static void forget_answer(fq_command *command) {
    (void)command;
}

// Nobody sends commands to a service that says it is not ready: while the store is lost and none
// come, it is asked by a command of our own.
static void ask_lost_store(fq_writer *writer) {
    writer->asking = (fq_command){.kind = &nothing_kind, .units = 1, .done = forget_answer};
    fq_writer_submit(writer, &writer->asking);
}

static void look_after_store(fq_writer *writer) {
    if (!fq_writer_healthy(writer)) {
        ask_lost_store(writer);
        return;
    }
    const fq_err err = writer->config.engine->ops->idle(writer->config.engine);
    if (err.code) {
        note_health(writer, err);
    }
}

// Waits until there is something to do, or a moment to look after the store. False when the
// queue is closed and empty.
static bool wait(fq_writer *writer) {
    bool idle;
    const int64_t until_ns = fq_monotonic_ns() + IDLE_WAKE_MS * INT64_C(1000000);
    const bool more = fq_queue_wait(&writer->queue, until_ns, &idle);
    if (idle) {
        fq_commit_step(&writer->commit, true);
        look_after_store(writer);
        fq_commit_step(&writer->commit, false);
    }
    return more;
}

static void forget_some(fq_writer *writer) {
    const int64_t before_ms = atomic_load(&writer->forget_before_ms);
    bool more = false;
    if (before_ms == 0) {
        return;
    }
    const fq_engine_ops *ops = writer->config.engine->ops;
    fq_commit_step(&writer->commit, true);
    const fq_err err = ops->forget(writer->config.engine, before_ms, FORGET_COUNT_MAX, &more);
    fq_commit_step(&writer->commit, false);
    if (err.code || !more) {
        atomic_store(&writer->forget_before_ms, 0);
    }
}

void fq_writer_forget(fq_writer *writer, int64_t before_ms) {
    atomic_store(&writer->forget_before_ms, before_ms);
}

static void *run(void *context) {
    fq_writer *writer = context;
    while (wait(writer)) {
        fq_commit_step(&writer->commit, false);
        fq_writer_run_once(writer);
        forget_some(writer);
    }
    return NULL;
}

// While the store holds a batch up, those that wait are answered when their time is over.
static void *watch(void *context) {
    fq_writer *writer = context;
    pthread_mutex_lock(&writer->warden_lock);
    while (!writer->stopping) {
        const int64_t until_ns = fq_monotonic_ns() + LATE_LOOK_MS * INT64_C(1000000);
        const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
        pthread_cond_timedwait(&writer->warden_wake, &writer->warden_lock, &until);
        pthread_mutex_unlock(&writer->warden_lock);
        answer_late(writer);
        pthread_mutex_lock(&writer->warden_lock);
    }
    pthread_mutex_unlock(&writer->warden_lock);
    return NULL;
}

// For threads that may block: a command that wakes its submitter.
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
} waiter;

static void wake_waiter(fq_command *command) {
    waiter *waiting = command->user;
    pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    pthread_cond_signal(&waiting->wake);
    pthread_mutex_unlock(&waiting->lock);
}

fq_err fq_writer_run(fq_writer *writer, fq_command *command) {
    waiter waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    command->user = &waiting;
    command->done = wake_waiter;
    command->next = NULL;
    if (!fq_writer_submit(writer, command)) {
        command->user = NULL;
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.done) {
        pthread_cond_wait(&waiting.wake, &waiting.lock);
    }
    pthread_mutex_unlock(&waiting.lock);
    command->user = NULL;
    return command->outcome;
}

fq_err fq_writer_move_clock(fq_writer *writer, int64_t by_ms) {
    fq_command command = {.kind = &nothing_kind, .units = 1};
    atomic_fetch_add(&writer->clock_move_ms, by_ms);
    const fq_err err = fq_writer_run(writer, &command);
    if (err.code == FQ_UNAVAILABLE) {
        // it was not taken; it must not come later
        atomic_fetch_sub(&writer->clock_move_ms, by_ms);
    }
    return err;
}

fq_err fq_writer_start(fq_writer *writer) {
    FQ_ASSERT(!writer->started);
    if (pthread_create(&writer->thread, NULL, run, writer) != 0) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    if (pthread_create(&writer->warden, NULL, watch, writer) != 0) {
        fq_queue_close(&writer->queue);
        pthread_join(writer->thread, NULL);
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    writer->started = true;
    return FQ_OK;
}

void fq_writer_give_up(fq_writer *writer) {
    atomic_store(&writer->giving_up, true);
}

void fq_writer_stop(fq_writer *writer) {
    fq_writer_give_up(writer);
    fq_queue_close(&writer->queue);
    if (writer->started) {
        pthread_mutex_lock(&writer->warden_lock);
        writer->stopping = true;
        pthread_cond_signal(&writer->warden_wake);
        pthread_mutex_unlock(&writer->warden_lock);
        pthread_join(writer->warden, NULL);
        pthread_join(writer->thread, NULL);
        writer->started = false;
    }
}
