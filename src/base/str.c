// Views of text.
#include "base/str.h"

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool fq_str_equal_nocase(fq_str a, fq_str b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.at[i]) != lower(b.at[i])) {
            return false;
        }
    }
    return true;
}

fq_str fq_str_trim(fq_str s) {
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

bool fq_str_to_u64(fq_str s, uint64_t *out) {
    if (s.len == 0 || (s.len > 1 && s.at[0] == '0')) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9' || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.at[i] - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool fq_str_to_i64(fq_str s, int64_t *out) {
    const bool negative = s.len > 0 && s.at[0] == '-';
    uint64_t magnitude;
    if (!fq_str_to_u64(negative ? (fq_str){s.at + 1, s.len - 1} : s, &magnitude)) {
        return false;
    }
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

size_t fq_utf8_step(const char *at, size_t left) {
    const unsigned char *s = (const unsigned char *)at;
    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] < 0xC2 || s[0] > 0xF4) {
        return 0;
    }
    const size_t need = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (left < need) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    const bool outside = (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
    return overlong || outside ? 0 : need;
}

bool fq_utf8_valid(fq_str s, size_t *out_code_points) {
    size_t count = 0;
    for (size_t i = 0; i < s.len; count++) {
        const size_t step = fq_utf8_step(s.at + i, s.len - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    if (out_code_points) {
        *out_code_points = count;
    }
    return true;
}

fq_str fq_str_cut(fq_str s, size_t bytes_max) {
    if (s.len > bytes_max) {
        s.len = bytes_max;
        while (s.len > 0 && ((unsigned char)s.at[s.len] & 0xC0) == 0x80) {
            s.len--;
        }
    }
    return s;
}

unsigned fq_str_distance(fq_str a, fq_str b) {
    enum { LENGTH_MAX = 64 };
    if (a.len > LENGTH_MAX || b.len > LENGTH_MAX) {
        return LENGTH_MAX;
    }
    unsigned row[LENGTH_MAX + 1];
    for (unsigned j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            const unsigned above = row[j];
            const unsigned replaced = diagonal + (a.at[i - 1] != b.at[j - 1]);
            unsigned best = above < row[j - 1] ? above + 1 : row[j - 1] + 1;
            best = replaced < best ? replaced : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b.len];
}
