// The server from inside: loops, listeners, connections. Inside http only.
//
// Everything here belongs to one loop's thread but what is marked as shared.
#pragma once

#include "base/metrics.h"
#include "http/parser.h"
#include "http/server.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

typedef struct fq_loop fq_loop;
typedef struct fq_connection fq_connection;

// What epoll points to: the first member of each thing that has a descriptor.
typedef enum { HTTP_LISTENER, HTTP_WAKE, HTTP_CONNECTION } http_source_kind;
typedef struct {
    http_source_kind kind;
    int fd;  // -1 when closed
} http_source;

// Certificates of one listening address, shared by the loops and replaced as a whole.
typedef struct {
    pthread_mutex_t mutex;
    SSL_CTX *context;
    char *certificate_file, *key_file;
    bool only_1_3;
} http_tls;

typedef struct {
    http_source source;
    const fq_handlers *handlers;
    http_tls *tls;  // NULL: plain
} http_listener;

// What a connection waits for, and so which time limit counts.
//
//     HANDSHAKE -> IDLE <-> HEAD -> BODY -> ANSWERING -> WRITING -> IDLE ... -> LINGERING -> gone
typedef enum {
    PHASE_IDLE = 0,   // nothing under way
    PHASE_HANDSHAKE,  // TLS
    PHASE_HEAD,       // some of a head is here
    PHASE_BODY,       // some of a body is missing
    PHASE_ANSWERING,  // the layer above has it
    PHASE_WRITING,    // the client does not read its answers
    PHASE_LINGERING,  // all is said; input is thrown away, or a reset could take the answer with it
    PHASE_COUNT
} http_phase;

struct fq_connection {
    http_source source;
    fq_loop *loop;
    const http_listener *listener;
    fq_connection *previous, *following;  // all of the loop's
    fq_connection *dirty_next;            // to be pumped, or to be freed
    SSL *tls;
    char peer[46];

    // What has arrived and is not yet taken apart: the current request from its first byte.
    char *in;
    size_t in_len, in_capacity;
    fq_parser parser;
    fq_exchange *reading;  // its head is whole, its body is not; also the last of the queue
    size_t body_arrived_bytes;

    // Requests in the order of their answers.
    fq_exchange *first, *last;
    size_t pending_count;

    fq_buffer out;
    size_t out_sent;

    uint32_t interest;  // epoll's
    http_phase phase;
    int64_t phase_began_ms;
    size_t thrown_away_bytes;
    bool renewed;      // a request began or was answered since the phase was looked at
    bool held_back;    // input waits in `in`, or in OpenSSL, until answers have gone out
    bool input_ended;  // the client has said all
    bool deaf;     // what comes in is not looked at any more: a fault, or the last answer is known
    bool closing;  // close once `out` is sent
    bool wants_write;  // TLS, or a full socket
    bool dirty, dead;
};

struct fq_loop {
    fq_server *server;
    unsigned index;
    pthread_t thread;
    int epoll_fd, reserve_fd;
    http_source wake;
    http_listener listeners[FQ_LISTENS_MAX];
    size_t listener_count;

    fq_connection *connections, *dirty, *dead;
    size_t connection_count;
    fq_exchange *spare;  // exchanges to be used again
    size_t spare_count;
    size_t kept_count;  // with the layer above

    int64_t now_ms, swept_ms;
    int64_t full_until_ms;  // nobody gave way: not looked for anybody again before
    int64_t date_s;
    char date[48];
    uint64_t id_seed, id_count;
    bool drained;
    char *scratch;  // where input arrives when a connection has none waiting

    _Atomic(fq_exchange *) returned;   // shared: a stack, newest first
    _Atomic(int) pushers;              // shared: threads within fq_exchange_return
    _Atomic(int64_t) active_requests;  // shared: read by others
    _Atomic(uint64_t) turns;           // shared: read by others
    uint64_t turns_seen;               // fq_server_is_alive's own
};

// fq_server_limits, set by one thread and read by the loops.
typedef struct {
    _Atomic(int64_t) head_timeout_ms, body_timeout_ms, body_bytes_per_s, idle_timeout_ms,
        request_timeout_ms;
} http_limits;

