// The rules of paying: every refusal in the contract's order, who may, what is booked, fees, holds,
// and the same answer again.
#include "world.h"

#include "service/worker.h"

// --- down the refusals: each line mends the fault of the one before ---

static void knows_users(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->facts.users_known = true;
}

static void payer_exists(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->facts.payer = user_facts(PAYER);
    pay->facts.payer.roles = FQ_ROLE_MERCHANT;
}

static void caller_sees_payer(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->base.by = caller_of(FQ_SCOPE_READ, 0);
}

static void order_exists(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->facts.order.exists = true;
}

static void payee_exists(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->facts.payee = user_facts(PAYEE);
    pay->facts.payee.status = FQ_USER_IS_FROZEN;
}

static void caller_may(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->base.by = caller_of(FQ_SCOPE_ADMIN, 0);
}

static void payer_has_role(batch_world *world, payment_pay *pay) {
    (void)pay;
    fq_party_row *payer = party(world, PAYER);
    payer->roles = FQ_ROLE_PAYER;
    payer->status = FQ_USER_IS_FROZEN;
}

static void order_is_his(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->facts.order.payer.v = PAYER;
    pay->facts.order.payee.v = PAYER;
}

static void payee_is_another(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->facts.order.payee.v = PAYEE;
}

static void payer_is_active(batch_world *world, payment_pay *pay) {
    (void)pay;
    party(world, PAYER)->status = FQ_USER_IS_ACTIVE;
}

static void payee_is_active(batch_world *world, payment_pay *pay) {
    (void)pay;
    party(world, PAYEE)->status = FQ_USER_IS_ACTIVE;
}

static void amount_is_right(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->amount_minor = PRICE;
}

static void currency_is_right(batch_world *world, payment_pay *pay) {
    pay->currency = cny;
    guard_row *guard = guard_of(world);
    guard->row.state = FQ_ROW_LOADED;
    guard->state = FQ_GUARD_PAID;
}

static void not_paid_but_held(batch_world *world, payment_pay *pay) {
    (void)pay;
    guard_of(world)->state = FQ_GUARD_HELD;
}

static void not_held_but_cancelled(batch_world *world, payment_pay *pay) {
    (void)pay;
    guard_of(world)->state = FQ_GUARD_CANCELLED;
}

static void not_cancelled_but_expired(batch_world *world, payment_pay *pay) {
    (void)pay;
    guard_of(world)->state = FQ_GUARD_EXPIRED;
}

static void guard_is_open(batch_world *world, payment_pay *pay) {
    (void)pay;
    guard_of(world)->state = FQ_GUARD_OPEN;
}

static void order_is_in_time(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->facts.order.expires_ms = WORLD_NOW_MS + 1;
}

static void reference_is_free(batch_world *world, payment_pay *pay) {
    (void)world;
    pay->reference = FQ_STR("R-2");
}

