// The running server over sockets: strictness, order, whole bodies, and how it ends.
#include "rig.h"
#include "vectors.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void every_raw_request_gets_what_it_names(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    size_t count;
    raw_request *requests = load_raw_requests(&count);
    for (size_t i = 0; i < count; i++) {
        const raw_request *raw = &requests[i];
        bool closed;
        char *text = rig_ask(&r, raw->bytes, raw->len, raw->close ? 1000 : 1, &closed);
        const int status = rig_status(text), answers = rig_count_answers(text);
        const bool silent = text[0] == '\0' && closed && raw->close;
        if (!silent && !raw_request_expects(raw, status)) {
            fail_msg("%s: status %d", raw->id, status);
        }
        if ((raw->close && !closed) || answers > raw->answers_at_most) {
            fail_msg("%s: closed %d, answers %d", raw->id, closed, answers);
        }
        free(text);
    }
    free_raw_requests(requests, count);
    rig_stop(&r);
}

static void an_answer_is_complete(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    bool closed;
    char *text = RIG_ASK(&r, "GET /healthz HTTP/1.1\r\nHost: a\r\nRequest-Id: my-1.id_X\r\n\r\n", 1,
                         &closed);
    assert_int_equal(rig_status(text), 200);
    assert_false(closed);
    rig_assert_holds(text, "\r\nDate: ");
    rig_assert_holds(
        text,
        " GMT\r\nContent-Type: application/json\r\nContent-Length: 11\r\n"
        "Cache-Control: no-store\r\nRequest-Id: my-1.id_X\r\nX-Signed: a  b\r\n\r\n{\"ok\":true}");
    free(text);

    text = RIG_ASK(
        &r,
        "GET /healthz HTTP/1.1\r\nHost: a\r\nRequest-Id: no spaces\r\nConnection: close\r\n\r\n", 9,
        &closed);
    assert_true(closed);
    rig_assert_holds(text, "Request-Id: req_");
    rig_assert_holds(text, "Connection: close\r\n");
    free(text);

    text = RIG_ASK(&r, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 1, NULL);
    rig_assert_holds(text, "Content-Length: 11\r\n");
    assert_null(strstr(text, "ok"));
    free(text);

    text = RIG_ASK(&r, "POST /act HTTP/1.1\r\nHost: a\r\n\r\n" RIG_GET("/healthz"), 2, NULL);
    assert_int_equal(rig_status(text), 204);
    assert_int_equal(rig_count_answers(text), 2);
    free(text);

    text = RIG_ASK(&r, "DELETE /healthz HTTP/1.1\r\nHost: a\r\nAccept-Language: zh-CN\r\n\r\n", 1,
                   &closed);
    assert_int_equal(rig_status(text), 405);
    assert_false(closed);
    rig_assert_holds(text, "Allow: GET, HEAD, OPTIONS\r\n");
    rig_assert_holds(text, "application/problem+json");
    rig_assert_holds(text, "\"title\":\"方法不允许\"");
    free(text);
    rig_stop(&r);
}

static void pipelined_answers_keep_their_order(void **state) {
    (void)state;
    enum { REQUESTS = 300 };  // more than may be under way at once
    rig r;
    rig_start(&r, NULL, NULL);
    char *data = malloc(REQUESTS * 128), *at = data;
    for (int i = 0; i < REQUESTS; i++) {
        at += sprintf(at, "GET /later?(%d) HTTP/1.1\r\nHost: a\r\n\r\n", i);
    }
    char *text = rig_ask(&r, data, (size_t)(at - data), REQUESTS, NULL);
    assert_int_equal(rig_count_answers(text), REQUESTS);
    const char *from = text;
    for (int i = 0; i < REQUESTS; i++) {
        char mark[32];
        snprintf(mark, sizeof(mark), "\r\n\r\n(%d)", i);
        from = strstr(from, mark);
        assert_non_null(from);
    }
    assert_int_equal(r.resumed, REQUESTS);
    free(text);
    free(data);

    // A slow one holds back the quick ones behind it.
    const int fd = rig_connect(r.port);
    RIG_SEND(fd, RIG_GET("/never") RIG_GET("/healthz") RIG_GET("/healthz"));
    text = rig_read(fd, 1, 100, NULL);
    assert_int_equal(rig_count_answers(text), 0);
    free(text);
    rig_release(&r);
    text = rig_read(fd, 3, 2000, NULL);
    assert_int_equal(rig_count_answers(text), 3);
    free(text);
    close(fd);
    rig_stop(&r);
}

