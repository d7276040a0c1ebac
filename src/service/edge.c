// The edge: from a request on a loop to a command or a read of a service, and back to an answer.
#include "service/edge.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "crypto/message_signature.h"
#include "http/problem.h"
#include "service/house_routes.h"
#include "store/request.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_ROUNDS_MAX = 5, IDEMPOTENCY_KEY_MAX = 255, NONCE_BYTES = 16 };

// Log lines, and calls to other services, say from here on whose request they are about.
static fq_log_context speak_for(const fq_exchange *exchange) {
    return fq_log_use((fq_log_context){exchange->request_id, exchange->traceparent});
}

// --- refusals ---

// The short form's errors carry one more member, always in Chinese.
static const char *short_form_error(fq_err err) {
    const int status = fq_error_row_of(err.code)->status;
    if (err.code == FQ_USER_NOT_FOUND || err.code == FQ_ORDER_NOT_FOUND) {
        return "用户或订单不存在";
    }
    if (err.code == FQ_AMOUNT_NOT_POSITIVE) {
        return "金额不能为负或零";
    }
    return status == 401   ? "签名验证失败"
           : status == 500 ? "支付失败"
                           : fq_error_row_of(err.code)->title[FQ_CHINESE];
}

static void refuse(fq_call *call, fq_err err) {
    fq_str extra = call->problem_extra;
    if (err.code == FQ_IDEMPOTENCY_KEY_REUSED && err.detail.blank[0].kind == FQ_FILL_TEXT) {
        extra = fq_arena_printf(call->arena, "\"differs\":%s", err.detail.blank[0].value.text);
    }
    if (call->route->short_form) {
        extra = fq_arena_printf(call->arena, "%.*s%s\"error\":\"%s\"", FQ_STR_ARGS(extra),
                                extra.len > 0 ? "," : "", short_form_error(err));
    }
    if (fq_error_row_of(err.code)->status == 401) {
        fq_exchange_add_header(call->exchange, FQ_STR("WWW-Authenticate"),
                               FQ_STR("Signature realm=\"feiqian\""));
    }
    if (err.code == FQ_RATE_LIMITED && err.detail.blank[0].kind == FQ_FILL_NUMBER) {
        fq_exchange_add_header(
            call->exchange, FQ_STR("Retry-After"),
            fq_arena_printf(call->arena, "%lld", (long long)err.detail.blank[0].value.number));
    }
    fq_exchange_refuse_with(call->exchange, err, extra);
}

// --- the way back: an outcome becomes an answer, on the loop ---

static void finish(fq_exchange *exchange) {
    const fq_log_context before = speak_for(exchange);
    fq_call *call = exchange->user;
    fq_command *command = call->command;
    fq_err err = call->outcome;
    if (!err.code && command) {
        err = command->outcome;
    }
    if (!err.code && command) {
        if (command->replayed) {
            fq_exchange_add_header(exchange, FQ_STR("Idempotent-Replayed"), FQ_STR("true"));
        }
        err = call->route->encode(call, command);
    }
    if (err.code) {
        refuse(call, err);
    }
    fq_log_use(before);
}

static void run_after(fq_job *job, fq_reader *reader) {
    (void)reader;
    fq_call *call = (fq_call *)job;
    const fq_log_context before = speak_for(call->exchange);
    call->outcome = call->route->after(call, call->command);
    fq_log_use(before);
    fq_exchange_return(call->exchange);
}

void fq_edge_commands_done(fq_command *list) {
    fq_exchange *exchanges = NULL, **end = &exchanges;
    while (list) {
        fq_command *command = list;
        list = command->next;
        fq_call *call = command->user;
        if (call->route->after && !command->outcome.code && !command->replayed) {
            call->job.run = run_after;
            if (fq_reader_pool_submit(call->service->readers, &call->job)) {
                continue;
            }
        }
        *end = call->exchange;
        end = &call->exchange->next;
        *end = NULL;
    }
    if (exchanges) {
        fq_exchange_return_many(exchanges);
    }
}

// --- dispatch ---

static void run_read(fq_job *job, fq_reader *reader) {
    fq_call *call = (fq_call *)job;
    const fq_engine_ops *ops = call->service->engine->ops;
    const fq_log_context before = speak_for(call->exchange);
    const int64_t begun_ns = fq_monotonic_ns();
    fq_err err = reader ? ops->reader_begin(reader) : fq_refuse(FQ_UNAVAILABLE, NULL);
    if (!err.code) {
        err = call->route->read(call, reader);
        ops->reader_end(reader);
    }
    fq_metrics_observe(call->service->measures.read, fq_monotonic_ns() - begun_ns);
    fq_log_use(before);
    call->outcome = err;
    fq_exchange_return(call->exchange);
}

