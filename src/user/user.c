// The user service as a whole: its routes, events, and what it opens.
#include "service/events.h"
#include "service/readers.h"
#include "user/rows.h"

#include <stdlib.h>

// To add a route, add a row: who may (scope.h), the command with its decoder and encoder, or what
// reads.
static const fq_route routes[] = {
    {.method = FQ_POST,
     .path = "/v1/users",
     .operation = FQ_MAY_USER_CREATE,
     .command = &user_create_kind,
     .command_bytes = sizeof(user_profile),
     .decode = user_decode_create,
     .before = user_before_profile,
     .encode = user_encode_create},
    {.method = FQ_PATCH,
     .path = "/v1/users/{user_id}",
     .operation = FQ_MAY_USER_CHANGE,
     .command = &user_change_kind,
     .command_bytes = sizeof(user_profile),
     .decode = user_decode_change,
     .before = user_before_profile,
     .after = user_after_change,
     .encode = user_encode_change},
    {.method = FQ_POST,
     .path = "/v1/users/{user_id}/freeze",
     .operation = FQ_MAY_USER_CHANGE,
     .command = &user_freeze_kind,
     .command_bytes = sizeof(user_move),
     .decode = user_decode_move,
     .before = user_before_freeze,
     .after = user_after_move,
     .encode = user_encode_move,
     .body_optional = true},
    {.method = FQ_POST,
     .path = "/v1/users/{user_id}/unfreeze",
     .operation = FQ_MAY_USER_CHANGE,
     .command = &user_unfreeze_kind,
     .command_bytes = sizeof(user_move),
     .decode = user_decode_move,
     .after = user_after_move,
     .encode = user_encode_move,
     .body_optional = true},
    {.method = FQ_POST,
     .path = "/v1/users/{user_id}/close",
     .operation = FQ_MAY_USER_CHANGE,
     .command = &user_close_kind,
     .command_bytes = sizeof(user_move),
     .decode = user_decode_move,
     .before = user_before_close,
     .encode = user_encode_move,
     .body_optional = true},
    {.method = FQ_POST,
     .path = "/v1/users/{user_id}/verify_password",
     .operation = FQ_MAY_USER_CHANGE,
     .command = &password_check_kind,
     .command_bytes = sizeof(password_check),
     .decode = user_decode_password,
     .before = user_before_password,
     .encode = user_encode_password},
    {.method = FQ_GET, .path = "/v1/users", .operation = FQ_MAY_USER_SEE, .read = user_read_list},
    {.method = FQ_GET,
     .path = "/v1/users/{user_id}",
     .operation = FQ_MAY_USER_SEE,
     .read = user_read_one},
    {.method = FQ_POST,
     .path = "/internal/user/facts",
     .read = user_internal_facts,
     .house_only = true},
    {.method = FQ_POST,
     .path = "/internal/user/keys",
     .read = user_internal_keys,
     .house_only = true},
    {.method = FQ_POST,
     .path = "/internal/user/key_of_token",
     .read = user_internal_key_of_token,
     .house_only = true},
    FQ_EVENTS_ROUTE("user"),
};

// --- events ---

// A feed is read by keys of all kinds, so its personal fields are masked.
static void show_user(fq_service *service, fq_json_writer *out, const fq_row *row) {
    user_encode(service, out, "data", (const user_row *)row, false);
}

static fq_sides sides_of_user(const fq_row *row) {
    const user_row *user = (const user_row *)row;
    return (fq_sides){user->id.v, user->id.v};
}

static void show_key(fq_service *service, fq_json_writer *out, const fq_row *row) {
    (void)service;
    key_encode(out, "data", (const api_key_row *)row);
}

// Nobody's own: for those who see everything.
static fq_sides sides_of_key(const fq_row *row) {
    (void)row;
    return (fq_sides){0, 0};
}

static const fq_event_type events[] = {
    {FQ_TOLD_USER_CREATED, "user.created", &user_table, FQ_ID_user, show_user, sides_of_user},
    {FQ_TOLD_USER_UPDATED, "user.updated", &user_table, FQ_ID_user, show_user, sides_of_user},
    {FQ_TOLD_USER_FROZEN, "user.frozen", &user_table, FQ_ID_user, show_user, sides_of_user},
    {FQ_TOLD_USER_UNFROZEN, "user.unfrozen", &user_table, FQ_ID_user, show_user, sides_of_user},
    {FQ_TOLD_USER_CLOSED, "user.closed", &user_table, FQ_ID_user, show_user, sides_of_user},
    {FQ_TOLD_KEY_CREATED, "key.created", &api_key_table, FQ_ID_key, show_key, sides_of_key},
    {FQ_TOLD_KEY_REVOKED, "key.revoked", &api_key_table, FQ_ID_key, show_key, sides_of_key},
};

// --- opening and ending ---

enum { HASHES_WAITING_MAX = 64 };  // some seconds' worth

static fq_err open_service(fq_service *service) {
    user_state *state = calloc(1, sizeof(*state));
    FQ_ASSERT(state != NULL);
    service->state = state;
    FQ_TRY(fq_reader_pool_make(NULL, (size_t)service->settings->crypto_argon2_at_once,
                               HASHES_WAITING_MAX, &state->hashing));
    return user_keyring_open(service);
}

static void close_service(fq_service *service) {
    user_state *state = service->state;
    fq_reader_pool_free(state ? state->hashing : NULL);
    fq_keyring_free(service->keyring);
    free(state);
    service->keyring = NULL;
    service->state = NULL;
}

const fq_service_kind fq_user_service = {
    .number = FQ_SERVICE_USER,
    .name = "user",
    .schema = &user_schema,
    .routes = routes,
    .route_count = sizeof(routes) / sizeof(routes[0]),
    .events = events,
    .event_count = sizeof(events) / sizeof(events[0]),
    .open = open_service,
    .close = close_service,
    .count = user_count,
};
