// Many orders in one command: each decided as the single one is, in order; all or none where that
// was asked.
#include "order/rows.h"
#include "service/kept.h"

static bool want(fq_command *command, fq_batch *batch, int round) {
    order_bulk *bulk = (order_bulk *)command;
    for (size_t i = 0; i < bulk->count; i++) {
        if (!bulk->items[i].fault.code) {
            order_want_create(&bulk->items[i].order.base, batch, round);
        }
    }
    return false;
}

// Facts may be missing in the middle: nothing of the command may then stand, since it comes again
// whole.
static fq_err decide(fq_command *command, fq_batch *batch) {
    order_bulk *bulk = (order_bulk *)command;
    size_t refused = bulk->count;
    fq_batch_mark(batch);
    for (size_t i = 0; i < bulk->count; i++) {
        order_bulk_item *item = &bulk->items[i];
        item->outcome = item->fault.code ? item->fault : order_decide_create(&item->order, batch);
        if (item->outcome.code == FQ_FACT_MISSING) {
            fq_batch_rewind(batch);
            return item->outcome;
        }
        if (item->outcome.code && bulk->atomic) {
            refused = i;
            break;
        }
        if (!item->outcome.code) {
            command->told = item->order.base.told;
            command->subject = item->order.shown.id.v;
        }
    }
    if (refused < bulk->count) {
        fq_batch_rewind(batch);
        command->told = NULL;
        command->subject = 0;
        for (size_t i = 0; i < bulk->count; i++) {
            if (i != refused) {
                bulk->items[i].outcome = fq_refuse(FQ_BULK_ABORTED, NULL);
            }
        }
    } else {
        fq_batch_keep(batch);
    }
    fq_kept kept = fq_kept_make(command->arena, bulk->count);
    for (size_t i = 0; i < bulk->count; i++) {
        fq_kept_add(&kept, bulk->items[i].outcome, bulk->items[i].order.shown.id.v);
    }
    command->kept = fq_kept_bytes(&kept);
    return FQ_OK;
}

static void want_again(fq_command *command, fq_batch *batch, const fq_row *record) {
    (void)command;
    fq_kept_want(batch, &order_table, record);
}

static fq_err restore(fq_command *command, fq_batch *batch, const fq_row *record) {
    order_bulk *bulk = (order_bulk *)command;
    fq_kept_reader reader = fq_kept_read(record);
    for (size_t i = 0; i < bulk->count; i++) {
        const fq_row *row =
            fq_kept_next(&reader, batch, &order_table, command->arena, &bulk->items[i].outcome);
        if (row) {
            memcpy(&bulk->items[i].order.shown, row, sizeof(order_row));
        } else if (bulk->items[i].outcome.code == bulk->items[i].fault.code) {
            bulk->items[i].outcome = bulk->items[i].fault;  // in the same words
        }
    }
    return FQ_OK;
}

static const char *const names[] = {"orders", "atomic", NULL};
const fq_command_kind order_bulk_kind = {"order.bulk", 11,         names,  want,
                                         decide,       want_again, restore};
