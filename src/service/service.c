// A service from opening to end.
#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "service/edge.h"
#include "service/facts.h"
#include "service/follow.h"
#include "service/readers.h"
#include "service/worker.h"
#include "store/migrate.h"

#include <stdlib.h>

// --- what the writer tells ---

static void done(void *context, fq_command *list) {
    fq_service *service = context;
    fq_command *answered = NULL, **end = &answered;
    while (list) {
        fq_command *command = list;
        list = command->next;
        command->next = NULL;
        if (service->kind->returned && service->kind->returned(service, command)) {
            continue;
        }
        *end = command;
        end = &command->next;
    }
    if (answered) {
        fq_edge_commands_done(answered);
    }
}

static void committed(void *context, const fq_head *head) {
    (void)head;
    const fq_service *service = context;
    fq_follow_wake(service->peers, service->kind->number);
}

static void observed(void *context, const fq_writer_sample *sample) {
    const fq_service *service = context;
    static const char *const steps[FQ_STEPS] = {"load", "decide", "save", "commit"};
    const fq_str name = fq_str_of(service->kind->name), none = FQ_STR("");
    fq_metrics_observe(fq_metrics_series(FQ_METRIC_WRITER_BATCH_SIZE, name, none, none),
                       (int64_t)sample->commands);
    fq_metrics_set(fq_metrics_series(FQ_METRIC_WRITER_QUEUE_LENGTH, name, none, none),
                   (int64_t)sample->queue_units);
    for (size_t i = 0; i < FQ_STEPS; i++) {
        if (sample->step_ns[i] > 0) {
            fq_metrics_observe(
                fq_metrics_series(FQ_METRIC_WRITER_STEP_DURATION, name, fq_str_of(steps[i]), none),
                sample->step_ns[i]);
        }
    }
    if (sample->step_ns[FQ_STEP_COMMIT] > 0) {
        fq_metrics_observe(fq_metrics_series(FQ_METRIC_WRITER_COMMIT_DURATION, name, none, none),
                           sample->step_ns[FQ_STEP_COMMIT]);
    }
    if (sample->outcome.code) {
        fq_metrics_add_to(FQ_METRIC_STORE_ERRORS, name,
                          fq_str_of(fq_error_row_of(sample->outcome.code)->name), none, 1);
    }
}

// --- opening and ending ---

// Before anything is made in the data: test keys never get into live data, nor live ones out.
static fq_err check_mode(fq_service *service) {
    const fq_str wanted = service->live ? FQ_STR("live") : FQ_STR("sandbox");
    fq_buffer found;
    fq_buffer_init(&found, 64);
    fq_err err =
        fq_store_stamp(service->engine, "mode", service->any_mode ? (fq_str){0} : wanted, &found);
    if (!err.code && service->any_mode && found.len > 0) {
        service->live = fq_str_equal(fq_buffer_str(&found), FQ_STR("live"));
    } else if (!err.code && found.len > 0 && !fq_str_equal(fq_buffer_str(&found), wanted)) {
        fq_log(FQ_LOG_ERROR,
               "these data are of the other mode: start with the mode they were made in",
               FQ_LOG_TEXT("service", service->kind->name),
               FQ_LOG_STR("made_in", fq_buffer_str(&found)), FQ_LOG_STR("started_in", wanted));
        err = fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    fq_buffer_free(&found);
    return err;
}

fq_err fq_service_open(fq_service *service, const char *where) {
    const fq_settings *settings = service->settings;
    const fq_store_options options = {
        .busy_timeout_ms = settings->store_sqlite_busy_timeout,
        .cache_bytes = settings->store_sqlite_page_cache,
        .statement_timeout_ms = settings->store_postgres_statement_timeout,
        .lock_timeout_ms = settings->store_postgres_statement_timeout,
        .migrate = settings->store_migrate,
    };
    FQ_TRY(fq_store_open(where, service->kind->schema, &options, &service->engine));
    FQ_TRY(check_mode(service));
    if (service->kind->open) {
        FQ_TRY(service->kind->open(service));
    }
    const fq_writer_config config = {
        .service = service->kind->name,
        .engine = service->engine,
        .batch_units_max = (uint32_t)settings->store_batch_units_max,
        .queue_units_max = (uint32_t)settings->store_queue_max,
        .done = done,
        .committed = committed,
        .observed = observed,
        .context = service,
    };
    FQ_TRY(fq_writer_make(&config, &service->writer));
    if (service->kind->resolve) {
        FQ_TRY(fq_fact_stage_make(service->kind->resolve, service,
                                  (uint32_t)settings->store_queue_max, &service->facts));
    }
    return fq_reader_pool_make(service->engine, (size_t)settings->store_reader_threads,
                               &service->readers);
}

fq_err fq_service_start(fq_service *service) {
    FQ_TRY(fq_writer_start(service->writer));
    FQ_TRY(fq_follow_start(service));
    return fq_worker_start(service);
}

void fq_service_quiet(fq_service *service) {
    fq_worker_stop(service);
    fq_follow_stop(service);
}

void fq_service_stop(fq_service *service) {
    fq_fact_stage_free(service->facts);
    service->facts = NULL;
    if (service->writer) {
        fq_writer_stop(service->writer);
    }
    fq_reader_pool_free(service->readers);
    if (service->kind->close) {
        service->kind->close(service);
    }
    if (service->writer) {
        fq_writer_free(service->writer);
    }
    if (service->engine) {
        service->engine->ops->close(service->engine);
    }
    free(service->follows);
    service->readers = NULL;
    service->writer = NULL;
    service->engine = NULL;
    service->follows = NULL;
}
