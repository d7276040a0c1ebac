// Processes: each runs one writer of one service with its fact stage, followers and timers, and can
// crash in the middle of any of its steps. The functions at the end stand where the real ones would
// start threads or wait for them.
#include "sim/sim.h"

#include <stdlib.h>

enum { FOLLOW_RULES_OF_ORDER = 2, DEPTH_MAX = 3 };

const char *sim_process_name(const sim_process *process) {
    static const char *const names[SIM_SLOTS] = {"order/0", "order/1", "payment/0", "payment/1"};
    return names[process->slot];
}

// --- beginning and end ---

static int64_t now_ms(void *context) {
    const sim_process *process = context;
    return process->world->wall_ms + process->clock_error_ms;
}

static void done(void *context, fq_command *list) {
    sim_process *process = context;
    fq_command *answered = NULL, **end = &answered;
    (void)sim_at(process, SIM_AT_REPLY);
    while (list) {
        fq_command *command = list;
        list = command->next;
        command->next = NULL;
        const fq_service_kind *kind = process->service.kind;
        if (kind->returned && kind->returned(&process->service, command)) {
            continue;
        }
        *end = command;
        end = &command->next;
    }
    sim_answer_calls(process, answered);
}

static void observed(void *context, const fq_writer_sample *sample) {
    const sim_process *process = context;
    fq_measure_batch(&process->service, sample);
}

static void counted(void *context, fq_batch *batch) {
    sim_process *process = context;
    if (process->service.kind->count) {
        process->service.kind->count(&process->service, batch);
    }
}

static void wire(sim_process *process) {
    sim_world *world = process->world;
    process->is_order = process->slot < 2;
    process->engine = sim_engine_make(process->is_order ? world->order_db : world->payment_db,
                                      process, (uint32_t)(process->slot % 2));
    process->staged_end = &process->staged;
    // The stage for facts and the pool of readers are told by what stands in their place.
    process->service = (fq_service){
        .kind = process->is_order ? &fq_order_service : &fq_payment_service,
        .engine = &process->engine->base,
        .readers = (fq_reader_pool *)process->engine,
        .peers = &process->peers,
        .facts = (fq_fact_stage *)process,
    };
    fq_measure_init(&process->service.measures, process->service.kind->name, "simulated");
}

bool sim_process_start(sim_world *world, size_t slot) {
    sim_process *process = calloc(1, sizeof(*process));
    FQ_ASSERT(process != NULL);
    process->world = world;
    process->slot = slot;
    process->clock_error_ms = world->faults ? test_random_between(&world->random, -2000, 2000) : 0;
    wire(process);
    const fq_writer_config config = {
        .service = process->service.kind->name,
        .engine = process->service.engine,
        .batch_units_max = 1 + (uint32_t)sim_below(world, 40),
        .queue_units_max = sim_fault(world, 8) ? 5 : 10000,
        .now_ms = now_ms,
        .done = done,
        .observed = observed,
        .counted = counted,
        .context = process,
    };
    if (fq_writer_make(&config, &process->service.writer).code) {
        process->service.writer = NULL;
        sim_process_free(process);
        return false;
    }
    process->follows = sim_follows_make(&process->service);
    process->timers = sim_timers_make(&process->service);
    if (!process->follows) {
        sim_process_free(process);
        return false;
    }
    process->alive = true;
    world->slots[slot] = process;
    sim_trace(world, "%s starts", sim_process_name(process));
    return true;
}

void sim_process_free(sim_process *process) {
    while (process->calls) {
        sim_call *call = process->calls;
        call->intent->calls_died++;
        sim_call_free(call);
    }
    if (process->service.writer) {
        fq_writer_free(process->service.writer);
    }
    sim_follows_free(process->follows);
    sim_timers_free(process->timers);
    sim_engine_free(process->engine);
    free(process);
}

// --- running ---

void sim_process_crash(sim_process *process, const char *where) {
    FQ_ASSERT(process->running);
    sim_trace(process->world, "%s crashes %s", sim_process_name(process), where);
    process->world->crashes++;
    process->alive = false;
    sim_database_recover(process->engine->db);
    longjmp(process->crash, 1);
}

