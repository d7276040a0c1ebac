// Which rows the commands of API keys and data keys need. No rules.
#include "user/rows.h"

static api_key_row *want_key(fq_batch *batch, fq_key_id id) {
    return (api_key_row *)fq_want(batch, &api_key_table, id.v, 0, 0);
}

static bool want_create(fq_command *command, fq_batch *batch, int round) {
    key_create *create = (key_create *)command;
    if (round > 0) {
        return false;
    }
    const uint64_t id = fq_batch_deal_id(batch);
    create->key = (api_key_row *)fq_want_fresh(batch, &api_key_table, id);
    create->secret = (key_secret_row *)fq_want_fresh(batch, &key_secret_table, id);
    create->fault = sealed_make(create->keyring, command->arena,
                                (sealed_place){key_secret_table.name, "sealed", id},
                                create->material, &create->secret_sealed);
    if (create->user_id.v) {
        create->user = (user_row *)fq_want(batch, &user_table, create->user_id.v, 0, 0);
    }
    if (create->replaces.v) {
        create->replaced = want_key(batch, create->replaces);
    }
    if (create->token) {
        uint64_t halves[2];
        memcpy(halves, create->token->bytes, sizeof(halves));
        create->by_token =
            (key_token_row *)fq_want(batch, &key_token_table, halves[0], halves[1], 0);
    }
    return false;
}

static fq_err decide_create(fq_command *command, fq_batch *batch) {
    return key_decide_create((key_create *)command, batch);
}

static bool want_revoke(fq_command *command, fq_batch *batch, int round) {
    key_revoke *revoke = (key_revoke *)command;
    if (round == 0) {
        revoke->key = want_key(batch, revoke->id);
    }
    return false;
}

static fq_err decide_revoke(fq_command *command, fq_batch *batch) {
    return key_decide_revoke((key_revoke *)command, batch);
}

static bool want_keys(fq_command *command, fq_batch *batch, int round) {
    data_keys_keep *keep = (data_keys_keep *)command;
    for (size_t i = 0; i < keep->count && round == 0; i++) {
        keep->keys[i].row = (data_key_row *)fq_want(batch, &data_key_table, keep->keys[i].kind,
                                                    keep->keys[i].number, 0);
    }
    return false;
}

static fq_err decide_keys(fq_command *command, fq_batch *batch) {
    return data_decide_keys((data_keys_keep *)command, batch);
}

static bool want_reseal(fq_command *command, fq_batch *batch, int round) {
    data_reseal *reseal = (data_reseal *)command;
    for (size_t i = 0; i < reseal->count && round == 0; i++) {
        reseal->items[i].row = fq_want(batch, reseal->table, reseal->items[i].id, 0, 0);
    }
    return false;
}

static fq_err decide_reseal(fq_command *command, fq_batch *batch) {
    return data_decide_reseal((data_reseal *)command, batch);
}

// None of these comes with an Idempotency-Key.
static void nothing_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command, (void)batch, (void)record;
}

static fq_err restore_nothing(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command, (void)batch, (void)record;
    return FQ_OK;
}

static const char *const no_names[] = {NULL};
const fq_command_kind key_create_kind = {
    "key.create", 20, no_names, want_create, decide_create, nothing_again, restore_nothing};
const fq_command_kind key_revoke_kind = {
    "key.revoke", 21, no_names, want_revoke, decide_revoke, nothing_again, restore_nothing};
const fq_command_kind data_keys_keep_kind = {
    "data_key.keep", 22, no_names, want_keys, decide_keys, nothing_again, restore_nothing};
const fq_command_kind data_reseal_kind = {
    "data_key.reseal", 23, no_names, want_reseal, decide_reseal, nothing_again, restore_nothing};
