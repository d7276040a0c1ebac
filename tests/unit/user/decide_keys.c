// The rules of API keys and data keys.
#include "user/rows.h"

#include "store/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARENA_BYTES = 1 << 20 };

typedef struct {
    fq_arena arena;
    fq_id_dealer dealer;
    fq_batch *batch;
} world;

static int set_up(void **state) {
    world *at = calloc(1, sizeof(*at));
    assert_non_null(at);
    fq_arena_init(&at->arena, ARENA_BYTES);
    at->batch = fq_batch_make(&at->arena, &at->dealer, FQ_EPOCH_MS + 1);
    *state = at;
    return 0;
}

static int tear_down(void **state) {
    world *at = *state;
    fq_arena_free(&at->arena);
    free(at);
    return 0;
}

static api_key_row *want_key(world *at, uint64_t id) {
    return (api_key_row *)fq_want(at->batch, &api_key_table, id, 0, 0);
}

static const fq_event_row *last_event(world *at) {
    const fq_row_list *list = fq_batch_journal(at->batch, FQ_JOURNAL_EVENT);
    return list->count > 0 ? (const fq_event_row *)list->rows[list->count - 1] : NULL;
}

static void test_create(void **state) {
    world *at = *state;
    const fq_hash token = {{1, 2, 3}};
    key_create create = {
        .base = {.kind = &key_create_kind, .arena = &at->arena, .units = 1},
        .algorithm = FQ_STR("bearer"),
        .scope = FQ_STR("merchant:usr_0000000000005"),
        .user_id = {5},
        .replaces = {77},
        .token = &token,
        .secret_sealed = FQ_STR("sealed secret"),
        .fault = fq_refuse(FQ_UNAVAILABLE, NULL),
        .user = (user_row *)fq_want(at->batch, &user_table, 5, 0, 0),
        .key = (api_key_row *)fq_want_fresh(at->batch, &api_key_table, 88),
        .replaced = want_key(at, 77),
        .secret = (key_secret_row *)fq_want_fresh(at->batch, &key_secret_table, 88),
        .by_token = (key_token_row *)fq_want(at->batch, &key_token_table, 1, 2, 0),
    };
    assert_int_equal(key_decide_create(&create, at->batch).code, FQ_USER_NOT_FOUND);
    create.user->row.state = FQ_ROW_LOADED;
    create.user->status = FQ_USER_IS_CLOSED;
    assert_int_equal(key_decide_create(&create, at->batch).code, FQ_STATE_CONFLICT);
    create.user->status = FQ_USER_IS_FROZEN;
    assert_int_equal(key_decide_create(&create, at->batch).code, FQ_INVALID_FIELD);
    create.replaced->row.state = FQ_ROW_LOADED;
    create.replaced->status = KEY_IS_REVOKED;
    create.replaced->scope = FQ_STR("admin");
    create.replaced->root = (fq_key_id){66};
    assert_int_equal(key_decide_create(&create, at->batch).code, FQ_INVALID_FIELD);
    create.replaced->status = KEY_IS_ACTIVE;
    assert_int_equal(key_decide_create(&create, at->batch).code, FQ_INVALID_FIELD);
    create.replaced->scope = create.scope;
    assert_int_equal(key_decide_create(&create, at->batch).code, FQ_UNAVAILABLE);
    assert_null(last_event(at));
    create.fault = FQ_OK;
    assert_int_equal(key_decide_create(&create, at->batch).code, FQ_DONE);
    assert_int_equal(create.key->row.state, FQ_ROW_NEW);
    assert_int_equal(create.key->root.v, 66);
    assert_int_equal(create.key->status, KEY_IS_ACTIVE);
    assert_int_equal(create.by_token->key_id.v, 88);
    assert_int_equal(create.made.v, 88);
    const fq_event_row *event = last_event(at);
    assert_int_equal(event->type, FQ_TOLD_KEY_CREATED);
    assert_int_equal(event->subject, 88);
    assert_null(memmem(event->told.at, event->told.len, "sealed", 6));
}

