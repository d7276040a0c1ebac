// The rules of orders: every refusal in order, who may, how an order ends, and the same answer
// again.
#include "world.h"

// --- create, down the refusals: each line mends the fault of the one before ---

static fq_user_facts facts_of(uint64_t id, uint32_t roles) {
    return (fq_user_facts){{id}, true, FQ_USER_IS_FROZEN, roles, 1};
}

static void knows_users(batch_world *world, order_create *create) {
    (void)world;
    create->users_known = true;
}

static void payee_exists(batch_world *world, order_create *create) {
    (void)world;
    create->payee_facts = facts_of(PAYEE, FQ_ROLE_PAYER);
}

static void caller_sees_payee(batch_world *world, order_create *create) {
    (void)world;
    create->base.by = caller_of(FQ_SCOPE_READ, 0);
}

static void caller_may(batch_world *world, order_create *create) {
    (void)world;
    create->base.by = caller_of(FQ_SCOPE_MERCHANT, PAYEE);
}

static void payee_is_merchant(batch_world *world, order_create *create) {
    (void)create;
    party(world, PAYEE, FQ_ROLE_MERCHANT)->status = FQ_USER_IS_FROZEN;
}

static void payer_exists(batch_world *world, order_create *create) {
    (void)world;
    create->payer_facts = facts_of(PAYER, FQ_ROLE_MERCHANT);
}

static void payer_has_role(batch_world *world, order_create *create) {
    party(world, PAYER, FQ_ROLE_PAYER)->status = FQ_USER_IS_FROZEN;
    party(world, PAYEE, FQ_ROLE_MERCHANT | FQ_ROLE_PAYER)->status = FQ_USER_IS_FROZEN;
    create->payer_id.v = PAYEE;
}

static void payer_is_another(batch_world *world, order_create *create) {
    (void)world;
    create->payer_id.v = PAYER;
}

static void payee_is_active(batch_world *world, order_create *create) {
    (void)create;
    party(world, PAYEE, FQ_ROLE_MERCHANT);
}

static void payer_is_active(batch_world *world, order_create *create) {
    (void)create;
    party(world, PAYER, FQ_ROLE_PAYER);
}

static void reference_is_free(batch_world *world, order_create *create) {
    (void)world;
    create->reference = FQ_STR("R-2");
}

static void test_refusals_in_order(void **state) {
    (void)state;
    static const struct {
        fq_code code;
        const char *param;
        void (*mend)(batch_world *world, order_create *create);
    } rows[] = {
        {FQ_FACT_MISSING, NULL, knows_users},
        {FQ_USER_NOT_FOUND, NULL, payee_exists},
        {FQ_USER_NOT_FOUND, NULL, caller_sees_payee},
        {FQ_NOT_ALLOWED, NULL, caller_may},
        {FQ_NOT_ALLOWED, "payee_id", payee_is_merchant},
        {FQ_USER_NOT_FOUND, NULL, payer_exists},
        {FQ_NOT_ALLOWED, "payer_id", payer_has_role},
        {FQ_PAYER_IS_PAYEE, "payer_id", payer_is_another},
        {FQ_USER_FROZEN, NULL, payee_is_active},
        {FQ_USER_FROZEN, NULL, payer_is_active},
        {FQ_REFERENCE_TAKEN, "reference", reference_is_free},
    };
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    order_create create = create_command();
    create.base.by = caller_of(FQ_SCOPE_MERCHANT, OTHER);
    create.payer_id.v = PAYER;
    create.reference = FQ_STR("R-1");
    const order_reference_hash hash = order_reference_hash_of(create.reference);
    world_row(&world, &order_reference_table, hash.high, hash.low, PAYEE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_refused(world_run(&world, &create.base), rows[i].code, rows[i].param);
        assert_int_equal(world_events(&world), 0);
        assert_int_equal(create.order->row.state, FQ_ROW_ABSENT);
        rows[i].mend(&world, &create);
    }
    assert_int_equal(world_run(&world, &create.base).code, FQ_DONE);
    world_end(&world);
}

