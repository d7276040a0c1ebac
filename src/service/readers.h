// Making and ending pools of threads, a service's readers above all; using them is in service.h.
#pragma once

#include "service/service.h"

// `engine` NULL: its jobs get no reader. At most `waiting_max` jobs wait for a thread.
FQ_MUST_USE fq_err fq_reader_pool_make(fq_engine *engine, size_t thread_count, size_t waiting_max,
                                       fq_reader_pool **out);
// Jobs that wait for a thread.
size_t fq_reader_pool_waiting(fq_reader_pool *pool);
// A reader that is the caller's until fq_reader_pool_return; fq_reading (service.h) does both.
// Errors: the store's.
FQ_MUST_USE fq_err fq_reader_pool_borrow(fq_reader_pool *pool, fq_reader **out);
void fq_reader_pool_return(fq_reader_pool *pool, fq_reader *reader);
// Finishes the jobs that wait, then closes every connection. NULL is fine.
void fq_reader_pool_free(fq_reader_pool *pool);
