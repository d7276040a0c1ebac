// The world: what a seed is about, who has the next turn, and time. All chance in it comes from the
// seed.
#include "sim/sim.h"

#include "base/clock.h"
#include "base/random.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

enum { SETTLE_ROUNDS = 40, DAY_MS = 86400000, HOUR_MS = 3600000 };

sim_world *sim_now;

// --- the simulated user service: a database of events ---

static const fq_table *const users_tables[] = {&fq_event_table};
static const fq_schema users_schema = {.service = "user", .tables = users_tables, .table_count = 1};

static void make_users(sim_world *world) {
    static const uint8_t roles[SIM_USERS] = {FQ_ROLE_PAYER,
                                             FQ_ROLE_PAYER,
                                             FQ_ROLE_PAYER | FQ_ROLE_MERCHANT,
                                             FQ_ROLE_MERCHANT,
                                             FQ_ROLE_PAYER | FQ_ROLE_MERCHANT,
                                             FQ_ROLE_PAYER};
    world->users_engine = sim_engine_make(world->users_db, NULL, 0);
    world->users_service = (fq_service){.engine = &world->users_engine->base,
                                        .readers = (fq_reader_pool *)world->users_engine};
    for (size_t i = 0; i < SIM_USERS; i++) {
        world->users[i] = (sim_user){.id = 100 + i, .status = FQ_USER_IS_ACTIVE, .roles = roles[i]};
        sim_tell_user(world, &world->users[i]);
    }
}

// --- beginning and end ---

// How often things go wrong differs from seed to seed: rare faults meet long histories, frequent
// ones each other.
static void choose(sim_world *world) {
    static const unsigned rates[] = {0, 30, 60, 150, 400};
    enum { RATES = sizeof(rates) / sizeof(rates[0]) };
    world->crash_one_in = rates[sim_below(world, RATES)];
    world->commit_one_in = rates[sim_below(world, RATES)] / 4;
    world->error_one_in = rates[sim_below(world, RATES)];
    world->lose_one_in = rates[sim_below(world, RATES)] / 4;
    world->twice_one_in = rates[sim_below(world, RATES)] / 4;
    world->nest_one_in = sim_chance(world, 3) ? 0 : 2 + (unsigned)sim_below(world, 20);
    world->two_of_order = sim_chance(world, 3);
    world->two_of_payment = !sim_chance(world, 3);
    world->authorization_ms = sim_chance(world, 2) ? 7 * (int64_t)DAY_MS : HOUR_MS;
    world->users_close = sim_chance(world, 3);
    world->fee_bps = sim_chance(world, 2) ? 0 : 150;
}

sim_world *sim_world_make(uint64_t seed, uint64_t steps, sim_mutant mutant, bool trace) {
    sim_world *world = calloc(1, sizeof(*world));
    FQ_ASSERT(world != NULL);
    sim_now = world;
    world->seed = seed;
    world->steps = steps;
    world->mutant = mutant;
    world->trace = trace;
    world->random.state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    world->wall_ms = FQ_EPOCH_MS + 700 * (int64_t)DAY_MS;
    world->monotonic_ns = 1000000000;
    choose(world);
    world->users_db = sim_database_make(&users_schema);
    world->order_db = sim_database_make(&order_schema);
    world->payment_db = sim_database_make(&payment_schema);
    world->checked = sim_checked_make();
    make_users(world);
    world->faults = true;
    return world;
}

// Those that were taken over go on for a while, beside the ones that took over.
static void bury(sim_world *world) {
    sim_process **at = &world->replaced;
    while (*at) {
        sim_process *process = *at;
        if (process->alive && world->faults && !sim_chance(world, 20)) {
            at = &process->next_replaced;
            continue;
        }
        *at = process->next_replaced;
        sim_process_free(process);
    }
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        if (world->slots[i] && !world->slots[i]->alive) {
            sim_process_free(world->slots[i]);
            world->slots[i] = NULL;
        }
    }
}

void sim_world_free(sim_world *world) {
    world->faults = false;
    bury(world);
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        if (world->slots[i]) {
            sim_process_free(world->slots[i]);
        }
    }
    sim_engine_free(world->users_engine);
    sim_database_free(world->users_db);
    sim_database_free(world->order_db);
    sim_database_free(world->payment_db);
    sim_checked_free(world->checked);
    free(world);
    sim_now = NULL;
}

// --- turns ---

static bool is_used(const sim_world *world, size_t slot) {
    return slot % 2 == 0 || (slot == 1 ? world->two_of_order : world->two_of_payment);
}

static void restart(sim_world *world, bool at_once) {
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        if (is_used(world, i) && !world->slots[i] && (at_once || sim_chance(world, 3))) {
            sim_process_start(world, i);
        }
    }
}

