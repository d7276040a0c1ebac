// One batch in its steps: what is written, what is answered, and what each failure of the store
// costs.
#include "store/commit.h"

#include "batch_world.h"
#include "scripted_engine.h"

typedef struct {
    scripted_engine engine;
    fq_commit commit;
    fq_arena arena;
    fq_command *list, *deferred;
} rig;

static void rig_begin(rig *at) {
    memset(at, 0, sizeof(*at));
    scripted_init(&at->engine);
    fq_arena_init(&at->arena, 1 << 20);
    assert_int_equal(fq_commit_open(&at->commit, &at->engine.engine).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at->engine), "L");
}

static void rig_end(rig *at) {
    fq_commit_close(&at->commit);
    fq_arena_free(&at->arena);
    scripted_free(&at->engine);
}

static fq_err commit_at(rig *at, int64_t now_ms, add_command *commands, size_t count) {
    fq_command **end = &at->list;
    for (size_t i = 0; i < count; i++) {
        *end = &commands[i].base;
        end = &commands[i].base.next;
    }
    *end = NULL;
    fq_writer_sample sample = {0};
    const fq_err err = fq_commit_batch(&at->commit, now_ms, &at->list, &at->deferred, &sample);
    assert_int_equal(sample.commands, count);
    return err;
}

static fq_err commit_all(rig *at, add_command *commands, size_t count) {
    return commit_at(at, WORLD_NOW_MS, commands, count);
}

static size_t length_of(const fq_command *list) {
    size_t count = 0;
    for (; list; list = list->next) {
        count++;
    }
    return count;
}

static const fq_row *stored(const rig *at, const fq_table *table, uint64_t key) {
    fq_arena arena;
    fq_arena_init(&arena, 1 << 16);
    fq_row *row = fq_row_make(table, &arena);
    fq_column_set_integer(row, &table->columns[0], (int64_t)key);
    const fq_row *found = scripted_find(&at->engine, row);
    fq_arena_free(&arena);
    assert_non_null(found);
    return found;
}

// --- what is written ---

// The seal of a batch, made again from the rows that were stored.
static fq_hash seal_again(const rig *at, uint64_t number, const fq_hash *before) {
    const fq_batch_row *row = (const fq_batch_row *)stored(at, &fq_batch_table, number);
    fq_merkle tree;
    fq_merkle_init(&tree);
    for (uint64_t i = 0; i < row->event_count; i++) {
        fq_buffer bytes;
        fq_buffer_init(&bytes, 1 << 16);
        fq_row_encode(stored(at, &fq_event_table, row->event_first + i), &bytes);
        const fq_hash leaf = fq_merkle_leaf(fq_buffer_str(&bytes));
        fq_merkle_add(&tree, &leaf);
        fq_buffer_free(&bytes);
    }
    const fq_hash seal = fq_batch_seal(
        before, &(fq_batch_record){number, row->event_first, tree.count, fq_merkle_root(&tree)});
    assert_int_equal(row->seal.len, sizeof(seal.bytes));
    assert_memory_equal(row->seal.at, seal.bytes, sizeof(seal.bytes));
    return seal;
}

