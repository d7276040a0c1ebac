// feiqian completion bash|zsh|fish: shell completions, printed from the tables. Prints a script;
// installs nothing.
#include "cli/command.h"

// --- shared ---

// Calls `visit` for each flag that the command understands, the common ones included.
static void each_flag(const cli_command *command, void (*visit)(FILE *out, const cli_flag *flag),
                      FILE *out) {
    const cli_flag *const lists[] = {
        command->flags, command->settings ? cli_settings_flags() : NULL, cli_common_flags()};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const cli_flag *flag = lists[i]; flag && flag->name; flag++) {
            visit(out, flag);
        }
    }
}

static void print_choices(FILE *out, const char *choices) {
    fq_str rest = fq_str_of(choices), choice;
    for (const char *blank = ""; cli_next_choice(&rest, &choice); blank = " ") {
        fprintf(out, "%s%.*s", blank, FQ_STR_ARGS(choice));
    }
}

// The first words of commands: verbs that stand alone, and nouns.
static void print_first_words(FILE *out) {
    size_t count;
    const cli_command *const *commands = cli_commands(&count);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s ", commands[i]->noun ? commands[i]->noun : commands[i]->verb);
    }
}

static void print_verbs(FILE *out, const char *noun) {
    size_t count;
    const cli_command *const *commands = cli_commands(&count);
    for (size_t i = 0; i < count; i++) {
        if (commands[i]->noun && strcmp(commands[i]->noun, noun) == 0) {
            fprintf(out, "%s ", commands[i]->verb);
        }
    }
}

static bool is_path(const cli_flag *flag) {
    return flag->kind == CLI_FILE || flag->kind == CLI_FOLDER;
}

// --- bash, and zsh by its bash emulation ---

static void bash_flag_word(FILE *out, const cli_flag *flag) {
    fprintf(out, "--%s ", flag->name);
}

// What may follow a flag that wants a value; file names where nothing else is known.
static void bash_flag_value(FILE *out, const cli_flag *flag) {
    if (flag->kind == CLI_SWITCH) {
        return;
    }
    fprintf(out, "        --%s) ", flag->name);
    if (flag->kind == CLI_CHOICE) {
        fputs("words=\"", out);
        print_choices(out, flag->value);
        fputs("\" ;;\n", out);
    } else {
        fprintf(out, "%s ;;\n",
                flag->kind == CLI_FOLDER ? "kind=-d"
                : is_path(flag)          ? "kind=-f"
                                         : "kind=none");
    }
}

static void bash_command(FILE *out, const cli_command *command) {
    if (command->noun) {
        fprintf(out, "    \"%s %s\")\n", command->noun, command->verb);
    } else {
        fprintf(out, "    \"%s \"*)\n", command->verb);
    }
    fputs("        words=\"", out);
    each_flag(command, bash_flag_word, out);
    if (command->arguments && command->arguments[0].choices) {
        print_choices(out, command->arguments[0].choices);
    }
    fputs("\"\n        case \"$before\" in\n", out);
    each_flag(command, bash_flag_value, out);
    fputs("        esac\n        ;;\n", out);
}

static void print_bash_function(FILE *out) {
    size_t count, noun_count;
    const cli_command *const *commands = cli_commands(&count);
    const cli_noun *nouns = cli_nouns(&noun_count);
    fputs(
        "_feiqian() {\n"
        "    local now=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" words=\"\" kind=\"\"\n"
        "    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
        "        COMPREPLY=($(compgen -W \"",
        out);
    print_first_words(out);
    fputs(
        "--help\" -- \"$now\"))\n        return\n    fi\n    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n",
        out);
    for (size_t i = 0; i < count; i++) {
        bash_command(out, commands[i]);
    }
    for (size_t i = 0; i < noun_count; i++) {
        if (cli_find_noun(nouns[i].name)) {
            fprintf(out, "    \"%s \"*) words=\"", nouns[i].name);
            print_verbs(out, nouns[i].name);
            fputs("--help\" ;;\n", out);
        }
    }
    fputs("    esac\n"
          "    case \"$kind\" in\n"
          "    none) ;;\n"
          "    -?) COMPREPLY=($(compgen $kind -- \"$now\")) ;;\n"
          "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$now\")) ;;\n"
          "    esac\n"
          "}\n",
          out);
}

static void print_bash(FILE *out) {
    fputs(
        "# bash completion for feiqian: feiqian completion bash > /etc/bash_completion.d/feiqian\n",
        out);
    print_bash_function(out);
    fputs("complete -o filenames -F _feiqian feiqian\n", out);
}

