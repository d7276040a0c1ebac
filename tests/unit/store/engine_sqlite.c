// src/store/engine_sqlite.c and the sqlite_*.c files: what a batch writes and reads, what readers
// see, errors, backup. What a power cut does is in powercut.c.
#include "powercut_vfs.h"
#include "sqlite_world.h"

#include "store/migrate.h"
#include "store/sqlite_engine.h"

#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL = 32 };  // rows a slice, so that a few batches make several

static world_state under_test;

static int set_up(void **state) {
    *state = &under_test;
    world_make_folder(&under_test);
    return world_open(&under_test, SMALL, SMALL).code != FQ_DONE;
}

static int tear_down(void **state) {
    world_state *world = *state;
    if (world->engine) {
        world_close(world);
    }
    world_remove(world);
    return 0;
}

static void run_batches(world_state *world, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(world_try_batch(world, world->head.batch_number + 1000).code, FQ_DONE);
    }
}

static fq_reader *open_reader(world_state *world) {
    fq_reader *reader = NULL;
    assert_int_equal(world->engine->ops->reader_open(world->engine, &reader).code, FQ_DONE);
    return reader;
}

static uint64_t batches_seen(world_state *world, fq_reader *reader) {
    fq_head head = {0};
    assert_int_equal(world->engine->ops->reader_head(reader, &head).code, FQ_DONE);
    return head.batch_number;
}

static void what_is_committed_is_read_and_stays(void **state) {
    world_state *world = *state;
    run_batches(world, 30);
    assert_true(world_holds(world, 30));
    world_close(world);
    assert_int_equal(world_open(world, SMALL, SMALL).code, FQ_DONE);
    assert_true(world_holds(world, 30));
    run_batches(world, 5);
    assert_true(world_holds(world, 35));
}

static void what_is_rolled_back_was_never_there(void **state) {
    world_state *world = *state;
    run_batches(world, 3);
    for (int i = 0; i < 3; i++) {
        fq_head head = world->head;
        fq_batch *batch = fq_batch_make(&world->arena, &world->dealer, 0);
        fq_row *purse = fq_want(batch, &world_purse_table, 1, 0, 0);
        const fq_row_group group = {&world_purse_table, &purse, 1};
        assert_int_equal(world->engine->ops->begin(world->engine).code, FQ_DONE);
        assert_int_equal(world->engine->ops->load(world->engine, batch, &group, 1).code, FQ_DONE);
        assert_int_equal(purse->state, FQ_ROW_LOADED);
        ((world_purse *)purse)->balance += 77;
        assert_int_equal(
            world->engine->ops->save(world->engine, &(fq_save){FQ_SAVE_UPDATE, group}, 1).code,
            FQ_DONE);
        head.epoch += 1;  // a writer that is not the one
        assert_int_equal(world->engine->ops->commit(world->engine, &head, 5).code, FQ_INTERNAL);
        world->engine->ops->rollback(world->engine);
    }
    assert_true(world_holds(world, 3));
    run_batches(world, 20);
    assert_true(world_holds(world, 23));
}

static void a_reader_sees_one_state(void **state) {
    world_state *world = *state;
    run_batches(world, 2);
    fq_reader *reader = open_reader(world);
    assert_int_equal(world->engine->ops->reader_begin(reader).code, FQ_DONE);
    assert_int_equal(batches_seen(world, reader), 2);
    run_batches(world, 2);
    world->engine->ops->idle(world->engine);  // a checkpoint leaves the reader's pages alone
    assert_int_equal(batches_seen(world, reader), 2);
    world->engine->ops->reader_end(reader);
    assert_int_equal(world->engine->ops->reader_begin(reader).code, FQ_DONE);
    assert_int_equal(batches_seen(world, reader), 4);
    world->engine->ops->reader_end(reader);
    world->engine->ops->reader_close(reader);
}

typedef struct {
    uint64_t ids[8];
    size_t count, max;
} seen;

static bool note_id(void *context, const fq_row *row) {
    seen *noted = context;
    noted->ids[noted->count++] = (uint64_t)fq_column_integer(row, &row->table->columns[0]);
    return noted->count < noted->max;
}

