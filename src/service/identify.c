// Who is calling: a signature (RFC 9421), the short form's signature, a bearer key of the sandbox,
// or another service.
#include "base/clock.h"
#include "base/metrics.h"
#include "crypto/message_signature.h"
#include "crypto/short_form.h"
#include "service/edge.h"

enum { SHORT_FORM_NONCE_MAX = 255 };

static fq_message message_of(const fq_edge *edge, const fq_call *call) {
    const fq_request *request = &call->exchange->request;
    fq_message_field *fields = FQ_NEW_ARRAY(call->arena, fq_message_field, request->header_count);
    for (size_t i = 0; i < request->header_count; i++) {
        fields[i] = (fq_message_field){request->headers[i].name, request->headers[i].value};
    }
    const bool by_host = edge->authority.len == 0 || call->route->house_only;
    return (fq_message){
        .method = fq_method_text(request->method),
        .scheme = edge->scheme,
        .authority = by_host ? request->host : edge->authority,
        .path = request->path,
        // In the target the query stands behind its '?', which belongs to @query.
        .query = request->query_given ? (fq_str){request->query.at - 1, request->query.len + 1}
                                      : (fq_str){0},
        .target = request->target,
        .fields = fields,
        .field_count = request->header_count,
    };
}

typedef struct {
    fq_edge *edge;
    fq_call *call;
} lookup_context;

static fq_key_state lookup(void *context, fq_str keyid, const fq_verify_key **out_key) {
    const lookup_context *at = context;
    fq_call *call = at->call;
    if (call->route->house_only) {
        const bool known = at->edge->service_key && fq_str_equal(keyid, FQ_STR("service"));
        *out_key = at->edge->service_key;
        return known ? FQ_KEY_STATE_ACTIVE : FQ_KEY_STATE_UNKNOWN;
    }
    uint64_t id;
    // The first known key decides: while it is not known of one whether it is, none behind it can.
    if (call->asked_key != 0 || !fq_id_parse(FQ_ID_key, keyid, &id)) {
        return FQ_KEY_STATE_UNKNOWN;
    }
    fq_known_key *key = NULL;
    switch (fq_directory_find(at->edge->directory, id, &key)) {
    case FQ_KEY_ASK:
        call->asked_key = id;
        return FQ_KEY_STATE_UNKNOWN;
    case FQ_KEY_NONE:
        return FQ_KEY_STATE_UNKNOWN;
    case FQ_KEY_REVOKED_KEY:
        return FQ_KEY_STATE_REVOKED;
    case FQ_KEY_ACTIVE_KEY:
        break;
    }
    fq_directory_release(at->edge->directory, call->key);
    call->key = key;
    *out_key = fq_known_key_verifier(key);
    return FQ_KEY_STATE_ACTIVE;
}

// The scheme's own port may be written or left out.
static fq_str without_usual_port(const fq_edge *edge, fq_str authority) {
    const fq_str port =
        fq_str_equal(edge->scheme, FQ_STR("https")) ? FQ_STR(":443") : FQ_STR(":80");
    if (authority.len > port.len &&
        memcmp(authority.at + authority.len - port.len, port.at, port.len) == 0) {
        authority.len -= port.len;
    }
    return authority;
}

// With an origin configured, a request for another host is not for us, whatever it is signed for.
static bool is_for_us(const fq_edge *edge, const fq_call *call) {
    return edge->authority.len == 0 || call->route->house_only ||
           fq_str_equal_nocase(without_usual_port(edge, call->exchange->request.host),
                               without_usual_port(edge, edge->authority));
}

static fq_err identify_signed(fq_edge *edge, fq_call *call, const fq_message *message) {
    if (!is_for_us(edge, call)) {
        return fq_refuse_text(FQ_SIGNATURE_INVALID, NULL, "Host is not this server's origin");
    }
    lookup_context context = {edge, call};
    const fq_signature_policy policy = {
        .now_s = fq_wall_ms() / 1000, .lookup = lookup, .lookup_context = &context};
    fq_verdict verdict;
    const fq_err err =
        fq_message_verify(call->arena, message, call->exchange->request.body, &policy, &verdict);
    if (call->asked_key != 0) {
        return fq_refuse(FQ_FACT_MISSING, NULL);
    }
    if (err.code == FQ_SIGNATURE_INVALID) {
        return fq_refuse_text(err.code, NULL,
                              fq_signature_fault_text(verdict.fault, call->language));
    }
    FQ_TRY(err);
    call->signed_by_caller = true;
    if (call->route->house_only) {
        call->caller = (fq_caller){.scope = FQ_SCOPE_HOUSE};
    } else {
        call->caller = fq_known_key_caller(call->key);
    }
    if (verdict.nonce.len == 0) {
        return FQ_OK;
    }
    return fq_nonce_insert(edge->nonces, verdict.keyid, verdict.nonce,
                           verdict.created_s + FQ_SIGNATURE_AGE_MAX_S, policy.now_s);
}

