// The parser of flags and arguments: what it takes, and what it refuses and how it says so.
#include "cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static cli_exit nothing(cli_call *call) {
    (void)call;
    return CLI_DONE;
}

static const cli_flag flags[] = {
    {.name = "name", .kind = CLI_TEXT, .value = "TEXT", .help = {"A name.", "名称。"}},
    {.name = "count",
     .letter = 'n',
     .kind = CLI_INTEGER,
     .value = "N",
     .standard = "3",
     .minimum = 1,
     .maximum = 9,
     .help = {"How many.", "数量。"}},
    {.name = "share",
     .kind = CLI_DECIMAL,
     .value = "SHARE",
     .minimum = 0,
     .maximum = 1,
     .help = {"A share.", "比例。"}},
    {.name = "wait", .kind = CLI_DURATION, .value = "TIME", .help = {"How long.", "时长。"}},
    {.name = "colour", .kind = CLI_CHOICE, .value = "red|green", .help = {"Which.", "颜色。"}},
    {.name = "header",
     .kind = CLI_TEXT,
     .value = "LINE",
     .repeats = true,
     .help = {"A line.", "一行。"}},
    {.name = "loud", .kind = CLI_SWITCH, .help = {"Louder.", "大声。"}},
    {.name = NULL},
};

static const cli_argument arguments[] = {
    {.name = "FROM", .required = true, .help = {"From.", "从。"}},
    {.name = "TO", .choices = "here|there", .help = {"To.", "到。"}},
    {.name = NULL},
};

static const cli_command walk = {.noun = "dogs",
                                 .verb = "walk",
                                 .summary = {"Walk", "遛"},
                                 .flags = flags,
                                 .arguments = arguments,
                                 .settings = CLI_WITH_SETTINGS_LATER,
                                 .run = nothing};

// One parse; what was complained stands in `said`.
typedef struct {
    cli_call call;
    bool right;
    char *said;
    size_t said_bytes;
} attempt;

static void parse(attempt *it, const char *const *words) {
    *it = (attempt){.call = {.command = &walk, .language = FQ_ENGLISH}};
    fq_arena_init(&it->call.arena, 1 << 20);
    it->call.err = open_memstream(&it->said, &it->said_bytes);
    assert_non_null(it->call.err);
    char *copy[16] = {0};
    int count = 0;
    for (; words[count]; count++) {
        copy[count] = fq_arena_text(&it->call.arena, fq_str_of(words[count]));
    }
    it->right = cli_parse(&it->call, count, copy);
    fflush(it->call.err);
}

