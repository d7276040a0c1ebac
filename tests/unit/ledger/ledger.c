// The rules of double entry: what every booking keeps, over random sequences and at the edges of 64
// bits.
#include "ledger/ledger.h"

#include "batch_world.h"
#include "support.h"

static const fq_currency cny = {3 << 10 | 14 << 5 | 25}, usd = {21 << 10 | 19 << 5 | 4};

static fq_account_row *account(batch_world *world, uint64_t owner, fq_currency currency,
                               fq_account_kind kind, int64_t balance_minor) {
    fq_account_row *row = fq_account_want(world->batch, owner, currency, kind);
    row->row.state = FQ_ROW_LOADED;
    row->id.v = owner * 100 + kind;
    row->balance_minor = balance_minor;
    row->version = 1;
    return row;
}

static fq_transfer transfer_of(fq_account_row *debit, fq_account_row *credit,
                               int64_t amount_minor) {
    return (fq_transfer){.debit = debit,
                         .credit = credit,
                         .amount = {amount_minor, debit->currency},
                         .kind = FQ_TRANSFER_PAYMENT,
                         .payment = 7,
                         .subject = 8};
}

static size_t transfers(const batch_world *world) {
    return fq_batch_journal(world->batch, FQ_JOURNAL_TRANSFER)->count;
}

// --- names ---

static void test_names(void **state) {
    (void)state;
    assert_string_equal(fq_account_kind_text(FQ_ACCOUNT_AVAILABLE), "available");
    assert_string_equal(fq_account_kind_text(FQ_ACCOUNT_PENDING), "pending");
    assert_string_equal(fq_account_kind_text(FQ_ACCOUNT_HELD), "held");
    assert_string_equal(fq_account_kind_text(FQ_ACCOUNT_CHANNEL), "channel");
    assert_string_equal(fq_account_kind_text(FQ_ACCOUNT_FEES), "fees");
    assert_string_equal(fq_account_kind_text(FQ_ACCOUNT_SUSPENSE), "suspense");
    for (int kind = FQ_ACCOUNT_AVAILABLE; kind <= FQ_ACCOUNT_SUSPENSE; kind++) {
        assert_int_equal(fq_account_kind_is_wallet((fq_account_kind)kind), kind <= FQ_ACCOUNT_HELD);
    }
    static const char *const kinds[] = {"payment", "hold",  "release", "capture",
                                        "refund",  "topup", "fee"};
    for (int kind = FQ_TRANSFER_PAYMENT; kind <= FQ_TRANSFER_FEE; kind++) {
        assert_string_equal(fq_transfer_kind_text((fq_transfer_kind)kind), kinds[kind - 1]);
    }
    // What no row of the table names: nothing to show, and never allowed to go below zero.
    static const int unknown[] = {0, 7, 8, 99, UINT8_MAX};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_string_equal(fq_account_kind_text((fq_account_kind)unknown[i]), "");
        assert_true(fq_account_kind_is_wallet((fq_account_kind)unknown[i]));
        if (unknown[i] != FQ_TRANSFER_FEE) {
            assert_string_equal(fq_transfer_kind_text((fq_transfer_kind)unknown[i]), "");
        }
    }
}

// --- one booking ---

