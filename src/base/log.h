// The log: one line an event on standard error, JSON for machines or plain text on a terminal.
// Fields are typed and named by the caller one by one; there is no way to print a body, a struct or
// a format. Never log keys, signatures, personal data.
#pragma once

#include "base/str.h"

typedef enum { FQ_LOG_ERROR = 0, FQ_LOG_WARN, FQ_LOG_INFO, FQ_LOG_DEBUG } fq_log_level;
// FQ_LOG_AUTO is text on a terminal, JSON elsewhere.
typedef enum { FQ_LOG_AUTO = 0, FQ_LOG_JSON, FQ_LOG_PLAIN } fq_log_format;

typedef enum {
    FQ_LOG_FIELD_END = 0,
    FQ_LOG_FIELD_TEXT,
    FQ_LOG_FIELD_INT,
    FQ_LOG_FIELD_BOOL,
    FQ_LOG_FIELD_MS
} fq_log_kind;

typedef struct {
    const char *name;  // a literal
    fq_log_kind kind;
    int64_t number;
    fq_str text;
} fq_log_field;

// What the lines of this thread belong to; empty ones are left out. Views must outlive their use
// here. `traceparent` is well-formed (W3C Trace Context, version 00).
typedef struct {
    fq_str request_id, traceparent;
} fq_log_context;

// At start, and again when the configuration is reloaded. `fd` is 2 but in tests.
void fq_log_configure(int fd, fq_log_level level, fq_log_format format);
bool fq_log_enabled(fq_log_level level);
// Sets this thread's context; returns the one before, to be put back.
fq_log_context fq_log_use(fq_log_context context);
// This thread's context, to be passed on.
fq_log_context fq_log_here(void);
// The level of that name ("error", "warn", "info", "debug"). False on anything else.
bool fq_log_level_parse(fq_str text, fq_log_level *out);

// fq_log(FQ_LOG_INFO, "batch committed", FQ_LOG_INT("commands", n), FQ_LOG_TEXT("database", name));
// The message is a literal. Text is cut at 512 bytes, a line at 4 KiB; control bytes are escaped.
// error = someone must act.
#define fq_log(level, ...)                                                                \
    do {                                                                                  \
        if (fq_log_enabled(level)) {                                                      \
            fq_log_write((level), "" FQ_LOG_FIRST_(__VA_ARGS__, 0),                       \
                         (const fq_log_field[]){FQ_LOG_REST_(__VA_ARGS__, FQ_LOG_END_)}); \
        }                                                                                 \
    } while (0)
#define FQ_LOG_TEXT(name, cstring) \
    ((fq_log_field){"" name, FQ_LOG_FIELD_TEXT, 0, fq_str_of(cstring)})
#define FQ_LOG_STR(name, view) ((fq_log_field){"" name, FQ_LOG_FIELD_TEXT, 0, (view)})
#define FQ_LOG_INT(name, value) ((fq_log_field){"" name, FQ_LOG_FIELD_INT, (int64_t)(value), {0}})
#define FQ_LOG_BOOL(name, value) ((fq_log_field){"" name, FQ_LOG_FIELD_BOOL, (value) ? 1 : 0, {0}})
// A duration in nanoseconds, written in milliseconds with three decimals.
#define FQ_LOG_NS(name, value_ns) \
    ((fq_log_field){"" name, FQ_LOG_FIELD_MS, (int64_t)(value_ns), {0}})

#define FQ_LOG_END_ ((fq_log_field){0})
#define FQ_LOG_FIRST_(first, ...) first
#define FQ_LOG_REST_(first, ...) __VA_ARGS__
void fq_log_write(fq_log_level level, const char *message, const fq_log_field *fields);
