// Encryption at rest: AES-GCM under data keys that are themselves wrapped by a master key. Keeps
// nothing on disk: the wrapped keys are rows of their owner.
//
//   envelope     version 0x01 | data key id (4) | nonce (12) | ciphertext | tag (16)
//   wrapped key  version 0x01 | kind (1) | id (4) | key bytes (1) | nonce (12) | ciphertext
//                | tag (16)
//
// Ids are big-endian. The header before the nonce is authenticated with the caller's own additional
// data. One key a purpose: what encrypts is HKDF-SHA256(data key, the purpose's label), what wraps
// is HKDF-SHA256(master key, "feiqian wrap v1").
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "crypto/digest.h"

enum { FQ_MASTER_KEY_BYTES = 32 };

typedef struct {
    uint8_t bytes[FQ_MASTER_KEY_BYTES];
} fq_master_key;

// From a file of 32 raw bytes or their base64 (one line feed may follow), which must be a plain
// file, ours, and readable by nobody else. Errors: invalid_field on `param`.
FQ_MUST_USE fq_err fq_master_key_from_file(const char *path, const char *param, fq_master_key *out);
// From base64. Errors: invalid_field on `param`.
FQ_MUST_USE fq_err fq_master_key_from_base64(fq_str text, const char *param, fq_master_key *out);
// Makes a random one and writes it as base64 to a file that must not exist yet, mode 0600; on the
// disk when it returns.
// Errors: invalid_field on `param`.
FQ_MUST_USE fq_err fq_master_key_make_file(const char *path, const char *param, fq_master_key *out);
void fq_master_key_wipe(fq_master_key *key);

// What a data key encrypts. To add a purpose, add a row: name, label (never changed once used).
#define FQ_PURPOSES(X)                        \
    X(PERSONAL, "feiqian personal fields v1") \
    X(SECRET, "feiqian api secrets v1")

typedef enum {
#define X(name, label) FQ_PURPOSE_##name,
    FQ_PURPOSES(X)
#undef X
        FQ_PURPOSE_COUNT
} fq_purpose;

// A DATA key encrypts and is replaced now and then; the INDEX key makes blind indexes and stays, or
// all of them would have to be made anew.
typedef enum { FQ_WRAPPED_DATA = 1, FQ_WRAPPED_INDEX = 2 } fq_wrapped_kind;

enum {
    FQ_KEYRING_KEYS_MAX = 64,
    FQ_WRAPPED_KEY_BYTES_MAX = 7 + 12 + 32 + 16,
    FQ_ENVELOPE_EXTRA_BYTES = 5 + 12 + 16,
    FQ_ENVELOPE_TEXT_BYTES_MAX = 1 << 20,
};

// Keys in memory. Any number of threads may seal, open and index while one adds keys.
typedef struct fq_keyring fq_keyring;

// The master key is used to derive the wrapping key and may be wiped afterwards.
fq_keyring *fq_keyring_new(const fq_master_key *master);
void fq_keyring_free(fq_keyring *ring);  // NULL is fine; keys are wiped

typedef struct {
    uint8_t bytes[FQ_WRAPPED_KEY_BYTES_MAX];
    size_t len;
} fq_wrapped_key;

// Makes a random key and wraps it: store it, then fq_keyring_add. `bits` is 128, 192 or 256 (INDEX:
// 256); `id` is not 0.
// Errors: invalid_field on "bits", internal.
FQ_MUST_USE fq_err fq_keyring_make(const fq_keyring *ring, fq_wrapped_kind kind, uint32_t id,
                                   unsigned bits, fq_wrapped_key *out);
// Unwraps and keeps a key; a second time is no error. The highest id of its kind becomes current.
// Errors: invalid_field on "wrapped_key" (not ours, damaged, or another master key), unavailable
// (ring full).
FQ_MUST_USE fq_err fq_keyring_add(fq_keyring *ring, fq_str wrapped, uint32_t *out_id);
// The same key under another master key, for its rotation. Errors: as above.
FQ_MUST_USE fq_err fq_keyring_rewrap(const fq_keyring *ring, fq_str wrapped,
                                     const fq_master_key *new_master, fq_wrapped_key *out);
// The current id of a kind, 0 when there is none.
uint32_t fq_keyring_current(fq_keyring *ring, fq_wrapped_kind kind);
// How many texts the current data key sealed since it was added here. Rotate well before 2^32 (SP
// 800-38D).
uint64_t fq_keyring_seals(fq_keyring *ring);

// Encrypts under the current data key; the envelope is in the arena. `bound_to` names the place
// (table, column, row id) and must be the same to open it. Errors: unavailable (no data key),
// internal.
FQ_MUST_USE fq_err fq_envelope_seal(fq_keyring *ring, fq_arena *arena, fq_purpose purpose,
                                    fq_str text, fq_str bound_to, fq_str *out_envelope);
// Decrypts into the arena, with the key that the envelope names and no other. Errors: internal (a
// damaged envelope, another place, an unknown key: never the caller's fault).
FQ_MUST_USE fq_err fq_envelope_open(fq_keyring *ring, fq_arena *arena, fq_purpose purpose,
                                    fq_str envelope, fq_str bound_to, fq_str *out_text);
// Which data key an envelope is under; 0 when it is none.
uint32_t fq_envelope_key_id(fq_str envelope);

// HMAC of `normalised` under a key of its own for each `label` (such as "user.email"): equal texts
// have equal indexes and tell nothing else. Errors: unavailable (no index key).
FQ_MUST_USE fq_err fq_blind_index(fq_keyring *ring, fq_str label, fq_str normalised, fq_hash *out);
