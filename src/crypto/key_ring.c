// Data keys in memory: made, wrapped, unwrapped, rotated. Encrypts nothing but keys.
#include "crypto/key_ring.h"

#include "base/random.h"
#include "crypto/gcm.h"

#include <stdlib.h>

enum { WRAPPED_VERSION = 1, HEADER_BYTES = 7 };

static const char *const purpose_labels[FQ_PURPOSE_COUNT] = {
#define X(name, label) [FQ_PURPOSE_##name] = label,
    FQ_PURPOSES(X)
#undef X
};

static fq_str bytes_of(const uint8_t *at, size_t bytes) {
    return (fq_str){(const char *)at, bytes};
}

void ring_read(fq_keyring *ring) {
    FQ_ASSERT(pthread_rwlock_rdlock(&ring->lock) == 0);
}

void ring_write(fq_keyring *ring) {
    FQ_ASSERT(pthread_rwlock_wrlock(&ring->lock) == 0);
}

void ring_leave(fq_keyring *ring) {
    FQ_ASSERT(pthread_rwlock_unlock(&ring->lock) == 0);
}

const ring_data_key *ring_find_data(const fq_keyring *ring, uint32_t id) {
    for (size_t i = 0; i < ring->data_count; i++) {
        if (ring->data[i].id == id) {
            return &ring->data[i];
        }
    }
    return NULL;
}

static void derive_wrapping(const fq_master_key *master, uint8_t out[32]) {
    fq_hkdf(bytes_of(master->bytes, sizeof(master->bytes)), FQ_STR("feiqian wrap v1"), out, 32);
}

fq_keyring *fq_keyring_new(const fq_master_key *master) {
    fq_keyring *ring = calloc(1, sizeof(*ring));
    FQ_ASSERT(ring && pthread_rwlock_init(&ring->lock, NULL) == 0);
    derive_wrapping(master, ring->wrapping);
    return ring;
}

void fq_keyring_free(fq_keyring *ring) {
    if (ring) {
        pthread_rwlock_destroy(&ring->lock);
        fq_wipe(ring, sizeof(*ring));
        free(ring);
    }
}

// What a wrapped key says of itself; authenticated by the wrap.
typedef struct {
    fq_wrapped_kind kind;
    uint32_t id;
    size_t key_bytes;
} wrapped_header;

static void write_header(wrapped_header header, uint8_t out[HEADER_BYTES]) {
    out[0] = WRAPPED_VERSION;
    out[1] = (uint8_t)header.kind;
    put_u32(out + 2, header.id);
    out[6] = (uint8_t)header.key_bytes;
}

static bool read_header(fq_str wrapped, wrapped_header *out) {
    if (wrapped.len < HEADER_BYTES || wrapped.at[0] != WRAPPED_VERSION) {
        return false;
    }
    const uint8_t kind = (uint8_t)wrapped.at[1];
    const size_t key_bytes = (uint8_t)wrapped.at[6];
    *out = (wrapped_header){(fq_wrapped_kind)kind, get_u32(wrapped.at + 2), key_bytes};
    const bool known_kind = kind == FQ_WRAPPED_DATA || kind == FQ_WRAPPED_INDEX;
    const bool known_size = key_bytes == 16 || key_bytes == 24 || key_bytes == 32;
    return known_kind && known_size && out->id != 0 &&
           wrapped.len == HEADER_BYTES + GCM_NONCE_BYTES + key_bytes + GCM_TAG_BYTES;
}

static fq_err wrap(const uint8_t wrapping[32], wrapped_header header, const uint8_t *key,
                   fq_wrapped_key *out) {
    write_header(header, out->bytes);
    const gcm_context context = {.header = bytes_of(out->bytes, HEADER_BYTES),
                                 .bound_to = FQ_STR("feiqian data key")};
    out->len = HEADER_BYTES + GCM_NONCE_BYTES + header.key_bytes + GCM_TAG_BYTES;
    return gcm_seal(bytes_of(wrapping, 32), context, bytes_of(key, header.key_bytes),
                    out->bytes + HEADER_BYTES)
               ? FQ_OK
               : fq_refuse(FQ_INTERNAL, NULL);
}

static fq_err unwrap(const fq_keyring *ring, fq_str wrapped, wrapped_header *out_header,
                     uint8_t out_key[32]) {
    if (!read_header(wrapped, out_header)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "wrapped_key", "not a wrapped key of this version");
    }
    const gcm_context context = {.header = {wrapped.at, HEADER_BYTES},
                                 .bound_to = FQ_STR("feiqian data key")};
    const fq_str sealed = {wrapped.at + HEADER_BYTES, wrapped.len - HEADER_BYTES};
    if (!gcm_open(bytes_of(ring->wrapping, sizeof(ring->wrapping)), context, sealed, out_key)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "wrapped_key",
                              "damaged, or wrapped under another master key");
    }
    return FQ_OK;
}

