// Reading JSON: one pass over the text, nodes in the arena, views wherever nothing is escaped.
// Knows no field.
#include "base/json.h"

enum { NUMBER_BYTES_MAX = 512 };

typedef struct {
    fq_arena *arena;
    const char *start, *at, *end;
    fq_json_limits limits;
    uint32_t values;
    const char *reason;    // of the first fault
    const char *fault_at;  // where it is
} reader;

static bool fail(reader *r, const char *at, const char *reason) {
    if (!r->reason) {
        r->reason = reason;
        r->fault_at = at;
    }
    return false;
}

static bool fail_here(reader *r) {
    return fail(r, r->at,
                r->at < r->end ? "unexpected character at byte {1}"
                               : "ends too early, at byte {1}");
}

static void skip_space(reader *r) {
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) {
        r->at++;
    }
}

static bool take(reader *r, char c) {
    if (r->at < r->end && *r->at == c) {
        r->at++;
        return true;
    }
    return false;
}

// Bytes that need no look within a string: ASCII from space on but quote and backslash.
static bool is_plain(char c) {
    const unsigned char byte = (unsigned char)c;
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

// Four hexadecimal digits, or -1.
static int32_t hex4(const char *at, const char *end) {
    int32_t unit = 0;
    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        const char c = at[i];
        if (c >= '0' && c <= '9') {
            unit = unit << 4 | (c - '0');
        } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
            unit = unit << 4 | ((c | 0x20) - 'a' + 10);
        } else {
            return -1;
        }
    }
    return unit;
}

static char *put_utf8(char *out, uint32_t point) {
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xC0 | point >> 6);
        *out++ = (char)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        *out++ = (char)(0xE0 | point >> 12);
        *out++ = (char)(0x80 | (point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (point & 0x3F));
    } else {
        *out++ = (char)(0xF0 | point >> 18);
        *out++ = (char)(0x80 | (point >> 12 & 0x3F));
        *out++ = (char)(0x80 | (point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (point & 0x3F));
    }
    return out;
}

// Behind "\u": one code point, as one escape or a surrogate pair. Returns how many bytes it took, 0
// after a fault.
static size_t unescape_unicode(reader *r, const char *at, const char *end, uint32_t *out_point) {
    const int32_t first = hex4(at, end);
    if (first < 0) {
        fail(r, at, "bad escape at byte {1}");
        return 0;
    }
    if (first == 0 && !r->limits.nul_allowed) {
        fail(r, at, "\\u0000 at byte {1}");
        return 0;
    }
    if (first < 0xD800 || first > 0xDFFF) {
        *out_point = (uint32_t)first;
        return 4;
    }
    const bool paired = first < 0xDC00 && end - at >= 10 && at[4] == '\\' && at[5] == 'u';
    const int32_t second = paired ? hex4(at + 6, end) : -1;
    if (second < 0xDC00 || second > 0xDFFF) {
        fail(r, at, "lone surrogate at byte {1}");
        return 0;
    }
    *out_point = 0x10000 + ((uint32_t)(first - 0xD800) << 10) + (uint32_t)(second - 0xDC00);
    return 10;
}

// What stands between the quotes, with escapes; the unescaped text is never longer.
static bool unescape(reader *r, fq_str raw, fq_str *out) {
    char *const text = fq_arena_alloc(r->arena, raw.len);
    char *to = text;
    const char *end = raw.at + raw.len;
    for (const char *at = raw.at; at < end; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        const char letter = *++at;  // the scan saw that something follows each backslash
        const char *known = letter ? strchr(letters, letter) : NULL;
        uint32_t point;
        if (known) {
            *to++ = meanings[known - letters];
        } else if (letter == 'u') {
            const size_t taken = unescape_unicode(r, at + 1, end, &point);
            if (taken == 0) {
                return false;
            }
            at += taken;
            to = put_utf8(to, point);
        } else {
            return fail(r, at, "bad escape at byte {1}");
        }
    }
    *out = (fq_str){text, (size_t)(to - text)};
    return true;
}

