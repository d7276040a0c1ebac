// Which subcommands there are, and the way from the program's words to one of them. Runs nothing
// but the command asked.
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/output.h"

#include <stdlib.h>
#include <unistd.h>

#define X(name) extern const cli_command cli_##name;
#include "cli/commands.def"
#undef X

static const cli_command *const commands[] = {
#define X(name) &cli_##name,
#include "cli/commands.def"
#undef X
};

// To add a noun, add a row; its verbs are the commands that name it.
static const cli_noun nouns[] = {
    {"config", {"The configuration: what is set, and where", "配置：各项设置及其来源"}},
    {"db", {"The databases: migrate, check, back up", "数据库：升级、检查、备份"}},
    {"keys", {"API keys and data keys", "API 密钥与数据密钥"}},
    {"ledger", {"The books", "账本"}},
};

const cli_command *const *cli_commands(size_t *out_count) {
    *out_count = sizeof(commands) / sizeof(commands[0]);
    return commands;
}

const cli_noun *cli_nouns(size_t *out_count) {
    *out_count = sizeof(nouns) / sizeof(nouns[0]);
    return nouns;
}

static bool same(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

const cli_command *cli_find_command(const char *noun, const char *verb) {
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (same(commands[i]->noun, noun) && same(commands[i]->verb, verb)) {
            return commands[i];
        }
    }
    return NULL;
}

// A noun without any command is not there.
const cli_noun *cli_find_noun(const char *name) {
    for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
        for (size_t k = 0; same(nouns[i].name, name) && k < sizeof(commands) / sizeof(commands[0]);
             k++) {
            if (same(commands[k]->noun, name)) {
                return &nouns[i];
            }
        }
    }
    return NULL;
}

const char *cli_command_name(fq_arena *arena, const cli_command *command) {
    return command->noun ? fq_arena_printf(arena, "%s %s", command->noun, command->verb).at
                         : command->verb;
}

// The nearest word to what was typed, among the verbs of `noun` or, without one, among all first
// words.
static const char *nearest(const char *noun, const char *typed) {
    const char *best = NULL;
    unsigned best_distance = 3;  // further away is a guess
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (noun && !same(commands[i]->noun, noun)) {
            continue;
        }
        const char *word = noun || !commands[i]->noun ? commands[i]->verb : commands[i]->noun;
        const unsigned distance = fq_str_distance(fq_str_of(word), fq_str_of(typed));
        if (distance < best_distance) {
            best = word;
            best_distance = distance;
        }
    }
    return best;
}

static cli_exit unknown(const cli_call *call, const char *noun, const char *typed) {
    const char *guess = nearest(noun, typed);
    if (typed[0] == '-') {
        cli_complain(call, "flags stand behind the command; see 'feiqian --help'",
                     "参数应写在命令之后；参见 feiqian --help", NULL, NULL);
    } else if (guess) {
        cli_complain(call, "there is no command '{0}'; did you mean '{1}'?",
                     "没有命令“{0}”；您是否想输入“{1}”？", typed, guess);
    } else {
        cli_complain(call, "there is no command '{0}'; see 'feiqian --help'",
                     "没有命令“{0}”；参见 feiqian --help", typed, NULL);
    }
    return CLI_USAGE;
}

// Chinese where the environment's locale says so (POSIX: LC_ALL, then LC_MESSAGES, then LANG; empty
// ones do not count).
static fq_language language_of_environment(void) {
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value && value[0]) {
            return strncmp(value, "zh", 2) == 0 ? FQ_CHINESE : FQ_ENGLISH;
        }
    }
    return FQ_ENGLISH;
}

static cli_exit run_command(cli_call *call, int count, char *const words[]) {
    call->colour = cli_colour_wanted(call->out, NULL);
    if (!cli_parse(call, count, words)) {
        return CLI_USAGE;
    }
    call->colour = cli_colour_wanted(call->out, cli_text(call, "color"));
    if (call->help) {
        cli_help_command(call, call->command, call->out);
        return CLI_DONE;
    }
    const char *output = cli_text(call, "output");
    call->json = output ? strcmp(output, "json") == 0 : call->command->json_first;
    if (call->command->settings == CLI_WITH_SETTINGS) {
        fq_config_fault fault;
        if (!cli_load_settings(call, &fault)) {
            cli_complain(call, "{0}", "{0}", fault.sentence[call->language], NULL);
            return CLI_USAGE;
        }
        if (fq_config_is_given(&call->config, "log.language")) {
            call->language = (fq_language)call->config.settings.log_language;
        }
    }
    return call->command->run(call);
}

static cli_exit find_and_run(cli_call *call, int argc, char *const argv[]) {
    const char *first = argc > 1 ? argv[1] : NULL;
    if (!first) {
        cli_help_program(call, call->err);
        return CLI_USAGE;
    }
    if (same(first, "--help") || same(first, "-h")) {
        cli_help_program(call, call->out);
        return CLI_DONE;
    }
    call->command = cli_find_command(NULL, same(first, "--version") ? "version" : first);
    if (call->command) {
        return run_command(call, argc - 2, argv + 2);
    }
    const cli_noun *noun = cli_find_noun(first);
    if (!noun) {
        return unknown(call, NULL, first);
    }
    const char *second = argc > 2 ? argv[2] : NULL;
    if (!second || same(second, "--help") || same(second, "-h")) {
        cli_help_noun(call, noun, second ? call->out : call->err);
        return second ? CLI_DONE : CLI_USAGE;
    }
    call->command = cli_find_command(first, second);
    return call->command ? run_command(call, argc - 3, argv + 3) : unknown(call, first, second);
}

int fq_cli_main(int argc, char *const argv[], char *const environment[]) {
    cli_call call = {.in = stdin,
                     .out = stdout,
                     .err = stderr,
                     .environment = environment,
                     .language = language_of_environment()};
    fq_arena_init(&call.arena, CLI_ARENA_BYTES_MAX);
    call.colour = cli_colour_wanted(call.out, NULL);
    cli_exit code = find_and_run(&call, argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_complain(&call, "standard output could not be written", "无法写入标准输出", NULL, NULL);
        code = code == CLI_DONE ? CLI_UNREACHABLE : code;
    }
    fq_config_free(&call.config);
    fq_arena_wipe(&call.arena);
    fq_arena_free(&call.arena);
    return (int)code;
}