static void end(attempt *it) {
    fclose(it->call.err);
    free(it->said);
    fq_arena_free(&it->call.arena);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void values_are_taken_in_each_way_of_writing(void **state) {
    (void)state;
    attempt it;
    parse(&it, WORDS("--name", "x", "-n5", "--share=0.25", "--wait", "2s", "--colour=green",
                     "--loud", "a", "there"));
    assert_true(it.right);
    assert_string_equal(cli_text(&it.call, "name"), "x");
    assert_int_equal(cli_integer(&it.call, "count", 0), 5);
    assert_true(cli_decimal(&it.call, "share", 0) == 0.25);
    assert_int_equal(cli_duration_ms(&it.call, "wait", 0), 2000);
    assert_string_equal(cli_text(&it.call, "colour"), "green");
    assert_true(cli_switch(&it.call, "loud"));
    assert_int_equal(it.call.argument_count, 2);
    assert_string_equal(it.call.arguments[1], "there");
    end(&it);
}

static void defaults_stand_where_nothing_was_typed(void **state) {
    (void)state;
    attempt it;
    parse(&it, WORDS("a"));
    assert_true(it.right);
    assert_int_equal(cli_integer(&it.call, "count", 0), 3);
    assert_false(cli_given_flag(&it.call, "count"));
    assert_null(cli_text(&it.call, "name"));
    assert_int_equal(cli_duration_ms(&it.call, "wait", 7), 7);
    assert_false(cli_switch(&it.call, "loud"));
    end(&it);
}

static void what_repeats_is_kept_in_order(void **state) {
    (void)state;
    attempt it;
    parse(&it, WORDS("--header", "a: 1", "--header=b: 2", "x"));
    assert_true(it.right);
    assert_string_equal(cli_text_at(&it.call, "header", 0), "a: 1");
    assert_string_equal(cli_text_at(&it.call, "header", 1), "b: 2");
    assert_null(cli_text_at(&it.call, "header", 2));
    end(&it);
}

static void two_dashes_end_the_flags(void **state) {
    (void)state;
    attempt it;
    parse(&it, WORDS("--", "--name"));
    assert_true(it.right);
    assert_string_equal(it.call.arguments[0], "--name");
    end(&it);
    parse(&it, WORDS("-"));
    assert_true(it.right);
    assert_string_equal(it.call.arguments[0], "-");
    end(&it);
}

static void help_needs_nothing_else(void **state) {
    (void)state;
    attempt it;
    parse(&it, WORDS("--help"));
    assert_true(it.right);
    assert_true(it.call.help);
    end(&it);
}

static void settings_are_kept_for_later(void **state) {
    (void)state;
    attempt it;
    parse(&it, WORDS("--log-level", "debug", "a"));
    assert_true(it.right);
    assert_int_equal(it.call.given_count, 1);
    assert_string_equal(it.call.given[0].name, "--log-level");
    assert_string_equal(it.call.given[0].text, "debug");
    end(&it);
}

static void each_fault_is_told(void **state) {
    (void)state;
    static const struct {
        const char *words[4];
        const char *said;
    } rows[] = {
        {{"--nam", "x"}, "feiqian dogs walk: there is no flag --nam; did you mean --name?\n"},
        {{"--nothing-like-it"},
         "feiqian dogs walk: there is no flag --nothing-like-it; see --help\n"},
        {{"-x"}, "feiqian dogs walk: there is no flag -x; see --help\n"},
        {{"--name"}, "feiqian dogs walk: --name needs a value\n"},
        {{"--name", "--loud"}, "feiqian dogs walk: --name needs a value\n"},
        {{"--loud=1"}, "feiqian dogs walk: --loud takes no value\n"},
        {{"--name", "a", "--name=b"}, "feiqian dogs walk: --name stands there twice\n"},
        {{"--count", "10"}, "feiqian dogs walk: --count wants a number from 1 to 9\n"},
        {{"--count", "0"}, "feiqian dogs walk: --count wants a number from 1 to 9\n"},
        {{"--count", "3x"}, "feiqian dogs walk: --count wants a number from 1 to 9\n"},
        {{"--count", ""}, "feiqian dogs walk: --count wants a number from 1 to 9\n"},
        {{"--share", "1.5"}, "feiqian dogs walk: --share wants a number from 0 to 1\n"},
        {{"--share", "."}, "feiqian dogs walk: --share wants a number from 0 to 1\n"},
        {{"--share", "1e-1"}, "feiqian dogs walk: --share wants a number from 0 to 1\n"},
        {{"--share", "nan"}, "feiqian dogs walk: --share wants a number from 0 to 1\n"},
        {{"--wait", "5"}, "feiqian dogs walk: --wait wants a time such as 30s or 5m\n"},
        {{"--colour", "gre"}, "feiqian dogs walk: --colour wants red|green\n"},
        {{"a", "here", "c"}, "feiqian dogs walk: 'c' is one word too many\n"},
        {{"a", "nowhere"}, "feiqian dogs walk: TO is one of here|there\n"},
        {{"--loud"}, "feiqian dogs walk: FROM is required; see --help\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        attempt it;
        parse(&it, rows[i].words);
        assert_false(it.right);
        assert_string_equal(it.said, rows[i].said);
        end(&it);
    }
}

static void too_many_flags_are_refused(void **state) {
    (void)state;
    attempt it;
    parse(&it, WORDS("a"));
    char *many[2 * CLI_GIVEN_MAX + 2];
    for (int i = 0; i < CLI_GIVEN_MAX + 1; i++) {
        many[2 * i] = fq_arena_text(&it.call.arena, FQ_STR("--header"));
        many[2 * i + 1] = fq_arena_text(&it.call.arena, FQ_STR("x"));
    }
    assert_false(cli_parse(&it.call, 2 * CLI_GIVEN_MAX + 2, many));
    end(&it);
}

static void commands_are_found_by_their_words(void **state) {
    (void)state;
    assert_non_null(cli_find_command(NULL, "verify"));
    assert_non_null(cli_find_command("config", "show"));
    assert_null(cli_find_command("config", "verify"));
    assert_null(cli_find_command("verify", NULL));
    assert_non_null(cli_find_noun("config"));
    assert_null(cli_find_noun("verify"));
}

// What help, completions and man pages rely on.
static void every_command_says_all_of_itself(void **state) {
    (void)state;
    size_t count;
    const cli_command *const *commands = cli_commands(&count);
    for (size_t i = 0; i < count; i++) {
        const cli_command *command = commands[i];
        assert_non_null(command->verb);
        assert_non_null(command->run);
        assert_true(!command->noun || cli_find_noun(command->noun) != NULL);
        for (int language = 0; language < 2; language++) {
            assert_non_null(command->summary[language]);
            assert_true((command->about[0] == NULL) == (command->about[language] == NULL));
            for (int k = 0; k < CLI_EXAMPLES; k++) {
                assert_non_null(command->examples[k].help[language]);
            }
            for (const cli_flag *flag = command->flags; flag && flag->name; flag++) {
                assert_non_null(flag->help[language]);
                assert_true((flag->kind == CLI_SWITCH) == (flag->value == NULL));
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_in_each_way_of_writing),
        cmocka_unit_test(defaults_stand_where_nothing_was_typed),
        cmocka_unit_test(what_repeats_is_kept_in_order),
        cmocka_unit_test(two_dashes_end_the_flags),
        cmocka_unit_test(help_needs_nothing_else),
        cmocka_unit_test(settings_are_kept_for_later),
        cmocka_unit_test(each_fault_is_told),
        cmocka_unit_test(too_many_flags_are_refused),
        cmocka_unit_test(commands_are_found_by_their_words),
        cmocka_unit_test(every_command_says_all_of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
