// What a newcomer pastes into a shell after the first start. For inside the cli room.
#pragma once

#include "cli/command.h"
#include "house/house.h"

// Makes a bearer key that may do everything, and prints the curl lines of a first payment with it:
// two users, a top-up, an order, its payment and refund, balances, entries, events. In live mode,
// or without the user service in this process, it only says why there are none.
void cli_print_first_steps(cli_call *call, fq_house *house);

// The lines themselves, for sh, bash and zsh with curl and sed.
void cli_first_steps_text(const char *url, fq_str token, fq_language language, fq_buffer *out);
