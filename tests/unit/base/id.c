// Ids: text, both ways to write them, and the dealer.
#include "base/id.h"

#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_round_trip(void **state) {
    (void)state;
    test_random random = test_random_start("id");
    for (int i = 0; i < 20000; i++) {
        const fq_id_kind kind = (fq_id_kind)test_random_below(&random, FQ_ID_KIND_COUNT);
        const uint64_t id = (test_random_u64(&random) >> test_random_between(&random, 1, 62)) | 1;
        char text[FQ_ID_TEXT_MAX], decimal[24];
        uint64_t back = 0;
        fq_id_text(kind, id, text);
        assert_true(fq_id_parse(kind, fq_str_of(text), &back));
        assert_true(back == id);
        snprintf(decimal, sizeof(decimal), "%" PRIu64, id);
        assert_false(fq_id_parse(kind, fq_str_of(decimal), &back));
        assert_true(fq_id_parse_any(kind, fq_str_of(decimal), &back));
        assert_true(back == id);
    }
}

static void test_wrong_texts(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "pay_",
                                        "pay_012345678901",
                                        "pay_01234567890123",
                                        "ord_0123456789012",
                                        "PAY_0123456789012",
                                        "pay_8123456789012",
                                        "pay_012345678901I",
                                        "pay_012345678901L",
                                        "pay_012345678901O",
                                        "pay_012345678901U",
                                        "pay_012345678901a",
                                        "pay_0000000000000",
                                        "pay-0123456789012",
                                        "0",
                                        "-1",
                                        "01",
                                        "9223372036854775808",
                                        "pay_012345678901\xC3"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t id = 77;
        assert_false(fq_id_parse_any(FQ_ID_payment, fq_str_of(wrong[i]), &id));
        assert_true(id == 77);
    }
    uint64_t id = 0;
    assert_true(fq_id_parse(FQ_ID_payment, FQ_STR("pay_7ZZZZZZZZZZZZ"), &id));
    assert_true(id == INT64_MAX);
    assert_true(fq_id_parse_any(FQ_ID_payment, FQ_STR("9223372036854775807"), &id));
}

static void test_dealer_grows(void **state) {
    (void)state;
    test_random random = test_random_start("dealer");
    fq_id_dealer dealer = {.writer = 1023};
    int64_t now_ms = FQ_EPOCH_MS + 1000;
    uint64_t last = 0;
    for (int i = 0; i < 100000; i++) {
        if (test_random_chance(&random, 50)) {
            now_ms += test_random_between(&random, -20, 20);
        }
        const uint64_t id = fq_id_deal(&dealer, now_ms);
        assert_true(id > last);
        assert_true((id >> 12 & 1023) == 1023);
        last = id;
    }
}

static void test_dealer_after_another_writer(void **state) {
    (void)state;
    const int64_t now_ms = FQ_EPOCH_MS + 5000;
    fq_id_dealer high = {.writer = 900}, low = {.writer = 3};
    low.last = fq_id_deal(&high, now_ms);
    const uint64_t id = fq_id_deal(&low, now_ms);
    assert_true(id > high.last);
    assert_true((id >> 12 & 1023) == 3);
}

static void test_times(void **state) {
    (void)state;
    fq_id_dealer dealer = {.writer = 5};
    const int64_t now_ms = FQ_EPOCH_MS + 123456789;
    const uint64_t id = fq_id_deal(&dealer, now_ms);
    assert_int_equal(fq_id_time_ms(id), now_ms);
    assert_true(fq_id_floor(now_ms) <= id && id < fq_id_floor(now_ms + 1));
    assert_true(fq_id_floor(0) == 0);
    assert_true(fq_id_floor(INT64_MAX) == INT64_MAX);
    fq_id_dealer early = {0};
    assert_true(fq_id_deal(&early, 0) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_wrong_texts),
        cmocka_unit_test(test_dealer_grows), cmocka_unit_test(test_dealer_after_another_writer),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
