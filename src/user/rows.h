// The nouns of this room: rows and commands. For inside only.
#pragma once

#include "service/list.h"
#include "service/service.h"
#include "user/keys.h"
#include "user/user.h"

#include <stdatomic.h>

// Personal texts are envelopes bound to table, column and id (sealed.c); the indexes are blind. The
// columns that change begin as party.c reads them.
#define USER_COLUMNS(C, R)                \
    C(R, fq_user_id, id, FQ_KEY)          \
    C(R, uint32_t, tenant, FQ_FIXED)      \
    C(R, int64_t, created_ms, FQ_FIXED)   \
    C(R, uint8_t, status, FQ_CHANGES)     \
    C(R, uint8_t, roles, FQ_CHANGES)      \
    C(R, fq_str, name, FQ_CHANGES)        \
    C(R, fq_str, email, FQ_CHANGES)       \
    C(R, fq_str, phone, FQ_CHANGES)       \
    C(R, fq_str, email_index, FQ_CHANGES) \
    C(R, fq_str, phone_index, FQ_CHANGES) \
    C(R, fq_str, locale, FQ_CHANGES)      \
    C(R, fq_str, metadata, FQ_CHANGES)    \
    C(R, int64_t, updated_ms, FQ_CHANGES) \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(user_row, USER_COLUMNS)
extern const fq_table user_table;

// A user's password as a PHC string, and how often in a row it was not the one given. Never told.
#define CREDENTIAL_COLUMNS(C, R)  \
    C(R, fq_user_id, id, FQ_KEY)  \
    C(R, fq_str, phc, FQ_CHANGES) \
    C(R, uint32_t, failures, FQ_CHANGES)
FQ_ROW(credential_row, CREDENTIAL_COLUMNS)
extern const fq_table credential_table;

// Who has an email or phone: found by blind index.
#define CONTACT_COLUMNS(C, R)         \
    C(R, uint64_t, hash_high, FQ_KEY) \
    C(R, uint64_t, hash_low, FQ_KEY)  \
    C(R, fq_user_id, user_id, FQ_KEY) \
    C(R, int64_t, since_ms, FQ_CHANGES)
FQ_ROW(contact_row, CONTACT_COLUMNS)
extern const fq_table contact_table;

#define KEY_STATUSES(X) /* stored, name, wire */ \
    X(1, KEY_IS_ACTIVE, "active")                \
    X(2, KEY_IS_REVOKED, "revoked")
typedef enum {
#define X(stored, name, wire) name = stored,
    KEY_STATUSES(X)
#undef X
} key_status;

// An API key. Algorithm and scope are kept as they are written. `root` is the first of those that
// replaced one another.
#define API_KEY_COLUMNS(C, R)             \
    C(R, fq_key_id, id, FQ_KEY)           \
    C(R, uint32_t, tenant, FQ_FIXED)      \
    C(R, fq_key_id, root, FQ_FIXED)       \
    C(R, fq_str, algorithm, FQ_FIXED)     \
    C(R, fq_str, scope, FQ_FIXED)         \
    C(R, int64_t, created_ms, FQ_FIXED)   \
    C(R, uint8_t, status, FQ_CHANGES)     \
    C(R, int64_t, revoked_ms, FQ_CHANGES) \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(api_key_row, API_KEY_COLUMNS)
extern const fq_table api_key_table;

// What checks a key's signatures (fq_key_record.material), sealed. Never told.
#define KEY_SECRET_COLUMNS(C, R) \
    C(R, fq_key_id, id, FQ_KEY)  \
    C(R, fq_str, sealed, FQ_CHANGES)
FQ_ROW(key_secret_row, KEY_SECRET_COLUMNS)
extern const fq_table key_secret_table;

// Which bearer key has a token, by the first half of the token's SHA-256.
#define KEY_TOKEN_COLUMNS(C, R)       \
    C(R, uint64_t, hash_high, FQ_KEY) \
    C(R, uint64_t, hash_low, FQ_KEY)  \
    C(R, fq_key_id, key_id, FQ_FIXED)
FQ_ROW(key_token_row, KEY_TOKEN_COLUMNS)
extern const fq_table key_token_table;

// The keys that everything above is sealed and indexed under, wrapped by the master key. The
// highest number of a kind (fq_wrapped_kind) is the current one; the others still open what is old.
#define DATA_KEY_COLUMNS(C, R)      \
    C(R, uint8_t, kind, FQ_KEY)     \
    C(R, uint32_t, number, FQ_KEY)  \
    C(R, fq_str, wrapped, FQ_FIXED) \
    C(R, int64_t, created_ms, FQ_FIXED)
