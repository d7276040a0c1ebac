// What the payment service has done, for the metrics: counted from what was committed, whether an
// API call, a bulk, a timer or a follower did it. No rules.
#include "base/log.h"
#include "base/metrics.h"
#include "payment/rows.h"
#include "payment/sums.h"
#include "store/journal.h"

enum { SUMS_MS_MAX = 3000, TRANSFER_KINDS = FQ_TRANSFER_FEE + 1 };

static fq_series series(fq_metric metric, const char *first, const char *second,
                        fq_currency currency) {
    char text[4];
    fq_currency_text(currency, text);
    return second ? fq_metrics_series(metric, fq_str_of(first), fq_str_of(second), fq_str_of(text))
                  : fq_metrics_series(metric, fq_str_of(first), fq_str_of(text), FQ_STR(""));
}

// --- payments, refunds, top-ups ---

// Most events of a batch are alike: the series of the last one are kept.
typedef struct {
    uint16_t type;
    uint8_t method;
    fq_currency currency;
    fq_series reached, duration;
} last_series;

static void count_payment(last_series *last, const fq_event_row *event, const payment_row *payment,
                          fq_payment_status status) {
    if (last->type != event->type || last->method != payment->method ||
        !fq_currency_equal(last->currency, payment->currency)) {
        const char *method = payment_method_text((payment_method)payment->method);
        *last = (last_series){
            event->type, payment->method, payment->currency,
            series(FQ_METRIC_PAYMENTS, method, payment_status_text(status), payment->currency),
            fq_metrics_series(FQ_METRIC_PAYMENT_DURATION, fq_str_of(method), FQ_STR(""),
                              FQ_STR(""))};
    }
    fq_metrics_add(last->reached, 1);
    if (status != FQ_PAYMENT_IS_AUTHORIZED) {
        fq_metrics_observe(last->duration, (event->at_ms - payment->created_ms) * 1000000);
    }
}

static void count_event(last_series *last, fq_batch *batch, const fq_event_row *event) {
    // The subject is among the batch's rows: it was changed there.
    const uint64_t id = event->subject;
    switch ((fq_payment_event)event->type) {
    case FQ_PAYMENT_AUTHORIZED:
        count_payment(last, event, (payment_row *)fq_want(batch, &payment_table, id, 0, 0),
                      FQ_PAYMENT_IS_AUTHORIZED);
        return;
    case FQ_PAYMENT_SUCCEEDED:
        count_payment(last, event, (payment_row *)fq_want(batch, &payment_table, id, 0, 0),
                      FQ_PAYMENT_IS_SUCCEEDED);
        return;
    case FQ_PAYMENT_CANCELLED:
        count_payment(last, event, (payment_row *)fq_want(batch, &payment_table, id, 0, 0),
                      FQ_PAYMENT_IS_CANCELLED);
        return;
    case FQ_REFUND_SUCCEEDED: {
        const refund_row *refund = (refund_row *)fq_want(batch, &refund_table, id, 0, 0);
        const char *status = move_status_text(MOVE_IS_SUCCEEDED);
        fq_metrics_add(series(FQ_METRIC_REFUNDS, status, NULL, refund->currency), 1);
        return;
    }
    case FQ_TOPUP_SUCCEEDED: {
        const topup_row *topup = (topup_row *)fq_want(batch, &topup_table, id, 0, 0);
        const char *method = payment_method_text((payment_method)topup->method);
        const char *status = move_status_text(MOVE_IS_SUCCEEDED);
        fq_metrics_add(series(FQ_METRIC_TOPUPS, method, status, topup->currency), 1);
        return;
    }
    case FQ_PAYMENT_REFUNDED:
    case FQ_GUARD_CLOSED:
        return;
    }
}

// --- transfers ---

typedef struct {
    fq_currency currency;
    int64_t count[TRANSFER_KINDS], moved_minor[TRANSFER_KINDS];
} transfer_tally;

static void tell_transfers(const transfer_tally *tally) {
    for (int kind = 1; kind < TRANSFER_KINDS; kind++) {
        if (tally->count[kind] > 0) {
            const char *text = fq_transfer_kind_text((fq_transfer_kind)kind);
            fq_metrics_add(series(FQ_METRIC_LEDGER_TRANSFERS, text, NULL, tally->currency),
                           tally->count[kind]);
            fq_metrics_add(series(FQ_METRIC_LEDGER_MOVED, text, NULL, tally->currency),
                           tally->moved_minor[kind]);
        }
    }
}

static void count_transfers(const fq_row_list *transfers) {
    transfer_tally tally = {0};
    for (size_t i = 0; i < transfers->count; i++) {
        const fq_transfer_row *row = (const fq_transfer_row *)transfers->rows[i];
        if (!fq_currency_equal(row->currency, tally.currency)) {
            tell_transfers(&tally);
            tally = (transfer_tally){.currency = row->currency};
        }
        tally.count[row->kind]++;
        tally.moved_minor[row->kind] += row->amount_minor;
    }
    tell_transfers(&tally);
}

void payment_count(fq_service *service, fq_batch *batch) {
    (void)service;
    const fq_row_list *events = fq_batch_journal(batch, FQ_JOURNAL_EVENT);
    last_series last = {0};
    for (size_t i = 0; i < events->count; i++) {
        count_event(&last, batch, (const fq_event_row *)events->rows[i]);
    }
    count_transfers(fq_batch_journal(batch, FQ_JOURNAL_TRANSFER));
}

// --- the ledger as a whole ---

static void tell_sum(const fq_ledger_sum *sum) {
    char currency[4];
    fq_currency_text(sum->currency, currency);
    fq_metrics_set(
        fq_metrics_series(FQ_METRIC_LEDGER_IMBALANCE, fq_str_of(currency), FQ_STR(""), FQ_STR("")),
        sum->sum_minor);
    if (sum->sum_minor != 0) {
        fq_log(FQ_LOG_ERROR,
               "the balances of a currency do not add up to zero: run feiqian ledger verify",
               FQ_LOG_TEXT("currency", currency), FQ_LOG_INT("sum_minor", sum->sum_minor));
    }
}

// Where there are too many accounts to add up in time, the gauges keep what they said.
void payment_look_over(fq_service *service) {
    fq_ledger_sum sums[FQ_LEDGER_SUMS_MAX];
    size_t count = 0;
    const fq_err err = fq_ledger_sums_read(service, SUMS_MS_MAX, sums, &count);
    if (err.code) {
        fq_log(FQ_LOG_WARN, "the balances could not be added up",
               FQ_LOG_TEXT("code", fq_error_row_of(err.code)->name));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        tell_sum(&sums[i]);
    }
}
