// --help on every level, printed from the tables.
#include "cli/output.h"

enum { HELP_COLUMN_MAX = 30, VALUE_COLUMNS_MAX = 40 };

static const char *say(const cli_call *call, const char *english, const char *chinese) {
    return call->language == FQ_CHINESE ? chinese : english;
}

static void heading(const cli_call *call, FILE *out, const char *english, const char *chinese) {
    fprintf(out, "\n%s%s%s\n", cli_escape(call->colour, CLI_BOLD), say(call, english, chinese),
            cli_escape(call->colour, CLI_PLAIN));
}

// "  left      right", the right one wrapped; on a line of its own where the left one is long.
static void row(FILE *out, const char *left, const char *right, size_t column) {
    fprintf(out, "  %s", left);
    size_t at = 2 + strlen(left);
    if (at + 2 > column) {
        fputc('\n', out);
        at = 0;
    }
    cli_print_spaces(out, column - at);
    cli_print_wrapped(out, right, column, column);
}

// --- the program ---

void cli_help_program(const cli_call *call, FILE *out) {
    fputs(say(call, "Feiqian, a payment system.\n\nUsage: feiqian COMMAND [flags]\n",
              "飞钱，支付系统。\n\n用法：feiqian 命令 [参数]\n"),
          out);
    heading(call, out, "Commands", "命令");
    size_t count;
    const cli_command *const *commands = cli_commands(&count);
    const char *noun = NULL;
    for (size_t i = 0; i < count; i++) {
        const cli_command *command = commands[i];
        if (!command->noun) {
            row(out, command->verb, command->summary[call->language], 16);
        } else if (!noun || strcmp(noun, command->noun) != 0) {
            row(out, command->noun, cli_find_noun(command->noun)->summary[call->language], 16);
        }
        noun = command->noun;
    }
    fputs(say(call, "\n'feiqian COMMAND --help' tells more. Settings: feiqian config show.\n",
              "\n“feiqian 命令 --help” 查看详情。全部设置：feiqian config show。\n"),
          out);
}

void cli_help_noun(const cli_call *call, const cli_noun *noun, FILE *out) {
    fprintf(out, "%s\n\n", noun->summary[call->language]);
    fprintf(out, "%s feiqian %s %s\n", say(call, "Usage:", "用法："), noun->name,
            say(call, "COMMAND [flags]", "命令 [参数]"));
    heading(call, out, "Commands", "命令");
    size_t count;
    const cli_command *const *commands = cli_commands(&count);
    for (size_t i = 0; i < count; i++) {
        if (commands[i]->noun && strcmp(commands[i]->noun, noun->name) == 0) {
            row(out, commands[i]->verb, commands[i]->summary[call->language], 16);
        }
    }
}

// --- one command ---

static void print_usage(cli_call *call, const cli_command *command, FILE *out) {
    fprintf(out, "%s feiqian %s", say(call, "Usage:", "用法："),
            cli_command_name(&call->arena, command));
    for (const cli_flag *flag = command->flags; flag && flag->name; flag++) {
        if (flag->required) {
            fprintf(out, " --%s %s", flag->name, cli_value_label(flag));
        }
    }
    for (const cli_argument *argument = command->arguments; argument && argument->name;
         argument++) {
        fprintf(out, argument->required ? " %s" : " [%s]", argument->name);
    }
    fputs(say(call, " [flags]\n", " [参数]\n"), out);
}

const char *cli_flag_label(fq_arena *arena, const cli_flag *flag) {
    const char *value = cli_value_label(flag);
    const char *letter = flag->letter ? fq_arena_printf(arena, "-%c, ", flag->letter).at : "";
    return fq_arena_printf(arena, "%s--%s%s%s", letter, flag->name, value ? " " : "",
                           value ? value : "")
        .at;
}

const char *cli_value_label(const cli_flag *flag) {
    return flag->value && strlen(flag->value) > VALUE_COLUMNS_MAX ? "NAME" : flag->value;
}

