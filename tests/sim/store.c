// The simulated store: transactions that notice each other, and faults where the contract of
// store/engine.h allows them. Knows no service.
#include "sim/sim.h"

#include <stdlib.h>

struct fq_reader {
    sim_engine *engine;
};

// --- the writer's side ---

static sim_engine *of(fq_engine *base) {
    return (sim_engine *)base;
}

static sim_mutant mutant_of(const sim_engine *engine) {
    return engine->process ? engine->process->world->mutant : SIM_NO_MUTANT;
}

static void rollback(fq_engine *base) {
    sim_engine *engine = of(base);
    engine->begun = engine->holds_head = false;
    engine->late = FQ_OK;
    engine->seen.count = engine->writes.count = 0;
}

static fq_err begin(fq_engine *base) {
    rollback(base);
    FQ_TRY(sim_at(of(base)->process, SIM_AT_BEGIN));
    of(base)->begun = true;
    return FQ_OK;
}

static void fill(fq_row *row, const fq_row *stored, fq_arena *arena) {
    for (size_t i = 0; i < row->table->column_count; i++) {
        const fq_column *column = &row->table->columns[i];
        if (column->type == FQ_COLUMN_INTEGER) {
            fq_column_set_integer(row, column, fq_column_integer(stored, column));
        } else {
            fq_column_set_bytes(row, column, fq_arena_copy(arena, fq_column_bytes(stored, column)));
        }
    }
    row->state = FQ_ROW_LOADED;
}

static bool was_overtaken(const sim_engine *engine) {
    for (size_t i = 0; i < engine->seen.count; i++) {
        const sim_cell *cell = &engine->seen.at[i];
        if (sim_table_find(cell->table, cell->key) != cell->row) {
            return true;
        }
    }
    return false;
}

static fq_err note_overtaken(const sim_engine *engine) {
    if (mutant_of(engine) == SIM_MUTANT_stale_load || !was_overtaken(engine)) {
        return FQ_OK;
    }
    engine->process->world->conflicts++;
    return fq_refuse(FQ_STORE_CONFLICT, NULL);
}

static fq_err load(fq_engine *base, fq_batch *batch, const fq_row_group *groups, size_t count) {
    sim_engine *engine = of(base);
    FQ_ASSERT(engine->begun);
    for (size_t g = 0; g < count; g++) {
        FQ_TRY(sim_at(engine->process, SIM_AT_LOAD));
        sim_table *table = sim_table_of(engine->db, groups[g].table);
        for (size_t i = 0; i < groups[g].count; i++) {
            sim_cell cell = {.table = table};
            sim_key_of(groups[g].rows[i], cell.key);
            cell.row = sim_table_find(table, cell.key);
            if (cell.row) {
                fill(groups[g].rows[i], cell.row, fq_batch_arena(batch));
            }
            sim_cells_add(&engine->seen, cell);
        }
    }
    // Rows of several calls belong together: an engine locks what it has loaded, here it is found
    // out.
    return note_overtaken(engine);
}

