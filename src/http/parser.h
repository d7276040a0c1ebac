// Reads one request after the other from a byte buffer, as strictly as RFC 9112 allows: what could
// be understood in two ways is refused. "Not all here yet" and "wrong" are told apart. Inside http
// only; no sockets here.
//
// The grammar of the head is llhttp's; what it lets pass and we do not is refused on top. The
// body's framing is ours.
#pragma once

#include "base/err.h"
#include "http/request.h"

#include <llhttp.h>

enum {
    FQ_HEAD_BYTES_MAX = 16 * 1024,  // request line and fields
    FQ_TARGET_BYTES_MAX = 8 * 1024,
    FQ_CHUNK_EXTENSION_BYTES_MAX = 256,  // of one chunk
    FQ_CHUNK_EXTRA_BYTES_MAX = 4096,     // all extensions of one body, and all its trailers
};

typedef enum { FQ_PARSE_MORE = 0, FQ_PARSE_DONE, FQ_PARSE_FAULT } fq_parse_step;

// Where a field stands in the head.
typedef struct {
    uint16_t name, name_end, value, value_end;
} fq_field_span;

typedef enum {
    FQ_CHUNK_SIZE = 0,
    FQ_CHUNK_DATA,
    FQ_CHUNK_DATA_END,
    FQ_CHUNK_TRAILER
} fq_chunk_state;

typedef struct {
    fq_err fault;       // after FQ_PARSE_FAULT: 400, 413, 414, 417, 431, 501, 505; answer and close
    size_t head_bytes;  // once the head is done, with an empty line that was skipped before it
    size_t body_bytes;  // decoded, so far

    // The head, as far as it is read.
    llhttp_t grammar;
    const char *data;
    size_t read_bytes, skipped_bytes;
    size_t target, target_end;
    bool head_done;
    fq_field_span fields[FQ_HEADERS_MAX];
    size_t field_count;
    bool name_done;

    // The body.
    fq_framing framing;
    uint64_t content_length, body_bytes_max;
    fq_chunk_state chunk_state;
    uint64_t chunk_left;
    size_t extra_bytes;
} fq_parser;

// Ready for the next request.
void fq_parser_reset(fq_parser *parser);

// Reads the head. `data` holds all that has arrived of this request, from its first byte; with each
// call it is longer and otherwise the same (it may have moved). After FQ_PARSE_DONE it begins with
// `head_bytes` of head.
fq_parse_step fq_parser_head(fq_parser *parser, const char *data, size_t len);

// What the finished head says, as views of `data` and of `out_fields`. Refuses what only shows in
// the whole. After FQ_PARSE_FAULT `out` holds nothing; see `fault`.
fq_parse_step fq_parser_request(fq_parser *parser, const char *data,
                                fq_header out_fields[FQ_HEADERS_MAX], fq_request *out);

// Reads the body. `body` holds what has arrived after the head, `len` bytes. Chunks are decoded in
// place, which makes `len` shrink: the next call gets the same bytes with more behind them. After
// FQ_PARSE_DONE the body stands in the first `body_bytes`, and what follows belongs to the next
// request. A body over `body_bytes_max` is a fault (413).
fq_parse_step fq_parser_body(fq_parser *parser, uint64_t body_bytes_max, char *body, size_t *len);

// Is `c` a character of a token (RFC 9110 section 5.6.2)?
bool fq_http_is_token(char c);
