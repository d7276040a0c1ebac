// What a call waits for, on a reader's thread: a password's hash before its command, payment's word
// before a user is closed and after he is frozen. No rules; what may not be done is refused by
// decide, after a replay was looked for.
#include "user/rows.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "crypto/password.h"
#include "payment/payment.h"
#include "store/journal.h"
#include "store/request.h"

#include <time.h>

enum { FOLLOW_WAIT_MS = 1000, FOLLOW_STEP_MS = 5, KIB = 1024 };

// --- personal texts: looked up by blind index, and never kept as a plain hash ---

static fq_err hide(fq_call *call, fq_command *command, const char *name, fq_str text) {
    if (!command->request.asked || text.len == 0) {
        return FQ_OK;
    }
    const fq_str label = fq_arena_printf(call->arena, "request.%s", name);
    fq_hash keyed;
    FQ_TRY(fq_blind_index(call->service->keyring, label, text, &keyed));
    fq_request_hide(call->arena, command, name, &keyed);
    return FQ_OK;
}

static fq_err index_of(fq_call *call, const char *label, fq_str text, fq_str *out) {
    return text.len > 0 ? sealed_index(call->service->keyring, call->arena, label, text, out)
                        : FQ_OK;
}

static fq_err prepare_personal(fq_call *call, user_profile *profile) {
    FQ_TRY(hide(call, &profile->base, "name", profile->name.text));
    FQ_TRY(hide(call, &profile->base, "email", profile->email.text));
    FQ_TRY(hide(call, &profile->base, "phone", profile->phone.text));
    FQ_TRY(hide(call, &profile->base, "password", profile->password));
    const fq_str email = user_email_normalised(call->arena, profile->email.text);
    FQ_TRY(index_of(call, "user.email", email, &profile->email.index));
    return index_of(call, "user.phone", profile->phone.text, &profile->phone.index);
}

// --- passwords ---

static uint32_t at_most(int64_t value, int64_t maximum) {
    return (uint32_t)(value < maximum ? value : maximum);
}

// What a hash costs may be set higher than what a check takes.
static fq_password_cost cost_of(const fq_settings *settings) {
    return (fq_password_cost){
        at_most(settings->crypto_argon2_memory / KIB, FQ_PASSWORD_MEMORY_KIB_MAX),
        at_most(settings->crypto_argon2_iterations, FQ_PASSWORD_PASSES_MAX),
        at_most(settings->crypto_argon2_parallelism, FQ_PASSWORD_LANES_MAX)};
}

// Each hash takes its memory while it runs: as many at once as there are threads for it.
static void count_hashing(int64_t more) {
    fq_metrics_add(fq_metrics_plain(FQ_METRIC_PASSWORD_HASHES_BUSY), more);
}

static fq_err hash(fq_call *call, fq_str password, fq_str *out) {
    char phc[FQ_PASSWORD_TEXT_MAX];
    count_hashing(1);
    const fq_err err = fq_password_hash(password, cost_of(call->service->settings), phc);
    count_hashing(-1);
    if (!err.code) {
        *out = fq_arena_copy(call->arena, fq_str_of(phc));
    }
    return err;
}

// Who may not do it is told so without the work.
fq_err user_before_profile(fq_call *call, fq_command *command) {
    user_profile *profile = (user_profile *)command;
    FQ_TRY(prepare_personal(call, profile));
    return profile->password_given && fq_scope_may(&call->caller, FQ_MAY_USER_CHANGE)
               ? hash(call, profile->password, &profile->phc)
               : FQ_OK;
}

static fq_err check_password(fq_call *call, password_check *check) {
    const fq_password_cost cost = cost_of(call->service->settings);
    if (check->phc.len == 0) {
        fq_password_verify_nobody(check->password, cost);
        return FQ_OK;
    }
    FQ_TRY(fq_password_verify(check->phc, check->password, &check->matches));
    if (!check->matches || !fq_password_is_outdated(check->phc, cost)) {
        return FQ_OK;
    }
    char phc[FQ_PASSWORD_TEXT_MAX];
    FQ_TRY(fq_password_hash(check->password, cost, phc));
    check->phc_anew = fq_arena_copy(call->arena, fq_str_of(phc));
    return FQ_OK;
}

