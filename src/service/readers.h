// Making and ending a service's pool of readers; using it is in service.h.
#pragma once

#include "service/service.h"

FQ_MUST_USE fq_err fq_reader_pool_make(fq_engine *engine, size_t thread_count,
                                       fq_reader_pool **out);
// Jobs that wait for a thread.
size_t fq_reader_pool_waiting(fq_reader_pool *pool);
// Finishes the jobs that wait, then closes every connection. NULL is fine.
void fq_reader_pool_free(fq_reader_pool *pool);
