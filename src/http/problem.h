// Refusals as application/problem+json (RFC 9457), in the caller's language.
#pragma once

#include "base/err.h"
#include "http/exchange.h"

// The language that an Accept-Language field (RFC 9110 section 12.5.4) prefers among en and zh-CN;
// English when it is empty, malformed, or likes neither.
fq_language fq_language_of(fq_str accept_language);

// The error's own sentence is in the language asked for; the code of a store's inner outcome is
// told as `unavailable`. Appends
// {"type":..,"title":..,"status":..,"detail":..,"code":..[,"param":..],"request_id":..[,extra]} to
// `out`. `extra` is further members, JSON already: "\"differs\":[\"amount\"]"; or empty. Nothing
// but this is written.
void fq_problem_encode(fq_err err, fq_language language, fq_str request_id, fq_str extra,
                       fq_buffer *out);

// Makes the problem the answer of the exchange: status, body, content type, Content-Language, and
// Retry-After for 429 and 503. Header lines that were added before stay. The caller then answers or
// returns it.
void fq_exchange_refuse(fq_exchange *exchange, fq_err err);
void fq_exchange_refuse_with(fq_exchange *exchange, fq_err err, fq_str extra);
