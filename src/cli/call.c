// What a running command asks of its call: the flags it was given, the configuration, files, and
// words to the user.
#include "base/clock.h"
#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>

// --- flags ---

static bool is_named(const cli_given *given, const char *name) {
    return given->flag && strcmp(given->flag->name, name) == 0;
}

static const cli_flag *flag_in(const cli_flag *flags, const char *name) {
    for (; flags && flags->name; flags++) {
        if (strcmp(flags->name, name) == 0) {
            return flags;
        }
    }
    return NULL;
}

// The row of a flag that the command has; asking for another is our mistake.
static const cli_flag *row_of(const cli_call *call, const char *name) {
    const cli_flag *flag = flag_in(call->command->flags, name);
    flag = flag ? flag : flag_in(cli_common_flags(), name);
    flag = flag ? flag : flag_in(cli_settings_flags(), name);
    FQ_ASSERT(flag != NULL);
    return flag;
}

bool cli_given_flag(const cli_call *call, const char *name) {
    return cli_text_at(call, name, 0) != NULL;
}

bool cli_switch(const cli_call *call, const char *name) {
    FQ_ASSERT(row_of(call, name)->kind == CLI_SWITCH);
    return cli_given_flag(call, name);
}

const char *cli_text(const cli_call *call, const char *name) {
    const char *text = row_of(call, name)->standard;
    for (size_t i = 0; i < call->given_count; i++) {
        text = is_named(&call->given[i], name) ? call->given[i].text : text;
    }
    return text;
}

const char *cli_text_at(const cli_call *call, const char *name, size_t index) {
    for (size_t i = 0; i < call->given_count; i++) {
        if (is_named(&call->given[i], name) && index-- == 0) {
            return call->given[i].text;
        }
    }
    return NULL;
}

int64_t cli_integer(const cli_call *call, const char *name, int64_t fallback) {
    const char *text = cli_text(call, name);
    int64_t number = fallback;
    FQ_ASSERT(!text || fq_str_to_i64(fq_str_of(text), &number));
    return number;
}

double cli_decimal(const cli_call *call, const char *name, double fallback) {
    const char *text = cli_text(call, name);
    return text ? strtod(text, NULL) : fallback;
}

int64_t cli_duration_ms(const cli_call *call, const char *name, int64_t fallback) {
    const char *text = cli_text(call, name);
    int64_t duration_ms = fallback;
    FQ_ASSERT(!text || fq_duration_parse(fq_str_of(text), &duration_ms));
    return duration_ms;
}

// --- configuration ---

static const char *environment_value(const cli_call *call, const char *name) {
    const size_t len = strlen(name);
    for (char *const *entry = call->environment; entry && *entry; entry++) {
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=') {
            return *entry + len + 1;
        }
    }
    return NULL;
}

bool cli_load_settings(cli_call *call, fq_config_fault *out_fault) {
    fq_config *config = &call->config;
    fq_config_init(config);
    const char *path = cli_text(call, "config");
    path = path ? path : environment_value(call, "FEIQIAN_CONFIG");
    if (path && path[0] && !fq_config_load_file(config, path, out_fault)) {
        return false;
    }
    if (!fq_config_load_environment(config, call->environment, out_fault)) {
        return false;
    }
    for (size_t i = 0; i < call->given_count; i++) {
        const cli_given *given = &call->given[i];
        if (!given->flag && !fq_config_set_flag(config, given->name, given->text, out_fault)) {
            return false;
        }
        if (given->flag && given->flag->setting) {
            const char *origin = fq_arena_printf(&call->arena, "--%s", given->flag->name).at;
            if (!fq_config_set(config, given->flag->setting, given->text, origin, out_fault)) {
                return false;
            }
        }
    }
    return fq_config_check(config, out_fault) &&
           (!call->command->serves || fq_config_check_peers(config, out_fault));
}

// --- words to the user ---

static void print_filled(FILE *out, const char *sentence, const char *const fills[2]) {
    for (const char *at = sentence; *at; at++) {
        const int blank =
            at[0] == '{' && (at[1] == '0' || at[1] == '1') && at[2] == '}' ? at[1] - '0' : -1;
        if (blank < 0) {
            fputc(*at, out);
        } else {
            fputs(fills[blank] ? fills[blank] : "", out);
            at += 2;
        }
    }
}

void cli_complain(const cli_call *call, const char *english, const char *chinese, const char *first,
                  const char *second) {
    const cli_command *command = call->command;
    fputs("feiqian", call->err);
    if (command && command->noun) {
        fprintf(call->err, " %s", command->noun);
    }
    if (command) {
        fprintf(call->err, " %s", command->verb);
    }
    fputs(": ", call->err);
    print_filled(call->err, call->language == FQ_CHINESE ? chinese : english,
                 (const char *const[2]){first, second});
    fputc('\n', call->err);
}

void cli_complain_err(const cli_call *call, fq_err err) {
    char sentence[512];
    fq_error_sentence(err, call->language, sentence, sizeof(sentence));
    cli_complain(call, "{0}", "{0}", sentence, NULL);
}

// --- files ---

static void close_file(FILE **file) {
    if (*file && *file != stdin) {
        fclose(*file);
    }
}

// One byte more than is allowed is read, so that "too large" shows.
static bool read_all(FILE *file, size_t bytes_max, fq_arena *arena, fq_str *out,
                     bool *out_too_large) {
    fq_buffer content __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&content, bytes_max + 1);
    size_t got = 0;
    do {
        const size_t want =
            content.len + 16384 > bytes_max + 1 ? bytes_max + 1 - content.len : 16384;
        char *space = want ? fq_buffer_reserve(&content, want) : NULL;
        got = space ? fread(space, 1, want, file) : 0;
        content.len += got;
    } while (got > 0);
    *out_too_large = content.len > bytes_max;
    if (ferror(file) || *out_too_large) {
        return false;
    }
    *out = fq_arena_copy(arena, fq_buffer_str(&content));
    explicit_bzero(content.at, content.len);  // it may have been a key
    return true;
}

bool cli_read_file(cli_call *call, const char *path, size_t bytes_max, fq_str *out) {
    FILE *file __attribute__((cleanup(close_file))) =
        strcmp(path, "-") == 0 ? call->in : fopen(path, "re");
    bool too_large = false;
    errno = 0;
    if (file && read_all(file, bytes_max, &call->arena, out, &too_large)) {
        return true;
    }
    if (too_large) {
        cli_complain(call, "{0} is too large", "{0} 过大", path, NULL);
    } else {
        cli_complain(call, "cannot read {0}: {1}", "无法读取 {0}：{1}", path, strerror(errno));
    }
    return false;
}
