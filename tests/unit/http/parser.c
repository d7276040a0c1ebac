// The request parser against raw requests, whole and byte by byte. No sockets.
#include "http/parser.h"

#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BODY_BYTES_MAX = 64 * 1024, MORE = 0, WHOLE = 1 };

// A request read from bytes that arrive in pieces.
typedef struct {
    fq_parser parser;
    fq_header fields[FQ_HEADERS_MAX];
    fq_request request;
    char *data;  // as it would stand in a connection's buffer
    size_t len, used;
    int outcome;  // MORE, WHOLE or the fault's status
} reading;

// Reads on after `data` grew.
static void go_on(reading *r) {
    if (r->request.header_count == 0 && !r->parser.head_done) {
        fq_parse_step step = fq_parser_head(&r->parser, r->data, r->len);
        if (step == FQ_PARSE_DONE) {
            step = fq_parser_request(&r->parser, r->data, r->fields, &r->request);
        }
        if (step == FQ_PARSE_FAULT) {
            r->outcome = fq_error_row_of(r->parser.fault.code)->status;
        }
        if (step != FQ_PARSE_DONE) {
            return;
        }
    }
    size_t body_len = r->len - r->parser.head_bytes;
    const fq_parse_step step =
        fq_parser_body(&r->parser, BODY_BYTES_MAX, r->data + r->parser.head_bytes, &body_len);
    r->len = r->parser.head_bytes + body_len;
    if (step == FQ_PARSE_FAULT) {
        r->outcome = fq_error_row_of(r->parser.fault.code)->status;
    } else if (step == FQ_PARSE_DONE) {
        r->outcome = WHOLE;
        // The views are of where the bytes stand now.
        assert_int_equal(fq_parser_request(&r->parser, r->data, r->fields, &r->request),
                         FQ_PARSE_DONE);
        r->request.body = (fq_str){r->data + r->parser.head_bytes, r->parser.body_bytes};
        r->used = r->parser.head_bytes + r->parser.body_bytes;
    }
}

static reading *read_in_pieces(const char *bytes, size_t len, size_t piece) {
    reading *r = calloc(1, sizeof(*r));
    fq_parser_reset(&r->parser);
    for (size_t at = 0; at < len && r->outcome == MORE; at += piece) {
        const size_t taken = len - at < piece ? len - at : piece;
        // Moved each time, so that views into the old place would be caught.
        char *moved = malloc(r->len + taken);
        if (r->len > 0) {
            memcpy(moved, r->data, r->len);
        }
        memcpy(moved + r->len, bytes + at, taken);
        free(r->data);
        r->data = moved;
        r->len += taken;
        go_on(r);
    }
    return r;
}

static void free_reading(reading *r) {
    free(r->data);
    free(r);
}

static void check_vector(const raw_request *raw, size_t piece) {
    reading *r = read_in_pieces(raw->bytes, raw->len, piece);
    // What is well-formed may still be refused by the router: 404, 405.
    const bool taken = raw_request_expects(raw, 200) || raw_request_expects(raw, 401) ||
                       raw_request_expects(raw, 404) || raw_request_expects(raw, 405);
    const bool without_length = r->outcome == WHOLE && r->request.method == FQ_POST &&
                                r->request.framing == FQ_FRAMING_NONE;
    const bool right = (r->outcome == WHOLE && taken) || raw_request_expects(raw, r->outcome) ||
                       (without_length && raw_request_expects(raw, 411));
    if (!right) {
        fail_msg("%s in pieces of %zu: %d", raw->id, piece, r->outcome);
    }
    free_reading(r);
}

static void every_raw_request_gets_what_it_names(void **state) {
    (void)state;
    size_t count;
    raw_request *requests = load_raw_requests(&count);
    for (size_t i = 0; i < count; i++) {
        check_vector(&requests[i], requests[i].len);
        check_vector(&requests[i], 1);
        check_vector(&requests[i], 7);
    }
    free_raw_requests(requests, count);
}

static void assert_text(fq_str s, const char *expected) {
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.at, expected, s.len);
}

