// Online backup by pg_dump, which reads one snapshot beside the running writers. The password goes
// by the environment, so that no list of processes shows it.
#include "base/log.h"
#include "store/postgres_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPTIONS_BYTES_MAX = 8 << 10, VARIABLES_MAX = 4096, NOT_FOUND = 127 };

// Adds name='value' as libpq reads it.
static void add_option(fq_buffer *out, const char *name, const char *value) {
    fq_buffer_printf(out, "%s='", name);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\') {
            fq_buffer_add_char(out, '\\');
        }
        fq_buffer_add_char(out, *value);
    }
    FQ_ADD(out, "' ");
}

// Splits the URL into what may stand on a command line and the password.
static bool describe(const postgres_engine *engine, fq_buffer *options, fq_buffer *password) {
    char *message = NULL;
    PQconninfoOption *given = PQconninfoParse(engine->url, &message);
    PQfreemem(message);
    if (!given) {
        return false;
    }
    for (const PQconninfoOption *option = given; option->keyword; option++) {
        if (!option->val || strcmp(option->keyword, "dbname") == 0) {
            continue;
        }
        if (strcmp(option->keyword, "password") == 0) {
            fq_buffer_printf(password, "PGPASSWORD=%s", option->val);
        } else if (strcmp(option->keyword, "sslpassword") != 0) {
            add_option(options, option->keyword, option->val);
        }
    }
    PQconninfoFree(given);
    add_option(options, "dbname", engine->target.database);
    fq_buffer_add_char(options, '\0');
    if (password->len > 0) {
        fq_buffer_add_char(password, '\0');
    }
    return !options->overflowed && !password->overflowed;
}

// Runs pg_dump to its end. Its exit status; NOT_FOUND when it is not installed.
static int run(const char *options, char *password, const char *path) {
    char *variables[VARIABLES_MAX];
    size_t count = 0;
    for (char **variable = environ; *variable && count < VARIABLES_MAX - 2; variable++) {
        if (!password || strncmp(*variable, "PGPASSWORD=", 11) != 0) {
            variables[count++] = *variable;
        }
    }
    if (password) {
        variables[count++] = password;
    }
    variables[count] = NULL;
    char file_option[4200], database_option[OPTIONS_BYTES_MAX + 16];
    snprintf(file_option, sizeof(file_option), "--file=%s", path);
    snprintf(database_option, sizeof(database_option), "--dbname=%s", options);
    char program[] = "pg_dump", format[] = "--format=custom", quiet[] = "--no-password";
    char *const arguments[] = {program, format, quiet, file_option, database_option, NULL};
    pid_t child;
    if (posix_spawnp(&child, program, NULL, NULL, arguments, variables) != 0) {
        return NOT_FOUND;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static fq_err verdict_of(int status, const char *path) {
    if (status == 0) {
        return FQ_OK;
    }
    unlink(path);  // half a backup is none
    if (status == NOT_FOUND) {
        fq_log(FQ_LOG_ERROR, "backup needs pg_dump: install the PostgreSQL client programs");
        return fq_refuse(FQ_NOT_IMPLEMENTED, NULL);
    }
    fq_log(FQ_LOG_ERROR, "pg_dump failed; its own message is above", FQ_LOG_INT("status", status));
    return fq_refuse(FQ_INTERNAL, NULL);
}

fq_err postgres_backup(fq_engine *base, const char *to_path) {
    const postgres_engine *engine = (const postgres_engine *)base;
    // Made first, so that only its owner may read it and nothing that exists is written over.
    const int file = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        const int error = errno;
        fq_log(FQ_LOG_ERROR, "the backup's file cannot be made", FQ_LOG_TEXT("path", to_path),
               FQ_LOG_TEXT("why", strerror(error)));
        return fq_refuse(error == EEXIST ? FQ_STATE_CONFLICT : FQ_INTERNAL, NULL);
    }
    close(file);
    fq_buffer options, password;
    fq_buffer_init(&options, OPTIONS_BYTES_MAX);
    fq_buffer_init(&password, OPTIONS_BYTES_MAX);
    const int status = describe(engine, &options, &password)
                           ? run(options.at, password.len > 0 ? password.at : NULL, to_path)
                           : -1;
    if (password.len > 0) {
        explicit_bzero(password.at, password.len);
    }
    fq_buffer_free(&options);
    fq_buffer_free(&password);
    return verdict_of(status, to_path);
}