static void payer_has_money(batch_world *world, payment_pay *pay) {
    (void)pay;
    wallet(world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = PRICE;
    wallet(world, PAYEE, FQ_ACCOUNT_AVAILABLE)->balance_minor = INT64_MAX - PRICE + 1;
}

static void payee_has_room(batch_world *world, payment_pay *pay) {
    (void)pay;
    wallet(world, PAYEE, FQ_ACCOUNT_AVAILABLE)->balance_minor = INT64_MAX - PRICE;
}

static void test_refusals_in_order(void **state) {
    (void)state;
    static const struct {
        fq_code code;
        const char *param;
        void (*mend)(batch_world *world, payment_pay *pay);
    } rows[] = {
        {FQ_FACT_MISSING, NULL, knows_users},
        {FQ_USER_NOT_FOUND, NULL, payer_exists},
        {FQ_USER_NOT_FOUND, "user_id", caller_sees_payer},
        {FQ_ORDER_NOT_FOUND, "order_id", order_exists},
        {FQ_USER_NOT_FOUND, NULL, payee_exists},
        {FQ_NOT_ALLOWED, "user_id", caller_may},
        {FQ_NOT_ALLOWED, "user_id", payer_has_role},
        {FQ_PAYER_MISMATCH, "user_id", order_is_his},
        {FQ_PAYER_IS_PAYEE, "user_id", payee_is_another},
        {FQ_USER_FROZEN, NULL, payer_is_active},
        {FQ_USER_FROZEN, NULL, payee_is_active},
        {FQ_AMOUNT_MISMATCH, "amount", amount_is_right},
        {FQ_CURRENCY_MISMATCH, "currency", currency_is_right},
        {FQ_ORDER_ALREADY_PAID, "order_id", not_paid_but_held},
        {FQ_ORDER_NOT_PAYABLE, "order_id", not_held_but_cancelled},
        {FQ_ORDER_NOT_PAYABLE, "order_id", not_cancelled_but_expired},
        {FQ_ORDER_NOT_PAYABLE, "order_id", guard_is_open},
        {FQ_ORDER_NOT_PAYABLE, "order_id", order_is_in_time},
        {FQ_REFERENCE_TAKEN, "reference", reference_is_free},
        {FQ_INSUFFICIENT_BALANCE, "amount", payer_has_money},
        {FQ_STATE_CONFLICT, "amount", payee_has_room},
    };
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    payment_pay pay = pay_command();
    pay.base.by = caller_of(FQ_SCOPE_PAYER, OTHER);
    pay.amount_minor = PRICE + 1;
    pay.currency = usd;
    pay.reference = FQ_STR("R-1");
    pay.facts.order.exists = false;
    pay.facts.order.payer.v = OTHER;
    pay.facts.order.expires_ms = WORLD_NOW_MS;
    const reference_hash hash = reference_hash_of(FQ_ID_payment, pay.reference);
    world_row(&world, &reference_table, hash.high, hash.low, PAYEE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_refused(world_run(&world, &pay.base), rows[i].code, rows[i].param);
        assert_int_equal(world_events(&world), 0);
        assert_int_equal(transfer_count(&world), 0);
        assert_int_equal(pay.payment->row.state, FQ_ROW_ABSENT);
        rows[i].mend(&world, &pay);
    }
    assert_int_equal(world_run(&world, &pay.base).code, FQ_DONE);
    assert_int_equal(balance(&world, PAYEE, FQ_ACCOUNT_AVAILABLE), INT64_MAX);
    world_end(&world);
}

// --- who may ---

static void test_scopes(void **state) {
    (void)state;
    static const struct {
        fq_scope scope;
        uint64_t user;
        uint64_t order_payer, payee;
        fq_code code;
    } rows[] = {
        {FQ_SCOPE_ADMIN, 0, 0, PAYEE, FQ_DONE},
        {FQ_SCOPE_HOUSE, 0, 0, PAYEE, FQ_DONE},
        {FQ_SCOPE_READ, 0, 0, PAYEE, FQ_NOT_ALLOWED},
        {FQ_SCOPE_PAYER, PAYER, 0, PAYEE, FQ_DONE},
        {FQ_SCOPE_PAYER, PAYER, PAYER, PAYEE, FQ_DONE},
        {FQ_SCOPE_PAYER, PAYER, OTHER, PAYEE, FQ_ORDER_NOT_FOUND},
        {FQ_SCOPE_PAYER, OTHER, 0, PAYEE, FQ_USER_NOT_FOUND},
        {FQ_SCOPE_PAYER, PAYEE, 0, PAYEE, FQ_USER_NOT_FOUND},
        {FQ_SCOPE_MERCHANT, PAYEE, 0, PAYEE, FQ_USER_NOT_FOUND},
        {FQ_SCOPE_MERCHANT, OTHER, 0, PAYEE, FQ_USER_NOT_FOUND},
        // A merchant's key of the payer himself: he sees himself, but not another's order, and his
        // own he may not pay.
        {FQ_SCOPE_MERCHANT, PAYER, 0, PAYEE, FQ_ORDER_NOT_FOUND},
        {FQ_SCOPE_MERCHANT, PAYER, 0, PAYER, FQ_NOT_ALLOWED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        payment_world(&world);
        payment_pay pay = pay_command();
        pay.base.by = caller_of(rows[i].scope, rows[i].user);
        pay.facts.order.payer.v = rows[i].order_payer;
        pay.facts.order.payee.v = rows[i].payee;
        assert_int_equal(world_run(&world, &pay.base).code, rows[i].code);
        world_end(&world);
    }
}

// --- what a payment does ---

static void test_paid_at_once(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    payment_pay pay = pay_command();
    pay.reference = FQ_STR("R-1");
    pay.metadata = FQ_STR("{\"a\":\"b\"}");
    assert_int_equal(world_run(&world, &pay.base).code, FQ_DONE);
    const payment_row *row = pay.payment;
    assert_int_equal(row->status, FQ_PAYMENT_IS_SUCCEEDED);
    assert_int_equal(row->captured_minor, PRICE);
    assert_int_equal(row->refunded_minor, 0);
    assert_int_equal(row->fee_minor, 0);
    assert_int_equal(row->payer_id.v, PAYER);
    assert_int_equal(row->payee_id.v, PAYEE);
    assert_int_equal(row->capture_before_ms, 0);
    assert_int_equal(row->created_ms, WORLD_NOW_MS);
    assert_int_equal(row->version, 1);
    assert_true(fq_str_equal(row->reference, FQ_STR("R-1")));
    assert_int_equal(pay.taken->subject, row->id.v);
    assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_AVAILABLE), FUNDS - PRICE);
    assert_int_equal(balance(&world, PAYEE, FQ_ACCOUNT_AVAILABLE), PRICE);
    assert_int_equal(transfer_count(&world), 1);
    assert_int_equal(transfer_at(&world, 0)->kind, FQ_TRANSFER_PAYMENT);
    assert_int_equal(transfer_at(&world, 0)->payment, row->id.v);
    const guard_row *guard = guard_of(&world);
    assert_int_equal(guard->state, FQ_GUARD_PAID);
    assert_int_equal(guard->paid_minor, PRICE);
    assert_int_equal(guard->payment_id.v, row->id.v);
    assert_int_equal(guard->version, 1);
    assert_int_equal(world_events(&world), 1);
    assert_int_equal(world_event(&world, 0)->type, FQ_PAYMENT_SUCCEEDED);
    assert_int_equal(world_event(&world, 0)->subject, row->id.v);
    assert_int_equal(world_event(&world, 0)->by_key, KEY);
    assert_int_equal(pay.base.subject, row->id.v);
    assert_int_equal(pay.shown.id.v, row->id.v);
    // Nobody pays it twice, and nobody else of this payee uses the reference again.
    payment_pay again = pay_command();
    assert_refused(world_run(&world, &again.base), FQ_ORDER_ALREADY_PAID, "order_id");
    payment_pay other = pay_command();
    other.order_id.v = ORDER + 1;
    other.reference = FQ_STR("R-1");
    assert_refused(world_run(&world, &other.base), FQ_REFERENCE_TAKEN, "reference");
    world_end(&world);
}

