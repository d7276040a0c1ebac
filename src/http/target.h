// What a request is sent to: Host and request target. Inside http only.
#pragma once

#include "base/err.h"
#include "http/request.h"

// A host name, IPv4 or bracketed IPv6 address, with a port from 1 to 65535 or none. Errors:
// bad_request.
FQ_MUST_USE fq_err http_check_host(fq_str host);
// Fills in path and query from `target` (RFC 9112 section 3.2: origin-form, absolute-form whose
// authority is the Host's, or "*" for OPTIONS). Nothing is decoded or normalised: a path that could
// mean another one is refused. Errors: bad_request.
FQ_MUST_USE fq_err http_split_target(fq_request *request);
