// The log: lines are made on the stack and written whole by one write().
#include "base/log.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, TEXT_MAX_BYTES = 512, TAIL_BYTES = 32 };

// The one state of this file: where lines go. Set at start and on reload, read by every thread.
static _Atomic int log_fd = STDERR_FILENO;
static _Atomic int log_level = FQ_LOG_INFO;
static atomic_bool log_plain, log_colour;
static _Thread_local fq_log_context log_context;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void fq_log_configure(int fd, fq_log_level level, fq_log_format format) {
    const bool terminal = isatty(fd) == 1;
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");
    log_fd = fd;
    log_level = (int)level;
    log_plain = format == FQ_LOG_PLAIN || (format == FQ_LOG_AUTO && terminal);
    log_colour = terminal && !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
}

bool fq_log_enabled(fq_log_level level) {
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

fq_log_context fq_log_use(fq_log_context context) {
    const fq_log_context before = log_context;
    log_context = context;
    return before;
}

fq_log_context fq_log_here(void) {
    return log_context;
}

bool fq_log_level_parse(fq_str text, fq_log_level *out) {
    for (int level = FQ_LOG_ERROR; level <= FQ_LOG_DEBUG; level++) {
        if (fq_str_equal(text, fq_str_of(level_names[level]))) {
            *out = (fq_log_level)level;
            return true;
        }
    }
    return false;
}

typedef struct {
    char at[LINE_MAX_BYTES];
    size_t len;
    bool full;  // something did not fit
} line;

static void add(line *l, fq_str text) {
    if (text.len > sizeof(l->at) - TAIL_BYTES - l->len) {
        l->full = true;
    } else if (text.len > 0) {
        memcpy(l->at + l->len, text.at, text.len);
        l->len += text.len;
    }
}

#define ADD(line, literal) add((line), FQ_STR(literal))

// Control characters (C0, DEL and C1, which terminals obey too), quotes and backslashes are
// escaped; what is no UTF-8 becomes U+FFFD.
static void add_escaped(line *l, fq_str text) {
    const fq_str part = text.len > TEXT_MAX_BYTES ? (fq_str){text.at, TEXT_MAX_BYTES} : text;
    for (size_t i = 0; i < part.len;) {
        const unsigned char c = (unsigned char)part.at[i];
        const size_t step = fq_utf8_step(part.at + i, part.len - i);
        const bool c1 = step == 2 && c == 0xC2 && (unsigned char)part.at[i + 1] < 0xA0;
        char escape[8];
        if (step == 0) {
            ADD(l, "\xEF\xBF\xBD");
        } else if (c < 0x20 || c == 0x7F || c1) {
            const unsigned point = c1 ? (unsigned char)part.at[i + 1] : c;
            snprintf(escape, sizeof(escape), "\\u%04x", point);
            add(l, fq_str_of(escape));
        } else {
            if (c == '"' || c == '\\') {
                ADD(l, "\\");
            }
            add(l, (fq_str){part.at + i, step});
        }
        i += step > 0 ? step : 1;
    }
    if (part.len < text.len) {
        ADD(l, "...");
    }
}

static void add_quoted(line *l, fq_str text) {
    ADD(l, "\"");
    add_escaped(l, text);
    ADD(l, "\"");
}

static bool is_bare(fq_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] <= ' ' || text.at[i] > '~' || text.at[i] == '"' || text.at[i] == '\\') {
            return false;
        }
    }
    return text.len > 0 && text.len <= TEXT_MAX_BYTES;
}

static void add_value(line *l, const fq_log_field *field, bool plain) {
    char number[32];
    switch (field->kind) {
    case FQ_LOG_FIELD_END:
        break;
    case FQ_LOG_FIELD_TEXT:
        if (plain && is_bare(field->text)) {
            add(l, field->text);
        } else {
            add_quoted(l, field->text);
        }
        break;
    case FQ_LOG_FIELD_INT:
        snprintf(number, sizeof(number), "%lld", (long long)field->number);
        add(l, fq_str_of(number));
        break;
    case FQ_LOG_FIELD_BOOL:
        add(l, field->number ? FQ_STR("true") : FQ_STR("false"));
        break;
    case FQ_LOG_FIELD_MS:
        snprintf(number, sizeof(number), "%.3f", (double)field->number / 1e6);
        add(l, fq_str_of(number));
        break;
    }
}

