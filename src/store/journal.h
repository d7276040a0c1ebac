// The tables that every service's database has: events, requests (idempotency records), batches,
// claims, the head, work that is due, and what was followed of other services. Migration 1 of each
// schema begins with fq_journal_migration.
#pragma once

#include "base/id.h"
#include "store/batch.h"

// One row a state change: the event, and the audit record.
// `told` is the resource's row as it was after the change (fq_row_encode_told).
#define FQ_EVENT_COLUMNS(C, R)        \
    C(R, uint64_t, position, FQ_KEY)  \
    C(R, uint16_t, type, FQ_FIXED)    \
    C(R, uint64_t, subject, FQ_FIXED) \
    C(R, uint64_t, version, FQ_FIXED) \
    C(R, int64_t, at_ms, FQ_FIXED)    \
    C(R, uint64_t, by_key, FQ_FIXED)  \
    C(R, fq_str, told, FQ_FIXED)
FQ_ROW(fq_event_row, FQ_EVENT_COLUMNS)
extern const fq_table fq_event_table;

// What became of one request under an Idempotency-Key, written with its effect. The answer is
// rebuilt from the subject's fixed columns and the event.
#define FQ_REQUEST_COLUMNS(C, R)        \
    C(R, uint64_t, hash_high, FQ_KEY)   \
    C(R, uint64_t, hash_low, FQ_KEY)    \
    C(R, uint64_t, position, FQ_FIXED)  \
    C(R, uint16_t, kind, FQ_FIXED)      \
    C(R, uint64_t, subject, FQ_FIXED)   \
    C(R, uint64_t, event, FQ_FIXED)     \
    C(R, int64_t, at_ms, FQ_FIXED)      \
    C(R, fq_str, fingerprint, FQ_FIXED) \
    C(R, fq_str, kept, FQ_FIXED)
FQ_ROW(fq_request_row, FQ_REQUEST_COLUMNS)
extern const fq_table fq_request_table;

// One row a batch: how far the journals went, and the seal over what it wrote.
#define FQ_BATCH_COLUMNS(C, R)               \
    C(R, uint64_t, number, FQ_KEY)           \
    C(R, uint64_t, event_first, FQ_FIXED)    \
    C(R, uint32_t, event_count, FQ_FIXED)    \
    C(R, uint64_t, transfer_first, FQ_FIXED) \
    C(R, uint32_t, transfer_count, FQ_FIXED) \
    C(R, int64_t, at_ms, FQ_FIXED)           \
    C(R, fq_str, seal, FQ_FIXED)
FQ_ROW(fq_batch_row, FQ_BATCH_COLUMNS)
extern const fq_table fq_batch_table;

// Work that is due at a time of the business clock: an order lapses, an authorisation ends. Taken
// under a lease, removed in the commit that does it.
#define FQ_WORK_COLUMNS(C, R)                  \
    C(R, int64_t, due_ms, FQ_KEY)              \
    C(R, uint16_t, kind, FQ_KEY)               \
    C(R, uint64_t, subject, FQ_KEY)            \
    C(R, int64_t, leased_until_ms, FQ_CHANGES) \
    C(R, uint64_t, holder, FQ_CHANGES)
FQ_ROW(fq_work_row, FQ_WORK_COLUMNS)
extern const fq_table fq_work_table;

// The last position applied of another service's events, committed with what it changed here.
#define FQ_FOLLOWED_COLUMNS(C, R)  \
    C(R, uint16_t, source, FQ_KEY) \
    C(R, uint64_t, position, FQ_CHANGES)
FQ_ROW(fq_followed_row, FQ_FOLLOWED_COLUMNS)
extern const fq_table fq_followed_table;

// Text of the migration that makes these tables; both engines understand it (lines that begin with
// "-- sqlite:" or "-- postgres:" are for that engine alone).
extern const char fq_journal_migration[];
