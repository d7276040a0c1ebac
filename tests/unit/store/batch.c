// The rows of a batch against a naive model: any sequence of wanting, writing, removing, appending,
// marks and rewinds.
#include "store/batch.h"

#include "batch_world.h"
#include "support.h"

#define CELL_COLUMNS(C, R)    \
    C(R, uint64_t, x, FQ_KEY) \
    C(R, uint16_t, y, FQ_KEY) \
    C(R, int64_t, value, FQ_CHANGES)
FQ_ROW(cell_row, CELL_COLUMNS)
static const fq_column cell_columns[] = {FQ_COLUMNS(cell_row, CELL_COLUMNS)};
static const fq_table cells[] = {
    {.name = "left", .key_count = 2, FQ_TABLE_OF(cell_row, cell_columns)},
    {.name = "right", .key_count = 2, FQ_TABLE_OF(cell_row, cell_columns)},
};
static const fq_table *const tables[] = {&cells[0], &cells[1]};

enum { TABLES = 2, XS = 24, YS = 4, CELLS = TABLES * XS * YS, STEPS = 3000, APPENDED_MAX = STEPS };

// Cell by cell: was it asked for, has load looked, what is it now.
typedef struct {
    bool wanted, unloaded;
    fq_row_state state;
    int64_t value;
} model_cell;

typedef struct {
    model_cell cells[CELLS];
    uint64_t appended[APPENDED_MAX];
    size_t appended_count;
} model;

typedef struct {
    batch_world world;
    model now, marked;
    bool is_marked;
    fq_row *rows[CELLS];
} rig;

static size_t random_cell(test_random *random) {
    return (size_t)test_random_below(random, CELLS);
}

// Keys beyond 2^63 too: they sort as the store sorts them, signed.
static uint64_t x_of(size_t cell) {
    const uint64_t x = cell / YS % XS;
    return x % 3 == 0 ? UINT64_MAX - x : x << 40;
}

static const fq_table *table_of(size_t cell) {
    return &cells[cell / (XS * YS)];
}

static fq_row *want(rig *at, size_t cell) {
    fq_row *row = fq_want(at->world.batch, table_of(cell), x_of(cell), cell % YS, 0);
    model_cell *known = &at->now.cells[cell];
    if (!known->wanted) {
        known->wanted = known->unloaded = true;
        at->marked.cells[cell].wanted = at->marked.cells[cell].unloaded = true;
        at->rows[cell] = row;
    }
    assert_ptr_equal(row, at->rows[cell]);
    return row;
}

static void write_cell(rig *at, size_t cell, int64_t value) {
    fq_row *row = want(at, cell);
    fq_row_touch(at->world.batch, row);
    ((cell_row *)row)->value = value;
    model_cell *known = &at->now.cells[cell];
    known->value = value;
    known->state =
        known->state == FQ_ROW_ABSENT || known->state == FQ_ROW_NEW ? FQ_ROW_NEW : FQ_ROW_CHANGED;
}

static void remove_cell(rig *at, size_t cell) {
    fq_row_remove(at->world.batch, want(at, cell));
    model_cell *known = &at->now.cells[cell];
    known->state =
        known->state == FQ_ROW_ABSENT || known->state == FQ_ROW_NEW ? FQ_ROW_ABSENT : FQ_ROW_GONE;
}

static void append(rig *at, uint64_t subject) {
    fq_event_row *event = (fq_event_row *)fq_batch_append(at->world.batch, &fq_event_table);
    assert_int_equal(event->subject, 0);
    event->subject = subject;
    at->now.appended[at->now.appended_count++] = subject;
}

static bool is_before(const fq_row *a, const fq_row *b) {
    const cell_row *left = (const cell_row *)a, *right = (const cell_row *)b;
    return left->x == right->x ? left->y < right->y : (int64_t)left->x < (int64_t)right->x;
}

static size_t count_sorted(const fq_row_list lists[TABLES]) {
    size_t count = 0;
    for (size_t t = 0; t < TABLES; t++) {
        for (size_t i = 0; i < lists[t].count; i++, count++) {
            assert_ptr_equal(lists[t].rows[i]->table, tables[t]);
            assert_true(i == 0 || is_before(lists[t].rows[i - 1], lists[t].rows[i]));
        }
    }
    return count;
}

// What load would do: it gets each wanted row once, and finds half of them.
static void load(rig *at, test_random *random) {
    fq_row_list wanted[TABLES];
    fq_batch_wanted(at->world.batch, tables, TABLES, wanted);
    size_t expected = 0;
    for (size_t i = 0; i < CELLS; i++) {
        model_cell *known = &at->now.cells[i];
        expected += known->unloaded;
        if (known->unloaded && known->state == FQ_ROW_ABSENT && test_random_chance(random, 2)) {
            at->rows[i]->state = known->state = FQ_ROW_LOADED;
            ((cell_row *)at->rows[i])->value = known->value =
                (int64_t)test_random_below(random, 100);
        }
        known->unloaded = false;
    }
    assert_int_equal(count_sorted(wanted), expected);
}

