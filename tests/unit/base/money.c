// Currencies, and properties of sums over random amounts.
#include "base/money.h"

#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

__extension__ typedef __int128 wide;

static fq_currency currency_of(const char *code) {
    fq_currency currency = {0};
    assert_int_equal(fq_currency_parse(fq_str_of(code), "currency", &currency).code, FQ_DONE);
    return currency;
}

static void test_exponents(void **state) {
    (void)state;
    static const struct {
        const char *code;
        int exponent;
    } rows[] = {{"CNY", 2}, {"USD", 2}, {"JPY", 0}, {"KRW", 0},
                {"KWD", 3}, {"BHD", 3}, {"CLF", 4}, {"XOF", 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[4];
        const fq_currency currency = currency_of(rows[i].code);
        assert_int_equal(fq_currency_exponent(currency), rows[i].exponent);
        fq_currency_text(currency, text);
        assert_string_equal(text, rows[i].code);
    }
}

// Whatever three bytes come: either refused, or a currency that is written as it was read.
static void test_all_codes(void **state) {
    (void)state;
    int known = 0;
    for (int code = 0; code < 1 << 24; code += 1 + (code % 7)) {
        const char text[3] = {(char)(code >> 16), (char)(code >> 8), (char)code};
        fq_currency currency;
        if (fq_currency_parse((fq_str){text, 3}, "currency", &currency).code == FQ_DONE) {
            char back[4];
            fq_currency_text(currency, back);
            assert_memory_equal(back, text, 3);
            assert_true(fq_currency_exponent(currency) <= 4);
            known++;
        }
    }
    assert_true(known > 10);
    static const char *const wrong[] = {"",    "CN",  "CNYY", "cny", "CN1",
                                        "XXX", "XAU", "ZZZ",  "[NY", "CN@"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fq_currency currency;
        assert_int_equal(fq_currency_parse(fq_str_of(wrong[i]), "currency", &currency).code,
                         FQ_INVALID_FIELD);
    }
}

// Addition agrees with 128 bits: right where it fits, refused and untouched where not; subtraction
// undoes it.
static void test_sums(void **state) {
    (void)state;
    test_random random = test_random_start("money");
    const fq_currency cny = currency_of("CNY"), usd = currency_of("USD");
    for (int i = 0; i < 200000; i++) {
        const fq_money a = {test_random_amount(&random), cny},
                       b = {test_random_amount(&random), cny};
        const wide sum = (wide)a.amount_minor + b.amount_minor;
        const wide difference = (wide)a.amount_minor - b.amount_minor;
        fq_money out = {42, usd};
        const bool added = fq_money_add(a, b, &out);
        assert_true(added == (sum >= INT64_MIN && sum <= INT64_MAX));
        assert_true(added ? out.amount_minor == (int64_t)sum : out.amount_minor == 42);
        if (added) {
            fq_money back;
            assert_true(fq_money_sub(out, b, &back));
            assert_true(back.amount_minor == a.amount_minor &&
                        fq_currency_equal(back.currency, cny));
        }
        out = (fq_money){42, usd};
        assert_true(fq_money_sub(a, b, &out) ==
                    (difference >= INT64_MIN && difference <= INT64_MAX));
        int64_t product;
        const wide exact = (wide)a.amount_minor * b.amount_minor;
        assert_true(fq_mul(a.amount_minor, b.amount_minor, &product) ==
                    (exact >= INT64_MIN && exact <= INT64_MAX));
        const fq_money other = {b.amount_minor, usd};
        assert_false(fq_money_add(a, other, &out));
        assert_false(fq_money_sub(a, other, &out));
    }
}

static void test_text(void **state) {
    (void)state;
    static const struct {
        const char *code;
        int64_t amount;
        const char *text;
    } rows[] = {
        {"CNY", 1999, "19.99 CNY"},
        {"CNY", 5, "0.05 CNY"},
        {"CNY", -5, "-0.05 CNY"},
        {"JPY", 1999, "1999 JPY"},
        {"KWD", 1, "0.001 KWD"},
        {"CLF", 10000, "1.0000 CLF"},
        {"CNY", INT64_MIN, "-92233720368547758.08 CNY"},
        {"JPY", INT64_MAX, "9223372036854775807 JPY"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[40];
        fq_money_text((fq_money){rows[i].amount, currency_of(rows[i].code)}, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponents),
        cmocka_unit_test(test_all_codes),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
