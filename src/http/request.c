// Looking things up in a request, and moving it. No parsing.
#include "http/request.h"

#include "http/loop.h"

fq_str fq_method_text(fq_method method) {
    static const fq_str texts[FQ_METHOD_COUNT] = {
#define X(name, wire) [name] = {wire, sizeof(wire) - 1},
        FQ_METHODS(X)
#undef X
    };
    return texts[method];
}

fq_str fq_request_header(const fq_request *request, fq_str name) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (fq_str_equal_nocase(request->headers[i].name, name)) {
            return request->headers[i].value;
        }
    }
    return (fq_str){0};
}

size_t fq_request_header_count(const fq_request *request, fq_str name) {
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        count += fq_str_equal_nocase(request->headers[i].name, name);
    }
    return count;
}

static fq_str moved(fq_str view, const char *from, const char *to) {
    return (fq_str){to + (view.at - from), view.len};
}

void http_request_move(fq_request *request, const char *from, const char *to,
                       fq_header *out_fields) {
    for (size_t i = 0; i < request->header_count; i++) {
        out_fields[i].name = moved(request->headers[i].name, from, to);
        out_fields[i].value = moved(request->headers[i].value, from, to);
    }
    request->headers = out_fields;
    request->target = moved(request->target, from, to);
    // "/" may be a literal already: that of an absolute-form without a path.
    request->path =
        fq_str_equal(request->path, FQ_STR("/")) ? FQ_STR("/") : moved(request->path, from, to);
    if (request->query_given) {
        request->query = moved(request->query, from, to);
    }
    if (request->host.len > 0) {
        request->host = moved(request->host, from, to);
    }
}
