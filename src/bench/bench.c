// The course of a run: users, money, orders, warm-up, then rounds of paying while the clock runs,
// and the check.
#include "bench/bench.h"

#include "base/clock.h"
#include "bench/caller.h"
#include "bench/pay.h"
#include "bench/verify.h"

#include <stdarg.h>
#include <sys/resource.h>

enum { EXIT_DONE = 0, EXIT_WRONG = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3, EXIT_REFUSED = 4 };
enum {
    ROUND_ORDERS_MIN = 1000,
    ROUND_ORDERS_MAX = 2000000,      // 32 MB of the generator's memory
    WARMUP_ORDERS_A_SECOND = 40000,  // nobody knows yet how fast the server is
    WARMUP_ORDERS_A_SECOND_BULK = 80000,
};

const fq_bench_options fq_bench_defaults = {
    .connections = 256,
    .threads = 1,
    .wallets = 10000,
    .bulk = 1,
    .seconds = 10,
    .warmup_seconds = 2,
    .seed = 1,
};

// All of one run. It lives in an arena: the tally's histogram is large.
typedef struct {
    bench_run run;
    bench_caller caller;
    bench_world world;
    bench_payer *payers;
    bench_work work;
    fq_bench_report *report;
    bench_tally tally;
    double rate;  // payments a second, as seen last
} course;

__attribute__((format(printf, 3, 4))) static int fail(fq_bench_report *report, int exit_code,
                                                      const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->first_error, sizeof(report->first_error), format, arguments);
    va_end(arguments);
    return exit_code;
}

