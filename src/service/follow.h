// Following another service's events: read in order from its store or over HTTP, and applied here
// in commands of their own that also commit how far they came. At least once on the way, exactly
// once in effect.
#pragma once

#include "service/peers.h"

// Starts one thread for each rule of the service's kind. It must be registered in service->peers
// before sources commit.
FQ_MUST_USE fq_err fq_follow_start(fq_service *service);
void fq_follow_stop(fq_service *service);
// The last position of `source` that has been applied here.
uint64_t fq_follow_position(const fq_service *service, fq_service_number source);
// Waits until everything that `source` had told when this was called has been applied, `timeout_ms`
// at most.
bool fq_follow_catch_up(const fq_service *service, int64_t timeout_ms);
// Has everything been applied once since the start?
bool fq_follow_has_caught_up(const fq_service *service);
// Age of the oldest event known not to be applied yet; of a source that cannot be asked, since
// when. 0: all is applied.
int64_t fq_follow_lag_ms(const fq_service *service);
// A service of this process has committed: its followers look.
void fq_follow_wake(const fq_peers *peers, fq_service_number source);
