// The work that is measured: paying orders, one a request or in bulk, and checking each answer.
#pragma once

#include "bench/world.h"

enum { BENCH_SAMPLE_MAX = 1000 };

// A payment that was answered right, to be read back after the run.
typedef struct {
    uint64_t payment_id, order_id;
    uint32_t amount_minor;
} bench_paid;

// The payers of one thread.
typedef struct {
    bench_world *world;
    bench_template template;
    uint32_t bulk;
    uint64_t *first_taken;  // by slot: index of the first order asked for
    uint32_t *taken_count;
    // A fair sample of all right payments (reservoir sampling); NULL when none is wanted.
    bench_paid *sample;
    uint64_t seen, random;
} bench_payer;

// How many slots a payer may have is `connections`. Memory comes from the arena.
void bench_payer_init(bench_payer *payer, fq_arena *arena, bench_world *world,
                      const fq_bench_options *options, uint64_t seed);
// What a payer's arena takes at most.
size_t bench_payer_arena_bytes(const fq_bench_options *options);

// The work of `bulk` payments a request, for bench_payer states.
bench_work bench_pay_work(uint32_t bulk);
