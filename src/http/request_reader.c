// From bytes to exchanges: takes requests apart, asks the layer above about each head, and hands
// whole ones on. Sends nothing.
#include "http/loop.h"

#include "base/clock.h"
#include "http/problem.h"

static bool is_id_char(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
}

static bool request_id_sane(fq_str id) {
    if (id.len < 1 || id.len > FQ_REQUEST_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        if (!is_id_char(id.at[i])) {
            return false;
        }
    }
    return true;
}

// Unique, not secret: a counter through a bijection (splitmix64), begun at a random point.
static fq_str make_request_id(fq_loop *loop, fq_arena *arena) {
    static const char digits[] = "0123456789abcdef";
    uint64_t mixed = loop->id_seed + ++loop->id_count * UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    mixed ^= mixed >> 31;
    char *text = fq_arena_alloc(arena, 20);
    memcpy(text, "req_", 4);
    for (size_t i = 0; i < 16; i++) {
        text[4 + i] = digits[(mixed >> (60 - 4 * i)) & 15];
    }
    return (fq_str){text, 20};
}

// W3C Trace Context, version 00: "00-" 32 hex "-" 16 hex "-" 2 hex, lower case, neither id all
// zeros.
static fq_str sane_traceparent(fq_str text) {
    static const char shape[] = "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    if (text.len != sizeof(shape) - 1) {
        return (fq_str){0};
    }
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.at[i];
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (shape[i] == 'h' ? !hex : c != shape[i]) {
            return (fq_str){0};
        }
    }
    static const char zeros[] = "00000000000000000000000000000000";
    return memcmp(text.at + 3, zeros, 32) == 0 || memcmp(text.at + 36, zeros, 16) == 0 ? (fq_str){0}
                                                                                       : text;
}

// Makes `fault` the last answer of the connection.
static void refuse_last(fq_exchange *exchange, fq_err fault) {
    fq_exchange_refuse(exchange, fault);
    exchange->invites_body = false;
    exchange->answered = true;
    exchange->close = true;
    exchange->connection->deaf = true;
    exchange->connection->reading = NULL;
}

void http_refuse_and_close(fq_connection *connection, fq_err fault) {
    const fq_server *server = connection->loop->server;
    fq_exchange *exchange = connection->reading;
    fq_metrics_add(fault.code == FQ_REQUEST_TIMEOUT ? server->timed_out : server->malformed, 1);
    if (!exchange) {
        exchange = http_exchange_take(connection->loop, connection);
        exchange->request.version_minor = 1;
        exchange->request_id = make_request_id(connection->loop, &exchange->arena);
        exchange->peer = fq_arena_copy(&exchange->arena, fq_str_of(connection->peer));
    }
    refuse_last(exchange, fault);
}

void http_expire_first(fq_connection *connection) {
    fq_exchange *late = connection->first, *last = connection->last;
    connection->first = connection->last = NULL;
    fq_exchange *answer = http_exchange_take(connection->loop, connection);
    // The answer takes the place of the late one, which somebody else still works on; what follows
    // is dropped with the connection.
    answer->later = late->later;
    connection->last = late->later ? last : answer;
    connection->pending_count--;
    answer->request_id = fq_arena_copy(&answer->arena, late->request_id);
    answer->peer = fq_arena_copy(&answer->arena, late->peer);
    answer->route_label = late->route_label;
    answer->begun_ns = late->begun_ns;
    answer->request = late->request;
    refuse_last(answer, fq_refuse(FQ_UNAVAILABLE, NULL));
    answer->request =
        (fq_request){.method = late->request.method, .version_minor = late->request.version_minor};
    http_exchange_drop(late);
}

// The exchange of a head that is whole: its bytes are copied, because those they came in are soon
// overwritten.
static fq_exchange *begin_exchange(fq_connection *connection, const char *data) {
    fq_parser *parser = &connection->parser;
    fq_loop *loop = connection->loop;
    fq_header fields[FQ_HEADERS_MAX];
    fq_request checked;
    // Looked at where it is first, so that a fault costs nothing.
    if (fq_parser_request(parser, data, fields, &checked) != FQ_PARSE_DONE) {
        return NULL;
    }
    fq_exchange *exchange = http_exchange_take(loop, connection);
    const char *kept = fq_arena_copy(&exchange->arena, (fq_str){data, parser->head_bytes}).at;
    fq_header *kept_fields = FQ_NEW_ARRAY(&exchange->arena, fq_header, checked.header_count + 1);
    http_request_move(&checked, data, kept, kept_fields);
    exchange->request = checked;
    exchange->head_read = true;
    exchange->close = !checked.keep_alive;
    exchange->peer = fq_arena_copy(&exchange->arena, fq_str_of(connection->peer));
    const fq_str id = fq_exchange_header(exchange, FQ_STR("request-id"));
    exchange->request_id = request_id_sane(id) ? id : make_request_id(loop, &exchange->arena);
    exchange->traceparent = sane_traceparent(fq_exchange_header(exchange, FQ_STR("traceparent")));
    connection->renewed = true;
    return exchange;
}

