// What other services may ask of this one (user.h): in this process by reading, elsewhere over
// HTTP; and the routes that answer the latter. No rules.
#include "user/rows.h"

#include "base/log.h"
#include "service/question.h"

enum { FIRST_KEY = 1, HEX_MAX = 2 * FQ_HASH_BYTES };

// --- reading rows ---

fq_err user_load_rows(fq_service *service, fq_reader *reader, fq_arena *arena,
                      const fq_table *table, const uint64_t *ids, size_t count, fq_row **out) {
    // In key order, each once: what the engines ask for.
    fq_batch *batch = fq_batch_make(arena, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = fq_want(batch, table, ids[i], 0, 0);
    }
    fq_row_list wanted;
    fq_batch_wanted(batch, &table, 1, &wanted);
    if (wanted.count == 0) {
        return FQ_OK;
    }
    return service->engine->ops->reader_load(reader, arena,
                                             &(fq_row_group){table, wanted.rows, wanted.count}, 1);
}

// A question that is answered with a reader at hand.
typedef struct {
    fq_service *service;
    fq_arena *arena;
    const uint64_t *ids;
    const fq_hash *token;
    size_t count;
    void *out;
} question;

static fq_err with_reader(question *asked, fq_err (*answer)(question *, fq_reader *)) {
    fq_reading reading FQ_READING_ENDS = {0};
    FQ_TRY(fq_reading_begin(asked->service, &reading));
    return answer(asked, reading.reader);
}

fq_err user_look(fq_service *service, fq_arena *arena, const fq_table *table, uint64_t key0,
                 uint64_t key1, fq_row **out) {
    *out = fq_row_make(table, arena);
    fq_column_set_integer(*out, &table->columns[0], (int64_t)key0);
    if (table->key_count > 1) {
        fq_column_set_integer(*out, &table->columns[1], (int64_t)key1);
    }
    return fq_service_load(service, arena, *out);
}

// --- questions and answers between processes ---

static fq_str text_of(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member ? member->text : (fq_str){0};
}

static bool bool_of(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member && member->type == FQ_JSON_BOOL && member->boolean;
}

static fq_str base64_of(fq_arena *arena, fq_str bytes) {
    const size_t len = FQ_BASE64_LEN(bytes.len);
    char *text = fq_arena_alloc(arena, len + 1);
    fq_base64_encode(bytes, text);
    return (fq_str){text, len};
}

static bool from_base64(fq_arena *arena, fq_str text, fq_str *out) {
    uint8_t *bytes = fq_arena_alloc(arena, text.len + 1);
    *out = (fq_str){(const char *)bytes, 0};
    return fq_base64_decode(text, bytes, &out->len);
}

// --- facts of users ---

static fq_err answer_facts(question *asked, fq_reader *reader) {
    fq_row **rows = FQ_NEW_ARRAY(asked->arena, fq_row *, asked->count + 1);
    fq_user_facts *facts = asked->out;
    FQ_TRY(user_load_rows(asked->service, reader, asked->arena, &user_table, asked->ids,
                          asked->count, rows));
    for (size_t i = 0; i < asked->count; i++) {
        const user_row *user = (const user_row *)rows[i];
        facts[i] = (fq_user_facts){.id = user->id,
                                   .exists = user->row.state != FQ_ROW_ABSENT,
                                   .status = (fq_user_status)user->status,
                                   .roles = user->roles,
                                   .version = user->version};
    }
    return FQ_OK;
}

fq_err fq_user_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids, size_t count,
                        fq_user_facts *out) {
    FQ_ASSERT(count <= FQ_QUESTION_IDS_MAX);
    fq_service *local = peers->peer[FQ_SERVICE_USER].local;
    if (local) {
        return with_reader(
            &(question){.service = local, .arena = arena, .ids = ids, .count = count, .out = out},
            answer_facts);
    }
    const fq_json *answer;
    FQ_TRY(fq_peer_call(peers, FQ_SERVICE_USER, "/internal/user/facts",
                        fq_question_ids(arena, ids, count), arena, &answer));
    const fq_json *facts = fq_json_member(answer, "facts");
    size_t i = 0;
    for (const fq_json *at = facts ? facts->first : NULL; at && i < count; at = at->next, i++) {
        out[i] = (fq_user_facts){.id = {ids[i]},
                                 .exists = bool_of(at, "exists"),
                                 .status = (fq_user_status)fq_question_integer(at, "status"),
                                 .roles = (uint32_t)fq_question_integer(at, "roles"),
                                 .version = (uint64_t)fq_question_integer(at, "version")};
    }
    return i == count ? FQ_OK : fq_refuse(FQ_UNAVAILABLE, NULL);
}

