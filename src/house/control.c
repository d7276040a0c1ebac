// The control socket: one connection, one request, one answer. The request ends where the caller
// shuts his side; both ends are bounded in size and time. Decides nothing: see operations.c.
#include "house/control.h"

#include "base/log.h"
#include "crypto/digest.h"
#include "house/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "control.sock"

enum {
    BACKLOG = 16,
    REQUEST_S_MAX = 5,
    ANSWER_S_MAX = 600,  // rotating the data key reads and writes every user
    ARENA_BYTES_MAX = 16 << 20,
    RECEIVE_BYTES = 4096,
};

struct fq_control {
    fq_house *house;
    int folder, listener, stop;
    pthread_t thread;
};

static void close_file(const int *file) {
    if (*file >= 0) {
        close(*file);
    }
}

static bool is_folder(const char *data) {
    const fq_str text = fq_str_of(data);
    return !fq_str_starts(text, FQ_STR("postgresql://")) &&
           !fq_str_starts(text, FQ_STR("postgres://"));
}

// A socket's address holds 107 bytes of path, a data folder may be further away: then it is named
// by the folder's descriptor, which lives as long as `folder` is open.
static struct sockaddr_un address_in(const char *data, int folder) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET_NAME, data);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path)) {
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" SOCKET_NAME,
                 folder);
    }
    return address;
}

static void set_time_limits(int connection, time_t receive_s, time_t send_s) {
    const struct timeval receive = {.tv_sec = receive_s}, send_limit = {.tv_sec = send_s};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof(receive));
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &send_limit, sizeof(send_limit));
}

// Everything until the other side has shut its end. False on an error and when it is too much.
static bool receive_all(int connection, fq_buffer *out) {
    for (;;) {
        char *space = fq_buffer_reserve(out, RECEIVE_BYTES);
        const ssize_t got = space ? recv(connection, space, RECEIVE_BYTES, 0) : -1;
        if (got > 0) {
            out->len += (size_t)got;
        } else if (got == 0) {
            return true;
        } else if (!space || errno != EINTR) {
            return false;
        }
    }
}

static bool send_all(int connection, fq_str bytes) {
    while (bytes.len > 0) {
        const ssize_t sent = send(connection, bytes.at, bytes.len, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes = (fq_str){bytes.at + sent, bytes.len - (size_t)sent};
        } else if (sent == 0 || errno != EINTR) {
            return false;
        }
    }
    return shutdown(connection, SHUT_WR) == 0;
}

static void wipe_and_free(fq_buffer *buffer) {
    if (buffer->at) {
        fq_wipe(buffer->at, buffer->capacity);
    }
    fq_buffer_free(buffer);
}

// --- the server's side ---

// The socket's mode keeps others out; this says so once more, for file systems without modes.
static bool is_owner(int connection) {
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void answer(fq_control *control, int connection) {
    if (!is_owner(connection)) {
        fq_log(FQ_LOG_WARN, "another user has tried the control socket");
        return;
    }
    fq_arena arena;
    fq_buffer request __attribute__((cleanup(wipe_and_free)));
    fq_buffer text __attribute__((cleanup(wipe_and_free)));
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    fq_buffer_init(&request, FQ_CONTROL_REQUEST_BYTES_MAX + RECEIVE_BYTES);
    fq_buffer_init(&text, FQ_CONTROL_ANSWER_BYTES_MAX);
    set_time_limits(connection, REQUEST_S_MAX, REQUEST_S_MAX);
    if (receive_all(connection, &request)) {
        fq_house_operate(control->house, fq_buffer_str(&request), &arena, &text);
        if (!send_all(connection, fq_buffer_str(&text))) {
            fq_log(FQ_LOG_WARN, "an answer on the control socket was not taken");
        }
    }
    fq_arena_wipe(&arena);
    fq_arena_free(&arena);
}

static void *serve(void *context) {
    fq_control *control = context;
    struct pollfd wait[2] = {{.fd = control->listener, .events = POLLIN},
                             {.fd = control->stop, .events = POLLIN}};
    while (poll(wait, 2, -1) >= 0 || errno == EINTR) {
        if (wait[1].revents) {
            break;
        }
        const int connection __attribute__((cleanup(close_file))) =
            accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection >= 0) {
            answer(control, connection);
        }
    }
    return NULL;
}

// The data folder's lock is ours, so a socket that lies there is one that a killed server left.
static bool listen_in(fq_control *control, const char *data) {
    control->folder = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    control->stop = eventfd(0, EFD_CLOEXEC);
    if (control->folder < 0 || control->listener < 0 || control->stop < 0 ||
        (unlinkat(control->folder, SOCKET_NAME, 0) != 0 && errno != ENOENT)) {
        return false;
    }
    const struct sockaddr_un address = address_in(data, control->folder);
    // Nobody can connect before listen, so the mode is there in time.
    return bind(control->listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
           fchmodat(control->folder, SOCKET_NAME, 0600, 0) == 0 &&
           listen(control->listener, BACKLOG) == 0;
}

static void free_control(fq_control *control) {
    close_file(&control->listener);
    close_file(&control->folder);
    close_file(&control->stop);
    free(control);
}

fq_err fq_control_start(fq_house *house, const char *data, fq_control **out) {
    *out = NULL;
    if (!is_folder(data)) {
        return FQ_OK;
    }
    fq_control *control = calloc(1, sizeof(*control));
    FQ_ASSERT(control != NULL);
    *control = (fq_control){.house = house, .folder = -1, .listener = -1, .stop = -1};
    if (!listen_in(control, data) || pthread_create(&control->thread, NULL, serve, control) != 0) {
        fq_log(FQ_LOG_ERROR, "the control socket cannot be made in the data folder",
               FQ_LOG_TEXT("folder", data), FQ_LOG_TEXT("reason", strerror(errno)));
        free_control(control);
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    *out = control;
    return FQ_OK;
}

void fq_control_stop(fq_control *control) {
    if (!control) {
        return;
    }
    FQ_ASSERT(eventfd_write(control->stop, 1) == 0);
    FQ_ASSERT(pthread_join(control->thread, NULL) == 0);
    unlinkat(control->folder, SOCKET_NAME, 0);
    free_control(control);
}

// --- the caller's side ---

static fq_err connect_error(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:  // the socket of a server that was killed
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    case EACCES:
    case EPERM:
        return fq_refuse(FQ_NOT_ALLOWED, NULL);
    default:
        fq_log(FQ_LOG_ERROR, "the control socket cannot be reached",
               FQ_LOG_TEXT("reason", strerror(error)));
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
}

fq_err fq_control_call(const char *data, fq_str request, fq_arena *arena, fq_str *out_answer) {
    if (!is_folder(data)) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    const int folder __attribute__((cleanup(close_file))) =
        open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return connect_error(errno);
    }
    const struct sockaddr_un address = address_in(data, folder);
    const int connection __attribute__((cleanup(close_file))) =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 ||
        connect(connection, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        return connect_error(errno);
    }
    fq_buffer text __attribute__((cleanup(wipe_and_free)));
    fq_buffer_init(&text, FQ_CONTROL_ANSWER_BYTES_MAX + RECEIVE_BYTES);
    set_time_limits(connection, ANSWER_S_MAX, REQUEST_S_MAX);
    if (!send_all(connection, request) || !receive_all(connection, &text) || text.len == 0) {
        fq_log(FQ_LOG_ERROR,
               "the running server gave no answer; whether it did what was asked is "
               "not known",
               FQ_LOG_TEXT("reason", strerror(errno)));
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    *out_answer = fq_arena_copy(arena, fq_buffer_str(&text));
    return FQ_OK;
}
