// A small database for the store's tests: purses (remembered), items (listed by owner), events,
// requests. Each batch is a pure function of its number, so that what must be there after n batches
// can be computed.
#pragma once

#include "store/engine.h"
#include "store/journal.h"

#define WORLD_PURSE_COLUMNS(C, R)      \
    C(R, uint64_t, id, FQ_KEY)         \
    C(R, uint16_t, kind, FQ_FIXED)     \
    C(R, int64_t, balance, FQ_CHANGES) \
    C(R, fq_str, note, FQ_CHANGES)
FQ_ROW(world_purse, WORLD_PURSE_COLUMNS)
#define WORLD_ITEM_COLUMNS(C, R)    \
    C(R, uint64_t, id, FQ_KEY)      \
    C(R, uint64_t, owner, FQ_FIXED) \
    C(R, int64_t, amount, FQ_FIXED) \
    C(R, uint8_t, status, FQ_CHANGES)
FQ_ROW(world_item, WORLD_ITEM_COLUMNS)
extern const fq_table world_purse_table, world_item_table;
extern const fq_index world_item_by_owner;
extern const fq_schema world_schema;

enum { WORLD_PURSES = 40, WORLD_OWNERS = 5, WORLD_COMMANDS = 6 };  // commands of a batch

typedef struct {
    char folder[64];
    fq_engine *engine;
    fq_head head;
    fq_arena arena;
    fq_id_dealer dealer;
} world_state;

// A folder under /tmp; world_remove takes it away.
void world_make_folder(world_state *world);
void world_remove(const world_state *world);
// Opens with slices of so many rows, and takes the lease.
FQ_MUST_USE fq_err world_open(world_state *world, size_t list_rows, size_t hash_rows);
void world_close(world_state *world);

uint64_t world_item_id(uint64_t batch, size_t command);
uint64_t world_hash(uint64_t batch, size_t command, int half);

// Runs batch `head.batch_number + 1` up to and including the commit. An error is returned as it is;
// the caller rolls back.
FQ_MUST_USE fq_err world_batch(world_state *world, uint64_t batch_id);
// As above, with an error rolled back.
FQ_MUST_USE fq_err world_try_batch(world_state *world, uint64_t batch_id);
// Says whether the database holds exactly the first `batches` batches: purses, items by key and by
// owner, events, requests and the head. Prints what does not fit.
bool world_holds(world_state *world, uint64_t batches);
