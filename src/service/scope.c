// Who may do what. Pure.
#include "service/scope.h"

typedef enum { N, Y, O } permission;

static const permission table[FQ_OPERATION_COUNT][FQ_SCOPE_PAYER + 1] = {
#define X(name, what, admin, read, merchant, payer)    \
    [FQ_MAY_##name] = {[FQ_SCOPE_HOUSE] = Y,           \
                       [FQ_SCOPE_ADMIN] = admin,       \
                       [FQ_SCOPE_READ] = read,         \
                       [FQ_SCOPE_MERCHANT] = merchant, \
                       [FQ_SCOPE_PAYER] = payer},
    FQ_OPERATIONS(X)
#undef X
};

bool fq_scope_may(const fq_caller *caller, fq_operation operation) {
    return table[operation][caller->scope] != N;
}

bool fq_scope_may_to(const fq_caller *caller, fq_operation operation, fq_sides sides) {
    switch (table[operation][caller->scope]) {
    case Y:
        return true;
    case N:
        return false;
    case O:
        break;
    }
    const uint64_t side = caller->scope == FQ_SCOPE_MERCHANT ? sides.payee : sides.payer;
    return side != 0 && side == caller->user.v;
}

fq_err fq_scope_check(const fq_caller *caller, fq_operation see, fq_operation operation,
                      fq_sides sides, fq_code not_found) {
    if (fq_scope_may_to(caller, operation, sides)) {
        return FQ_OK;
    }
    return fq_refuse(fq_scope_may_to(caller, see, sides) ? FQ_NOT_ALLOWED : not_found, NULL);
}

fq_err fq_scope_parse(fq_str text, fq_scope *out, fq_user_id *out_user) {
    static const struct {
        const char *prefix;
        fq_scope scope;
    } of_user[] = {{"merchant:", FQ_SCOPE_MERCHANT}, {"payer:", FQ_SCOPE_PAYER}};
    *out_user = (fq_user_id){0};
    if (fq_str_equal(text, FQ_STR("admin")) || fq_str_equal(text, FQ_STR("read"))) {
        *out = text.at[0] == 'a' ? FQ_SCOPE_ADMIN : FQ_SCOPE_READ;
        return FQ_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        const fq_str prefix = fq_str_of(of_user[i].prefix);
        if (fq_str_starts(text, prefix) &&
            fq_id_parse(FQ_ID_user, (fq_str){text.at + prefix.len, text.len - prefix.len},
                        &out_user->v)) {
            *out = of_user[i].scope;
            return FQ_OK;
        }
    }
    return fq_refuse_text(FQ_INVALID_FIELD, "scope", "admin, read, merchant:usr_… or payer:usr_…");
}

fq_str fq_scope_text(fq_arena *arena, fq_scope scope, fq_user_id user) {
    static const char *const names[] = {"house", "admin", "read", "merchant", "payer"};
    if (scope != FQ_SCOPE_MERCHANT && scope != FQ_SCOPE_PAYER) {
        return fq_str_of(names[scope]);
    }
    char id[FQ_ID_TEXT_MAX];
    fq_id_text(FQ_ID_user, user.v, id);
    return fq_arena_printf(arena, "%s:%s", names[scope], id);
}
