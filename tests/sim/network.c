// The ways between clients and services, and between services: what travels may be lost, late,
// twice, or overtaken.
#include "service/edge.h"
#include "sim/sim.h"

#include <stdlib.h>

enum { CALL_BYTES_MAX = 1 << 20 };

// --- between clients and services ---

void sim_send(sim_world *world, const sim_message *message) {
    if (sim_fault(world, world->lose_one_in) || world->message_count == SIM_MESSAGES_MAX) {
        return;
    }
    world->messages[world->message_count++] = *message;
    if (sim_fault(world, world->twice_one_in) && world->message_count < SIM_MESSAGES_MAX) {
        world->messages[world->message_count++] = *message;
    }
}

void sim_call_free(sim_call *call) {
    sim_call **at = &call->process->calls;
    while (*at != call) {
        at = &(*at)->next;
    }
    *at = call->next;
    call->intent->calls_open--;
    fq_arena_free(&call->arena);
    free(call);
}

static bool is_for_order(sim_kind kind) {
    return kind == SIM_ORDER || kind == SIM_ORDER_BULK || kind == SIM_ORDER_CANCEL;
}

static sim_call *call_make(sim_process *process, sim_intent *intent) {
    sim_call *call = calloc(1, sizeof(*call));
    FQ_ASSERT(call != NULL);
    fq_arena_init(&call->arena, CALL_BYTES_MAX);
    call->intent = intent;
    call->process = process;
    call->successes_before = intent->successes;
    const fq_row *followed = sim_find(process->engine->db, &fq_followed_table, FQ_SERVICE_USER);
    call->followed_before = followed ? ((const fq_followed_row *)followed)->position : 0;
    call->command = sim_command_make(process->world, call);
    call->command->user = call;
    call->next = process->calls;
    process->calls = call;
    intent->calls_open++;
    return call;
}

// What a request's way to the writer is: the step before it where it has one, the fact stage, the
// queue.
static void accept_call(sim_process *process, sim_call *call) {
    fq_command *command = call->command;
    const fq_service_kind *kind = process->service.kind;
    if (command->kind == &order_cancel_kind) {
        sim_process_route(process);
        fq_call edge = {.arena = &call->arena, .service = &process->service, .caller = command->by};
        command->outcome = order_before_cancel(&edge, command);
        if (!process->alive) {
            return;  // its timers have crashed it meanwhile
        }
        if (command->outcome.code) {
            sim_answer_calls(process, command);
            return;
        }
    }
    if (!(kind->submit ? kind->submit(&process->service, command)
                       : fq_writer_submit(process->service.writer, command))) {
        command->outcome = fq_refuse(FQ_UNAVAILABLE, NULL);
        sim_answer_calls(process, command);
    }
}

void sim_deliver(sim_world *world) {
    if (world->message_count == 0) {
        return;
    }
    const size_t which = sim_below(world, world->message_count);
    const sim_message message = world->messages[which];
    world->messages[which] = world->messages[--world->message_count];
    sim_intent *intent = &world->intents[message.intent];
    if (message.to_client) {
        sim_client_receive(world, &message);
        return;
    }
    sim_process *process = sim_process_pick(world, is_for_order(intent->kind));
    if (process) {
        sim_trace(world, "request %u comes to %s", intent->number, sim_process_name(process));
        accept_call(process, call_make(process, intent));
    }
}

// --- answers ---

static sim_user *user_of(sim_world *world, uint64_t id) {
    for (size_t i = 0; i < SIM_USERS; i++) {
        if (world->users[i].id == id) {
            return &world->users[i];
        }
    }
    return NULL;
}

// Was the user frozen, and this known to the service, since before the request came?
static bool was_frozen(const sim_call *call, uint64_t id) {
    sim_world *world = call->process->world;
    const sim_user *user = user_of(world, id);
    return user && user->status != FQ_USER_IS_ACTIVE && user->told_at <= call->followed_before;
}

static bool moves_money(sim_kind kind) {
    return kind == SIM_TOP_UP || kind == SIM_PAY || kind == SIM_PAY_BULK || kind == SIM_CAPTURE;
}

