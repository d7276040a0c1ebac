// A server with a small handler, and raw sockets.
#include "rig.h"

#include "base/clock.h"
#include "http/problem.h"
#include "http/router.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { HEALTH, ORDERS, ECHO, LATER, NEVER, LARGE, ACT, HANG, ROUTE_COUNT };
enum { LARGE_BYTES = 3 * 1024 * 1024 };

static fq_router *router;

static fq_err on_head(void *context, fq_exchange *exchange) {
    (void)context;
    fq_match match;
    const fq_err refusal =
        fq_router_match(router, exchange->request.method, exchange->request.path, &match);
    exchange->route_label = match.path;
    exchange->route = match.route;
    if (refusal.code == FQ_METHOD_NOT_ALLOWED) {
        fq_router_allow(exchange, match.methods);
    }
    exchange->body_optional = match.route == ACT;
    if (match.route == ECHO) {
        exchange->body_bytes_max = 1024 * 1024;
    }
    return refusal;
}

static void finish_late(fq_exchange *exchange) {
    rig *r = exchange->user;
    atomic_fetch_add(&r->resumed, 1);
    exchange->status = 200;
    fq_buffer_add(&exchange->body, exchange->request.query);
}

// Another thread's work: waits a little, then returns what was kept, all of it at once.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static fq_exchange *kept;
static bool worker_stops;

static void *work(void *unused) {
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&mutex);
        fq_exchange *list = kept;
        kept = NULL;
        const bool stops = worker_stops;
        pthread_mutex_unlock(&mutex);
        if (stops && !list) {
            return NULL;
        }
        fq_exchange_return_many(list);  // newest first: the answers must be in order all the same
        usleep(200);
    }
}

static void handle(void *context, fq_exchange *exchange) {
    rig *r = context;
    atomic_fetch_add(&r->handled, 1);
    exchange->user = r;
    exchange->finish = finish_late;
    switch (exchange->route) {
    case HEALTH:
        exchange->status = 200;
        FQ_ADD(&exchange->body, "{\"ok\":true}");
        fq_exchange_answer(exchange);
        break;
    case ORDERS:
        fq_exchange_refuse(exchange, fq_refuse(FQ_SIGNATURE_MISSING, NULL));
        fq_exchange_answer(exchange);
        break;
    case ECHO:
        exchange->status = 200;
        fq_buffer_add(&exchange->body, exchange->request.body);
        fq_exchange_answer(exchange);
        break;
    case LATER:
        fq_exchange_keep(exchange);
        pthread_mutex_lock(&mutex);
        exchange->next = kept;
        kept = exchange;
        pthread_mutex_unlock(&mutex);
        break;
    case NEVER:
        fq_exchange_keep(exchange);
        atomic_store(&r->held, exchange);
        break;
    case LARGE: {
        exchange->status = 200;
        char *at = fq_buffer_reserve(&exchange->body, LARGE_BYTES);
        memset(at, 'x', LARGE_BYTES);
        exchange->body.len = LARGE_BYTES;
        break;  // answered because it is not kept
    }
    case ACT:
        exchange->status = 204;
        break;
    case HANG:
        while (!atomic_load(&r->hang_over)) {
            usleep(1000);
        }
        exchange->status = 204;
        break;
    default:
        break;  // 500
    }
}

static void before_send(void *context, fq_exchange *exchange) {
    (void)context;
    fq_exchange_add_header(exchange, FQ_STR("X-Signed"), FQ_STR("a\r\nb"));
}

static void finished(void *context, const fq_exchange *exchange, int64_t duration_ns) {
    rig *r = context;
    assert_true(duration_ns >= 0);
    atomic_fetch_add(&r->finished, 1);
    atomic_fetch_add(&r->dropped, exchange->dropped);
}

static pthread_t worker;

void rig_start(rig *r, const fq_server_config *limits, const fq_tls_files *tls) {
    static const struct {
        fq_method method;
        const char *path;
    } routes[ROUTE_COUNT] = {
        [HEALTH] = {FQ_GET, "/healthz"}, [ORDERS] = {FQ_POST, "/v1/orders"},
        [ECHO] = {FQ_PUT, "/echo"},      [LATER] = {FQ_GET, "/later"},
        [NEVER] = {FQ_GET, "/never"},    [LARGE] = {FQ_GET, "/large"},
        [ACT] = {FQ_POST, "/act"},       [HANG] = {FQ_GET, "/hang"},
    };
    *r = (rig){0};
    router = fq_router_make();
    for (int i = 0; i < ROUTE_COUNT; i++) {
        fq_router_add(router, routes[i].method, routes[i].path, i);
    }
    fq_server_config config = limits ? *limits : (fq_server_config){0};
    config.threads = 2;
    config.listen_count = 2;
    const fq_handlers handlers = {r, on_head, handle, before_send, finished};
    config.listens[0] = (fq_listen){.handlers = handlers, .tls = tls};
    config.listens[1] = (fq_listen){.handlers = handlers, .one_loop = true};
    worker_stops = false;
    assert_int_equal(pthread_create(&worker, NULL, work, NULL), 0);
    char reason[200];
    if (fq_server_start(&config, &r->server, reason).code) {
        fail_msg("%s", reason);
    }
    r->port = fq_server_port(r->server, 0);
    r->second_port = fq_server_port(r->server, 1);
}

void rig_stop(rig *r) {
    rig_release(r);
    fq_server_stop(r->server);
    pthread_mutex_lock(&mutex);
    worker_stops = true;
    pthread_mutex_unlock(&mutex);
    pthread_join(worker, NULL);
    fq_router_free(router);
}

void rig_release(rig *r) {
    fq_exchange *exchange = atomic_exchange(&r->held, NULL);
    if (exchange) {
        fq_exchange_return(exchange);
    }
}

int rig_connect(uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void rig_send(int fd, const char *data, size_t len) {
    while (len > 0) {
        const ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;  // the server has closed: what it said is what counts
        }
        data += sent;
        len -= (size_t)sent;
    }
}

int rig_count_answers(const char *text) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++) {
        count += at[9] >= '1' && at[9] <= '5';
    }
    return count;
}

int rig_status(const char *text) {
    return strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

char *rig_read(int fd, int answers, int timeout_ms, bool *out_closed) {
    enum { ROOM = 8 * 1024 * 1024, QUIET_MS = 30 };
    char *text = malloc(ROOM);
    size_t len = 0;
    bool closed = false;
    const int64_t end_ms = fq_monotonic_ms() + timeout_ms;
    text[0] = '\0';
    while (!closed) {
        const int64_t left_ms = end_ms - fq_monotonic_ms();
        const bool enough = len > 0 && rig_count_answers(text) >= answers;
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 ||
            poll(&poll_fd, 1, enough && left_ms > QUIET_MS ? QUIET_MS : (int)left_ms) <= 0) {
            break;
        }
        const ssize_t got = recv(fd, text + len, ROOM - 1 - len, 0);
        closed = got <= 0;
        len += got > 0 ? (size_t)got : 0;
        text[len] = '\0';
    }
    if (out_closed) {
        *out_closed = closed;
    }
    return text;
}

char *rig_ask(const rig *r, const char *data, size_t len, int answers, bool *out_closed) {
    const int fd = rig_connect(r->port);
    rig_send(fd, data, len);
    char *text = rig_read(fd, answers, 2000, out_closed);
    close(fd);
    return text;
}

void rig_assert_holds(const char *text, const char *part) {
    if (!strstr(text, part)) {
        fail_msg("no '%s' in: %.600s", part, text);
    }
}
