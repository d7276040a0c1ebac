// Many payments in one command: each as the single one, all or none where asked, whole again when a
// fact is missing.
#include "world.h"

enum { ITEMS = 4 };

typedef struct {
    batch_world world;
    payment_bulk bulk;
    bulk_item items[ITEMS];
} bulk_world;

// Orders 4001, 4002, … of one payer, who can pay them all.
static void begin(bulk_world *at, bool atomic) {
    payment_world(&at->world);
    at->bulk = (payment_bulk){
        .base = {.kind = &payment_bulk_kind, .units = ITEMS, .by = caller_of(FQ_SCOPE_ADMIN, 0)},
        .atomic = atomic,
        .items = at->items,
        .count = ITEMS};
    for (size_t i = 0; i < ITEMS; i++) {
        at->items[i] = (bulk_item){.pay = pay_command()};
        at->items[i].pay.order_id.v = ORDER + i;
        at->items[i].pay.facts.order.id.v = ORDER + i;
    }
}

static fq_request_row *with_record(bulk_world *at) {
    fq_request_row *record = (fq_request_row *)fq_want(at->world.batch, &fq_request_table, 1, 2, 0);
    at->bulk.base.record = &record->row;
    return record;
}

static void test_all_are_made(void **state) {
    (void)state;
    for (int atomic = 0; atomic < 2; atomic++) {
        bulk_world at;
        begin(&at, atomic);
        with_record(&at);
        assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
        for (size_t i = 0; i < ITEMS; i++) {
            assert_int_equal(at.items[i].outcome.code, FQ_DONE);
            assert_int_equal(at.items[i].pay.shown.status, FQ_PAYMENT_IS_SUCCEEDED);
            assert_int_equal(world_event(&at.world, ITEMS - 1 - i)->subject,
                             at.items[i].pay.shown.id.v);
        }
        assert_int_equal(balance(&at.world, PAYEE, FQ_ACCOUNT_AVAILABLE), ITEMS * PRICE);
        assert_int_equal(at.bulk.base.subject, at.items[ITEMS - 1].pay.shown.id.v);
        assert_ptr_equal(at.bulk.base.told, world_event(&at.world, 0));
        assert_non_null(at.bulk.base.record);
        world_end(&at.world);
    }
}

// One of them is refused, whichever it is.
static void test_one_is_refused(void **state) {
    (void)state;
    for (int atomic = 0; atomic < 2; atomic++) {
        for (size_t bad = 0; bad < ITEMS; bad++) {
            bulk_world at;
            begin(&at, atomic);
            with_record(&at);
            at.items[bad].pay.amount_minor++;
            assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
            for (size_t i = 0; i < ITEMS; i++) {
                const fq_code other = atomic ? FQ_BULK_ABORTED : FQ_DONE;
                assert_int_equal(at.items[i].outcome.code, i == bad ? FQ_AMOUNT_MISMATCH : other);
                const guard_row *guard =
                    (guard_row *)fq_want(at.world.batch, &guard_table, ORDER + i, 0, 0);
                assert_int_equal(guard->row.state == FQ_ROW_ABSENT, i == bad || atomic);
            }
            const int64_t made = atomic ? 0 : ITEMS - 1;
            assert_int_equal(balance(&at.world, PAYEE, FQ_ACCOUNT_AVAILABLE), made * PRICE);
            assert_int_equal(balance(&at.world, PAYER, FQ_ACCOUNT_AVAILABLE), FUNDS - made * PRICE);
            assert_int_equal(world_events(&at.world), made);
            assert_int_equal(transfer_count(&at.world), made);
            // Each outcome is kept under the key, refusals too.
            assert_non_null(at.bulk.base.record);
            assert_int_equal(at.bulk.base.told != NULL, made > 0);
            world_end(&at.world);
        }
    }
}

