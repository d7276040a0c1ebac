// Personal fields and secrets at rest: sealed under the ring's current data key, each bound to its
// place, and found by blind index. Knows no rule.
#include "user/rows.h"

static fq_purpose purpose_of(sealed_place place) {
    return strcmp(place.table, user_table.name) == 0 ? FQ_PURPOSE_PERSONAL : FQ_PURPOSE_SECRET;
}

static fq_str bound_to(fq_arena *arena, sealed_place place) {
    return fq_arena_printf(arena, "%s.%s.%llu", place.table, place.column,
                           (unsigned long long)place.id);
}

fq_err sealed_make(fq_keyring *keyring, fq_arena *arena, sealed_place place, fq_str text,
                   fq_str *out) {
    *out = (fq_str){0};
    if (text.len == 0) {
        return FQ_OK;
    }
    return fq_envelope_seal(keyring, arena, purpose_of(place), text, bound_to(arena, place), out);
}

fq_err sealed_open(fq_service *service, fq_arena *arena, sealed_place place, fq_str envelope,
                   fq_str *out) {
    *out = (fq_str){0};
    if (envelope.len == 0) {
        return FQ_OK;
    }
    const fq_str bound = bound_to(arena, place);
    const fq_err err =
        fq_envelope_open(service->keyring, arena, purpose_of(place), envelope, bound, out);
    if (!err.code || user_keyring_reload(service).code) {
        return err;
    }
    return fq_envelope_open(service->keyring, arena, purpose_of(place), envelope, bound, out);
}

fq_err sealed_index(fq_keyring *keyring, fq_arena *arena, const char *label, fq_str text,
                    fq_str *out) {
    fq_hash hash;
    FQ_TRY(fq_blind_index(keyring, fq_str_of(label), text, &hash));
    *out = fq_arena_copy(arena, (fq_str){(const char *)hash.bytes, BLIND_INDEX_BYTES});
    return FQ_OK;
}

// Two bits are dropped: a scan names the keys around it, which must be integers of the store too.
contact_hash contact_hash_of(fq_str index) {
    FQ_ASSERT(index.len == BLIND_INDEX_BYTES);
    contact_hash hash;
    memcpy(&hash.high, index.at, sizeof(hash.high));
    memcpy(&hash.low, index.at + sizeof(hash.high), sizeof(hash.low));
    hash.high = (hash.high >> 2) + 1;
    return hash;
}
