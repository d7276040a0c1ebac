// The head of a request: llhttp finds the parts, and what it lets pass and we do not is refused
// here. No bodies.
#include "http/parser.h"

#include "http/target.h"

#define MALFORMED(text) fq_refuse_text(FQ_BAD_REQUEST, NULL, "" text)

static fq_parse_step fail(fq_parser *parser, fq_err fault) {
    parser->fault = fault;
    return FQ_PARSE_FAULT;
}

bool fq_http_is_token(char c) {
    static const bool others[128] = {
        ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
        ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1,  ['~'] = 1,
    };
    const unsigned char byte = (unsigned char)c;
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
           (byte < sizeof(others) && others[byte]);
}

static bool method_of(uint8_t grammar_method, fq_method *out) {
    switch (grammar_method) {
    case HTTP_GET:
        *out = FQ_GET;
        return true;
    case HTTP_HEAD:
        *out = FQ_HEAD;
        return true;
    case HTTP_POST:
        *out = FQ_POST;
        return true;
    case HTTP_PUT:
        *out = FQ_PUT;
        return true;
    case HTTP_PATCH:
        *out = FQ_PATCH;
        return true;
    case HTTP_DELETE:
        *out = FQ_DELETE;
        return true;
    case HTTP_OPTIONS:
        *out = FQ_OPTIONS;
        return true;
    case HTTP_TRACE:
        *out = FQ_TRACE;
        return true;
    default:
        return false;
    }
}

// --- What llhttp tells while it reads. A non-zero return stops it; `fault` says why. ---

static int stop(fq_parser *parser, fq_err fault) {
    parser->fault = fault;
    return HPE_USER;
}

static int on_target(llhttp_t *grammar, const char *at, size_t len) {
    fq_parser *parser = grammar->data;
    const size_t begin = (size_t)(at - parser->data);
    if (parser->target == 0) {
        fq_method method;
        if (!method_of(grammar->method, &method)) {
            return stop(parser, fq_refuse(FQ_NOT_IMPLEMENTED, NULL));
        }
        // llhttp skips any number of spaces.
        if (begin != parser->skipped_bytes + fq_method_text(method).len + 1) {
            return stop(parser, MALFORMED("more than one space in the request line"));
        }
        parser->target = begin;
    }
    parser->target_end = begin + len;
    return parser->target_end - parser->target <= FQ_TARGET_BYTES_MAX
               ? 0
               : stop(parser, fq_refuse(FQ_URI_TOO_LONG, NULL));
}

static int on_name(llhttp_t *grammar, const char *at, size_t len) {
    fq_parser *parser = grammar->data;
    const uint16_t begin = (uint16_t)(at - parser->data);
    if (parser->field_count == 0 || parser->name_done) {
        if (parser->field_count == FQ_HEADERS_MAX) {
            return stop(parser, fq_refuse(FQ_HEADERS_TOO_LARGE, NULL));
        }
        parser->fields[parser->field_count++] = (fq_field_span){.name = begin};
        parser->name_done = false;
    }
    parser->fields[parser->field_count - 1].name_end = (uint16_t)(begin + len);
    return 0;
}

static int on_name_complete(llhttp_t *grammar) {
    fq_parser *parser = grammar->data;
    parser->name_done = true;
    return 0;
}

static int on_value(llhttp_t *grammar, const char *at, size_t len) {
    fq_parser *parser = grammar->data;
    fq_field_span *field = &parser->fields[parser->field_count - 1];
    const uint16_t begin = (uint16_t)(at - parser->data);
    if (field->value == 0) {
        field->value = begin;
    } else if (begin != field->value_end) {
        return stop(parser, MALFORMED("a folded field"));
    }
    field->value_end = (uint16_t)(begin + len);
    return 0;
}

static int on_head_complete(llhttp_t *grammar) {
    ((fq_parser *)grammar->data)->head_done = true;
    return HPE_PAUSED;  // the body is not llhttp's
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_value,
    .on_headers_complete = on_head_complete,
};

void fq_parser_reset(fq_parser *parser) {
    // The fields' spans are left: `field_count` says how many count.
    parser->fault = FQ_OK;
    parser->head_bytes = parser->body_bytes = 0;
    parser->data = NULL;
    parser->read_bytes = parser->skipped_bytes = 0;
    parser->target = parser->target_end = 0;
    parser->head_done = parser->name_done = false;
    parser->field_count = 0;
    parser->framing = FQ_FRAMING_NONE;
    parser->content_length = parser->body_bytes_max = parser->chunk_left = 0;
    parser->chunk_state = FQ_CHUNK_SIZE;
    parser->extra_bytes = 0;
    llhttp_init(&parser->grammar, HTTP_REQUEST, &settings);
    parser->grammar.data = parser;
}

// --- The raw bytes of the head. ---

