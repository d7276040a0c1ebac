// One operation, beside a running server or without one.
#include "cli/operate.h"

#include "base/log.h"
#include "cli/databases.h"
#include "crypto/crypto.h"
#include "crypto/digest.h"
#include "house/control.h"
#include "house/operations.h"

#include <sys/stat.h>
#include <unistd.h>

// Of 10,000 listed keys.
static const fq_json_limits limits = {.depth_max = FQ_JSON_DEPTH_MAX, .values_max = 200000};

void cli_prepare_data_command(void) {
    fq_log_configure(STDERR_FILENO, FQ_LOG_WARN, FQ_LOG_PLAIN);
    fq_crypto_init();
    umask(077);
}

// No server runs: this process is the one that has the data open, for as long as this takes.
static fq_err operate_here(cli_call *call, bool make, fq_str request, fq_str *out_answer) {
    fq_settings settings = call->config.settings;
    fq_house *house;
    fq_buffer answer;
    settings.store_migrate = settings.store_migrate && make;
    FQ_TRY(fq_house_open_for_command(&settings, FQ_HOUSE_USER, &house));
    const fq_err err = fq_house_start_writers(house);
    if (!err.code) {
        fq_buffer_init(&answer, FQ_CONTROL_ANSWER_BYTES_MAX);
        fq_house_operate(house, request, &call->arena, &answer);
        *out_answer = fq_arena_copy(&call->arena, fq_buffer_str(&answer));
        fq_wipe(answer.at, answer.capacity);
        fq_buffer_free(&answer);
    }
    fq_house_close(house);
    return err;
}

// What is not there (a key: 401, a user: 404) is an answer too: no. So is an algorithm that the
// parser knows and the data's mode does not allow.
static cli_exit exit_of(int status, const fq_json *param) {
    if (status == 401 || status == 404 ||
        (param && fq_str_equal(param->text, FQ_STR("algorithm")))) {
        return CLI_NO;
    }
    return status == 400 ? CLI_USAGE : status >= 500 ? CLI_UNREACHABLE : CLI_REFUSED;
}

static cli_exit complain_refusal(cli_call *call, const fq_json *answer) {
    static const char *const names[] = {[FQ_ENGLISH] = "en", [FQ_CHINESE] = "zh"};
    const fq_json *code = fq_json_member(answer, "code");
    const fq_json *detail = fq_json_member(fq_json_member(answer, "detail"), names[call->language]);
    cli_complain(call, "{0}", "{0}", detail ? fq_arena_text(&call->arena, detail->text) : "?",
                 NULL);
    for (fq_code i = FQ_DONE + 1; code && i < FQ_CODE_COUNT; i++) {
        if (fq_str_equal(code->text, fq_str_of(fq_error_row_of(i)->name))) {
            return exit_of(fq_error_row_of(i)->status, fq_json_member(answer, "param"));
        }
    }
    return CLI_REFUSED;
}

cli_exit cli_operate(cli_call *call, bool make, fq_str request, fq_str *out_text,
                     const fq_json **out_done) {
    const fq_str beginning = FQ_STR("{\"done\":");
    const fq_settings *settings = &call->config.settings;
    fq_str text = {0};
    const fq_json *answer;
    cli_prepare_data_command();
    fq_err err =
        fq_control_call(fq_house_where(settings, FQ_SERVICE_USER), request, &call->arena, &text);
    if (err.code == FQ_UNAVAILABLE) {
        err = operate_here(call, make, request, &text);
    }
    if (!err.code) {
        err = fq_json_parse(&call->arena, text, limits, &answer);
    }
    if (err.code) {
        cli_complain_database(call, FQ_SERVICE_USER, err);
        return CLI_UNREACHABLE;
    }
    *out_done = fq_json_member(answer, "done");
    if (!*out_done) {
        return complain_refusal(call, answer);
    }
    *out_text = (fq_str){text.at + beginning.len, text.len - beginning.len - 1};
    return CLI_DONE;
}
