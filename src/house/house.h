// The house: the services of one process, wired to each other and to the edge. The only room that
// knows them all.
#pragma once

#include "base/config.h"
#include "service/edge.h"

typedef struct fq_house fq_house;

enum {
    FQ_HOUSE_USER = 1 << FQ_SERVICE_USER,
    FQ_HOUSE_ORDER = 1 << FQ_SERVICE_ORDER,
    FQ_HOUSE_PAYMENT = 1 << FQ_SERVICE_PAYMENT
};

// "user,order,payment" to a set of the bits above; 0 when it is not well-formed or empty.
unsigned fq_house_services(const char *list);

// Opens the stores of `services` with their writers and readers, checks the mode's stamp; nothing
// is served yet. Faults are logged with what to mend. `settings` must outlive the house.
// Errors: unavailable, store_lost, store_full, state_conflict, invalid_field.
FQ_MUST_USE fq_err fq_house_open(const fq_settings *settings, unsigned services, fq_house **out);
// The same for a command that runs without a server: in the mode that the data were made in, and
// they are not stamped.
FQ_MUST_USE fq_err fq_house_open_for_command(const fq_settings *settings, unsigned services,
                                             fq_house **out);
// Where a service keeps its data: a folder or a postgresql URL.
const char *fq_house_where(const fq_settings *settings, fq_service_number number);
// Starts writers, followers and timers, waits until they have caught up, then serves. Errors:
// unavailable.
FQ_MUST_USE fq_err fq_house_start(fq_house *house);
// Starts the writers alone, for a command that runs without a server.
FQ_MUST_USE fq_err fq_house_start_writers(fq_house *house);
// "http://127.0.0.1:8080", with the port that was got.
const char *fq_house_url(const fq_house *house);
// NULL when the service does not run in this process.
fq_service *fq_house_service(fq_house *house, fq_service_number number);
// The settings were taken over (fq_config_take_over): what was made of them at the start follows,
// and certificates are read again.
void fq_house_reload(fq_house *house);
// HTTP threads; 0 before the start.
unsigned fq_house_threads(const fq_house *house);
// Have all loops and writers done anything since this was asked before, or wait for what is not in
// their hands? Says nothing about the stores. Who hangs is logged. For one thread at a time; calls
// a second or more apart.
bool fq_house_is_alive(fq_house *house);
// Stops accepting, finishes what was accepted within the time set, and stops everything. Also for a
// house that was only opened.
void fq_house_close(fq_house *house);
