// The writer's queue: what it takes, what it drops, whom it answers, and what it says of its
// health.
#include "store/writer.h"

#include "base/clock.h"
#include "batch_world.h"
#include "scripted_engine.h"

#include <time.h>

typedef struct {
    scripted_engine engine;
    fq_writer *writer;
    int64_t clock_ms;
    size_t groups, answered, committed, observed, counted;
    uint64_t last_batch;
    fq_writer_sample sample;
} rig;

static int64_t rig_now_ms(void *context) {
    return ((rig *)context)->clock_ms;
}

static void rig_done(void *context, fq_command *list) {
    rig *at = context;
    at->groups++;
    for (; list; list = list->next) {
        ((add_command *)list)->answered++;
        at->answered++;
    }
}

static void rig_committed(void *context, const fq_head *head) {
    rig *at = context;
    at->committed++;
    at->last_batch = head->batch_number;
}

static void rig_observed(void *context, const fq_writer_sample *sample) {
    rig *at = context;
    at->observed++;
    at->sample = *sample;
}

static void rig_counted(void *context, fq_batch *batch) {
    rig *at = context;
    at->counted += fq_batch_is_changed(batch);
}

static void rig_begin(rig *at) {
    memset(at, 0, sizeof(*at));
    scripted_init(&at->engine);
    at->clock_ms = WORLD_NOW_MS;
    const fq_writer_config config = {.service = "scripted",
                                     .engine = &at->engine.engine,
                                     .batch_units_max = 4,
                                     .queue_units_max = 10,
                                     .now_ms = rig_now_ms,
                                     .done = rig_done,
                                     .committed = rig_committed,
                                     .observed = rig_observed,
                                     .counted = rig_counted,
                                     .context = at};
    assert_int_equal(fq_writer_make(&config, &at->writer).code, FQ_DONE);
}

static void rig_end(rig *at) {
    fq_writer_stop(at->writer);
    fq_writer_free(at->writer);
    scripted_free(&at->engine);
}

static bool submit(rig *at, add_command *commands, size_t count) {
    for (size_t i = 0; i < count; i++) {
        commands[i].base.next = i + 1 < count ? &commands[i + 1].base : NULL;
    }
    return fq_writer_submit(at->writer, &commands[0].base);
}

static void test_batches_by_units(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    add_command adds[] = {add_of(1, 1), add_of(2, 1), add_of(3, 1)};
    adds[0].base.units = 3;
    adds[2].base.units = 6;
    assert_true(submit(&at, adds, 3));
    // 3 and 1 fit into a batch of 4; what is larger than a batch goes alone.
    assert_int_equal(fq_writer_run_once(at.writer), 2);
    assert_int_equal(at.sample.commands, 2);
    assert_int_equal(at.sample.queue_units, 6);
    assert_int_equal(fq_writer_run_once(at.writer), 1);
    assert_int_equal(fq_writer_run_once(at.writer), 0);
    assert_int_equal(at.answered, 3);
    assert_int_equal(at.groups, 2);
    assert_int_equal(at.committed, 2);
    assert_int_equal(at.last_batch, 2);
    assert_int_equal(at.counted, 2);
    assert_int_equal(at.sample.became[FQ_COMMANDS_DONE], 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(adds[i].answered, 1);
        assert_int_equal(scripted_value(&at.engine, i + 1), 1);
    }
    rig_end(&at);
}

static void test_a_thread_that_turns_is_alive(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    assert_int_equal(fq_writer_start(at.writer).code, FQ_DONE);
    for (int i = 0; i < 4; i++) {
        assert_true(
            fq_writer_is_alive(at.writer));  // an idle thread looks around ten times a second
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    }
    rig_end(&at);
}

static void test_full_queue(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    add_command first = add_of(1, 1), pair[] = {add_of(2, 1), add_of(3, 1)}, last = add_of(4, 1);
    first.base.units = 9;
    assert_true(submit(&at, &first, 1));
    // All of a list or none.
    assert_false(submit(&at, pair, 2));
    assert_true(submit(&at, &last, 1));
    assert_false(submit(&at, pair, 2));
    assert_int_equal(fq_writer_run_once(at.writer), 1);
    assert_int_equal(fq_writer_run_once(at.writer), 1);
    assert_int_equal(pair[0].answered + pair[1].answered, 0);
    assert_int_equal(scripted_value(&at.engine, 4), 1);
    assert_true(submit(&at, pair, 2));
    assert_int_equal(fq_writer_run_once(at.writer), 2);
    fq_writer_stop(at.writer);
    assert_false(submit(&at, &first, 1));
    rig_end(&at);
}

