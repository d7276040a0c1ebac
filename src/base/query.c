// Query strings (application/x-www-form-urlencoded) to an object of strings. Knows no parameter.
#include "base/fields.h"

enum { PARAMETERS_MAX = FQ_JSON_MEMBERS_MAX };

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Percent-decodes; '+' is a space. False on a broken escape, a NUL, and what is no UTF-8.
static bool decode(fq_arena *arena, fq_str raw, fq_str *out) {
    char *const text = fq_arena_alloc(arena, raw.len);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i] == '+' ? ' ' : raw.at[i];
        if (c == '%') {
            const int high = i + 2 < raw.len ? hex_digit(raw.at[i + 1]) : -1;
            const int low = high >= 0 ? hex_digit(raw.at[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0') {
            return false;
        }
        text[len++] = c;
    }
    *out = (fq_str){text, len};
    return fq_utf8_valid(*out, NULL);
}

// Takes what stands before `delimiter` off the front of `rest`, and the delimiter.
static fq_str take_until(fq_str *rest, char delimiter) {
    const char *found = rest->len > 0 ? memchr(rest->at, delimiter, rest->len) : NULL;
    const size_t len = found ? (size_t)(found - rest->at) : rest->len;
    const fq_str taken = {rest->at, len};
    const size_t skipped = found ? len + 1 : len;
    *rest = (fq_str){rest->at + skipped, rest->len - skipped};
    return taken;
}

fq_err fq_query_parse(fq_arena *arena, fq_str query, const fq_json **out) {
    fq_json *object = FQ_NEW(arena, fq_json);
    const fq_json **link = &object->first;
    object->type = FQ_JSON_OBJECT;
    while (query.len > 0) {
        fq_str value = take_until(&query, '&');
        if (value.len == 0) {
            continue;
        }
        if (object->count == PARAMETERS_MAX) {
            return fq_refuse_reason(FQ_INVALID_FIELD, "query", "too many query parameters", 0);
        }
        fq_json *parameter = FQ_NEW(arena, fq_json);
        parameter->type = FQ_JSON_STRING;
        const fq_str name = take_until(&value, '=');
        if (!decode(arena, name, &parameter->key) || !decode(arena, value, &parameter->text)) {
            return fq_refuse_reason(FQ_INVALID_FIELD, "query", "bad percent-encoding", 0);
        }
        for (const fq_json *other = object->first; other; other = other->next) {
            if (fq_str_equal(other->key, parameter->key)) {
                return fq_refuse_reason(FQ_INVALID_FIELD,
                                        fq_arena_text(arena, fq_str_cut(parameter->key, 64)),
                                        "must not stand twice", 0);
            }
        }
        *link = parameter;
        link = &parameter->next;
        object->count++;
    }
    *out = object;
    return FQ_OK;
}
