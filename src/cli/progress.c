// The progress bar. Draws on standard error when that is a terminal, and else does nothing at all.
#include "base/clock.h"
#include "cli/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHOWN_AFTER_MS = 500, SHOWN_EVERY_MS = 100, BAR_COLUMNS = 24 };

void cli_progress_begin(cli_progress *progress, const cli_call *call, const char *label) {
    const char *term = getenv("TERM");
    const bool watched = term && strcmp(term, "dumb") != 0 && isatty(fileno(call->err)) == 1;
    *progress = (cli_progress){
        .out = watched ? call->err : NULL, .label = label, .began_ms = fq_monotonic_ms()};
}

// 12345 as "12,345".
static void grouped(uint64_t number, char out[32]) {
    char digits[24];
    const int len = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    size_t used = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[used++] = ',';
        }
        out[used++] = digits[i];
    }
    out[used] = '\0';
}

static void time_left(double seconds, char out[32]) {
    const uint64_t whole = seconds < 1e9 ? (uint64_t)(seconds + 0.5) : 0;
    if (whole >= 3600) {
        snprintf(out, 32, "%" PRIu64 " h %" PRIu64 " min left", whole / 3600, whole % 3600 / 60);
    } else if (whole >= 60) {
        snprintf(out, 32, "%" PRIu64 " min %" PRIu64 " s left", whole / 60, whole % 60);
    } else {
        snprintf(out, 32, "%" PRIu64 " s left", whole);
    }
}

void cli_progress_line(const char *label, uint64_t done, uint64_t total, int64_t elapsed_ms,
                       char out[CLI_PROGRESS_LINE_MAX]) {
    char done_text[32], total_text[32], rate_text[32], left_text[32] = "";
    const double rate = elapsed_ms > 0 ? (double)done * 1000.0 / (double)elapsed_ms : 0.0;
    grouped(done, done_text);
    grouped((uint64_t)(rate + 0.5), rate_text);
    if (total == 0) {
        snprintf(out, CLI_PROGRESS_LINE_MAX, "%.80s  %s  %s/s", label, done_text, rate_text);
        return;
    }
    grouped(total, total_text);
    const double share = done < total ? (double)done / (double)total : 1.0;
    char bar[BAR_COLUMNS + 1] = {0};
    memset(bar, ' ', BAR_COLUMNS);
    memset(bar, '=', (size_t)(share * BAR_COLUMNS));
    if (rate > 0 && done < total) {
        time_left((double)(total - done) / rate, left_text);
    }
    snprintf(out, CLI_PROGRESS_LINE_MAX, "%.80s  [%s] %3d %%  %s/%s  %s/s  %s", label, bar,
             (int)(share * 100), done_text, total_text, rate_text, left_text);
}

// Writes over what was drawn before, blanks included.
static void draw(cli_progress *progress, const char *line) {
    const size_t width = cli_width(fq_str_of(line));
    fprintf(progress->out, "\r%s", line);
    cli_print_spaces(progress->out,
                     progress->shown_width > width ? progress->shown_width - width : 0);
    fflush(progress->out);
    progress->shown_width = width;
}

void cli_progress_at(cli_progress *progress, uint64_t done, uint64_t total) {
    if (!progress->out) {
        return;
    }
    const int64_t now_ms = fq_monotonic_ms();
    if (now_ms - progress->began_ms < SHOWN_AFTER_MS ||
        now_ms - progress->shown_ms < SHOWN_EVERY_MS) {
        return;
    }
    char line[CLI_PROGRESS_LINE_MAX];
    cli_progress_line(progress->label, done, total, now_ms - progress->began_ms, line);
    draw(progress, line);
    progress->shown_ms = now_ms;
}

void cli_progress_end(cli_progress *progress) {
    if (progress->out && progress->shown_width > 0) {
        draw(progress, "");
        fputc('\r', progress->out);
        fflush(progress->out);
    }
    progress->out = NULL;
}
