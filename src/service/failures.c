// Wrong signatures by address, in a table of fixed size. Addresses that meet in one slot share its
// allowance; the table's seed is random, so nobody can aim at another's slot.
#include "service/failures.h"

#include "base/random.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SLOT_BITS = 14, SLOTS = 1 << SLOT_BITS };

struct fq_failures {
    uint64_t seed;
    atomic_int_least64_t arrival_ns[SLOTS];  // GCRA: when the next failure would be on time
};

fq_failures *fq_failures_make(void) {
    fq_failures *failures = calloc(1, sizeof(*failures));
    FQ_ASSERT(failures != NULL);
    fq_random(&failures->seed, sizeof(failures->seed));
    return failures;
}

void fq_failures_free(fq_failures *failures) {
    free(failures);
}

// Of an IPv6 address the first half: the other half is its holder's to choose.
static uint64_t network_of(fq_str peer) {
    char text[INET6_ADDRSTRLEN] = "";
    struct in_addr four;
    struct in6_addr six;
    uint64_t network = 0;
    memcpy(text, peer.at, peer.len < sizeof(text) ? peer.len : sizeof(text) - 1);
    if (inet_pton(AF_INET, text, &four) == 1) {
        network = four.s_addr;
    } else if (inet_pton(AF_INET6, text, &six) == 1) {
        memcpy(&network, six.s6_addr, sizeof(network));
    }
    return network;
}

bool fq_failures_take(fq_failures *failures, int64_t per_minute, fq_str peer, int64_t now_ns,
                      int64_t *out_wait_ns) {
    const int64_t step_ns = INT64_C(60000000000) / per_minute;
    const int64_t allowance_ns = step_ns * (per_minute - 1);
    const uint64_t mixed = (network_of(peer) ^ failures->seed) * UINT64_C(0x9E3779B97F4A7C15);
    atomic_int_least64_t *slot = &failures->arrival_ns[mixed >> (64 - SLOT_BITS)];
    int64_t arrival_ns = atomic_load(slot);
    for (;;) {
        const int64_t begin_ns = arrival_ns > now_ns ? arrival_ns : now_ns;
        if (begin_ns - now_ns > allowance_ns) {
            *out_wait_ns = begin_ns - now_ns - allowance_ns;
            return false;
        }
        if (atomic_compare_exchange_weak(slot, &arrival_ns, begin_ns + step_ns)) {
            return true;
        }
    }
}
