// Idempotency: fingerprints of requests. Pure.
#include "store/request.h"

#include "store/journal.h"

enum { HASH_BYTES = 4, FIELD_BYTES = 1 + HASH_BYTES, FIELDS_MAX = 64, CONTAINER_END = 0x5D };

// FNV-1a. A fingerprint tells a client's own requests apart; it keeps nobody out.
static uint64_t hash_bytes(uint64_t hash, fq_str bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ (uint8_t)bytes.at[i]) * UINT64_C(0x100000001B3);
    }
    return (hash ^ bytes.len) * UINT64_C(0x100000001B3);
}

// Depth is bounded by the reader of JSON.
static uint64_t hash_value(uint64_t hash, const fq_json *value) {
    hash = (hash ^ value->type) * UINT64_C(0x100000001B3);
    switch ((fq_json_type)value->type) {
    case FQ_JSON_NULL:
        return hash;
    case FQ_JSON_BOOL:
        return (hash ^ value->boolean) * UINT64_C(0x100000001B3);
    case FQ_JSON_NUMBER:
    case FQ_JSON_STRING:
        return hash_bytes(hash, value->text);
    case FQ_JSON_ARRAY:
    case FQ_JSON_OBJECT:
        for (const fq_json *child = value->first; child; child = child->next) {
            hash = hash_value(hash_bytes(hash, child->key), child);
        }
        // Where it ends: what follows it must not be taken for one more of its members.
        return (hash ^ CONTAINER_END) * UINT64_C(0x100000001B3);
    }
    return hash;
}

static void put_hash(char *at, uint64_t hash) {
    const uint32_t folded = (uint32_t)(hash ^ (hash >> 32));
    memcpy(at, &folded, HASH_BYTES);
}

static fq_str fingerprint_of(fq_arena *arena, const fq_command_kind *kind, fq_str method,
                             fq_str target, const fq_json *body) {
    static const uint64_t seed = UINT64_C(0xCBF29CE484222325);
    char *at = fq_arena_alloc(arena, HASH_BYTES + FIELDS_MAX * FIELD_BYTES);
    size_t len = HASH_BYTES;
    put_hash(at, hash_bytes(hash_bytes(seed, method), target));
    for (size_t i = 0; body && kind->field_names[i]; i++) {
        FQ_ASSERT(i < FIELDS_MAX);
        const fq_json *value = fq_json_member(body, kind->field_names[i]);
        if (value) {
            at[len] = (char)i;
            put_hash(at + len + 1, hash_value(seed, value));
            len += FIELD_BYTES;
        }
    }
    return (fq_str){at, len};
}

fq_request_mark fq_request_mark_of(fq_arena *arena, const fq_command_kind *kind, uint64_t root_key,
                                   fq_str idempotency_key, fq_str method, fq_str target,
                                   const fq_json *body) {
    fq_sha256 sha;
    fq_sha256_init(&sha);
    fq_sha256_add_u64(&sha, root_key);
    fq_sha256_add(&sha, idempotency_key);
    const fq_hash hash = fq_sha256_end(&sha);
    fq_request_mark mark = {.asked = true,
                            .fingerprint = fingerprint_of(arena, kind, method, target, body)};
    memcpy(&mark.hash_high, hash.bytes, sizeof(mark.hash_high));
    memcpy(&mark.hash_low, hash.bytes + sizeof(mark.hash_high), sizeof(mark.hash_low));
    return mark;
}

void fq_request_hide(fq_arena *arena, fq_command *command, const char *name, const fq_hash *keyed) {
    const fq_str plain = command->request.fingerprint;
    if (plain.len == 0) {
        return;
    }
    char *hidden = fq_arena_alloc(arena, plain.len);
    memcpy(hidden, plain.at, plain.len);
    for (size_t at = HASH_BYTES; at + FIELD_BYTES <= plain.len; at += FIELD_BYTES) {
        if (strcmp(command->kind->field_names[(uint8_t)plain.at[at]], name) == 0) {
            memcpy(hidden + at + 1, keyed->bytes, HASH_BYTES);
        }
    }
    command->request.fingerprint = (fq_str){hidden, plain.len};
}

bool fq_request_is_same(const fq_command *command, const fq_row *record) {
    const fq_request_row *request = (const fq_request_row *)record;
    return request->kind == command->kind->number &&
           fq_str_equal(request->fingerprint, command->request.fingerprint);
}

// The hash of field `index`, or NULL where the field was not given.
static const char *field_in(fq_str fingerprint, size_t index) {
    for (size_t at = HASH_BYTES; at + FIELD_BYTES <= fingerprint.len; at += FIELD_BYTES) {
        if ((uint8_t)fingerprint.at[at] == index) {
            return fingerprint.at + at + 1;
        }
    }
    return NULL;
}

static void add_name(fq_buffer *names, const char *name) {
    fq_buffer_printf(names, "%s\"%s\"", names->len > 1 ? "," : "", name);
}

static void add_differing(const fq_command *command, const fq_request_row *request,
                          fq_buffer *names) {
    const fq_str now = command->request.fingerprint, then = request->fingerprint;
    if (request->kind != command->kind->number || then.len < HASH_BYTES ||
        memcmp(now.at, then.at, HASH_BYTES) != 0) {
        add_name(names, "path");
    }
    if (request->kind != command->kind->number) {
        return;
    }
    for (size_t i = 0; command->kind->field_names[i]; i++) {
        const char *a = field_in(now, i), *b = field_in(then, i);
        if ((a == NULL) != (b == NULL) || (a && memcmp(a, b, HASH_BYTES) != 0)) {
            add_name(names, command->kind->field_names[i]);
        }
    }
}

fq_err fq_request_differs(const fq_command *command, const fq_row *record) {
    fq_buffer names;
    fq_buffer_init(&names, 4096);
    fq_buffer_add_char(&names, '[');
    add_differing(command, (const fq_request_row *)record, &names);
    fq_buffer_add_char(&names, ']');
    const char *text = fq_arena_text(command->arena, fq_buffer_str(&names));
    fq_buffer_free(&names);
    return fq_refuse_text(FQ_IDEMPOTENCY_KEY_REUSED, NULL, text);
}
