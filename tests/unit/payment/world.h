// A payer with money, a payee and an order between them. Not for anything but tests.
#pragma once

#include "payment/rows.h"

#include "batch_world.h"

enum { PAYER = 2001, PAYEE = 3001, OTHER = 3999, ORDER = 4001, PAYMENT = 5001, KEY = 6001 };
enum { PRICE = 1000, FUNDS = 5000, LIFETIME_MS = 7 * 86400 * 1000 };

static const fq_currency cny = {3 << 10 | 14 << 5 | 25}, usd = {21 << 10 | 19 << 5 | 4};

static inline fq_caller caller_of(fq_scope scope, uint64_t user) {
    return (fq_caller){.key = {KEY}, .root = {KEY}, .scope = scope, .user = {user}};
}

static inline fq_party_row *party(batch_world *world, uint64_t id) {
    fq_party_row *row = (fq_party_row *)world_row(world, &fq_party_table, id, 0, 0);
    if (!row->version) {
        row->status = FQ_USER_IS_ACTIVE;
        row->roles = FQ_ROLE_PAYER | FQ_ROLE_MERCHANT;
        row->version = 1;
    }
    return row;
}

static inline fq_account_row *wallet(batch_world *world, uint64_t owner, fq_account_kind kind) {
    fq_account_row *row = fq_account_want(world->batch, owner, cny, kind);
    if (row->row.state == FQ_ROW_ABSENT) {
        row->row.state = FQ_ROW_LOADED;
        row->id.v = owner * 10 + kind;
        row->version = 1;
    }
    return row;
}

static inline int64_t balance(batch_world *world, uint64_t owner, fq_account_kind kind) {
    return fq_account_want(world->batch, owner, cny, kind)->balance_minor;
}

static inline guard_row *guard_of(batch_world *world) {
    return (guard_row *)fq_want(world->batch, &guard_table, ORDER, 0, 0);
}

static inline payment_row *payment_of(batch_world *world, uint64_t id) {
    return (payment_row *)fq_want(world->batch, &payment_table, id, 0, 0);
}

// Payer and payee are known, the payer has FUNDS.
static inline void payment_world(batch_world *world) {
    world_begin(world, WORLD_NOW_MS);
    party(world, PAYER);
    party(world, PAYEE);
    wallet(world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = FUNDS;
}

static inline fq_user_facts user_facts(uint64_t id) {
    return (fq_user_facts){{id}, true, FQ_USER_IS_ACTIVE, FQ_ROLE_PAYER | FQ_ROLE_MERCHANT, 1};
}

static inline payment_pay pay_command(void) {
    return (payment_pay){
        .base = {.kind = &payment_pay_kind, .units = 1, .by = caller_of(FQ_SCOPE_ADMIN, 0)},
        .order_id = {ORDER},
        .payer_id = {PAYER},
        .amount_minor = PRICE,
        .method = METHOD_BALANCE,
        .authorization_lifetime_ms = LIFETIME_MS,
        .facts =
            {.order = {.id = {ORDER}, .exists = true, .payee = {PAYEE}, .amount = {PRICE, cny}},
             .order_known = true},
    };
}

static inline payment_change change_command(const fq_command_kind *kind, uint64_t id) {
    return (payment_change){.base = {.kind = kind, .units = 1, .by = caller_of(FQ_SCOPE_ADMIN, 0)},
                            .id = {id}};
}

static inline refund_create refund_command(uint64_t payment, int64_t amount_minor) {
    return (refund_create){
        .base = {.kind = &refund_create_kind, .units = 1, .by = caller_of(FQ_SCOPE_ADMIN, 0)},
        .payment_id = {payment},
        .amount_minor = amount_minor};
}

static inline guard_close close_command(fq_guard_state to) {
    return (guard_close){
        .base = {.kind = &guard_close_kind, .units = 1}, .order_id = {ORDER}, .state = to};
}

// Pays, or authorises, and returns the payment's id.
static inline uint64_t paid(batch_world *world, bool manual) {
    payment_pay pay = pay_command();
    pay.capture = manual;
    assert_int_equal(world_run(world, &pay.base).code, FQ_DONE);
    return pay.shown.id.v;
}

static inline const fq_transfer_row *transfer_at(const batch_world *world, size_t index) {
    const fq_row_list *list = fq_batch_journal(world->batch, FQ_JOURNAL_TRANSFER);
    assert_true(index < list->count);
    return (const fq_transfer_row *)list->rows[index];
}

static inline size_t transfer_count(const batch_world *world) {
    return fq_batch_journal(world->batch, FQ_JOURNAL_TRANSFER)->count;
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
