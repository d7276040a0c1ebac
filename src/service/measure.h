// What is measured of a service: its batches, its store, and what waits in it. Counts; decides
// nothing.
#pragma once

#include "base/metrics.h"
#include "store/writer.h"

typedef struct fq_service fq_service;

// The series of one service, made once.
typedef struct {
    fq_series batch_size, commit, steps[FQ_STEPS], became[FQ_COMMANDS_KINDS], retries[FQ_RETRIES];
    fq_series replays, timer_lag, read;
    fq_series database[FQ_STEPS];  // by step; none of decide
} fq_measures;

// `service` and `system` (the database's) are literals.
void fq_measure_init(fq_measures *out, const char *service, const char *system);
void fq_measure_batch(const fq_service *service, const fq_writer_sample *sample);
// Sets the gauges of a service to what they are now: asked for when the metrics are read.
void fq_measure_now(const fq_service *service);
