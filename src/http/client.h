// Outgoing HTTP: one thread drives all transfers over libcurl's multi interface. http and https
// only, no redirects, no proxies from the environment, answers bounded.
#pragma once

#include "base/buffer.h"
#include "base/err.h"
#include "http/request.h"

typedef struct fq_client fq_client;

// Zero means the default that stands beside.
typedef struct {
    int64_t connect_timeout_ms;  // 3000
    int64_t total_timeout_ms;    // 30000
    size_t answer_bytes_max;     // 4 MiB
    unsigned connections_max;    // 64 in all, kept alive
    unsigned requests_max;       // 1024 under way; more are refused at once
    const char *ca_file;         // PEM; NULL: the system's
} fq_client_config;

typedef struct {
    fq_method method;
    fq_str url;                // absolute, http or https
    const fq_header *headers;  // sent as they are; Content-Length and Host are the client's
    size_t header_count;
    fq_str body;
    fq_str traceparent;  // passed on when not empty
    int64_t timeout_ms;  // 0: the client's
} fq_outgoing;

// What came back. Views live until the callback returns.
typedef struct {
    fq_err err;  // unavailable: no whole answer came (refused, timed out, cut, too large)
    bool sent;   // false: certainly nothing of the request reached the other side
    int status;
    const fq_header *headers;
    size_t header_count;
    fq_str body;
} fq_reply;

typedef void fq_reply_callback(void *context, const fq_reply *reply);

FQ_MUST_USE fq_err fq_client_start(const fq_client_config *config, fq_client **out);
// Ends the thread; calls under way are answered as unavailable.
void fq_client_stop(fq_client *client);
// Sends a request; everything in `call` is copied. `callback` runs once, on the client's thread (or
// at once on the caller's, when refused here), and must not wait.
void fq_client_submit(fq_client *client, const fq_outgoing *call, fq_reply_callback *callback,
                      void *context);
// Sends a request and waits: for threads that may wait, never for a loop's. On success `out_status`
// is the answer's and its body is appended to `out_body`. Errors: unavailable.
FQ_MUST_USE fq_err fq_client_call(fq_client *client, const fq_outgoing *call, int *out_status,
                                  fq_buffer *out_body);
// The value of the first field of that name (any case); `at` is NULL when there is none.
fq_str fq_reply_header(const fq_reply *reply, fq_str name);