static void test_first_booking_opens_accounts(void **state) {
    (void)state;
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    fq_account_row *channel =
        fq_account_want(world.batch, FQ_OWNER_SANDBOX_CHANNEL, cny, FQ_ACCOUNT_CHANNEL);
    fq_account_row *wallet = fq_account_want(world.batch, 5000, cny, FQ_ACCOUNT_AVAILABLE);
    const fq_transfer topup = transfer_of(channel, wallet, 1000);
    assert_int_equal(fq_ledger_book(world.batch, &topup).code, FQ_DONE);
    assert_int_equal(channel->balance_minor, -1000);
    assert_int_equal(wallet->balance_minor, 1000);
    const fq_account_row *opened[] = {channel, wallet};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(opened[i]->row.state, FQ_ROW_NEW);
        assert_int_equal(opened[i]->version, 1);
        assert_int_equal(opened[i]->created_ms, WORLD_NOW_MS);
        assert_true(opened[i]->id.v != 0);
        const fq_account_name_row *name = (const fq_account_name_row *)fq_want(
            world.batch, &fq_account_name_table, opened[i]->id.v, 0, 0);
        assert_int_equal(name->row.state, FQ_ROW_NEW);
        assert_int_equal(name->owner, opened[i]->owner);
        assert_true(fq_currency_equal(name->currency, cny));
        assert_int_equal(name->kind, opened[i]->kind);
    }
    assert_true(wallet->id.v > channel->id.v);
    // The second one opens nothing.
    const fq_account_id id = wallet->id;
    assert_int_equal(fq_ledger_book(world.batch, &topup).code, FQ_DONE);
    assert_int_equal(wallet->id.v, id.v);
    assert_int_equal(wallet->version, 2);
    const fq_transfer_row *row =
        (const fq_transfer_row *)fq_batch_journal(world.batch, FQ_JOURNAL_TRANSFER)->rows[1];
    assert_int_equal(row->debit_account.v, channel->id.v);
    assert_int_equal(row->credit_account.v, wallet->id.v);
    assert_int_equal(row->amount_minor, 1000);
    assert_true(fq_currency_equal(row->currency, cny));
    assert_int_equal(row->kind, FQ_TRANSFER_PAYMENT);
    assert_int_equal(row->payment, 7);
    assert_int_equal(row->subject, 8);
    assert_int_equal(row->debit_after, -2000);
    assert_int_equal(row->credit_after, 2000);
    world_end(&world);
}

static void test_covers(void **state) {
    (void)state;
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    const fq_account_row *wallet = account(&world, 10, cny, FQ_ACCOUNT_HELD, 5);
    const fq_account_row *channel = account(&world, 1, cny, FQ_ACCOUNT_CHANNEL, 0);
    assert_true(fq_account_covers(wallet, 5));
    assert_false(fq_account_covers(wallet, 6));
    assert_true(fq_account_covers(channel, INT64_MAX));
    world_end(&world);
}

