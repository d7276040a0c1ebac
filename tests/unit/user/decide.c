// The rules of users: each table walks down the refusals in the contract's order, each line mending
// the last one's fault.
#include "user/rows.h"

#include "store/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARENA_BYTES = 1 << 20, NOW_MS_AFTER_EPOCH = 1000 };
static const fq_user_id ada = {101}, bob = {102};

typedef struct {
    fq_arena arena;
    fq_id_dealer dealer;
    fq_batch *batch;
} world;

static int set_up(void **state) {
    world *at = calloc(1, sizeof(*at));
    assert_non_null(at);
    fq_arena_init(&at->arena, ARENA_BYTES);
    at->batch = fq_batch_make(&at->arena, &at->dealer, FQ_EPOCH_MS + NOW_MS_AFTER_EPOCH);
    *state = at;
    return 0;
}

static int tear_down(void **state) {
    world *at = *state;
    fq_arena_free(&at->arena);
    free(at);
    return 0;
}

static const fq_caller nobody = {.scope = FQ_SCOPE_PAYER, .user = {999}};
static const fq_caller reader = {.scope = FQ_SCOPE_READ};
static const fq_caller adas = {.scope = FQ_SCOPE_MERCHANT, .user = {101}};
static const fq_caller admin = {.key = {7}, .scope = FQ_SCOPE_ADMIN};

static user_row *add_user(world *at, fq_user_id id, fq_user_status status) {
    user_row *user = (user_row *)fq_want(at->batch, &user_table, id.v, 0, 0);
    user->row.state = FQ_ROW_LOADED;
    user->status = (uint8_t)status;
    user->roles = FQ_ROLE_PAYER;
    user->version = 4;
    return user;
}

static fq_command command_of(world *at, const fq_command_kind *kind, fq_caller by) {
    return (fq_command){.kind = kind, .arena = &at->arena, .by = by, .units = 1};
}

static size_t events(world *at) {
    return fq_batch_journal(at->batch, FQ_JOURNAL_EVENT)->count;
}

static const fq_event_row *last_event(world *at) {
    const fq_row_list *list = fq_batch_journal(at->batch, FQ_JOURNAL_EVENT);
    return (const fq_event_row *)list->rows[list->count - 1];
}

static fq_str index_of(const char *sixteen_bytes) {
    const fq_str index = fq_str_of(sixteen_bytes);
    assert_int_equal(index.len, BLIND_INDEX_BYTES);
    return index;
}

// --- create ---

static user_profile profile_of(world *at, fq_caller by, user_row *user) {
    return (user_profile){
        .base = command_of(at, &user_create_kind, by), .id = user->id, .user = user};
}

static void test_create(void **state) {
    world *at = *state;
    user_row *user = (user_row *)fq_want_fresh(at->batch, &user_table, ada.v);
    user_profile profile = profile_of(at, reader, user);
    profile.fault = fq_refuse(FQ_UNAVAILABLE, NULL);
    profile.name = (user_personal){.given = FQ_GIVEN, .sealed = FQ_STR("sealed name")};
    profile.email = (user_personal){
        .given = FQ_GIVEN, .sealed = FQ_STR("sealed"), .index = index_of("0123456789abcdef")};
    profile.password_given = FQ_GIVEN;
    profile.phc = FQ_STR("$argon2id$");
    profile.credential = (credential_row *)fq_want_fresh(at->batch, &credential_table, ada.v);
    assert_int_equal(user_decide_create(&profile, at->batch).code, FQ_NOT_ALLOWED);
    profile.base.by = admin;
    assert_int_equal(user_decide_create(&profile, at->batch).code, FQ_UNAVAILABLE);
    assert_int_equal(user->row.state, FQ_ROW_ABSENT);
    profile.fault = FQ_OK;
    assert_int_equal(user_decide_create(&profile, at->batch).code, FQ_DONE);

    assert_int_equal(user->row.state, FQ_ROW_NEW);
    assert_int_equal(user->status, FQ_USER_IS_ACTIVE);
    assert_int_equal(user->roles, FQ_ROLE_PAYER);
    assert_int_equal(user->version, 1);
    assert_int_equal(user->created_ms, fq_batch_now_ms(at->batch));
    assert_int_equal(profile.base.subject, ada.v);
    assert_true(fq_str_equal(profile.shown.name, FQ_STR("sealed name")));
    assert_int_equal(profile.credential->row.state, FQ_ROW_NEW);
    assert_int_equal(user_want_contact(at->batch, profile.email.index, ada)->row.state, FQ_ROW_NEW);
    assert_int_equal(events(at), 1);
    assert_int_equal(last_event(at)->type, FQ_TOLD_USER_CREATED);
    assert_int_equal(last_event(at)->by_key, 7);
    // The password is told to nobody.
    assert_null(memmem(last_event(at)->told.at, last_event(at)->told.len, "argon2id", 8));
}

// --- change ---

