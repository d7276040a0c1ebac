// Filters and tails.
#include "store/behind_memory.h"

#include "base/arena.h"

#include <stdlib.h>

enum { BITS_PER_KEY = 16, BLOCK_BITS = 256, TAIL_SLOTS_MIN = 1024, FILTERS_MIN = 16 };

typedef struct tail_slot {
    uint64_t hash;
    int64_t position;  // 0: empty
} tail_slot;

// --- filters ---

typedef struct {
    uint32_t words[FILTER_BLOCK_WORDS];
} block_mask;

// The hash may come from a cheap source; here all its bits count alike (the finalizer of
// SplitMix64).
static uint64_t mix(uint64_t hash) {
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94D049BB133111EB);
    return hash ^ (hash >> 31);
}

static block_mask mask_of(uint64_t mixed) {
    static const uint32_t salts[FILTER_BLOCK_WORDS] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU,
                                                       0xa2b7289dU, 0x705495c7U, 0x2df1424bU,
                                                       0x9efc4947U, 0x5c6bfb31U};
    block_mask mask;
    for (size_t i = 0; i < FILTER_BLOCK_WORDS; i++) {
        mask.words[i] = UINT32_C(1) << (((uint32_t)mixed * salts[i]) >> 27);
    }
    return mask;
}

static uint32_t *block_of(const slice_filter *filter, uint64_t mixed) {
    const uint64_t block = ((mixed >> 32) * filter->block_count) >> 32;
    return filter->words + block * FILTER_BLOCK_WORDS;
}

static void take_blocks(slice_filter *filter, size_t blocks) {
    FQ_ASSERT(blocks > 0 && blocks <= UINT32_MAX);
    // A block in one line of the processor's cache: that is the point of blocks.
    filter->words =
        aligned_alloc(64, (fq_array_bytes(blocks, FILTER_BLOCK_BYTES) + 63) & ~(size_t)63);
    FQ_ASSERT(filter->words != NULL);
    memset(filter->words, 0, blocks * FILTER_BLOCK_BYTES);
    filter->block_count = (uint32_t)blocks;
}

void filter_make(slice_filter *filter, size_t count) {
    take_blocks(filter, (count * BITS_PER_KEY + BLOCK_BITS - 1) / BLOCK_BITS + 1);
}

fq_str filter_bytes(const slice_filter *filter) {
    return (fq_str){(const char *)filter->words, (size_t)filter->block_count * FILTER_BLOCK_BYTES};
}

bool filter_read(slice_filter *filter, fq_str bytes) {
    if (bytes.len == 0 || bytes.len % FILTER_BLOCK_BYTES != 0) {
        return false;
    }
    take_blocks(filter, bytes.len / FILTER_BLOCK_BYTES);
    memcpy(filter->words, bytes.at, bytes.len);
    return true;
}

void filter_free(slice_filter *filter) {
    free(filter->words);
    filter->words = NULL;
}

void filter_add(slice_filter *filter, uint64_t hash) {
    const uint64_t mixed = mix(hash);
    const block_mask mask = mask_of(mixed);
    uint32_t *block = block_of(filter, mixed);
    for (size_t i = 0; i < FILTER_BLOCK_WORDS; i++) {
        block[i] |= mask.words[i];
    }
}

static bool block_has(const uint32_t *block, const block_mask *mask) {
    uint32_t missing = 0;
    for (size_t i = 0; i < FILTER_BLOCK_WORDS; i++) {
        missing |= mask->words[i] & ~block[i];
    }
    return missing == 0;
}

size_t memory_seek_filters(const hash_memory *memory, uint64_t hash, int64_t *out,
                           size_t slices_max) {
    const uint64_t mixed = mix(hash);
    const block_mask mask = mask_of(mixed);
    size_t count = 0;
    // Each filter costs a trip to main memory; asked for together, the trips overlap.
    for (size_t i = memory->filter_count; i > 0; i--) {
        __builtin_prefetch(block_of(&memory->filters[i - 1], mixed));
    }
    for (size_t i = memory->filter_count; i > 0 && count < slices_max; i--) {
        if (block_has(block_of(&memory->filters[i - 1], mixed), &mask)) {
            out[count++] = memory->filters[i - 1].slice;
        }
    }
    return count;
}

