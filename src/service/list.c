// Lists of the contract, a page at a time.
#include "service/list.h"

#include "base/clock.h"
#include "service/service.h"

#include <stdlib.h>

enum { CANDIDATES_MAX = FQ_PAGE_LIMIT_MAX + 1 };

// What one source gives: accepted rows, newest first, and how far it was looked at.
typedef struct {
    const fq_list_of *list;
    fq_arena *arena;
    fq_row **rows;
    size_t count, wanted, looked;
    uint64_t last;  // the last id looked at
    bool more;      // ended because there was enough, not because there was no more
} gathering;

static uint64_t id_of(const fq_row *row) {
    return (uint64_t)fq_column_integer(row, &row->table->columns[0]);
}

static bool gather(void *context, const fq_row *row) {
    gathering *at = context;
    if (at->count == at->wanted || at->looked == FQ_PAGE_LOOK_MAX) {
        at->more = true;
        return false;
    }
    at->looked++;
    at->last = id_of(row);
    if (at->list->accept(at->list->context, row)) {
        at->rows[at->count++] = fq_row_copy(row, at->arena);
    }
    return true;
}

static fq_err range_of(const fq_list_of *list, fq_scan *scan) {
    const fq_page *page = list->page;
    if (page->created_from_given == FQ_GIVEN && page->created_from > FQ_EPOCH_MS) {
        scan->above = fq_id_floor(page->created_from) - 1;
    }
    if (page->created_to_given == FQ_GIVEN) {
        // Up to and with that millisecond; nothing was made before the epoch of ids.
        scan->below = page->created_to >= FQ_EPOCH_MS ? fq_id_floor(page->created_to + 1) : 1;
    }
    if (page->after.len > 0) {
        uint64_t after;
        if (!fq_id_parse(list->id_kind, page->after, &after)) {
            return fq_refuse_text(FQ_INVALID_FIELD, "after", "not an id of this list");
        }
        scan->below = scan->below == 0 || after < scan->below ? after : scan->below;
    }
    return FQ_OK;
}

// Merges two gatherings by id, newest first, each row once. Where one was cut short, nothing older
// than its end may follow from the other.
static size_t merge(const gathering *a, const gathering *b, size_t limit, fq_row **out,
                    uint64_t *out_last, bool *out_more) {
    size_t i = 0, j = 0, count = 0;
    const uint64_t bound_a = a->more ? a->last : 0, bound_b = b->more ? b->last : 0;
    const uint64_t bound = bound_a > bound_b ? bound_a : bound_b;
    while (count < limit && (i < a->count || j < b->count)) {
        const uint64_t x = i < a->count ? id_of(a->rows[i]) : 0,
                       y = j < b->count ? id_of(b->rows[j]) : 0;
        if ((x > y ? x : y) < bound) {
            break;
        }
        out[count++] = x >= y ? a->rows[i] : b->rows[j];
        *out_last = x >= y ? x : y;
        i += x >= y;
        j += y >= x;
    }
    *out_more = bound > 0 || i < a->count || j < b->count;
    if (count < limit) {
        *out_last = bound;
    }
    return count;
}

// Rows that the caller has found go through the same sieve.
static fq_err gather_given(fq_call *call, const fq_list_of *list, size_t limit, gathering *out) {
    fq_scan range = {0};
    FQ_TRY(range_of(list, &range));
    *out = (gathering){.list = list, .arena = call->arena, .wanted = limit + 1};
    out->rows = FQ_NEW_ARRAY(call->arena, fq_row *, CANDIDATES_MAX);
    for (size_t i = 0; i < list->row_count; i++) {
        const uint64_t id = id_of(list->rows[i]);
        if (id > range.above && (range.below == 0 || id < range.below) &&
            !gather(out, list->rows[i])) {
            return FQ_OK;
        }
    }
    if (list->rows_cut) {
        out->more = true;
        out->last = id_of(list->rows[list->row_count - 1]);
    }
    return FQ_OK;
}

