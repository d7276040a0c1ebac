// The data folder: its owner's alone, and one process a database. For the SQLite engine only.
#pragma once

#include "base/err.h"

// Makes the folder (mode 0700) when it is missing; warns when others may look into it.
FQ_MUST_USE fq_err folder_make(const char *folder);
// Takes folder/<service>.lock for this process; closing `out_fd` gives it back. A second process is
// told so here, not by a damaged file. A lock a service, so that services of one folder may run in
// processes of their own.
// Errors: FQ_STATE_CONFLICT (another process has it), FQ_STORE_LOST, FQ_STORE_FULL.
FQ_MUST_USE fq_err folder_lock(const char *folder, const char *service, int *out_fd);
