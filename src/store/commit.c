// One batch in its steps. No rules: what commands mean is in their kind's functions.
#include "store/commit.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "crypto/audit_chain.h"
#include "store/journal.h"
#include "store/request.h"

#include <time.h>

enum {
    BATCH_ARENA_BYTES_MAX = 1 << 30,  // 2,048 rows of 190 KiB, and what is told of them
    BATCH_ARENA_KEPT_BYTES = 4 << 20,
    SCRATCH_BYTES_MAX = 16 << 20,
    TRIES_MAX = 12,         // conflicts in a row before the batch is given up with 503
    PAUSE_US_MIN = 200,     // after the first conflict; doubles
    PAUSE_DOUBLINGS = 8,    // to 50 ms
    SETTLE_DOUBLINGS = 12,  // to 0.8 s
    TABLES_MAX = 24,
};

// Stores the lease's number and the head; returns `otherwise` when that went well.
static fq_err take_lease(fq_commit *commit, fq_err otherwise) {
    FQ_TRY(commit->engine->ops->lease(commit->engine, &commit->dealer.writer, &commit->head));
    if (commit->dealer.last < commit->head.id_last) {
        commit->dealer.last = commit->head.id_last;
    }
    return otherwise;
}

fq_err fq_commit_open(fq_commit *commit, fq_engine *engine) {
    *commit = (fq_commit){.engine = engine};
    fq_random(&commit->random, sizeof(commit->random));
    fq_arena_init(&commit->arena, BATCH_ARENA_BYTES_MAX);
    commit->arena.bytes_kept_max = BATCH_ARENA_KEPT_BYTES;
    fq_buffer_init(&commit->scratch, SCRATCH_BYTES_MAX);
    return take_lease(commit, FQ_OK);
}

void fq_commit_close(fq_commit *commit) {
    fq_arena_free(&commit->arena);
    fq_buffer_free(&commit->scratch);
}

void fq_commit_step(fq_commit *commit, bool at_store) {
    const uint64_t steps = atomic_load_explicit(&commit->steps, memory_order_relaxed);
    const bool same = (steps % 2 == 1) == at_store;
    atomic_store_explicit(&commit->steps, steps + (same ? 2 : 1), memory_order_relaxed);
}

