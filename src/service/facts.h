// The stage before a writer's queue where commands wait for facts of other services: a thread takes
// everything that waits, has it resolved at once, and goes on. So the loops never wait and the
// questions travel in groups.
#pragma once

#include "store/command.h"

typedef struct fq_fact_stage fq_fact_stage;

// `resolve` runs on the stage's thread with a list of commands linked by `next`; it finds out what
// they need and sends each of them on (to the writer, or back to its caller with an outcome). It
// may wait.
FQ_MUST_USE fq_err fq_fact_stage_make(void (*resolve)(void *context, fq_command *list),
                                      void *context, uint32_t units_max, fq_fact_stage **out);
// False: too much waits.
bool fq_fact_stage_submit(fq_fact_stage *stage, fq_command *command);
// Finishes what waits, then ends. NULL is fine.
void fq_fact_stage_free(fq_fact_stage *stage);
