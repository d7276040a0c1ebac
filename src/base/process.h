// What /proc tells about this process.
#pragma once

#include "base/buffer.h"

typedef struct {
    double cpu_seconds, start_unix_seconds;
    int64_t resident_bytes, virtual_bytes, threads, open_files, open_files_max;
} fq_process_usage;

// Of process `pid`; 0 for this one. False when /proc does not tell.
bool fq_process_read(int64_t pid, fq_process_usage *out);

// How many processors this process may use: those it is bound to, and no more than its control
// group's quota allows, rounded up; at least 1.
unsigned fq_process_cores(void);
// The quota of the control group (cgroup v2) whose files stand in `folder`; 0: none.
unsigned fq_process_quota(const char *folder);

// Appends process_* as Prometheus names them; nothing where /proc does not tell.
void fq_process_text(fq_buffer *out);
