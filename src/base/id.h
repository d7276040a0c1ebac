// Ids: 63 bits that grow with time: 41 of milliseconds since 2025-01-01, 10 of writer, 12 of count.
// On the wire a prefix and 13 Crockford base32 characters. Each resource has its own type, so that
// an order's id in a payment's place does not compile.
#pragma once

#include "base/err.h"
#include "base/str.h"

// To add a kind of id, add a row: type, prefix. The prefix is the contract's.
#define FQ_ID_KINDS(X) \
    X(user, "usr_")    \
    X(order, "ord_")   \
    X(payment, "pay_") \
    X(refund, "ref_")  \
    X(topup, "top_")   \
    X(account, "acc_") \
    X(entry, "ent_")   \
    X(event, "evt_")   \
    X(key, "key_")

typedef enum {
#define X(name, prefix) FQ_ID_##name,
    FQ_ID_KINDS(X)
#undef X
        FQ_ID_KIND_COUNT
} fq_id_kind;

#define X(name, prefix) \
    typedef struct {    \
        uint64_t v;     \
    } fq_##name##_id;
FQ_ID_KINDS(X)
#undef X

#define FQ_ID_TEXT_MAX 20                   // prefix, 13 characters, NUL
#define FQ_EPOCH_MS INT64_C(1735689600000)  // 2025-01-01T00:00:00Z
#define FQ_ID_WRITERS 1024
#define FQ_ID_COUNTS 4096

// Writes "pay_0123456789012" and a NUL.
void fq_id_text(fq_id_kind kind, uint64_t id, char out[FQ_ID_TEXT_MAX]);
// Exactly the prefix and 13 capitals, the first 0-7; no look-alikes, no lower case. 0 is no id.
bool fq_id_parse(fq_id_kind kind, fq_str text, uint64_t *out);
// As above, or a decimal 64-bit number (the short form's second way to write an id).
bool fq_id_parse_any(fq_id_kind kind, fq_str text, uint64_t *out);
// The prefix, "pay_".
const char *fq_id_prefix(fq_id_kind kind);

// Deals ids under one writer number, never below the highest that was dealt or saved before.
typedef struct {
    uint64_t last;
    uint32_t writer;
} fq_id_dealer;

// The next id at `now_ms` (Unix milliseconds, business clock or wall; may step back, ids do not).
uint64_t fq_id_deal(fq_id_dealer *dealer, int64_t now_ms);
// The smallest id that could be dealt at `at_ms`, for filters by time.
uint64_t fq_id_floor(int64_t at_ms);
int64_t fq_id_time_ms(uint64_t id);