static void test_root_of_a_first_key_is_itself(void **state) {
    world *at = *state;
    key_create create = {
        .base = {.kind = &key_create_kind, .arena = &at->arena, .units = 1},
        .algorithm = FQ_STR("hmac-sha256"),
        .scope = FQ_STR("admin"),
        .key = (api_key_row *)fq_want_fresh(at->batch, &api_key_table, 9),
        .secret = (key_secret_row *)fq_want_fresh(at->batch, &key_secret_table, 9),
    };
    assert_int_equal(key_decide_create(&create, at->batch).code, FQ_DONE);
    assert_int_equal(create.key->root.v, 9);
}

static void test_revoke(void **state) {
    world *at = *state;
    key_revoke revoke = {.base = {.kind = &key_revoke_kind, .arena = &at->arena, .units = 1},
                         .id = {9},
                         .key = want_key(at, 9)};
    assert_int_equal(key_decide_revoke(&revoke, at->batch).code, FQ_KEY_UNKNOWN);
    revoke.key->row.state = FQ_ROW_LOADED;
    revoke.key->status = KEY_IS_ACTIVE;
    revoke.key->version = 1;
    assert_int_equal(key_decide_revoke(&revoke, at->batch).code, FQ_DONE);
    assert_int_equal(revoke.key->status, KEY_IS_REVOKED);
    assert_int_equal(revoke.key->revoked_ms, fq_batch_now_ms(at->batch));
    assert_int_equal(last_event(at)->type, FQ_TOLD_KEY_REVOKED);
    assert_int_equal(key_decide_revoke(&revoke, at->batch).code, FQ_DONE);
    assert_int_equal(revoke.key->version, 2);
    assert_int_equal(fq_batch_journal(at->batch, FQ_JOURNAL_EVENT)->count, 1);
}

// Of two that make the first keys at once, the first one's stay.
static void test_data_keys(void **state) {
    world *at = *state;
    data_keys_keep keep = {.keys = {{.kind = FQ_WRAPPED_DATA, .number = 1, .wrapped = {.len = 3}}},
                           .count = 1};
    keep.keys[0].row = (data_key_row *)fq_want(at->batch, &data_key_table, FQ_WRAPPED_DATA, 1, 0);
    assert_int_equal(data_decide_keys(&keep, at->batch).code, FQ_DONE);
    assert_int_equal(keep.keys[0].row->row.state, FQ_ROW_NEW);
    data_keys_keep late = keep;
    late.keys[0].wrapped.len = 5;
    assert_int_equal(data_decide_keys(&late, at->batch).code, FQ_DONE);
    assert_int_equal(keep.keys[0].row->wrapped.len, 3);
}

static void test_reseal_leaves_what_changed_meanwhile(void **state) {
    world *at = *state;
    user_row *user = (user_row *)fq_want(at->batch, &user_table, 1, 0, 0);
    user->row.state = FQ_ROW_LOADED;
    user->name = FQ_STR("name as read");
    user->email = FQ_STR("email changed since");
    reseal_item item = {.id = 1,
                        .old = {FQ_STR("name as read"), FQ_STR("email as read")},
                        .anew = {FQ_STR("name anew"), FQ_STR("email anew")},
                        .row = &user->row};
    data_reseal reseal = {.table = &user_table, .items = &item, .count = 1};
    assert_int_equal(data_decide_reseal(&reseal, at->batch).code, FQ_DONE);
    assert_int_equal(user->row.state, FQ_ROW_CHANGED);
    assert_true(fq_str_equal(user->name, FQ_STR("name anew")));
    assert_true(fq_str_equal(user->email, FQ_STR("email changed since")));
    assert_null(last_event(at));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_create),    TEST(test_root_of_a_first_key_is_itself),        TEST(test_revoke),
        TEST(test_data_keys), TEST(test_reseal_leaves_what_changed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