// SplitMix64: ids of batches need to differ, not to be secret.
static uint64_t next_random(fq_commit *commit) {
    uint64_t z = commit->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

// --- load ---

static bool has_record(const fq_command *command) {
    return command->record && command->record->state == FQ_ROW_LOADED;
}

// Asks for what a command needs in this round; says whether a further round may follow.
static bool want(fq_command *command, fq_batch *batch, int round) {
    if (round == 0 && command->request.asked) {
        command->record = fq_want(batch, &fq_request_table, command->request.hash_high,
                                  command->request.hash_low, 0);
    }
    if (round > 0 && has_record(command)) {
        if (round == 1 && fq_request_is_same(command, command->record)) {
            command->kind->want_again(command, batch, command->record);
        }
        return false;
    }
    return command->kind->want(command, batch, round) || (round == 0 && command->request.asked);
}

// Loads rows, listed by table in the schema's order.
static fq_err load_rows(fq_commit *commit, fq_batch *batch, const fq_row_list *lists) {
    const fq_schema *schema = commit->engine->schema;
    fq_row_group groups[TABLES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < schema->table_count; i++) {
        if (lists[i].count > 0) {
            groups[count++] = (fq_row_group){schema->tables[i], lists[i].rows, lists[i].count};
        }
    }
    return count > 0 ? commit->engine->ops->load(commit->engine, batch, groups, count) : FQ_OK;
}

static fq_err load_round(fq_commit *commit, fq_batch *batch) {
    const fq_schema *schema = commit->engine->schema;
    fq_row_list wanted[TABLES_MAX];
    FQ_ASSERT(schema->table_count <= TABLES_MAX);
    fq_batch_wanted(batch, schema->tables, schema->table_count, wanted);
    return load_rows(commit, batch, wanted);
}

static fq_err load(fq_commit *commit, fq_batch *batch, fq_command *list) {
    bool more = true;
    for (int round = 0; more; round++) {
        FQ_ASSERT(round < FQ_ROUNDS_MAX);
        more = false;
        for (fq_command *command = list; command; command = command->next) {
            more |= want(command, batch, round);
        }
        FQ_TRY(load_round(commit, batch));
    }
    return FQ_OK;
}

// --- decide ---

static void reset(fq_command *command) {
    command->outcome = FQ_OK;
    command->replayed = false;
    command->record = NULL;
    command->told = NULL;
    command->subject = 0;
    command->event = 0;
    command->kept = (fq_str){0};
}

// The request was made before: its answer again, or a refusal that names what differs.
static void decide_again(fq_command *command, fq_batch *batch) {
    if (!fq_request_is_same(command, command->record)) {
        command->outcome = fq_request_differs(command, command->record);
        return;
    }
    const fq_request_row *record = (const fq_request_row *)command->record;
    command->replayed = true;
    command->subject = record->subject;
    command->event = record->event;
    command->outcome = command->kind->restore(command, batch, command->record);
}

// What was done under an Idempotency-Key is kept with it; a refusal that changed nothing is not.
static void keep_request(fq_command *command, fq_batch *batch) {
    fq_request_row *record = (fq_request_row *)command->record;
    fq_row_touch(batch, &record->row);
    record->kind = command->kind->number;
    record->subject = command->subject;
    record->fingerprint = command->request.fingerprint;
    record->kept = command->kept;
}

// Returns the commands that must come again after this batch.
static fq_command *decide(fq_batch *batch, fq_command **list) {
    fq_command *deferred = NULL, **deferred_end = &deferred;
    for (fq_command **at = list; *at;) {
        fq_command *command = *at;
        command->at_ms = fq_batch_now_ms(batch);
        if (command->record && command->record->state == FQ_ROW_NEW) {
            *at = command->next;
            command->next = NULL;
            *deferred_end = command;
            deferred_end = &command->next;
            continue;
        }
        if (has_record(command)) {
            decide_again(command, batch);
        } else {
            command->outcome = command->kind->decide(command, batch);
            if (!command->outcome.code && command->record) {
                keep_request(command, batch);
            }
        }
        at = &command->next;
    }
    return deferred;
}

static bool is_any_refused(const fq_command *list) {
    while (list && !list->outcome.code) {
        list = list->next;
    }
    return list != NULL;
}

// What is absent cannot be locked: another writer may have made it (the record of this very
// request, a guard) after this batch looked for it and before it looked at that writer's other
// rows. Whoever was refused on such a picture is decided again. Who was not refused needs no such
// look: his rows are inserted, which fails where they are there.
static fq_err look_again_for_absent(fq_commit *commit, fq_batch *batch, const fq_command *list) {
    const fq_schema *schema = commit->engine->schema;
    fq_row_list absent[TABLES_MAX];
    if (!is_any_refused(list)) {
        return FQ_OK;
    }
    fq_batch_in_state(batch, schema->tables, schema->table_count, FQ_ROW_ABSENT, absent);
    FQ_TRY(load_rows(commit, batch, absent));
    for (size_t i = 0; i < schema->table_count; i++) {
        for (size_t j = 0; j < absent[i].count; j++) {
            if (absent[i].rows[j]->state != FQ_ROW_ABSENT) {
                return fq_refuse(FQ_STORE_CONFLICT, NULL);
            }
        }
    }
    return FQ_OK;
}

// --- save ---

static size_t saves_of(fq_commit *commit, fq_batch *batch, fq_save *out) {
    static const struct {
        fq_row_state state;
        fq_save_kind kind;
    } steps[] = {{FQ_ROW_GONE, FQ_SAVE_DELETE},
                 {FQ_ROW_CHANGED, FQ_SAVE_UPDATE},
                 {FQ_ROW_NEW, FQ_SAVE_INSERT}};
    const fq_schema *schema = commit->engine->schema;
    fq_row_list rows[3][TABLES_MAX];
    size_t count = 0;
    for (size_t s = 0; s < 3; s++) {
        fq_batch_in_state(batch, schema->tables, schema->table_count, steps[s].state, rows[s]);
    }
    for (size_t i = 0; i < schema->table_count; i++) {
        for (size_t s = 0; s < 3; s++) {
            if (rows[s][i].count > 0 && schema->tables[i]->journal == FQ_JOURNAL_NONE) {
                out[count++] = (fq_save){steps[s].kind,
                                         {schema->tables[i], rows[s][i].rows, rows[s][i].count}};
            }
        }
    }
    return count;
}

// Deals positions and the batch's time to a journal's rows, and adds the sealed ones as leaves.
static void deal_positions(fq_commit *commit, const fq_row_list *rows, fq_head *head,
                           fq_merkle *tree) {
    const fq_table *table = rows->rows[0]->table;
    const fq_column *position = fq_table_column(table, "position");
    const fq_column *at_ms = fq_table_column(table, "at_ms");
    for (size_t i = 0; i < rows->count; i++) {
        fq_row *row = rows->rows[i];
        fq_column_set_integer(row, position, (int64_t)++head->position[table->journal]);
        fq_column_set_integer(row, at_ms, head->at_ms);
        if (table->sealed) {
            fq_buffer_clear(&commit->scratch);
            fq_row_encode(row, &commit->scratch);
            const fq_hash leaf = fq_merkle_leaf(fq_buffer_str(&commit->scratch));
            fq_merkle_add(tree, &leaf);
        }
    }
}

static fq_row *seal(fq_batch *batch, const fq_head *before, fq_head *head, const fq_merkle *tree) {
    fq_hash seal_before;
    memcpy(seal_before.bytes, before->seal, sizeof(seal_before.bytes));
    const fq_hash sealed = fq_batch_seal(
        &seal_before, &(fq_batch_record){.batch = head->batch_number,
                                         .first_position = before->position[FQ_JOURNAL_EVENT] + 1,
                                         .leaf_count = tree->count,
                                         .root = fq_merkle_root(tree)});
    memcpy(head->seal, sealed.bytes, sizeof(head->seal));
    fq_batch_row *row = (fq_batch_row *)fq_row_make(&fq_batch_table, fq_batch_arena(batch));
    row->row.state = FQ_ROW_NEW;
    row->number = head->batch_number;
    row->event_first = before->position[FQ_JOURNAL_EVENT] + 1;
    row->event_count =
        (uint32_t)(head->position[FQ_JOURNAL_EVENT] - before->position[FQ_JOURNAL_EVENT]);
    row->transfer_first = before->position[FQ_JOURNAL_TRANSFER] + 1;
    row->transfer_count =
        (uint32_t)(head->position[FQ_JOURNAL_TRANSFER] - before->position[FQ_JOURNAL_TRANSFER]);
    row->at_ms = head->at_ms;
    row->seal = (fq_str){(const char *)head->seal, sizeof(head->seal)};
    return &row->row;
}

// An answer shows an event; its position is known only now.
static void point_to_events(fq_command *list) {
    for (fq_command *command = list; command; command = command->next) {
        if (command->told && !command->outcome.code) {
            command->event = ((const fq_event_row *)command->told)->position;
            if (command->record) {
                ((fq_request_row *)command->record)->event = command->event;
            }
        }
    }
}

// The journals, with the positions that this commit gives them.
static size_t journal_saves(fq_commit *commit, fq_batch *batch, fq_command *list, fq_head *head,
                            fq_save *out) {
    const fq_head before = *head;
    const fq_table *request = &fq_request_table;
    fq_merkle tree;
    fq_merkle_init(&tree);
    fq_row_list lists[FQ_JOURNALS] = {
        [FQ_JOURNAL_EVENT] = *fq_batch_journal(batch, FQ_JOURNAL_EVENT),
        [FQ_JOURNAL_TRANSFER] = *fq_batch_journal(batch, FQ_JOURNAL_TRANSFER),
    };
    fq_batch_in_state(batch, &request, 1, FQ_ROW_NEW, &lists[FQ_JOURNAL_REQUEST]);
    head->batch_number++;
    size_t count = 0;
    for (fq_journal journal = FQ_JOURNAL_EVENT; journal < FQ_JOURNALS; journal++) {
        if (lists[journal].count > 0) {
            deal_positions(commit, &lists[journal], head, &tree);
            out[count++] = (fq_save){
                FQ_SAVE_INSERT,
                {lists[journal].rows[0]->table, lists[journal].rows, lists[journal].count}};
        }
        if (journal == FQ_JOURNAL_EVENT) {
            point_to_events(list);
        }
    }
    fq_row **row = FQ_NEW(fq_batch_arena(batch), fq_row *);
    *row = seal(batch, &before, head, &tree);
    out[count++] = (fq_save){FQ_SAVE_INSERT, {&fq_batch_table, row, 1}};
    return count;
}

static fq_err save_and_commit(fq_commit *commit, fq_batch *batch, fq_command *list,
                              uint64_t batch_id, fq_head *out_head, fq_writer_sample *sample) {
    const fq_engine_ops *ops = commit->engine->ops;
    fq_save saves[3 * TABLES_MAX];
    const size_t count = saves_of(commit, batch, saves);
    const int64_t begun_ns = fq_monotonic_ns();
    fq_head head;
    FQ_TRY(ops->save(commit->engine, saves, count));
    FQ_TRY(ops->head_lock(commit->engine, &head));
    head.at_ms = fq_batch_now_ms(batch) > head.at_ms ? fq_batch_now_ms(batch) : head.at_ms;
    head.clock_shift_ms += commit->clock_move_ms;
    head.id_last = commit->dealer.last > head.id_last ? commit->dealer.last : head.id_last;
    const size_t journal_count = journal_saves(commit, batch, list, &head, saves);
    FQ_TRY(ops->save(commit->engine, saves, journal_count));
    const int64_t saved_ns = fq_monotonic_ns();
    sample->step_ns[FQ_STEP_SAVE] += saved_ns - begun_ns;
    *out_head = head;
    const fq_err err = ops->commit(commit->engine, &head, batch_id);
    sample->step_ns[FQ_STEP_COMMIT] += fq_monotonic_ns() - saved_ns;
    return err;
}

// --- one try, and what follows a failure ---

static fq_err try_once(fq_commit *commit, int64_t now_ms, fq_command **list,
                       fq_command **out_deferred, uint64_t batch_id, fq_head *out_head,
                       fq_writer_sample *sample) {
    const fq_engine_ops *ops = commit->engine->ops;
    fq_arena_reset(&commit->arena);
    fq_batch *batch = fq_batch_make(&commit->arena, &commit->dealer, now_ms);
    commit->batch = batch;
    fq_commit_step(commit, true);
    for (fq_command *command = *list; command; command = command->next) {
        reset(command);
    }
    const int64_t begun_ns = fq_monotonic_ns();
    FQ_TRY(ops->begin(commit->engine));
    FQ_TRY(load(commit, batch, *list));
    const int64_t loaded_ns = fq_monotonic_ns();
    sample->step_ns[FQ_STEP_LOAD] += loaded_ns - begun_ns;
    fq_commit_step(commit, false);
    *out_deferred = decide(batch, list);
    fq_commit_step(commit, true);
    sample->step_ns[FQ_STEP_DECIDE] += fq_monotonic_ns() - loaded_ns;
    FQ_TRY(look_again_for_absent(commit, batch, *list));
    if (commit->clock_move_ms == 0 && !fq_batch_is_changed(batch)) {
        ops->rollback(commit->engine);
        *out_head = commit->head;
        return FQ_OK;
    }
    return save_and_commit(commit, batch, *list, batch_id, out_head, sample);
}

static void pause_before_retry(fq_commit *commit, int attempt, int doublings_max) {
    const int doublings = attempt < doublings_max ? attempt : doublings_max;
    const uint64_t bound_us = (uint64_t)PAUSE_US_MIN << doublings;
    const uint64_t us = bound_us / 2 + next_random(commit) % bound_us;
    nanosleep(&(struct timespec){.tv_sec = (time_t)(us / 1000000),
                                 .tv_nsec = (long)(us % 1000000) * 1000},
              NULL);
}

// What became of a commit whose answer was lost? Asked until the store says, because guessing could
// pay twice; nothing is answered meanwhile. Whoever stops the service gives up: FQ_STORE_UNKNOWN.
// What was asked is then found out by asking again with the same Idempotency-Key.
static fq_err settle(fq_commit *commit, uint64_t batch_id, bool *out_committed) {
    for (int attempt = 0;; attempt++) {
        if (!commit->engine->ops->settle(commit->engine, batch_id, out_committed).code) {
            return FQ_OK;
        }
        if (commit->keep_asking && !commit->keep_asking(commit->context)) {
            return fq_refuse(FQ_STORE_UNKNOWN, NULL);
        }
        pause_before_retry(commit, attempt, SETTLE_DOUBLINGS);
    }
}

static void concat(fq_command **list, fq_command *more) {
    while (*list) {
        list = &(*list)->next;
    }
    *list = more;
}

// One batch until it is committed or cannot be.
static fq_err run(fq_commit *commit, int64_t now_ms, fq_command **list, fq_command **out_deferred,
                  fq_writer_sample *sample) {
    fq_err err = FQ_OK;
    for (int attempt = 0; attempt < TRIES_MAX; attempt++) {
        fq_head head = commit->head;
        const uint64_t batch_id = next_random(commit);
        concat(list, *out_deferred);
        *out_deferred = NULL;
        err = try_once(commit, now_ms, list, out_deferred, batch_id, &head, sample);
        if (err.code == FQ_STORE_UNKNOWN) {
            bool committed = false;
            FQ_TRY(settle(commit, batch_id, &committed));
            err = FQ_OK;
            if (!committed) {
                err = fq_refuse(FQ_STORE_LOST, NULL);  // what is told when no try is left
                sample->retries[FQ_RETRY_UNKNOWN]++;
                continue;
            }
        }
        if (!err.code) {
            if (commit->committed && head.batch_number != commit->head.batch_number) {
                commit->committed(commit->context, commit->batch);
            }
            commit->head = head;
            commit->clock_move_ms = 0;
            return FQ_OK;
        }
        commit->engine->ops->rollback(commit->engine);
        if (err.code == FQ_STATE_CONFLICT) {
            // Another writer has taken our lease: what was decided under it is lost; the next batch
            // has a new one.
            return take_lease(commit, err);
        }
        if (err.code != FQ_STORE_CONFLICT) {
            return err;
        }
        sample->retries[FQ_RETRY_CONFLICT]++;
        pause_before_retry(commit, attempt, PAUSE_DOUBLINGS);
    }
    return err;
}

static fq_command *split_half(fq_command *list, size_t count) {
    fq_command *at = list;
    for (size_t i = 1; i < count / 2; i++) {
        at = at->next;
    }
    fq_command *second = at->next;
    at->next = NULL;
    return second;
}

static size_t count_of(const fq_command *list) {
    size_t count = 0;
    for (; list; list = list->next) {
        count++;
    }
    return count;
}

static fq_err fail_all(fq_command *list, fq_err err) {
    const fq_code told = err.code == FQ_INTERNAL ? FQ_INTERNAL : FQ_UNAVAILABLE;
    for (fq_command *command = list; command; command = command->next) {
        command->outcome = fq_refuse(told, NULL);
        command->replayed = false;
    }
    return err;
}

fq_err fq_commit_batch(fq_commit *commit, int64_t now_ms, fq_command **list,
                       fq_command **out_deferred, fq_writer_sample *sample) {
    *out_deferred = NULL;
    const size_t count = count_of(*list);
    sample->commands += count;
    if (count == 0) {
        return FQ_OK;
    }
    const fq_err err = run(commit, now_ms, list, out_deferred, sample);
    fq_commit_step(commit, false);
    if (!err.code) {
        return FQ_OK;
    }
    concat(list, *out_deferred);
    *out_deferred = NULL;
    if (err.code != FQ_INTERNAL || count == 1) {
        return fail_all(*list, err);
    }
    // Something in this batch cannot be saved; halving finds it, so that it costs no one else his
    // answer.
    sample->commands -= count;
    sample->retries[FQ_RETRY_HALVED]++;
    fq_command *second = split_half(*list, count), *second_deferred = NULL;
    const fq_err first_err = fq_commit_batch(commit, now_ms, list, out_deferred, sample);
    const fq_err second_err = fq_commit_batch(commit, now_ms, &second, &second_deferred, sample);
    concat(list, second);
    concat(out_deferred, second_deferred);
    return first_err.code == FQ_STORE_LOST ? first_err : second_err;
}
