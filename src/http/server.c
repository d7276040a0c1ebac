// Start, drain and stop: configuration, sockets, threads. Nothing here runs on a loop.
#include "http/loop.h"

#include "base/clock.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static fq_server_config with_defaults(const fq_server_config *given) {
    fq_server_config config = *given;
#define DEFAULT(field, value) config.field = config.field ? config.field : (value)
    DEFAULT(threads, 1);
    DEFAULT(connections_max, 10000);
    DEFAULT(pipeline_max, 64);
    DEFAULT(body_bytes_max, 64 * 1024);
    DEFAULT(input_bytes_max, 256 * 1024 * 1024);
    DEFAULT(arena_bytes_max, 256 * 1024 * 1024);
    DEFAULT(answer_bytes_max, 32 * 1024 * 1024);
#undef DEFAULT
    config.threads =
        config.threads < FQ_SERVER_THREADS_MAX ? config.threads : FQ_SERVER_THREADS_MAX;
    return config;
}

void fq_server_set_limits(fq_server *server, const fq_server_limits *limits) {
#define SET(field, standard) \
    atomic_store(&server->limits.field, limits->field ? limits->field : (standard))
    SET(head_timeout_ms, 10000);
    SET(body_timeout_ms, 30000);
    SET(body_bytes_per_s, 500);
    SET(idle_timeout_ms, 75000);
    SET(request_timeout_ms, 30000);
#undef SET
}

static fq_series connections_that(const char *outcome) {
    return fq_metrics_series(FQ_METRIC_HTTP_CONNECTIONS_TOTAL, fq_str_of(outcome), FQ_STR(""),
                             FQ_STR(""));
}

// `errno` becomes the reason, once, here.
static fq_err system_failed(const char *what, char out_reason[200]) {
    char text[100];
    snprintf(out_reason, 200, "%s: %s", what, strerror_r(errno, text, sizeof(text)));
    return fq_refuse(FQ_UNAVAILABLE, NULL);
}

static bool bind_to(int fd, const struct addrinfo *address, bool shared) {
    const int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
           bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0;
}

static int open_socket(const struct addrinfo *address) {
    return socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// SO_REUSEPORT would let a second server of ours share the port in silence; without it the port
// must be free.
static bool port_is_free(const struct addrinfo *address) {
    const int fd = open_socket(address);
    const bool bound = fd >= 0 && bind_to(fd, address, false);
    const int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return bound;
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return 0;
    }
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    memcpy(&four, &address, sizeof(four));
    memcpy(&six, &address, sizeof(six));
    return ntohs(address.ss_family == AF_INET6 ? six.sin6_port : four.sin_port);
}

// One socket a loop on the same port, which the first one settles when it is 0.
static fq_err open_listeners(fq_server *server, size_t index, const char *host,
                             char out_reason[200]) {
    const fq_listen *listen_on = &server->config.listens[index];
    const unsigned loops = listen_on->one_loop ? 1 : server->config.threads;
    uint16_t port = listen_on->port;
    for (unsigned i = 0; i < loops; i++) {
        char service[8];
        snprintf(service, sizeof(service), "%u", port);
        const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                       .ai_socktype = SOCK_STREAM};
        struct addrinfo *address;
        if (getaddrinfo(host, service, &hints, &address) != 0) {
            snprintf(out_reason, 200, "%.100s is no numeric address", host);
            return fq_refuse(FQ_UNAVAILABLE, NULL);
        }
        const bool is_free = i > 0 || port_is_free(address);
        const int fd = is_free ? open_socket(address) : -1;
        const bool bound = fd >= 0 && bind_to(fd, address, true);
        freeaddrinfo(address);
        fq_loop *loop = &server->loops[i];
        http_listener *listener = &loop->listeners[loop->listener_count];
        *listener = (http_listener){{HTTP_LISTENER, fd}, &listen_on->handlers, server->tls[index]};
        loop->listener_count += fd >= 0;
        if (!bound) {
            char what[80];
            const bool v6 = strchr(host, ':') != NULL;
            snprintf(what, sizeof(what), v6 ? "[%.50s]:%u" : "%.50s:%u", host, port);
            return system_failed(what, out_reason);
        }
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            return system_failed("epoll", out_reason);
        }
        port = port_of(fd);
    }
    server->ports[index] = port;
    return FQ_OK;
}

static fq_err make_loop(fq_server *server, unsigned index, char out_reason[200]) {
    fq_loop *loop = &server->loops[index];
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = (http_source){HTTP_WAKE, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    loop->scratch = malloc(HTTP_SCRATCH_BYTES);
    FQ_ASSERT(loop->scratch != NULL);
    fq_random(&loop->id_seed, sizeof(loop->id_seed));
    loop->now_ms = loop->swept_ms = fq_monotonic_ms();
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->wake};
    if (loop->epoll_fd < 0 || loop->wake.fd < 0 || loop->reserve_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake.fd, &event) != 0) {
        return system_failed("a loop", out_reason);
    }
    return FQ_OK;
}

// Signals are for the thread that starts the server; SIGPIPE, which OpenSSL's writes may raise, is
// for nobody.
static fq_err start_threads(fq_server *server, char out_reason[200]) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    for (unsigned i = 0; i < server->config.threads && error == 0; i++) {
        error = pthread_create(&server->loops[i].thread, NULL, http_loop_run, &server->loops[i]);
        server->started_count += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error ? system_failed("a thread", out_reason) : FQ_OK;
}

