// Routes that belong to no service: health, metrics, the contract, the error pages, and the
// sandbox's clock.
#pragma once

#include "service/call.h"

extern const fq_route fq_house_routes[];
extern const size_t fq_house_route_count;
