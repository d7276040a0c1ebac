// What the commands about databases share: which there are, and verifying one with a progress bar.
// For inside the cli room.
#pragma once

#include "base/json_writer.h"
#include "cli/command.h"
#include "house/databases.h"

// The services to look at: those of server.services. 0, with a complaint, when that is not
// well-formed.
unsigned cli_services(cli_call *call);
// Of those the ones whose databases are there, since each service may have a folder of its own; all
// of them where server.services was set. 0, with a complaint, when one that is asked for, or every
// one, is missing; `*out_code` then says how to exit.
unsigned cli_services_there(cli_call *call, cli_exit *out_code);

// Is that service's database there? Complains when not: a misspelt --data must not make new data.
// Of a PostgreSQL URL always true; opening tells.
FQ_MUST_USE bool cli_expect_database(cli_call *call, fq_service_number number);

// May a user database be made there? Complains when only other services' are: a key in a new one of
// its own would be nobody's.
FQ_MUST_USE bool cli_expect_place_for_users(cli_call *call);

// That a database could not be opened or read, and which; the log's line before it says why.
void cli_complain_database(cli_call *call, fq_service_number number, fq_err err);

// What verifying one database found.
typedef struct {
    fq_service_number number;
    fq_ledger_summary summary;
    fq_ledger_fault fault;
} cli_verified;

// Verifies one database; shows a bar meanwhile.
FQ_MUST_USE fq_err cli_verify_database(cli_call *call, fq_engine *engine, cli_verified *out);

// One object of JSON: {"service", "valid", "batches", …, "fault": {"code", "batch", …} or null}.
void cli_put_verified(cli_call *call, fq_json_writer *out, const cli_verified *verified);
// One line for people, in red where there is a fault.
void cli_print_verified(cli_call *call, const cli_verified *verified);
