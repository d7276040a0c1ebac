// Clients: what they want, ask for again when nobody answers, and believe when somebody does.
#include "sim/sim.h"

#include "store/request.h"

#include <stdio.h>
#include <stdlib.h>

enum { ADMIN_KEY = 900, PAYER_KEYS = 1000, MERCHANT_KEYS = 2000, REFERENCES = 12 };

fq_currency sim_currency(uint8_t which) {
    fq_currency currency = {0};
    const fq_err err =
        fq_currency_parse(which == 0 ? FQ_STR("CNY") : FQ_STR("JPY"), NULL, &currency);
    FQ_ASSERT(!err.code);
    return currency;
}

// --- what they want ---

static uint64_t some_user(sim_world *world) {
    return world->users[sim_below(world, SIM_USERS)].id;
}

// Mostly one who may pay; the fourth may not.
static uint64_t some_payer(sim_world *world) {
    static const uint8_t payers[] = {0, 1, 5};
    return sim_chance(world, 8) ? some_user(world) : world->users[payers[sim_below(world, 3)]].id;
}

static uint8_t some_reference(sim_world *world) {
    return sim_chance(world, 4) ? (uint8_t)(1 + sim_below(world, REFERENCES)) : 0;
}

// Mostly one that was made lately: there things are still open.
static size_t recent(sim_world *world, size_t count) {
    const size_t last = count < 6 ? count : 6;
    return sim_chance(world, 4) ? sim_below(world, count) : count - 1 - sim_below(world, last);
}

static void want_order(sim_world *world, sim_item *item) {
    static const int64_t lifetimes_ms[] = {60000, 86400000, INT64_C(864000000), INT64_C(864000000)};
    item->user = sim_chance(world, 12) ? some_user(world) : 102 + 2 * sim_below(world, 2);
    item->other = sim_chance(world, 4) ? some_payer(world) : 0;
    item->amount_minor = test_random_between(&world->random, 1, 900);
    item->currency = sim_chance(world, 4);
    item->expires_in_ms = lifetimes_ms[sim_below(world, 4)];
}

static void want_payment(sim_world *world, sim_item *item) {
    const sim_known_order *order = &world->orders[recent(world, world->order_count)];
    item->order = order->id;
    item->user = order->payer && !sim_chance(world, 10) ? order->payer : some_payer(world);
    item->amount_minor = order->amount_minor + sim_chance(world, 20);
    item->currency = order->currency;
    item->manual = sim_chance(world, 3);
}

static void want_move(sim_world *world, sim_intent *intent, sim_item *item) {
    const sim_known_payment *payment = &world->payments[recent(world, world->payment_count)];
    item->payment = payment->id;
    item->amount_minor = intent->kind != SIM_CANCEL && sim_chance(world, 2)
                             ? test_random_between(&world->random, 1, payment->amount_minor)
                             : 0;
    item->user = payment->payer;
    item->other = payment->payee;
}

static void want_item(sim_world *world, sim_intent *intent, sim_item *item) {
    item->reference = some_reference(world);
    switch (intent->kind) {
    case SIM_TOP_UP:
        item->user = some_payer(world);
        item->amount_minor = test_random_between(&world->random, 1, 3000);
        item->currency = sim_chance(world, 4);
        break;
    case SIM_ORDER:
    case SIM_ORDER_BULK:
        want_order(world, item);
        break;
    case SIM_PAY:
    case SIM_PAY_BULK:
        want_payment(world, item);
        break;
    case SIM_ORDER_CANCEL:
        item->order = world->orders[recent(world, world->order_count)].id;
        break;
    case SIM_CAPTURE:
    case SIM_CANCEL:
    case SIM_REFUND:
        want_move(world, intent, item);
        break;
    case SIM_KINDS:
        break;
    }
}

static sim_kind some_kind(sim_world *world) {
    static const uint8_t weights[SIM_KINDS] = {
        [SIM_TOP_UP] = 4,       [SIM_ORDER] = 6,  [SIM_ORDER_BULK] = 2,
        [SIM_ORDER_CANCEL] = 1, [SIM_PAY] = 9,    [SIM_PAY_BULK] = 3,
        [SIM_CAPTURE] = 3,      [SIM_CANCEL] = 1, [SIM_REFUND] = 4};
    if (world->order_count == 0 || sim_chance(world, 20)) {
        return sim_chance(world, 2) ? SIM_TOP_UP : SIM_ORDER;
    }
    uint64_t at = sim_below(world, 33);
    sim_kind kind = SIM_TOP_UP;
    while (at >= weights[kind]) {
        at -= weights[kind++];
    }
    return kind >= SIM_CAPTURE && world->payment_count == 0 ? SIM_PAY : kind;
}

