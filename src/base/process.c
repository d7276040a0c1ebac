// Reading /proc/PID: processor time, memory, open files.
#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 8192 };

// The file's beginning, NUL-terminated.
static bool read_file(const char *path, char out[FILE_BYTES_MAX]) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const ssize_t got = read(fd, out, FILE_BYTES_MAX - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

// When the machine was started, from /proc/stat's "btime"; 0 when unknown. The file may be longer
// than what is read.
static double boot_unix_seconds(void) {
    FILE *file = fopen("/proc/stat", "re");
    char text[256];
    double seconds = 0;
    while (file && seconds == 0 && fgets(text, sizeof(text), file)) {
        if (strncmp(text, "btime ", 6) == 0) {
            seconds = strtod(text + 6, NULL);
        }
    }
    if (file) {
        fclose(file);
    }
    return seconds;
}

static int64_t count_files(const char *folder) {
    DIR *files = opendir(folder);
    int64_t count = 0;
    while (files && readdir(files)) {
        count++;
    }
    if (files) {
        closedir(files);
        count -= 3;  // ".", ".." and the folder's own descriptor
    }
    return count > 0 ? count : 0;
}

bool fq_process_read(int64_t pid, fq_process_usage *out) {
    char who[24] = "self", path[64], text[FILE_BYTES_MAX];
    if (pid > 0) {
        snprintf(who, sizeof(who), "%" PRId64, pid);
    }
    snprintf(path, sizeof(path), "/proc/%s/stat", who);
    if (!read_file(path, text)) {
        return false;
    }
    // proc(5): fields from the third on stand behind the last ')', since a program's name may hold
    // anything.
    enum { THIRD = 3, UTIME = 14, STIME = 15, THREADS = 20, STARTTIME = 22, VSIZE = 23, RSS = 24 };
    double fields[RSS + 1] = {0};
    char *at = strrchr(text, ')');
    if (!at) {
        return false;
    }
    at += strcspn(at, " ") + 2;  // over the state, a letter
    for (int i = THIRD + 1; i <= RSS; i++) {
        fields[i] = strtod(at, &at);
    }
    const double ticks = (double)sysconf(_SC_CLK_TCK);
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    snprintf(path, sizeof(path), "/proc/%s/fd", who);
    *out = (fq_process_usage){
        .cpu_seconds = (fields[UTIME] + fields[STIME]) / ticks,
        .start_unix_seconds = boot_unix_seconds() + fields[STARTTIME] / ticks,
        .resident_bytes = (int64_t)fields[RSS] * sysconf(_SC_PAGESIZE),
        .virtual_bytes = (int64_t)fields[VSIZE],
        .threads = (int64_t)fields[THREADS],
        .open_files = count_files(path),
        .open_files_max = (int64_t)files.rlim_cur,
    };
    return true;
}

// cpu.max: "QUOTA PERIOD" in microseconds, or "max PERIOD".
unsigned fq_process_quota(const char *folder) {
    char path[4200], text[FILE_BYTES_MAX], *end;
    snprintf(path, sizeof(path), "%.4096s/cpu.max", folder);
    if (!read_file(path, text)) {
        return 0;
    }
    const unsigned long long quota_us = strtoull(text, &end, 10);
    const unsigned long long period_us = end > text && *end == ' ' ? strtoull(end, NULL, 10) : 0;
    if (period_us == 0) {
        return 0;
    }
    const unsigned long long cores = quota_us / period_us + (quota_us % period_us > 0);
    return cores == 0 ? 1 : cores > 4096 ? 4096 : (unsigned)cores;
}

// The groups above have quotas of their own; the tightest counts. Within a container the process
// sees its own group as the root.
static unsigned quota_of_groups(void) {
    static const char root[] = "/sys/fs/cgroup";
    char text[FILE_BYTES_MAX], folder[FILE_BYTES_MAX + sizeof(root)];
    unsigned least = fq_process_quota(root);
    const char *group = read_file("/proc/self/cgroup", text) ? strstr(text, "0::/") : NULL;
    if (!group) {
        return least;
    }
    snprintf(folder, sizeof(folder), "%s%.*s", root, (int)strcspn(group + 3, "\n"), group + 3);
    for (char *end = folder + strlen(folder); end > folder + sizeof(root) - 1;
         end = strrchr(folder, '/')) {
        *end = '\0';
        const unsigned quota = fq_process_quota(folder);
        least = quota > 0 && (least == 0 || quota < least) ? quota : least;
    }
    return least;
}

unsigned fq_process_cores(void) {
    cpu_set_t bound;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned cores = online > 0 ? (unsigned)online : 1;
    if (sched_getaffinity(0, sizeof(bound), &bound) == 0 && CPU_COUNT(&bound) > 0) {
        cores = (unsigned)CPU_COUNT(&bound);
    }
    const unsigned quota = quota_of_groups();
    return quota > 0 && quota < cores ? quota : cores;
}

static void put(fq_buffer *out, const char *name, const char *type, const char *help,
                double value) {
    fq_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name,
                     value);
}

void fq_process_text(fq_buffer *out) {
    fq_process_usage usage;
    if (!fq_process_read(0, &usage)) {
        return;
    }
    put(out, "process_cpu_seconds_total", "counter", "Processor time, user and system.",
        usage.cpu_seconds);
    put(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
        (double)usage.resident_bytes);
    put(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
        (double)usage.virtual_bytes);
    put(out, "process_open_fds", "gauge", "Open file descriptors.", (double)usage.open_files);
    put(out, "process_max_fds", "gauge", "Most file descriptors allowed.",
        (double)usage.open_files_max);
    put(out, "process_threads", "gauge", "Threads.", (double)usage.threads);
    put(out, "process_start_time_seconds", "gauge", "Start, Unix time.", usage.start_unix_seconds);
}
