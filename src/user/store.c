// Which rows a command of this room needs, and the tables they are in. Here personal texts are
// sealed, since the id that they are bound to is known from here on. No rules.
#include "user/rows.h"

#include "store/journal.h"

static const fq_column user_columns[] = {FQ_COLUMNS(user_row, USER_COLUMNS)};
const fq_table user_table = {.name = "users", .key_count = 1, FQ_TABLE_OF(user_row, user_columns)};
static const fq_column credential_columns[] = {FQ_COLUMNS(credential_row, CREDENTIAL_COLUMNS)};
const fq_table credential_table = {
    .name = "credential", .key_count = 1, FQ_TABLE_OF(credential_row, credential_columns)};
static const fq_column contact_columns[] = {FQ_COLUMNS(contact_row, CONTACT_COLUMNS)};
const fq_table contact_table = {
    .name = "contact", .key_count = 3, FQ_TABLE_OF(contact_row, contact_columns)};
static const fq_column api_key_columns[] = {FQ_COLUMNS(api_key_row, API_KEY_COLUMNS)};
const fq_table api_key_table = {
    .name = "api_key", .key_count = 1, FQ_TABLE_OF(api_key_row, api_key_columns)};
static const fq_column key_secret_columns[] = {FQ_COLUMNS(key_secret_row, KEY_SECRET_COLUMNS)};
const fq_table key_secret_table = {
    .name = "key_secret", .key_count = 1, FQ_TABLE_OF(key_secret_row, key_secret_columns)};
static const fq_column key_token_columns[] = {FQ_COLUMNS(key_token_row, KEY_TOKEN_COLUMNS)};
const fq_table key_token_table = {
    .name = "key_token", .key_count = 2, FQ_TABLE_OF(key_token_row, key_token_columns)};
static const fq_column data_key_columns[] = {FQ_COLUMNS(data_key_row, DATA_KEY_COLUMNS)};
const fq_table data_key_table = {
    .name = "data_key", .key_count = 2, FQ_TABLE_OF(data_key_row, data_key_columns)};

// To change a table, add a migration at the end; one that stands is never edited.
static const char user_migration[] =
    "CREATE TABLE users (id {int} PRIMARY KEY, tenant {int} NOT NULL, created_ms {int} NOT NULL,\n"
    "  status {int} NOT NULL, roles {int} NOT NULL, name {bytes} NOT NULL,\n"
    "  email {bytes} NOT NULL, phone {bytes} NOT NULL, email_index {bytes} NOT NULL,\n"
    "  phone_index {bytes} NOT NULL, locale {bytes} NOT NULL, metadata {bytes} NOT NULL,\n"
    "  updated_ms {int} NOT NULL, version {int} NOT NULL);\n"
    "CREATE TABLE credential (id {int} PRIMARY KEY, phc {bytes} NOT NULL,\n"
    "  failures {int} NOT NULL);\n"
    "CREATE TABLE contact (hash_high {int} NOT NULL, hash_low {int} NOT NULL,\n"
    "  user_id {int} NOT NULL, since_ms {int} NOT NULL,\n"
    "  PRIMARY KEY (hash_high, hash_low, user_id)){without_rowid};\n"
    "CREATE TABLE api_key (id {int} PRIMARY KEY, tenant {int} NOT NULL, root {int} NOT NULL,\n"
    "  algorithm {bytes} NOT NULL, scope {bytes} NOT NULL, created_ms {int} NOT NULL,\n"
    "  status {int} NOT NULL, revoked_ms {int} NOT NULL, version {int} NOT NULL);\n"
    "CREATE TABLE key_secret (id {int} PRIMARY KEY, sealed {bytes} NOT NULL);\n"
    "CREATE TABLE key_token (hash_high {int} NOT NULL, hash_low {int} NOT NULL,\n"
    "  key_id {int} NOT NULL, PRIMARY KEY (hash_high, hash_low)){without_rowid};\n"
    "CREATE TABLE data_key (kind {int} NOT NULL, number {int} NOT NULL, wrapped {bytes} NOT NULL,\n"
    "  created_ms {int} NOT NULL, PRIMARY KEY (kind, number)){without_rowid};\n";

static const char *const migrations[] = {fq_journal_migration, user_migration};
// The order in which rows are loaded, locked and saved.
static const fq_table *const tables[] = {
    &fq_followed_table, &fq_request_table, &fq_work_table,  &data_key_table,
    &user_table,        &credential_table, &contact_table,  &api_key_table,
    &key_secret_table,  &key_token_table,  &fq_event_table, &fq_batch_table,
};
const fq_schema user_schema = {
    .service = "user",
    .migrations = migrations,
    .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    .tables = tables,
    .table_count = sizeof(tables) / sizeof(tables[0]),
};

contact_row *user_want_contact(fq_batch *batch, fq_str index, fq_user_id user) {
    const contact_hash hash = contact_hash_of(index);
    return (contact_row *)fq_want(batch, &contact_table, hash.high, hash.low, user.v);
}

static user_row *want_user(fq_batch *batch, uint64_t id) {
    return (user_row *)fq_want(batch, &user_table, id, 0, 0);
}

static credential_row *want_credential(fq_batch *batch, uint64_t id) {
    return (credential_row *)fq_want(batch, &credential_table, id, 0, 0);
}

// --- what is told of a user ---

static void seal(user_profile *profile, const char *column, user_personal *personal) {
    const sealed_place place = {user_table.name, column, profile->id.v};
    const fq_err err = sealed_make(profile->keyring, profile->base.arena, place, personal->text,
                                   &personal->sealed);
    if (err.code) {
        profile->fault = err;
    }
}

