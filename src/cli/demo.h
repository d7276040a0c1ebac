// The demonstration in two halves: demo.c plays it, demo_print.c shows it. For inside the cli room.
#pragma once

#include "base/json.h"
#include "cli/command.h"

// One call as it was made, and its answer.
typedef struct {
    int number;
    const char *what;  // in the caller's language
    const char *method, *path;
    fq_str body;  // empty: none
    int status;
    int64_t took_ns;
    fq_str answer;
    const fq_json *read;  // the answer; NULL when it is no JSON
} demo_exchange;

// For people: the call, its status and time, the answer indented and cut short.
void demo_print_text(cli_call *call, const demo_exchange *exchange);
// For programs: one object on one line.
void demo_print_json(cli_call *call, const demo_exchange *exchange);