// formance/ledger's contributing guide: hashing each log entry took a lock on the whole ledger.
// Here a batch is sealed as one.
static void test_positions_head_and_seals(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    fq_hash seal = {{0}};
    add_command first[] = {add_of(1, 5), add_of(2, 7), add_of(1, 10)};
    assert_int_equal(commit_at(&at, WORLD_NOW_MS, first, 3).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at.engine), "blshsc");
    // In order, each seeing what came before it.
    assert_int_equal(first[0].shown, 5);
    assert_int_equal(first[2].shown, 15);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(first[i].base.event, i + 1);
        assert_int_equal(first[i].base.at_ms, WORLD_NOW_MS);
        assert_int_equal(((const fq_event_row *)stored(&at, &fq_event_table, i + 1))->at_ms,
                         WORLD_NOW_MS);
    }
    seal = seal_again(&at, 1, &seal);
    // A clock that went back: business time stands.
    add_command second = add_of(2, 1);
    assert_int_equal(commit_at(&at, WORLD_NOW_MS - 5000, &second, 1).code, FQ_DONE);
    assert_int_equal(second.base.event, 4);
    const fq_batch_row *row = (const fq_batch_row *)stored(&at, &fq_batch_table, 2);
    assert_int_equal(row->event_first, 4);
    assert_int_equal(row->event_count, 1);
    assert_int_equal(row->transfer_first, 1);
    assert_int_equal(row->transfer_count, 0);
    assert_int_equal(row->at_ms, WORLD_NOW_MS);
    seal = seal_again(&at, 2, &seal);
    assert_int_equal(at.engine.head.batch_number, 2);
    assert_int_equal(at.engine.head.position[FQ_JOURNAL_EVENT], 4);
    assert_int_equal(at.engine.head.at_ms, WORLD_NOW_MS);
    assert_memory_equal(at.engine.head.seal, seal.bytes, sizeof(seal.bytes));
    assert_memory_equal(&at.commit.head, &at.engine.head, sizeof(fq_head));
    assert_int_equal(scripted_value(&at.engine, 1), 15);
    assert_int_equal(scripted_value(&at.engine, 2), 8);
    assert_true(at.engine.batch_ids[0] != at.engine.batch_ids[1]);
    rig_end(&at);
}

static void test_rounds_of_load(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    counter_row chain = {.row = {.table = &counter_table}, .id = 1, .next = 9};
    at.engine.stored[at.engine.stored_count++] = fq_row_copy(&chain.row, &at.engine.arena);
    add_command add = add_of(1, 5);
    assert_int_equal(commit_all(&at, &add, 1).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at.engine), "bllshsc");
    assert_int_equal(scripted_value(&at.engine, 9), 5);
    rig_end(&at);
}

static void test_refusals_commit_nothing(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    add_command refused[] = {add_of(1, 5), add_of(2, 7)};
    refused[0].refusal = refused[1].refusal = FQ_INSUFFICIENT_BALANCE;
    const fq_head before = at.engine.head;
    assert_int_equal(commit_all(&at, refused, 2).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at.engine), "bllr");
    assert_int_equal(refused[1].base.outcome.code, FQ_INSUFFICIENT_BALANCE);
    assert_memory_equal(&at.engine.head, &before, sizeof(before));
    // The sandbox's clock is moved by a commit of its own.
    at.commit.clock_move_ms = 60000;
    assert_int_equal(commit_all(&at, refused, 2).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at.engine), "bllshsc");
    assert_int_equal(at.engine.head.clock_shift_ms, 60000);
    assert_int_equal(at.commit.clock_move_ms, 0);
    // Nothing at all.
    assert_int_equal(commit_all(&at, refused, 0).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at.engine), "");
    rig_end(&at);
}

// --- conflicts ---

