// The rules of users. Pure: no I/O, clock, randomness. Each function refuses first, in the
// contract's order.
//
//     active <--freeze/unfreeze--> frozen
//     active, frozen --close, with no money left--> closed
#include "user/rows.h"

#include "service/service.h"

// What answers show outlives the batch.
static void show(const user_row *user, fq_arena *arena, user_row *out) {
    memcpy(out, fq_row_copy(&user->row, arena), sizeof(*out));
}

// 404 before 403.
static fq_err check_found(const fq_command *command, const user_row *user) {
    if (user->row.state == FQ_ROW_ABSENT) {
        return fq_refuse(FQ_USER_NOT_FOUND, NULL);
    }
    return fq_scope_check(&command->by, FQ_MAY_USER_SEE, FQ_MAY_USER_CHANGE,
                          (fq_sides){user->id.v, user->id.v}, FQ_USER_NOT_FOUND);
}

static void tell_change(fq_batch *batch, fq_command *command, user_row *user, fq_user_event event) {
    user->updated_ms = fq_batch_now_ms(batch);
    user->version++;
    fq_tell(batch, command, (uint16_t)event, user->id.v, user->version, &user->row);
}

// --- what is told of a user ---

// Sets an address and keeps the rows up by which users are found.
static void set_contact(fq_batch *batch, const user_row *user, const user_personal *given,
                        fq_str *column, fq_str *index) {
    if (given->given == FQ_ABSENT) {
        return;
    }
    *column = given->sealed;
    if (fq_str_equal(*index, given->index)) {
        return;  // written otherwise, but the same
    }
    if (index->len > 0) {
        fq_row_remove(batch, &user_want_contact(batch, *index, user->id)->row);
    }
    *index = given->index;
    if (index->len > 0) {
        contact_row *contact = user_want_contact(batch, *index, user->id);
        fq_row_touch(batch, &contact->row);
        contact->since_ms = fq_batch_now_ms(batch);
    }
}

static void set_profile(user_profile *profile, fq_batch *batch) {
    user_row *user = profile->user;
    if (profile->name.given == FQ_GIVEN) {
        user->name = profile->name.sealed;
    }
    set_contact(batch, user, &profile->email, &user->email, &user->email_index);
    set_contact(batch, user, &profile->phone, &user->phone, &user->phone_index);
    if (profile->roles_given) {
        user->roles = (uint8_t)profile->roles;
    }
    if (profile->locale_given) {
        user->locale = profile->locale;
    }
    if (profile->metadata_given) {
        user->metadata = profile->metadata;
    }
    if (profile->password_given) {
        fq_row_touch(batch, &profile->credential->row);
        profile->credential->phc = profile->phc;
        profile->credential->failures = 0;
    }
}

fq_err user_decide_create(user_profile *profile, fq_batch *batch) {
    if (!fq_scope_may(&profile->base.by, FQ_MAY_USER_CREATE)) {
        return fq_refuse(FQ_NOT_ALLOWED, NULL);
    }
    FQ_TRY(profile->fault);
    user_row *user = profile->user;
    fq_row_touch(batch, &user->row);
    user->created_ms = fq_batch_now_ms(batch);
    user->status = FQ_USER_IS_ACTIVE;
    user->roles = FQ_ROLE_PAYER;
    set_profile(profile, batch);
    tell_change(batch, &profile->base, user, FQ_TOLD_USER_CREATED);
    profile->base.subject = user->id.v;
    show(user, profile->base.arena, &profile->shown);
    return FQ_OK;
}

static bool changes_nothing(const user_profile *profile) {
    return !profile->name.given && !profile->email.given && !profile->phone.given &&
           !profile->password_given && !profile->roles_given && !profile->locale_given &&
           !profile->metadata_given;
}

fq_err user_decide_change(user_profile *profile, fq_batch *batch) {
    user_row *user = profile->user;
    FQ_TRY(check_found(&profile->base, user));
    if (profile->if_version != 0 && profile->if_version != user->version) {
        return fq_refuse(FQ_PRECONDITION_FAILED, NULL);
    }
    if (user->status == FQ_USER_IS_CLOSED) {
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    FQ_TRY(profile->fault);
    if (!changes_nothing(profile)) {
        fq_row_touch(batch, &user->row);
        set_profile(profile, batch);
        tell_change(batch, &profile->base, user, FQ_TOLD_USER_UPDATED);
    }
    profile->base.subject = user->id.v;
    show(user, profile->base.arena, &profile->shown);
    return FQ_OK;
}

// --- freezing, unfreezing, closing ---

fq_err user_decide_move(user_move *move, fq_batch *batch, fq_user_status to) {
    static const fq_user_event events[] = {[FQ_USER_IS_ACTIVE] = FQ_TOLD_USER_UNFROZEN,
                                           [FQ_USER_IS_FROZEN] = FQ_TOLD_USER_FROZEN,
                                           [FQ_USER_IS_CLOSED] = FQ_TOLD_USER_CLOSED};
    user_row *user = move->user;
    FQ_TRY(check_found(&move->base, user));
    if (user->status != (uint8_t)to) {
        if (user->status == FQ_USER_IS_CLOSED) {
            return fq_refuse(FQ_STATE_CONFLICT, NULL);
        }
        if (to == FQ_USER_IS_CLOSED) {
            FQ_TRY(move->payment_says);
            // What was told of him since may have opened him again in payment: it must be asked
            // anew.
            if (user->version != move->asked_at) {
                return fq_refuse(FQ_UNAVAILABLE, NULL);
            }
        }
        fq_row_touch(batch, &user->row);
        user->status = (uint8_t)to;
        tell_change(batch, &move->base, user, events[to]);
    }
    move->base.subject = user->id.v;
    show(user, move->base.arena, &move->shown);
    return FQ_OK;
}

// --- passwords ---

static bool is_at_limit(const credential_row *credential) {
    return credential->failures >= PASSWORD_FAILURES_MAX;
}

// What was checked was read before: it counts only while the password is still the same.
fq_err user_decide_password(password_check *check, fq_batch *batch) {
    credential_row *credential = check->credential;
    FQ_TRY(check_found(&check->base, check->user));
    if (check->user->status == FQ_USER_IS_CLOSED) {
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    if (is_at_limit(credential)) {
        return fq_refuse(FQ_RATE_LIMITED, NULL);
    }
    if (!check->checked || !fq_str_equal(check->phc, credential->phc)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    check->valid = check->matches;
    if (credential->row.state != FQ_ROW_ABSENT && !check->valid) {
        fq_row_touch(batch, &credential->row);
        credential->failures++;
    } else if (check->valid && (credential->failures > 0 || check->phc_anew.len > 0)) {
        fq_row_touch(batch, &credential->row);
        credential->failures = 0;
        credential->phc = check->phc_anew.len > 0 ? check->phc_anew : credential->phc;
    }
    check->base.subject = check->user->id.v;
    check->base.kept = check->valid ? FQ_STR("1") : FQ_STR("0");
    return FQ_OK;
}
