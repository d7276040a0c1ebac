// Texts sealed under a data key of the ring and opened again.
#include "crypto/envelope.h"

#include "crypto/gcm.h"
#include "crypto/key_ring.h"

enum { ENVELOPE_VERSION = 1, HEADER_BYTES = 5 };
_Static_assert((int)FQ_ENVELOPE_EXTRA_BYTES == HEADER_BYTES + GCM_NONCE_BYTES + GCM_TAG_BYTES,
               "the header's figure");

fq_err fq_envelope_seal(fq_keyring *ring, fq_arena *arena, fq_purpose purpose, fq_str text,
                        fq_str bound_to, fq_str *out_envelope) {
    FQ_ASSERT(purpose < FQ_PURPOSE_COUNT && text.len <= FQ_ENVELOPE_TEXT_BYTES_MAX);
    uint8_t *envelope = fq_arena_alloc(arena, text.len + FQ_ENVELOPE_EXTRA_BYTES);
    ring_read(ring);
    const ring_data_key *key = ring_find_data(ring, ring->current[FQ_WRAPPED_DATA]);
    fq_err err = fq_refuse(FQ_UNAVAILABLE, NULL);
    if (key) {
        envelope[0] = ENVELOPE_VERSION;
        put_u32(envelope + 1, key->id);
        const gcm_context context = {.header = {(const char *)envelope, HEADER_BYTES},
                                     .bound_to = bound_to};
        const bool done = gcm_seal(ring_key(key, purpose), context, text, envelope + HEADER_BYTES);
        err = done ? FQ_OK : fq_refuse(FQ_INTERNAL, NULL);
        ring->seals++;
    }
    ring_leave(ring);
    if (!err.code) {
        *out_envelope = (fq_str){(const char *)envelope, text.len + FQ_ENVELOPE_EXTRA_BYTES};
    }
    return err;
}

uint32_t fq_envelope_key_id(fq_str envelope) {
    if (envelope.len < FQ_ENVELOPE_EXTRA_BYTES || envelope.at[0] != ENVELOPE_VERSION) {
        return 0;
    }
    return get_u32(envelope.at + 1);
}

fq_err fq_envelope_open(fq_keyring *ring, fq_arena *arena, fq_purpose purpose, fq_str envelope,
                        fq_str bound_to, fq_str *out_text) {
    FQ_ASSERT(purpose < FQ_PURPOSE_COUNT);
    const uint32_t id = fq_envelope_key_id(envelope);
    if (id == 0 || envelope.len > (size_t)FQ_ENVELOPE_TEXT_BYTES_MAX + FQ_ENVELOPE_EXTRA_BYTES) {
        return fq_refuse(FQ_INTERNAL, NULL);
    }
    const size_t text_bytes = envelope.len - FQ_ENVELOPE_EXTRA_BYTES;
    uint8_t *text = fq_arena_alloc(arena, text_bytes + 1);
    const gcm_context context = {.header = {envelope.at, HEADER_BYTES}, .bound_to = bound_to};
    const fq_str sealed = {envelope.at + HEADER_BYTES, envelope.len - HEADER_BYTES};
    ring_read(ring);
    const ring_data_key *key = ring_find_data(ring, id);
    const bool done = key && gcm_open(ring_key(key, purpose), context, sealed, text);
    ring_leave(ring);
    if (!done) {
        return fq_refuse(FQ_INTERNAL, NULL);
    }
    *out_text = (fq_str){(const char *)text, text_bytes};
    return FQ_OK;
}
