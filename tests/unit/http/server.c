// The running server over sockets: strictness, order, limits, time, drain, TLS.
#include "rig.h"
#include "vectors.h"

#include "base/clock.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: pay.example\r\n\r\n"

static void assert_holds(const char *text, const char *part) {
    if (!strstr(text, part)) {
        fail_msg("no '%s' in: %.600s", part, text);
    }
}

// Sends, reads, closes.
static char *ask_bytes(const rig *r, const char *data, size_t len, int answers, bool *out_closed) {
    const int fd = rig_connect(r->port);
    rig_send(fd, data, len);
    char *text = rig_read(fd, answers, 2000, out_closed);
    close(fd);
    return text;
}

#define ASK(r, literal, answers, out_closed) \
    ask_bytes((r), "" literal, sizeof(literal) - 1, (answers), (out_closed))

static void every_raw_request_gets_what_it_names(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    size_t count;
    raw_request *requests = load_raw_requests(&count);
    for (size_t i = 0; i < count; i++) {
        const raw_request *raw = &requests[i];
        bool closed;
        char *text = ask_bytes(&r, raw->bytes, raw->len, raw->close ? 1000 : 1, &closed);
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
    char *text =
        ASK(&r, "GET /healthz HTTP/1.1\r\nHost: a\r\nRequest-Id: my-1.id_X\r\n\r\n", 1, &closed);
    assert_int_equal(rig_status(text), 200);
    assert_false(closed);
    assert_holds(text, "\r\nDate: ");
    assert_holds(
        text,
        " GMT\r\nContent-Type: application/json\r\nContent-Length: 11\r\n"
        "Cache-Control: no-store\r\nRequest-Id: my-1.id_X\r\nX-Signed: a  b\r\n\r\n{\"ok\":true}");
    free(text);

    text = ASK(
        &r,
        "GET /healthz HTTP/1.1\r\nHost: a\r\nRequest-Id: no spaces\r\nConnection: close\r\n\r\n", 9,
        &closed);
    assert_true(closed);
    assert_holds(text, "Request-Id: req_");
    assert_holds(text, "Connection: close\r\n");
    free(text);

    text = ASK(&r, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 1, NULL);
    assert_holds(text, "Content-Length: 11\r\n");
    assert_null(strstr(text, "ok"));
    free(text);

    text = ASK(&r, "POST /act HTTP/1.1\r\nHost: a\r\n\r\n" GET("/healthz"), 2, NULL);
    assert_int_equal(rig_status(text), 204);
    assert_int_equal(rig_count_answers(text), 2);
    free(text);

    text = ASK(&r, "DELETE /healthz HTTP/1.1\r\nHost: a\r\nAccept-Language: zh-CN\r\n\r\n", 1,
               &closed);
    assert_int_equal(rig_status(text), 405);
    assert_false(closed);
    assert_holds(text, "Allow: GET, HEAD, OPTIONS\r\n");
    assert_holds(text, "application/problem+json");
    assert_holds(text, "\"title\":\"方法不允许\"");
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
    char *text = ask_bytes(&r, data, (size_t)(at - data), REQUESTS, NULL);
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
    RIG_SEND(fd, GET("/never") GET("/healthz") GET("/healthz"));
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
    memcpy(data + len, GET("/healthz"), sizeof(GET("/healthz")));
    char *text = ask_bytes(&r, data, len + sizeof(GET("/healthz")) - 1, 2, NULL);
    assert_int_equal(rig_status(text), 200);
    assert_holds(text, "Content-Length: 1048576\r\n");
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
    text = ask_bytes(&r, data, len, 9, &closed);
    assert_true(closed);
    assert_int_equal(rig_status(text), 413);
    free(text);
    free(data);

    text = ASK(&r, GET("/large"), 1, NULL);
    assert_holds(text, "Content-Length: 3145728\r\n");
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
    assert_holds(text, "\r\n\r\nabcd");
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
    text = ASK(&r,
               "PUT /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
               9, &closed);
    assert_int_equal(rig_status(text), 404);
    assert_int_equal(rig_count_answers(text), 1);
    assert_true(closed);
    free(text);

    // Behind a slow answer the invitation waits for its turn.
    fd = rig_connect(r.port);
    RIG_SEND(fd, GET("/never") "PUT /echo HTTP/1.1\r\nHost: a\r\n"
                               "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    text = rig_read(fd, 1, 100, NULL);
    assert_string_equal(text, "");
    free(text);
    rig_release(&r);
    text = rig_read(fd, 2, 2000, NULL);
    assert_int_equal(rig_status(text), 200);
    assert_holds(text, "100 Continue");
    free(text);
    close(fd);
    rig_stop(&r);
}

static void the_slow_are_cut_off(void **state) {
    (void)state;
    static const struct {
        const char *sent;
        int status;
    } rows[] = {
        {"", 0},
        {"GET /healthz HTTP/1.1\r\nHost:", 408},
        {"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", 408},
        {GET("/never"), 503},
    };
    rig r;
    const fq_server_config limits = {.limits = {.head_timeout_ms = 200,
                                                .body_timeout_ms = 200,
                                                .idle_timeout_ms = 200,
                                                .request_timeout_ms = 200}};
    rig_start(&r, &limits, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool closed;
        char *text = ask_bytes(&r, rows[i].sent, strlen(rows[i].sent), 9, &closed);
        assert_true(closed);
        assert_int_equal(rig_status(text), rows[i].status);
        if (rows[i].status == 503) {
            assert_holds(text, "Retry-After: 1\r\n");
        }
        free(text);
    }
    assert_int_equal(r.resumed, 0);
    rig_stop(&r);  // gives back what was kept: its connection is long gone
    assert_int_equal(r.resumed, 1);
    assert_int_equal(r.dropped, 1);
}

static void a_client_that_leaves_harms_nobody(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    for (int i = 0; i < 50; i++) {
        const int fd = rig_connect(r.port);
        RIG_SEND(fd, GET("/later") GET("/later") GET("/large") GET("/later"));
        if (i % 2) {
            const struct linger hard = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        }
        close(fd);
    }
    // Half-closed: it has said all and still listens.
    const int fd = rig_connect(r.port);
    RIG_SEND(fd, GET("/later") GET("/later"));
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
    RIG_SEND(idle, GET("/healthz"));
    char *text = rig_read(idle, 1, 2000, NULL);
    free(text);
    RIG_SEND(busy, GET("/never"));
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
    RIG_SEND(busy, GET("/healthz"));
    usleep(20000);
    rig_release(&r);
    text = rig_read(busy, 9, 2000, &closed);
    assert_true(closed);
    assert_int_equal(rig_status(text), 200);
    assert_holds(text, "Connection: close\r\n");
    free(text);
    close(idle);
    close(busy);
    pthread_join(thread, NULL);
    assert_true(d.done);
    rig_stop(&r);
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
        char *text = ASK(&r, GET("/healthz"), 1, NULL);
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
        RIG_SEND(fds[i], GET("/healthz"));
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
    RIG_SEND(fd, GET("/hang"));
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

static void a_taken_port_is_an_error(void **state) {
    (void)state;
    rig r;
    rig_start(&r, NULL, NULL);
    fq_server_config config = {.listen_count = 1};
    config.listens[0] = (fq_listen){.port = r.port};
    fq_server *second;
    char reason[200];
    assert_int_equal(fq_server_start(&config, &second, reason).code, FQ_UNAVAILABLE);
    assert_holds(reason, "Address already in use");
    rig_stop(&r);
}

// --- TLS ---

static void write_certificate(const char *certificate_file, const char *key_file) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(certificate_file, "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    file = fopen(key_file, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

// Asks over TLS; returns how many bytes came back, or -1 when there was no handshake.
static long ask_tls(uint16_t port, int version, const char *data, char *out, size_t room) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_security_level(context, 0);
    SSL *tls = SSL_new(context);
    const int fd = rig_connect(port);
    SSL_set_fd(tls, fd);
    long total = -1;
    if (SSL_connect(tls) == 1) {
        total = 0;
        assert_true(SSL_write(tls, data, (int)strlen(data)) > 0);
        int got;
        while ((got = SSL_read(tls, out + total, (int)(room - 1 - (size_t)total))) > 0) {
            total += got;
        }
        out[total] = '\0';
    }
    SSL_free(tls);
    SSL_CTX_free(context);
    close(fd);
    return total;
}

static void tls_serves_and_reloads(void **state) {
    (void)state;
    char folder[] = "/tmp/feiqian-tls-XXXXXX", certificate_file[64], key_file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(certificate_file, sizeof(certificate_file), "%s/certificate.pem", folder);
    snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
    write_certificate(certificate_file, key_file);
    const fq_tls_files files = {certificate_file, key_file, false};
    rig r;
    rig_start(&r, NULL, &files);
    enum { ROOM = 4 * 1024 * 1024 };
    char *text = malloc(ROOM);
    static const char request[] = GET("/healthz")
        GET("/later?1") "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        assert_true(ask_tls(r.port, versions[i], request, text, ROOM) > 3 * 1024 * 1024);
        assert_int_equal(rig_count_answers(text), 3);
    }
    assert_int_equal(ask_tls(r.port, TLS1_1_VERSION, request, text, ROOM), -1);
    // Plain HTTP on the TLS port gets no answer at all.
    char *plain = ASK(&r, GET("/healthz"), 1, NULL);
    assert_int_equal(rig_count_answers(plain), 0);
    free(plain);

    write_certificate(certificate_file, key_file);
    assert_int_equal(fq_server_reload_tls(r.server).code, FQ_DONE);
    assert_true(ask_tls(r.port, TLS1_3_VERSION, request, text, ROOM) > 0);
    unlink(key_file);
    assert_int_equal(fq_server_reload_tls(r.server).code, FQ_UNAVAILABLE);
    assert_true(ask_tls(r.port, TLS1_3_VERSION, request, text, ROOM) > 0);
    free(text);
    rig_stop(&r);
    unlink(certificate_file);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_raw_request_gets_what_it_names),
        cmocka_unit_test(an_answer_is_complete),
        cmocka_unit_test(pipelined_answers_keep_their_order),
        cmocka_unit_test(bodies_arrive_whole_however_they_are_cut),
        cmocka_unit_test(a_body_is_invited_or_refused_early),
        cmocka_unit_test(the_slow_are_cut_off),
        cmocka_unit_test(a_client_that_leaves_harms_nobody),
        cmocka_unit_test(drain_finishes_and_refuses),
        cmocka_unit_test(bodies_on_their_way_share_a_limit),
        cmocka_unit_test(limits_on_connections_hold),
        cmocka_unit_test(limits_can_be_set_while_it_runs),
        cmocka_unit_test(a_loop_that_hangs_is_seen),
        cmocka_unit_test(a_taken_port_is_an_error),
        cmocka_unit_test(tls_serves_and_reloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