// The rest of a string whose opening quote was taken.
static bool read_string(reader *r, fq_str *out) {
    const char *const start = r->at;
    const char *at = start;
    bool escaped = false;
    for (;;) {
        while (at < r->end && is_plain(*at)) {
            at++;
        }
        if (at == r->end) {
            return fail(r, at, "ends too early, at byte {1}");
        }
        if (*at == '"') {
            break;
        }
        if (*at == '\\') {
            escaped = true;
            if (++at == r->end) {
                return fail(r, at, "ends too early, at byte {1}");
            }
        }
        if ((unsigned char)*at < 0x20) {
            return fail(r, at, "control character in a string, at byte {1}");
        }
        const size_t step = fq_utf8_step(at, (size_t)(r->end - at));
        if (step == 0) {
            return fail(r, at, "not UTF-8 at byte {1}");
        }
        at += step;
    }
    r->at = at + 1;
    *out = (fq_str){start, (size_t)(at - start)};
    return !escaped || unescape(r, *out, out);
}

static bool take_digits(reader *r) {
    const char *const start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        r->at++;
    }
    return r->at > start;
}

// RFC 8259 section 6: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
static bool read_number(reader *r, fq_json *node) {
    const char *const start = r->at;
    take(r, '-');
    bool right = take(r, '0') || take_digits(r);
    bool whole = true;
    if (right && take(r, '.')) {
        whole = false;
        right = take_digits(r);
    }
    if (right && (take(r, 'e') || take(r, 'E'))) {
        whole = false;
        (void)(take(r, '+') || take(r, '-'));
        right = take_digits(r);
    }
    node->type = FQ_JSON_NUMBER;
    node->text = (fq_str){start, (size_t)(r->at - start)};
    if (!right) {
        return fail(r, start, "bad number at byte {1}");
    }
    if (node->text.len > NUMBER_BYTES_MAX) {
        return fail(r, start, "number too large, at byte {1}");
    }
    node->is_integer = whole && fq_str_to_i64(node->text, &node->integer);
    return true;
}

static bool read_literal(reader *r, fq_str literal) {
    if (!fq_str_starts((fq_str){r->at, (size_t)(r->end - r->at)}, literal)) {
        return fail_here(r);
    }
    r->at += literal.len;
    return true;
}

static bool read_value(reader *r, fq_json *node, unsigned depth);

static fq_json *new_node(reader *r) {
    if (++r->values > r->limits.values_max) {
        fail(r, r->at, "too many values, at byte {1}");
        return NULL;
    }
    return FQ_NEW(r->arena, fq_json);
}

static bool read_array(reader *r, fq_json *array, unsigned depth) {
    const fq_json **link = &array->first;
    array->type = FQ_JSON_ARRAY;
    skip_space(r);
    if (take(r, ']')) {
        return true;
    }
    do {
        fq_json *element = new_node(r);
        skip_space(r);
        if (!element || !read_value(r, element, depth)) {
            return false;
        }
        *link = element;
        link = &element->next;
        array->count++;
        skip_space(r);
    } while (take(r, ','));
    return take(r, ']') || fail_here(r);
}

static bool has_member(const fq_json *object, fq_str key) {
    for (const fq_json *member = object->first; member; member = member->next) {
        if (fq_str_equal(member->key, key)) {
            return true;
        }
    }
    return false;
}

static bool read_key(reader *r, const fq_json *object, fq_str *out_key) {
    skip_space(r);
    const char *const start = r->at;
    if (!take(r, '"')) {
        return fail_here(r);
    }
    if (!read_string(r, out_key)) {
        return false;
    }
    if (object->count == FQ_JSON_MEMBERS_MAX) {
        return fail(r, start, "too many members in one object, at byte {1}");
    }
    if (has_member(object, *out_key)) {
        return fail(r, start, "a member stands twice, at byte {1}");
    }
    skip_space(r);
    return take(r, ':') || fail_here(r);
}

