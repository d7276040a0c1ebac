// The services' own following of events, without its thread: the simulator says when a follower
// looks.
#include "sim/sim.h"

// Its static functions are what is tested here; the thread that calls them in the real one is not.
#include "service/follow.c"  // NOLINT(bugprone-suspicious-include)

void sim_follows_free(struct fq_follow *follows) {
    free(follows);
}

struct fq_follow *sim_follows_make(fq_service *service) {
    const fq_service_kind *kind = service->kind;
    fq_follow *follows = calloc(kind->follow_count, sizeof(fq_follow));
    FQ_ASSERT(follows != NULL);
    for (size_t i = 0; i < kind->follow_count; i++) {
        follows[i].service = service;
        follows[i].rule = &kind->follows[i];
        if (read_position(&follows[i]).code) {
            sim_follows_free(follows);
            return NULL;
        }
    }
    return follows;
}

bool sim_follow_once(struct fq_follow *follows, size_t index) {
    size_t count = 0;
    return !apply_next(&follows[index], &count).code && count > 0;
}