FQ_ROW(data_key_row, DATA_KEY_COLUMNS)
extern const fq_table data_key_table;

extern const fq_schema user_schema;

// --- commands; each begins with what was asked and ends with what is shown ---

// A personal text on its way in: sealed for its row once the row's id is known.
typedef struct {
    fq_str text;
    fq_str index;   // blind, where it can be looked up by; empty: none
    fq_str sealed;  // empty: none
    fq_given given;
} user_personal;

// Makes a user, or changes what is told of him.
typedef struct {
    fq_command base;
    fq_user_id id;
    uint64_t if_version;  // 0: any
    user_personal name, email, phone;
    fq_str password, phc;
    int roles;
    fq_str locale, metadata;
    fq_given password_given, roles_given, locale_given, metadata_given;
    fq_keyring *keyring;
    fq_err fault;  // of sealing
    user_row *user;
    credential_row *credential;
    user_row shown;
} user_profile;

// Freezes, unfreezes, closes.
typedef struct {
    fq_command base;
    fq_user_id id;
    fq_err payment_says;  // of closing
    uint64_t asked_at;    // the user's version when payment was asked
    user_row *user;
    user_row shown;
    uint64_t follow_to;  // what payment must have followed, where no event of this command says so
} user_move;

typedef struct {
    fq_command base;
    fq_user_id id;
    fq_str password;
    bool checked, matches;  // against `phc`, before the command was decided
    fq_str phc, phc_anew;   // `phc_anew` at today's cost, where the old one was cheaper
    user_row *user;
    credential_row *credential;
    bool valid;
} password_check;

typedef struct {
    fq_command base;
    fq_str algorithm, scope;
    fq_user_id user_id;  // of the scope; 0: none
    fq_key_id replaces;  // 0: none
    fq_str material, secret_sealed;
    const fq_hash *token;  // of bearer keys
    fq_keyring *keyring;
    fq_err fault;
    user_row *user;
    api_key_row *key, *replaced;
    key_secret_row *secret;
    key_token_row *by_token;
    fq_key_id made;
} key_create;

typedef struct {
    fq_command base;
    fq_key_id id;
    api_key_row *key;
} key_revoke;

// Wrapped keys to be kept, each unless there is one of its number already.
typedef struct {
    fq_command base;
    struct {
        fq_wrapped_kind kind;
        uint32_t number;
        fq_wrapped_key wrapped;
        data_key_row *row;
    } keys[2];
    size_t count;
} data_keys_keep;

// One row whose envelopes were made anew; what was changed meanwhile is left alone.
enum { RESEAL_COLUMNS = 3 };
typedef struct {
    uint64_t id;
    fq_str old[RESEAL_COLUMNS], anew[RESEAL_COLUMNS];
    fq_row *row;
} reseal_item;

typedef struct {
    fq_command base;
    const fq_table *table;  // user_table or key_secret_table
    reseal_item *items;
    size_t count;
} data_reseal;

extern const fq_command_kind user_create_kind, user_change_kind, user_freeze_kind,
    user_unfreeze_kind, user_close_kind, password_check_kind, key_create_kind, key_revoke_kind,
    data_keys_keep_kind, data_reseal_kind;

// --- rules (decide.c, decide_keys.c) ---

enum { PASSWORD_FAILURES_MAX = 100 };  // in a row (NIST SP 800-63B-4)

fq_err user_decide_create(user_profile *profile, fq_batch *batch);
fq_err user_decide_change(user_profile *profile, fq_batch *batch);
fq_err user_decide_move(user_move *move, fq_batch *batch, fq_user_status to);
fq_err user_decide_password(password_check *check, fq_batch *batch);
fq_err key_decide_create(key_create *create, fq_batch *batch);
fq_err key_decide_revoke(key_revoke *revoke, fq_batch *batch);
fq_err data_decide_keys(data_keys_keep *keep, fq_batch *batch);
fq_err data_decide_reseal(data_reseal *reseal, fq_batch *batch);

// --- rows asked for (store.c) ---

contact_row *user_want_contact(fq_batch *batch, fq_str index, fq_user_id user);

// --- what is sealed (sealed.c) ---

// Names an envelope's place: "user", "email", id.
typedef struct {
    const char *table, *column;
    uint64_t id;
} sealed_place;

enum { BLIND_INDEX_BYTES = 16 };

