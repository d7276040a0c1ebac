// What became of users, for the metrics: counted from what was committed. No rules.
#include "base/metrics.h"
#include "store/journal.h"
#include "user/rows.h"

static void count_status(fq_user_status status) {
    fq_metrics_add_to(FQ_METRIC_USERS, fq_str_of(user_status_text(status)), FQ_STR(""), FQ_STR(""),
                      1);
}

void user_count(fq_service *service, fq_batch *batch) {
    (void)service;
    const fq_row_list *events = fq_batch_journal(batch, FQ_JOURNAL_EVENT);
    for (size_t i = 0; i < events->count; i++) {
        switch ((fq_user_event)((const fq_event_row *)events->rows[i])->type) {
        case FQ_TOLD_USER_CREATED:
        case FQ_TOLD_USER_UNFROZEN:
            count_status(FQ_USER_IS_ACTIVE);
            break;
        case FQ_TOLD_USER_FROZEN:
            count_status(FQ_USER_IS_FROZEN);
            break;
        case FQ_TOLD_USER_CLOSED:
            count_status(FQ_USER_IS_CLOSED);
            break;
        case FQ_TOLD_USER_UPDATED:
        case FQ_TOLD_KEY_CREATED:
        case FQ_TOLD_KEY_REVOKED:
            break;
        }
    }
}
