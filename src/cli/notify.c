// Telling the service manager.
#include "cli/notify.h"

#include "base/clock.h"
#include "base/str.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void cli_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t len = path ? strlen(path) : 0;
    if (len == 0 || len >= sizeof(address.sun_path)) {
        return;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';  // the abstract namespace
    }
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        const socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                      bytes);
        close(fd);
    }
}

void cli_notify_reloading(void) {
    char state[64];
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(fq_monotonic_ns() / 1000));
    cli_notify(state);
}

int64_t cli_notify_watchdog_ms(void) {
    const char *text = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
    uint64_t us, pid;
    if (whose && (!fq_str_to_u64(fq_str_of(whose), &pid) || pid != (uint64_t)getpid())) {
        return 0;  // meant for the process that started this one
    }
    return text && fq_str_to_u64(fq_str_of(text), &us) && us < UINT64_C(3600000000)
               ? (int64_t)(us / 2000)
               : 0;
}
