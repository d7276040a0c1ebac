// Text that grows up to a ceiling given at birth: answers, logs, signature bases.
#pragma once

#include "base/str.h"

typedef struct {
    char *at;
    size_t len, capacity, bytes_max;
    bool overflowed;  // something did not fit under the ceiling: the content must not be used
} fq_buffer;

void fq_buffer_init(fq_buffer *buffer, size_t bytes_max);
void fq_buffer_free(fq_buffer *buffer);
static inline void fq_buffer_clear(fq_buffer *buffer) {
    buffer->len = 0;
    buffer->overflowed = false;
}
static inline fq_str fq_buffer_str(const fq_buffer *buffer) {
    return (fq_str){buffer->at, buffer->len};
}
// Makes room for `bytes` more and returns where they go; NULL when the ceiling is reached. The
// caller adds to `len`.
char *fq_buffer_reserve(fq_buffer *buffer, size_t bytes);
void fq_buffer_add(fq_buffer *buffer, fq_str s);
void fq_buffer_add_char(fq_buffer *buffer, char c);
void fq_buffer_add_i64(fq_buffer *buffer, int64_t number);
void fq_buffer_printf(fq_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define FQ_ADD(buffer, literal) fq_buffer_add((buffer), FQ_STR(literal))
