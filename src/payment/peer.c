// What other services may ask of this one (payment.h): in this process by reading and by commands,
// elsewhere over HTTP; and the routes that answer the latter. No rules.
#include "payment/rows.h"
#include "service/follow.h"
#include "service/question.h"

#include <stdlib.h>

enum { ARENA_BYTES_MAX = 4 << 20 };

// --- guards ---

static fq_err load_wanted(const fq_engine *engine, fq_reader *reader, fq_arena *arena,
                          fq_batch *batch, const fq_table *table) {
    fq_row_list wanted;
    fq_batch_wanted(batch, &table, 1, &wanted);
    return wanted.count == 0
               ? FQ_OK
               : engine->ops->reader_load(reader, arena,
                                          &(fq_row_group){table, wanted.rows, wanted.count}, 1);
}

static fq_err load_guards(const fq_engine *engine, fq_reader *reader, fq_arena *arena,
                          const uint64_t *ids, size_t count, fq_guard_facts *out) {
    // In key order, each once: what the engines ask for.
    fq_batch *batch = fq_batch_make(arena, NULL, 0);
    guard_row **rows = FQ_NEW_ARRAY(arena, guard_row *, count);
    payment_row **payments = FQ_NEW_ARRAY(arena, payment_row *, count);
    for (size_t i = 0; i < count; i++) {
        rows[i] = (guard_row *)fq_want(batch, &guard_table, ids[i], 0, 0);
    }
    FQ_TRY(load_wanted(engine, reader, arena, batch, &guard_table));
    for (size_t i = 0; i < count; i++) {
        if (rows[i]->state == FQ_GUARD_HELD || rows[i]->state == FQ_GUARD_PAID) {
            payments[i] =
                (payment_row *)fq_want(batch, &payment_table, rows[i]->payment_id.v, 0, 0);
        }
    }
    FQ_TRY(load_wanted(engine, reader, arena, batch, &payment_table));
    for (size_t i = 0; i < count; i++) {
        const bool there = rows[i]->row.state != FQ_ROW_ABSENT;
        out[i] = (fq_guard_facts){there ? (fq_guard_state)rows[i]->state : FQ_GUARD_OPEN,
                                  rows[i]->paid_minor, rows[i]->refunded_minor, rows[i]->version,
                                  payments[i] ? payments[i]->payer_id : (fq_user_id){0}};
    }
    return FQ_OK;
}

static fq_err local_guards(fq_service *service, fq_arena *arena, const uint64_t *ids, size_t count,
                           fq_guard_facts *out) {
    fq_reading reading FQ_READING_ENDS = {0};
    FQ_TRY(fq_reading_begin(service, &reading));
    return load_guards(service->engine, reading.reader, arena, ids, count, out);
}

fq_err fq_payment_guards_of(const fq_peers *peers, fq_arena *arena, const uint64_t *order_ids,
                            size_t count, fq_guard_facts *out) {
    FQ_ASSERT(count <= FQ_QUESTION_IDS_MAX);
    fq_service *local = peers->peer[FQ_SERVICE_PAYMENT].local;
    if (local) {
        return local_guards(local, arena, order_ids, count, out);
    }
    const fq_json *answer;
    FQ_TRY(fq_peer_call(peers, FQ_SERVICE_PAYMENT, "/internal/payment/guards",
                        fq_question_ids(arena, order_ids, count), arena, &answer));
    const fq_json *guards = fq_json_member(answer, "guards");
    size_t i = 0;
    for (const fq_json *guard = guards ? guards->first : NULL; guard && i < count;
         guard = guard->next) {
        out[i++] = (fq_guard_facts){(fq_guard_state)fq_question_integer(guard, "state"),
                                    fq_question_integer(guard, "paid"),
                                    fq_question_integer(guard, "refunded"),
                                    (uint64_t)fq_question_integer(guard, "version"),
                                    {(uint64_t)fq_question_integer(guard, "payer")}};
    }
    return i == count ? FQ_OK : fq_refuse(FQ_UNAVAILABLE, NULL);
}

fq_err internal_read_guards(fq_call *call, fq_reader *reader) {
    uint64_t *ids;
    size_t count;
    FQ_TRY(fq_question_decode_ids(call, &ids, &count));
    fq_guard_facts *facts = FQ_NEW_ARRAY(call->arena, fq_guard_facts, count + 1);
    FQ_TRY(load_guards(call->service->engine, reader, call->arena, ids, count, facts));
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_array_begin(&out, "guards");
    for (size_t i = 0; i < count; i++) {
        fq_json_object_begin(&out, NULL);
        fq_json_put_i64(&out, "state", facts[i].state);
        fq_json_put_i64(&out, "paid", facts[i].paid_minor);
        fq_json_put_i64(&out, "refunded", facts[i].refunded_minor);
        fq_json_put_u64(&out, "version", facts[i].version);
        fq_json_put_u64(&out, "payer", facts[i].payer.v);
        fq_json_object_end(&out);
    }
    fq_json_array_end(&out);
    fq_json_object_end(&out);
    return FQ_OK;
}

// --- closing an order ---

