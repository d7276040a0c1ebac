// Lists, a page at a time: walked to their end over random rows, filters and sources, every row
// comes once, newest first.
#include "service/list.h"

#include "call_rig.h"
#include "service/service.h"
#include "support.h"

#define ITEM_COLUMNS(C, R)          \
    C(R, uint64_t, id, FQ_KEY)      \
    C(R, uint64_t, left, FQ_FIXED)  \
    C(R, uint64_t, right, FQ_FIXED) \
    C(R, int64_t, tag, FQ_FIXED)
FQ_ROW(item_row, ITEM_COLUMNS)
static const fq_column item_columns[] = {FQ_COLUMNS(item_row, ITEM_COLUMNS)};
static const fq_table item_table = {
    .name = "item", .key_count = 1, FQ_TABLE_OF(item_row, item_columns)};
static const fq_index by_left = {"by_left", &item_table, "left", 1},
                      by_right = {"by_right", &item_table, "right", 2};

enum { ITEMS_MAX = 6000, OWNER = 7 };

// All rows, oldest first; what the fake engine scans.
typedef struct {
    item_row *rows;
    size_t count;
    int64_t tag;  // accepted: rows with this tag; -1: all
    fq_code scan_code;
    size_t visited, visited_max;
    size_t prepared;
    fq_code prepare_code;
} item_world;
static item_world items;

static fq_err scan(fq_reader *reader, const fq_scan *scan) {
    (void)reader;
    items.visited = 0;
    for (size_t i = items.count; i-- > 0;) {
        const item_row *row = &items.rows[i];
        const bool fits =
            !scan->index ||
            (uint64_t)fq_column_integer(
                &row->row, fq_table_column(&item_table, scan->index->column)) == scan->value;
        if (!fits || row->id <= scan->above || (scan->below != 0 && row->id >= scan->below)) {
            continue;
        }
        items.visited++;
        items.visited_max = items.visited > items.visited_max ? items.visited : items.visited_max;
        if (!scan->visit(scan->context, &row->row)) {
            break;
        }
    }
    return fq_refuse(items.scan_code, NULL);
}

static const fq_engine_ops ops = {.reader_scan = scan};
static fq_engine engine = {.ops = &ops};

static bool accept(void *context, const fq_row *row) {
    (void)context;
    return items.tag < 0 || ((const item_row *)row)->tag == items.tag;
}

static void encode(void *context, fq_json_writer *out, const fq_row *row) {
    (void)context;
    fq_json_object_begin(out, NULL);
    fq_json_put_id(out, "id", FQ_ID_order, ((const item_row *)row)->id);
    fq_json_object_end(out);
}

static fq_err prepare(void *context, fq_row **rows, size_t count) {
    (void)context;
    assert_true(count > 0);
    for (size_t i = 1; i < count; i++) {
        assert_true(((const item_row *)rows[i])->id < ((const item_row *)rows[i - 1])->id);
    }
    items.prepared += count;
    return fq_refuse(items.prepare_code, NULL);
}

static void make_items(size_t count, unsigned tags, test_random *random) {
    items = (item_world){.rows = calloc(count + 1, sizeof(item_row)), .count = count, .tag = -1};
    assert_non_null(items.rows);
    uint64_t id = fq_id_floor(FQ_EPOCH_MS + 1000);
    for (size_t i = 0; i < count; i++) {
        id += 1 + test_random_below(random, UINT64_C(3) << 22);
        items.rows[i] = (item_row){.row = {.table = &item_table, .state = FQ_ROW_LOADED},
                                   .id = id,
                                   .left = test_random_chance(random, 3) ? OWNER : 1,
                                   .right = test_random_chance(random, 3) ? OWNER : 1,
                                   .tag = (int64_t)test_random_below(random, tags)};
    }
}

// The list of one shape: all rows, those of one index, of either of two, or rows that the caller
// found.
static fq_list_of list_of(int shape, const fq_page *page) {
    fq_list_of list = {.table = &item_table,
                       .id_kind = FQ_ID_order,
                       .source_count = 1,
                       .page = page,
                       .accept = accept,
                       .encode = encode,
                       .prepare = prepare};
    if (shape == 1) {
        list.sources[0] = (fq_list_source){&by_left, OWNER};
    } else if (shape == 2) {
        list.sources[0] = (fq_list_source){&by_left, OWNER};
        list.sources[1] = (fq_list_source){&by_right, OWNER};
        list.source_count = 2;
    } else if (shape == 3) {
        list.source_count = 0;
        list.rows = calloc(items.count + 1, sizeof(fq_row *));
        assert_non_null(list.rows);
        for (size_t i = items.count; i-- > 0;) {
            list.rows[list.row_count++] = &items.rows[i].row;
        }
    }
    return list;
}

