// The event feed. An event's `data` is the subject's row as the event recorded it, so an old event
// never shows a later state.
#include "service/events.h"

#include "base/clock.h"
#include "service/edge.h"
#include "service/list.h"

#include <stdio.h>
#include <stdlib.h>

enum { INTERNAL_COUNT_MAX = 1000, CURSOR_TEXT_MAX = 64 };

fq_row *fq_tell(fq_batch *batch, fq_command *command, uint16_t type, uint64_t subject,
                uint64_t version, const fq_row *row) {
    fq_event_row *event = (fq_event_row *)fq_batch_append(batch, &fq_event_table);
    size_t room = 0;
    for (size_t i = 0; i < row->table->column_count; i++) {
        const fq_column *column = &row->table->columns[i];
        room += 10 + (column->type == FQ_COLUMN_BYTES ? fq_column_bytes(row, column).len : 0);
    }
    fq_buffer told = {
        .at = fq_arena_alloc(fq_batch_arena(batch), room), .capacity = room, .bytes_max = room};
    fq_row_encode_told(row, &told);
    event->type = type;
    event->subject = subject;
    event->version = version;
    event->by_key = command ? command->by.key.v : 0;
    event->told = fq_buffer_str(&told);
    if (command) {
        command->told = &event->row;
    }
    return &event->row;
}

bool fq_event_restore(const fq_event_row *event, fq_row *row) {
    return fq_row_apply_told(row, event->told);
}

// An event's id holds its position and its source, since each service counts its own.
static uint64_t event_id(const fq_service *service, const fq_event_row *event) {
    return event->position << 2 | service->kind->number;
}

static const fq_event_type *type_of(const fq_service *service, uint16_t number) {
    for (size_t i = 0; i < service->kind->event_count; i++) {
        if (service->kind->events[i].number == number) {
            return &service->kind->events[i];
        }
    }
    return NULL;
}

// One event on its way into an answer.
typedef struct {
    fq_service *service;
    const fq_event_type *type;
    fq_event_row *event;
    fq_row *subject;
} told_event;

static void encode(fq_json_writer *out, const told_event *at) {
    fq_json_object_begin(out, NULL);
    fq_json_put_id(out, "id", FQ_ID_event, event_id(at->service, at->event));
    fq_json_put_literal(out, "object", "event");
    fq_json_put_literal(out, "type", at->type->name);
    fq_json_put_u64(out, "resource_version", at->event->version);
    fq_json_put_literal(out, "source", at->service->kind->name);
    fq_json_put_u64(out, "sequence", at->event->position);
    fq_json_put_time(out, "created_at", at->event->at_ms);
    fq_json_put_literal(out, "mode", at->service->live ? "live" : "sandbox");
    at->type->encode(at->service, out, at->subject);
    fq_json_object_end(out);
}

// Loads the subjects and lays the events' records over them.
static fq_err restore_subjects(fq_service *service, fq_reader *reader, fq_arena *arena,
                               told_event *events, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (events[i].service != service) {
            continue;
        }
        events[i].subject = fq_row_make(events[i].type->table, arena);
        fq_column_set_integer(events[i].subject, &events[i].type->table->columns[0],
                              (int64_t)events[i].event->subject);
        fq_row *rows[] = {events[i].subject};
        FQ_TRY(service->engine->ops->reader_load(
            reader, arena, &(fq_row_group){events[i].type->table, rows, 1}, 1));
        if (events[i].subject->state == FQ_ROW_ABSENT ||
            !fq_event_restore(events[i].event, events[i].subject)) {
            return fq_refuse(FQ_INTERNAL, NULL);
        }
    }
    return FQ_OK;
}

// --- the feed ---

typedef struct {
    fq_str from;
    int64_t limit;
} feed_query;

static const fq_field feed_rows[] = {
    {.name = "from",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = CURSOR_TEXT_MAX,
     .offset = FQ_AT(feed_query, from)},
    {.name = "limit",
     .kind = FQ_FIELD_INTEGER,
     .minimum = 1,
     .maximum = FQ_PAGE_LIMIT_MAX,
     .offset = FQ_AT(feed_query, limit)},
};
static const fq_fields feed_fields = FQ_FIELDS(feed_rows, feed_query);

typedef struct {
    uint64_t position[FQ_SERVICE_NUMBERS];
} cursor;

