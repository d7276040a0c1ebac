// One connection to PostgreSQL in pipeline mode.
#include "store/postgres_link.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SCRATCH_BYTES_MAX = 256 << 20,
    GRACE_MS = 5000,  // for an answer, past the time that the server itself allows a statement
    BUILD_PATIENCE_MS = 3600 * 1000,
    ALIVE_READS_MAX = 8,
    NULLS_MAX = 2,  // ends of answers in a row; more mean that libpq and we disagree
};

// --- errors ---

typedef struct {
    char prefix[6];
    fq_code code;
} sqlstate_row;

// The first row that begins a SQLSTATE decides. Appendix A of PostgreSQL's documentation.
static const sqlstate_row sqlstates[] = {
    {"23505", FQ_STORE_CONFLICT},  // unique_violation: another writer made the row
    {"40001", FQ_STORE_CONFLICT},  // serialization_failure
    {"40P01", FQ_STORE_CONFLICT},  // deadlock_detected
    {"55P03", FQ_STORE_CONFLICT},  // lock_not_available: lock_timeout
    {"08", FQ_STORE_LOST},         // connection exceptions
    {"57P", FQ_STORE_LOST},        // shutdown, crash, starting up
    {"57014", FQ_STORE_LOST},      // query_canceled: statement_timeout
    {"25P03", FQ_STORE_LOST},      // idle_in_transaction_session_timeout
    {"25006", FQ_STORE_LOST},      // read_only_sql_transaction: this server has become a standby
    {"53300", FQ_STORE_LOST},      // too_many_connections
    {"53100", FQ_STORE_FULL},      // disk_full
    {"53200", FQ_STORE_FULL},      // out_of_memory
};

fq_code postgres_code_of(const char *sqlstate) {
    for (size_t i = 0; i < sizeof(sqlstates) / sizeof(*sqlstates); i++) {
        if (strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0) {
            return sqlstates[i].code;
        }
    }
    return FQ_INTERNAL;
}

// Does it end the connection? So does what libpq itself reports, which has no severity.
static bool is_fatal(const PGresult *result) {
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return !severity || strcmp(severity, "ERROR") != 0;
}

static void note_last_words(postgres_link *link, const PGresult *result) {
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (state) {
        snprintf(link->last_words, sizeof(link->last_words), "%s", state);
    }
}

// The message itself is told only where it can hold names but no data: syntax and access rules
// (42). What ends the connection is logged when it is found closed.
static fq_err refusal_of(postgres_link *link, const postgres_step *step, const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state || is_fatal(result)) {
        note_last_words(link, result);
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    const fq_code code = postgres_code_of(state);
    fq_log(code == FQ_STORE_CONFLICT ? FQ_LOG_DEBUG : FQ_LOG_ERROR,
           "PostgreSQL refused a statement", FQ_LOG_TEXT("statement", step->verb),
           FQ_LOG_TEXT("subject", step->subject), FQ_LOG_TEXT("sqlstate", state),
           FQ_LOG_TEXT("constraint", constraint ? constraint : ""),
           FQ_LOG_TEXT("message", strncmp(state, "42", 2) == 0 && message ? message : ""));
    return fq_refuse(code, NULL);
}

static fq_err lose(postgres_link *link, const char *why) {
    fq_log(FQ_LOG_ERROR, "the connection to PostgreSQL was lost", FQ_LOG_TEXT("why", why),
           FQ_LOG_TEXT("sqlstate", link->last_words));
    postgres_link_close(link);
    return fq_refuse(FQ_STORE_LOST, NULL);
}

static void on_notice(void *context, const PGresult *notice) {
    postgres_link *link = context;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    if (severity && strcmp(severity, "WARNING") == 0) {
        link->warned = true;
        fq_log(FQ_LOG_WARN, "PostgreSQL warned", FQ_LOG_TEXT("sqlstate", state ? state : ""));
    }
}

// --- opening and closing ---

void postgres_link_init(postgres_link *link) {
    *link = (postgres_link){0};
    fq_buffer_init(&link->scratch, SCRATCH_BYTES_MAX);
}

void postgres_link_close(postgres_link *link) {
    PQfinish(link->connection);
    link->connection = NULL;
    link->step_count = 0;
    link->sent = false;
    link->last_words[0] = '\0';
    link->failed = FQ_OK;
}

void postgres_link_free(postgres_link *link) {
    postgres_link_close(link);
    fq_buffer_free(&link->scratch);
}

