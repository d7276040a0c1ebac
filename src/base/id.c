// Ids: how they are written, read and dealt.
#include "base/id.h"

static const char *const prefixes[FQ_ID_KIND_COUNT] = {
#define X(name, prefix) [FQ_ID_##name] = prefix,
    FQ_ID_KINDS(X)
#undef X
};

enum { PREFIX_BYTES = 4, DIGITS = 13, WRITER_BITS = 10, COUNT_BITS = 12 };
enum { TIME_SHIFT = WRITER_BITS + COUNT_BITS };
static const uint64_t time_max = (UINT64_C(1) << (63 - TIME_SHIFT)) - 1;

_Static_assert(FQ_ID_WRITERS == 1 << WRITER_BITS, "writers fill their bits");
_Static_assert(FQ_ID_COUNTS == 1 << COUNT_BITS, "counts fill their bits");
_Static_assert(FQ_ID_TEXT_MAX >= PREFIX_BYTES + DIGITS + 1, "a text has room");

// Crockford's base32: no I, L, O, U.
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const char *fq_id_prefix(fq_id_kind kind) {
    FQ_ASSERT(kind < FQ_ID_KIND_COUNT);
    return prefixes[kind];
}

void fq_id_text(fq_id_kind kind, uint64_t id, char out[FQ_ID_TEXT_MAX]) {
    memcpy(out, fq_id_prefix(kind), PREFIX_BYTES);
    for (int i = DIGITS - 1; i >= 0; i--) {
        out[PREFIX_BYTES + i] = digits[id & 31];
        id >>= 5;
    }
    out[PREFIX_BYTES + DIGITS] = '\0';
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char *found = c >= 'A' && c <= 'Z' ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

bool fq_id_parse(fq_id_kind kind, fq_str text, uint64_t *out) {
    if (text.len != PREFIX_BYTES + DIGITS ||
        memcmp(text.at, fq_id_prefix(kind), PREFIX_BYTES) != 0 || text.at[PREFIX_BYTES] > '7') {
        return false;
    }
    uint64_t id = 0;
    for (size_t i = PREFIX_BYTES; i < text.len; i++) {
        const int value = digit_value(text.at[i]);
        if (value < 0) {
            return false;
        }
        id = id << 5 | (uint64_t)value;
    }
    if (id == 0) {
        return false;
    }
    *out = id;
    return true;
}

bool fq_id_parse_any(fq_id_kind kind, fq_str text, uint64_t *out) {
    if (fq_id_parse(kind, text, out)) {
        return true;
    }
    uint64_t id;
    if (!fq_str_to_u64(text, &id) || id == 0 || id > INT64_MAX) {
        return false;
    }
    *out = id;
    return true;
}

static uint64_t id_of(uint64_t ms, uint64_t writer, uint64_t count) {
    FQ_ASSERT(ms <= time_max);
    return ms << TIME_SHIFT | writer << COUNT_BITS | count;
}

// Milliseconds since the epoch of ids; before it, the first one, so that no id is 0.
static uint64_t since_epoch(int64_t unix_ms) {
    return unix_ms > FQ_EPOCH_MS ? (uint64_t)(unix_ms - FQ_EPOCH_MS) : 1;
}

uint64_t fq_id_deal(fq_id_dealer *dealer, int64_t now_ms) {
    FQ_ASSERT(dealer->writer < FQ_ID_WRITERS);
    const uint64_t last_ms = dealer->last >> TIME_SHIFT;
    const uint64_t last_writer = dealer->last >> COUNT_BITS & (FQ_ID_WRITERS - 1);
    const uint64_t last_count = dealer->last & (FQ_ID_COUNTS - 1);
    uint64_t ms = since_epoch(now_ms), count = 0;
    if (ms <= last_ms) {
        // The clock stands or went back: count on. The last one may be another writer's, saved
        // before.
        const bool room = last_writer == dealer->writer && last_count + 1 < FQ_ID_COUNTS;
        ms = room ? last_ms : last_ms + 1;
        count = room ? last_count + 1 : 0;
    }
    const uint64_t id = id_of(ms, dealer->writer, count);
    FQ_ASSERT(id > dealer->last);
    dealer->last = id;
    return id;
}

uint64_t fq_id_floor(int64_t at_ms) {
    if (at_ms <= FQ_EPOCH_MS) {
        return 0;
    }
    const uint64_t ms = since_epoch(at_ms);
    return ms > time_max ? INT64_MAX : id_of(ms, 0, 0);
}

int64_t fq_id_time_ms(uint64_t id) {
    return FQ_EPOCH_MS + (int64_t)(id >> TIME_SHIFT);
}
