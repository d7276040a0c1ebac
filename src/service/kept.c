// What a bulk keeps of its items for its Idempotency-Key.
#include "service/kept.h"

enum { NAME_MAX_BYTES = 255, ID_BYTES = 8 };

fq_kept fq_kept_make(fq_arena *arena, size_t item_count) {
    const size_t room = item_count * (ID_BYTES + 2 * (1 + NAME_MAX_BYTES));
    return (fq_kept){{.at = fq_arena_alloc(arena, room), .capacity = room, .bytes_max = room}};
}

static void add_name(fq_buffer *bytes, const char *name) {
    const size_t len = name ? strnlen(name, NAME_MAX_BYTES) : 0;
    fq_buffer_add_char(bytes, (char)len);
    fq_buffer_add(bytes, (fq_str){name, len});
}

void fq_kept_add(fq_kept *kept, fq_err outcome, uint64_t id) {
    const uint64_t shown = outcome.code ? 0 : id;
    fq_buffer_add(&kept->bytes, (fq_str){(const char *)&shown, ID_BYTES});
    if (outcome.code) {
        add_name(&kept->bytes, fq_error_row_of(outcome.code)->name);
        add_name(&kept->bytes, outcome.param);
    }
}

fq_str fq_kept_bytes(const fq_kept *kept) {
    return fq_buffer_str(&kept->bytes);
}

// Cuts the next outcome off; false, and nothing cut, at the end or where the bytes are damaged.
static bool cut(fq_str *from, uint64_t *out_id, fq_str *out_code, fq_str *out_param) {
    fq_str rest = *from;
    if (rest.len < ID_BYTES) {
        return false;
    }
    memcpy(out_id, rest.at, ID_BYTES);
    rest = (fq_str){rest.at + ID_BYTES, rest.len - ID_BYTES};
    fq_str *texts[] = {out_code, out_param};
    for (size_t i = 0; *out_id == 0 && i < 2; i++) {
        const size_t len = rest.len > 0 ? (uint8_t)rest.at[0] : 0;
        if (rest.len < 1 + len) {
            return false;
        }
        *texts[i] = (fq_str){rest.at + 1, len};
        rest = (fq_str){rest.at + 1 + len, rest.len - 1 - len};
    }
    *from = rest;
    return true;
}

fq_kept_reader fq_kept_read(const fq_row *record) {
    const fq_request_row *request = (const fq_request_row *)record;
    fq_str rest = request->kept, code, param;
    uint64_t id, made = 0;
    while (cut(&rest, &id, &code, &param)) {
        made += id != 0;
    }
    return (fq_kept_reader){request->kept, request->event + 1 - made};
}

void fq_kept_want(fq_batch *batch, const fq_table *table, const fq_row *record) {
    fq_kept_reader reader = fq_kept_read(record);
    fq_str code, param;
    uint64_t id;
    while (cut(&reader.rest, &id, &code, &param)) {
        if (id != 0) {
            fq_want(batch, table, id, 0, 0);
            fq_want(batch, &fq_event_table, reader.position++, 0, 0);
        }
    }
}

static fq_code code_of(fq_str name) {
    for (fq_code code = FQ_DONE + 1; code < FQ_CODE_COUNT; code++) {
        if (fq_str_equal(name, fq_str_of(fq_error_row_of(code)->name))) {
            return code;
        }
    }
    return FQ_INTERNAL;
}

const fq_row *fq_kept_next(fq_kept_reader *reader, fq_batch *batch, const fq_table *table,
                           fq_arena *arena, fq_err *out) {
    fq_str code, param;
    uint64_t id;
    if (!cut(&reader->rest, &id, &code, &param)) {
        *out = fq_refuse(FQ_INTERNAL, NULL);
        return NULL;
    }
    if (id == 0) {
        *out = fq_refuse(code_of(code), param.len > 0 ? fq_arena_text(arena, param) : NULL);
        return NULL;
    }
    const fq_event_row *event =
        (const fq_event_row *)fq_want(batch, &fq_event_table, reader->position++, 0, 0);
    fq_row *row = fq_row_copy(fq_want(batch, table, id, 0, 0), arena);
    if (row->state == FQ_ROW_ABSENT || event->subject != id ||
        !fq_row_apply_told(row, event->told)) {
        *out = fq_refuse(FQ_INTERNAL, NULL);
        return NULL;
    }
    *out = FQ_OK;
    return fq_row_copy(row, arena);
}
