// What a subcommand is, and what it is given when it runs. For inside the cli room only.
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/config.h"
#include "base/err.h"

#include <stdio.h>

// The contract's exit codes.
typedef enum {
    CLI_DONE = 0,
    CLI_NO = 1,           // the answer is no
    CLI_USAGE = 2,        // called wrongly
    CLI_UNREACHABLE = 3,  // could not reach or open
    CLI_REFUSED = 4,      // refused by the server
    CLI_INTERRUPTED = 130
} cli_exit;

// How a flag's value is written; the parser, help and completions go by it.
typedef enum {
    CLI_SWITCH,  // no value
    CLI_TEXT,
    CLI_FILE,  // a path; completed as one
    CLI_FOLDER,
    CLI_INTEGER,   // between minimum and maximum
    CLI_DECIMAL,   // digits with at most one point; between minimum and maximum
    CLI_DURATION,  // "30s", "5m"; see fq_duration_parse
    CLI_CHOICE     // one of `value`, which reads "a|b|c"
} cli_kind;

typedef struct {
    const char *name;  // without dashes; NULL ends a list of flags
    cli_kind kind;
    const char *value;     // what help calls the value ("FILE"); of CLI_CHOICE the choices
    const char *standard;  // the default as text, or NULL
    const char *setting;   // the setting that this flag is short for ("server.listen"), or NULL
    int64_t minimum, maximum;
    bool required, repeats;
    char letter;          // -o, or 0
    const char *help[2];  // [FQ_ENGLISH], [FQ_CHINESE]: one sentence
} cli_flag;

typedef struct {
    const char *name;     // "ID"; NULL ends a list of arguments
    const char *choices;  // "bash|zsh|fish", or NULL
    bool required;
    const char *help[2];
} cli_argument;

typedef struct {
    const char *line;  // what one types
    const char *help[2];
} cli_example;

// Which settings (settings.def) a command understands as flags, and who reads the configuration.
typedef enum {
    CLI_WITHOUT_SETTINGS,
    CLI_WITH_SETTINGS,       // read before `run`; a fault ends with CLI_USAGE
    CLI_WITH_SETTINGS_LATER  // `run` calls cli_load_settings itself
} cli_settings_use;

typedef struct cli_call cli_call;

enum { CLI_EXAMPLES = 2 };

typedef struct {
    const char *noun;               // "keys"; NULL where the verb stands alone
    const char *verb;               // "create", "serve"
    const char *summary[2];         // one line without a full stop
    const char *about[2];           // further paragraphs, by "\n\n"; or NULL
    const cli_flag *flags;          // NULL-ended, or NULL
    const cli_argument *arguments;  // NULL-ended, or NULL
    cli_example examples[CLI_EXAMPLES];
    cli_settings_use settings;
    bool serves;      // its settings are those of a server: they say where the other services are
    bool json_first;  // prints JSON unless told otherwise
    cli_exit (*run)(cli_call *call);
} cli_command;

enum { CLI_GIVEN_MAX = 64, CLI_ARGUMENTS_MAX = 8, CLI_ARENA_BYTES_MAX = 64 << 20 };

// A flag as it was typed. Of a setting's flag only the name is known.
typedef struct {
    const cli_flag *flag;  // NULL: a setting
    const char *name;      // of a setting: "--log-level"
    const char *text;      // "" of a switch
} cli_given;

// One run of a command.
struct cli_call {
    const cli_command *command;  // NULL while it is not known
    fq_arena arena;              // wiped when the command has run: secrets may live in it
    cli_given given[CLI_GIVEN_MAX];
    size_t given_count;
    const char *arguments[CLI_ARGUMENTS_MAX];
    size_t argument_count;
    fq_language language;
    bool json, colour, help;
    FILE *in, *out, *err;
    char *const *environment;
    fq_config config;  // of commands with settings
};

// --- what was typed: `name` must be a flag of the command, or the process stops ---

bool cli_given_flag(const cli_call *call, const char *name);
bool cli_switch(const cli_call *call, const char *name);
// The last value typed, else the default, else NULL.
const char *cli_text(const cli_call *call, const char *name);
// The index-th value of a flag that repeats; NULL past the last.
const char *cli_text_at(const cli_call *call, const char *name, size_t index);
// Checked by the parser already. `fallback` where nothing was typed and there is no default.
int64_t cli_integer(const cli_call *call, const char *name, int64_t fallback);
double cli_decimal(const cli_call *call, const char *name, double fallback);
int64_t cli_duration_ms(const cli_call *call, const char *name, int64_t fallback);

// Defaults, --config or FEIQIAN_CONFIG, the environment, flags, into call->config. False at the
// first fault.
FQ_MUST_USE bool cli_load_settings(cli_call *call, fq_config_fault *out_fault);

// --- talking ---

// "feiqian verify: sentence" on standard error. {0} and {1} of the sentence are filled; both may be
// NULL.
void cli_complain(const cli_call *call, const char *english, const char *chinese, const char *first,
                  const char *second);
// Writes an error's own sentence in the caller's language.
void cli_complain_err(const cli_call *call, fq_err err);

// --- reading ---

// The whole of a file, "-" for standard input, in the arena with a NUL behind it. Complains and
// returns false when it cannot be read or is larger than `bytes_max`.
FQ_MUST_USE bool cli_read_file(cli_call *call, const char *path, size_t bytes_max, fq_str *out);

// --- the tables, for help, completions and man pages ---

typedef struct {
    const char *name;
    const char *summary[2];
} cli_noun;

const cli_command *const *cli_commands(size_t *out_count);
const cli_noun *cli_nouns(size_t *out_count);
// Flags that every command has: --help, --output, --color.
const cli_flag *cli_common_flags(void);
// Flags of commands with settings: --config. The settings' own come from fq_setting_rows.
const cli_flag *cli_settings_flags(void);
// Either word may be NULL; NULL when there is no such command.
const cli_command *cli_find_command(const char *noun, const char *verb);
const cli_noun *cli_find_noun(const char *name);
// "keys create", in the arena.
const char *cli_command_name(fq_arena *arena, const cli_command *command);
// The next of "a|b|c": false at the end. `rest` begins as the whole.
bool cli_next_choice(fq_str *rest, fq_str *out);

// "-o, --output table|json", in the arena, and its sentence with default and choices.
const char *cli_flag_label(fq_arena *arena, const cli_flag *flag);
const char *cli_flag_help(fq_arena *arena, const cli_flag *flag, fq_language language);
// What stands for the value: "FILE"; "NAME" where the choices are many; NULL of a switch.
const char *cli_value_label(const cli_flag *flag);

// Reads the words behind the command into the call. Complains and returns false when they are
// wrong.
FQ_MUST_USE bool cli_parse(cli_call *call, int count, char *const words[]);

void cli_help_program(const cli_call *call, FILE *out);
void cli_help_noun(const cli_call *call, const cli_noun *noun, FILE *out);
void cli_help_command(cli_call *call, const cli_command *command, FILE *out);
