// Rows as data: columns, records of rows, and what damaged records do.
#include "store/table.h"

#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SAMPLE_COLUMNS(C, R)          \
    C(R, uint64_t, id, FQ_KEY)        \
    C(R, uint8_t, tiny, FQ_FIXED)     \
    C(R, fq_str, name, FQ_FIXED)      \
    C(R, uint16_t, kind, FQ_TOLD)     \
    C(R, uint8_t, status, FQ_CHANGES) \
    C(R, uint32_t, count, FQ_CHANGES) \
    C(R, int64_t, amount, FQ_CHANGES) \
    C(R, fq_str, note, FQ_CHANGES)    \
    C(R, uint64_t, version, FQ_CHANGES)
FQ_ROW(sample_row, SAMPLE_COLUMNS)
static const fq_column columns[] = {FQ_COLUMNS(sample_row, SAMPLE_COLUMNS)};
static const fq_table sample_table = {
    .name = "sample", .key_count = 1, FQ_TABLE_OF(sample_row, columns)};

// The same before its last two columns were added, and what a follower knows of it.
static const fq_table older_table = {.name = "older",
                                     .key_count = 1,
                                     .columns = columns,
                                     .column_count = 7,
                                     .row_bytes = sizeof(sample_row)};

static sample_row row_of(const fq_table *table) {
    return (sample_row){.row = {.table = table}};
}

static void fill(sample_row *row, test_random *random, fq_arena *arena) {
    row->id = test_random_u64(random);
    row->tiny = (uint8_t)test_random_u64(random);
    row->kind = (uint16_t)test_random_u64(random);
    row->status = (uint8_t)test_random_u64(random);
    row->count = (uint32_t)test_random_u64(random);
    row->amount = test_random_amount(random);
    row->version = test_random_u64(random) >> test_random_below(random, 64);
    fq_str *texts[] = {&row->name, &row->note};
    for (size_t i = 0; i < 2; i++) {
        const size_t len = (size_t)test_random_below(random, 300);
        char *at = fq_arena_alloc(arena, len + 1);
        for (size_t j = 0; j < len; j++) {
            at[j] = (char)test_random_u64(random);
        }
        *texts[i] = (fq_str){at, len};
    }
}

static bool told_equal(const sample_row *a, const sample_row *b) {
    return a->kind == b->kind && a->status == b->status && a->count == b->count &&
           a->amount == b->amount && fq_str_equal(a->note, b->note) && a->version == b->version;
}

static void test_columns(void **state) {
    (void)state;
    test_random random = test_random_start("columns");
    sample_row row = row_of(&sample_table);
    static const struct {
        const char *name;
        uint64_t mask;
    } rows[] = {
        {"tiny", UINT8_MAX}, {"kind", UINT16_MAX}, {"count", UINT32_MAX}, {"amount", UINT64_MAX}};
    for (int run = 0; run < 2000; run++) {
        const int64_t value = (int64_t)test_random_u64(&random);
        for (size_t i = 0; i < 4; i++) {
            const fq_column *column = fq_table_column(&sample_table, rows[i].name);
            fq_column_set_integer(&row.row, column, value);
            assert_true(fq_column_integer(&row.row, column) ==
                        (int64_t)((uint64_t)value & rows[i].mask));
        }
        assert_true(row.amount == value && row.tiny == (uint8_t)value);
    }
    const fq_column *name = fq_table_column(&sample_table, "name");
    fq_column_set_bytes(&row.row, name, FQ_STR("tea"));
    assert_true(fq_str_equal(fq_column_bytes(&row.row, name), FQ_STR("tea")));
}

static void test_told_round_trip(void **state) {
    (void)state;
    test_random random = test_random_start("told records");
    for (int run = 0; run < 2000; run++) {
        fq_arena arena;
        fq_arena_init(&arena, 1 << 20);
        fq_buffer bytes;
        fq_buffer_init(&bytes, 1 << 16);
        sample_row row = row_of(&sample_table), back = row_of(&sample_table);
        fill(&row, &random, &arena);
        fq_row_encode_told(&row.row, &bytes);
        back.id = row.id;
        back.tiny = 9;
        back.name = FQ_STR("kept");
        assert_true(fq_row_apply_told(&back.row, fq_buffer_str(&bytes)));
        assert_true(told_equal(&row, &back));
        assert_int_equal(back.tiny, 9);
        assert_true(fq_str_equal(back.name, FQ_STR("kept")));
        // The leaf of the audit chain has all columns: another value is another leaf.
        fq_buffer leaf, other;
        fq_buffer_init(&leaf, 1 << 16);
        fq_buffer_init(&other, 1 << 16);
        fq_row_encode(&row.row, &leaf);
        row.tiny ^= 1;
        fq_row_encode(&row.row, &other);
        assert_false(fq_str_equal(fq_buffer_str(&leaf), fq_buffer_str(&other)));
        fq_buffer_free(&leaf);
        fq_buffer_free(&other);
        fq_buffer_free(&bytes);
        fq_arena_free(&arena);
    }
}

