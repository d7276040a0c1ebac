// One thread's epoll: accepts, wakes, sweeps. Knows connections only by their doors in loop.h.
#include "http/loop.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void http_loop_wake(fq_loop *loop) {
    const uint64_t one = 1;
    // Fails only when the counter is full, and then the loop wakes anyway.
    const ssize_t written = write(loop->wake.fd, &one, sizeof(one));
    (void)written;
}

void http_loop_mark_dirty(fq_connection *connection) {
    if (!connection->dirty) {
        connection->dirty = true;
        connection->dirty_next = connection->loop->dirty;
        connection->loop->dirty = connection;
    }
}

static void peer_text(const struct sockaddr_storage *address, char out[46]) {
    out[0] = '\0';
    if (address->ss_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, address, sizeof(four));
        inet_ntop(AF_INET, &four.sin_addr, out, 46);
    } else if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, address, sizeof(six));
        if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
            inet_ntop(AF_INET, &six.sin6_addr.s6_addr[12], out, 46);
        } else {
            inet_ntop(AF_INET6, &six.sin6_addr, out, 46);
        }
    }
}

// Out of descriptors: gives up the spare one to take the next client in and turn it away. Left in
// the queue it would keep epoll awake and the client waiting.
static void turn_away(fq_loop *loop, int listener_fd) {
    close(loop->reserve_fd);
    const int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool take_place(fq_server *server) {
    const int64_t before = atomic_fetch_add(&server->connection_count, 1);
    if (before < (int64_t)server->config.connections_max) {
        return true;
    }
    atomic_fetch_sub(&server->connection_count, 1);
    return false;
}

enum { ROOM_SILENT_MS = 1000, ROOM_AT_ONCE = 64, ROOM_PAUSE_MS = 100 };

// Nothing of its client's is under way, and it has said nothing for a while.
static bool is_silent(const fq_connection *connection) {
    const bool asks_nothing = connection->phase == PHASE_IDLE ||
                              connection->phase == PHASE_HANDSHAKE ||
                              connection->phase == PHASE_HEAD;
    return asks_nothing && !connection->first && !connection->dirty &&
           connection->loop->now_ms - connection->phase_began_ms >= ROOM_SILENT_MS;
}

// Every place is taken, and to hold one a client need not even speak. So those that have been
// silent for longest give way, some at once: a look at all of them is dear. False: there are none.
static bool make_room(fq_loop *loop) {
    if (loop->now_ms < loop->full_until_ms) {
        return false;
    }
    int64_t oldest_ms = loop->now_ms;
    for (const fq_connection *at = loop->connections; at; at = at->following) {
        if (is_silent(at) && at->phase_began_ms < oldest_ms) {
            oldest_ms = at->phase_began_ms;
        }
    }
    const int64_t until_ms = oldest_ms + (loop->now_ms - oldest_ms) / 2;
    size_t closed = 0;
    for (fq_connection *at = loop->connections; at && closed < ROOM_AT_ONCE;) {
        fq_connection *following = at->following;
        if (is_silent(at) && at->phase_began_ms <= until_ms) {
            http_connection_kill(at);
            closed++;
        }
        at = following;
    }
    loop->full_until_ms = closed > 0 ? 0 : loop->now_ms + ROOM_PAUSE_MS;
    return closed > 0;
}

// False: there is nobody left to accept.
static bool accept_one(fq_loop *loop, http_listener *listener) {
    struct sockaddr_storage address = {0};
    socklen_t address_len = sizeof(address);
    const int fd = accept4(listener->source.fd, (struct sockaddr *)&address, &address_len,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            fq_metrics_add(loop->server->refused, 1);
            turn_away(loop, listener->source.fd);
            return true;
        }
        return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }
    fq_server *server = loop->server;
    if (!take_place(server) && !(make_room(loop) && take_place(server))) {
        fq_metrics_add(server->refused, 1);
        close(fd);
        return true;
    }
    fq_metrics_add(server->accepted, 1);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    char peer[46];
    peer_text(&address, peer);
    http_connection_open(loop, listener, fd, peer);
    return true;
}

// True: there may be more to accept.
static bool accept_some(fq_loop *loop, http_listener *listener) {
    enum { ACCEPTS_A_ROUND = 64 };
    for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
        if (!accept_one(loop, listener)) {
            return false;
        }
    }
    return true;
}

