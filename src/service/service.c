// A service from opening to end.
#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "service/edge.h"
#include "service/facts.h"
#include "service/follow.h"
#include "service/readers.h"
#include "service/worker.h"
#include "store/migrate.h"

#include <stdlib.h>

enum { READS_WAITING_MAX = 8192 };

const char *fq_service_name_of(fq_service_number number) {
    static const char *const names[] = {
        [FQ_SERVICE_USER] = "user", [FQ_SERVICE_ORDER] = "order", [FQ_SERVICE_PAYMENT] = "payment"};
    return names[number];
}

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
    fq_measure_batch(context, sample);
}

static void counted(void *context, fq_batch *batch) {
    fq_service *service = context;
    if (service->kind->count) {
        service->kind->count(service, batch);
    }
}

// --- the fact stage ---

// What the list asks of other services is logged there with its first command's request.
void fq_service_resolve(void *context, fq_command *list) {
    fq_service *service = context;
    const fq_log_context before = fq_log_use(list->log);
    fq_err err = service->kind->find(service, list);
    fq_log_use(before);
    if (!err.code && !fq_writer_submit(service->writer, list)) {
        err = fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    if (err.code) {
        for (fq_command *command = list; command; command = command->next) {
            command->outcome = err;
        }
        fq_edge_commands_done(list);
    }
}

// --- opening and ending ---

// Test keys never get into live data, nor live ones out: asked before anything is made in the data,
// stamped when the service has opened, so that a first start that failed leaves the choice.
static fq_err check_mode(fq_service *service, bool stamp) {
    const fq_str wanted = service->live ? FQ_STR("live") : FQ_STR("sandbox");
    fq_buffer found;
    fq_buffer_init(&found, 64);
    fq_err err = fq_store_stamp(service->engine, "mode",
                                stamp && !service->any_mode ? wanted : (fq_str){0}, &found);
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
        .reader_cache_bytes = settings->store_sqlite_reader_cache,
        .connect_timeout_ms = settings->store_postgres_connect_timeout,
        .statement_timeout_ms = settings->store_postgres_statement_timeout,
        .lock_timeout_ms = settings->store_postgres_statement_timeout,
        .migrate = settings->store_migrate,
    };
    FQ_TRY(fq_store_open(where, service->kind->schema, &options, &service->engine));
    FQ_TRY(fq_reader_pool_make(service->engine, (size_t)settings->store_reader_threads,
                               READS_WAITING_MAX, &service->readers));
    FQ_TRY(check_mode(service, false));
    if (service->kind->open) {
        FQ_TRY(service->kind->open(service));
    }
    FQ_TRY(check_mode(service, true));
    fq_measure_init(&service->measures, service->kind->name, service->engine->ops->system);
    const fq_writer_config config = {
        .service = service->kind->name,
        .engine = service->engine,
        .batch_units_max = (uint32_t)settings->store_batch_units_max,
        .queue_units_max = (uint32_t)settings->store_queue_max,
        .done = done,
        .committed = committed,
        .observed = observed,
        .counted = counted,
        .context = service,
    };
    FQ_TRY(fq_writer_make(&config, &service->writer));
    if (service->kind->find) {
        FQ_TRY(fq_fact_stage_make(fq_service_resolve, service, (uint32_t)settings->store_queue_max,
                                  &service->facts));
    }
    return FQ_OK;
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
