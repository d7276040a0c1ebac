// Memory by lifetime: what lives as long as a request (or a batch) comes from its arena and is
// freed whole.
#pragma once

#include "base/err.h"
#include "base/str.h"

typedef struct fq_arena_chunk fq_arena_chunk;

typedef struct {
    fq_arena_chunk *head;
    char *at, *end;
    size_t bytes_used, bytes_max;
    size_t bytes_kept_max;  // the largest chunk that outlives a reset
} fq_arena;

// Makes an empty arena that grows up to `bytes_max`; no memory is taken yet.
void fq_arena_init(fq_arena *arena, size_t bytes_max);
// Zeroed memory aligned to 16 bytes. Never NULL: past `bytes_max` or out of memory the process
// stops, because every caller has bounded its input first (a limit reached here is our mistake).
void *fq_arena_alloc(fq_arena *arena, size_t bytes) __attribute__((malloc, returns_nonnull));
// Forgets everything and keeps one chunk for the next request: the largest of at most
// bytes_kept_max (64 KiB at first).
void fq_arena_reset(fq_arena *arena);
// Gives all memory back.
void fq_arena_free(fq_arena *arena);
// Wipes what was used, then resets: for arenas that held secrets.
void fq_arena_wipe(fq_arena *arena);

fq_str fq_arena_copy(fq_arena *arena, fq_str s);
// NUL-terminated.
char *fq_arena_text(fq_arena *arena, fq_str s);
fq_str fq_arena_printf(fq_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define FQ_NEW(arena, type) ((type *)fq_arena_alloc((arena), sizeof(type)))
#define FQ_NEW_ARRAY(arena, type, count) \
    ((type *)fq_arena_alloc((arena), fq_array_bytes((count), sizeof(type))))
// count * size, or the process stops on overflow.
size_t fq_array_bytes(size_t count, size_t size);
