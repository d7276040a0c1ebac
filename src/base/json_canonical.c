// The canonical form of JSON (RFC 8785), over which short-form requests are signed.
#include "base/json.h"

#include "base/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_MAX = 17, POINT_MAX = 21, POINT_MIN = -6 };

// The fewest digits that read back as `number`, and the decimal exponent of the first one. Trying
// every length costs microseconds, which only numbers with fractions or exponents pay.
static int shortest_digits(double number, char out_digits[DIGITS_MAX + 1], int *out_exponent) {
    char text[40];
    for (int count = 1; count <= DIGITS_MAX; count++) {
        snprintf(text, sizeof(text), "%.*e", count - 1, number);
        const double back = strtod(text, NULL);
        if (back == number || count == DIGITS_MAX) {
            const char *exponent = strchr(text, 'e');
            int digits = 0;
            for (const char *at = text; at < exponent; at++) {
                if (*at != '.') {
                    out_digits[digits++] = *at;
                }
            }
            out_digits[digits] = '\0';
            *out_exponent = (int)strtol(exponent + 1, NULL, 10);
            return digits;
        }
    }
    return 0;
}

// ECMA-262, Number::toString: k digits, and the point after the n-th.
void fq_json_double_text(double number, char out[FQ_JSON_DOUBLE_TEXT_MAX]) {
    FQ_ASSERT(isfinite(number));
    const char *sign = number < 0 ? "-" : "";
    char digits[DIGITS_MAX + 1];
    int exponent = 0;
    if (number == 0) {
        memcpy(out, "0", 2);
        return;
    }
    const int k = shortest_digits(fabs(number), digits, &exponent);
    const int n = exponent + 1;
    if (k <= n && n <= POINT_MAX) {
        snprintf(out, FQ_JSON_DOUBLE_TEXT_MAX, "%s%s%.*s", sign, digits, n - k,
                 "000000000000000000000");
    } else if (0 < n && n <= POINT_MAX) {
        snprintf(out, FQ_JSON_DOUBLE_TEXT_MAX, "%s%.*s.%s", sign, n, digits, digits + n);
    } else if (POINT_MIN < n && n <= 0) {
        snprintf(out, FQ_JSON_DOUBLE_TEXT_MAX, "%s0.%.*s%s", sign, -n, "00000", digits);
    } else {
        snprintf(out, FQ_JSON_DOUBLE_TEXT_MAX, "%s%.1s%s%se%+d", sign, digits, k > 1 ? "." : "",
                 digits + 1, n - 1);
    }
}

// These return the number that no double can hold, or NULL when all is right.
static const fq_json *write_number(const fq_json *number, fq_buffer *out) {
    char text[513];  // the reader takes no longer ones
    if (number->is_integer) {
        fq_buffer_add_i64(out, number->integer);
        return NULL;
    }
    FQ_ASSERT(number->text.len < sizeof(text));
    memcpy(text, number->text.at, number->text.len);
    text[number->text.len] = '\0';
    const double value = strtod(text, NULL);
    if (!isfinite(value)) {
        return number;
    }
    fq_json_double_text(value, text);
    fq_buffer_add(out, fq_str_of(text));
    return NULL;
}

// Order by UTF-16 code units. UTF-8 sorts by code points, which differs only where a surrogate pair
// (lead byte F0 and up) meets U+E000 to U+FFFF (lead bytes EE and EF).
static int compare_keys(const void *left, const void *right) {
    const fq_str a = (*(const fq_json *const *)left)->key,
                 b = (*(const fq_json *const *)right)->key;
    const size_t shorter = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shorter; i++) {
        const unsigned char x = (unsigned char)a.at[i], y = (unsigned char)b.at[i];
        if (x != y) {
            const bool pair_x = x >= 0xF0, pair_y = y >= 0xF0;
            if (pair_x != pair_y && (pair_x ? y : x) >= 0xEE) {
                return pair_x ? -1 : 1;
            }
            return x < y ? -1 : 1;
        }
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static const fq_json *write_value(const fq_json *value, fq_str without, fq_buffer *out);

static const fq_json *write_object(const fq_json *object, fq_str without, fq_buffer *out) {
    const fq_json *members[FQ_JSON_MEMBERS_MAX];
    size_t count = 0;
    for (const fq_json *member = object->first; member; member = member->next) {
        if (!without.at || !fq_str_equal(member->key, without)) {
            FQ_ASSERT(count < FQ_JSON_MEMBERS_MAX);
            members[count++] = member;
        }
    }
    if (count > 1) {
        qsort(members, count, sizeof(members[0]), compare_keys);
    }
    const fq_json *fault = NULL;
    FQ_ADD(out, "{");
    for (size_t i = 0; !fault && i < count; i++) {
        if (i > 0) {
            FQ_ADD(out, ",");
        }
        fq_json_string(out, members[i]->key);
        FQ_ADD(out, ":");
        fault = write_value(members[i], (fq_str){0}, out);
    }
    FQ_ADD(out, "}");
    return fault;
}

static const fq_json *write_array(const fq_json *array, fq_buffer *out) {
    FQ_ADD(out, "[");
    for (const fq_json *element = array->first; element; element = element->next) {
        if (element != array->first) {
            FQ_ADD(out, ",");
        }
        const fq_json *fault = write_value(element, (fq_str){0}, out);
        if (fault) {
            return fault;
        }
    }
    FQ_ADD(out, "]");
    return NULL;
}

static const fq_json *write_value(const fq_json *value, fq_str without, fq_buffer *out) {
    switch ((fq_json_type)value->type) {
    case FQ_JSON_NULL:
        FQ_ADD(out, "null");
        return NULL;
    case FQ_JSON_BOOL:
        fq_buffer_add(out, value->boolean ? FQ_STR("true") : FQ_STR("false"));
        return NULL;
    case FQ_JSON_NUMBER:
        return write_number(value, out);
    case FQ_JSON_STRING:
        fq_json_string(out, value->text);
        return NULL;
    case FQ_JSON_ARRAY:
        return write_array(value, out);
    case FQ_JSON_OBJECT:
        return write_object(value, without, out);
    }
    return NULL;
}

fq_err fq_json_canonical(const fq_json *value, const char *without, fq_buffer *out) {
    const fq_json *fault = write_value(value, fq_str_of(without), out);
    return fault ? fq_refuse_reason(FQ_MALFORMED_JSON, NULL, "number too large, at byte {1}",
                                    fault->offset)
                 : FQ_OK;
}
