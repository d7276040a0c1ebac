// What becomes of an authorisation: capture, cancel, its end by time, and an order that is closed
// meanwhile.
#include "world.h"

// --- every status, every command, every scope ---

static void test_statuses(void **state) {
    (void)state;
    for (int status = FQ_PAYMENT_IS_REQUIRES_ACTION; status <= FQ_PAYMENT_IS_CANCELLED; status++) {
        for (int command = 0; command < 3; command++) {
            batch_world world;
            payment_world(&world);
            const uint64_t id = paid(&world, true);
            payment_of(&world, id)->status = (uint8_t)status;
            payment_change change =
                change_command(command == 0 ? &payment_capture_kind : &payment_cancel_kind, id);
            change.lapsed = command == 2;
            const fq_err err = world_run(&world, &change.base);
            const bool open = status == FQ_PAYMENT_IS_AUTHORIZED;
            assert_int_equal(err.code, open || change.lapsed ? FQ_DONE : FQ_STATE_CONFLICT);
            // A lapse that comes late only removes its timer.
            assert_int_equal(world_events(&world), open ? 2 : 1);
            assert_int_equal(change.work->row.state, err.code ? FQ_ROW_NEW : FQ_ROW_ABSENT);
            world_end(&world);
        }
    }
}

static void test_scopes(void **state) {
    (void)state;
    static const struct {
        fq_scope scope;
        uint64_t user;
        fq_code capture, cancel, refund;
    } rows[] = {
        {FQ_SCOPE_ADMIN, 0, FQ_DONE, FQ_DONE, FQ_DONE},
        {FQ_SCOPE_HOUSE, 0, FQ_DONE, FQ_DONE, FQ_DONE},
        {FQ_SCOPE_READ, 0, FQ_NOT_ALLOWED, FQ_NOT_ALLOWED, FQ_NOT_ALLOWED},
        {FQ_SCOPE_MERCHANT, PAYEE, FQ_DONE, FQ_NOT_ALLOWED, FQ_DONE},
        {FQ_SCOPE_MERCHANT, OTHER, FQ_PAYMENT_NOT_FOUND, FQ_PAYMENT_NOT_FOUND,
         FQ_PAYMENT_NOT_FOUND},
        {FQ_SCOPE_MERCHANT, PAYER, FQ_PAYMENT_NOT_FOUND, FQ_PAYMENT_NOT_FOUND,
         FQ_PAYMENT_NOT_FOUND},
        {FQ_SCOPE_PAYER, PAYER, FQ_NOT_ALLOWED, FQ_DONE, FQ_NOT_ALLOWED},
        {FQ_SCOPE_PAYER, OTHER, FQ_PAYMENT_NOT_FOUND, FQ_PAYMENT_NOT_FOUND, FQ_PAYMENT_NOT_FOUND},
        {FQ_SCOPE_PAYER, PAYEE, FQ_PAYMENT_NOT_FOUND, FQ_PAYMENT_NOT_FOUND, FQ_PAYMENT_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const fq_caller by = caller_of(rows[i].scope, rows[i].user);
        batch_world world;
        payment_world(&world);
        payment_change capture = change_command(&payment_capture_kind, paid(&world, true));
        capture.base.by = by;
        assert_int_equal(world_run(&world, &capture.base).code, rows[i].capture);
        world_end(&world);
        payment_world(&world);
        payment_change cancel = change_command(&payment_cancel_kind, paid(&world, true));
        cancel.base.by = by;
        assert_int_equal(world_run(&world, &cancel.base).code, rows[i].cancel);
        world_end(&world);
        payment_world(&world);
        refund_create refund = refund_command(paid(&world, false), 0);
        refund.base.by = by;
        assert_int_equal(world_run(&world, &refund.base).code, rows[i].refund);
        world_end(&world);
    }
}

static void test_not_there(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    payment_change capture = change_command(&payment_capture_kind, PAYMENT);
    assert_refused(world_run(&world, &capture.base), FQ_PAYMENT_NOT_FOUND, NULL);
    payment_change lapse = change_command(&payment_cancel_kind, PAYMENT);
    lapse.lapsed = true;
    assert_refused(world_run(&world, &lapse.base), FQ_PAYMENT_NOT_FOUND, NULL);
    world_end(&world);
}

// --- capture ---

static void test_capture_whole_and_in_part(void **state) {
    (void)state;
    static const struct {
        int64_t amount_minor, captured_minor, fee_bps, fee_minor;
        size_t transfers;  // with the hold
    } rows[] = {
        {0, PRICE, 0, 0, 2}, {PRICE, PRICE, 100, 10, 3}, {1, 1, 100, 0, 3}, {600, 600, 100, 6, 4}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        payment_world(&world);
        payment_change capture = change_command(&payment_capture_kind, paid(&world, true));
        capture.amount_minor = rows[i].amount_minor;
        capture.fee_bps = rows[i].fee_bps;
        assert_int_equal(world_run(&world, &capture.base).code, FQ_DONE);
        assert_int_equal(capture.shown.status, FQ_PAYMENT_IS_SUCCEEDED);
        assert_int_equal(capture.shown.captured_minor, rows[i].captured_minor);
        assert_int_equal(capture.shown.fee_minor, rows[i].fee_minor);
        assert_int_equal(capture.shown.amount_minor, PRICE);
        assert_int_equal(capture.shown.version, 2);
        assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_AVAILABLE),
                         FUNDS - rows[i].captured_minor);
        assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_HELD), 0);
        assert_int_equal(balance(&world, PAYEE, FQ_ACCOUNT_AVAILABLE),
                         rows[i].captured_minor - rows[i].fee_minor);
        assert_int_equal(balance(&world, FQ_OWNER_HOUSE, FQ_ACCOUNT_FEES), rows[i].fee_minor);
        assert_int_equal(transfer_count(&world), rows[i].transfers);
        assert_int_equal(guard_of(&world)->state, FQ_GUARD_PAID);
        assert_int_equal(guard_of(&world)->paid_minor, rows[i].captured_minor);
        assert_int_equal(world_event(&world, 0)->type, FQ_PAYMENT_SUCCEEDED);
        // One capture only.
        payment_change second = change_command(&payment_capture_kind, capture.id.v);
        assert_refused(world_run(&world, &second.base), FQ_STATE_CONFLICT, NULL);
        world_end(&world);
    }
}

