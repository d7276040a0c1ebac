// Who calls and whom: from the command's URL and key file.
#pragma once

#include "bench/bench.h"
#include "bench/message.h"

// Fills `out`; the caller frees it. Returns 0, or the exit code 2 (a URL or key that cannot be
// used) or 3 (a file that cannot be opened, a host that is not known) with the reason in `why`.
int bench_caller_make(const fq_bench_options *options, bench_caller *out, char why[512]);
void bench_caller_free(bench_caller *caller);