static fq_err start(fq_server *server, char out_reason[200]) {
    for (unsigned i = 0; i < server->config.threads; i++) {
        FQ_TRY(make_loop(server, i, out_reason));
    }
    for (size_t i = 0; i < server->config.listen_count; i++) {
        const fq_listen *listen_on = &server->config.listens[i];
        if (listen_on->tls) {
            server->tls[i] = http_tls_make(listen_on->tls, out_reason);
            if (!server->tls[i]) {
                return fq_refuse(FQ_UNAVAILABLE, NULL);
            }
        }
        FQ_TRY(open_listeners(server, i, listen_on->address ? listen_on->address : "127.0.0.1",
                              out_reason));
    }
    return start_threads(server, out_reason);
}

fq_err fq_server_start(const fq_server_config *config, fq_server **out, char out_reason[200]) {
    FQ_ASSERT(config->listen_count >= 1 && config->listen_count <= FQ_LISTENS_MAX);
    fq_server *server = calloc(1, sizeof(*server));
    FQ_ASSERT(server != NULL);
    server->config = with_defaults(config);
    fq_server_set_limits(server, &config->limits);
    server->accepted = connections_that("accepted");
    server->refused = connections_that("refused");
    server->timed_out = connections_that("timed_out");
    server->malformed = connections_that("malformed");
    server->loops = calloc(server->config.threads, sizeof(*server->loops));
    FQ_ASSERT(server->loops != NULL);
    for (unsigned i = 0; i < server->config.threads; i++) {
        fq_loop *loop = &server->loops[i];
        loop->server = server;
        loop->epoll_fd = loop->reserve_fd = loop->wake.fd = -1;
    }
    const fq_err error = start(server, out_reason);
    for (size_t i = 0; i < FQ_LISTENS_MAX; i++) {  // the caller's memory ends here
        server->config.listens[i].address = NULL;
        server->config.listens[i].tls = NULL;
    }
    if (error.code) {
        fq_server_stop(server);
        return error;
    }
    *out = server;
    return FQ_OK;
}

uint16_t fq_server_port(const fq_server *server, size_t index) {
    FQ_ASSERT(index < server->config.listen_count);
    return server->ports[index];
}

int64_t fq_server_connections(const fq_server *server) {
    return atomic_load(&server->connection_count);
}

int64_t fq_server_active_requests(const fq_server *server) {
    int64_t active = 0;
    for (unsigned i = 0; i < server->config.threads; i++) {
        active += atomic_load_explicit(&server->loops[i].active_requests, memory_order_relaxed);
    }
    return active;
}

fq_err fq_server_reload_tls(fq_server *server) {
    bool reloaded = true;
    for (size_t i = 0; i < server->config.listen_count; i++) {
        reloaded = (!server->tls[i] || http_tls_reload(server->tls[i])) && reloaded;
    }
    return reloaded ? FQ_OK : fq_refuse(FQ_UNAVAILABLE, NULL);
}

static void wake_all(fq_server *server) {
    for (unsigned i = 0; i < server->started_count; i++) {
        http_loop_wake(&server->loops[i]);
    }
}

bool fq_server_is_alive(fq_server *server) {
    bool alive = true;
    for (unsigned i = 0; i < server->started_count; i++) {
        fq_loop *loop = &server->loops[i];
        const uint64_t turns = atomic_load_explicit(&loop->turns, memory_order_relaxed);
        alive &= turns != loop->turns_seen || turns == 0;
        loop->turns_seen = turns;
    }
    wake_all(server);
    return alive;
}

bool fq_server_drain(fq_server *server, int64_t timeout_ms) {
    const int64_t end_ms = fq_monotonic_ms() + timeout_ms;
    atomic_store(&server->draining, true);
    wake_all(server);
    const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
    bool done = false;
    while (!done && fq_monotonic_ms() < end_ms) {
        nanosleep(&pause, NULL);
        done =
            atomic_load(&server->connection_count) == 0 && fq_server_active_requests(server) == 0;
    }
    return done;
}

void fq_server_hang_up(fq_server *server) {
    const struct timespec pause = {.tv_nsec = 1000 * 1000};
    atomic_store(&server->draining, true);
    atomic_store(&server->stopping, true);
    wake_all(server);
    while (atomic_load(&server->connection_count) > 0) {
        nanosleep(&pause, NULL);  // a loop never waits, so it is there soon
    }
}

static void close_if_open(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

static void free_loop(fq_loop *loop) {
    while (atomic_load_explicit(&loop->pushers, memory_order_acquire) > 0) {
        sched_yield();  // a thread between its return and its wake-up: a few instructions
    }
    for (size_t i = 0; i < loop->listener_count; i++) {
        close_if_open(loop->listeners[i].source.fd);
    }
    close_if_open(loop->epoll_fd);
    close_if_open(loop->wake.fd);
    close_if_open(loop->reserve_fd);
    while (loop->spare) {
        fq_exchange *exchange = loop->spare;
        loop->spare = exchange->next;
        http_exchange_free(exchange);
    }
    free(loop->scratch);
}

void fq_server_stop(fq_server *server) {
    fq_server_hang_up(server);
    for (unsigned i = 0; i < server->started_count; i++) {
        pthread_join(server->loops[i].thread, NULL);
    }
    for (unsigned i = 0; i < server->config.threads; i++) {
        free_loop(&server->loops[i]);
    }
    for (size_t i = 0; i < FQ_LISTENS_MAX; i++) {
        http_tls_free(server->tls[i]);
    }
    free(server->loops);
    free(server);
}
