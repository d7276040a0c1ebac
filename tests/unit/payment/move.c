// Refunds and top-ups: every refusal in order, from which wallets, and the same answer again.
#include "world.h"

// --- refunds, down the refusals ---

static void payment_is_there(batch_world *world, refund_create *refund) {
    (void)refund;
    payment_row *payment = (payment_row *)world_row(world, &payment_table, PAYMENT, 0, 0);
    payment->order_id.v = ORDER;
    payment->payer_id.v = PAYER;
    payment->payee_id.v = PAYEE;
    payment->amount_minor = PRICE;
    payment->currency = cny;
    payment->status = FQ_PAYMENT_IS_AUTHORIZED;
    guard_row *guard = guard_of(world);
    guard->row.state = FQ_ROW_LOADED;
    guard->state = FQ_GUARD_PAID;
}

static void caller_sees_it(batch_world *world, refund_create *refund) {
    (void)world;
    refund->base.by = caller_of(FQ_SCOPE_PAYER, PAYER);
}

static void caller_may(batch_world *world, refund_create *refund) {
    (void)world;
    refund->base.by = caller_of(FQ_SCOPE_MERCHANT, PAYEE);
}

static void it_succeeded(batch_world *world, refund_create *refund) {
    (void)refund;
    payment_row *payment = payment_of(world, PAYMENT);
    payment->status = FQ_PAYMENT_IS_SUCCEEDED;
    payment->captured_minor = payment->refunded_minor = PRICE;
    guard_of(world)->paid_minor = guard_of(world)->refunded_minor = PRICE;
}

static void something_is_left(batch_world *world, refund_create *refund) {
    (void)refund;
    payment_of(world, PAYMENT)->refunded_minor = 900;
}

static void amount_is_left(batch_world *world, refund_create *refund) {
    (void)world;
    refund->amount_minor = 100;
}

static void reference_is_free(batch_world *world, refund_create *refund) {
    (void)world;
    refund->reference = FQ_STR("R-2");
}

static void payee_has_both(batch_world *world, refund_create *refund) {
    (void)refund;
    wallet(world, PAYEE, FQ_ACCOUNT_PENDING)->balance_minor = 40;
    wallet(world, PAYEE, FQ_ACCOUNT_AVAILABLE)->balance_minor = 60;
    wallet(world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = INT64_MAX - 99;
}

static void payer_has_room(batch_world *world, refund_create *refund) {
    (void)refund;
    wallet(world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = INT64_MAX - 100;
}

static void test_refund_refusals_in_order(void **state) {
    (void)state;
    static const struct {
        fq_code code;
        const char *param;
        void (*mend)(batch_world *world, refund_create *refund);
    } rows[] = {
        {FQ_PAYMENT_NOT_FOUND, "payment_id", payment_is_there},
        {FQ_PAYMENT_NOT_FOUND, NULL, caller_sees_it},
        {FQ_NOT_ALLOWED, NULL, caller_may},
        {FQ_PAYMENT_NOT_REFUNDABLE, "payment_id", it_succeeded},
        {FQ_PAYMENT_NOT_REFUNDABLE, "payment_id", something_is_left},
        {FQ_REFUND_EXCEEDS_PAYMENT, "amount", amount_is_left},
        {FQ_REFERENCE_TAKEN, "reference", reference_is_free},
        {FQ_INSUFFICIENT_BALANCE, "amount", payee_has_both},
        {FQ_STATE_CONFLICT, "amount", payer_has_room},
    };
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    refund_create refund = refund_command(PAYMENT, 101);
    refund.base.by = caller_of(FQ_SCOPE_MERCHANT, OTHER);
    refund.reference = FQ_STR("R-1");
    const reference_hash hash = reference_hash_of(FQ_ID_refund, refund.reference);
    world_row(&world, &reference_table, hash.high, hash.low, PAYEE);
    wallet(&world, PAYEE, FQ_ACCOUNT_AVAILABLE)->balance_minor = 99;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_refused(world_run(&world, &refund.base), rows[i].code, rows[i].param);
        assert_int_equal(world_events(&world), 0);
        assert_int_equal(transfer_count(&world), 0);
        rows[i].mend(&world, &refund);
    }
    assert_int_equal(world_run(&world, &refund.base).code, FQ_DONE);
    assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_AVAILABLE), INT64_MAX);
    world_end(&world);
}

