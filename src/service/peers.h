// The other services as one service sees them: in this process, or at a URL. Code that calls them
// cannot tell which.
// Each service's public header (user/user.h, order/order.h, payment/payment.h) says what may be
// asked; this is how the question travels. For threads that may wait.
#pragma once

#include "service/service.h"

typedef struct {
    fq_service *local;  // NULL: at `url`
    const char *url;
} fq_peer;

enum { FQ_FOLLOWS_MAX = 8 };

struct fq_peers {
    fq_peer peer[FQ_SERVICE_NUMBERS];
    // Those in this process that follow a service, to be woken when it has committed.
    struct fq_follow *follows[FQ_FOLLOWS_MAX];
    size_t follow_count;
    fq_client *client;
    const fq_settings *settings;  // may be reloaded
    fq_str service_key;           // the shared secret that signs calls between services
};

// Asks a service at its URL: POST `path` (below /internal/) with a JSON body, signed with the
// service key. The answer's JSON lives in `arena`. Errors: the refusal that the other side named,
// unavailable.
FQ_MUST_USE fq_err fq_peer_call(const fq_peers *peers, fq_service_number number, const char *path,
                                fq_str body, fq_arena *arena, const fq_json **out);

// One answer holds events until what they tell comes to so much.
#define FQ_EVENT_BYTES_MAX ((size_t)1 << 20)

// Events of a service after `position`, at most `count_max`, and fewer where they are large; rows
// and their bytes live in `arena`.
FQ_MUST_USE fq_err fq_peer_events(const fq_peers *peers, fq_service_number number,
                                  uint64_t position, size_t count_max, fq_arena *arena,
                                  fq_event_row **out_rows, size_t *out_count);