static void want_personal(user_profile *profile, fq_batch *batch) {
    profile->fault = FQ_OK;
    seal(profile, "name", &profile->name);
    seal(profile, "email", &profile->email);
    seal(profile, "phone", &profile->phone);
    if (profile->email.index.len > 0) {
        user_want_contact(batch, profile->email.index, profile->id);
    }
    if (profile->phone.index.len > 0) {
        user_want_contact(batch, profile->phone.index, profile->id);
    }
    profile->credential = profile->password_given ? want_credential(batch, profile->id.v) : NULL;
}

static bool want_create(fq_command *command, fq_batch *batch, int round) {
    user_profile *profile = (user_profile *)command;
    if (round == 0) {
        profile->id.v = fq_batch_deal_id(batch);
        profile->user = (user_row *)fq_want_fresh(batch, &user_table, profile->id.v);
        want_personal(profile, batch);
    }
    return false;
}

// The rows of the addresses that a change takes away are named by the user's row.
static bool want_change(fq_command *command, fq_batch *batch, int round) {
    user_profile *profile = (user_profile *)command;
    if (round == 0) {
        profile->user = want_user(batch, profile->id.v);
        want_personal(profile, batch);
        return profile->email.given || profile->phone.given;
    }
    const user_row *user = profile->user;
    if (round == 1 && profile->email.given && user->email_index.len > 0) {
        user_want_contact(batch, user->email_index, user->id);
    }
    if (round == 1 && profile->phone.given && user->phone_index.len > 0) {
        user_want_contact(batch, user->phone_index, user->id);
    }
    return false;
}

static fq_err decide_create(fq_command *command, fq_batch *batch) {
    return user_decide_create((user_profile *)command, batch);
}

static fq_err decide_change(fq_command *command, fq_batch *batch) {
    return user_decide_change((user_profile *)command, batch);
}

// The same answer again: the user's row with the event's record laid over it; as it is now where
// nothing was changed.
static void user_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command;
    const fq_request_row *request = (const fq_request_row *)record;
    want_user(batch, request->subject);
    if (request->event != 0) {
        fq_want(batch, &fq_event_table, request->event, 0, 0);
    }
}

static fq_err restore(fq_batch *batch, const fq_row *record, fq_arena *arena, user_row *shown) {
    const fq_request_row *request = (const fq_request_row *)record;
    const user_row *user = want_user(batch, request->subject);
    FQ_ASSERT(user->row.state != FQ_ROW_ABSENT);
    fq_row *copy = fq_row_copy(&user->row, arena);
    if (request->event != 0) {
        const fq_row *event = fq_want(batch, &fq_event_table, request->event, 0, 0);
        FQ_ASSERT(fq_event_restore((const fq_event_row *)event, copy));
        copy = fq_row_copy(copy, arena);
    }
    memcpy(shown, copy, sizeof(*shown));
    return FQ_OK;
}

static fq_err restore_profile(fq_command *command, fq_batch *batch, const fq_row *record) {
    return restore(batch, record, command->arena, &((user_profile *)command)->shown);
}

static const char *const profile_names[] = {"name",  "email",  "phone",    "password",
                                            "roles", "locale", "metadata", NULL};
const fq_command_kind user_create_kind = {"user.create", 10,         profile_names,  want_create,
                                          decide_create, user_again, restore_profile};
const fq_command_kind user_change_kind = {"user.change", 11,         profile_names,  want_change,
                                          decide_change, user_again, restore_profile};

// --- freezing, unfreezing, closing ---

static bool want_move(fq_command *command, fq_batch *batch, int round) {
    user_move *move = (user_move *)command;
    if (round == 0) {
        move->user = want_user(batch, move->id.v);
    }
    return false;
}

static fq_err decide_freeze(fq_command *command, fq_batch *batch) {
    return user_decide_move((user_move *)command, batch, FQ_USER_IS_FROZEN);
}

static fq_err decide_unfreeze(fq_command *command, fq_batch *batch) {
    return user_decide_move((user_move *)command, batch, FQ_USER_IS_ACTIVE);
}

static fq_err decide_close(fq_command *command, fq_batch *batch) {
    return user_decide_move((user_move *)command, batch, FQ_USER_IS_CLOSED);
}

static fq_err restore_move(fq_command *command, fq_batch *batch, const fq_row *record) {
    return restore(batch, record, command->arena, &((user_move *)command)->shown);
}

static const char *const no_names[] = {NULL};
const fq_command_kind user_freeze_kind = {"user.freeze", 12,         no_names,    want_move,
                                          decide_freeze, user_again, restore_move};
const fq_command_kind user_unfreeze_kind = {"user.unfreeze", 13,         no_names,    want_move,
                                            decide_unfreeze, user_again, restore_move};
const fq_command_kind user_close_kind = {"user.close", 14,         no_names,    want_move,
                                         decide_close, user_again, restore_move};

// --- passwords ---

static bool want_password(fq_command *command, fq_batch *batch, int round) {
    password_check *check = (password_check *)command;
    if (round == 0) {
        check->user = want_user(batch, check->id.v);
        check->credential = want_credential(batch, check->id.v);
    }
    return false;
}

static fq_err decide_password(fq_command *command, fq_batch *batch) {
    return user_decide_password((password_check *)command, batch);
}

static void nothing_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command, (void)batch, (void)record;
}

static fq_err restore_password(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)batch;
    const fq_str kept = ((const fq_request_row *)record)->kept;
    ((password_check *)command)->valid = fq_str_equal(kept, FQ_STR("1"));
    return FQ_OK;
}

static const char *const password_names[] = {"password", NULL};
const fq_command_kind password_check_kind = {
    "user.verify_password", 15, password_names, want_password, decide_password, nothing_again,
    restore_password};