// A server that closed says so first: its words are read until the end shows.
bool postgres_link_alive(postgres_link *link) {
    for (int i = 0; link->connection && i < ALIVE_READS_MAX; i++) {
        struct pollfd socket = {.fd = PQsocket(link->connection), .events = POLLIN};
        if (poll(&socket, 1, 0) <= 0) {
            break;
        }
        if (!PQconsumeInput(link->connection) || PQstatus(link->connection) != CONNECTION_OK) {
            postgres_link_close(link);
        }
    }
    return link->connection != NULL;
}

enum { OWN_OPTIONS = 8, OPTIONS_MAX = 64 };

// Adds an option unless the URL says it itself.
static void add_default(const PQconninfoOption *given, const char **names, const char **values,
                        size_t *count, const char *name, const char *value) {
    for (const PQconninfoOption *option = given; option->keyword; option++) {
        if (strcmp(option->keyword, name) == 0 && option->val) {
            return;
        }
    }
    names[*count] = name;
    values[(*count)++] = value;
}

static PGconn *connect_to(const postgres_target *target, const char *database) {
    char *message = NULL;
    PQconninfoOption *given = PQconninfoParse(target->url, &message);
    PQfreemem(message);
    if (!given) {
        return NULL;
    }
    const char *names[OPTIONS_MAX + OWN_OPTIONS + 1], *values[OPTIONS_MAX + OWN_OPTIONS + 1];
    char connect_s[24], silence_ms[24];
    size_t count = 0;
    for (const PQconninfoOption *option = given; option->keyword && count < OPTIONS_MAX; option++) {
        if (option->val && strcmp(option->keyword, "dbname") != 0) {
            names[count] = option->keyword;
            values[count++] = option->val;
        }
    }
    names[count] = "dbname";
    values[count++] = database;
    snprintf(connect_s, sizeof(connect_s), "%" PRId64, (target->connect_timeout_ms + 999) / 1000);
    snprintf(silence_ms, sizeof(silence_ms), "%" PRId64, target->statement_timeout_ms + GRACE_MS);
    add_default(given, names, values, &count, "connect_timeout", connect_s);
    add_default(given, names, values, &count, "tcp_user_timeout", silence_ms);
    add_default(given, names, values, &count, "keepalives_idle", "10");
    add_default(given, names, values, &count, "keepalives_interval", "5");
    add_default(given, names, values, &count, "keepalives_count", "3");
    add_default(given, names, values, &count, "application_name", target->application);
    add_default(given, names, values, &count, "client_encoding", "UTF8");
    names[count] = NULL;
    values[count] = NULL;
    PGconn *connection = PQconnectdbParams(names, values, 0);
    PQconninfoFree(given);
    return connection;
}

// The search path holds nothing that an ordinary user could put a table into before ours. A
// writer's plans must be lookups by key whatever the statistics say: a table that was empty when
// its statement was planned may hold millions of rows before it is planned again.
static void queue_settings(postgres_link *link, const postgres_target *target,
                           postgres_purpose purpose) {
    char sql[1024];
    const bool build = purpose == POSTGRES_FOR_BUILDING;
    snprintf(
        sql, sizeof(sql),
        "SELECT set_config(name, value, false) FROM (VALUES"
        " ('search_path', 'public, pg_temp'),"
        " ('statement_timeout', '%" PRId64 "'), ('lock_timeout', '%" PRId64 "'),"
        " ('idle_in_transaction_session_timeout', '%" PRId64 "'),"
        " ('default_transaction_read_only', '%s'),"
        " ('default_transaction_isolation', 'read committed'),"
        " ('plan_cache_mode', 'force_generic_plan'), ('jit', 'off'), ('random_page_cost', '1'),"
        " ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'), ('enable_hashjoin', 'off'),"
        " ('enable_mergejoin', 'off')) AS wanted(name, value)%s",
        build ? 0 : target->statement_timeout_ms, build ? 0 : target->lock_timeout_ms,
        build ? 0 : target->idle_in_transaction_timeout_ms,
        purpose == POSTGRES_FOR_READING ? "on" : "off",
        build ? " WHERE name NOT LIKE 'enable%' AND name NOT LIKE 'plan%'" : "");
    postgres_link_plain(
        link, (postgres_step){.verb = "settings", .subject = "session", .rows_expected = -1}, sql);
}