static fq_err identify_bearer(fq_edge *edge, fq_call *call, fq_str authorization) {
    static const size_t scheme_len = sizeof("Bearer ") - 1;
    if (edge->live || authorization.len <= scheme_len ||
        !fq_str_equal_nocase((fq_str){authorization.at, scheme_len}, FQ_STR("Bearer "))) {
        return fq_refuse(FQ_SIGNATURE_MISSING, NULL);
    }
    fq_hash *hash = FQ_NEW(call->arena, fq_hash);
    *hash = fq_sha256_of(
        fq_str_trim((fq_str){authorization.at + scheme_len, authorization.len - scheme_len}));
    switch (fq_directory_find_token(edge->directory, hash, &call->key)) {
    case FQ_KEY_ASK:
        call->asked_token = hash;
        return fq_refuse(FQ_FACT_MISSING, NULL);
    case FQ_KEY_NONE:
        return fq_refuse(FQ_KEY_UNKNOWN, NULL);
    case FQ_KEY_REVOKED_KEY:
        return fq_refuse(FQ_KEY_REVOKED, NULL);
    case FQ_KEY_ACTIVE_KEY:
        break;
    }
    call->caller = fq_known_key_caller(call->key);
    return FQ_OK;
}

// A check that lacks the key comes again.
static void count_check(const fq_edge *edge, const fq_call *call, fq_err err) {
    const fq_verify_key *key = call->route->house_only ? edge->service_key
                               : call->key             ? fq_known_key_verifier(call->key)
                                                       : NULL;
    const char *algorithm = key ? fq_algorithm_name(fq_verify_key_algorithm(key)) : "unknown";
    const char *outcome = err.code ? fq_error_row_of(err.code)->name : "ok";
    if (err.code != FQ_FACT_MISSING) {
        fq_metrics_add_to(FQ_METRIC_SIGNATURE_CHECKS, fq_str_of(algorithm), fq_str_of(outcome),
                          FQ_STR(""), 1);
    }
}

fq_err fq_edge_identify(fq_edge *edge, fq_call *call) {
    const fq_message message = message_of(edge, call);
    if (fq_message_is_signed(&message)) {
        const fq_err err = identify_signed(edge, call, &message);
        count_check(edge, call, err);
        return err;
    }
    if (call->route->house_only) {
        return fq_refuse(FQ_SIGNATURE_MISSING, NULL);
    }
    return identify_bearer(edge, call, fq_exchange_header(call->exchange, FQ_STR("authorization")));
}

// --- the short form ---

static fq_err required(const fq_json *body, const char *name, fq_json_type type,
                       const fq_json **out) {
    const fq_json *value = fq_json_member(body, name);
    if (!value) {
        return fq_refuse(FQ_MISSING_FIELD, name);
    }
    if (value->type != type || (type == FQ_JSON_NUMBER && !value->is_integer)) {
        return fq_refuse_text(FQ_INVALID_FIELD, name, "of the wrong type");
    }
    *out = value;
    return FQ_OK;
}

static bool is_visible_ascii(fq_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '!' || text.at[i] > '~') {
            return false;
        }
    }
    return text.len > 0;
}

static fq_err short_form_key(fq_edge *edge, fq_call *call, const fq_json *key_id) {
    uint64_t id;
    if (!fq_id_parse_any(FQ_ID_key, key_id->text, &id)) {
        return fq_refuse(FQ_KEY_UNKNOWN, NULL);
    }
    switch (fq_directory_find(edge->directory, id, &call->key)) {
    case FQ_KEY_ASK:
        call->asked_key = id;
        return fq_refuse(FQ_FACT_MISSING, NULL);
    case FQ_KEY_NONE:
        return fq_refuse(FQ_KEY_UNKNOWN, NULL);
    case FQ_KEY_REVOKED_KEY:
        return fq_refuse(FQ_KEY_REVOKED, NULL);
    case FQ_KEY_ACTIVE_KEY:
        return FQ_OK;
    }
    return fq_refuse(FQ_KEY_UNKNOWN, NULL);
}

fq_err fq_edge_identify_short(fq_edge *edge, fq_call *call, fq_str *out_nonce) {
    const fq_json *signature = fq_json_member(call->body, "signature"), *key_id, *nonce, *created;
    if (!signature || signature->type != FQ_JSON_STRING || signature->text.len == 0) {
        return fq_refuse(FQ_SIGNATURE_MISSING, NULL);
    }
    FQ_TRY(required(call->body, "key_id", FQ_JSON_STRING, &key_id));
    FQ_TRY(required(call->body, "nonce", FQ_JSON_STRING, &nonce));
    FQ_TRY(required(call->body, "created", FQ_JSON_NUMBER, &created));
    if (nonce->text.len > SHORT_FORM_NONCE_MAX || !is_visible_ascii(nonce->text)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "nonce", "1 to 255 visible ASCII characters");
    }
    FQ_TRY(short_form_key(edge, call, key_id));
    // The path is not signed: with a live key the body must name the order itself.
    if (edge->live && !fq_json_member(call->body, "order_id")) {
        return fq_refuse(FQ_MISSING_FIELD, "order_id");
    }
    // A number may take more digits there than it was sent with: "1e20" 21 of them.
    const size_t longer = (size_t)FQ_JSON_REQUEST.values_max * FQ_JSON_DOUBLE_TEXT_MAX;
    fq_buffer canonical;
    fq_buffer_init(&canonical, call->exchange->request.body.len + longer);
    fq_err err = fq_json_canonical(call->body, "signature", &canonical);
    if (canonical.overflowed) {
        err = fq_refuse(FQ_CONTENT_TOO_LARGE, NULL);  // never checked against a part of it
    }
    if (!err.code) {
        err = fq_short_form_verify(fq_known_key_verifier(call->key), fq_buffer_str(&canonical),
                                   signature->text, created->integer, fq_wall_ms() / 1000);
    }
    fq_buffer_free(&canonical);
    count_check(edge, call, err);
    FQ_TRY(err);
    call->signed_by_caller = true;
    call->caller = fq_known_key_caller(call->key);
    *out_nonce = nonce->text;
    return FQ_OK;
}
