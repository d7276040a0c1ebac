// The parser of structured fields (RFC 9651 section 4.2). Every fault fails the whole field. Knows
// no field by name.
#include "crypto/structured_fields.h"

#include "base/err.h"
#include "crypto/digest.h"

typedef struct {
    const char *at, *end;
    fq_arena *arena;
    fq_sf_rules rules;
    unsigned nodes;
} parser;

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c) {
    return is_lower((char)(c | 0x20));
}

static bool is_key_char(char c) {
    return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}

// tchar of RFC 9110, ':' and '/'.
static bool is_token_char(char c) {
    static const char others[] = "!#$%&'*+-.^_`|~:/";
    return is_alpha(c) || is_digit(c) || (c != '\0' && memchr(others, c, sizeof(others) - 1));
}

static bool is_next(const parser *p, char c) {
    return p->at < p->end && *p->at == c;
}

static bool take(parser *p, char c) {
    const bool there = is_next(p, c);
    p->at += there;
    return there;
}

static void skip_spaces(parser *p) {
    while (is_next(p, ' ')) {
        p->at++;
    }
}

static void skip_blanks(parser *p) {
    while (is_next(p, ' ') || is_next(p, '\t')) {
        p->at++;
    }
}

// NULL when the field has as many nodes as it may.
static fq_sf_node *add_node(parser *p) {
    if (p->nodes == p->rules.nodes_max) {
        return NULL;
    }
    p->nodes++;
    return FQ_NEW(p->arena, fq_sf_node);
}

// Section 4.2.4. Decimals are kept in thousandths: three digits are all they have.
static bool parse_number(parser *p, fq_sf_node *out) {
    enum { INTEGER_DIGITS_MAX = 15, WHOLE_DIGITS_MAX = 12, FRACTION_DIGITS_MAX = 3 };
    const bool negative = take(p, '-');
    int64_t number = 0;
    int digits = 0;
    for (; p->at < p->end && is_digit(*p->at); p->at++) {
        if (++digits > INTEGER_DIGITS_MAX) {
            return false;
        }
        number = number * 10 + (*p->at - '0');
    }
    if (digits == 0) {
        return false;
    }
    out->kind = FQ_SF_INTEGER;
    if (take(p, '.')) {
        int fraction = 0;
        for (; p->at < p->end && is_digit(*p->at); p->at++) {
            if (++fraction > FRACTION_DIGITS_MAX || digits > WHOLE_DIGITS_MAX) {
                return false;
            }
            number = number * 10 + (*p->at - '0');
        }
        if (fraction == 0) {
            return false;
        }
        for (; fraction < FRACTION_DIGITS_MAX; fraction++) {
            number *= 10;
        }
        out->kind = FQ_SF_DECIMAL;
    }
    out->value.number = negative ? -number : number;
    return true;
}

// Section 4.2.5. Without escapes the text is a view of the field.
static bool parse_string(parser *p, fq_sf_node *out) {
    p->at++;
    const char *const start = p->at;
    size_t escapes = 0;
    for (; p->at < p->end && *p->at != '"'; p->at++) {
        if (*p->at == '\\') {
            p->at++;
            escapes++;
            if (!is_next(p, '"') && !is_next(p, '\\')) {
                return false;
            }
        } else if (*p->at < 0x20 || *p->at > 0x7E) {
            return false;
        }
    }
    const size_t raw_len = (size_t)(p->at - start);
    if (!take(p, '"')) {
        return false;
    }
    out->kind = FQ_SF_STRING;
    out->value.text = (fq_str){start, raw_len};
    if (escapes > 0) {
        char *text = fq_arena_alloc(p->arena, raw_len - escapes);
        size_t len = 0;
        for (size_t i = 0; i < raw_len; i++) {
            i += start[i] == '\\';
            text[len++] = start[i];
        }
        out->value.text = (fq_str){text, len};
    }
    return true;
}

// Section 4.2.6.
static void parse_token(parser *p, fq_sf_node *out) {
    const char *const start = p->at;
    while (p->at < p->end && is_token_char(*p->at)) {
        p->at++;
    }
    out->kind = FQ_SF_TOKEN;
    out->value.text = (fq_str){start, (size_t)(p->at - start)};
}

