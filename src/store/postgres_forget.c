// Idempotency records age: those older than their time are deleted, a few at a time.
#include "store/postgres_engine.h"

#include <inttypes.h>
#include <stdio.h>

// Old rows lie together, so the block-range index on at_ms finds them; which of them go first does
// not matter.
fq_err postgres_forget(fq_engine *base, int64_t before_ms, uint32_t count_max, bool *out_more) {
    postgres_engine *engine = (postgres_engine *)base;
    char sql[256];
    *out_more = false;
    FQ_TRY(postgres_writer_connect(engine));
    snprintf(sql, sizeof(sql),
             "WITH gone AS (DELETE FROM request WHERE ctid = ANY (ARRAY(SELECT ctid FROM request"
             " WHERE at_ms < %" PRId64 " LIMIT %" PRIu32
             ")) RETURNING 1) SELECT count(*) FROM gone",
             before_ms, count_max);
    int64_t count = 0;
    postgres_link_plain(&engine->writer,
                        (postgres_step){.verb = "forget",
                                        .subject = "request",
                                        .read = postgres_read_integer,
                                        .context = &count,
                                        .rows_expected = -1},
                        sql);
    FQ_TRY(postgres_link_round(&engine->writer));
    *out_more = count == (int64_t)count_max;
    return FQ_OK;
}
