// What holds once nothing is under way: services agree with each other, and nothing was forgotten.
#include "sim/sim.h"

// --- order follows payment ---

static order_status status_by(const guard_row *guard) {
    switch (guard ? (fq_guard_state)guard->state : FQ_GUARD_OPEN) {
    case FQ_GUARD_OPEN:
    case FQ_GUARD_HELD:
        return ORDER_PENDING;
    case FQ_GUARD_PAID:
        break;
    case FQ_GUARD_CANCELLED:
        return ORDER_CANCELLED;
    case FQ_GUARD_EXPIRED:
        return ORDER_EXPIRED;
    }
    if (guard->refunded_minor == 0) {
        return ORDER_PAID;
    }
    return guard->refunded_minor < guard->paid_minor ? ORDER_PARTIALLY_REFUNDED : ORDER_REFUNDED;
}

static void check_orders(sim_world *world) {
    const sim_table *orders = sim_table_of(world->order_db, &order_table);
    for (size_t i = 0; i < orders->count; i++) {
        const order_row *order = (const order_row *)orders->rows[i];
        const guard_row *guard =
            (const guard_row *)sim_find(world->payment_db, &guard_table, order->id.v);
        const int64_t paid_minor = guard ? guard->paid_minor : 0,
                      refunded_minor = guard ? guard->refunded_minor : 0;
        if (order->status != status_by(guard) || order->paid_minor != paid_minor ||
            order->refunded_minor != refunded_minor) {
            sim_fail(world, "order %llu is %s, and payment says otherwise (guard %d)",
                     (unsigned long long)order->id.v,
                     order_status_text((order_status)order->status), guard ? guard->state : 0);
        }
        // By now every order has ended.
        if (order->status == ORDER_PENDING) {
            sim_fail(world, "order %llu has lapsed, and nobody noticed",
                     (unsigned long long)order->id.v);
        }
    }
}

// --- timed work is done, and none is left for what has ended ---

static void check_work(sim_world *world) {
    const sim_table *of_orders = sim_table_of(world->order_db, &fq_work_table);
    const sim_table *of_payments = sim_table_of(world->payment_db, &fq_work_table);
    if (of_orders->count > 0 || of_payments->count > 0) {
        sim_fail(world, "%zu timers of orders and %zu of payments are left", of_orders->count,
                 of_payments->count);
    }
    const sim_table *payments = sim_table_of(world->payment_db, &payment_table);
    for (size_t i = 0; i < payments->count; i++) {
        const payment_row *payment = (const payment_row *)payments->rows[i];
        if (payment->status == FQ_PAYMENT_IS_AUTHORIZED) {
            sim_fail(world, "the authorisation of payment %llu never ended",
                     (unsigned long long)payment->id.v);
        }
    }
}

// --- users as they are ---

static void check_parties(sim_world *world, sim_database *db) {
    for (size_t i = 0; i < SIM_USERS; i++) {
        const sim_user *user = &world->users[i];
        const fq_party_row *party = (const fq_party_row *)sim_find(db, &fq_party_table, user->id);
        if (!party || party->status != user->status || party->version != user->version ||
            party->roles != user->roles) {
            sim_fail(world, "%s does not know how user %llu is", db->schema->service,
                     (unsigned long long)user->id);
        }
    }
}

static void check_followed(sim_world *world, sim_database *db, const sim_database *of,
                           fq_service_number source) {
    const fq_followed_row *followed =
        (const fq_followed_row *)sim_find(db, &fq_followed_table, source);
    const uint64_t position = followed ? followed->position : 0;
    if (position != of->head.position[FQ_JOURNAL_EVENT]) {
        sim_fail(world, "%s has followed %s up to %llu of %llu", db->schema->service,
                 of->schema->service, (unsigned long long)position,
                 (unsigned long long)of->head.position[FQ_JOURNAL_EVENT]);
    }
}

// --- clients have their answers ---

static void check_answered(sim_world *world) {
    for (uint32_t i = 0; i < world->intent_count; i++) {
        const sim_intent *intent = &world->intents[i];
        if (!intent->answered || intent->calls_open > 0) {
            sim_fail(world, "request %u never got an answer", intent->number);
        }
    }
}

void sim_check_quiet(sim_world *world) {
    check_answered(world);
    check_followed(world, world->order_db, world->users_db, FQ_SERVICE_USER);
    check_followed(world, world->order_db, world->payment_db, FQ_SERVICE_PAYMENT);
    check_followed(world, world->payment_db, world->users_db, FQ_SERVICE_USER);
    check_orders(world);
    check_work(world);
    check_parties(world, world->order_db);
    check_parties(world, world->payment_db);
}