static void test_fees(void **state) {
    (void)state;
    static const struct {
        int64_t amount_minor, fee_bps, fee_minor;
    } rows[] = {{1000, 0, 0},
                {1000, 60, 6},
                {1, 60, 0},
                {9999, 1, 0},
                {10000, 1, 1},
                {19999, 1, 1},
                {1000, 10000, 1000},
                {FQ_AMOUNT_MAX, 10000, FQ_AMOUNT_MAX},
                {FQ_AMOUNT_MAX, 1, FQ_AMOUNT_MAX / 10000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        payment_world(&world);
        wallet(&world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = rows[i].amount_minor;
        payment_pay pay = pay_command();
        pay.amount_minor = pay.facts.order.amount.amount_minor = rows[i].amount_minor;
        pay.fee_bps = rows[i].fee_bps;
        assert_int_equal(world_run(&world, &pay.base).code, FQ_DONE);
        assert_int_equal(pay.shown.fee_minor, rows[i].fee_minor);
        assert_int_equal(balance(&world, PAYEE, FQ_ACCOUNT_AVAILABLE),
                         rows[i].amount_minor - rows[i].fee_minor);
        assert_int_equal(balance(&world, FQ_OWNER_HOUSE, FQ_ACCOUNT_FEES), rows[i].fee_minor);
        assert_int_equal(transfer_count(&world), rows[i].fee_minor ? 2 : 1);
        world_end(&world);
    }
}

static void test_authorized(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    payment_pay pay = pay_command();
    pay.capture = 1;
    pay.fee_bps = 60;
    assert_int_equal(world_run(&world, &pay.base).code, FQ_DONE);
    assert_int_equal(pay.shown.status, FQ_PAYMENT_IS_AUTHORIZED);
    assert_int_equal(pay.shown.captured_minor, 0);
    assert_int_equal(pay.shown.fee_minor, 0);
    assert_int_equal(pay.shown.capture_before_ms, WORLD_NOW_MS + LIFETIME_MS);
    assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_AVAILABLE), FUNDS - PRICE);
    assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_HELD), PRICE);
    assert_int_equal(balance(&world, PAYEE, FQ_ACCOUNT_AVAILABLE), 0);
    assert_int_equal(guard_of(&world)->state, FQ_GUARD_HELD);
    assert_int_equal(guard_of(&world)->paid_minor, 0);
    assert_int_equal(world_event(&world, 0)->type, FQ_PAYMENT_AUTHORIZED);
    assert_int_equal(fq_work_want(world.batch, pay.shown.capture_before_ms, WORK_END_AUTHORIZATION,
                                  pay.shown.id.v)
                         ->row.state,
                     FQ_ROW_NEW);
    payment_pay again = pay_command();
    assert_refused(world_run(&world, &again.base), FQ_ORDER_NOT_PAYABLE, "order_id");
    // An attempt after a cancelled one knows the one before.
    payment_change cancel = change_command(&payment_cancel_kind, pay.shown.id.v);
    assert_int_equal(world_run(&world, &cancel.base).code, FQ_DONE);
    assert_int_equal(world_run(&world, &again.base).code, FQ_DONE);
    assert_int_equal(again.shown.previous.v, pay.shown.id.v);
    world_end(&world);
}