fq_err postgres_link_open(postgres_link *link, const postgres_target *target, const char *database,
                          postgres_purpose purpose) {
    FQ_ASSERT(!link->connection);
    link->connection = connect_to(target, database ? database : target->database);
    if (PQstatus(link->connection) != CONNECTION_OK) {
        const char *why =
            link->connection ? PQerrorMessage(link->connection) : "the URL cannot be read";
        fq_log(link->quiet ? FQ_LOG_DEBUG : FQ_LOG_ERROR, "cannot connect to PostgreSQL",
               FQ_LOG_TEXT("database", database ? database : target->database),
               FQ_LOG_STR("why", ((fq_str){why, strcspn(why, "\n")})));
        postgres_link_close(link);
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    link->patience_ms = purpose == POSTGRES_FOR_BUILDING ? BUILD_PATIENCE_MS
                                                         : target->statement_timeout_ms + GRACE_MS;
    PQsetNoticeReceiver(link->connection, on_notice, link);
    if (PQsetnonblocking(link->connection, 1) != 0 || !PQenterPipelineMode(link->connection)) {
        return lose(link, "no pipeline mode");
    }
    queue_settings(link, target, purpose);
    return postgres_link_round(link);
}

// --- queueing ---

static void add_step(postgres_link *link, postgres_step step, int sent) {
    if (!sent) {
        link->failed = fq_refuse(FQ_STORE_LOST, NULL);
        return;
    }
    link->steps[link->step_count++] = step;
}

static bool may_queue(const postgres_link *link) {
    FQ_ASSERT(link->step_count < POSTGRES_STEPS_MAX && !link->sent);
    return link->connection && !link->failed.code;
}

static void name_of(const char *verb, const char *subject, char out[POSTGRES_NAME_BYTES]) {
    const int bytes = snprintf(out, POSTGRES_NAME_BYTES, "%s_%s", verb, subject);
    FQ_ASSERT(bytes > 0 && bytes < POSTGRES_NAME_BYTES);
}

void postgres_link_prepare(postgres_link *link, const char *verb, const char *subject,
                           const char *sql) {
    if (!may_queue(link)) {
        return;
    }
    char name[POSTGRES_NAME_BYTES];
    name_of(verb, subject, name);
    add_step(link, (postgres_step){.verb = verb, .subject = subject, .rows_expected = -1},
             PQsendPrepare(link->connection, name, sql, 0, NULL));
}

void postgres_link_execute(postgres_link *link, postgres_step step, const postgres_values *values) {
    if (!may_queue(link)) {
        return;
    }
    char name[POSTGRES_NAME_BYTES];
    name_of(step.verb, step.subject, name);
    add_step(link, step,
             PQsendQueryPrepared(link->connection, name, values ? values->count : 0,
                                 values ? values->at : NULL, values ? values->bytes : NULL,
                                 values ? values->binary : NULL, 1));
}

void postgres_link_plain(postgres_link *link, postgres_step step, const char *sql) {
    if (may_queue(link)) {
        add_step(link, step,
                 PQsendQueryParams(link->connection, sql, 0, NULL, NULL, NULL, NULL, 1));
    }
}

// --- rounds ---

// Waits until an answer can be taken without blocking, and sends meanwhile. False when patience is
// at an end.
static bool wait_for_answer(postgres_link *link) {
    const int64_t until_ms = fq_monotonic_ms() + link->patience_ms;
    while (true) {
        // A failed flush is not the end: what the server said before it closed is still to be read.
        const int unsent = PQflush(link->connection);
        if (!PQisBusy(link->connection)) {
            return true;
        }
        const int64_t left_ms = until_ms - fq_monotonic_ms();
        struct pollfd socket = {.fd = PQsocket(link->connection),
                                .events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0))};
        if (left_ms <= 0 || socket.fd < 0) {
            return false;
        }
        if (poll(&socket, 1, (int)left_ms) < 0 && errno != EINTR) {
            return false;
        }
        if (socket.revents & ~POLLOUT && !PQconsumeInput(link->connection)) {
            return true;  // PQgetResult says what happened
        }
    }
}

// Judges the answer to one step.
static fq_err take(postgres_link *link, const postgres_step *step, PGresult *result) {
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_ABORTED) {
        return FQ_OK;  // follows from an error that was told
    }
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        link->refused |= !is_fatal(result);
        return refusal_of(link, step, result);
    }
    if (step->read && !step->read(step->context, result)) {
        fq_log(FQ_LOG_ERROR, "PostgreSQL's answer is not of the shape expected",
               FQ_LOG_TEXT("statement", step->verb), FQ_LOG_TEXT("subject", step->subject));
        return fq_refuse(FQ_INTERNAL, NULL);
    }
    if (step->rows_expected >= 0 && strtoll(PQcmdTuples(result), NULL, 10) != step->rows_expected) {
        fq_log(FQ_LOG_ERROR, "a statement wrote another number of rows than it was given",
               FQ_LOG_TEXT("statement", step->verb), FQ_LOG_TEXT("subject", step->subject));
        return fq_refuse(FQ_INTERNAL, NULL);
    }
    if (step->ends) {
        // COMMIT of a transaction that had failed answers ROLLBACK, which libpq calls a success.
        link->committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
        link->refused |= !link->committed;
        return link->committed ? FQ_OK : fq_refuse(FQ_STORE_CONFLICT, NULL);
    }
    return FQ_OK;
}

