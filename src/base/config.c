// Settings from file, environment and flags, checked against the table. What is told to people is
// in config_text.c.
#include "base/config.h"

#include "base/clock.h"
#include "base/config_text.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <sys/stat.h>

enum { ARENA_BYTES_MAX = 8 * 1024 * 1024, NAME_MAX_BYTES = 96, VALUE_MAX_BYTES = 4096 };

static const fq_setting_row rows[FQ_SETTING_COUNT] = {
#define FLAG_0 false, false  // secret, reloads
#define FLAG_S true, false
#define FLAG_R false, true
#define X(section, name, type, standard, allowed, flags, en, zh) \
    {#section, #name,        FQ_TYPE_##type, standard,           \
     allowed,  FLAG_##flags, {en, zh},       offsetof(fq_settings, section##_##name)},
#include "base/settings.def"
#undef X
};

const fq_setting_row *fq_setting_rows(void) {
    return rows;
}

// Where a value came from, for faults.
typedef struct {
    fq_config *config;
    const char *origin;
    fq_config_fault *fault;
} source;

// The index of `choice` in "a|b|c", or -1.
static int choice_index(const char *allowed, fq_str choice) {
    for (int index = 0;; index++) {
        const size_t len = strcspn(allowed, "|");
        if (fq_str_equal((fq_str){allowed, len}, choice)) {
            return index;
        }
        if (allowed[len] == '\0') {
            return -1;
        }
        allowed += len + 1;
    }
}

static bool parse_number(fq_setting_type type, fq_str text, int64_t *out) {
    switch (type) {
    case FQ_TYPE_INTEGER:
        return fq_str_to_i64(text, out);
    case FQ_TYPE_DURATION:
        return fq_duration_parse(text, out);
    case FQ_TYPE_SIZE:
        return fq_size_parse(text, out);
    case FQ_TYPE_TEXT:
    case FQ_TYPE_BOOL:
    case FQ_TYPE_CHOICE:
        break;
    }
    return false;
}

static bool is_allowed(const fq_setting_row *row, fq_str text, int64_t number) {
    const char *range = strstr(row->allowed, "..");
    if (!range) {
        return row->allowed[0] == '\0' || choice_index(row->allowed, text) >= 0;
    }
    int64_t from, to;
    FQ_ASSERT(
        parse_number(row->type, (fq_str){row->allowed, (size_t)(range - row->allowed)}, &from));
    FQ_ASSERT(parse_number(row->type, fq_str_of(range + 2), &to));
    return number >= from && number <= to;
}

// Stores `text` (which lives with the configuration) at `at`, when it is right.
static bool parse_value(const fq_setting_row *row, const char *text, void *at) {
    const fq_str view = fq_str_of(text);
    int64_t number;
    int index;
    switch (row->type) {
    case FQ_TYPE_TEXT:
        *(const char **)at = text;
        return fq_utf8_valid(view, NULL) && is_allowed(row, view, 0);
    case FQ_TYPE_INTEGER:
    case FQ_TYPE_DURATION:
    case FQ_TYPE_SIZE:
        if (!parse_number(row->type, view, &number) || !is_allowed(row, view, number)) {
            return false;
        }
        *(int64_t *)at = number;
        return true;
    case FQ_TYPE_BOOL:
        *(bool *)at = strcmp(text, "true") == 0;
        return *(bool *)at || strcmp(text, "false") == 0;
    case FQ_TYPE_CHOICE:
        index = choice_index(row->allowed, view);
        *(int *)at = index;
        return index >= 0;
    }
    return false;
}

static bool set_row(const source *from, const fq_setting_row *row, const char *value) {
    fq_config *config = from->config;
    const size_t index = (size_t)(row - rows);
    if (strlen(value) > VALUE_MAX_BYTES) {
        fq_config_say(from->fault, "%s: %s.%s is longer than %d bytes.", "%s：%s.%s 超过 %d 字节。",
                      from->origin, row->section, row->name, VALUE_MAX_BYTES);
        return false;
    }
    const char *text = fq_arena_text(&config->arena, fq_str_of(value));
    if (!parse_value(row, text, (char *)&config->settings + row->offset)) {
        fq_config_say_bad_value(from->fault, from->origin, row, value);
        return false;
    }
    config->text[index] = text;
    config->origin[index] = fq_arena_text(&config->arena, fq_str_of(from->origin));
    return true;
}

void fq_config_init(fq_config *config) {
    *config = (fq_config){0};
    fq_arena_init(&config->arena, ARENA_BYTES_MAX);
    fq_config_fault fault;
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        FQ_ASSERT(set_row(&(source){config, "default", &fault}, &rows[i], rows[i].standard));
    }
}

void fq_config_free(fq_config *config) {
    fq_arena_wipe(&config->arena);
    fq_arena_free(&config->arena);
    *config = (fq_config){0};
}

