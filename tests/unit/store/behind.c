// src/store/behind*.c: slices as bytes, filters and tails, and lists and look-ups by hash while
// slices are made, after a restart, without the index file, with one that does not fit, and with
// rows that come late.
#include "sqlite_world.h"
#include "support.h"

#include "base/log.h"
#include "store/sqlite_engine.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL = 16, PAIRS_MAX = 3000 };

// --- slices as bytes ---

static index_pair random_pair(test_random *random, bool wide) {
    if (wide) {
        return (index_pair){(int64_t)test_random_u64(random), (int64_t)test_random_u64(random)};
    }
    return (index_pair){(int64_t)test_random_below(random, 9) + 1,
                        (int64_t)test_random_below(random, 1 << 20)};
}

// Writes sorted pairs as chunks and reads them back.
static void check_chunks(const index_pair *pairs, size_t count) {
    while (count > 0) {
        char bytes[SLICE_CHUNK_BYTES_MAX];
        index_pair back[SLICE_CHUNK_PAIRS_MAX];
        size_t len = 0, back_count = 0;
        const size_t taken = slice_chunk_write(pairs, count, bytes, &len);
        assert_in_range(taken, 1, count);
        assert_in_range(len, 0, SLICE_CHUNK_BYTES_MAX);
        assert_true(slice_chunk_read((fq_str){bytes, len}, pairs[0], back, &back_count));
        assert_int_equal(back_count, taken);
        assert_memory_equal(back, pairs, taken * sizeof(*pairs));
        pairs += taken;
        count -= taken;
    }
}

static void chunks_give_back_what_was_put_in(void **state) {
    (void)state;
    test_random random = test_random_start("chunks");
    static index_pair pairs[PAIRS_MAX];
    for (int round = 0; round < 50; round++) {
        const size_t count = test_random_below(&random, PAIRS_MAX) + 1;
        for (size_t i = 0; i < count; i++) {
            pairs[i] = random_pair(&random, round % 2);
        }
        slice_sort(pairs, count);
        check_chunks(pairs, count);
    }
    const index_pair edges[] = {
        {INT64_MIN, INT64_MAX}, {-1, INT64_MIN}, {0, 0}, {INT64_MAX, INT64_MIN}};
    check_chunks(edges, 4);
}

static void damaged_chunks_are_refused_and_never_overrun(void **state) {
    (void)state;
    test_random random = test_random_start("damaged chunks");
    index_pair back[SLICE_CHUNK_PAIRS_MAX];
    size_t count = 0;
    assert_false(slice_chunk_read(FQ_STR("\x80"), (index_pair){1, 1}, back, &count));
    assert_false(slice_chunk_read(FQ_STR("\x01"), (index_pair){1, 1}, back, &count));
    for (int round = 0; round < 2000; round++) {
        char bytes[SLICE_CHUNK_BYTES_MAX];
        const size_t len = test_random_below(&random, sizeof(bytes));
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)test_random_u64(&random);
        }
        const bool whole = slice_chunk_read((fq_str){bytes, len}, (index_pair){1, 1}, back, &count);
        assert_true(!whole || count <= SLICE_CHUNK_PAIRS_MAX);
    }
}

static void a_directory_finds_the_last_chunk_that_can_hold_a_pair(void **state) {
    (void)state;
    const index_pair firsts[] = {{1, 5}, {3, 1}, {3, 9}, {7, 2}};
    char bytes[4 * SLICE_ENTRY_BYTES];
    for (size_t i = 0; i < 4; i++) {
        slice_directory_write(firsts[i], bytes + i * SLICE_ENTRY_BYTES);
    }
    const fq_str directory = {bytes, sizeof(bytes)};
    assert_int_equal(slice_directory_count(directory), 4);
    assert_true(slice_directory_find(directory, (index_pair){1, 4}) == SLICE_NOWHERE);
    assert_int_equal(slice_directory_find(directory, (index_pair){1, 5}), 0);
    assert_int_equal(slice_directory_find(directory, (index_pair){3, 8}), 1);
    assert_int_equal(slice_directory_find(directory, (index_pair){3, INT64_MAX}), 2);
    assert_int_equal(slice_directory_find(directory, (index_pair){9, 0}), 3);
    assert_true(slice_directory_find((fq_str){0}, (index_pair){9, 0}) == SLICE_NOWHERE);
}