// Which side overflows, and what is said.
static void test_edges(void **state) {
    (void)state;
    static const struct {
        fq_account_kind debit_kind;
        int64_t debit_minor, credit_minor, amount_minor;
        fq_code code;
    } rows[] = {
        {FQ_ACCOUNT_AVAILABLE, 0, 0, 1, FQ_INSUFFICIENT_BALANCE},
        {FQ_ACCOUNT_AVAILABLE, 1, 0, 1, FQ_DONE},
        {FQ_ACCOUNT_PENDING, 9, 0, 10, FQ_INSUFFICIENT_BALANCE},
        {FQ_ACCOUNT_AVAILABLE, INT64_MAX, 0, INT64_MAX, FQ_DONE},
        {FQ_ACCOUNT_AVAILABLE, INT64_MAX - 1, 0, INT64_MAX, FQ_INSUFFICIENT_BALANCE},
        {FQ_ACCOUNT_AVAILABLE, 1, INT64_MAX - 1, 1, FQ_DONE},
        {FQ_ACCOUNT_AVAILABLE, 1, INT64_MAX, 1, FQ_STATE_CONFLICT},
        {FQ_ACCOUNT_AVAILABLE, INT64_MAX, 1, INT64_MAX, FQ_STATE_CONFLICT},
        {FQ_ACCOUNT_CHANNEL, -1, 0, INT64_MAX, FQ_DONE},
        {FQ_ACCOUNT_CHANNEL, -2, 0, INT64_MAX, FQ_STATE_CONFLICT},
        {FQ_ACCOUNT_CHANNEL, INT64_MIN, 0, 1, FQ_STATE_CONFLICT},
        {FQ_ACCOUNT_CHANNEL, INT64_MIN + 1, 0, 1, FQ_DONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        batch_world world;
        world_begin(&world, WORLD_NOW_MS);
        fq_account_row *debit = account(&world, 10, cny, rows[i].debit_kind, rows[i].debit_minor);
        fq_account_row *credit =
            account(&world, 20, cny, FQ_ACCOUNT_AVAILABLE, rows[i].credit_minor);
        const fq_account_row debit_before = *debit, credit_before = *credit;
        const fq_transfer transfer = transfer_of(debit, credit, rows[i].amount_minor);
        assert_int_equal(fq_ledger_book(world.batch, &transfer).code, rows[i].code);
        if (rows[i].code) {
            assert_memory_equal(debit, &debit_before, sizeof(*debit));
            assert_memory_equal(credit, &credit_before, sizeof(*credit));
            assert_int_equal(transfers(&world), 0);
        }
        world_end(&world);
    }
}

// --- what must never be asked ---

typedef struct {
    batch_world world;
    fq_transfer transfer;
} wrong_booking;

static void book_wrong(void *context) {
    wrong_booking *wrong = context;
    (void)!fq_ledger_book(wrong->world.batch, &wrong->transfer).code;
}

static void test_mistakes_stop_the_process(void **state) {
    (void)state;
    wrong_booking wrong;
    world_begin(&wrong.world, WORLD_NOW_MS);
    fq_account_row *a = account(&wrong.world, 10, cny, FQ_ACCOUNT_AVAILABLE, 100);
    fq_account_row *b = account(&wrong.world, 20, cny, FQ_ACCOUNT_AVAILABLE, 100);
    fq_account_row *dollars = account(&wrong.world, 20, usd, FQ_ACCOUNT_AVAILABLE, 100);
    wrong.transfer = transfer_of(a, b, 1);
    assert_false(world_stops(book_wrong, &wrong));
    wrong.transfer = transfer_of(a, b, 0);
    assert_true(world_stops(book_wrong, &wrong));
    wrong.transfer = transfer_of(a, b, -1);
    assert_true(world_stops(book_wrong, &wrong));
    wrong.transfer = transfer_of(a, a, 1);
    assert_true(world_stops(book_wrong, &wrong));
    wrong.transfer = transfer_of(a, dollars, 1);
    assert_true(world_stops(book_wrong, &wrong));
    wrong.transfer = transfer_of(dollars, a, 1);
    assert_true(world_stops(book_wrong, &wrong));
    wrong.transfer = transfer_of(a, b, 1);
    wrong.transfer.amount.currency = usd;
    assert_true(world_stops(book_wrong, &wrong));
    world_end(&wrong.world);
}

// --- any sequence of bookings ---

enum {
    OWNERS = 4,
    KINDS = 6,
    CURRENCIES = 2,
    ACCOUNTS = OWNERS * KINDS * CURRENCIES,
    BOOKINGS = 400
};
__extension__ typedef __int128 wide;

typedef struct {
    batch_world world;
    fq_account_row *accounts[ACCOUNTS];
    int64_t expected_minor[ACCOUNTS];
    size_t booked;
} ledger_model;

static void model_begin(ledger_model *model) {
    *model = (ledger_model){0};
    world_begin(&model->world, WORLD_NOW_MS);
    size_t index = 0;
    for (uint64_t owner = 0; owner < OWNERS; owner++) {
        for (int kind = 1; kind <= KINDS; kind++) {
            for (int c = 0; c < CURRENCIES; c++) {
                model->accounts[index++] = fq_account_want(model->world.batch, 1000 + owner,
                                                           c ? usd : cny, (fq_account_kind)kind);
            }
        }
    }
}

// Asserts of cmocka are slow: one for the whole look.
static void check_model(const ledger_model *model) {
    wide sum[CURRENCIES] = {0};
    bool right = true;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        const fq_account_row *row = model->accounts[i];
        right &= row->balance_minor == model->expected_minor[i];
        sum[fq_currency_equal(row->currency, usd)] += row->balance_minor;
        right &= !fq_account_kind_is_wallet(row->kind) || row->balance_minor >= 0;
        right &= (row->version > 0) == (row->id.v != 0);
    }
    assert_true(right);
    assert_true(sum[0] == 0 && sum[1] == 0);
    assert_int_equal(transfers(&model->world), model->booked);
}

