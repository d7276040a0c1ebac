// The rules of API keys and data keys. Pure: no I/O, clock, randomness.
//
//     active --revoke--> revoked
#include "user/rows.h"

#include "service/service.h"

// A key that shares another's Idempotency-Keys sees its answers: so it may do just what that one
// may.
static fq_err check_replaced(const key_create *create) {
    const api_key_row *replaced = create->replaced;
    if (create->replaces.v == 0) {
        return FQ_OK;
    }
    if (replaced->row.state == FQ_ROW_ABSENT || replaced->status != KEY_IS_ACTIVE) {
        return fq_refuse_text(FQ_INVALID_FIELD, "replaces", "there is no such active key");
    }
    if (!fq_str_equal(replaced->scope, create->scope)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "replaces", "that key has another scope");
    }
    return FQ_OK;
}

static fq_err check_user(const key_create *create) {
    if (create->user_id.v == 0) {
        return FQ_OK;
    }
    if (create->user->row.state == FQ_ROW_ABSENT) {
        return fq_refuse(FQ_USER_NOT_FOUND, "scope");
    }
    return create->user->status == FQ_USER_IS_CLOSED ? fq_refuse(FQ_STATE_CONFLICT, "scope")
                                                     : FQ_OK;
}

fq_err key_decide_create(key_create *create, fq_batch *batch) {
    api_key_row *key = create->key;
    FQ_TRY(check_user(create));
    FQ_TRY(check_replaced(create));
    FQ_TRY(create->fault);
    if (create->token) {
        FQ_ASSERT(create->by_token->row.state == FQ_ROW_ABSENT);
        fq_row_touch(batch, &create->by_token->row);
        create->by_token->key_id = key->id;
    }
    fq_row_touch(batch, &create->secret->row);
    create->secret->sealed = create->secret_sealed;
    fq_row_touch(batch, &key->row);
    key->root = create->replaces.v ? create->replaced->root : key->id;
    key->algorithm = create->algorithm;
    key->scope = create->scope;
    key->created_ms = fq_batch_now_ms(batch);
    key->status = KEY_IS_ACTIVE;
    key->version = 1;
    fq_tell(batch, &create->base, FQ_TOLD_KEY_CREATED, key->id.v, key->version, &key->row);
    create->base.subject = key->id.v;
    create->made = key->id;
    return FQ_OK;
}

fq_err key_decide_revoke(key_revoke *revoke, fq_batch *batch) {
    api_key_row *key = revoke->key;
    if (key->row.state == FQ_ROW_ABSENT) {
        return fq_refuse(FQ_KEY_UNKNOWN, NULL);
    }
    if (key->status == KEY_IS_ACTIVE) {
        fq_row_touch(batch, &key->row);
        key->status = KEY_IS_REVOKED;
        key->revoked_ms = fq_batch_now_ms(batch);
        key->version++;
        fq_tell(batch, &revoke->base, FQ_TOLD_KEY_REVOKED, key->id.v, key->version, &key->row);
    }
    revoke->base.subject = key->id.v;
    return FQ_OK;
}

fq_err data_decide_keys(data_keys_keep *keep, fq_batch *batch) {
    for (size_t i = 0; i < keep->count; i++) {
        data_key_row *row = keep->keys[i].row;
        if (row->row.state != FQ_ROW_ABSENT) {
            continue;  // another process was faster: its key is as good
        }
        const fq_wrapped_key *wrapped = &keep->keys[i].wrapped;
        fq_row_touch(batch, &row->row);
        row->wrapped = (fq_str){(const char *)wrapped->bytes, wrapped->len};
        row->created_ms = fq_batch_now_ms(batch);
    }
    return FQ_OK;
}

// --- sealing anew ---

// The columns of a row that hold envelopes.
static size_t sealed_columns(fq_row *row, fq_str *out[RESEAL_COLUMNS]) {
    if (row->table == &key_secret_table) {
        out[0] = &((key_secret_row *)row)->sealed;
        return 1;
    }
    user_row *user = (user_row *)row;
    out[0] = &user->name;
    out[1] = &user->email;
    out[2] = &user->phone;
    return RESEAL_COLUMNS;
}

// Not a change of the user or the key: they say the same as before, so no event tells it.
fq_err data_decide_reseal(data_reseal *reseal, fq_batch *batch) {
    for (size_t i = 0; i < reseal->count; i++) {
        const reseal_item *item = &reseal->items[i];
        fq_str *columns[RESEAL_COLUMNS];
        const size_t count = sealed_columns(item->row, columns);
        for (size_t j = 0; j < count; j++) {
            if (item->anew[j].len > 0 && fq_str_equal(*columns[j], item->old[j])) {
                fq_row_touch(batch, item->row);
                *columns[j] = item->anew[j];
            }
        }
    }
    return FQ_OK;
}
