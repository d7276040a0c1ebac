// Following payment's events: an order's status comes after its guard.
#include "world.h"

// What payment tells of a payment of order 77, as its own row begins.
FQ_ROW(told_payment, FQ_PAYMENT_TOLD_COLUMNS)
static const fq_column payment_columns[] = {FQ_COLUMNS(told_payment, FQ_PAYMENT_TOLD_COLUMNS)};
static const fq_table told_payment_table = {
    .name = "told_payment", .key_count = 1, FQ_TABLE_OF(told_payment, payment_columns)};
FQ_ROW(told_guard, FQ_GUARD_TOLD_COLUMNS)
static const fq_column guard_columns[] = {FQ_COLUMNS(told_guard, FQ_GUARD_TOLD_COLUMNS)};
static const fq_table told_guard_table = {
    .name = "told_guard", .key_count = 1, FQ_TABLE_OF(told_guard, guard_columns)};

// With columns behind that this service does not know.
static fq_event_row event_of(batch_world *world, uint16_t type, uint64_t subject,
                             const fq_row *told) {
    fq_buffer bytes = {.at = fq_arena_alloc(&world->arena, 64), .capacity = 64, .bytes_max = 64};
    fq_row_encode_told(told, &bytes);
    FQ_ADD(&bytes, "\x02\x04");
    return (fq_event_row){.row = {.table = &fq_event_table},
                          .position = 1,
                          .type = type,
                          .subject = subject,
                          .told = fq_buffer_str(&bytes)};
}

static fq_event_row payment_event(batch_world *world, uint16_t type, fq_payment_status status,
                                  int64_t captured_minor, int64_t refunded_minor) {
    const told_payment told = {.row = {.table = &told_payment_table},
                               .order_id = {77},
                               .status = (uint8_t)status,
                               .captured_minor = captured_minor,
                               .refunded_minor = refunded_minor};
    return event_of(world, type, 5001, &told.row);
}

static fq_event_row guard_event(batch_world *world, fq_guard_state closed) {
    const told_guard told = {.row = {.table = &told_guard_table}, .state = (uint8_t)closed};
    return event_of(world, FQ_GUARD_CLOSED, 77, &told.row);
}

static void follow(batch_world *world, const fq_event_row *event) {
    for (int round = 0; round < 2; round++) {
        order_follow_want(NULL, world->batch, event, round);
    }
    order_follow_decide(NULL, world->batch, event);
}

