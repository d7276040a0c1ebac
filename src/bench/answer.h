// Reading the server's answers: where one ends, and the few fields that are checked in each. Pure:
// no I/O, no allocation.
// Knows only what Feiqian writes (compact JSON, Content-Length); it is no general HTTP client.
#pragma once

#include "base/str.h"

typedef struct {
    int status;  // 0 when no answer came: the connection was lost or the time was up
    fq_str body;
    bool closes;  // the server said `Connection: close`
} bench_answer;

typedef enum { BENCH_MORE, BENCH_WHOLE, BENCH_BROKEN } bench_progress;

// Is there a whole answer in `received`? BENCH_WHOLE fills `out`, whose body looks into `received`.
// BENCH_MORE stores how many bytes the answer will have in `out_bytes`, 0 while that is unknown.
// BENCH_BROKEN: not an answer we understand (RFC 9112 with a Content-Length), or bytes after its
// end though nothing else was asked.
bench_progress bench_answer_read(fq_str received, bench_answer *out, size_t *out_bytes);

// Does `json` hold `member`, given as it stands on the wire: `"status":"succeeded"`?
bool bench_json_has(fq_str json, fq_str member);
// The integer after `name`, given as `"amount":`. False when it is not there.
bool bench_json_i64(fq_str json, fq_str name, int64_t *out);
// The text after `name`, given as `"id":"`, up to the next quote. False when it is not there.
bool bench_json_text(fq_str json, fq_str name, fq_str *out);

// Cuts the next result off a bulk answer's `data`: its status, and its body as a view. `rest`
// starts as the whole body and is moved on. False at the end.
bool bench_bulk_next(fq_str *rest, int *out_status, fq_str *out_item);
