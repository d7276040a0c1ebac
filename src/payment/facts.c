// The fact stage: what a payment needs to know of other services before its writer can decide it.
// Asked for all at once, for every command that waits.
#include "payment/rows.h"

#include "base/metrics.h"
#include "service/edge.h"

#include <stdlib.h>

enum { ASKED_MAX = 1000, ARENA_BYTES_MAX = 256 << 20 };  // rows of 190 KiB at most

// The commands that carry facts, one after the other, whatever kind they are.
typedef struct {
    fq_command *command;
    size_t index;
} walk;

// What is known, and of whom: the payer (or the only user), and the order's payee.
typedef struct {
    payment_facts *facts;
    uint64_t order, payer;
} need;

static bool next_need(walk *at, need *out) {
    while (at->command) {
        fq_command *command = at->command;
        const size_t index = at->index++;
        if (command->kind == &payment_bulk_kind && index < ((payment_bulk *)command)->count) {
            bulk_item *item = &((payment_bulk *)command)->items[index];
            payment_pay *pay = &item->pay;
            if (item->fault.code) {
                continue;
            }
            *out = (need){&pay->facts, pay->order_id.v, pay->payer_id.v};
            return true;
        }
        if (command->kind == &payment_pay_kind && index == 0) {
            payment_pay *pay = (payment_pay *)command;
            *out = (need){&pay->facts, pay->order_id.v, pay->payer_id.v};
            return true;
        }
        if (command->kind == &topup_create_kind && index == 0) {
            topup_create *topup = (topup_create *)command;
            *out = (need){&topup->facts, 0, topup->user_id.v};
            return true;
        }
        at->command = command->next;
        at->index = 0;
    }
    return false;
}

// Does the command come back from the writer, because a user was not known there? Then users are
// asked for too.
static bool wants_users(const payment_facts *facts) {
    return facts->order_known && !facts->users_known;
}

static fq_err ask_orders(fq_service *service, const uint64_t *ids, payment_facts **facts,
                         size_t count) {
    if (count == 0) {
        return FQ_OK;
    }
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    fq_order_facts *found = FQ_NEW_ARRAY(&arena, fq_order_facts, count);
    const fq_err err = fq_order_facts_of(service->peers, &arena, ids, count, found);
    for (size_t i = 0; i < count && !err.code; i++) {
        facts[i]->order = found[i];
        facts[i]->order_known = true;
    }
    fq_arena_free(&arena);
    return (fq_err){.code = err.code};  // its texts were the arena's
}

static fq_err find_orders(fq_service *service, fq_command *list) {
    uint64_t ids[ASKED_MAX];
    payment_facts *facts[ASKED_MAX];
    size_t count = 0;
    walk at = {list, 0};
    for (need next; next_need(&at, &next);) {
        if (next.facts->order_known) {
            continue;
        }
        if (next.order == 0) {
            next.facts->order_known = true;
            continue;
        }
        ids[count] = next.order;
        facts[count++] = next.facts;
        if (count == ASKED_MAX) {
            FQ_TRY(ask_orders(service, ids, facts, count));
            count = 0;
        }
    }
    return ask_orders(service, ids, facts, count);
}

static fq_err ask_users(fq_service *service, const uint64_t *ids, fq_user_facts **out,
                        size_t count) {
    if (count == 0) {
        return FQ_OK;
    }
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    fq_user_facts *found = FQ_NEW_ARRAY(&arena, fq_user_facts, count);
    const fq_err err = fq_user_facts_of(service->peers, &arena, ids, count, found);
    for (size_t i = 0; i < count && !err.code; i++) {
        *out[i] = found[i];
    }
    fq_arena_free(&arena);
    return (fq_err){.code = err.code};
}

static fq_err find_users(fq_service *service, fq_command *list) {
    uint64_t ids[ASKED_MAX + 1];
    fq_user_facts *facts[ASKED_MAX + 1];
    size_t count = 0;
    walk at = {list, 0};
    for (need next; next_need(&at, &next);) {
        if (!wants_users(next.facts)) {
            continue;
        }
        ids[count] = next.payer;
        facts[count++] = &next.facts->payer;
        if (next.facts->order.exists) {
            ids[count] = next.facts->order.payee.v;
            facts[count++] = &next.facts->payee;
        }
        if (count >= ASKED_MAX - 1) {
            FQ_TRY(ask_users(service, ids, facts, count));
            count = 0;
        }
    }
    FQ_TRY(ask_users(service, ids, facts, count));
    at = (walk){list, 0};
    for (need next; next_need(&at, &next);) {
        next.facts->users_known |= wants_users(next.facts);
    }
    return FQ_OK;
}

// Users first, for those that came back because one was not known; orders then for the new ones.
fq_err payment_find_facts(fq_service *service, fq_command *list) {
    FQ_TRY(find_users(service, list));
    return find_orders(service, list);
}

bool payment_submit(fq_service *service, fq_command *command) {
    const bool needs_order =
        command->kind == &payment_pay_kind || command->kind == &payment_bulk_kind;
    if (needs_order) {
        return fq_fact_stage_submit(service->facts, command);
    }
    return fq_writer_submit(service->writer, command);
}

static void count_refusal(fq_err err) {
    if (err.code) {
        fq_metrics_add_to(FQ_METRIC_PAYMENTS_REFUSED, fq_str_of(fq_error_row_of(err.code)->name),
                          FQ_STR(""), FQ_STR(""), 1);
    }
}

static void count_refusals(const fq_command *command) {
    if (command->kind == &payment_pay_kind) {
        count_refusal(command->outcome);
    } else if (command->kind == &payment_bulk_kind && !command->replayed) {
        const payment_bulk *bulk = (const payment_bulk *)command;
        for (size_t i = 0; i < bulk->count; i++) {
            count_refusal(command->outcome.code ? command->outcome : bulk->items[i].outcome);
        }
    }
}

// A command that met a user whom this service has never seen is sent to ask for him, and comes
// again.
bool payment_returned(fq_service *service, fq_command *command) {
    if (command->outcome.code != FQ_FACT_MISSING) {
        count_refusals(command);
        return false;
    }
    if (command->kind == &topup_create_kind) {
        ((topup_create *)command)->facts.order_known = true;
    }
    if (fq_fact_stage_submit(service->facts, command)) {
        return true;
    }
    command->outcome = fq_refuse(FQ_UNAVAILABLE, NULL);
    return false;
}
