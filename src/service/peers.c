// The other services, in this process or at a URL.
#include "service/peers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "crypto/message_signature.h"

#include <stdio.h>

enum { SIGNED_HEADERS = 5, ANSWER_BYTES_MAX = 4 << 20, NONCE_TEXT = 24 };

// --- calls over HTTP ---

static fq_err sign_call(const fq_peers *peers, fq_arena *arena, fq_str authority, fq_str path,
                        fq_str body, fq_header *headers, size_t *count) {
    uint8_t random[NONCE_TEXT / 4 * 3];
    char nonce[NONCE_TEXT];
    fq_random(random, sizeof(random));
    fq_base64_encode((fq_str){(const char *)random, sizeof(random)}, nonce);
    headers[0] = (fq_header){FQ_STR("Content-Type"), FQ_STR("application/json")};
    headers[1] = (fq_header){FQ_STR("Idempotency-Key"),
                             fq_arena_copy(arena, (fq_str){nonce, sizeof(nonce)})};
    fq_message_field fields[2];
    for (size_t i = 0; i < 2; i++) {
        fields[i] = (fq_message_field){headers[i].name, headers[i].value};
    }
    const fq_message message = {.method = FQ_STR("POST"),
                                .scheme = FQ_STR("http"),
                                .authority = authority,
                                .path = path,
                                .fields = fields,
                                .field_count = 2};
    fq_sign_key *key;
    FQ_TRY(fq_sign_key_from_secret(peers->service_key, NULL, &key));
    const fq_signing signing = {.key = key,
                                .keyid = FQ_STR("service"),
                                .nonce = headers[1].value,
                                .created_s = fq_wall_ms() / 1000};
    fq_signed_fields made;
    const fq_err err = fq_message_sign(arena, &message, body, &signing, &made);
    fq_sign_key_free(key);
    FQ_TRY(err);
    headers[2] = (fq_header){FQ_STR("Content-Digest"), made.content_digest};
    headers[3] = (fq_header){FQ_STR("Signature-Input"), made.signature_input};
    headers[4] = (fq_header){FQ_STR("Signature"), made.signature};
    *count = SIGNED_HEADERS;
    return FQ_OK;
}

static fq_str authority_of(fq_str url) {
    const char *mark = memmem(url.at, url.len, "://", 3);
    if (!mark) {
        return url;
    }
    const char *at = mark + 3, *end = url.at + url.len;
    const char *slash = memchr(at, '/', (size_t)(end - at));
    return (fq_str){at, (size_t)((slash ? slash : end) - at)};
}

// The refusal that the other side named, by its code.
static fq_err refusal_of(const fq_json *problem) {
    const fq_json *code = fq_json_member(problem, "code");
    for (fq_code candidate = FQ_DONE + 1; code && candidate < FQ_FACT_MISSING; candidate++) {
        if (fq_str_equal(code->text, fq_str_of(fq_error_row_of(candidate)->name))) {
            return fq_refuse(candidate, NULL);
        }
    }
    return fq_refuse(FQ_UNAVAILABLE, NULL);
}

fq_err fq_peer_call(const fq_peers *peers, fq_service_number number, const char *path, fq_str body,
                    fq_arena *arena, const fq_json **out) {
    const char *base = peers->peer[number].url;
    if (!base || !base[0] || peers->service_key.len == 0) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    const fq_str url = fq_arena_printf(arena, "%s%s", base, path);
    fq_header headers[SIGNED_HEADERS + 1];
    size_t count;
    FQ_TRY(sign_call(peers, arena, authority_of(url), fq_str_of(path), body, headers, &count));
    // What the thread works on: the other side's log lines then belong to the same request.
    const fq_log_context here = fq_log_here();
    if (here.request_id.len > 0) {
        headers[count++] = (fq_header){FQ_STR("Request-Id"), here.request_id};
    }
    fq_buffer answer;
    fq_buffer_init(&answer, ANSWER_BYTES_MAX);
    int status = 0;
    fq_err err = fq_client_call(peers->client,
                                &(fq_outgoing){
                                    .method = FQ_POST,
                                    .url = url,
                                    .headers = headers,
                                    .header_count = count,
                                    .body = body,
                                    .traceparent = here.traceparent,
                                    .timeout_ms = peers->settings->server_request_timeout,
                                },
                                &status, &answer);
    const fq_json *json = NULL;
    if (!err.code) {
        const fq_str text = fq_arena_copy(arena, fq_buffer_str(&answer));
        err = fq_json_parse(arena, text, FQ_JSON_BULK, &json);
    }
    fq_buffer_free(&answer);
    if (err.code) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    if (status >= 400) {
        return refusal_of(json);
    }
    *out = json;
    return FQ_OK;
}

