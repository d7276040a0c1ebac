// Problem documents and the choice of their language. Words come from errors.def.
#include "http/problem.h"

#include "base/json_writer.h"

// --- Accept-Language (RFC 9110 sections 12.4.2 and 12.5.4) ---

// "0", "0.5", "1", "1.000" to thousandths; -1 when malformed.
static int quality_of(fq_str text) {
    if (text.len < 1 || text.len > 5 || (text.at[0] != '0' && text.at[0] != '1') ||
        (text.len > 1 && text.at[1] != '.')) {
        return -1;
    }
    int quality = (text.at[0] - '0') * 1000, weight = 100;
    for (size_t i = 2; i < text.len; i++, weight /= 10) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return -1;
        }
        quality += (text.at[i] - '0') * weight;
    }
    return quality <= 1000 ? quality : -1;
}

// Cuts off what stands before `mark`, trimmed; the rest stays in `list`.
static fq_str cut(fq_str *list, char mark) {
    const char *end = list->len > 0 ? memchr(list->at, mark, list->len) : NULL;
    const fq_str part = {list->at, end ? (size_t)(end - list->at) : list->len};
    const size_t used = part.len + (end ? 1 : 0);
    *list = (fq_str){list->at + used, list->len - used};
    return fq_str_trim(part);
}

// How exactly a range names the language: 0 not at all, 1 "*", 2 "zh" for us or "zh-CN",
// "zh-Hans-CN", "en-GB".
static int match_of(fq_str range, fq_str language) {
    if (fq_str_equal(range, FQ_STR("*"))) {
        return 1;
    }
    const bool begins = range.len >= language.len &&
                        fq_str_equal_nocase((fq_str){range.at, language.len}, language) &&
                        (range.len == language.len || range.at[language.len] == '-');
    return begins ? 2 : 0;
}

fq_language fq_language_of(fq_str accept_language) {
    static const fq_str languages[] = {[FQ_ENGLISH] = {"en", 2}, [FQ_CHINESE] = {"zh", 2}};
    int quality[2] = {0, 0}, match[2] = {0, 0};
    while (accept_language.len > 0) {
        fq_str member = cut(&accept_language, ',');
        const fq_str range = cut(&member, ';');
        const fq_str weight = fq_str_trim(member);
        const bool weighed = weight.len > 2 && (weight.at[0] | 0x20) == 'q' && weight.at[1] == '=';
        const int value = weighed          ? quality_of((fq_str){weight.at + 2, weight.len - 2})
                          : weight.len > 0 ? -1
                                           : 1000;
        for (int language = FQ_ENGLISH; language <= FQ_CHINESE && value >= 0; language++) {
            const int now = match_of(range, languages[language]);
            // What names the language outweighs "*"; of several ranges that name it the best
            // counts.
            if (now > match[language] ||
                (now > 0 && now == match[language] && value > quality[language])) {
                match[language] = now;
                quality[language] = value;
            }
        }
    }
    // "*" alone likes us all: then the default.
    return quality[FQ_CHINESE] > quality[FQ_ENGLISH] ? FQ_CHINESE : FQ_ENGLISH;
}

// --- Documents ---

// The store's inner outcomes are nobody's business but ours.
static fq_err told(fq_err err) {
    const bool inner = err.code == FQ_STORE_CONFLICT || err.code == FQ_STORE_UNKNOWN ||
                       err.code == FQ_STORE_LOST || err.code == FQ_STORE_FULL;
    return inner ? fq_refuse(FQ_UNAVAILABLE, NULL) : err;
}

// A sentence that was cut may end within a character.
static fq_str whole_characters(const char *text) {
    fq_str s = fq_str_of(text);
    for (int i = 0; i < 3 && s.len > 0 && !fq_utf8_valid(s, NULL); i++) {
        s.len--;
    }
    return fq_utf8_valid(s, NULL) ? s : (fq_str){0};
}

void fq_problem_encode(fq_err err, fq_language language, fq_str request_id, fq_str extra,
                       fq_buffer *out) {
    enum { SENTENCE_BYTES_MAX = 1024 };
    err = told(err);
    const fq_error_row *row = fq_error_row_of(err.code);
    char sentence[SENTENCE_BYTES_MAX];
    fq_error_sentence(err, language, sentence, sizeof(sentence));
    FQ_ADD(out, "{\"type\":\"/problems/");
    fq_buffer_add(out, fq_str_of(row->name));
    FQ_ADD(out, "\",\"title\":");
    fq_json_string(out, fq_str_of(row->title[language]));
    FQ_ADD(out, ",\"status\":");
    fq_buffer_add_i64(out, row->status);
    FQ_ADD(out, ",\"detail\":");
    fq_json_string(out, whole_characters(sentence));
    FQ_ADD(out, ",\"code\":\"");
    fq_buffer_add(out, fq_str_of(row->name));
    FQ_ADD(out, "\"");
    if (err.param) {
        FQ_ADD(out, ",\"param\":");
        fq_json_string(out, fq_str_of(err.param));
    }
    FQ_ADD(out, ",\"request_id\":");
    fq_json_string(out, request_id);
    if (extra.len > 0) {
        fq_buffer_add_char(out, ',');
        fq_buffer_add(out, extra);
    }
    fq_buffer_add_char(out, '}');
}

void fq_exchange_refuse_with(fq_exchange *exchange, fq_err err, fq_str extra) {
    const fq_language language =
        fq_language_of(fq_exchange_header(exchange, FQ_STR("accept-language")));
    exchange->status = fq_error_row_of(told(err).code)->status;
    exchange->refused = err.code;
    exchange->content_type = "application/problem+json";
    fq_buffer_clear(&exchange->body);
    fq_problem_encode(err, language, exchange->request_id, extra, &exchange->body);
    fq_exchange_add_header(exchange, FQ_STR("Content-Language"),
                           language == FQ_CHINESE ? FQ_STR("zh-CN") : FQ_STR("en"));
    const fq_str head = fq_buffer_str(&exchange->head);
    const bool told_when = head.len > 0 && memmem(head.at, head.len, "Retry-After:", 12);
    if ((exchange->status == 429 || exchange->status == 503) && !told_when) {
        fq_exchange_add_header(exchange, FQ_STR("Retry-After"), FQ_STR("1"));
    }
}

void fq_exchange_refuse(fq_exchange *exchange, fq_err err) {
    fq_exchange_refuse_with(exchange, err, (fq_str){0});
}
