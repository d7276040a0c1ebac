// Text that grows up to a ceiling.
#include "base/buffer.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fq_buffer_init(fq_buffer *buffer, size_t bytes_max) {
    *buffer = (fq_buffer){.bytes_max = bytes_max};
}

void fq_buffer_free(fq_buffer *buffer) {
    free(buffer->at);
    fq_buffer_init(buffer, buffer->bytes_max);
}

char *fq_buffer_reserve(fq_buffer *buffer, size_t bytes) {
    if (bytes > buffer->bytes_max - buffer->len) {
        buffer->overflowed = true;
        return NULL;
    }
    if (!buffer->at || buffer->capacity - buffer->len < bytes) {
        size_t capacity = buffer->capacity ? buffer->capacity * 2 : 512;
        if (capacity < buffer->len + bytes) {
            capacity = buffer->len + bytes;
        }
        char *at = realloc(buffer->at, capacity);
        FQ_ASSERT(at != NULL);
        buffer->at = at;
        buffer->capacity = capacity;
    }
    return buffer->at + buffer->len;
}

void fq_buffer_add(fq_buffer *buffer, fq_str s) {
    char *at = fq_buffer_reserve(buffer, s.len);
    if (at && s.len > 0) {
        memcpy(at, s.at, s.len);
        buffer->len += s.len;
    }
}

void fq_buffer_add_char(fq_buffer *buffer, char c) {
    fq_buffer_add(buffer, (fq_str){&c, 1});
}

void fq_buffer_add_i64(fq_buffer *buffer, int64_t number) {
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    if (number < 0) {
        fq_buffer_add_char(buffer, '-');
    }
    fq_buffer_add(buffer, (fq_str){digits + at, sizeof(digits) - at});
}

void fq_buffer_printf(fq_buffer *buffer, const char *format, ...) {
    char small[256];
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int len = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    FQ_ASSERT(len >= 0);
    if ((size_t)len < sizeof(small)) {
        fq_buffer_add(buffer, (fq_str){small, (size_t)len});
    } else {
        char *at = fq_buffer_reserve(buffer, (size_t)len + 1);
        if (at) {
            vsnprintf(at, (size_t)len + 1, format, again);
            buffer->len += (size_t)len;
        }
    }
    va_end(again);
}
