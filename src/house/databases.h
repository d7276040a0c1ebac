// The services' databases as they lie there: opened without running anything, to bring them up to
// date, examine, verify or back them up.
#pragma once

#include "house/house.h"
#include "house/verify.h"

typedef enum {
    FQ_DATABASE_READ,     // also beside a running server; must be there and up to date
    FQ_DATABASE_MIGRATE,  // made when missing, brought up to date
} fq_database_use;

// Opens one service's database at `where` (fq_house_where, or a folder of backups). Faults are
// logged. Errors: store_lost, store_full, state_conflict.
FQ_MUST_USE fq_err fq_database_open(const fq_settings *settings, const char *where,
                                    fq_service_number number, fq_database_use use, fq_engine **out);
void fq_database_close(fq_engine **engine);  // a pointer to NULL is fine

// Is `where` a postgresql URL, not a folder?
bool fq_where_is_url(const char *where);

// Copies a service's database into `folder`, which is there: a file of the same name, or pg_dump's
// archive. Stores the copy's path in `arena`. Errors: the store's.
FQ_MUST_USE fq_err fq_database_backup(fq_engine *engine, const char *folder, bool is_url,
                                      fq_arena *arena, const char **out_path);