static void test_change_is_refused_in_order(void **state) {
    world *at = *state;
    user_row *user = add_user(at, ada, FQ_USER_IS_CLOSED);
    user_profile profile = profile_of(at, nobody, user);
    profile.if_version = 3;
    profile.locale_given = FQ_GIVEN;
    profile.locale = FQ_STR("zh-CN");
    profile.fault = fq_refuse(FQ_UNAVAILABLE, NULL);
    user->row.state = FQ_ROW_ABSENT;
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_USER_NOT_FOUND);
    user->row.state = FQ_ROW_LOADED;
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_USER_NOT_FOUND);
    profile.base.by = adas;
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_NOT_ALLOWED);
    profile.base.by = admin;
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_PRECONDITION_FAILED);
    profile.if_version = 4;
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_STATE_CONFLICT);
    user->status = FQ_USER_IS_FROZEN;
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_UNAVAILABLE);
    profile.fault = FQ_OK;
    assert_int_equal(events(at), 0);
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_DONE);
    assert_int_equal(user->version, 5);
    assert_true(fq_str_equal(user->locale, FQ_STR("zh-CN")));
    assert_int_equal(user->status, FQ_USER_IS_FROZEN);
    assert_int_equal(last_event(at)->type, FQ_TOLD_USER_UPDATED);
}

static void test_change_of_nothing(void **state) {
    world *at = *state;
    user_row *user = add_user(at, ada, FQ_USER_IS_ACTIVE);
    user_profile profile = profile_of(at, admin, user);
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_DONE);
    assert_int_equal(user->row.state, FQ_ROW_LOADED);
    assert_int_equal(profile.shown.version, 4);
    assert_int_equal(profile.base.subject, ada.v);
    assert_int_equal(events(at), 0);
}

// From one address to another, to the same, to none: users are found by the one they have.
static void test_change_of_address(void **state) {
    world *at = *state;
    const fq_str old = index_of("old address here"), new = index_of("new address here");
    user_row *user = add_user(at, ada, FQ_USER_IS_ACTIVE);
    user->email = FQ_STR("sealed old");
    user->email_index = old;
    contact_row *old_contact = user_want_contact(at->batch, old, ada);
    contact_row *new_contact = user_want_contact(at->batch, new, ada);
    old_contact->row.state = FQ_ROW_LOADED;
    user_profile profile = profile_of(at, admin, user);

    profile.email =
        (user_personal){.given = FQ_GIVEN, .sealed = FQ_STR("sealed anew"), .index = old};
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_DONE);
    assert_int_equal(old_contact->row.state, FQ_ROW_LOADED);
    assert_true(fq_str_equal(user->email, FQ_STR("sealed anew")));

    profile.email =
        (user_personal){.given = FQ_GIVEN, .sealed = FQ_STR("sealed new"), .index = new};
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_DONE);
    assert_int_equal(old_contact->row.state, FQ_ROW_GONE);
    assert_int_equal(new_contact->row.state, FQ_ROW_NEW);

    profile.email = (user_personal){.given = FQ_GIVEN_NULL};
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_DONE);
    assert_int_equal(new_contact->row.state, FQ_ROW_ABSENT);
    assert_int_equal(user->email.len + user->email_index.len, 0);

    // Back to the first within one batch: its row is there still.
    profile.email =
        (user_personal){.given = FQ_GIVEN, .sealed = FQ_STR("sealed old"), .index = old};
    assert_int_equal(user_decide_change(&profile, at->batch).code, FQ_DONE);
    assert_int_equal(old_contact->row.state, FQ_ROW_CHANGED);
    assert_int_equal(user->version, 8);
}

// --- freeze, unfreeze, close ---

static void test_moves(void **state) {
    static const struct {
        fq_user_status from, to;
        fq_code expected;
        uint16_t event;  // 0: none
    } rows[] = {
        {FQ_USER_IS_ACTIVE, FQ_USER_IS_ACTIVE, FQ_DONE, 0},
        {FQ_USER_IS_ACTIVE, FQ_USER_IS_FROZEN, FQ_DONE, FQ_TOLD_USER_FROZEN},
        {FQ_USER_IS_ACTIVE, FQ_USER_IS_CLOSED, FQ_DONE, FQ_TOLD_USER_CLOSED},
        {FQ_USER_IS_FROZEN, FQ_USER_IS_ACTIVE, FQ_DONE, FQ_TOLD_USER_UNFROZEN},
        {FQ_USER_IS_FROZEN, FQ_USER_IS_FROZEN, FQ_DONE, 0},
        {FQ_USER_IS_FROZEN, FQ_USER_IS_CLOSED, FQ_DONE, FQ_TOLD_USER_CLOSED},
        {FQ_USER_IS_CLOSED, FQ_USER_IS_ACTIVE, FQ_STATE_CONFLICT, 0},
        {FQ_USER_IS_CLOSED, FQ_USER_IS_FROZEN, FQ_STATE_CONFLICT, 0},
        {FQ_USER_IS_CLOSED, FQ_USER_IS_CLOSED, FQ_DONE, 0},
    };
    world *at = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        user_row *user = add_user(at, (fq_user_id){200 + i}, rows[i].from);
        user_move move = {
            .base = command_of(at, &user_freeze_kind, admin),
            .id = user->id,
            .asked_at = user->version,
            .user = user,
        };
        const size_t before = events(at);
        const fq_err err = user_decide_move(&move, at->batch, rows[i].to);
        assert_int_equal(err.code, rows[i].expected);
        assert_int_equal(events(at) - before, rows[i].event != 0);
        assert_int_equal(user->status, err.code ? rows[i].from : rows[i].to);
        assert_int_equal(user->version, rows[i].event ? 5 : 4);
        if (rows[i].event) {
            assert_int_equal(last_event(at)->type, rows[i].event);
        }
        assert_int_equal(move.base.subject, err.code ? 0 : user->id.v);
    }
}