static void move_clock(sim_world *world) {
    static const int64_t jumps[] = {1000,  60000, HOUR_MS, -HOUR_MS,
                                    -1000, -300,  60000,   2 * (int64_t)DAY_MS};
    const int64_t by_ms = jumps[sim_below(world, sizeof(jumps) / sizeof(jumps[0]))];
    world->wall_ms += by_ms;
    sim_trace(world, "the clock moves by %lld ms", (long long)by_ms);
}

static void change_user(sim_world *world) {
    sim_user *user = &world->users[sim_below(world, SIM_USERS)];
    if (user->status == FQ_USER_IS_CLOSED) {
        return;
    }
    user->close_asked |= world->users_close && sim_chance(world, 4);
    if (user->close_asked && sim_chance(world, 2)) {
        sim_close_user(world, user);
        return;
    }
    user->status = user->status == FQ_USER_IS_ACTIVE && sim_chance(world, 4) ? FQ_USER_IS_FROZEN
                                                                             : FQ_USER_IS_ACTIVE;
    sim_tell_user(world, user);
}

static void run_one(sim_world *world) {
    const bool old = world->replaced && sim_chance(world, 3);
    sim_process *process = old ? world->replaced : world->slots[sim_below(world, SIM_SLOTS)];
    if (!process || !process->alive) {
        return;
    }
    if (sim_chance(world, 2)) {
        sim_process_write(process);
    } else {
        sim_process_move(process);
    }
}

static void take_turn(sim_world *world) {
    const uint64_t turn = sim_below(world, 100);
    if (turn < 22) {
        sim_client_act(world);
    } else if (turn < 52) {
        sim_deliver(world);
    } else if (turn < 94) {
        run_one(world);
    } else if (turn < 98) {
        sim_chance(world, 2) ? change_user(world) : move_clock(world);
    }
}

static void pass(sim_world *world, int64_t ms) {
    world->wall_ms += ms;
    world->monotonic_ns += ms * 1000000;
}

static uint64_t commits_of(const sim_world *world) {
    return world->order_db->commits + world->payment_db->commits;
}

void sim_world_step(sim_world *world) {
    world->step++;
    const uint64_t commits = commits_of(world), crashes = world->crashes;
    bury(world);
    restart(world, false);
    pass(world, 1 + (int64_t)sim_below(world, 200));
    take_turn(world);
    if (commits_of(world) != commits || world->crashes != crashes) {
        sim_check(world);
    }
}

// One round in which everybody finishes what he can.
static void round_of_all(sim_world *world) {
    bury(world);
    restart(world, true);
    pass(world, 40000);  // leases of timed work run out
    for (size_t i = 0; i < SIM_USERS; i++) {
        if (world->users[i].close_asked) {
            sim_close_user(world, &world->users[i]);
        }
    }
    while (world->message_count > 0) {
        sim_deliver(world);
    }
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        if (world->slots[i] && world->slots[i]->alive) {
            sim_process_finish(world->slots[i]);
        }
    }
}

void sim_world_settle(sim_world *world) {
    world->faults = false;
    sim_trace(world, "no more faults");
    bury(world);
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        if (world->slots[i]) {
            sim_process_free(world->slots[i]);  // all start anew, with what is durable
            world->slots[i] = NULL;
        }
    }
    for (int round = 0; round < SETTLE_ROUNDS; round++) {
        if (round == SETTLE_ROUNDS / 2) {
            world->wall_ms += 60 * (int64_t)DAY_MS;  // everything that lapses has lapsed
        }
        if (round < SETTLE_ROUNDS - 5) {
            sim_client_ask_open(world);
        }
        round_of_all(world);
        world->step++;
    }
    sim_check(world);
    sim_check_quiet(world);
}

// --- in place of the machine's clocks and chance (linked with --wrap) ---

int64_t __wrap_fq_wall_ms(void);
int64_t __wrap_fq_monotonic_ms(void);
int64_t __wrap_fq_monotonic_ns(void);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
void __wrap_fq_random(void *out, size_t bytes);
_Noreturn void __wrap_fq_assert_failed(const char *condition, const char *file, int line);

int64_t __wrap_fq_wall_ms(void) {
    return sim_now->wall_ms;
}

int64_t __wrap_fq_monotonic_ms(void) {
    return sim_now->monotonic_ns / 1000000;
}

int64_t __wrap_fq_monotonic_ns(void) {
    return sim_now->monotonic_ns;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left) {
    (void)left;
    sim_now->monotonic_ns += wanted->tv_sec * INT64_C(1000000000) + wanted->tv_nsec;
    return 0;
}

void __wrap_fq_random(void *out, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)out)[i] = (uint8_t)test_random_u64(&sim_now->random);
    }
}

void __wrap_fq_assert_failed(const char *condition, const char *file, int line) {
    sim_fail(sim_now, "assertion failed: %s (%s:%d)", condition, file, line);
}
