// How this room's rows are shown.
#include "user/rows.h"

#include "base/log.h"

enum { ARENA_BYTES_MAX = 64 << 10 };

const char *user_status_text(fq_user_status status) {
    switch (status) {
#define X(stored, name, wire) \
    case name:                \
        return wire;
        FQ_USER_STATUSES(X)
#undef X
    }
    return "";
}

const char *key_status_text(key_status status) {
    switch (status) {
#define X(stored, name, wire) \
    case name:                \
        return wire;
        KEY_STATUSES(X)
#undef X
    }
    return "";
}

bool user_sees_in_full(const fq_caller *caller) {
    return caller->scope == FQ_SCOPE_ADMIN;
}

// Puts a personal field where there is one. One that cannot be opened is left out and logged: the
// rest of the user can still be seen and mended.
static void put_personal(fq_service *service, fq_arena *arena, fq_json_writer *out,
                         sealed_place place, fq_str envelope,
                         fq_str (*mask)(fq_arena *arena, fq_str text)) {
    fq_str text;
    if (envelope.len == 0) {
        return;
    }
    if (sealed_open(service, arena, place, envelope, &text).code) {
        fq_log(FQ_LOG_ERROR, "a personal field cannot be opened",
               FQ_LOG_TEXT("column", place.column), FQ_LOG_INT("user", place.id));
        return;
    }
    fq_json_put_text(out, place.column, mask ? mask(arena, text) : text);
}

static void put_roles(fq_json_writer *out, uint8_t roles) {
    fq_json_array_begin(out, "roles");
    for (const fq_choice *choice = user_role_choices; choice->text; choice++) {
        if (roles & choice->value) {
            fq_json_put_literal(out, NULL, choice->text);
        }
    }
    fq_json_array_end(out);
}

void user_encode(fq_service *service, fq_json_writer *out, const char *name, const user_row *row,
                 bool in_full) {
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    sealed_place place = {user_table.name, "name", row->id.v};
    fq_json_object_begin(out, name);
    fq_json_put_id(out, "id", FQ_ID_user, row->id.v);
    fq_json_put_literal(out, "object", "user");
    fq_json_put_literal(out, "status", user_status_text((fq_user_status)row->status));
    put_personal(service, &arena, out, place, row->name, NULL);
    place.column = "email";
    put_personal(service, &arena, out, place, row->email, in_full ? NULL : user_email_masked);
    place.column = "phone";
    put_personal(service, &arena, out, place, row->phone, in_full ? NULL : user_phone_masked);
    put_roles(out, row->roles);
    if (row->locale.len > 0) {
        fq_json_put_text(out, "locale", row->locale);
    }
    fq_json_put_raw(out, "metadata", row->metadata);
    fq_json_put_time(out, "created_at", row->created_ms);
    fq_json_put_time(out, "updated_at", row->updated_ms);
    fq_json_put_u64(out, "version", row->version);
    fq_json_object_end(out);
    fq_arena_wipe(&arena);
    fq_arena_free(&arena);
}

void key_encode(fq_json_writer *out, const char *name, const api_key_row *row) {
    fq_json_object_begin(out, name);
    fq_json_put_id(out, "id", FQ_ID_key, row->id.v);
    fq_json_put_literal(out, "object", "api_key");
    fq_json_put_literal(out, "status", key_status_text((key_status)row->status));
    fq_json_put_text(out, "algorithm", row->algorithm);
    fq_json_put_text(out, "scope", row->scope);
    fq_json_put_id(out, "root", FQ_ID_key, row->root.v);
    fq_json_put_time(out, "created_at", row->created_ms);
    if (row->revoked_ms) {
        fq_json_put_time(out, "revoked_at", row->revoked_ms);
    }
    fq_json_put_u64(out, "version", row->version);
    fq_json_object_end(out);
}