// --- filters and tails ---

static void filters_never_miss_and_rarely_err(void **state) {
    (void)state;
    enum { KEYS = 20000 };
    test_random random = test_random_start("filters");
    hash_memory memory = {0};
    slice_filter filter = {.slice = 7, .to_key = KEYS};
    uint64_t *hashes = calloc(KEYS, sizeof(*hashes));
    assert_non_null(hashes);
    filter_make(&filter, KEYS);
    for (size_t i = 0; i < KEYS; i++) {
        hashes[i] = test_random_u64(&random);
        filter_add(&filter, hashes[i]);
    }
    memory_add_filter(&memory, &filter);
    int64_t slice = 0;
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(memory_seek_filters(&memory, hashes[i], &slice, 1), 1);
        assert_int_equal(slice, 7);
    }
    size_t wrong = 0;
    for (size_t i = 0; i < 100000; i++) {
        wrong += memory_seek_filters(&memory, test_random_u64(&random), &slice, 1);
    }
    assert_in_range(wrong, 0, 400);  // about 1 in 700 is expected
    free(hashes);
    memory_free(&memory);
}

static void tails_are_searched_newest_first_and_forgotten_when_sliced(void **state) {
    (void)state;
    hash_memory memory = {0};
    int64_t found[4] = {0};
    memory_start_tail(&memory);
    for (int64_t i = 1; i <= 3000; i++) {
        tail_add(memory.tails, (uint64_t)i % 1000, i);
    }
    memory_start_tail(&memory);
    tail_add(memory.tails, 5, 4000);
    assert_int_equal(memory_seek_tails(&memory, 5, found, 4), 4);
    assert_int_equal(found[0], 4000);
    assert_int_equal(found[1], 2005);
    assert_int_equal(found[3], 5);
    assert_int_equal(memory_seek_tails(&memory, 1001, found, 4), 0);
    slice_filter filter = {.slice = 1, .to_key = 3000};
    filter_make(&filter, 1);
    memory_add_filter(&memory, &filter);
    assert_int_equal(memory_seek_tails(&memory, 5, found, 4), 1);
    memory_forget_before(&memory, 3001);
    assert_int_equal(memory.filter_count, 0);
    memory_free(&memory);
}

// --- in the engine ---

static world_state under_test;

static int set_up(void **state) {
    *state = &under_test;
    world_make_folder(&under_test);
    return world_open(&under_test, SMALL, SMALL).code != FQ_DONE;
}

static int tear_down(void **state) {
    world_state *world = *state;
    world_close(world);
    world_remove(world);
    return 0;
}

static behind_indexes *behind_of(world_state *world) {
    return ((sqlite_engine *)world->engine)->behind;
}

static void run_batches(world_state *world, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(world_try_batch(world, world->head.batch_number + 1000).code, FQ_DONE);
    }
}

static void open_again(world_state *world) {
    assert_int_equal(world_open(world, SMALL, SMALL).code, FQ_DONE);
}

static size_t slices_of(world_state *world, int index_number) {
    index_file *view = &((sqlite_engine *)world->engine)->view;
    size_t count = 0;
    bool found = true;
    assert_int_equal(index_file_walk(view, index_number, true).code, FQ_DONE);
    while (found) {
        index_slice slice;
        assert_int_equal(index_file_next(view, true, &slice, &found).code, FQ_DONE);
        count += found;
    }
    index_file_reset(view, true);
    return count;
}

static char *index_path(const world_state *world) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/world-index.db", world->folder);
    return path;
}

