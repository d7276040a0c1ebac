// Which engine stands behind "where the data is".
#include "store/engine.h"

fq_err fq_store_open(const char *where, const fq_schema *schema, const fq_store_options *options,
                     fq_engine **out) {
    const fq_str text = fq_str_of(where);
    if (fq_str_starts(text, FQ_STR("postgresql://")) ||
        fq_str_starts(text, FQ_STR("postgres://"))) {
        return fq_engine_postgres_open(where, schema, options, out);
    }
    return fq_engine_sqlite_open(where, schema, options, out);
}
