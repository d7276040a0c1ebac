// The event feed's cursor: what is taken, and what is told as the next.
#include "service/events.h"

#include "call_rig.h"

#include <stdio.h>

// The feed of a process without services: nothing new, and the cursor as it was understood.
static fq_code ask(const char *query, char next[64]) {
    call_rig rig;
    call_begin(&rig, query);
    const fq_err err = fq_events_list(&rig.call, NULL);
    if (!err.code) {
        const fq_json *answer = call_answer(&rig);
        const fq_json *data = fq_json_member(answer, "data"),
                      *more = fq_json_member(answer, "has_more");
        assert_int_equal(data->count, 0);
        assert_false(more->boolean);
        snprintf(next, 64, "%.*s", FQ_STR_ARGS(fq_json_member(answer, "next")->text));
    }
    call_end(&rig);
    return err.code;
}

static void test_cursors(void **state) {
    (void)state;
    static const struct {
        const char *query, *next;
    } rows[] = {
        {"", "0.0.0"},
        {"from=0.0.0", "0.0.0"},
        {"from=1.22.333", "1.22.333"},
        {"limit=100&from=9223372036854775807.0.1", "9223372036854775807.0.1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char next[64];
        assert_int_equal(ask(rows[i].query, next), FQ_DONE);
        assert_string_equal(next, rows[i].next);
    }
    static const char *const wrong[] = {
        "from=",
        "from=1",
        "from=1.2",
        "from=1.",
        "from=1.2.",
        "from=.1.2",
        "from=1..2",
        "from=1.2.3.",
        "from=1.2.3.4",
        "from=a.b.c",
        "from=-1.0.0",
        "from=01.0.0",
        "from=1.0.0x",
        "from=9223372036854775808.0.0",
        "from=18446744073709551616.0.0",
        "limit=0",
        "limit=101",
        "after=1.0.0",
        "from=1.2.3&from=1.2.3",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char next[64];
        assert_int_equal(ask(wrong[i], next), FQ_INVALID_FIELD);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cursors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