// An empty text is an empty envelope, both ways. Errors: unavailable, internal.
fq_err sealed_make(fq_keyring *keyring, fq_arena *arena, sealed_place place, fq_str text,
                   fq_str *out);
// Asks the store for keys that another process has added, where the envelope is under an unknown
// one. Errors: internal.
fq_err sealed_open(fq_service *service, fq_arena *arena, sealed_place place, fq_str envelope,
                   fq_str *out);
// BLIND_INDEX_BYTES in the arena. Errors: unavailable.
fq_err sealed_index(fq_keyring *keyring, fq_arena *arena, const char *label, fq_str text,
                    fq_str *out);
typedef struct {
    uint64_t high, low;
} contact_hash;
// `index` as the first columns of a contact row.
contact_hash contact_hash_of(fq_str index);

// --- the key ring (keyring.c) ---

// Makes or loads service->keyring; the writer does not run yet.
fq_err user_keyring_open(fq_service *service);
// Takes in data keys that were added to the store since. Errors: unavailable, internal.
fq_err user_keyring_reload(fq_service *service);

// --- the service's own state (user.c) ---

typedef struct {
    // Threads of their own for passwords: a rush of logins must not keep readers, and with them
    // the question whose key a request was signed with, waiting.
    fq_reader_pool *hashing;
    atomic_int closing;                     // calls that do so now
    atomic_uint_least64_t payment_follows;  // the last position that payment said it had followed
} user_state;

// --- what personal texts look like (contact.c) ---

// Why it is not valid; NULL when it is.
const char *user_name_fault(fq_str name);
const char *user_email_fault(fq_str email);
const char *user_phone_fault(fq_str phone);
const char *user_locale_fault(fq_str locale);
// In lower case: what is looked up by.
fq_str user_email_normalised(fq_arena *arena, fq_str email);
fq_str user_email_masked(fq_arena *arena, fq_str email);
fq_str user_phone_masked(fq_arena *arena, fq_str phone);

// --- answers (encode.c) ---

const char *user_status_text(fq_user_status status);
const char *key_status_text(key_status status);
// `in_full`: personal fields unmasked.
void user_encode(fq_service *service, fq_json_writer *out, const char *name, const user_row *row,
                 bool in_full);
bool user_sees_in_full(const fq_caller *caller);
void key_encode(fq_json_writer *out, const char *name, const api_key_row *row);

// --- reading (peer.c) ---

// Rows by their ids, in order; an absent one is in state FQ_ROW_ABSENT.
fq_err user_load_rows(fq_service *service, fq_reader *reader, fq_arena *arena,
                      const fq_table *table, const uint64_t *ids, size_t count, fq_row **out);
// The same for one row, with a reader borrowed for it.
fq_err user_look(fq_service *service, fq_arena *arena, const fq_table *table, uint64_t key0,
                 uint64_t key1, fq_row **out);
// What a key's row and secret say. Errors: internal.
fq_err key_record_of(fq_service *service, fq_arena *arena, const api_key_row *key,
                     const key_secret_row *secret, fq_key_record *out);

// --- routes ---

extern const fq_choice user_role_choices[];

fq_err user_decode_create(fq_call *call, fq_command *command);
fq_err user_decode_change(fq_call *call, fq_command *command);
fq_err user_encode_create(fq_call *call, const fq_command *command);
fq_err user_encode_change(fq_call *call, const fq_command *command);
fq_err user_decode_move(fq_call *call, fq_command *command);
fq_err user_encode_move(fq_call *call, const fq_command *command);
fq_err user_decode_password(fq_call *call, fq_command *command);
fq_err user_encode_password(fq_call *call, const fq_command *command);

void user_count(fq_service *service, fq_batch *batch);
fq_err user_before_profile(fq_call *call, fq_command *command);
fq_err user_before_password(fq_call *call, fq_command *command);
fq_err user_before_freeze(fq_call *call, fq_command *command);
fq_err user_before_close(fq_call *call, fq_command *command);
fq_err user_after_change(fq_call *call, const fq_command *command);
fq_err user_after_move(fq_call *call, const fq_command *command);

fq_err user_read_one(fq_call *call, fq_reader *reader);
fq_err user_read_list(fq_call *call, fq_reader *reader);

fq_err user_internal_facts(fq_call *call, fq_reader *reader);
fq_err user_internal_keys(fq_call *call, fq_reader *reader);
fq_err user_internal_key_of_token(fq_call *call, fq_reader *reader);
