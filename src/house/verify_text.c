// A verification's fault in words.
#include "base/buffer.h"
#include "base/id.h"
#include "house/verify.h"

static const char *const sentences[][2] = {[FQ_LEDGER_SOUND] = {"all is right", "全部正确"},
#define X(name, english, chinese) [FQ_LEDGER_##name] = {english, chinese},
                                           FQ_LEDGER_FAULTS(X)
#undef X
};

static void add_account(const fq_ledger_fault *fault, fq_buffer *out) {
    char id[FQ_ID_TEXT_MAX];
    fq_id_text(FQ_ID_account, fault->account, id);
    fq_buffer_add(out, fq_str_of(id));
}

static void add_currency(const fq_ledger_fault *fault, fq_buffer *out) {
    char currency[4];
    fq_currency_text(fault->currency, currency);
    fq_buffer_add(out, fq_str_of(currency));
}

// What `blank` of a sentence stands for.
static void fill(const fq_ledger_fault *fault, fq_str blank, fq_buffer *out) {
    if (fq_str_equal(blank, FQ_STR("account"))) {
        add_account(fault, out);
    } else if (fq_str_equal(blank, FQ_STR("currency"))) {
        add_currency(fault, out);
    } else if (fq_str_equal(blank, FQ_STR("batch"))) {
        fq_buffer_add_i64(out, (int64_t)fault->batch);
    } else if (fq_str_equal(blank, FQ_STR("position"))) {
        fq_buffer_add_i64(out, (int64_t)fault->position);
    } else if (fq_str_equal(blank, FQ_STR("expected"))) {
        fq_buffer_add_i64(out, fault->expected);
    } else {
        FQ_ASSERT(fq_str_equal(blank, FQ_STR("found")));
        fq_buffer_add_i64(out, fault->found);
    }
}

void fq_ledger_fault_text(const fq_ledger_fault *fault, fq_language language,
                          char out[FQ_LEDGER_FAULT_TEXT_MAX]) {
    fq_buffer text;
    fq_buffer_init(&text, FQ_LEDGER_FAULT_TEXT_MAX);
    for (const char *at = sentences[fault->kind][language]; *at;) {
        const size_t plain = strcspn(at, "{");
        fq_buffer_add(&text, (fq_str){at, plain});
        at += plain;
        if (*at) {
            const size_t len = strcspn(at, "}");
            fill(fault, (fq_str){at + 1, len - 1}, &text);
            at += len + 1;
        }
    }
    fq_buffer_add_char(&text, '\0');
    FQ_ASSERT(!text.overflowed);
    memcpy(out, text.at, text.len);
    fq_buffer_free(&text);
}
