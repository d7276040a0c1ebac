// A server that answers the load generator's requests from memory, in one thread, and can be told
// to go wrong. It checks no signature and knows no rule: what it proves is that the generator
// counts and times what it is answered.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    // Every so many payments (of a bulk: items) one goes wrong; 0 for never.
    unsigned refuse_every, wrong_order_every, wrong_amount_every, drop_every;
    // At this request for payment the whole server stands still, once; 0 for never.
    unsigned stall_at, stall_ms;
    unsigned lose_money_every;  // payments that debit, but do not credit
    unsigned refuse_users;      // answers POST /v1/users with a problem
} fake_faults;

typedef struct {
    fake_faults faults;
    uint16_t port;
    // What it saw; to be read when it has stopped.
    uint64_t payments, payment_requests, hot_payments, connections;
    int64_t balances[2000];
    // Its own.
    pthread_t thread;
    atomic_bool stop;
    int listener;
    uint64_t users, orders;
    struct {
        uint32_t payee, amount_minor;
    } * order_rows;
} fake_server;

// Listens on a port of 127.0.0.1 and serves until stopped.
void fake_server_start(fake_server *server, fake_faults faults);
void fake_server_stop(fake_server *server);
