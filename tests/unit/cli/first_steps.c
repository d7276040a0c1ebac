// The lines a newcomer pastes: they are run here by every shell at hand, with a curl that answers
// as the server would.
#include "cli/first_steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// Writes down what it was asked, and gives each path an id of its kind. The longest id stands first
// in the answer, a member that only looks like one behind it.
static const char fake_curl[] =
    "#!/bin/sh\n"
    "for word; do printf '%s|' \"$word\"; done >>\"$LOG\"\n"
    "echo >>\"$LOG\"\n"
    "case \"$*\" in\n"
    "*/v1/users*Ann*) id=usr_0000000000001 ;;\n"
    "*/v1/users*Bob*) id=usr_0000000000002 ;;\n"
    "*/v1/orders*) id=ord_0000000000003 ;;\n"
    "*/v1/payments*) id=pay_0000000000004 ;;\n"
    "*) id=top_0000000000005 ;;\n"
    "esac\n"
    "printf '{\"id\":\"%s\",\"payee_id\":\"usr_9999999999999\",\"metadata\":{}}' \"$id\"\n";

typedef struct {
    char folder[64], script[80], curl[80], log[80];
} world;

static void write_file(const char *path, const char *text, size_t len, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int begin(void **state) {
    world *w = calloc(1, sizeof(*w));
    snprintf(w->folder, sizeof(w->folder), "/tmp/feiqian-steps-XXXXXX");
    if (!w || !mkdtemp(w->folder)) {
        return -1;
    }
    snprintf(w->script, sizeof(w->script), "%s/steps", w->folder);
    snprintf(w->curl, sizeof(w->curl), "%s/curl", w->folder);
    snprintf(w->log, sizeof(w->log), "%s/log", w->folder);
    write_file(w->curl, fake_curl, sizeof(fake_curl) - 1, 0700);
    *state = w;
    return 0;
}

static int end(void **state) {
    world *w = *state;
    unlink(w->script);
    unlink(w->curl);
    unlink(w->log);
    rmdir(w->folder);
    free(w);
    return 0;
}

static void run(const world *w, const char *shell, fq_language language, fq_buffer *out_log) {
    char command[400];
    fq_buffer text;
    fq_buffer_init(&text, 16 << 10);
    cli_first_steps_text("http://127.0.0.1:8080", FQ_STR("fq_test_TOKEN"), language, &text);
    assert_false(text.overflowed);
    write_file(w->script, text.at, text.len, 0600);
    fq_buffer_free(&text);
    unlink(w->log);
    snprintf(command, sizeof(command), "LOG=%s PATH=%s:$PATH %s %s >%s/out 2>&1", w->log, w->folder,
             shell, w->script, w->folder);
    assert_int_equal(system(command), 0);
    FILE *log = fopen(w->log, "r");
    assert_non_null(log);
    fq_buffer_init(out_log, 64 << 10);
    out_log->len = fread(fq_buffer_reserve(out_log, 32 << 10), 1, 32 << 10, log);
    fq_buffer_add_char(out_log, '\0');
    fclose(log);
    snprintf(command, sizeof(command), "%s/out", w->folder);
    unlink(command);
}

static void expect_steps(const char *log) {
    static const char *const steps[] = {
        "http://127.0.0.1:8080/v1/users|-H|Authorization: Bearer fq_test_TOKEN|",
        "{\"name\":\"Bob\",\"roles\":[\"merchant\"]}|",
        "/v1/topups|-H|Authorization: Bearer fq_test_TOKEN|-H|Content-Type: application/json|-H|"
        "Idempotency-Key: topup-usr_0000000000001|-d|{\"user_id\":\"usr_0000000000001\",",
        "{\"payee_id\":\"usr_0000000000002\",\"amount\":1999,",
        "Idempotency-Key: pay-ord_0000000000003|-d|{\"order_id\":\"ord_0000000000003\","
        "\"user_id\":\"usr_0000000000001\",\"amount\":1999,",
        "/v1/payments/pay_0000000000004|",
        "Idempotency-Key: refund-pay_0000000000004|-d|{\"payment_id\":\"pay_0000000000004\","
        "\"amount\":500}|",
        "/v1/users/usr_0000000000001/balances|",
        "/v1/users/usr_0000000000002/balances|",
        "/v1/payments/pay_0000000000004/entries|",
        "/v1/events|",
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const char *found = strstr(log, steps[i]);
        if (!found) {
            fail_msg("step %zu is not there: %s\n%s", i, steps[i], log);
        }
        log = found;
    }
}

static void test_every_shell_runs_them(void **state) {
    static const char *const shells[] = {"sh", "bash", "dash", "zsh", "busybox sh"};
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        char command[80];
        fq_buffer log;
        snprintf(command, sizeof(command), "%s -c : 2>/dev/null", shells[i]);
        if (system(command) != 0) {
            continue;  // not installed here
        }
        run(*state, shells[i], FQ_ENGLISH, &log);
        expect_steps(log.at);
        fq_buffer_free(&log);
        run(*state, shells[i], FQ_CHINESE, &log);
        expect_steps(log.at);
        fq_buffer_free(&log);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_shell_runs_them, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
