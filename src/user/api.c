// Users over HTTP: what is decoded and encoded. No rules.
#include "user/rows.h"

#include "crypto/password.h"

enum { NAME_MAX_POINTS = 200, EMAIL_MAX = 254, PHONE_MAX = 16, LOCALE_MAX = 35 };

static const fq_fields no_fields = {NULL, 0, 0};
const fq_choice user_role_choices[] = {
    {"payer", FQ_ROLE_PAYER}, {"merchant", FQ_ROLE_MERCHANT}, {NULL, 0}};

// --- what is told of a user ---

#define OPTIONAL_ROWS(nullable)                                               \
    {.name = "email",                                                         \
     .kind = FQ_FIELD_STRING,                                                 \
     .null_allowed = (nullable),                                              \
     .minimum = 1,                                                            \
     .maximum = EMAIL_MAX,                                                    \
     .offset = FQ_AT(user_profile, email.text),                               \
     .given = FQ_GIVEN_AT(user_profile, email.given)},                        \
        {.name = "phone",                                                     \
         .kind = FQ_FIELD_STRING,                                             \
         .null_allowed = (nullable),                                          \
         .minimum = 1,                                                        \
         .maximum = PHONE_MAX,                                                \
         .offset = FQ_AT(user_profile, phone.text),                           \
         .given = FQ_GIVEN_AT(user_profile, phone.given)},                    \
        {.name = "password",                                                  \
         .kind = FQ_FIELD_STRING,                                             \
         .maximum = FQ_PASSWORD_BYTES_MAX,                                    \
         .offset = FQ_AT(user_profile, password),                             \
         .given = FQ_GIVEN_AT(user_profile, password_given)},                 \
        {.name = "roles",                                                     \
         .kind = FQ_FIELD_FLAGS,                                              \
         .minimum = 1,                                                        \
         .maximum = 2,                                                        \
         .choices = user_role_choices,                                        \
         .offset = FQ_AT(user_profile, roles),                                \
         .given = FQ_GIVEN_AT(user_profile, roles_given)},                    \
        {.name = "locale",                                                    \
         .kind = FQ_FIELD_ASCII,                                              \
         .null_allowed = (nullable),                                          \
         .minimum = 1,                                                        \
         .maximum = LOCALE_MAX,                                               \
         .offset = FQ_AT(user_profile, locale),                               \
         .given = FQ_GIVEN_AT(user_profile, locale_given)},                   \
    {                                                                         \
        .name = "metadata", .kind = FQ_FIELD_MAP, .null_allowed = (nullable), \
        .offset = FQ_AT(user_profile, metadata),                              \
        .given = FQ_GIVEN_AT(user_profile, metadata_given)                    \
    }
#define NAME_ROW(needed)                                                             \
    {                                                                                \
        .name = "name", .kind = FQ_FIELD_STRING, .required = (needed), .minimum = 1, \
        .maximum = NAME_MAX_POINTS, .offset = FQ_AT(user_profile, name.text),        \
        .given = FQ_GIVEN_AT(user_profile, name.given)                               \
    }

static const fq_field create_rows[] = {NAME_ROW(true), OPTIONAL_ROWS(false)};
static const fq_fields create_fields = FQ_FIELDS(create_rows, user_profile);
static const fq_field change_rows[] = {NAME_ROW(false), OPTIONAL_ROWS(true)};
static const fq_fields change_fields = FQ_FIELDS(change_rows, user_profile);

static fq_err check_text(fq_given given, fq_str text, const char *(*fault_of)(fq_str),
                         const char *param) {
    const char *fault = given == FQ_GIVEN ? fault_of(text) : NULL;
    return fault ? fq_refuse_text(FQ_INVALID_FIELD, param, fault) : FQ_OK;
}

// Who may not do it is told so without the work.
static void hash_elsewhere(fq_call *call) {
    const user_state *state = call->service->state;
    if (fq_scope_may(&call->caller, FQ_MAY_USER_CHANGE)) {
        call->long_work = state->hashing;
    }
}

static fq_err decode_profile(fq_call *call, const fq_fields *fields, user_profile *profile) {
    call->exchange->secret = true;
    profile->keyring = call->service->keyring;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_body(call, fields, profile));
    FQ_TRY(check_text(profile->name.given, profile->name.text, user_name_fault, "name"));
    FQ_TRY(check_text(profile->email.given, profile->email.text, user_email_fault, "email"));
    FQ_TRY(check_text(profile->phone.given, profile->phone.text, user_phone_fault, "phone"));
    FQ_TRY(check_text(profile->locale_given, profile->locale, user_locale_fault, "locale"));
    if (profile->password_given) {
        FQ_TRY(fq_password_accept(profile->password, profile->name.text, "password"));
        hash_elsewhere(call);
    }
    return FQ_OK;
}

fq_err user_decode_create(fq_call *call, fq_command *command) {
    return decode_profile(call, &create_fields, (user_profile *)command);
}

fq_err user_decode_change(fq_call *call, fq_command *command) {
    user_profile *profile = (user_profile *)command;
    FQ_TRY(decode_profile(call, &change_fields, profile));
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_user, FQ_USER_NOT_FOUND, &profile->id.v));
    return fq_call_if_match(call, &profile->if_version);
}

static void answer(fq_call *call, int status, const user_row *shown) {
    fq_json_writer out = fq_call_answer(call, status, shown->version);
    user_encode(call->service, &out, NULL, shown, user_sees_in_full(&call->caller));
}

fq_err user_encode_create(fq_call *call, const fq_command *command) {
    answer(call, 201, &((const user_profile *)command)->shown);
    return FQ_OK;
}

fq_err user_encode_change(fq_call *call, const fq_command *command) {
    answer(call, 200, &((const user_profile *)command)->shown);
    return FQ_OK;
}

// --- freezing, unfreezing, closing ---

fq_err user_decode_move(fq_call *call, fq_command *command) {
    user_move *move = (user_move *)command;
    move->payment_says = fq_refuse(FQ_UNAVAILABLE, NULL);
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_body(call, &no_fields, move));
    return fq_call_path_id(call, 0, FQ_ID_user, FQ_USER_NOT_FOUND, &move->id.v);
}

// A freeze that payment has not heard of yet is 202: it is done here, and goes on there.
fq_err user_encode_move(fq_call *call, const fq_command *command) {
    const user_move *move = (const user_move *)command;
    user_state *state = call->service->state;
    const uint64_t follow_to = command->event ? command->event : move->follow_to;
    const bool followed = follow_to <= atomic_load(&state->payment_follows);
    answer(call, followed || command->kind != &user_freeze_kind ? 200 : 202, &move->shown);
    return FQ_OK;
}

// --- passwords ---

static const fq_field password_rows[] = {{.name = "password",
                                          .kind = FQ_FIELD_STRING,
                                          .required = true,
                                          .minimum = 1,
                                          .maximum = FQ_PASSWORD_BYTES_MAX,
                                          .offset = FQ_AT(password_check, password)}};
static const fq_fields password_fields = FQ_FIELDS(password_rows, password_check);

fq_err user_decode_password(fq_call *call, fq_command *command) {
    password_check *check = (password_check *)command;
    call->exchange->secret = true;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_body(call, &password_fields, check));
    hash_elsewhere(call);
    return fq_call_path_id(call, 0, FQ_ID_user, FQ_USER_NOT_FOUND, &check->id.v);
}

fq_err user_encode_password(fq_call *call, const fq_command *command) {
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_put_bool(&out, "valid", ((const password_check *)command)->valid);
    fq_json_object_end(&out);
    return FQ_OK;
}