static void scans_keep_between_their_bounds_and_stop_when_told(void **state) {
    world_state *world = *state;
    run_batches(world, 30);
    fq_reader *reader = open_reader(world);
    const uint64_t above = world_item_id(10, 2), below = world_item_id(11, 1);
    for (int forward = 0; forward < 2; forward++) {
        seen all = {.max = 8}, two = {.max = 2};
        fq_scan scan = {.table = &world_item_table,
                        .above = above,
                        .below = below,
                        .forward = forward,
                        .visit = note_id};
        scan.context = &all;
        assert_int_equal(world->engine->ops->reader_scan(reader, &scan).code, FQ_DONE);
        assert_int_equal(all.count, 4);  // commands 3, 4 and 5 of batch 10, command 0 of batch 11
        assert_int_equal(all.ids[forward ? 0 : 3], world_item_id(10, 3));
        assert_int_equal(all.ids[forward ? 3 : 0], world_item_id(11, 0));
        scan.context = &two;
        assert_int_equal(world->engine->ops->reader_scan(reader, &scan).code, FQ_DONE);
        assert_int_equal(two.count, 2);
    }
    world->engine->ops->reader_close(reader);
}

static void work_with_a_key_of_three_columns_is_kept_and_removed(void **state) {
    world_state *world = *state;
    const fq_engine_ops *ops = world->engine->ops;
    fq_row *rows[3];
    for (uint64_t i = 0; i < 3; i++) {
        rows[i] = fq_row_make(&fq_work_table, &world->arena);
        fq_work_row *work = (fq_work_row *)rows[i];
        *work =
            (fq_work_row){.row = work->row, .due_ms = 100, .kind = 2, .subject = i, .holder = 9};
    }
    const fq_row_group all = {&fq_work_table, rows, 3}, one = {&fq_work_table, rows + 1, 1};
    assert_int_equal(ops->begin(world->engine).code, FQ_DONE);
    assert_int_equal(
        ops->save(world->engine, (fq_save[]){{FQ_SAVE_INSERT, all}, {FQ_SAVE_DELETE, one}}, 2).code,
        FQ_DONE);
    assert_int_equal(ops->commit(world->engine, &world->head, 1).code, FQ_DONE);
    fq_reader *reader = open_reader(world);
    seen due = {.max = 8};
    assert_int_equal(ops->reader_scan(reader, &(fq_scan){.table = &fq_work_table,
                                                         .below = 101,
                                                         .forward = true,
                                                         .visit = note_id,
                                                         .context = &due})
                         .code,
                     FQ_DONE);
    assert_int_equal(due.count, 2);
    ops->reader_close(reader);
}

// --- opening ---

static fq_code open_again(const world_state *world, const fq_store_options *options,
                          fq_engine **out) {
    return fq_store_open(world->folder, &world_schema, options, out).code;
}

static void one_process_has_the_folder_and_others_may_only_read(void **state) {
    world_state *world = *state;
    run_batches(world, 4);
    fq_engine *second = NULL;
    assert_int_equal(open_again(world, &(fq_store_options){.migrate = true}, &second),
                     FQ_STATE_CONFLICT);
    world_state beside = {0};
    assert_int_equal(open_again(world, &(fq_store_options){.read_only = true}, &beside.engine),
                     FQ_DONE);
    fq_arena_init(&beside.arena, 16 << 20);
    assert_true(world_holds(&beside, 4));
    world_close(&beside);
    run_batches(world, 1);
}

static void files_are_their_owners_alone(void **state) {
    world_state *world = *state;
    static const char *const names[] = {"", "/world.db", "/world.db-wal", "/world-index.db",
                                        "/world.lock"};
    run_batches(world, 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        struct stat about;
        snprintf(path, sizeof(path), "%s%s", world->folder, names[i]);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_mode & 0077, 0);
    }
}

static void each_lease_has_a_higher_epoch(void **state) {
    world_state *world = *state;
    const uint64_t epoch = world->head.epoch;
    world_close(world);
    assert_int_equal(world_open(world, SMALL, SMALL).code, FQ_DONE);
    assert_true(world->head.epoch > epoch);
}