bool sim_process_write(sim_process *process) {
    FQ_ASSERT(process->alive && !process->running);
    process->running = true;
    process->world->depth++;
    if (setjmp(process->crash) == 0) {
        process->handled = fq_writer_run_once(process->service.writer);
    }
    process->world->depth--;
    process->running = false;
    return process->alive;
}

static void resolve(sim_process *process) {
    fq_command *list = process->staged;
    process->staged = NULL;
    process->staged_end = &process->staged;
    if (list) {
        fq_service_resolve(&process->service, list);
    }
}

void sim_process_move(sim_process *process) {
    sim_process_route(process);
    const size_t rules = process->service.kind->follow_count;
    const uint64_t turn = sim_below(process->world, rules + 2);
    if (turn < rules) {
        sim_follow_once(process->follows, turn);
    } else if (turn == rules) {
        sim_timers_once(process->timers);
    } else {
        resolve(process);
    }
}

void sim_process_finish(sim_process *process) {
    for (size_t rule = 0; process->alive && rule < process->service.kind->follow_count; rule++) {
        sim_process_route(process);
        while (sim_follow_once(process->follows, rule)) {
        }
    }
    sim_process_route(process);
    sim_timers_once(process->timers);
    resolve(process);
    do {
        sim_process_write(process);
        resolve(process);
    } while (process->handled > 0);
}

sim_process *sim_process_pick(sim_world *world, bool is_order) {
    sim_process *able[SIM_SLOTS];
    size_t count = 0;
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        sim_process *process = world->slots[i];
        if (process && process->alive && !process->running && process->is_order == is_order) {
            able[count++] = process;
        }
    }
    return count > 0 ? able[sim_below(world, count)] : NULL;
}

void sim_process_route(sim_process *process) {
    sim_world *world = process->world;
    for (size_t number = FQ_SERVICE_ORDER; number <= FQ_SERVICE_PAYMENT; number++) {
        sim_process *peer = sim_process_pick(world, number == FQ_SERVICE_ORDER);
        const bool reached = peer && !sim_fault(world, world->lose_one_in);
        process->peers.peer[number].local = reached ? &peer->service : NULL;
    }
    process->peers.peer[FQ_SERVICE_USER].local = &world->users_service;
    process->peers.peer[process->service.kind->number].local = &process->service;
}

// --- what else happens while a process is between two calls of its store ---

// The same writer number is leased to another process, as if this one had slept for long.
static void take_over(sim_process *process) {
    sim_world *world = process->world;
    if (world->slots[process->slot] == process && sim_process_start(world, process->slot)) {
        sim_trace(world, "%s was taken over", sim_process_name(process));
        world->takeovers++;
        process->next_replaced = world->replaced;
        world->replaced = process;
    }
}

static void interleave(sim_process *process) {
    sim_world *world = process->world;
    if (sim_chance(world, 12)) {
        take_over(process);
    }
    // Mostly one that writes to the same database.
    sim_process *other = sim_process_pick(world, process->is_order != sim_chance(world, 4));
    if (!other) {
        return;
    }
    sim_trace(world, "%s in the middle of %s", sim_process_name(other), sim_process_name(process));
    sim_deliver(world);
    sim_process_move(other);
    if (other->alive && !other->running) {
        sim_process_write(other);
    }
}

// For a mutant: whoever would be told after the commit is told already.
static void tell_early(sim_process *process) {
    for (sim_call *call = process->calls; call; call = call->next) {
        const fq_command *command = call->command;
        if (!command->outcome.code && command->subject != 0 && !call->told_early) {
            call->told_early = true;
            sim_send(process->world,
                     &(sim_message){true, call->intent->number, sim_answer_of(command)});
        }
    }
}

static fq_err fault_at(sim_world *world, sim_point point) {
    static const fq_code codes[] = {FQ_STORE_LOST, FQ_STORE_CONFLICT, FQ_STORE_LOST, FQ_STORE_FULL};
    switch (point) {
    case SIM_AT_REPLY:
        return FQ_OK;
    case SIM_AT_BEGIN:
    case SIM_AT_SETTLE:
    case SIM_AT_LEASE:
    case SIM_AT_READ:
        return fq_refuse(FQ_STORE_LOST, NULL);
    case SIM_AT_LOAD:
    case SIM_AT_SAVE:
    case SIM_AT_HEAD:
        break;
    }
    return fq_refuse(codes[sim_below(world, sizeof(codes) / sizeof(codes[0]))], NULL);
}

