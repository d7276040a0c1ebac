// The tests' small database.
#include "sqlite_world.h"

#include "store/sqlite_engine.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AMOUNT_MAX = 1000, ARENA_BYTES_MAX = 64 << 20, JOURNAL_TABLES = 2, TABLES = 5 };

static const fq_column purse_columns[] = {FQ_COLUMNS(world_purse, WORLD_PURSE_COLUMNS)};
const fq_table world_purse_table = {
    .name = "purse", .key_count = 1, .remembered = true, FQ_TABLE_OF(world_purse, purse_columns)};
static const fq_column item_columns[] = {FQ_COLUMNS(world_item, WORLD_ITEM_COLUMNS)};
const fq_table world_item_table = {
    .name = "item", .key_count = 1, FQ_TABLE_OF(world_item, item_columns)};
const fq_index world_item_by_owner = {
    .name = "item_by_owner", .table = &world_item_table, .column = "owner", .number = 1};

static const fq_table *const tables[TABLES] = {&world_purse_table, &world_item_table,
                                               &fq_event_table, &fq_request_table, &fq_work_table};
static const fq_index *const indexes[] = {&world_item_by_owner};
static const char world_migration[] =
    "CREATE TABLE purse (id {int} PRIMARY KEY, kind {int} NOT NULL, balance {int} NOT NULL,\n"
    "  note {bytes} NOT NULL);\n"
    "CREATE TABLE item (id {int} PRIMARY KEY, owner {int} NOT NULL, amount {int} NOT NULL,\n"
    "  status {int} NOT NULL);\n";
static const char *const migrations[] = {fq_journal_migration, world_migration};
const fq_schema world_schema = {.service = "world",
                                .migrations = migrations,
                                .migration_count = 2,
                                .tables = tables,
                                .table_count = TABLES,
                                .indexes = indexes,
                                .index_count = 1};

void world_make_folder(world_state *world) {
    snprintf(world->folder, sizeof(world->folder), "/tmp/feiqian-store-XXXXXX");
    FQ_ASSERT(mkdtemp(world->folder) != NULL);
}

