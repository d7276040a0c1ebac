// Reading users over HTTP. No rules.
#include "user/rows.h"

enum { EMAIL_MAX = 254, PHONE_MAX = 16 };

static const fq_fields no_fields = {NULL, 0, 0};

fq_err user_read_one(fq_call *call, fq_reader *reader) {
    uint64_t id;
    fq_row *found;
    FQ_TRY(fq_call_query(call, &no_fields, NULL));
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_user, FQ_USER_NOT_FOUND, &id));
    FQ_TRY(user_load_rows(call->service, reader, call->arena, &user_table, &id, 1, &found));
    const user_row *user = (const user_row *)found;
    if (found->state == FQ_ROW_ABSENT ||
        !fq_scope_may_to(&call->caller, FQ_MAY_USER_SEE, (fq_sides){id, id})) {
        return fq_refuse(FQ_USER_NOT_FOUND, NULL);
    }
    fq_json_writer out = fq_call_answer(call, 200, user->version);
    user_encode(call->service, &out, NULL, user, user_sees_in_full(&call->caller));
    return FQ_OK;
}

// --- lists ---

static const fq_choice status_choices[] = {
#define X(stored, name, wire) {wire, name},
    FQ_USER_STATUSES(X)
#undef X
        {NULL, 0}};

typedef struct {
    fq_page page;
    int status;
    fq_str email, phone;
    fq_str email_index, phone_index;
    fq_call *call;
} users_query;

static const fq_field query_rows[] = {
    FQ_PAGE_FIELDS(users_query),
    {.name = "status",
     .kind = FQ_FIELD_ENUM,
     .choices = status_choices,
     .offset = FQ_AT(users_query, status)},
    {.name = "email",
     .kind = FQ_FIELD_STRING,
     .minimum = 1,
     .maximum = EMAIL_MAX,
     .offset = FQ_AT(users_query, email)},
    {.name = "phone",
     .kind = FQ_FIELD_STRING,
     .minimum = 1,
     .maximum = PHONE_MAX,
     .offset = FQ_AT(users_query, phone)},
};
static const fq_fields query_fields = FQ_FIELDS(query_rows, users_query);

static bool accept(void *context, const fq_row *at) {
    const users_query *query = context;
    const user_row *row = (const user_row *)at;
    return fq_scope_may_to(&query->call->caller, FQ_MAY_USER_SEE,
                           (fq_sides){row->id.v, row->id.v}) &&
           (!query->status || query->status == row->status) &&
           (query->email.len == 0 || fq_str_equal(query->email_index, row->email_index)) &&
           (query->phone.len == 0 || fq_str_equal(query->phone_index, row->phone_index));
}

static void encode(void *context, fq_json_writer *out, const fq_row *row) {
    const users_query *query = context;
    user_encode(query->call->service, out, NULL, (const user_row *)row,
                user_sees_in_full(&query->call->caller));
}

typedef struct {
    uint64_t *ids;
    size_t count;
    uint64_t low;
} found_contacts;

static bool note(void *context, const fq_row *row) {
    found_contacts *at = context;
    const contact_row *contact = (const contact_row *)row;
    if (contact->hash_low == at->low) {
        at->ids[at->count++] = contact->user_id.v;
    }
    return at->count < FQ_PAGE_LOOK_MAX;
}

// The users who have an address, newest first.
static fq_err find_contacts(fq_call *call, fq_reader *reader, fq_str index, fq_list_of *list) {
    const contact_hash hash = contact_hash_of(index);
    found_contacts at = {.ids = FQ_NEW_ARRAY(call->arena, uint64_t, FQ_PAGE_LOOK_MAX),
                         .low = hash.low};
    FQ_TRY(call->service->engine->ops->reader_scan(reader, &(fq_scan){.table = &contact_table,
                                                                      .above = hash.high - 1,
                                                                      .below = hash.high + 1,
                                                                      .visit = note,
                                                                      .context = &at}));
    list->source_count = 0;
    list->row_count = at.count;
    list->rows = FQ_NEW_ARRAY(call->arena, fq_row *, at.count + 1);
    return user_load_rows(call->service, reader, call->arena, &user_table, at.ids, at.count,
                          list->rows);
}

static fq_err own_user(fq_call *call, fq_reader *reader, fq_list_of *list) {
    list->source_count = 0;
    list->rows = FQ_NEW_ARRAY(call->arena, fq_row *, 1);
    FQ_TRY(user_load_rows(call->service, reader, call->arena, &user_table, &call->caller.user.v, 1,
                          list->rows));
    list->row_count = list->rows[0]->state != FQ_ROW_ABSENT;
    return FQ_OK;
}

static fq_err index_query(fq_call *call, users_query *query) {
    if (query->email.len > 0) {
        const fq_str email = user_email_normalised(call->arena, query->email);
        FQ_TRY(sealed_index(call->service->keyring, call->arena, "user.email", email,
                            &query->email_index));
    }
    if (query->phone.len > 0) {
        fq_str phone = query->phone;
        // A plus sign that was not escaped has become a space.
        if (phone.at[0] == ' ') {
            phone = fq_arena_printf(call->arena, "+%.*s", (int)(phone.len - 1), phone.at + 1);
        }
        FQ_TRY(sealed_index(call->service->keyring, call->arena, "user.phone", phone,
                            &query->phone_index));
    }
    return FQ_OK;
}

fq_err user_read_list(fq_call *call, fq_reader *reader) {
    users_query query = {.page = {.limit = FQ_PAGE_LIMIT_DEFAULT}, .call = call};
    FQ_TRY(fq_call_query(call, &query_fields, &query));
    FQ_TRY(index_query(call, &query));
    fq_list_of list = {.table = &user_table,
                       .id_kind = FQ_ID_user,
                       .source_count = 1,
                       .page = &query.page,
                       .accept = accept,
                       .encode = encode,
                       .context = &query};
    if (call->caller.user.v) {
        FQ_TRY(own_user(call, reader, &list));
    } else if (query.email.len > 0) {
        FQ_TRY(find_contacts(call, reader, query.email_index, &list));
    } else if (query.phone.len > 0) {
        FQ_TRY(find_contacts(call, reader, query.phone_index, &list));
    }
    return fq_list_answer(call, reader, &list);
}