fq_err sim_at(sim_process *process, sim_point point) {
    static const char *const names[] = {"at begin",  "at load",  "at save", "at the head",
                                        "at settle", "at lease", "at read", "before it answers"};
    if (!process) {
        return FQ_OK;
    }
    sim_world *world = process->world;
    if (point <= SIM_AT_SAVE && !process->engine->holds_head && world->depth < DEPTH_MAX &&
        sim_fault(world, world->nest_one_in)) {
        interleave(process);
    }
    if (point == SIM_AT_HEAD && world->mutant == SIM_MUTANT_early_reply) {
        tell_early(process);
    }
    if (process->running && sim_fault(world, world->crash_one_in)) {
        sim_process_crash(process, names[point]);
    }
    return sim_fault(world, world->error_one_in) ? fault_at(world, point) : FQ_OK;
}

sim_commit_fate sim_commit_fate_of(sim_process *process, fq_err *out_err) {
    static const fq_code refusals[] = {FQ_STORE_CONFLICT, FQ_STORE_LOST, FQ_STORE_FULL};
    sim_world *world = process->world;
    if (process->running && sim_fault(world, world->crash_one_in)) {
        static const sim_commit_fate crashes[] = {SIM_CRASHES_BEFORE, SIM_CRASHES_WITHIN,
                                                  SIM_CRASHES_AFTER};
        return crashes[sim_below(world, 3)];
    }
    if (!sim_fault(world, world->commit_one_in)) {
        return SIM_COMMITS;
    }
    if (sim_chance(world, 2)) {
        return sim_chance(world, 2) ? SIM_UNKNOWN_DONE : SIM_UNKNOWN_NOT_DONE;
    }
    *out_err = fq_refuse(refusals[sim_below(world, 3)], NULL);
    return SIM_COMMIT_REFUSED;
}

// --- in place of what waits for threads (linked with --wrap) ---

fq_err __wrap_fq_writer_run(fq_writer *writer, fq_command *command);
bool __wrap_fq_fact_stage_submit(fq_fact_stage *stage, fq_command *command);
fq_err __wrap_fq_reader_pool_borrow(fq_reader_pool *pool, fq_reader **out);
void __wrap_fq_reader_pool_return(fq_reader_pool *pool, fq_reader *reader);

static sim_process *process_of(const fq_writer *writer) {
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        if (sim_now->slots[i] && sim_now->slots[i]->service.writer == writer) {
            return sim_now->slots[i];
        }
    }
    for (sim_process *process = sim_now->replaced; process; process = process->next_replaced) {
        if (process->service.writer == writer) {
            return process;
        }
    }
    return NULL;
}

static void note_done(fq_command *command) {
    *(bool *)command->user = true;
}

fq_err __wrap_fq_writer_run(fq_writer *writer, fq_command *command) {
    sim_process *process = process_of(writer);
    const bool from_elsewhere = command->kind == &guard_close_kind;
    if (!process || !process->alive || process->running ||
        (from_elsewhere && sim_fault(sim_now, sim_now->lose_one_in))) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    bool is_done = false;
    command->user = &is_done;
    command->done = note_done;
    command->next = NULL;
    if (!fq_writer_submit(writer, command)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    while (!is_done && sim_process_write(process)) {
    }
    // A crash after the commit, or an answer lost on its way: it was done, and nobody knows.
    if (!is_done || (from_elsewhere && sim_fault(sim_now, sim_now->lose_one_in))) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    return command->outcome;
}

bool __wrap_fq_fact_stage_submit(fq_fact_stage *stage, fq_command *command) {
    sim_process *process = (sim_process *)stage;
    command->next = NULL;
    *process->staged_end = command;
    process->staged_end = &command->next;
    return true;
}

fq_err __wrap_fq_reader_pool_borrow(fq_reader_pool *pool, fq_reader **out) {
    fq_engine *engine = (fq_engine *)pool;
    return engine->ops->reader_open(engine, out);
}

void __wrap_fq_reader_pool_return(fq_reader_pool *pool, fq_reader *reader) {
    ((fq_engine *)pool)->ops->reader_close(reader);
}