static void test_conflict_decides_again(void **state) {
    (void)state;
    static const struct {
        scripted_call call;
        const char *trace;
    } rows[] = {{CALL_BEGIN, "brblshsc"},
                {CALL_LOAD, "blrblshsc"},
                {CALL_SAVE, "blsrblshsc"},
                {CALL_HEAD, "blshrblshsc"},
                {CALL_COMMIT, "blshscrblshsc"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rig at;
        rig_begin(&at);
        counter_row one = {.row = {.table = &counter_table}, .id = 1, .value = 3};
        at.engine.stored[at.engine.stored_count++] = fq_row_copy(&one.row, &at.engine.arena);
        at.engine.interference = 100;
        at.engine.script[rows[i].call][0] = FQ_STORE_CONFLICT;
        add_command adds[] = {add_of(1, 5), add_of(2, 7)};
        assert_int_equal(commit_all(&at, adds, 2).code, FQ_DONE);
        assert_string_equal(scripted_trace(&at.engine), rows[i].trace);
        assert_int_equal(adds[0].shown, 108);
        assert_int_equal(scripted_value(&at.engine, 1), 108);
        assert_int_equal(adds[1].base.event, 2);
        assert_int_equal(at.engine.head.batch_number, 1);
        rig_end(&at);
    }
}

static void test_conflict_without_end(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    for (size_t i = 0; i < SCRIPT_MAX; i++) {
        at.engine.script[CALL_COMMIT][i] = FQ_STORE_CONFLICT;
    }
    add_command add = add_of(1, 5);
    assert_int_equal(commit_all(&at, &add, 1).code, FQ_STORE_CONFLICT);
    assert_int_equal(add.base.outcome.code, FQ_UNAVAILABLE);
    assert_true(at.engine.commits > 1 && at.engine.commits < SCRIPT_MAX);
    assert_int_equal(scripted_value(&at.engine, 1), 0);
    rig_end(&at);
}

// --- a commit whose outcome is unknown ---

static void test_unknown_and_made(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    at.engine.script[CALL_COMMIT][0] = FQ_STORE_UNKNOWN;
    at.engine.script[CALL_SETTLE][0] = at.engine.script[CALL_SETTLE][1] = FQ_STORE_LOST;
    at.engine.settled_as = true;
    add_command add = add_of(1, 5);
    assert_int_equal(commit_all(&at, &add, 1).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at.engine), "blshscSSS");
    assert_int_equal(add.decided, 1);
    assert_int_equal(add.base.outcome.code, FQ_DONE);
    assert_int_equal(add.base.event, 1);
    assert_int_equal(scripted_value(&at.engine, 1), 5);
    assert_int_equal(at.commit.head.batch_number, 1);
    rig_end(&at);
}

static void test_unknown_and_not_made(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    at.engine.script[CALL_COMMIT][0] = FQ_STORE_UNKNOWN;
    add_command add = add_of(1, 5);
    assert_int_equal(commit_all(&at, &add, 1).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at.engine), "blshscSblshsc");
    assert_int_equal(add.decided, 2);
    assert_true(at.engine.batch_ids[0] != at.engine.batch_ids[1]);
    assert_int_equal(scripted_value(&at.engine, 1), 5);
    rig_end(&at);
}

// However often that happens, what was not made is never told as made.
static void test_never_made(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    for (size_t i = 0; i < SCRIPT_MAX; i++) {
        at.engine.script[CALL_COMMIT][i] = FQ_STORE_UNKNOWN;
    }
    add_command add = add_of(1, 5);
    assert_int_not_equal(commit_all(&at, &add, 1).code, FQ_DONE);
    assert_int_equal(add.base.outcome.code, FQ_UNAVAILABLE);
    assert_int_equal(scripted_value(&at.engine, 1), 0);
    assert_int_equal(at.commit.head.batch_number, 0);
    rig_end(&at);
}

static bool ask_twice_more(void *context) {
    int *left = context;
    return (*left)-- > 0;
}

// Whoever stops the service ends the asking; nobody is told that it was made.
static void test_unknown_until_given_up(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    int left = 2;
    at.commit.keep_asking = ask_twice_more;
    at.commit.context = &left;
    at.engine.script[CALL_COMMIT][0] = FQ_STORE_UNKNOWN;
    for (size_t i = 0; i < SCRIPT_MAX; i++) {
        at.engine.script[CALL_SETTLE][i] = FQ_STORE_LOST;
    }
    add_command add = add_of(1, 5);
    assert_int_equal(commit_all(&at, &add, 1).code, FQ_STORE_UNKNOWN);
    assert_string_equal(scripted_trace(&at.engine), "blshscSSS");
    assert_int_equal(add.base.outcome.code, FQ_UNAVAILABLE);
    rig_end(&at);
}

// --- a command that can never be saved ---

static void test_poison_costs_one(void **state) {
    (void)state;
    enum { COUNT = 9 };
    for (size_t bad = 0; bad < COUNT; bad++) {
        rig at;
        rig_begin(&at);
        add_command adds[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            adds[i] = add_of(i + 1, 5);
        }
        at.engine.poison = bad + 1;
        (void)commit_all(&at, adds, COUNT).code;
        assert_int_equal(length_of(at.list), COUNT);
        uint64_t event = 0;
        const fq_command *command = at.list;
        for (size_t i = 0; i < COUNT; i++, command = command->next) {
            assert_ptr_equal(command, &adds[i]);
            assert_int_equal(adds[i].base.outcome.code, i == bad ? FQ_INTERNAL : FQ_DONE);
            assert_int_equal(scripted_value(&at.engine, i + 1), i == bad ? 0 : 5);
            if (i != bad) {
                assert_int_equal(adds[i].base.event, ++event);
            }
        }
        rig_end(&at);
    }
}

