// From what a client wants to a command, as decode does it, and from a command to what the client
// is told.
#include "sim/sim.h"

#include "store/request.h"

static fq_str reference_of(fq_arena *arena, const sim_item *item) {
    return item->reference ? fq_arena_printf(arena, "ref-%u", item->reference) : (fq_str){0};
}

// Says whose doing a row is, so that the checks find what a request has made.
static fq_str metadata_of(fq_arena *arena, const sim_intent *intent, size_t index) {
    return fq_arena_printf(arena, "{\"t\":\"%u.%zu\"%s}", intent->number, index,
                           intent->poison ? ",\"poison\":\"\"" : "");
}

static void fill_payment(sim_world *world, fq_arena *arena, const sim_intent *intent, size_t index,
                         payment_pay *pay) {
    const sim_item *item = &intent->items[index];
    pay->order_id.v = item->order;
    pay->payer_id.v = item->user;
    pay->amount_minor = item->amount_minor;
    pay->currency = sim_currency(item->currency);
    pay->method = METHOD_BALANCE;
    pay->capture = item->manual;
    pay->reference = reference_of(arena, item);
    pay->metadata = metadata_of(arena, intent, index);
    pay->authorization_lifetime_ms = world->authorization_ms;
    pay->fee_bps = world->fee_bps;
}

static void fill_order(fq_arena *arena, const sim_intent *intent, size_t index,
                       order_create *create) {
    const sim_item *item = &intent->items[index];
    create->payee_id.v = item->user;
    create->payer_id.v = item->other;
    create->amount_minor = item->amount_minor;
    create->currency = sim_currency(item->currency);
    create->description = FQ_STR("tea");
    create->reference = reference_of(arena, item);
    create->metadata = metadata_of(arena, intent, index);
    create->expires_in_ms = item->expires_in_ms;
}

static fq_command *make_bulk_of_payments(sim_world *world, fq_arena *arena,
                                         const sim_intent *intent, fq_command base) {
    payment_bulk *bulk = FQ_NEW(arena, payment_bulk);
    base.kind = &payment_bulk_kind;
    base.units = (uint32_t)intent->count;
    bulk->base = base;
    bulk->atomic = intent->atomic;
    bulk->count = intent->count;
    bulk->items = FQ_NEW_ARRAY(arena, bulk_item, intent->count);
    for (size_t i = 0; i < intent->count; i++) {
        bulk->items[i].pay.base = base;
        bulk->items[i].pay.base.kind = &payment_pay_kind;
        fill_payment(world, arena, intent, i, &bulk->items[i].pay);
    }
    return &bulk->base;
}

static fq_command *make_bulk_of_orders(fq_arena *arena, const sim_intent *intent, fq_command base) {
    order_bulk *bulk = FQ_NEW(arena, order_bulk);
    base.kind = &order_bulk_kind;
    base.units = (uint32_t)intent->count;
    bulk->base = base;
    bulk->atomic = intent->atomic;
    bulk->count = intent->count;
    bulk->items = FQ_NEW_ARRAY(arena, order_bulk_item, intent->count);
    for (size_t i = 0; i < intent->count; i++) {
        bulk->items[i].order.base = base;
        bulk->items[i].order.base.kind = &order_create_kind;
        fill_order(arena, intent, i, &bulk->items[i].order);
    }
    return &bulk->base;
}

static fq_command *make_change(sim_world *world, fq_arena *arena, const sim_intent *intent,
                               fq_command base) {
    payment_change *change = FQ_NEW(arena, payment_change);
    change->base = base;
    change->base.kind = intent->kind == SIM_CAPTURE ? &payment_capture_kind : &payment_cancel_kind;
    change->id.v = intent->items[0].payment;
    change->amount_minor = intent->items[0].amount_minor;
    change->fee_bps = intent->kind == SIM_CAPTURE ? world->fee_bps : 0;
    return &change->base;
}

static fq_command *make_refund(fq_arena *arena, const sim_intent *intent, fq_command base) {
    refund_create *refund = FQ_NEW(arena, refund_create);
    refund->base = base;
    refund->base.kind = &refund_create_kind;
    refund->payment_id.v = intent->items[0].payment;
    refund->amount_minor = intent->items[0].amount_minor;
    refund->reference = reference_of(arena, &intent->items[0]);
    refund->metadata = metadata_of(arena, intent, 0);
    return &refund->base;
}

static fq_command *make_top_up(fq_arena *arena, const sim_intent *intent, fq_command base) {
    const sim_item *item = &intent->items[0];
    topup_create *topup = FQ_NEW(arena, topup_create);
    topup->base = base;
    topup->base.kind = &topup_create_kind;
    topup->user_id.v = item->user;
    topup->amount_minor = item->amount_minor;
    topup->currency = sim_currency(item->currency);
    topup->method = METHOD_SANDBOX;
    topup->reference = reference_of(arena, item);
    topup->metadata = metadata_of(arena, intent, 0);
    return &topup->base;
}

