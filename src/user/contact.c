// What personal texts look like: which are taken, how they are compared, how they are masked. Pure.
#include "user/rows.h"

enum {
    EMAIL_MAX = 254,  // RFC 5321 section 4.5.3.1.3, less the brackets
    EMAIL_LOCAL_MAX = 64,
    LABEL_MAX = 63,
    PHONE_DIGITS_MIN = 7,
    PHONE_DIGITS_MAX = 15,  // ITU-T E.164
    LOCALE_MAX = 35,        // RFC 5646 section 4.4.1
    SUBTAG_MAX = 8,
    // Of a phone number these are shown, unless too little would be hidden.
    PHONE_HEAD = 3,
    PHONE_TAIL = 4,
    PHONE_TAIL_SHORT = 2,
    PHONE_HIDDEN_MIN = 4,
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

const char *user_name_fault(fq_str name) {
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.at[i] < ' ' || name.at[i] == '\x7F') {
            return "control characters are not allowed";
        }
    }
    return NULL;
}

// A dot-atom of RFC 5322 section 3.2.3. Quoted local parts are not taken.
static bool is_local_part(fq_str local) {
    static const char marks[] = "!#$%&'*+-/=?^_`{|}~";
    char before = '.';
    for (size_t i = 0; i < local.len; i++) {
        const char c = local.at[i];
        const bool atom = is_letter(c) || is_digit(c) || (c != '\0' && strchr(marks, c));
        if (!atom && (c != '.' || before == '.')) {
            return false;
        }
        before = c;
    }
    return local.len > 0 && local.len <= EMAIL_LOCAL_MAX && before != '.';
}

// At least two labels of letters, digits and hyphens, the last one not a number.
static bool is_domain(fq_str domain) {
    size_t labels = 0, begin = 0;
    bool numeric = true;
    for (size_t i = 0; i <= domain.len; i++) {
        if (i < domain.len && domain.at[i] != '.') {
            const char c = domain.at[i];
            if (!is_letter(c) && !is_digit(c) && c != '-') {
                return false;
            }
            numeric &= is_digit(c);
            continue;
        }
        const size_t len = i - begin;
        if (len == 0 || len > LABEL_MAX || domain.at[begin] == '-' || domain.at[i - 1] == '-') {
            return false;
        }
        labels++;
        begin = i + 1;
        if (i < domain.len) {
            numeric = true;
        }
    }
    return labels >= 2 && !numeric;
}

const char *user_email_fault(fq_str email) {
    const char *at = email.len > 0 ? memchr(email.at, '@', email.len) : NULL;
    const size_t local_len = at ? (size_t)(at - email.at) : 0;
    const bool right = at && email.len <= EMAIL_MAX &&
                       is_local_part((fq_str){email.at, local_len}) &&
                       is_domain((fq_str){at + 1, email.len - local_len - 1});
    return right ? NULL : "not an email address, such as name@example.com";
}

const char *user_phone_fault(fq_str phone) {
    static const char fault[] = "not a phone number of E.164, such as +8613800001234";
    if (phone.len < 1 + PHONE_DIGITS_MIN || phone.len > 1 + PHONE_DIGITS_MAX ||
        phone.at[0] != '+' || phone.at[1] == '0') {
        return fault;
    }
    for (size_t i = 1; i < phone.len; i++) {
        if (!is_digit(phone.at[i])) {
            return fault;
        }
    }
    return NULL;
}

// Subtags of 1 to 8 letters and digits, the first a language: 2 to 8 letters.
const char *user_locale_fault(fq_str locale) {
    static const char fault[] = "not a language tag, such as zh-CN";
    size_t len = 0;
    bool first = true;
    for (size_t i = 0; i <= locale.len; i++) {
        if (i == locale.len || locale.at[i] == '-') {
            if (len < (first ? 2u : 1u) || len > SUBTAG_MAX) {
                return fault;
            }
            first = false;
            len = 0;
        } else if (is_letter(locale.at[i]) || (!first && is_digit(locale.at[i]))) {
            len++;
        } else {
            return fault;
        }
    }
    return locale.len <= LOCALE_MAX ? NULL : fault;
}

fq_str user_email_normalised(fq_arena *arena, fq_str email) {
    char *lower = fq_arena_alloc(arena, email.len + 1);
    for (size_t i = 0; i < email.len; i++) {
        const char c = email.at[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (fq_str){lower, email.len};
}

fq_str user_email_masked(fq_arena *arena, fq_str email) {
    const char *at = email.len > 0 ? memchr(email.at, '@', email.len) : NULL;
    if (!at || at == email.at) {
        return FQ_STR("***");
    }
    const fq_str domain = {at, email.len - (size_t)(at - email.at)};
    return fq_arena_printf(arena, "%c***%.*s", email.at[0], FQ_STR_ARGS(domain));
}

fq_str user_phone_masked(fq_arena *arena, fq_str phone) {
    const bool is_long = phone.len >= PHONE_HEAD + PHONE_HIDDEN_MIN + PHONE_TAIL;
    const size_t tail = is_long ? PHONE_TAIL : PHONE_TAIL_SHORT;
    char *masked = fq_arena_alloc(arena, phone.len + 1);
    for (size_t i = 0; i < phone.len; i++) {
        masked[i] = i < PHONE_HEAD || i + tail >= phone.len ? phone.at[i] : '*';
    }
    return (fq_str){masked, phone.len};
}
