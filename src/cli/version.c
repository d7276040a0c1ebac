// feiqian version: which program this is.
#include "base/json_writer.h"
#include "cli/output.h"

#include <openssl/crypto.h>

static cli_exit version(cli_call *call) {
    const fq_str openssl = fq_str_of(OpenSSL_version(OPENSSL_VERSION_STRING));
    if (!call->json) {
        fprintf(call->out, "feiqian %s (%s, OpenSSL %.*s)\n", FQ_PROGRAM_VERSION,
                FQ_PROGRAM_COMPILER, FQ_STR_ARGS(openssl));
        return CLI_DONE;
    }
    fq_buffer json __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&json, 1024);
    fq_json_writer writer = fq_json_writer_on(&json);
    fq_json_object_begin(&writer, NULL);
    fq_json_put_literal(&writer, "version", FQ_PROGRAM_VERSION);
    fq_json_put_literal(&writer, "compiler", FQ_PROGRAM_COMPILER);
    fq_json_put_text(&writer, "openssl", openssl);
    fq_json_object_end(&writer);
    cli_print_json(call, &json);
    return CLI_DONE;
}

const cli_command cli_version = {
    .verb = "version",
    .summary = {"Show the version of this program", "显示程序版本"},
    .examples = {{"feiqian version", {"For people", "供人阅读"}},
                 {"feiqian version --output json", {"For programs", "供程序读取"}}},
    .run = version,
};
