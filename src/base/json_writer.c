// Writing JSON onto a buffer.
#include "base/json_writer.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>

static bool is_plain(char c) {
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

static void put_escaped(fq_buffer *out, char c) {
    static const char letters[] = "btn.fr";  // U+0008 to U+000D; U+000B has no letter
    char text[7] = {'\\', c, '\0'};
    if ((unsigned char)c < 0x20) {
        if (c >= '\b' && c <= '\r' && c != '\v') {
            text[1] = letters[c - '\b'];
        } else {
            snprintf(text, sizeof(text), "\\u%04x", (unsigned)c);
        }
    }
    fq_buffer_add(out, fq_str_of(text));
}

void fq_json_string(fq_buffer *out, fq_str text) {
    fq_buffer_add_char(out, '"');
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_plain(text.at[i])) {
            fq_buffer_add(out, (fq_str){text.at + start, i - start});
            put_escaped(out, text.at[i]);
            start = i + 1;
        }
    }
    fq_buffer_add(out, (fq_str){text.at + start, text.len - start});
    fq_buffer_add_char(out, '"');
}

// The comma, and the name where there is one.
static void begin_value(fq_json_writer *writer, const char *name) {
    if (!name) {
        if (writer->comma) {
            fq_buffer_add_char(writer->out, ',');
        }
    } else {
        const size_t len = strlen(name);
        char *at = fq_buffer_reserve(writer->out, len + 4);
        if (at) {
            char *const start = at;
            if (writer->comma) {
                *at++ = ',';
            }
            *at++ = '"';
            memcpy(at, name, len);
            at += len;
            *at++ = '"';
            *at++ = ':';
            writer->out->len += (size_t)(at - start);
        }
    }
    writer->comma = true;
}

// A string that is known to need no escapes.
static void put_safe(fq_json_writer *writer, const char *name, fq_str text) {
    begin_value(writer, name);
    char *at = fq_buffer_reserve(writer->out, text.len + 2);
    if (at) {
        at[0] = '"';
        memcpy(at + 1, text.at, text.len);
        at[text.len + 1] = '"';
        writer->out->len += text.len + 2;
    }
}

static void begin(fq_json_writer *writer, const char *name, char bracket) {
    begin_value(writer, name);
    fq_buffer_add_char(writer->out, bracket);
    writer->comma = false;
}

static void end(fq_json_writer *writer, char bracket) {
    fq_buffer_add_char(writer->out, bracket);
    writer->comma = true;
}

void fq_json_object_begin(fq_json_writer *writer, const char *name) {
    begin(writer, name, '{');
}

void fq_json_object_end(fq_json_writer *writer) {
    end(writer, '}');
}

void fq_json_array_begin(fq_json_writer *writer, const char *name) {
    begin(writer, name, '[');
}

void fq_json_array_end(fq_json_writer *writer) {
    end(writer, ']');
}

void fq_json_put_text(fq_json_writer *writer, const char *name, fq_str text) {
    begin_value(writer, name);
    fq_json_string(writer->out, text);
}

void fq_json_put_literal(fq_json_writer *writer, const char *name, const char *text) {
    fq_json_put_text(writer, name, fq_str_of(text));
}

void fq_json_put_pair(fq_json_writer *writer, fq_str name, fq_str text) {
    fq_json_put_text(writer, NULL, name);
    fq_buffer_add_char(writer->out, ':');
    fq_json_string(writer->out, text);
}

void fq_json_put_i64(fq_json_writer *writer, const char *name, int64_t number) {
    begin_value(writer, name);
    fq_buffer_add_i64(writer->out, number);
}

void fq_json_put_u64(fq_json_writer *writer, const char *name, uint64_t number) {
    begin_value(writer, name);
    if (number > INT64_MAX) {
        fq_buffer_add_i64(writer->out, (int64_t)(number / 10));
        fq_buffer_add_char(writer->out, (char)('0' + number % 10));
    } else {
        fq_buffer_add_i64(writer->out, (int64_t)number);
    }
}

void fq_json_put_bool(fq_json_writer *writer, const char *name, bool value) {
    begin_value(writer, name);
    fq_buffer_add(writer->out, value ? FQ_STR("true") : FQ_STR("false"));
}

void fq_json_put_null(fq_json_writer *writer, const char *name) {
    begin_value(writer, name);
    FQ_ADD(writer->out, "null");
}

void fq_json_put_id(fq_json_writer *writer, const char *name, fq_id_kind kind, uint64_t id) {
    if (id != 0) {
        char text[FQ_ID_TEXT_MAX];
        fq_id_text(kind, id, text);
        put_safe(writer, name, fq_str_of(text));
    }
}

void fq_json_put_time(fq_json_writer *writer, const char *name, int64_t unix_ms) {
    char text[FQ_TIME_TEXT_MAX];
    fq_time_text(unix_ms, text);
    put_safe(writer, name, (fq_str){text, FQ_TIME_TEXT_MAX - 1});
}

void fq_json_put_currency(fq_json_writer *writer, const char *name, fq_currency currency) {
    char text[4];
    fq_currency_text(currency, text);
    put_safe(writer, name, (fq_str){text, 3});
}

void fq_json_put_money(fq_json_writer *writer, fq_money money) {
    fq_json_put_i64(writer, "amount", money.amount_minor);
    fq_json_put_currency(writer, "currency", money.currency);
}

void fq_json_put_decimal(fq_json_writer *writer, const char *name, double number, int decimals) {
    FQ_ASSERT(isfinite(number) && decimals >= 0 && decimals <= 9);
    char text[340];  // DBL_MAX has 309 digits
    snprintf(text, sizeof(text), "%.*f", decimals, number);
    size_t len = strlen(text);
    if (decimals > 0) {
        while (text[len - 1] == '0') {
            len--;
        }
        len -= text[len - 1] == '.' ? 1 : 0;
    }
    begin_value(writer, name);
    fq_buffer_add(writer->out, (fq_str){text, len});
}

void fq_json_put_raw(fq_json_writer *writer, const char *name, fq_str json) {
    begin_value(writer, name);
    fq_buffer_add(writer->out, json.len > 0 ? json : FQ_STR("{}"));
}