static void test_payment_events(void **state) {
    (void)state;
    static const struct {
        uint16_t type;
        fq_payment_status status;
        int64_t captured_minor, refunded_minor;
        order_status before, after;
        int told;
    } rows[] = {
        {FQ_PAYMENT_SUCCEEDED, FQ_PAYMENT_IS_SUCCEEDED, PRICE, 0, ORDER_PENDING, ORDER_PAID,
         TOLD_PAID},
        {FQ_PAYMENT_SUCCEEDED, FQ_PAYMENT_IS_SUCCEEDED, 400, 0, ORDER_PENDING, ORDER_PAID,
         TOLD_PAID},
        {FQ_PAYMENT_REFUNDED, FQ_PAYMENT_IS_SUCCEEDED, PRICE, 1, ORDER_PAID,
         ORDER_PARTIALLY_REFUNDED, TOLD_PARTIALLY_REFUNDED},
        {FQ_PAYMENT_REFUNDED, FQ_PAYMENT_IS_SUCCEEDED, PRICE, 2, ORDER_PARTIALLY_REFUNDED,
         ORDER_PARTIALLY_REFUNDED, TOLD_PARTIALLY_REFUNDED},
        {FQ_PAYMENT_REFUNDED, FQ_PAYMENT_IS_SUCCEEDED, PRICE, PRICE, ORDER_PAID, ORDER_REFUNDED,
         TOLD_REFUNDED},
        {FQ_PAYMENT_REFUNDED, FQ_PAYMENT_IS_SUCCEEDED, 400, 400, ORDER_PARTIALLY_REFUNDED,
         ORDER_REFUNDED, TOLD_REFUNDED},
        {FQ_PAYMENT_AUTHORIZED, FQ_PAYMENT_IS_AUTHORIZED, 0, 0, ORDER_PENDING, ORDER_PENDING, 0},
        {FQ_PAYMENT_CANCELLED, FQ_PAYMENT_IS_CANCELLED, 0, 0, ORDER_PENDING, ORDER_PENDING, 0},
        {FQ_PAYMENT_CANCELLED, FQ_PAYMENT_IS_CANCELLED, 0, 0, ORDER_CANCELLED, ORDER_CANCELLED, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        order_world(&world);
        order_row *order = stored_order(&world, 77);
        order->status = (uint8_t)rows[i].before;
        const fq_event_row event = payment_event(&world, rows[i].type, rows[i].status,
                                                 rows[i].captured_minor, rows[i].refunded_minor);
        follow(&world, &event);
        assert_int_equal(order->status, rows[i].after);
        assert_int_equal(order->version, rows[i].told ? 2 : 1);
        assert_int_equal(world_events(&world), rows[i].told != 0);
        if (rows[i].told) {
            assert_int_equal(order->paid_minor, rows[i].captured_minor);
            assert_int_equal(order->refunded_minor, rows[i].refunded_minor);
            assert_int_equal(world_event(&world, 0)->type, rows[i].told);
            assert_int_equal(world_event(&world, 0)->by_key, 0);
        }
        // What is paid does not lapse any more.
        const bool ended = rows[i].before == ORDER_PENDING && rows[i].told;
        assert_int_equal(timer_of(&world, order), ended ? FQ_ROW_GONE : FQ_ROW_LOADED);
        assert_int_equal(order->row.state, rows[i].told ? FQ_ROW_CHANGED : FQ_ROW_LOADED);
        world_end(&world);
    }
}

static void test_guard_closed(void **state) {
    (void)state;
    static const struct {
        fq_guard_state closed;
        order_status before, after;
    } rows[] = {
        {FQ_GUARD_CANCELLED, ORDER_PENDING, ORDER_CANCELLED},
        {FQ_GUARD_EXPIRED, ORDER_PENDING, ORDER_EXPIRED},
        // The order's own command was faster.
        {FQ_GUARD_CANCELLED, ORDER_CANCELLED, ORDER_CANCELLED},
        {FQ_GUARD_EXPIRED, ORDER_EXPIRED, ORDER_EXPIRED},
        {FQ_GUARD_CANCELLED, ORDER_PAID, ORDER_PAID},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        order_world(&world);
        order_row *order = stored_order(&world, 77);
        order->status = (uint8_t)rows[i].before;
        const fq_event_row event = guard_event(&world, rows[i].closed);
        follow(&world, &event);
        assert_int_equal(order->status, rows[i].after);
        const bool changed = rows[i].before != rows[i].after;
        assert_int_equal(world_events(&world), changed);
        assert_int_equal(timer_of(&world, order), changed ? FQ_ROW_GONE : FQ_ROW_LOADED);
        if (changed) {
            assert_int_equal(world_event(&world, 0)->type,
                             rows[i].closed == FQ_GUARD_EXPIRED ? TOLD_EXPIRED : TOLD_CANCELLED);
        }
        world_end(&world);
    }
}

// A whole life in one batch; the timer's row may be gone already.
static void test_events_one_after_the_other(void **state) {
    (void)state;
    batch_world world;
    order_world(&world);
    order_row *order = stored_order(&world, 77);
    fq_work_want(world.batch, order->expires_ms, WORK_EXPIRE, 77)->row.state = FQ_ROW_ABSENT;
    const fq_event_row life[] = {
        payment_event(&world, FQ_PAYMENT_AUTHORIZED, FQ_PAYMENT_IS_AUTHORIZED, 0, 0),
        payment_event(&world, FQ_PAYMENT_CANCELLED, FQ_PAYMENT_IS_CANCELLED, 0, 0),
        payment_event(&world, FQ_PAYMENT_SUCCEEDED, FQ_PAYMENT_IS_SUCCEEDED, PRICE, 0),
        payment_event(&world, FQ_PAYMENT_REFUNDED, FQ_PAYMENT_IS_SUCCEEDED, PRICE, 300),
        payment_event(&world, FQ_PAYMENT_REFUNDED, FQ_PAYMENT_IS_SUCCEEDED, PRICE, PRICE),
    };
    for (size_t i = 0; i < sizeof(life) / sizeof(life[0]); i++) {
        follow(&world, &life[i]);
    }
    assert_int_equal(order->status, ORDER_REFUNDED);
    assert_int_equal(order->version, 4);
    assert_int_equal(order->paid_minor, PRICE);
    assert_int_equal(order->refunded_minor, PRICE);
    assert_int_equal(world_events(&world), 3);
    world_end(&world);
}

// Not about an order of ours, or not readable: passed over.
static void test_passed_over(void **state) {
    (void)state;
    batch_world world;
    order_world(&world);
    const fq_event_row unknown =
        payment_event(&world, FQ_PAYMENT_SUCCEEDED, FQ_PAYMENT_IS_SUCCEEDED, PRICE, 0);
    follow(&world, &unknown);
    const fq_event_row unknown_guard = guard_event(&world, FQ_GUARD_CANCELLED);
    follow(&world, &unknown_guard);
    assert_int_equal(order_of(&world, 77)->row.state, FQ_ROW_ABSENT);
    order_row *order = stored_order(&world, 77);
    fq_event_row refund = unknown;
    refund.type = FQ_REFUND_SUCCEEDED;
    follow(&world, &refund);
    fq_event_row topup = unknown;
    topup.type = FQ_TOPUP_SUCCEEDED;
    follow(&world, &topup);
    fq_event_row damaged = unknown;
    damaged.told = FQ_STR("\xff");
    follow(&world, &damaged);
    fq_event_row damaged_guard = unknown_guard;
    damaged_guard.told = FQ_STR("\xff");
    follow(&world, &damaged_guard);
    assert_int_equal(order->status, ORDER_PENDING);
    assert_int_equal(order->row.state, FQ_ROW_LOADED);
    assert_int_equal(world_events(&world), 0);
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payment_events),
        cmocka_unit_test(test_guard_closed),
        cmocka_unit_test(test_events_one_after_the_other),
        cmocka_unit_test(test_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