static void check_frozen(const sim_call *call, const sim_answer *answer) {
    const sim_intent *intent = call->intent;
    const bool may_move = !moves_money(intent->kind) || answer->replayed;
    for (size_t i = 0; !may_move && i < answer->count; i++) {
        const sim_item *item = &intent->items[i];
        const bool is_payees = intent->kind == SIM_CAPTURE && was_frozen(call, item->other);
        if (!answer->codes[i] && (is_payees || was_frozen(call, item->user))) {
            sim_fail(call->process->world,
                     "request %u moved money of a user known to be frozen or closed",
                     intent->number);
        }
    }
}

static bool is_same(const sim_answer *a, const sim_answer *b) {
    return memcmp(&a->digest, &b->digest, sizeof(a->digest)) == 0;
}

static bool may_come_any_time(fq_code code) {
    return code == FQ_UNAVAILABLE || code >= FQ_FACT_MISSING;
}

// What the service says about one intent must agree over all its answers, whether they arrive or
// not.
static void compare_answers(const sim_call *call, const sim_answer *answer) {
    sim_world *world = call->process->world;
    sim_intent *intent = call->intent;
    if (answer->code == FQ_INTERNAL && !intent->poison) {
        sim_fail(world, "request %u got a 500 for another one's fault", intent->number);
    }
    if (!call->command->request.asked) {
        return;
    }
    if (answer->code) {
        if (call->successes_before > 0 && !may_come_any_time(answer->code)) {
            sim_fail(world, "request %u was done, and is refused when asked again: %s",
                     intent->number, fq_error_row_of(answer->code)->name);
        }
        return;
    }
    intent->fresh_successes += !answer->replayed;
    if (intent->successes++ == 0) {
        intent->made = *answer;
    }
    if (!is_same(answer, &intent->made)) {
        sim_fail(world, "request %u has two answers", intent->number);
    }
    if (intent->fresh_successes > 1) {
        sim_fail(world, "request %u was done twice", intent->number);
    }
}

// Has another process its lease, and it has not noticed yet? It then deals ids that the other one
// deals too. It commits none of them, but what it says without a commit is worth nothing.
static bool is_void(const sim_process *process, const sim_answer *answer) {
    const sim_engine *engine = process->engine;
    return (answer->code || answer->replayed) &&
           engine->epoch != engine->db->epochs[engine->writer];
}

void sim_answer_calls(sim_process *process, fq_command *list) {
    sim_world *world = process->world;
    while (list) {
        const fq_command *command = list;
        list = command->next;
        sim_call *call = command->user;
        const sim_answer answer = sim_answer_of(command);
        sim_trace(world, "%s answers request %u: %s%s", sim_process_name(process),
                  call->intent->number, fq_error_row_of(answer.code)->name,
                  answer.replayed ? " again" : "");
        if (!is_void(process, &answer)) {
            compare_answers(call, &answer);
            check_frozen(call, &answer);
            world->replays += answer.replayed;
            world->answers++;
            sim_send(world, &(sim_message){true, call->intent->number, answer});
        }
        sim_call_free(call);
    }
}

void __wrap_fq_edge_commands_done(fq_command *list);
void __wrap_fq_edge_commands_done(fq_command *list) {
    if (list) {
        sim_answer_calls(((sim_call *)list->user)->process, list);
    }
}

// --- between services ---

fq_err __real_fq_peer_events(const fq_peers *peers, fq_service_number number, uint64_t position,
                             size_t count_max, fq_arena *arena, fq_event_row **out_rows,
                             size_t *out_count);
fq_err __wrap_fq_peer_events(const fq_peers *peers, fq_service_number number, uint64_t position,
                             size_t count_max, fq_arena *arena, fq_event_row **out_rows,
                             size_t *out_count);
fq_err __real_fq_order_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids,
                                size_t count, fq_order_facts *out);
fq_err __wrap_fq_order_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids,
                                size_t count, fq_order_facts *out);
fq_err __wrap_fq_user_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids,
                               size_t count, fq_user_facts *out);