static bool belongs(int shape, const item_row *row) {
    return (shape == 0 || shape == 3 || row->left == OWNER ||
            (shape == 2 && row->right == OWNER)) &&
           accept(NULL, &row->row);
}

// One page; appends its ids, and says with what the next begins ("" at the end).
static void read_page(int shape, const fq_page *page, uint64_t *ids, size_t *count,
                      char next[FQ_ID_TEXT_MAX]) {
    call_rig rig;
    call_begin(&rig, "");
    rig.service.engine = &engine;
    fq_list_of list = list_of(shape, page);
    assert_int_equal(fq_list_answer(&rig.call, NULL, &list).code, FQ_DONE);
    const fq_json *answer = call_answer(&rig), *data = fq_json_member(answer, "data");
    assert_true(data->count <= (uint64_t)page->limit);
    for (const fq_json *item = data->first; item; item = item->next) {
        assert_true(fq_id_parse(FQ_ID_order, fq_json_member(item, "id")->text, &ids[(*count)++]));
    }
    const fq_json *told = fq_json_member(answer, "next");
    assert_int_equal(fq_json_member(answer, "has_more")->boolean, told->type == FQ_JSON_STRING);
    snprintf(next, FQ_ID_TEXT_MAX, "%.*s", FQ_STR_ARGS(told->text));
    free(list.rows);
    call_end(&rig);
}

static size_t walk(int shape, int64_t limit, uint64_t *ids) {
    char next[FQ_ID_TEXT_MAX] = "";
    fq_page page = {.limit = limit};
    size_t count = 0, pages = 0;
    do {
        char after[FQ_ID_TEXT_MAX];
        memcpy(after, next, sizeof(after));
        page.after = fq_str_of(after);
        read_page(shape, &page, ids, &count, next);
        assert_true(++pages <= items.count + 2);
    } while (next[0]);
    return count;
}

static void check_walk(int shape, int64_t limit) {
    uint64_t *ids = calloc(items.count + FQ_PAGE_LIMIT_MAX + 1, sizeof(uint64_t));
    assert_non_null(ids);
    const size_t count = walk(shape, limit, ids);
    size_t expected = 0;
    bool same = true;
    for (size_t i = items.count; i-- > 0;) {
        if (belongs(shape, &items.rows[i])) {
            same &= expected < count && ids[expected] == items.rows[i].id;
            expected++;
        }
    }
    assert_int_equal(count, expected);
    assert_true(same);
    free(ids);
}

static void test_walks(void **state) {
    (void)state;
    test_random random = test_random_start("lists");
    for (int run = 0; run < 60; run++) {
        make_items((size_t)test_random_below(&random, 260), 3, &random);
        for (int shape = 0; shape < 4; shape++) {
            items.tag = test_random_chance(&random, 2) ? -1 : 1;
            check_walk(shape, test_random_between(&random, 1, FQ_PAGE_LIMIT_MAX));
        }
        free(items.rows);
    }
}

// Of a rare filter a page looks at so many rows and no more; it may be empty, and the list still
// ends complete.
static void test_rare_filter(void **state) {
    (void)state;
    test_random random = test_random_start("rare filter");
    make_items(ITEMS_MAX, 900, &random);
    items.tag = 5;
    for (int shape = 0; shape < 4; shape++) {
        items.visited_max = 0;
        check_walk(shape, 3);
        assert_true(items.visited_max <= FQ_PAGE_LOOK_MAX + 1);
    }
    free(items.rows);
}

static void test_page_edges(void **state) {
    (void)state;
    test_random random = test_random_start("page edges");
    make_items(4, 1, &random);
    uint64_t ids[8];
    char next[FQ_ID_TEXT_MAX], last[FQ_ID_TEXT_MAX];
    // Exactly the last page: no more, whatever the source.
    for (int shape = 0; shape < 4; shape += 3) {
        size_t count = 0;
        read_page(shape, &(fq_page){.limit = 4}, ids, &count, next);
        assert_int_equal(count, 4);
        assert_string_equal(next, "");
        count = 0;
        read_page(shape, &(fq_page){.limit = 3}, ids, &count, next);
        assert_int_equal(count, 3);
        fq_id_text(FQ_ID_order, ids[2], last);
        assert_string_equal(next, last);
        // Behind the oldest there is nothing.
        fq_id_text(FQ_ID_order, items.rows[0].id, last);
        count = 0;
        read_page(shape, &(fq_page){.limit = 3, .after = fq_str_of(last)}, ids, &count, next);
        assert_int_equal(count, 0);
        assert_string_equal(next, "");
    }
    assert_int_equal(items.prepared, 14);
    free(items.rows);
}

