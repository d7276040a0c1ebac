// An exchange's answer as bytes. Decides nothing but what HTTP itself asks for.
#include "http/loop.h"

#include "base/clock.h"
#include "http/problem.h"

#include <stdio.h>
#include <time.h>

// X(status, line): what we answer, and what the layers above may.
#define STATUS_LINES(X)                       \
    X(200, "OK")                              \
    X(201, "Created")                         \
    X(202, "Accepted")                        \
    X(204, "No Content")                      \
    X(303, "See Other")                       \
    X(304, "Not Modified")                    \
    X(400, "Bad Request")                     \
    X(401, "Unauthorized")                    \
    X(402, "Payment Required")                \
    X(403, "Forbidden")                       \
    X(404, "Not Found")                       \
    X(405, "Method Not Allowed")              \
    X(406, "Not Acceptable")                  \
    X(408, "Request Timeout")                 \
    X(409, "Conflict")                        \
    X(411, "Length Required")                 \
    X(412, "Precondition Failed")             \
    X(413, "Content Too Large")               \
    X(414, "URI Too Long")                    \
    X(415, "Unsupported Media Type")          \
    X(417, "Expectation Failed")              \
    X(422, "Unprocessable Content")           \
    X(429, "Too Many Requests")               \
    X(431, "Request Header Fields Too Large") \
    X(500, "Internal Server Error")           \
    X(501, "Not Implemented")                 \
    X(502, "Bad Gateway")                     \
    X(503, "Service Unavailable")             \
    X(504, "Gateway Timeout")                 \
    X(505, "HTTP Version Not Supported")

static void add_status_line(fq_buffer *out, int status) {
    switch (status) {
#define X(number, reason)                                   \
    case number:                                            \
        FQ_ADD(out, "HTTP/1.1 " #number " " reason "\r\n"); \
        return;
        STATUS_LINES(X)
#undef X
    default:
        fq_buffer_printf(out, "HTTP/1.1 %03d \r\n", status);
    }
}

fq_str http_date(fq_loop *loop) {
    const int64_t now_s = fq_wall_ms() / 1000;
    if (now_s != loop->date_s) {
        static const char days[] = "SunMonTueWedThuFriSat",
                          months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        const time_t seconds = (time_t)now_s;
        struct tm utc;
        gmtime_r(&seconds, &utc);  // strftime would ask the locale for the names
        snprintf(loop->date, sizeof(loop->date), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + utc.tm_wday * 3, utc.tm_mday % 100, months + utc.tm_mon * 3,
                 (utc.tm_year + 1900) % 10000, utc.tm_hour % 100, utc.tm_min % 100,
                 utc.tm_sec % 100);
        loop->date_s = now_s;
    }
    return fq_str_of(loop->date);
}

static void add_line(fq_buffer *out, fq_str name_and_colon, fq_str value) {
    fq_buffer_add(out, name_and_colon);
    fq_buffer_add(out, value);
    FQ_ADD(out, "\r\n");
}

// The last of it: keep-alive is the rule in HTTP/1.1 and said only in HTTP/1.0.
static void add_connection(fq_buffer *out, const fq_exchange *exchange) {
    if (exchange->close) {
        FQ_ADD(out, "Connection: close\r\n");
    } else if (exchange->request.version_minor == 0) {
        FQ_ADD(out, "Connection: keep-alive\r\n");
    }
}

void http_answer_encode(fq_exchange *exchange, fq_connection *connection) {
    if (exchange->status < 200 || exchange->status > 599 || exchange->body.overflowed ||
        exchange->head.overflowed) {
        fq_buffer_clear(&exchange->head);
        fq_exchange_refuse(exchange, fq_refuse(FQ_INTERNAL, NULL));
    }
    if (exchange->head_read && exchange->handlers->before_send) {
        exchange->handlers->before_send(exchange->handlers->context, exchange);
    }
    fq_buffer *out = &connection->out;
    const bool no_content = exchange->status == 204 || exchange->status == 304;
    add_status_line(out, exchange->status);
    add_line(out, FQ_STR("Date: "), http_date(exchange->loop));
    if (!no_content) {
        const char *type = exchange->content_type;
        add_line(out, FQ_STR("Content-Type: "),
                 type ? fq_str_of(type) : FQ_STR("application/json"));
        FQ_ADD(out, "Content-Length: ");
        fq_buffer_add_i64(out, (int64_t)exchange->body.len);
        FQ_ADD(out, "\r\n");
    }
    const char *cache = exchange->cache_control;
    add_line(out, FQ_STR("Cache-Control: "), cache ? fq_str_of(cache) : FQ_STR("no-store"));
    add_line(out, FQ_STR("Request-Id: "), exchange->request_id);
    fq_buffer_add(out, fq_buffer_str(&exchange->head));
    add_connection(out, exchange);
    FQ_ADD(out, "\r\n");
    if (!no_content && exchange->request.method != FQ_HEAD) {
        fq_buffer_add(out, fq_buffer_str(&exchange->body));
    }
}

void fq_exchange_add_header(fq_exchange *exchange, fq_str name, fq_str value) {
    fq_buffer *head = &exchange->head;
    fq_buffer_add(head, name);
    FQ_ADD(head, ": ");
    char *at = fq_buffer_reserve(head, value.len);
    for (size_t i = 0; at && i < value.len; i++) {
        const unsigned char byte = (unsigned char)value.at[i];
        at[i] = byte < ' ' || byte == 0x7F ? ' ' : (char)byte;
    }
    head->len += at ? value.len : 0;
    FQ_ADD(head, "\r\n");
}
