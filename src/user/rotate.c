// A new data key, and everything sealed anew under it, some rows a commit. No rules.
#include "user/keys.h"

#include "base/log.h"
#include "user/rows.h"

enum { ROWS_MAX = 200, ARENA_BYTES_MAX = 128 << 20 };

// --- the new key ---

static fq_err make_key(fq_service *service, fq_arena *arena) {
    const uint32_t current = fq_keyring_current(service->keyring, FQ_WRAPPED_DATA);
    data_keys_keep keep = {
        .base = {.kind = &data_keys_keep_kind, .arena = arena, .units = 1},
        .keys = {{.kind = FQ_WRAPPED_DATA, .number = current + 1}},
        .count = 1,
    };
    if (current >= FQ_KEYRING_KEYS_MAX) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    FQ_TRY(fq_keyring_make(service->keyring, FQ_WRAPPED_DATA, current + 1,
                           (unsigned)service->settings->crypto_data_key_bits,
                           &keep.keys[0].wrapped));
    FQ_TRY(fq_writer_run(service->writer, &keep.base));
    return user_keyring_reload(service);
}

// --- sealing anew ---

typedef struct {
    fq_service *service;
    fq_arena *arena;
    uint32_t number;  // of the key that all shall be under
    uint64_t last;    // the last row looked at
    size_t looked;
    reseal_item *items;
    size_t count;
    fq_err err;
} page;

static fq_err reseal(page *at, sealed_place place, fq_str envelope, reseal_item *item,
                     size_t index) {
    fq_str text;
    if (envelope.len == 0 || fq_envelope_key_id(envelope) == at->number) {
        return FQ_OK;
    }
    FQ_TRY(sealed_open(at->service, at->arena, place, envelope, &text));
    item->old[index] = fq_arena_copy(at->arena, envelope);
    return sealed_make(at->service->keyring, at->arena, place, text, &item->anew[index]);
}

// Notes the row when anything of it is under an older key.
static bool finish_row(page *at, uint64_t id, fq_err err, bool changed) {
    at->last = id;
    at->err = err;
    at->looked++;
    at->items[at->count].id = id;
    at->count += changed;
    return !err.code && at->looked < ROWS_MAX;
}

static bool visit_user(void *context, const fq_row *row) {
    page *at = context;
    const user_row *user = (const user_row *)row;
    reseal_item *item = &at->items[at->count];
    const struct {
        const char *column;
        fq_str envelope;
    } fields[RESEAL_COLUMNS] = {
        {"name", user->name}, {"email", user->email}, {"phone", user->phone}};
    fq_err err = FQ_OK;
    bool changed = false;
    for (size_t i = 0; i < RESEAL_COLUMNS && !err.code; i++) {
        const sealed_place place = {user_table.name, fields[i].column, user->id.v};
        err = reseal(at, place, fields[i].envelope, item, i);
        changed |= item->anew[i].len > 0;
    }
    return finish_row(at, user->id.v, err, changed);
}

static bool visit_secret(void *context, const fq_row *row) {
    page *at = context;
    const key_secret_row *secret = (const key_secret_row *)row;
    reseal_item *item = &at->items[at->count];
    const sealed_place place = {key_secret_table.name, "sealed", secret->id.v};
    const fq_err err = reseal(at, place, secret->sealed, item, 0);
    return finish_row(at, secret->id.v, err, item->anew[0].len > 0);
}

static fq_err read_page(page *at, const fq_table *table) {
    const fq_scan scan = {.table = table,
                          .above = at->last,
                          .forward = true,
                          .visit = table == &user_table ? visit_user : visit_secret,
                          .context = at};
    FQ_TRY(fq_service_scan(at->service, &scan));
    return at->err;
}

static fq_err reseal_page(fq_service *service, fq_arena *arena, const fq_table *table,
                          uint64_t *last, size_t *out_looked) {
    page at = {.service = service,
               .arena = arena,
               .number = fq_keyring_current(service->keyring, FQ_WRAPPED_DATA),
               .last = *last,
               .items = FQ_NEW_ARRAY(arena, reseal_item, ROWS_MAX + 1)};
    FQ_TRY(read_page(&at, table));
    *last = at.last;
    *out_looked = at.looked;
    if (at.count == 0) {
        return FQ_OK;
    }
    data_reseal command = {
        .base = {.kind = &data_reseal_kind, .arena = arena, .units = (uint32_t)at.count},
        .table = table,
        .items = at.items,
        .count = at.count};
    return fq_writer_run(service->writer, &command.base);
}

static fq_err reseal_table(fq_service *service, fq_arena *arena, const fq_table *table) {
    uint64_t last = 0;
    size_t looked = ROWS_MAX;
    while (looked == ROWS_MAX) {
        FQ_TRY(reseal_page(service, arena, table, &last, &looked));
        fq_arena_wipe(arena);
    }
    return FQ_OK;
}

fq_err fq_user_rotate_data(fq_service *service) {
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    fq_err err = make_key(service, &arena);
    if (!err.code) {
        err = reseal_table(service, &arena, &key_secret_table);
    }
    if (!err.code) {
        err = reseal_table(service, &arena, &user_table);
    }
    fq_arena_wipe(&arena);
    fq_arena_free(&arena);
    if (!err.code) {
        fq_log(FQ_LOG_INFO, "the data key was rotated",
               FQ_LOG_INT("number", fq_keyring_current(service->keyring, FQ_WRAPPED_DATA)));
    }
    return err;
}