static void a_request_is_taken_apart(void **state) {
    (void)state;
    static const char text[] =
        "POST /v1/orders?limit=2&a=%20 HTTP/1.1\r\nHost: pay.example:8080\r\nX-Empty:\r\n"
        "Content-Length:  4 \r\nIdempotency-Key: \t k 1\t\r\nExpect: 100-Continue\r\n\r\nbodyNEXT";
    for (size_t piece = 1; piece <= sizeof(text); piece += 13) {
        reading *r = read_in_pieces(text, sizeof(text) - 1, piece);
        assert_int_equal(r->outcome, WHOLE);
        assert_int_equal(r->request.method, FQ_POST);
        assert_text(r->request.path, "/v1/orders");
        assert_text(r->request.query, "limit=2&a=%20");
        assert_true(r->request.query_given);
        assert_text(r->request.host, "pay.example:8080");
        assert_text(r->request.body, "body");
        assert_true(r->request.keep_alive && r->request.expects_continue);
        assert_int_equal(r->request.header_count, 5);
        assert_text(fq_request_header(&r->request, FQ_STR("idempotency-key")), "k 1");
        assert_text(fq_request_header(&r->request, FQ_STR("x-empty")), "");
        assert_null(fq_request_header(&r->request, FQ_STR("x-none")).at);
        free_reading(r);
    }
}

// RFC 9112 section 3.2.2: behind an authority the path may be left out, and the query is whole.
static void an_absolute_target_is_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *target, *path, *query;
        bool query_given;
    } rows[] = {
        {"http://a", "/", "", false},
        {"http://a?", "/", "", true},
        {"http://a?b=1", "/", "b=1", true},
        {"http://a/x?b=1", "/x", "b=1", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[80];
        const int len =
            snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].target);
        reading *r = read_in_pieces(text, (size_t)len, (size_t)len);
        assert_int_equal(r->outcome, WHOLE);
        assert_text(r->request.path, rows[i].path);
        assert_text(r->request.query, rows[i].query);
        assert_int_equal(r->request.query_given, rows[i].query_given);
        free_reading(r);
    }
}

static void chunks_are_joined(void **state) {
    (void)state;
    static const char text[] =
        "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n"
        "3;a=b\r\nabc\r\n000A;q=\"\t z\"\r\n0123456789\r\n1\r\n!\r\n0;end\r\nHost: evil\r\n\r\nGET";
    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        reading *r = read_in_pieces(text, sizeof(text) - 1, piece);
        assert_int_equal(r->outcome, WHOLE);
        assert_text(r->request.body, "abc0123456789!");
        assert_text(r->request.host, "a");
        // What follows is left for the next request.
        assert_memory_equal(r->data + r->used, "GET", r->len - r->used);
        free_reading(r);
    }
}

static void keep_alive_follows_the_version(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reading *r = read_in_pieces(rows[i].text, strlen(rows[i].text), 1000);
        assert_int_equal(r->outcome, WHOLE);
        assert_int_equal(r->request.keep_alive, rows[i].keep_alive);
        free_reading(r);
    }
}

#define POST(headers_and_body) "POST / HTTP/1.1\r\nHost: a\r\n" headers_and_body
#define CHUNKED(body) POST("Transfer-Encoding: chunked\r\n\r\n" body)
#define FIELDS_8 "X: 1\r\nX: 1\r\nX: 1\r\nX: 1\r\nX: 1\r\nX: 1\r\nX: 1\r\nX: 1\r\n"