// --- tails ---

static tail_slot *take_slots(size_t count) {
    tail_slot *slots = calloc(count, sizeof(*slots));
    FQ_ASSERT(slots != NULL);
    return slots;
}

hash_tail *tail_make(void) {
    hash_tail *tail = calloc(1, sizeof(*tail));
    FQ_ASSERT(tail != NULL);
    tail->slots = take_slots(TAIL_SLOTS_MIN);
    tail->slot_count = TAIL_SLOTS_MIN;
    return tail;
}

void tail_free(hash_tail *tail) {
    free(tail->slots);
    free(tail);
}

static void put(tail_slot *slots, size_t slot_count, tail_slot slot) {
    size_t at = mix(slot.hash) & (slot_count - 1);
    while (slots[at].position != 0) {
        at = (at + 1) & (slot_count - 1);
    }
    slots[at] = slot;
}

void tail_add(hash_tail *tail, uint64_t hash, int64_t position) {
    FQ_ASSERT(position > 0);
    if (tail->used * 3 >= tail->slot_count * 2) {
        tail_slot *slots = take_slots(tail->slot_count * 2);
        for (size_t i = 0; i < tail->slot_count; i++) {
            if (tail->slots[i].position != 0) {
                put(slots, tail->slot_count * 2, tail->slots[i]);
            }
        }
        free(tail->slots);
        tail->slots = slots;
        tail->slot_count *= 2;
    }
    put(tail->slots, tail->slot_count, (tail_slot){hash, position});
    tail->used++;
    if (position > tail->to_key) {
        tail->to_key = position;
    }
}

static int newest_first(const void *left, const void *right) {
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a > b ? -1 : a < b;
}

size_t memory_seek_tails(const hash_memory *memory, uint64_t hash, int64_t *out,
                         size_t positions_max) {
    const uint64_t mixed = mix(hash);
    size_t count = 0;
    for (const hash_tail *tail = memory->tails; tail; tail = tail->older) {
        size_t at = mixed & (tail->slot_count - 1);
        for (; tail->slots[at].position != 0 && count < positions_max;
             at = (at + 1) & (tail->slot_count - 1)) {
            if (tail->slots[at].hash == hash) {
                out[count++] = tail->slots[at].position;
            }
        }
    }
    qsort(out, count, sizeof(*out), newest_first);
    return count;
}

// --- all of one table ---

void memory_free(hash_memory *memory) {
    while (memory->tails) {
        hash_tail *tail = memory->tails;
        memory->tails = tail->older;
        tail_free(tail);
    }
    for (size_t i = 0; i < memory->filter_count; i++) {
        filter_free(&memory->filters[i]);
    }
    free(memory->filters);
    *memory = (hash_memory){0};
}

void memory_start_tail(hash_memory *memory) {
    hash_tail *tail = tail_make();
    tail->older = memory->tails;
    memory->tails = tail;
}

void memory_add_filter(hash_memory *memory, const slice_filter *filter) {
    if (memory->filter_count == memory->filter_capacity) {
        memory->filter_capacity =
            memory->filter_capacity ? memory->filter_capacity * 2 : FILTERS_MIN;
        memory->filters =
            realloc(memory->filters, fq_array_bytes(memory->filter_capacity, sizeof(slice_filter)));
        FQ_ASSERT(memory->filters != NULL);
    }
    memory->filters[memory->filter_count++] = *filter;
    for (hash_tail **at = &memory->tails; *at;) {
        hash_tail *tail = *at;
        // The newest is never forgotten: rows are still added to it.
        if (at != &memory->tails && tail->to_key <= filter->to_key) {
            *at = tail->older;
            tail_free(tail);
        } else {
            at = &tail->older;
        }
    }
}

void memory_forget_before(hash_memory *memory, int64_t position) {
    size_t gone = 0;
    while (gone < memory->filter_count && memory->filters[gone].to_key < position) {
        filter_free(&memory->filters[gone++]);
    }
    if (gone == 0) {
        return;
    }
    memory->filter_count -= gone;
    memmove(memory->filters, memory->filters + gone, memory->filter_count * sizeof(slice_filter));
}
