// feiqian man FOLDER: manual pages in man(7), printed from the tables: feiqian(1), one page a
// command, feiqian.conf(5).
#include "cli/command.h"

#include <errno.h>
#include <sys/stat.h>

// --- roff ---

// Text with what roff would take for itself escaped. A blank line begins a paragraph.
static void print_text(FILE *out, const char *text) {
    bool line_begins = true;
    for (const char *at = text; *at; at++) {
        if (at[0] == '\n' && at[1] == '\n') {
            fputs("\n.PP\n", out);
            at++;
            line_begins = true;
            continue;
        }
        if (line_begins && (*at == '.' || *at == '\'')) {
            fputs("\\&", out);
        }
        switch (*at) {
        case '\\':
            fputs("\\e", out);
            break;
        case '-':
            fputs("\\-", out);
            break;
        case '\'':
            fputs("\\(aq", out);
            break;
        case '~':
            fputs("\\(ti", out);
            break;
        case '^':
            fputs("\\(ha", out);
            break;
        default:
            fputc(*at, out);
        }
        line_begins = *at == '\n';
    }
}

static void print_line(FILE *out, const char *text) {
    print_text(out, text);
    fputc('\n', out);
}

static void print_head(FILE *out, const char *page, int section, const char *summary) {
    fprintf(out, ".TH \"%s\" %d \"\" \"Feiqian %s\" \"Feiqian\"\n.SH NAME\n", page, section,
            FQ_PROGRAM_VERSION);
    print_text(out, page);
    fputs(" \\- ", out);
    print_line(out, summary);
}

static void print_item(FILE *out, const char *term, const char *text) {
    fputs(".TP\n\\fB", out);
    print_text(out, term);
    fputs("\\fR\n", out);
    print_line(out, text);
}

// --- pages ---

static const struct {
    const char *code, *meaning;
} exit_codes[] = {
    {"0", "Done."},
    {"1", "The answer is no."},
    {"2", "Called wrongly."},
    {"3", "Could not reach or open something."},
    {"4", "Refused by the server."},
    {"130", "Interrupted."},
};

static void print_exit_codes(FILE *out) {
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < sizeof(exit_codes) / sizeof(exit_codes[0]); i++) {
        print_item(out, exit_codes[i].code, exit_codes[i].meaning);
    }
}

static const char *page_name(fq_arena *arena, const cli_command *command) {
    return command->noun ? fq_arena_printf(arena, "feiqian-%s-%s", command->noun, command->verb).at
                         : fq_arena_printf(arena, "feiqian-%s", command->verb).at;
}

static void print_flag_items(fq_arena *arena, FILE *out, const cli_flag *flags) {
    for (; flags && flags->name; flags++) {
        print_item(out, cli_flag_label(arena, flags), cli_flag_help(arena, flags, FQ_ENGLISH));
    }
}

static void print_command_page(fq_arena *arena, FILE *out, const cli_command *command) {
    const char *name = cli_command_name(arena, command);
    print_head(out, page_name(arena, command), 1, command->summary[FQ_ENGLISH]);
    fprintf(out, ".SH SYNOPSIS\n\\fBfeiqian %s\\fR", name);
    for (const cli_argument *argument = command->arguments; argument && argument->name;
         argument++) {
        fprintf(out, argument->required ? " \\fI%s\\fR" : " [\\fI%s\\fR]", argument->name);
    }
    fputs(" [\\fIflags\\fR]\n.SH DESCRIPTION\n", out);
    print_line(out, command->about[FQ_ENGLISH]
                        ? command->about[FQ_ENGLISH]
                        : fq_arena_printf(arena, "%s.", command->summary[FQ_ENGLISH]).at);
    fputs(".SH OPTIONS\n", out);
    for (const cli_argument *argument = command->arguments; argument && argument->name;
         argument++) {
        print_item(out, argument->name, argument->help[FQ_ENGLISH]);
    }
    print_flag_items(arena, out, command->flags);
    if (command->settings) {
        print_flag_items(arena, out, cli_settings_flags());
        print_item(out, "--SECTION-NAME VALUE",
                   "Any setting of feiqian.conf(5), such as --log-level debug.");
    }
    print_flag_items(arena, out, cli_common_flags());
    print_exit_codes(out);
    fputs(".SH EXAMPLES\n", out);
    for (int i = 0; i < CLI_EXAMPLES; i++) {
        print_line(out, fq_arena_printf(arena, "%s:", command->examples[i].help[FQ_ENGLISH]).at);
        fputs(".PP\n.EX\n", out);
        print_line(out, command->examples[i].line);
        fputs(i + 1 < CLI_EXAMPLES ? ".EE\n.PP\n" : ".EE\n", out);
    }
    fputs(".SH SEE ALSO\n.BR feiqian (1),\n.BR feiqian.conf (5)\n", out);
}

