// What other services may ask of this one (order.h): in this process by reading, elsewhere over
// HTTP; and the route that answers the latter. No rules.
#include "order/rows.h"

enum { IDS_MAX = 1000 };

static fq_err load_facts(const fq_engine *engine, fq_reader *reader, fq_arena *arena,
                         const uint64_t *ids, size_t count, fq_order_facts *out) {
    // In key order, each once: what the engines ask for.
    fq_batch *batch = fq_batch_make(arena, NULL, 0);
    order_row **rows = FQ_NEW_ARRAY(arena, order_row *, count + 1);
    const fq_table *table = &order_table;
    fq_row_list wanted;
    for (size_t i = 0; i < count; i++) {
        rows[i] = (order_row *)fq_want(batch, table, ids[i], 0, 0);
    }
    fq_batch_wanted(batch, &table, 1, &wanted);
    if (wanted.count > 0) {
        FQ_TRY(engine->ops->reader_load(reader, arena,
                                        &(fq_row_group){table, wanted.rows, wanted.count}, 1));
    }
    for (size_t i = 0; i < count; i++) {
        const order_row *row = rows[i];
        out[i] =
            (fq_order_facts){row->id,        row->row.state != FQ_ROW_ABSENT,    row->payee_id,
                             row->payer_id,  {row->amount_minor, row->currency}, row->expires_ms,
                             row->created_ms};
    }
    return FQ_OK;
}

static fq_err local_facts(fq_service *service, fq_arena *arena, const uint64_t *ids, size_t count,
                          fq_order_facts *out) {
    fq_reader *reader;
    FQ_TRY(fq_reader_pool_borrow(service->readers, &reader));
    fq_err err = service->engine->ops->reader_begin(reader);
    if (!err.code) {
        err = load_facts(service->engine, reader, arena, ids, count, out);
        service->engine->ops->reader_end(reader);
    }
    fq_reader_pool_return(service->readers, reader);
    return err;
}

static int64_t integer_of(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member && member->is_integer ? member->integer : 0;
}

fq_err fq_order_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids, size_t count,
                         fq_order_facts *out) {
    FQ_ASSERT(count <= IDS_MAX);
    fq_service *local = peers->peer[FQ_SERVICE_ORDER].local;
    if (local) {
        return local_facts(local, arena, ids, count, out);
    }
    const size_t room = 32 + count * 24;
    fq_buffer body = {.at = fq_arena_alloc(arena, room), .capacity = room, .bytes_max = room};
    FQ_ADD(&body, "{\"ids\":[");
    for (size_t i = 0; i < count; i++) {
        fq_buffer_printf(&body, "%s%lld", i > 0 ? "," : "", (long long)ids[i]);
    }
    FQ_ADD(&body, "]}");
    const fq_json *answer;
    FQ_TRY(fq_peer_call(peers, FQ_SERVICE_ORDER, "/internal/order/facts", fq_buffer_str(&body),
                        arena, &answer));
    const fq_json *orders = fq_json_member(answer, "orders");
    size_t i = 0;
    for (const fq_json *order = orders ? orders->first : NULL; order && i < count;
         order = order->next, i++) {
        out[i] = (fq_order_facts){
            .id.v = ids[i],
            .exists = integer_of(order, "payee") != 0,
            .payee.v = (uint64_t)integer_of(order, "payee"),
            .payer.v = (uint64_t)integer_of(order, "payer"),
            .amount = {integer_of(order, "amount"), {(uint16_t)integer_of(order, "currency")}},
            .expires_ms = integer_of(order, "expires_ms"),
            .created_ms = integer_of(order, "created_ms")};
    }
    return i == count ? FQ_OK : fq_refuse(FQ_UNAVAILABLE, NULL);
}

typedef struct {
    const fq_json *ids;
} ids_query;

static const fq_field ids_rows[] = {
    {.name = "ids", .kind = FQ_FIELD_VALUE, .required = true, .offset = FQ_AT(ids_query, ids)}};
static const fq_fields ids_fields = FQ_FIELDS(ids_rows, ids_query);

fq_err order_internal_facts(fq_call *call, fq_reader *reader) {
    ids_query query;
    FQ_TRY(fq_call_body(call, &ids_fields, &query));
    if (query.ids->type != FQ_JSON_ARRAY || query.ids->count > IDS_MAX) {
        return fq_refuse_text(FQ_INVALID_FIELD, "ids", "a list of at most 1,000");
    }
    const size_t count = query.ids->count;
    uint64_t *ids = FQ_NEW_ARRAY(call->arena, uint64_t, count + 1);
    fq_order_facts *facts = FQ_NEW_ARRAY(call->arena, fq_order_facts, count + 1);
    size_t i = 0;
    for (const fq_json *id = query.ids->first; id; id = id->next) {
        ids[i++] = (uint64_t)id->integer;
    }
    FQ_TRY(load_facts(call->service->engine, reader, call->arena, ids, count, facts));
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_array_begin(&out, "orders");
    for (i = 0; i < count; i++) {
        fq_json_object_begin(&out, NULL);
        fq_json_put_u64(&out, "payee", facts[i].payee.v);
        fq_json_put_u64(&out, "payer", facts[i].payer.v);
        fq_json_put_i64(&out, "amount", facts[i].amount.amount_minor);
        fq_json_put_i64(&out, "currency", facts[i].amount.currency.v);
        fq_json_put_i64(&out, "expires_ms", facts[i].expires_ms);
        fq_json_put_i64(&out, "created_ms", facts[i].created_ms);
        fq_json_object_end(&out);
    }
    fq_json_array_end(&out);
    fq_json_object_end(&out);
    return FQ_OK;
}