static bool submit(fq_call *call) {
    fq_service *service = call->service;
    return service->kind->submit ? service->kind->submit(service, call->command)
                                 : fq_writer_submit(service->writer, call->command);
}

static void run_before(fq_job *job, fq_reader *reader) {
    (void)reader;
    fq_call *call = (fq_call *)job;
    const fq_log_context before = speak_for(call->exchange);
    fq_err err = call->route->before(call, call->command);
    fq_log_use(before);
    // Once it is submitted the call is the writer's, and may be answered and gone.
    if (!err.code) {
        if (submit(call)) {
            return;
        }
        err = fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    call->outcome = err;
    fq_exchange_return(call->exchange);
}

// Hands the call to another thread. It comes back through `finish`.
static fq_err hand_over(fq_call *call, void (*run)(fq_job *, fq_reader *)) {
    call->exchange->finish = finish;
    fq_exchange_keep(call->exchange);
    call->job.run = run;
    fq_reader_pool *pool = call->long_work ? call->long_work : call->service->readers;
    if (run ? !fq_reader_pool_submit(pool, &call->job) : !submit(call)) {
        call->outcome = fq_refuse(FQ_UNAVAILABLE, NULL);
        fq_exchange_return(call->exchange);
    }
    return FQ_OK;
}

static fq_err idempotency_key(const fq_call *call, fq_str *out) {
    const fq_str name = FQ_STR("idempotency-key");
    const size_t lines = fq_request_header_count(&call->exchange->request, name);
    *out = fq_exchange_header(call->exchange, name);
    if (lines == 0) {
        return call->route->key_required ? fq_refuse(FQ_MISSING_FIELD, "Idempotency-Key") : FQ_OK;
    }
    bool visible = lines == 1 && out->len > 0 && out->len <= IDEMPOTENCY_KEY_MAX;
    for (size_t i = 0; i < out->len && visible; i++) {
        visible = out->at[i] >= '!' && out->at[i] <= '~';
    }
    return visible ? FQ_OK
                   : fq_refuse_text(FQ_INVALID_FIELD, "Idempotency-Key",
                                    "one line of 1 to 255 visible ASCII characters");
}

static fq_err dispatch_command(fq_call *call, fq_str key) {
    const fq_route *route = call->route;
    fq_command *command = fq_arena_alloc(call->arena, route->command_bytes);
    command->kind = route->command;
    command->arena = call->arena;
    command->by = call->caller;
    command->units = 1;
    command->user = call;
    command->log = fq_log_here();
    command->deadline_ms = fq_monotonic_ms() + call->service->settings->store_command_timeout;
    call->command = command;
    FQ_TRY(route->decode(call, command));
    if (key.len > 0) {
        const fq_request *request = &call->exchange->request;
        command->request =
            fq_request_mark_of(call->arena, route->command, call->caller.root.v, key,
                               fq_method_text(request->method), request->path, call->body);
    }
    return hand_over(call, route->before ? run_before : NULL);
}

static fq_err parse_body(fq_call *call) {
    const fq_str body = call->exchange->request.body;
    if (body.len == 0 && call->route->body_optional) {
        return FQ_OK;
    }
    if (!call->route->command && !call->route->house_only && !call->route->json_body) {
        return FQ_OK;
    }
    const bool bulk = call->route->body_bytes_max > 0;
    return fq_json_parse(call->arena, body, bulk ? FQ_JSON_BULK : FQ_JSON_REQUEST, &call->body);
}

// With the seconds to wait, rounded up.
static fq_err refuse_rate(int64_t wait_ns) {
    fq_metrics_add(fq_metrics_plain(FQ_METRIC_HTTP_RATE_LIMITED), 1);
    return fq_refuse_number(FQ_RATE_LIMITED, NULL, (wait_ns + 999999999) / 1000000000, 0);
}

// Whoever tries signature after signature is no longer told what is wrong with them.
static fq_err count_failure(const fq_edge *edge, const fq_call *call, fq_err who) {
    int64_t wait_ns;
    const bool wrong = fq_error_row_of(who.code)->status == 401 && who.code != FQ_SIGNATURE_MISSING;
    const int64_t per_minute = edge->config.settings->server_failures_per_minute;
    if (!wrong || per_minute == 0 ||
        fq_failures_take(edge->failures, per_minute, call->exchange->peer, fq_monotonic_ns(),
                         &wait_ns)) {
        return who;
    }
    return refuse_rate(wait_ns);
}

static fq_err admit(const fq_edge *edge, fq_call *call) {
    const fq_settings *settings = edge->config.settings;
    const fq_str version = fq_exchange_header(call->exchange, FQ_STR("feiqian-version"));
    if (version.at && !fq_str_equal(version, FQ_STR("2026-11-01"))) {
        return fq_refuse_text(FQ_INVALID_FIELD, "Feiqian-Version", "2026-11-01 or absent");
    }
    const int64_t per_second = settings->server_rate_per_key;
    int64_t wait_ns = 0;
    if (per_second > 0 && call->key &&
        !fq_known_key_take(call->key, per_second, settings->server_rate_burst, fq_monotonic_ns(),
                           &wait_ns)) {
        return refuse_rate(wait_ns);
    }
    return FQ_OK;
}

static void resume(fq_exchange *exchange);

static void run_ask(fq_job *job, fq_reader *reader) {
    (void)reader;
    fq_call *call = (fq_call *)job;
    fq_edge *edge = call->edge;
    const fq_edge_config *config = &edge->config;
    fq_arena arena;
    fq_arena_init(&arena, 1 << 20);
    fq_key_record record = {0};
    const fq_log_context before = speak_for(call->exchange);
    call->outcome = call->asked_token
                        ? config->key_of_token(config->peers, &arena, call->asked_token, &record)
                        : config->keys_of(config->peers, &arena, &call->asked_key, 1, &record);
    if (!call->outcome.code) {
        fq_directory_put(edge->directory, call->asked_key, call->asked_token, &record);
    }
    fq_log_use(before);
    fq_arena_wipe(&arena);
    fq_arena_free(&arena);
    fq_exchange_return(call->exchange);
}

// The caller's key is not known fresh: the user service is asked, off the loop, and the call begins
// again.
static fq_err ask_for_key(fq_call *call) {
    if (++call->key_rounds > KEY_ROUNDS_MAX) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    call->exchange->finish = resume;
    fq_exchange_keep(call->exchange);
    call->job.run = run_ask;
    if (!fq_reader_pool_submit(call->edge->config.services[0]->readers, &call->job)) {
        call->outcome = fq_refuse(FQ_UNAVAILABLE, NULL);
        fq_exchange_return(call->exchange);
    }
    return FQ_OK;
}

static fq_err begin(fq_edge *edge, fq_call *call) {
    fq_str key = {0};
    call->asked_key = 0;
    call->asked_token = NULL;
    if (call->route->answer && call->route->open) {
        return call->route->answer(call);
    }
    if (call->route->short_form) {
        FQ_TRY(parse_body(call));
    }
    const fq_err who = call->route->open         ? FQ_OK
                       : call->route->short_form ? fq_edge_identify_short(edge, call, &key)
                                                 : fq_edge_identify(edge, call);
    if (who.code == FQ_FACT_MISSING) {
        return ask_for_key(call);
    }
    FQ_TRY(count_failure(edge, call, who));
    FQ_TRY(admit(edge, call));
    if (!call->route->short_form) {
        FQ_TRY(parse_body(call));
    }
    if (call->route->answer) {
        return call->route->answer(call);
    }
    if (!call->route->command) {
        return hand_over(call, run_read);
    }
    if (!call->route->short_form) {
        FQ_TRY(idempotency_key(call, &key));
    }
    return dispatch_command(call, key);
}

static void begin_or_refuse(fq_call *call, fq_err err) {
    const fq_log_context before = speak_for(call->exchange);
    if (!err.code) {
        err = begin(call->edge, call);
    }
    if (err.code) {
        refuse(call, err);
    }
    fq_log_use(before);
}

static void resume(fq_exchange *exchange) {
    fq_call *call = exchange->user;
    const fq_err err = call->outcome;
    call->outcome = FQ_OK;
    begin_or_refuse(call, err);
}

static void handle(void *context, fq_exchange *exchange) {
    (void)context;
    begin_or_refuse(exchange->user, FQ_OK);
}

// --- answers to signed requests are signed too ---

static void sign_answer(fq_edge *edge, fq_call *call) {
    fq_exchange *exchange = call->exchange;
    const fq_request *request = &exchange->request;
    fq_message_field *fields = FQ_NEW_ARRAY(call->arena, fq_message_field, request->header_count);
    for (size_t i = 0; i < request->header_count; i++) {
        fields[i] = (fq_message_field){request->headers[i].name, request->headers[i].value};
    }
    const fq_message asked = {.method = fq_method_text(request->method),
                              .fields = fields,
                              .field_count = request->header_count};
    const fq_message answer = {.status = exchange->status, .request = &asked};
    const fq_signing signing = {.key = edge->config.signing_key,
                                .keyid = edge->config.signing_keyid,
                                .created_s = fq_wall_ms() / 1000};
    fq_signed_fields made;
    if (fq_answer_sign(call->arena, &answer, fq_buffer_str(&exchange->body), &signing, &made)
            .code) {
        return;
    }
    fq_exchange_add_header(exchange, FQ_STR("Content-Digest"), made.content_digest);
    fq_exchange_add_header(exchange, FQ_STR("Signature-Input"), made.signature_input);
    fq_exchange_add_header(exchange, FQ_STR("Signature"), made.signature);
}

static void before_send(void *context, fq_exchange *exchange) {
    fq_edge *edge = context;
    fq_call *call = exchange->user;
    if (call && call->signed_by_caller && edge->config.signing_key && !call->route->house_only) {
        sign_answer(edge, call);
    }
}

// The route, not the path: a path may name what is nobody's business here.
static void log_request(const fq_exchange *exchange, int64_t duration_ns) {
    const fq_log_level level = exchange->status == 500  ? FQ_LOG_ERROR
                               : exchange->status > 500 ? FQ_LOG_WARN
                                                        : FQ_LOG_DEBUG;
    const fq_log_context before = speak_for(exchange);
    fq_log(level, "request", FQ_LOG_STR("method", fq_method_text(exchange->request.method)),
           FQ_LOG_INT("status", exchange->status),
           FQ_LOG_TEXT("route", exchange->route_label ? exchange->route_label : ""),
           FQ_LOG_TEXT("code", exchange->refused ? fq_error_row_of(exchange->refused)->name : ""),
           FQ_LOG_NS("duration_ms", duration_ns));
    fq_log_use(before);
}

static void finished(void *context, const fq_exchange *exchange, int64_t duration_ns) {
    fq_edge *edge = context;
    fq_call *call = exchange->user;
    if (call && call->key) {
        fq_directory_release(edge->directory, call->key);
        call->key = NULL;
    }
    if (exchange->dropped) {
        return;
    }
    char status[12];
    snprintf(status, sizeof(status), "%d", exchange->status);
    fq_metrics_observe(
        fq_metrics_series(FQ_METRIC_HTTP_REQUEST_DURATION, fq_method_text(exchange->request.method),
                          fq_str_of(exchange->route_label ? exchange->route_label : ""),
                          fq_str_of(status)),
        duration_ns);
    log_request(exchange, duration_ns);
}

// --- making ---

static void add_routes(fq_edge *edge, fq_service *service, const fq_route *routes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fq_router_add(edge->router, routes[i].method, routes[i].path, (int)edge->route_count);
        edge->routes[edge->route_count++] = (struct fq_edge_route){service, &routes[i]};
    }
}

