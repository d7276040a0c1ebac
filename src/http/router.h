// Which route does a method and a path mean? A tree by path segment, built once from templates;
// looked up without allocation.
#pragma once

#include "base/err.h"
#include "http/exchange.h"

typedef struct fq_router fq_router;

typedef struct {
    int route;         // what fq_router_add was given; -1 when none
    const char *path;  // the template, "/v1/orders/{order_id}"; NULL when the path is unknown
    unsigned methods;  // bits (1u << fq_method) that the path takes, HEAD, OPTIONS included
    size_t param_count;
    fq_str params[FQ_PATH_PARAMS_MAX];  // in the order of the template; views of the path looked up
} fq_match;

fq_router *fq_router_make(void);
void fq_router_free(fq_router *router);
// Adds a template: segments are literal, or "{name}" for any non-empty one (at most
// FQ_PATH_PARAMS_MAX, 16 segments). `path` must outlive the router; `route` is the caller's number.
// Adding one twice is our mistake and stops the process.
void fq_router_add(fq_router *router, fq_method method, const char *path, int route);
// A literal segment wins over a parameter. HEAD finds GET's route where it has none of its own.
// Errors: route_not_found; method_not_allowed, with `out` telling the methods that are (OPTIONS
// without a route of its own is refused so too: answer it with fq_router_allow).
FQ_MUST_USE fq_err fq_router_match(const fq_router *router, fq_method method, fq_str path,
                                   fq_match *out);
// Adds "Allow: GET, HEAD, OPTIONS" to the answer.
void fq_router_allow(fq_exchange *exchange, unsigned methods);
