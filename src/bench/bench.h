// The load generator: drives a real server over sockets with signed requests, checks every answer,
// and measures. Asked by the `bench` subcommand alone. Knows the server only by its contract on the
// wire, never by its code.
#pragma once

#include "base/histogram.h"
#include "base/str.h"

#include <stdio.h>

#define FQ_BENCH_CONNECTIONS_MAX 10000
#define FQ_BENCH_THREADS_MAX 64
#define FQ_BENCH_WALLETS_MAX 1000000
#define FQ_BENCH_BULK_MAX 1000  // of the contract
#define FQ_BENCH_SECONDS_MAX 86400
#define FQ_BENCH_PAYMENTS_MAX UINT64_C(1000000000)

typedef struct {
    const char *url;               // "http://127.0.0.1:8080"
    const char *key_path;          // what `feiqian keys create --output json` printed
    const char *private_key_path;  // PEM, for a key that is not hmac-sha256; or NULL
    uint32_t connections, threads;
    uint32_t wallets;  // users, each of them payer and merchant
    double hot_share;  // 0 to 1: the payments that go to one merchant; 0 for all alike
    uint32_t bulk;     // payments a request; 1 for POST /v1/payments
    double
        // payments a second, in open loop; 0: each connection asks again as soon as it is answered
        rate;
    bool even;  // open loop: even spacing instead of Poisson arrivals
    double seconds, warmup_seconds;
    uint64_t payments;  // exactly that many instead of `seconds`; 0 for none
    uint64_t seed;      // decides who pays whom and how much
    bool prepare_only;  // stop before the first payment
    bool verify;     // afterwards, read a sample of the payments back, and the sum of all balances
    int server_pid;  // 0: the process that listens on the URL's port, when it is on this machine
    // Told about five times a second; may be NULL. `total` is 0 while it is unknown.
    void (*progress)(void *state, const char *stage, uint64_t done, uint64_t total);
    void *progress_state;
} fq_bench_options;

// What `bench` does where no flag says otherwise.
extern const fq_bench_options fq_bench_defaults;

typedef struct {
    int64_t started_at_ms;  // Unix milliseconds
    uint64_t payments;      // answered right
    uint64_t requests;      // of the run, right or wrong
    uint64_t errors;        // payments answered wrong, or not at all
    double seconds;         // from the first request to the last answer
    fq_histogram latency_us;
    double generator_cpu_seconds;
    bool server_known;  // else the next three are nothing
    double server_cpu_seconds;
    int64_t server_rss_idle_bytes;  // before anything was asked
    int64_t server_rss_bytes;       // the highest seen during the run
    uint32_t
        rounds;  // stretches of paying, between which orders were made and the clock stood still
    double users_per_second, topups_per_second, orders_per_second;  // of the preparation
    uint64_t orders;
    bool verified;  // asked for and found right
    uint64_t verified_payments, verified_wallets;
    char
        first_error[512];  // the first wrong answer, or why the run ended; empty when all was right
} fq_bench_report;

// Runs it all. Returns the command's exit code: 0 done, 1 something was answered wrong, 2 wrong
// usage, 3 could not reach the server or open a file, 4 refused by the server while preparing.
// After any but 0 `out->first_error` says why; after 0 and 1 the rest of `out` is filled.
int fq_bench_run(const fq_bench_options *options, fq_bench_report *out);

// Writes the report as one JSON object, or as a table for people, with a description of this
// machine.
void fq_bench_report_json(const fq_bench_options *options, const fq_bench_report *report,
                          FILE *out);
void fq_bench_report_table(const fq_bench_options *options, const fq_bench_report *report,
                           FILE *out);