// Everything that was returned goes on; then each connection concerned sends once.
static void take_returned(fq_loop *loop) {
    fq_exchange *newest = atomic_exchange_explicit(&loop->returned, NULL, memory_order_acquire),
                *oldest = NULL;
    while (newest) {
        fq_exchange *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        fq_exchange *next = oldest->next;
        oldest->next = NULL;
        http_exchange_resume(oldest);
        oldest = next;
    }
}

static void pump_dirty(fq_loop *loop) {
    while (loop->dirty) {
        fq_connection *connection = loop->dirty;
        loop->dirty = connection->dirty_next;
        connection->dirty = false;
        if (connection->dead) {
            connection->dirty_next = loop->dead;
            loop->dead = connection;
        } else {
            http_connection_pump(connection);
        }
    }
}

// Events of one epoll_wait may still point to a connection that died in the same round, so memory
// goes at its end.
static void free_dead(fq_loop *loop) {
    while (loop->dead) {
        fq_connection *connection = loop->dead;
        loop->dead = connection->dirty_next;
        free(connection);
    }
}

static void for_each_connection(fq_loop *loop, void (*visit)(fq_connection *connection)) {
    for (fq_connection *connection = loop->connections; connection;) {
        fq_connection *following = connection->following;  // the visit may end it, and no other
        visit(connection);
        connection = following;
    }
}

static void begin_drain(fq_loop *loop) {
    loop->drained = true;
    for (size_t i = 0; i < loop->listener_count; i++) {
        http_listener *listener = &loop->listeners[i];
        if (listener->source.fd >= 0) {
            // Those who wait in the queue have been promised a connection.
            enum { ROUNDS_MAX = 64 };
            for (int round = 0; round < ROUNDS_MAX && accept_some(loop, listener); round++) {
            }
            close(listener->source.fd);
            listener->source.fd = -1;
        }
    }
    for_each_connection(loop, http_connection_drain);
}

static void handle_event(fq_loop *loop, http_source *source, uint32_t events) {
    switch (source->kind) {
    case HTTP_LISTENER:
        if (source->fd >= 0) {
            accept_some(loop, (http_listener *)(void *)source);
        }
        return;
    case HTTP_WAKE: {
        uint64_t count;
        const ssize_t got = read(source->fd, &count, sizeof(count));
        (void)got;
        return;
    }
    case HTTP_CONNECTION: {
        fq_connection *connection = (fq_connection *)(void *)source;
        if (!connection->dead) {
            http_connection_ready(connection, events);
        }
        return;
    }
    }
}

// Time limits are looked at this often: exact enough, and nothing is done for them on a request's
// way.
static int64_t sweep_interval_ms(const http_limits *set) {
    int64_t shortest = 2000;
    const int64_t limits[] = {set->head_timeout_ms, set->body_timeout_ms, set->idle_timeout_ms,
                              set->request_timeout_ms};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        shortest = limits[i] < shortest ? limits[i] : shortest;
    }
    return shortest / 4 > 0 ? shortest / 4 : 1;
}

static bool is_over(const fq_loop *loop) {
    return atomic_load(&loop->server->stopping) && loop->kept_count == 0;
}

void *http_loop_run(void *argument) {
    enum { EVENTS_A_ROUND = 256 };
    fq_loop *loop = argument;
    struct epoll_event events[EVENTS_A_ROUND];
    int64_t interval_ms = sweep_interval_ms(&loop->server->limits);
    while (!is_over(loop)) {
        const int count = epoll_wait(loop->epoll_fd, events, EVENTS_A_ROUND,
                                     loop->connections ? (int)interval_ms : -1);
        FQ_ASSERT(count >= 0 || errno == EINTR);
        loop->now_ms = fq_monotonic_ms();
        atomic_store_explicit(&loop->turns, loop->turns + 1, memory_order_relaxed);
        for (int i = 0; i < count; i++) {
            handle_event(loop, events[i].data.ptr, events[i].events);
        }
        take_returned(loop);
        pump_dirty(loop);
        if (loop->now_ms - loop->swept_ms >= interval_ms) {
            loop->swept_ms = loop->now_ms;
            interval_ms = sweep_interval_ms(&loop->server->limits);
            for_each_connection(loop, http_connection_check_time);
        }
        if (!loop->drained && atomic_load(&loop->server->draining)) {
            begin_drain(loop);
        }
        if (atomic_load(&loop->server->stopping)) {
            for_each_connection(loop, http_connection_kill);
        }
        free_dead(loop);
    }
    return NULL;
}
