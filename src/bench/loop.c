// The engine: sends what is due, receives, measures. Knows neither payments nor signatures.
#include "bench/loop.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 64,  // few at a time, so that what is due meanwhile is not held up for long
    RECEIVE_BYTES_MIN = 16 * 1024,
    LOST_IN_A_ROW_MAX = 1000,
};
#define NS_PER_S INT64_C(1000000000)
#define WAIT_NS_MAX (NS_PER_S / 4)

typedef struct {
    int fd;  // -1 when the server could not be reached again
    bool busy;
    int64_t intended_ns;  // the latency counts from here
    int64_t sent_ns;
    char *out;
    size_t out_len, out_sent;
    fq_buffer in;
} connection;

typedef struct {
    const bench_loop_options *options;
    const bench_work *work;
    void *state;
    bench_tally *tally;
    int epoll_fd;
    connection *connections;
    // A ring of the slots that wait for something to ask.
    uint32_t *idle;
    uint32_t idle_first, idle_count;
    uint32_t busy_count, alive_count;
    uint32_t lost_in_a_row;
    int64_t deadline_ns;  // INT64_MAX for none
    int64_t due_ns;       // open loop: when the next request is due
    uint64_t random;
    bool exhausted;
    bool coarse_timer;  // the kernel knows no epoll_pwait2: milliseconds must do
} loop;

uint64_t bench_random(uint64_t *state) {
    uint64_t mixed = (*state += UINT64_C(0x9e3779b97f4a7c15));
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

// The time between two arrivals: always the same, or exponential as among strangers (a Poisson
// process).
static int64_t draw_gap_ns(loop *l) {
    const double mean_ns = (double)NS_PER_S / l->options->rate;
    if (l->options->even) {
        return (int64_t)mean_ns;
    }
    const double uniform = ((double)(bench_random(&l->random) >> 11) + 1.0) / 9007199254740993.0;
    return (int64_t)(-log(uniform) * mean_ns);
}

static void push_idle(loop *l, uint32_t slot) {
    l->idle[(l->idle_first + l->idle_count++) % l->options->connections] = slot;
}

static uint32_t pop_idle(loop *l) {
    const uint32_t slot = l->idle[l->idle_first];
    l->idle_first = (l->idle_first + 1) % l->options->connections;
    l->idle_count--;
    return slot;
}

static void note_error(loop *l, int status, fq_str text) {
    if (l->tally->first_error[0] == '\0') {
        snprintf(l->tally->first_error, sizeof(l->tally->first_error), "HTTP status %d: %.*s",
                 status, (int)(text.len < 400 ? text.len : 400), text.at);
    }
}

// Connects the slot's socket, waiting for it: on a kept-alive run this happens once a connection.
static bool open_connection(loop *l, uint32_t slot) {
    connection *c = &l->connections[slot];
    c->in.len = 0;
    c->out_len = c->out_sent = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        return false;
    }
    const struct timeval patience = {.tv_sec = 5};
    const int yes = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = slot};
    if (setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
        connect(c->fd, (const struct sockaddr *)&l->options->address,
                sizeof(l->options->address)) != 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        close(c->fd);
        c->fd = -1;
        return false;
    }
    return true;
}

// Gives up a connection, with what was asked on it, and makes it anew.
static void lose(loop *l, uint32_t slot, const char *why, int64_t now_ns) {
    connection *c = &l->connections[slot];
    if (c->busy) {
        const bench_verdict verdict = l->work->judge(l->state, slot, &(bench_answer){0});
        atomic_fetch_add_explicit(&l->tally->wrong, verdict.wrong, memory_order_relaxed);
        note_error(l, 0, fq_str_of(why));
        fq_histogram_record(&l->tally->latency_us, (now_ns - c->intended_ns) / 1000);
        l->tally->ended_ns = now_ns;
        l->lost_in_a_row++;
        l->busy_count--;
        c->busy = false;
        push_idle(l, slot);
    }
    close(c->fd);
    if (l->lost_in_a_row > LOST_IN_A_ROW_MAX || !open_connection(l, slot)) {
        c->fd = -1;
        l->alive_count--;
    }
}

static void watch(loop *l, uint32_t slot, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = slot};
    epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, l->connections[slot].fd, &event);
}

