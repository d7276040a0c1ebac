// Memory by lifetime.
#include "base/arena.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct fq_arena_chunk {
    fq_arena_chunk *next;
    size_t bytes;
    _Alignas(16) char data[];
};

enum { CHUNK_BYTES_MIN = 4096, KEPT_BYTES_MAX = 64 << 10, ALIGNMENT = 16 };

void fq_arena_init(fq_arena *arena, size_t bytes_max) {
    *arena = (fq_arena){.bytes_max = bytes_max, .bytes_kept_max = KEPT_BYTES_MAX};
}

size_t fq_array_bytes(size_t count, size_t size) {
    size_t bytes = 0;
    FQ_ASSERT(!__builtin_mul_overflow(count, size, &bytes));
    return bytes;
}

// Chunks double, so a large request makes few of them.
static void grow(fq_arena *arena, size_t bytes) {
    size_t chunk_bytes = arena->head ? arena->head->bytes * 2 : CHUNK_BYTES_MIN;
    if (chunk_bytes < bytes) {
        chunk_bytes = bytes;
    }
    fq_arena_chunk *chunk = malloc(sizeof(*chunk) + chunk_bytes);
    FQ_ASSERT(chunk != NULL);
    chunk->bytes = chunk_bytes;
    chunk->next = arena->head;
    arena->head = chunk;
    arena->at = chunk->data;
    arena->end = chunk->data + chunk_bytes;
}

void *fq_arena_alloc(fq_arena *arena, size_t bytes) {
    FQ_ASSERT(bytes <= arena->bytes_max);
    bytes = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    arena->bytes_used += bytes;
    FQ_ASSERT(arena->bytes_used <= arena->bytes_max + ALIGNMENT);
    if ((size_t)(arena->end - arena->at) < bytes) {
        grow(arena, bytes);
    }
    void *memory = arena->at;
    arena->at += bytes;
    memset(memory, 0, bytes);
    return memory;
}

void fq_arena_reset(fq_arena *arena) {
    fq_arena_chunk *kept = NULL;
    for (fq_arena_chunk *chunk = arena->head; chunk;) {
        fq_arena_chunk *next = chunk->next;
        // Chunks double: the first that is small enough is the largest that is.
        if (!kept && chunk->bytes <= arena->bytes_kept_max) {
            kept = chunk;
        } else {
            free(chunk);
        }
        chunk = next;
    }
    if (kept) {
        kept->next = NULL;
    }
    arena->head = kept;
    arena->at = kept ? kept->data : NULL;
    arena->end = kept ? kept->data + kept->bytes : NULL;
    arena->bytes_used = 0;
}

void fq_arena_free(fq_arena *arena) {
    fq_arena_reset(arena);
    free(arena->head);
    fq_arena_init(arena, arena->bytes_max);
}

void fq_arena_wipe(fq_arena *arena) {
    for (fq_arena_chunk *chunk = arena->head; chunk; chunk = chunk->next) {
        OPENSSL_cleanse(chunk->data, chunk->bytes);
    }
    fq_arena_reset(arena);
}

fq_str fq_arena_copy(fq_arena *arena, fq_str s) {
    return (fq_str){fq_arena_text(arena, s), s.len};
}

char *fq_arena_text(fq_arena *arena, fq_str s) {
    char *text = fq_arena_alloc(arena, s.len + 1);
    if (s.len > 0) {
        memcpy(text, s.at, s.len);
    }
    return text;
}

fq_str fq_arena_printf(fq_arena *arena, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    FQ_ASSERT(len >= 0);
    char *text = fq_arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (fq_str){text, (size_t)len};
}