// What the head alone decides.
static fq_err check_head(fq_exchange *exchange) {
    if (atomic_load_explicit(&exchange->loop->server->draining, memory_order_relaxed)) {
        exchange->close = true;
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    const fq_handlers *handlers = exchange->handlers;
    if (handlers->head) {
        FQ_TRY(handlers->head(handlers->context, exchange));
    }
    const fq_request *request = &exchange->request;
    const bool has_body_by_nature =
        request->method == FQ_POST || request->method == FQ_PUT || request->method == FQ_PATCH;
    if (has_body_by_nature && request->framing == FQ_FRAMING_NONE && !exchange->body_optional) {
        exchange->close = true;  // a body that nobody announced may follow
        return fq_refuse(FQ_LENGTH_REQUIRED, NULL);
    }
    if (request->framing == FQ_FRAMING_LENGTH &&
        request->content_length > exchange->body_bytes_max) {
        exchange->close = true;
        return fq_refuse(FQ_CONTENT_TOO_LARGE, NULL);
    }
    return FQ_OK;
}

// A refusal by the head. The connection can go on only where the body is here already, or there is
// none.
static void refuse_early(fq_connection *connection, fq_exchange *exchange, fq_err refusal,
                         fq_parse_step body) {
    fq_exchange_refuse(exchange, refusal);
    if (body != FQ_PARSE_DONE || exchange->close) {
        exchange->close = true;
        connection->deaf = true;
    }
    exchange->answered = true;
}

static void hand_on(fq_connection *connection, fq_exchange *exchange, const char *body) {
    exchange->request.body =
        fq_arena_copy(&exchange->arena, (fq_str){body, connection->parser.body_bytes});
    if (exchange->close) {
        connection->deaf = true;
    }
    http_exchange_step(exchange, exchange->handlers->handle, exchange->handlers->context);
}

// What is left of an exchange's reading once its body's state is known. False: nothing more can be
// read now.
static bool read_body(fq_connection *connection, char *data, size_t *len, size_t *used,
                      bool head_is_new) {
    fq_parser *parser = &connection->parser;
    fq_exchange *exchange = connection->reading;
    const fq_err refusal = head_is_new ? check_head(exchange) : FQ_OK;
    char *body = data + parser->head_bytes;
    size_t body_len = *len - parser->head_bytes;
    const fq_parse_step step = fq_parser_body(parser, exchange->body_bytes_max, body, &body_len);
    *len = parser->head_bytes + body_len;
    if (refusal.code) {
        connection->reading = NULL;
        refuse_early(connection, exchange, refusal, step);
    } else if (step == FQ_PARSE_FAULT) {
        http_refuse_and_close(connection, parser->fault);
    } else if (step == FQ_PARSE_DONE) {
        connection->reading = NULL;
        hand_on(connection, exchange, body);
    } else {
        exchange->invites_body = head_is_new && exchange->request.expects_continue && body_len == 0;
        return false;
    }
    *used = parser->head_bytes + parser->body_bytes;
    fq_parser_reset(parser);
    return true;
}

// Reads what it can of one request. False: nothing more can be read now.
static bool read_request(fq_connection *connection, char *data, size_t *len, size_t *used) {
    const bool head_is_new = !connection->reading;
    if (head_is_new) {
        fq_parse_step step = fq_parser_head(&connection->parser, data, *len);
        if (step == FQ_PARSE_DONE) {
            connection->reading = begin_exchange(connection, data);
            step = connection->reading ? FQ_PARSE_DONE : FQ_PARSE_FAULT;
        }
        if (step == FQ_PARSE_FAULT) {
            http_refuse_and_close(connection, connection->parser.fault);
        }
        if (step != FQ_PARSE_DONE) {
            return false;
        }
    }
    return read_body(connection, data, len, used, head_is_new);
}

bool http_is_held_back(const fq_connection *connection) {
    return (connection->pending_count >= connection->loop->server->config.pipeline_max &&
            !connection->reading) ||
           connection->out.len - connection->out_sent >= HTTP_OUT_BYTES_HIGH;
}

size_t http_read_requests(fq_connection *connection, char *data, size_t *len) {
    size_t used = 0;
    bool more = true;
    while (more && used < *len && !connection->deaf) {
        if (http_is_held_back(connection)) {
            connection->held_back = true;
            return used;
        }
        size_t left = *len - used, taken = 0;
        more = read_request(connection, data + used, &left, &taken);
        *len = used + left;
        used += taken;
    }
    return connection->deaf ? *len : used;
}
