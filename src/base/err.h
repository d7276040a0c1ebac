// Refusals and failures are values: a code, the field it is about, and what fills the sentence's
// blanks. No text is formatted here: sentences come in two languages and are worded where the
// answer is written.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// One row a code: errors.def says status, wire name and the sentences. 0 is success.
typedef enum {
    FQ_DONE = 0,
#define X(name, wire, status, title_en, title_zh, detail_en, detail_zh) name,
#include "base/errors.def"
#undef X
    FQ_CODE_COUNT
} fq_code;

// What fills the {0} and {1} of a sentence.
typedef enum { FQ_FILL_NONE = 0, FQ_FILL_NUMBER, FQ_FILL_AMOUNT, FQ_FILL_TEXT } fq_fill_kind;

typedef struct {
    fq_fill_kind kind;
    union {
        int64_t number;  // FQ_FILL_NUMBER, and FQ_FILL_AMOUNT in minor units
        // FQ_FILL_TEXT: a literal, or memory that lives as long as the request. A text of
        // reasons.def is told in the reader's language, a {1} in it filled with the second blank.
        const char *text;
    } value;
} fq_fill;

typedef struct {
    fq_fill blank[2];
} fq_detail;

// Returned by value by every function that can fail. `param` names the request's field: a literal,
// NULL, or text that lives as long as the request.
typedef struct {
    fq_code code;
    const char *param;
    fq_detail detail;
} fq_err;

#define FQ_MUST_USE __attribute__((warn_unused_result))
#define FQ_OK ((fq_err){0})

// Passes an error up unchanged. The only macro that hides a `return`.
#define FQ_TRY(call)                        \
    do {                                    \
        const fq_err fq_try_error = (call); \
        if (fq_try_error.code) {            \
            return fq_try_error;            \
        }                                   \
    } while (0)

static inline fq_err fq_refuse(fq_code code, const char *param) {
    return (fq_err){.code = code, .param = param};
}

static inline fq_err fq_refuse_number(fq_code code, const char *param, int64_t first,
                                      int64_t second) {
    return (fq_err){
        .code = code,
        .param = param,
        .detail = {{{FQ_FILL_NUMBER, {.number = first}}, {FQ_FILL_NUMBER, {.number = second}}}}};
}

static inline fq_err fq_refuse_text(fq_code code, const char *param, const char *text) {
    return (fq_err){.code = code, .param = param, .detail = {{{FQ_FILL_TEXT, {.text = text}}}}};
}

// With a reason of reasons.def, whose {1} is filled with `number`.
static inline fq_err fq_refuse_reason(fq_code code, const char *param, const char *reason,
                                      int64_t number) {
    return (fq_err){
        .code = code,
        .param = param,
        .detail = {{{FQ_FILL_TEXT, {.text = reason}}, {FQ_FILL_NUMBER, {.number = number}}}}};
}

typedef struct {
    const char *name;                  // the wire's `code`
    int status;                        // HTTP
    const char *title[2], *detail[2];  // [FQ_ENGLISH], [FQ_CHINESE]; detail may hold {0}, {1}
} fq_error_row;

typedef enum { FQ_ENGLISH = 0, FQ_CHINESE = 1 } fq_language;

// The row of errors.def that belongs to `code`; never NULL.
const fq_error_row *fq_error_row_of(fq_code code);

// Words an error: the sentence of its row with the blanks filled, cut to `out_bytes_max` - 1 and
// NUL-terminated.
void fq_error_sentence(fq_err err, fq_language language, char *out, unsigned out_bytes_max);

// For our mistakes, never for the world's. Stays in release: a crash before the commit loses
// nothing.
#define FQ_ASSERT(condition)                      \
    (__builtin_expect(!!(condition), 1) ? (void)0 \
                                        : fq_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void fq_assert_failed(const char *condition, const char *file, int line);
