// The master key comes in and, for a first start, is made. The only file of this room that touches
// files.
#include "crypto/envelope.h"

#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 128 };

static void close_file(const int *file) {
    if (*file >= 0) {
        (void)close(*file);
    }
}
#define AUTO_CLOSE __attribute__((cleanup(close_file)))

static fq_err refuse(const char *param, const char *why) {
    return fq_refuse_text(FQ_INVALID_FIELD, param, why);
}

void fq_master_key_wipe(fq_master_key *key) {
    fq_wipe(key, sizeof(*key));
}

fq_err fq_master_key_from_base64(fq_str text, const char *param, fq_master_key *out) {
    uint8_t bytes[FQ_MASTER_KEY_BYTES + 3];
    size_t len = 0;
    const bool good = text.len == FQ_BASE64_LEN(FQ_MASTER_KEY_BYTES) &&
                      fq_base64_decode(text, bytes, &len) && len == FQ_MASTER_KEY_BYTES;
    if (good) {
        memcpy(out->bytes, bytes, sizeof(out->bytes));
    }
    fq_wipe(bytes, sizeof(bytes));
    return good ? FQ_OK : refuse(param, "not the base64 of 32 bytes");
}

// Why the file is not to be trusted with a secret; NULL when it is.
static const char *file_fault(int file) {
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        return "not a plain file";
    }
    if (about.st_uid != geteuid()) {
        return "the file belongs to another user";
    }
    if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return "group or others may touch the file; set its mode to 0600";
    }
    return NULL;
}

static const char *open_fault(int error) {
    return error == ENOENT   ? "there is no such file"
           : error == ELOOP  ? "the file is a symbolic link"
           : error == EACCES ? "this process's user may not open the file"
                             : "the file cannot be opened";
}

fq_err fq_master_key_from_file(const char *path, const char *param, fq_master_key *out) {
    const int file AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) {
        return refuse(param, open_fault(errno));
    }
    const char *fault = file_fault(file);
    if (fault) {
        return refuse(param, fault);
    }
    char text[TEXT_BYTES_MAX];
    const ssize_t got = read(file, text, sizeof(text));
    fq_err err = refuse(param, "the file cannot be read");
    if (got == FQ_MASTER_KEY_BYTES) {
        memcpy(out->bytes, text, sizeof(out->bytes));
        err = FQ_OK;
    } else if (got >= 0) {
        const size_t len = (size_t)got;
        err = fq_master_key_from_base64(
            (fq_str){text, len > 0 && text[len - 1] == '\n' ? len - 1 : len}, param, out);
    }
    fq_wipe(text, sizeof(text));
    return err;
}

// A new file is on the disk only when its folder is, too.
static bool sync_folder_of(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof(folder)) {
        return false;
    }
    snprintf(folder, sizeof(folder), "%.*s", (int)len, path);
    const int file AUTO_CLOSE = open(!slash     ? "."
                                     : len == 0 ? "/"
                                                : folder,
                                     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return file >= 0 && fsync(file) == 0;
}

static bool write_new(const char *path, fq_str text) {
    const int file AUTO_CLOSE =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (file < 0) {
        return false;
    }
    if (write(file, text.at, text.len) != (ssize_t)text.len || fsync(file) != 0 ||
        !sync_folder_of(path)) {
        (void)unlink(path);  // nothing was encrypted under it yet
        return false;
    }
    return true;
}

fq_err fq_master_key_make_file(const char *path, const char *param, fq_master_key *out) {
    fq_master_key made;
    fq_random(made.bytes, sizeof(made.bytes));
    char text[FQ_BASE64_LEN(FQ_MASTER_KEY_BYTES) + 1];
    const size_t len =
        fq_base64_encode((fq_str){(const char *)made.bytes, sizeof(made.bytes)}, text);
    text[len] = '\n';
    const bool done = write_new(path, (fq_str){text, sizeof(text)});
    if (done) {
        *out = made;
    }
    fq_wipe(text, sizeof(text));
    fq_master_key_wipe(&made);
    return done ? FQ_OK
                : refuse(param,
                         "the file cannot be made: it is there already, or its folder takes none");
}
