// The doors: when a request's head has come, which route is it for, and is its content what the
// route takes?
#include "http/problem.h"
#include "service/edge.h"

// No Accept, or an empty one, takes anything (RFC 9110 section 12.5.1).
static bool accepts_json(fq_str accept) {
    return fq_str_trim(accept).len == 0 || memmem(accept.at, accept.len, "*/*", 3) ||
           memmem(accept.at, accept.len, "application/*", 13) ||
           memmem(accept.at, accept.len, "json", 4);
}

static bool is_json(fq_str type) {
    const fq_str json = FQ_STR("application/json");
    if (type.len < json.len || !fq_str_equal_nocase((fq_str){type.at, json.len}, json)) {
        return false;
    }
    const fq_str rest = fq_str_trim((fq_str){type.at + json.len, type.len - json.len});
    if (rest.len == 0) {
        return true;
    }
    const fq_str parameter = fq_str_trim((fq_str){rest.at + 1, rest.len - 1});
    return rest.at[0] == ';' && (fq_str_equal_nocase(parameter, FQ_STR("charset=utf-8")) ||
                                 fq_str_equal_nocase(parameter, FQ_STR("charset=\"utf-8\"")));
}

static fq_err check_content(const fq_exchange *exchange, const fq_route *route) {
    const fq_request *request = &exchange->request;
    const bool has_body = request->framing == FQ_FRAMING_CHUNKED ||
                          (request->framing == FQ_FRAMING_LENGTH && request->content_length > 0);
    // What is open to all is text of other kinds too.
    if (!route->open && !accepts_json(fq_exchange_header(exchange, FQ_STR("accept")))) {
        return fq_refuse(FQ_NOT_ACCEPTABLE, NULL);
    }
    if (!has_body || route->short_form) {
        return FQ_OK;
    }
    const bool coded = fq_exchange_header(exchange, FQ_STR("content-encoding")).at != NULL;
    const bool json = is_json(fq_exchange_header(exchange, FQ_STR("content-type")));
    return json && !coded ? FQ_OK : fq_refuse(FQ_UNSUPPORTED_MEDIA_TYPE, NULL);
}

// Clients and operators come in by one door, or by two where operators have an address of their
// own.
typedef enum { DOOR_CLIENTS, DOOR_OPERATORS } door;

static bool is_behind(const fq_edge *edge, const fq_route *route, door at) {
    const bool apart = edge->config.settings->server_admin_listen[0] != '\0';
    return !apart || route->operations == (at == DOOR_OPERATORS);
}

static fq_err answer_options(fq_call *call) {
    call->exchange->status = 204;
    return FQ_OK;
}

static const fq_route options_route = {
    .method = FQ_OPTIONS, .answer = answer_options, .open = true, .body_optional = true};

static fq_err enter(fq_edge *edge, fq_exchange *exchange, door by) {
    fq_match match;
    const fq_err err =
        fq_router_match(edge->router, exchange->request.method, exchange->request.path, &match);
    exchange->route_label = match.path;
    if (err.code) {
        if (err.code == FQ_METHOD_NOT_ALLOWED) {
            fq_router_allow(exchange, match.methods);
        }
        if (err.code != FQ_METHOD_NOT_ALLOWED || exchange->request.method != FQ_OPTIONS) {
            return err;
        }
    }
    const struct fq_edge_route options = {NULL, &options_route};
    const struct fq_edge_route *at = err.code ? &options : &edge->routes[match.route];
    if (!is_behind(edge, at->route, by)) {
        return fq_refuse(FQ_ROUTE_NOT_FOUND, NULL);
    }
    fq_call *call = FQ_NEW(&exchange->arena, fq_call);
    call->exchange = exchange;
    call->arena = &exchange->arena;
    call->route = at->route;
    call->edge = edge;
    call->service = at->service ? at->service : &edge->house;
    call->language = fq_language_of(fq_exchange_header(exchange, FQ_STR("accept-language")));
    exchange->user = call;
    exchange->route = match.route;
    memcpy(exchange->path_params, match.params, sizeof(match.params));
    exchange->body_optional = at->route->body_optional;
    if (at->route->body_bytes_max > 0) {
        exchange->body_bytes_max = at->route->body_bytes_max;
    }
    return check_content(exchange, at->route);
}

fq_err fq_edge_enter(void *context, fq_exchange *exchange) {
    return enter(context, exchange, DOOR_CLIENTS);
}

fq_err fq_edge_enter_operators(void *context, fq_exchange *exchange) {
    return enter(context, exchange, DOOR_OPERATORS);
}