static void check(rig *at) {
    bool changed = at->now.appended_count > 0;
    for (fq_row_state state = FQ_ROW_ABSENT; state <= FQ_ROW_GONE; state++) {
        fq_row_list found[TABLES];
        fq_batch_in_state(at->world.batch, tables, TABLES, state, found);
        size_t expected = 0;
        for (size_t i = 0; i < CELLS; i++) {
            expected += at->now.cells[i].wanted && at->now.cells[i].state == state;
        }
        assert_int_equal(count_sorted(found), expected);
        changed |= expected > 0 && state != FQ_ROW_ABSENT && state != FQ_ROW_LOADED;
    }
    assert_int_equal(fq_batch_is_changed(at->world.batch), changed);
    bool same = true;
    for (size_t i = 0; i < CELLS; i++) {
        if (at->rows[i]) {
            const cell_row *row = (const cell_row *)at->rows[i];
            same &=
                row->row.state == at->now.cells[i].state && row->value == at->now.cells[i].value;
            same &= row->x == x_of(i) && row->y == i % YS;
        }
    }
    const fq_row_list *events = fq_batch_journal(at->world.batch, FQ_JOURNAL_EVENT);
    assert_int_equal(events->count, at->now.appended_count);
    for (size_t i = 0; i < events->count; i++) {
        same &= ((const fq_event_row *)events->rows[i])->subject == at->now.appended[i];
    }
    assert_true(same);
}

static void mark_or_end(rig *at, test_random *random) {
    if (!at->is_marked) {
        fq_batch_mark(at->world.batch);
        at->marked = at->now;
    } else if (test_random_chance(random, 2)) {
        fq_batch_rewind(at->world.batch);
        at->now = at->marked;
    } else {
        fq_batch_keep(at->world.batch);
    }
    at->is_marked = !at->is_marked;
}

static void step(rig *at, test_random *random) {
    switch (test_random_below(random, 16)) {
    case 0:
        mark_or_end(at, random);
        return;
    case 1:
        if (!at->is_marked) {  // load is over before the first mark
            load(at, random);
        }
        return;
    case 2:
    case 3:
        remove_cell(at, random_cell(random));
        return;
    case 4:
    case 5:
        append(at, test_random_u64(random));
        return;
    case 6:
        want(at, random_cell(random));
        return;
    default:
        write_cell(at, random_cell(random), (int64_t)test_random_u64(random));
    }
}

static void test_against_a_model(void **state) {
    (void)state;
    test_random random = test_random_start("batches");
    rig *at = malloc(sizeof(*at));
    assert_non_null(at);
    for (int run = 0; run < 12; run++) {
        memset(at, 0, sizeof(*at));
        world_begin(&at->world, WORLD_NOW_MS);
        for (int i = 0; i < STEPS; i++) {
            step(at, &random);
            if (i % 16 == 0 || i + 1 == STEPS) {
                check(at);
            }
        }
        world_end(&at->world);
    }
    free(at);
}

// What is deleted stays so, however often that is said.
static void test_removed_twice(void **state) {
    (void)state;
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    fq_row *row = world_row(&world, &cells[0], 1, 2, 0);
    fq_row_remove(world.batch, row);
    fq_row_remove(world.batch, row);
    assert_int_equal(row->state, FQ_ROW_GONE);
    world_end(&world);
}

static void test_fresh_rows_and_ids(void **state) {
    (void)state;
    batch_world world;
    world_begin(&world, WORLD_NOW_MS);
    uint64_t last = 0;
    for (int i = 0; i < 10000; i++) {
        const uint64_t id = fq_batch_deal_id(world.batch);
        assert_true(id > last);
        last = id;
        const fq_row *fresh = fq_want_fresh(world.batch, &fq_event_table, id);
        assert_ptr_equal(fq_want(world.batch, &fq_event_table, id, 0, 0), fresh);
    }
    const fq_table *const event_table = &fq_event_table;
    fq_row_list wanted;
    fq_batch_wanted(world.batch, &event_table, 1, &wanted);
    assert_int_equal(wanted.count, 0);
    assert_int_equal(fq_batch_now_ms(world.batch), WORLD_NOW_MS);
    assert_ptr_equal(fq_batch_arena(world.batch), &world.arena);
    world_end(&world);
}

// --- what must never be asked ---

static void mark_twice(void *context) {
    fq_batch *batch = ((batch_world *)context)->batch;
    fq_batch_mark(batch);
    fq_batch_mark(batch);
}

static void rewind_unmarked(void *context) {
    fq_batch_rewind(((batch_world *)context)->batch);
}

static void keep_unmarked(void *context) {
    fq_batch_keep(((batch_world *)context)->batch);
}

static void append_to_no_journal(void *context) {
    fq_batch_append(((batch_world *)context)->batch, &cells[0]);
}

static void fresh_but_known(void *context) {
    fq_batch *batch = ((batch_world *)context)->batch;
    fq_want(batch, &fq_event_table, 5, 0, 0);
    fq_want_fresh(batch, &fq_event_table, 5);
}

static void test_mistakes_stop_the_process(void **state) {
    (void)state;
    void (*const mistakes[])(void *context) = {mark_twice, rewind_unmarked, keep_unmarked,
                                               append_to_no_journal, fresh_but_known};
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        batch_world world;
        world_begin(&world, WORLD_NOW_MS);
        assert_true(world_stops(mistakes[i], &world));
        world_end(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_removed_twice),
        cmocka_unit_test(test_fresh_rows_and_ids),
        cmocka_unit_test(test_mistakes_stop_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
