// The running server over sockets: who is slow, who is too many, and a loop that hangs.
#include "rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void the_slow_are_cut_off(void **state) {
    (void)state;
    static const struct {
        const char *sent;
        int status;
    } rows[] = {
        {"", 0},
        {"GET /healthz HTTP/1.1\r\nHost:", 408},
        {"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", 408},
        {RIG_GET("/never"), 503},
    };
    rig r;
    const fq_server_config limits = {.limits = {.head_timeout_ms = 200,
                                                .body_timeout_ms = 200,
                                                .idle_timeout_ms = 200,
                                                .request_timeout_ms = 200}};
    rig_start(&r, &limits, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool closed;
        char *text = rig_ask(&r, rows[i].sent, strlen(rows[i].sent), 9, &closed);
        assert_true(closed);
        assert_int_equal(rig_status(text), rows[i].status);
        if (rows[i].status == 503) {
            rig_assert_holds(text, "Retry-After: 1\r\n");
        }
        free(text);
    }
    assert_int_equal(r.resumed, 0);
    rig_stop(&r);  // gives back what was kept: its connection is long gone
    assert_int_equal(r.resumed, 1);
    assert_int_equal(r.dropped, 1);
}

// Large bodies are taken in before anybody has said who he is.
static void bodies_on_their_way_share_a_limit(void **state) {
    (void)state;
    enum { LARGE = 900 * 1024 };
    static char some[LARGE];
    rig r;
    const fq_server_config limits = {.input_bytes_max = 3 << 20};
    rig_start(&r, &limits, NULL);
    for (int round = 0; round < 3; round++) {  // what is closed gives its part back
        struct pollfd waiting[4];
        for (int i = 0; i < 4; i++) {
            waiting[i] = (struct pollfd){.fd = rig_connect(r.port), .events = POLLIN};
            RIG_SEND(waiting[i].fd,
                     "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
            rig_send(waiting[i].fd, some, LARGE);
        }
        assert_int_equal(poll(waiting, 4, 10000), 1);
        char *text = RIG_ASK(&r, RIG_GET("/healthz"), 1, NULL);
        assert_int_equal(rig_status(text), 200);
        free(text);
        for (int i = 0; i < 4; i++) {
            text = waiting[i].revents ? rig_read(waiting[i].fd, 1, 2000, NULL) : NULL;
            assert_true(!text || rig_status(text) == 503);
            free(text);
            close(waiting[i].fd);
        }
        while (fq_server_connections(r.server) > 0) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    rig_stop(&r);
}

static void limits_on_connections_hold(void **state) {
    (void)state;
    rig r;
    const fq_server_config limits = {.connections_max = 4};
    rig_start(&r, &limits, NULL);
    int fds[6];
    int answered = 0;
    for (int i = 0; i < 6; i++) {
        fds[i] = rig_connect(r.port);
        RIG_SEND(fds[i], RIG_GET("/healthz"));
        char *text = rig_read(fds[i], 1, 500, NULL);
        answered += rig_status(text) == 200;
        free(text);
    }
    assert_int_equal(answered, 4);
    for (int i = 0; i < 6; i++) {
        close(fds[i]);
    }
    rig_stop(&r);
}

// Whoever holds all connections and says nothing keeps nobody out.
static void the_silent_give_way(void **state) {
    (void)state;
    enum { HOLDERS = 8, SILENT_NS_MORE = 200000000 };
    rig r;
    const fq_server_config limits = {.connections_max = HOLDERS};
    rig_start(&r, &limits, NULL);
    int holders[HOLDERS];
    for (int i = 0; i < HOLDERS; i++) {
        holders[i] = rig_connect(r.port);
        if (i == 1) {
            RIG_SEND(holders[i], "GET /healthz");  // half a head
        }
    }
    nanosleep(&(struct timespec){1, SILENT_NS_MORE}, NULL);
    const int fd = rig_connect(r.port);
    RIG_SEND(fd, RIG_GET("/healthz"));
    char *text = rig_read(fd, 1, 2000, NULL);
    assert_int_equal(rig_status(text), 200);
    free(text);
    assert_true(fq_server_connections(r.server) <= HOLDERS);
    close(fd);
    for (int i = 0; i < HOLDERS; i++) {
        close(holders[i]);
    }
    rig_stop(&r);
}

static void limits_can_be_set_while_it_runs(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    fq_server_set_limits(r.server, &(fq_server_limits){.head_timeout_ms = 100});
    const int fd = rig_connect(r.port);
    RIG_SEND(fd, "GET /healthz");
    bool closed;
    char *text = rig_read(fd, 9, 4000, &closed);
    assert_true(closed);
    assert_int_equal(rig_status(text), 408);
    free(text);
    close(fd);
    rig_stop(&r);
}

static void a_loop_that_hangs_is_seen(void **state) {
    (void)state;
    enum { PAUSE_US = 30000 };
    rig r;
    rig_start(&r, NULL, NULL);
    for (int i = 0; i < 4; i++) {
        assert_true(fq_server_is_alive(r.server));  // idle loops are not hanging ones
        usleep(PAUSE_US);
    }
    const int fd = rig_connect(r.port);
    RIG_SEND(fd, RIG_GET("/hang"));
    usleep(PAUSE_US);
    (void)fq_server_is_alive(r.server);
    usleep(PAUSE_US);
    assert_false(fq_server_is_alive(r.server));
    atomic_store(&r.hang_over, true);
    char *text = rig_read(fd, 1, 2000, NULL);
    assert_int_equal(rig_status(text), 204);
    (void)fq_server_is_alive(r.server);
    usleep(PAUSE_US);
    assert_true(fq_server_is_alive(r.server));
    free(text);
    close(fd);
    rig_stop(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slow_are_cut_off),
        cmocka_unit_test(bodies_on_their_way_share_a_limit),
        cmocka_unit_test(limits_on_connections_hold),
        cmocka_unit_test(the_silent_give_way),
        cmocka_unit_test(limits_can_be_set_while_it_runs),
        cmocka_unit_test(a_loop_that_hangs_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
