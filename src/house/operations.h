// What the command line may ask of the services that run in a process, beside a server through the
// control socket or without one on a house of its own: JSON in, JSON out.
//
//     {"operation": "keys.create", "scope", "algorithm", "public_key"?, "replaces"?}
//     {"operation": "keys.revoke", "id"}
//     {"operation": "keys.list"}
//     {"operation": "keys.rotate_data"}
//
// Answers {"done": {…}} or {"code", "param"?, "detail": {"en", "zh"}}.
#pragma once

#include "house/house.h"

// Carries out one request. The answer holds a new key's secret, as may `arena`: the caller wipes
// both.
void fq_house_operate(fq_house *house, fq_str request, fq_arena *arena, fq_buffer *answer);
