// Idempotency records age: those older than their time are deleted, the oldest first, a few at a
// time.
#include "store/sqlite_connection.h"
#include "store/sqlite_engine.h"

#include <inttypes.h>
#include <stdio.h>

// Rows stand in order of position, and time grows with it: so only the oldest few are looked at.
fq_err sqlite_forget(fq_engine *base, int64_t before_ms, uint32_t count_max, bool *out_more) {
    sqlite_engine *engine = (sqlite_engine *)base;
    char sql[256];
    *out_more = false;
    if (!engine->db) {
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    snprintf(sql, sizeof(sql),
             "DELETE FROM request WHERE at_ms < %" PRId64
             " AND position < (SELECT min(position) FROM request) + %" PRIu32,
             before_ms, count_max);
    FQ_TRY(connection_execute(engine->db, sql));
    *out_more = sqlite3_changes(engine->db) > 0;  // positions have gaps: few gone is no end
    return FQ_OK;
}