// A newer binary reads an older record: columns that it lacks keep their values. The other way
// round only as a prefix.
static void test_older_and_newer(void **state) {
    (void)state;
    fq_buffer bytes;
    fq_buffer_init(&bytes, 1 << 16);
    sample_row older = row_of(&older_table), newer = row_of(&sample_table);
    older.kind = 3;
    older.amount = -5;
    fq_row_encode_told(&older.row, &bytes);
    newer.note = FQ_STR("kept");
    newer.version = 7;
    assert_true(fq_row_apply_told(&newer.row, fq_buffer_str(&bytes)));
    assert_int_equal(newer.amount, -5);
    assert_int_equal(newer.version, 7);
    assert_true(fq_str_equal(newer.note, FQ_STR("kept")));
    fq_buffer_clear(&bytes);
    newer.amount = 44;
    fq_row_encode_told(&newer.row, &bytes);
    assert_false(fq_row_apply_told(&older.row, fq_buffer_str(&bytes)));
    assert_true(fq_row_apply_told_prefix(&older.row, fq_buffer_str(&bytes)));
    assert_int_equal(older.amount, 44);
    fq_buffer_free(&bytes);
}

// Whatever the bytes are: read within them, and every cut that is not at the end of a column is
// found.
static void test_damaged_records(void **state) {
    (void)state;
    test_random random = test_random_start("damaged records");
    for (int run = 0; run < 3000; run++) {
        fq_arena arena;
        fq_arena_init(&arena, 1 << 20);
        fq_buffer bytes;
        fq_buffer_init(&bytes, 1 << 16);
        sample_row row = row_of(&sample_table), back = row_of(&sample_table);
        fill(&row, &random, &arena);
        fq_row_encode_told(&row.row, &bytes);
        const size_t len = (size_t)test_random_below(&random, bytes.len + 1);
        char *copy = malloc(len ? len : 1);  // of its own, so that a read beyond is seen
        assert_non_null(copy);
        memcpy(copy, bytes.at, len);
        const bool whole = fq_row_apply_told(&back.row, (fq_str){copy, len});
        if (len == bytes.len) {
            assert_true(whole && told_equal(&row, &back));
        }
        for (size_t i = 0; i < len && i < 8; i++) {
            copy[test_random_below(&random, len)] = (char)test_random_u64(&random);
        }
        (void)fq_row_apply_told(&back.row, (fq_str){copy, len});
        (void)fq_row_apply_told_prefix(&back.row, (fq_str){copy, len});
        free(copy);
        fq_buffer_free(&bytes);
        fq_arena_free(&arena);
    }
    sample_row row = row_of(&sample_table);
    static const fq_str damaged[] = {
        {"\x80", 1},                                           // a number that does not end
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},  // nor within 64 bits
        {"\x02\x02\x02\x02\x05"
         "abcd",
         9},  // bytes that are not there
        {"\x02\x02\x02\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 14},
        {"\x02\x02\x02\x02\x00\x02\x02", 7},  // something behind
    };
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        assert_false(fq_row_apply_told(&row.row, damaged[i]));
    }
    assert_true(fq_row_apply_told(&row.row, (fq_str){NULL, 0}));
}

static void test_copy_owns_its_bytes(void **state) {
    (void)state;
    fq_arena arena;
    fq_arena_init(&arena, 1 << 20);
    char text[] = "tea";
    sample_row *row = (sample_row *)fq_row_make(&sample_table, &arena);
    assert_int_equal(row->row.state, FQ_ROW_ABSENT);
    row->name = (fq_str){text, 3};
    row->row.before = row;
    row->amount = 12;
    const sample_row *copy = (const sample_row *)fq_row_copy(&row->row, &arena);
    memcpy(text, "xxx", 3);
    assert_true(fq_str_equal(copy->name, FQ_STR("tea")));
    assert_int_equal(copy->amount, 12);
    assert_null(copy->row.before);
    fq_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_told_round_trip),
        cmocka_unit_test(test_older_and_newer),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_copy_owns_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