static void test_close_is_refused_in_order(void **state) {
    world *at = *state;
    user_row *user = add_user(at, ada, FQ_USER_IS_ACTIVE);
    user_move move = {.base = command_of(at, &user_close_kind, nobody),
                      .id = ada,
                      .payment_says = fq_refuse(FQ_STATE_CONFLICT, NULL),
                      .user = user};
    assert_int_equal(user_decide_move(&move, at->batch, FQ_USER_IS_CLOSED).code, FQ_USER_NOT_FOUND);
    move.base.by = reader;
    assert_int_equal(user_decide_move(&move, at->batch, FQ_USER_IS_CLOSED).code, FQ_NOT_ALLOWED);
    move.base.by = admin;
    assert_int_equal(user_decide_move(&move, at->batch, FQ_USER_IS_CLOSED).code, FQ_STATE_CONFLICT);
    assert_int_equal(user->status, FQ_USER_IS_ACTIVE);
    move.payment_says = FQ_OK;
    move.asked_at = user->version - 1;
    assert_int_equal(user_decide_move(&move, at->batch, FQ_USER_IS_CLOSED).code, FQ_UNAVAILABLE);
    assert_int_equal(user->status, FQ_USER_IS_ACTIVE);
    move.asked_at = user->version;
    assert_int_equal(user_decide_move(&move, at->batch, FQ_USER_IS_CLOSED).code, FQ_DONE);
}

// --- passwords ---

static void test_passwords(void **state) {
    world *at = *state;
    user_row *user = add_user(at, bob, FQ_USER_IS_CLOSED);
    credential_row *credential =
        (credential_row *)fq_want(at->batch, &credential_table, bob.v, 0, 0);
    credential->row.state = FQ_ROW_LOADED;
    credential->phc = FQ_STR("phc");
    credential->failures = PASSWORD_FAILURES_MAX;
    password_check check = {.base = command_of(at, &password_check_kind, adas),
                            .id = bob,
                            .user = user,
                            .credential = credential};
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_USER_NOT_FOUND);
    check.base.by = reader;
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_NOT_ALLOWED);
    check.base.by = admin;
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_STATE_CONFLICT);
    user->status = FQ_USER_IS_FROZEN;
    check.checked = check.matches = true;
    check.phc = FQ_STR("phc");
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_RATE_LIMITED);
    credential->failures = PASSWORD_FAILURES_MAX - 1;
    check.checked = false;
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_UNAVAILABLE);
    check.checked = true;
    check.phc = FQ_STR("the one before");
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_UNAVAILABLE);
    check.phc = FQ_STR("phc");
    check.phc_anew = FQ_STR("dearer");
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_DONE);
    assert_true(check.valid);
    assert_int_equal(credential->failures, 0);
    assert_true(fq_str_equal(credential->phc, FQ_STR("dearer")));
    assert_true(fq_str_equal(check.base.kept, FQ_STR("1")));

    check.phc = FQ_STR("dearer");
    check.matches = false;
    for (int i = 0; i < PASSWORD_FAILURES_MAX; i++) {
        assert_int_equal(user_decide_password(&check, at->batch).code, FQ_DONE);
        assert_false(check.valid);
    }
    check.matches = true;
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_RATE_LIMITED);
    assert_int_equal(events(at), 0);
}

static void test_no_password(void **state) {
    world *at = *state;
    password_check check = {
        .base = command_of(at, &password_check_kind, admin),
        .id = bob,
        .checked = true,
        .user = add_user(at, bob, FQ_USER_IS_ACTIVE),
        .credential = (credential_row *)fq_want(at->batch, &credential_table, bob.v, 0, 0)};
    assert_int_equal(user_decide_password(&check, at->batch).code, FQ_DONE);
    assert_false(check.valid);
    assert_int_equal(check.credential->row.state, FQ_ROW_ABSENT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_change_is_refused_in_order),
        TEST(test_change_of_nothing),
        TEST(test_change_of_address),
        TEST(test_moves),
        TEST(test_close_is_refused_in_order),
        TEST(test_passwords),
        TEST(test_no_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
