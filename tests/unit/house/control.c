// The control socket with a real house behind it: what is asked, who may ask, and what is left when
// a server was killed.
#include "house/control.h"

#include "base/json.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    char top[64], folder[512];
    fq_config config;
    fq_house *house;
    fq_control *control;
    fq_arena arena;
} world;

// The data folder is further away than a socket's address can say.
static int begin(void **state) {
    world *w = calloc(1, sizeof(*w));
    snprintf(w->top, sizeof(w->top), "/tmp/feiqian-control-XXXXXX");
    if (!w || !mkdtemp(w->top)) {
        return -1;
    }
    snprintf(w->folder, sizeof(w->folder), "%s/%0120d", w->top, 0);
    fq_crypto_init();
    fq_arena_init(&w->arena, 16 << 20);
    fq_config_init(&w->config);
    w->config.settings.server_data = w->folder;
    assert_int_equal(fq_house_open(&w->config.settings, FQ_HOUSE_USER, &w->house).code, FQ_DONE);
    assert_int_equal(fq_house_start_writers(w->house).code, FQ_DONE);
    assert_int_equal(fq_control_start(w->house, w->folder, &w->control).code, FQ_DONE);
    assert_non_null(w->control);
    *state = w;
    return 0;
}

static int end(void **state) {
    world *w = *state;
    char command[96];
    fq_control_stop(w->control);
    fq_house_close(w->house);
    fq_config_free(&w->config);
    fq_arena_free(&w->arena);
    snprintf(command, sizeof(command), "rm -r %s", w->top);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static const fq_json *ask(world *w, const char *request) {
    fq_str text;
    const fq_json *answer;
    assert_int_equal(fq_control_call(w->folder, fq_str_of(request), &w->arena, &text).code,
                     FQ_DONE);
    assert_int_equal(fq_json_parse(&w->arena, text, FQ_JSON_REQUEST, &answer).code, FQ_DONE);
    return answer;
}

static void expect_refused(world *w, const char *request, const char *code) {
    const fq_json *answer = ask(w, request);
    assert_null(fq_json_member(answer, "done"));
    const fq_json *said = fq_json_member(answer, "code");
    assert_non_null(said);
    assert_true(fq_str_equal(said->text, fq_str_of(code)));
    assert_non_null(fq_json_member(fq_json_member(answer, "detail"), "zh"));
}

static fq_str member(const fq_json *object, const char *name) {
    const fq_json *found = fq_json_member(object, name);
    assert_non_null(found);
    return found->text;
}

static void test_a_keys_life(void **state) {
    world *w = *state;
    char request[128];
    const fq_json *made = fq_json_member(
        ask(w, "{\"operation\":\"keys.create\",\"scope\":\"admin\",\"algorithm\":\"bearer\"}"),
        "done");
    assert_true(fq_str_starts(member(made, "id"), FQ_STR("key_")));
    assert_true(fq_str_starts(member(made, "secret"), FQ_STR("fq_test_")));
    snprintf(request, sizeof(request), "{\"operation\":\"keys.revoke\",\"id\":\"%.*s\"}",
             FQ_STR_ARGS(member(made, "id")));
    assert_non_null(fq_json_member(ask(w, request), "done"));
    const fq_json *keys =
        fq_json_member(fq_json_member(ask(w, "{\"operation\":\"keys.list\"}"), "done"), "data");
    assert_int_equal(keys->count, 1);
    assert_true(fq_str_equal(member(keys->first, "status"), FQ_STR("revoked")));
    assert_null(fq_json_member(keys->first, "secret"));
    assert_non_null(fq_json_member(ask(w, "{\"operation\":\"keys.rotate_data\"}"), "done"));
}

static void test_what_is_refused(void **state) {
    world *w = *state;
    expect_refused(w, "", "malformed_json");
    expect_refused(w, "[]", "malformed_json");
    expect_refused(w, "{}", "missing_field");
    expect_refused(w, "{\"operation\":\"keys.drop\"}", "invalid_field");
    expect_refused(w, "{\"operation\":\"keys.list\",\"more\":1}", "unknown_field");
    expect_refused(w, "{\"operation\":\"keys.revoke\"}", "missing_field");
    expect_refused(w, "{\"operation\":\"keys.revoke\",\"id\":\"key_0123456789012\"}",
                   "key_unknown");
    expect_refused(w, "{\"operation\":\"keys.create\",\"scope\":\"king\",\"algorithm\":\"bearer\"}",
                   "invalid_field");
}

static void test_too_much_gets_no_answer(void **state) {
    world *w = *state;
    fq_str answer, request = {.len = 2 * FQ_CONTROL_REQUEST_BYTES_MAX};
    request.at = fq_arena_alloc(&w->arena, request.len);
    assert_int_equal(fq_control_call(w->folder, request, &w->arena, &answer).code, FQ_STORE_LOST);
    assert_non_null(fq_json_member(ask(w, "{\"operation\":\"keys.list\"}"), "done"));
}

static void test_only_its_owner_may_open_it(void **state) {
    const world *w = *state;
    char path[600];
    struct stat about;
    snprintf(path, sizeof(path), "%s/control.sock", w->folder);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
}

static void test_no_server(void **state) {
    world *w = *state;
    fq_str answer;
    const fq_str request = FQ_STR("{\"operation\":\"keys.list\"}");
    fq_control_stop(w->control);
    w->control = NULL;
    assert_int_equal(fq_control_call(w->folder, request, &w->arena, &answer).code, FQ_UNAVAILABLE);
    assert_int_equal(fq_control_call("/nowhere", request, &w->arena, &answer).code, FQ_UNAVAILABLE);
    assert_int_equal(fq_control_call("postgresql://db/feiqian", request, &w->arena, &answer).code,
                     FQ_UNAVAILABLE);
}

// A server that was killed leaves its socket: nobody answers there, and the next server takes its
// place.
static void test_a_stale_socket(void **state) {
    world *w = *state;
    fq_str answer;
    char target[600];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    fq_control_stop(w->control);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", w->top);
    const int left = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(left, (const struct sockaddr *)&address, sizeof(address)), 0);
    snprintf(target, sizeof(target), "%s/control.sock", w->folder);
    assert_int_equal(rename(address.sun_path, target), 0);
    close(left);
    assert_int_equal(
        fq_control_call(w->folder, FQ_STR("{\"operation\":\"keys.list\"}"), &w->arena, &answer)
            .code,
        FQ_UNAVAILABLE);
    assert_int_equal(fq_control_start(w->house, w->folder, &w->control).code, FQ_DONE);
    assert_non_null(fq_json_member(ask(w, "{\"operation\":\"keys.list\"}"), "done"));
}

static void test_none_where_the_data_are_elsewhere(void **state) {
    const world *w = *state;
    fq_control *control;
    assert_int_equal(fq_control_start(w->house, "postgresql://db/feiqian", &control).code, FQ_DONE);
    assert_null(control);
    fq_control_stop(control);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_keys_life, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_too_much_gets_no_answer, begin, end),
        cmocka_unit_test_setup_teardown(test_only_its_owner_may_open_it, begin, end),
        cmocka_unit_test_setup_teardown(test_no_server, begin, end),
        cmocka_unit_test_setup_teardown(test_a_stale_socket, begin, end),
        cmocka_unit_test_setup_teardown(test_none_where_the_data_are_elsewhere, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
