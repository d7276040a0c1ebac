// Who may do what: the contract's table, cell by cell, and scopes as text.
#include "service/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PAYEE = 3001, PAYER = 2001, OTHER = 3999 };

// A key of each scope, for whom, and of whom a thing is.
static const struct {
    fq_scope scope;
    uint64_t user;
    bool own;  // is it the right side of the thing?
} callers[] = {
    {FQ_SCOPE_ADMIN, 0, true},         {FQ_SCOPE_READ, 0, true},
    {FQ_SCOPE_MERCHANT, PAYEE, true},  {FQ_SCOPE_MERCHANT, OTHER, false},
    {FQ_SCOPE_MERCHANT, PAYER, false}, {FQ_SCOPE_PAYER, PAYER, true},
    {FQ_SCOPE_PAYER, OTHER, false},    {FQ_SCOPE_PAYER, PAYEE, false},
    {FQ_SCOPE_HOUSE, 0, true},
};

// As the contract says it: which scopes may, each for its own.
typedef struct {
    fq_operation operation;
    bool admin, read, merchant, payer;
} contract_row;

static const contract_row contract[] = {
    {FQ_MAY_USER_CREATE, true, false, false, false},
    {FQ_MAY_USER_SEE, true, true, true, true},
    {FQ_MAY_USER_CHANGE, true, false, false, false},
    {FQ_MAY_ORDER_CREATE, true, false, true, false},
    {FQ_MAY_ORDER_SEE, true, true, true, true},
    {FQ_MAY_PAY, true, false, false, true},
    {FQ_MAY_PAYMENT_SEE, true, true, true, true},
    {FQ_MAY_CAPTURE, true, false, true, false},
    {FQ_MAY_REFUND, true, false, true, false},
    {FQ_MAY_TOPUP_CREATE, true, false, false, false},
    {FQ_MAY_TOPUP_SEE, true, true, true, true},
    {FQ_MAY_ACCOUNT_SEE, true, true, true, true},
    {FQ_MAY_EVENT_SEE, true, true, true, true},
};

static bool is_allowed(const contract_row *row, fq_scope scope) {
    switch (scope) {
    case FQ_SCOPE_HOUSE:
        return true;
    case FQ_SCOPE_ADMIN:
        return row->admin;
    case FQ_SCOPE_READ:
        return row->read;
    case FQ_SCOPE_MERCHANT:
        return row->merchant;
    case FQ_SCOPE_PAYER:
        return row->payer;
    }
    return false;
}

static void test_table(void **state) {
    (void)state;
    assert_int_equal(sizeof(contract) / sizeof(contract[0]), FQ_OPERATION_COUNT);
    for (size_t i = 0; i < FQ_OPERATION_COUNT; i++) {
        for (size_t j = 0; j < sizeof(callers) / sizeof(callers[0]); j++) {
            const fq_caller caller = {.scope = callers[j].scope, .user = {callers[j].user}};
            const bool allowed = is_allowed(&contract[i], caller.scope);
            assert_int_equal(fq_scope_may(&caller, contract[i].operation), allowed);
            assert_int_equal(
                fq_scope_may_to(&caller, contract[i].operation, (fq_sides){PAYEE, PAYER}),
                allowed && callers[j].own);
        }
    }
}

// A thing without a payer is nobody's as payer; not even a key's that names no user.
static void test_no_side(void **state) {
    (void)state;
    const fq_caller payer = {.scope = FQ_SCOPE_PAYER, .user = {PAYER}},
                    nobody = {.scope = FQ_SCOPE_PAYER};
    assert_false(fq_scope_may_to(&payer, FQ_MAY_ORDER_SEE, (fq_sides){PAYEE, 0}));
    assert_false(fq_scope_may_to(&nobody, FQ_MAY_ORDER_SEE, (fq_sides){PAYEE, 0}));
}

// 404 before 403.
static void test_check(void **state) {
    (void)state;
    static const struct {
        fq_scope scope;
        uint64_t user;
        fq_code code;
    } rows[] = {
        {FQ_SCOPE_ADMIN, 0, FQ_DONE},
        {FQ_SCOPE_READ, 0, FQ_NOT_ALLOWED},
        {FQ_SCOPE_MERCHANT, PAYEE, FQ_DONE},
        {FQ_SCOPE_MERCHANT, OTHER, FQ_PAYMENT_NOT_FOUND},
        {FQ_SCOPE_PAYER, PAYER, FQ_NOT_ALLOWED},
        {FQ_SCOPE_PAYER, OTHER, FQ_PAYMENT_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const fq_caller caller = {.scope = rows[i].scope, .user = {rows[i].user}};
        assert_int_equal(fq_scope_check(&caller, FQ_MAY_PAYMENT_SEE, FQ_MAY_REFUND,
                                        (fq_sides){PAYEE, PAYER}, FQ_PAYMENT_NOT_FOUND)
                             .code,
                         rows[i].code);
    }
}

static void test_text(void **state) {
    (void)state;
    static const struct {
        const char *text;
        fq_scope scope;
    } rows[] = {{"admin", FQ_SCOPE_ADMIN},
                {"read", FQ_SCOPE_READ},
                {"merchant:usr_0000000000001", FQ_SCOPE_MERCHANT},
                {"payer:usr_7ZZZZZZZZZZZZ", FQ_SCOPE_PAYER}};
    fq_arena arena;
    fq_arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fq_scope scope = FQ_SCOPE_HOUSE;
        fq_user_id user;
        assert_int_equal(fq_scope_parse(fq_str_of(rows[i].text), &scope, &user).code, FQ_DONE);
        assert_int_equal(scope, rows[i].scope);
        assert_int_equal(user.v != 0, scope == FQ_SCOPE_MERCHANT || scope == FQ_SCOPE_PAYER);
        assert_true(fq_str_equal(fq_scope_text(&arena, scope, user), fq_str_of(rows[i].text)));
    }
    static const char *const wrong[] = {"",
                                        "admins",
                                        "house",
                                        "merchant",
                                        "merchant:",
                                        "payer:ord_0000000000001",
                                        "payer:usr_0000000000000",
                                        "payer:usr_00000000000010",
                                        "Admin",
                                        "read "};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fq_scope scope;
        fq_user_id user;
        assert_int_equal(fq_scope_parse(fq_str_of(wrong[i]), &scope, &user).code, FQ_INVALID_FIELD);
    }
    fq_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_no_side),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