static void read_origin(fq_edge *edge) {
    const fq_str origin = fq_str_of(edge->config.settings->server_origin);
    const char *mark = memmem(origin.at, origin.len, "://", 3);
    edge->scheme = FQ_STR("http");
    if (mark) {
        edge->scheme = (fq_str){origin.at, (size_t)(mark - origin.at)};
        edge->authority = (fq_str){mark + 3, origin.len - edge->scheme.len - 3};
    } else if (edge->config.settings->tls_certificate_file[0]) {
        edge->scheme = FQ_STR("https");
    }
}

fq_edge *fq_edge_make(const fq_edge_config *config) {
    fq_edge *edge = calloc(1, sizeof(*edge));
    FQ_ASSERT(edge != NULL);
    edge->config = *config;
    edge->live = config->settings->server_mode == FQ_MODE_LIVE;
    edge->router = fq_router_make();
    edge->directory = fq_directory_make(config->settings->user_key_cache);
    edge->nonces = fq_nonce_cache_new((size_t)config->settings->crypto_nonces_max * 32);
    edge->failures = fq_failures_make();
    // The house's own reads borrow what they need; they run on the first service's threads.
    edge->house = *config->services[0];
    size_t count = fq_house_route_count;
    for (size_t i = 0; i < config->service_count; i++) {
        count += config->services[i]->kind->route_count;
    }
    edge->routes = calloc(count, sizeof(*edge->routes));
    FQ_ASSERT(edge->routes != NULL);
    add_routes(edge, NULL, fq_house_routes, fq_house_route_count);
    for (size_t i = 0; i < config->service_count; i++) {
        add_routes(edge, config->services[i], config->services[i]->kind->routes,
                   config->services[i]->kind->route_count);
    }
    if (config->peers->service_key.len > 0) {
        const fq_err err = fq_verify_key_from_secret(
            FQ_ALGORITHM_HMAC_SHA256, config->peers->service_key, NULL, &edge->service_key);
        FQ_ASSERT(!err.code);
    }
    read_origin(edge);
    return edge;
}

void fq_edge_free(fq_edge *edge) {
    fq_router_free(edge->router);
    fq_directory_free(edge->directory);
    fq_nonce_cache_free(edge->nonces);
    fq_failures_free(edge->failures);
    fq_verify_key_free(edge->service_key);
    free(edge->routes);
    free(edge);
}

fq_handlers fq_edge_handlers(fq_edge *edge) {
    return (fq_handlers){edge, fq_edge_enter, handle, before_send, finished};
}

fq_handlers fq_edge_operators_handlers(fq_edge *edge) {
    return (fq_handlers){edge, fq_edge_enter_operators, handle, before_send, finished};
}
