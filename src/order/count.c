// What became of orders, for the metrics: counted from what was committed, whoever did it. No
// rules.
#include "base/metrics.h"
#include "order/rows.h"
#include "store/journal.h"

static order_status status_of(order_event event) {
    switch (event) {
    case TOLD_CREATED:
        return ORDER_PENDING;
    case TOLD_PAID:
        return ORDER_PAID;
    case TOLD_PARTIALLY_REFUNDED:
        return ORDER_PARTIALLY_REFUNDED;
    case TOLD_REFUNDED:
        return ORDER_REFUNDED;
    case TOLD_CANCELLED:
        return ORDER_CANCELLED;
    case TOLD_EXPIRED:
        return ORDER_EXPIRED;
    }
    fq_assert_failed("an event that orders do not tell", __FILE__, __LINE__);
}

void order_count(fq_service *service, fq_batch *batch) {
    (void)service;
    const fq_row_list *events = fq_batch_journal(batch, FQ_JOURNAL_EVENT);
    // Most orders of a batch are alike: the series of the last one is kept.
    uint16_t last_type = 0;
    fq_currency last_currency = {0};
    fq_series series = {0};
    for (size_t i = 0; i < events->count; i++) {
        const fq_event_row *event = (const fq_event_row *)events->rows[i];
        const order_row *order = (order_row *)fq_want(batch, &order_table, event->subject, 0, 0);
        if (event->type != last_type || !fq_currency_equal(order->currency, last_currency)) {
            char currency[4];
            fq_currency_text(order->currency, currency);
            last_type = event->type;
            last_currency = order->currency;
            series = fq_metrics_series(
                FQ_METRIC_ORDERS, fq_str_of(order_status_text(status_of((order_event)last_type))),
                fq_str_of(currency), FQ_STR(""));
        }
        fq_metrics_add(series, 1);
    }
}
