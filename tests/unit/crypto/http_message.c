// Messages for the signature tests. No HTTP parser: the bytes are known to be well-formed.
#include "http_message.h"

#include "vectors.h"

// Splits a request-target into path and query; of an absolute form also takes the authority.
static void set_target(fq_message *out, fq_str target) {
    out->target = target;
    const char *scheme_end =
        target.len > 0 && target.at[0] != '/' ? memmem(target.at, target.len, "://", 3) : NULL;
    if (scheme_end) {
        const size_t used = (size_t)(scheme_end - target.at) + 3;
        target = (fq_str){target.at + used, target.len - used};
        size_t len = 0;
        while (len < target.len && target.at[len] != '/' && target.at[len] != '?') {
            len++;
        }
        out->authority = (fq_str){target.at, len};
        target = (fq_str){target.at + len, target.len - len};
    }
    const char *question = target.len > 0 ? memchr(target.at, '?', target.len) : NULL;
    const size_t path_len = question ? (size_t)(question - target.at) : target.len;
    out->path = (fq_str){target.at, path_len};
    out->query = (fq_str){target.at + path_len, target.len - path_len};
}

static void take_host(fq_message *out) {
    for (size_t i = 0; i < out->field_count && out->authority.len == 0; i++) {
        if (fq_str_equal_nocase(out->fields[i].name, FQ_STR("host"))) {
            out->authority = fq_str_trim(out->fields[i].value);
        }
    }
}

fq_message message_from_json(fq_arena *arena, const json_t *json) {
    const json_t *headers = json_object_get(json, "headers");
    fq_message_field *fields = FQ_NEW_ARRAY(arena, fq_message_field, json_array_size(headers) + 1);
    fq_message out = {.fields = fields,
                      .status = (int)json_integer_value(json_object_get(json, "status"))};
    size_t i;
    json_t *pair;
    json_array_foreach(headers, i, pair) {
        fields[i] = (fq_message_field){fq_str_of(json_string_value(json_array_get(pair, 0))),
                                       fq_str_of(json_string_value(json_array_get(pair, 1)))};
    }
    out.field_count = json_array_size(headers);
    if (!out.status) {
        out.method = vectors_str(json, "method");
        out.scheme = vectors_str(json, "scheme");
        set_target(&out, vectors_str(json, "target"));
        take_host(&out);
    }
    return out;
}

static fq_str take_until(fq_str *rest, const char *end) {
    const char *found = memmem(rest->at, rest->len, end, strlen(end));
    assert_non_null(found);
    const fq_str taken = {rest->at, (size_t)(found - rest->at)};
    const size_t used = taken.len + strlen(end);
    *rest = (fq_str){rest->at + used, rest->len - used};
    return taken;
}

fq_message message_from_bytes(fq_arena *arena, fq_str bytes, fq_str scheme, fq_str *out_body) {
    enum { FIELDS_MAX = 32 };
    fq_message_field *fields = FQ_NEW_ARRAY(arena, fq_message_field, FIELDS_MAX);
    fq_message out = {.fields = fields, .scheme = scheme};
    fq_str line = take_until(&bytes, "\r\n");
    out.method = take_until(&line, " ");
    set_target(&out, take_until(&line, " "));
    for (line = take_until(&bytes, "\r\n"); line.len > 0; line = take_until(&bytes, "\r\n")) {
        assert_true(out.field_count < FIELDS_MAX);
        const fq_str name = take_until(&line, ":");
        fields[out.field_count++] = (fq_message_field){name, line};
    }
    take_host(&out);
    *out_body = bytes;
    return out;
}