fq_err user_internal_facts(fq_call *call, fq_reader *reader) {
    uint64_t *ids;
    size_t count;
    FQ_TRY(fq_question_decode_ids(call, &ids, &count));
    fq_user_facts *facts = FQ_NEW_ARRAY(call->arena, fq_user_facts, count + 1);
    question asked = {
        .service = call->service, .arena = call->arena, .ids = ids, .count = count, .out = facts};
    FQ_TRY(answer_facts(&asked, reader));
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_array_begin(&out, "facts");
    for (size_t i = 0; i < count; i++) {
        fq_json_object_begin(&out, NULL);
        fq_json_put_bool(&out, "exists", facts[i].exists);
        fq_json_put_i64(&out, "status", facts[i].status);
        fq_json_put_i64(&out, "roles", facts[i].roles);
        fq_json_put_u64(&out, "version", facts[i].version);
        fq_json_object_end(&out);
    }
    fq_json_array_end(&out);
    fq_json_object_end(&out);
    return FQ_OK;
}

// --- keys ---

fq_err key_record_of(fq_service *service, fq_arena *arena, const api_key_row *key,
                     const key_secret_row *secret, fq_key_record *out) {
    *out = (fq_key_record){.id = key->id, .root = key->root};
    if (key->row.state == FQ_ROW_ABSENT) {
        return FQ_OK;
    }
    const sealed_place place = {key_secret_table.name, "sealed", key->id.v};
    out->exists = true;
    out->revoked = key->status != KEY_IS_ACTIVE;
    if (!fq_algorithm_parse(key->algorithm, &out->algorithm)) {
        return fq_refuse(FQ_INTERNAL, NULL);
    }
    FQ_TRY(fq_scope_parse(key->scope, &out->scope, &out->user));
    const fq_err err = sealed_open(service, arena, place, secret->sealed, &out->material);
    if (err.code) {
        fq_log(FQ_LOG_ERROR, "an API key's secret cannot be opened", FQ_LOG_INT("key", key->id.v));
    }
    return err;
}

static fq_err answer_keys(question *asked, fq_reader *reader) {
    fq_row **keys = FQ_NEW_ARRAY(asked->arena, fq_row *, asked->count + 1);
    fq_row **secrets = FQ_NEW_ARRAY(asked->arena, fq_row *, asked->count + 1);
    fq_key_record *records = asked->out;
    FQ_TRY(user_load_rows(asked->service, reader, asked->arena, &api_key_table, asked->ids,
                          asked->count, keys));
    FQ_TRY(user_load_rows(asked->service, reader, asked->arena, &key_secret_table, asked->ids,
                          asked->count, secrets));
    for (size_t i = 0; i < asked->count; i++) {
        FQ_TRY(key_record_of(asked->service, asked->arena, (const api_key_row *)keys[i],
                             (const key_secret_row *)secrets[i], &records[i]));
    }
    return FQ_OK;
}

// The row is found by half of the hash; the whole of it decides.
static fq_err answer_token(question *asked, fq_reader *reader) {
    fq_key_record *record = asked->out;
    key_token_row *token = (key_token_row *)fq_row_make(&key_token_table, asked->arena);
    memcpy(&token->hash_high, asked->token->bytes, sizeof(token->hash_high));
    memcpy(&token->hash_low, asked->token->bytes + sizeof(token->hash_high),
           sizeof(token->hash_low));
    fq_row *row = &token->row;
    FQ_TRY(asked->service->engine->ops->reader_load(reader, asked->arena,
                                                    &(fq_row_group){&key_token_table, &row, 1}, 1));
    *record = (fq_key_record){0};
    if (row->state == FQ_ROW_ABSENT) {
        return FQ_OK;
    }
    asked->ids = &token->key_id.v;
    asked->count = 1;
    FQ_TRY(answer_keys(asked, reader));
    if (!fq_equal_secret(record->material, fq_hash_str(asked->token))) {
        *record = (fq_key_record){0};
    }
    return FQ_OK;
}