static void print_program_page(fq_arena *arena, FILE *out) {
    print_head(out, "feiqian", 1,
               "take payments: users, orders, payments and refunds on a double-entry ledger");
    fputs(".SH SYNOPSIS\n\\fBfeiqian\\fR \\fIcommand\\fR [\\fIflags\\fR]\n.SH DESCRIPTION\n", out);
    print_line(
        out,
        "One program serves users, orders, payments and refunds over HTTP, on SQLite or PostgreSQL, and holds "
        "the tools that belong to it. Each command has a page of its own.");
    fputs(".SH COMMANDS\n", out);
    size_t count;
    const cli_command *const *commands = cli_commands(&count);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ".TP\n.BR %s (1)\n", page_name(arena, commands[i]));
        print_line(out, fq_arena_printf(arena, "%s.", commands[i]->summary[FQ_ENGLISH]).at);
    }
    fputs(".SH ENVIRONMENT\n", out);
    print_item(out, "FEIQIAN_SECTION_NAME",
               "Any setting of feiqian.conf(5), such as FEIQIAN_LOG_LEVEL.");
    print_item(out, "FEIQIAN_CONFIG", "The configuration file, where --config does not name one.");
    print_item(out, "NO_COLOR", "No colour, when set to anything.");
    print_item(out, "LC_ALL, LC_MESSAGES, LANG",
               "Chinese messages where the first that is set begins with zh.");
    print_exit_codes(out);
    fputs(".SH SEE ALSO\n.BR feiqian.conf (5)\n", out);
}

static void print_settings_page(fq_arena *arena, FILE *out) {
    print_head(out, "feiqian.conf", 5, "configuration of feiqian(1)");
    fputs(".SH DESCRIPTION\n", out);
    print_line(
        out,
        "An INI file: sections in brackets, then lines of name = value. Lines that begin with # or ; are "
        "comments. Times are written 500ms, 30s, 5m, 24h, 7d; sizes 512B, 64KiB, 1MiB, 2GiB. A name that does "
        "not stand below is an error.\n\n"
        "The environment wins over the file, a flag over both: log.level is FEIQIAN_LOG_LEVEL and "
        "--log-level. Settings marked (reload) are taken over on SIGHUP.");
    const char *section = "";
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        const fq_setting_row *row = &fq_setting_rows()[i];
        if (strcmp(section, row->section) != 0) {
            fprintf(out, ".SH [%s]\n", row->section);
        }
        section = row->section;
        const char *term = row->standard[0]
                               ? fq_arena_printf(arena, "%s = %s", row->name, row->standard).at
                               : row->name;
        const char *allowed =
            row->allowed[0] ? fq_arena_printf(arena, " Allowed: %s.", row->allowed).at : "";
        print_item(out, term,
                   fq_arena_printf(arena, "%s%s%s%s", row->sentence[FQ_ENGLISH], allowed,
                                   row->reloads ? " (reload)" : "",
                                   row->secret ? " Not taken from a flag." : "")
                       .at);
    }
    fputs(".SH SEE ALSO\n.BR feiqian (1),\n.BR feiqian-config-check (1)\n", out);
}

// --- the command ---

static void close_file(FILE **file) {
    if (*file) {
        fclose(*file);
    }
}

// Writes one page; `command` NULL: the program's own in section 1, the settings' in section 5.
static bool write_page(cli_call *call, const char *page, int section, const cli_command *command) {
    const char *folder = fq_arena_printf(&call->arena, "%s/man%d", call->arguments[0], section).at;
    const char *path = fq_arena_printf(&call->arena, "%s/%s.%d", folder, page, section).at;
    const bool made = mkdir(folder, 0755) == 0 || errno == EEXIST;
    FILE *out __attribute__((cleanup(close_file))) = made ? fopen(path, "we") : NULL;
    if (out && command) {
        print_command_page(&call->arena, out, command);
    } else if (out && section == 5) {
        print_settings_page(&call->arena, out);
    } else if (out) {
        print_program_page(&call->arena, out);
    }
    if (!out || fflush(out) != 0 || ferror(out)) {
        cli_complain(call, "cannot write {0}: {1}", "无法写入 {0}：{1}", path, strerror(errno));
        return false;
    }
    return true;
}

static cli_exit man(cli_call *call) {
    if (mkdir(call->arguments[0], 0755) != 0 && errno != EEXIST) {
        cli_complain(call, "cannot make {0}: {1}", "无法创建 {0}：{1}", call->arguments[0],
                     strerror(errno));
        return CLI_UNREACHABLE;
    }
    bool right = write_page(call, "feiqian", 1, NULL) && write_page(call, "feiqian.conf", 5, NULL);
    size_t count;
    const cli_command *const *commands = cli_commands(&count);
    for (size_t i = 0; right && i < count; i++) {
        right = write_page(call, page_name(&call->arena, commands[i]), 1, commands[i]);
    }
    return right ? CLI_DONE : CLI_UNREACHABLE;
}

static const cli_argument arguments[] = {
    {.name = "FOLDER",
     .required = true,
     .help = {"Where man1 and man5 are made.", "在此目录下创建 man1 与 man5。"}},
    {.name = NULL},
};

const cli_command cli_man = {
    .verb = "man",
    .summary = {"Write the manual pages into a folder", "将手册页写入目录"},
    .arguments = arguments,
    .examples = {{"feiqian man /usr/local/share/man", {"Install them", "安装手册页"}},
                 {"feiqian man ./man && man -M ./man feiqian",
                  {"Read them from here", "在当前目录阅读"}}},
    .run = man,
};
