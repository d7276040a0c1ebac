// Words to flags and arguments, strictly: an unknown flag, a second value, a missing one or one
// that is no number stops the command before it begins. Reads the command's table; opens no file.
#include "base/clock.h"
#include "cli/command.h"

#include <stdlib.h>

static const cli_flag common_flags[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_CHOICE,
     .value = "table|json",
     .help = {"How the answer is written.", "输出格式。"}},
    {.name = "color",
     .kind = CLI_CHOICE,
     .value = "auto|always|never",
     .standard = "auto",
     .help = {"Colour; auto: on a terminal, unless NO_COLOR is set.",
              "颜色；auto：仅在终端上且未设置 NO_COLOR 时使用。"}},
    {.name = "help",
     .letter = 'h',
     .kind = CLI_SWITCH,
     .help = {"Show this help.", "显示本帮助。"}},
    {.name = NULL},
};

static const cli_flag settings_flags[] = {
    {.name = "config",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"Configuration file; else the one that FEIQIAN_CONFIG names.",
              "配置文件；默认取环境变量 FEIQIAN_CONFIG。"}},
    {.name = NULL},
};

const cli_flag *cli_common_flags(void) {
    return common_flags;
}

const cli_flag *cli_settings_flags(void) {
    return settings_flags;
}

bool cli_next_choice(fq_str *rest, fq_str *out) {
    if (!rest->at || rest->len == 0) {
        return false;
    }
    const char *bar = memchr(rest->at, '|', rest->len);
    const size_t len = bar ? (size_t)(bar - rest->at) : rest->len;
    *out = (fq_str){rest->at, len};
    *rest = bar ? (fq_str){bar + 1, rest->len - len - 1} : (fq_str){0};
    return true;
}

// --- the tables ---

// The flags of a call stand in three lists.
enum { FLAG_LISTS = 3 };

static const cli_flag *flag_list(const cli_command *command, int list) {
    static const cli_flag none = {.name = NULL};
    const cli_flag *lists[FLAG_LISTS] = {command->flags ? command->flags : &none, common_flags,
                                         command->settings ? settings_flags : &none};
    return lists[list];
}

static const cli_flag *find_flag(const cli_command *command, fq_str name) {
    for (int list = 0; list < FLAG_LISTS; list++) {
        for (const cli_flag *flag = flag_list(command, list); flag->name; flag++) {
            if (fq_str_equal(fq_str_of(flag->name), name)) {
                return flag;
            }
        }
    }
    return NULL;
}

static const cli_flag *find_letter(const cli_command *command, char letter) {
    for (int list = 0; list < FLAG_LISTS; list++) {
        for (const cli_flag *flag = flag_list(command, list); flag->name; flag++) {
            if (flag->letter && flag->letter == letter) {
                return flag;
            }
        }
    }
    return NULL;
}

// The flag of the command that is nearest to what was typed, "--secret-file", or NULL.
static const char *nearest_flag(cli_call *call, fq_str typed) {
    const char *best = NULL;
    unsigned best_distance = 3;  // further away is a guess
    for (int list = 0; list < FLAG_LISTS; list++) {
        for (const cli_flag *flag = flag_list(call->command, list); flag->name; flag++) {
            const unsigned distance = fq_str_distance(fq_str_of(flag->name), typed);
            if (distance < best_distance) {
                best = flag->name;
                best_distance = distance;
            }
        }
    }
    return best ? fq_arena_printf(&call->arena, "--%s", best).at : NULL;
}

static bool unknown_flag(cli_call *call, const char *word, fq_str name) {
    const char *guess = nearest_flag(call, name);
    if (guess) {
        cli_complain(call, "there is no flag {0}; did you mean {1}?",
                     "没有参数 {0}；您是否想输入 {1}？", word, guess);
    } else {
        cli_complain(call, "there is no flag {0}; see --help", "没有参数 {0}；参见 --help", word,
                     NULL);
    }
    return false;
}

// --- values ---

static bool is_decimal(const char *text) {
    size_t digits = 0, points = 0;
    for (const char *at = text; *at; at++) {
        digits += *at >= '0' && *at <= '9';
        points += *at == '.';
    }
    return digits > 0 && points <= 1 && digits + points == strlen(text) && text[0] != '.';
}

static bool is_choice(const char *choices, const char *text) {
    fq_str rest = fq_str_of(choices), choice;
    while (cli_next_choice(&rest, &choice)) {
        if (fq_str_equal(choice, fq_str_of(text))) {
            return true;
        }
    }
    return false;
}

// What a value should look like, for the complaint; NULL when `text` does.
static const char *value_fault(cli_call *call, const cli_flag *flag, const char *text) {
    const bool bounded = flag->minimum != 0 || flag->maximum != 0;
    const bool chinese = call->language == FQ_CHINESE;
    int64_t number = 0;
    switch (flag->kind) {
    case CLI_SWITCH:
    case CLI_TEXT:
        return NULL;
    case CLI_FILE:
    case CLI_FOLDER:
        return text[0] ? NULL : (chinese ? "路径" : "a path");
    case CLI_DURATION:
        return fq_duration_parse(fq_str_of(text), &number)
                   ? NULL
                   : (chinese ? "时长，如 30s、5m" : "a time such as 30s or 5m");
    case CLI_CHOICE:
        return is_choice(flag->value, text) ? NULL : flag->value;
    case CLI_INTEGER:
        if (fq_str_to_i64(fq_str_of(text), &number) &&
            (!bounded || (number >= flag->minimum && number <= flag->maximum))) {
            return NULL;
        }
        break;
    case CLI_DECIMAL:
        if (is_decimal(text)) {
            const double decimal = strtod(text, NULL);
            if (!bounded ||
                (decimal >= (double)flag->minimum && decimal <= (double)flag->maximum)) {
                return NULL;
            }
        }
        break;
    }
    if (!bounded) {
        return chinese ? "数字" : "a number";
    }
    return fq_arena_printf(&call->arena,
                           chinese ? "%lld 到 %lld 的数字" : "a number from %lld to %lld",
                           (long long)flag->minimum, (long long)flag->maximum)
        .at;
}

