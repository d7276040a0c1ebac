// A service's own copy of what it must know of users.
#include "user/party.h"

static const fq_column columns[] = {FQ_COLUMNS(fq_party_row, FQ_PARTY_COLUMNS)};
const fq_table fq_party_table = {
    .name = "party", .key_count = 1, .remembered = true, FQ_TABLE_OF(fq_party_row, columns)};

const char fq_party_migration[] =
    "CREATE TABLE party (id {int} PRIMARY KEY, status {int} NOT NULL, roles {int} NOT NULL,\n"
    "  version {int} NOT NULL);\n";

// What a user.* event tells: the columns that change of a user's row begin with status and roles.
#define TOLD_COLUMNS(C, R)            \
    C(R, fq_user_id, id, FQ_KEY)      \
    C(R, uint8_t, status, FQ_CHANGES) \
    C(R, uint8_t, roles, FQ_CHANGES)
FQ_ROW(told_row, TOLD_COLUMNS)
static const fq_column told_columns[] = {FQ_COLUMNS(told_row, TOLD_COLUMNS)};
static const fq_table told_table = {
    .name = "told", .key_count = 1, FQ_TABLE_OF(told_row, told_columns)};

fq_err fq_party_take(fq_batch *batch, fq_party_row *row, const fq_user_facts *facts) {
    if (row->row.state != FQ_ROW_ABSENT) {
        return FQ_OK;
    }
    if (!facts) {
        return fq_refuse(FQ_FACT_MISSING, NULL);
    }
    if (!facts->exists) {
        return fq_refuse(FQ_USER_NOT_FOUND, NULL);
    }
    fq_row_touch(batch, &row->row);
    row->status = (uint8_t)facts->status;
    row->roles = (uint8_t)facts->roles;
    row->version = facts->version;
    return FQ_OK;
}

void fq_party_follow_want(fq_service *service, fq_batch *batch, const fq_event_row *event,
                          int round) {
    (void)service;
    if (round == 0 && event->type < FQ_TOLD_KEY_CREATED) {
        fq_want(batch, &fq_party_table, event->subject, 0, 0);
    }
}

void fq_party_follow_decide(fq_service *service, fq_batch *batch, const fq_event_row *event) {
    (void)service;
    if (event->type >= FQ_TOLD_KEY_CREATED) {
        return;  // about an API key
    }
    fq_party_row *party = (fq_party_row *)fq_want(batch, &fq_party_table, event->subject, 0, 0);
    told_row told = {.row = {.table = &told_table}};
    if (party->version >= event->version || !fq_row_apply_told_prefix(&told.row, event->told)) {
        return;
    }
    fq_row_touch(batch, &party->row);
    party->status = told.status;
    party->roles = told.roles;
    party->version = event->version;
}
