// Views of text: a pointer and a length, no NUL. A view lives as long as the buffer it looks into.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const char *at;
    size_t len;
} fq_str;

// A view of a literal.
#define FQ_STR(literal) ((fq_str){"" literal, sizeof(literal) - 1})
// For printf's "%.*s".
#define FQ_STR_ARGS(s) (int)(s).len, (s).at

static inline fq_str fq_str_of(const char *text) {
    return (fq_str){text, text ? strlen(text) : 0};
}

static inline bool fq_str_equal(fq_str a, fq_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

// ASCII letters compare without regard to case (field names, hosts).
bool fq_str_equal_nocase(fq_str a, fq_str b);

static inline bool fq_str_starts(fq_str s, fq_str prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

// Without the spaces and tabs at both ends.
fq_str fq_str_trim(fq_str s);

// Digits only, no sign, no leading zero but "0" itself. False on anything else or overflow.
bool fq_str_to_u64(fq_str s, uint64_t *out);

// As above with an optional leading '-'.
bool fq_str_to_i64(fq_str s, int64_t *out);

// How many bytes the code point at `at` takes, of which `left` > 0 are there; 0 when it is not
// well-formed UTF-8 (RFC 3629 section 4).
size_t fq_utf8_step(const char *at, size_t left);

// Is it well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF)? Stores
// the number of code points where `out_code_points` is not NULL.
bool fq_utf8_valid(fq_str s, size_t *out_code_points);

// The beginning of well-formed UTF-8, `bytes_max` bytes at most, cut between code points.
fq_str fq_str_cut(fq_str s, size_t bytes_max);

// How far `a` is from `b` in single edits, for "did you mean". Strings over 64 bytes are far.
unsigned fq_str_distance(fq_str a, fq_str b);
