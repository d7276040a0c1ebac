// The indexer: a thread that turns claimed rows into slices, one at a time.
#include "store/behind_thread.h"

#include "base/log.h"

#include <stdlib.h>
#include <time.h>

enum { RETRY_SECONDS = 1 };

// The indexes that have come the least far go first, up to where the next one is, so that they go
// on together.
static void next_range(const followed_table *followed, int64_t target, int64_t *out_above,
                       int64_t *out_to) {
    const indexed_table *table = &followed->indexed;
    int64_t above = INT64_MAX, to = target;
    for (size_t i = 0; i < table->index_count; i++) {
        above = table->high_water[i] < above ? table->high_water[i] : above;
    }
    for (size_t i = 0; i < table->index_count; i++) {
        if (table->high_water[i] > above && table->high_water[i] < to) {
            to = table->high_water[i];
        }
    }
    *out_above = above;
    *out_to = to;
}

// Appends a slice to each index that stands at `above`; in a transaction.
static fq_err append(behind_indexes *behind, followed_table *followed, int64_t above,
                     row_pairs *pairs, slice_filter *filter) {
    const indexed_table *table = &followed->indexed;
    index_slice slice = {.above_key = above, .to_key = pairs->last_key};
    bool found = false;
    FQ_TRY(source_anchor(&behind->source, table, slice.to_key, &slice.anchor, &found));
    FQ_ASSERT(found);  // it was read a moment ago, in the same state of the database
    for (size_t i = 0; i < table->index_count; i++) {
        if (table->high_water[i] == above) {
            slice_sort(pairs->pairs[i], pairs->counts[i]);
            FQ_TRY(index_file_append(&behind->file, table->index_numbers[i], &slice,
                                     pairs->pairs[i], pairs->counts[i],
                                     followed == behind->hashed ? filter : NULL));
        }
    }
    return FQ_OK;
}

static fq_err write_slices(behind_indexes *behind, followed_table *followed, int64_t above,
                           row_pairs *pairs, slice_filter *filter) {
    FQ_TRY(index_file_begin(&behind->file));
    fq_err err = append(behind, followed, above, pairs, filter);
    if (!err.code) {
        err = index_file_end(&behind->file);
    }
    if (err.code) {
        index_file_roll_back(&behind->file);
        filter_free(filter);
    }
    return err;
}

// Slices whose rows have all been deleted, as requests are when they age, go too.
static fq_err forget_aged(behind_indexes *behind, followed_table *followed) {
    int64_t lowest = 0, highest = 0;
    FQ_TRY(source_ends(&behind->source, &followed->indexed, &lowest, &highest));
    while (lowest > 0) {
        index_slice oldest;
        bool found = false;
        FQ_TRY(index_file_walk(&behind->file, BEHIND_HASH_INDEX, true));
        const fq_err err = index_file_next(&behind->file, true, &oldest, &found);
        index_file_reset(&behind->file, true);
        FQ_TRY(err);
        if (!found || oldest.to_key >= lowest) {
            break;
        }
        FQ_TRY(index_file_remove(&behind->file, oldest.id));
    }
    pthread_mutex_lock(&behind->lock);
    memory_forget_before(&behind->memory, lowest);
    pthread_mutex_unlock(&behind->lock);
    return FQ_OK;
}

static fq_err read_and_write(behind_indexes *behind, followed_table *followed, int64_t above,
                             int64_t to, row_pairs *pairs) {
    indexed_table *table = &followed->indexed;
    const size_t rows_max = followed->slice_rows * 2;
    slice_filter filter = {0};
    FQ_TRY(source_pairs(&behind->source, table, above, to, rows_max, pairs));
    if (pairs->row_count > 0) {
        FQ_TRY(write_slices(behind, followed, above, pairs, &filter));
    }
    const int64_t reached = pairs->row_count == rows_max ? pairs->last_key : to;
    int64_t lowest = reached;
    for (size_t i = 0; i < table->index_count; i++) {
        table->high_water[i] = table->high_water[i] == above ? reached : table->high_water[i];
        lowest = table->high_water[i] < lowest ? table->high_water[i] : lowest;
    }
    pthread_mutex_lock(&behind->lock);
    followed->reached = lowest;
    if (filter.words) {
        memory_add_filter(&behind->memory, &filter);
    }
    pthread_cond_broadcast(&behind->done);
    pthread_mutex_unlock(&behind->lock);
    return followed == behind->hashed ? forget_aged(behind, followed) : FQ_OK;
}

