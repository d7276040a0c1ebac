// Reading the server's answers. Pure: no I/O, no allocation.
#include "bench/answer.h"

#define STATUS_LINE_MIN 15  // "HTTP/1.1 201 \r\n"
#define HEAD_BYTES_MAX 16384

static fq_str after(fq_str text, size_t bytes) {
    return (fq_str){text.at + bytes, text.len - bytes};
}

// The header's value when `line` is the header `name` (with its colon); an empty view otherwise.
static fq_str value_of(fq_str line, fq_str name) {
    if (line.len < name.len || !fq_str_equal_nocase((fq_str){line.at, name.len}, name)) {
        return (fq_str){0};
    }
    return fq_str_trim(after(line, name.len));
}

// Reads the status line and the two headers that frame an answer. False when it is no HTTP/1.1
// answer with one length.
static bool read_head(fq_str head, bench_answer *out, uint64_t *out_body_bytes) {
    const char *line = head.at, *end = head.at + head.len;
    bool has_length = false;
    for (const char *feed; (feed = memchr(line, '\n', (size_t)(end - line))) != NULL;
         line = feed + 1) {
        // Both headers begin with a C; the rest is not looked at.
        if ((*line | 0x20) != 'c') {
            continue;
        }
        const fq_str text = {line, (size_t)(feed - line) - 1};
        const fq_str length = value_of(text, FQ_STR("content-length:"));
        if (length.len > 0) {
            if (has_length || !fq_str_to_u64(length, out_body_bytes)) {
                return false;
            }
            has_length = true;
        } else if (fq_str_equal_nocase(value_of(text, FQ_STR("connection:")), FQ_STR("close"))) {
            out->closes = true;
        }
    }
    return has_length;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bench_progress bench_answer_read(fq_str received, bench_answer *out, size_t *out_bytes) {
    *out_bytes = 0;
    const char *blank = memmem(received.at, received.len, "\r\n\r\n", 4);
    if (!blank) {
        return received.len < HEAD_BYTES_MAX ? BENCH_MORE : BENCH_BROKEN;
    }
    const fq_str head = {received.at, (size_t)(blank - received.at) + 2};
    if (head.len < STATUS_LINE_MIN || memcmp(head.at, "HTTP/1.1 ", 9) != 0 ||
        !is_digit(head.at[9]) || !is_digit(head.at[10]) || !is_digit(head.at[11])) {
        return BENCH_BROKEN;
    }
    bench_answer answer = {.status = (head.at[9] - '0') * 100 + (head.at[10] - '0') * 10 +
                                     (head.at[11] - '0')};
    uint64_t body_bytes = 0;
    if (!read_head(head, &answer, &body_bytes) || body_bytes > SIZE_MAX / 2) {
        return BENCH_BROKEN;
    }
    *out_bytes = head.len + 2 + (size_t)body_bytes;
    if (received.len < *out_bytes) {
        return BENCH_MORE;
    }
    answer.body = (fq_str){blank + 4, (size_t)body_bytes};
    *out = answer;
    return received.len == *out_bytes ? BENCH_WHOLE : BENCH_BROKEN;
}

// What follows `name` in `json`; an empty view when it is not there.
static fq_str following(fq_str json, fq_str name) {
    const char *found = memmem(json.at, json.len, name.at, name.len);
    return found ? after(json, (size_t)(found - json.at) + name.len) : (fq_str){0};
}

bool bench_json_has(fq_str json, fq_str member) {
    return memmem(json.at, json.len, member.at, member.len) != NULL;
}

bool bench_json_i64(fq_str json, fq_str name, int64_t *out) {
    const fq_str rest = following(json, name);
    size_t len = 0;
    while (len < rest.len && (is_digit(rest.at[len]) || (len == 0 && rest.at[len] == '-'))) {
        len++;
    }
    return fq_str_to_i64((fq_str){rest.at, len}, out);
}

bool bench_json_text(fq_str json, fq_str name, fq_str *out) {
    const fq_str rest = following(json, name);
    const char *quote = rest.len > 0 ? memchr(rest.at, '"', rest.len) : NULL;
    if (!quote) {
        return false;
    }
    *out = (fq_str){rest.at, (size_t)(quote - rest.at)};
    return true;
}

bool bench_bulk_next(fq_str *rest, int *out_status, fq_str *out_item) {
    const fq_str opening = FQ_STR("{\"status\":");
    const fq_str found = following(*rest, opening);
    if (found.len < 3 || !is_digit(found.at[0]) || !is_digit(found.at[1]) ||
        !is_digit(found.at[2])) {
        return false;
    }
    *out_status = (found.at[0] - '0') * 100 + (found.at[1] - '0') * 10 + (found.at[2] - '0');
    // The item ends where the next one opens. A body cannot hold the opening itself: a body's first
    // member is not `status`.
    const char *next = memmem(found.at, found.len, opening.at, opening.len);
    *out_item = (fq_str){found.at, next ? (size_t)(next - found.at) : found.len};
    *rest = after(found, out_item->len);
    return true;
}
