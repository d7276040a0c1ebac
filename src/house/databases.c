// Databases without services. Knows no rule and no table.
#include "house/databases.h"

#include "order/order.h"
#include "payment/payment.h"
#include "user/user.h"

static const fq_service_kind *const kinds[FQ_SERVICE_NUMBERS] = {
    [FQ_SERVICE_USER] = &fq_user_service,
    [FQ_SERVICE_ORDER] = &fq_order_service,
    [FQ_SERVICE_PAYMENT] = &fq_payment_service,
};

bool fq_where_is_url(const char *where) {
    const fq_str text = fq_str_of(where);
    return fq_str_starts(text, FQ_STR("postgresql://")) ||
           fq_str_starts(text, FQ_STR("postgres://"));
}

fq_err fq_database_open(const fq_settings *settings, const char *where, fq_service_number number,
                        fq_database_use use, fq_engine **out) {
    const fq_store_options options = {
        .busy_timeout_ms = settings->store_sqlite_busy_timeout,
        .cache_bytes = settings->store_sqlite_page_cache,
        .reader_cache_bytes = settings->store_sqlite_reader_cache,
        .connect_timeout_ms = settings->store_postgres_connect_timeout,
        .migrate = use == FQ_DATABASE_MIGRATE,
        .read_only = use == FQ_DATABASE_READ,
    };
    return fq_store_open(where, kinds[number]->schema, &options, out);
}

void fq_database_close(fq_engine **engine) {
    if (*engine) {
        (*engine)->ops->close(*engine);
        *engine = NULL;
    }
}

fq_err fq_database_backup(fq_engine *engine, const char *folder, bool is_url, fq_arena *arena,
                          const char **out_path) {
    *out_path =
        fq_arena_printf(arena, "%s/%s.%s", folder, engine->schema->service, is_url ? "dump" : "db")
            .at;
    return engine->ops->backup(engine, *out_path);
}
