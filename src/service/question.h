// What questions between services have in common: ids asked for, members of the answer. The other
// side is trusted to be ours, but not to be of our version: a member that is missing reads as 0.
#pragma once

#include "service/call.h"

enum { FQ_QUESTION_IDS_MAX = 1000 };

// The body {"ids":[...]}; `count` at most FQ_QUESTION_IDS_MAX. Lives in `arena`.
fq_str fq_question_ids(fq_arena *arena, const uint64_t *ids, size_t count);
// The ids of such a body, in the call's arena. Errors: those of decoding; invalid_field (too many,
// or not whole numbers).
FQ_MUST_USE fq_err fq_question_decode_ids(fq_call *call, uint64_t **out, size_t *out_count);

// The member of that name; 0 where there is none of that type.
int64_t fq_question_integer(const fq_json *object, const char *name);
