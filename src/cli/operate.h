// Asking the services that own some data: through the control socket of the server that runs on it,
// or, where none does, by opening the data here. For inside the cli room.
#pragma once

#include "base/json.h"
#include "cli/command.h"

// The flag of every command that opens data.
#define CLI_DATA_FLAG                                                                           \
    {                                                                                           \
        .name = "data", .kind = CLI_TEXT, .value = "WHERE", .setting = "server.data", .help = { \
            "Folder (SQLite) or postgresql:// URL of the data.",                                \
            "数据所在的目录（SQLite）或 postgresql:// 地址。"                      \
        }                                                                                       \
    }

// Sets up what every command that opens data needs: the log, for people and only what went wrong.
void cli_prepare_data_command(void);

// Carries out `request` (house/operations.h) on the user service's data. `out_text` is the text of
// "done", `out_done` the same read; both live in the call's arena. Complains and returns how to
// exit otherwise. `make`: where no server runs, databases that are missing or behind are made or
// migrated as at a start.
FQ_MUST_USE cli_exit cli_operate(cli_call *call, bool make, fq_str request, fq_str *out_text,
                                 const fq_json **out_done);
