// Routes that belong to no service.
#include "service/house_routes.h"

#include "base/metrics.h"
#include "service/edge.h"
#include "service/events.h"

// Made of api/openapi.yaml when the program is built.
extern const char fq_openapi_text[];
extern const size_t fq_openapi_text_len;

static fq_err answer_text(fq_call *call, const char *type, fq_str text) {
    call->exchange->status = 200;
    call->exchange->content_type = type;
    fq_buffer_clear(&call->exchange->body);
    fq_buffer_add(&call->exchange->body, text);
    return FQ_OK;
}

static fq_err healthz(fq_call *call) {
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_put_literal(&out, "status", "alive");
    fq_json_object_end(&out);
    return FQ_OK;
}

static fq_err readyz(fq_call *call) {
    const fq_edge_config *config = &call->edge->config;
    const fq_unready unready =
        config->unready ? config->unready(config->context) : (fq_unready){NULL, NULL};
    if (unready.reason) {
        call->problem_extra =
            unready.service ? fq_arena_printf(call->arena, "\"reason\":\"%s\",\"service\":\"%s\"",
                                              unready.reason, unready.service)
                            : fq_arena_printf(call->arena, "\"reason\":\"%s\"", unready.reason);
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_put_literal(&out, "status", "ready");
    fq_json_object_end(&out);
    return FQ_OK;
}

static fq_err metrics(fq_call *call) {
    const fq_edge_config *config = &call->edge->config;
    if (config->measure) {
        config->measure(config->context);
    }
    call->exchange->status = 200;
    call->exchange->content_type = "text/plain; version=0.0.4; charset=utf-8";
    fq_buffer_clear(&call->exchange->body);
    fq_metrics_text(&call->exchange->body);
    return FQ_OK;
}

static fq_err openapi(fq_call *call) {
    return answer_text(call, "application/yaml", (fq_str){fq_openapi_text, fq_openapi_text_len});
}

// A sentence of errors.def, its blanks ({0}, {p}) shown as "…".
static void add_sentence(fq_buffer *out, const char *sentence) {
    while (*sentence) {
        const bool blank = sentence[0] == '{' && sentence[1] && sentence[2] == '}';
        fq_buffer_add(out, blank ? FQ_STR("…") : (fq_str){sentence, 1});
        sentence += blank ? 3 : 1;
    }
}

// Where a problem's `type` leads: what the code means, in both languages.
static fq_err problem_page(fq_call *call) {
    const fq_str name = call->exchange->path_params[0];
    for (fq_code code = FQ_DONE + 1; code < FQ_FACT_MISSING; code++) {
        const fq_error_row *row = fq_error_row_of(code);
        if (fq_str_equal(name, fq_str_of(row->name))) {
            const fq_str head = fq_arena_printf(call->arena, "%s (%d)\n\n%s. ", row->name,
                                                row->status, row->title[0]);
            FQ_TRY(answer_text(call, "text/plain; charset=utf-8", head));
            fq_buffer *out = &call->exchange->body;
            add_sentence(out, row->detail[0]);
            fq_buffer_printf(out, "\n\n%s。", row->title[1]);
            add_sentence(out, row->detail[1]);
            fq_buffer_add_char(out, '\n');
            return FQ_OK;
        }
    }
    return fq_refuse(FQ_ROUTE_NOT_FOUND, NULL);
}

// --- the sandbox's business clock ---

enum { ADVANCE_MAX_S = 10 * 366 * 86400 };

// 2070: ids hold their time until 2094, and a clock in the data never goes back. Calls that come at
// once may each go a step past it.
#define CLOCK_END_MS INT64_C(3155760000000)

typedef struct {
    int64_t advance_s;
} clock_query;

static const fq_field clock_rows[] = {
    {.name = "advance_s",
     .kind = FQ_FIELD_INTEGER,
     .required = true,
     .minimum = 0,
     .maximum = ADVANCE_MAX_S,
     .offset = FQ_AT(clock_query, advance_s)},
};
static const fq_fields clock_fields = FQ_FIELDS(clock_rows, clock_query);

static fq_err move_clock(fq_call *call, fq_reader *reader) {
    (void)reader;
    const fq_edge_config *config = &call->edge->config;
    clock_query query;
    if (call->edge->live || !config->settings->sandbox_clock) {
        return fq_refuse(FQ_ROUTE_NOT_FOUND, NULL);
    }
    FQ_TRY(fq_call_body(call, &clock_fields, &query));
    if (call->caller.scope != FQ_SCOPE_ADMIN) {
        return fq_refuse(FQ_NOT_ALLOWED, NULL);
    }
    for (size_t i = 0; i < config->service_count; i++) {
        if (fq_writer_now_ms(config->services[i]->writer) + query.advance_s * 1000 > CLOCK_END_MS) {
            return fq_refuse_text(FQ_INVALID_FIELD, "advance_s",
                                  "the clock goes no further than 2070");
        }
    }
    for (size_t i = 0; i < config->service_count; i++) {
        FQ_TRY(fq_writer_move_clock(config->services[i]->writer, query.advance_s * 1000));
    }
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_put_time(&out, "now", fq_writer_now_ms(config->services[0]->writer));
    fq_json_object_end(&out);
    return FQ_OK;
}

const fq_route fq_house_routes[] = {
    {.method = FQ_GET, .path = "/healthz", .answer = healthz, .open = true, .operations = true},
    {.method = FQ_GET, .path = "/readyz", .answer = readyz, .open = true, .operations = true},
    {.method = FQ_GET, .path = "/metrics", .answer = metrics, .open = true, .operations = true},
    {.method = FQ_GET, .path = "/v1/openapi.yaml", .answer = openapi, .open = true},
    {.method = FQ_GET, .path = "/v1/events", .operation = FQ_MAY_EVENT_SEE, .read = fq_events_list},
    {.method = FQ_GET,
     .path = "/v1/events/{event_id}",
     .operation = FQ_MAY_EVENT_SEE,
     .read = fq_event_get},
    {.method = FQ_POST, .path = "/sandbox/clock", .read = move_clock, .json_body = true},
    {.method = FQ_GET, .path = "/problems/{code}", .answer = problem_page, .open = true},
};
const size_t fq_house_route_count = sizeof(fq_house_routes) / sizeof(fq_house_routes[0]);
