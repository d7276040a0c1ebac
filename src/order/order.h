// What other services may ask of the order service, and the events it tells. Nothing else.
#pragma once

#include "service/peers.h"

// What is owed, to whom, until when: never changes once the order is made.
typedef struct {
    fq_order_id id;
    bool exists;
    fq_user_id payee;
    fq_user_id payer;  // 0: anybody may pay
    fq_money amount;
    int64_t expires_ms;  // 0: never
    int64_t created_ms;
} fq_order_facts;

// Facts of `count` orders at once (at most 1,000), in order. Errors: unavailable.
FQ_MUST_USE fq_err fq_order_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids,
                                     size_t count, fq_order_facts *out);

extern const fq_service_kind fq_order_service;
