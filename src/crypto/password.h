// Passwords: which are taken, and argon2id (RFC 9106). How many are hashed at once is the caller's
// to bound: each takes its `memory_kib` while it runs.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct {
    uint32_t memory_kib, passes, lanes;
} fq_password_cost;

#define FQ_PASSWORD_COST_DEFAULT ((fq_password_cost){65536, 3, 1})
// OWASP's floor; nothing lower is made.
#define FQ_PASSWORD_COST_FLOOR ((fq_password_cost){19456, 2, 1})

enum {
    FQ_PASSWORD_POINTS_MIN = 15,
    FQ_PASSWORD_POINTS_MAX = 128,
    FQ_PASSWORD_BYTES_MAX = 1024,             // before normalisation
    FQ_PASSWORD_MEMORY_KIB_MAX = 128 * 1024,  // a stored text that asks for more is refused unread
    FQ_PASSWORD_PASSES_MAX = 16,
    FQ_PASSWORD_LANES_MAX = 4,
    FQ_PASSWORD_TEXT_MAX = 160,  // of a PHC string with its NUL
};

// May this password be set? 15 to 128 code points after NFKC, no control characters, not common,
// repeated or sequential (NIST SP 800-63B-4). `context` is a text it must not consist of (the
// user's name or address); may be empty.
// Errors: invalid_field on `param`.
FQ_MUST_USE fq_err fq_password_accept(fq_str password, fq_str context, const char *param);

// Hashes under a random salt into a PHC string: $argon2id$v=19$m=..,t=..,p=..$salt$hash. Errors:
// invalid_field on "password" (not UTF-8, too long), unavailable (no memory).
FQ_MUST_USE fq_err fq_password_hash(fq_str password, fq_password_cost cost,
                                    char out[FQ_PASSWORD_TEXT_MAX]);

// Is it the password of that PHC string? A text that is not exactly such a string, or asks for more
// than the bounds above, matches nothing. Errors: unavailable (no memory).
FQ_MUST_USE fq_err fq_password_verify(fq_str phc, fq_str password, bool *out_match);

// Takes as long as fq_password_verify, for users that do not exist.
void fq_password_verify_nobody(fq_str password, fq_password_cost cost);

// Was it made at a lower cost than `cost`, so that it should be hashed anew when the password is
// next at hand?
bool fq_password_is_outdated(fq_str phc, fq_password_cost cost);
