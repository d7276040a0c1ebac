// Settings: defaults, one INI file, the environment, flags; the later wins. All of them stand in
// settings.def; an unknown name is an error that tells the nearest known one. Reads files and text;
// acts on nothing.
#pragma once

#include "base/arena.h"
#include "base/buffer.h"

#include <stdatomic.h>

// By type and flag. What a running server takes over on reload (R) is read by every thread
// meanwhile, so it is atomic; who needs one twice reads it once.
typedef const char *fq_setting_TEXT_0, *fq_setting_TEXT_S;
typedef int64_t fq_setting_INTEGER_0;  // a number
typedef _Atomic int64_t fq_setting_INTEGER_R;
typedef int64_t fq_setting_DURATION_0;  // milliseconds
typedef _Atomic int64_t fq_setting_DURATION_R;
typedef int64_t fq_setting_SIZE_0;  // bytes
typedef _Atomic int64_t fq_setting_SIZE_R;
typedef bool fq_setting_BOOL_0;
typedef int fq_setting_CHOICE_0;  // the index in `allowed`
typedef _Atomic int fq_setting_CHOICE_R;

// What everybody reads: one member a row of settings.def, `section_name`. Text is never NULL.
typedef struct {
#define X(section, name, type, standard, allowed, flags, en, zh) \
    fq_setting_##type##_##flags section##_##name;
#include "base/settings.def"
#undef X
} fq_settings;

typedef enum {
#define X(section, name, type, standard, allowed, flags, en, zh) FQ_SETTING_##section##_##name,
#include "base/settings.def"
#undef X
    FQ_SETTING_COUNT
} fq_setting;

// Readable names for some choices; their order is that of settings.def.
enum { FQ_MODE_SANDBOX = 0, FQ_MODE_LIVE = 1 };
enum { FQ_TLS_1_2 = 0, FQ_TLS_1_3 = 1 };

typedef enum {
    FQ_TYPE_TEXT,
    FQ_TYPE_INTEGER,
    FQ_TYPE_DURATION,
    FQ_TYPE_SIZE,
    FQ_TYPE_BOOL,
    FQ_TYPE_CHOICE
} fq_setting_type;

typedef struct {
    const char *section, *name;
    fq_setting_type type;
    const char *standard;  // the default, as text
    const char *allowed;   // "a|b", "from..to" or ""
    bool secret, reloads;
    const char *sentence[2];  // [FQ_ENGLISH], [FQ_CHINESE]
    size_t offset;            // in fq_settings
} fq_setting_row;

// The whole table, FQ_SETTING_COUNT rows.
const fq_setting_row *fq_setting_rows(void);

typedef struct {
    fq_settings settings;
    const char *text[FQ_SETTING_COUNT];  // each value as it was written
    const char *origin
        [FQ_SETTING_COUNT];  // "default", "feiqian.conf:12", "FEIQIAN_LOG_LEVEL", "--log-level"
    fq_arena arena;          // what the texts live in
} fq_config;

#define FQ_CONFIG_FILE_BYTES_MAX (256 * 1024)
#define FQ_CONFIG_FAULT_MAX 768
// Why a configuration was refused, in whole sentences: where, which key, which value, what is
// allowed.
typedef struct {
    char sentence[2][FQ_CONFIG_FAULT_MAX];  // [FQ_ENGLISH], [FQ_CHINESE]
} fq_config_fault;

// All defaults. Never fails.
void fq_config_init(fq_config *config);
void fq_config_free(fq_config *config);

// Each returns false and fills `out_fault` at the first fault; the configuration must not be used
// then. An INI file of [section] and name = value; whole-line comments with # or ;.
FQ_MUST_USE bool fq_config_load_file(fq_config *config, const char *path,
                                     fq_config_fault *out_fault);
// FEIQIAN_SECTION_NAME of `environment` ("NAME=value", NULL at the end). Names of
// FQ_OTHER_ENVIRONMENT are not settings and pass; any other FEIQIAN_ name is a fault. Empty values
// count.
FQ_MUST_USE bool fq_config_load_environment(fq_config *config, char *const environment[],
                                            fq_config_fault *out_fault);
// One flag, "--section-name" (dashes for both '_' and '.') with its value. Secrets are refused: a
// command line is public.
FQ_MUST_USE bool fq_config_set_flag(fq_config *config, const char *flag, const char *value,
                                    fq_config_fault *out_fault);
// One setting by its name "section.name"; `origin` is told in faults. For short flags such as
// --listen.
FQ_MUST_USE bool fq_config_set(fq_config *config, const char *name, const char *value,
                               const char *origin, fq_config_fault *out_fault);
// Was the setting of that name ("section.name") given anywhere, even as its default?
bool fq_config_is_given(const fq_config *config, const char *name);
// What the table cannot say: the form of addresses and URLs, file pairs, ranges that depend on each
// other.
FQ_MUST_USE bool fq_config_check(const fq_config *config, fq_config_fault *out_fault);
// Of a process that serves: is it said where the services are that it leaves out? What only looks
// into databases need not know.
FQ_MUST_USE bool fq_config_check_peers(const fq_config *config, fq_config_fault *out_fault);

// Makes `live`, which every thread may be reading, what `fresh` says, as far as settings reload.
// `tell` is called for each that differs, with whether it was taken over; the others keep their
// values until a restart.
void fq_config_take_over(fq_config *live, const fq_config *fresh,
                         void (*tell)(const fq_setting_row *row, bool taken));

// Is `flag` ("--log-level") that of a setting? For the command line's parser.
bool fq_config_is_flag(const char *flag);

// A whole configuration file: each setting with its sentence, what is allowed, its default; secrets
// as "(hidden)". `language` is FQ_ENGLISH or FQ_CHINESE.
void fq_config_print(const fq_config *config, fq_language language, fq_buffer *out);

// Names in the environment that belong to the program but are no settings; a trailing '*' stands
// for anything.
#define FQ_OTHER_ENVIRONMENT \
    "FEIQIAN_CONFIG", "FEIQIAN_URL", "FEIQIAN_KEY", "FEIQIAN_KEY_FILE", "FEIQIAN_TEST_*"
