// Many orders in one command: each as the single one, all or none where asked, whole again when a
// fact is missing.
#include "world.h"

enum { ITEMS = 4 };

typedef struct {
    batch_world world;
    order_bulk bulk;
    order_bulk_item items[ITEMS];
} bulk_world;

static void begin(bulk_world *at, bool atomic) {
    order_world(&at->world);
    at->bulk = (order_bulk){
        .base = {.kind = &order_bulk_kind, .units = ITEMS, .by = caller_of(FQ_SCOPE_ADMIN, 0)},
        .atomic = atomic,
        .items = at->items,
        .count = ITEMS};
    for (size_t i = 0; i < ITEMS; i++) {
        at->items[i] = (order_bulk_item){.order = create_command()};
    }
    at->bulk.base.record = fq_want(at->world.batch, &fq_request_table, 1, 2, 0);
}

static size_t rows_in(bulk_world *at, const fq_table *table, fq_row_state state) {
    fq_row_list list;
    fq_batch_in_state(at->world.batch, &table, 1, state, &list);
    return list.count;
}

static void test_one_is_refused(void **state) {
    (void)state;
    for (int atomic = 0; atomic < 2; atomic++) {
        for (size_t bad = 0; bad <= ITEMS; bad++) {  // the last: none
            bulk_world at;
            begin(&at, atomic);
            if (bad < ITEMS) {
                at.items[bad].order.payee_id.v = PAYER;
            }
            const size_t good = bad < ITEMS ? ITEMS - 1 : ITEMS;
            const size_t made = bad < ITEMS && atomic ? 0 : good;
            assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
            for (size_t i = 0; i < ITEMS; i++) {
                const fq_code other = made ? FQ_DONE : FQ_BULK_ABORTED;
                assert_int_equal(at.items[i].outcome.code, i == bad ? FQ_NOT_ALLOWED : other);
            }
            assert_int_equal(world_events(&at.world), made);
            assert_int_equal(rows_in(&at, &order_table, FQ_ROW_NEW), made);
            assert_int_equal(rows_in(&at, &fq_work_table, FQ_ROW_NEW), made);
            assert_non_null(at.bulk.base.record);
            assert_int_equal(at.bulk.base.told != NULL, made > 0);
            world_end(&at.world);
        }
    }
}

static void test_same_reference_twice(void **state) {
    (void)state;
    bulk_world at;
    begin(&at, false);
    at.items[1].order.reference = at.items[3].order.reference = FQ_STR("R-1");
    assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
    assert_int_equal(at.items[1].outcome.code, FQ_DONE);
    assert_int_equal(at.items[3].outcome.code, FQ_REFERENCE_TAKEN);
    world_end(&at.world);
}

static void test_fact_missing_in_the_middle(void **state) {
    (void)state;
    bulk_world at;
    begin(&at, false);
    at.items[2].order.payer_id.v = OTHER;
    assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_FACT_MISSING);
    assert_int_equal(world_events(&at.world), 0);
    assert_int_equal(rows_in(&at, &order_table, FQ_ROW_NEW), 0);
    at.items[2].order.users_known = true;
    at.items[2].order.payer_facts =
        (fq_user_facts){{OTHER}, true, FQ_USER_IS_ACTIVE, FQ_ROLE_PAYER, 1};
    assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
    assert_int_equal(world_events(&at.world), ITEMS);
    world_end(&at.world);
}

static void test_replay(void **state) {
    (void)state;
    bulk_world at;
    begin(&at, false);
    order_create before = create_command();
    assert_int_equal(world_run(&at.world, &before.base).code, FQ_DONE);
    at.items[0].order.payee_id.v = PAYER;
    assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
    order_close close = close_command(at.items[3].order.shown.id.v, ORDER_CANCELLED);
    assert_int_equal(world_run(&at.world, &close.base).code, FQ_DONE);
    world_commit_events(&at.world);
    order_bulk_item again_items[ITEMS] = {0};
    order_bulk again = at.bulk;
    again.items = again_items;
    assert_int_equal(
        world_replay(&at.world, &again.base, world_record(&at.world, &at.bulk.base)).code, FQ_DONE);
    assert_int_equal(again_items[0].outcome.code, FQ_NOT_ALLOWED);
    assert_string_equal(again_items[0].outcome.param, "payee_id");
    for (size_t i = 1; i < ITEMS; i++) {
        assert_int_equal(again_items[i].outcome.code, FQ_DONE);
        assert_int_equal(again_items[i].order.shown.id.v, at.items[i].order.shown.id.v);
        assert_int_equal(again_items[i].order.shown.status, ORDER_PENDING);
    }
    world_end(&at.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_is_refused),
        cmocka_unit_test(test_same_reference_twice),
        cmocka_unit_test(test_fact_missing_in_the_middle),
        cmocka_unit_test(test_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