// What the vectors do not have.
static void more_that_is_refused_or_taken(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int outcome;
    } rows[] = {
        {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\n", 400},
        {"\r\n", MORE},
        {"\r", MORE},
        {"G", MORE},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", WHOLE},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /.. HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /a/.b/..c HTTP/1.1\r\nHost: a\r\n\r\n", WHOLE},
        {"GET /a/ HTTP/1.1\r\nHost: a\r\n\r\n", WHOLE},
        {"GET /a%5cb HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /a?b=%0 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /a?b=\"c\" HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http://A/x?y HTTP/1.1\r\nHost: a\r\n\r\n", WHOLE},
        {"GET http://a?y HTTP/1.1\r\nHost: a\r\n\r\n", WHOLE},
        {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", WHOLE},
        {"GET / HTTP/1.1\r\nHost: [::]\r\n\r\n", WHOLE},
        {"GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nauthorization: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: \x7F\r\n\r\n", 400},
        {"PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\n" FIELDS_8 FIELDS_8 FIELDS_8 FIELDS_8 FIELDS_8 FIELDS_8 FIELDS_8
             FIELDS_8 "Host: a\r\n\r\n",
         431},
        {POST("Content-Length: 65537\r\n\r\n"), 413},
        {POST("Content-Length: 65536\r\n\r\n"), MORE},
        {POST("Content-Length: 00000000000000000000000\r\n\r\n"), WHOLE},
        {CHUNKED("10001\r\n"), 413},
        {CHUNKED("10000\r\n"), MORE},
        {CHUNKED("000000001\r\n"), 400},
        {CHUNKED("1 \r\na\r\n0\r\n\r\n"), 400},
        {CHUNKED("1\r\nab"), 400},
        {CHUNKED("1\r\na\r"), MORE},
        {CHUNKED("0\r\n:\r\n\r\n"), 400},
        {CHUNKED("0\r\nX Y: 1\r\n\r\n"), 400},
        {CHUNKED("0\r\nX\r\n\r\n"), 400},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t piece = 1; piece < 2000; piece += 999) {
            reading *r = read_in_pieces(rows[i].text, strlen(rows[i].text), piece);
            if (r->outcome != rows[i].outcome) {
                fail_msg("%s: %d", rows[i].text, r->outcome);
            }
            free_reading(r);
        }
    }
}

static void limits_hold_at_the_byte(void **state) {
    (void)state;
    enum { SIZE = FQ_HEAD_BYTES_MAX + 1 };
    static char text[SIZE];
    static const char begin[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    for (size_t len = SIZE - 1; len <= SIZE; len++) {
        memset(text, 'x', len);
        memcpy(text, begin, sizeof(begin) - 1);
        memcpy(text + len - 4, "\r\n\r\n", 4);
        reading *r = read_in_pieces(text, len, 4096);
        assert_int_equal(r->outcome, len == SIZE ? 431 : WHOLE);
        free_reading(r);
    }
    static const char end[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
    for (size_t target = FQ_TARGET_BYTES_MAX; target <= FQ_TARGET_BYTES_MAX + 1; target++) {
        memcpy(text, "GET /", 5);
        memset(text + 5, 'x', target - 1);
        memcpy(text + 4 + target, end, sizeof(end) - 1);
        reading *r = read_in_pieces(text, 4 + target + sizeof(end) - 1, 4096);
        assert_int_equal(r->outcome, target > FQ_TARGET_BYTES_MAX ? 414 : WHOLE);
        free_reading(r);
    }
}

// Extensions and trailers without end are no way around the body's limit.
static void what_stands_between_chunks_is_bounded(void **state) {
    (void)state;
    static char text[64 * 1024];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", CHUNKED(""));
    while (len < sizeof(text) / 2) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "1;%0200d\r\nx\r\n", 0);
    }
    reading *r = read_in_pieces(text, len, 1000);
    assert_int_equal(r->outcome, 400);
    free_reading(r);

    len = (size_t)snprintf(text, sizeof(text), "%s", CHUNKED("0\r\n"));
    while (len < sizeof(text) / 2) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "X: %0200d\r\n", 0);
    }
    r = read_in_pieces(text, len, 1000);
    assert_int_equal(r->outcome, 400);
    free_reading(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_raw_request_gets_what_it_names),
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(an_absolute_target_is_taken_apart),
        cmocka_unit_test(chunks_are_joined),
        cmocka_unit_test(keep_alive_follows_the_version),
        cmocka_unit_test(more_that_is_refused_or_taken),
        cmocka_unit_test(limits_hold_at_the_byte),
        cmocka_unit_test(what_stands_between_chunks_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
