// What there must be before anyone can pay: users with money, and orders. Made through the API,
// before the clock starts.
// Which order is whose and for how much follows from the seed and the order's number alone.
#pragma once

#include "base/arena.h"
#include "bench/message.h"
#include "bench/stage.h"

#define BENCH_CURRENCY "CNY"
enum {
    BENCH_AMOUNT_MIN = 1000,  // all amounts have four digits, so that all requests have one length
    BENCH_AMOUNT_MAX = 9999,
    BENCH_ORDERS_A_CALL = 500,
};
// Of each wallet: enough for 10 million payments without one coming back.
#define BENCH_TOPUP_MINOR INT64_C(100000000000)

// An order that is to be paid.
typedef struct {
    uint64_t id;
    uint32_t payer;  // index of the wallet
    uint32_t amount_minor;
} bench_order;

typedef struct {
    const bench_caller *caller;
    uint32_t wallet_count;
    double hot_share;
    uint64_t seed;
    uint64_t *wallets;  // the users' ids
    uint32_t wallets_made, wallets_filled;
    uint64_t serial;  // number of the next order to make
    // The orders of this round. The threads that pay take them one after the other; the count taken
    // may run over.
    bench_order *orders;
    uint64_t order_count;
    atomic_uint_fast64_t order_taken;
    fq_arena wallets_memory, orders_memory;
} bench_world;

void bench_world_init(bench_world *world, const bench_caller *caller,
                      const fq_bench_options *options);
void bench_world_free(bench_world *world);

// Makes the users, and tops each of them up. `out` says how it went; anything wrong means that it
// failed.
void bench_world_make_users(bench_world *world, bench_run *run, bench_tally *out);
void bench_world_make_topups(bench_world *world, bench_run *run, bench_tally *out);
// Forgets the orders that were taken and makes `count` more.
void bench_world_make_orders(bench_world *world, bench_run *run, uint64_t count, bench_tally *out);
uint64_t bench_world_orders_left(const bench_world *world);
