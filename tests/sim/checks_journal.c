// Checks of the journals: each state change has one event, positions have no gaps, versions follow
// one another, and the audit chain is what its rules say, computed here once more from the rows.
#include "sim/sim.h"

#include "crypto/audit_chain.h"

#include <stdlib.h>

enum { SLOTS = 2048, SCRATCH_BYTES_MAX = 1 << 20 };

// What the events seen so far say about one resource.
typedef struct {
    const fq_table *table;  // NULL: empty
    uint64_t id, version, events;
    uint16_t type;
    fq_str told;
    const fq_row *row;  // as it was when it was last compared
} story;

typedef struct {
    uint64_t batches, events, transfers, requests;
    int64_t at_ms;
    fq_hash seal;
    story stories[SLOTS];
} journal;

struct sim_checked {
    journal journals[2];
    fq_buffer scratch;
};

struct sim_checked *sim_checked_make(void) {
    struct sim_checked *checked = calloc(1, sizeof(*checked));
    FQ_ASSERT(checked != NULL);
    fq_buffer_init(&checked->scratch, SCRATCH_BYTES_MAX);
    return checked;
}

void sim_checked_free(struct sim_checked *checked) {
    fq_buffer_free(&checked->scratch);
    free(checked);
}

static story *story_of(journal *seen, const fq_table *table, uint64_t id) {
    size_t at = (size_t)(id * UINT64_C(0x9E3779B97F4A7C15) >> 40) % SLOTS;
    while (seen->stories[at].table &&
           (seen->stories[at].table != table || seen->stories[at].id != id)) {
        at = (at + 1) % SLOTS;
    }
    seen->stories[at].table = table;
    seen->stories[at].id = id;
    return &seen->stories[at];
}

// --- which event may follow which ---

typedef struct {
    const fq_table *table;
    uint16_t type;
    uint16_t after[3];  // 0: as the first; ends with END
} step;
enum { END = 0xFFFF };

static const step payment_steps[] = {
    {&payment_table, FQ_PAYMENT_AUTHORIZED, {0, END}},
    {&payment_table, FQ_PAYMENT_SUCCEEDED, {0, FQ_PAYMENT_AUTHORIZED, END}},
    {&payment_table, FQ_PAYMENT_CANCELLED, {FQ_PAYMENT_AUTHORIZED, END}},
    {&payment_table, FQ_PAYMENT_REFUNDED, {FQ_PAYMENT_SUCCEEDED, FQ_PAYMENT_REFUNDED, END}},
    {&guard_table, FQ_GUARD_CLOSED, {0, END}},
    {&refund_table, FQ_REFUND_SUCCEEDED, {0, END}},
    {&topup_table, FQ_TOPUP_SUCCEEDED, {0, END}},
    {NULL, 0, {END}},
};
static const step order_steps[] = {
    {&order_table, TOLD_CREATED, {0, END}},
    {&order_table, TOLD_PAID, {TOLD_CREATED, END}},
    {&order_table, TOLD_PARTIALLY_REFUNDED, {TOLD_PAID, TOLD_PARTIALLY_REFUNDED, END}},
    {&order_table, TOLD_REFUNDED, {TOLD_PAID, TOLD_PARTIALLY_REFUNDED, END}},
    {&order_table, TOLD_CANCELLED, {TOLD_CREATED, END}},
    {&order_table, TOLD_EXPIRED, {TOLD_CREATED, END}},
    {NULL, 0, {END}},
};

static const step *step_of(sim_world *world, const sim_database *db, uint16_t type) {
    for (const step *at = db == world->order_db ? order_steps : payment_steps; at->table; at++) {
        if (at->type == type) {
            return at;
        }
    }
    sim_fail(world, "an event of %s has type %u", db->schema->service, type);
}

static bool may_follow(const step *at, uint16_t before) {
    for (size_t i = 0; i < 3 && at->after[i] != END; i++) {
        if (at->after[i] == before) {
            return true;
        }
    }
    return false;
}

static void check_event(sim_world *world, sim_database *db, journal *seen,
                        const fq_event_row *event) {
    const step *at = step_of(world, db, event->type);
    story *known = story_of(seen, at->table, event->subject);
    if (!may_follow(at, known->type)) {
        sim_fail(world, "%s: event %llu of type %u follows one of type %u", db->schema->service,
                 (unsigned long long)event->position, event->type, known->type);
    }
    // A guard changes with its payments, without events of its own.
    if (at->table != &guard_table && event->version != known->version + 1) {
        sim_fail(world, "%s: event %llu has version %llu after %llu", db->schema->service,
                 (unsigned long long)event->position, (unsigned long long)event->version,
                 (unsigned long long)known->version);
    }
    if (event->at_ms < seen->at_ms) {
        sim_fail(world, "%s: time went back at event %llu", db->schema->service,
                 (unsigned long long)event->position);
    }
    seen->at_ms = event->at_ms;
    known->version = event->version;
    known->type = event->type;
    known->told = event->told;
    known->events++;
}

// --- positions and seals ---

static uint64_t position_at(const sim_table *table, size_t index) {
    return (uint64_t)fq_column_integer(table->rows[index], &table->table->columns[0]);
}

static void check_positions(sim_world *world, sim_database *db, const fq_table *table,
                            uint64_t last) {
    const sim_table *rows = sim_table_of(db, table);
    const bool fits =
        rows->count == last &&
        (last == 0 || (position_at(rows, 0) == 1 && position_at(rows, last - 1) == last));
    if (!fits) {
        sim_fail(world, "%s: %s has %zu rows up to position %llu", db->schema->service, table->name,
                 rows->count, (unsigned long long)last);
    }
}