// The wallet is emptied on the way: later items see what earlier ones did.
static void test_money_runs_out(void **state) {
    (void)state;
    bulk_world at;
    begin(&at, false);
    wallet(&at.world, PAYER, FQ_ACCOUNT_AVAILABLE)->balance_minor = 2 * PRICE + 1;
    at.items[3].pay.order_id = at.items[0].pay.order_id;
    assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
    assert_int_equal(at.items[0].outcome.code, FQ_DONE);
    assert_int_equal(at.items[1].outcome.code, FQ_DONE);
    assert_int_equal(at.items[2].outcome.code, FQ_INSUFFICIENT_BALANCE);
    assert_int_equal(at.items[3].outcome.code, FQ_ORDER_ALREADY_PAID);
    assert_int_equal(balance(&at.world, PAYER, FQ_ACCOUNT_AVAILABLE), 1);
    world_end(&at.world);
}

// A fact is missing in the middle: nothing stands, and the command comes again with it.
static void test_fact_missing_in_the_middle(void **state) {
    (void)state;
    for (int atomic = 0; atomic < 2; atomic++) {
        bulk_world at;
        begin(&at, atomic);
        at.items[2].pay.payer_id.v = OTHER;
        wallet(&at.world, OTHER, FQ_ACCOUNT_AVAILABLE)->balance_minor = PRICE;
        assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_FACT_MISSING);
        assert_int_equal(world_events(&at.world), 0);
        assert_int_equal(transfer_count(&at.world), 0);
        assert_int_equal(balance(&at.world, PAYER, FQ_ACCOUNT_AVAILABLE), FUNDS);
        assert_int_equal(guard_of(&at.world)->row.state, FQ_ROW_ABSENT);
        assert_int_equal(guard_of(&at.world)->version, 0);
        at.items[2].pay.facts.users_known = true;
        at.items[2].pay.facts.payer = user_facts(OTHER);
        at.items[2].pay.facts.payee = user_facts(PAYEE);
        assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
        assert_int_equal(balance(&at.world, PAYEE, FQ_ACCOUNT_AVAILABLE), ITEMS * PRICE);
        assert_int_equal(world_events(&at.world), ITEMS);
        world_end(&at.world);
    }
}

// Each item's answer as it was then, refusals too, although a payment went on since.
static void test_replay(void **state) {
    (void)state;
    bulk_world at;
    begin(&at, false);
    // Something else stands before it in the feed.
    payment_pay before = pay_command();
    before.order_id.v = ORDER + 100;
    assert_int_equal(world_run(&at.world, &before.base).code, FQ_DONE);
    at.items[1].pay.amount_minor++;
    at.items[2].pay.capture = 1;
    assert_int_equal(world_run(&at.world, &at.bulk.base).code, FQ_DONE);
    payment_change capture = change_command(&payment_capture_kind, at.items[2].pay.shown.id.v);
    assert_int_equal(world_run(&at.world, &capture.base).code, FQ_DONE);
    world_commit_events(&at.world);
    const fq_request_row *record = world_record(&at.world, &at.bulk.base);
    bulk_item again_items[ITEMS] = {0};
    payment_bulk again = at.bulk;
    again.items = again_items;
    assert_int_equal(world_replay(&at.world, &again.base, record).code, FQ_DONE);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(again_items[i].outcome.code, at.items[i].outcome.code);
        if (i == 1) {
            assert_string_equal(again_items[i].outcome.param, "amount");
            continue;
        }
        assert_int_equal(again_items[i].pay.shown.id.v, at.items[i].pay.shown.id.v);
        assert_int_equal(again_items[i].pay.shown.status,
                         i == 2 ? FQ_PAYMENT_IS_AUTHORIZED : FQ_PAYMENT_IS_SUCCEEDED);
        assert_int_equal(again_items[i].pay.shown.version, 1);
    }
    world_end(&at.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_made),   cmocka_unit_test(test_one_is_refused),
        cmocka_unit_test(test_money_runs_out), cmocka_unit_test(test_fact_missing_in_the_middle),
        cmocka_unit_test(test_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
