// One connection: bytes in, answers out in order, and the moment it ends. Takes no requests apart.
#include "http/loop.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

fq_connection *http_connection_open(fq_loop *loop, const http_listener *listener, int fd,
                                    const char *peer) {
    fq_connection *connection = calloc(1, sizeof(*connection));
    FQ_ASSERT(connection != NULL);
    connection->source = (http_source){HTTP_CONNECTION, fd};
    connection->loop = loop;
    connection->listener = listener;
    memcpy(connection->peer, peer, strnlen(peer, sizeof(connection->peer) - 1));
    fq_buffer_init(&connection->out,
                   SIZE_MAX / 2);  // bounded by HTTP_OUT_BYTES_HIGH and one answer
    fq_parser_reset(&connection->parser);
    connection->phase_began_ms = loop->now_ms;
    connection->interest = EPOLLIN;
    connection->following = loop->connections;
    if (loop->connections) {
        loop->connections->previous = connection;
    }
    loop->connections = connection;
    loop->connection_count++;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    bool ready = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
    if (ready && listener->tls) {
        connection->tls = http_tls_accept(listener->tls, fd);
        connection->phase = PHASE_HANDSHAKE;
        ready = connection->tls != NULL;
    }
    if (!ready) {
        http_connection_kill(connection);
        return NULL;
    }
    return connection;
}

// What a buffer of input takes beyond every connection's own share.
static size_t beyond_share(size_t capacity) {
    return capacity > HTTP_INPUT_SHARE_BYTES ? capacity - HTTP_INPUT_SHARE_BYTES : 0;
}

static void drop_input(fq_connection *connection) {
    atomic_fetch_sub(&connection->loop->server->input_bytes, beyond_share(connection->in_capacity));
    free(connection->in);
    connection->in = NULL;
    connection->in_len = connection->in_capacity = 0;
}

// Doubles the buffer. False: the large bodies under way take all that they may together. Nobody has
// said yet who he is, so their number alone must not decide.
static bool grow_input(fq_connection *connection) {
    fq_server *server = connection->loop->server;
    const size_t capacity = connection->in_capacity * 2;
    const size_t more = beyond_share(capacity) - beyond_share(connection->in_capacity);
    if (atomic_fetch_add(&server->input_bytes, more) + more > server->config.input_bytes_max &&
        more > 0) {
        atomic_fetch_sub(&server->input_bytes, more);
        return false;
    }
    connection->in = realloc(connection->in, capacity);
    FQ_ASSERT(connection->in != NULL);
    connection->in_capacity = capacity;
    return true;
}

void http_connection_kill(fq_connection *connection) {
    fq_loop *loop = connection->loop;
    if (connection->dead) {
        return;
    }
    connection->dead = true;
    for (fq_exchange *exchange = connection->first; exchange;) {
        fq_exchange *later = exchange->later;
        http_exchange_drop(exchange);
        exchange = later;
    }
    connection->first = connection->last = connection->reading = NULL;
    SSL_free(connection->tls);
    connection->tls = NULL;
    close(connection->source.fd);
    drop_input(connection);
    fq_buffer_free(&connection->out);
    if (connection->previous) {
        connection->previous->following = connection->following;
    } else {
        loop->connections = connection->following;
    }
    if (connection->following) {
        connection->following->previous = connection->previous;
    }
    loop->connection_count--;
    atomic_fetch_sub(&loop->server->connection_count, 1);
    if (!connection->dirty) {  // else it is freed when its turn comes
        connection->dirty_next = loop->dead;
        loop->dead = connection;
    }
}

// --- Out ---

