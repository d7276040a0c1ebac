// The power-cut VFS.
#include "powercut_vfs.h"

#include "base/err.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES_MAX = 16, SECTOR_BYTES = 512 };

typedef struct {
    int64_t offset;
    size_t len;  // 0: the file was cut to `offset`
    char *data;
} operation;

// A file by its path; it outlives its being closed, since closing does not sync.
typedef struct {
    char path[256];
    char *synced;  // the content that is safe
    size_t synced_len;
    operation *pending;
    size_t pending_count, pending_capacity;
    int64_t len;  // as it looks to the process
} disk_file;

typedef struct {
    sqlite3_file base;
    disk_file *disk;  // NULL: a file that is not watched (temporary)
    sqlite3_file *real;
} shim_file;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs shim_vfs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static disk_file *files[FILES_MAX];
static powercut_fault fault;
static uint64_t fault_at, counted;
static bool happened;

// --- the disk ---

static void forget_pending(disk_file *disk) {
    for (size_t i = 0; i < disk->pending_count; i++) {
        free(disk->pending[i].data);
    }
    disk->pending_count = 0;
}

static void forget(disk_file *disk) {
    forget_pending(disk);
    free(disk->pending);
    free(disk->synced);
    free(disk);
}

static char *read_whole(const char *path, size_t *out_len) {
    *out_len = 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    const size_t len = (size_t)ftell(file);
    rewind(file);
    char *content = malloc(len + 1);
    FQ_ASSERT(content != NULL && fread(content, 1, len, file) == len);
    fclose(file);
    *out_len = len;
    return content;
}

static disk_file *disk_of(const char *path) {
    size_t free_place = FILES_MAX;
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (files[i] && strcmp(files[i]->path, path) == 0) {
            return files[i];
        }
        free_place = !files[i] && free_place == FILES_MAX ? i : free_place;
    }
    FQ_ASSERT(free_place < FILES_MAX);
    disk_file *disk = calloc(1, sizeof(*disk));
    FQ_ASSERT(disk != NULL);
    snprintf(disk->path, sizeof(disk->path), "%s", path);
    disk->synced = read_whole(path, &disk->synced_len);
    disk->len = (int64_t)disk->synced_len;
    files[free_place] = disk;
    return disk;
}

static void add_pending(disk_file *disk, const void *data, size_t len, int64_t offset) {
    if (disk->pending_count == disk->pending_capacity) {
        disk->pending_capacity = disk->pending_capacity ? disk->pending_capacity * 2 : 16;
        disk->pending = realloc(disk->pending, disk->pending_capacity * sizeof(operation));
        FQ_ASSERT(disk->pending != NULL);
    }
    operation *added = &disk->pending[disk->pending_count++];
    *added = (operation){.offset = offset, .len = len, .data = malloc(len + 1)};
    FQ_ASSERT(added->data != NULL);
    if (len > 0) {
        memcpy(added->data, data, len);
    }
}

static void set_length(disk_file *disk, size_t len) {
    if (len > disk->synced_len) {
        disk->synced = realloc(disk->synced, len);
        FQ_ASSERT(disk->synced != NULL);
        memset(disk->synced + disk->synced_len, 0, len - disk->synced_len);
    }
    disk->synced_len = len;
}

static void apply_part(disk_file *disk, const operation *done, size_t from, size_t to) {
    const size_t at = (size_t)done->offset + from;
    if (at + (to - from) > disk->synced_len) {
        set_length(disk, at + (to - from));
    }
    memcpy(disk->synced + at, done->data + from, to - from);
}

static void apply(disk_file *disk, const operation *done) {
    if (done->len == 0) {
        set_length(disk, (size_t)done->offset);
    } else {
        apply_part(disk, done, 0, done->len);
    }
}

static void sync_all(disk_file *disk) {
    for (size_t i = 0; i < disk->pending_count; i++) {
        apply(disk, &disk->pending[i]);
    }
    forget_pending(disk);
}

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

// Of an operation that was not synced, all, nothing, or some sectors reach the disk.
static void apply_by_chance(disk_file *disk, const operation *done, uint64_t *random) {
    const uint64_t chance = next_random(random) % 3;
    if (chance == 0) {
        return;
    }
    if (chance == 1 || done->len == 0) {
        apply(disk, done);
        return;
    }
    for (size_t from = 0; from < done->len;) {
        size_t to = from + SECTOR_BYTES - ((size_t)done->offset + from) % SECTOR_BYTES;
        to = to < done->len ? to : done->len;
        if (next_random(random) % 2) {
            apply_part(disk, done, from, to);
        }
        from = to;
    }
}