fq_err fq_keyring_make(const fq_keyring *ring, fq_wrapped_kind kind, uint32_t id, unsigned bits,
                       fq_wrapped_key *out) {
    FQ_ASSERT(id != 0);
    if ((bits != 128 && bits != 192 && bits != 256) || (kind == FQ_WRAPPED_INDEX && bits != 256)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "bits", "128, 192 or 256");
    }
    uint8_t key[32];
    fq_random(key, sizeof(key));
    const fq_err err = wrap(ring->wrapping, (wrapped_header){kind, id, bits / 8}, key, out);
    fq_wipe(key, sizeof(key));
    return err;
}

static void add_data(fq_keyring *ring, wrapped_header header, const uint8_t key[32]) {
    ring_data_key *added = &ring->data[ring->data_count++];
    added->id = header.id;
    added->bytes = header.key_bytes;
    for (size_t i = 0; i < FQ_PURPOSE_COUNT; i++) {
        fq_hkdf(bytes_of(key, header.key_bytes), fq_str_of(purpose_labels[i]), added->purposes[i],
                header.key_bytes);
    }
}

static void add_index(fq_keyring *ring, wrapped_header header, const uint8_t key[32]) {
    ring_index_key *added = &ring->index[ring->index_count++];
    added->id = header.id;
    memcpy(added->root, key, sizeof(added->root));
}

static bool has_key(const fq_keyring *ring, wrapped_header header) {
    if (header.kind == FQ_WRAPPED_DATA) {
        return ring_find_data(ring, header.id) != NULL;
    }
    for (size_t i = 0; i < ring->index_count; i++) {
        if (ring->index[i].id == header.id) {
            return true;
        }
    }
    return false;
}

static fq_err add(fq_keyring *ring, wrapped_header header, const uint8_t key[32]) {
    if (has_key(ring, header)) {
        return FQ_OK;
    }
    if ((header.kind == FQ_WRAPPED_DATA ? ring->data_count : ring->index_count) ==
        FQ_KEYRING_KEYS_MAX) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    if (header.kind == FQ_WRAPPED_DATA) {
        add_data(ring, header, key);
    } else {
        add_index(ring, header, key);
    }
    if (header.id > ring->current[header.kind]) {
        ring->current[header.kind] = header.id;
        ring->seals = header.kind == FQ_WRAPPED_DATA ? 0 : ring->seals;
    }
    return FQ_OK;
}

fq_err fq_keyring_add(fq_keyring *ring, fq_str wrapped, uint32_t *out_id) {
    uint8_t key[32] = {0};
    wrapped_header header;
    FQ_TRY(unwrap(ring, wrapped, &header, key));
    ring_write(ring);
    const fq_err err = add(ring, header, key);
    ring_leave(ring);
    fq_wipe(key, sizeof(key));
    if (!err.code) {
        *out_id = header.id;
    }
    return err;
}

fq_err fq_keyring_rewrap(const fq_keyring *ring, fq_str wrapped, const fq_master_key *new_master,
                         fq_wrapped_key *out) {
    uint8_t key[32] = {0}, wrapping[32];
    wrapped_header header;
    FQ_TRY(unwrap(ring, wrapped, &header, key));
    derive_wrapping(new_master, wrapping);
    const fq_err err = wrap(wrapping, header, key, out);
    fq_wipe(key, sizeof(key));
    fq_wipe(wrapping, sizeof(wrapping));
    return err;
}

uint32_t fq_keyring_current(fq_keyring *ring, fq_wrapped_kind kind) {
    ring_read(ring);
    const uint32_t id = ring->current[kind];
    ring_leave(ring);
    return id;
}

uint64_t fq_keyring_seals(fq_keyring *ring) {
    return ring->seals;
}

fq_err fq_blind_index(fq_keyring *ring, fq_str label, fq_str normalised, fq_hash *out) {
    uint8_t derived[32] = {0};
    ring_read(ring);
    const uint32_t current = ring->current[FQ_WRAPPED_INDEX];
    for (size_t i = 0; i < ring->index_count; i++) {
        if (ring->index[i].id == current) {
            fq_hkdf(bytes_of(ring->index[i].root, sizeof(ring->index[i].root)), label, derived,
                    sizeof(derived));
        }
    }
    ring_leave(ring);
    if (current == 0) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    fq_hmac_key key;
    fq_hmac_key_init(&key, bytes_of(derived, sizeof(derived)));
    *out = fq_hmac(&key, normalised);
    fq_hmac_key_wipe(&key);
    fq_wipe(derived, sizeof(derived));
    return FQ_OK;
}
