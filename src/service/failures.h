// Wrong signatures by the address that they came from: whoever guesses is told to wait. A right
// signature is never held to it. Never waits.
#pragma once

#include "base/err.h"
#include "base/str.h"

typedef struct fq_failures fq_failures;

fq_failures *fq_failures_make(void);
void fq_failures_free(fq_failures *failures);

// One more wrong signature from `peer`, a numeric IPv4 or IPv6 address; `per_minute` (above 0) are
// allowed, at once or spread over the minute. False when there were too many; then stores how long
// to wait.
bool fq_failures_take(fq_failures *failures, int64_t per_minute, fq_str peer, int64_t now_ns,
                      int64_t *out_wait_ns);
