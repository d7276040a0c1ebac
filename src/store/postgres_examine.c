// Is a PostgreSQL database sound, as far as it tells itself? Changes nothing.
#include "store/postgres_engine.h"

#include <stdio.h>

static fq_err ask_integer(postgres_link *link, const char *sql, int64_t *out) {
    postgres_link_plain(link,
                        (postgres_step){.verb = "ask",
                                        .subject = "health",
                                        .read = postgres_read_integer,
                                        .context = out,
                                        .rows_expected = -1},
                        sql);
    return postgres_link_round(link);
}

static fq_err ask(postgres_link *link, fq_store_health *out) {
    int64_t invalid = 0;
    FQ_TRY(ask_integer(link, "SELECT coalesce(max(number), 0) FROM schema_migration",
                       &out->migration_last));
    FQ_TRY(ask_integer(link,
                       "SELECT count(*) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid"
                       " WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisvalid",
                       &invalid));
    out->sound = invalid == 0;
    if (!out->sound) {
        snprintf(out->fault, sizeof(out->fault), "%lld indexes are invalid: REINDEX DATABASE",
                 (long long)invalid);
    }
    return FQ_OK;
}

fq_err postgres_examine(fq_engine *base, fq_store_health *out) {
    const postgres_engine *engine = (const postgres_engine *)base;
    postgres_link link;
    *out = (fq_store_health){0};
    postgres_link_init(&link);
    fq_err err = postgres_link_open(&link, &engine->target, NULL, POSTGRES_FOR_READING);
    if (!err.code) {
        err = ask(&link, out);
    }
    postgres_link_free(&link);
    return err;
}
