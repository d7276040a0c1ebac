// Nonces as 48-bit marks in hash tables, one for each of 64 locks. No text is kept.
//
// A slot is eight bytes: the mark and the low 16 bits of the second until which it counts. A mark
// may lie in either of two buckets of eight slots, one cache line each, and goes into the emptier
// one; when both are full the table doubles. Two different nonces of one lock look alike once in
// 2^48: the caller signs again. The marks are keyed with a random number, so nobody can choose
// them.
#include "crypto/nonce_cache.h"

#include "base/random.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    SHARD_BITS = 6,
    SHARDS = 1 << SHARD_BITS,
    BUCKET_SLOTS = 8,
    BUCKET_BITS_MIN = 5,
    BUCKET_BITS_MAX = 24,  // two bucket numbers out of one mark
    KEEP_S_MAX = 600,
    SWEEP_S =
        8192,  // every slot is looked at this often at least: well before its 16 bits come round
};

typedef uint64_t slot;  // 0 is empty

typedef struct {
    _Alignas(64) slot slots[BUCKET_SLOTS];
} bucket;

typedef struct {
    _Alignas(64) pthread_mutex_t lock;
    bucket *buckets;  // NULL before the first nonce
    unsigned bucket_bits;
    size_t sweep_at, sweep_live;  // the next bucket to clean, and what lived in those before it
    int64_t last_s;
} shard;

struct fq_nonce_cache {
    uint64_t key[2];
    size_t shard_bytes_max;
    shard shards[SHARDS];
};

static uint64_t rotate(uint64_t x, unsigned by) {
    return x << by | x >> (64 - by);
}

// SipHash-2-4 (Aumasson and Bernstein), in pieces.
typedef struct {
    uint64_t v[4];
} sip;

static void sip_round(sip *s) {
    s->v[0] += s->v[1];
    s->v[1] = rotate(s->v[1], 13) ^ s->v[0];
    s->v[0] = rotate(s->v[0], 32);
    s->v[2] += s->v[3];
    s->v[3] = rotate(s->v[3], 16) ^ s->v[2];
    s->v[0] += s->v[3];
    s->v[3] = rotate(s->v[3], 21) ^ s->v[0];
    s->v[2] += s->v[1];
    s->v[1] = rotate(s->v[1], 17) ^ s->v[2];
    s->v[2] = rotate(s->v[2], 32);
}

static void sip_word(sip *s, uint64_t word) {
    s->v[3] ^= word;
    sip_round(s);
    sip_round(s);
    s->v[0] ^= word;
}

// The text's words, the last one filled up with its length, so that two texts in a row cannot run
// together.
static void sip_text(sip *s, fq_str text) {
    uint64_t word = 0;
    size_t i = 0;
    for (; i + sizeof(word) <= text.len; i += sizeof(word)) {
        memcpy(&word, text.at + i, sizeof(word));
        sip_word(s, word);
    }
    word = 0;
    memcpy(&word, text.at + i, text.len - i);
    sip_word(s, word | (uint64_t)(uint8_t)text.len << 56);
}

