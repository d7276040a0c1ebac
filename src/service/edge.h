// The edge: from a request on a loop to a command or a read of a service, and back to an answer.
// Who is calling, may he call at all, is it well-formed. Knows no rule of any service.
#pragma once

#include "crypto/nonce_cache.h"
#include "http/server.h"
#include "service/directory.h"
#include "service/failures.h"
#include "service/peers.h"

typedef struct fq_edge fq_edge;

typedef struct {
    const char *reason;   // "starting", "catching_up", "store_lost", "draining"; NULL: it is ready
    const char *service;  // whose reason it is; NULL: the process's
} fq_unready;

typedef struct {
    const fq_settings *settings;
    fq_service *const *services;  // those of this process
    size_t service_count;
    const fq_peers *peers;
    // How keys are asked for; on a thread that may wait.
    fq_err (*keys_of)(const fq_peers *peers, fq_arena *arena, const uint64_t *ids, size_t count,
                      fq_key_record *out);
    fq_err (*key_of_token)(const fq_peers *peers, fq_arena *arena, const fq_hash *token_hash,
                           fq_key_record *out);
    const fq_sign_key *signing_key;  // signs answers; NULL: they are not signed
    fq_str signing_keyid;
    // Why the process cannot serve, for /readyz.
    fq_unready (*unready)(void *context);
    // Sets the gauges to what they are now, for /metrics.
    void (*measure)(void *context);
    void *context;
} fq_edge_config;

fq_edge *fq_edge_make(const fq_edge_config *config);
void fq_edge_free(fq_edge *edge);
// For fq_server_start: the clients' door, and the operators' at server.admin_listen (health and
// metrics). Without that setting the first serves all.
fq_handlers fq_edge_handlers(fq_edge *edge);
fq_handlers fq_edge_operators_handlers(fq_edge *edge);

// A command has come back from its writer: gives its call to its loop, once a group. For service.c.
void fq_edge_commands_done(fq_command *list);

// --- between edge.c, door.c and identify.c ---

// A request's head has come, by the clients' door or the operators': makes its fq_call, or refuses
// it. `context` is the edge.
FQ_MUST_USE fq_err fq_edge_enter(void *context, fq_exchange *exchange);
FQ_MUST_USE fq_err fq_edge_enter_operators(void *context, fq_exchange *exchange);

// Who is calling: fills in call->caller. Errors: those of 401, missing_field, fact_missing
// (call->asked_key or call->asked_token must be asked for first).
FQ_MUST_USE fq_err fq_edge_identify(fq_edge *edge, fq_call *call);
// The same for the short form, whose signature stands in the body.
FQ_MUST_USE fq_err fq_edge_identify_short(fq_edge *edge, fq_call *call, fq_str *out_nonce);

struct fq_edge {
    fq_edge_config config;
    fq_router *router;
    fq_directory *directory;
    fq_nonce_cache *nonces;
    fq_failures *failures;       // wrong signatures by address
    fq_verify_key *service_key;  // of calls between services; NULL: there are none
    fq_str scheme, authority;    // of the configured origin; empty: the request's Host
    bool live;
    struct fq_edge_route {
        fq_service *service;  // NULL: the house's own
        const fq_route *route;
    } * routes;
    size_t route_count;
    fq_service house;  // for the routes that belong to no service
};
