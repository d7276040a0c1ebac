// argon2id and its PHC strings. Which passwords may be set is password_policy.c's.
#include "crypto/password.h"

#include "base/random.h"
#include "crypto/digest.h"
#include "crypto/password_text.h"

#include <argon2.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    SALT_BYTES = 16,
    SALT_BYTES_MIN = 8,
    SALT_BYTES_MAX = 48,
    TAG_BYTES = 32,
    SALT_TEXT_LEN_MAX = 64,
};

typedef struct {
    fq_password_cost cost;
    uint8_t salt[SALT_BYTES_MAX];
    size_t salt_bytes;
    uint8_t tag[TAG_BYTES];
} stored_hash;

static bool take(fq_str *rest, fq_str expected) {
    if (!fq_str_starts(*rest, expected)) {
        return false;
    }
    *rest = (fq_str){rest->at + expected.len, rest->len - expected.len};
    return true;
}

static bool take_number(fq_str *rest, uint32_t max, uint32_t *out) {
    size_t len = 0;
    while (len < rest->len && rest->at[len] >= '0' && rest->at[len] <= '9') {
        len++;
    }
    uint64_t number = 0;
    if (!fq_str_to_u64((fq_str){rest->at, len}, &number) || number > max) {
        return false;
    }
    *rest = (fq_str){rest->at + len, rest->len - len};
    *out = (uint32_t)number;
    return true;
}

// Base64 without padding, up to '$' or the end. `out` holds 48 bytes.
static bool take_bytes(fq_str *rest, uint8_t *out, size_t *out_bytes) {
    const char *end = rest->len > 0 ? memchr(rest->at, '$', rest->len) : NULL;
    const size_t len = end ? (size_t)(end - rest->at) : rest->len;
    char padded[SALT_TEXT_LEN_MAX + 4];
    if (len == 0 || len > SALT_TEXT_LEN_MAX || len % 4 == 1 || rest->at[len - 1] == '=') {
        return false;
    }
    memcpy(padded, rest->at, len);
    size_t padded_len = len;
    while (padded_len % 4 != 0) {
        padded[padded_len++] = '=';
    }
    *rest = (fq_str){rest->at + len, rest->len - len};
    return fq_base64_decode((fq_str){padded, padded_len}, out, out_bytes);
}

// $argon2id$v=19$m=..,t=..,p=..$salt$tag and nothing else; nothing is taken on trust that would
// cost memory or time.
static bool parse(fq_str phc, stored_hash *out) {
    uint8_t tag[SALT_BYTES_MAX];
    size_t tag_bytes = 0;
    const bool shaped =
        take(&phc, FQ_STR("$argon2id$v=19$m=")) &&
        take_number(&phc, FQ_PASSWORD_MEMORY_KIB_MAX, &out->cost.memory_kib) &&
        take(&phc, FQ_STR(",t=")) && take_number(&phc, FQ_PASSWORD_PASSES_MAX, &out->cost.passes) &&
        take(&phc, FQ_STR(",p=")) && take_number(&phc, FQ_PASSWORD_LANES_MAX, &out->cost.lanes) &&
        take(&phc, FQ_STR("$")) && take_bytes(&phc, out->salt, &out->salt_bytes) &&
        take(&phc, FQ_STR("$")) && take_bytes(&phc, tag, &tag_bytes);
    if (!shaped || phc.len != 0 || tag_bytes != TAG_BYTES || out->salt_bytes < SALT_BYTES_MIN ||
        out->cost.passes == 0 || out->cost.lanes == 0 ||
        out->cost.memory_kib < 8 * out->cost.lanes) {
        return false;
    }
    memcpy(out->tag, tag, sizeof(out->tag));
    return true;
}

// False when there is no memory; all else was checked before.
static bool compute(const password_text *password, fq_password_cost cost, fq_str salt,
                    uint8_t out[TAG_BYTES]) {
    const int outcome = argon2id_hash_raw(cost.passes, cost.memory_kib, cost.lanes, password->text,
                                          password->len, salt.at, salt.len, out, TAG_BYTES);
    FQ_ASSERT(outcome == ARGON2_OK || outcome == ARGON2_MEMORY_ALLOCATION_ERROR ||
              outcome == ARGON2_THREAD_FAIL);
    return outcome == ARGON2_OK;
}

static void add_bytes(char out[FQ_PASSWORD_TEXT_MAX], size_t *len, fq_str bytes) {
    out[(*len)++] = '$';
    *len += fq_base64_encode(bytes, out + *len);
    while (out[*len - 1] == '=') {
        (*len)--;
    }
    out[*len] = '\0';
}

fq_err fq_password_hash(fq_str password, fq_password_cost cost, char out[FQ_PASSWORD_TEXT_MAX]) {
    FQ_ASSERT(cost.memory_kib <= FQ_PASSWORD_MEMORY_KIB_MAX &&
              cost.passes <= FQ_PASSWORD_PASSES_MAX);
    FQ_ASSERT(cost.lanes > 0 && cost.lanes <= FQ_PASSWORD_LANES_MAX && cost.passes > 0);
    FQ_ASSERT(cost.memory_kib >= 8 * cost.lanes);
    password_text normalised;
    uint8_t salt[SALT_BYTES], tag[TAG_BYTES];
    if (!password_normalise(password, &normalised)) {
        fq_wipe(&normalised, sizeof(normalised));
        return fq_refuse_text(FQ_INVALID_FIELD, "password", "not UTF-8, or too long");
    }
    fq_random(salt, sizeof(salt));
    const fq_str salt_bytes = {(const char *)salt, sizeof(salt)};
    const bool done = compute(&normalised, cost, salt_bytes, tag);
    fq_wipe(&normalised, sizeof(normalised));
    if (!done) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    const int head =
        snprintf(out, FQ_PASSWORD_TEXT_MAX, "$argon2id$v=19$m=%" PRIu32 ",t=%" PRIu32 ",p=%" PRIu32,
                 cost.memory_kib, cost.passes, cost.lanes);
    size_t len = (size_t)head;
    add_bytes(out, &len, salt_bytes);
    add_bytes(out, &len, (fq_str){(const char *)tag, sizeof(tag)});
    return FQ_OK;
}

fq_err fq_password_verify(fq_str phc, fq_str password, bool *out_match) {
    *out_match = false;
    stored_hash stored;
    if (!parse(phc, &stored)) {
        return FQ_OK;
    }
    password_text normalised;
    uint8_t tag[TAG_BYTES];
    const bool readable = password_normalise(password, &normalised);
    const bool done =
        readable && compute(&normalised, stored.cost,
                            (fq_str){(const char *)stored.salt, stored.salt_bytes}, tag);
    fq_wipe(&normalised, sizeof(normalised));
    if (!readable) {
        return FQ_OK;
    }
    if (!done) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    *out_match = fq_equal_secret((fq_str){(const char *)tag, sizeof(tag)},
                                 (fq_str){(const char *)stored.tag, sizeof(stored.tag)});
    fq_wipe(tag, sizeof(tag));
    return FQ_OK;
}

void fq_password_verify_nobody(fq_str password, fq_password_cost cost) {
    char thrown_away[FQ_PASSWORD_TEXT_MAX];
    (void)fq_password_hash(password, cost, thrown_away).code;
}

bool fq_password_is_outdated(fq_str phc, fq_password_cost cost) {
    stored_hash stored;
    return !parse(phc, &stored) || stored.cost.memory_kib < cost.memory_kib ||
           stored.cost.passes < cost.passes || stored.cost.lanes < cost.lanes;
}
