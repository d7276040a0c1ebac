// The data folder. Knows no database.
#include "store/sqlite_folder.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

fq_err folder_make(const char *folder) {
    struct stat about;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        fq_log(FQ_LOG_ERROR, "the data folder cannot be made", FQ_LOG_TEXT("folder", folder),
               FQ_LOG_TEXT("reason", strerror(errno)));
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    if (stat(folder, &about) == 0 && (about.st_mode & 0077) != 0) {
        fq_log(FQ_LOG_WARN, "others may look into the data folder: chmod 700 it",
               FQ_LOG_TEXT("folder", folder));
    }
    return FQ_OK;
}

fq_err folder_lock(const char *folder, const char *service, int *out_fd) {
    char *path = NULL;
    FQ_ASSERT(asprintf(&path, "%s/%s.lock", folder, service) > 0);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const int open_error = errno;
    free(path);
    if (fd < 0) {
        fq_log(FQ_LOG_ERROR, "the data folder cannot be written to", FQ_LOG_TEXT("folder", folder),
               FQ_LOG_TEXT("reason", strerror(open_error)));
        return fq_refuse(
            open_error == ENOSPC || open_error == EDQUOT ? FQ_STORE_FULL : FQ_STORE_LOST, NULL);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        fq_log(FQ_LOG_ERROR,
               "another process uses this data folder: stop it first, or give this one a folder of "
               "its own (--data)",
               FQ_LOG_TEXT("folder", folder), FQ_LOG_TEXT("service", service));
        close(fd);
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    *out_fd = fd;
    return FQ_OK;
}