static fq_err cursor_parse(fq_str text, cursor *out) {
    *out = (cursor){{0}};
    for (size_t number = 1; text.at && number < FQ_SERVICE_NUMBERS; number++) {
        const char *dot = memchr(text.at, '.', text.len);
        const size_t len = dot ? (size_t)(dot - text.at) : text.len;
        if (!fq_str_to_u64((fq_str){text.at, len}, &out->position[number]) ||
            out->position[number] > INT64_MAX ||
            (dot != NULL) != (number + 1 < FQ_SERVICE_NUMBERS)) {
            return fq_refuse_text(FQ_INVALID_FIELD, "from", "not a cursor of this feed");
        }
        text = dot ? (fq_str){dot + 1, text.len - len - 1} : (fq_str){0};
    }
    return FQ_OK;
}

// What is read of one service: events that come next, and whether there are more behind them.
typedef struct {
    told_event *next;
    size_t left;
    bool cut;
} service_events;

static fq_err read_service(fq_service *service, fq_arena *arena, uint64_t position,
                           size_t count_max, service_events *out) {
    fq_event_row *rows;
    size_t count, bytes = 0;
    fq_peers here = {.peer = {[FQ_SERVICE_USER] = {0}}};
    here.peer[service->kind->number].local = service;
    FQ_TRY(fq_peer_events(&here, service->kind->number, position, count_max, arena, &rows, &count));
    *out = (service_events){.next = FQ_NEW_ARRAY(arena, told_event, count + 1), .left = count};
    for (size_t i = 0; i < count; i++) {
        out->next[i] = (told_event){service, type_of(service, rows[i].type), &rows[i], NULL};
        if (!out->next[i].type) {
            // A newer program beside this one has told it, and knows how to show it: the page ends
            // before it, so that nobody misses it.
            out->left = i;
            out->cut = true;
            return FQ_OK;
        }
        bytes += rows[i].told.len;
    }
    out->cut = bytes >= FQ_EVENT_BYTES_MAX;
    return FQ_OK;
}

// The oldest event of those that the services have next; NULL when there is none, or none is known
// of a service that has more.
static told_event *oldest(service_events *at, size_t services, service_events **out) {
    told_event *best = NULL;
    for (size_t i = 0; i < services; i++) {
        if (at[i].left == 0 && at[i].cut) {
            return NULL;
        }
        if (at[i].left > 0 && (!best || at[i].next->event->at_ms < best->event->at_ms)) {
            best = at[i].next;
            *out = &at[i];
        }
    }
    return best;
}

static fq_err restore_page(const fq_edge_config *config, fq_arena *arena, told_event *page,
                           size_t count) {
    for (size_t i = 0; i < config->service_count; i++) {
        fq_reading reading FQ_READING_ENDS = {0};
        FQ_TRY(fq_reading_begin(config->services[i], &reading));
        FQ_TRY(restore_subjects(config->services[i], reading.reader, arena, page, count));
    }
    return FQ_OK;
}

fq_err fq_events_list(fq_call *call, fq_reader *reader) {
    (void)reader;
    const fq_edge_config *config = &call->edge->config;
    feed_query query = {.limit = FQ_PAGE_LIMIT_DEFAULT};
    cursor at;
    FQ_TRY(fq_call_query(call, &feed_fields, &query));
    FQ_TRY(cursor_parse(query.from, &at));
    if (!fq_scope_may(&call->caller, FQ_MAY_EVENT_SEE)) {
        return fq_refuse(FQ_NOT_ALLOWED, NULL);
    }
    const size_t limit = (size_t)query.limit;
    told_event *page = FQ_NEW_ARRAY(call->arena, told_event, limit);
    service_events services[FQ_SERVICE_NUMBERS], *from = NULL;
    bool more = false;
    for (size_t i = 0; i < config->service_count; i++) {
        FQ_TRY(read_service(config->services[i], call->arena,
                            at.position[config->services[i]->kind->number], limit + 1,
                            &services[i]));
    }
    size_t count = 0;
    for (told_event *event;
         count < limit && (event = oldest(services, config->service_count, &from)) != NULL;) {
        page[count++] = *event;
        at.position[event->service->kind->number] = event->event->position;
        from->next++;
        from->left--;
    }
    for (size_t i = 0; i < config->service_count; i++) {
        more |= services[i].left > 0 || services[i].cut;
    }
    FQ_TRY(restore_page(config, call->arena, page, count));
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_put_literal(&out, "object", "list");
    fq_json_array_begin(&out, "data");
    for (size_t i = 0; i < count; i++) {
        if (fq_scope_may_to(&call->caller, FQ_MAY_EVENT_SEE,
                            page[i].type->sides(page[i].subject))) {
            encode(&out, &page[i]);
        }
    }
    fq_json_array_end(&out);
    fq_json_put_bool(&out, "has_more", more);
    fq_json_put_text(
        &out, "next",
        fq_arena_printf(call->arena, "%llu.%llu.%llu", (unsigned long long)at.position[1],
                        (unsigned long long)at.position[2], (unsigned long long)at.position[3]));
    fq_json_object_end(&out);
    return FQ_OK;
}

