// Colour, text that fits, tables and JSON. Writes to the call's streams only.
#include "cli/output.h"

#include <stdlib.h>
#include <unistd.h>
#include <utf8proc.h>

enum { LINE_COLUMNS_MAX = 80 };

bool cli_colour_wanted(FILE *out, const char *choice) {
    if (choice && strcmp(choice, "auto") != 0) {
        return strcmp(choice, "always") == 0;
    }
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    const bool refused = (no_color && no_color[0]) || !term || strcmp(term, "dumb") == 0;
    return !refused && isatty(fileno(out)) == 1;
}

const char *cli_escape(bool colour, cli_paint paint) {
    static const char *const escapes[] = {
        [CLI_PLAIN] = "\033[0m", [CLI_BOLD] = "\033[1m",   [CLI_DIM] = "\033[2m",
        [CLI_RED] = "\033[31m",  [CLI_GREEN] = "\033[32m", [CLI_YELLOW] = "\033[33m",
        [CLI_CYAN] = "\033[36m",
    };
    return colour ? escapes[paint] : "";
}

// --- text ---

// The length of the character at the beginning of `text`, and its columns. What is no UTF-8 counts
// one a byte.
static size_t next_character(fq_str text, size_t *out_columns) {
    utf8proc_int32_t code_point;
    const utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)text.at,
                                                  (utf8proc_ssize_t)text.len, &code_point);
    if (len <= 0) {
        *out_columns = 1;
        return 1;
    }
    const int columns = utf8proc_charwidth(code_point);
    *out_columns = columns > 0 ? (size_t)columns : 0;
    return (size_t)len;
}

size_t cli_width(fq_str text) {
    size_t width = 0;
    for (size_t at = 0, columns = 0; at < text.len; width += columns) {
        at += next_character((fq_str){text.at + at, text.len - at}, &columns);
    }
    return width;
}

void cli_print_spaces(FILE *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fputc(' ', out);
    }
}

// A piece that is not broken: a word with the blank behind it, or one wide character with the marks
// that follow it.
static size_t next_piece(fq_str text, size_t *out_columns) {
    size_t len = 0, total = 0;
    while (len < text.len && text.at[len] != ' ' && text.at[len] != '\n') {
        size_t columns;
        const size_t bytes = next_character((fq_str){text.at + len, text.len - len}, &columns);
        // Marks such as the ideographic full stop (E3 80 82) and comma (EF BC 8C) stay with what is
        // before them.
        const bool mark = bytes == 3 && ((uint8_t)text.at[len] == 0xEF ||
                                         strncmp(text.at + len, "\xE3\x80", 2) == 0);
        if (columns == 2 && total > 0 && !mark) {
            break;
        }
        len += bytes;
        total += columns;
        if (columns == 2 && len < text.len && (uint8_t)text.at[len] < 0x80) {
            break;
        }
    }
    *out_columns = total;
    return len;
}

void cli_print_wrapped(FILE *out, const char *text, size_t column, size_t indent) {
    fq_str rest = fq_str_of(text);
    bool blank = false;
    while (rest.len > 0) {
        if (rest.at[0] == ' ' || rest.at[0] == '\n') {
            const bool paragraph = rest.at[0] == '\n' && rest.len > 1 && rest.at[1] == '\n';
            if (paragraph) {
                fputs("\n\n", out);
                cli_print_spaces(out, indent);
                column = indent;
            }
            blank = !paragraph;
            rest = (fq_str){rest.at + (paragraph ? 2 : 1), rest.len - (paragraph ? 2 : 1)};
            continue;
        }
        size_t columns;
        const size_t len = next_piece(rest, &columns);
        if (column + (size_t)blank + columns > LINE_COLUMNS_MAX && column > indent) {
            fputc('\n', out);
            cli_print_spaces(out, indent);
            column = indent;
        } else if (blank && column > indent) {
            fputc(' ', out);
            column++;
        }
        fwrite(rest.at, 1, len, out);
        column += columns;
        blank = false;
        rest = (fq_str){rest.at + len, rest.len - len};
    }
    fputc('\n', out);
}

// --- tables ---

void cli_table_begin(cli_table *table, const cli_column *columns, size_t column_count) {
    FQ_ASSERT(column_count > 0 && column_count <= CLI_COLUMNS_MAX);
    *table = (cli_table){.columns = columns, .column_count = column_count};
}

void cli_table_add(cli_call *call, cli_table *table, fq_str cell) {
    if (table->cell_count == table->cell_capacity) {
        const size_t capacity = table->cell_capacity ? table->cell_capacity * 2 : 64;
        fq_str *cells = FQ_NEW_ARRAY(&call->arena, fq_str, capacity);
        if (table->cell_count > 0) {
            memcpy(cells, table->cells, table->cell_count * sizeof(*cells));
        }
        table->cells = cells;
        table->cell_capacity = capacity;
    }
    table->cells[table->cell_count++] = cell;
}

static void print_cell(FILE *out, fq_str cell, size_t width, bool right, bool last) {
    const size_t padding = width - cli_width(cell);
    cli_print_spaces(out, right ? padding : 0);
    fwrite(cell.at, 1, cell.len, out);
    cli_print_spaces(out, right || last ? 0 : padding);
    fputs(last ? "\n" : "  ", out);
}

void cli_table_print(cli_call *call, const cli_table *table) {
    const size_t count = table->column_count;
    FQ_ASSERT(count > 0 && count <= CLI_COLUMNS_MAX);
    size_t widths[CLI_COLUMNS_MAX];
    for (size_t c = 0; c < count; c++) {
        widths[c] = cli_width(fq_str_of(table->columns[c].heading[call->language]));
        for (size_t i = c; i < table->cell_count; i += count) {
            const size_t width = cli_width(table->cells[i]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    fputs(cli_escape(call->colour, CLI_BOLD), call->out);
    for (size_t c = 0; c < count; c++) {
        print_cell(call->out, fq_str_of(table->columns[c].heading[call->language]), widths[c],
                   table->columns[c].right, c + 1 == count);
    }
    fputs(cli_escape(call->colour, CLI_PLAIN), call->out);
    for (size_t i = 0; i < table->cell_count; i++) {
        const size_t c = i % count;
        print_cell(call->out, table->cells[i], widths[c], table->columns[c].right, c + 1 == count);
    }
}

void cli_print_facts(cli_call *call, const cli_fact *facts, size_t count) {
    size_t widest = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t width = cli_width(fq_str_of(facts[i].name[call->language]));
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = facts[i].name[call->language];
        fprintf(call->out, "%s%s%s", cli_escape(call->colour, CLI_BOLD), name,
                cli_escape(call->colour, CLI_PLAIN));
        cli_print_spaces(call->out, widest - cli_width(fq_str_of(name)) + 2);
        fprintf(call->out, "%.*s\n", FQ_STR_ARGS(facts[i].value));
    }
}

void cli_print_json(cli_call *call, const fq_buffer *json) {
    FQ_ASSERT(!json->overflowed);
    fprintf(call->out, "%.*s\n", FQ_STR_ARGS(fq_buffer_str(json)));
}