// Sends what the socket takes; the rest when it is writable again.
static void send_rest(loop *l, uint32_t slot, int64_t now_ns) {
    connection *c = &l->connections[slot];
    const bool was_waiting = c->out_sent > 0;
    const ssize_t sent =
        send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        lose(l, slot, "the connection was lost while sending", now_ns);
        return;
    }
    c->out_sent += sent > 0 ? (size_t)sent : 0;
    if (c->out_sent < c->out_len) {
        watch(l, slot, EPOLLIN | EPOLLOUT);
    } else if (was_waiting) {
        watch(l, slot, EPOLLIN);
    }
}

// Is a request due? Then `out_intended_ns` says since when.
static bool take_due(loop *l, int64_t now_ns, int64_t *out_intended_ns) {
    if (l->exhausted) {
        return false;
    }
    if (l->options->rate <= 0) {
        *out_intended_ns = now_ns;
        return now_ns < l->deadline_ns;
    }
    if (l->due_ns > now_ns || l->due_ns >= l->deadline_ns) {
        return false;
    }
    *out_intended_ns = l->due_ns;
    l->due_ns += draw_gap_ns(l);
    return true;
}

// Gives every idle connection something to ask, as far as something is due.
static void send_due(loop *l, int64_t now_ns) {
    // A slot that is lost while sending comes back to the ring's end; one turn of the ring is
    // enough.
    for (uint32_t turn = l->idle_count; turn > 0 && l->idle_count > 0; turn--) {
        const uint32_t slot = pop_idle(l);
        connection *c = &l->connections[slot];
        if (c->fd < 0) {
            continue;  // dead for good: it leaves the ring
        }
        int64_t intended_ns;
        if (!take_due(l, now_ns, &intended_ns)) {
            push_idle(l, slot);
            return;
        }
        c->out_len = l->work->ask(l->state, slot, c->out);
        if (c->out_len == 0) {
            l->exhausted = true;
            push_idle(l, slot);
            return;
        }
        FQ_ASSERT(c->out_len <= l->work->request_bytes_max);
        c->out_sent = 0;
        c->busy = true;
        c->intended_ns = intended_ns;
        c->sent_ns = now_ns;
        l->busy_count++;
        atomic_fetch_add_explicit(&l->tally->requests, 1, memory_order_relaxed);
        send_rest(l, slot, now_ns);
    }
}

static void take_answer(loop *l, uint32_t slot, const bench_answer *answer, int64_t now_ns) {
    connection *c = &l->connections[slot];
    const bench_verdict verdict = l->work->judge(l->state, slot, answer);
    atomic_fetch_add_explicit(&l->tally->right, verdict.right, memory_order_relaxed);
    if (verdict.wrong > 0) {
        atomic_fetch_add_explicit(&l->tally->wrong, verdict.wrong, memory_order_relaxed);
        note_error(l, answer->status, verdict.fault.len > 0 ? verdict.fault : answer->body);
    } else {
        fq_histogram_record(&l->tally->latency_us, (now_ns - c->intended_ns) / 1000);
    }
    const bool closes = answer->closes;
    c->in.len = 0;  // from here on the answer's views are gone
    c->busy = false;
    l->busy_count--;
    l->lost_in_a_row = 0;
    l->tally->ended_ns = now_ns;
    push_idle(l, slot);
    if (closes) {
        lose(l, slot, "", now_ns);  // nothing was under way: only a new connection
    }
}

static void receive(loop *l, uint32_t slot) {
    connection *c = &l->connections[slot];
    size_t room = c->in.capacity - c->in.len;
    if (room < RECEIVE_BYTES_MIN / 4) {
        room = RECEIVE_BYTES_MIN;
    }
    char *at = fq_buffer_reserve(&c->in, room);
    if (!at) {
        lose(l, slot, "the answer is longer than expected", fq_monotonic_ns());
        return;
    }
    const ssize_t got = recv(c->fd, at, room, MSG_DONTWAIT);
    const int64_t now_ns = fq_monotonic_ns();
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        lose(l, slot, "the server closed the connection before its answer", now_ns);
        return;
    }
    c->in.len += (size_t)got;
    bench_answer answer;
    size_t bytes;
    switch (c->busy ? bench_answer_read(fq_buffer_str(&c->in), &answer, &bytes) : BENCH_BROKEN) {
    case BENCH_WHOLE:
        take_answer(l, slot, &answer, now_ns);
        break;
    case BENCH_MORE:
        if (bytes > l->work->answer_bytes_max) {
            lose(l, slot, "the answer is longer than expected", now_ns);
        } else if (bytes > 0) {
            (void)fq_buffer_reserve(&c->in, bytes - c->in.len);
        }
        break;
    case BENCH_BROKEN:
        lose(l, slot, "not an HTTP/1.1 answer with a Content-Length", now_ns);
        break;
    }
    send_due(l, now_ns);
}

