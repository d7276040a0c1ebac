// The tables that every service's database has.
#include "store/journal.h"

static const fq_column event_columns[] = {FQ_COLUMNS(fq_event_row, FQ_EVENT_COLUMNS)};
const fq_table fq_event_table = {.name = "event",
                                 .key_count = 1,
                                 .journal = FQ_JOURNAL_EVENT,
                                 .sealed = true,
                                 FQ_TABLE_OF(fq_event_row, event_columns)};

static const fq_column request_columns[] = {FQ_COLUMNS(fq_request_row, FQ_REQUEST_COLUMNS)};
const fq_table fq_request_table = {.name = "request",
                                   .key_count = 2,
                                   .journal = FQ_JOURNAL_REQUEST,
                                   .sought_by_hash = true,
                                   FQ_TABLE_OF(fq_request_row, request_columns)};

static const fq_column batch_columns[] = {FQ_COLUMNS(fq_batch_row, FQ_BATCH_COLUMNS)};
const fq_table fq_batch_table = {
    .name = "batch", .key_count = 1, FQ_TABLE_OF(fq_batch_row, batch_columns)};

static const fq_column work_columns[] = {FQ_COLUMNS(fq_work_row, FQ_WORK_COLUMNS)};
const fq_table fq_work_table = {
    .name = "work", .key_count = 3, FQ_TABLE_OF(fq_work_row, work_columns)};

static const fq_column followed_columns[] = {FQ_COLUMNS(fq_followed_row, FQ_FOLLOWED_COLUMNS)};
const fq_table fq_followed_table = {
    .name = "followed", .key_count = 1, FQ_TABLE_OF(fq_followed_row, followed_columns)};

const char fq_journal_migration[] =
    "-- oldest: 1\n"
    "CREATE TABLE event (position {int} PRIMARY KEY, type {int} NOT NULL, subject {int} NOT NULL,\n"
    "  version {int} NOT NULL, at_ms {int} NOT NULL, by_key {int} NOT NULL, told {bytes} NOT NULL);\n"
    "CREATE TABLE request (hash_high {int} NOT NULL, hash_low {int} NOT NULL,\n"
    "-- sqlite: position {int} PRIMARY KEY,\n"
    "-- postgres: position {int} NOT NULL,\n"
    "  kind {int} NOT NULL, subject {int} NOT NULL, event {int} NOT NULL, at_ms {int} NOT NULL,\n"
    "  fingerprint {bytes} NOT NULL, kept {bytes} NOT NULL\n"
    "-- postgres: , PRIMARY KEY (hash_high, hash_low)\n"
    ");\n"
    "-- postgres: CREATE INDEX request_at_ms ON request USING brin (at_ms);\n"
    "CREATE TABLE batch (number {int} PRIMARY KEY, event_first {int} NOT NULL,\n"
    "  event_count {int} NOT NULL, transfer_first {int} NOT NULL, transfer_count {int} NOT NULL,\n"
    "  at_ms {int} NOT NULL, seal {bytes} NOT NULL);\n"
    "CREATE TABLE work (due_ms {int} NOT NULL, kind {int} NOT NULL, subject {int} NOT NULL,\n"
    "  leased_until_ms {int} NOT NULL, holder {int} NOT NULL,\n"
    "  PRIMARY KEY (due_ms, kind, subject)){without_rowid};\n"
    "CREATE TABLE followed (source {int} PRIMARY KEY, position {int} NOT NULL);\n";
