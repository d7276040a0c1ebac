// A command: what changes state, as a small struct in the request's arena, put on a service's
// queue. A kind of command is a row of function pointers; the writer runs them and knows nothing of
// what they mean.
#pragma once

#include "base/arena.h"
#include "base/id.h"
#include "base/log.h"
#include "store/batch.h"

typedef struct fq_command fq_command;

// Who asks: an API key and what it may do (service/scope.h says it in one table). Key 0 is the
// house itself.
typedef enum {
    FQ_SCOPE_HOUSE = 0,
    FQ_SCOPE_ADMIN,
    FQ_SCOPE_READ,
    FQ_SCOPE_MERCHANT,
    FQ_SCOPE_PAYER
} fq_scope;
typedef struct {
    fq_key_id key;
    fq_key_id
        root;  // the first of those that replaced one another: whose Idempotency-Keys these are
    fq_scope scope;
    fq_user_id user;  // of merchant and payer scopes
} fq_caller;

// The idempotency of a command: which key asked, under which Idempotency-Key, for what.
typedef struct {
    bool asked;                    // an Idempotency-Key was given
    uint64_t hash_high, hash_low;  // of (root key id, Idempotency-Key)
    fq_str fingerprint;            // see request.h
} fq_request_mark;

// What a kind of command is. To add one, fill in a row; the writer needs no more.
typedef struct {
    const char *name;                // "payment.create"
    uint16_t number;                 // stored in request rows: stands for good
    const char *const *field_names;  // of the request, for `differs`; ends with NULL
    // Round 0: asks for the rows that the command names. Round 1: those that fixed columns of round
    // 0's rows name.
    // Later rounds likewise, at most FQ_ROUNDS_MAX. Returns whether it may want more in a further
    // round.
    bool (*want)(fq_command *command, fq_batch *batch, int round);
    // The rules: reads the wanted rows, refuses, or changes rows and appends to journals. Pure but
    // for the batch.
    fq_err (*decide)(fq_command *command, fq_batch *batch);
    // The same request again: `record` is the request's row. Wants the rows the answer is made of
    // (round 1 of load).
    void (*want_again)(fq_command *command, fq_batch *batch, const fq_row *record);
    // Makes the answer "as it was then" from those rows; pure.
    fq_err (*restore)(fq_command *command, fq_batch *batch, const fq_row *record);
} fq_command_kind;

enum { FQ_ROUNDS_MAX = 4 };

struct fq_command {
    fq_command *next;  // in a queue or a list of done ones
    const fq_command_kind *kind;
    fq_arena *arena;  // the request's; safe to use in decide for the answer only
    fq_request_mark request;
    fq_caller by;
    int64_t deadline_ms;  // monotonic; 0: none
    uint32_t units;       // of work; a bulk of 50 has 50
    fq_row *record;       // the request's row in the batch at hand, or NULL
    // --- the answer ---
    fq_err outcome;
    bool replayed;
    uint64_t subject;  // id of the resource that the answer shows; kept in the request's row
    uint64_t event;    // position of the event the answer shows; 0 until saved
    fq_row *told;      // the event row in the batch whose position `event` becomes
    fq_str kept;       // further bytes to keep for the answer (a bulk's outcomes)
    int64_t at_ms;     // the batch's business time
    void (*done)(fq_command *command);  // NULL: the service's own `done` gets it, with its group
    void *user;                         // whose request this is
    fq_log_context log;                 // what lines about it belong to; views of the request
};