fq_err fq_event_get(fq_call *call, fq_reader *reader) {
    (void)reader;
    const fq_edge_config *config = &call->edge->config;
    uint64_t id;
    FQ_TRY(fq_call_query(call, &(fq_fields){NULL, 0, 0}, NULL));
    FQ_TRY(fq_call_path_id(call, 0, FQ_ID_event, FQ_EVENT_NOT_FOUND, &id));
    for (size_t i = 0; i < config->service_count && id > 3; i++) {
        if (config->services[i]->kind->number != (id & 3)) {
            continue;
        }
        service_events found;
        FQ_TRY(read_service(config->services[i], call->arena, (id >> 2) - 1, 1, &found));
        told_event *event = found.next;
        if (found.left == 0 || event->event->position != id >> 2) {
            break;
        }
        FQ_TRY(restore_page(config, call->arena, event, 1));
        if (!fq_scope_may_to(&call->caller, FQ_MAY_EVENT_SEE, event->type->sides(event->subject))) {
            break;
        }
        fq_json_writer out = fq_call_answer(call, 200, 0);
        encode(&out, event);
        return FQ_OK;
    }
    return fq_refuse(FQ_EVENT_NOT_FOUND, NULL);
}

// --- for other services ---

typedef struct {
    int64_t position, count;
} internal_query;

static const fq_field internal_rows[] = {
    {.name = "position",
     .kind = FQ_FIELD_INTEGER,
     .required = true,
     .minimum = 0,
     .maximum = INT64_MAX,
     .offset = FQ_AT(internal_query, position)},
    {.name = "count",
     .kind = FQ_FIELD_INTEGER,
     .required = true,
     .minimum = 1,
     .maximum = INTERNAL_COUNT_MAX,
     .offset = FQ_AT(internal_query, count)},
};
static const fq_fields internal_fields = FQ_FIELDS(internal_rows, internal_query);

typedef struct {
    fq_json_writer out;
    fq_arena *arena;
    size_t left, bytes;
} telling;

static bool tell_raw(void *context, const fq_row *row) {
    telling *at = context;
    const fq_event_row *event = (const fq_event_row *)row;
    const size_t len = FQ_BASE64_LEN(event->told.len);
    char *told = fq_arena_alloc(at->arena, len + 1);
    fq_base64_encode(event->told, told);
    fq_json_object_begin(&at->out, NULL);
    fq_json_put_u64(&at->out, "position", event->position);
    fq_json_put_u64(&at->out, "type", event->type);
    fq_json_put_u64(&at->out, "subject", event->subject);
    fq_json_put_u64(&at->out, "version", event->version);
    fq_json_put_i64(&at->out, "at_ms", event->at_ms);
    fq_json_put_u64(&at->out, "by_key", event->by_key);
    fq_json_put_text(&at->out, "told", (fq_str){told, len});
    fq_json_object_end(&at->out);
    at->bytes += event->told.len;
    return --at->left > 0 && at->bytes < FQ_EVENT_BYTES_MAX;
}

fq_err fq_events_internal(fq_call *call, fq_reader *reader) {
    internal_query query = {0};
    FQ_TRY(fq_call_body(call, &internal_fields, &query));
    telling at = {fq_call_answer(call, 200, 0), call->arena, (size_t)query.count, 0};
    fq_json_object_begin(&at.out, NULL);
    fq_json_array_begin(&at.out, "events");
    FQ_TRY(call->service->engine->ops->reader_scan(reader,
                                                   &(fq_scan){.table = &fq_event_table,
                                                              .above = (uint64_t)query.position,
                                                              .forward = true,
                                                              .visit = tell_raw,
                                                              .context = &at}));
    fq_json_array_end(&at.out);
    fq_json_object_end(&at.out);
    return FQ_OK;
}
