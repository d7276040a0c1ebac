// The API keys that callers were seen with lately. A key is believed for a second (user.key_cache),
// then asked for again, so that a revoked one is refused everywhere within that time. Never waits:
// what is not known fresh is told so, and the caller asks the user service off the loop.
#pragma once

#include "crypto/keys.h"
#include "store/command.h"

// An API key as the user service tells it. `material` is the raw HMAC secret, the SPKI PEM, or a
// bearer token's SHA-256; it lives in an arena that the asker wipes.
typedef struct {
    fq_key_id id, root;
    bool exists, revoked;
    fq_algorithm algorithm;
    fq_scope scope;
    fq_user_id user;
    fq_str material;
} fq_key_record;

typedef struct fq_directory fq_directory;
typedef struct fq_known_key fq_known_key;

fq_directory *fq_directory_make(int64_t believed_ms);
void fq_directory_free(fq_directory *directory);

typedef enum { FQ_KEY_ASK, FQ_KEY_NONE, FQ_KEY_REVOKED_KEY, FQ_KEY_ACTIVE_KEY } fq_known;

// What is known of a key id. With FQ_KEY_ACTIVE_KEY `*out` is held until fq_directory_release.
fq_known fq_directory_find(fq_directory *directory, uint64_t id, fq_known_key **out);
// The same for a bearer token, by its SHA-256.
fq_known fq_directory_find_token(fq_directory *directory, const fq_hash *token_hash,
                                 fq_known_key **out);
void fq_directory_release(fq_directory *directory, fq_known_key *key);

// Takes in what the user service said of an id, or of a token hash (`token_hash` not NULL;
// record->exists may be false).
void fq_directory_put(fq_directory *directory, uint64_t id, const fq_hash *token_hash,
                      const fq_key_record *record);

const fq_verify_key *fq_known_key_verifier(const fq_known_key *key);
fq_caller fq_known_key_caller(const fq_known_key *key);
// One more request by this key: within `per_second`, and `burst` at once above it? (GCRA.) Stores
// how long to wait.
bool fq_known_key_take(fq_known_key *key, int64_t per_second, int64_t burst, int64_t now_ns,
                       int64_t *out_wait_ns);