static int check_options(const fq_bench_options *o, fq_bench_report *report) {
    if (!o->url || !o->key_path) {
        return fail(report, EXIT_USAGE, "--url and --key are needed");
    }
    if (o->connections < 1 || o->connections > FQ_BENCH_CONNECTIONS_MAX || o->threads < 1 ||
        o->threads > FQ_BENCH_THREADS_MAX || o->threads > o->connections) {
        return fail(report, EXIT_USAGE,
                    "--connections is 1 to %d, --threads 1 to %d and not more than connections",
                    FQ_BENCH_CONNECTIONS_MAX, FQ_BENCH_THREADS_MAX);
    }
    if (o->wallets < 2 || o->wallets > FQ_BENCH_WALLETS_MAX || o->bulk < 1 ||
        o->bulk > FQ_BENCH_BULK_MAX) {
        return fail(report, EXIT_USAGE, "--wallets is 2 to %d, --bulk 1 to %d",
                    FQ_BENCH_WALLETS_MAX, FQ_BENCH_BULK_MAX);
    }
    if (!(o->hot_share >= 0 && o->hot_share <= 1) || !(o->rate >= 0 && o->rate <= 1e7)) {
        return fail(report, EXIT_USAGE, "--hot is 0 to 1, --rate 0 to 10000000");
    }
    if (o->payments > FQ_BENCH_PAYMENTS_MAX ||
        !(o->warmup_seconds >= 0 && o->warmup_seconds <= 3600) ||
        (o->payments == 0 && !(o->seconds > 0 && o->seconds <= FQ_BENCH_SECONDS_MAX))) {
        return fail(report, EXIT_USAGE,
                    "--seconds is more than 0 and at most %d, --payments at most %llu",
                    FQ_BENCH_SECONDS_MAX, (unsigned long long)FQ_BENCH_PAYMENTS_MAX);
    }
    return EXIT_DONE;
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// What a stage of the preparation says. Everything must have been right.
static int judge_preparation(course *c, const char *what, double *out_per_second) {
    *out_per_second = bench_tally_rate(&c->tally);
    if (c->tally.unreachable) {
        return fail(c->report, EXIT_UNREACHABLE, "%s: no %u connections could be made and kept%s%s",
                    c->run.options->url, c->run.options->connections,
                    c->tally.first_error[0] ? ": " : "", c->tally.first_error);
    }
    if (c->tally.wrong > 0) {
        return fail(c->report, EXIT_REFUSED, "while making %s: %.400s", what, c->tally.first_error);
    }
    return EXIT_DONE;
}

static int make_orders(course *c, uint64_t count) {
    const uint64_t left = bench_world_orders_left(&c->world);
    if (count <= left) {
        return EXIT_DONE;
    }
    c->tally = (bench_tally){0};
    bench_world_make_orders(&c->world, &c->run, count - left, &c->tally);
    c->report->orders += c->tally.right;
    return judge_preparation(c, "orders", &c->report->orders_per_second);
}

static int make_wallets(course *c) {
    c->tally = (bench_tally){0};
    bench_world_make_users(&c->world, &c->run, &c->tally);
    const int exit_code = judge_preparation(c, "users", &c->report->users_per_second);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    c->tally = (bench_tally){0};
    bench_world_make_topups(&c->world, &c->run, &c->tally);
    return judge_preparation(c, "top-ups", &c->report->topups_per_second);
}

// Pays for `seconds`, or until the orders are used up when that is 0. The result stands in
// c->tally.
static void pay(course *c, const char *name, double seconds, uint64_t total) {
    const fq_bench_options *o = c->run.options;
    void *states[FQ_BENCH_THREADS_MAX];
    for (uint32_t i = 0; i < o->threads; i++) {
        states[i] = &c->payers[i];
    }
    const bench_stage stage = {
        .name = name,
        .total = total,
        .work = &c->work,
        .states = states,
        .threads = o->threads,
        .connections = o->connections,
        .rate = o->rate / o->bulk,
        .seconds = seconds,
    };
    c->tally = (bench_tally){0};
    bench_stage_run(&c->run, &stage, &c->tally);
    if (c->tally.right > 0) {
        c->rate = bench_tally_rate(&c->tally);
    }
}

static int warm_up(course *c) {
    const fq_bench_options *o = c->run.options;
    if (o->warmup_seconds <= 0) {
        return EXIT_DONE;
    }
    const double guess = o->rate > 0   ? o->rate * 1.2
                         : o->bulk > 1 ? WARMUP_ORDERS_A_SECOND_BULK
                                       : WARMUP_ORDERS_A_SECOND;
    const int exit_code = make_orders(c, (uint64_t)(guess * o->warmup_seconds) + ROUND_ORDERS_MIN);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    pay(c, "warm-up", o->warmup_seconds, 0);
    return c->tally.wrong > 0
               ? fail(c->report, EXIT_REFUSED, "during warm-up: %.400s", c->tally.first_error)
               : EXIT_DONE;
}

// How many orders the next round is to have.
static uint64_t orders_wanted(const course *c) {
    const fq_bench_options *o = c->run.options;
    double wanted;
    if (o->payments > 0) {
        wanted = (double)(o->payments - c->report->payments - c->report->errors);
    } else {
        const double rate = o->rate > 0 ? o->rate : c->rate > 0 ? c->rate : WARMUP_ORDERS_A_SECOND;
        wanted = rate * (o->seconds - c->report->seconds) * 1.25 + ROUND_ORDERS_MIN;
    }
    return wanted < ROUND_ORDERS_MAX ? (uint64_t)wanted : ROUND_ORDERS_MAX;
}

static bool is_over(const course *c) {
    const fq_bench_options *o = c->run.options;
    if (o->payments > 0) {
        return c->report->payments + c->report->errors >= o->payments;
    }
    // What is left after the last round's end is less than an answer takes.
    return o->seconds - c->report->seconds < 0.05;
}

// One stretch of paying, during which the clock runs.
static void pay_round(course *c) {
    const fq_bench_options *o = c->run.options;
    fq_bench_report *r = c->report;
    bench_server_sample(&c->run.server);
    const double server_before = c->run.server.cpu_seconds, own_before = cpu_seconds();
    pay(c, "payments", o->payments > 0 ? 0 : o->seconds - r->seconds, o->payments);
    bench_server_sample(&c->run.server);
    r->generator_cpu_seconds += cpu_seconds() - own_before;
    r->server_cpu_seconds += c->run.server.cpu_seconds - server_before;
    r->seconds += (double)(c->tally.ended_ns - c->tally.started_ns) / 1e9;
    r->payments += c->tally.right;
    r->errors += c->tally.wrong;
    r->requests += c->tally.requests;
    r->rounds++;
    fq_histogram_merge(&r->latency_us, &c->tally.latency_us);
    if (r->first_error[0] == '\0') {
        memcpy(r->first_error, c->tally.first_error, sizeof(r->first_error));
    }
}

static int pay_rounds(course *c) {
    c->run.server.rss_bytes_max = 0;
    do {
        // Exactly as many orders as payments are asked for: left-over ones of the warm-up must not
        // make it more.
        if (c->run.options->payments > 0 && bench_world_orders_left(&c->world) > orders_wanted(c)) {
            c->world.order_taken = c->world.order_count - orders_wanted(c);
        }
        const int exit_code = make_orders(c, orders_wanted(c));
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
        pay_round(c);
        if (c->tally.unreachable) {
            return fail(c->report, EXIT_UNREACHABLE, "%s: the server went away",
                        c->run.options->url);
        }
    } while (!is_over(c));
    c->report->server_known = c->run.server.pid != 0;
    c->report->server_rss_bytes = c->run.server.rss_bytes_max;
    return c->report->errors > 0 ? EXIT_WRONG : EXIT_DONE;
}

static int verify(course *c) {
    bench_verification found;
    bench_verify(&c->world, &c->run, c->payers, c->run.options->threads, &found);
    c->report->verified = found.right;
    c->report->verified_payments = found.payments;
    c->report->verified_wallets = found.wallets;
    return found.right ? EXIT_DONE
                       : fail(c->report, EXIT_WRONG, "not verified: %.400s", found.first_error);
}

static int run_course(course *c, fq_arena *arena) {
    const fq_bench_options *o = c->run.options;
    c->run.address = c->caller.address;
    c->run.server.pid =
        o->server_pid > 0 ? o->server_pid : bench_server_find(ntohs(c->caller.address.sin_port));
    bench_server_sample(&c->run.server);
    c->report->server_rss_idle_bytes = c->run.server.rss_bytes;
    bench_world_init(&c->world, &c->caller, o);
    c->work = bench_pay_work(o->bulk);
    c->payers = FQ_NEW_ARRAY(arena, bench_payer, o->threads);
    for (uint32_t i = 0; i < o->threads; i++) {
        bench_payer_init(&c->payers[i], arena, &c->world, o, o->seed + i);
    }
    int exit_code = make_wallets(c);
    if (exit_code == EXIT_DONE && o->prepare_only) {
        return make_orders(c, orders_wanted(c));
    }
    if (exit_code == EXIT_DONE) {
        exit_code = warm_up(c);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = pay_rounds(c);
    }
    // A run with errors is verified as well: what was answered right must be so.
    if (exit_code <= EXIT_WRONG && o->verify) {
        const int verified = verify(c);
        exit_code = verified == EXIT_DONE ? exit_code : verified;
    }
    return exit_code;
}

int fq_bench_run(const fq_bench_options *options, fq_bench_report *out) {
    *out = (fq_bench_report){.started_at_ms = fq_wall_ms()};
    int exit_code = check_options(options, out);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    fq_arena arena;
    fq_arena_init(&arena, sizeof(course) + options->threads * (sizeof(bench_payer) +
                                                               bench_payer_arena_bytes(options)));
    course *c = FQ_NEW(&arena, course);
    c->run.options = options;
    c->report = out;
    exit_code = bench_caller_make(options, &c->caller, out->first_error);
    if (exit_code == EXIT_DONE) {
        exit_code = run_course(c, &arena);
        bench_world_free(&c->world);
    }
    bench_caller_free(&c->caller);
    fq_arena_free(&arena);
    return exit_code;
}