void world_remove(const world_state *world) {
    DIR *folder = opendir(world->folder);
    FQ_ASSERT(folder != NULL);
    char path[512];
    for (struct dirent *entry; (entry = readdir(folder));) {
        snprintf(path, sizeof(path), "%s/%s", world->folder, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(world->folder);
}

fq_err world_open(world_state *world, size_t list_rows, size_t hash_rows) {
    const fq_store_options options = {.busy_timeout_ms = 2000, .migrate = true};
    FQ_TRY(sqlite_engine_open(world->folder, &world_schema, &options, list_rows, hash_rows,
                              &world->engine));
    fq_arena_init(&world->arena, ARENA_BYTES_MAX);
    const fq_err err =
        world->engine->ops->lease(world->engine, &world->dealer.writer, &world->head);
    if (err.code) {
        world_close(world);
    }
    return err;
}

void world_close(world_state *world) {
    world->engine->ops->close(world->engine);
    world->engine = NULL;
    fq_arena_free(&world->arena);
}

static uint64_t scramble(uint64_t z) {
    z = (z + UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t world_item_id(uint64_t batch, size_t command) {
    return (batch << 8) + command + 1;
}

uint64_t world_hash(uint64_t batch, size_t command, int half) {
    return scramble(world_item_id(batch, command) * 2 + (uint64_t)half);
}

static uint64_t owner_of(uint64_t batch, size_t command) {
    return scramble(world_item_id(batch, command)) % WORLD_OWNERS + 1;
}

static int64_t amount_of(uint64_t batch, size_t command) {
    return (int64_t)(scramble(~world_item_id(batch, command)) % AMOUNT_MAX);
}

static uint64_t giver_of(uint64_t batch, size_t command) {
    return (batch * WORLD_COMMANDS + command * 7) % WORLD_PURSES + 1;
}

static uint64_t taker_of(uint64_t batch, size_t command) {
    return giver_of(batch, command) % WORLD_PURSES + 1;
}

// --- a batch ---

typedef struct {
    world_purse *giver, *taker;
    fq_request_row *request;
} wanted;

static fq_err load(world_state *world, fq_batch *batch, uint64_t number,
                   wanted out[WORLD_COMMANDS]) {
    fq_row_list lists[TABLES];
    fq_row_group groups[TABLES];
    size_t count = 0;
    for (size_t i = 0; i < WORLD_COMMANDS; i++) {
        out[i].giver = (world_purse *)fq_want(batch, &world_purse_table, giver_of(number, i), 0, 0);
        out[i].taker = (world_purse *)fq_want(batch, &world_purse_table, taker_of(number, i), 0, 0);
        out[i].request = (fq_request_row *)fq_want(
            batch, &fq_request_table, world_hash(number, i, 0), world_hash(number, i, 1), 0);
    }
    fq_batch_wanted(batch, tables, TABLES, lists);
    for (size_t i = 0; i < TABLES; i++) {
        if (lists[i].count > 0) {
            groups[count++] = (fq_row_group){tables[i], lists[i].rows, lists[i].count};
        }
    }
    return world->engine->ops->load(world->engine, batch, groups, count);
}

static void decide(fq_batch *batch, uint64_t number, const wanted all[WORLD_COMMANDS]) {
    for (size_t i = 0; i < WORLD_COMMANDS; i++) {
        const int64_t amount = amount_of(number, i);
        fq_row_touch(batch, &all[i].giver->row);
        fq_row_touch(batch, &all[i].taker->row);
        all[i].giver->balance -= amount;
        all[i].taker->balance += amount;
        all[i].giver->note = fq_arena_printf(fq_batch_arena(batch), "batch %" PRIu64, number);
        world_item *item =
            (world_item *)fq_want_fresh(batch, &world_item_table, world_item_id(number, i));
        fq_row_touch(batch, &item->row);
        item->owner = owner_of(number, i);
        item->amount = amount;
        fq_row_touch(batch, &all[i].request->row);
        all[i].request->subject = item->id;
        fq_event_row *event = (fq_event_row *)fq_batch_append(batch, &fq_event_table);
        event->subject = item->id;
        event->told = FQ_STR("told");
    }
}

static size_t saves_of(fq_batch *batch, fq_head *head, fq_save *out) {
    static const fq_row_state states[] = {FQ_ROW_CHANGED, FQ_ROW_NEW};
    static const fq_save_kind kinds[] = {FQ_SAVE_UPDATE, FQ_SAVE_INSERT};
    size_t count = 0;
    for (size_t s = 0; s < 2; s++) {
        fq_row_list lists[TABLES];
        fq_batch_in_state(batch, tables, TABLES, states[s], lists);
        lists[2] = s == 1 ? *fq_batch_journal(batch, FQ_JOURNAL_EVENT) : (fq_row_list){0};
        for (size_t i = 0; i < TABLES; i++) {
            for (size_t j = 0; tables[i]->journal && j < lists[i].count; j++) {
                const uint64_t position = ++head->position[tables[i]->journal];
                fq_column_set_integer(lists[i].rows[j], fq_table_column(tables[i], "position"),
                                      (int64_t)position);
            }
            if (lists[i].count > 0) {
                out[count++] = (fq_save){kinds[s], {tables[i], lists[i].rows, lists[i].count}};
            }
        }
    }
    return count;
}

fq_err world_batch(world_state *world, uint64_t batch_id) {
    const fq_engine_ops *ops = world->engine->ops;
    fq_save saves[2 * TABLES];
    wanted all[WORLD_COMMANDS];
    fq_head head;
    fq_arena_reset(&world->arena);
    fq_batch *batch = fq_batch_make(&world->arena, &world->dealer, 0);
    FQ_TRY(ops->begin(world->engine));
    FQ_TRY(ops->head_lock(world->engine, &head));
    const uint64_t number = ++head.batch_number;
    FQ_TRY(load(world, batch, number, all));
    decide(batch, number, all);
    const size_t count = saves_of(batch, &head, saves);
    FQ_TRY(ops->save(world->engine, saves, count));
    memset(head.seal, (int)number, sizeof(head.seal));
    FQ_TRY(ops->commit(world->engine, &head, batch_id));
    world->head = head;
    return FQ_OK;
}

fq_err world_try_batch(world_state *world, uint64_t batch_id) {
    const fq_err err = world_batch(world, batch_id);
    if (err.code) {
        world->engine->ops->rollback(world->engine);
    }
    return err;
}

// --- what must be there ---

typedef struct {
    uint64_t batches;
    uint64_t last;   // of a scan
    uint64_t owner;  // 0: all
    size_t count;
    bool forward, fits;
} tally;

static bool visit_item(void *context, const fq_row *row) {
    tally *seen = context;
    const world_item *item = (const world_item *)row;
    const uint64_t batch = item->id >> 8;
    const size_t command = (size_t)(item->id & 0xFF) - 1;
    const bool in_order =
        seen->count == 0 || (seen->forward ? item->id > seen->last : item->id < seen->last);
    const bool right = batch >= 1 && batch <= seen->batches && command < WORLD_COMMANDS &&
                       item->owner == owner_of(batch, command) &&
                       item->amount == amount_of(batch, command);
    if (!in_order || !right || (seen->owner != 0 && item->owner != seen->owner)) {
        printf("item %" PRIu64 " of owner %" PRIu64 " does not fit\n", item->id, item->owner);
        seen->fits = false;
    }
    seen->last = item->id;
    seen->count++;
    return true;
}

static bool items_fit(fq_reader *reader, const fq_engine_ops *ops, uint64_t batches, uint64_t owner,
                      bool forward) {
    tally seen = {.batches = batches, .owner = owner, .forward = forward, .fits = true};
    size_t expected = 0;
    for (uint64_t batch = 1; batch <= batches; batch++) {
        for (size_t i = 0; i < WORLD_COMMANDS; i++) {
            expected += owner == 0 || owner_of(batch, i) == owner;
        }
    }
    const fq_err err =
        ops->reader_scan(reader, &(fq_scan){.table = &world_item_table,
                                            .index = owner ? &world_item_by_owner : NULL,
                                            .value = owner,
                                            .forward = forward,
                                            .visit = visit_item,
                                            .context = &seen});
    if (err.code || seen.count != expected) {
        printf("owner %" PRIu64 ": %zu items, not %zu (error %d)\n", owner, seen.count, expected,
               (int)err.code);
        return false;
    }
    return seen.fits;
}

static bool purses_fit(world_state *world, fq_reader *reader, uint64_t batches) {
    int64_t balances[WORLD_PURSES + 1] = {0};
    bool there[WORLD_PURSES + 1] = {false}, fits = true;
    for (uint64_t batch = 1; batch <= batches; batch++) {
        for (size_t i = 0; i < WORLD_COMMANDS; i++) {
            balances[giver_of(batch, i)] -= amount_of(batch, i);
            balances[taker_of(batch, i)] += amount_of(batch, i);
            there[giver_of(batch, i)] = there[taker_of(batch, i)] = true;
        }
    }
    for (uint64_t id = 1; id <= WORLD_PURSES; id++) {
        world_purse *purse = (world_purse *)fq_row_make(&world_purse_table, &world->arena);
        fq_row *row = &purse->row;
        purse->id = id;
        const fq_err err = world->engine->ops->reader_load(
            reader, &world->arena, &(fq_row_group){&world_purse_table, &row, 1}, 1);
        if (err.code || (row->state == FQ_ROW_LOADED) != there[id] ||
            purse->balance != balances[id]) {
            printf("purse %" PRIu64 ": %" PRId64 ", not %" PRId64 "\n", id, purse->balance,
                   balances[id]);
            fits = false;
        }
    }
    return fits;
}

// Requests of the batches are found, those of the next two are not.
static bool requests_fit(world_state *world, fq_reader *reader, uint64_t batches) {
    bool fits = true;
    for (uint64_t batch = 1; batch <= batches + 2; batch++) {
        for (size_t i = 0; i < WORLD_COMMANDS; i++) {
            fq_request_row *request =
                (fq_request_row *)fq_row_make(&fq_request_table, &world->arena);
            fq_row *row = &request->row;
            request->hash_high = world_hash(batch, i, 0);
            request->hash_low = world_hash(batch, i, 1);
            const fq_err err = world->engine->ops->reader_load(
                reader, &world->arena, &(fq_row_group){&fq_request_table, &row, 1}, 1);
            const bool right = !err.code && (row->state == FQ_ROW_LOADED) == (batch <= batches) &&
                               (batch > batches || request->subject == world_item_id(batch, i));
            if (!right) {
                printf("request %zu of batch %" PRIu64 " does not fit\n", i, batch);
                fits = false;
            }
        }
    }
    return fits;
}

static bool count_row(void *context, const fq_row *row) {
    (void)row;
    (*(uint64_t *)context)++;
    return true;
}

static bool head_fits(world_state *world, fq_reader *reader, uint64_t batches) {
    fq_head head = {0};
    uint64_t events = 0;
    const fq_err head_err = world->engine->ops->reader_head(reader, &head);
    const fq_err scan_err = world->engine->ops->reader_scan(
        reader, &(fq_scan){.table = &fq_event_table, .visit = count_row, .context = &events});
    const bool fits = !head_err.code && !scan_err.code && head.batch_number == batches &&
                      head.position[FQ_JOURNAL_EVENT] == batches * WORLD_COMMANDS &&
                      events == batches * WORLD_COMMANDS && head.seal[31] == (uint8_t)batches;
    if (!fits) {
        printf("the head says batch %" PRIu64 ", %" PRIu64 " events; there are %" PRIu64 "\n",
               head.batch_number, head.position[FQ_JOURNAL_EVENT], events);
    }
    return fits;
}

bool world_holds(world_state *world, uint64_t batches) {
    const fq_engine_ops *ops = world->engine->ops;
    fq_reader *reader = NULL;
    if (ops->reader_open(world->engine, &reader).code) {
        return false;
    }
    bool fits = !ops->reader_begin(reader).code;
    fits = fits && head_fits(world, reader, batches) && purses_fit(world, reader, batches) &&
           requests_fit(world, reader, batches);
    for (uint64_t owner = 0; fits && owner <= WORLD_OWNERS; owner++) {
        fits = items_fit(reader, ops, batches, owner, false) &&
               items_fit(reader, ops, batches, owner, true);
    }
    ops->reader_end(reader);
    ops->reader_close(reader);
    return fits;
}
