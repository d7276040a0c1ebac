// How answers look: tables for people, JSON for programs, colour and progress on a terminal. For
// inside the cli room.
#pragma once

#include "cli/command.h"

// --- colour ---

typedef enum {
    CLI_PLAIN = 0,
    CLI_BOLD,
    CLI_DIM,
    CLI_RED,
    CLI_GREEN,
    CLI_YELLOW,
    CLI_CYAN
} cli_paint;

// Is `out` to be coloured? `choice` is --color's: "always", "never", or "auto" (also NULL): on a
// terminal that can, unless NO_COLOR is set.
bool cli_colour_wanted(FILE *out, const char *choice);
// The escape that begins a colour (CLI_PLAIN ends it); "" without colour.
const char *cli_escape(bool colour, cli_paint paint);

// --- text ---

// Columns of a terminal that the text takes: CJK and other wide characters count two, combining
// ones none.
size_t cli_width(fq_str text);
// Prints words from column `column` on, wrapped at 80 columns, further lines indented by `indent`.
// Ends with a newline. "\n\n" in the text separates paragraphs.
void cli_print_wrapped(FILE *out, const char *text, size_t column, size_t indent);
void cli_print_spaces(FILE *out, size_t count);

// --- tables ---

typedef struct {
    const char *heading[2];  // [FQ_ENGLISH], [FQ_CHINESE]
    bool right;              // aligned right: numbers
} cli_column;

enum { CLI_COLUMNS_MAX = 16 };

// Cells are collected row by row, then printed with columns as wide as their widest cell. No
// borders.
typedef struct {
    const cli_column *columns;
    size_t column_count;
    fq_str *cells;  // in the arena
    size_t cell_count, cell_capacity;
} cli_table;

void cli_table_begin(cli_table *table, const cli_column *columns, size_t column_count);
// The text must live until the table is printed.
void cli_table_add(cli_call *call, cli_table *table, fq_str cell);
void cli_table_print(cli_call *call, const cli_table *table);

// "name  value" lines for one thing.
typedef struct {
    const char *name[2];
    fq_str value;
} cli_fact;
void cli_print_facts(cli_call *call, const cli_fact *facts, size_t count);

// One line of JSON on standard output. A buffer that ran over is our mistake.
void cli_print_json(cli_call *call, const fq_buffer *json);

// --- progress ---

// A bar on standard error, for work that somebody watches: only on a terminal, after half a second,
// ten times a second at most.
typedef struct {
    FILE *out;  // NULL: nobody watches
    const char *label;
    int64_t began_ms, shown_ms;
    size_t shown_width;
} cli_progress;

enum { CLI_PROGRESS_LINE_MAX = 256 };

// `label` must outlive the progress.
void cli_progress_begin(cli_progress *progress, const cli_call *call, const char *label);
// `total` 0: not known.
void cli_progress_at(cli_progress *progress, uint64_t done, uint64_t total);
// Takes the bar away.
void cli_progress_end(cli_progress *progress);
// The line itself, without what draws it: "Paying  [=====     ]  52 %  5,200/10,000  1,300/s  4 s
// left".
void cli_progress_line(const char *label, uint64_t done, uint64_t total, int64_t elapsed_ms,
                       char out[CLI_PROGRESS_LINE_MAX]);