// Requests are in order of their hash; their positions must be 1 to n all the same.
static void check_requests(sim_world *world, sim_database *db) {
    const sim_table *table = sim_table_of(db, &fq_request_table);
    uint64_t sum = 0, last = db->head.position[FQ_JOURNAL_REQUEST];
    for (size_t i = 0; i < table->count; i++) {
        sum += ((const fq_request_row *)table->rows[i])->position;
    }
    if (table->count != last || sum != last * (last + 1) / 2) {
        sim_fail(world, "%s: requests have gaps in their positions", db->schema->service);
    }
}

static void add_leaves(struct sim_checked *checked, fq_merkle *tree, const sim_table *table,
                       uint64_t first, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        fq_buffer_clear(&checked->scratch);
        fq_row_encode(table->rows[first - 1 + i], &checked->scratch);
        const fq_hash leaf = fq_merkle_leaf(fq_buffer_str(&checked->scratch));
        fq_merkle_add(tree, &leaf);
    }
}

static void check_batch(sim_world *world, sim_database *db, journal *seen,
                        const fq_batch_row *batch) {
    const bool has_transfers = db == world->payment_db;
    fq_merkle tree;
    fq_merkle_init(&tree);
    if (batch->event_first != seen->events + 1 || batch->transfer_first != seen->transfers + 1 ||
        seen->events + batch->event_count > sim_table_of(db, &fq_event_table)->count) {
        sim_fail(world, "%s: batch %llu does not follow the one before", db->schema->service,
                 (unsigned long long)batch->number);
    }
    add_leaves(world->checked, &tree, sim_table_of(db, &fq_event_table), batch->event_first,
               batch->event_count);
    if (has_transfers) {
        add_leaves(world->checked, &tree, sim_table_of(db, &fq_transfer_table),
                   batch->transfer_first, batch->transfer_count);
    }
    const fq_hash seal =
        fq_batch_seal(&seen->seal, &(fq_batch_record){.batch = batch->number,
                                                      .first_position = batch->event_first,
                                                      .leaf_count = tree.count,
                                                      .root = fq_merkle_root(&tree)});
    if (!fq_str_equal(fq_hash_str(&seal), batch->seal)) {
        sim_fail(world, "%s: the seal of batch %llu does not fit", db->schema->service,
                 (unsigned long long)batch->number);
    }
    seen->seal = seal;
    seen->events += batch->event_count;
    seen->transfers += batch->transfer_count;
    seen->batches++;
}

static void check_batches(sim_world *world, sim_database *db, journal *seen) {
    const sim_table *batches = sim_table_of(db, &fq_batch_table),
                    *events = sim_table_of(db, &fq_event_table);
    if (batches->count != db->head.batch_number || seen->batches > batches->count) {
        sim_fail(world, "%s: %zu batches where the head says %llu, and %llu were seen",
                 db->schema->service, batches->count, (unsigned long long)db->head.batch_number,
                 (unsigned long long)seen->batches);
    }
    for (uint64_t event = seen->events; event < events->count; event++) {
        check_event(world, db, seen, (const fq_event_row *)events->rows[event]);
    }
    while (seen->batches < batches->count) {
        check_batch(world, db, seen, (const fq_batch_row *)batches->rows[seen->batches]);
    }
    const bool ends_there =
        seen->events == events->count && seen->transfers == db->head.position[FQ_JOURNAL_TRANSFER];
    if (!ends_there || memcmp(seen->seal.bytes, db->head.seal, sizeof(db->head.seal)) != 0) {
        sim_fail(world, "%s: the head is not where the last batch ended", db->schema->service);
    }
}

// --- rows against what was told of them ---

static void check_rows(sim_world *world, sim_database *db, journal *seen, const fq_table *table) {
    const sim_table *rows = sim_table_of(db, table);
    const fq_column *version = fq_table_column(table, "version");
    for (size_t i = 0; i < rows->count; i++) {
        const fq_row *row = rows->rows[i];
        story *known = story_of(seen, table, position_at(rows, i));
        if (known->row == row) {
            continue;
        }
        known->row = row;
        fq_buffer_clear(&world->checked->scratch);
        fq_row_encode_told(row, &world->checked->scratch);
        if (known->version != (uint64_t)fq_column_integer(row, version) ||
            !fq_str_equal(known->told, fq_buffer_str(&world->checked->scratch))) {
            sim_fail(world, "a row of %s is not as its last event told it", table->name);
        }
    }
}

static void check_guards(sim_world *world, journal *seen) {
    const sim_table *guards = sim_table_of(world->payment_db, &guard_table);
    for (size_t i = 0; i < guards->count; i++) {
        const guard_row *guard = (const guard_row *)guards->rows[i];
        const bool is_closed =
            guard->state == FQ_GUARD_CANCELLED || guard->state == FQ_GUARD_EXPIRED;
        if (story_of(seen, &guard_table, guard->order_id.v)->events != is_closed) {
            sim_fail(world, "the guard of order %llu is %sclosed, and its events differ",
                     (unsigned long long)guard->order_id.v, is_closed ? "" : "not ");
        }
    }
}

void sim_check_journal(sim_world *world, sim_database *db, size_t which) {
    journal *seen = &world->checked->journals[which];
    check_positions(world, db, &fq_event_table, db->head.position[FQ_JOURNAL_EVENT]);
    check_requests(world, db);
    check_batches(world, db, seen);
    if (db == world->order_db) {
        check_rows(world, db, seen, &order_table);
        return;
    }
    check_positions(world, db, &fq_transfer_table, db->head.position[FQ_JOURNAL_TRANSFER]);
    check_rows(world, db, seen, &payment_table);
    check_rows(world, db, seen, &refund_table);
    check_rows(world, db, seen, &topup_table);
    check_guards(world, seen);
}
