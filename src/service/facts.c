// The stage before a writer's queue where commands wait for facts of other services.
#include "service/facts.h"

#include <pthread.h>
#include <stdlib.h>

enum { UNITS_MAX = 1000 };  // of one group, unless it is a single command

struct fq_fact_stage {
    void (*resolve)(void *context, fq_command *list);
    void *context;
    uint32_t units_max;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    fq_command *first, **end;
    uint64_t units;
    bool closed;
};

static fq_command *take(fq_fact_stage *stage) {
    pthread_mutex_lock(&stage->lock);
    while (!stage->first && !stage->closed) {
        pthread_cond_wait(&stage->wake, &stage->lock);
    }
    fq_command *list = stage->first;
    fq_command **cut = &stage->first;
    uint32_t units = 0;
    while (*cut && (units == 0 || units + (*cut)->units <= UNITS_MAX)) {
        units += (*cut)->units;
        cut = &(*cut)->next;
    }
    stage->units -= units;
    fq_command *rest = *cut;
    if (list) {
        *cut = NULL;
    }
    stage->first = rest;
    if (!rest) {
        stage->end = &stage->first;
    }
    pthread_mutex_unlock(&stage->lock);
    return list;
}

static void *run(void *context) {
    fq_fact_stage *stage = context;
    for (fq_command *list = take(stage); list; list = take(stage)) {
        stage->resolve(stage->context, list);
    }
    return NULL;
}

fq_err fq_fact_stage_make(void (*resolve)(void *context, fq_command *list), void *context,
                          uint32_t units_max, fq_fact_stage **out) {
    fq_fact_stage *stage = calloc(1, sizeof(*stage));
    FQ_ASSERT(stage != NULL);
    stage->resolve = resolve;
    stage->context = context;
    stage->units_max = units_max;
    stage->end = &stage->first;
    pthread_mutex_init(&stage->lock, NULL);
    pthread_cond_init(&stage->wake, NULL);
    if (pthread_create(&stage->thread, NULL, run, stage) != 0) {
        free(stage);
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    *out = stage;
    return FQ_OK;
}

bool fq_fact_stage_submit(fq_fact_stage *stage, fq_command *command) {
    pthread_mutex_lock(&stage->lock);
    const bool taken = !stage->closed && stage->units + command->units <= stage->units_max;
    if (taken) {
        command->next = NULL;
        *stage->end = command;
        stage->end = &command->next;
        stage->units += command->units;
        pthread_cond_signal(&stage->wake);
    }
    pthread_mutex_unlock(&stage->lock);
    return taken;
}

void fq_fact_stage_free(fq_fact_stage *stage) {
    if (!stage) {
        return;
    }
    pthread_mutex_lock(&stage->lock);
    stage->closed = true;
    pthread_cond_signal(&stage->wake);
    pthread_mutex_unlock(&stage->lock);
    pthread_join(stage->thread, NULL);
    pthread_cond_destroy(&stage->wake);
    pthread_mutex_destroy(&stage->lock);
    free(stage);
}