// --- events ---

typedef struct {
    fq_arena *arena;
    fq_event_row *rows;
    size_t count, count_max, bytes;
} collecting;

static bool collect(void *context, const fq_row *row) {
    collecting *at = context;
    const fq_event_row *copy = (const fq_event_row *)fq_row_copy(row, at->arena);
    at->rows[at->count++] = *copy;
    at->bytes += copy->told.len;
    return at->count < at->count_max && at->bytes < FQ_EVENT_BYTES_MAX;
}

static fq_err local_events(fq_service *service, uint64_t position, collecting *into) {
    return fq_service_scan(service, &(fq_scan){.table = &fq_event_table,
                                               .above = position,
                                               .forward = true,
                                               .visit = collect,
                                               .context = into});
}

static uint64_t number_of(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member && member->is_integer ? (uint64_t)member->integer : 0;
}

static fq_err remote_events(const fq_peers *peers, fq_service_number number, uint64_t position,
                            collecting *into) {
    char path[64];
    snprintf(path, sizeof(path), "/internal/%s/events", fq_service_name_of(number));
    const fq_str body = fq_arena_printf(into->arena, "{\"position\":%llu,\"count\":%zu}",
                                        (unsigned long long)position, into->count_max);
    const fq_json *answer = NULL;
    FQ_TRY(fq_peer_call(peers, number, path, body, into->arena, &answer));
    const fq_json *events = fq_json_member(answer, "events");
    for (const fq_json *event = events ? events->first : NULL;
         event && into->count < into->count_max; event = event->next) {
        const fq_json *told = fq_json_member(event, "told");
        fq_event_row *row = &into->rows[into->count++];
        *row = (fq_event_row){.row = {.table = &fq_event_table, .state = FQ_ROW_LOADED},
                              .position = number_of(event, "position"),
                              .type = (uint16_t)number_of(event, "type"),
                              .subject = number_of(event, "subject"),
                              .version = number_of(event, "version"),
                              .at_ms = (int64_t)number_of(event, "at_ms"),
                              .by_key = number_of(event, "by_key")};
        const size_t room = told ? told->text.len : 0;
        uint8_t *bytes = fq_arena_alloc(into->arena, room + 1);
        size_t len = 0;
        if (!told || !fq_base64_decode(told->text, bytes, &len)) {
            return fq_refuse(FQ_UNAVAILABLE, NULL);
        }
        row->told = (fq_str){(const char *)bytes, len};
    }
    return FQ_OK;
}

fq_err fq_peer_events(const fq_peers *peers, fq_service_number number, uint64_t position,
                      size_t count_max, fq_arena *arena, fq_event_row **out_rows,
                      size_t *out_count) {
    collecting into = {.arena = arena,
                       .rows = FQ_NEW_ARRAY(arena, fq_event_row, count_max),
                       .count_max = count_max};
    const fq_peer *peer = &peers->peer[number];
    FQ_TRY(peer->local ? local_events(peer->local, position, &into)
                       : remote_events(peers, number, position, &into));
    *out_rows = into.rows;
    *out_count = into.count;
    return FQ_OK;
}
