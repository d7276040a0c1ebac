// A service: its database, writer, readers, routes, timers, and what it follows of others. What is
// its own stands in a table of constants (fq_service_kind); what is running, in fq_service.
#pragma once

#include "base/config.h"
#include "crypto/envelope.h"
#include "http/client.h"
#include "service/call.h"
#include "service/measure.h"
#include "store/journal.h"
#include "store/writer.h"

// Stored in `followed` rows and told as `source`: stands for good.
typedef enum {
    FQ_SERVICE_USER = 1,
    FQ_SERVICE_ORDER = 2,
    FQ_SERVICE_PAYMENT = 3,
    FQ_SERVICE_NUMBERS
} fq_service_number;

// "user", "order", "payment".
const char *fq_service_name_of(fq_service_number number);

// What each type of event is about. To add one, add a row to the service's table; numbers stand for
// good.
typedef struct {
    uint16_t number;
    const char *name;       // "payment.succeeded"
    const fq_table *table;  // the subject's
    fq_id_kind id_kind;
    // Writes the subject as the API shows it, as the member "data": `row` is as it was right after
    // the change.
    void (*encode)(fq_service *service, fq_json_writer *out, const fq_row *row);
    // Whose feed shows it.
    fq_sides (*sides)(const fq_row *row);
} fq_event_type;

// Work that falls due: makes the command that does it. The command removes the row (fq_work_table)
// itself.
typedef struct {
    uint16_t number;
    const char *name;
    fq_command *(*make)(fq_service *service, fq_arena *arena, const fq_work_row *work);
} fq_work_kind;

// What is done here about another service's events, within one command: rows wanted (round 0, then
// those that the rows of round 0 name), then changed.
typedef struct {
    fq_service_number source;
    void (*want)(fq_service *service, fq_batch *batch, const fq_event_row *event, int round);
    void (*decide)(fq_service *service, fq_batch *batch, const fq_event_row *event);
} fq_follow_rule;

typedef struct {
    fq_service_number number;
    const char *name;
    const fq_schema *schema;
    const fq_route *routes;
    size_t route_count;
    const fq_event_type *events;
    size_t event_count;
    const fq_work_kind *work;
    size_t work_count;
    const fq_follow_rule *follows;
    size_t follow_count;
    // Makes and frees the service's own state (service->state). `open` runs when the store and its
    // readers are there, and before the writer starts.
    fq_err (*open)(fq_service *service);
    void (*close)(fq_service *service);
    // Finds out what commands need to know of other services before they can be decided (facts.h);
    // on an error none of them is. NULL: they never need to know anything.
    fq_err (*find)(fq_service *service, fq_command *list);
    // Takes a command on its way to the writer; NULL: straight to the queue. False: full.
    bool (*submit)(fq_service *service, fq_command *command);
    // Commands come back from the writer; NULL, or returns true where the service has sent the
    // command elsewhere.
    bool (*returned)(fq_service *service, fq_command *command);
    // For the metrics; NULL: nothing to count. `count` is given what a commit has made durable, on
    // the writer's thread; `look_over` runs once a minute on the timers' thread, which may wait.
    void (*count)(fq_service *service, fq_batch *batch);
    void (*look_over)(fq_service *service);
} fq_service_kind;

typedef struct fq_reader_pool fq_reader_pool;
typedef struct fq_peers fq_peers;

struct fq_service {
    const fq_service_kind *kind;
    const fq_settings *settings;
    fq_engine *engine;
    fq_writer *writer;
    fq_reader_pool *readers;
    fq_peers *peers;              // the other services, here or elsewhere
    fq_keyring *keyring;          // NULL until the user service has made it
    struct fq_follow *follows;    // what it follows of others, one each
    struct fq_fact_stage *facts;  // where commands wait while kind->resolve asks
    struct fq_worker *worker;     // its timers
    fq_measures measures;
    void *state;
    _Atomic(const char *) url;  // where this process is served; NULL until it is
    bool live;                  // mode
    bool any_mode;  // of a command without a server: `live` follows the data, which are not stamped
};

// Runs `job` on a thread of the pool with a reader at hand. False: too much waits.
bool fq_reader_pool_submit(fq_reader_pool *pool, fq_job *job);

// Reads on the calling thread, which may wait: never a loop's. What is read until the end is one
// state of the database.
//     fq_reading reading FQ_READING_ENDS = {0};
//     FQ_TRY(fq_reading_begin(service, &reading));
typedef struct {
    fq_service *service;
    fq_reader *reader;  // the service's own, back with it at the end
} fq_reading;
#define FQ_READING_ENDS __attribute__((cleanup(fq_reading_end)))
// Errors: the store's.
FQ_MUST_USE fq_err fq_reading_begin(fq_service *service, fq_reading *out);
// Nothing where none has begun.
void fq_reading_end(fq_reading *reading);
// A reading of one row, whose key columns are set, and of one scan. Errors: the store's.
FQ_MUST_USE fq_err fq_service_load(fq_service *service, fq_arena *arena, fq_row *row);
FQ_MUST_USE fq_err fq_service_scan(fq_service *service, const fq_scan *scan);

// Appends the event row of a change that decide has made to `row` (its version is raised before).
// `type` is of the service's table; `command` may be NULL for a change nobody's answer shows.
fq_row *fq_tell(fq_batch *batch, fq_command *command, uint16_t type, uint64_t subject,
                uint64_t version, const fq_row *row);
// The row as the event tells it: `row` has key and fixed columns, and becomes what it was after
// that change.
bool fq_event_restore(const fq_event_row *event, fq_row *row);

// Opens store, writer and readers of a service; starts nothing. The mode is stamped into the data
// at first start; data of one mode are never opened in the other. Errors: the store's,
// state_conflict (also the other mode; logged).
FQ_MUST_USE fq_err fq_service_open(fq_service *service, const char *where);
// Starts the writer, the timers and the followers, and waits until it has caught up with what it
// follows.
FQ_MUST_USE fq_err fq_service_start(fq_service *service);
// The fact stage's work: finds what the commands need to know and sends them on to the writer;
// where that fails, each is answered with the error. `service` is an fq_service.
void fq_service_resolve(void *service, fq_command *list);
// Stops followers and timers: from then on it asks nothing of other services.
void fq_service_quiet(fq_service *service);
// Then the writer once its queue is empty, the readers, the store.
void fq_service_stop(fq_service *service);
