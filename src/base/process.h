// What /proc tells about this process.
#pragma once

#include "base/buffer.h"

typedef struct {
    double cpu_seconds, start_unix_seconds;
    int64_t resident_bytes, virtual_bytes, threads, open_files, open_files_max;
} fq_process_usage;

// Of process `pid`; 0 for this one. False when /proc does not tell.
bool fq_process_read(int64_t pid, fq_process_usage *out);

// Appends process_* as Prometheus names them; nothing where /proc does not tell.
void fq_process_text(fq_buffer *out);
