// The client against our own server.
#include "http/client.h"

#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    rig server;
    fq_client *client;
    char url[64];
} scene;

static void scene_start(scene *s, const fq_client_config *config) {
    rig_start(&s->server, NULL, NULL);
    assert_int_equal(fq_client_start(config, &s->client).code, FQ_DONE);
}

static void scene_stop(scene *s) {
    fq_client_stop(s->client);
    rig_stop(&s->server);
}

static fq_outgoing outgoing(scene *s, fq_method method, const char *path) {
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u%s", s->server.port, path);
    return (fq_outgoing){.method = method, .url = fq_str_of(s->url)};
}

static void calls_bring_status_and_body(void **state) {
    (void)state;
    scene s;
    scene_start(&s, &(fq_client_config){0});
    fq_buffer body;
    fq_buffer_init(&body, 100000);
    int status;
    fq_outgoing call = outgoing(&s, FQ_GET, "/healthz");
    assert_int_equal(fq_client_call(s.client, &call, &status, &body).code, FQ_DONE);
    assert_int_equal(status, 200);
    assert_true(fq_str_equal(fq_buffer_str(&body), FQ_STR("{\"ok\":true}")));

    fq_buffer_clear(&body);
    call = outgoing(&s, FQ_PUT, "/echo");
    const fq_header headers[] = {{FQ_STR("Content-Type"), FQ_STR("application/json")}};
    call.headers = headers;
    call.header_count = 1;
    call.traceparent = FQ_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    call.body = FQ_STR("{}");
    assert_int_equal(fq_client_call(s.client, &call, &status, &body).code, FQ_DONE);
    assert_int_equal(status, 200);
    assert_true(fq_str_equal(fq_buffer_str(&body), FQ_STR("{}")));

    call = outgoing(&s, FQ_POST, "/act");
    assert_int_equal(fq_client_call(s.client, &call, &status, &body).code, FQ_DONE);
    assert_int_equal(status, 204);
    call = outgoing(&s, FQ_GET, "/none");
    assert_int_equal(fq_client_call(s.client, &call, &status, &body).code, FQ_DONE);
    assert_int_equal(status, 404);
    assert_int_equal(fq_server_connections(s.server.server), 1);  // kept alive
    fq_buffer_free(&body);
    scene_stop(&s);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    scene s;
    scene_start(&s, &(fq_client_config){.answer_bytes_max = 1024 * 1024, .total_timeout_ms = 300});
    fq_buffer body;
    fq_buffer_init(&body, 8 * 1024 * 1024);
    int status;
    const char *urls[] = {"file:///etc/hostname", "ftp://127.0.0.1/", "http://127.0.0.1:1/",
                          "not a url"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const fq_outgoing call = {.method = FQ_GET, .url = fq_str_of(urls[i])};
        assert_int_equal(fq_client_call(s.client, &call, &status, &body).code, FQ_UNAVAILABLE);
    }
    fq_outgoing call = outgoing(&s, FQ_GET, "/large");
    assert_int_equal(fq_client_call(s.client, &call, &status, &body).code, FQ_UNAVAILABLE);
    call = outgoing(&s, FQ_GET, "/never");
    assert_int_equal(fq_client_call(s.client, &call, &status, &body).code, FQ_UNAVAILABLE);
    call = outgoing(&s, FQ_GET, "/healthz");
    const fq_header split[] = {{FQ_STR("X"), FQ_STR("a\r\nHost: evil")}};
    call.headers = split;
    call.header_count = 1;
    assert_int_equal(fq_client_call(s.client, &call, &status, &body).code, FQ_UNAVAILABLE);
    fq_buffer_free(&body);
    scene_stop(&s);
}

static void count_reply(void *context, const fq_reply *reply) {
    _Atomic(int) *counts = context;
    atomic_fetch_add(&counts[reply->err.code == FQ_DONE && reply->status == 200], 1);
    if (reply->status == 200) {
        assert_non_null(fq_reply_header(reply, FQ_STR("request-id")).at);
    }
}

static void many_run_at_once(void **state) {
    (void)state;
    enum { CALLS = 200 };
    scene s;
    scene_start(&s, &(fq_client_config){.connections_max = 8});
    _Atomic(int) counts[2] = {0};
    for (int i = 0; i < CALLS; i++) {
        const fq_outgoing call = outgoing(&s, FQ_GET, "/later?x");
        fq_client_submit(s.client, &call, count_reply, counts);
    }
    for (int i = 0; i < 2000 && atomic_load(&counts[1]) < CALLS; i++) {
        usleep(5000);
    }
    assert_int_equal(counts[1], CALLS);
    assert_true(fq_server_connections(s.server.server) <= 8);
    // Those under way when the client stops are answered too.
    const fq_outgoing call = outgoing(&s, FQ_GET, "/never");
    fq_client_submit(s.client, &call, count_reply, counts);
    scene_stop(&s);
    assert_int_equal(counts[0], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_bring_status_and_body),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(many_run_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