// --- rows found by way of another table ---

fq_err fq_list_found_begin(const fq_list_of *list, fq_list_found *out) {
    fq_scan range = {0};
    FQ_TRY(range_of(list, &range));
    out->above = range.above;
    out->below = range.below;
    out->count = 0;
    out->cut = false;
    return FQ_OK;
}

static int newest_first(const void *left, const void *right) {
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? 1 : a > b ? -1 : 0;
}

static void keep_newest(fq_list_found *found) {
    qsort(found->ids, found->count, sizeof(found->ids[0]), newest_first);
    if (found->count > FQ_LIST_FOUND_MAX) {
        found->count = FQ_LIST_FOUND_MAX;
        found->cut = true;
    }
}

void fq_list_found_add(fq_list_found *found, uint64_t id) {
    if (id <= found->above || (found->below != 0 && id >= found->below)) {
        return;
    }
    if (found->count == sizeof(found->ids) / sizeof(found->ids[0])) {
        keep_newest(found);
    }
    found->ids[found->count++] = id;
}

fq_err fq_list_found_load(fq_call *call, fq_reader *reader, fq_list_found *found,
                          fq_list_of *list) {
    keep_newest(found);
    list->rows = FQ_NEW_ARRAY(call->arena, fq_row *, FQ_LIST_FOUND_MAX);
    for (size_t i = 0; i < found->count; i++) {
        fq_row *row = fq_row_make(list->table, call->arena);
        fq_column_set_integer(row, &list->table->columns[0], (int64_t)found->ids[i]);
        FQ_TRY(call->service->engine->ops->reader_load(reader, call->arena,
                                                       &(fq_row_group){list->table, &row, 1}, 1));
        if (row->state != FQ_ROW_ABSENT) {
            list->rows[list->row_count++] = row;
        }
    }
    list->rows_cut = found->cut && list->row_count > 0;
    list->source_count = 0;
    return FQ_OK;
}

static void write_page(fq_call *call, const fq_list_of *list, fq_row **rows, size_t count,
                       bool more, uint64_t last) {
    fq_json_writer out = fq_call_answer(call, 200, 0);
    fq_json_object_begin(&out, NULL);
    fq_json_put_literal(&out, "object", "list");
    fq_json_array_begin(&out, "data");
    for (size_t i = 0; i < count; i++) {
        list->encode(list->context, &out, rows[i]);
    }
    fq_json_array_end(&out);
    fq_json_put_bool(&out, "has_more", more);
    if (more) {
        fq_json_put_id(&out, "next", list->id_kind, last);
    } else {
        fq_json_put_null(&out, "next");
    }
    fq_json_object_end(&out);
}

fq_err fq_list_answer(fq_call *call, fq_reader *reader, const fq_list_of *list) {
    const fq_engine_ops *ops = call->service->engine->ops;
    const size_t limit = (size_t)list->page->limit;
    gathering found[2] = {{0}, {0}};
    for (size_t i = 0; i < list->source_count; i++) {
        found[i] = (gathering){.list = list, .arena = call->arena, .wanted = limit + 1};
        found[i].rows = FQ_NEW_ARRAY(call->arena, fq_row *, CANDIDATES_MAX);
        fq_scan scan = {.table = list->table,
                        .index = list->sources[i].index,
                        .value = list->sources[i].value,
                        .visit = gather,
                        .context = &found[i]};
        FQ_TRY(range_of(list, &scan));
        FQ_TRY(ops->reader_scan(reader, &scan));
    }
    if (list->source_count == 0) {
        FQ_TRY(gather_given(call, list, limit, &found[0]));
    }
    fq_row *rows[CANDIDATES_MAX];
    uint64_t last = 0;
    bool more = false;
    const size_t count = merge(&found[0], &found[1], limit, rows, &last, &more);
    if (list->prepare && count > 0) {
        FQ_TRY(list->prepare(list->context, rows, count));
    }
    write_page(call, list, rows, count, more, last);
    return FQ_OK;
}