// Section 4.2.7, with padding and unused bits as RFC 4648 wants them, which the section leaves
// open.
static bool parse_bytes(parser *p, fq_sf_node *out) {
    p->at++;
    const char *const close = memchr(p->at, ':', (size_t)(p->end - p->at));
    if (!close) {
        return false;
    }
    const fq_str text = {p->at, (size_t)(close - p->at)};
    uint8_t *bytes = fq_arena_alloc(p->arena, text.len / 4 * 3 + 1);
    size_t len = 0;
    if (!fq_base64_decode(text, bytes, &len)) {
        return false;
    }
    p->at = close + 1;
    out->kind = FQ_SF_BYTES;
    out->value.text = (fq_str){(const char *)bytes, len};
    return true;
}

// Section 4.2.8.
static bool parse_boolean(parser *p, fq_sf_node *out) {
    p->at++;
    const bool yes = take(p, '1');
    if (!yes && !take(p, '0')) {
        return false;
    }
    out->kind = FQ_SF_BOOLEAN;
    out->value.number = yes;
    return true;
}

// Section 4.2.9.
static bool parse_date(parser *p, fq_sf_node *out) {
    p->at++;
    if (!parse_number(p, out) || out->kind != FQ_SF_INTEGER) {
        return false;
    }
    out->kind = FQ_SF_DATE;
    return true;
}

// Section 4.2.10: UTF-8 with %xx in lower case.
static bool parse_display_string(parser *p, fq_sf_node *out) {
    p->at++;
    if (!take(p, '"')) {
        return false;
    }
    const char *const close = memchr(p->at, '"', (size_t)(p->end - p->at));
    if (!close) {
        return false;
    }
    char *text = fq_arena_alloc(p->arena, (size_t)(close - p->at) + 1);
    size_t len = 0;
    for (; p->at < close; p->at++) {
        uint8_t byte = (uint8_t)*p->at;
        if (byte < 0x20 || byte > 0x7E) {
            return false;
        }
        if (byte == '%') {
            const fq_str digits = {p->at + 1, 2};
            if (close - p->at < 3 || (digits.at[0] >= 'A' && digits.at[0] <= 'F') ||
                (digits.at[1] >= 'A' && digits.at[1] <= 'F') || !fq_hex_decode(digits, &byte)) {
                return false;
            }
            p->at += 2;
        }
        text[len++] = (char)byte;
    }
    p->at = close + 1;
    out->kind = FQ_SF_DISPLAY_STRING;
    out->value.text = (fq_str){text, len};
    return fq_utf8_valid(out->value.text, NULL);
}

// Section 4.2.3.1: the first character tells the type.
static bool parse_bare_item(parser *p, fq_sf_node *out) {
    if (p->at == p->end) {
        return false;
    }
    switch (*p->at) {
    case '"':
        return parse_string(p, out);
    case ':':
        return parse_bytes(p, out);
    case '?':
        return parse_boolean(p, out);
    case '@':
        return parse_date(p, out);
    case '%':
        return parse_display_string(p, out);
    default:
        break;
    }
    if (*p->at == '-' || is_digit(*p->at)) {
        return parse_number(p, out);
    }
    if (*p->at == '*' || is_alpha(*p->at)) {
        parse_token(p, out);
        return true;
    }
    return false;
}

// Section 4.2.3.3.
static bool parse_key(parser *p, fq_str *out) {
    if (p->at == p->end || (!is_lower(*p->at) && *p->at != '*')) {
        return false;
    }
    const char *const start = p->at;
    while (p->at < p->end && is_key_char(*p->at)) {
        p->at++;
    }
    *out = (fq_str){start, (size_t)(p->at - start)};
    return true;
}

// Where the next sibling goes, so that siblings keep their order.
typedef struct {
    fq_sf_node *first, **end;
} siblings;

