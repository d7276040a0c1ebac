// Currencies and sums of money.
#include "base/money.h"

#include <inttypes.h>
#include <stdio.h>

#define CODE(a, b, c) (((a) - 'A' + 1) << 10 | ((b) - 'A' + 1) << 5 | ((c) - 'A' + 1))

// Digits after the point plus one, by code; 0 where there is no such currency.
static const uint8_t places[1 << 15] = {
#define X(a, b, c, exponent) [CODE(a, b, c)] = (exponent) + 1,
#include "base/currencies.def"
#undef X
};

fq_err fq_currency_parse(fq_str text, const char *param, fq_currency *out) {
    bool letters = text.len == 3;
    for (size_t i = 0; letters && i < 3; i++) {
        letters = text.at[i] >= 'A' && text.at[i] <= 'Z';
    }
    const int code = letters ? CODE(text.at[0], text.at[1], text.at[2]) : 0;
    if (places[code] == 0) {
        return fq_refuse_text(FQ_INVALID_FIELD, param, "must be an ISO 4217 code in capitals");
    }
    *out = (fq_currency){(uint16_t)code};
    return FQ_OK;
}

void fq_currency_text(fq_currency currency, char out[4]) {
    for (int i = 0; i < 3; i++) {
        out[i] = (char)('A' - 1 + (currency.v >> (10 - 5 * i) & 31));
    }
    out[3] = '\0';
}

int fq_currency_exponent(fq_currency currency) {
    FQ_ASSERT(currency.v < sizeof(places) && places[currency.v] > 0);
    return places[currency.v] - 1;
}

bool fq_money_add(fq_money a, fq_money b, fq_money *out) {
    int64_t sum;
    if (!fq_currency_equal(a.currency, b.currency) ||
        !fq_add(a.amount_minor, b.amount_minor, &sum)) {
        return false;
    }
    *out = (fq_money){sum, a.currency};
    return true;
}

bool fq_money_sub(fq_money a, fq_money b, fq_money *out) {
    int64_t difference;
    if (!fq_currency_equal(a.currency, b.currency) ||
        !fq_sub(a.amount_minor, b.amount_minor, &difference)) {
        return false;
    }
    *out = (fq_money){difference, a.currency};
    return true;
}

void fq_money_text(fq_money money, char out[40]) {
    char currency[4];
    fq_currency_text(money.currency, currency);
    const char *sign = money.amount_minor < 0 ? "-" : "";
    const uint64_t magnitude =
        money.amount_minor < 0 ? 0 - (uint64_t)money.amount_minor : (uint64_t)money.amount_minor;
    const int exponent = fq_currency_exponent(money.currency);
    uint64_t unit = 1;
    for (int i = 0; i < exponent; i++) {
        unit *= 10;
    }
    if (exponent == 0) {
        snprintf(out, 40, "%s%" PRIu64 " %s", sign, magnitude, currency);
    } else {
        snprintf(out, 40, "%s%" PRIu64 ".%0*" PRIu64 " %s", sign, magnitude / unit, exponent,
                 magnitude % unit, currency);
    }
}