static void print_zsh(FILE *out) {
    fputs("#compdef feiqian\n"
          "# zsh completion for feiqian: feiqian completion zsh > a folder of $fpath, as _feiqian\n"
          "autoload -U +X bashcompinit && bashcompinit\n",
          out);
    print_bash_function(out);
    fputs("complete -o filenames -F _feiqian feiqian\n", out);
}

// --- fish ---

// A sentence in single quotes.
static void print_quoted(FILE *out, const char *text) {
    fputc('\'', out);
    for (const char *at = text; *at; at++) {
        if (*at == '\'' || *at == '\\') {
            fputc('\\', out);
        }
        fputc(*at, out);
    }
    fputc('\'', out);
}

static void fish_flag(FILE *out, const cli_command *command, const cli_flag *flag) {
    fputs("complete -c feiqian -n '", out);
    if (command->noun) {
        fprintf(out, "__fish_seen_subcommand_from %s; and ", command->noun);
    }
    fprintf(out, "__fish_seen_subcommand_from %s' -l %s", command->verb, flag->name);
    if (flag->letter) {
        fprintf(out, " -s %c", flag->letter);
    }
    if (flag->kind == CLI_CHOICE) {
        fputs(" -xa '", out);
        print_choices(out, flag->value);
        fputc('\'', out);
    } else if (flag->kind != CLI_SWITCH) {
        fputs(is_path(flag) ? " -rF" : " -x", out);
    }
    fputs(" -d ", out);
    print_quoted(out, flag->help[FQ_ENGLISH]);
    fputc('\n', out);
}

static void fish_command(FILE *out, const cli_command *command) {
    if (command->noun) {
        fprintf(out, "complete -c feiqian -n '__fish_seen_subcommand_from %s' -a %s -d ",
                command->noun, command->verb);
    } else {
        fprintf(out, "complete -c feiqian -n __fish_use_subcommand -a %s -d ", command->verb);
    }
    print_quoted(out, command->summary[FQ_ENGLISH]);
    fputc('\n', out);
    const cli_flag *const lists[] = {
        command->flags, command->settings ? cli_settings_flags() : NULL, cli_common_flags()};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const cli_flag *flag = lists[i]; flag && flag->name; flag++) {
            fish_flag(out, command, flag);
        }
    }
    if (command->arguments && command->arguments[0].choices) {
        fprintf(out, "complete -c feiqian -n '__fish_seen_subcommand_from %s' -xa '",
                command->verb);
        print_choices(out, command->arguments[0].choices);
        fputs("'\n", out);
    }
}

static void print_fish(FILE *out) {
    fputs(
        "# fish completion for feiqian: feiqian completion fish > ~/.config/fish/completions/feiqian.fish\n"
        "complete -c feiqian -f\n",
        out);
    size_t count, noun_count;
    const cli_command *const *commands = cli_commands(&count);
    const cli_noun *nouns = cli_nouns(&noun_count);
    for (size_t i = 0; i < noun_count; i++) {
        if (cli_find_noun(nouns[i].name)) {
            fprintf(out, "complete -c feiqian -n __fish_use_subcommand -a %s -d ", nouns[i].name);
            print_quoted(out, nouns[i].summary[FQ_ENGLISH]);
            fputc('\n', out);
        }
    }
    for (size_t i = 0; i < count; i++) {
        fish_command(out, commands[i]);
    }
}

// --- the command ---

static cli_exit completion(cli_call *call) {
    const char *shell = call->arguments[0];
    if (strcmp(shell, "bash") == 0) {
        print_bash(call->out);
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh(call->out);
    } else {
        print_fish(call->out);
    }
    return CLI_DONE;
}

static const cli_argument arguments[] = {
    {.name = "SHELL",
     .choices = "bash|zsh|fish",
     .required = true,
     .help = {"bash, zsh or fish.", "bash、zsh 或 fish。"}},
    {.name = NULL},
};

const cli_command cli_completion = {
    .verb = "completion",
    .summary = {"Print completions for a shell", "打印 shell 自动补全脚本"},
    .arguments = arguments,
    .examples = {{"source <(feiqian completion bash)",
                  {"In this shell, now", "在当前 shell 中立即启用"}},
                 {"feiqian completion fish > ~/.config/fish/completions/feiqian.fish",
                  {"For good", "长期启用"}}},
    .run = completion,
};