static uint64_t hash_of(const fq_nonce_cache *cache, fq_str keyid, fq_str nonce) {
    sip s = {{cache->key[0] ^ UINT64_C(0x736f6d6570736575),
              cache->key[1] ^ UINT64_C(0x646f72616e646f6d),
              cache->key[0] ^ UINT64_C(0x6c7967656e657261),
              cache->key[1] ^ UINT64_C(0x7465646279746573)}};
    sip_text(&s, keyid);
    sip_text(&s, nonce);
    s.v[2] ^= 0xFF;
    for (int i = 0; i < 4; i++) {
        sip_round(&s);
    }
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

static uint64_t mark_of(slot s) {
    return s >> 16;
}

// Not past yet: a difference of 16 bits, good for nine hours either way. A clock that steps back
// forgets nothing.
static bool is_live(slot s, int64_t now_s) {
    return s != 0 && (uint16_t)((uint16_t)s - (uint16_t)now_s) < 0x8000;
}

static size_t bucket_bytes(unsigned bits) {
    return sizeof(bucket) << bits;
}

static bucket *first_bucket(const shard *table, uint64_t mark) {
    return &table->buckets[mark & (((uint64_t)1 << table->bucket_bits) - 1)];
}

// Never the first one: a mark with one bucket only would find it full long before the table is.
static bucket *second_bucket(const shard *table, uint64_t mark) {
    const uint64_t mask = ((uint64_t)1 << table->bucket_bits) - 1;
    const uint64_t at = mark >> 24 & mask;
    return &table->buckets[at ^ (at == (mark & mask))];
}

// How many live slots it has; a free one, if any, is stored.
static unsigned look(bucket *in, int64_t now_s, slot **out_free) {
    unsigned live = 0;
    *out_free = NULL;
    for (size_t i = 0; i < BUCKET_SLOTS; i++) {
        if (is_live(in->slots[i], now_s)) {
            live++;
        } else {
            *out_free = &in->slots[i];
        }
    }
    return live;
}

static bool place(const shard *table, slot new_slot, int64_t now_s) {
    slot *free_first, *free_second;
    const unsigned live_first = look(first_bucket(table, mark_of(new_slot)), now_s, &free_first);
    const unsigned live_second = look(second_bucket(table, mark_of(new_slot)), now_s, &free_second);
    slot *chosen = live_first <= live_second ? free_first : free_second;
    if (chosen) {
        *chosen = new_slot;
    }
    return chosen != NULL;
}

static bool holds(const bucket *in, uint64_t mark, int64_t now_s) {
    for (size_t i = 0; i < BUCKET_SLOTS; i++) {
        if (mark_of(in->slots[i]) == mark && is_live(in->slots[i], now_s)) {
            return true;
        }
    }
    return false;
}

static bucket *new_buckets(unsigned bits) {
    bucket *buckets = aligned_alloc(sizeof(bucket), bucket_bytes(bits));
    if (buckets) {
        memset(buckets, 0, bucket_bytes(bits));
    }
    return buckets;
}

// Moves what is live to a table of another size. False, and nothing changed, when it does not fit.
static bool resize(shard *table, unsigned bits, int64_t now_s) {
    shard fresh = {.buckets = new_buckets(bits), .bucket_bits = bits};
    if (!fresh.buckets) {
        return false;
    }
    const size_t count = table->buckets ? (size_t)1 << table->bucket_bits : 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < BUCKET_SLOTS; j++) {
            const slot s = table->buckets[i].slots[j];
            if (is_live(s, now_s) && !place(&fresh, s, now_s)) {
                free(fresh.buckets);
                return false;
            }
        }
    }
    free(table->buckets);
    table->buckets = fresh.buckets;
    table->bucket_bits = bits;
    table->sweep_at = 0;
    table->sweep_live = 0;
    return true;
}

// Empties what has run out, some buckets a call, and halves the table when a whole round found it
// nearly empty.
static void sweep(shard *table, int64_t now_s) {
    const size_t count = (size_t)1 << table->bucket_bits;
    const int64_t idle_s = now_s > table->last_s ? now_s - table->last_s : 0;
    // Once round is enough, however long nobody called (the first call comes after a long time).
    size_t todo = 1 + count * (size_t)(idle_s < SWEEP_S ? idle_s : SWEEP_S) / SWEEP_S;
    for (; todo > 0; todo--) {
        bucket *in = &table->buckets[table->sweep_at];
        for (size_t i = 0; i < BUCKET_SLOTS; i++) {
            const bool live = is_live(in->slots[i], now_s);
            in->slots[i] = live ? in->slots[i] : 0;
            table->sweep_live += live;
        }
        if (++table->sweep_at == count) {
            const bool sparse = table->sweep_live < count * BUCKET_SLOTS / 8;
            table->sweep_at = 0;
            table->sweep_live = 0;
            if (sparse && table->bucket_bits > BUCKET_BITS_MIN) {
                (void)resize(table, table->bucket_bits - 1, now_s);
                return;
            }
        }
    }
}

// A table that nobody asked for so long that all of it has run out goes back to the system.
static void drop_if_idle(shard *table, int64_t now_s) {
    if (table->buckets && now_s - table->last_s > KEEP_S_MAX) {
        free(table->buckets);
        table->buckets = NULL;
    }
}

