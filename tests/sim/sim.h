// The simulator's nouns: one world of databases, processes, clients and users, all of it moved by
// one seed.
//
// What runs in it is the services' own code, from the queue to the commit, following, timers and
// the fact stage. What is simulated is around it: the store (store.c), clocks and processes
// (world.c), the ways between them (network.c), clients (clients.c). Nothing here reads a real
// clock, starts a thread or opens a file.
#pragma once

#include "order/rows.h"
#include "payment/rows.h"
#include "sim/store.h"
#include "unit/support.h"

#include <setjmp.h>

typedef struct sim_process sim_process;
typedef struct sim_world sim_world;

// Bugs put in on purpose: name, what is wrong. Each must be found; mutants.c says how, store.c and
// network.c where.
#define SIM_MUTANTS(X)                                                             \
    X(half_commit, "a crash within a commit leaves half of it")                    \
    X(forgotten_sync, "a commit is answered before it is durable")                 \
    X(forgotten_request, "what was done under an Idempotency-Key is not recorded") \
    X(unguarded, "an order's guard is not looked at before a payment")             \
    X(wrong_settle, "a commit whose outcome was unknown is found out wrongly")     \
    X(skipped_event, "a follower leaves out an event")                             \
    X(forgotten_position, "a follower does not keep how far it came")              \
    X(stale_load, "a row changed by another writer in between is not noticed")     \
    X(early_reply, "answers leave before the commit")                              \
    X(old_lease, "a writer whose lease was taken over commits")
typedef enum {
    SIM_NO_MUTANT = 0,
#define X(name, what) SIM_MUTANT_##name,
    SIM_MUTANTS(X)
#undef X
} sim_mutant;

enum {
    SIM_USERS = 6,
    SIM_ITEMS_MAX = 4,  // of a bulk
    SIM_INTENTS_MAX = 400,
    SIM_MESSAGES_MAX = 256,
    SIM_KNOWN_MAX = 400,
    SIM_SLOTS = 4,  // places where a process may run: two writers of order, two of payment
};

// --- clients ---

typedef enum {
    SIM_TOP_UP,
    SIM_ORDER,
    SIM_ORDER_BULK,
    SIM_ORDER_CANCEL,
    SIM_PAY,
    SIM_PAY_BULK,
    SIM_CAPTURE,
    SIM_CANCEL,
    SIM_REFUND,
    SIM_KINDS,
} sim_kind;

// What one command, or one item of a bulk, asks for.
typedef struct {
    // user: payer, payee of an order, owner of a wallet; other: an order's payer
    uint64_t order, payment, user, other;
    int64_t amount_minor, expires_in_ms;
    // which of the seed's currencies and references; reference 0: none
    uint8_t currency, reference;
    bool manual;
} sim_item;

// What a client saw, or would see: enough to tell whether two answers are the same.
typedef struct {
    fq_code code;
    bool replayed;
    fq_hash digest;
    size_t count;
    fq_code codes[SIM_ITEMS_MAX];
    uint64_t ids[SIM_ITEMS_MAX], payees[SIM_ITEMS_MAX];
    uint64_t subject;
} sim_answer;

// Something that a client wants: asked for under one Idempotency-Key until it is answered, however
// often that takes.
typedef struct {
    uint32_t number;
    sim_kind kind;
    fq_caller by;
    uint32_t key;                  // of idempotency; two intents may share one
    uint64_t hash_high, hash_low;  // of it, once asked
    sim_item items[SIM_ITEMS_MAX];
    size_t count;
    bool atomic, poison;
    // What its client knows.
    bool answered;  // it needs no further try
    bool succeeded;
    sim_answer first;  // of the successes
    // What only the simulator knows.
    sim_answer made;  // as the service first said it
    uint32_t calls_open, calls_died, successes, fresh_successes;
} sim_intent;

typedef struct {
    uint64_t id, payee, payer;
    int64_t amount_minor;
    uint8_t currency;
} sim_known_order;

typedef struct {
    uint64_t id, payee, payer;
    int64_t amount_minor;
    bool manual;
} sim_known_payment;

// A request in a process: what an HTTP exchange is in the real one.
typedef struct sim_call {
    struct sim_call *next;
    fq_arena arena;
    fq_command *command;
    sim_intent *intent;
    sim_process *process;
    uint64_t followed_before;  // when it came: how far its service had followed users
    uint32_t successes_before;
    bool told_early;  // by a mutant
} sim_call;

typedef struct {
    bool to_client;
    uint32_t intent;
    sim_answer answer;
} sim_message;

// --- users: the truth, told by events ---

typedef struct {
    uint64_t id, version, told_at;  // position of the last event about him
    uint8_t status, roles;
    // To be closed: asked for, and allowed by payment, but not told yet.
    bool close_asked, close_allowed;
    uint64_t close_version;  // his, when payment was asked
} sim_user;

// --- processes ---

