// What other services may ask of the user service, and the events it tells. Nothing else.
#pragma once

#include "service/directory.h"
#include "service/peers.h"

#define FQ_USER_STATUSES(X) /* stored, name, wire */ \
    X(1, FQ_USER_IS_ACTIVE, "active")                \
    X(2, FQ_USER_IS_FROZEN, "frozen")                \
    X(3, FQ_USER_IS_CLOSED, "closed")
typedef enum {
#define X(stored, name, wire) name = stored,
    FQ_USER_STATUSES(X)
#undef X
} fq_user_status;

enum { FQ_ROLE_PAYER = 1, FQ_ROLE_MERCHANT = 2 };

// Types of events; numbers stand for good. Up to 19 the subject is a user, from 20 on an API key.
typedef enum {
    FQ_TOLD_USER_CREATED = 1,
    FQ_TOLD_USER_UPDATED = 2,
    FQ_TOLD_USER_FROZEN = 3,
    FQ_TOLD_USER_UNFROZEN = 4,
    FQ_TOLD_USER_CLOSED = 5,
    FQ_TOLD_KEY_CREATED = 20,
    FQ_TOLD_KEY_REVOKED = 21,
} fq_user_event;

// What others keep of a user, in a table of their own: party (party.h). Told by each user.* event
// as its first told columns: status, roles.
typedef struct {
    fq_user_id id;
    bool exists;
    fq_user_status status;
    uint32_t roles;
    uint64_t version;
} fq_user_facts;

// Facts of `count` users at once (at most 1,000), in order. Errors: unavailable.
FQ_MUST_USE fq_err fq_user_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids,
                                    size_t count, fq_user_facts *out);

// Keys by id, in order. Between processes the material travels encrypted under the service key.
// Errors: unavailable.
FQ_MUST_USE fq_err fq_user_keys_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids,
                                   size_t count, fq_key_record *out);
// The bearer key whose token has this SHA-256. `out->exists` says whether there is one. Errors:
// unavailable.
FQ_MUST_USE fq_err fq_user_key_of_token(const fq_peers *peers, fq_arena *arena,
                                        const fq_hash *token_hash, fq_key_record *out);

extern const fq_service_kind fq_user_service;
