// The server's process as the kernel shows it: found by the port it listens on, read from /proc.
// Only on this machine.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int pid;  // 0: not known, or not on this machine
    int64_t rss_bytes,
        rss_bytes_max;  // at the last sample; the highest since it was last set to zero
    double
        cpu_seconds;  // user and system, at the last sample, to the kernel's hundredth of a second
} bench_server;

// The process that listens on `port`, by /proc/net/tcp and /proc/PID/fd; 0 when there is none or it
// may not be seen.
int bench_server_find(uint16_t port);

// Reads memory and CPU. Does nothing for pid 0; a process that is gone becomes pid 0.
void bench_server_sample(bench_server *server);