// The same key behind a poisoned command: the second one is decided on its own.
static void test_poison_and_its_twin(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    add_command adds[] = {add_of(1, 5), add_of(1, 5), add_of(2, 5)};
    add_ask(&adds[0], &at.arena, 77, "ffffa");
    add_ask(&adds[1], &at.arena, 77, "ffffa");
    at.engine.poison = 1;
    (void)commit_all(&at, adds, 3).code;
    assert_int_equal(length_of(at.list) + length_of(at.deferred), 3);
    assert_null(at.deferred);
    assert_int_equal(adds[0].base.outcome.code, FQ_INTERNAL);
    assert_int_equal(adds[1].base.outcome.code, FQ_INTERNAL);
    assert_int_equal(adds[2].base.outcome.code, FQ_DONE);
    rig_end(&at);
}

// --- the store is lost, full, or another writer's ---

static void test_lost_and_full(void **state) {
    (void)state;
    static const fq_code codes[] = {FQ_STORE_LOST, FQ_STORE_FULL};
    for (size_t i = 0; i < 2; i++) {
        for (scripted_call call = CALL_BEGIN; call <= CALL_COMMIT; call++) {
            rig at;
            rig_begin(&at);
            at.engine.script[call][0] = codes[i];
            add_command adds[] = {add_of(1, 5), add_of(2, 5)};
            adds[1].refusal = FQ_NOT_ALLOWED;
            assert_int_equal(commit_all(&at, adds, 2).code, codes[i]);
            assert_int_equal(adds[0].base.outcome.code, FQ_UNAVAILABLE);
            // Also the refused one: what it was refused on may not be so.
            assert_int_equal(adds[1].base.outcome.code, FQ_UNAVAILABLE);
            assert_int_equal(scripted_value(&at.engine, 1), 0);
            assert_int_equal(commit_all(&at, adds, 2).code, FQ_DONE);
            assert_int_equal(scripted_value(&at.engine, 1), 5);
            rig_end(&at);
        }
    }
}

static void test_lease_taken_by_another(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    at.engine.script[CALL_HEAD][0] = FQ_STATE_CONFLICT;
    at.engine.head.id_last = UINT64_C(1) << 60;
    add_command add = add_of(1, 5);
    assert_int_equal(commit_all(&at, &add, 1).code, FQ_STATE_CONFLICT);
    assert_string_equal(scripted_trace(&at.engine), "blshrL");
    assert_int_equal(add.base.outcome.code, FQ_UNAVAILABLE);
    assert_int_equal(at.commit.dealer.writer, 2);
    assert_int_equal(at.commit.dealer.last, UINT64_C(1) << 60);
    assert_int_equal(commit_all(&at, &add, 1).code, FQ_DONE);
    assert_int_equal(scripted_value(&at.engine, 1), 5);
    rig_end(&at);
}

static void test_no_lease_at_first(void **state) {
    (void)state;
    scripted_engine engine;
    scripted_init(&engine);
    engine.script[CALL_LEASE][0] = FQ_STORE_LOST;
    fq_commit commit;
    assert_int_equal(fq_commit_open(&commit, &engine.engine).code, FQ_STORE_LOST);
    fq_commit_close(&commit);
    scripted_free(&engine);
}

// --- the same Idempotency-Key ---