static void book_random(ledger_model *model, test_random *random) {
    size_t from, to;
    do {
        from = (size_t)test_random_below(random, ACCOUNTS);
        to = (size_t)test_random_below(random, ACCOUNTS);
    } while (from == to || from % CURRENCIES != to % CURRENCIES);
    int64_t amount_minor = test_random_amount(random);
    amount_minor = amount_minor > 0 ? amount_minor : 1 + test_random_between(random, 0, 1000);
    fq_account_row *debit = model->accounts[from], *credit = model->accounts[to];
    const fq_account_row debit_before = *debit, credit_before = *credit;
    const fq_transfer transfer = transfer_of(debit, credit, amount_minor);
    const fq_err err = fq_ledger_book(model->world.batch, &transfer);
    const wide debit_after = (wide)debit_before.balance_minor - amount_minor;
    const wide credit_after = (wide)credit_before.balance_minor + amount_minor;
    const bool short_of = fq_account_kind_is_wallet(debit->kind) && debit_after < 0;
    const bool too_much = debit_after < INT64_MIN || credit_after > INT64_MAX;
    assert_int_equal(err.code, short_of   ? FQ_INSUFFICIENT_BALANCE
                               : too_much ? FQ_STATE_CONFLICT
                                          : FQ_DONE);
    if (err.code) {
        assert_memory_equal(debit, &debit_before, sizeof(*debit));
        assert_memory_equal(credit, &credit_before, sizeof(*credit));
        return;
    }
    model->expected_minor[from] = (int64_t)debit_after;
    model->expected_minor[to] = (int64_t)credit_after;
    const fq_row_list *journal = fq_batch_journal(model->world.batch, FQ_JOURNAL_TRANSFER);
    const fq_transfer_row *row = (const fq_transfer_row *)journal->rows[model->booked++];
    assert_true(row->debit_after == (int64_t)debit_after &&
                row->credit_after == (int64_t)credit_after);
    assert_true(row->amount_minor == amount_minor);
    assert_int_equal(debit->version, debit_before.version + 1);
    assert_int_equal(credit->version, credit_before.version + 1);
}

static void test_any_sequence(void **state) {
    (void)state;
    test_random random = test_random_start("bookings");
    for (int run = 0; run < 40; run++) {
        ledger_model model;
        model_begin(&model);
        for (int i = 0; i < BOOKINGS; i++) {
            book_random(&model, &random);
            check_model(&model);
        }
        assert_true(model.booked > 0);
        world_end(&model.world);
    }
}

// A rewind takes bookings back whole.
static void test_rewind(void **state) {
    (void)state;
    test_random random = test_random_start("bookings rewound");
    ledger_model model;
    model_begin(&model);
    for (int i = 0; i < BOOKINGS; i++) {
        book_random(&model, &random);
    }
    fq_account_row before[ACCOUNTS];
    for (size_t i = 0; i < ACCOUNTS; i++) {
        before[i] = *model.accounts[i];
    }
    int64_t expected_minor[ACCOUNTS];
    memcpy(expected_minor, model.expected_minor, sizeof(expected_minor));
    const size_t booked = model.booked;
    fq_batch_mark(model.world.batch);
    for (int i = 0; i < BOOKINGS; i++) {
        book_random(&model, &random);
    }
    fq_batch_rewind(model.world.batch);
    memcpy(model.expected_minor, expected_minor, sizeof(expected_minor));
    model.booked = booked;
    check_model(&model);
    for (size_t i = 0; i < ACCOUNTS; i++) {
        assert_int_equal(model.accounts[i]->row.state, before[i].row.state);
        assert_int_equal(model.accounts[i]->id.v, before[i].id.v);
        assert_int_equal(model.accounts[i]->version, before[i].version);
    }
    world_end(&model.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_first_booking_opens_accounts),
        cmocka_unit_test(test_covers),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_mistakes_stop_the_process),
        cmocka_unit_test(test_any_sequence),
        cmocka_unit_test(test_rewind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
