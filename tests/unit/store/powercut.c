// A cut of the power at every write and sync of a run, from the first of an empty folder on: what
// was said to be committed is there, whole; of what was not, all is there or nothing.
#include "powercut_vfs.h"
#include "sqlite_world.h"

#include "store/sqlite_engine.h"

#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SMALL = 16, BATCHES = 9, RUNS_MAX = 5000 };

// Returns how many batches were said to be committed.
static uint64_t run(world_state *world) {
    uint64_t committed = 0;
    if (world_open(world, SMALL, SMALL).code) {
        return 0;
    }
    for (uint64_t i = 1; i <= BATCHES && !world_batch(world, i).code; i++) {
        committed = i;
        if (i % 3 == 0) {
            world->engine->ops->idle(world->engine);  // a checkpoint
        }
        if (i % 4 == 0) {
            behind_wait(((sqlite_engine *)world->engine)->behind);
        }
    }
    world->engine->ops->rollback(world->engine);
    world_close(world);
    return committed;
}

static void check_integrity(const world_state *world, const char *name) {
    char path[128];
    sqlite3 *db = NULL;
    int64_t whole = 0;
    snprintf(path, sizeof(path), "%s/%s", world->folder, name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        connection_integer(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check LIMIT 1",
                           &whole)
            .code,
        FQ_DONE);
    assert_int_equal(whole, 1);
    sqlite3_close(db);
}

static void check_after(world_state *world, uint64_t committed) {
    assert_int_equal(world_open(world, SMALL, SMALL).code, FQ_DONE);
    const uint64_t there = world->head.batch_number;
    assert_true(there == committed || there == committed + 1);
    assert_true(world_holds(world, there));
    // It goes on: also the batch that was lost can be done again.
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(world_try_batch(world, 100 + i).code, FQ_DONE);
    }
    assert_true(world_holds(world, there + 4));
    world_close(world);
    check_integrity(world, "world.db");
    check_integrity(world, "world-index.db");
}

static void nothing_that_was_promised_is_lost(void **state) {
    (void)state;
    powercut_install();
    bool more = true;
    uint64_t at = 1;
    for (; more; at++) {
        world_state world = {0};
        world_make_folder(&world);
        powercut_plan(POWERCUT_CUT, at);
        const uint64_t committed = run(&world);
        more = powercut_happened();
        powercut_settle(at);
        powercut_plan(POWERCUT_NEVER, 0);
        check_after(&world, committed);
        world_remove(&world);
        assert_true(at < RUNS_MAX);
    }
    printf("%d cuts\n", (int)at - 1);
    assert_true(at > 100);
    powercut_remove();
}

int main(void) {
    fq_log_configure(open("/dev/null", O_WRONLY | O_CLOEXEC), FQ_LOG_ERROR, FQ_LOG_JSON);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_was_promised_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
