// Checks of money, by a model of its own: balances from the entries, and once more from payments,
// refunds and top-ups.
#include "sim/sim.h"

enum { ACCOUNTS_MAX = 64, CURRENCIES = 2 };

// --- entries ---

typedef struct {
    const fq_account_row *row;
    int64_t balance_minor;
} running;

typedef struct {
    running accounts[ACCOUNTS_MAX];
    size_t count;
} book;

static running *account_of(sim_world *world, book *all, fq_account_id id) {
    for (size_t i = 0; i < all->count; i++) {
        if (all->accounts[i].row->id.v == id.v) {
            return &all->accounts[i];
        }
    }
    sim_fail(world, "a transfer names account %llu, which is not there", (unsigned long long)id.v);
}

static void move(sim_world *world, running *account, const fq_transfer_row *transfer,
                 int64_t by_minor, int64_t after_minor) {
    account->balance_minor += by_minor;
    const bool is_wallet = fq_account_kind_is_wallet((fq_account_kind)account->row->kind);
    if (account->balance_minor != after_minor ||
        !fq_currency_equal(account->row->currency, transfer->currency)) {
        sim_fail(world, "transfer %llu says that a balance is %lld, and it is %lld",
                 (unsigned long long)transfer->position, (long long)after_minor,
                 (long long)account->balance_minor);
    }
    if (is_wallet && account->balance_minor < 0) {
        sim_fail(world, "a wallet is below zero after transfer %llu",
                 (unsigned long long)transfer->position);
    }
}

void sim_check_ledger(sim_world *world) {
    const sim_table *accounts = sim_table_of(world->payment_db, &fq_account_table);
    const sim_table *names = sim_table_of(world->payment_db, &fq_account_name_table);
    const sim_table *transfers = sim_table_of(world->payment_db, &fq_transfer_table);
    book all = {.count = accounts->count};
    FQ_ASSERT(accounts->count <= ACCOUNTS_MAX);
    if (accounts->count != names->count) {
        sim_fail(world, "%zu accounts have %zu names", accounts->count, names->count);
    }
    for (size_t i = 0; i < accounts->count; i++) {
        all.accounts[i].row = (const fq_account_row *)accounts->rows[i];
        const fq_account_name_row *name = (const fq_account_name_row *)sim_find(
            world->payment_db, &fq_account_name_table, all.accounts[i].row->id.v);
        if (!name || name->owner != all.accounts[i].row->owner ||
            name->kind != all.accounts[i].row->kind) {
            sim_fail(world, "the name of account %llu is another's",
                     (unsigned long long)all.accounts[i].row->id.v);
        }
    }
    for (size_t i = 0; i < transfers->count; i++) {
        const fq_transfer_row *transfer = (const fq_transfer_row *)transfers->rows[i];
        if (transfer->amount_minor <= 0 ||
            transfer->debit_account.v == transfer->credit_account.v) {
            sim_fail(world, "transfer %llu moves nothing", (unsigned long long)transfer->position);
        }
        move(world, account_of(world, &all, transfer->debit_account), transfer,
             -transfer->amount_minor, transfer->debit_after);
        move(world, account_of(world, &all, transfer->credit_account), transfer,
             transfer->amount_minor, transfer->credit_after);
    }
    for (size_t i = 0; i < all.count; i++) {
        if (all.accounts[i].balance_minor != all.accounts[i].row->balance_minor) {
            sim_fail(world, "account %llu holds %lld, and its entries make %lld",
                     (unsigned long long)all.accounts[i].row->id.v,
                     (long long)all.accounts[i].row->balance_minor,
                     (long long)all.accounts[i].balance_minor);
        }
    }
}

// --- payments, refunds, top-ups, and what must follow of them ---

typedef struct {
    int64_t posted[SIM_USERS][CURRENCIES], held[SIM_USERS][CURRENCIES];
    int64_t fees[CURRENCIES], channel[CURRENCIES];
} wealth;

static size_t index_of(sim_world *world, uint64_t user) {
    if (user < world->users[0].id || user >= world->users[0].id + SIM_USERS) {
        sim_fail(world, "money of user %llu, who is not there", (unsigned long long)user);
    }
    return user - world->users[0].id;
}

static size_t currency_of(fq_currency currency) {
    return fq_currency_equal(currency, sim_currency(0)) ? 0 : 1;
}

static void check_payment(sim_world *world, const payment_row *payment) {
    const bool fits = payment->captured_minor <= payment->amount_minor &&
                      payment->refunded_minor <= payment->captured_minor &&
                      payment->refunded_minor >= 0 && payment->fee_minor >= 0 &&
                      payment->fee_minor <= payment->captured_minor &&
                      (payment->captured_minor > 0) == (payment->status == FQ_PAYMENT_IS_SUCCEEDED);
    if (!fits) {
        sim_fail(world, "payment %llu: %lld of %lld captured, %lld refunded",
                 (unsigned long long)payment->id.v, (long long)payment->captured_minor,
                 (long long)payment->amount_minor, (long long)payment->refunded_minor);
    }
}

static void add_payment(sim_world *world, wealth *all, const payment_row *payment) {
    const size_t payer = index_of(world, payment->payer_id.v),
                 payee = index_of(world, payment->payee_id.v);
    const size_t currency = currency_of(payment->currency);
    check_payment(world, payment);
    all->held[payer][currency] +=
        payment->status == FQ_PAYMENT_IS_AUTHORIZED ? payment->amount_minor : 0;
    all->posted[payer][currency] -= payment->captured_minor;
    all->posted[payee][currency] += payment->captured_minor - payment->fee_minor;
    all->fees[currency] += payment->fee_minor;
}

