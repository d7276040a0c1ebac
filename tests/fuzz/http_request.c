// The request parser: never reads outside, and says the same however the bytes are cut. The first
// byte is the size of the pieces.
#include "http/parser.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_BYTES_MAX = 4096 };

typedef struct {
    fq_parse_step step;
    fq_code fault;
    fq_method method;
    size_t head_bytes, body_bytes, header_count, path_len;
    uint64_t body_sum;
} outcome;

static fq_parse_step read_some(fq_parser *parser, char *buffer, size_t *len, outcome *out) {
    if (!parser->head_done) {
        const fq_parse_step step = fq_parser_head(parser, buffer, *len);
        if (step != FQ_PARSE_DONE) {
            return step;
        }
        fq_header fields[FQ_HEADERS_MAX];
        fq_request request;
        if (fq_parser_request(parser, buffer, fields, &request) == FQ_PARSE_FAULT) {
            return FQ_PARSE_FAULT;
        }
        FQ_ASSERT(request.header_count <= FQ_HEADERS_MAX && request.path.len > 0);
        FQ_ASSERT(request.host.len > 0 || request.version_minor == 0);
        out->method = request.method;
        out->header_count = request.header_count;
        out->path_len = request.path.len;
    }
    size_t body_len = *len - parser->head_bytes;
    const fq_parse_step step =
        fq_parser_body(parser, BODY_BYTES_MAX, buffer + parser->head_bytes, &body_len);
    *len = parser->head_bytes + body_len;
    FQ_ASSERT(parser->body_bytes <= body_len && parser->body_bytes <= BODY_BYTES_MAX);
    return step;
}

static outcome read_in_pieces(const uint8_t *data, size_t size, size_t piece) {
    outcome out = {.step = FQ_PARSE_MORE};
    fq_parser parser;
    fq_parser_reset(&parser);
    char *buffer = malloc(size + 1);
    FQ_ASSERT(buffer != NULL);
    size_t len = 0;
    for (size_t at = 0; at < size && out.step == FQ_PARSE_MORE; at += piece) {
        const size_t taken = size - at < piece ? size - at : piece;
        memcpy(buffer + len, data + at, taken);
        len += taken;
        out.step = read_some(&parser, buffer, &len, &out);
    }
    if (out.step == FQ_PARSE_DONE) {
        out.head_bytes = parser.head_bytes;
        out.body_bytes = parser.body_bytes;
        for (size_t i = 0; i < parser.body_bytes; i++) {
            out.body_sum = out.body_sum * 31 + (unsigned char)buffer[parser.head_bytes + i];
        }
    }
    out.fault = parser.fault.code;
    free(buffer);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const outcome whole = read_in_pieces(data + 1, size - 1, size);
    const outcome cut = read_in_pieces(data + 1, size - 1, (size_t)data[0] + 1);
    FQ_ASSERT(whole.step == cut.step);
    if (whole.step == FQ_PARSE_DONE) {
        FQ_ASSERT(whole.method == cut.method && whole.header_count == cut.header_count);
        FQ_ASSERT(whole.head_bytes == cut.head_bytes && whole.path_len == cut.path_len);
        FQ_ASSERT(whole.body_bytes == cut.body_bytes && whole.body_sum == cut.body_sum);
    }
    return 0;
}