struct sim_process {
    sim_world *world;
    size_t slot;
    bool is_order;
    fq_service service;
    fq_peers peers;
    sim_engine *engine;
    jmp_buf crash;
    bool alive, running;
    size_t handled;  // commands, by the last batch
    int64_t clock_error_ms;
    sim_call *calls;
    fq_command *staged, **staged_end;  // in the fact stage
    struct fq_follow *follows;
    struct fq_worker *timers;
    sim_process *next_replaced;
};

struct sim_world {
    uint64_t seed, step, steps;
    bool trace;
    sim_mutant mutant;
    test_random random;
    // What this seed is about.
    bool faults;
    unsigned crash_one_in, error_one_in, commit_one_in, nest_one_in, lose_one_in, twice_one_in;
    int64_t authorization_ms, fee_bps;
    bool users_close;
    // Time.
    int64_t wall_ms, monotonic_ns;
    // Those who act.
    sim_database *users_db, *order_db, *payment_db;
    sim_engine *users_engine;
    fq_service users_service;
    sim_process *slots[SIM_SLOTS];
    size_t slots_used;
    bool two_of_order, two_of_payment;
    sim_process *replaced;  // whose lease was taken over while they slept
    int depth;              // how many processes are in the middle of something
    sim_user users[SIM_USERS];
    // The network.
    sim_message messages[SIM_MESSAGES_MAX];
    size_t message_count;
    // Clients.
    sim_intent intents[SIM_INTENTS_MAX];
    uint32_t intent_count, key_count;
    sim_known_order orders[SIM_KNOWN_MAX];
    sim_known_payment payments[SIM_KNOWN_MAX];
    size_t order_count, payment_count;
    // Of the checks.
    struct sim_checked *checked;
    uint64_t commits, crashes, conflicts, unknowns, replays, takeovers, answers;
};

// for the functions that take the place of the machine's, which know no context
extern sim_world *sim_now;

// --- world.c ---

sim_world *sim_world_make(uint64_t seed, uint64_t steps, sim_mutant mutant, bool trace);
void sim_world_free(sim_world *world);
void sim_world_step(sim_world *world);
// No more faults: everything that was begun comes to its end.
void sim_world_settle(sim_world *world);
static inline bool sim_chance(sim_world *world, unsigned one_in) {
    return test_random_chance(&world->random, one_in);
}
static inline uint64_t sim_below(sim_world *world, uint64_t count) {
    return test_random_below(&world->random, count);
}
// A fault, if this seed has any of that kind: one in so many.
static inline bool sim_fault(sim_world *world, unsigned one_in) {
    return world->faults && one_in > 0 && sim_chance(world, one_in);
}
_Noreturn void sim_fail(sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void sim_trace(sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

// --- processes.c ---

// False when the store does not let it start now.
bool sim_process_start(sim_world *world, size_t slot);
// For the end of one whose frames have all returned.
void sim_process_free(sim_process *process);
// One batch; false when the process crashed in it.
bool sim_process_write(sim_process *process);
// Its fact stage, a follower or its timers, whichever has its turn.
void sim_process_move(sim_process *process);
// All of these, and everything that waits for its writer; for when there are no faults.
void sim_process_finish(sim_process *process);
_Noreturn void sim_process_crash(sim_process *process, const char *where);
// A process of that service that can be called now, or NULL.
sim_process *sim_process_pick(sim_world *world, bool is_order);
// Lets every peer of the process be one that is alive; one in a while, none.
void sim_process_route(sim_process *process);
const char *sim_process_name(const sim_process *process);

// --- follower.c, timers.c: the services' own code, without its threads ---

struct fq_follow *sim_follows_make(fq_service *service);
void sim_follows_free(struct fq_follow *follows);
// Applies what is new of rule `index`; says whether there was anything.
bool sim_follow_once(struct fq_follow *follows, size_t index);
struct fq_worker *sim_timers_make(fq_service *service);
void sim_timers_free(struct fq_worker *timers);
bool sim_timers_once(struct fq_worker *timers);

// --- network.c ---

void sim_send(sim_world *world, const sim_message *message);
void sim_deliver(sim_world *world);
void sim_answer_calls(sim_process *process, fq_command *list);
void sim_call_free(sim_call *call);
void sim_tell_user(sim_world *world, sim_user *user);
// One step of closing him, where that was asked for: payment is asked first, and may be asked
// again.
void sim_close_user(sim_world *world, sim_user *user);

// --- clients.c ---

void sim_client_act(sim_world *world);
void sim_client_ask_open(sim_world *world);
void sim_client_receive(sim_world *world, const sim_message *message);
// Makes the command of an intent; it lives in the call's arena.
fq_command *sim_command_make(sim_world *world, sim_call *call);
sim_answer sim_answer_of(const fq_command *command);
fq_currency sim_currency(uint8_t which);

// --- checks ---

struct sim_checked *sim_checked_make(void);
void sim_checked_free(struct sim_checked *checked);
// What always holds, on what is durable now.
void sim_check(sim_world *world);
void sim_check_ledger(sim_world *world);
void sim_check_business(sim_world *world);
void sim_check_journal(sim_world *world, sim_database *db, size_t which);
void sim_check_clients(sim_world *world);
// What holds once nothing is under way any more.
void sim_check_quiet(sim_world *world);
