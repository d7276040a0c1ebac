// One API call on its way through a service, and the route table's row that says how it is handled.
//
//     loop:    who is calling -> decode ------> queue of the service          (a command)
//                                       \-----> pool of readers               (a read)
//     writer:  load, decide, save, commit      readers: read
//     loop:    encode -> answer
//
// decode and encode run on a loop and may not wait; read runs on a reader's thread and may.
#pragma once

#include "base/fields.h"
#include "base/json_writer.h"
#include "crypto/digest.h"
#include "http/exchange.h"
#include "http/router.h"
#include "service/scope.h"
#include "store/engine.h"

typedef struct fq_service fq_service;
typedef struct fq_call fq_call;

// Work for a service's pool of readers (service.h). `reader` is NULL when the store cannot be read.
typedef struct fq_job {
    struct fq_job *next;
    void (*run)(struct fq_job *job, fq_reader *reader);
} fq_job;

typedef struct {
    fq_method method;
    const char *path;
    fq_operation operation;
    // Commands: what is decoded into what. `bytes` is the size of the command's struct, whose first
    // member is fq_command.
    const fq_command_kind *command;
    size_t command_bytes;
    fq_err (*decode)(fq_call *call, fq_command *command);
    fq_err (*encode)(fq_call *call, const fq_command *command);
    // Reads. Fills in the answer itself.
    fq_err (*read)(fq_call *call, fq_reader *reader);
    // What needs neither: answered at once, on the loop.
    fq_err (*answer)(fq_call *call);
    // Runs on a reader's thread before decode's command is queued, or after its commit, when one of
    // them must wait for something else (a password's hash, another service's acknowledgement);
    // usually NULL.
    fq_err (*before)(fq_call *call, fq_command *command);
    fq_err (*after)(fq_call *call, const fq_command *command);
    size_t body_bytes_max;  // 0: 64 KiB
    bool body_optional;     // actions take {} or nothing
    bool key_required;      // Idempotency-Key also for bearer keys
    bool open;              // no caller is asked for (health, documents)
    bool operations;        // for operators: served at server.admin_listen alone, where that is set
    bool short_form;        // signed in the body; see edge.c
    bool json_body;         // a read that takes a body
    bool house_only;        // calls of other services, signed with the service key
} fq_route;

struct fq_call {
    fq_job job;  // while it waits for a reader's thread
    fq_exchange *exchange;
    fq_arena *arena;  // the exchange's
    const fq_route *route;
    fq_service *service;
    struct fq_edge *edge;
    fq_caller caller;
    fq_language language;
    const fq_json *body;  // NULL where there is none
    fq_command *command;  // of a command's route
    // Where `before` runs, when decode says that it takes long; NULL: with the readers.
    struct fq_reader_pool *long_work;
    fq_err outcome;
    int key_rounds;              // how often the user service was asked for this call's key
    uint64_t asked_key;          // the key id to ask for
    const fq_hash *asked_token;  // or the token's hash
    fq_str problem_extra;      // further members of the problem document, JSON: "\"differs\":[…]"
    bool signed_by_caller;     // RFC 9421 or the short form, not a bearer token
    struct fq_known_key *key;  // the caller's, held until the answer is written; NULL: none
};

// The path's parameter `index` as an id of that kind; a malformed one is not found. Errors:
// `not_found`.
FQ_MUST_USE fq_err fq_call_path_id(const fq_call *call, size_t index, fq_id_kind kind,
                                   fq_code not_found, uint64_t *out);
// The same for paths that also take the 64-bit number in decimal.
FQ_MUST_USE fq_err fq_call_path_id_any(const fq_call *call, size_t index, fq_id_kind kind,
                                       fq_code not_found, uint64_t *out);
// Decodes the body (fields.h) or the query; a route without query parameters calls it with an empty
// table.
FQ_MUST_USE fq_err fq_call_body(fq_call *call, const fq_fields *fields, void *out);
FQ_MUST_USE fq_err fq_call_query(fq_call *call, const fq_fields *fields, void *out);
// If-Match as a version number; 0 where there is none. Errors: precondition_failed for anything
// that is no ETag of ours.
FQ_MUST_USE fq_err fq_call_if_match(const fq_call *call, uint64_t *out_version);

// Begins the answer: status and, where `version` is not 0, the ETag. The writer goes to the
// exchange's body.
fq_json_writer fq_call_answer(fq_call *call, int status, uint64_t version);
