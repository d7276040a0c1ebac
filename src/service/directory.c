// The API keys that callers were seen with lately.
#include "service/directory.h"

#include "base/clock.h"
#include "base/random.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    SLOTS = 4096,
    WAYS = 4
};  // a key has WAYS places to be in; the one asked longest ago gives way

struct fq_known_key {
    uint64_t id;         // or the first bytes of a token's hash
    fq_hash token_hash;  // of bearer keys found by token
    fq_hash material;    // what the verifier was made of, hashed
    bool by_token, exists, revoked;
    fq_caller caller;
    fq_verify_key *verifier;
    int64_t believed_until_ms;
    atomic_int_least64_t arrival_ns;  // GCRA: when the next request would be on time
    atomic_int holders;               // the directory is one
};

// Keys that are none have places of their own: whoever asks for many of them would else push out
// those that are, and with a key what its limit has counted. For the same reason nobody can tell
// which keys meet in one row.
struct fq_directory {
    int64_t believed_ms;
    uint64_t seed;
    pthread_mutex_t lock;
    fq_known_key *slots[SLOTS][WAYS], *strangers[SLOTS][WAYS];
};

fq_directory *fq_directory_make(int64_t believed_ms) {
    fq_directory *directory = calloc(1, sizeof(*directory));
    FQ_ASSERT(directory != NULL);
    directory->believed_ms = believed_ms;
    fq_random(&directory->seed, sizeof(directory->seed));
    pthread_mutex_init(&directory->lock, NULL);
    return directory;
}

void fq_directory_release(fq_directory *directory, fq_known_key *key) {
    (void)directory;
    if (key && atomic_fetch_sub(&key->holders, 1) == 1) {
        fq_verify_key_free(key->verifier);
        free(key);
    }
}

void fq_directory_free(fq_directory *directory) {
    if (!directory) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        for (size_t way = 0; way < WAYS; way++) {
            fq_directory_release(directory, directory->slots[i][way]);
            fq_directory_release(directory, directory->strangers[i][way]);
        }
    }
    pthread_mutex_destroy(&directory->lock);
    free(directory);
}

static uint64_t token_id(const fq_hash *hash) {
    uint64_t id;
    memcpy(&id, hash->bytes, sizeof(id));
    return id;
}

static fq_known_key **row_of(fq_directory *directory, uint64_t id, bool exists) {
    // Mixed twice: after one multiplication alone, neighbours by difference would stay neighbours.
    uint64_t mixed = (id ^ directory->seed) * UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 32 ^ directory->seed) * UINT64_C(0xD6E8FEB86659FD93);
    return (exists ? directory->slots : directory->strangers)[mixed >> 52];
}

static bool is(const fq_known_key *key, uint64_t id, const fq_hash *token_hash) {
    return key && key->id == id && key->by_token == (token_hash != NULL) &&
           (!token_hash || fq_equal_secret(fq_hash_str(&key->token_hash), fq_hash_str(token_hash)));
}

static fq_known find(fq_directory *directory, uint64_t id, const fq_hash *token_hash,
                     fq_known_key **out) {
    fq_known known = FQ_KEY_ASK;
    const int64_t now_ms = fq_monotonic_ms();
    pthread_mutex_lock(&directory->lock);
    fq_known_key **rows[] = {row_of(directory, id, true), row_of(directory, id, false)};
    for (size_t i = 0; i < 2 * (size_t)WAYS; i++) {
        fq_known_key *key = rows[i / WAYS][i % WAYS];
        if (!is(key, id, token_hash) || key->believed_until_ms < now_ms) {
            continue;
        }
        known = !key->exists ? FQ_KEY_NONE : key->revoked ? FQ_KEY_REVOKED_KEY : FQ_KEY_ACTIVE_KEY;
        if (known == FQ_KEY_ACTIVE_KEY) {
            atomic_fetch_add(&key->holders, 1);
            *out = key;
        }
        break;
    }
    pthread_mutex_unlock(&directory->lock);
    return known;
}

fq_known fq_directory_find(fq_directory *directory, uint64_t id, fq_known_key **out) {
    return find(directory, id, NULL, out);
}

fq_known fq_directory_find_token(fq_directory *directory, const fq_hash *token_hash,
                                 fq_known_key **out) {
    return find(directory, token_id(token_hash), token_hash, out);
}

