// Which passwords are taken (NIST SP 800-63B-4 section 3.1.1.2). Hashes nothing.
//
// A blocklist of whole passwords hardly reaches 15 characters; what people do at that length is to
// repeat and to string common pieces together. So repetition, runs (aaaa, 1234, dcba) and common
// words are taken out, and something must be left. Words that merely stand in a longer password do
// no harm.
#include "crypto/password.h"

#include "crypto/digest.h"
#include "crypto/password_text.h"

#include <utf8proc.h>

enum { LEFT_MIN = 5, RUN_MIN = 3, CONTEXT_POINTS_MIN = 3 };

// Lower case, the most common ones of published lists, and our own name. To add one, add it.
static const char *const common_words[] = {
    "password",
    "passw0rd",
    "passwort",
    "qwertyuiop",
    "qwerty",
    "asdfghjkl",
    "asdfgh",
    "zxcvbnm",
    "1q2w3e4r5t6y",
    "1q2w3e4r",
    "qazwsxedc",
    "qazwsx",
    "zaq12wsx",
    "q1w2e3r4",
    "letmein",
    "welcome",
    "iloveyou",
    "woaini",
    "admin",
    "administrator",
    "root",
    "login",
    "secret",
    "changeme",
    "default",
    "master",
    "monkey",
    "dragon",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "starwars",
    "pokemon",
    "computer",
    "internet",
    "michael",
    "jordan",
    "shadow",
    "summer",
    "winter",
    "spring",
    "autumn",
    "hello",
    "freedom",
    "whatever",
    "trustno",
    "mypassword",
    "correcthorsebatterystaple",
    "thisismypassword",
    "feiqian",
    "payment",
    "wallet",
    "alipay",
    "wechat",
    "zhifubao",
    "weixin",
    "test",
    "user",
    "guest",
    "飞钱",
    "密码",
    "支付",
    "钱包",
    "我爱你",
};

bool password_normalise(fq_str password, password_text *out) {
    out->count = 0;
    out->len = 0;
    if (password.len > FQ_PASSWORD_BYTES_MAX || !fq_utf8_valid(password, NULL)) {
        return false;
    }
    if (password.len == 0) {
        return true;
    }
    const utf8proc_option_t form = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    utf8proc_ssize_t count =
        utf8proc_decompose((const utf8proc_uint8_t *)password.at, (utf8proc_ssize_t)password.len,
                           out->points, PASSWORD_POINTS_ROOM, form);
    if (count < 0 || count > PASSWORD_POINTS_ROOM) {
        return false;
    }
    count = utf8proc_normalize_utf32(out->points, count, form);
    if (count < 0) {
        return false;
    }
    out->count = (size_t)count;
    for (size_t i = 0; i < out->count; i++) {
        out->len +=
            (size_t)utf8proc_encode_char(out->points[i], (utf8proc_uint8_t *)out->text + out->len);
    }
    return true;
}

static bool has_control(const password_text *password) {
    for (size_t i = 0; i < password->count; i++) {
        if (utf8proc_category(password->points[i]) == UTF8PROC_CATEGORY_CC) {
            return true;
        }
    }
    return false;
}

static void to_lower(password_text *password) {
    for (size_t i = 0; i < password->count; i++) {
        password->points[i] = utf8proc_tolower(password->points[i]);
    }
}

// The shortest beginning that, repeated, makes the whole; the whole where nothing repeats.
static size_t period_of(const password_text *password) {
    for (size_t period = 1; period <= password->count / 2; period++) {
        size_t i = period;
        while (i < password->count && password->points[i] == password->points[i - period]) {
            i++;
        }
        if (i == password->count) {
            return period;
        }
    }
    return password->count;
}

static bool is_step(int32_t from, int32_t to, int32_t step) {
    const bool wraps =
        (step == 1 && from == '9' && to == '0') || (step == -1 && from == '0' && to == '9');
    return to - from == step || wraps;
}

// How many code points from `points` on go up by one, down by one or stay.
static size_t run_at(const int32_t *points, size_t count) {
    size_t longest = 1;
    for (int32_t step = -1; step <= 1; step++) {
        size_t len = 1;
        while (len < count && is_step(points[len - 1], points[len], step)) {
            len++;
        }
        longest = len > longest ? len : longest;
    }
    return longest;
}

// How many code points of `word` (UTF-8, lower case) stand at `points`; 0 unless all of it does.
static size_t word_at(const int32_t *points, size_t count, fq_str word) {
    size_t seen = 0;
    for (size_t at = 0; at < word.len; seen++) {
        utf8proc_int32_t point = 0;
        const utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)word.at + at,
                                                       (utf8proc_ssize_t)(word.len - at), &point);
        if (step <= 0 || seen == count || points[seen] != utf8proc_tolower(point)) {
            return 0;
        }
        at += (size_t)step;
    }
    return seen;
}

// How many code points at the front can be guessed: a run, a common word, or the context.
static size_t guessable_at(const int32_t *points, size_t count, fq_str context) {
    const size_t run = run_at(points, count);
    size_t longest = run >= RUN_MIN ? run : 0;
    for (size_t i = 0; i < sizeof(common_words) / sizeof(common_words[0]); i++) {
        const size_t len = word_at(points, count, fq_str_of(common_words[i]));
        longest = len > longest ? len : longest;
    }
    const size_t of_context = word_at(points, count, context);
    return of_context >= CONTEXT_POINTS_MIN && of_context > longest ? of_context : longest;
}

static bool is_guessable(password_text *password, fq_str context) {
    to_lower(password);
    const size_t count = period_of(password);
    size_t left = 0;
    for (size_t i = 0; i < count;) {
        const size_t guessed = guessable_at(password->points + i, count - i, context);
        left += guessed == 0;
        i += guessed == 0 ? 1 : guessed;
    }
    return left < LEFT_MIN;
}

static const char *fault_of(password_text *password, fq_str context) {
    if (password->count < FQ_PASSWORD_POINTS_MIN) {
        return "a password has at least 15 characters";
    }
    if (password->count > FQ_PASSWORD_POINTS_MAX) {
        return "a password has at most 128 characters";
    }
    if (has_control(password)) {
        return "control characters are not allowed";
    }
    return is_guessable(password, context) ? "it is too common, repeated or sequential" : NULL;
}

fq_err fq_password_accept(fq_str password, fq_str context, const char *param) {
    password_text normalised;
    const char *fault =
        password.len > FQ_PASSWORD_BYTES_MAX         ? "a password has at most 128 characters"
        : !password_normalise(password, &normalised) ? "not UTF-8"
                                                     : fault_of(&normalised, context);
    fq_wipe(&normalised, sizeof(normalised));
    return fault ? fq_refuse_text(FQ_INVALID_FIELD, param, fault) : FQ_OK;
}
