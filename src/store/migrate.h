// Migrations: SQL texts numbered from 1, understood by both engines, each applied once and whole,
// in a transaction of its own. Also the stamps of a database: names and values written once. Knows
// no service.
//
// A text is a template. {int} is INTEGER or BIGINT, {bytes} is BLOB or BYTEA, {without_rowid} is
// WITHOUT ROWID or nothing, {updated} leaves PostgreSQL room on the page for rows that will change
// (then no index has to follow them); a line that begins with "-- sqlite:" or "-- postgres:" is for
// that engine alone. Its first line may say "-- oldest: N": the result can be used by a binary that
// knows only the first N migrations (so that an old and a new version run side by side); without
// it, only by one that knows this migration too.
#pragma once

#include "base/buffer.h"
#include "store/engine.h"

typedef enum { FQ_DIALECT_SQLITE, FQ_DIALECT_POSTGRES } fq_dialect;

// How migrations speak to an engine.
typedef struct {
    fq_dialect dialect;
    void *context;
    // Runs SQL that may hold several statements and gives no rows.
    fq_err (*execute)(void *context, const char *sql);
    // Stores the first column of the only row as an integer; `out` is left alone when there is no
    // row.
    fq_err (*integer)(void *context, const char *sql, int64_t *out);
} fq_migrator;

enum { FQ_MIGRATION_BYTES_MAX = 256 << 10 };

// One engine's SQL of a template.
void fq_migration_text(const char *text, fq_dialect dialect, fq_buffer *out);
// What its "-- oldest: N" says; `number` when it says nothing.
int64_t fq_migration_oldest(const char *text, int64_t number);

// Makes the house's own tables (schema_migration, stamp, head) where they are missing, applies what
// is new when `apply`, and checks that this binary may run on the result. May be broken off
// anywhere and begun again; on PostgreSQL also by several processes at once.
// Errors: FQ_STATE_CONFLICT (the schema is too new for this binary, or behind it and `apply` is
// false; or the database is another service's), the migrator's.
FQ_MUST_USE fq_err fq_migrate(const fq_migrator *migrator, const fq_schema *schema, bool apply);

// Gets the stamp `name`, or sets it to `wanted` when there is none yet (with an empty `wanted` it
// is only looked up). `out_found` holds what the database says afterwards: nothing when there is
// none. Before the writer is started.
FQ_MUST_USE fq_err fq_store_stamp(fq_engine *engine, const char *name, fq_str wanted,
                                  fq_buffer *out_found);