// A statement that will never work: what the constraints of a real schema would find.
static bool is_poison(const fq_row *row) {
    for (size_t i = 0; i < row->table->column_count; i++) {
        const fq_column *column = &row->table->columns[i];
        if (column->type == FQ_COLUMN_BYTES) {
            const fq_str bytes = fq_column_bytes(row, column);
            if (bytes.len > 0 && memmem(bytes.at, bytes.len, "poison", 6)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_dropped(const sim_engine *engine, const fq_save *save) {
    return (mutant_of(engine) == SIM_MUTANT_forgotten_request &&
            save->group.table == &fq_request_table) ||
           (mutant_of(engine) == SIM_MUTANT_forgotten_position &&
            save->group.table == &fq_followed_table && save->kind == FQ_SAVE_UPDATE);
}

static fq_err save(fq_engine *base, const fq_save *saves, size_t count) {
    sim_engine *engine = of(base);
    FQ_ASSERT(engine->begun);
    for (size_t s = 0; s < count; s++) {
        const fq_err err = sim_at(engine->process, SIM_AT_SAVE);
        engine->late = engine->late.code ? engine->late : err;
        for (size_t i = 0; i < saves[s].group.count && !is_dropped(engine, &saves[s]); i++) {
            const fq_row *row = saves[s].group.rows[i];
            sim_cell cell = {.table = sim_table_of(engine->db, row->table), .kind = saves[s].kind};
            sim_key_of(row, cell.key);
            if (saves[s].kind != FQ_SAVE_DELETE) {
                cell.row = fq_row_copy(row, &engine->db->arena);
            }
            if (!engine->late.code && is_poison(row)) {
                engine->late = fq_refuse(FQ_INTERNAL, NULL);
            }
            sim_cells_add(&engine->writes, cell);
        }
    }
    // An error is told now, or by a later call of the transaction.
    return engine->process && sim_chance(engine->process->world, 2) ? FQ_OK : engine->late;
}

static fq_err head_lock(fq_engine *base, fq_head *out) {
    sim_engine *engine = of(base);
    FQ_ASSERT(engine->begun);
    FQ_TRY(engine->late);
    FQ_TRY(sim_at(engine->process, SIM_AT_HEAD));
    if (engine->epoch != engine->db->epochs[engine->writer] &&
        mutant_of(engine) != SIM_MUTANT_old_lease) {
        return fq_refuse(FQ_STATE_CONFLICT, NULL);
    }
    FQ_TRY(note_overtaken(engine));
    engine->holds_head = true;
    *out = engine->db->head;
    out->epoch = engine->epoch;
    return FQ_OK;
}

// Inserts find nothing there, updates and deletes something: all else is a mistake of the service.
static void expect_fit(const sim_engine *engine, const sim_cell *write) {
    const bool there = sim_table_find(write->table, write->key) != NULL;
    if (there != (write->kind != FQ_SAVE_INSERT)) {
        sim_fail(engine->process->world, "a row of %s is %s", write->table->table->name,
                 there ? "inserted where there is one" : "changed where there is none");
    }
}

static void write_all(sim_engine *engine, const fq_head *head, uint64_t batch_id, size_t count) {
    sim_database *db = engine->db;
    for (size_t i = 0; i < count; i++) {
        expect_fit(engine, &engine->writes.at[i]);
        sim_database_write(db, &engine->writes.at[i]);
    }
    if (count < engine->writes.count) {
        return;
    }
    if (head->batch_number != db->head.batch_number + 1) {
        sim_fail(engine->process->world, "batch %llu follows %llu",
                 (unsigned long long)head->batch_number, (unsigned long long)db->head.batch_number);
    }
    const uint64_t epoch = db->head.epoch;
    db->head = *head;
    db->head.epoch = epoch;
    sim_claim_add(db, batch_id, true);
    db->commits++;
}

static void crash_within(sim_engine *engine, const fq_head *head, uint64_t batch_id) {
    const bool half = mutant_of(engine) == SIM_MUTANT_half_commit;
    if (engine->writes.count > 1) {
        write_all(engine, head, batch_id,
                  1 + sim_below(engine->process->world, engine->writes.count - 1));
    }
    if (half) {
        engine->db->undo_head = engine->db->head;
        engine->db->undo.count = 0;
        engine->db->commits++;
    } else {
        sim_database_recover(engine->db);
    }
    sim_process_crash(engine->process, "within the commit");
}

static fq_err commit(fq_engine *base, const fq_head *head, uint64_t batch_id) {
    sim_engine *engine = of(base);
    FQ_ASSERT(engine->begun);
    FQ_TRY(engine->late);
    fq_err err = FQ_OK;
    const sim_commit_fate fate = sim_commit_fate_of(engine->process, &err);
    switch (fate) {
    case SIM_CRASHES_BEFORE:
        sim_process_crash(engine->process, "before the commit");
    case SIM_CRASHES_WITHIN:
        crash_within(engine, head, batch_id);
        break;
    case SIM_COMMIT_REFUSED:
        return err;
    case SIM_UNKNOWN_NOT_DONE:
        engine->process->world->unknowns++;
        return fq_refuse(FQ_STORE_UNKNOWN, NULL);
    case SIM_COMMITS:
    case SIM_CRASHES_AFTER:
    case SIM_UNKNOWN_DONE:
        break;
    }
    write_all(engine, head, batch_id, engine->writes.count);
    if (mutant_of(engine) != SIM_MUTANT_forgotten_sync || sim_chance(engine->process->world, 3)) {
        sim_database_sync(engine->db);
    }
    if (fate == SIM_CRASHES_AFTER) {
        sim_process_crash(engine->process, "after the commit");
    }
    if (fate == SIM_UNKNOWN_DONE) {
        engine->process->world->unknowns++;
        return fq_refuse(FQ_STORE_UNKNOWN, NULL);
    }
    rollback(base);
    return FQ_OK;
}

static fq_err settle(fq_engine *base, uint64_t batch_id, bool *out_committed) {
    sim_engine *engine = of(base);
    rollback(base);
    FQ_TRY(sim_at(engine->process, SIM_AT_SETTLE));
    const sim_claim *found = sim_claim_of(engine->db, batch_id);
    if (!found) {
        sim_claim_add(engine->db, batch_id, false);
    }
    *out_committed = found && found->committed;
    if (mutant_of(engine) == SIM_MUTANT_wrong_settle) {
        *out_committed = !*out_committed;
    }
    return FQ_OK;
}

static fq_err lease(fq_engine *base, uint32_t *out_writer, fq_head *out) {
    sim_engine *engine = of(base);
    FQ_TRY(sim_at(engine->process, SIM_AT_LEASE));
    sim_database *db = engine->db;
    // Whose lease was taken over gets another number.
    while (engine->epoch > 0 && db->holders[engine->writer] &&
           db->holders[engine->writer] != engine) {
        engine->writer = (engine->writer + 1) % SIM_WRITERS_MAX;
    }
    engine->epoch = ++db->head.epoch;
    db->undo_head.epoch = engine->epoch;
    db->epochs[engine->writer] = engine->epoch;
    db->holders[engine->writer] = engine;
    *out_writer = engine->writer;
    *out = db->head;
    return FQ_OK;
}

static fq_err idle(fq_engine *base) {
    (void)base;
    return FQ_OK;
}

// --- the readers' side ---

static fq_err reader_open(fq_engine *base, fq_reader **out) {
    fq_reader *reader = calloc(1, sizeof(*reader));
    FQ_ASSERT(reader != NULL);
    reader->engine = of(base);
    *out = reader;
    return FQ_OK;
}

static void reader_close(fq_reader *reader) {
    free(reader);
}

static fq_err reader_begin(fq_reader *reader) {
    return sim_at(reader->engine->process, SIM_AT_READ);
}

static void reader_end(fq_reader *reader) {
    (void)reader;
}

static fq_err reader_load(fq_reader *reader, fq_arena *arena, const fq_row_group *groups,
                          size_t count) {
    for (size_t g = 0; g < count; g++) {
        const sim_table *table = sim_table_of(reader->engine->db, groups[g].table);
        for (size_t i = 0; i < groups[g].count; i++) {
            int64_t key[FQ_TABLE_KEYS_MAX];
            sim_key_of(groups[g].rows[i], key);
            const fq_row *stored = sim_table_find(table, key);
            if (stored) {
                fill(groups[g].rows[i], stored, arena);
            }
        }
    }
    return FQ_OK;
}

static bool is_in(const fq_scan *scan, const fq_row *row) {
    const uint64_t first = (uint64_t)fq_column_integer(row, &row->table->columns[0]);
    const bool of_index =
        !scan->index || (uint64_t)fq_column_integer(
                            row, fq_table_column(row->table, scan->index->column)) == scan->value;
    return of_index && first > scan->above && (scan->below == 0 || first < scan->below);
}

static fq_err reader_scan(fq_reader *reader, const fq_scan *scan) {
    const sim_table *table = sim_table_of(reader->engine->db, scan->table);
    for (size_t i = 0; i < table->count; i++) {
        const fq_row *row = table->rows[scan->forward ? i : table->count - 1 - i];
        if (is_in(scan, row) && !scan->visit(scan->context, row)) {
            break;
        }
    }
    return FQ_OK;
}

static fq_err reader_head(fq_reader *reader, fq_head *out) {
    *out = reader->engine->db->head;
    return FQ_OK;
}

static const fq_engine_ops ops = {
    .system = "simulated",
    .begin = begin,
    .load = load,
    .save = save,
    .head_lock = head_lock,
    .commit = commit,
    .rollback = rollback,
    .settle = settle,
    .lease = lease,
    .idle = idle,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .reader_begin = reader_begin,
    .reader_end = reader_end,
    .reader_load = reader_load,
    .reader_scan = reader_scan,
    .reader_head = reader_head,
};

sim_engine *sim_engine_make(sim_database *db, struct sim_process *process, uint32_t writer) {
    sim_engine *engine = calloc(1, sizeof(*engine));
    FQ_ASSERT(engine != NULL && writer < SIM_WRITERS_MAX);
    *engine =
        (sim_engine){.base = {&ops, db->schema}, .db = db, .process = process, .writer = writer};
    return engine;
}

void sim_engine_free(sim_engine *engine) {
    if (engine->db->holders[engine->writer] == engine) {
        engine->db->holders[engine->writer] = NULL;
    }
    free(engine->seen.at);
    free(engine->writes.at);
    free(engine);
}