static bool keep(cli_call *call, cli_given given) {
    if (call->given_count == CLI_GIVEN_MAX) {
        cli_complain(call, "too many flags", "参数过多", NULL, NULL);
        return false;
    }
    call->given[call->given_count++] = given;
    return true;
}

static bool keep_flag(cli_call *call, const cli_flag *flag, const char *text) {
    if (!flag->repeats && cli_given_flag(call, flag->name)) {
        cli_complain(call, "--{0} stands there twice", "--{0} 重复出现", flag->name, NULL);
        return false;
    }
    const char *wanted = value_fault(call, flag, text);
    if (wanted) {
        cli_complain(call, "--{0} wants {1}", "--{0} 应为{1}", flag->name, wanted);
        return false;
    }
    return keep(call, (cli_given){.flag = flag, .text = text});
}

// --- words ---

typedef struct {
    cli_call *call;
    char *const *words;
    int count, at;
} word_reader;

// The value behind a flag: what follows its '=', or the next word.
static bool take_value(word_reader *reader, const char *flag, const char *attached,
                       const char **out) {
    if (attached) {
        *out = attached;
        return true;
    }
    const char *next = reader->at < reader->count ? reader->words[reader->at] : NULL;
    if (!next || strncmp(next, "--", 2) == 0) {
        cli_complain(reader->call, "{0} needs a value", "{0} 需要一个值", flag, NULL);
        return false;
    }
    reader->at++;
    *out = next;
    return true;
}

static bool take_known(word_reader *reader, const cli_flag *flag, const char *word,
                       const char *attached) {
    if (flag->kind == CLI_SWITCH) {
        if (attached) {
            cli_complain(reader->call, "--{0} takes no value", "--{0} 不带值", flag->name, NULL);
            return false;
        }
        return keep_flag(reader->call, flag, "");
    }
    const char *value;
    return take_value(reader, word, attached, &value) && keep_flag(reader->call, flag, value);
}

static bool take_long(word_reader *reader, const char *word) {
    cli_call *call = reader->call;
    const char *equals = strchr(word, '=');
    const char *attached = equals ? equals + 1 : NULL;
    const fq_str name = {word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2)};
    const cli_flag *flag = find_flag(call->command, name);
    if (flag) {
        return take_known(reader, flag, fq_arena_printf(&call->arena, "--%s", flag->name).at,
                          attached);
    }
    const char *setting = fq_arena_printf(&call->arena, "--%.*s", FQ_STR_ARGS(name)).at;
    if (call->command->settings && fq_config_is_flag(setting)) {
        const char *value;
        return take_value(reader, setting, attached, &value) &&
               keep(call, (cli_given){.name = setting, .text = value});
    }
    return unknown_flag(call, setting, name);
}

static bool take_short(word_reader *reader, const char *word) {
    const cli_flag *flag = find_letter(reader->call->command, word[1]);
    if (!flag) {
        return unknown_flag(reader->call, word, fq_str_of(word + 1));
    }
    return take_known(reader, flag, word, word[2] ? word + 2 : NULL);
}

static bool take_argument(cli_call *call, const char *word) {
    const cli_argument *argument = call->command->arguments;
    for (size_t i = 0; argument && argument->name && i < call->argument_count; i++) {
        argument++;
    }
    if (!argument || !argument->name || call->argument_count == CLI_ARGUMENTS_MAX) {
        cli_complain(call, "'{0}' is one word too many", "多余的“{0}”", word, NULL);
        return false;
    }
    if (argument->choices && !is_choice(argument->choices, word)) {
        cli_complain(call, "{0} is one of {1}", "{0} 应为 {1} 之一", argument->name,
                     argument->choices);
        return false;
    }
    call->arguments[call->argument_count++] = word;
    return true;
}

static bool nothing_missing(cli_call *call) {
    for (const cli_flag *flag = flag_list(call->command, 0); flag->name; flag++) {
        if (flag->required && !cli_given_flag(call, flag->name)) {
            cli_complain(call, "--{0} is required; see --help", "缺少 --{0}；参见 --help",
                         flag->name, NULL);
            return false;
        }
    }
    size_t index = 0;
    for (const cli_argument *argument = call->command->arguments; argument && argument->name;
         argument++, index++) {
        if (argument->required && index >= call->argument_count) {
            cli_complain(call, "{0} is required; see --help", "缺少 {0}；参见 --help",
                         argument->name, NULL);
            return false;
        }
    }
    return true;
}

bool cli_parse(cli_call *call, int count, char *const words[]) {
    word_reader reader = {.call = call, .words = words, .count = count};
    bool flags_end = false;
    while (reader.at < count) {
        const char *word = words[reader.at++];
        bool right;
        if (!flags_end && strcmp(word, "--") == 0) {
            flags_end = true;
            continue;
        }
        if (flags_end || word[0] != '-' || !word[1]) {
            right = take_argument(call, word);
        } else {
            right = word[1] == '-' ? take_long(&reader, word) : take_short(&reader, word);
        }
        if (!right) {
            return false;
        }
    }
    call->help = cli_switch(call, "help");
    return call->help || nothing_missing(call);
}
