// The way in beside a running server: a socket in the data folder that only its owner may open. The
// command line asks through it, because one process alone writes a data folder. What may be asked
// stands in operations.h.
#pragma once

#include "house/house.h"

typedef struct fq_control fq_control;

// Longest request, and longest answer: a list of keys, 200 bytes each.
enum { FQ_CONTROL_REQUEST_BYTES_MAX = 64 << 10, FQ_CONTROL_ANSWER_BYTES_MAX = 4 << 20 };

// Listens at `data`/control.sock, on a thread of its own, and answers with fq_house_operate. Where
// `data` is a postgresql URL several processes may write, so the command line opens the database
// itself and nothing is started: `*out` is NULL. Faults are logged. Errors: store_lost.
FQ_MUST_USE fq_err fq_control_start(fq_house *house, const char *data, fq_control **out);
// Finishes what is under way and takes the socket away. NULL is fine.
void fq_control_stop(fq_control *control);

// Sends one request to the server that runs on `data` and waits for its answer, which lives in
// `arena`. Errors: unavailable (no server listens there: ask the house yourself), not_allowed (the
// socket is another user's), store_lost (no whole answer came; logged).
FQ_MUST_USE fq_err fq_control_call(const char *data, fq_str request, fq_arena *arena,
                                   fq_str *out_answer);
