// What an HTTP request says: method, target, header fields, body. Views only; who owns the bytes is
// said where one is handed out.
#pragma once

#include "base/str.h"

// The methods spoken here: X(name, wire). Any other is refused with 501 before a request exists.
#define FQ_METHODS(X)        \
    X(FQ_GET, "GET")         \
    X(FQ_HEAD, "HEAD")       \
    X(FQ_POST, "POST")       \
    X(FQ_PUT, "PUT")         \
    X(FQ_PATCH, "PATCH")     \
    X(FQ_DELETE, "DELETE")   \
    X(FQ_OPTIONS, "OPTIONS") \
    X(FQ_TRACE, "TRACE")

typedef enum {
#define X(name, wire) name,
    FQ_METHODS(X)
#undef X
        FQ_METHOD_COUNT
} fq_method;

// "GET" and so on; a literal.
fq_str fq_method_text(fq_method method);

typedef struct {
    fq_str name;   // as sent, any case
    fq_str value;  // without the spaces around it
} fq_header;

// How the body's end is told (RFC 9112 section 6).
typedef enum { FQ_FRAMING_NONE = 0, FQ_FRAMING_LENGTH, FQ_FRAMING_CHUNKED } fq_framing;

#define FQ_HEADERS_MAX 64

typedef struct {
    fq_method method;
    fq_str target;     // as sent: "/v1/orders?limit=2", or absolute-form
    fq_str path;       // "/v1/orders": still percent-encoded, never with "..", "//", "%2f" or "%00"
    fq_str query;      // "limit=2", without the '?'
    bool query_given;  // tells "/p?" from "/p"
    fq_str
        host;  // the one Host field, checked against RFC 3986's authority; empty only in HTTP/1.0
    int version_minor;  // 0 or 1
    bool keep_alive, expects_continue;
    fq_framing framing;
    uint64_t content_length;  // with FQ_FRAMING_LENGTH
    const fq_header *headers;
    size_t header_count;
    fq_str body;
} fq_request;

// The value of the first field of that name (any case); `at` is NULL when there is none.
fq_str fq_request_header(const fq_request *request, fq_str name);
// How many lines carry that name.
size_t fq_request_header_count(const fq_request *request, fq_str name);
