// Tables as statements: prepares, binds and reads what table.h describes, set by set. Knows no
// transactions.
#pragma once

#include "store/engine.h"
#include "store/postgres_link.h"

// "table_column", quoted: what an index is called in the database.
void postgres_index_name(const fq_index *index, char out[POSTGRES_NAME_BYTES]);

// Prepares what a writer, or a reader, says about the tables of `schema`.
fq_err postgres_rows_prepare(postgres_link *link, const fq_schema *schema,
                             postgres_purpose purpose);

// Queues the load of a group, with its rows locked or not (a writer's link only). The group's rows
// are filled by the round that follows; bytes are copied into `arena`.
void postgres_rows_load(postgres_link *link, fq_arena *arena, const fq_row_group *group, bool lock);
// Queues a save. False when it is too large to send.
bool postgres_rows_save(postgres_link *link, const fq_save *save);
// Runs a scan, in rounds of its own.
fq_err postgres_rows_scan(postgres_link *link, fq_arena *arena, const fq_scan *scan);
