// Host and request target. Pure: only looks.
#include "http/target.h"

#define MALFORMED(text) fq_refuse_text(FQ_BAD_REQUEST, NULL, "" text)

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// -1 for anything but a hexadecimal digit.
static int hex_value(char c) {
    if (is_digit(c)) {
        return c - '0';
    }
    const char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static bool port_valid(fq_str port) {
    uint64_t number;
    return fq_str_to_u64(port, &number) && number >= 1 && number <= UINT16_MAX;
}

fq_err http_check_host(fq_str host) {
    static const fq_err refusal = {.code = FQ_BAD_REQUEST,
                                   .detail = {{{FQ_FILL_TEXT, {.text = "Host"}}}}};
    size_t at = 0;
    if (host.len > 0 && host.at[0] == '[') {
        for (at = 1; at < host.len &&
                     (hex_value(host.at[at]) >= 0 || host.at[at] == ':' || host.at[at] == '.');) {
            at++;
        }
        if (at < 3 || at == host.len || host.at[at] != ']') {  // the shortest is "[::]"
            return refusal;
        }
        at++;
    } else {
        while (at < host.len && (is_letter(host.at[at]) || is_digit(host.at[at]) ||
                                 host.at[at] == '.' || host.at[at] == '-' || host.at[at] == '_')) {
            at++;
        }
        if (at == 0) {
            return refusal;
        }
    }
    if (at == host.len) {
        return FQ_OK;
    }
    return host.at[at] == ':' && port_valid((fq_str){host.at + at + 1, host.len - at - 1})
               ? FQ_OK
               : refusal;
}

// RFC 3986: what may stand in a path (but '/') or, with '?' and brackets that some clients send, in
// a query.
static bool is_path_char(char c) {
    return is_letter(c) || is_digit(c) || (c && strchr("-._~!$&'()*+,;=:@%/", c));
}

static bool is_query_char(char c) {
    return is_path_char(c) || c == '?' || c == '[' || c == ']';
}

// The byte that "%hh" at `at` stands for; -1 when it is cut or malformed.
static int percent_value(fq_str s, size_t at) {
    if (s.len - at < 3) {
        return -1;
    }
    const int high = hex_value(s.at[at + 1]), low = hex_value(s.at[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Segments are compared byte by byte, so whatever another reader could take for another path is
// refused: empty and dot segments, and encoded slashes, dots, controls.
static fq_err check_path(fq_str path) {
    for (size_t i = 0; i < path.len; i++) {
        const char c = path.at[i];
        if (c == '%') {
            const int byte = percent_value(path, i);
            if (byte < 0x20 || byte == '/' || byte == '\\' || byte == '.' || byte == 0x7F) {
                return MALFORMED("a percent-encoding in the path");
            }
        } else if (!is_path_char(c)) {
            return MALFORMED("a character in the path");
        } else if (c == '/') {
            const fq_str rest = {path.at + i + 1, path.len - i - 1};
            const size_t dots =
                rest.len > 0 && rest.at[0] == '.' ? (rest.len > 1 && rest.at[1] == '.' ? 2 : 1) : 0;
            const bool ends = rest.len == dots || rest.at[dots] == '/';
            if (ends && (dots > 0 || rest.len > 0)) {
                return MALFORMED("an empty or dot segment in the path");
            }
        }
    }
    return FQ_OK;
}

static fq_err check_query(fq_str query) {
    for (size_t i = 0; i < query.len; i++) {
        if (!is_query_char(query.at[i]) || (query.at[i] == '%' && percent_value(query, i) < 0)) {
            return MALFORMED("a character in the query");
        }
    }
    return FQ_OK;
}

// Takes "http://authority" off an absolute-form target; its authority must be the Host's (RFC 9112
// section 3.2.2).
static fq_err strip_authority(fq_str *target, fq_str host) {
    static const fq_str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const size_t len = schemes[i].len;
        if (target->len < len || !fq_str_equal_nocase((fq_str){target->at, len}, schemes[i])) {
            continue;
        }
        size_t end = len;
        while (end < target->len && target->at[end] != '/' && target->at[end] != '?') {
            end++;
        }
        if (host.len == 0 || !fq_str_equal_nocase((fq_str){target->at + len, end - len}, host)) {
            return MALFORMED("the target's authority is not the Host's");
        }
        *target = (fq_str){target->at + end, target->len - end};
        return FQ_OK;
    }
    return MALFORMED("the request target");
}

fq_err http_split_target(fq_request *request) {
    fq_str target = request->target;
    if (fq_str_equal(target, FQ_STR("*")) && request->method == FQ_OPTIONS) {
        request->path = target;
        return FQ_OK;
    }
    if (target.len == 0 || target.at[0] != '/') {
        FQ_TRY(strip_authority(&target, request->host));
    }
    const char *mark = target.len > 0 ? memchr(target.at, '?', target.len) : NULL;
    request->path = (fq_str){target.at, mark ? (size_t)(mark - target.at) : target.len};
    if (request->path.len == 0) {
        request->path = FQ_STR("/");
    }
    if (mark) {
        request->query_given = true;
        request->query = (fq_str){mark + 1, target.len - (size_t)(mark + 1 - target.at)};
    }
    FQ_TRY(check_path(request->path));
    return check_query(request->query);
}