static void test_times(void **state) {
    (void)state;
    test_random random = test_random_start("times");
    make_items(200, 1, &random);
    for (int run = 0; run < 200; run++) {
        fq_page page = {.limit = FQ_PAGE_LIMIT_MAX};
        const int64_t some_ms = fq_id_time_ms(items.rows[test_random_below(&random, 200)].id);
        const int64_t from_ms = some_ms + test_random_between(&random, -2, 2),
                      to_ms = from_ms + test_random_between(&random, -1, 60);
        page.created_from = from_ms;
        page.created_from_given = test_random_chance(&random, 3) ? FQ_ABSENT : FQ_GIVEN;
        page.created_to = to_ms;
        page.created_to_given =
            page.created_from_given == FQ_ABSENT || test_random_chance(&random, 2) ? FQ_GIVEN
                                                                                   : FQ_ABSENT;
        uint64_t ids[FQ_PAGE_LIMIT_MAX];
        size_t count = 0, expected = 0;
        char next[FQ_ID_TEXT_MAX];
        read_page(run % 2 ? 3 : 0, &page, ids, &count, next);
        for (size_t i = 200; i-- > 0;) {
            const int64_t at_ms = fq_id_time_ms(items.rows[i].id);
            if ((page.created_from_given != FQ_GIVEN || at_ms >= from_ms) &&
                (page.created_to_given != FQ_GIVEN || at_ms <= to_ms) &&
                expected < FQ_PAGE_LIMIT_MAX) {
                assert_true(expected < count && ids[expected] == items.rows[i].id);
                expected++;
            }
        }
        assert_int_equal(count, expected);
    }
    // Before there were ids, and after the last.
    static const int64_t edges[] = {INT64_C(-62135596800000), 0, FQ_EPOCH_MS,
                                    INT64_C(253402300799999)};
    for (size_t i = 0; i < 4; i++) {
        uint64_t ids[FQ_PAGE_LIMIT_MAX];
        char next[FQ_ID_TEXT_MAX];
        size_t from_count = 0, to_count = 0;
        read_page(
            0, &(fq_page){.limit = 100, .created_from = edges[i], .created_from_given = FQ_GIVEN},
            ids, &from_count, next);
        read_page(0, &(fq_page){.limit = 100, .created_to = edges[i], .created_to_given = FQ_GIVEN},
                  ids, &to_count, next);
        assert_int_equal(from_count, i < 3 ? 100 : 0);
        assert_int_equal(to_count, i < 3 ? 0 : 100);
    }
    free(items.rows);
}

static void test_errors(void **state) {
    (void)state;
    test_random random = test_random_start("list errors");
    make_items(5, 1, &random);
    static const struct {
        const char *after;
        fq_code scan_code, prepare_code, code;
    } rows[] = {
        {"pay_0000000000001", FQ_DONE, FQ_DONE, FQ_INVALID_FIELD},
        {"1", FQ_DONE, FQ_DONE, FQ_INVALID_FIELD},
        {"", FQ_UNAVAILABLE, FQ_DONE, FQ_UNAVAILABLE},
        {"", FQ_DONE, FQ_UNAVAILABLE, FQ_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int shape = 0; shape < 4; shape++) {
            call_rig rig;
            call_begin(&rig, "");
            rig.service.engine = &engine;
            items.scan_code = shape == 3 ? FQ_DONE : rows[i].scan_code;
            items.prepare_code = shape == 3 && i == 2 ? FQ_UNAVAILABLE : rows[i].prepare_code;
            const fq_page page = {.limit = 3, .after = fq_str_of(rows[i].after)};
            fq_list_of list = list_of(shape, &page);
            list.sources[0].value = list.sources[1].value = 0;
            if (shape == 1 || shape == 2) {
                list.sources[0].index = list.sources[1].index = NULL;
            }
            assert_int_equal(fq_list_answer(&rig.call, NULL, &list).code, rows[i].code);
            free(list.rows);
            call_end(&rig);
        }
    }
    free(items.rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks),      cmocka_unit_test(test_rare_filter),
        cmocka_unit_test(test_page_edges), cmocka_unit_test(test_times),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
