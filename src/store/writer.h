// A service's writer: one thread that takes everything that waits as one batch and runs it in five
// steps: load, decide, save, commit, reply. Nothing is answered before the commit that holds it is
// durable.
#pragma once

#include "store/command.h"
#include "store/engine.h"

typedef struct fq_writer fq_writer;

// The steps of a batch, timed.
typedef enum { FQ_STEP_LOAD, FQ_STEP_DECIDE, FQ_STEP_SAVE, FQ_STEP_COMMIT, FQ_STEPS } fq_step;
// What becomes of commands: expired ones waited too long, failed ones met a store that could not.
typedef enum {
    FQ_COMMANDS_DONE,
    FQ_COMMANDS_REFUSED,
    FQ_COMMANDS_REPLAYED,
    FQ_COMMANDS_EXPIRED,
    FQ_COMMANDS_FAILED,
    FQ_COMMANDS_KINDS
} fq_commands_kind;
// Why a batch is decided again: another writer was faster, its commit turned out not to have been
// made, or one of its commands could not be saved.
typedef enum { FQ_RETRY_CONFLICT, FQ_RETRY_UNKNOWN, FQ_RETRY_HALVED, FQ_RETRIES } fq_retry;
typedef struct {
    size_t commands, queue_units;  // none where all of them were refused before they were a batch
    size_t became[FQ_COMMANDS_KINDS], retries[FQ_RETRIES];
    int64_t step_ns[FQ_STEPS];
    fq_err outcome;  // of the commit
} fq_writer_sample;

typedef struct {
    const char *service;
    fq_engine *engine;
    uint32_t batch_units_max;  // a batch takes commands up to so many units of work
    uint32_t queue_units_max;  // more waiting than that: FQ_UNAVAILABLE
    // Unix milliseconds of the business clock before the head's shift; NULL: the wall clock.
    int64_t (*now_ms)(void *context);
    // All commands of a batch have their outcome and the commit is durable (or it failed, and each
    // says so). Called on the writer's thread with the list in the order decided; it must not wait.
    void (*done)(void *context, fq_command *list);
    // A batch was committed: followers and indexers may look.
    void (*committed)(void *context, const fq_head *head);
    // What a batch cost, for the metrics; may be NULL.
    void (*observed)(void *context, const fq_writer_sample *sample);
    // The rows and journals that a commit has made durable, for the metrics; they live until this
    // returns. May be NULL.
    void (*counted)(void *context, fq_batch *batch);
    void *context;
} fq_writer_config;

// Takes the lease and the head from the engine. The thread is started by fq_writer_start; without
// it, the simulator calls fq_writer_run_once itself.
FQ_MUST_USE fq_err fq_writer_make(const fq_writer_config *config, fq_writer **out);
FQ_MUST_USE fq_err fq_writer_start(fq_writer *writer);
// Puts a list of commands (linked by next) on the queue: all or none. False when the queue is full
// or closed, or while the store does not tell what became of a commit.
bool fq_writer_submit(fq_writer *writer, fq_command *list);
// Submits one command and waits for its outcome, for threads that may block (the command line,
// timers, tests).
fq_err fq_writer_run(fq_writer *writer, fq_command *command);
// Is the store answering? Said by /readyz.
bool fq_writer_healthy(const fq_writer *writer);
// Units of work that wait.
uint64_t fq_writer_queue_units(fq_writer *writer);
// Has the thread done anything since this was asked before, or does it wait for the store? For one
// thread at a time; calls a second or more apart.
bool fq_writer_is_alive(fq_writer *writer);
// Takes what waits and runs it as one batch; returns how many commands it held. Does not wait.
size_t fq_writer_run_once(fq_writer *writer);
// Business time now: the clock, the shift, never below the head's.
int64_t fq_writer_now_ms(const fq_writer *writer);
// Moves the business clock forward, durably (the sandbox's clock); waits for the commit. For
// threads that may block.
fq_err fq_writer_move_clock(fq_writer *writer, int64_t by_ms);
// Has idempotency records older than `before_ms` (business time) deleted, a few between batches.
void fq_writer_forget(fq_writer *writer, int64_t before_ms);
// The service is about to stop: a commit whose outcome the store does not tell is no longer waited
// for. To be called when no caller can be answered any more and before the threads that wait for
// the writer are stopped.
void fq_writer_give_up(fq_writer *writer);
// Closes the queue, finishes what was accepted, stops the thread.
void fq_writer_stop(fq_writer *writer);
void fq_writer_free(fq_writer *writer);
