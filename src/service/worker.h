// Timers that survive restarts: rows of the work table that are due are taken under a lease and
// done by commands.
#pragma once

#include "service/service.h"

FQ_MUST_USE fq_err fq_worker_start(fq_service *service);
void fq_worker_stop(fq_service *service);

// For decide: work that will be due, and work that is not needed any more. The row must have been
// wanted before, or is made here (schedule of something new).
void fq_work_schedule(fq_batch *batch, int64_t due_ms, uint16_t kind, uint64_t subject);
// To be called in `want`, so that decide may remove the row.
fq_work_row *fq_work_want(fq_batch *batch, int64_t due_ms, uint16_t kind, uint64_t subject);
void fq_work_done(fq_batch *batch, fq_work_row *row);
