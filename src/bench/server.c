// The server's process as the kernel shows it. Reads /proc, writes nothing.
#include "bench/server.h"

#include "base/process.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTEN_STATE = 0x0a, LINE_MAX_BYTES = 512 };

static void close_file(FILE **file) {
    if (*file) {
        fclose(*file);
    }
}

static void close_folder(DIR **folder) {
    if (*folder) {
        closedir(*folder);
    }
}

// What stands at the `index`-th of the fields between blanks, counted from 0; the line's end where
// there are fewer.
static const char *field_of(const char *line, int index) {
    const char *at = line + strspn(line, " ");
    for (; index > 0; index--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return at;
}

// The inode of the socket that listens on `port`; 0 when there is none in this table.
static unsigned long listening_inode(const char *table_path, uint16_t port) {
    __attribute__((cleanup(close_file))) FILE *table = fopen(table_path, "re");
    char line[LINE_MAX_BYTES];
    while (table && fgets(line, sizeof(line), table)) {
        // "sl: local:port remote:port state tx:rx tr:when retrnsmt uid timeout inode", see proc(5).
        const char *colon = strchr(field_of(line, 1), ':');
        if (colon && strtoul(colon + 1, NULL, 16) == port &&
            strtoul(field_of(line, 3), NULL, 16) == LISTEN_STATE) {
            return strtoul(field_of(line, 9), NULL, 10);
        }
    }
    return 0;
}

// Does one of the descriptors in /proc/`pid`/fd belong to the socket called `name`?
static bool holds_socket(const char *pid, const char *name) {
    char path[300];
    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    __attribute__((cleanup(close_folder))) DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        char target[64];
        const ssize_t len = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
        if (len > 0) {
            target[len] = '\0';
            if (strcmp(target, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

int bench_server_find(uint16_t port) {
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0) {
        inode = listening_inode("/proc/net/tcp6", port);
    }
    if (inode == 0) {
        return 0;
    }
    char name[64];
    snprintf(name, sizeof(name), "socket:[%lu]", inode);
    __attribute__((cleanup(close_folder))) DIR *processes = opendir("/proc");
    for (const struct dirent *entry; processes && (entry = readdir(processes)) != NULL;) {
        if (isdigit((unsigned char)entry->d_name[0]) && holds_socket(entry->d_name, name)) {
            return (int)strtol(entry->d_name, NULL, 10);
        }
    }
    return 0;
}

void bench_server_sample(bench_server *server) {
    fq_process_usage usage;
    if (server->pid == 0) {
        return;
    }
    if (!fq_process_read(server->pid, &usage)) {
        server->pid = 0;
        return;
    }
    server->rss_bytes = usage.resident_bytes;
    if (server->rss_bytes > server->rss_bytes_max) {
        server->rss_bytes_max = server->rss_bytes;
    }
    server->cpu_seconds = usage.cpu_seconds;
}