// Mostly the administrator; sometimes the one it is for; rarely a thief, with a key for another
// user.
static fq_caller some_caller(sim_world *world, const sim_intent *intent) {
    const bool is_payees =
        intent->kind == SIM_ORDER || intent->kind == SIM_REFUND || intent->kind == SIM_CAPTURE;
    const uint64_t owner = intent->kind == SIM_REFUND || intent->kind == SIM_CAPTURE
                               ? intent->items[0].other
                               : intent->items[0].user;
    const uint64_t user = sim_chance(world, 16) || owner == 0 ? some_user(world) : owner;
    if (intent->kind == SIM_TOP_UP || sim_chance(world, 2)) {
        return (fq_caller){{ADMIN_KEY}, {ADMIN_KEY}, FQ_SCOPE_ADMIN, {0}};
    }
    const uint64_t key = (is_payees ? MERCHANT_KEYS : PAYER_KEYS) + user;
    return (fq_caller){{key}, {key}, is_payees ? FQ_SCOPE_MERCHANT : FQ_SCOPE_PAYER, {user}};
}

static bool is_bulk(sim_kind kind) {
    return kind == SIM_ORDER_BULK || kind == SIM_PAY_BULK;
}

static void ask(sim_world *world, const sim_intent *intent) {
    sim_trace(world, "client asks request %u (kind %d, key %u)", intent->number, (int)intent->kind,
              intent->key);
    sim_send(world, &(sim_message){.intent = intent->number});
}

static void want_something(sim_world *world) {
    sim_intent *intent = &world->intents[world->intent_count];
    intent->number = world->intent_count++;
    intent->kind = some_kind(world);
    intent->count = is_bulk(intent->kind) ? 1 + sim_below(world, SIM_ITEMS_MAX) : 1;
    intent->atomic = sim_chance(world, 2);
    for (size_t i = 0; i < intent->count; i++) {
        want_item(world, intent, &intent->items[i]);
    }
    // What the writer cannot save must have text to carry the poison.
    const bool has_text = intent->kind != SIM_CAPTURE && intent->kind != SIM_CANCEL &&
                          intent->kind != SIM_ORDER_CANCEL;
    intent->poison = has_text && sim_fault(world, 40);
    intent->by = some_caller(world, intent);
    intent->key = world->key_count++;
    // Now and then a key is used a second time, for something else.
    const sim_intent *other = &world->intents[sim_below(world, world->intent_count)];
    if (sim_chance(world, 12) && other != intent) {
        intent->key = other->key;
        intent->by = other->by;
    }
    ask(world, intent);
}

void sim_client_act(sim_world *world) {
    const bool may_want = world->intent_count < SIM_INTENTS_MAX;
    if (may_want && (world->intent_count == 0 || sim_chance(world, 2))) {
        want_something(world);
        return;
    }
    const sim_intent *intent = &world->intents[recent(world, world->intent_count)];
    // Those who have their answer ask again only to see whether it is the same.
    if (!intent->answered || sim_chance(world, 6)) {
        ask(world, intent);
    }
}

void sim_client_ask_open(sim_world *world) {
    for (uint32_t i = 0; i < world->intent_count; i++) {
        if (!world->intents[i].answered && world->message_count < SIM_MESSAGES_MAX) {
            ask(world, &world->intents[i]);
        }
    }
}

// --- what they are told ---

static void learn(sim_world *world, const sim_intent *intent, const sim_answer *answer) {
    for (size_t i = 0; i < answer->count; i++) {
        const sim_item *item = &intent->items[i];
        if (answer->codes[i]) {
            continue;
        }
        if ((intent->kind == SIM_ORDER || intent->kind == SIM_ORDER_BULK) &&
            world->order_count < SIM_KNOWN_MAX) {
            world->orders[world->order_count++] = (sim_known_order){
                answer->ids[i], item->user, item->other, item->amount_minor, item->currency};
        }
        if ((intent->kind == SIM_PAY || intent->kind == SIM_PAY_BULK) &&
            world->payment_count < SIM_KNOWN_MAX) {
            world->payments[world->payment_count++] = (sim_known_payment){
                answer->ids[i], answer->payees[i], item->user, item->amount_minor, item->manual};
        }
    }
}

static bool is_final(fq_code code) {
    return code != FQ_UNAVAILABLE && code < FQ_FACT_MISSING;
}

void sim_client_receive(sim_world *world, const sim_message *message) {
    sim_intent *intent = &world->intents[message->intent];
    const sim_answer *answer = &message->answer;
    intent->answered |= is_final(answer->code);
    if (answer->code) {
        return;
    }
    if (!intent->succeeded) {
        intent->succeeded = true;
        intent->first = *answer;
        learn(world, intent, answer);
    } else if (memcmp(&intent->first.digest, &answer->digest, sizeof(answer->digest)) != 0) {
        sim_fail(world, "the client of request %u got two answers", intent->number);
    }
}