static void lists_are_whole_at_each_moment(void **state) {
    world_state *world = *state;
    for (uint64_t batches = 1; batches <= 25; batches++) {
        run_batches(world, 1);
        assert_true(world_holds(world, batches));  // while the indexer is at work, and
        behind_wait(behind_of(world));
        assert_true(world_holds(world, batches));  // when it is done
    }
    assert_true(slices_of(world, world_item_by_owner.number) >= 5);
    assert_true(slices_of(world, BEHIND_HASH_INDEX) >= 5);
    world_close(world);
    open_again(world);
    assert_true(world_holds(world, 25));
}

static void a_missing_index_is_made_anew(void **state) {
    world_state *world = *state;
    run_batches(world, 25);
    world_close(world);
    assert_int_equal(unlink(index_path(world)), 0);
    open_again(world);
    assert_true(world_holds(world, 25));
    behind_wait(behind_of(world));
    assert_true(world_holds(world, 25));
    assert_true(slices_of(world, world_item_by_owner.number) >= 1);
    run_batches(world, 10);
    assert_true(world_holds(world, 35));
}

static void a_damaged_index_is_made_anew(void **state) {
    world_state *world = *state;
    run_batches(world, 25);
    world_close(world);
    const int fd = open(index_path(world), O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0 && write(fd, "this is no database, and never was one", 38) == 38);
    close(fd);
    open_again(world);
    assert_true(world_holds(world, 25));
}

// A backup put back under a later index file, which then lives on in another way.
static void slices_of_another_life_are_dropped(void **state) {
    world_state *world = *state;
    char backup[128], database[128], log[160];
    snprintf(backup, sizeof(backup), "%s/backup.db", world->folder);
    snprintf(database, sizeof(database), "%s/world.db", world->folder);
    snprintf(log, sizeof(log), "%s-wal", database);
    run_batches(world, 10);
    assert_int_equal(world->engine->ops->backup(world->engine, backup).code, FQ_DONE);
    run_batches(world, 20);
    behind_wait(behind_of(world));
    const size_t slices = slices_of(world, world_item_by_owner.number);
    world_close(world);
    unlink(log);
    assert_int_equal(rename(backup, database), 0);
    open_again(world);
    assert_true(slices_of(world, world_item_by_owner.number) < slices);
    assert_true(world_holds(world, 10));
    run_batches(world, 20);
    behind_wait(behind_of(world));
    assert_true(world_holds(world, 30));
}

// Inserts an item under a key of its own, in a transaction of its own.
static void insert_item(world_state *world, uint64_t id, uint64_t owner) {
    const fq_engine_ops *ops = world->engine->ops;
    world_item *item = (world_item *)fq_row_make(&world_item_table, &world->arena);
    fq_row *row = &item->row;
    item->id = id;
    item->owner = owner;
    assert_int_equal(ops->begin(world->engine).code, FQ_DONE);
    const fq_save insert = {FQ_SAVE_INSERT, {&world_item_table, &row, 1}};
    assert_int_equal(ops->save(world->engine, &insert, 1).code, FQ_DONE);
    assert_int_equal(ops->commit(world->engine, &world->head, id).code, FQ_DONE);
}

typedef struct {
    uint64_t ids[8];
    size_t count;
} listed;

static bool note_id(void *context, const fq_row *row) {
    listed *all = context;
    assert_in_range(all->count, 0, 7);
    all->ids[all->count++] = ((const world_item *)row)->id;
    return true;
}

static listed list_of(world_state *world, uint64_t owner, bool forward) {
    listed all = {0};
    fq_reader *reader = NULL;
    assert_int_equal(world->engine->ops->reader_open(world->engine, &reader).code, FQ_DONE);
    const fq_scan scan = {.table = &world_item_table,
                          .index = &world_item_by_owner,
                          .value = owner,
                          .forward = forward,
                          .visit = note_id,
                          .context = &all};
    assert_int_equal(world->engine->ops->reader_scan(reader, &scan).code, FQ_DONE);
    world->engine->ops->reader_close(reader);
    return all;
}