static void test_capture_refusals(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    const uint64_t id = paid(&world, true);
    payment_change capture = change_command(&payment_capture_kind, id);
    capture.amount_minor = PRICE + 1;
    // Too late: its time ends with the millisecond that it names.
    payment_of(&world, id)->capture_before_ms = WORLD_NOW_MS;
    assert_refused(world_run(&world, &capture.base), FQ_STATE_CONFLICT, NULL);
    payment_of(&world, id)->capture_before_ms = WORLD_NOW_MS + 1;
    party(&world, PAYER)->status = FQ_USER_IS_FROZEN;
    assert_refused(world_run(&world, &capture.base), FQ_USER_FROZEN, NULL);
    party(&world, PAYER)->status = FQ_USER_IS_ACTIVE;
    party(&world, PAYEE)->status = FQ_USER_IS_CLOSED;
    assert_refused(world_run(&world, &capture.base), FQ_USER_FROZEN, NULL);
    party(&world, PAYEE)->status = FQ_USER_IS_ACTIVE;
    const fq_err err = world_run(&world, &capture.base);
    assert_refused(err, FQ_CAPTURE_EXCEEDS_PAYMENT, "amount");
    assert_int_equal(err.detail.blank[0].value.number, PRICE);
    capture.amount_minor = PRICE;
    wallet(&world, PAYEE, FQ_ACCOUNT_AVAILABLE)->balance_minor = INT64_MAX - PRICE + 1;
    assert_refused(world_run(&world, &capture.base), FQ_STATE_CONFLICT, "amount");
    assert_int_equal(world_events(&world), 1);
    assert_int_equal(transfer_count(&world), 1);
    wallet(&world, PAYEE, FQ_ACCOUNT_AVAILABLE)->balance_minor = INT64_MAX - PRICE;
    assert_int_equal(world_run(&world, &capture.base).code, FQ_DONE);
    world_end(&world);
}

// --- cancel, and the end of an authorisation ---

