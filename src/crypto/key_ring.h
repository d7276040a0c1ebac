// The inside of a key ring, for key_ring.c and envelope.c only.
#pragma once

#include "crypto/envelope.h"

#include <pthread.h>

// What was derived of one data key: a key for each purpose, of the data key's own size.
typedef struct {
    uint32_t id;
    size_t bytes;
    uint8_t purposes[FQ_PURPOSE_COUNT][32];
} ring_data_key;

typedef struct {
    uint32_t id;
    uint8_t root[32];
} ring_index_key;

struct fq_keyring {
    uint8_t wrapping[32];
    pthread_rwlock_t lock;  // over all below; `seals` is counted under the read lock
    ring_data_key data[FQ_KEYRING_KEYS_MAX];
    ring_index_key index[FQ_KEYRING_KEYS_MAX];
    size_t data_count, index_count;
    uint32_t current[3];  // [fq_wrapped_kind]
    _Atomic uint64_t seals;
};

void ring_read(fq_keyring *ring);
void ring_write(fq_keyring *ring);
void ring_leave(fq_keyring *ring);
// NULL when there is none of that id. Only between ring_read and ring_leave.
const ring_data_key *ring_find_data(const fq_keyring *ring, uint32_t id);

static inline fq_str ring_key(const ring_data_key *key, fq_purpose purpose) {
    return (fq_str){(const char *)key->purposes[purpose], key->bytes};
}

static inline void put_u32(uint8_t out[4], uint32_t number) {
    out[0] = (uint8_t)(number >> 24);
    out[1] = (uint8_t)(number >> 16);
    out[2] = (uint8_t)(number >> 8);
    out[3] = (uint8_t)number;
}

static inline uint32_t get_u32(const char *at) {
    const uint8_t *bytes = (const uint8_t *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}