static void test_late_ones_are_dropped(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    add_command adds[] = {add_of(1, 1), add_of(2, 1), add_of(3, 1)};
    adds[0].base.deadline_ms = fq_monotonic_ms() - 1;
    adds[1].base.deadline_ms = fq_monotonic_ms() + 60000;
    assert_true(submit(&at, adds, 3));
    fq_writer_run_once(at.writer);
    assert_int_equal(adds[0].base.outcome.code, FQ_UNAVAILABLE);
    assert_int_equal(adds[0].decided, 0);
    assert_int_equal(scripted_value(&at.engine, 1), 0);
    assert_int_equal(adds[1].base.outcome.code, FQ_DONE);
    assert_int_equal(adds[2].base.outcome.code, FQ_DONE);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(adds[i].answered, 1);
    }
    // Nothing but late ones: nothing is begun.
    (void)scripted_trace(&at.engine);
    adds[0].answered = 0;
    assert_true(submit(&at, adds, 1));
    fq_writer_run_once(at.writer);
    assert_int_equal(adds[0].answered, 1);
    assert_string_equal(scripted_trace(&at.engine), "");
    rig_end(&at);
}

static void test_refusals_tell_no_commit(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    add_command add = add_of(1, 1);
    add.refusal = FQ_NOT_ALLOWED;
    assert_true(submit(&at, &add, 1));
    assert_int_equal(fq_writer_run_once(at.writer), 1);
    assert_int_equal(add.answered, 1);
    assert_int_equal(at.committed, 0);
    assert_int_equal(at.observed, 1);
    rig_end(&at);
}

// The second of two under one Idempotency-Key is answered from what the first has committed.
static void test_same_key_in_one_batch(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    fq_arena arena;
    fq_arena_init(&arena, 1 << 20);
    add_command adds[] = {add_of(1, 5), add_of(1, 5)};
    add_ask(&adds[0], &arena, 77, "ffff");
    add_ask(&adds[1], &arena, 77, "ffff");
    assert_true(submit(&at, adds, 2));
    fq_writer_run_once(at.writer);
    assert_int_equal(adds[0].answered, 1);
    assert_int_equal(adds[1].answered, 0);
    fq_writer_run_once(at.writer);
    assert_int_equal(adds[1].answered, 1);
    assert_true(adds[1].base.replayed);
    assert_int_equal(adds[1].shown, 5);
    assert_int_equal(scripted_value(&at.engine, 1), 5);
    assert_int_equal(fq_writer_run_once(at.writer), 0);
    fq_arena_free(&arena);
    rig_end(&at);
}

// --- the store is lost ---

