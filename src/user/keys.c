// API keys as the command line manages them. No rules but what a request must look like.
#include "user/keys.h"

#include "base/random.h"
#include "user/rows.h"

enum { ARENA_BYTES_MAX = 1 << 20, TOKEN_RANDOM_BYTES = 32, TOKEN_MAX = 64 };
static const char token_prefix[] = "fq_test_";

// --- creating ---

// A bearer token: the prefix and 43 characters of base64url (RFC 4648 section 5, no padding).
static fq_str make_token(fq_arena *arena) {
    uint8_t random[TOKEN_RANDOM_BYTES];
    char *token = fq_arena_alloc(arena, TOKEN_MAX);
    const size_t prefix_len = sizeof(token_prefix) - 1;
    fq_random(random, sizeof(random));
    memcpy(token, token_prefix, prefix_len);
    size_t len = prefix_len + fq_base64_encode((fq_str){(const char *)random, sizeof(random)},
                                               token + prefix_len);
    fq_wipe(random, sizeof(random));
    while (token[len - 1] == '=') {
        len--;
    }
    for (size_t i = prefix_len; i < len; i++) {
        token[i] = token[i] == '+' ? '-' : token[i] == '/' ? '_' : token[i];
    }
    return (fq_str){token, len};
}

static void make_bearer(fq_arena *arena, key_create *create, fq_str *out_secret) {
    *out_secret = make_token(arena);
    fq_hash *hash = FQ_NEW(arena, fq_hash);
    *hash = fq_sha256_of(*out_secret);
    create->token = hash;
    create->material = fq_hash_str(hash);
}

static void make_hmac(fq_arena *arena, key_create *create, fq_str *out_secret) {
    uint8_t *random = fq_arena_alloc(arena, FQ_SECRET_BYTES);
    char *text = fq_arena_alloc(arena, FQ_BASE64_LEN(FQ_SECRET_BYTES));
    fq_random(random, FQ_SECRET_BYTES);
    create->material = (fq_str){(const char *)random, FQ_SECRET_BYTES};
    *out_secret = (fq_str){text, fq_base64_encode(create->material, text)};
}

// The public half that was given is looked at here, so that a key which could never sign is not
// made.
static fq_err take_public_key(const fq_key_request *request, key_create *create) {
    fq_verify_key *key;
    if (request->public_key.len == 0) {
        return fq_refuse(FQ_MISSING_FIELD, "public_key");
    }
    FQ_TRY(fq_verify_key_from_pem(request->algorithm, request->public_key, "public_key", &key));
    fq_verify_key_free(key);
    create->material = request->public_key;
    return FQ_OK;
}

static fq_err make_material(const fq_service *service, const fq_key_request *request,
                            fq_arena *arena, key_create *create, fq_str *out_secret) {
    *out_secret = (fq_str){0};
    if (fq_algorithm_uses_pair(request->algorithm)) {
        return take_public_key(request, create);
    }
    if (request->public_key.len > 0) {
        return fq_refuse_text(FQ_INVALID_FIELD, "public_key", "this algorithm has none");
    }
    if (request->algorithm == FQ_ALGORITHM_HMAC_SHA256) {
        make_hmac(arena, create, out_secret);
        return FQ_OK;
    }
    if (service->live) {
        return fq_refuse_text(FQ_INVALID_FIELD, "algorithm", "bearer keys are for the sandbox");
    }
    make_bearer(arena, create, out_secret);
    return FQ_OK;
}

fq_err fq_user_key_create(fq_service *service, const fq_key_request *request, fq_arena *arena,
                          fq_created_key *out) {
    fq_scope scope;
    fq_str secret;
    key_create create = {
        .base = {.kind = &key_create_kind, .arena = arena, .units = 1},
        .algorithm = fq_str_of(fq_algorithm_name(request->algorithm)),
        .replaces = request->replaces,
        .keyring = service->keyring,
    };
    FQ_TRY(fq_scope_parse(request->scope, &scope, &create.user_id));
    FQ_TRY(make_material(service, request, arena, &create, &secret));
    create.scope = fq_scope_text(arena, scope, create.user_id);
    FQ_TRY(fq_writer_run(service->writer, &create.base));
    *out = (fq_created_key){create.made, request->algorithm, create.scope, secret};
    return FQ_OK;
}

// --- revoking and listing ---

fq_err fq_user_key_revoke(fq_service *service, fq_key_id id) {
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    key_revoke revoke = {.base = {.kind = &key_revoke_kind, .arena = &arena, .units = 1}, .id = id};
    const fq_err err = fq_writer_run(service->writer, &revoke.base);
    fq_arena_free(&arena);
    return err;
}

typedef struct {
    fq_arena *arena;
    fq_listed_key *keys;
    size_t count;
    bool damaged;
} listing;

static bool add_key(void *context, const fq_row *row) {
    listing *at = context;
    const api_key_row *key = (const api_key_row *)row;
    fq_listed_key *listed = &at->keys[at->count++];
    *listed = (fq_listed_key){.id = key->id,
                              .root = key->root,
                              .scope = fq_arena_copy(at->arena, key->scope),
                              .created_ms = key->created_ms,
                              .revoked_ms = key->revoked_ms};
    at->damaged |= !fq_algorithm_parse(key->algorithm, &listed->algorithm);
    return at->count < FQ_LISTED_KEYS_MAX;
}

fq_err fq_user_key_list(fq_service *service, fq_arena *arena, fq_listed_key **out,
                        size_t *out_count) {
    listing at = {.arena = arena, .keys = FQ_NEW_ARRAY(arena, fq_listed_key, FQ_LISTED_KEYS_MAX)};
    FQ_TRY(fq_service_scan(service,
                           &(fq_scan){.table = &api_key_table, .visit = add_key, .context = &at}));
    *out = at.keys;
    *out_count = at.count;
    return at.damaged ? fq_refuse(FQ_INTERNAL, NULL) : FQ_OK;
}