static fq_err insert(const fq_nonce_cache *cache, shard *table, slot new_slot, int64_t now_s) {
    drop_if_idle(table, now_s);
    if (!table->buckets && !resize(table, BUCKET_BITS_MIN, now_s)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    const uint64_t mark = mark_of(new_slot);
    if (holds(first_bucket(table, mark), mark, now_s) ||
        holds(second_bucket(table, mark), mark, now_s)) {
        return fq_refuse(FQ_NONCE_REUSED, NULL);
    }
    sweep(table, now_s);
    table->last_s = now_s > table->last_s ? now_s : table->last_s;
    while (!place(table, new_slot, now_s)) {
        // What does not fit into a table of twice the size, by bad luck, fits into the next one.
        unsigned bits = table->bucket_bits;
        do {
            bits++;
            if (bits > BUCKET_BITS_MAX || bucket_bytes(bits) > cache->shard_bytes_max) {
                return fq_refuse(FQ_UNAVAILABLE, NULL);
            }
        } while (!resize(table, bits, now_s));
    }
    return FQ_OK;
}

fq_err fq_nonce_insert(fq_nonce_cache *cache, fq_str keyid, fq_str nonce, int64_t keep_until_s,
                       int64_t now_s) {
    // The clock may have ticked, or stepped, since the signature was checked.
    if (keep_until_s < now_s) {
        keep_until_s = now_s;
    } else if (keep_until_s - now_s > KEEP_S_MAX) {
        keep_until_s = now_s + KEEP_S_MAX;
    }
    const uint64_t hash = hash_of(cache, keyid, nonce);
    const uint64_t low = hash & (((uint64_t)1 << 48) - 1);
    const uint64_t mark = low + (low == 0);  // so that no slot in use is 0
    shard *table = &cache->shards[hash >> (64 - SHARD_BITS)];
    FQ_ASSERT(pthread_mutex_lock(&table->lock) == 0);
    const fq_err err = insert(cache, table, mark << 16 | (uint16_t)keep_until_s, now_s);
    FQ_ASSERT(pthread_mutex_unlock(&table->lock) == 0);
    return err;
}

fq_nonce_cache *fq_nonce_cache_new(size_t bytes_max) {
    fq_nonce_cache *cache = aligned_alloc(_Alignof(fq_nonce_cache), sizeof(*cache));
    FQ_ASSERT(cache != NULL);
    memset(cache, 0, sizeof(*cache));
    fq_random(cache->key, sizeof(cache->key));
    cache->shard_bytes_max = bytes_max / SHARDS;
    FQ_ASSERT(cache->shard_bytes_max >= bucket_bytes(BUCKET_BITS_MIN));
    for (size_t i = 0; i < SHARDS; i++) {
        FQ_ASSERT(pthread_mutex_init(&cache->shards[i].lock, NULL) == 0);
    }
    return cache;
}

void fq_nonce_cache_free(fq_nonce_cache *cache) {
    if (!cache) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&cache->shards[i].lock);
        free(cache->shards[i].buckets);
    }
    free(cache);
}

void fq_nonce_cache_tidy(fq_nonce_cache *cache, int64_t now_s) {
    for (size_t i = 0; i < SHARDS; i++) {
        FQ_ASSERT(pthread_mutex_lock(&cache->shards[i].lock) == 0);
        drop_if_idle(&cache->shards[i], now_s);
        FQ_ASSERT(pthread_mutex_unlock(&cache->shards[i].lock) == 0);
    }
}

size_t fq_nonce_cache_bytes(fq_nonce_cache *cache) {
    size_t bytes = sizeof(*cache);
    for (size_t i = 0; i < SHARDS; i++) {
        FQ_ASSERT(pthread_mutex_lock(&cache->shards[i].lock) == 0);
        bytes += cache->shards[i].buckets ? bucket_bytes(cache->shards[i].bucket_bits) : 0;
        FQ_ASSERT(pthread_mutex_unlock(&cache->shards[i].lock) == 0);
    }
    return bytes;
}
