// A merchant, a payer, and orders between them. Not for anything but tests.
#pragma once

#include "order/rows.h"

#include "batch_world.h"

enum { PAYER = 2001, PAYEE = 3001, OTHER = 3999, KEY = 6001, PRICE = 1000, LIFETIME_MS = 1800000 };

static const fq_currency cny = {3 << 10 | 14 << 5 | 25};

static inline fq_caller caller_of(fq_scope scope, uint64_t user) {
    return (fq_caller){.key = {KEY}, .root = {KEY}, .scope = scope, .user = {user}};
}

static inline fq_party_row *party(batch_world *world, uint64_t id, uint8_t roles) {
    fq_party_row *row = (fq_party_row *)world_row(world, &fq_party_table, id, 0, 0);
    row->status = FQ_USER_IS_ACTIVE;
    row->roles = roles;
    row->version = 1;
    return row;
}

static inline void order_world(batch_world *world) {
    world_begin(world, WORLD_NOW_MS);
    party(world, PAYER, FQ_ROLE_PAYER);
    party(world, PAYEE, FQ_ROLE_MERCHANT);
}

static inline order_create create_command(void) {
    return (order_create){
        .base = {.kind = &order_create_kind, .units = 1, .by = caller_of(FQ_SCOPE_ADMIN, 0)},
        .payee_id = {PAYEE},
        .amount_minor = PRICE,
        .currency = cny,
        .description = FQ_STR("tea"),
        .expires_in_ms = LIFETIME_MS};
}

static inline order_close close_command(uint64_t id, order_status status) {
    const bool lapse = status == ORDER_EXPIRED;
    return (order_close){.base = {.kind = lapse ? &order_expire_kind : &order_cancel_kind,
                                  .units = 1,
                                  .by = caller_of(lapse ? FQ_SCOPE_HOUSE : FQ_SCOPE_ADMIN, 0)},
                         .id = {id},
                         .status = status};
}

static inline order_row *order_of(batch_world *world, uint64_t id) {
    return (order_row *)fq_want(world->batch, &order_table, id, 0, 0);
}

// An order as an earlier batch left it, with its timer.
static inline order_row *stored_order(batch_world *world, uint64_t id) {
    order_row *order = (order_row *)world_row(world, &order_table, id, 0, 0);
    order->payee_id.v = PAYEE;
    order->amount_minor = PRICE;
    order->currency = cny;
    order->created_ms = WORLD_NOW_MS - 1000;
    order->expires_ms = WORLD_NOW_MS + LIFETIME_MS;
    order->status = ORDER_PENDING;
    order->version = 1;
    fq_work_want(world->batch, order->expires_ms, WORK_EXPIRE, id)->row.state = FQ_ROW_LOADED;
    return order;
}

static inline fq_row_state timer_of(batch_world *world, const order_row *order) {
    return fq_work_want(world->batch, order->expires_ms, WORK_EXPIRE, order->id.v)->row.state;
}

static inline void assert_refused(fq_err err, fq_code code, const char *param) {
    assert_string_equal(fq_error_row_of(err.code)->name, fq_error_row_of(code)->name);
    if (param) {
        assert_non_null(err.param);
        assert_string_equal(err.param, param);
    } else {
        assert_null(err.param);
    }
}
