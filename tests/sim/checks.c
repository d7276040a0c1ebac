// What always holds: entry to the checks, and those about promises to clients. They read what is
// durable, and what clients were told; never what a service has in memory.
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

// --- what requests have made ---

// The rows that carry a request's mark, by request and item.
typedef struct {
    uint32_t rows[SIM_INTENTS_MAX][SIM_ITEMS_MAX];
    uint64_t ids[SIM_INTENTS_MAX][SIM_ITEMS_MAX];
} effects;

static void count_rows(sim_world *world, sim_database *db, const fq_table *table, effects *all) {
    const sim_table *rows = sim_table_of(db, table);
    const fq_column *metadata = fq_table_column(table, "metadata");
    for (size_t i = 0; i < rows->count; i++) {
        const fq_str text = fq_column_bytes(rows->rows[i], metadata);
        unsigned intent = 0, item = 0;
        char copy[64];
        snprintf(copy, sizeof(copy), "%.*s", FQ_STR_ARGS(text));
        if (sscanf(copy, "{\"t\":\"%u.%u\"", &intent, &item) != 2 || intent >= SIM_INTENTS_MAX ||
            item >= SIM_ITEMS_MAX) {
            sim_fail(world, "a row of %s is nobody's doing", table->name);
        }
        all->rows[intent][item]++;
        all->ids[intent][item] = (uint64_t)fq_column_integer(rows->rows[i], &table->columns[0]);
    }
}

static sim_database *db_of(sim_world *world, const sim_intent *intent) {
    const bool is_order = intent->kind == SIM_ORDER || intent->kind == SIM_ORDER_BULK ||
                          intent->kind == SIM_ORDER_CANCEL;
    return is_order ? world->order_db : world->payment_db;
}

static bool makes_rows(sim_kind kind) {
    return kind != SIM_ORDER_CANCEL && kind != SIM_CAPTURE && kind != SIM_CANCEL;
}

// Exactly what the service said, or a client was told, is there.
static void check_made(sim_world *world, const sim_intent *intent, const sim_answer *answer,
                       const effects *all) {
    for (size_t i = 0; makes_rows(intent->kind) && i < intent->count; i++) {
        const bool made = !answer->codes[i];
        const uint32_t rows = all->rows[intent->number][i];
        if (rows != made || (made && all->ids[intent->number][i] != answer->ids[i])) {
            sim_fail(world, "request %u, item %zu: told that it was %s, and %u are there",
                     intent->number, i, made ? "made" : "refused", rows);
        }
    }
}

// The record that lets the same request find its answer again.
static void check_record(sim_world *world, const sim_intent *intent) {
    sim_database *db = db_of(world, intent);
    const int64_t key[FQ_TABLE_KEYS_MAX] = {(int64_t)intent->hash_high, (int64_t)intent->hash_low};
    const fq_request_row *record =
        (const fq_request_row *)sim_table_find(sim_table_of(db, &fq_request_table), key);
    if (!record || record->subject != intent->first.subject) {
        sim_fail(world, "request %u was done, and its Idempotency-Key is not recorded",
                 intent->number);
    }
    const fq_event_row *event = (const fq_event_row *)sim_find(db, &fq_event_table, record->event);
    if (record->event != 0 && !event) {
        sim_fail(world, "the record of request %u names an event that is not there",
                 intent->number);
    }
}

static void check_intent(sim_world *world, const sim_intent *intent, const effects *all,
                         uint32_t *made_by_key) {
    uint32_t rows = 0;
    for (size_t i = 0; i < intent->count; i++) {
        rows += all->rows[intent->number][i];
        if (all->rows[intent->number][i] > 1) {
            sim_fail(world, "request %u, item %zu was done %u times", intent->number, i,
                     all->rows[intent->number][i]);
        }
    }
    if (intent->successes > 0) {
        check_made(world, intent, &intent->made, all);
    }
    if (intent->succeeded) {
        check_made(world, intent, &intent->first, all);
        check_record(world, intent);
    }
    if (rows > 0 && (intent->poison || (intent->calls_open == 0 && intent->calls_died == 0 &&
                                        intent->successes == 0))) {
        sim_fail(world, "request %u was refused, and has an effect", intent->number);
    }
    if (intent->kind == SIM_PAY_BULK && intent->atomic && rows != 0 && rows != intent->count) {
        sim_fail(world, "%u of %zu payments of atomic request %u were made", rows, intent->count,
                 intent->number);
    }
    // One key, one effect, whatever was asked of the service under it.
    uint32_t *made = &made_by_key[2 * intent->key + (db_of(world, intent) == world->order_db)];
    *made += rows > 0;
    if (*made > 1) {
        sim_fail(world, "the Idempotency-Key of request %u was used for two effects",
                 intent->number);
    }
}

void sim_check_clients(sim_world *world) {
    effects *all = calloc(1, sizeof(*all));
    uint32_t *made_by_key = calloc(2 * SIM_INTENTS_MAX, sizeof(uint32_t));
    FQ_ASSERT(all != NULL && made_by_key != NULL);
    count_rows(world, world->order_db, &order_table, all);
    count_rows(world, world->payment_db, &payment_table, all);
    count_rows(world, world->payment_db, &refund_table, all);
    count_rows(world, world->payment_db, &topup_table, all);
    for (uint32_t i = 0; i < world->intent_count; i++) {
        check_intent(world, &world->intents[i], all, made_by_key);
    }
    free(made_by_key);
    free(all);
}

// --- whose key moved money ---

// 900 is the administrator's key, 1000 and up the payers' own, 2000 and up the payees'.
static void check_keys(sim_world *world) {
    const sim_table *events = sim_table_of(world->payment_db, &fq_event_table);
    for (size_t i = 0; i < events->count; i++) {
        const fq_event_row *event = (const fq_event_row *)events->rows[i];
        const bool by_admin = event->by_key == 900;
        bool may = true;
        if (event->version == 1 &&
            (event->type == FQ_PAYMENT_SUCCEEDED || event->type == FQ_PAYMENT_AUTHORIZED)) {
            const payment_row *payment =
                (const payment_row *)sim_find(world->payment_db, &payment_table, event->subject);
            may = by_admin || event->by_key == 1000 + payment->payer_id.v;
        } else if (event->type == FQ_REFUND_SUCCEEDED) {
            const refund_row *refund =
                (const refund_row *)sim_find(world->payment_db, &refund_table, event->subject);
            may = by_admin || event->by_key == 2000 + refund->payee_id.v;
        } else if (event->type == FQ_TOPUP_SUCCEEDED) {
            may = by_admin;
        }
        if (!may) {
            sim_fail(world, "event %llu moved money by key %llu, which may not",
                     (unsigned long long)event->position, (unsigned long long)event->by_key);
        }
    }
}

void sim_check(sim_world *world) {
    sim_check_journal(world, world->order_db, 0);
    sim_check_journal(world, world->payment_db, 1);
    sim_check_ledger(world);
    sim_check_business(world);
    sim_check_clients(world);
    check_keys(world);
}