// llhttp takes some bytes and line ends that we do not, so each byte is looked at once more: CRLF
// only, no controls but HTAB, no line that begins with a space, and exactly the lines that llhttp
// saw.
static fq_err check_lines(const fq_parser *parser) {
    const unsigned char *data = (const unsigned char *)parser->data;
    size_t lines = 0;
    for (size_t i = parser->skipped_bytes; i < parser->head_bytes; i++) {
        if ((data[i] >= ' ' && data[i] != 0x7F) || data[i] == '\t') {
            continue;
        }
        if (data[i] != '\r' || i + 1 >= parser->head_bytes || data[i + 1] != '\n') {
            return MALFORMED("a control character, or a line that does not end in CR LF");
        }
        i++;
        lines++;
        if (i + 1 < parser->head_bytes && (data[i + 1] == ' ' || data[i + 1] == '\t')) {
            return MALFORMED("a folded field");
        }
    }
    if (lines != parser->field_count + 2) {
        return MALFORMED("a line that is no field");
    }
    for (size_t i = 0; i < parser->field_count; i++) {
        const fq_field_span *field = &parser->fields[i];
        if (field->name_end <= field->name || data[field->name - 1] != '\n' ||
            data[field->name_end] != ':') {
            return MALFORMED("a field name");
        }
        for (size_t at = field->name; at < field->name_end; at++) {
            if (!fq_http_is_token((char)data[at])) {
                return MALFORMED("a field name");
            }
        }
    }
    return FQ_OK;
}

// After the target exactly " HTTP/1.0" or " HTTP/1.1" and the line's end.
static fq_err check_version(const fq_parser *parser) {
    const char *at = parser->data + parser->target_end;
    if (parser->head_bytes - parser->target_end < 11 || memcmp(at, " HTTP/", 6) != 0) {
        return MALFORMED("the request line");
    }
    if (memcmp(at + 6, "1.0\r\n", 5) == 0 || memcmp(at + 6, "1.1\r\n", 5) == 0) {
        return FQ_OK;
    }
    return fq_refuse(FQ_VERSION_NOT_SUPPORTED, NULL);
}

// An unknown method stops llhttp at its first unfamiliar letter. A token is 501; anything else is
// no HTTP.
static fq_err unknown_method(const fq_parser *parser, const char *data, size_t len) {
    size_t at = parser->skipped_bytes;
    while (at < len && fq_http_is_token(data[at])) {
        at++;
    }
    return at == len || data[at] == ' ' ? fq_refuse(FQ_NOT_IMPLEMENTED, NULL)
                                        : MALFORMED("the method");
}

static fq_err grammar_fault(const fq_parser *parser, const char *data, size_t len) {
    if (parser->fault.code) {
        return parser->fault;
    }
    const llhttp_errno_t error = llhttp_get_errno(&parser->grammar);
    if (error == HPE_INVALID_METHOD) {
        return unknown_method(parser, data, len);
    }
    if (error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE) {
        return fq_refuse(FQ_VERSION_NOT_SUPPORTED, NULL);
    }
    const char *reason = llhttp_get_error_reason(&parser->grammar);
    return fq_refuse_text(FQ_BAD_REQUEST, NULL, reason ? reason : "the head");
}

// RFC 9112 section 2.2: one empty line before the request line is ignored. False: more is needed to
// tell.
static bool skip_empty_line(fq_parser *parser, const char *data, size_t len, fq_err *out_fault) {
    const bool begins = data[0] == '\r';
    if (begins && len < 2) {
        return false;
    }
    parser->skipped_bytes = begins && data[1] == '\n' ? 2 : 0;
    parser->read_bytes = parser->skipped_bytes;
    if (len == parser->skipped_bytes) {
        parser->read_bytes = 0;  // looked at again when there is more
        return false;
    }
    if (!fq_http_is_token(data[parser->skipped_bytes])) {
        *out_fault = MALFORMED("the method");
    }
    return true;
}

fq_parse_step fq_parser_head(fq_parser *parser, const char *data, size_t len) {
    const size_t readable = len < FQ_HEAD_BYTES_MAX ? len : FQ_HEAD_BYTES_MAX;
    if (len == 0) {
        return FQ_PARSE_MORE;
    }
    if (parser->read_bytes == 0) {
        fq_err fault = FQ_OK;
        if (!skip_empty_line(parser, data, len, &fault)) {
            return FQ_PARSE_MORE;
        }
        if (fault.code) {
            return fail(parser, fault);
        }
    }
    parser->data = data;
    const llhttp_errno_t error =
        llhttp_execute(&parser->grammar, data + parser->read_bytes, readable - parser->read_bytes);
    if (parser->head_done) {
        parser->head_bytes = (size_t)(llhttp_get_error_pos(&parser->grammar) - data);
        return FQ_PARSE_DONE;
    }
    if (error != HPE_OK) {
        return fail(parser, grammar_fault(parser, data, readable));
    }
    parser->read_bytes = readable;
    const bool target_done = parser->target > 0 && parser->target_end < readable;
    if (target_done && data[parser->target_end] != ' ') {
        // The line of HTTP/0.9 ends here. Said at once: its sender waits for the answer, not for
        // more.
        return fail(parser, fq_refuse(FQ_VERSION_NOT_SUPPORTED, NULL));
    }
    if (len >= FQ_HEAD_BYTES_MAX) {
        return fail(parser, fq_refuse(target_done ? FQ_HEADERS_TOO_LARGE : FQ_URI_TOO_LONG, NULL));
    }
    return FQ_PARSE_MORE;
}