static void test_cancel_gives_back(void **state) {
    (void)state;
    for (int lapsed = 0; lapsed < 2; lapsed++) {
        batch_world world;
        payment_world(&world);
        payment_change cancel = change_command(&payment_cancel_kind, paid(&world, true));
        cancel.lapsed = lapsed;
        cancel.base.by = (fq_caller){.scope = lapsed ? FQ_SCOPE_HOUSE : FQ_SCOPE_ADMIN};
        assert_int_equal(world_run(&world, &cancel.base).code, FQ_DONE);
        assert_int_equal(cancel.shown.status, FQ_PAYMENT_IS_CANCELLED);
        assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_AVAILABLE), FUNDS);
        assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_HELD), 0);
        assert_int_equal(guard_of(&world)->state, FQ_GUARD_OPEN);
        assert_int_equal(world_events(&world), 2);
        assert_int_equal(world_event(&world, 0)->type, FQ_PAYMENT_CANCELLED);
        assert_int_equal(cancel.base.subject, cancel.id.v);
        world_end(&world);
    }
}

// --- an order is closed ---

// Guard state, then what closing and paying say, and the state after closing.
static void test_guard_states(void **state) {
    (void)state;
    static const struct {
        int guard;  // 0: no row
        fq_guard_state to;
        fq_code close, pay_after;
        fq_guard_state after;
    } rows[] = {
        {0, FQ_GUARD_CANCELLED, FQ_DONE, FQ_ORDER_NOT_PAYABLE, FQ_GUARD_CANCELLED},
        {0, FQ_GUARD_EXPIRED, FQ_DONE, FQ_ORDER_NOT_PAYABLE, FQ_GUARD_EXPIRED},
        {FQ_GUARD_OPEN, FQ_GUARD_CANCELLED, FQ_DONE, FQ_ORDER_NOT_PAYABLE, FQ_GUARD_CANCELLED},
        {FQ_GUARD_HELD, FQ_GUARD_CANCELLED, FQ_ORDER_NOT_PAYABLE, FQ_ORDER_NOT_PAYABLE,
         FQ_GUARD_HELD},
        {FQ_GUARD_PAID, FQ_GUARD_CANCELLED, FQ_ORDER_ALREADY_PAID, FQ_ORDER_ALREADY_PAID,
         FQ_GUARD_PAID},
        {FQ_GUARD_PAID, FQ_GUARD_EXPIRED, FQ_ORDER_ALREADY_PAID, FQ_ORDER_ALREADY_PAID,
         FQ_GUARD_PAID},
        {FQ_GUARD_CANCELLED, FQ_GUARD_CANCELLED, FQ_DONE, FQ_ORDER_NOT_PAYABLE, FQ_GUARD_CANCELLED},
        {FQ_GUARD_CANCELLED, FQ_GUARD_EXPIRED, FQ_STATE_CONFLICT, FQ_ORDER_NOT_PAYABLE,
         FQ_GUARD_CANCELLED},
        {FQ_GUARD_EXPIRED, FQ_GUARD_EXPIRED, FQ_DONE, FQ_ORDER_NOT_PAYABLE, FQ_GUARD_EXPIRED},
        {FQ_GUARD_EXPIRED, FQ_GUARD_CANCELLED, FQ_STATE_CONFLICT, FQ_ORDER_NOT_PAYABLE,
         FQ_GUARD_EXPIRED},
        // What no state is, a fault of the store's, is neither paid nor closed.
        {99, FQ_GUARD_CANCELLED, FQ_INTERNAL, FQ_INTERNAL, 99},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        payment_world(&world);
        guard_row *guard = guard_of(&world);
        guard->state = (uint8_t)rows[i].guard;
        guard->row.state = rows[i].guard ? FQ_ROW_LOADED : FQ_ROW_ABSENT;
        guard_close close = close_command(rows[i].to);
        assert_int_equal(world_run(&world, &close.base).code, rows[i].close);
        assert_int_equal(guard->state, rows[i].after);
        const bool closed = (int)rows[i].after != rows[i].guard;
        assert_int_equal(world_events(&world), closed);
        if (closed) {
            assert_int_equal(world_event(&world, 0)->type, FQ_GUARD_CLOSED);
            assert_int_equal(world_event(&world, 0)->subject, ORDER);
        }
        payment_pay pay = pay_command();
        assert_int_equal(world_run(&world, &pay.base).code, rows[i].pay_after);
        world_end(&world);
    }
}