// --- keys between processes: sealed under a key made of the one that the services share ---

static fq_keyring *transit_keyring(fq_str service_key) {
    fq_master_key master;
    fq_hkdf(service_key, FQ_STR("feiqian keys in transit v1"), master.bytes, sizeof(master.bytes));
    fq_keyring *ring = fq_keyring_new(&master);
    fq_master_key_wipe(&master);
    return ring;
}

static fq_str transit_place(fq_arena *arena, fq_key_id id) {
    return fq_arena_printf(arena, "key.transit.%llu", (unsigned long long)id.v);
}

static fq_err put_records(fq_call *call, fq_keyring *ring, fq_json_writer *out,
                          const fq_key_record *records, size_t count) {
    fq_json_array_begin(out, "keys");
    for (size_t i = 0; i < count; i++) {
        const fq_key_record *record = &records[i];
        fq_str sealed;
        FQ_TRY(fq_envelope_seal(ring, call->arena, FQ_PURPOSE_SECRET, record->material,
                                transit_place(call->arena, record->id), &sealed));
        fq_json_object_begin(out, NULL);
        fq_json_put_u64(out, "id", record->id.v);
        fq_json_put_u64(out, "root", record->root.v);
        fq_json_put_bool(out, "exists", record->exists);
        fq_json_put_bool(out, "revoked", record->revoked);
        fq_json_put_literal(out, "algorithm", fq_algorithm_name(record->algorithm));
        fq_json_put_i64(out, "scope", record->scope);
        fq_json_put_u64(out, "user", record->user.v);
        fq_json_put_text(out, "material", base64_of(call->arena, sealed));
        fq_json_object_end(out);
    }
    fq_json_array_end(out);
    return FQ_OK;
}

static fq_err tell_records(fq_call *call, fq_keyring *ring, const fq_key_record *records,
                           size_t count) {
    fq_wrapped_key wrapped;
    uint32_t number;
    FQ_TRY(fq_keyring_make(ring, FQ_WRAPPED_DATA, FIRST_KEY, 256, &wrapped));
    const fq_str bytes = {(const char *)wrapped.bytes, wrapped.len};
    FQ_TRY(fq_keyring_add(ring, bytes, &number));
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_put_text(&out, "under", base64_of(call->arena, bytes));
    FQ_TRY(put_records(call, ring, &out, records, count));
    fq_json_object_end(&out);
    return FQ_OK;
}

static fq_err answer_records(fq_call *call, const fq_key_record *records, size_t count) {
    call->exchange->secret = true;
    fq_keyring *ring = transit_keyring(call->service->peers->service_key);
    const fq_err err = tell_records(call, ring, records, count);
    fq_keyring_free(ring);
    return err;
}