// Events come at least once: sometimes those before come again, and rarely all that there are.
fq_err __wrap_fq_peer_events(const fq_peers *peers, fq_service_number number, uint64_t position,
                             size_t count_max, fq_arena *arena, fq_event_row **out_rows,
                             size_t *out_count) {
    sim_world *world = sim_now;
    if (!peers->peer[number].local || sim_fault(world, world->lose_one_in)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    if (sim_fault(world, world->twice_one_in) && position > 0) {
        position -= 1 + sim_below(world, position < 3 ? position : 3);
    }
    if (world->faults) {
        count_max = 1 + sim_below(world, 8);
    }
    return __real_fq_peer_events(peers, number, position, count_max, arena, out_rows, out_count);
}

fq_err __wrap_fq_order_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids,
                                size_t count, fq_order_facts *out) {
    if (!peers->peer[FQ_SERVICE_ORDER].local || sim_fault(sim_now, sim_now->lose_one_in)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    return __real_fq_order_facts_of(peers, arena, ids, count, out);
}

fq_err __wrap_fq_user_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids,
                               size_t count, fq_user_facts *out) {
    (void)peers, (void)arena;
    if (sim_fault(sim_now, sim_now->lose_one_in)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        const sim_user *user = user_of(sim_now, ids[i]);
        out[i] = (fq_user_facts){.id.v = ids[i]};
        if (user) {
            out[i] = (fq_user_facts){.id.v = ids[i],
                                     .exists = true,
                                     .status = (fq_user_status)user->status,
                                     .roles = user->roles,
                                     .version = user->version};
        }
    }
    return FQ_OK;
}

// --- the user service, as far as others see it: its events ---

#define TOLD_COLUMNS(C, R)            \
    C(R, fq_user_id, id, FQ_KEY)      \
    C(R, uint8_t, status, FQ_CHANGES) \
    C(R, uint8_t, roles, FQ_CHANGES)  \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(told_row, TOLD_COLUMNS)
static const fq_column told_columns[] = {FQ_COLUMNS(told_row, TOLD_COLUMNS)};
static const fq_table told_table = {
    .name = "user", .key_count = 1, FQ_TABLE_OF(told_row, told_columns)};

void sim_tell_user(sim_world *world, sim_user *user) {
    sim_database *db = world->users_db;
    fq_buffer told;
    fq_buffer_init(&told, 64);
    user->version++;
    user->told_at = ++db->head.position[FQ_JOURNAL_EVENT];
    const told_row row = {.row = {.table = &told_table},
                          .id.v = user->id,
                          .status = user->status,
                          .roles = user->roles,
                          .version = user->version};
    fq_row_encode_told(&row.row, &told);
    const fq_event_row event = {.row = {.table = &fq_event_table},
                                .position = user->told_at,
                                .type = 1,
                                .subject = user->id,
                                .version = user->version,
                                .at_ms = world->wall_ms,
                                .told = fq_buffer_str(&told)};
    sim_database_put(db, &event.row);
    fq_buffer_free(&told);
    static const char *const names[] = {"", "active", "frozen", "closed"};
    sim_trace(world, "user %llu is %s", (unsigned long long)user->id, names[user->status]);
}

void sim_close_user(sim_world *world, sim_user *user) {
    // What was told in between may have opened him again.
    user->close_allowed &= user->version == user->close_version;
    if (user->close_allowed) {
        user->close_asked = user->close_allowed = false;
        user->status = FQ_USER_IS_CLOSED;
        sim_tell_user(world, user);
        return;
    }
    sim_process *process = sim_process_pick(world, false);
    if (user->close_asked && process) {
        sim_process_route(process);
        process->peers.peer[FQ_SERVICE_PAYMENT].local = &process->service;
        user->close_version = user->version;
        const fq_err err = fq_payment_close_user(&process->peers, (fq_user_id){user->id});
        user->close_allowed = !err.code;
        user->close_asked = err.code != FQ_STATE_CONFLICT;
        sim_trace(world, "payment says of closing user %llu: %s", (unsigned long long)user->id,
                  fq_error_row_of(err.code)->name);
    }
}