const char *cli_flag_help(fq_arena *arena, const cli_flag *flag, fq_language language) {
    const bool chinese = language == FQ_CHINESE;
    const char *help = flag->help[language];
    if (flag->value && cli_value_label(flag) != flag->value) {
        fq_str rest = fq_str_of(flag->value), choice;
        const char *between = chinese ? "可选：" : " One of ";
        while (cli_next_choice(&rest, &choice)) {
            help = fq_arena_printf(arena, "%s%s%.*s", help, between, FQ_STR_ARGS(choice)).at;
            between = chinese ? "、" : ", ";
        }
        help = fq_arena_printf(arena, "%s%s", help, chinese ? "。" : ".").at;
    }
    if (flag->standard) {
        help =
            fq_arena_printf(arena, "%s%s%s%s", help,
                            chinese ? "默认：" : " Default: ", flag->standard, chinese ? "。" : ".")
                .at;
    }
    if (flag->repeats) {
        help = fq_arena_printf(arena, "%s%s", help, chinese ? "可重复。" : " May be repeated.").at;
    }
    return help;
}

static void print_flags(cli_call *call, const cli_flag *flags, FILE *out) {
    for (; flags && flags->name; flags++) {
        row(out, cli_flag_label(&call->arena, flags),
            cli_flag_help(&call->arena, flags, call->language), HELP_COLUMN_MAX);
    }
}

void cli_help_command(cli_call *call, const cli_command *command, FILE *out) {
    fprintf(out, "%s%s\n\n", command->summary[call->language], say(call, ".", "。"));
    print_usage(call, command, out);
    if (command->about[call->language]) {
        fputc('\n', out);
        cli_print_wrapped(out, command->about[call->language], 0, 0);
    }
    if (command->arguments) {
        heading(call, out, "Arguments", "位置参数");
        for (const cli_argument *argument = command->arguments; argument->name; argument++) {
            row(out, argument->name, argument->help[call->language], HELP_COLUMN_MAX);
        }
    }
    heading(call, out, "Flags", "参数");
    print_flags(call, command->flags, out);
    if (command->settings) {
        print_flags(call, cli_settings_flags(), out);
        row(out, "--SECTION-NAME VALUE",
            say(call, "Any setting of 'feiqian config show', such as --log-level debug.",
                "“feiqian config show” 列出的任何设置，例如 --log-level debug。"),
            HELP_COLUMN_MAX);
    }
    print_flags(call, cli_common_flags(), out);
    heading(call, out, "Examples", "示例");
    for (int i = 0; i < CLI_EXAMPLES; i++) {
        fprintf(out, "  # %s\n  %s\n", command->examples[i].help[call->language],
                command->examples[i].line);
    }
}

// --- feiqian help ---

static cli_exit help(cli_call *call) {
    const char *first = call->argument_count > 0 ? call->arguments[0] : NULL;
    const char *second = call->argument_count > 1 ? call->arguments[1] : NULL;
    if (!first) {
        cli_help_program(call, call->out);
        return CLI_DONE;
    }
    const cli_command *command =
        second ? cli_find_command(first, second) : cli_find_command(NULL, first);
    const cli_noun *noun = second ? NULL : cli_find_noun(first);
    if (command) {
        cli_help_command(call, command, call->out);
    } else if (noun) {
        cli_help_noun(call, noun, call->out);
    } else {
        cli_complain(call, "there is no command '{0}'; see 'feiqian --help'",
                     "没有命令“{0}”；参见 feiqian --help", second ? second : first, NULL);
        return CLI_USAGE;
    }
    return CLI_DONE;
}

static const cli_argument arguments[] = {
    {.name = "COMMAND",
     .help = {"The command, or the first of its words.", "命令，或其第一个词。"}},
    {.name = "VERB", .help = {"The second of its words.", "命令的第二个词。"}},
    {.name = NULL},
};

const cli_command cli_help = {
    .verb = "help",
    .summary = {"Show how a command is used", "显示命令的用法"},
    .arguments = arguments,
    .examples = {{"feiqian help verify",
                  {"The same as 'feiqian verify --help'", "等同于 feiqian verify --help"}},
                 {"feiqian help config show", {"A command of two words", "由两个词组成的命令"}}},
    .run = help,
};
