// The services' own timers, without their thread: the simulator says when they look.
#include "sim/sim.h"

#include "service/worker.c"  // NOLINT(bugprone-suspicious-include)

struct fq_worker *sim_timers_make(fq_service *service) {
    fq_worker *timers = calloc(1, sizeof(*timers));
    FQ_ASSERT(timers != NULL);
    timers->service = service;
    return timers;
}

void sim_timers_free(struct fq_worker *timers) {
    free(timers);
}

bool sim_timers_once(struct fq_worker *timers) {
    return run_once(timers);
}