struct fq_server {
    fq_server_config config;
    http_limits limits;
    fq_series accepted, refused, timed_out, malformed;  // connections
    http_tls *tls[FQ_LISTENS_MAX];
    uint16_t ports[FQ_LISTENS_MAX];
    fq_loop *loops;
    unsigned started_count;  // loops whose thread runs
    _Atomic(int64_t) connection_count;
    _Atomic(size_t) input_bytes;  // of input that waits, beyond each connection's share
    _Atomic(bool) draining, stopping;
};

enum {
    HTTP_SCRATCH_BYTES = 64 * 1024,
    HTTP_OUT_BYTES_HIGH =
        256 * 1024,  // above this no more answers are written to `out`, and no more input is read
    HTTP_INPUT_SHARE_BYTES = 128 * 1024,  // a head and a usual body
    HTTP_KEPT_CAPACITY = 64 * 1024,       // buffers larger than this are not kept for the next use
};

// loop.c
void *http_loop_run(void *loop);
void http_loop_wake(fq_loop *loop);
// Puts the connection among those that http_connection_pump is called for at the end of the round.
void http_loop_mark_dirty(fq_connection *connection);

// connection.c
fq_connection *http_connection_open(fq_loop *loop, const http_listener *listener, int fd,
                                    const char *peer);
void http_connection_ready(fq_connection *connection, uint32_t events);
// Writes the answers that are due, sends, and reads on where that was held back.
void http_connection_pump(fq_connection *connection);
// Is the connection past a time limit? Answers 408 or 503 where that makes sense, and closes.
void http_connection_check_time(fq_connection *connection);
// Closes a connection that has nothing under way; the others close after their answers.
void http_connection_drain(fq_connection *connection);
// Closes at once. Its memory goes at the end of the loop's round.
void http_connection_kill(fq_connection *connection);

// request_reader.c Takes requests apart and hands them on, as long as there are any and answers do
// not pile up. Returns how many of the `*len` bytes are used up; `*len` shrinks as chunks are
// decoded in place.
size_t http_read_requests(fq_connection *connection, char *data, size_t *len);
// Are there so many requests or answers under way that no more input is taken?
bool http_is_held_back(const fq_connection *connection);
// Queues a problem document as the last answer, after which the connection closes.
void http_refuse_and_close(fq_connection *connection, fq_err fault);
// The layer above was too slow: 503 in place of the first answer, and close.
void http_expire_first(fq_connection *connection);

// request.c Makes the views of `request`, which look at `from`, look at the same bytes at `to`; its
// fields are copied to `out_fields`.
void http_request_move(fq_request *request, const char *from, const char *to,
                       fq_header *out_fields);

// exchange.c
fq_exchange *http_exchange_take(fq_loop *loop, fq_connection *connection);
// The exchange's connection lets go of it: kept ones stay until they are returned.
void http_exchange_drop(fq_exchange *exchange);
// Tells the layer above that it is over, and makes the exchange free for another request.
void http_exchange_end(fq_exchange *exchange);
void http_exchange_free(fq_exchange *exchange);
// A returned exchange goes on: `finish`, and with it its connection's next answers.
void http_exchange_resume(fq_exchange *exchange);
// Calls `handle` or `finish` and sees whether it was kept.
void http_exchange_step(fq_exchange *exchange, void (*step)(void *context, fq_exchange *exchange),
                        void *context);

// answer.c
// Appends the whole answer to the connection's output.
void http_answer_encode(fq_exchange *exchange, fq_connection *connection);
// "Mon, 23 Nov 2026 19:21:48 GMT" (RFC 9110 section 5.6.7), made once a second.
fq_str http_date(fq_loop *loop);

// transport.c: plain and TLS alike. Bytes moved; 0 is the end of input; or one of these.
enum { HTTP_AGAIN = -1, HTTP_BROKEN = -2 };
ssize_t http_transport_read(fq_connection *connection, char *out, size_t bytes_max);
ssize_t http_transport_write(fq_connection *connection, const char *data, size_t len);
// 1: done; HTTP_AGAIN; HTTP_BROKEN.
int http_transport_handshake(fq_connection *connection);
// Says that nothing more is coming from us.
void http_transport_say_end(fq_connection *connection);

// tls.c
http_tls *http_tls_make(const fq_tls_files *files, char out_reason[200]);
bool http_tls_reload(http_tls *tls);
void http_tls_free(http_tls *tls);
SSL *http_tls_accept(http_tls *tls, int fd);