void powercut_settle(uint64_t seed) {
    uint64_t random = seed;
    fault = POWERCUT_NEVER;
    happened = false;
    for (size_t i = 0; i < FILES_MAX; i++) {
        disk_file *disk = files[i];
        if (!disk) {
            continue;
        }
        for (size_t j = 0; j < disk->pending_count; j++) {
            apply_by_chance(disk, &disk->pending[j], &random);
        }
        const int fd = open(disk->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        FQ_ASSERT(fd >= 0 &&
                  write(fd, disk->synced, disk->synced_len) == (ssize_t)disk->synced_len);
        close(fd);
        forget(disk);
        files[i] = NULL;
    }
}

// Counts an operation; says what becomes of it.
static int meet_fault(bool grows, bool is_sync) {
    const bool due = ++counted == fault_at && fault != POWERCUT_NEVER;
    if (fault == POWERCUT_NEVER || (!due && !happened)) {
        return SQLITE_OK;
    }
    happened = true;
    if (fault == POWERCUT_CUT) {
        return SQLITE_IOERR;
    }
    if (fault == POWERCUT_FULL) {
        return grows ? SQLITE_FULL : SQLITE_OK;
    }
    if (!due) {
        return SQLITE_OK;
    }
    return is_sync ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE;
}

// --- files ---

static shim_file *shim(sqlite3_file *file) {
    return (shim_file *)file;
}

static sqlite3_file *real(sqlite3_file *file) {
    return shim(file)->real;
}

static int shim_close(sqlite3_file *file) {
    const int rc = real(file)->pMethods ? real(file)->pMethods->xClose(real(file)) : SQLITE_OK;
    free(real(file));
    return rc;
}

static int shim_read(sqlite3_file *file, void *to, int len, sqlite3_int64 offset) {
    return real(file)->pMethods->xRead(real(file), to, len, offset);
}

static int shim_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset) {
    disk_file *disk = shim(file)->disk;
    if (!disk) {
        return real(file)->pMethods->xWrite(real(file), data, len, offset);
    }
    pthread_mutex_lock(&lock);
    const bool grows = offset + len > disk->len;
    int rc = meet_fault(grows, false);
    if (rc == SQLITE_OK) {
        disk->len = grows ? offset + len : disk->len;
        add_pending(disk, data, (size_t)len, offset);
        rc = real(file)->pMethods->xWrite(real(file), data, len, offset);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 len) {
    disk_file *disk = shim(file)->disk;
    if (!disk) {
        return real(file)->pMethods->xTruncate(real(file), len);
    }
    pthread_mutex_lock(&lock);
    int rc = meet_fault(false, false);
    if (rc == SQLITE_OK) {
        disk->len = len;
        add_pending(disk, NULL, 0, len);
        rc = real(file)->pMethods->xTruncate(real(file), len);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

// The real file is not synced: the power is cut here only.
static int shim_sync(sqlite3_file *file, int flags) {
    (void)flags;
    pthread_mutex_lock(&lock);
    const int rc = shim(file)->disk ? meet_fault(false, true) : SQLITE_OK;
    if (rc == SQLITE_OK && shim(file)->disk) {
        sync_all(shim(file)->disk);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *out) {
    return real(file)->pMethods->xFileSize(real(file), out);
}
static int shim_lock(sqlite3_file *file, int level) {
    return real(file)->pMethods->xLock(real(file), level);
}
static int shim_unlock(sqlite3_file *file, int level) {
    return real(file)->pMethods->xUnlock(real(file), level);
}
static int shim_check_lock(sqlite3_file *file, int *out) {
    return real(file)->pMethods->xCheckReservedLock(real(file), out);
}
static int shim_control(sqlite3_file *file, int operation_code, void *argument) {
    // A hint would make the file grow unseen.
    return operation_code == SQLITE_FCNTL_SIZE_HINT
               ? SQLITE_OK
               : real(file)->pMethods->xFileControl(real(file), operation_code, argument);
}
static int shim_sector(sqlite3_file *file) {
    return real(file)->pMethods->xSectorSize(real(file));
}
static int shim_device(sqlite3_file *file) {
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}
static int shim_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
    return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
}
static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
static void shim_shm_barrier(sqlite3_file *file) {
    real(file)->pMethods->xShmBarrier(real(file));
}
static int shim_shm_unmap(sqlite3_file *file, int delete_it) {
    return real(file)->pMethods->xShmUnmap(real(file), delete_it);
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = shim_close,
                                           .xRead = shim_read,
                                           .xWrite = shim_write,
                                           .xTruncate = shim_truncate,
                                           .xSync = shim_sync,
                                           .xFileSize = shim_size,
                                           .xLock = shim_lock,
                                           .xUnlock = shim_unlock,
                                           .xCheckReservedLock = shim_check_lock,
                                           .xFileControl = shim_control,
                                           .xSectorSize = shim_sector,
                                           .xDeviceCharacteristics = shim_device,
                                           .xShmMap = shim_shm_map,
                                           .xShmLock = shim_shm_lock,
                                           .xShmBarrier = shim_shm_barrier,
                                           .xShmUnmap = shim_shm_unmap};

static int shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out_flags) {
    (void)vfs;
    shim_file *opened = shim(file);
    *opened = (shim_file){.real = calloc(1, (size_t)real_vfs->szOsFile)};
    FQ_ASSERT(opened->real != NULL);
    const int rc = real_vfs->xOpen(real_vfs, name, opened->real, flags, out_flags);
    if (rc != SQLITE_OK) {
        free(opened->real);
        return rc;
    }
    opened->base.pMethods = &methods;
    if (name) {
        pthread_mutex_lock(&lock);
        opened->disk = disk_of(name);
        pthread_mutex_unlock(&lock);
    }
    return SQLITE_OK;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync_folder) {
    (void)vfs;
    pthread_mutex_lock(&lock);
    int rc = meet_fault(false, true);
    for (size_t i = 0; rc == SQLITE_OK && i < FILES_MAX; i++) {
        if (files[i] && strcmp(files[i]->path, name) == 0) {
            forget_pending(files[i]);
            files[i]->synced_len = 0;
            files[i]->len = 0;
        }
    }
    if (rc == SQLITE_OK) {
        rc = real_vfs->xDelete(real_vfs, name, sync_folder);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int shim_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
    (void)vfs;
    return real_vfs->xAccess(real_vfs, name, flags, out);
}
static int shim_full_path(sqlite3_vfs *vfs, const char *name, int len, char *out) {
    (void)vfs;
    return real_vfs->xFullPathname(real_vfs, name, len, out);
}

void powercut_install(void) {
    real_vfs = sqlite3_vfs_find(NULL);
    FQ_ASSERT(real_vfs != NULL);
    shim_vfs = *real_vfs;
    shim_vfs.szOsFile = (int)sizeof(shim_file);
    shim_vfs.zName = "powercut";
    shim_vfs.xOpen = shim_open;
    shim_vfs.xDelete = shim_delete;
    shim_vfs.xAccess = shim_access;
    shim_vfs.xFullPathname = shim_full_path;
    FQ_ASSERT(sqlite3_vfs_register(&shim_vfs, 1) == SQLITE_OK);
}

void powercut_remove(void) {
    powercut_plan(POWERCUT_NEVER, 0);
    sqlite3_vfs_unregister(&shim_vfs);
    sqlite3_vfs_register(real_vfs, 1);
}

void powercut_plan_from_here(powercut_fault planned, uint64_t at) {
    pthread_mutex_lock(&lock);
    fault = planned;
    fault_at = at;
    counted = 0;
    happened = false;
    pthread_mutex_unlock(&lock);
}

void powercut_plan(powercut_fault planned, uint64_t at) {
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (files[i]) {
            forget(files[i]);
            files[i] = NULL;
        }
    }
    powercut_plan_from_here(planned, at);
}

void powercut_mend(void) {
    pthread_mutex_lock(&lock);
    fault = POWERCUT_NEVER;
    pthread_mutex_unlock(&lock);
}

uint64_t powercut_count(void) {
    pthread_mutex_lock(&lock);
    const uint64_t count = counted;
    pthread_mutex_unlock(&lock);
    return count;
}

bool powercut_happened(void) {
    pthread_mutex_lock(&lock);
    const bool is = happened;
    pthread_mutex_unlock(&lock);
    return is;
}
