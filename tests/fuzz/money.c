// Any bytes as an amount and a currency, and as two amounts: sums are right or refused, never
// wrong.
#include "base/fields.h"

typedef struct {
    int64_t amount;
    fq_currency currency;
} money;

static const fq_field rows[] = {
    {"amount", FQ_FIELD_AMOUNT, .required = true, .offset = FQ_AT(money, amount)},
    {"currency", FQ_FIELD_CURRENCY, .required = true, .offset = FQ_AT(money, currency)},
};
static const fq_fields fields = FQ_FIELDS(rows, money);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sums(fq_money a, fq_money b) {
    fq_money sum, back;
    if (fq_money_add(a, b, &sum)) {
        FQ_ASSERT(fq_money_sub(sum, b, &back) && back.amount_minor == a.amount_minor);
        FQ_ASSERT((sum.amount_minor < a.amount_minor) == (b.amount_minor < 0));
    }
    char text[40];
    fq_money_text(a, text);
    FQ_ASSERT(strlen(text) < sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const fq_str text = {(const char *)data, size};
    fq_arena arena;
    money out = {0};
    fq_arena_init(&arena, 16 * 1024 * 1024);
    if (fq_fields_decode_body(&arena, &fields, text, false, &out).code == FQ_DONE) {
        FQ_ASSERT(out.amount > 0 && out.amount <= FQ_AMOUNT_MAX);
        FQ_ASSERT(fq_currency_exponent(out.currency) <= 4);
        int64_t other = 0;
        memcpy(&other, data, size < sizeof(other) ? size : sizeof(other));
        check_sums((fq_money){out.amount, out.currency}, (fq_money){other, out.currency});
        check_sums((fq_money){other, out.currency}, (fq_money){out.amount, out.currency});
    }
    fq_currency currency;
    if (fq_currency_parse(text, "currency", &currency).code == FQ_DONE) {
        char back[4];
        fq_currency_text(currency, back);
        FQ_ASSERT(fq_str_equal(fq_str_of(back), text));
    }
    fq_arena_free(&arena);
    return 0;
}
