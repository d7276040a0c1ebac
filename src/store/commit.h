// One batch: load, decide, save, commit, and what to do when a commit fails. Knows commands by
// their kind's functions.
// For writer.c, and for the simulator.
#pragma once

#include "store/writer.h"

#include <stdatomic.h>

typedef struct {
    fq_engine *engine;
    fq_head head;  // as of the last commit
    fq_id_dealer dealer;
    fq_arena arena;         // of the batch at hand
    fq_buffer scratch;      // encodings on their way to the seal
    int64_t clock_move_ms;  // by which the next commit moves the business clock (sandbox)
    uint64_t
        random;  // state of the batch ids and of the pauses between tries; seeded by the kernel
    // Asked while the store does not tell what became of a commit: is it still to be asked? NULL:
    // always.
    bool (*keep_asking)(void *context);
    // A batch was committed; what it holds lives until this returns. May be NULL.
    void (*committed)(void *context, fq_batch *batch);
    void *context;
    fq_batch *batch;  // the one at hand
    // Grows with each thing the thread does; odd while it waits for the store. Read by others.
    _Atomic uint64_t steps;
} fq_commit;

// Says what the thread does next.
void fq_commit_step(fq_commit *commit, bool at_store);

// Takes the engine's lease.
FQ_MUST_USE fq_err fq_commit_open(fq_commit *commit, fq_engine *engine);
void fq_commit_close(fq_commit *commit);

// Runs the commands of `*list` as one batch, or as several where one command cannot be saved. Every
// command left in `*list` has its outcome, and what succeeded is durable. Commands that must wait
// for another of the same batch (the same Idempotency-Key twice) are moved to `*out_deferred`.
// Returns how the last commit ended.
fq_err fq_commit_batch(fq_commit *commit, int64_t now_ms, fq_command **list,
                       fq_command **out_deferred, fq_writer_sample *sample);
