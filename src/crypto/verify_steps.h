// What a check has found so far. Shared by message_verify.c and signature_explain.c only.
#pragma once

#include "crypto/message_signature.h"

// Where a field stands in the head: its first line and how many there are.
typedef struct {
    size_t first, count;
} verify_field;

typedef struct {
    verify_field signature, signature_input, content_digest, content_type, idempotency_key;
} verify_fields;

typedef struct {
    fq_str keyid, alg, nonce;
    bool has_created, has_expires;
    int64_t created_s, expires_s;
} verify_parameters;

typedef struct {
    fq_arena *arena;
    const fq_message *message;
    verify_fields fields;
    fq_sf_node *inputs, *signatures;  // the two dictionaries
    const fq_sf_node *input;          // the label that decides, or the first
    verify_parameters parameters;     // of that label
    const fq_verify_key *key;
    fq_str signature;
} verify_state;

// `state` has its arena and message set.
FQ_MUST_USE fq_err verify_with_state(verify_state *state, fq_str body,
                                     const fq_signature_policy *policy, fq_verdict *out);
fq_err verify_refusal(fq_signature_fault fault);