static void add_moves(sim_world *world, wealth *all) {
    const sim_table *refunds = sim_table_of(world->payment_db, &refund_table);
    for (size_t i = 0; i < refunds->count; i++) {
        const refund_row *refund = (const refund_row *)refunds->rows[i];
        all->posted[index_of(world, refund->payer_id.v)][currency_of(refund->currency)] +=
            refund->amount_minor;
        all->posted[index_of(world, refund->payee_id.v)][currency_of(refund->currency)] -=
            refund->amount_minor;
    }
    const sim_table *topups = sim_table_of(world->payment_db, &topup_table);
    for (size_t i = 0; i < topups->count; i++) {
        const topup_row *topup = (const topup_row *)topups->rows[i];
        all->posted[index_of(world, topup->user_id.v)][currency_of(topup->currency)] +=
            topup->amount_minor;
        all->channel[currency_of(topup->currency)] -= topup->amount_minor;
    }
}

static void expect_balance(sim_world *world, uint64_t owner, size_t currency, fq_account_kind kind,
                           int64_t expected_minor) {
    const int64_t key[FQ_TABLE_KEYS_MAX] = {(int64_t)owner, sim_currency((uint8_t)currency).v,
                                            kind};
    const fq_account_row *account = (const fq_account_row *)sim_table_find(
        sim_table_of(world->payment_db, &fq_account_table), key);
    const int64_t balance_minor = account ? account->balance_minor : 0;
    if (balance_minor != expected_minor) {
        sim_fail(world, "%s of %llu is %lld, and what was done makes %lld",
                 fq_account_kind_text(kind), (unsigned long long)owner, (long long)balance_minor,
                 (long long)expected_minor);
    }
}

static void check_wealth(sim_world *world, const wealth *all) {
    for (size_t currency = 0; currency < CURRENCIES; currency++) {
        for (size_t i = 0; i < SIM_USERS; i++) {
            // What is available is what is posted without what is held, and a wallet is never
            // overdrawn by its holds.
            const uint64_t id = world->users[i].id;
            const int64_t held_minor = all->held[i][currency];
            expect_balance(world, id, currency, FQ_ACCOUNT_HELD, held_minor);
            expect_balance(world, id, currency, FQ_ACCOUNT_AVAILABLE,
                           all->posted[i][currency] - held_minor);
            expect_balance(world, id, currency, FQ_ACCOUNT_PENDING, 0);
            if (world->users[i].status == FQ_USER_IS_CLOSED && all->posted[i][currency] != 0) {
                sim_fail(world, "user %llu is closed, and has money", (unsigned long long)id);
            }
        }
        expect_balance(world, FQ_OWNER_HOUSE, currency, FQ_ACCOUNT_FEES, all->fees[currency]);
        expect_balance(world, FQ_OWNER_SANDBOX_CHANNEL, currency, FQ_ACCOUNT_CHANNEL,
                       all->channel[currency]);
    }
}

// --- guards ---

static void check_guard(sim_world *world, const guard_row *guard) {
    const sim_table *payments = sim_table_of(world->payment_db, &payment_table);
    size_t paid = 0, held = 0;
    int64_t paid_minor = 0, refunded_minor = 0;
    uint64_t last = 0;
    for (size_t i = 0; i < payments->count; i++) {
        const payment_row *payment = (const payment_row *)payments->rows[i];
        if (payment->order_id.v == guard->order_id.v) {
            paid += payment->status == FQ_PAYMENT_IS_SUCCEEDED;
            held += payment->status == FQ_PAYMENT_IS_AUTHORIZED;
            paid_minor += payment->captured_minor;
            refunded_minor += payment->refunded_minor;
            last = payment->id.v == guard->payment_id.v ? payment->id.v : last;
        }
    }
    if (paid + held > 1) {
        sim_fail(world, "order %llu is paid %zu times and held %zu times",
                 (unsigned long long)guard->order_id.v, paid, held);
    }
    if ((guard->state == FQ_GUARD_PAID) != (paid == 1) ||
        (guard->state == FQ_GUARD_HELD) != (held == 1) || guard->paid_minor != paid_minor ||
        guard->refunded_minor != refunded_minor || last != guard->payment_id.v) {
        sim_fail(world, "the guard of order %llu does not agree with its payments",
                 (unsigned long long)guard->order_id.v);
    }
}

static void check_refunds(sim_world *world, const payment_row *payment) {
    const sim_table *refunds = sim_table_of(world->payment_db, &refund_table);
    int64_t sum_minor = 0;
    for (size_t i = 0; payment->refunded_minor > 0 && i < refunds->count; i++) {
        const refund_row *refund = (const refund_row *)refunds->rows[i];
        sum_minor += refund->payment_id.v == payment->id.v ? refund->amount_minor : 0;
    }
    if (sum_minor != payment->refunded_minor) {
        sim_fail(world, "payment %llu is refunded by %lld, and its refunds make %lld",
                 (unsigned long long)payment->id.v, (long long)payment->refunded_minor,
                 (long long)sum_minor);
    }
}

void sim_check_business(sim_world *world) {
    wealth all = {0};
    const sim_table *payments = sim_table_of(world->payment_db, &payment_table);
    const sim_table *guards = sim_table_of(world->payment_db, &guard_table);
    for (size_t i = 0; i < payments->count; i++) {
        const payment_row *payment = (const payment_row *)payments->rows[i];
        add_payment(world, &all, payment);
        check_refunds(world, payment);
        if (!sim_find(world->payment_db, &guard_table, payment->order_id.v)) {
            sim_fail(world, "payment %llu has no guard", (unsigned long long)payment->id.v);
        }
    }
    for (size_t i = 0; i < guards->count; i++) {
        check_guard(world, (const guard_row *)guards->rows[i]);
    }
    add_moves(world, &all);
    check_wealth(world, &all);
}
