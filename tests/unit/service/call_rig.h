// A call without a server: a query goes in, the answer's JSON comes out. Not for anything but
// tests.
#pragma once

#include "service/edge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct {
    fq_exchange exchange;
    fq_edge edge;
    fq_service service;
    fq_call call;
} call_rig;

static inline void call_begin(call_rig *rig, const char *query) {
    *rig = (call_rig){0};
    fq_arena_init(&rig->exchange.arena, 64 << 20);
    fq_buffer_init(&rig->exchange.body, 1 << 20);
    fq_buffer_init(&rig->exchange.head, 1 << 16);
    rig->exchange.request.query = fq_str_of(query);
    rig->call = (fq_call){.exchange = &rig->exchange,
                          .arena = &rig->exchange.arena,
                          .service = &rig->service,
                          .edge = &rig->edge,
                          .caller = {.scope = FQ_SCOPE_ADMIN}};
}

static inline void call_end(call_rig *rig) {
    fq_arena_free(&rig->exchange.arena);
    fq_buffer_free(&rig->exchange.body);
    fq_buffer_free(&rig->exchange.head);
}

static inline const fq_json *call_answer(call_rig *rig) {
    const fq_json *json = NULL;
    assert_int_equal(rig->exchange.status, 200);
    assert_false(rig->exchange.body.overflowed);
    assert_int_equal(fq_json_parse(&rig->exchange.arena, fq_buffer_str(&rig->exchange.body),
                                   FQ_JSON_REQUEST, &json)
                         .code,
                     FQ_DONE);
    return json;
}