// Answers stand in the order of their requests: only what is first may go out.
static void write_answers(fq_connection *connection) {
    if (connection->out_sent > HTTP_OUT_BYTES_HIGH && connection->first &&
        connection->first->answered) {
        fq_buffer *out =
            &connection->out;  // so that it does not grow for as long as a slow client reads
        memmove(out->at, out->at + connection->out_sent, out->len - connection->out_sent);
        out->len -= connection->out_sent;
        connection->out_sent = 0;
    }
    while (connection->first && connection->first->answered && !connection->closing &&
           connection->out.len - connection->out_sent < HTTP_OUT_BYTES_HIGH) {
        fq_exchange *exchange = connection->first;
        if (atomic_load_explicit(&connection->loop->server->draining, memory_order_relaxed)) {
            exchange->close = true;
        }
        http_answer_encode(exchange, connection);
        connection->closing = exchange->close;
        connection->first = exchange->later;
        if (!connection->first) {
            connection->last = NULL;
        }
        connection->pending_count--;
        connection->renewed = true;
        http_exchange_end(exchange);
    }
    if (connection->first && connection->first->invites_body && !connection->closing) {
        connection->first->invites_body = false;
        FQ_ADD(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

// False: the connection is gone.
static bool send_out(fq_connection *connection) {
    fq_buffer *out = &connection->out;
    while (connection->out_sent < out->len) {
        const ssize_t sent = http_transport_write(connection, out->at + connection->out_sent,
                                                  out->len - connection->out_sent);
        if (sent == HTTP_BROKEN) {
            http_connection_kill(connection);
            return false;
        }
        if (sent == HTTP_AGAIN) {
            connection->wants_write = true;
            return true;
        }
        connection->out_sent += (size_t)sent;
        connection->renewed = true;
    }
    if (out->capacity > HTTP_KEPT_CAPACITY) {
        fq_buffer_free(out);
    }
    fq_buffer_clear(out);
    connection->out_sent = 0;
    return true;
}

// The last answer has been sent. Where the client may still be sending, a plain close could reset
// the connection and take the answer with it (RFC 9112 section 9.6).
static void end(fq_connection *connection) {
    http_transport_say_end(connection);
    if (connection->input_ended || connection->phase == PHASE_LINGERING) {
        http_connection_kill(connection);
        return;
    }
    connection->phase = PHASE_LINGERING;
    connection->phase_began_ms = connection->loop->now_ms;
}

// --- In ---

static void keep_input(fq_connection *connection, const char *data, size_t len) {
    if (connection->in_capacity < len) {
        size_t capacity = connection->in_capacity ? connection->in_capacity : 4096;
        while (capacity < len) {
            capacity *= 2;
        }
        connection->in = realloc(connection->in, capacity);
        FQ_ASSERT(connection->in != NULL);
        connection->in_capacity = capacity;
    }
    memmove(connection->in, data, len);
    connection->in_len = len;
}

// Gives what has arrived to the reader and keeps what it could not use. `data` is the loop's
// scratch or `in`.
static void consume(fq_connection *connection, char *data, size_t len) {
    const size_t used = http_read_requests(connection, data, &len);
    if (len > used) {
        keep_input(connection, data + used, len - used);
    } else {
        drop_input(connection);
    }
}

// Thrown away: the answer said all there is to say.
static void read_and_forget(fq_connection *connection) {
    enum { THROWN_AWAY_MAX = 4 * 1024 * 1024 };
    const ssize_t got =
        http_transport_read(connection, connection->loop->scratch, HTTP_SCRATCH_BYTES);
    connection->thrown_away_bytes += got > 0 ? (size_t)got : 0;
    if (got == 0 || got == HTTP_BROKEN || connection->thrown_away_bytes > THROWN_AWAY_MAX) {
        connection->input_ended = true;
    }
}

// One read; the usual request is whole after it.
static void read_in(fq_connection *connection) {
    char *scratch = connection->loop->scratch;
    const bool waiting = connection->in_len > 0;
    if (waiting && connection->in_capacity - connection->in_len < 4096 && !grow_input(connection)) {
        http_refuse_and_close(connection, fq_refuse(FQ_UNAVAILABLE, NULL));
        drop_input(connection);
        return;
    }
    const ssize_t got = waiting
                            ? http_transport_read(connection, connection->in + connection->in_len,
                                                  connection->in_capacity - connection->in_len)
                            : http_transport_read(connection, scratch, HTTP_SCRATCH_BYTES);
    if (got == HTTP_AGAIN) {
        return;
    }
    if (got <= 0) {
        connection->input_ended = true;
        if (got == HTTP_BROKEN || !connection->first || connection->reading) {
            http_connection_kill(connection);
        }
        return;
    }
    connection->body_arrived_bytes += (size_t)got;
    if (waiting) {
        consume(connection, connection->in, connection->in_len + (size_t)got);
    } else {
        consume(connection, scratch, (size_t)got);
    }
}

static bool may_read(const fq_connection *connection) {
    return !connection->dead && !connection->input_ended && !connection->deaf &&
           !http_is_held_back(connection);
}

// epoll cannot see what OpenSSL has decrypted already.
static void read_what_tls_holds(fq_connection *connection) {
    while (connection->tls && may_read(connection) && SSL_pending(connection->tls) > 0) {
        read_in(connection);
    }
    connection->held_back |=
        connection->tls && !connection->dead && SSL_pending(connection->tls) > 0;
}

// --- Phases ---

static http_phase phase_of(const fq_connection *connection) {
    if (connection->out.len > 0) {
        return PHASE_WRITING;
    }
    if (connection->reading) {
        return PHASE_BODY;
    }
    if (connection->first) {
        return PHASE_ANSWERING;
    }
    return connection->in_len > 0 ? PHASE_HEAD : PHASE_IDLE;
}

// What it now waits for: the time limit, and what epoll is to tell.
static void settle(fq_connection *connection) {
    if (connection->phase != PHASE_HANDSHAKE && connection->phase != PHASE_LINGERING) {
        const http_phase phase = phase_of(connection);
        if (phase != connection->phase || connection->renewed) {
            connection->phase = phase;
            connection->phase_began_ms = connection->loop->now_ms;
            // What came with the head counts.
            connection->body_arrived_bytes =
                phase == PHASE_BODY ? connection->parser.body_bytes : 0;
        }
        connection->renewed = false;
    }
    const bool reads = connection->phase == PHASE_LINGERING || may_read(connection);
    const uint32_t interest =
        (reads ? (uint32_t)EPOLLIN : 0) | (connection->wants_write ? (uint32_t)EPOLLOUT : 0);
    if (interest != connection->interest) {
        struct epoll_event event = {.events = interest, .data.ptr = connection};
        epoll_ctl(connection->loop->epoll_fd, EPOLL_CTL_MOD, connection->source.fd, &event);
        connection->interest = interest;
    }
}

// Input that was held back is looked at again. False: there was none, or it must wait longer.
static bool go_on_reading(fq_connection *connection) {
    if (!connection->held_back || !may_read(connection)) {
        return false;
    }
    connection->held_back = false;
    if (connection->in_len > 0) {
        consume(connection, connection->in, connection->in_len);
    }
    read_what_tls_holds(connection);
    return !connection->dead;
}

void http_connection_pump(fq_connection *connection) {
    do {
        write_answers(connection);
        if (!send_out(connection)) {
            return;
        }
    } while (connection->out.len == 0 && !connection->closing &&
             ((connection->first && connection->first->answered) || go_on_reading(connection)));
    if (connection->dead) {
        return;
    }
    const bool over = connection->closing || (connection->input_ended && !connection->first);
    if (over && connection->out.len == 0 && connection->phase != PHASE_LINGERING) {
        end(connection);
    }
    if (!connection->dead) {
        settle(connection);
    }
}

void http_connection_ready(fq_connection *connection, uint32_t events) {
    connection->wants_write = false;
    if (connection->phase == PHASE_HANDSHAKE) {
        const int done = http_transport_handshake(connection);
        if (done == HTTP_BROKEN) {
            http_connection_kill(connection);
            return;
        }
        if (done == HTTP_AGAIN) {
            settle(connection);
            return;
        }
        connection->phase = PHASE_IDLE;
        connection->renewed = true;
    }
    if (connection->phase == PHASE_LINGERING) {
        read_and_forget(connection);
        if (connection->input_ended) {
            http_connection_kill(connection);
        }
        return;
    }
    if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN)) {
        http_connection_kill(connection);  // both directions are gone: nobody is left to answer
        return;
    }
    if (((events & EPOLLIN) || connection->tls) && may_read(connection)) {
        read_in(connection);
        read_what_tls_holds(connection);
    }
    if (!connection->dead) {
        http_connection_pump(connection);
    }
}

void http_connection_check_time(fq_connection *connection) {
    const http_limits *set = &connection->loop->server->limits;
    const int64_t waited_ms = connection->loop->now_ms - connection->phase_began_ms;
    enum { WRITE_TIMEOUT_MS = 30000, LINGER_TIMEOUT_MS = 2000, RATE_GRACE_MS = 5000 };
    if (connection->first && connection->first != connection->reading &&
        !connection->first->answered &&
        connection->loop->now_ms >= connection->first->deadline_ms) {
        http_expire_first(connection);
        http_connection_pump(connection);
        return;
    }
    const int64_t limits[PHASE_COUNT] = {
        [PHASE_IDLE] = set->idle_timeout_ms,   [PHASE_HANDSHAKE] = set->head_timeout_ms,
        [PHASE_HEAD] = set->head_timeout_ms,   [PHASE_BODY] = set->body_timeout_ms,
        [PHASE_ANSWERING] = INT64_MAX,         [PHASE_WRITING] = WRITE_TIMEOUT_MS,
        [PHASE_LINGERING] = LINGER_TIMEOUT_MS,
    };
    const bool crawls =
        connection->phase == PHASE_BODY && waited_ms > RATE_GRACE_MS &&
        (int64_t)connection->body_arrived_bytes * 1000 < set->body_bytes_per_s * waited_ms;
    if (waited_ms < limits[connection->phase] && !crawls) {
        return;
    }
    if (connection->phase == PHASE_HEAD || connection->phase == PHASE_BODY) {
        http_refuse_and_close(connection, fq_refuse(FQ_REQUEST_TIMEOUT, NULL));
        http_connection_pump(connection);
    } else {
        if (connection->phase == PHASE_HANDSHAKE || connection->phase == PHASE_WRITING) {
            fq_metrics_add(connection->loop->server->timed_out, 1);
        }
        http_connection_kill(connection);
    }
}

void http_connection_drain(fq_connection *connection) {
    if (connection->phase == PHASE_IDLE) {
        http_connection_ready(connection, EPOLLIN);  // what has come in meanwhile gets its answer
    }
    if (!connection->dead &&
        (connection->phase == PHASE_IDLE || connection->phase == PHASE_HANDSHAKE)) {
        http_transport_say_end(connection);
        http_connection_kill(connection);
    }
}
