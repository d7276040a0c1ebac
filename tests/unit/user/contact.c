// Which names, addresses and languages are taken, and how addresses are masked.
#include "user/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct {
    const char *text;
    bool taken;
} sample;

static void check(const sample *samples, size_t count, const char *(*fault_of)(fq_str)) {
    for (size_t i = 0; i < count; i++) {
        const bool taken = fault_of(fq_str_of(samples[i].text)) == NULL;
        if (taken != samples[i].taken) {
            fail_msg("%s: %s", samples[i].text, taken ? "was taken" : "was refused");
        }
    }
}
#define CHECK(samples, fault_of) check(samples, sizeof(samples) / sizeof(samples[0]), fault_of)

static void test_names(void **state) {
    (void)state;
    static const sample samples[] = {
        {"张三", true}, {"Ada King-Noel", true}, {"a\tb", false}, {"a\x7F", false}};
    CHECK(samples, user_name_fault);
}

static void test_emails(void **state) {
    (void)state;
    static const sample samples[] = {
        {"a@b.cn", true},
        {"first.last+tag@sub.example.com", true},
        {"o'neil@example.co", true},
        {"a@xn--fiqs8s.cn", true},
        {"a@1.example", true},
        {"", false},
        {"a", false},
        {"@example.com", false},
        {"a@", false},
        {"a@b", false},
        {"a@@b.cn", false},
        {"a@b@c.cn", false},
        {".a@b.cn", false},
        {"a.@b.cn", false},
        {"a..b@c.cn", false},
        {"a b@c.cn", false},
        {"a@-b.cn", false},
        {"a@b-.cn", false},
        {"a@b..cn", false},
        {"a@b.cn.", false},
        {"a@127.0.0.1", false},
        {"\"a\"@b.cn", false},
        {"a@b.cn\n", false},
        {"张@b.cn", false},
        {"a@[127.0.0.1]", false},
    };
    CHECK(samples, user_email_fault);
    // The longest local part, domain label and address, and one more of each.
    char email[400];
    memset(email, 'a', sizeof(email));
    memcpy(email + 64, "@b.cn", 5);
    assert_null(user_email_fault((fq_str){email, 69}));
    memset(email, 'a', sizeof(email));
    memcpy(email + 65, "@b.cn", 5);
    assert_non_null(user_email_fault((fq_str){email, 70}));
    memset(email, 'a', sizeof(email));
    memcpy(email, "x@", 2);
    memcpy(email + 2 + 63, ".cn", 3);
    assert_null(user_email_fault((fq_str){email, 2 + 63 + 3}));
    memset(email, 'a', sizeof(email));
    memcpy(email, "x@", 2);
    memcpy(email + 2 + 64, ".cn", 3);
    assert_non_null(user_email_fault((fq_str){email, 2 + 64 + 3}));
}

static void test_phones(void **state) {
    (void)state;
    static const sample samples[] = {
        {"+8613800001234", true},
        {"+1234567", true},
        {"+123456789012345", true},
        {"8613800001234", false},
        {"+0613800001234", false},
        {"+123456", false},
        {"+1234567890123456", false},
        {"+86 13800001234", false},
        {"+86-1380000", false},
        {"", false},
        {"+", false},
    };
    CHECK(samples, user_phone_fault);
}

static void test_locales(void **state) {
    (void)state;
    static const sample samples[] = {
        {"zh", true},   {"zh-CN", true}, {"zh-Hant-TW", true}, {"de-CH-1996", true},
        {"x", false},   {"", false},     {"zh_CN", false},     {"zh-", false},
        {"-CN", false}, {"12", false},   {"zh--CN", false},    {"abcdefghi", false},
    };
    CHECK(samples, user_locale_fault);
}

static void test_masks(void **state) {
    (void)state;
    fq_arena arena;
    fq_arena_init(&arena, 1 << 16);
    static const struct {
        fq_str (*mask)(fq_arena *, fq_str);
        const char *text, *masked;
    } rows[] = {
        {user_email_masked, "zhang@example.com", "z***@example.com"},
        {user_email_masked, "z@example.com", "z***@example.com"},
        {user_email_masked, "", "***"},
        {user_phone_masked, "+8613800001234", "+86*******1234"},
        {user_phone_masked, "+1234567", "+12***67"},
        {user_email_normalised, "Zhang@EXAMPLE.com", "zhang@example.com"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const fq_str masked = rows[i].mask(&arena, fq_str_of(rows[i].text));
        assert_string_equal(fq_arena_text(&arena, masked), rows[i].masked);
    }
    fq_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_emails),
        cmocka_unit_test(test_phones), cmocka_unit_test(test_locales),
        cmocka_unit_test(test_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
