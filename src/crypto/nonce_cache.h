// Remembers nonces for as long as a signature that carries them could be accepted, in memory only:
// a restart forgets, and the covered Idempotency-Key keeps a replay harmless.
#pragma once

#include "base/err.h"
#include "base/str.h"

typedef struct fq_nonce_cache fq_nonce_cache;

// Eight bytes a nonce; grows in steps up to `bytes_max` (a single step may pass it while it copies)
// and shrinks again. 128 MiB hold some 40,000 nonces a second for 300 s.
fq_nonce_cache *fq_nonce_cache_new(size_t bytes_max);
void fq_nonce_cache_free(fq_nonce_cache *cache);

// Looks and inserts in one step; any number of threads. `keep_until_s` is the last second at which
// the signature could be accepted: created + FQ_SIGNATURE_AGE_MAX_S; what lies behind `now_s` or
// more than 600 s ahead is brought within that. Both are Unix seconds.
// Errors: nonce_reused; unavailable when there is no room (what could still be replayed is never
// dropped).
FQ_MUST_USE fq_err fq_nonce_insert(fq_nonce_cache *cache, fq_str keyid, fq_str nonce,
                                   int64_t keep_until_s, int64_t now_s);

// Gives back the memory of tables that nobody asked for ten minutes. For a timer; not needed for
// being right.
void fq_nonce_cache_tidy(fq_nonce_cache *cache, int64_t now_s);
// Memory held, in bytes.
size_t fq_nonce_cache_bytes(fq_nonce_cache *cache);
