// What other services may ask of this one (order.h): in this process by reading, elsewhere over
// HTTP; and the route that answers the latter. No rules.
#include "order/rows.h"
#include "service/question.h"

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
    fq_reading reading FQ_READING_ENDS = {0};
    FQ_TRY(fq_reading_begin(service, &reading));
    return load_facts(service->engine, reading.reader, arena, ids, count, out);
}

fq_err fq_order_facts_of(const fq_peers *peers, fq_arena *arena, const uint64_t *ids, size_t count,
                         fq_order_facts *out) {
    FQ_ASSERT(count <= FQ_QUESTION_IDS_MAX);
    fq_service *local = peers->peer[FQ_SERVICE_ORDER].local;
    if (local) {
        return local_facts(local, arena, ids, count, out);
    }
    const fq_json *answer;
    FQ_TRY(fq_peer_call(peers, FQ_SERVICE_ORDER, "/internal/order/facts",
                        fq_question_ids(arena, ids, count), arena, &answer));
    const fq_json *orders = fq_json_member(answer, "orders");
    size_t i = 0;
    for (const fq_json *order = orders ? orders->first : NULL; order && i < count;
         order = order->next, i++) {
        out[i] = (fq_order_facts){.id.v = ids[i],
                                  .exists = fq_question_integer(order, "payee") != 0,
                                  .payee.v = (uint64_t)fq_question_integer(order, "payee"),
                                  .payer.v = (uint64_t)fq_question_integer(order, "payer"),
                                  .amount = {fq_question_integer(order, "amount"),
                                             {(uint16_t)fq_question_integer(order, "currency")}},
                                  .expires_ms = fq_question_integer(order, "expires_ms"),
                                  .created_ms = fq_question_integer(order, "created_ms")};
    }
    return i == count ? FQ_OK : fq_refuse(FQ_UNAVAILABLE, NULL);
}

fq_err order_internal_facts(fq_call *call, fq_reader *reader) {
    uint64_t *ids;
    size_t count;
    FQ_TRY(fq_question_decode_ids(call, &ids, &count));
    fq_order_facts *facts = FQ_NEW_ARRAY(call->arena, fq_order_facts, count + 1);
    FQ_TRY(load_facts(call->service->engine, reader, call->arena, ids, count, facts));
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_array_begin(&out, "orders");
    for (size_t i = 0; i < count; i++) {
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
