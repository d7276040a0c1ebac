// Users, top-ups and orders, made through the API. Which request goes out when is the loop's
// affair.
#include "bench/world.h"

#include "base/id.h"

#include <stdio.h>

enum {
    ID_LEN = FQ_ID_TEXT_MAX - 1 - 2,  // "usr_" and 13 characters
    ORDER_CONNECTIONS_MAX = 16,
    USER_CONNECTIONS_MAX = 256,
    ANSWER_BYTES_MAX = 64 * 1024,
    BULK_ANSWER_BYTES_MAX = 4 * 1024 * 1024,
};
_Static_assert(sizeof("usr_") - 1 + 13 == ID_LEN, "an id's text is this long");

// Who pays whom how much, by the number of the order.
typedef struct {
    uint32_t payer, payee, amount_minor;
} bench_deal;

static bench_deal draw_deal(const bench_world *world, uint64_t serial) {
    uint64_t random = world->seed ^ (serial * UINT64_C(0xd1342543de82ef95));
    const double share = (double)(bench_random(&random) >> 11) / 9007199254740992.0;
    const uint32_t anyone = (uint32_t)(bench_random(&random) % world->wallet_count);
    const uint32_t payee = share < world->hot_share ? 0 : anyone;
    // Somebody else: 1 to wallet_count - 1 places further on.
    const uint32_t step = 1 + (uint32_t)(bench_random(&random) % (world->wallet_count - 1));
    return (bench_deal){
        .payer = (payee + step) % world->wallet_count,
        .payee = payee,
        .amount_minor = BENCH_AMOUNT_MIN + (uint32_t)(bench_random(&random) %
                                                      (BENCH_AMOUNT_MAX - BENCH_AMOUNT_MIN + 1)),
    };
}

void bench_world_init(bench_world *world, const bench_caller *caller,
                      const fq_bench_options *options) {
    *world = (bench_world){
        .caller = caller,
        .wallet_count = options->wallets,
        .hot_share = options->hot_share,
        .seed = options->seed,
    };
    fq_arena_init(&world->wallets_memory, fq_array_bytes(world->wallet_count, sizeof(uint64_t)));
    fq_arena_init(&world->orders_memory, SIZE_MAX / 2);
    world->wallets = FQ_NEW_ARRAY(&world->wallets_memory, uint64_t, world->wallet_count);
}

void bench_world_free(bench_world *world) {
    fq_arena_free(&world->wallets_memory);
    fq_arena_free(&world->orders_memory);
}

// What the three kinds of work below need.
typedef struct {
    bench_world *world;
    bench_template template;
    uint64_t asked, target;
    uint64_t first_asked[USER_CONNECTIONS_MAX];  // by slot: the number of the first thing asked for
    uint32_t asked_count[USER_CONNECTIONS_MAX];
} maker;

static bench_verdict verdict_of(bool right) {
    return (bench_verdict){.right = right, .wrong = !right};
}

// Writes a body as a whole request.
static size_t write_request(maker *m, fq_str body, char *out) {
    memcpy(bench_message_begin(&m->template, body.len, out), body.at, body.len);
    return bench_message_end(&m->template, body.len, out);
}

static size_t ask_user(void *state, uint32_t slot, char *out) {
    (void)slot;
    maker *m = state;
    if (m->asked == m->target) {
        return 0;
    }
    char body[128];
    snprintf(body, sizeof(body), "{\"name\":\"Bench %07llu\",\"roles\":[\"payer\",\"merchant\"]}",
             (unsigned long long)m->asked++);
    return write_request(m, fq_str_of(body), out);
}

static bench_verdict judge_user(void *state, uint32_t slot, const bench_answer *answer) {
    (void)slot;
    bench_world *world = ((maker *)state)->world;
    fq_str text;
    uint64_t id;
    const bool right = answer->status == 201 &&
                       bench_json_text(answer->body, FQ_STR("\"id\":\""), &text) &&
                       fq_id_parse(FQ_ID_user, text, &id);
    if (right) {
        world->wallets[world->wallets_made++] = id;
    }
    return verdict_of(right);
}

static size_t ask_topup(void *state, uint32_t slot, char *out) {
    (void)slot;
    maker *m = state;
    if (m->asked == m->target) {
        return 0;
    }
    char body[160], user[FQ_ID_TEXT_MAX];
    fq_id_text(FQ_ID_user, m->world->wallets[m->asked++], user);
    snprintf(body, sizeof(body),
             "{\"user_id\":\"%s\",\"amount\":%lld,\"currency\":\"" BENCH_CURRENCY
             "\",\"method\":\"sandbox\"}",
             user, (long long)BENCH_TOPUP_MINOR);
    return write_request(m, fq_str_of(body), out);
}

static bench_verdict judge_topup(void *state, uint32_t slot, const bench_answer *answer) {
    (void)slot;
    const bool right =
        answer->status == 201 && bench_json_has(answer->body, FQ_STR("\"status\":\"succeeded\""));
    ((maker *)state)->world->wallets_filled += right;
    return verdict_of(right);
}

static const char ORDERS_BEGIN[] = "{\"orders\":[";
static const char ORDERS_END[] = "]}";
static const char ORDER_HEAD[] = "{\"payee_id\":\"";
static const char ORDER_REST[] =
    "\",\"amount\":0000,\"currency\":\"" BENCH_CURRENCY "\",\"description\":\"bench\"},";
