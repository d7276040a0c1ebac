// How answers look: width of wide characters, wrapping, tables, the progress line.
#include "cli/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// A call whose standard output is memory.
typedef struct {
    cli_call call;
    char *text;
    size_t bytes;
} page;

static void begin(page *it, fq_language language) {
    *it = (page){.call = {.language = language}};
    fq_arena_init(&it->call.arena, 1 << 20);
    it->call.out = open_memstream(&it->text, &it->bytes);
    assert_non_null(it->call.out);
}

static void expect(page *it, const char *text) {
    fflush(it->call.out);
    assert_string_equal(it->text, text);
    fclose(it->call.out);
    free(it->text);
    fq_arena_free(&it->call.arena);
}

static void wide_characters_take_two_columns(void **state) {
    (void)state;
    assert_int_equal(cli_width(FQ_STR("abc")), 3);
    assert_int_equal(cli_width(FQ_STR("飞钱")), 4);
    assert_int_equal(cli_width(FQ_STR("飞a钱")), 5);
    assert_int_equal(cli_width(FQ_STR("e\xCC\x81")), 1);  // e and a combining acute
    assert_int_equal(cli_width(FQ_STR("한국")), 4);
    assert_int_equal(cli_width(FQ_STR("\xFF\xFE")), 2);  // no UTF-8: one a byte
    assert_int_equal(cli_width(FQ_STR("")), 0);
}

static const cli_column columns[] = {{.heading = {"NAME", "名称"}},
                                     {.heading = {"AMOUNT", "金额"}, .right = true},
                                     {.heading = {"NOTE", "备注"}}};

static void add_rows(page *it, cli_table *table) {
    cli_table_begin(table, columns, 3);
    static const char *const cells[] = {"王芳", "1", "a", "Li", "12345", ""};
    for (size_t i = 0; i < 6; i++) {
        cli_table_add(&it->call, table, fq_str_of(cells[i]));
    }
    cli_table_print(&it->call, table);
}

static void tables_align_without_borders(void **state) {
    (void)state;
    page it;
    cli_table table;
    begin(&it, FQ_ENGLISH);
    add_rows(&it, &table);
    expect(&it, "NAME  AMOUNT  NOTE\n"
                "王芳       1  a\n"
                "Li     12345  \n");
    begin(&it, FQ_CHINESE);
    add_rows(&it, &table);
    expect(&it, "名称   金额  备注\n"
                "王芳      1  a\n"
                "Li    12345  \n");
}

static void tables_grow(void **state) {
    (void)state;
    page it;
    begin(&it, FQ_ENGLISH);
    cli_table table;
    cli_table_begin(&table, columns, 1);
    for (int i = 0; i < 1000; i++) {
        cli_table_add(&it.call, &table, fq_arena_printf(&it.call.arena, "%d", i));
    }
    assert_int_equal(table.cell_count, 1000);
    assert_true(fq_str_equal(table.cells[999], FQ_STR("999")));
    expect(&it, "");
}

static void facts_stand_one_a_line(void **state) {
    (void)state;
    page it;
    begin(&it, FQ_CHINESE);
    const cli_fact facts[] = {{{"id", "编号"}, FQ_STR("key_1")},
                              {{"algorithm", "算法名"}, FQ_STR("ed25519")}};
    cli_print_facts(&it.call, facts, 2);
    expect(&it, "编号    key_1\n算法名  ed25519\n");
}

static void text_wraps_at_eighty_columns(void **state) {
    (void)state;
    page it;
    begin(&it, FQ_ENGLISH);
    cli_print_wrapped(it.call.out, "one two", 0, 0);
    cli_print_wrapped(it.call.out, "first\n\nsecond", 4, 4);
    expect(&it, "one two\nfirst\n\n    second\n");
    begin(&it, FQ_ENGLISH);
    char words[] =
        "1234567 1234567 1234567 1234567 1234567 1234567 1234567 1234567 1234567 12345678 tail";
    cli_print_wrapped(it.call.out, words, 0, 2);
    expect(
        &it,
        "1234567 1234567 1234567 1234567 1234567 1234567 1234567 1234567 1234567 12345678\n  tail\n");
}

static void chinese_breaks_between_characters_but_not_before_marks(void **state) {
    (void)state;
    page it;
    begin(&it, FQ_CHINESE);
    cli_print_wrapped(it.call.out, "飞钱飞钱。", 74, 70);
    expect(&it,
           "飞钱飞\n                                                                      钱。\n");
}

static void colour_follows_the_flag(void **state) {
    (void)state;
    assert_true(cli_colour_wanted(stdout, "always"));
    assert_false(cli_colour_wanted(stdout, "never"));
    setenv("NO_COLOR", "1", 1);
    assert_false(cli_colour_wanted(stdout, "auto"));
    assert_true(cli_colour_wanted(stdout, "always"));
    assert_string_equal(cli_escape(false, CLI_RED), "");
    assert_string_equal(cli_escape(true, CLI_RED), "\033[31m");
}

static void progress_says_how_far_how_fast_how_long(void **state) {
    (void)state;
    char line[CLI_PROGRESS_LINE_MAX];
    cli_progress_line("Paying", 5200, 10000, 4000, line);
    assert_string_equal(
        line, "Paying  [============            ]  52 %  5,200/10,000  1,300/s  4 s left");
    cli_progress_line("Paying", 0, 10000, 1000, line);
    assert_string_equal(line, "Paying  [                        ]   0 %  0/10,000  0/s  ");
    cli_progress_line("Paying", 10000, 10000, 1000, line);
    assert_string_equal(line,
                        "Paying  [========================] 100 %  10,000/10,000  10,000/s  ");
    cli_progress_line("Reading", 1234567, 0, 1000, line);
    assert_string_equal(line, "Reading  1,234,567  1,234,567/s");
    cli_progress_line("Slow", 1, 100, 60000, line);
    assert_string_equal(line,
                        "Slow  [                        ]   1 %  1/100  0/s  1 h 39 min left");
    cli_progress_line("Much", UINT64_MAX, UINT64_MAX, 1, line);
    assert_non_null(strstr(line, "100 %"));
}

static void progress_is_silent_without_a_terminal(void **state) {
    (void)state;
    page it;
    begin(&it, FQ_ENGLISH);
    it.call.err = tmpfile();
    cli_progress progress;
    cli_progress_begin(&progress, &it.call, "Paying");
    cli_progress_at(&progress, 1, 2);
    cli_progress_end(&progress);
    assert_int_equal(ftell(it.call.err), 0);
    fclose(it.call.err);
    expect(&it, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_characters_take_two_columns),
        cmocka_unit_test(tables_align_without_borders),
        cmocka_unit_test(tables_grow),
        cmocka_unit_test(facts_stand_one_a_line),
        cmocka_unit_test(text_wraps_at_eighty_columns),
        cmocka_unit_test(chinese_breaks_between_characters_but_not_before_marks),
        cmocka_unit_test(colour_follows_the_flag),
        cmocka_unit_test(progress_says_how_far_how_fast_how_long),
        cmocka_unit_test(progress_is_silent_without_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