static fq_err read_record(fq_keyring *ring, fq_arena *arena, const fq_json *at,
                          fq_key_record *out) {
    fq_str sealed;
    *out = (fq_key_record){.id = {(uint64_t)fq_question_integer(at, "id")},
                           .root = {(uint64_t)fq_question_integer(at, "root")},
                           .exists = bool_of(at, "exists"),
                           .revoked = bool_of(at, "revoked"),
                           .scope = (fq_scope)fq_question_integer(at, "scope"),
                           .user = {(uint64_t)fq_question_integer(at, "user")}};
    if (!fq_algorithm_parse(text_of(at, "algorithm"), &out->algorithm) ||
        !from_base64(arena, text_of(at, "material"), &sealed) || out->scope > FQ_SCOPE_PAYER ||
        (out->exists && out->scope == FQ_SCOPE_HOUSE)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    return fq_envelope_open(ring, arena, FQ_PURPOSE_SECRET, sealed, transit_place(arena, out->id),
                            &out->material);
}

static fq_err read_records(fq_keyring *ring, fq_arena *arena, const fq_json *answer, size_t count,
                           fq_key_record *out) {
    fq_str wrapped;
    uint32_t number;
    if (!from_base64(arena, text_of(answer, "under"), &wrapped)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    FQ_TRY(fq_keyring_add(ring, wrapped, &number));
    const fq_json *keys = fq_json_member(answer, "keys");
    size_t i = 0;
    for (const fq_json *at = keys ? keys->first : NULL; at && i < count; at = at->next, i++) {
        FQ_TRY(read_record(ring, arena, at, &out[i]));
    }
    return i == count ? FQ_OK : fq_refuse(FQ_UNAVAILABLE, NULL);
}

static fq_err ask_records(const fq_peers *peers, fq_arena *arena, const char *path, fq_str body,
                          size_t count, fq_key_record *out) {
    const fq_json *answer;
    FQ_TRY(fq_peer_call(peers, FQ_SERVICE_USER, path, body, arena, &answer));
    fq_keyring *ring = transit_keyring(peers->service_key);
    const fq_err err = read_records(ring, arena, answer, count, out);
    fq_keyring_free(ring);
    return err.code ? fq_refuse(FQ_UNAVAILABLE, NULL) : FQ_OK;
}

fq_err fq_user_keys_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids, size_t count,
                       fq_key_record *out) {
    FQ_ASSERT(count <= FQ_QUESTION_IDS_MAX);
    fq_service *local = peers->peer[FQ_SERVICE_USER].local;
    if (!local) {
        return ask_records(peers, arena, "/internal/user/keys", fq_question_ids(arena, ids, count),
                           count, out);
    }
    const fq_err err = with_reader(
        &(question){.service = local, .arena = arena, .ids = ids, .count = count, .out = out},
        answer_keys);
    return err.code ? fq_refuse(FQ_UNAVAILABLE, NULL) : FQ_OK;
}

fq_err fq_user_key_of_token(const fq_peers *peers, fq_arena *arena, const fq_hash *token_hash,
                            fq_key_record *out) {
    fq_service *local = peers->peer[FQ_SERVICE_USER].local;
    if (!local) {
        char hex[HEX_MAX];
        fq_hex_encode(fq_hash_str(token_hash), hex);
        return ask_records(peers, arena, "/internal/user/key_of_token",
                           fq_arena_printf(arena, "{\"token\":\"%.*s\"}", HEX_MAX, hex), 1, out);
    }
    const fq_err err =
        with_reader(&(question){.service = local, .arena = arena, .token = token_hash, .out = out},
                    answer_token);
    return err.code ? fq_refuse(FQ_UNAVAILABLE, NULL) : FQ_OK;
}

fq_err user_internal_keys(fq_call *call, fq_reader *reader) {
    uint64_t *ids;
    size_t count;
    FQ_TRY(fq_question_decode_ids(call, &ids, &count));
    fq_key_record *records = FQ_NEW_ARRAY(call->arena, fq_key_record, count + 1);
    question asked = {
        .service = call->service, .arena = call->arena, .ids = ids, .count = count, .out = records};
    FQ_TRY(answer_keys(&asked, reader));
    return answer_records(call, records, count);
}

typedef struct {
    fq_str token;
} token_query;

static const fq_field token_rows[] = {{.name = "token",
                                       .kind = FQ_FIELD_ASCII,
                                       .required = true,
                                       .minimum = HEX_MAX,
                                       .maximum = HEX_MAX,
                                       .offset = FQ_AT(token_query, token)}};
static const fq_fields token_fields = FQ_FIELDS(token_rows, token_query);

fq_err user_internal_key_of_token(fq_call *call, fq_reader *reader) {
    token_query query = {{0}};
    fq_hash hash;
    fq_key_record record;
    FQ_TRY(fq_call_body(call, &token_fields, &query));
    if (!fq_hex_decode(query.token, hash.bytes)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "token", "not a SHA-256 in hex");
    }
    question asked = {
        .service = call->service, .arena = call->arena, .token = &hash, .out = &record};
    FQ_TRY(answer_token(&asked, reader));
    return answer_records(call, &record, 1);
}
