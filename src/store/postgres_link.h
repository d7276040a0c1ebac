// One connection to PostgreSQL, in pipeline mode: statements are queued, and one round sends them
// all and reads all answers. Turns SQLSTATEs and lost connections into the store's errors. Knows no
// tables and no transactions' meaning.
#pragma once

#include "base/buffer.h"
#include "base/err.h"

#include <libpq-fe.h>

// Where to connect and with what bounds; shared by all connections of an engine.
typedef struct {
    const char *url;       // as configured
    char database[64];     // of the service
    char application[64];  // shown in pg_stat_activity
    int64_t connect_timeout_ms, statement_timeout_ms, lock_timeout_ms,
        idle_in_transaction_timeout_ms;
} postgres_target;

// What a connection is for decides which settings it gets.
typedef enum {
    POSTGRES_FOR_WRITING,
    POSTGRES_FOR_READING,   // transactions are read only
    POSTGRES_FOR_BUILDING,  // migrations: statements may take long
} postgres_purpose;

// Reads one statement's rows. False when they are not what was asked for (a damaged answer).
typedef bool (*postgres_read)(void *context, const PGresult *result);

// A statement that was queued and what its answer must look like.
typedef struct {
    const char *verb, *subject;  // its name, for the log
    postgres_read read;          // NULL: rows are of no interest
    void *context;               // outlives the round
    PGresult **keep;             // takes the answer out of the round instead; the caller clears it
    int64_t rows_expected;       // rows that must have been written; -1: any number
    bool ends;                   // it is a COMMIT and must answer so
} postgres_step;

enum { POSTGRES_STEPS_MAX = 192, POSTGRES_VALUES_MAX = 40, POSTGRES_NAME_BYTES = 96 };

// The parameters of one statement, all in binary. They point into the link's scratch or into the
// caller's memory, and are read when the statement is queued.
typedef struct {
    int count;
    const char *at[POSTGRES_VALUES_MAX];
    int bytes[POSTGRES_VALUES_MAX], binary[POSTGRES_VALUES_MAX];
} postgres_values;

typedef struct {
    PGconn *connection;   // NULL: not connected
    bool quiet;           // a failure to connect is told by the caller
    bool sent;            // a round is on its way whose answers were not waited for
    fq_buffer scratch;    // values on their way out
    int64_t patience_ms;  // for each answer; then the connection is given up
    postgres_step steps[POSTGRES_STEPS_MAX];
    size_t step_count;
    char last_words[8];  // the SQLSTATE with which the server closed
    fq_err failed;       // while queueing: told by the next round
    // Of the last round:
    bool refused;    // by a server that went on: the transaction is certainly gone
    bool warned;     // the server sent a warning
    bool committed;  // COMMIT was answered with COMMIT
} postgres_link;

void postgres_link_init(postgres_link *link);
// Connects; the link must be closed. `database` NULL: the target's. Errors: FQ_STORE_LOST.
fq_err postgres_link_open(postgres_link *link, const postgres_target *target, const char *database,
                          postgres_purpose purpose);
// Closes the connection; the link can be opened again.
void postgres_link_close(postgres_link *link);
// Closes the connection and gives back all memory.
void postgres_link_free(postgres_link *link);
// Is the link connected, as far as is known without asking the server?
bool postgres_link_alive(postgres_link *link);

// Queues the preparation of the statement `verb_subject`.
void postgres_link_prepare(postgres_link *link, const char *verb, const char *subject,
                           const char *sql);
// Queues a prepared statement, and a plain one without parameters.
void postgres_link_execute(postgres_link *link, postgres_step step, const postgres_values *values);
void postgres_link_plain(postgres_link *link, postgres_step step, const char *sql);
// Sends what is queued and reads all answers. The first error is returned; the others follow from
// it. After FQ_STORE_LOST by a lost connection the link is closed.
fq_err postgres_link_round(postgres_link *link);
// As above, with a COMMIT at the end. FQ_STORE_UNKNOWN when it may or may not have been committed.
fq_err postgres_link_commit(postgres_link *link);
// Sends what is queued and does not wait; postgres_link_catch_up reads the answers, before anything
// else is queued.
void postgres_link_send(postgres_link *link);
fq_err postgres_link_catch_up(postgres_link *link);
// Ends the transaction if there is one, or else the connection.
void postgres_link_rollback(postgres_link *link);
// Runs a text of several statements outside of the pipeline; nothing may be queued.
fq_err postgres_link_script(postgres_link *link, const char *what, const char *sql);

// The store's error for a SQLSTATE.
fq_code postgres_code_of(const char *sqlstate);
