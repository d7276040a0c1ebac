// Messages for the signature tests: from the vectors' JSON and from raw bytes.
#pragma once

#include "crypto/message_signature.h"

#include <jansson.h>

// {method, scheme, target, headers, body} or {status, headers, body}. The authority is the
// target's, else Host.
fq_message message_from_json(fq_arena *arena, const json_t *json);
// A well-formed raw request with Content-Length framing; its body is `*out_body`.
fq_message message_from_bytes(fq_arena *arena, fq_str bytes, fq_str scheme, fq_str *out_body);