// Told no while an attempt is under way; carried out when that ends unpaid, and not when it is
// captured.
static void test_wishes(void **state) {
    (void)state;
    static const fq_guard_state wishes[] = {FQ_GUARD_CANCELLED, FQ_GUARD_EXPIRED};
    for (size_t i = 0; i < 2; i++) {
        batch_world world;
        payment_world(&world);
        payment_change cancel = change_command(&payment_cancel_kind, paid(&world, true));
        guard_close close = close_command(wishes[i]);
        assert_refused(world_run(&world, &close.base), FQ_ORDER_NOT_PAYABLE, NULL);
        assert_int_equal(guard_of(&world)->wish, wishes[i]);
        assert_int_equal(world_run(&world, &cancel.base).code, FQ_DONE);
        assert_int_equal(guard_of(&world)->state, wishes[i]);
        assert_int_equal(guard_of(&world)->wish, 0);
        // The order's end is told, and then the payment's, which is what the answer shows.
        assert_int_equal(world_events(&world), 3);
        assert_int_equal(world_event(&world, 1)->type, FQ_GUARD_CLOSED);
        assert_int_equal(world_event(&world, 0)->type, FQ_PAYMENT_CANCELLED);
        assert_ptr_equal(cancel.base.told, world_event(&world, 0));
        assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
        world_end(&world);
        payment_world(&world);
        payment_change capture = change_command(&payment_capture_kind, paid(&world, true));
        assert_refused(world_run(&world, &close.base), FQ_ORDER_NOT_PAYABLE, NULL);
        assert_int_equal(world_run(&world, &capture.base).code, FQ_DONE);
        assert_int_equal(guard_of(&world)->state, FQ_GUARD_PAID);
        assert_refused(world_run(&world, &close.base), FQ_ORDER_ALREADY_PAID, NULL);
        world_end(&world);
    }
}

// --- what stands in the store and cannot be ---

static void cancel_without_hold(void *context) {
    batch_world *world = context;
    payment_change cancel = change_command(&payment_cancel_kind, PAYMENT);
    (void)!world_run(world, &cancel.base).code;
}

static void capture_without_hold(void *context) {
    batch_world *world = context;
    payment_change capture = change_command(&payment_capture_kind, PAYMENT);
    (void)!world_run(world, &capture.base).code;
}

static void test_a_hold_that_is_gone_stops_the_process(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    payment_row *payment = (payment_row *)world_row(&world, &payment_table, PAYMENT, 0, 0);
    payment->order_id.v = ORDER;
    payment->payer_id.v = PAYER;
    payment->payee_id.v = PAYEE;
    payment->amount_minor = PRICE;
    payment->currency = cny;
    payment->status = FQ_PAYMENT_IS_AUTHORIZED;
    payment->capture_before_ms = WORLD_NOW_MS + 1;
    assert_true(world_stops(cancel_without_hold, &world));
    assert_true(world_stops(capture_without_hold, &world));
    world_end(&world);
}

// --- the same answer again ---

static void test_replays_are_as_they_were(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    payment_change capture = change_command(&payment_capture_kind, paid(&world, true));
    assert_int_equal(world_run(&world, &capture.base).code, FQ_DONE);
    refund_create refund = refund_command(capture.id.v, 0);
    assert_int_equal(world_run(&world, &refund.base).code, FQ_DONE);
    world_commit_events(&world);
    payment_change again = change_command(&payment_capture_kind, capture.id.v);
    assert_int_equal(world_replay(&world, &again.base, world_record(&world, &capture.base)).code,
                     FQ_DONE);
    assert_int_equal(again.shown.captured_minor, PRICE);
    assert_int_equal(again.shown.refunded_minor, 0);
    assert_int_equal(again.shown.version, 2);
    world_end(&world);

    payment_world(&world);
    payment_change cancel = change_command(&payment_cancel_kind, paid(&world, true));
    assert_int_equal(world_run(&world, &cancel.base).code, FQ_DONE);
    world_commit_events(&world);
    again = change_command(&payment_cancel_kind, cancel.id.v);
    assert_int_equal(world_replay(&world, &again.base, world_record(&world, &cancel.base)).code,
                     FQ_DONE);
    assert_int_equal(again.shown.status, FQ_PAYMENT_IS_CANCELLED);
    // Calls between services have no answer but that it is done.
    guard_close close = close_command(FQ_GUARD_CANCELLED);
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    assert_int_equal(world_replay(&world, &close.base, world_record(&world, &close.base)).code,
                     FQ_DONE);
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_capture_whole_and_in_part),
        cmocka_unit_test(test_capture_refusals),
        cmocka_unit_test(test_cancel_gives_back),
        cmocka_unit_test(test_guard_states),
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_a_hold_that_is_gone_stops_the_process),
        cmocka_unit_test(test_replays_are_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
