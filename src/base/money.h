// Money: an integer of the currency's minor unit. Every sum is checked for overflow and for mixed
// currencies.
#pragma once

#include "base/err.h"
#include "base/str.h"

// ISO 4217. The stored number is the code's three letters, 5 bits each ('A' = 1), so it needs no
// table to read.
typedef struct {
    uint16_t v;
} fq_currency;

typedef struct {
    int64_t amount_minor;
    fq_currency currency;
} fq_money;

// The largest amount of the contract: 2^53 - 1.
#define FQ_AMOUNT_MAX ((INT64_C(1) << 53) - 1)

// Three capital letters of a currency in ISO 4217's list of active codes. Errors: invalid_field.
FQ_MUST_USE fq_err fq_currency_parse(fq_str text, const char *param, fq_currency *out);
// Writes the three letters and a NUL.
void fq_currency_text(fq_currency currency, char out[4]);
// Digits after the decimal point: 0 (JPY) to 4 (CLF).
int fq_currency_exponent(fq_currency currency);

static inline bool fq_currency_equal(fq_currency a, fq_currency b) {
    return a.v == b.v;
}

// Checked arithmetic; false on overflow and then `out` is untouched.
static inline bool fq_add(int64_t a, int64_t b, int64_t *out) {
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *out = sum;
    return true;
}
static inline bool fq_sub(int64_t a, int64_t b, int64_t *out) {
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference)) {
        return false;
    }
    *out = difference;
    return true;
}
static inline bool fq_mul(int64_t a, int64_t b, int64_t *out) {
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

// False on overflow and on mixed currencies.
bool fq_money_add(fq_money a, fq_money b, fq_money *out);
bool fq_money_sub(fq_money a, fq_money b, fq_money *out);

// Writes "12.34 CNY" for people. `out` holds 40 bytes.
void fq_money_text(fq_money money, char out[40]);
