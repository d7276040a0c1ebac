// Randomness from getrandom(2).
#include "base/random.h"

#include "base/err.h"

#include <errno.h>
#include <sys/random.h>

void fq_random(void *out, size_t bytes) {
    char *at = out;
    while (bytes > 0) {
        const ssize_t got = getrandom(at, bytes, 0);
        FQ_ASSERT(got > 0 || (got < 0 && errno == EINTR));
        if (got > 0) {
            at += got;
            bytes -= (size_t)got;
        }
    }
}