fq_err fq_payment_close_order(const fq_peers *peers, fq_order_id order, fq_guard_state state) {
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    fq_service *local = peers->peer[FQ_SERVICE_PAYMENT].local;
    fq_err err;
    if (local) {
        guard_close close = {.base = {.kind = &guard_close_kind, .arena = &arena, .units = 1},
                             .order_id = order,
                             .state = state};
        err = fq_writer_run(local->writer, &close.base);
    } else {
        const fq_json *answer;
        const fq_str body =
            fq_arena_printf(&arena, "{\"id\":%lld,\"state\":%d}", (long long)order.v, (int)state);
        err = fq_peer_call(peers, FQ_SERVICE_PAYMENT, "/internal/payment/close_order", body, &arena,
                           &answer);
    }
    fq_arena_free(&arena);
    return (fq_err){.code = err.code};
}

typedef struct {
    int64_t id, state;
} close_query;

static const fq_field close_rows[] = {
    {.name = "id",
     .kind = FQ_FIELD_INTEGER,
     .required = true,
     .minimum = 1,
     .maximum = INT64_MAX,
     .offset = FQ_AT(close_query, id)},
    {.name = "state",
     .kind = FQ_FIELD_INTEGER,
     .minimum = FQ_GUARD_CANCELLED,
     .maximum = FQ_GUARD_EXPIRED,
     .offset = FQ_AT(close_query, state)},
};
static const fq_fields close_fields = FQ_FIELDS(close_rows, close_query);

fq_err internal_decode_close_order(fq_call *call, fq_command *command) {
    close_query query = {0};
    guard_close *close = (guard_close *)command;
    FQ_TRY(fq_call_body(call, &close_fields, &query));
    close->order_id.v = (uint64_t)query.id;
    close->state = (fq_guard_state)query.state;
    return FQ_OK;
}

static fq_err answer_done(fq_call *call) {
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_object_end(&out);
    return FQ_OK;
}

fq_err internal_encode_close_order(fq_call *call, const fq_command *command) {
    (void)command;
    return answer_done(call);
}

// --- closing a user: his copy here first, so that nothing comes in; then his balances; open again
// if there are any ---

static fq_err set_closed(fq_service *service, fq_arena *arena, const fq_user_facts *facts,
                         bool closed) {
    party_close close = {.base = {.kind = &party_close_kind, .arena = arena, .units = 1},
                         .user_id = facts->id,
                         .closed = closed,
                         .facts = {.payer = *facts, .users_known = true}};
    return fq_writer_run(service->writer, &close.base);
}

static bool has_money(void *context, const fq_row *row) {
    bool *found = context;
    *found |= ((const fq_account_row *)row)->balance_minor != 0;
    return !*found;
}

static fq_err look_for_money(fq_service *service, fq_user_id user, bool *out) {
    return fq_service_scan(service, &(fq_scan){.table = &fq_account_table,
                                               .above = user.v - 1,
                                               .below = user.v + 1,
                                               .forward = true,
                                               .visit = has_money,
                                               .context = out});
}

static fq_err close_user(fq_service *service, fq_arena *arena, fq_user_id user) {
    fq_user_facts facts;
    FQ_TRY(fq_user_facts_of(service->peers, arena, &user.v, 1, &facts));
    if (!facts.exists) {
        return fq_refuse(FQ_USER_NOT_FOUND, NULL);
    }
    bool money = false;
    FQ_TRY(set_closed(service, arena, &facts, true));
    const fq_err looked = look_for_money(service, user, &money);
    if (looked.code || money) {
        // As he is now: he may have been frozen meanwhile.
        FQ_TRY(fq_user_facts_of(service->peers, arena, &user.v, 1, &facts));
        FQ_TRY(set_closed(service, arena, &facts, false));
        return looked.code ? looked : fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    return FQ_OK;
}

fq_err fq_payment_close_user(const fq_peers *peers, fq_user_id user) {
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    fq_service *local = peers->peer[FQ_SERVICE_PAYMENT].local;
    const fq_json *answer;
    const fq_err err =
        local ? close_user(local, &arena, user)
              : fq_peer_call(peers, FQ_SERVICE_PAYMENT, "/internal/payment/close_user",
                             fq_arena_printf(&arena, "{\"id\":%lld}", (long long)user.v), &arena,
                             &answer);
    fq_arena_free(&arena);
    return (fq_err){.code = err.code};
}

fq_err internal_read_close_user(fq_call *call, fq_reader *reader) {
    (void)reader;
    close_query query = {0};
    FQ_TRY(fq_call_body(call, &close_fields, &query));
    FQ_TRY(close_user(call->service, call->arena, (fq_user_id){(uint64_t)query.id}));
    return answer_done(call);
}

// --- how far users were followed ---

fq_err fq_payment_followed_users(const fq_peers *peers, uint64_t *out_position) {
    fq_service *local = peers->peer[FQ_SERVICE_PAYMENT].local;
    if (local) {
        *out_position = fq_follow_position(local, FQ_SERVICE_USER);
        return FQ_OK;
    }
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    const fq_json *answer;
    const fq_err err = fq_peer_call(peers, FQ_SERVICE_PAYMENT, "/internal/payment/followed",
                                    FQ_STR("{}"), &arena, &answer);
    if (!err.code) {
        *out_position = (uint64_t)fq_question_integer(answer, "position");
    }
    fq_arena_free(&arena);
    return (fq_err){.code = err.code};
}

fq_err internal_read_followed(fq_call *call, fq_reader *reader) {
    (void)reader;
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_put_u64(&out, "position", fq_follow_position(call->service, FQ_SERVICE_USER));
    fq_json_object_end(&out);
    return FQ_OK;
}