static void test_refund_statuses(void **state) {
    (void)state;
    for (int status = FQ_PAYMENT_IS_REQUIRES_ACTION; status <= FQ_PAYMENT_IS_CANCELLED; status++) {
        batch_world world;
        payment_world(&world);
        const uint64_t id = paid(&world, false);
        payment_of(&world, id)->status = (uint8_t)status;
        refund_create refund = refund_command(id, 0);
        const bool done = status == FQ_PAYMENT_IS_SUCCEEDED;
        assert_int_equal(world_run(&world, &refund.base).code,
                         done ? FQ_DONE : FQ_PAYMENT_NOT_REFUNDABLE);
        world_end(&world);
    }
}

// --- what a refund does ---

static void test_refund_in_parts(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    const uint64_t id = paid(&world, false);
    refund_create first = refund_command(id, 300);
    first.reason = FQ_STR("broken");
    first.reference = FQ_STR("R-1");
    assert_int_equal(world_run(&world, &first.base).code, FQ_DONE);
    assert_int_equal(first.shown.status, MOVE_IS_SUCCEEDED);
    assert_int_equal(first.shown.amount_minor, 300);
    assert_int_equal(first.shown.payer_id.v, PAYER);
    assert_int_equal(first.shown.payee_id.v, PAYEE);
    assert_true(fq_str_equal(first.shown.reason, FQ_STR("broken")));
    assert_int_equal(first.taken->subject, first.shown.id.v);
    assert_int_equal(payment_of(&world, id)->refunded_minor, 300);
    assert_int_equal(payment_of(&world, id)->version, 2);
    assert_int_equal(guard_of(&world)->refunded_minor, 300);
    assert_int_equal(guard_of(&world)->state, FQ_GUARD_PAID);
    // Both the payment and the refund are told; the answer shows the refund.
    assert_int_equal(world_events(&world), 3);
    assert_int_equal(world_event(&world, 1)->type, FQ_PAYMENT_REFUNDED);
    assert_int_equal(world_event(&world, 1)->version, 2);
    assert_int_equal(world_event(&world, 0)->type, FQ_REFUND_SUCCEEDED);
    assert_ptr_equal(first.base.told, world_event(&world, 0));
    refund_create too_much = refund_command(id, 701);
    const fq_err err = world_run(&world, &too_much.base);
    assert_refused(err, FQ_REFUND_EXCEEDS_PAYMENT, "amount");
    assert_int_equal(err.detail.blank[0].value.number, 700);
    refund_create same_reference = refund_command(id, 1);
    same_reference.reference = FQ_STR("R-1");
    assert_refused(world_run(&world, &same_reference.base), FQ_REFERENCE_TAKEN, "reference");
    refund_create rest = refund_command(id, 0);
    assert_int_equal(world_run(&world, &rest.base).code, FQ_DONE);
    assert_int_equal(rest.shown.amount_minor, 700);
    assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_AVAILABLE), FUNDS);
    assert_int_equal(balance(&world, PAYEE, FQ_ACCOUNT_AVAILABLE), 0);
    refund_create none = refund_command(id, 1);
    assert_refused(world_run(&world, &none.base), FQ_PAYMENT_NOT_REFUNDABLE, "payment_id");
    world_end(&world);
}

