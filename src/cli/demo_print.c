// Showing the demonstration. Asks nothing of the server.
#include "base/json_writer.h"
#include "cli/demo.h"
#include "cli/output.h"

enum { JSON_BYTES_MAX = 1 << 20, ITEMS_MAX = 3, TEXT_BYTES_MAX = 200, DEPTH_MAX = 3 };

static const char *paint(const cli_call *call, cli_paint colour) {
    return cli_escape(call->colour, colour);
}

static void print_value(cli_call *call, const fq_json *value, size_t depth);

static void print_string(cli_call *call, fq_str text) {
    fq_buffer quoted __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&quoted, 8 * TEXT_BYTES_MAX);
    fq_json_string(&quoted, fq_str_cut(text, TEXT_BYTES_MAX));
    fprintf(call->out, "%.*s", FQ_STR_ARGS(fq_buffer_str(&quoted)));
}

static void print_indent(cli_call *call, size_t depth) {
    fputc('\n', call->out);
    cli_print_spaces(call->out, 4 + 2 * depth);
}

// The members of an object or the first items of a list, one a line.
static void print_children(cli_call *call, const fq_json *value, size_t depth) {
    const bool object = value->type == FQ_JSON_OBJECT;
    size_t shown = 0;
    fputc(object ? '{' : '[', call->out);
    for (const fq_json *child = value->first; child; child = child->next, shown++) {
        print_indent(call, depth + 1);
        if (!object && shown == ITEMS_MAX) {
            fprintf(call->out, "%s… %u more%s", paint(call, CLI_DIM),
                    (unsigned)(value->count - shown), paint(call, CLI_PLAIN));
            break;
        }
        if (object) {
            fputs(paint(call, CLI_CYAN), call->out);
            print_string(call, child->key);
            fprintf(call->out, "%s: ", paint(call, CLI_PLAIN));
        }
        print_value(call, child, depth + 1);
        fputs(child->next ? "," : "", call->out);
    }
    print_indent(call, depth);
    fputc(object ? '}' : ']', call->out);
}

static void print_value(cli_call *call, const fq_json *value, size_t depth) {
    switch ((fq_json_type)value->type) {
    case FQ_JSON_NULL:
        fputs("null", call->out);
        break;
    case FQ_JSON_BOOL:
        fputs(value->boolean ? "true" : "false", call->out);
        break;
    case FQ_JSON_NUMBER:
        fprintf(call->out, "%.*s", FQ_STR_ARGS(value->text));
        break;
    case FQ_JSON_STRING:
        print_string(call, value->text);
        break;
    case FQ_JSON_ARRAY:
    case FQ_JSON_OBJECT:
        if (value->count == 0) {
            fputs(value->type == FQ_JSON_OBJECT ? "{}" : "[]", call->out);
        } else if (depth >= DEPTH_MAX) {
            fprintf(call->out, "%s%s%s", paint(call, CLI_DIM),
                    value->type == FQ_JSON_OBJECT ? "{…}" : "[…]", paint(call, CLI_PLAIN));
        } else {
            print_children(call, value, depth);
        }
        break;
    }
}

void demo_print_text(cli_call *call, const demo_exchange *it) {
    const bool good = it->status >= 200 && it->status < 300;
    fprintf(call->out, "%s%2d  %s%s\n", paint(call, CLI_BOLD), it->number, it->what,
            paint(call, CLI_PLAIN));
    fprintf(call->out, "    %s%s %s%s", paint(call, CLI_CYAN), it->method, it->path,
            paint(call, CLI_PLAIN));
    if (it->body.len > 0) {
        fprintf(call->out, " %.*s", FQ_STR_ARGS(it->body));
    }
    fprintf(call->out, "\n    %s%d%s  %s%.1f ms%s\n", paint(call, good ? CLI_GREEN : CLI_YELLOW),
            it->status, paint(call, CLI_PLAIN), paint(call, CLI_DIM), (double)it->took_ns / 1e6,
            paint(call, CLI_PLAIN));
    cli_print_spaces(call->out, 4);
    if (it->read) {
        print_value(call, it->read, 0);
    } else {
        fprintf(call->out, "%.*s", FQ_STR_ARGS(fq_str_cut(it->answer, TEXT_BYTES_MAX)));
    }
    fputs("\n\n", call->out);
}

void demo_print_json(cli_call *call, const demo_exchange *it) {
    fq_buffer json __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&json, JSON_BYTES_MAX);
    fq_json_writer writer = fq_json_writer_on(&json);
    fq_json_object_begin(&writer, NULL);
    fq_json_put_i64(&writer, "step", it->number);
    fq_json_put_literal(&writer, "what", it->what);
    fq_json_put_literal(&writer, "method", it->method);
    fq_json_put_literal(&writer, "path", it->path);
    if (it->body.len > 0) {
        fq_json_put_raw(&writer, "request", it->body);
    }
    fq_json_put_i64(&writer, "status", it->status);
    fq_json_put_decimal(&writer, "ms", (double)it->took_ns / 1e6, 3);
    if (it->read) {
        fq_json_put_raw(&writer, "response", it->answer);
    }
    fq_json_object_end(&writer);
    cli_print_json(call, &json);
}
