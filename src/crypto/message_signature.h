// HTTP Message Signatures (RFC 9421) as the contract asks for them: checked on what comes in, made
// for what goes out. Knows messages as views only, and keys by a question to its caller: no
// sockets, no store, no clock.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "crypto/keys.h"
#include "crypto/structured_fields.h"

// One field line, in the order of arrival; the value may still have blanks at its ends.
typedef struct {
    fq_str name, value;
} fq_message_field;

// A request, or with a status an answer. Views into the caller's buffers.
typedef struct fq_message {
    fq_str method;  // as sent, case kept
    fq_str scheme;  // "http" or "https"
    // The absolute-form target's, else Host's; case and port are normalised here. That it is the
    // configured origin's, where there is one, is the caller's to check.
    fq_str authority;
    fq_str path;    // as sent, percent-encoding kept; empty means "/"
    fq_str query;   // as sent with its '?'; empty where there is none
    fq_str target;  // the request-target as sent, for @request-target; empty: path and query
    int status;     // 0 in requests
    const fq_message_field *fields;
    size_t field_count;
    const struct fq_message *request;  // an answer's request, for ;req; else NULL
} fq_message;

// Why a signature is refused: one row each in signature_faults.def.
typedef enum {
#define X(name, code, english, chinese) FQ_FAULT_##name,
#include "crypto/signature_faults.def"
#undef X
    FQ_FAULT_COUNT
} fq_signature_fault;

// A clause without a full stop, for {0} of signature_invalid.
const char *fq_signature_fault_text(fq_signature_fault fault, fq_language language);

enum {
    FQ_SIGNATURE_AGE_MAX_S = 300,
    FQ_SIGNATURE_AHEAD_MAX_S = 60,
    FQ_SIGNATURE_LABELS_MAX = 4,
    FQ_SIGNATURE_COMPONENTS_MAX = 32,
    FQ_SIGNATURE_BASE_BYTES_MAX = 65536,
    FQ_NONCE_BYTES_MAX = 256,
    // The most that a check takes of the arena, with heads up to 16 KiB.
    FQ_SIGNATURE_ARENA_BYTES = 1 << 20,
};

// Makes the signature base (RFC 9421 section 2.5) for the components and parameters of `input`, an
// Inner List as it stands in Signature-Input. Returns FQ_FAULT_NONE and `*out_base` in the arena,
// or what is wrong.
FQ_MUST_USE fq_signature_fault fq_signature_base(fq_arena *arena, const fq_message *message,
                                                 const fq_sf_node *input, fq_str *out_base);

typedef enum { FQ_KEY_STATE_UNKNOWN, FQ_KEY_STATE_ACTIVE, FQ_KEY_STATE_REVOKED } fq_key_state;
// Asked at most four times a check. With ACTIVE it stores the key, which must live until the check
// returns.
typedef fq_key_state (*fq_key_lookup)(void *context, fq_str keyid, const fq_verify_key **out_key);

typedef struct {
    int64_t now_s;  // Unix seconds of the wall clock
    fq_key_lookup lookup;
    void *lookup_context;
} fq_signature_policy;

typedef struct {
    fq_signature_fault fault;
    fq_str label, keyid;  // views of the message or the arena, as the rest
    fq_str nonce;         // empty where a read has none
    int64_t created_s;
    fq_str base;  // as far as the check came
} fq_verdict;

// Checks a request: everything of the contract but the nonce's uniqueness, which is the last step
// and the caller's: fq_nonce_insert, only after FQ_OK. `body` is the content as read. `out` is
// filled as far as the check came, also on refusal.
// Errors: signature_missing, signature_invalid, signature_expired, key_unknown, key_revoked,
// missing_field.
FQ_MUST_USE fq_err fq_message_verify(fq_arena *arena, const fq_message *request, fq_str body,
                                     const fq_signature_policy *policy, fq_verdict *out);

// Any method but GET, HEAD and OPTIONS.
bool fq_message_is_write(const fq_message *request);
// Does the message carry a Signature or Signature-Input field at all?
bool fq_message_is_signed(const fq_message *message);

// The values of the three fields, in the arena. `content_digest` is empty where nothing was to be
// digested.
typedef struct {
    fq_str content_digest, signature_input, signature;
} fq_signed_fields;

typedef struct {
    const fq_sign_key *key;
    fq_str keyid;  // visible ASCII
    fq_str nonce;  // visible ASCII; empty: none
    int64_t created_s;
    fq_str label;  // empty: "fq"
    // Of answers: the label that was verified. Named in the answer where the request carried
    // several.
    fq_str request_label;
} fq_signing;

// Signs a request: covers what the contract asks of its method, query, body and Idempotency-Key
// field. The message's fields must hold Content-Type and Idempotency-Key where they will be sent;
// Content-Digest is made from `body` and need not be there. Errors: missing_field (a body without
// Content-Type), invalid_field, internal.
FQ_MUST_USE fq_err fq_message_sign(fq_arena *arena, const fq_message *request, fq_str body,
                                   const fq_signing *signing, fq_signed_fields *out);

// Signs an answer: "@status", "content-digest", and "signature";req (with ;key where the request
// had several labels). Content-Digest is made from `body`, as above. `answer->request` is the
// request as received; unsigned requests leave that component out. Errors: internal.
FQ_MUST_USE fq_err fq_answer_sign(fq_arena *arena, const fq_message *answer, fq_str body,
                                  const fq_signing *signing, fq_signed_fields *out);

// Checks an answer that was signed by fq_answer_sign: coverage of @status and content-digest, the
// signature, the digest. `answer->request` carries the request's fields as sent. Errors:
// signature_missing, signature_invalid.
FQ_MUST_USE fq_err fq_answer_verify(fq_arena *arena, const fq_message *answer, fq_str body,
                                    const fq_verify_key *key, fq_verdict *out);

typedef struct {
    fq_err err;  // as fq_message_verify
    fq_verdict verdict;
    fq_str detail;  // a sentence: what was seen, what was expected
} fq_explanation;

// For people: fq_message_verify, with the signature base wherever it can be made, and what to do
// about a refusal.
fq_explanation fq_signature_explain(fq_arena *arena, const fq_message *request, fq_str body,
                                    const fq_signature_policy *policy, fq_language language);