static void wait_ms(int64_t ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void test_lost_store(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    at.engine.script[CALL_BEGIN][0] = FQ_STORE_LOST;
    add_command add = add_of(1, 1);
    assert_true(fq_writer_healthy(at.writer));
    assert_true(submit(&at, &add, 1));
    fq_writer_run_once(at.writer);
    assert_int_equal(add.base.outcome.code, FQ_UNAVAILABLE);
    assert_int_equal(at.sample.outcome.code, FQ_STORE_LOST);
    assert_false(fq_writer_healthy(at.writer));
    // For a moment the store is not asked again, but nobody waits for his answer.
    (void)scripted_trace(&at.engine);
    assert_true(submit(&at, &add, 1));
    fq_writer_run_once(at.writer);
    assert_int_equal(add.base.outcome.code, FQ_UNAVAILABLE);
    assert_int_equal(add.answered, 2);
    assert_string_equal(scripted_trace(&at.engine), "");
    wait_ms(80);
    assert_true(submit(&at, &add, 1));
    fq_writer_run_once(at.writer);
    assert_int_equal(add.base.outcome.code, FQ_DONE);
    assert_true(fq_writer_healthy(at.writer));
    rig_end(&at);
}

// A full disk is no lost store: reads go on, and the service stays ready.
static void test_full_store(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    at.engine.script[CALL_SAVE][0] = FQ_STORE_FULL;
    add_command add = add_of(1, 1);
    assert_true(submit(&at, &add, 1));
    fq_writer_run_once(at.writer);
    assert_int_equal(add.base.outcome.code, FQ_UNAVAILABLE);
    assert_true(fq_writer_healthy(at.writer));
    rig_end(&at);
}

static void test_no_lease(void **state) {
    (void)state;
    scripted_engine engine;
    scripted_init(&engine);
    engine.script[CALL_LEASE][0] = FQ_STORE_LOST;
    fq_writer *writer;
    assert_int_equal(fq_writer_make(&(fq_writer_config){.engine = &engine.engine}, &writer).code,
                     FQ_STORE_LOST);
    scripted_free(&engine);
}

// --- with its thread ---

// A service that says it is not ready gets no commands; it still finds out that the store is back.
static void test_health_comes_back_by_itself(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    at.engine.script[CALL_BEGIN][0] = at.engine.script[CALL_BEGIN][1] = FQ_STORE_LOST;
    assert_int_equal(fq_writer_start(at.writer).code, FQ_DONE);
    add_command add = add_of(1, 1);
    assert_int_equal(fq_writer_run(at.writer, &add.base).code, FQ_UNAVAILABLE);
    assert_false(fq_writer_healthy(at.writer));
    for (int i = 0; i < 500 && !fq_writer_healthy(at.writer); i++) {
        wait_ms(10);
    }
    assert_true(fq_writer_healthy(at.writer));
    assert_int_equal(fq_writer_run(at.writer, &add.base).code, FQ_DONE);
    rig_end(&at);
}

static void test_run_and_stop(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    assert_int_equal(fq_writer_start(at.writer).code, FQ_DONE);
    add_command waited = add_of(1, 7);
    assert_int_equal(fq_writer_run(at.writer, &waited.base).code, FQ_DONE);
    assert_int_equal(waited.shown, 7);
    assert_int_equal(waited.answered, 0);  // it has a `done` of its own
    add_command refused = add_of(1, 7);
    refused.refusal = FQ_NOT_ALLOWED;
    assert_int_equal(fq_writer_run(at.writer, &refused.base).code, FQ_NOT_ALLOWED);
    // What was accepted is finished.
    add_command adds[8];
    for (size_t i = 0; i < 8; i++) {
        adds[i] = add_of(10 + i, 1);
    }
    assert_true(submit(&at, adds, 8));
    fq_writer_stop(at.writer);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(adds[i].answered, 1);
        assert_int_equal(scripted_value(&at.engine, 10 + i), 1);
    }
    assert_int_equal(fq_writer_run(at.writer, &waited.base).code, FQ_UNAVAILABLE);
    rig_end(&at);
}

// --- business time ---

static void test_business_time(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    assert_int_equal(fq_writer_now_ms(at.writer), WORLD_NOW_MS);
    add_command add = add_of(1, 1);
    assert_true(submit(&at, &add, 1));
    fq_writer_run_once(at.writer);
    // The wall clock goes back; business time does not.
    at.clock_ms -= 60000;
    assert_int_equal(fq_writer_now_ms(at.writer), WORLD_NOW_MS);
    at.clock_ms += 61000;
    assert_int_equal(fq_writer_now_ms(at.writer), WORLD_NOW_MS + 1000);
    assert_int_equal(fq_writer_start(at.writer).code, FQ_DONE);
    assert_int_equal(fq_writer_move_clock(at.writer, 86400000).code, FQ_DONE);
    assert_int_equal(fq_writer_now_ms(at.writer), WORLD_NOW_MS + 1000 + 86400000);
    assert_int_equal(at.engine.head.clock_shift_ms, 86400000);
    rig_end(&at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_by_units),
        cmocka_unit_test(test_a_thread_that_turns_is_alive),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_late_ones_are_dropped),
        cmocka_unit_test(test_refusals_tell_no_commit),
        cmocka_unit_test(test_same_key_in_one_batch),
        cmocka_unit_test(test_lost_store),
        cmocka_unit_test(test_full_store),
        cmocka_unit_test(test_no_lease),
        cmocka_unit_test(test_health_comes_back_by_itself),
        cmocka_unit_test(test_run_and_stop),
        cmocka_unit_test(test_business_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
