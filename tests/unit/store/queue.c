// What waits for a writer: order, limits, and whose time is over.
#include "store/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LIMIT = 10, NOW_MS = 1000 };

static fq_command command_of(uint64_t key, uint32_t units, int64_t deadline_ms) {
    return (fq_command){.request = {.asked = key != 0, .hash_high = key, .hash_low = ~key},
                        .units = units,
                        .deadline_ms = deadline_ms};
}

static bool add(fq_queue *queue, fq_command *command) {
    bool full;
    return fq_queue_add(queue, command, LIMIT, &full);
}

static void test_oldest_first_and_whole(void **state) {
    (void)state;
    fq_queue queue;
    fq_command a = command_of(1, 4, 0), b = command_of(2, 4, 0), c = command_of(3, 4, 0);
    bool full = false;
    fq_queue_init(&queue);
    assert_true(add(&queue, &a));
    assert_true(add(&queue, &b));
    assert_false(fq_queue_add(&queue, &c, LIMIT, &full));
    assert_true(full);
    assert_int_equal(fq_queue_units(&queue), 8);
    assert_ptr_equal(fq_queue_take(&queue, 7), &a);
    assert_null(a.next);
    fq_queue_put_back(&queue, &a);
    assert_ptr_equal(fq_queue_take(&queue, 100), &a);
    assert_ptr_equal(a.next, &b);
    assert_int_equal(fq_queue_units(&queue), 0);
    fq_queue_close(&queue);
    assert_false(fq_queue_add(&queue, &c, LIMIT, &full));
    assert_false(full);
    fq_queue_free(&queue);
}

static void test_one_larger_than_a_batch_is_taken_alone(void **state) {
    (void)state;
    fq_queue queue;
    fq_command a = command_of(1, 9, 0);
    fq_queue_init(&queue);
    assert_true(add(&queue, &a));
    assert_ptr_equal(fq_queue_take(&queue, 3), &a);
    fq_queue_free(&queue);
}

static void test_who_waits_too_long_is_told_why(void **state) {
    (void)state;
    fq_queue queue;
    fq_command first = command_of(1, 1, NOW_MS - 1), again = command_of(1, 1, NOW_MS - 1),
               other = command_of(2, 1, NOW_MS - 1), patient = command_of(1, 1, NOW_MS),
               plain = command_of(0, 1, 0);
    fq_queue_init(&queue);
    assert_true(add(&queue, &first));
    assert_ptr_equal(fq_queue_take(&queue, 1), &first);
    assert_true(add(&queue, &again));
    assert_true(add(&queue, &patient));
    assert_true(add(&queue, &plain));
    assert_true(add(&queue, &other));
    assert_ptr_equal(fq_queue_cut_late(&queue, NOW_MS), &again);
    assert_ptr_equal(again.next, &other);
    assert_null(other.next);
    assert_int_equal(again.outcome.code, FQ_IDEMPOTENCY_IN_PROGRESS);
    assert_int_equal(other.outcome.code, FQ_UNAVAILABLE);
    assert_int_equal(fq_queue_units(&queue), 2);
    fq_queue_done(&queue);  // the first one has its answer
    assert_ptr_equal(fq_queue_cut_late(&queue, NOW_MS + 1), &patient);
    assert_int_equal(patient.outcome.code, FQ_UNAVAILABLE);
    assert_true(add(&queue, &other));  // the end of the list was kept
    assert_ptr_equal(fq_queue_take(&queue, 100), &plain);
    assert_ptr_equal(plain.next, &other);
    fq_queue_free(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oldest_first_and_whole),
        cmocka_unit_test(test_one_larger_than_a_batch_is_taken_alone),
        cmocka_unit_test(test_who_waits_too_long_is_told_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
