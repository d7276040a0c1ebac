// The event feed: forward, oldest first, never skipping; one feed a process, over the services it
// runs.
#pragma once

#include "service/service.h"

// GET /v1/events and /v1/events/{id}, for the house's routes.
fq_err fq_events_list(fq_call *call, fq_reader *reader);
fq_err fq_event_get(fq_call *call, fq_reader *reader);
// POST /internal/<service>/events: the same for other services, raw. Each service has this route.
fq_err fq_events_internal(fq_call *call, fq_reader *reader);
#define FQ_EVENTS_ROUTE(service_name)                                   \
    {                                                                   \
        .method = FQ_POST, .path = "/internal/" service_name "/events", \
        .read = fq_events_internal, .house_only = true                  \
    }
