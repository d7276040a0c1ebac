// The body of a request: by length, or in chunks that are decoded in place (RFC 9112 section 7.1).
// No heads.
#include "http/parser.h"

static fq_parse_step fail(fq_parser *parser, fq_err fault) {
    parser->fault = fault;
    return FQ_PARSE_FAULT;
}

static fq_parse_step malformed(fq_parser *parser, const char *what) {
    return fail(parser, fq_refuse_text(FQ_BAD_REQUEST, NULL, what));
}

// Bytes that have arrived and are not yet decoded.
typedef struct {
    const char *at;
    size_t len;
} unread;

static void skip(unread *raw, size_t bytes) {
    raw->at += bytes;
    raw->len -= bytes;
}

// The line that `raw` begins with, without its CR LF: MORE when its end is not here, FAULT when it
// is too long or holds what no line may.
static fq_parse_step take_line(fq_parser *parser, unread *raw, size_t bytes_max, fq_str *out) {
    const size_t visible = raw->len < bytes_max + 2 ? raw->len : bytes_max + 2;
    const char *end = visible > 0 ? memchr(raw->at, '\n', visible) : NULL;
    const size_t len = end ? (size_t)(end - raw->at) : visible;
    for (size_t i = 0; i < len; i++) {
        const unsigned char byte = (unsigned char)raw->at[i];
        const bool before_end = byte == '\r' && i + 1 == len;
        if (((byte < 0x20 && byte != '\t') || byte >= 0x7F) && !before_end) {
            return malformed(parser, "a byte between chunks");
        }
    }
    if (!end) {
        return visible < bytes_max + 2 ? FQ_PARSE_MORE
                                       : malformed(parser, "a line between chunks is too long");
    }
    if (len == 0 || raw->at[len - 1] != '\r') {
        return malformed(parser, "a line between chunks that does not end in CR LF");
    }
    *out = (fq_str){raw->at, len - 1};
    skip(raw, len + 1);
    return FQ_PARSE_DONE;
}

// 1 to 8 hexadecimal digits, then the end or ";" and an extension, which is ignored.
static fq_parse_step read_size(fq_parser *parser, unread *raw) {
    enum { DIGITS_MAX = 8 };
    fq_str line;
    const fq_parse_step step =
        take_line(parser, raw, DIGITS_MAX + FQ_CHUNK_EXTENSION_BYTES_MAX, &line);
    if (step != FQ_PARSE_DONE) {
        return step;
    }
    uint64_t size = 0;
    size_t digits = 0;
    for (; digits < line.len && line.at[digits] != ';'; digits++) {
        const char c = line.at[digits], low = (char)(c | 0x20);
        const bool decimal = c >= '0' && c <= '9';
        if (digits == DIGITS_MAX || !(decimal || (low >= 'a' && low <= 'f'))) {
            return malformed(parser, "a chunk size");
        }
        size = size * 16 + (uint64_t)(decimal ? c - '0' : low - 'a' + 10);
    }
    if (digits == 0) {
        return malformed(parser, "a chunk size");
    }
    parser->extra_bytes += line.len - digits;
    if (parser->extra_bytes > FQ_CHUNK_EXTRA_BYTES_MAX) {
        return malformed(parser, "too many chunk extensions");
    }
    if (size > parser->body_bytes_max - parser->body_bytes) {
        return fail(parser, fq_refuse(FQ_CONTENT_TOO_LARGE, NULL));
    }
    parser->chunk_left = size;
    parser->chunk_state = size > 0 ? FQ_CHUNK_DATA : FQ_CHUNK_TRAILER;
    if (size == 0) {
        parser->extra_bytes = 0;
    }
    return FQ_PARSE_DONE;
}

static fq_parse_step read_data(fq_parser *parser, unread *raw, char *body) {
    const size_t bytes = raw->len < parser->chunk_left ? raw->len : (size_t)parser->chunk_left;
    memmove(body + parser->body_bytes, raw->at, bytes);
    parser->body_bytes += bytes;
    parser->chunk_left -= bytes;
    skip(raw, bytes);
    if (parser->chunk_left > 0) {
        return FQ_PARSE_MORE;
    }
    parser->chunk_state = FQ_CHUNK_DATA_END;
    return FQ_PARSE_DONE;
}

static fq_parse_step read_data_end(fq_parser *parser, unread *raw) {
    if ((raw->len > 0 && raw->at[0] != '\r') || (raw->len > 1 && raw->at[1] != '\n')) {
        return malformed(parser, "a chunk is longer than its size");
    }
    if (raw->len < 2) {
        return FQ_PARSE_MORE;
    }
    skip(raw, 2);
    parser->chunk_state = FQ_CHUNK_SIZE;
    return FQ_PARSE_DONE;
}

// Trailers must be well-formed fields and are dropped: merged into the head they could change what
// was checked there.
static fq_parse_step read_trailers(fq_parser *parser, unread *raw) {
    for (;;) {
        fq_str line;
        const fq_parse_step step =
            take_line(parser, raw, FQ_CHUNK_EXTRA_BYTES_MAX - parser->extra_bytes, &line);
        if (step != FQ_PARSE_DONE || line.len == 0) {
            return step;
        }
        size_t name = 0;
        while (name < line.len && fq_http_is_token(line.at[name])) {
            name++;
        }
        if (name == 0 || name == line.len || line.at[name] != ':') {
            return malformed(parser, "a trailer");
        }
        parser->extra_bytes += line.len;
    }
}

static fq_parse_step read_chunks(fq_parser *parser, unread *raw, char *body) {
    fq_parse_step step = FQ_PARSE_DONE;
    while (step == FQ_PARSE_DONE) {
        switch (parser->chunk_state) {
        case FQ_CHUNK_SIZE:
            step = read_size(parser, raw);
            break;
        case FQ_CHUNK_DATA:
            step = read_data(parser, raw, body);
            break;
        case FQ_CHUNK_DATA_END:
            step = read_data_end(parser, raw);
            break;
        case FQ_CHUNK_TRAILER:
            return read_trailers(parser, raw);
        }
    }
    return step;
}

fq_parse_step fq_parser_body(fq_parser *parser, uint64_t body_bytes_max, char *body, size_t *len) {
    parser->body_bytes_max = body_bytes_max;
    switch (parser->framing) {
    case FQ_FRAMING_NONE:
        return FQ_PARSE_DONE;
    case FQ_FRAMING_LENGTH:
        if (parser->content_length > body_bytes_max) {
            return fail(parser, fq_refuse(FQ_CONTENT_TOO_LARGE, NULL));
        }
        parser->body_bytes = *len < parser->content_length ? *len : (size_t)parser->content_length;
        return parser->body_bytes == parser->content_length ? FQ_PARSE_DONE : FQ_PARSE_MORE;
    case FQ_FRAMING_CHUNKED: {
        unread raw = {body + parser->body_bytes, *len - parser->body_bytes};
        const fq_parse_step step = read_chunks(parser, &raw, body);
        memmove(body + parser->body_bytes, raw.at, raw.len);
        *len = parser->body_bytes + raw.len;
        return step;
    }
    }
    return FQ_PARSE_DONE;
}