// --- What the head says. ---

// Fields that may stand once, and what they mean here: X(name, wire).
#define SINGLE_FIELDS(X)                            \
    X(FIELD_HOST, "host")                           \
    X(FIELD_CONTENT_LENGTH, "content-length")       \
    X(FIELD_TRANSFER_ENCODING, "transfer-encoding") \
    X(FIELD_EXPECT, "expect")                       \
    X(FIELD_CONTENT_TYPE, "content-type")           \
    X(FIELD_AUTHORIZATION, "authorization")         \
    X(FIELD_IDEMPOTENCY_KEY, "idempotency-key")

typedef enum {
#define X(name, wire) name,
    SINGLE_FIELDS(X)
#undef X
        FIELD_COUNT
} single_field;

static fq_err find_single_fields(const fq_header *headers, size_t count,
                                 const fq_str *out[FIELD_COUNT]) {
    static const fq_str names[FIELD_COUNT] = {
#define X(name, wire) [name] = {wire, sizeof(wire) - 1},
        SINGLE_FIELDS(X)
#undef X
    };
    for (size_t i = 0; i < count; i++) {
        for (size_t field = 0; field < FIELD_COUNT; field++) {
            if (headers[i].name.len == names[field].len &&
                fq_str_equal_nocase(headers[i].name, names[field])) {
                if (out[field]) {
                    return fq_refuse_text(FQ_BAD_REQUEST, NULL,
                                          "a field twice that may stand once");
                }
                out[field] = &headers[i].value;
            }
        }
    }
    return FQ_OK;
}

// RFC 9112 section 6.3, without its tolerances.
static fq_err read_framing(const fq_str *length, const fq_str *coding, fq_request *out) {
    if (coding) {
        if (length || out->version_minor == 0) {
            return MALFORMED("Transfer-Encoding with Content-Length, or in HTTP/1.0");
        }
        if (!fq_str_equal_nocase(*coding, FQ_STR("chunked"))) {
            return MALFORMED("a Transfer-Encoding other than chunked");
        }
        out->framing = FQ_FRAMING_CHUNKED;
    } else if (length) {
        fq_str digits = *length;
        while (digits.len > 1 && digits.at[0] == '0') {
            digits = (fq_str){digits.at + 1, digits.len - 1};
        }
        if (!fq_str_to_u64(digits, &out->content_length)) {
            return MALFORMED("Content-Length");
        }
        out->framing = FQ_FRAMING_LENGTH;
    }
    return FQ_OK;
}

static fq_err read_head(fq_parser *parser, fq_header fields[FQ_HEADERS_MAX], fq_request *out) {
    FQ_TRY(check_lines(parser));
    FQ_TRY(check_version(parser));
    const char *data = parser->data;
    for (size_t i = 0; i < parser->field_count; i++) {
        const fq_field_span *field = &parser->fields[i];
        fields[i].name = (fq_str){data + field->name, (size_t)(field->name_end - field->name)};
        fields[i].value =
            fq_str_trim((fq_str){data + field->value, (size_t)(field->value_end - field->value)});
    }
    *out = (fq_request){
        .target = {data + parser->target, parser->target_end - parser->target},
        .version_minor = parser->grammar.http_minor,
        .keep_alive = llhttp_should_keep_alive(&parser->grammar) != 0,
        .headers = fields,
        .header_count = parser->field_count,
    };
    FQ_ASSERT(method_of(parser->grammar.method, &out->method));  // on_target stopped the rest
    const fq_str *single[FIELD_COUNT] = {0};
    FQ_TRY(find_single_fields(fields, parser->field_count, single));
    FQ_TRY(read_framing(single[FIELD_CONTENT_LENGTH], single[FIELD_TRANSFER_ENCODING], out));
    if (!single[FIELD_HOST] && out->version_minor == 1) {
        return MALFORMED("no Host");
    }
    if (single[FIELD_HOST]) {
        out->host = *single[FIELD_HOST];
        FQ_TRY(http_check_host(out->host));
    }
    FQ_TRY(http_split_target(out));
    if (single[FIELD_EXPECT]) {
        if (!fq_str_equal_nocase(*single[FIELD_EXPECT], FQ_STR("100-continue"))) {
            return fq_refuse(FQ_EXPECTATION_FAILED, NULL);
        }
        out->expects_continue = out->version_minor == 1;
    }
    return FQ_OK;
}

fq_parse_step fq_parser_request(fq_parser *parser, const char *data,
                                fq_header out_fields[FQ_HEADERS_MAX], fq_request *out) {
    FQ_ASSERT(parser->head_done);
    parser->data = data;
    fq_request request;
    const fq_err fault = read_head(parser, out_fields, &request);
    if (fault.code) {
        return fail(parser, fault);
    }
    parser->framing = request.framing;
    parser->content_length = request.content_length;
    *out = request;
    return FQ_PARSE_DONE;
}