fq_err user_before_password(fq_call *call, fq_command *command) {
    password_check *check = (password_check *)command;
    fq_row *found;
    FQ_TRY(hide(call, command, "password", check->password));
    if (!fq_scope_may(&call->caller, FQ_MAY_USER_CHANGE)) {
        return FQ_OK;
    }
    FQ_TRY(user_look(call->service, call->arena, &credential_table, check->id.v, 0, &found));
    const credential_row *credential = (const credential_row *)found;
    if (credential->failures >= PASSWORD_FAILURES_MAX) {
        return FQ_OK;
    }
    check->phc = credential->phc;
    count_hashing(1);
    const fq_err err = check_password(call, check);
    count_hashing(-1);
    check->checked = !err.code;
    return err;
}

// --- payment's word ---

// Keeps the furthest position that payment was seen at.
static bool payment_follows(fq_call *call, uint64_t position) {
    user_state *state = call->service->state;
    uint64_t now = 0, seen = atomic_load(&state->payment_follows);
    if (seen < position && !fq_payment_followed_users(call->service->peers, &now).code) {
        while (seen < now && !atomic_compare_exchange_weak(&state->payment_follows, &seen, now)) {
        }
        seen = seen < now ? now : seen;
    }
    return seen >= position;
}

static void wait_for_payment(fq_call *call, uint64_t position) {
    const int64_t until_ms = fq_monotonic_ms() + FOLLOW_WAIT_MS;
    while (!payment_follows(call, position) && fq_monotonic_ms() < until_ms) {
        nanosleep(&(struct timespec){.tv_nsec = FOLLOW_STEP_MS * 1000000}, NULL);
    }
}

// A replay shows what was done then; whether payment has followed meanwhile is asked here.
fq_err user_before_freeze(fq_call *call, fq_command *command) {
    if (command->request.asked) {
        (void)payment_follows(call, UINT64_MAX);
    }
    return FQ_OK;
}

// What everything up to now has told, for a user that was frozen before.
static uint64_t told_so_far(fq_service *service) {
    fq_reading reading FQ_READING_ENDS = {0};
    fq_head head;
    if (fq_reading_begin(service, &reading).code ||
        service->engine->ops->reader_head(reading.reader, &head).code) {
        return UINT64_MAX;
    }
    return head.position[FQ_JOURNAL_EVENT];
}

fq_err user_after_move(fq_call *call, const fq_command *command) {
    user_move *move = (user_move *)call->command;
    move->follow_to = command->event ? command->event : told_so_far(call->service);
    wait_for_payment(call, move->follow_to);
    return FQ_OK;
}

// New roles should hold for the next payment; nothing else of a user concerns payment.
fq_err user_after_change(fq_call *call, const fq_command *command) {
    if (((const user_profile *)command)->roles_given && command->event) {
        wait_for_payment(call, command->event);
    }
    return FQ_OK;
}

// Payment closes first, since it knows the balances. Not asked for what is answered otherwise: a
// request that was made before, a user that is not there or is closed. One call at a time asks:
// when payment is elsewhere it asks back, and must find a thread of ours free.
fq_err user_before_close(fq_call *call, fq_command *command) {
    user_move *move = (user_move *)command;
    user_state *state = call->service->state;
    fq_row *record = NULL, *user;
    if (!fq_scope_may(&call->caller, FQ_MAY_USER_CHANGE)) {
        return FQ_OK;
    }
    if (command->request.asked) {
        FQ_TRY(user_look(call->service, call->arena, &fq_request_table, command->request.hash_high,
                         command->request.hash_low, &record));
    }
    FQ_TRY(user_look(call->service, call->arena, &user_table, move->id.v, 0, &user));
    if ((record && record->state != FQ_ROW_ABSENT) || user->state == FQ_ROW_ABSENT ||
        ((const user_row *)user)->status == FQ_USER_IS_CLOSED) {
        return FQ_OK;
    }
    move->asked_at = ((const user_row *)user)->version;
    if (atomic_fetch_add(&state->closing, 1) == 0) {
        move->payment_says = fq_payment_close_user(call->service->peers, move->id);
    }
    atomic_fetch_sub(&state->closing, 1);
    return FQ_OK;
}