static bool read_object(reader *r, fq_json *object, unsigned depth) {
    const fq_json **link = &object->first;
    object->type = FQ_JSON_OBJECT;
    skip_space(r);
    if (take(r, '}')) {
        return true;
    }
    do {
        fq_json *member = new_node(r);
        if (!member || !read_key(r, object, &member->key)) {
            return false;
        }
        skip_space(r);
        if (!read_value(r, member, depth)) {
            return false;
        }
        *link = member;
        link = &member->next;
        object->count++;
        skip_space(r);
    } while (take(r, ','));
    return take(r, '}') || fail_here(r);
}

// `depth` is how many arrays and objects are open around the value.
static bool read_value(reader *r, fq_json *node, unsigned depth) {
    if (r->at == r->end) {
        return fail_here(r);
    }
    node->offset = (uint32_t)(r->at - r->start);
    const char c = *r->at;
    if ((c == '{' || c == '[') && depth == r->limits.depth_max) {
        return fail(r, r->at, "nested too deeply at byte {1}");
    }
    switch (c) {
    case '{':
        r->at++;
        return read_object(r, node, depth + 1);
    case '[':
        r->at++;
        return read_array(r, node, depth + 1);
    case '"':
        r->at++;
        node->type = FQ_JSON_STRING;
        return read_string(r, &node->text);
    case 't':
    case 'f':
        node->type = FQ_JSON_BOOL;
        node->boolean = c == 't';
        return read_literal(r, c == 't' ? FQ_STR("true") : FQ_STR("false"));
    case 'n':
        return read_literal(r, FQ_STR("null"));
    default:
        return (c == '-' || (c >= '0' && c <= '9')) ? read_number(r, node) : fail_here(r);
    }
}

static bool read_text(reader *r, fq_json *top) {
    const fq_str text = {r->at, (size_t)(r->end - r->at)};
    if (fq_str_starts(text, FQ_STR("\xEF\xBB\xBF"))) {
        return fail(r, r->at, "byte order mark at the beginning");
    }
    skip_space(r);
    if (r->at == r->end) {
        return fail(r, r->at, "the body is empty");
    }
    if (!r->limits.any_top_level && *r->at != '{') {
        return fail(r, r->at, "the top level must be an object");
    }
    if (!read_value(r, top, 0)) {
        return false;
    }
    skip_space(r);
    return r->at == r->end || fail(r, r->at, "something follows the value, at byte {1}");
}

fq_err fq_json_parse(fq_arena *arena, fq_str text, fq_json_limits limits, const fq_json **out) {
    FQ_ASSERT(text.len <= UINT32_MAX);
    // An empty view may have no address, and pointers without one cannot be compared.
    const char *start = text.len > 0 ? text.at : "";
    reader r = {
        .arena = arena, .start = start, .at = start, .end = start + text.len, .limits = limits};
    fq_json *top = FQ_NEW(arena, fq_json);
    if (!read_text(&r, top)) {
        return fq_refuse_reason(FQ_MALFORMED_JSON, NULL, r.reason, r.fault_at - r.start);
    }
    *out = top;
    return FQ_OK;
}

size_t fq_json_arena_bytes(size_t text_bytes, fq_json_limits limits) {
    // Each value takes a node; each string may be unescaped into a piece of its own, rounded up to
    // 16 bytes.
    return (limits.values_max + (size_t)1) * (sizeof(fq_json) + 32) + text_bytes;
}

const fq_json *fq_json_member(const fq_json *object, const char *name) {
    if (!object || object->type != FQ_JSON_OBJECT) {
        return NULL;
    }
    const fq_str key = fq_str_of(name);
    for (const fq_json *member = object->first; member; member = member->next) {
        if (fq_str_equal(member->key, key)) {
            return member;
        }
    }
    return NULL;
}
