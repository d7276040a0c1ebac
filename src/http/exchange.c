// The life of an exchange: taken, stepped, kept, returned, ended. No parsing, no writing.
#include "http/loop.h"

#include "base/clock.h"

#include <stdlib.h>

enum { SPARE_MAX = 1024 };

fq_exchange *http_exchange_take(fq_loop *loop, fq_connection *connection) {
    const fq_server_config *config = &loop->server->config;
    fq_exchange *exchange = loop->spare;
    if (exchange) {
        loop->spare = exchange->next;
        loop->spare_count--;
        // Arena and buffers keep their memory.
        *exchange =
            (fq_exchange){.arena = exchange->arena, .head = exchange->head, .body = exchange->body};
    } else {
        exchange = calloc(1, sizeof(*exchange));
        FQ_ASSERT(exchange != NULL);
        fq_arena_init(&exchange->arena, config->arena_bytes_max);
        fq_buffer_init(&exchange->head, config->answer_bytes_max);
        fq_buffer_init(&exchange->body, config->answer_bytes_max);
    }
    exchange->loop = loop;
    exchange->handlers = connection->listener->handlers;
    exchange->connection = connection;
    exchange->route = -1;
    exchange->body_bytes_max = config->body_bytes_max;
    exchange->begun_ns = fq_monotonic_ns();
    exchange->deadline_ms = exchange->begun_ns / 1000000 + loop->server->limits.request_timeout_ms;
    if (connection->last) {
        connection->last->later = exchange;
    } else {
        connection->first = exchange;
    }
    connection->last = exchange;
    connection->pending_count++;
    atomic_fetch_add_explicit(&loop->active_requests, 1, memory_order_relaxed);
    return exchange;
}

static void clear_buffer(fq_buffer *buffer) {
    if (buffer->capacity > HTTP_KEPT_CAPACITY) {
        fq_buffer_free(buffer);
    }
    fq_buffer_clear(buffer);
}

void http_exchange_end(fq_exchange *exchange) {
    fq_loop *loop = exchange->loop;
    const fq_handlers *handlers = exchange->handlers;
    if (handlers->finished) {
        handlers->finished(handlers->context, exchange, fq_monotonic_ns() - exchange->begun_ns);
    }
    atomic_fetch_sub_explicit(&loop->active_requests, 1, memory_order_relaxed);
    if (exchange->secret) {
        fq_arena_wipe(&exchange->arena);
    } else {
        fq_arena_reset(&exchange->arena);
    }
    clear_buffer(&exchange->head);
    clear_buffer(&exchange->body);
    if (loop->spare_count < SPARE_MAX) {
        exchange->next = loop->spare;
        loop->spare = exchange;
        loop->spare_count++;
    } else {
        http_exchange_free(exchange);
    }
}

void http_exchange_free(fq_exchange *exchange) {
    fq_arena_free(&exchange->arena);
    fq_buffer_free(&exchange->head);
    fq_buffer_free(&exchange->body);
    free(exchange);
}

void http_exchange_drop(fq_exchange *exchange) {
    exchange->connection = NULL;
    exchange->dropped = true;
    if (!exchange->kept) {
        http_exchange_end(exchange);
    }
}

void http_exchange_step(fq_exchange *exchange, void (*step)(void *context, fq_exchange *exchange),
                        void *context) {
    fq_loop *loop = exchange->loop;
    exchange->kept = false;
    step(context, exchange);
    if (exchange->kept) {
        loop->kept_count++;
    } else {
        exchange->answered = true;
    }
}

static void finish(void *unused, fq_exchange *exchange) {
    (void)unused;
    if (exchange->finish) {
        exchange->finish(exchange);
    }
}

void http_exchange_resume(fq_exchange *exchange) {
    exchange->loop->kept_count--;
    http_exchange_step(exchange, finish, NULL);
    if (exchange->kept) {
        return;
    }
    if (exchange->connection) {
        http_loop_mark_dirty(exchange->connection);
    } else {
        http_exchange_end(exchange);
    }
}

void fq_exchange_answer(fq_exchange *exchange) {
    exchange->answered = true;
}

void fq_exchange_keep(fq_exchange *exchange) {
    FQ_ASSERT(!exchange->answered);
    exchange->kept = true;
}

// Puts a chain on the loop's stack. Only the one who finds it empty wakes the loop. `pushers` keeps
// the loop's memory from going while we are in here: the exchange may be taken, and the server
// stop, before the wake-up.
static void push(fq_loop *loop, fq_exchange *newest, fq_exchange *oldest) {
    atomic_fetch_add_explicit(&loop->pushers, 1, memory_order_relaxed);
    fq_exchange *top = atomic_load_explicit(&loop->returned, memory_order_relaxed);
    do {
        oldest->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&loop->returned, &top, newest,
                                                    memory_order_release, memory_order_relaxed));
    if (!top) {
        http_loop_wake(loop);
    }
    atomic_fetch_sub_explicit(&loop->pushers, 1, memory_order_release);
}

void fq_exchange_return(fq_exchange *exchange) {
    push(exchange->loop, exchange, exchange);
}

void fq_exchange_return_many(fq_exchange *list) {
    while (list) {
        // Takes all of the first one's loop off the list, the newest ending on top.
        fq_loop *loop = list->loop;
        fq_exchange *oldest = list, *newest = NULL, **at = &list;
        while (*at) {
            fq_exchange *exchange = *at;
            if (exchange->loop == loop) {
                *at = exchange->next;
                exchange->next = newest;
                newest = exchange;
            } else {
                at = &exchange->next;
            }
        }
        push(loop, newest, oldest);
    }
}
