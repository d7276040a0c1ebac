// What is measured of a service.
#include "service/measure.h"

#include "service/follow.h"
#include "service/readers.h"

static fq_series series(fq_metric metric, const char *first, const char *second) {
    return fq_metrics_series(metric, fq_str_of(first), fq_str_of(second), FQ_STR(""));
}

void fq_measure_init(fq_measures *out, const char *service, const char *system) {
    static const char *const steps[FQ_STEPS] = {[FQ_STEP_LOAD] = "load",
                                                [FQ_STEP_DECIDE] = "decide",
                                                [FQ_STEP_SAVE] = "save",
                                                [FQ_STEP_COMMIT] = "commit"};
    static const char *const became[FQ_COMMANDS_KINDS] = {[FQ_COMMANDS_DONE] = "done",
                                                          [FQ_COMMANDS_REFUSED] = "refused",
                                                          [FQ_COMMANDS_REPLAYED] = "replayed",
                                                          [FQ_COMMANDS_EXPIRED] = "expired",
                                                          [FQ_COMMANDS_FAILED] = "failed"};
    static const char *const retries[FQ_RETRIES] = {[FQ_RETRY_CONFLICT] = "conflict",
                                                    [FQ_RETRY_UNKNOWN] = "unknown",
                                                    [FQ_RETRY_HALVED] = "halved"};
    *out = (fq_measures){.batch_size = series(FQ_METRIC_WRITER_BATCH_SIZE, service, ""),
                         .commit = series(FQ_METRIC_WRITER_COMMIT_DURATION, service, ""),
                         .replays = series(FQ_METRIC_IDEMPOTENT_REPLAYS, service, ""),
                         .timer_lag = series(FQ_METRIC_TIMER_LAG, service, ""),
                         .read = series(FQ_METRIC_DB_OPERATION_DURATION, system, "read")};
    for (size_t i = 0; i < FQ_STEPS; i++) {
        out->steps[i] = series(FQ_METRIC_WRITER_STEP_DURATION, service, steps[i]);
        if (i != FQ_STEP_DECIDE) {
            out->database[i] = series(FQ_METRIC_DB_OPERATION_DURATION, system, steps[i]);
        }
    }
    for (size_t i = 0; i < FQ_COMMANDS_KINDS; i++) {
        out->became[i] = series(FQ_METRIC_WRITER_COMMANDS, service, became[i]);
    }
    for (size_t i = 0; i < FQ_RETRIES; i++) {
        out->retries[i] = series(FQ_METRIC_WRITER_RETRIES, service, retries[i]);
    }
}

static void measure_steps(const fq_measures *measures, const fq_writer_sample *sample) {
    for (size_t i = 0; i < FQ_STEPS; i++) {
        if (sample->step_ns[i] > 0) {
            fq_metrics_observe(measures->steps[i], sample->step_ns[i]);
            if (i != FQ_STEP_DECIDE) {
                fq_metrics_observe(measures->database[i], sample->step_ns[i]);
            }
        }
    }
    if (sample->step_ns[FQ_STEP_COMMIT] > 0) {
        fq_metrics_observe(measures->commit, sample->step_ns[FQ_STEP_COMMIT]);
    }
}

void fq_measure_batch(const fq_service *service, const fq_writer_sample *sample) {
    const fq_measures *measures = &service->measures;
    if (sample->commands > 0) {
        fq_metrics_observe(measures->batch_size, (int64_t)sample->commands);
    }
    measure_steps(measures, sample);
    for (size_t i = 0; i < FQ_COMMANDS_KINDS; i++) {
        fq_metrics_add(measures->became[i], (int64_t)sample->became[i]);
    }
    fq_metrics_add(measures->replays, (int64_t)sample->became[FQ_COMMANDS_REPLAYED]);
    for (size_t i = 0; i < FQ_RETRIES; i++) {
        fq_metrics_add(measures->retries[i], (int64_t)sample->retries[i]);
    }
    if (sample->outcome.code) {
        fq_metrics_add(series(FQ_METRIC_STORE_ERRORS, service->kind->name,
                              fq_error_row_of(sample->outcome.code)->name),
                       1);
    }
}

void fq_measure_now(const fq_service *service) {
    const char *name = service->kind->name;
    fq_metrics_set(series(FQ_METRIC_WRITER_QUEUE_LENGTH, name, ""),
                   (int64_t)fq_writer_queue_units(service->writer));
    fq_metrics_set(series(FQ_METRIC_STORE_UP, name, ""), fq_writer_healthy(service->writer));
    fq_metrics_set(series(FQ_METRIC_READER_QUEUE_LENGTH, name, ""),
                   (int64_t)fq_reader_pool_waiting(service->readers));
    fq_metrics_set(series(FQ_METRIC_OUTBOX_LAG, name, ""), fq_follow_lag_ms(service));
}