static fq_command *make_one(sim_world *world, fq_arena *arena, const sim_intent *intent,
                            fq_command base) {
    switch (intent->kind) {
    case SIM_TOP_UP:
        return make_top_up(arena, intent, base);
    case SIM_ORDER: {
        order_create *create = FQ_NEW(arena, order_create);
        create->base = base;
        create->base.kind = &order_create_kind;
        fill_order(arena, intent, 0, create);
        return &create->base;
    }
    case SIM_ORDER_BULK:
        return make_bulk_of_orders(arena, intent, base);
    case SIM_ORDER_CANCEL: {
        order_close *close = FQ_NEW(arena, order_close);
        close->base = base;
        close->base.kind = &order_cancel_kind;
        close->id.v = intent->items[0].order;
        close->status = ORDER_CANCELLED;
        return &close->base;
    }
    case SIM_PAY: {
        payment_pay *pay = FQ_NEW(arena, payment_pay);
        pay->base = base;
        pay->base.kind = &payment_pay_kind;
        fill_payment(world, arena, intent, 0, pay);
        return &pay->base;
    }
    case SIM_PAY_BULK:
        return make_bulk_of_payments(world, arena, intent, base);
    case SIM_CAPTURE:
    case SIM_CANCEL:
        return make_change(world, arena, intent, base);
    case SIM_REFUND:
    case SIM_KINDS:
        break;
    }
    return make_refund(arena, intent, base);
}

// A body that differs whenever the intents differ; what the fields are called does not matter here.
static const fq_json *body_of(fq_arena *arena, const fq_command_kind *kind,
                              const sim_intent *intent) {
    const fq_json *body = NULL;
    if (kind->field_names[0]) {
        const fq_str text =
            fq_arena_printf(arena, "{\"%s\":\"%u\"}", kind->field_names[0], intent->number);
        const fq_err err = fq_json_parse(arena, text, FQ_JSON_REQUEST, &body);
        FQ_ASSERT(!err.code);
    }
    return body;
}

fq_command *sim_command_make(sim_world *world, sim_call *call) {
    sim_intent *intent = call->intent;
    fq_command base = {.arena = &call->arena, .by = intent->by, .units = 1};
    if (sim_fault(world, 20)) {
        base.deadline_ms = world->monotonic_ns / 1000000 + 500;
    }
    fq_command *command = make_one(world, &call->arena, intent, base);
    const fq_str key = fq_arena_printf(&call->arena, "key-%u", intent->key);
    const fq_str target =
        fq_arena_printf(&call->arena, "/v1/%d/%llu", (int)intent->kind,
                        (unsigned long long)(intent->items[0].order ^ intent->items[0].payment));
    command->request =
        fq_request_mark_of(&call->arena, command->kind, intent->by.root.v, key, FQ_STR("POST"),
                           target, body_of(&call->arena, command->kind, intent));
    intent->hash_high = command->request.hash_high;
    intent->hash_low = command->request.hash_low;
    return command;
}

// --- answers ---

typedef struct {
    sim_answer answer;
    fq_buffer bytes;
} telling;

static void tell(telling *at, fq_err outcome, const fq_row *row, uint64_t id) {
    const size_t index = at->answer.count++;
    at->answer.codes[index] = outcome.code;
    fq_buffer_printf(&at->bytes, "%d;", outcome.code);
    if (!outcome.code) {
        at->answer.ids[index] = id;
        fq_row_encode(row, &at->bytes);
        if (row->table == &payment_table) {
            at->answer.payees[index] = ((const payment_row *)row)->payee_id.v;
        }
    }
}

static void tell_bulk(telling *at, const fq_command *command) {
    if (command->kind == &payment_bulk_kind) {
        const payment_bulk *bulk = (const payment_bulk *)command;
        for (size_t i = 0; i < bulk->count; i++) {
            tell(at, bulk->items[i].outcome, &bulk->items[i].pay.shown.row,
                 bulk->items[i].pay.shown.id.v);
        }
        return;
    }
    const order_bulk *bulk = (const order_bulk *)command;
    for (size_t i = 0; i < bulk->count; i++) {
        tell(at, bulk->items[i].outcome, &bulk->items[i].order.shown.row,
             bulk->items[i].order.shown.id.v);
    }
}

static void tell_one(telling *at, const fq_command *command) {
    const fq_row *row;
    if (command->kind == &payment_pay_kind) {
        row = &((const payment_pay *)command)->shown.row;
    } else if (command->kind == &payment_capture_kind || command->kind == &payment_cancel_kind) {
        row = &((const payment_change *)command)->shown.row;
    } else if (command->kind == &refund_create_kind) {
        row = &((const refund_create *)command)->shown.row;
    } else if (command->kind == &topup_create_kind) {
        row = &((const topup_create *)command)->shown.row;
    } else if (command->kind == &order_create_kind) {
        row = &((const order_create *)command)->shown.row;
    } else {
        row = &((const order_close *)command)->shown.row;
    }
    tell(at, command->outcome, row,
         command->outcome.code ? 0 : (uint64_t)fq_column_integer(row, &row->table->columns[0]));
}

sim_answer sim_answer_of(const fq_command *command) {
    telling at = {.answer = {.code = command->outcome.code,
                             .replayed = command->replayed,
                             .subject = command->subject}};
    fq_buffer_init(&at.bytes, 1 << 16);
    const bool is_bulk = command->kind == &payment_bulk_kind || command->kind == &order_bulk_kind;
    if (is_bulk && !command->outcome.code) {
        tell_bulk(&at, command);
    } else {
        tell_one(&at, command);
    }
    at.answer.digest = fq_sha256_of(fq_buffer_str(&at.bytes));
    fq_buffer_free(&at.bytes);
    return at.answer;
}