static void test_same_key_waits_and_is_replayed(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    add_command adds[] = {add_of(1, 5), add_of(1, 5), add_of(1, 5), add_of(2, 1)};
    for (size_t i = 0; i < 3; i++) {
        add_ask(&adds[i], &at.arena, 77, i == 2 ? "ffff\001aaaa" : "ffff\001bbbb");
    }
    assert_int_equal(commit_all(&at, adds, 4).code, FQ_DONE);
    assert_int_equal(length_of(at.list), 2);
    assert_int_equal(length_of(at.deferred), 2);
    assert_int_equal(scripted_value(&at.engine, 1), 5);
    // Meanwhile the counter changed; the answer is as it was then.
    add_command other = add_of(1, 90);
    fq_command *waiting = at.deferred;
    assert_int_equal(commit_all(&at, &other, 1).code, FQ_DONE);
    at.list = waiting;
    fq_writer_sample sample = {0};
    (void)scripted_trace(&at.engine);
    assert_int_equal(
        fq_commit_batch(&at.commit, WORLD_NOW_MS, &at.list, &at.deferred, &sample).code, FQ_DONE);
    assert_string_equal(scripted_trace(&at.engine), "bllr");
    assert_true(adds[1].base.replayed);
    assert_int_equal(adds[1].base.outcome.code, FQ_DONE);
    assert_int_equal(adds[1].shown, 5);
    assert_int_equal(adds[1].base.subject, 1);
    assert_int_equal(adds[1].base.event, 1);
    assert_int_equal(adds[1].decided, 0);
    assert_false(adds[2].base.replayed);
    assert_int_equal(adds[2].base.outcome.code, FQ_IDEMPOTENCY_KEY_REUSED);
    assert_string_equal(adds[2].base.outcome.detail.blank[0].value.text, "[\"amount\"]");
    rig_end(&at);
}

static void test_refusal_is_not_kept(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    add_command adds[] = {add_of(1, 5), add_of(1, 5)};
    add_ask(&adds[0], &at.arena, 77, "ffff");
    add_ask(&adds[1], &at.arena, 77, "ffff");
    adds[0].refusal = FQ_INSUFFICIENT_BALANCE;
    assert_int_equal(commit_all(&at, adds, 2).code, FQ_DONE);
    assert_null(at.deferred);
    assert_int_equal(adds[0].base.outcome.code, FQ_INSUFFICIENT_BALANCE);
    assert_int_equal(adds[1].base.outcome.code, FQ_DONE);
    assert_false(adds[1].base.replayed);
    assert_int_equal(scripted_value(&at.engine, 1), 5);
    rig_end(&at);
}

// A conflict brings those that waited back into the batch.
static void test_waiting_survives_a_conflict(void **state) {
    (void)state;
    rig at;
    rig_begin(&at);
    at.engine.script[CALL_COMMIT][0] = FQ_STORE_CONFLICT;
    add_command adds[] = {add_of(1, 5), add_of(1, 5), add_of(2, 5)};
    add_ask(&adds[0], &at.arena, 77, "ffff");
    add_ask(&adds[1], &at.arena, 77, "ffff");
    assert_int_equal(commit_all(&at, adds, 3).code, FQ_DONE);
    assert_int_equal(length_of(at.list), 2);
    assert_int_equal(length_of(at.deferred), 1);
    assert_int_equal(scripted_value(&at.engine, 1), 5);
    rig_end(&at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_head_and_seals),
        cmocka_unit_test(test_rounds_of_load),
        cmocka_unit_test(test_refusals_commit_nothing),
        cmocka_unit_test(test_conflict_decides_again),
        cmocka_unit_test(test_conflict_without_end),
        cmocka_unit_test(test_unknown_and_made),
        cmocka_unit_test(test_unknown_and_not_made),
        cmocka_unit_test(test_never_made),
        cmocka_unit_test(test_unknown_until_given_up),
        cmocka_unit_test(test_poison_costs_one),
        cmocka_unit_test(test_poison_and_its_twin),
        cmocka_unit_test(test_lost_and_full),
        cmocka_unit_test(test_lease_taken_by_another),
        cmocka_unit_test(test_no_lease_at_first),
        cmocka_unit_test(test_same_key_waits_and_is_replayed),
        cmocka_unit_test(test_refusal_is_not_kept),
        cmocka_unit_test(test_waiting_survives_a_conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
