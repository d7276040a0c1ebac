// Pools of threads. A service's readers have a connection each, and connections to borrow.
#include "service/readers.h"
#include "service/service.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS_MAX = 64, BORROWED_MAX = 16 };

struct fq_reader_pool {
    fq_engine *engine;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    fq_job *first, **end;
    size_t waiting, waiting_max;
    bool closed;
    pthread_t threads[THREADS_MAX];
    size_t thread_count;
    fq_reader *spare[BORROWED_MAX];  // given back, to be borrowed again
    size_t spare_count;
};

static fq_job *next_job(fq_reader_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->closed) {
        pthread_cond_wait(&pool->wake, &pool->lock);
    }
    fq_job *job = pool->first;
    if (job) {
        pool->first = job->next;
        pool->waiting--;
        if (!pool->first) {
            pool->end = &pool->first;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *run(void *context) {
    fq_reader_pool *pool = context;
    fq_reader *reader = NULL;
    for (fq_job *job = next_job(pool); job; job = next_job(pool)) {
        if (pool->engine && !reader && fq_reader_pool_borrow(pool, &reader).code) {
            reader = NULL;  // the job answers for itself that it cannot read
        }
        job->next = NULL;
        job->run(job, reader);
    }
    if (reader) {
        fq_reader_pool_return(pool, reader);
    }
    return NULL;
}

fq_err fq_reader_pool_make(fq_engine *engine, size_t thread_count, size_t waiting_max,
                           fq_reader_pool **out) {
    FQ_ASSERT(thread_count > 0 && thread_count <= THREADS_MAX);
    fq_reader_pool *pool = calloc(1, sizeof(*pool));
    FQ_ASSERT(pool != NULL);
    pool->engine = engine;
    pool->waiting_max = waiting_max;
    pool->end = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    *out = pool;
    for (size_t i = 0; i < thread_count; i++) {
        if (pthread_create(&pool->threads[i], NULL, run, pool) != 0) {
            fq_reader_pool_free(pool);
            return fq_refuse(FQ_UNAVAILABLE, NULL);
        }
        pool->thread_count++;
    }
    return FQ_OK;
}

void fq_reader_pool_free(fq_reader_pool *pool) {
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    for (size_t i = 0; i < pool->spare_count; i++) {
        pool->engine->ops->reader_close(pool->spare[i]);
    }
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t fq_reader_pool_waiting(fq_reader_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    const size_t waiting = pool->waiting;
    pthread_mutex_unlock(&pool->lock);
    return waiting;
}

bool fq_reader_pool_submit(fq_reader_pool *pool, fq_job *job) {
    pthread_mutex_lock(&pool->lock);
    const bool taken = !pool->closed && pool->waiting < pool->waiting_max;
    if (taken) {
        job->next = NULL;
        *pool->end = job;
        pool->end = &job->next;
        pool->waiting++;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

fq_err fq_reader_pool_borrow(fq_reader_pool *pool, fq_reader **out) {
    pthread_mutex_lock(&pool->lock);
    fq_reader *reader = pool->spare_count > 0 ? pool->spare[--pool->spare_count] : NULL;
    pthread_mutex_unlock(&pool->lock);
    if (reader) {
        *out = reader;
        return FQ_OK;
    }
    return pool->engine->ops->reader_open(pool->engine, out);
}

void fq_reader_pool_return(fq_reader_pool *pool, fq_reader *reader) {
    pthread_mutex_lock(&pool->lock);
    const bool kept = pool->spare_count < BORROWED_MAX;
    if (kept) {
        pool->spare[pool->spare_count++] = reader;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!kept) {
        pool->engine->ops->reader_close(reader);
    }
}
