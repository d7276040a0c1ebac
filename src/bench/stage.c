// One stage of a run: threads, progress, the server's memory.
#include "bench/stage.h"

#include "base/arena.h"
#include "base/clock.h"

#include <pthread.h>

enum { WATCH_MS = 200, TIMEOUT_S = 30 };
#define NS_PER_S INT64_C(1000000000)

typedef struct {
    pthread_t thread;
    bench_loop_options options;
    const bench_work *work;
    void *state;
    bench_tally tally;
} worker;

static void *run_worker(void *argument) {
    worker *w = argument;
    bench_loop_run(&w->options, w->work, w->state, &w->tally);
    return NULL;
}

static void watch(bench_run *run, const bench_stage *stage, worker *workers) {
    bench_server_sample(&run->server);
    uint64_t done = 0;
    for (uint32_t i = 0; i < stage->threads; i++) {
        done += atomic_load_explicit(&workers[i].tally.right, memory_order_relaxed);
    }
    if (run->options->progress) {
        run->options->progress(run->options->progress_state, stage->name, done, stage->total);
    }
}

static void join(bench_run *run, const bench_stage *stage, worker *workers, uint32_t index) {
    struct timespec until;
    do {
        watch(run, stage, workers);
        const int64_t until_ms = fq_wall_ms() + WATCH_MS;
        until = (struct timespec){.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    } while (pthread_timedjoin_np(workers[index].thread, NULL, &until) != 0);
}

static void merge(bench_tally *into, const bench_tally *from) {
    into->right += from->right;
    into->wrong += from->wrong;
    into->requests += from->requests;
    fq_histogram_merge(&into->latency_us, &from->latency_us);
    if (into->started_ns == 0 || (from->started_ns != 0 && from->started_ns < into->started_ns)) {
        into->started_ns = from->started_ns;
    }
    into->ended_ns = from->ended_ns > into->ended_ns ? from->ended_ns : into->ended_ns;
    into->unreachable |= from->unreachable;
    if (into->first_error[0] == '\0') {
        memcpy(into->first_error, from->first_error, sizeof(into->first_error));
    }
}

void bench_stage_run(bench_run *run, const bench_stage *stage, bench_tally *out) {
    FQ_ASSERT(stage->threads > 0 && stage->threads <= stage->connections);
    fq_arena arena;
    fq_arena_init(&arena, fq_array_bytes(stage->threads, sizeof(worker)));
    worker *workers = FQ_NEW_ARRAY(&arena, worker, stage->threads);
    for (uint32_t i = 0; i < stage->threads; i++) {
        workers[i].work = stage->work;
        workers[i].state = stage->states[i];
        workers[i].options = (bench_loop_options){
            .address = run->address,
            .connections =
                stage->connections / stage->threads + (i < stage->connections % stage->threads),
            .duration_ns = (int64_t)(stage->seconds * (double)NS_PER_S),
            .rate = stage->rate / stage->threads,
            .even = run->options->even,
            .seed = run->options->seed + i,
            .timeout_ns = TIMEOUT_S * NS_PER_S,
        };
        FQ_ASSERT(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) == 0);
    }
    for (uint32_t i = 0; i < stage->threads; i++) {
        join(run, stage, workers, i);
    }
    for (uint32_t i = 0; i < stage->threads; i++) {
        merge(out, &workers[i].tally);
    }
    watch(run, stage, workers);
    fq_arena_free(&arena);
}

double bench_tally_rate(const bench_tally *tally) {
    const double seconds = (double)(tally->ended_ns - tally->started_ns) / (double)NS_PER_S;
    return seconds > 0 ? (double)tally->right / seconds : 0;
}
