// The engine: one thread, many kept-alive connections, one request at a time on each. It decides
// when a request is due and measures how long its answer took; what is asked and what is a right
// answer is the work's affair.
#pragma once

#include "base/histogram.h"
#include "bench/answer.h"

#include <netinet/in.h>
#include <stdatomic.h>

#define BENCH_ERROR_TEXT_MAX 512

// What a judge says of one answer.
typedef struct {
    uint32_t right, wrong;  // payments, orders, users …
    fq_str fault;           // what to show when something was wrong; empty for the whole body
} bench_verdict;

// A source of requests and the judge of their answers. `slot` is the connection, below the loop's
// count: a request's answer comes in the slot where it was asked, before the slot's next request.
typedef struct {
    size_t request_bytes_max;
    size_t answer_bytes_max;
    // Writes the next request to `out` and returns its length; 0 when there is nothing left to ask.
    size_t (*ask)(void *state, uint32_t slot, char *out);
    // Also called, with a status of 0, for a request that will never be answered.
    bench_verdict (*judge)(void *state, uint32_t slot, const bench_answer *answer);
} bench_work;

typedef struct {
    struct sockaddr_in address;
    uint32_t connections;
    int64_t duration_ns;  // nothing is asked after it; 0: until the work has nothing left
    double rate;          // requests a second in open loop; 0 for closed loop
    bool even;            // even spacing instead of Poisson arrivals
    uint64_t seed;        // of the arrivals
    int64_t timeout_ns;   // for one answer; then its connection is made anew
} bench_loop_options;

// What happened. The counters may be read by another thread meanwhile; the rest only afterwards.
typedef struct {
    atomic_uint_fast64_t right, wrong, requests;
    // In closed loop from the moment of sending, in open loop from the moment it was due, whether
    // or not a connection was free then: so a stall of the server counts for all that it held up
    // (coordinated omission). Right answers and lost requests are counted, wrong answers are not.
    fq_histogram latency_us;
    int64_t started_ns, ended_ns;  // monotonic: the first request, the last answer
    bool unreachable;              // not one connection could be made, or none was left
    char first_error[BENCH_ERROR_TEXT_MAX];
} bench_tally;

// Runs until the time is over or the work done, and all that was asked is answered or lost. `out`
// is all zero before.
void bench_loop_run(const bench_loop_options *options, const bench_work *work, void *state,
                    bench_tally *out);

// A small seeded generator (SplitMix64), for choices that must be the same each time; not for
// secrets.
uint64_t bench_random(uint64_t *state);