enum {
    ORDER_BYTES = sizeof(ORDER_HEAD) - 1 + ID_LEN + sizeof(ORDER_REST) - 1,
    // The last order has no comma behind it.
    ORDERS_FRAME_BYTES = sizeof(ORDERS_BEGIN) - 1 + sizeof(ORDERS_END) - 1 - 1,
    AMOUNT_PLACE = sizeof("\",\"amount\":") - 1,
};

static char *write_order(const bench_world *world, bench_deal deal, char *at) {
    char payee[FQ_ID_TEXT_MAX];
    fq_id_text(FQ_ID_user, world->wallets[deal.payee], payee);
    at = mempcpy(at, ORDER_HEAD, sizeof(ORDER_HEAD) - 1);
    at = mempcpy(at, payee, ID_LEN);
    memcpy(at, ORDER_REST, sizeof(ORDER_REST) - 1);
    uint32_t amount = deal.amount_minor;
    for (int i = 3; i >= 0; i--) {
        at[AMOUNT_PLACE + i] = (char)('0' + amount % 10);
        amount /= 10;
    }
    return at + sizeof(ORDER_REST) - 1;
}

static size_t ask_orders(void *state, uint32_t slot, char *out) {
    maker *m = state;
    const uint64_t left = m->target - m->asked;
    const uint32_t count = left < BENCH_ORDERS_A_CALL ? (uint32_t)left : BENCH_ORDERS_A_CALL;
    if (count == 0) {
        return 0;
    }
    m->first_asked[slot] = m->world->serial;
    m->asked_count[slot] = count;
    const size_t body_bytes = ORDERS_FRAME_BYTES + (size_t)count * ORDER_BYTES;
    char *at = bench_message_begin(&m->template, body_bytes, out);
    at = mempcpy(at, ORDERS_BEGIN, sizeof(ORDERS_BEGIN) - 1);
    for (uint32_t i = 0; i < count; i++) {
        at = write_order(m->world, draw_deal(m->world, m->world->serial++), at);
    }
    memcpy(at - 1, ORDERS_END, sizeof(ORDERS_END) - 1);
    m->asked += count;
    return bench_message_end(&m->template, body_bytes, out);
}

static bench_verdict judge_orders(void *state, uint32_t slot, const bench_answer *answer) {
    const maker *m = state;
    bench_world *world = m->world;
    bench_verdict verdict = {0};
    fq_str rest = answer->body, item, text;
    int status;
    uint64_t id;
    for (uint32_t i = 0; i < m->asked_count[slot] && answer->status == 200 &&
                         bench_bulk_next(&rest, &status, &item);
         i++) {
        if (status == 201 && bench_json_text(item, FQ_STR("\"id\":\""), &text) &&
            fq_id_parse(FQ_ID_order, text, &id)) {
            const bench_deal deal = draw_deal(world, m->first_asked[slot] + i);
            world->orders[world->order_count++] =
                (bench_order){.id = id, .payer = deal.payer, .amount_minor = deal.amount_minor};
            verdict.right++;
        } else if (verdict.fault.len == 0) {
            verdict.fault = item;
        }
    }
    verdict.wrong = m->asked_count[slot] - verdict.right;
    return verdict;
}

static uint32_t smaller(uint64_t a, uint64_t b) {
    return (uint32_t)(a < b ? a : b);
}

static void make(bench_world *world, bench_run *run, const char *name, const char *path,
                 const bench_work *work, uint64_t target, uint32_t connections_max,
                 bench_tally *out) {
    maker m = {.world = world, .target = target};
    bench_template_init(&m.template, world->caller, path);
    const bench_stage stage = {
        .name = name,
        .total = target,
        .work = work,
        .states = (void *[]){&m},
        .threads = 1,
        .connections = smaller(run->options->connections, connections_max),
    };
    bench_stage_run(run, &stage, out);
}

void bench_world_make_users(bench_world *world, bench_run *run, bench_tally *out) {
    static const bench_work work = {BENCH_HEAD_BYTES_MAX + 128, ANSWER_BYTES_MAX, ask_user,
                                    judge_user};
    make(world, run, "users", "/v1/users", &work, world->wallet_count, USER_CONNECTIONS_MAX, out);
}

void bench_world_make_topups(bench_world *world, bench_run *run, bench_tally *out) {
    static const bench_work work = {BENCH_HEAD_BYTES_MAX + 160, ANSWER_BYTES_MAX, ask_topup,
                                    judge_topup};
    make(world, run, "top-ups", "/v1/topups", &work, world->wallet_count, USER_CONNECTIONS_MAX,
         out);
}

uint64_t bench_world_orders_left(const bench_world *world) {
    const uint64_t taken = world->order_taken;
    return taken < world->order_count ? world->order_count - taken : 0;
}

void bench_world_make_orders(bench_world *world, bench_run *run, uint64_t count, bench_tally *out) {
    static const bench_work work = {BENCH_HEAD_BYTES_MAX + ORDERS_FRAME_BYTES +
                                        BENCH_ORDERS_A_CALL * ORDER_BYTES,
                                    BULK_ANSWER_BYTES_MAX, ask_orders, judge_orders};
    fq_arena memory;
    fq_arena_init(&memory, SIZE_MAX / 2);
    const uint64_t left = bench_world_orders_left(world);
    bench_order *orders = FQ_NEW_ARRAY(&memory, bench_order, left + count);
    if (left > 0) {
        memcpy(orders, world->orders + world->order_taken, left * sizeof(bench_order));
    }
    fq_arena_free(&world->orders_memory);
    world->orders_memory = memory;
    world->orders = orders;
    world->order_count = left;
    world->order_taken = 0;
    make(world, run, "orders", "/v1/orders/bulk", &work, count, ORDER_CONNECTIONS_MAX, out);
}
