// Many payments in one command: each decided as the single one is, in order; all or none where that
// was asked.
#include "payment/rows.h"
#include "service/kept.h"

static bool want(fq_command *command, fq_batch *batch, int round) {
    payment_bulk *bulk = (payment_bulk *)command;
    for (size_t i = 0; i < bulk->count; i++) {
        if (!bulk->items[i].fault.code) {
            payment_want_pay(&bulk->items[i].pay.base, batch, round);
        }
    }
    return false;
}

// --- decide ---

static void abort_others(payment_bulk *bulk, size_t refused) {
    for (size_t i = 0; i < bulk->count; i++) {
        if (i != refused) {
            bulk->items[i].outcome = fq_refuse(FQ_BULK_ABORTED, NULL);
        }
    }
}

// Facts may be missing in the middle: nothing of the command may then stand, since it comes again
// whole.
fq_err payment_decide_bulk(payment_bulk *bulk, fq_batch *batch) {
    size_t refused = bulk->count;
    fq_batch_mark(batch);
    for (size_t i = 0; i < bulk->count; i++) {
        bulk_item *item = &bulk->items[i];
        item->outcome = item->fault.code ? item->fault : payment_decide_pay(&item->pay, batch);
        if (item->outcome.code == FQ_FACT_MISSING) {
            fq_batch_rewind(batch);
            return item->outcome;
        }
        if (item->outcome.code && bulk->atomic) {
            refused = i;
            break;
        }
        if (!item->outcome.code) {
            bulk->base.told = item->pay.base.told;
            bulk->base.subject = item->pay.shown.id.v;
        }
    }
    if (refused < bulk->count) {
        fq_batch_rewind(batch);
        bulk->base.told = NULL;
        bulk->base.subject = 0;
        abort_others(bulk, refused);
    } else {
        fq_batch_keep(batch);
    }
    fq_kept kept = fq_kept_make(bulk->base.arena, bulk->count);
    for (size_t i = 0; i < bulk->count; i++) {
        fq_kept_add(&kept, bulk->items[i].outcome, bulk->items[i].pay.shown.id.v);
    }
    bulk->base.kept = fq_kept_bytes(&kept);
    return FQ_OK;
}

static fq_err decide(fq_command *command, fq_batch *batch) {
    return payment_decide_bulk((payment_bulk *)command, batch);
}

static void want_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command;
    fq_kept_want(batch, &payment_table, record);
}

static fq_err restore(fq_command *command, fq_batch *batch, const fq_row *record) {
    payment_bulk *bulk = (payment_bulk *)command;
    fq_kept_reader reader = fq_kept_read(record);
    for (size_t i = 0; i < bulk->count; i++) {
        const fq_row *row =
            fq_kept_next(&reader, batch, &payment_table, command->arena, &bulk->items[i].outcome);
        if (row) {
            memcpy(&bulk->items[i].pay.shown, row, sizeof(payment_row));
        } else if (bulk->items[i].outcome.code == bulk->items[i].fault.code) {
            bulk->items[i].outcome = bulk->items[i].fault;  // in the same words
        }
    }
    return FQ_OK;
}

static const char *const names[] = {"payments", "atomic", NULL};
const fq_command_kind payment_bulk_kind = {"payment.bulk", 11,         names,  want,
                                           decide,         want_again, restore};
