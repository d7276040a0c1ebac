// The HTTP/1.1 server: loop threads, each with its own epoll and SO_REUSEPORT listener, that read
// requests, hand them to one handler and write the answers in order.
//
// Nothing that runs on a loop may wait: `head`, `handle`, `finish`, `before_send` and `finished`
// return at once.
#pragma once

#include "base/err.h"
#include "http/exchange.h"

typedef struct fq_server fq_server;

// What the layer above does. Any but `handle` may be NULL. All run on a loop's thread, several at a
// time.
typedef struct fq_handlers {
    void *context;
    // The head is whole, the body not yet read: find the route, refuse (404, 405, 415 ...), set
    // `body_bytes_max`. A refusal is answered as a problem document; header lines added here go
    // with it (Allow).
    fq_err (*head)(void *context, fq_exchange *exchange);
    // The request is whole: answer it (fq_exchange_answer), or keep it (fq_exchange_keep) and
    // return it later.
    void (*handle)(void *context, fq_exchange *exchange);
    // The answer is complete and about to be written; may add header lines (signatures). Not called
    // for requests whose head could not be read.
    void (*before_send)(void *context, fq_exchange *exchange);
    // The answer has been handed over, or dropped because the client had gone: for metrics and the
    // access log.
    void (*finished)(void *context, const fq_exchange *exchange, int64_t duration_ns);
} fq_handlers;

typedef struct {
    const char *certificate_file, *key_file;  // PEM; the certificate first, then its chain
    bool only_1_3;                            // no TLS 1.2 either
} fq_tls_files;

typedef struct {
    const char *address;  // numeric IPv4 or IPv6; NULL: 127.0.0.1
    uint16_t port;        // 0: the kernel picks one; see fq_server_port
    fq_handlers handlers;
    const fq_tls_files *tls;  // NULL: plain HTTP
    bool one_loop;            // served by the first loop alone (metrics, health)
} fq_listen;

#define FQ_LISTENS_MAX 4

// Zero means the default that stands beside.
typedef struct {
    int64_t head_timeout_ms;     // 10000
    int64_t body_timeout_ms;     // 30000
    int64_t body_bytes_per_s;    // 500
    int64_t idle_timeout_ms;     // 75000
    int64_t request_timeout_ms;  // 30000; then 503 and close
} fq_server_limits;

typedef struct {
    fq_listen listens[FQ_LISTENS_MAX];  // at least one
    size_t listen_count;
    unsigned threads;          // 1; at most FQ_SERVER_THREADS_MAX
    unsigned connections_max;  // 10000, over all loops
    unsigned pipeline_max;     // 64 requests of one connection under way
    size_t body_bytes_max;     // 64 KiB, where `head` does not say otherwise
    size_t input_bytes_max;    // 256 MiB of large bodies on their way in; then 503 and close
    size_t arena_bytes_max;    // 256 MiB an exchange
    size_t answer_bytes_max;   // 32 MiB
    fq_server_limits limits;
} fq_server_config;

#define FQ_SERVER_THREADS_MAX 64

// Opens the listeners and starts the threads. `config` is copied; what it points to is read before
// this returns. Errors: unavailable, with the reason in `out_reason` (static text or strerror's, at
// most 199 characters).
FQ_MUST_USE fq_err fq_server_start(const fq_server_config *config, fq_server **out,
                                   char out_reason[200]);
// The port that listens[index] really has.
uint16_t fq_server_port(const fq_server *server, size_t index);
// Connections open now, and requests accepted but not yet answered.
int64_t fq_server_connections(const fq_server *server);
int64_t fq_server_active_requests(const fq_server *server);
// Reads certificates and keys again; connections that stand keep theirs. On failure the old ones
// stay.
FQ_MUST_USE fq_err fq_server_reload_tls(fq_server *server);
// Other limits from now on; what is under way may still end by the old ones.
void fq_server_set_limits(fq_server *server, const fq_server_limits *limits);
// Has every loop turned since this was asked before? A loop that has not hangs, for idle ones are
// woken by each call. For one thread at a time; calls a second or more apart.
bool fq_server_is_alive(fq_server *server);
// Stops accepting, closes idle connections, finishes what was accepted and answers anything newer
// with 503 and "Connection: close". True when all is done within `timeout_ms`.
bool fq_server_drain(fq_server *server, int64_t timeout_ms);
// Closes all connections at once: what is still under way is not answered any more.
void fq_server_hang_up(fq_server *server);
// Closes everything, waits for kept exchanges to be returned, and frees the server. Those who keep
// exchanges must still be running.
void fq_server_stop(fq_server *server);