// Section and name with `joint` between them.
static void write_name(const fq_setting_row *row, char joint, char out[NAME_MAX_BYTES]) {
    snprintf(out, NAME_MAX_BYTES, "%s%c%s", row->section, joint, row->name);
}

static const fq_setting_row *find_row(const char *name) {
    char known[NAME_MAX_BYTES];
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        write_name(&rows[i], '.', known);
        if (strcmp(known, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

// By a name whose only joint is '_' ("log_level").
static const fq_setting_row *find_flat_row(const char *name) {
    char known[NAME_MAX_BYTES];
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        write_name(&rows[i], '_', known);
        if (strcmp(known, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool fq_config_set(fq_config *config, const char *name, const char *value, const char *origin,
                   fq_config_fault *out_fault) {
    const fq_setting_row *row = find_row(name);
    if (!row) {
        fq_config_say_unknown(out_fault, origin, name, FQ_NAME_OF_FILE);
        return false;
    }
    return set_row(&(source){config, origin, out_fault}, row, value);
}

bool fq_config_is_given(const fq_config *config, const char *name) {
    const fq_setting_row *row = find_row(name);
    FQ_ASSERT(row != NULL);
    return strcmp(config->origin[row - rows], "default") != 0;
}

// Reloading.

static void take_over(void *live, const void *fresh, fq_setting_type type) {
    switch (type) {
    case FQ_TYPE_INTEGER:
    case FQ_TYPE_DURATION:
    case FQ_TYPE_SIZE:
        atomic_store((_Atomic int64_t *)live, *(const int64_t *)fresh);
        return;
    case FQ_TYPE_CHOICE:
        atomic_store((_Atomic int *)live, *(const int *)fresh);
        return;
    case FQ_TYPE_TEXT:
    case FQ_TYPE_BOOL:
        break;
    }
    fq_assert_failed("a setting of this type cannot be replaced while it is read", __FILE__,
                     __LINE__);
}

void fq_config_take_over(fq_config *live, const fq_config *fresh,
                         void (*tell)(const fq_setting_row *row, bool taken)) {
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        const fq_setting_row *row = &rows[i];
        if (strcmp(live->text[i], fresh->text[i]) == 0) {
            continue;
        }
        if (row->reloads) {
            take_over((char *)&live->settings + row->offset,
                      (const char *)&fresh->settings + row->offset, row->type);
            live->text[i] = fq_arena_text(&live->arena, fq_str_of(fresh->text[i]));
            live->origin[i] = fq_arena_text(&live->arena, fq_str_of(fresh->origin[i]));
        }
        tell(row, row->reloads);
    }
}

// The file.

typedef struct {
    source source;
    fq_str rest;  // what has not been read yet
    const char *path;
    int line;
    bool failed;
    bool seen[FQ_SETTING_COUNT];
    char origin[512];
} ini_file;

static void at_line(ini_file *file) {
    snprintf(file->origin, sizeof(file->origin), "%.480s:%d", file->path, file->line);
}

// Gives inih one line at a time. Leading blanks go, or inih would join the line to the one before;
// a line longer than its buffer, which it would read as two, is a fault.
static char *next_line(char *out, int out_bytes_max, void *state) {
    ini_file *file = state;
    if (file->failed || file->rest.len == 0) {
        return NULL;
    }
    const char *end = memchr(file->rest.at, '\n', file->rest.len);
    const size_t taken = end ? (size_t)(end - file->rest.at) + 1 : file->rest.len;
    const fq_str text = fq_str_trim((fq_str){file->rest.at, end ? taken - 1 : taken});
    file->rest = (fq_str){file->rest.at + taken, file->rest.len - taken};
    file->line++;
    at_line(file);
    if (text.len >= (size_t)out_bytes_max - 1) {
        fq_config_say(file->source.fault, "%s: the line is too long.", "%s：该行过长。",
                      file->origin);
        file->failed = true;
        return NULL;
    }
    memcpy(out, text.at, text.len);
    out[text.len] = '\0';
    return out;
}

// Called by inih for each name = value. It stops at nothing, so only the first fault is told.
static int take_line(void *state, const char *section, const char *name, const char *value) {
    ini_file *file = state;
    if (file->failed) {
        return 0;
    }
    char full[NAME_MAX_BYTES];
    snprintf(full, sizeof(full), "%.40s.%.50s", section, name);
    const fq_setting_row *row = find_row(full);
    file->failed = true;
    if (!row) {
        fq_config_say_unknown(file->source.fault, file->origin, full, FQ_NAME_OF_FILE);
        return 0;
    }
    if (file->seen[row - rows]) {
        fq_config_say(file->source.fault, "%s: %s stands twice in this file.",
                      "%s：%s 在文件中出现两次。", file->origin, full);
        return 0;
    }
    file->seen[row - rows] = true;
    file->failed = !set_row(&file->source, row, value);
    return !file->failed;
}

// The whole of a regular file, which may hold neither more than FQ_CONFIG_FILE_BYTES_MAX nor a NUL.
static bool read_whole(const char *path, fq_buffer *out, fq_config_fault *out_fault) {
    FILE *file = fopen(path, "re");
    struct stat about;
    if (!file || fstat(fileno(file), &about) != 0) {
        fq_config_say(out_fault, "%s cannot be opened: %s.", "无法打开 %s：%s。", path,
                      strerror(errno));
        if (file) {
            fclose(file);
        }
        return false;
    }
    char *at = fq_buffer_reserve(out, FQ_CONFIG_FILE_BYTES_MAX + 1);
    out->len = S_ISREG(about.st_mode) ? fread(at, 1, FQ_CONFIG_FILE_BYTES_MAX + 1, file) : 0;
    const bool right = S_ISREG(about.st_mode) && !ferror(file) &&
                       out->len <= FQ_CONFIG_FILE_BYTES_MAX && !memchr(at, '\0', out->len);
    fclose(file);
    if (!right) {
        fq_config_say(out_fault, "%s is no text file of at most %d bytes.",
                      "%s 不是不超过 %d 字节的文本文件。", path, FQ_CONFIG_FILE_BYTES_MAX);
    }
    return right;
}

bool fq_config_load_file(fq_config *config, const char *path, fq_config_fault *out_fault) {
    fq_buffer text;
    fq_buffer_init(&text, FQ_CONFIG_FILE_BYTES_MAX + 1);
    ini_file file = {.source = {config, NULL, out_fault}, .path = path};
    file.source.origin = file.origin;
    file.failed = !read_whole(path, &text, out_fault);
    if (!file.failed) {
        file.rest = fq_buffer_str(&text);
        const int faulty_line = ini_parse_stream(next_line, &file, take_line, &file);
        if (faulty_line != 0 && !file.failed) {
            file.line = faulty_line;
            at_line(&file);
            fq_config_say(out_fault, "%s: expected [section], name = value, or a comment.",
                          "%s：应为 [section]、name = value 或注释。", file.origin);
            file.failed = true;
        }
    }
    fq_buffer_free(&text);
    return !file.failed;
}

// The environment.

static bool is_other_name(const char *name) {
    static const char *const others[] = {FQ_OTHER_ENVIRONMENT};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        const size_t len = strlen(others[i]);
        const bool prefix = others[i][len - 1] == '*';
        if (prefix ? strncmp(name, others[i], len - 1) == 0 : strcmp(name, others[i]) == 0) {
            return true;
        }
    }
    return false;
}

// Lower case, and '-' as '_'. False when it does not fit.
static bool flatten(fq_str name, char out[NAME_MAX_BYTES]) {
    if (name.len >= NAME_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.at[i];
        out[i] = c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    out[name.len] = '\0';
    return true;
}

bool fq_config_load_environment(fq_config *config, char *const environment[],
                                fq_config_fault *out_fault) {
    static const char prefix[] = "FEIQIAN_";
    const size_t prefix_len = sizeof(prefix) - 1;
    for (; *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        if (!equals || strncmp(*environment, prefix, prefix_len) != 0) {
            continue;
        }
        char name[NAME_MAX_BYTES + 16], flat[NAME_MAX_BYTES];
        snprintf(name, sizeof(name), "%.*s", (int)(equals - *environment), *environment);
        if (is_other_name(name)) {
            continue;
        }
        const fq_str own = fq_str_of(name + prefix_len);
        const fq_setting_row *row = flatten(own, flat) ? find_flat_row(flat) : NULL;
        if (!row) {
            fq_config_say_unknown(out_fault, "environment", name, FQ_NAME_OF_ENVIRONMENT);
            return false;
        }
        if (!set_row(&(source){config, name, out_fault}, row, equals + 1)) {
            return false;
        }
    }
    return true;
}

// Flags.

static const fq_setting_row *find_flag(const char *flag) {
    char flat[NAME_MAX_BYTES];
    const bool long_flag = strncmp(flag, "--", 2) == 0 && !strchr(flag, '_');
    return long_flag && flatten(fq_str_of(flag + 2), flat) ? find_flat_row(flat) : NULL;
}

bool fq_config_is_flag(const char *flag) {
    return find_flag(flag) != NULL;
}

bool fq_config_set_flag(fq_config *config, const char *flag, const char *value,
                        fq_config_fault *out_fault) {
    const fq_setting_row *row = find_flag(flag);
    if (!row) {
        fq_config_say_unknown(out_fault, "command line", flag, FQ_NAME_OF_FLAG);
        return false;
    }
    if (row->secret) {
        fq_config_say(out_fault,
                      "%s: a secret cannot be given on the command line, where others can read it.",
                      "%s：密钥不能写在命令行上，以免被他人看到。", flag);
        return false;
    }
    return set_row(&(source){config, flag, out_fault}, row, value);
}
