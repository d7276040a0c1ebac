// Paying orders. The hot path of the load generator: it shares the machine with the server it
// measures.
#include "bench/pay.h"

#include "base/id.h"

static const char PAYMENT_HEAD[] = "{\"order_id\":\"";
static const char PAYMENT_USER[] = "\",\"user_id\":\"";
static const char PAYMENT_REST[] =
    "\",\"amount\":0000,\"currency\":\"" BENCH_CURRENCY "\",\"method\":\"balance\"}";
static const char BULK_BEGIN[] = "{\"payments\":[";
static const char BULK_END[] = "]}";

#define LITERAL_LEN(literal) (sizeof(literal) - 1)
enum {
    ID_LEN = sizeof("ord_0123456789012") - 1,
    PAYMENT_BYTES = LITERAL_LEN(PAYMENT_HEAD) + ID_LEN + LITERAL_LEN(PAYMENT_USER) + ID_LEN +
                    LITERAL_LEN(PAYMENT_REST),
    AMOUNT_PLACE = LITERAL_LEN("\",\"amount\":"),
    ANSWER_BYTES_MAX = 64 * 1024,
    ANSWER_ITEM_BYTES_MAX = 4096,
};

static char *write_payment(const bench_world *world, const bench_order *order, char *at) {
    char id[FQ_ID_TEXT_MAX];
    at = mempcpy(at, PAYMENT_HEAD, LITERAL_LEN(PAYMENT_HEAD));
    fq_id_text(FQ_ID_order, order->id, id);
    at = mempcpy(at, id, ID_LEN);
    at = mempcpy(at, PAYMENT_USER, LITERAL_LEN(PAYMENT_USER));
    fq_id_text(FQ_ID_user, world->wallets[order->payer], id);
    at = mempcpy(at, id, ID_LEN);
    memcpy(at, PAYMENT_REST, LITERAL_LEN(PAYMENT_REST));
    uint32_t amount = order->amount_minor;
    for (int i = 3; i >= 0; i--) {
        at[AMOUNT_PLACE + i] = (char)('0' + amount % 10);
        amount /= 10;
    }
    return at + LITERAL_LEN(PAYMENT_REST);
}

// Takes up to `bulk` orders for the slot; false when all are taken.
static bool take_orders(bench_payer *payer, uint32_t slot) {
    const uint64_t first =
        atomic_fetch_add_explicit(&payer->world->order_taken, payer->bulk, memory_order_relaxed);
    if (first >= payer->world->order_count) {
        return false;
    }
    const uint64_t left = payer->world->order_count - first;
    payer->first_taken[slot] = first;
    payer->taken_count[slot] = left < payer->bulk ? (uint32_t)left : payer->bulk;
    return true;
}

static size_t ask_one(void *state, uint32_t slot, char *out) {
    bench_payer *payer = state;
    if (!take_orders(payer, slot)) {
        return 0;
    }
    char *body = bench_message_begin(&payer->template, PAYMENT_BYTES, out);
    write_payment(payer->world, &payer->world->orders[payer->first_taken[slot]], body);
    return bench_message_end(&payer->template, PAYMENT_BYTES, out);
}

static size_t ask_bulk(void *state, uint32_t slot, char *out) {
    bench_payer *payer = state;
    if (!take_orders(payer, slot)) {
        return 0;
    }
    const size_t count = payer->taken_count[slot];
    const size_t body_bytes =
        LITERAL_LEN(BULK_BEGIN) + count * PAYMENT_BYTES + (count - 1) + LITERAL_LEN(BULK_END);
    char *at = bench_message_begin(&payer->template, body_bytes, out);
    at = mempcpy(at, BULK_BEGIN, LITERAL_LEN(BULK_BEGIN));
    for (size_t i = 0; i < count; i++) {
        at = write_payment(payer->world, &payer->world->orders[payer->first_taken[slot] + i], at);
        *at++ = ',';
    }
    memcpy(at - 1, BULK_END, LITERAL_LEN(BULK_END));
    return bench_message_end(&payer->template, body_bytes, out);
}