fq_err indexer_step(behind_indexes *behind, followed_table *followed) {
    row_pairs pairs = {0};
    int64_t above = 0, to = 0;
    pthread_mutex_lock(&behind->lock);
    const int64_t target = followed->target;
    pthread_mutex_unlock(&behind->lock);
    next_range(followed, target, &above, &to);
    // One allocation for all indexes; given back, because slices are seconds apart.
    const size_t each = followed->slice_rows * 2;
    index_pair *room =
        malloc(fq_array_bytes(each * followed->indexed.index_count, sizeof(index_pair)));
    FQ_ASSERT(room != NULL);
    for (size_t i = 0; i < followed->indexed.index_count; i++) {
        pairs.pairs[i] = room + i * each;
    }
    // The rows and the anchor are read in one state of the database.
    fq_err err = connection_execute(behind->db, "BEGIN");
    if (!err.code) {
        err = read_and_write(behind, followed, above, to, &pairs);
        const fq_err end = connection_execute(behind->db, "COMMIT");
        err = err.code ? err : end;
    }
    free(room);
    return err;
}

// --- the thread ---

static followed_table *next_table(behind_indexes *behind) {
    for (size_t i = 0; i < behind->options.schema->table_count; i++) {
        followed_table *followed = &behind->tables[i];
        if (followed->reached < followed->target) {
            return followed;
        }
    }
    return NULL;
}

// Waits for work; NULL when it is time to stop. After a failure it first rests, so that a full disk
// does not make it spin.
static followed_table *wait_for_work(behind_indexes *behind, bool failed) {
    pthread_mutex_lock(&behind->lock);
    behind->resting = failed;
    pthread_cond_broadcast(&behind->done);
    if (failed && !behind->stop) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += RETRY_SECONDS;
        pthread_cond_timedwait(&behind->wake, &behind->lock, &until);
    }
    behind->resting = false;
    followed_table *followed = NULL;
    while (!behind->stop && !(followed = next_table(behind))) {
        pthread_cond_wait(&behind->wake, &behind->lock);
    }
    followed = behind->stop ? NULL : followed;
    pthread_mutex_unlock(&behind->lock);
    return followed;
}

static void *run(void *context) {
    behind_indexes *behind = context;
    bool failed = false;
    followed_table *followed;
    while ((followed = wait_for_work(behind, failed))) {
        failed = indexer_step(behind, followed).code != FQ_DONE;  // logged where it happened
    }
    return NULL;
}

fq_err indexer_start(behind_indexes *behind) {
    if (pthread_create(&behind->thread, NULL, run, behind) != 0) {
        fq_log(FQ_LOG_ERROR, "the indexer's thread cannot be started");
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    behind->started = true;
    return FQ_OK;
}

void indexer_stop(behind_indexes *behind) {
    if (!behind->started) {
        return;
    }
    pthread_mutex_lock(&behind->lock);
    behind->stop = true;
    pthread_cond_signal(&behind->wake);
    pthread_mutex_unlock(&behind->lock);
    pthread_join(behind->thread, NULL);
    behind->started = false;
}

void behind_wait(behind_indexes *behind) {
    pthread_mutex_lock(&behind->lock);
    while (next_table(behind) && !behind->resting) {
        pthread_cond_wait(&behind->done, &behind->lock);
    }
    pthread_mutex_unlock(&behind->lock);
}
