// Where an answer ends, and what is read from it.
#include "bench/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// What an answer's bytes are taken for.
static const struct {
    const char *bytes;
    bench_progress progress;
    int status;
    const char *body;
} cases[] = {
    {"", BENCH_MORE, 0, NULL},
    {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n", BENCH_MORE, 0, NULL},
    {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{", BENCH_MORE, 0, NULL},
    {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", BENCH_WHOLE, 201, "{}"},
    {"HTTP/1.1 201 Created\r\nCache-Control: no-store\r\ncontent-length:2\r\nX: y\r\n\r\n{}",
     BENCH_WHOLE, 201, "{}"},
    {"HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n", BENCH_WHOLE, 204, ""},
    {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}x", BENCH_BROKEN, 0, NULL},
    {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", BENCH_BROKEN, 0,
     NULL},
    {"HTTP/1.1 201 Created\r\nContent-Length: -2\r\n\r\n{}", BENCH_BROKEN, 0, NULL},
    {"HTTP/1.1 201 Created\r\nContent-Length: 99999999999999999999\r\n\r\n{}", BENCH_BROKEN, 0,
     NULL},
    {"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BENCH_BROKEN, 0, NULL},
    {"HTTP/1.0 201 Created\r\nContent-Length: 2\r\n\r\n{}", BENCH_BROKEN, 0, NULL},
    {"HTTP/1.1 2x1 Created\r\nContent-Length: 2\r\n\r\n{}", BENCH_BROKEN, 0, NULL},
    {"\r\n\r\n", BENCH_BROKEN, 0, NULL},
};

static void reads_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bench_answer answer = {0};
        size_t bytes;
        assert_int_equal(bench_answer_read(fq_str_of(cases[i].bytes), &answer, &bytes),
                         cases[i].progress);
        if (cases[i].progress == BENCH_WHOLE) {
            assert_int_equal(answer.status, cases[i].status);
            assert_true(fq_str_equal(answer.body, fq_str_of(cases[i].body)));
            assert_false(answer.closes);
        }
    }
}

static void tells_how_much_is_to_come(void **state) {
    (void)state;
    bench_answer answer;
    size_t bytes = 0;
    const fq_str head = FQ_STR("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    assert_int_equal(bench_answer_read(head, &answer, &bytes), BENCH_MORE);
    assert_int_equal(bytes, head.len + 1000);
}

static void sees_that_the_server_closes(void **state) {
    (void)state;
    bench_answer answer = {0};
    size_t bytes;
    const fq_str text =
        FQ_STR("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(bench_answer_read(text, &answer, &bytes), BENCH_WHOLE);
    assert_true(answer.closes);
}

static void finds_fields(void **state) {
    (void)state;
    const fq_str json =
        FQ_STR("{\"id\":\"pay_1\",\"order_id\":\"ord_2\",\"amount\":1234,\"fee\":-5}");
    fq_str text;
    int64_t number;
    assert_true(bench_json_text(json, FQ_STR("\"id\":\""), &text));
    assert_true(fq_str_equal(text, FQ_STR("pay_1")));
    assert_false(bench_json_text(json, FQ_STR("\"payer\":\""), &text));
    assert_true(bench_json_i64(json, FQ_STR("\"amount\":"), &number));
    assert_int_equal(number, 1234);
    assert_true(bench_json_i64(json, FQ_STR("\"fee\":"), &number));
    assert_int_equal(number, -5);
    assert_false(bench_json_i64(json, FQ_STR("\"id\":"), &number));
    assert_true(bench_json_has(json, FQ_STR("\"order_id\":\"ord_2\"")));
    assert_false(bench_json_has(json, FQ_STR("\"order_id\":\"ord_3\"")));
}

static void walks_bulk_answers(void **state) {
    (void)state;
    fq_str rest = FQ_STR(
        "{\"object\":\"list\",\"data\":[{\"status\":201,\"body\":{\"id\":\"a\",\"status\":\"succeeded\"}},"
        "{\"status\":402,\"body\":{\"code\":\"insufficient_balance\",\"status\":402}}]}");
    fq_str item;
    int status = 0;
    assert_true(bench_bulk_next(&rest, &status, &item));
    assert_int_equal(status, 201);
    assert_true(bench_json_has(item, FQ_STR("\"id\":\"a\"")));
    assert_false(bench_json_has(item, FQ_STR("insufficient_balance")));
    assert_true(bench_bulk_next(&rest, &status, &item));
    assert_int_equal(status, 402);
    assert_false(bench_bulk_next(&rest, &status, &item));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_answers),
        cmocka_unit_test(tells_how_much_is_to_come),
        cmocka_unit_test(sees_that_the_server_closes),
        cmocka_unit_test(finds_fields),
        cmocka_unit_test(walks_bulk_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