static void bodies_arrive_whole_however_they_are_cut(void **state) {
    (void)state;
    enum { SIZE = 1024 * 1024 };
    rig r;
    rig_start(&r, NULL, NULL);
    char *data = malloc(2 * SIZE + 200);
    size_t len =
        (size_t)sprintf(data, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", SIZE);
    memset(data + len, 'b', SIZE);
    len += SIZE;
    memcpy(data + len, RIG_GET("/healthz"), sizeof(RIG_GET("/healthz")));
    char *text = rig_ask(&r, data, len + sizeof(RIG_GET("/healthz")) - 1, 2, NULL);
    assert_int_equal(rig_status(text), 200);
    rig_assert_holds(text, "Content-Length: 1048576\r\n");
    assert_int_equal(rig_count_answers(text), 2);
    free(text);

    // In chunks of 1000, a byte too much at the end.
    len = (size_t)sprintf(data,
                          "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < SIZE / 1000 + 1; i++) {
        len += (size_t)sprintf(data + len, "3E8\r\n");
        memset(data + len, 'c', 1000);
        memcpy(data + len + 1000, "\r\n", 2);
        len += 1002;
    }
    bool closed;
    text = rig_ask(&r, data, len, 9, &closed);
    assert_true(closed);
    assert_int_equal(rig_status(text), 413);
    free(text);
    free(data);

    text = RIG_ASK(&r, RIG_GET("/large"), 1, NULL);
    rig_assert_holds(text, "Content-Length: 3145728\r\n");
    assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), 3145728);
    free(text);

    const int fd = rig_connect(r.port);
    static const char request[] =
        "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        rig_send(fd, request + i, 1);
        usleep(300);
    }
    text = rig_read(fd, 1, 2000, NULL);
    rig_assert_holds(text, "\r\n\r\nabcd");
    free(text);
    close(fd);
    rig_stop(&r);
}

static void a_body_is_invited_or_refused_early(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    int fd = rig_connect(r.port);
    RIG_SEND(fd,
             "PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    char *text = rig_read(fd, 1, 2000, NULL);
    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    free(text);
    RIG_SEND(fd, "abc");
    text = rig_read(fd, 1, 2000, NULL);
    assert_int_equal(rig_status(text), 200);
    free(text);
    close(fd);

    bool closed;
    text = RIG_ASK(
        &r, "PUT /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 9,
        &closed);
    assert_int_equal(rig_status(text), 404);
    assert_int_equal(rig_count_answers(text), 1);
    assert_true(closed);
    free(text);

    // Behind a slow answer the invitation waits for its turn.
    fd = rig_connect(r.port);
    RIG_SEND(fd, RIG_GET("/never") "PUT /echo HTTP/1.1\r\nHost: a\r\n"
                                   "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    text = rig_read(fd, 1, 100, NULL);
    assert_string_equal(text, "");
    free(text);
    rig_release(&r);
    text = rig_read(fd, 2, 2000, NULL);
    assert_int_equal(rig_status(text), 200);
    rig_assert_holds(text, "100 Continue");
    free(text);
    close(fd);
    rig_stop(&r);
}

static void a_client_that_leaves_harms_nobody(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    for (int i = 0; i < 50; i++) {
        const int fd = rig_connect(r.port);
        RIG_SEND(fd, RIG_GET("/later") RIG_GET("/later") RIG_GET("/large") RIG_GET("/later"));
        if (i % 2) {
            const struct linger hard = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        }
        close(fd);
    }
    // Half-closed: it has said all and still listens.
    const int fd = rig_connect(r.port);
    RIG_SEND(fd, RIG_GET("/later") RIG_GET("/later"));
    shutdown(fd, SHUT_WR);
    bool closed;
    char *text = rig_read(fd, 9, 10000, &closed);
    assert_int_equal(rig_count_answers(text), 2);
    assert_true(closed);
    free(text);
    close(fd);
    assert_true(fq_server_drain(r.server, 5000));
    assert_int_equal(fq_server_active_requests(r.server), 0);
    assert_true(r.finished >= r.handled);  // what came during the drain was refused, not handled
    rig_stop(&r);
}

typedef struct {
    fq_server *server;
    bool done;
} draining;

static void *drain(void *context) {
    draining *d = context;
    d->done = fq_server_drain(d->server, 5000);
    return NULL;
}

static void drain_finishes_and_refuses(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    const int idle = rig_connect(r.port), busy = rig_connect(r.port);
    RIG_SEND(idle, RIG_GET("/healthz"));
    char *text = rig_read(idle, 1, 2000, NULL);
    free(text);
    RIG_SEND(busy, RIG_GET("/never"));
    while (!atomic_load(&r.held)) {
        usleep(1000);
    }
    draining d = {r.server, false};
    pthread_t thread;
    pthread_create(&thread, NULL, drain, &d);
    bool closed;
    text = rig_read(idle, 1, 2000, &closed);
    assert_true(closed && text[0] == '\0');
    free(text);
    // What comes after is refused, in its turn.
    RIG_SEND(busy, RIG_GET("/healthz"));
    usleep(20000);
    rig_release(&r);
    text = rig_read(busy, 9, 2000, &closed);
    assert_true(closed);
    assert_int_equal(rig_status(text), 200);
    rig_assert_holds(text, "Connection: close\r\n");
    free(text);
    close(idle);
    close(busy);
    pthread_join(thread, NULL);
    assert_true(d.done);
    rig_stop(&r);
}

static void a_taken_port_is_an_error(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    fq_server_config config = {.listen_count = 1};
    config.listens[0] = (fq_listen){.port = r.port};
    fq_server *second;
    char reason[200];
    assert_int_equal(fq_server_start(&config, &second, reason).code, FQ_UNAVAILABLE);
    rig_assert_holds(reason, "Address already in use");
    rig_stop(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_raw_request_gets_what_it_names),
        cmocka_unit_test(an_answer_is_complete),
        cmocka_unit_test(pipelined_answers_keep_their_order),
        cmocka_unit_test(bodies_arrive_whole_however_they_are_cut),
        cmocka_unit_test(a_body_is_invited_or_refused_early),
        cmocka_unit_test(a_client_that_leaves_harms_nobody),
        cmocka_unit_test(drain_finishes_and_refuses),
        cmocka_unit_test(a_taken_port_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