static fq_known_key *make(uint64_t id, const fq_hash *token_hash, const fq_key_record *record,
                          int64_t until_ms) {
    fq_known_key *key = calloc(1, sizeof(*key));
    FQ_ASSERT(key != NULL);
    key->id = id;
    key->by_token = token_hash != NULL;
    if (token_hash) {
        key->token_hash = *token_hash;
    }
    key->material = fq_sha256_of(record->material);
    key->exists = record->exists;
    key->revoked = record->revoked;
    key->caller = (fq_caller){record->id, record->root, record->scope, record->user};
    key->believed_until_ms = until_ms;
    atomic_init(&key->holders, 1);
    if (record->exists && !record->revoked) {
        const bool pair = fq_algorithm_uses_pair(record->algorithm);
        const fq_err err =
            pair ? fq_verify_key_from_pem(record->algorithm, record->material, NULL, &key->verifier)
                 : fq_verify_key_from_secret(record->algorithm, record->material, NULL,
                                             &key->verifier);
        key->exists = !err.code;
    }
    return key;
}

// Where the key goes: its old place, an empty one, or that of the one which was asked longest ago.
static fq_known_key **place(fq_known_key **row, uint64_t id, const fq_hash *token_hash) {
    fq_known_key **best = &row[0];
    for (size_t way = 0; way < WAYS; way++) {
        if (is(row[way], id, token_hash)) {
            return &row[way];
        }
        if (*best && (!row[way] || row[way]->believed_until_ms < (*best)->believed_until_ms)) {
            best = &row[way];
        }
    }
    return best;
}

// Most keys come back as they were: they are believed on, and no public key is parsed anew.
static bool renew(fq_directory *directory, uint64_t id, const fq_hash *token_hash,
                  const fq_key_record *record, int64_t until_ms) {
    const fq_hash material = fq_sha256_of(record->material);
    bool renewed = false;
    pthread_mutex_lock(&directory->lock);
    fq_known_key *key = *place(row_of(directory, id, true), id, token_hash);
    if (is(key, id, token_hash) && key->exists && !key->revoked && record->exists &&
        !record->revoked && key->caller.root.v == record->root.v &&
        key->caller.scope == record->scope && key->caller.user.v == record->user.v &&
        fq_equal_secret(fq_hash_str(&key->material), fq_hash_str(&material))) {
        key->believed_until_ms = until_ms;
        renewed = true;
    }
    pthread_mutex_unlock(&directory->lock);
    return renewed;
}

void fq_directory_put(fq_directory *directory, uint64_t id, const fq_hash *token_hash,
                      const fq_key_record *record) {
    if (token_hash) {
        id = token_id(token_hash);
    }
    const int64_t until_ms = fq_monotonic_ms() + directory->believed_ms;
    if (renew(directory, id, token_hash, record, until_ms)) {
        return;
    }
    fq_known_key *key = make(id, token_hash, record, until_ms);
    pthread_mutex_lock(&directory->lock);
    fq_known_key **at = place(row_of(directory, id, key->exists), id, token_hash);
    fq_known_key *old = *at;
    if (is(old, id, token_hash)) {
        atomic_store(&key->arrival_ns, atomic_load(&old->arrival_ns));
    }
    *at = key;
    pthread_mutex_unlock(&directory->lock);
    fq_directory_release(directory, old);
}

const fq_verify_key *fq_known_key_verifier(const fq_known_key *key) {
    return key->verifier;
}

fq_caller fq_known_key_caller(const fq_known_key *key) {
    return key->caller;
}

bool fq_known_key_take(fq_known_key *key, int64_t per_second, int64_t burst, int64_t now_ns,
                       int64_t *out_wait_ns) {
    const int64_t step_ns = INT64_C(1000000000) / per_second;
    const int64_t allowance_ns = step_ns * burst;
    int64_t arrival_ns = atomic_load(&key->arrival_ns);
    for (;;) {
        const int64_t begin_ns = arrival_ns > now_ns ? arrival_ns : now_ns;
        if (begin_ns - now_ns > allowance_ns) {
            *out_wait_ns = begin_ns - now_ns - allowance_ns;
            return false;
        }
        if (atomic_compare_exchange_weak(&key->arrival_ns, &arrival_ns, begin_ns + step_ns)) {
            return true;
        }
    }
}