// Reads the answers to all steps, up to the synchronisation point. Of several errors the first one
// is the cause.
static fq_err collect(postgres_link *link) {
    fq_err first = FQ_OK;
    size_t at = 0;
    for (int nulls = 0; nulls <= NULLS_MAX;) {
        if (!wait_for_answer(link)) {
            const fq_err err = lose(link, "no answer in time");
            return first.code ? first : err;
        }
        PGresult *result = PQgetResult(link->connection);
        if (PQstatus(link->connection) != CONNECTION_OK) {
            note_last_words(link, result);
            PQclear(result);
            break;
        }
        if (!result) {  // the end of one step's answer
            nulls++;
            at++;
            continue;
        }
        nulls = 0;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            link->step_count = 0;
            link->sent = false;
            return first;
        }
        const fq_err err = at < link->step_count ? take(link, &link->steps[at], result)
                                                 : fq_refuse(FQ_STORE_LOST, NULL);
        if (!err.code && at < link->step_count && link->steps[at].keep && !*link->steps[at].keep) {
            *link->steps[at].keep = result;
        } else {
            PQclear(result);
        }
        first = first.code ? first : err;
    }
    const fq_err err = lose(link, "closed by the server or the network");
    return first.code ? first : err;
}

fq_err postgres_link_round(postgres_link *link) {
    link->refused = false;
    link->warned = false;
    link->committed = false;
    if (!link->connection) {
        return fq_refuse(FQ_STORE_LOST, NULL);
    }
    if (link->failed.code || !PQpipelineSync(link->connection)) {
        return lose(link, "a statement could not be sent");
    }
    return collect(link);
}

void postgres_link_send(postgres_link *link) {
    if (!link->connection) {
        return;
    }
    if (link->failed.code || !PQpipelineSync(link->connection) || PQflush(link->connection) < 0) {
        const fq_err err = lose(link, "a statement could not be sent");
        (void)err;  // told by the next round
        return;
    }
    link->sent = true;
}

fq_err postgres_link_catch_up(postgres_link *link) {
    return link->sent ? collect(link) : FQ_OK;
}

fq_err postgres_link_commit(postgres_link *link) {
    if (!link->connection || link->failed.code) {
        return postgres_link_round(link);  // nothing was asked to commit
    }
    postgres_link_execute(
        link,
        (postgres_step){.verb = "end", .subject = "commit", .rows_expected = -1, .ends = true},
        NULL);
    const fq_err err = postgres_link_round(link);
    // Only a plain yes or no of the server is certain. A connection that ended, or a warning (a
    // standby that did not confirm), leaves it open whether the commit happened and will last.
    const bool certain = link->committed ? !link->warned && !err.code : link->refused;
    return certain ? err : fq_refuse(FQ_STORE_UNKNOWN, NULL);
}

void postgres_link_rollback(postgres_link *link) {
    if (!link->connection) {
        return;
    }
    postgres_link_execute(
        link, (postgres_step){.verb = "end", .subject = "rollback", .rows_expected = -1}, NULL);
    if (postgres_link_round(link).code) {
        postgres_link_close(link);
    }
}

fq_err postgres_link_script(postgres_link *link, const char *what, const char *sql) {
    const postgres_step step = {.verb = "script", .subject = what, .rows_expected = -1};
    FQ_ASSERT(link->step_count == 0);
    if (!link->connection || !PQexitPipelineMode(link->connection) ||
        !PQsendQuery(link->connection, sql)) {
        return lose(link, "a script could not be sent");
    }
    fq_err first = FQ_OK;
    while (true) {
        PGresult *result = wait_for_answer(link) ? PQgetResult(link->connection) : NULL;
        if (!result) {
            break;
        }
        const fq_err err = take(link, &step, result);
        PQclear(result);
        first = first.code ? first : err;
    }
    if (PQstatus(link->connection) != CONNECTION_OK || !PQenterPipelineMode(link->connection)) {
        const fq_err err = lose(link, "closed by the server or the network");
        return first.code ? first : err;
    }
    return first;
}