// Appends, or where the key is there already lets the new value take the old one's place.
static bool add_keyed(const parser *p, siblings *list, fq_sf_node *node) {
    for (fq_sf_node *old = list->first; old; old = old->next) {
        if (fq_str_equal(old->key, node->key)) {
            if (p->rules.refuse_duplicates) {
                return false;
            }
            fq_sf_node *next = old->next;
            *old = *node;
            old->next = next;
            return true;
        }
    }
    *list->end = node;
    list->end = &node->next;
    return true;
}

// Section 4.2.3.2.
static bool parse_parameters(parser *p, fq_sf_node *out) {
    siblings list = {.end = &list.first};
    while (take(p, ';')) {
        skip_spaces(p);
        fq_sf_node *parameter = add_node(p);
        if (!parameter || !parse_key(p, &parameter->key)) {
            return false;
        }
        if (!take(p, '=')) {
            parameter->kind = FQ_SF_BOOLEAN;
            parameter->value.number = true;
        } else if (!parse_bare_item(p, parameter)) {
            return false;
        }
        if (!add_keyed(p, &list, parameter)) {
            return false;
        }
    }
    out->parameters = list.first;
    return true;
}

static bool parse_item(parser *p, fq_sf_node *out) {
    return parse_bare_item(p, out) && parse_parameters(p, out);
}

// Section 4.2.1.2.
static bool parse_inner_list(parser *p, fq_sf_node *out) {
    p->at++;
    out->kind = FQ_SF_INNER_LIST;
    fq_sf_node **end = &out->value.items;
    for (;;) {
        skip_spaces(p);
        if (take(p, ')')) {
            return parse_parameters(p, out);
        }
        fq_sf_node *item = add_node(p);
        if (!item || !parse_item(p, item) || (!is_next(p, ' ') && !is_next(p, ')'))) {
            return false;
        }
        *end = item;
        end = &item->next;
    }
}

static bool parse_item_or_inner_list(parser *p, fq_sf_node *out) {
    return is_next(p, '(') ? parse_inner_list(p, out) : parse_item(p, out);
}

// Section 4.2.2, one member.
static bool parse_dictionary_member(parser *p, fq_sf_node *out) {
    if (!parse_key(p, &out->key)) {
        return false;
    }
    if (take(p, '=')) {
        return parse_item_or_inner_list(p, out);
    }
    out->kind = FQ_SF_BOOLEAN;
    out->value.number = true;
    return parse_parameters(p, out);
}

// Sections 4.2.1 and 4.2.2.
static bool parse_members(parser *p, fq_sf_node **out) {
    siblings list = {.end = &list.first};
    while (p->at < p->end) {
        fq_sf_node *member = add_node(p);
        if (!member) {
            return false;
        }
        if (p->rules.type == FQ_SF_DICTIONARY) {
            if (!parse_dictionary_member(p, member) || !add_keyed(p, &list, member)) {
                return false;
            }
        } else {
            if (!parse_item_or_inner_list(p, member)) {
                return false;
            }
            *list.end = member;
            list.end = &member->next;
        }
        skip_blanks(p);
        if (p->at == p->end) {
            break;
        }
        if (!take(p, ',')) {
            return false;
        }
        skip_blanks(p);
        if (p->at == p->end) {
            return false;  // a trailing comma
        }
    }
    *out = list.first;
    return true;
}

bool fq_sf_parse(fq_arena *arena, fq_str field, fq_sf_rules rules, fq_sf_node **out) {
    FQ_ASSERT(rules.nodes_max > 0 && rules.nodes_max <= FQ_SF_NODES_MAX);
    if (field.len == 0) {
        field = FQ_STR("");
    }
    parser p = {.at = field.at, .end = field.at + field.len, .arena = arena, .rules = rules};
    fq_sf_node *first = NULL;
    skip_spaces(&p);
    while (p.end > p.at && p.end[-1] == ' ') {
        p.end--;
    }
    if (rules.type == FQ_SF_ITEM) {
        first = add_node(&p);
        if (!parse_item(&p, first) || p.at != p.end) {
            return false;
        }
    } else if (!parse_members(&p, &first)) {
        return false;
    }
    *out = first;
    return true;
}

const fq_sf_node *fq_sf_find(const fq_sf_node *first, fq_str key) {
    while (first && !fq_str_equal(first->key, key)) {
        first = first->next;
    }
    return first;
}
