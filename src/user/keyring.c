// The key ring: where the master key comes from, and the wrapped keys that are rows of this
// service.
#include "user/rows.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/commit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { ARENA_BYTES_MAX = 1 << 20, FIRST_NUMBER = 1, INDEX_KEY_BITS = 256 };

// --- the master key ---

static bool is_url(const char *data) {
    return strstr(data, "://") != NULL;
}

// In the data folder; a database at a URL has none, so there it stands where a first start keeps
// its things.
static bool default_path(const fq_settings *settings, char out[PATH_MAX]) {
    const char *data = settings->user_data[0] ? settings->user_data : settings->server_data;
    const int len = snprintf(out, PATH_MAX, "%s/master.key", is_url(data) ? "./var" : data);
    return len > 0 && len < PATH_MAX;
}

static fq_err tell(fq_err err, const char *path) {
    if (err.code) {
        const fq_fill *reason = &err.detail.blank[0];
        fq_log(FQ_LOG_ERROR, "the master key cannot be had; see crypto.master_key_file",
               FQ_LOG_TEXT("path", path),
               FQ_LOG_TEXT("reason", reason->kind == FQ_FILL_TEXT ? reason->value.text : ""));
    }
    return err;
}

static fq_err make_file(const char *path) {
    fq_master_key made;
    if (strcmp(path, "./var/master.key") == 0 && mkdir("./var", S_IRWXU) != 0 && errno != EEXIST) {
        return fq_refuse_text(FQ_INVALID_FIELD, "crypto.master_key_file", "./var cannot be made");
    }
    FQ_TRY(fq_master_key_make_file(path, "crypto.master_key_file", &made));
    fq_master_key_wipe(&made);
    fq_log(FQ_LOG_INFO, "a master key was made; without it the data cannot be read",
           FQ_LOG_TEXT("path", path));
    return FQ_OK;
}

// Where the master key comes from, for people and to be opened.
static fq_err find_master_key(const fq_settings *settings, char out[PATH_MAX]) {
    if (settings->crypto_master_key[0]) {
        snprintf(out, PATH_MAX, "crypto.master_key");
    } else if (settings->crypto_master_key_file[0]) {
        snprintf(out, PATH_MAX, "%s", settings->crypto_master_key_file);
    } else if (!default_path(settings, out)) {
        return tell(fq_refuse(FQ_INVALID_FIELD, "crypto.master_key_file"), "");
    }
    return FQ_OK;
}

// `first`: nothing is sealed yet, so that a key may still be made. A live system is given one.
static fq_err get_master_key(const fq_service *service, bool first, const char *path,
                             fq_master_key *out) {
    const fq_settings *settings = service->settings;
    struct stat about;
    if (settings->crypto_master_key[0]) {
        const fq_str text = fq_str_of(settings->crypto_master_key);
        return tell(fq_master_key_from_base64(text, "crypto.master_key", out), path);
    }
    if (first && !settings->crypto_master_key_file[0] && lstat(path, &about) != 0 &&
        errno == ENOENT) {
        if (service->live) {
            return tell(fq_refuse_text(FQ_INVALID_FIELD, "crypto.master_key_file",
                                       "in live mode none is made at the first start: make the "
                                       "file, 32 random bytes in base64, mode 0600"),
                        path);
        }
        FQ_TRY(tell(make_file(path), path));
    }
    return tell(fq_master_key_from_file(path, "crypto.master_key_file", out), path);
}

// --- the wrapped keys ---

typedef struct {
    fq_arena *arena;
    fq_str wrapped[2 * FQ_KEYRING_KEYS_MAX];
    size_t count;
} collecting;

static bool collect(void *context, const fq_row *row) {
    collecting *at = context;
    at->wrapped[at->count++] = fq_arena_copy(at->arena, ((const data_key_row *)row)->wrapped);
    return at->count < sizeof(at->wrapped) / sizeof(at->wrapped[0]);
}

static fq_err read_keys(fq_service *service, collecting *into) {
    return fq_service_scan(
        service,
        &(fq_scan){.table = &data_key_table, .forward = true, .visit = collect, .context = into});
}

static fq_err add_keys(fq_keyring *keyring, const collecting *found) {
    for (size_t i = 0; i < found->count; i++) {
        uint32_t number;
        FQ_TRY(fq_keyring_add(keyring, found->wrapped[i], &number));
    }
    return FQ_OK;
}

fq_err user_keyring_reload(fq_service *service) {
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    collecting found = {.arena = &arena};
    fq_err err = read_keys(service, &found);
    if (!err.code) {
        err = add_keys(service->keyring, &found);
    }
    fq_arena_free(&arena);
    return err;
}

// --- the first start ---

// The first data key and the index key, in a commit of its own: the writer is not there yet. Of two
// processes that start at once, one makes them, and both read those.
static fq_err make_first_keys(fq_service *service, fq_arena *arena) {
    data_keys_keep keep = {
        .base = {.kind = &data_keys_keep_kind, .arena = arena, .units = 1},
        .keys = {{.kind = FQ_WRAPPED_DATA, .number = FIRST_NUMBER},
                 {.kind = FQ_WRAPPED_INDEX, .number = FIRST_NUMBER}},
        .count = 2,
    };
    for (size_t i = 0; i < keep.count; i++) {
        const unsigned bits = keep.keys[i].kind == FQ_WRAPPED_INDEX
                                  ? INDEX_KEY_BITS
                                  : (unsigned)service->settings->crypto_data_key_bits;
        FQ_TRY(fq_keyring_make(service->keyring, keep.keys[i].kind, FIRST_NUMBER, bits,
                               &keep.keys[i].wrapped));
    }
    fq_commit commit;
    fq_writer_sample sample = {0};
    fq_command *list = &keep.base, *deferred = NULL;
    fq_err err = fq_commit_open(&commit, service->engine);
    if (!err.code) {
        err = fq_commit_batch(&commit, fq_wall_ms(), &list, &deferred, &sample);
        fq_commit_close(&commit);
    }
    return err.code ? err : keep.base.outcome;
}

static fq_err load(fq_service *service, fq_arena *arena) {
    collecting found = {.arena = arena};
    fq_master_key master;
    char path[PATH_MAX];
    FQ_TRY(read_keys(service, &found));
    FQ_TRY(find_master_key(service->settings, path));
    FQ_TRY(get_master_key(service, found.count == 0, path, &master));
    service->keyring = fq_keyring_new(&master);
    fq_master_key_wipe(&master);
    if (found.count == 0) {
        FQ_TRY(make_first_keys(service, arena));
        FQ_TRY(read_keys(service, &found));
    }
    return tell(add_keys(service->keyring, &found), path);
}

fq_err user_keyring_open(fq_service *service) {
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    const fq_err err = load(service, &arena);
    fq_arena_free(&arena);
    return err;
}
