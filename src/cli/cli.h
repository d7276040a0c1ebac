// The command line: `feiqian NOUN VERB --flag value`. Asked by main alone.
#pragma once

// Runs the subcommand that `argv` names and returns the program's exit code (see cli_exit in
// command.h). `environment` is NULL-ended "NAME=value", as main gets it.
int fq_cli_main(int argc, char *const argv[], char *const environment[]);
