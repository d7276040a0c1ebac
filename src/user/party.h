// A service's own copy of what it must know of users to decide: kept by the user service's events,
// and by asking for one seen for the first time. Whichever comes with the higher version wins.
#pragma once

#include "service/service.h"
#include "user/user.h"

#define FQ_PARTY_COLUMNS(C, R)        \
    C(R, fq_user_id, id, FQ_KEY)      \
    C(R, uint8_t, status, FQ_CHANGES) \
    C(R, uint8_t, roles, FQ_CHANGES)  \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(fq_party_row, FQ_PARTY_COLUMNS)
extern const fq_table fq_party_table;
extern const char fq_party_migration[];

// For decide: the party as loaded, or made from `facts` where it is not there yet and facts were
// asked for.
// Errors: user_not_found; fact_missing when it is neither there nor asked for: the command must
// come again with facts.
FQ_MUST_USE fq_err fq_party_take(fq_batch *batch, fq_party_row *row, const fq_user_facts *facts);

// The rule by which a service follows user.* events (fq_follow_rule).
void fq_party_follow_want(fq_service *service, fq_batch *batch, const fq_event_row *event,
                          int round);
void fq_party_follow_decide(fq_service *service, fq_batch *batch, const fq_event_row *event);
