// The rows and effects of one batch, in memory: what load brought, what decide changed, what save
// will write.
// Knows no engine and no service; does no I/O.
#pragma once

#include "base/id.h"
#include "store/table.h"

// The commands of a batch share its rows: two commands that want the same row see the same one, in
// turn.
typedef struct fq_batch fq_batch;

// What a transfer or an event is, is said by the row's own table; the batch only keeps them in the
// order decided.
typedef struct {
    fq_row **rows;
    size_t count, capacity;
} fq_row_list;

// A batch over `arena`, which it uses for all rows; `now_ms` is the business clock at its start.
// Ids are dealt by `dealer` in the order asked, so they grow in the order decided.
fq_batch *fq_batch_make(fq_arena *arena, fq_id_dealer *dealer, int64_t now_ms);
int64_t fq_batch_now_ms(const fq_batch *batch);
uint64_t fq_batch_deal_id(fq_batch *batch);

// The row of `table` under a key of table->key_count integers (the rest 0). The first call for a
// key notes that the row is wanted and gives it in state FQ_ROW_ABSENT; the next round of load
// fills it. Never NULL.
fq_row *fq_want(fq_batch *batch, const fq_table *table, uint64_t key0, uint64_t key1,
                uint64_t key2);
// A row under an id that was just dealt: known to be absent, so load does not look for it.
fq_row *fq_want_fresh(fq_batch *batch, const fq_table *table, uint64_t key0);

// Says that decide is about to write the row: keeps what a rewind needs and sets its state (ABSENT
// becomes NEW, LOADED becomes CHANGED). To be called before the first write of each command.
void fq_row_touch(fq_batch *batch, fq_row *row);
// As above; the row is to be deleted.
void fq_row_remove(fq_batch *batch, fq_row *row);

// Appends a row to a journal (events, transfers, requests): position and time are set when saved.
// The row comes from fq_batch_append and is zeroed.
fq_row *fq_batch_append(fq_batch *batch, const fq_table *table);

// Marks a point that fq_batch_rewind goes back to: rows, their states and journals become what they
// were. One mark at a time; fq_batch_keep forgets it.
void fq_batch_mark(fq_batch *batch);
void fq_batch_rewind(fq_batch *batch);
void fq_batch_keep(fq_batch *batch);

// For the writer: rows wanted since the last call, by table (in `tables` order) and in key order
// within each.
void fq_batch_wanted(fq_batch *batch, const fq_table *const *tables, size_t table_count,
                     fq_row_list *out_by_table);
// For the writer: rows in `state`, by table and in key order.
void fq_batch_in_state(fq_batch *batch, const fq_table *const *tables, size_t table_count,
                       fq_row_state state, fq_row_list *out_by_table);
// Is there anything to save?
bool fq_batch_is_changed(const fq_batch *batch);
fq_row_list *fq_batch_journal(fq_batch *batch, fq_journal journal);
fq_arena *fq_batch_arena(fq_batch *batch);
