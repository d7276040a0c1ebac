// The table of errors and how one is worded.
#include "base/err.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const fq_error_row rows[FQ_CODE_COUNT] = {
    [FQ_DONE] = {"done", 200, {"Done", "完成"}, {"", ""}},
#define X(code, wire, http_status, title_en, title_zh, detail_en, detail_zh) \
    [code] = {wire, http_status, {title_en, title_zh}, {detail_en, detail_zh}},
#include "base/errors.def"
#undef X
};

const fq_error_row *fq_error_row_of(fq_code code) {
    FQ_ASSERT(code < FQ_CODE_COUNT);
    return &rows[code];
}

static const char *const reasons[][2] = {
#define X(en, zh) {en, zh},
#include "base/reasons.def"
#undef X
};

// A reason of the table in that language; any other text as it is.
static const char *reason_in(fq_language language, const char *text) {
    for (size_t i = 0; language != FQ_ENGLISH && i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(reasons[i][FQ_ENGLISH], text) == 0) {
            return reasons[i][language];
        }
    }
    return text;
}

// A sentence that is being worded: what does not fit is dropped.
typedef struct {
    const fq_err *err;
    fq_language language;
    char *out;
    size_t len, bytes_max;
} wording;

static void add(wording *w, fq_str text) {
    const fq_str part = fq_str_cut(text, w->bytes_max - 1 - w->len);
    memcpy(w->out + w->len, part.at, part.len);
    w->len += part.len;
}

static void add_blank(wording *w, const fq_fill *blank, bool within_reason);

// Text with {0}, {1} and {p}; a reason's own blanks are numbers only, so this goes one step deep.
static void add_filled(wording *w, const char *text, bool within_reason) {
    while (*text) {
        const size_t plain = strcspn(text, "{");
        add(w, (fq_str){text, plain});
        text += plain;
        if (text[0] == '{' && text[1] && text[2] == '}') {
            if (text[1] == 'p') {
                add(w, fq_str_of(w->err->param ? w->err->param : ""));
            } else {
                add_blank(w, &w->err->detail.blank[text[1] == '1'], within_reason);
            }
            text += 3;
        } else if (*text) {
            add(w, (fq_str){text++, 1});
        }
    }
}

static void add_blank(wording *w, const fq_fill *blank, bool within_reason) {
    char digits[24];
    switch (blank->kind) {
    case FQ_FILL_NONE:
        break;
    case FQ_FILL_NUMBER:
    case FQ_FILL_AMOUNT:
        snprintf(digits, sizeof(digits), "%" PRId64, blank->value.number);
        add(w, fq_str_of(digits));
        break;
    case FQ_FILL_TEXT:
        if (!within_reason) {
            add_filled(w, reason_in(w->language, blank->value.text), true);
        }
        break;
    }
}

void fq_error_sentence(fq_err err, fq_language language, char *out, unsigned out_bytes_max) {
    FQ_ASSERT(out_bytes_max > 0);
    wording w = {.err = &err, .language = language, .out = out, .bytes_max = out_bytes_max};
    add_filled(&w, fq_error_row_of(err.code)->detail[language], false);
    out[w.len] = '\0';
}

void fq_assert_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "feiqian: assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}