static void lose_the_late(loop *l, int64_t now_ns) {
    for (uint32_t slot = 0; slot < l->options->connections; slot++) {
        const connection *c = &l->connections[slot];
        if (c->busy && now_ns - c->sent_ns > l->options->timeout_ns) {
            lose(l, slot, "no answer in time", now_ns);
        }
    }
}

static int wait_for_events(loop *l, int64_t wait_ns, struct epoll_event events[EVENTS_MAX]) {
    if (!l->coarse_timer) {
        const struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
        const int count = epoll_pwait2(l->epoll_fd, events, EVENTS_MAX, &wait, NULL);
        if (count >= 0 || errno == EINTR) {
            return count;
        }
        l->coarse_timer = true;
    }
    return epoll_wait(l->epoll_fd, events, EVENTS_MAX, (int)(wait_ns / 1000000));
}

// Until when may the loop sleep? For the next arrival, if a connection is free for it.
static int64_t wait_ns(const loop *l, int64_t now_ns) {
    if (l->options->rate <= 0 || l->idle_count == 0 || l->due_ns >= l->deadline_ns ||
        l->exhausted) {
        return WAIT_NS_MAX;
    }
    const int64_t until_due_ns = l->due_ns > now_ns ? l->due_ns - now_ns : 0;
    return until_due_ns < WAIT_NS_MAX ? until_due_ns : WAIT_NS_MAX;
}

static bool is_over(const loop *l, int64_t now_ns) {
    if (l->busy_count > 0) {
        return false;
    }
    const int64_t next_ns = l->options->rate > 0 ? l->due_ns : now_ns;
    return l->exhausted || next_ns >= l->deadline_ns || l->alive_count == 0;
}

static void run(loop *l) {
    int64_t now_ns = fq_monotonic_ns();
    l->tally->started_ns = l->tally->ended_ns = l->due_ns = now_ns;
    l->deadline_ns = l->options->duration_ns > 0 ? now_ns + l->options->duration_ns : INT64_MAX;
    int64_t checked_ns = now_ns;
    struct epoll_event events[EVENTS_MAX];
    for (send_due(l, now_ns); !is_over(l, now_ns); send_due(l, now_ns)) {
        const int count = wait_for_events(l, wait_ns(l, now_ns), events);
        for (int i = 0; i < count; i++) {
            const uint32_t slot = events[i].data.u32;
            const connection *c = &l->connections[slot];
            if ((events[i].events & EPOLLOUT) != 0 && c->out_sent < c->out_len) {
                send_rest(l, slot, now_ns);
            }
            if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && c->fd >= 0) {
                receive(l, slot);
            }
        }
        now_ns = fq_monotonic_ns();
        if (now_ns - checked_ns > NS_PER_S / 2) {
            lose_the_late(l, now_ns);
            checked_ns = now_ns;
        }
    }
    l->tally->unreachable = l->alive_count == 0;
}

void bench_loop_run(const bench_loop_options *options, const bench_work *work, void *state,
                    bench_tally *out) {
    FQ_ASSERT(options->connections > 0 && work->request_bytes_max > 0);
    fq_arena arena;
    fq_arena_init(&arena, fq_array_bytes(options->connections, work->request_bytes_max + 1024));
    loop l = {
        .options = options,
        .work = work,
        .state = state,
        .tally = out,
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .connections = FQ_NEW_ARRAY(&arena, connection, options->connections),
        .idle = FQ_NEW_ARRAY(&arena, uint32_t, options->connections),
        .random = options->seed,
    };
    char *requests = FQ_NEW_ARRAY(&arena, char, options->connections * work->request_bytes_max);
    for (uint32_t slot = 0; slot < options->connections; slot++) {
        connection *c = &l.connections[slot];
        fq_buffer_init(&c->in, work->answer_bytes_max + RECEIVE_BYTES_MIN);
        c->out = requests + (size_t)slot * work->request_bytes_max;
        if (open_connection(&l, slot)) {
            l.alive_count++;
            push_idle(&l, slot);
        }
    }
    if (l.alive_count == options->connections) {
        run(&l);
    } else {
        out->unreachable = true;
    }
    for (uint32_t slot = 0; slot < options->connections; slot++) {
        if (l.connections[slot].fd >= 0) {
            close(l.connections[slot].fd);
        }
        fq_buffer_free(&l.connections[slot].in);
    }
    close(l.epoll_fd);
    fq_arena_free(&arena);
}
