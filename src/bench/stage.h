// One stage of a run (making users, paying …): the loops in their threads, and the main thread that
// watches over them.
#pragma once

#include "bench/bench.h"
#include "bench/loop.h"
#include "bench/server.h"

// What the stages of one run share.
typedef struct {
    const fq_bench_options *options;
    struct sockaddr_in address;
    bench_server server;
} bench_run;

typedef struct {
    const char *name;  // for the progress line
    uint64_t total;    // how many are to be made; 0 while unknown
    const bench_work *work;
    void *const *states;  // one a thread
    uint32_t threads;
    uint32_t connections;  // over all threads, at least one each
    double rate;           // requests a second over all threads; 0 for closed loop
    double seconds;        // 0: until the work has nothing left
} bench_stage;

// Runs the stage and merges what its threads saw into `out`, which is all zero before. Samples the
// server's memory meanwhile and tells the caller of the progress.
void bench_stage_run(bench_run *run, const bench_stage *stage, bench_tally *out);

// Right answers a second.
double bench_tally_rate(const bench_tally *tally);
