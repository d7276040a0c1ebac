// Reads back what was paid. Only reads: nothing is written to the server.
#include "bench/verify.h"

#include "base/id.h"

#include <stdio.h>

enum { CONNECTIONS_MAX = 64, ANSWER_BYTES_MAX = 64 * 1024 };

typedef struct {
    const bench_caller *caller;
    const bench_paid *sample;  // when payments are read
    const uint64_t *wallets;   // when balances are read
    uint64_t asked, target;
    uint64_t asked_by_slot[CONNECTIONS_MAX];
    int64_t sum_minor;
} reader;

static size_t ask_payment(void *state, uint32_t slot, char *out) {
    reader *r = state;
    if (r->asked == r->target) {
        return 0;
    }
    char path[64], id[FQ_ID_TEXT_MAX];
    fq_id_text(FQ_ID_payment, r->sample[r->asked].payment_id, id);
    snprintf(path, sizeof(path), "/v1/payments/%s", id);
    r->asked_by_slot[slot] = r->asked++;
    return bench_message_get(r->caller, path, out);
}

static bench_verdict judge_payment(void *state, uint32_t slot, const bench_answer *answer) {
    const reader *r = state;
    const bench_paid *paid = &r->sample[r->asked_by_slot[slot]];
    char id[FQ_ID_TEXT_MAX], order_id[FQ_ID_TEXT_MAX];
    fq_id_text(FQ_ID_payment, paid->payment_id, id);
    fq_id_text(FQ_ID_order, paid->order_id, order_id);
    int64_t amount = 0;
    const bool right = answer->status == 200 && bench_json_has(answer->body, fq_str_of(id)) &&
                       bench_json_has(answer->body, fq_str_of(order_id)) &&
                       bench_json_i64(answer->body, FQ_STR("\"amount\":"), &amount) &&
                       amount == paid->amount_minor &&
                       bench_json_has(answer->body, FQ_STR("\"status\":\"succeeded\""));
    return (bench_verdict){.right = right, .wrong = !right};
}

static size_t ask_balance(void *state, uint32_t slot, char *out) {
    (void)slot;
    reader *r = state;
    if (r->asked == r->target) {
        return 0;
    }
    char path[64], id[FQ_ID_TEXT_MAX];
    fq_id_text(FQ_ID_user, r->wallets[r->asked++], id);
    snprintf(path, sizeof(path), "/v1/users/%s/balances", id);
    return bench_message_get(r->caller, path, out);
}

static bench_verdict judge_balance(void *state, uint32_t slot, const bench_answer *answer) {
    (void)slot;
    reader *r = state;
    // A wallet has money in one currency only, so the first of each is the one.
    int64_t available = 0, pending = 0, held = 0;
    const bool right = answer->status == 200 &&
                       bench_json_i64(answer->body, FQ_STR("\"available\":"), &available) &&
                       bench_json_i64(answer->body, FQ_STR("\"pending\":"), &pending) &&
                       bench_json_i64(answer->body, FQ_STR("\"held\":"), &held) && available >= 0 &&
                       pending >= 0 && held >= 0;
    if (right) {
        r->sum_minor += available + pending + held;
    }
    return (bench_verdict){.right = right, .wrong = !right};
}

// Asks for all, and returns how many answers were right. The first wrong one is kept.
static uint64_t read_all(bench_run *run, reader *r, const char *name, const bench_work *work,
                         char *out_first_error) {
    fq_arena arena;
    fq_arena_init(&arena, sizeof(bench_tally) + 64);
    bench_tally *tally = FQ_NEW(&arena, bench_tally);
    const bench_stage stage = {
        .name = name,
        .total = r->target,
        .work = work,
        .states = (void *[]){r},
        .threads = 1,
        .connections = run->options->connections < CONNECTIONS_MAX ? run->options->connections
                                                                   : CONNECTIONS_MAX,
    };
    bench_stage_run(run, &stage, tally);
    const uint64_t right = tally->right;
    memcpy(out_first_error, tally->first_error, BENCH_ERROR_TEXT_MAX);
    fq_arena_free(&arena);
    return right;
}

void bench_verify(const bench_world *world, bench_run *run, const bench_payer *payers,
                  uint32_t payer_count, bench_verification *out) {
    static const bench_work payments = {BENCH_HEAD_BYTES_MAX, ANSWER_BYTES_MAX, ask_payment,
                                        judge_payment};
    static const bench_work balances = {BENCH_HEAD_BYTES_MAX, ANSWER_BYTES_MAX, ask_balance,
                                        judge_balance};
    *out = (bench_verification){.right = true};
    for (uint32_t i = 0; i < payer_count && out->right; i++) {
        reader r = {
            .caller = world->caller,
            .sample = payers[i].sample,
            .target = payers[i].seen < BENCH_SAMPLE_MAX ? payers[i].seen : BENCH_SAMPLE_MAX,
        };
        const uint64_t right = read_all(run, &r, "payments read back", &payments, out->first_error);
        out->payments += right;
        out->right = right == r.target;
    }
    if (!out->right) {
        return;
    }
    reader r = {.caller = world->caller, .wallets = world->wallets, .target = world->wallets_made};
    out->wallets = read_all(run, &r, "balances", &balances, out->first_error);
    const int64_t expected_minor = BENCH_TOPUP_MINOR * (int64_t)world->wallets_filled;
    out->right = out->wallets == r.target && r.sum_minor == expected_minor;
    if (!out->right && out->first_error[0] == '\0') {
        snprintf(out->first_error, sizeof(out->first_error),
                 "the balances add up to %lld, not to the %lld topped up", (long long)r.sum_minor,
                 (long long)expected_minor);
    }
}
