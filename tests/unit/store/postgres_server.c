// The tests' own PostgreSQL. A keeper process owns server and folder; it ends both when the pipe to
// the test program closes, which happens also when that is killed.
#include "postgres_server.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    START_TRIES = 300,
    START_PAUSE_US = 50 * 1000,
    REMOVE_DEPTH = 16,
    DATA_BYTES = 80,
    PATH_BYTES = 512
};

// The newest version's programs.
static bool find_programs(char out[PATH_BYTES]) {
    glob_t found = {0};
    const bool any = glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0 && found.gl_pathc > 0;
    if (any) {
        snprintf(out, PATH_BYTES, "%s", found.gl_pathv[found.gl_pathc - 1]);
    }
    globfree(&found);
    return any;
}

// Runs a program of PostgreSQL, as its own user where we are root: it refuses to serve root.
static pid_t run(const char *programs, const char *name, char *const arguments[], const char *log) {
    char path[PATH_BYTES * 2];
    snprintf(path, sizeof(path), "%s/%s", programs, name);
    const pid_t child = fork();
    if (child != 0) {
        return child;
    }
    const struct passwd *user = getpwnam("postgres");
    if (getuid() == 0 && (!user || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
        _exit(3);
    }
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    const int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir("/") != 0) {
        _exit(3);
    }
    for (int file = 3; file < 64; file++) {
        close(file);  // the pipe too: the server must not keep its keeper waiting
    }
    execv(path, arguments);
    _exit(3);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at) {
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static bool make_data(const char *programs, const char *data, const char *log) {
    char option[PATH_BYTES];
    snprintf(option, sizeof(option), "--pgdata=%s", data);
    char name[] = "initdb", user[] = "--username=feiqian", auth[] = "--auth=trust";
    char encoding[] = "--encoding=UTF8", locale[] = "--locale=C", hurry[] = "--no-sync";
    char *const arguments[] = {name, option, user, auth, encoding, locale, hurry, NULL};
    const pid_t child = run(programs, "initdb", arguments, log);
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static pid_t serve(const char *programs, const char *folder, const char *data, const char *log) {
    char sockets[PATH_BYTES], data_path[DATA_BYTES];
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", folder);
    snprintf(data_path, sizeof(data_path), "%s", data);
    char name[] = "postgres", d[] = "-D", c[] = "-c", no_tcp[] = "listen_addresses=";
    char *const arguments[] = {name, d, data_path, c, sockets, c, no_tcp, NULL};
    return run(programs, "postgres", arguments, log);
}

static void show(const char *log) {
    char line[512];
    FILE *file = fopen(log, "r");
    while (file && fgets(line, sizeof(line), file)) {
        fputs(line, stderr);
    }
    if (file) {
        fclose(file);
    }
}

// The server writes "ready" into its lock file once it takes connections.
static bool is_ready(const char *data) {
    char path[PATH_BYTES], line[128];
    bool ready = false;
    snprintf(path, sizeof(path), "%s/postmaster.pid", data);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file)) {
        ready |= strncmp(line, "ready", 5) == 0;
    }
    if (file) {
        fclose(file);
    }
    return ready;
}

// Runs until the pipe closes. Tells by one byte that the server is up.
static void keep(const char *programs, const char *folder, int from_test, int to_test) {
    char data[DATA_BYTES], log[DATA_BYTES];
    snprintf(data, sizeof(data), "%s/data", folder);
    snprintf(log, sizeof(log), "%s/log", folder);
    signal(SIGINT, SIG_IGN);
    pid_t server = make_data(programs, data, log) ? serve(programs, folder, data, log) : -1;
    bool up = false;
    for (int i = 0; i < START_TRIES && server > 0 && !up; i++) {
        usleep(START_PAUSE_US);
        up = is_ready(data);
    }
    if (!up) {
        show(log);
    }
    char byte = up ? 'y' : 'n';
    if (write(to_test, &byte, 1) == 1) {
        while (read(from_test, &byte, 1) > 0) {
        }
    }
    if (server > 0) {
        kill(server, SIGQUIT);
        waitpid(server, NULL, 0);
    }
    nftw(folder, remove_entry, REMOVE_DEPTH, FTW_DEPTH | FTW_PHYS);
    _exit(0);
}

bool postgres_server_installed(void) {
    char programs[PATH_BYTES];
    return find_programs(programs);
}

bool postgres_server_start(postgres_server *server) {
    char programs[PATH_BYTES];
    int to_keeper[2], to_test[2];
    *server = (postgres_server){.folder = "/tmp/feiqian-postgres.XXXXXX", .keeper = -1};
    if (!find_programs(programs) || !mkdtemp(server->folder) || pipe(to_keeper) || pipe(to_test)) {
        return false;
    }
    const struct passwd *user = getpwnam("postgres");
    if (getuid() == 0 && (!user || chown(server->folder, user->pw_uid, user->pw_gid) != 0)) {
        return false;
    }
    const pid_t keeper = fork();
    if (keeper == 0) {
        close(to_keeper[1]);
        close(to_test[0]);
        keep(programs, server->folder, to_keeper[0], to_test[1]);
    }
    close(to_keeper[0]);
    close(to_test[1]);
    server->keeper = to_keeper[1];
    char byte = 'n';
    const bool up = keeper > 0 && read(to_test[0], &byte, 1) == 1 && byte == 'y';
    close(to_test[0]);
    snprintf(server->url, sizeof(server->url), "postgresql://feiqian@/feiqian?host=%s",
             server->folder);
    if (!up) {
        postgres_server_stop(server);
    }
    return up;
}

void postgres_server_stop(postgres_server *server) {
    close(server->keeper);
    server->keeper = -1;
    wait(NULL);
}