// Of a partial capture no more than was captured is given back.
static void test_refund_of_a_partial_capture(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    payment_change capture = change_command(&payment_capture_kind, paid(&world, true));
    capture.amount_minor = 400;
    assert_int_equal(world_run(&world, &capture.base).code, FQ_DONE);
    refund_create refund = refund_command(capture.id.v, 401);
    assert_refused(world_run(&world, &refund.base), FQ_REFUND_EXCEEDS_PAYMENT, "amount");
    refund.amount_minor = 0;
    assert_int_equal(world_run(&world, &refund.base).code, FQ_DONE);
    assert_int_equal(refund.shown.amount_minor, 400);
    assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_AVAILABLE), FUNDS);
    world_end(&world);
}

// From pending first, then from available; frozen users are refunded too.
static void test_refund_from_both_wallets(void **state) {
    (void)state;
    static const struct {
        int64_t pending_minor, available_minor, pending_after, available_after;
        fq_code code;
    } rows[] = {
        {PRICE, 0, 0, 0, FQ_DONE},
        {PRICE + 5, 7, 5, 7, FQ_DONE},
        {0, PRICE, 0, 0, FQ_DONE},
        {1, PRICE, 0, 1, FQ_DONE},
        {PRICE - 1, 1, 0, 0, FQ_DONE},
        {PRICE - 1, 0, PRICE - 1, 0, FQ_INSUFFICIENT_BALANCE},
        {0, PRICE - 1, 0, PRICE - 1, FQ_INSUFFICIENT_BALANCE},
        // Rich beyond 64 bits together.
        {INT64_MAX, INT64_MAX, INT64_MAX - PRICE, INT64_MAX, FQ_DONE},
        {PRICE - 1, INT64_MAX, 0, INT64_MAX - 1, FQ_DONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        payment_world(&world);
        refund_create refund = refund_command(paid(&world, false), 0);
        wallet(&world, PAYEE, FQ_ACCOUNT_PENDING)->balance_minor = rows[i].pending_minor;
        wallet(&world, PAYEE, FQ_ACCOUNT_AVAILABLE)->balance_minor = rows[i].available_minor;
        party(&world, PAYEE)->status = party(&world, PAYER)->status = FQ_USER_IS_FROZEN;
        assert_int_equal(world_run(&world, &refund.base).code, rows[i].code);
        assert_true(balance(&world, PAYEE, FQ_ACCOUNT_PENDING) == rows[i].pending_after);
        assert_true(balance(&world, PAYEE, FQ_ACCOUNT_AVAILABLE) == rows[i].available_after);
        world_end(&world);
    }
}

// --- top-ups ---

static topup_create topup_command(int64_t amount_minor) {
    return (topup_create){
        .base = {.kind = &topup_create_kind, .units = 1, .by = caller_of(FQ_SCOPE_ADMIN, 0)},
        .user_id = {PAYER},
        .amount_minor = amount_minor,
        .currency = cny,
        .method = METHOD_SANDBOX};
}

static void test_topup_refusals_in_order(void **state) {
    (void)state;
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    topup_create topup = topup_command(PRICE);
    topup.base.by = caller_of(FQ_SCOPE_PAYER, OTHER);
    topup.reference = FQ_STR("R-1");
    const reference_hash hash = reference_hash_of(FQ_ID_topup, topup.reference);
    world_row(&world, &reference_table, hash.high, hash.low, PAYER);
    wallet(&world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = INT64_MAX - PRICE + 1;
    fq_account_row *channel =
        fq_account_want(world.batch, FQ_OWNER_SANDBOX_CHANNEL, cny, FQ_ACCOUNT_CHANNEL);
    channel->balance_minor = INT64_MIN + PRICE - 1;
    assert_refused(world_run(&world, &topup.base), FQ_FACT_MISSING, NULL);
    topup.facts.users_known = true;
    assert_refused(world_run(&world, &topup.base), FQ_USER_NOT_FOUND, NULL);
    topup.facts.payer = user_facts(PAYER);
    topup.facts.payer.status = FQ_USER_IS_FROZEN;
    assert_refused(world_run(&world, &topup.base), FQ_USER_NOT_FOUND, NULL);
    topup.base.by = caller_of(FQ_SCOPE_PAYER, PAYER);
    assert_refused(world_run(&world, &topup.base), FQ_NOT_ALLOWED, NULL);
    topup.base.by = caller_of(FQ_SCOPE_ADMIN, 0);
    assert_refused(world_run(&world, &topup.base), FQ_USER_FROZEN, "user_id");
    party(&world, PAYER)->status = FQ_USER_IS_ACTIVE;
    assert_refused(world_run(&world, &topup.base), FQ_REFERENCE_TAKEN, "reference");
    topup.reference = FQ_STR("R-2");
    assert_refused(world_run(&world, &topup.base), FQ_STATE_CONFLICT, "amount");
    wallet(&world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = 0;
    // The channel's account is as far below zero as 64 bits go.
    assert_refused(world_run(&world, &topup.base), FQ_STATE_CONFLICT, "amount");
    assert_int_equal(world_events(&world), 0);
    assert_int_equal(transfer_count(&world), 0);
    channel->balance_minor = 0;
    assert_int_equal(world_run(&world, &topup.base).code, FQ_DONE);
    world_end(&world);
}

static void test_topup(void **state) {
    (void)state;
    static const struct {
        fq_scope scope;
        uint64_t user;
        fq_code code;
    } rows[] = {
        {FQ_SCOPE_ADMIN, 0, FQ_DONE},
        {FQ_SCOPE_HOUSE, 0, FQ_DONE},
        {FQ_SCOPE_READ, 0, FQ_NOT_ALLOWED},
        {FQ_SCOPE_MERCHANT, PAYER, FQ_NOT_ALLOWED},
        {FQ_SCOPE_MERCHANT, PAYEE, FQ_USER_NOT_FOUND},
        {FQ_SCOPE_PAYER, PAYER, FQ_NOT_ALLOWED},
        {FQ_SCOPE_PAYER, PAYEE, FQ_USER_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        payment_world(&world);
        topup_create topup = topup_command(PRICE);
        topup.base.by = caller_of(rows[i].scope, rows[i].user);
        assert_int_equal(world_run(&world, &topup.base).code, rows[i].code);
        const int64_t moved_minor = rows[i].code ? 0 : PRICE;
        assert_int_equal(balance(&world, PAYER, FQ_ACCOUNT_AVAILABLE), FUNDS + moved_minor);
        assert_int_equal(balance(&world, FQ_OWNER_SANDBOX_CHANNEL, FQ_ACCOUNT_CHANNEL),
                         -moved_minor);
        if (!rows[i].code) {
            assert_int_equal(topup.shown.status, MOVE_IS_SUCCEEDED);
            assert_int_equal(topup.shown.method, METHOD_SANDBOX);
            assert_int_equal(world_event(&world, 0)->type, FQ_TOPUP_SUCCEEDED);
            assert_int_equal(transfer_at(&world, 0)->kind, FQ_TRANSFER_TOPUP);
            assert_int_equal(transfer_at(&world, 0)->payment, 0);
            assert_int_equal(transfer_at(&world, 0)->subject, topup.shown.id.v);
        }
        world_end(&world);
    }
}

// --- a user is closed ---

static void test_party_close(void **state) {
    (void)state;
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    party_close close = {
        .base = {.kind = &party_close_kind, .units = 1}, .user_id = {PAYER}, .closed = true};
    assert_refused(world_run(&world, &close.base), FQ_FACT_MISSING, NULL);
    close.facts.users_known = true;
    close.facts.payer = user_facts(PAYER);
    close.facts.payer.status = FQ_USER_IS_FROZEN;
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    assert_int_equal(party(&world, PAYER)->status, FQ_USER_IS_CLOSED);
    // A balance was found: he is again as he was.
    close.closed = false;
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    assert_int_equal(party(&world, PAYER)->status, FQ_USER_IS_FROZEN);
    world_end(&world);
}

// Closing and following meet: whatever is known last of the user stands.
static void test_party_close_between_events(void **state) {
    (void)state;
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    party_close close = {
        .base = {.kind = &party_close_kind, .units = 1}, .user_id = {PAYER}, .closed = true};
    close.facts.users_known = true;
    close.facts.payer = user_facts(PAYER);
    close.facts.payer.version = 3;
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    close.facts.payer.version = 5;
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    // An event of version 4, told late, must not open him: what is kept is newer.
    assert_int_equal(party(&world, PAYER)->version, 5);
    // Told of in between: he is not opened by older facts.
    close.closed = false;
    close.facts.payer.version = 4;
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    assert_int_equal(party(&world, PAYER)->status, FQ_USER_IS_CLOSED);
    close.facts.payer.version = 6;
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    assert_int_equal(party(&world, PAYER)->status, FQ_USER_IS_ACTIVE);
    assert_int_equal(party(&world, PAYER)->version, 6);
    world_end(&world);
}

// --- the same answer again ---

static void test_replays(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    topup_create topup = topup_command(PRICE);
    topup.reference = FQ_STR("T-1");
    assert_int_equal(world_run(&world, &topup.base).code, FQ_DONE);
    refund_create refund = refund_command(paid(&world, false), 300);
    refund.reason = FQ_STR("broken");
    assert_int_equal(world_run(&world, &refund.base).code, FQ_DONE);
    world_commit_events(&world);
    // Were their rows to change later, the answers would not.
    ((refund_row *)fq_want(world.batch, &refund_table, refund.shown.id.v, 0, 0))->status =
        MOVE_IS_FAILED;
    ((topup_row *)fq_want(world.batch, &topup_table, topup.shown.id.v, 0, 0))->version = 9;
    refund_create refund_again = refund_command(refund.payment_id.v, 300);
    assert_int_equal(
        world_replay(&world, &refund_again.base, world_record(&world, &refund.base)).code, FQ_DONE);
    assert_int_equal(refund_again.shown.id.v, refund.shown.id.v);
    assert_int_equal(refund_again.shown.status, MOVE_IS_SUCCEEDED);
    assert_true(fq_str_equal(refund_again.shown.reason, FQ_STR("broken")));
    topup_create topup_again = topup_command(PRICE);
    assert_int_equal(
        world_replay(&world, &topup_again.base, world_record(&world, &topup.base)).code, FQ_DONE);
    assert_int_equal(topup_again.shown.version, 1);
    assert_true(fq_str_equal(topup_again.shown.reference, FQ_STR("T-1")));
    world_end(&world);
}

// An event whose record cannot be read costs the request its answer, not the process.
static void test_replay_of_a_damaged_event(void **state) {
    (void)state;
    batch_world world;
    payment_world(&world);
    topup_create topup = topup_command(PRICE);
    assert_int_equal(world_run(&world, &topup.base).code, FQ_DONE);
    world_commit_events(&world);
    fq_event_row *event = (fq_event_row *)fq_want(world.batch, &fq_event_table, 1, 0, 0);
    event->told.len -= 3;
    topup_create again = topup_command(PRICE);
    assert_int_equal(world_replay(&world, &again.base, world_record(&world, &topup.base)).code,
                     FQ_INTERNAL);
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refund_refusals_in_order),
        cmocka_unit_test(test_refund_statuses),
        cmocka_unit_test(test_refund_in_parts),
        cmocka_unit_test(test_refund_of_a_partial_capture),
        cmocka_unit_test(test_refund_from_both_wallets),
        cmocka_unit_test(test_topup_refusals_in_order),
        cmocka_unit_test(test_topup),
        cmocka_unit_test(test_party_close),
        cmocka_unit_test(test_party_close_between_events),
        cmocka_unit_test(test_replays),
        cmocka_unit_test(test_replay_of_a_damaged_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