static void rows_that_come_late_are_listed_in_their_place_and_once(void **state) {
    world_state *world = *state;
    enum { OWNER = 77 };
    run_batches(world, 3);
    insert_item(world, world_item_id(3, 100), OWNER);
    run_batches(world, 22);
    behind_wait(behind_of(world));
    const uint64_t expected[] = {world_item_id(1, 50), world_item_id(3, 100), world_item_id(4, 50),
                                 world_item_id(500, 1)};
    insert_item(world, expected[2], OWNER);  // far below what is claimed
    insert_item(world, expected[0], OWNER);
    insert_item(world, expected[3], OWNER);
    for (int restart = 0; restart < 2; restart++) {
        for (int forward = 0; forward < 2; forward++) {
            const listed all = list_of(world, OWNER, forward);
            assert_int_equal(all.count, 4);
            for (size_t i = 0; i < 4; i++) {
                assert_int_equal(all.ids[i], expected[forward ? i : 3 - i]);
            }
        }
        world_close(world);
        unlink(index_path(world));  // made anew, the slices hold them too
        open_again(world);
        behind_wait(behind_of(world));
    }
}

static void slices_of_requests_that_aged_go(void **state) {
    world_state *world = *state;
    const fq_engine_ops *ops = world->engine->ops;
    run_batches(world, 20);
    behind_wait(behind_of(world));
    const size_t before = slices_of(world, BEHIND_HASH_INDEX);
    for (uint64_t batch = 1; batch <= 15; batch++) {
        fq_row *rows[WORLD_COMMANDS];
        fq_batch *wanted = fq_batch_make(&world->arena, &world->dealer, 0);
        for (size_t i = 0; i < WORLD_COMMANDS; i++) {
            rows[i] = fq_want(wanted, &fq_request_table, world_hash(batch, i, 0),
                              world_hash(batch, i, 1), 0);
        }
        const fq_row_group group = {&fq_request_table, rows, WORLD_COMMANDS};
        assert_int_equal(ops->begin(world->engine).code, FQ_DONE);
        assert_int_equal(ops->load(world->engine, wanted, &group, 1).code, FQ_DONE);
        assert_int_equal(rows[0]->state, FQ_ROW_LOADED);
        assert_int_equal(ops->save(world->engine, &(fq_save){FQ_SAVE_DELETE, group}, 1).code,
                         FQ_DONE);
        assert_int_equal(ops->commit(world->engine, &world->head, batch).code, FQ_DONE);
    }
    run_batches(world, 6);
    behind_wait(behind_of(world));
    world_close(world);  // the indexer has finished its step
    open_again(world);
    assert_true(slices_of(world, BEHIND_HASH_INDEX) < before);
    fq_batch *batch = fq_batch_make(&world->arena, &world->dealer, 0);
    fq_row *aged = fq_want(batch, &fq_request_table, world_hash(1, 0, 0), world_hash(1, 0, 1), 0);
    fq_row *kept = fq_want(batch, &fq_request_table, world_hash(16, 0, 0), world_hash(16, 0, 1), 0);
    fq_row *both[] = {aged, kept};
    assert_int_equal(ops->begin(world->engine).code, FQ_DONE);
    assert_int_equal(
        ops->load(world->engine, batch, &(fq_row_group){&fq_request_table, both, 2}, 1).code,
        FQ_DONE);
    ops->rollback(world->engine);
    assert_int_equal(aged->state, FQ_ROW_ABSENT);
    assert_int_equal(kept->state, FQ_ROW_LOADED);
}

int main(void) {
    fq_log_configure(open("/dev/null", O_WRONLY | O_CLOEXEC), FQ_LOG_ERROR, FQ_LOG_JSON);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_give_back_what_was_put_in),
        cmocka_unit_test(damaged_chunks_are_refused_and_never_overrun),
        cmocka_unit_test(a_directory_finds_the_last_chunk_that_can_hold_a_pair),
        cmocka_unit_test(filters_never_miss_and_rarely_err),
        cmocka_unit_test(tails_are_searched_newest_first_and_forgotten_when_sliced),
        cmocka_unit_test_setup_teardown(lists_are_whole_at_each_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_index_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_index_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slices_of_another_life_are_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_that_come_late_are_listed_in_their_place_and_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(slices_of_requests_that_aged_go, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
