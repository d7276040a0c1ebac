// What a bulk keeps of its items: there and back, and when the bytes are damaged.
#include "service/kept.h"

#include "batch_world.h"
#include "support.h"

#define THING_COLUMNS(C, R)      \
    C(R, uint64_t, id, FQ_KEY)   \
    C(R, fq_str, name, FQ_FIXED) \
    C(R, int64_t, value, FQ_CHANGES)
FQ_ROW(thing_row, THING_COLUMNS)
static const fq_column thing_columns[] = {FQ_COLUMNS(thing_row, THING_COLUMNS)};
static const fq_table thing_table = {
    .name = "thing", .key_count = 1, FQ_TABLE_OF(thing_row, thing_columns)};

enum { ITEMS_MAX = 40, FIRST_ID = 1000 };

typedef struct {
    batch_world world;
    fq_err outcomes[ITEMS_MAX];
    size_t count, made;
    fq_request_row record;
} rig;

// Item `i` is thing 1000 + i with value i at that time, or a refusal.
static void begin(rig *at, test_random *random) {
    static const fq_err refusals[] = {{.code = FQ_AMOUNT_MISMATCH, .param = "amount"},
                                      {.code = FQ_USER_FROZEN},
                                      {.code = FQ_BULK_ABORTED},
                                      {.code = FQ_INVALID_FIELD, .param = "payments[3].order_id"}};
    *at = (rig){.count = (size_t)test_random_below(random, ITEMS_MAX + 1)};
    world_begin(&at->world, WORLD_NOW_MS);
    fq_kept kept = fq_kept_make(&at->world.arena, at->count);
    const uint64_t before = test_random_below(random, 5);
    for (uint64_t i = 0; i < at->count; i++) {
        at->outcomes[i] =
            test_random_chance(random, 3) ? refusals[test_random_below(random, 4)] : FQ_OK;
        fq_kept_add(&kept, at->outcomes[i], FIRST_ID + i);
        if (at->outcomes[i].code) {
            continue;
        }
        thing_row *thing = (thing_row *)world_row(&at->world, &thing_table, FIRST_ID + i, 0, 0);
        thing->name = FQ_STR("tea");
        thing->value = (int64_t)i;
        fq_event_row *event =
            (fq_event_row *)world_row(&at->world, &fq_event_table, before + ++at->made, 0, 0);
        fq_buffer told = {
            .at = fq_arena_alloc(&at->world.arena, 16), .capacity = 16, .bytes_max = 16};
        fq_row_encode_told(&thing->row, &told);
        event->subject = thing->id;
        event->told = fq_buffer_str(&told);
        thing->value = -1;  // changed since
    }
    at->record = (fq_request_row){.row = {.table = &fq_request_table},
                                  .event = before + at->made,
                                  .kept = fq_kept_bytes(&kept)};
}

static void test_there_and_back(void **state) {
    (void)state;
    test_random random = test_random_start("kept outcomes");
    for (int run = 0; run < 500; run++) {
        rig at;
        begin(&at, &random);
        fq_kept_want(at.world.batch, &thing_table, &at.record.row);
        fq_kept_reader reader = fq_kept_read(&at.record.row);
        for (size_t i = 0; i < at.count; i++) {
            fq_err outcome;
            const thing_row *thing = (const thing_row *)fq_kept_next(
                &reader, at.world.batch, &thing_table, &at.world.request_arena, &outcome);
            assert_int_equal(outcome.code, at.outcomes[i].code);
            assert_int_equal(thing == NULL, outcome.code != 0);
            if (thing) {
                assert_int_equal(thing->id, FIRST_ID + i);
                assert_int_equal(thing->value, i);
                assert_true(fq_str_equal(thing->name, FQ_STR("tea")));
            } else if (at.outcomes[i].param) {
                assert_string_equal(outcome.param, at.outcomes[i].param);
            } else {
                assert_null(outcome.param);
            }
        }
        fq_err outcome;
        assert_null(
            fq_kept_next(&reader, at.world.batch, &thing_table, &at.world.request_arena, &outcome));
        assert_int_equal(outcome.code, FQ_INTERNAL);
        world_end(&at.world);
    }
}

// Cut short, or with other bytes in it: each item is told as it was, or as an error of ours; never
// a crash.
static void test_damaged(void **state) {
    (void)state;
    test_random random = test_random_start("damaged outcomes");
    for (int run = 0; run < 2000; run++) {
        rig at;
        begin(&at, &random);
        const size_t len = (size_t)test_random_below(&random, at.record.kept.len + 1);
        char *bytes = malloc(len ? len : 1);  // of its own, so that a read beyond is seen
        assert_non_null(bytes);
        memcpy(bytes, at.record.kept.at, len);
        const bool other_bytes = test_random_chance(&random, 2);
        for (size_t i = 0; other_bytes && len > 0 && i < 4; i++) {
            bytes[test_random_below(&random, len)] = (char)test_random_u64(&random);
        }
        at.record.kept = (fq_str){bytes, len};
        fq_kept_want(at.world.batch, &thing_table, &at.record.row);
        fq_kept_reader reader = fq_kept_read(&at.record.row);
        bool ended = false;
        for (size_t i = 0; i < at.count; i++) {
            fq_err outcome;
            const thing_row *thing = (const thing_row *)fq_kept_next(
                &reader, at.world.batch, &thing_table, &at.world.request_arena, &outcome);
            assert_true(thing == NULL || thing->row.state == FQ_ROW_LOADED);
            if (!other_bytes && outcome.code == FQ_INTERNAL && !thing && reader.rest.len < 8) {
                ended = true;
            }
            assert_true(!ended || outcome.code == FQ_INTERNAL);
        }
        free(bytes);
        world_end(&at.world);
    }
}

// A resource that is gone, or an event that is another's.
static void test_rows_that_do_not_fit(void **state) {
    (void)state;
    for (int fault = 0; fault < 3; fault++) {
        batch_world world;
        world_begin(&world, WORLD_NOW_MS);
        fq_kept kept = fq_kept_make(&world.arena, 1);
        fq_kept_add(&kept, FQ_OK, FIRST_ID);
        const fq_request_row record = {
            .row = {.table = &fq_request_table}, .event = 1, .kept = fq_kept_bytes(&kept)};
        fq_event_row *event = (fq_event_row *)world_row(&world, &fq_event_table, 1, 0, 0);
        event->subject = FIRST_ID + (fault == 1);
        event->told = fault == 2 ? FQ_STR("\xff") : FQ_STR("\x02");
        fq_want(world.batch, &thing_table, FIRST_ID, 0, 0)->state =
            fault == 0 ? FQ_ROW_ABSENT : FQ_ROW_LOADED;
        fq_kept_reader reader = fq_kept_read(&record.row);
        fq_err outcome;
        assert_null(
            fq_kept_next(&reader, world.batch, &thing_table, &world.request_arena, &outcome));
        assert_int_equal(outcome.code, FQ_INTERNAL);
        world_end(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_rows_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