static void a_stamp_is_set_once(void **state) {
    world_state *world = *state;
    fq_buffer found;
    fq_buffer_init(&found, 256);
    assert_int_equal(fq_store_stamp(world->engine, "mode", (fq_str){0}, &found).code, FQ_DONE);
    assert_int_equal(found.len, 0);
    assert_int_equal(fq_store_stamp(world->engine, "mode", FQ_STR("sandbox"), &found).code,
                     FQ_DONE);
    assert_int_equal(fq_store_stamp(world->engine, "mode", FQ_STR("live"), &found).code, FQ_DONE);
    assert_true(fq_str_equal(fq_buffer_str(&found), FQ_STR("sandbox")));
    fq_buffer_free(&found);
}

// --- backup ---

static void a_backup_taken_while_the_writer_goes_on_opens_and_is_whole(void **state) {
    world_state *world = *state;
    world_state restored = {0};
    run_batches(world, 25);
    world_make_folder(&restored);
    char path[128];
    snprintf(path, sizeof(path), "%s/world.db", restored.folder);
    assert_int_equal(world->engine->ops->backup(world->engine, path).code, FQ_DONE);
    assert_int_equal(world->engine->ops->backup(world->engine, path).code, FQ_STATE_CONFLICT);
    run_batches(world, 25);
    assert_int_equal(world_open(&restored, SMALL, SMALL).code, FQ_DONE);
    assert_true(world_holds(&restored, 25));
    run_batches(&restored, 3);
    assert_true(world_holds(&restored, 28));
    world_close(&restored);
    world_remove(&restored);
}

// --- errors ---

// Runs batches with one fault at each operation in turn. What failed was not written, or its fate
// is found out; what follows works.
static void fail_each_operation(powercut_fault fault) {
    powercut_install();
    bool more = true;
    for (uint64_t at = 1; more; at++) {
        world_state world = {0};
        powercut_plan(POWERCUT_NEVER, 0);
        world_make_folder(&world);
        assert_int_equal(world_open(&world, SMALL, SMALL).code, FQ_DONE);
        assert_int_equal(world_try_batch(&world, 1).code, FQ_DONE);
        powercut_plan_from_here(fault, at);
        uint64_t committed = 1;
        for (uint64_t i = 2; i <= 8; i++) {
            const fq_err err = world_batch(&world, i);
            if (err.code == FQ_STORE_UNKNOWN) {
                powercut_mend();
                bool is_there = false;
                assert_int_equal(world.engine->ops->settle(world.engine, i, &is_there).code,
                                 FQ_DONE);
                committed += is_there;
                continue;
            }
            if (err.code) {
                assert_true(err.code == FQ_STORE_LOST || err.code == FQ_STORE_FULL);
                world.engine->ops->rollback(world.engine);
                assert_true(world_holds(&world, committed));  // reads go on
                powercut_mend();
                continue;
            }
            committed++;
            world.engine->ops->idle(world.engine);
        }
        more = powercut_happened();
        powercut_mend();
        assert_true(world_holds(&world, committed));
        world_close(&world);
        assert_int_equal(world_open(&world, SMALL, SMALL).code, FQ_DONE);
        assert_true(world_holds(&world, committed));
        world_close(&world);
        world_remove(&world);
    }
    powercut_remove();
}

static void a_full_disk_costs_only_the_batches_that_meet_it(void **state) {
    (void)state;
    fail_each_operation(POWERCUT_FULL);
}

static void an_io_error_costs_only_the_batch_that_meets_it(void **state) {
    (void)state;
    fail_each_operation(POWERCUT_ERROR);
}

int main(void) {
    fq_log_configure(open("/dev/null", O_WRONLY | O_CLOEXEC), FQ_LOG_ERROR, FQ_LOG_JSON);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_committed_is_read_and_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_rolled_back_was_never_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_sees_one_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scans_keep_between_their_bounds_and_stop_when_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(work_with_a_key_of_three_columns_is_kept_and_removed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_process_has_the_folder_and_others_may_only_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(files_are_their_owners_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_lease_has_a_higher_epoch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stamp_is_set_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_backup_taken_while_the_writer_goes_on_opens_and_is_whole,
                                        set_up, tear_down),
        cmocka_unit_test(a_full_disk_costs_only_the_batches_that_meet_it),
        cmocka_unit_test(an_io_error_costs_only_the_batch_that_meets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
