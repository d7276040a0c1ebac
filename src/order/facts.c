// The fact stage: users that this service has never seen are asked for, all at once, and the
// commands come again.
#include "order/rows.h"
#include "service/edge.h"

enum { ASKED_MAX = 1000, ARENA_BYTES_MAX = 256 << 20 };  // rows of 64 KiB at most

static size_t creates_of(fq_command *command) {
    return command->kind == &order_bulk_kind ? ((order_bulk *)command)->count : 1;
}

// NULL for an item that was refused as it was asked.
static order_create *create_of(fq_command *command, size_t index) {
    if (command->kind != &order_bulk_kind) {
        return (order_create *)command;
    }
    order_bulk_item *item = &((order_bulk *)command)->items[index];
    return item->fault.code ? NULL : &item->order;
}

typedef struct {
    uint64_t ids[ASKED_MAX];
    fq_user_facts *into[ASKED_MAX];
    size_t count;
} asking;

static fq_err ask(fq_service *service, asking *at) {
    if (at->count == 0) {
        return FQ_OK;
    }
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    fq_user_facts *found = FQ_NEW_ARRAY(&arena, fq_user_facts, at->count);
    const fq_err err = fq_user_facts_of(service->peers, &arena, at->ids, at->count, found);
    for (size_t i = 0; i < at->count && !err.code; i++) {
        *at->into[i] = found[i];
    }
    fq_arena_free(&arena);
    at->count = 0;
    return (fq_err){.code = err.code};  // its texts were the arena's
}

fq_err order_find_facts(fq_service *service, fq_command *list) {
    asking at = {.count = 0};
    for (fq_command *command = list; command; command = command->next) {
        for (size_t i = 0; i < creates_of(command); i++) {
            order_create *create = create_of(command, i);
            if (!create) {
                continue;
            }
            at.ids[at.count] = create->payee_id.v;
            at.into[at.count++] = &create->payee_facts;
            if (create->payer_id.v) {
                at.ids[at.count] = create->payer_id.v;
                at.into[at.count++] = &create->payer_facts;
            }
            create->users_known = true;
            if (at.count + 2 > ASKED_MAX) {
                FQ_TRY(ask(service, &at));
            }
        }
    }
    return ask(service, &at);
}

bool order_returned(fq_service *service, fq_command *command) {
    if (command->outcome.code != FQ_FACT_MISSING) {
        return false;
    }
    if (fq_fact_stage_submit(service->facts, command)) {
        return true;
    }
    command->outcome = fq_refuse(FQ_UNAVAILABLE, NULL);
    return false;
}
