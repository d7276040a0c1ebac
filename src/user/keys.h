// API keys and data keys as the command line manages them, on an opened service whose writer runs,
// with or without a server. Each call returns after its commit.
#pragma once

#include "crypto/keys.h"
#include "service/service.h"

typedef struct {
    fq_algorithm algorithm;
    fq_str scope;       // "admin", "read", "merchant:usr_…", "payer:usr_…"
    fq_str public_key;  // SPKI PEM for algorithms with a key pair; empty for the others
    fq_key_id
        replaces;  // a key of the same scope whose Idempotency-Keys the new one shares; 0: none
} fq_key_request;

typedef struct {
    fq_key_id id;
    fq_algorithm algorithm;
    fq_str scope;
    fq_str secret;  // base64 of an HMAC secret, or the bearer token; empty for key pairs
} fq_created_key;

// Makes a key. What `out` points at lives in `arena`, which the caller wipes (fq_arena_wipe).
// Errors: invalid_field on "scope", "public_key", "algorithm" (bearer in live mode) or "replaces"
// (no such key, revoked, or another scope); user_not_found; state_conflict (the scope's user is
// closed); unavailable.
FQ_MUST_USE fq_err fq_user_key_create(fq_service *service, const fq_key_request *request,
                                      fq_arena *arena, fq_created_key *out);
// Revokes a key; one that is revoked already stays so. Errors: key_unknown, unavailable.
FQ_MUST_USE fq_err fq_user_key_revoke(fq_service *service, fq_key_id id);

typedef struct {
    fq_key_id id, root;
    fq_algorithm algorithm;
    fq_str scope;
    int64_t created_ms;
    int64_t revoked_ms;  // 0: active
} fq_listed_key;

enum { FQ_LISTED_KEYS_MAX = 10000 };

// All keys, newest first, at most FQ_LISTED_KEYS_MAX; they live in `arena`. Errors: unavailable.
FQ_MUST_USE fq_err fq_user_key_list(fq_service *service, fq_arena *arena, fq_listed_key **out,
                                    size_t *out_count);

// Makes a new data key of crypto.data_key_bits bits, and seals all personal fields and keys under
// it. May be broken off and called again; old data keys stay, since events hold what they sealed.
// Errors: unavailable (also when FQ_KEYRING_KEYS_MAX keys were made), internal.
FQ_MUST_USE fq_err fq_user_rotate_data(fq_service *service);
