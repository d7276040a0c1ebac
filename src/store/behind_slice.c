// Slices as bytes. Knows no file.
#include "store/behind_slice.h"

#include "base/err.h"

#include <endian.h>
#include <stdlib.h>

enum { PAIR_BYTES_MAX = 20 };  // two LEB128 numbers of 64 bits

static int compare(index_pair a, index_pair b) {
    if (a.value != b.value) {
        return a.value < b.value ? -1 : 1;
    }
    return a.key < b.key ? -1 : a.key > b.key;
}

static int compare_at(const void *left, const void *right) {
    return compare(*(const index_pair *)left, *(const index_pair *)right);
}

void slice_sort(index_pair *pairs, size_t count) {
    if (count > 1) {
        qsort(pairs, count, sizeof(*pairs), compare_at);
    }
}

static size_t put_varint(char *at, uint64_t value) {
    size_t len = 0;
    while (value > 0x7F) {
        at[len++] = (char)((value & 0x7F) | 0x80);
        value >>= 7;
    }
    at[len++] = (char)value;
    return len;
}

static bool get_varint(const char **at, const char *end, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        const uint8_t byte = (uint8_t) * (*at)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

// Differences are taken modulo 2^64, so that any two numbers have one.
static uint64_t difference(int64_t a, int64_t b) {
    return (uint64_t)a - (uint64_t)b;
}

static uint64_t zigzag(uint64_t value) {
    return (value << 1) ^ (0 - (value >> 63));
}

static uint64_t unzigzag(uint64_t value) {
    return (value >> 1) ^ (0 - (value & 1));
}

size_t slice_chunk_write(const index_pair *pairs, size_t count, char out[SLICE_CHUNK_BYTES_MAX],
                         size_t *out_bytes) {
    FQ_ASSERT(count > 0);
    size_t taken = 1, len = 0;
    while (taken < count && taken < SLICE_CHUNK_PAIRS_MAX &&
           len + PAIR_BYTES_MAX <= SLICE_CHUNK_BYTES_MAX) {
        len += put_varint(out + len, difference(pairs[taken].value, pairs[taken - 1].value));
        len += put_varint(out + len, zigzag(difference(pairs[taken].key, pairs[taken - 1].key)));
        taken++;
    }
    *out_bytes = len;
    return taken;
}

bool slice_chunk_read(fq_str chunk, index_pair first, index_pair out[SLICE_CHUNK_PAIRS_MAX],
                      size_t *out_count) {
    const char *at = chunk.at, *end = chunk.at + chunk.len;
    size_t count = 0;
    out[count++] = first;
    while (at < end) {
        uint64_t value = 0, key = 0;
        if (count == SLICE_CHUNK_PAIRS_MAX || !get_varint(&at, end, &value) ||
            !get_varint(&at, end, &key)) {
            return false;
        }
        out[count].value = (int64_t)((uint64_t)out[count - 1].value + value);
        out[count].key = (int64_t)((uint64_t)out[count - 1].key + unzigzag(key));
        count++;
    }
    *out_count = count;
    return true;
}

void slice_directory_write(index_pair first, char out[SLICE_ENTRY_BYTES]) {
    const uint64_t numbers[2] = {htole64((uint64_t)first.value), htole64((uint64_t)first.key)};
    memcpy(out, numbers, SLICE_ENTRY_BYTES);
}

size_t slice_directory_count(fq_str directory) {
    return directory.len / SLICE_ENTRY_BYTES;
}

index_pair slice_directory_read(fq_str directory, size_t chunk) {
    uint64_t numbers[2];
    memcpy(numbers, directory.at + chunk * SLICE_ENTRY_BYTES, SLICE_ENTRY_BYTES);
    return (index_pair){(int64_t)le64toh(numbers[0]), (int64_t)le64toh(numbers[1])};
}

size_t slice_directory_find(fq_str directory, index_pair wanted) {
    size_t low = 0, high = slice_directory_count(directory);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare(slice_directory_read(directory, middle), wanted) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? low - 1 : SLICE_NOWHERE;
}