// A fair sample: the n-th payment displaces one of the kept ones with a chance of BENCH_SAMPLE_MAX
// to n.
static void keep_in_sample(bench_payer *payer, const bench_order *order, fq_str json) {
    const uint64_t seen = payer->seen++;
    const uint64_t place = seen < BENCH_SAMPLE_MAX ? seen : bench_random(&payer->random) % seen;
    fq_str text;
    uint64_t id;
    if (place < BENCH_SAMPLE_MAX && bench_json_text(json, FQ_STR("\"id\":\""), &text) &&
        fq_id_parse(FQ_ID_payment, text, &id)) {
        payer->sample[place] = (bench_paid){
            .payment_id = id, .order_id = order->id, .amount_minor = order->amount_minor};
    }
}

// Is `json` the payment of this order, whole and done?
static bool is_paid(bench_payer *payer, const bench_order *order, int status, fq_str json) {
    char member[LITERAL_LEN("\"order_id\":\"\"") + FQ_ID_TEXT_MAX] = "\"order_id\":\"";
    char *id = member + LITERAL_LEN("\"order_id\":\"");
    fq_id_text(FQ_ID_order, order->id, id);
    id[ID_LEN] = '"';
    const fq_str order_member = {member, LITERAL_LEN("\"order_id\":\"\"") + ID_LEN};
    int64_t amount = 0;
    const bool right = status == 201 && bench_json_has(json, order_member) &&
                       bench_json_i64(json, FQ_STR("\"amount\":"), &amount) &&
                       amount == order->amount_minor &&
                       bench_json_has(json, FQ_STR("\"status\":\"succeeded\""));
    if (right && payer->sample) {
        keep_in_sample(payer, order, json);
    }
    return right;
}

static bench_verdict judge_one(void *state, uint32_t slot, const bench_answer *answer) {
    bench_payer *payer = state;
    const bench_order *order = &payer->world->orders[payer->first_taken[slot]];
    const bool right = is_paid(payer, order, answer->status, answer->body);
    return (bench_verdict){.right = right, .wrong = !right};
}

static bench_verdict judge_bulk(void *state, uint32_t slot, const bench_answer *answer) {
    bench_payer *payer = state;
    const bench_order *orders = &payer->world->orders[payer->first_taken[slot]];
    bench_verdict verdict = {0};
    fq_str rest = answer->body, item;
    int status;
    for (uint32_t i = 0; i < payer->taken_count[slot] && answer->status == 200; i++) {
        if (!bench_bulk_next(&rest, &status, &item)) {
            break;
        }
        if (is_paid(payer, &orders[i], status, item)) {
            verdict.right++;
        } else if (verdict.fault.len == 0) {
            verdict.fault = item;
        }
    }
    verdict.wrong = payer->taken_count[slot] - verdict.right;
    return verdict;
}

void bench_payer_init(bench_payer *payer, fq_arena *arena, bench_world *world,
                      const fq_bench_options *options, uint64_t seed) {
    *payer = (bench_payer){
        .world = world,
        .bulk = options->bulk,
        .first_taken = FQ_NEW_ARRAY(arena, uint64_t, options->connections),
        .taken_count = FQ_NEW_ARRAY(arena, uint32_t, options->connections),
        .sample = options->verify ? FQ_NEW_ARRAY(arena, bench_paid, BENCH_SAMPLE_MAX) : NULL,
        .random = seed,
    };
    bench_template_init(&payer->template, world->caller,
                        options->bulk > 1 ? "/v1/payments/bulk" : "/v1/payments");
}

size_t bench_payer_arena_bytes(const fq_bench_options *options) {
    return options->connections * (sizeof(uint64_t) + sizeof(uint32_t)) +
           BENCH_SAMPLE_MAX * sizeof(bench_paid) + 64;
}

bench_work bench_pay_work(uint32_t bulk) {
    if (bulk == 1) {
        return (bench_work){BENCH_HEAD_BYTES_MAX + PAYMENT_BYTES, ANSWER_BYTES_MAX, ask_one,
                            judge_one};
    }
    return (bench_work){
        .request_bytes_max = BENCH_HEAD_BYTES_MAX + LITERAL_LEN(BULK_BEGIN) +
                             LITERAL_LEN(BULK_END) + (size_t)bulk * (PAYMENT_BYTES + 1),
        .answer_bytes_max = ANSWER_BYTES_MAX + (size_t)bulk * ANSWER_ITEM_BYTES_MAX,
        .ask = ask_bulk,
        .judge = judge_bulk,
    };
}