static void test_create(void **state) {
    (void)state;
    static const struct {
        fq_scope scope;
        uint64_t user;
        fq_code code;
    } rows[] = {
        {FQ_SCOPE_ADMIN, 0, FQ_DONE},
        {FQ_SCOPE_HOUSE, 0, FQ_DONE},
        {FQ_SCOPE_READ, 0, FQ_NOT_ALLOWED},
        {FQ_SCOPE_MERCHANT, PAYEE, FQ_DONE},
        {FQ_SCOPE_MERCHANT, OTHER, FQ_USER_NOT_FOUND},
        {FQ_SCOPE_PAYER, PAYEE, FQ_NOT_ALLOWED},
        {FQ_SCOPE_PAYER, PAYER, FQ_USER_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        order_world(&world);
        order_create create = create_command();
        create.base.by = caller_of(rows[i].scope, rows[i].user);
        create.reference = FQ_STR("R-1");
        assert_int_equal(world_run(&world, &create.base).code, rows[i].code);
        if (!rows[i].code) {
            assert_int_equal(create.shown.status, ORDER_PENDING);
            assert_int_equal(create.shown.version, 1);
            assert_int_equal(create.shown.expires_ms, WORLD_NOW_MS + LIFETIME_MS);
            assert_true(fq_str_equal(create.shown.description, FQ_STR("tea")));
            assert_int_equal(create.taken->subject, create.shown.id.v);
            assert_int_equal(timer_of(&world, create.order), FQ_ROW_NEW);
            assert_int_equal(world_event(&world, 0)->type, TOLD_CREATED);
            assert_int_equal(world_event(&world, 0)->by_key, KEY);
            order_create again = create_command();
            again.reference = FQ_STR("R-1");
            assert_refused(world_run(&world, &again.base), FQ_REFERENCE_TAKEN, "reference");
        }
        world_end(&world);
    }
}

// --- an order ends ---

// Each status, by its payee and by the timer.
static void test_close_by_status(void **state) {
    (void)state;
    static const struct {
        order_status before, to;
        bool was_closed;
        fq_code code;
    } rows[] = {
        {ORDER_PENDING, ORDER_CANCELLED, false, FQ_DONE},
        {ORDER_PAID, ORDER_CANCELLED, false, FQ_ORDER_ALREADY_PAID},
        {ORDER_PARTIALLY_REFUNDED, ORDER_CANCELLED, false, FQ_ORDER_ALREADY_PAID},
        {ORDER_REFUNDED, ORDER_CANCELLED, false, FQ_ORDER_ALREADY_PAID},
        {ORDER_EXPIRED, ORDER_CANCELLED, false, FQ_STATE_CONFLICT},
        {ORDER_EXPIRED, ORDER_CANCELLED, true, FQ_STATE_CONFLICT},
        // What this very call has asked payment to close is told as done, whoever was faster with
        // the event.
        {ORDER_CANCELLED, ORDER_CANCELLED, false, FQ_DONE},
        {ORDER_CANCELLED, ORDER_CANCELLED, true, FQ_STATE_CONFLICT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        order_world(&world);
        order_row *order = stored_order(&world, 77);
        order->status = (uint8_t)rows[i].before;
        order_close close = close_command(77, rows[i].to);
        close.was_closed = rows[i].was_closed;
        const bool changed = rows[i].before == ORDER_PENDING;
        assert_int_equal(world_run(&world, &close.base).code, rows[i].code);
        assert_int_equal(order->status, changed ? rows[i].to : rows[i].before);
        assert_int_equal(world_events(&world), changed);
        assert_int_equal(order->version, changed ? 2 : 1);
        assert_int_equal(timer_of(&world, order), changed ? FQ_ROW_GONE : FQ_ROW_LOADED);
        if (!rows[i].code) {
            assert_int_equal(close.shown.status, rows[i].to);
            assert_int_equal(close.base.subject, 77);
        }
        world_end(&world);
    }
}

static void test_lapse(void **state) {
    (void)state;
    static const struct {
        order_status before, to;  // to 0: payment said no
        order_status after;
    } rows[] = {
        {ORDER_PENDING, ORDER_EXPIRED, ORDER_EXPIRED},
        {ORDER_PENDING, 0, ORDER_PENDING},
        {ORDER_PAID, ORDER_EXPIRED, ORDER_PAID},
        {ORDER_CANCELLED, ORDER_EXPIRED, ORDER_CANCELLED},
        {ORDER_EXPIRED, ORDER_EXPIRED, ORDER_EXPIRED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        order_world(&world);
        order_row *order = stored_order(&world, 77);
        order->status = (uint8_t)rows[i].before;
        order_close close = close_command(77, ORDER_EXPIRED);
        close.status = rows[i].to;
        close.by_timer = true;
        close.due_ms = order->expires_ms;
        assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
        assert_int_equal(order->status, rows[i].after);
        // Done once and for all: the timer's row is to be deleted, whatever came of it.
        assert_int_equal(timer_of(&world, order), FQ_ROW_GONE);
        const bool changed = rows[i].after != rows[i].before;
        assert_int_equal(world_events(&world), changed);
        if (changed) {
            assert_int_equal(world_event(&world, 0)->type, TOLD_EXPIRED);
        }
        world_end(&world);
    }
    // An order that is not there: only the timer's row goes.
    batch_world world;
    order_world(&world);
    order_close close = close_command(78, ORDER_EXPIRED);
    close.by_timer = true;
    close.due_ms = WORLD_NOW_MS;
    fq_work_want(world.batch, WORLD_NOW_MS, WORK_EXPIRE, 78)->row.state = FQ_ROW_LOADED;
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    assert_int_equal(close.work->row.state, FQ_ROW_GONE);
    world_end(&world);
}

static void test_close_scopes(void **state) {
    (void)state;
    static const struct {
        fq_scope scope;
        uint64_t user, order_payer;
        fq_code code;
    } rows[] = {
        {FQ_SCOPE_ADMIN, 0, 0, FQ_DONE},
        {FQ_SCOPE_READ, 0, 0, FQ_NOT_ALLOWED},
        {FQ_SCOPE_MERCHANT, PAYEE, 0, FQ_DONE},
        {FQ_SCOPE_MERCHANT, OTHER, 0, FQ_ORDER_NOT_FOUND},
        {FQ_SCOPE_PAYER, PAYER, PAYER, FQ_NOT_ALLOWED},
        {FQ_SCOPE_PAYER, PAYER, OTHER, FQ_ORDER_NOT_FOUND},
        // Nobody is named: any payer sees it, to pay it.
        {FQ_SCOPE_PAYER, PAYER, 0, FQ_NOT_ALLOWED},
        {FQ_SCOPE_PAYER, PAYEE, OTHER, FQ_ORDER_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        order_world(&world);
        order_row *order = stored_order(&world, 77);
        order->payer_id.v = rows[i].order_payer;
        order_close close = close_command(77, ORDER_CANCELLED);
        close.base.by = caller_of(rows[i].scope, rows[i].user);
        assert_int_equal(order_is_visible(&close.base.by, order),
                         rows[i].code != FQ_ORDER_NOT_FOUND);
        assert_int_equal(world_run(&world, &close.base).code, rows[i].code);
        world_end(&world);
    }
    batch_world world;
    order_world(&world);
    order_close close = close_command(78, ORDER_CANCELLED);
    assert_refused(world_run(&world, &close.base), FQ_ORDER_NOT_FOUND, NULL);
    world_end(&world);
}

// --- the same answer again ---

static void test_replays(void **state) {
    (void)state;
    batch_world world;
    order_world(&world);
    order_create create = create_command();
    create.metadata = FQ_STR("{\"a\":\"b\"}");
    assert_int_equal(world_run(&world, &create.base).code, FQ_DONE);
    order_close close = close_command(create.shown.id.v, ORDER_CANCELLED);
    assert_int_equal(world_run(&world, &close.base).code, FQ_DONE);
    world_commit_events(&world);
    order_of(&world, create.shown.id.v)->version = 99;
    order_create create_again = create_command();
    const fq_request_row *created = world_record(&world, &create.base);
    assert_int_equal(world_replay(&world, &create_again.base, created).code, FQ_DONE);
    assert_int_equal(create_again.shown.status, ORDER_PENDING);
    assert_int_equal(create_again.shown.version, 1);
    assert_true(fq_str_equal(create_again.shown.metadata, create.metadata));
    order_close close_again = close_command(create.shown.id.v, ORDER_CANCELLED);
    assert_int_equal(
        world_replay(&world, &close_again.base, world_record(&world, &close.base)).code, FQ_DONE);
    assert_int_equal(close_again.shown.status, ORDER_CANCELLED);
    assert_int_equal(close_again.shown.version, 2);
    // An event whose record cannot be read costs the request its answer, not the process.
    ((fq_event_row *)fq_want(world.batch, &fq_event_table, created->event, 0, 0))->told.len -= 3;
    assert_int_equal(world_replay(&world, &create_again.base, created).code, FQ_INTERNAL);
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_in_order), cmocka_unit_test(test_create),
        cmocka_unit_test(test_close_by_status),   cmocka_unit_test(test_lapse),
        cmocka_unit_test(test_close_scopes),      cmocka_unit_test(test_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