// A field goes in whole or not at all, so that a cut line is still JSON.
static void add_field(line *l, const fq_log_field *field, bool plain) {
    const size_t before = l->len;
    const bool full_before = l->full;
    l->full = false;
    add(l, plain ? FQ_STR(" ") : FQ_STR(",\""));
    add(l, fq_str_of(field->name));
    add(l, plain ? FQ_STR("=") : FQ_STR("\":"));
    add_value(l, field, plain);
    if (l->full) {
        l->len = before;
    }
    l->full = l->full || full_before;
}

static void add_context(line *l, bool plain) {
    // "00-" trace id "-" span id "-" flags
    enum { TRACE_AT = 3, TRACE_LEN = 32, SPAN_AT = 36, SPAN_LEN = 16 };
    const fq_str parent = log_context.traceparent;
    const bool traced = parent.len >= SPAN_AT + SPAN_LEN;
    const fq_str trace = {parent.at + (traced ? TRACE_AT : 0), traced ? TRACE_LEN : 0};
    const fq_str span = {parent.at + (traced ? SPAN_AT : 0), traced ? SPAN_LEN : 0};
    const fq_log_field fields[] = {FQ_LOG_STR("request_id", log_context.request_id),
                                   FQ_LOG_STR("trace_id", trace), FQ_LOG_STR("span_id", span)};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].text.len > 0) {
            add_field(l, &fields[i], plain);
        }
    }
}

static void add_fields(line *l, const fq_log_field *fields, bool plain) {
    for (; fields->kind != FQ_LOG_FIELD_END; fields++) {
        add_field(l, fields, plain);
    }
}

static void add_json(line *l, fq_log_level level, const char *message, const fq_log_field *fields) {
    char time[FQ_TIME_TEXT_MAX];
    fq_time_text(fq_wall_ms(), time);
    ADD(l, "{\"time\":\"");
    add(l, fq_str_of(time));
    ADD(l, "\",\"level\":\"");
    add(l, fq_str_of(level_names[level]));
    ADD(l, "\",\"msg\":");
    add_quoted(l, fq_str_of(message));
    add_context(l, false);
    add_fields(l, fields, false);
    const fq_str tail = l->full ? FQ_STR(",\"cut\":true}\n") : FQ_STR("}\n");
    memcpy(l->at + l->len, tail.at, tail.len);
    l->len += tail.len;
}

// "18:54:28.123 WARN  message key=value"
static void add_plain(line *l, fq_log_level level, const char *message,
                      const fq_log_field *fields) {
    static const char *const heads[] = {"ERROR ", "WARN  ", "INFO  ", "DEBUG "};
    static const char *const colours[] = {"\033[31m", "\033[33m", "\033[32m", "\033[2m"};
    char time[FQ_TIME_TEXT_MAX];
    fq_time_text(fq_wall_ms(), time);
    add(l, (fq_str){time + 11, 12});
    ADD(l, " ");
    add(l, log_colour ? fq_str_of(colours[level]) : (fq_str){0});
    add(l, fq_str_of(heads[level]));
    add(l, log_colour ? FQ_STR("\033[0m") : (fq_str){0});
    add_escaped(l, fq_str_of(message));
    add_fields(l, fields, true);
    add_context(l, true);
    l->at[l->len++] = '\n';
}

void fq_log_write(fq_log_level level, const char *message, const fq_log_field *fields) {
    line l;
    l.len = 0;
    l.full = false;
    if (log_plain) {
        add_plain(&l, level, message, fields);
    } else {
        add_json(&l, level, message, fields);
    }
    fq_metrics_add(fq_metrics_series(FQ_METRIC_LOG_LINES, fq_str_of(level_names[level]), FQ_STR(""),
                                     FQ_STR("")),
                   1);
    // A log that cannot be written has nowhere to say so.
    const ssize_t written = write(log_fd, l.at, l.len);
    (void)written;
}