// A hold that does not fit into the payer's own held wallet.
static void test_hold_overflows(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    wallet(&world, PAYER, FQ_ACCOUNT_HELD)->balance_minor = INT64_MAX;
    payment_pay pay = pay_command();
    pay.capture = 1;
    assert_refused(world_run(&world, &pay.base), FQ_STATE_CONFLICT, "amount");
    world_end(&world);
}

// A user seen for the first time is kept as he was told.
static void test_first_seen_users(void **state) {
    (void)state;
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    wallet(&world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = FUNDS;
    payment_pay pay = pay_command();
    pay.facts.users_known = true;
    pay.facts.payer = user_facts(PAYER);
    pay.facts.payee = user_facts(PAYEE);
    pay.facts.payee.version = 7;
    assert_int_equal(world_run(&world, &pay.base).code, FQ_DONE);
    assert_int_equal(pay.payer->row.state, FQ_ROW_NEW);
    assert_int_equal(pay.payee->version, 7);
    world_end(&world);
}

// --- the same answer again ---

static void test_replay_is_as_it_was(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    payment_pay pay = pay_command();
    pay.capture = 1;
    pay.reference = FQ_STR("R-1");
    assert_int_equal(world_run(&world, &pay.base).code, FQ_DONE);
    const payment_row then = pay.shown;
    payment_change capture = change_command(&payment_capture_kind, then.id.v);
    capture.amount_minor = 400;
    assert_int_equal(world_run(&world, &capture.base).code, FQ_DONE);
    refund_create refund = refund_command(then.id.v, 100);
    assert_int_equal(world_run(&world, &refund.base).code, FQ_DONE);
    world_commit_events(&world);
    payment_pay again = pay_command();
    const fq_request_row *record = world_record(&world, &pay.base);
    assert_int_equal(world_replay(&world, &again.base, record).code, FQ_DONE);
    assert_int_equal(again.shown.id.v, then.id.v);
    assert_int_equal(again.shown.status, FQ_PAYMENT_IS_AUTHORIZED);
    assert_int_equal(again.shown.captured_minor, 0);
    assert_int_equal(again.shown.refunded_minor, 0);
    assert_int_equal(again.shown.version, 1);
    assert_true(fq_str_equal(again.shown.reference, FQ_STR("R-1")));
    // The row itself went on.
    assert_int_equal(payment_of(&world, then.id.v)->refunded_minor, 100);
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_in_order), cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_paid_at_once),      cmocka_unit_test(test_fees),
        cmocka_unit_test(test_authorized),        cmocka_unit_test(test_hold_overflows),
        cmocka_unit_test(test_first_seen_users),  cmocka_unit_test(test_replay_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
