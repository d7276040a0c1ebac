// One request and its answer, as the layers above the server see it.
//
//     the loop:   head(ex) -> body read -> handle(ex) --answered at once------------------> sent
//     elsewhere:                              \--kept--> fq_exchange_return(ex)
//     the loop:                                             \--> ex->finish(ex) --------> sent
//
// An exchange belongs to its loop's thread, and while it is kept to whoever keeps it. Its arena is
// emptied once the answer has been handed over.
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "http/request.h"

typedef struct fq_exchange fq_exchange;
struct fq_loop;
struct fq_connection;
struct fq_handlers;

#define FQ_REQUEST_ID_MAX 128
#define FQ_PATH_PARAMS_MAX 4

struct fq_exchange {
    // The request. Views live as long as the exchange.
    fq_arena arena;
    fq_request request;
    fq_str request_id;    // taken over from Request-Id where it is sane, else made
    fq_str traceparent;   // well-formed (W3C Trace Context, version 00), or empty
    fq_str peer;          // "192.0.2.1" or "2001:db8::1", without the port
    int64_t begun_ns;     // fq_monotonic_ns() when the head was whole
    int64_t deadline_ms;  // fq_monotonic_ms() at which the caller is answered 503

    // Set by `head`; how the body is read.
    uint64_t body_bytes_max;  // the server's default when `head` runs
    bool body_optional;       // a POST, PUT or PATCH may come without a length, instead of 411

    // For the layers above; the server does not look at these.
    void *user;
    fq_exchange *next;
    int route;  // index of the route; -1 at first
    fq_str path_params[FQ_PATH_PARAMS_MAX];

    // The answer.
    int status;                // 0 is our mistake: it becomes a 500
    fq_code refused;           // why, where it is a problem; FQ_DONE otherwise
    const char *content_type;  // a literal or from the arena; NULL: "application/json"
    const char *route_label;   // for metrics: "/v1/orders/{order_id}", a literal; NULL: none
    fq_buffer head;  // more header lines, each "Name: value\r\n"; see fq_exchange_add_header
    fq_buffer body;
    const char *cache_control;  // a literal; NULL: "no-store"
    bool close;                 // close the connection after this answer
    bool secret;                // the arena held a secret: wipe it before it serves again
    bool dropped;  // the server's word: client gone, or 503 sent in this answer's place
    // Runs on the loop's thread after fq_exchange_return: fills in the answer, or keeps the
    // exchange once more with fq_exchange_keep. Also runs when the client has gone; the answer is
    // then dropped.
    void (*finish)(fq_exchange *exchange);

    // The server's own.
    struct fq_loop *loop;
    const struct fq_handlers *handlers;
    struct fq_connection *connection;  // NULL once the client has gone; for the loop's thread only
    fq_exchange *later;                // next in the connection's order of answers
    bool answered, kept, invites_body, head_read;
};

// The value of the first field of that name (any case); `at` is NULL when there is none.
static inline fq_str fq_exchange_header(const fq_exchange *exchange, fq_str name) {
    return fq_request_header(&exchange->request, name);
}

// Adds a header line to the answer. Bytes that cannot stand in a field value (CR, LF, NUL, other
// controls) become spaces. Date, Content-Length, Content-Type, Request-Id, Connection and
// Cache-Control are the server's.
void fq_exchange_add_header(fq_exchange *exchange, fq_str name, fq_str value);

// The answer is filled in. For the loop's thread, within `handle` or `finish`; `exchange` must not
// be touched after.
void fq_exchange_answer(fq_exchange *exchange);
// Within `handle` or `finish`, before the exchange is handed to another thread: it comes back by
// fq_exchange_return. Without this call, what `handle` or `finish` leaves unanswered is answered
// when it returns.
void fq_exchange_keep(fq_exchange *exchange);
// Gives a kept exchange back to its loop, from any thread; `exchange` must not be touched after.
void fq_exchange_return(fq_exchange *exchange);
// The same for a list linked by `next`: sorted by loop, one wake-up a loop at most.
void fq_exchange_return_many(fq_exchange *list);
