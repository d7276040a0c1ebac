// Reads keys from files for the commands that sign and verify. Keeps nothing: the call's arena is
// wiped at the end.
#include "cli/key_file.h"

#include "base/json.h"
#include "crypto/digest.h"

enum { KEY_FILE_BYTES_MAX = FQ_PEM_BYTES_MAX };

static bool read_key_file(cli_call *call, const char *path, fq_str *out, cli_exit *out_code) {
    *out_code = CLI_UNREACHABLE;
    return cli_read_file(call, path, KEY_FILE_BYTES_MAX, out);
}

static fq_str trim_lines(fq_str text) {
    while (text.len > 0 && strchr(" \t\r\n", text.at[text.len - 1])) {
        text.len--;
    }
    return fq_str_trim(text);
}

bool cli_decode_secret(cli_call *call, fq_str text, const char *path, fq_str *out,
                       cli_exit *out_code) {
    *out_code = CLI_USAGE;
    uint8_t *bytes = fq_arena_alloc(&call->arena, text.len + 1);
    size_t len;
    if (!fq_base64_decode(text, bytes, &len)) {
        cli_complain(call,
                     "{0} does not hold a secret in base64, as 'feiqian keys create' prints it",
                     "{0} 中不是 feiqian keys create 打印的 base64 密钥", path, NULL);
        return false;
    }
    *out = (fq_str){(const char *)bytes, len};
    return true;
}

bool cli_read_secret(cli_call *call, const char *path, fq_str *out, cli_exit *out_code) {
    fq_str text;
    return read_key_file(call, path, &text, out_code) &&
           cli_decode_secret(call, trim_lines(text), path, out, out_code);
}

bool cli_read_pem(cli_call *call, const char *path, fq_str *out, cli_exit *out_code) {
    return read_key_file(call, path, out, out_code);
}

static fq_str text_member(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member && member->type == FQ_JSON_STRING ? member->text : (fq_str){0};
}

bool cli_read_key_record(cli_call *call, const char *path, cli_key_record *out,
                         cli_exit *out_code) {
    fq_str text;
    if (!read_key_file(call, path, &text, out_code)) {
        return false;
    }
    const fq_json *object = NULL;
    const fq_err err = fq_json_parse(&call->arena, trim_lines(text), FQ_JSON_REQUEST, &object);
    const fq_str id = text_member(object, "id");
    if (err.code || id.len == 0 ||
        !fq_algorithm_parse(text_member(object, "algorithm"), &out->algorithm)) {
        cli_complain(call, "{0} is not what 'feiqian keys create --output json' prints",
                     "{0} 不是 feiqian keys create --output json 的输出", path, NULL);
        *out_code = CLI_USAGE;
        return false;
    }
    out->id = fq_arena_text(&call->arena, id);
    out->secret = text_member(object, "secret");
    return true;
}
