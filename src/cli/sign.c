// feiqian sign: makes the signature of a request, as header lines, a raw request or a curl command.
// Sends nothing.
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "cli/key_file.h"
#include "cli/output.h"
#include "crypto/digest.h"
#include "crypto/message_signature.h"

enum { BODY_BYTES_MAX = 1024 * 1024, FIELDS_MAX = 6, NONCE_BYTES = 16 };

// What is signed, as it will be sent.
typedef struct {
    const char *url, *method;
    fq_str scheme, authority, path, query;  // query with its '?'
    const char *body_path;                  // NULL: no body
    fq_str body;
    fq_message_field fields[FIELDS_MAX];
    size_t field_count;
} outgoing;

// --- the request ---

static void add_field(outgoing *it, const char *name, fq_str value) {
    FQ_ASSERT(it->field_count < FIELDS_MAX);
    it->fields[it->field_count++] = (fq_message_field){fq_str_of(name), value};
}

// http(s)://authority[/path][?query], with nothing in it that would be read otherwise on the way.
static bool split_url(outgoing *it, fq_str url) {
    const bool secure = fq_str_starts(url, FQ_STR("https://"));
    if (!secure && !fq_str_starts(url, FQ_STR("http://"))) {
        return false;
    }
    for (size_t i = 0; i < url.len; i++) {
        if (url.at[i] <= ' ' || url.at[i] > '~' || url.at[i] == '#' || url.at[i] == '@' ||
            url.at[i] == '\'') {
            return false;
        }
    }
    it->scheme = secure ? FQ_STR("https") : FQ_STR("http");
    const char *end = url.at + url.len;
    const char *authority = url.at + it->scheme.len + 3;
    const char *path = authority + strcspn(authority, "/?");
    const char *query = path + strcspn(path, "?");
    it->authority = (fq_str){authority, (size_t)(path - authority)};
    it->path = path == query ? FQ_STR("/") : (fq_str){path, (size_t)(query - path)};
    it->query = (fq_str){query, (size_t)(end - query)};
    return it->authority.len > 0;
}

static fq_str random_text(cli_call *call) {
    uint8_t bytes[NONCE_BYTES];
    fq_random(bytes, sizeof(bytes));
    char *text = fq_arena_alloc(&call->arena, 2 * NONCE_BYTES + 1);
    fq_hex_encode((fq_str){(const char *)bytes, sizeof(bytes)}, text);
    return (fq_str){text, 2 * NONCE_BYTES};
}

static bool is_write(const outgoing *it) {
    return strcmp(it->method, "GET") != 0 && strcmp(it->method, "HEAD") != 0 &&
           strcmp(it->method, "OPTIONS") != 0;
}

static bool make_request(cli_call *call, outgoing *it, cli_exit *out_code) {
    *out_code = CLI_USAGE;
    it->url = cli_text(call, "url");
    it->body_path = cli_text(call, "body");
    it->method = cli_text(call, "method");
    it->method = it->method ? it->method : it->body_path ? "POST" : "GET";
    if (!split_url(it, fq_str_of(it->url))) {
        cli_complain(call, "--url wants http:// or https://, a host and a path, in ASCII",
                     "--url 应为 http:// 或 https:// 加主机与路径，仅限 ASCII", NULL, NULL);
        return false;
    }
    if (it->body_path) {
        if (!cli_read_file(call, it->body_path, BODY_BYTES_MAX, &it->body)) {
            *out_code = CLI_UNREACHABLE;
            return false;
        }
        add_field(it, "Content-Type", fq_str_of(cli_text(call, "content-type")));
    }
    const char *idempotency_key = cli_text(call, "idempotency-key");
    if (idempotency_key || is_write(it)) {
        add_field(it, "Idempotency-Key",
                  idempotency_key ? fq_str_of(idempotency_key) : random_text(call));
    }
    return true;
}

// --- the key ---

static void free_key(fq_sign_key **key) {
    fq_sign_key_free(*key);
}

static bool complain_usage(cli_call *call, const char *english, const char *chinese,
                           const char *fill) {
    cli_complain(call, english, chinese, fill, NULL);
    return false;
}

// --key alone says id, algorithm and, for hmac-sha256, the secret; --key-id and --algorithm say it
// otherwise.
static bool read_key(cli_call *call, fq_sign_key **out, const char **out_id, cli_exit *out_code) {
    const char *record_path = cli_text(call, "key"), *algorithm_name = cli_text(call, "algorithm");
    const char *secret_path = cli_text(call, "secret-file"),
               *private_path = cli_text(call, "private-key");
    cli_key_record record = {.id = cli_text(call, "key-id"), .algorithm = FQ_ALGORITHM_HMAC_SHA256};
    *out_code = CLI_USAGE;
    if (record_path && (record.id || algorithm_name)) {
        return complain_usage(call, "--key says the id and the algorithm already",
                              "--key 已包含编号与算法", NULL);
    }
    FQ_ASSERT(!algorithm_name || fq_algorithm_parse(fq_str_of(algorithm_name), &record.algorithm));
    if (record_path && !cli_read_key_record(call, record_path, &record, out_code)) {
        return false;
    }
    if (!record.id) {
        return complain_usage(call, "--key or --key-id is required; see --help",
                              "缺少 --key 或 --key-id；参见 --help", NULL);
    }
    *out_id = record.id;
    const bool pair = fq_algorithm_uses_pair(record.algorithm);
    const char *name = fq_algorithm_name(record.algorithm);
    fq_err err;
    fq_str material;
    if (record.algorithm == FQ_ALGORITHM_BEARER) {
        return complain_usage(call,
                              "a bearer key cannot sign; send it as 'Authorization: Bearer ...'",
                              "bearer 密钥不能签名；请以 Authorization: Bearer … 发送", NULL);
    }
    if (pair) {
        if (!private_path || secret_path) {
            return complain_usage(call, "{0} wants --private-key", "{0} 需要 --private-key", name);
        }
        if (!cli_read_pem(call, private_path, &material, out_code)) {
            return false;
        }
        err = fq_sign_key_from_pem(record.algorithm, material, "private-key", out);
    } else {
        if (private_path || (!secret_path && record.secret.len == 0)) {
            return complain_usage(call, "{0} wants --secret-file", "{0} 需要 --secret-file", name);
        }
        if (secret_path
                ? !cli_read_secret(call, secret_path, &material, out_code)
                : !cli_decode_secret(call, record.secret, record_path, &material, out_code)) {
            return false;
        }
        err = fq_sign_key_from_secret(material, "secret-file", out);
    }
    if (err.code) {
        cli_complain_err(call, err);
    }
    return !err.code;
}

// --- the answer ---

static void print_headers(cli_call *call, const outgoing *it, const char *line_end) {
    for (size_t i = 0; i < it->field_count; i++) {
        fprintf(call->out, "%.*s: %.*s%s", FQ_STR_ARGS(it->fields[i].name),
                FQ_STR_ARGS(it->fields[i].value), line_end);
    }
}

static void print_request(cli_call *call, const outgoing *it) {
    fprintf(call->out, "%s %.*s%.*s HTTP/1.1\r\nHost: %.*s\r\n", it->method, FQ_STR_ARGS(it->path),
            FQ_STR_ARGS(it->query), FQ_STR_ARGS(it->authority));
    print_headers(call, it, "\r\n");
    if (it->body_path || is_write(it)) {
        fprintf(call->out, "Content-Length: %zu\r\n", it->body.len);
    }
    fputs("\r\n", call->out);
    if (it->body.len > 0) {
        fwrite(it->body.at, 1, it->body.len, call->out);
    }
}

// A word of a shell's command line.
static void print_quoted(FILE *out, fq_str text) {
    fputc('\'', out);
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(text.at[i], out);
        }
    }
    fputc('\'', out);
}

static void print_curl(cli_call *call, const outgoing *it) {
    fprintf(call->out, "curl --request %s '%s'", it->method, it->url);
    for (size_t i = 0; i < it->field_count; i++) {
        fputs(" \\\n    --header ", call->out);
        print_quoted(call->out,
                     fq_arena_printf(&call->arena, "%.*s: %.*s", FQ_STR_ARGS(it->fields[i].name),
                                     FQ_STR_ARGS(it->fields[i].value)));
    }
    if (it->body_path) {
        fputs(" \\\n    --data-binary ", call->out);
        const bool streamed = strcmp(it->body_path, "-") == 0;
        print_quoted(call->out,
                     streamed ? it->body : fq_arena_printf(&call->arena, "@%s", it->body_path));
    }
    fputc('\n', call->out);
}

static void print_json(cli_call *call, const outgoing *it) {
    fq_buffer json __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&json, 64 * 1024);
    fq_json_writer writer = fq_json_writer_on(&json);
    fq_json_object_begin(&writer, NULL);
    fq_json_put_literal(&writer, "method", it->method);
    fq_json_put_literal(&writer, "url", it->url);
    fq_json_object_begin(&writer, "headers");
    for (size_t i = 0; i < it->field_count; i++) {
        fq_json_put_pair(&writer, it->fields[i].name, it->fields[i].value);
    }
    fq_json_object_end(&writer);
    fq_json_object_end(&writer);
    cli_print_json(call, &json);
}

static void print_signed(cli_call *call, const outgoing *it) {
    const char *as = cli_text(call, "as");
    if (call->json) {
        print_json(call, it);
    } else if (strcmp(as, "request") == 0) {
        print_request(call, it);
    } else if (strcmp(as, "curl") == 0) {
        print_curl(call, it);
    } else {
        print_headers(call, it, "\n");
    }
}

static cli_exit sign(cli_call *call) {
    fq_sign_key *key __attribute__((cleanup(free_key))) = NULL;
    outgoing it = {0};
    const char *key_id = NULL;
    cli_exit code;
    if (!make_request(call, &it, &code) || !read_key(call, &key, &key_id, &code)) {
        return code;
    }
    const fq_message message = {.method = fq_str_of(it.method),
                                .scheme = it.scheme,
                                .authority = it.authority,
                                .path = it.path,
                                .query = it.query,
                                .fields = it.fields,
                                .field_count = it.field_count};
    const char *nonce = cli_text(call, "nonce");
    const fq_signing signing = {.key = key,
                                .keyid = fq_str_of(key_id),
                                .nonce = nonce           ? fq_str_of(nonce)
                                         : is_write(&it) ? random_text(call)
                                                         : (fq_str){0},
                                .created_s = cli_integer(call, "created", fq_wall_ms() / 1000)};
    fq_signed_fields made;
    const fq_err err = fq_message_sign(&call->arena, &message, it.body, &signing, &made);
    if (err.code) {
        cli_complain_err(call, err);
        return CLI_USAGE;
    }
    if (made.content_digest.len > 0) {
        add_field(&it, "Content-Digest", made.content_digest);
    }
    add_field(&it, "Signature-Input", made.signature_input);
    add_field(&it, "Signature", made.signature);
    print_signed(call, &it);
    return CLI_DONE;
}

static const cli_flag flags[] = {
    {.name = "url",
     .kind = CLI_TEXT,
     .value = "URL",
     .required = true,
     .help = {"Where the request will be sent.", "请求将发送到的地址。"}},
    {.name = "method",
     .kind = CLI_CHOICE,
     .value = "GET|POST|PATCH|DELETE|PUT|HEAD|OPTIONS",
     .help = {"Else POST with a body, GET without.", "默认：有请求体为 POST，否则为 GET。"}},
    {.name = "body",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"The body, byte for byte; - is standard input.", "请求体，逐字节；- 表示标准输入。"}},
    {.name = "content-type",
     .kind = CLI_TEXT,
     .value = "TYPE",
     .standard = "application/json",
     .help = {"Of the body.", "请求体的类型。"}},
    {.name = "key",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"What 'keys create --output json' printed: id, algorithm, secret.",
              "keys create --output json 的输出：编号、算法、密钥。"}},
    {.name = "key-id",
     .kind = CLI_TEXT,
     .value = "ID",
     .help = {"The key's id, without --key.", "密钥编号（未用 --key 时）。"}},
    {.name = "algorithm",
     .kind = CLI_CHOICE,
     .value = CLI_SIGNING_ALGORITHMS,
     .help = {"The key's algorithm, without --key. Else hmac-sha256.",
              "密钥的算法（未用 --key 时），默认 hmac-sha256。"}},
    {.name = "secret-file",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"The secret of hmac-sha256 as 'keys create' printed it.",
              "hmac-sha256 的密钥，格式与 keys create 打印的相同。"}},
    {.name = "private-key",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"The private key of the other algorithms (PKCS#8 PEM).",
              "其他算法的私钥（PKCS#8 PEM）。"}},
    {.name = "idempotency-key",
     .kind = CLI_TEXT,
     .value = "TEXT",
     .help = {"Give the first one again to repeat a request; else a new one.",
              "重试时请使用首次的值；默认新生成。"}},
    {.name = "nonce",
     .kind = CLI_TEXT,
     .value = "TEXT",
     .help = {"Else a new one.", "默认新生成。"}},
    {.name = "created",
     .kind = CLI_INTEGER,
     .value = "UNIX",
     .minimum = 0,
     .maximum = INT64_C(253402300799),
     .help = {"Time of signing in Unix seconds; else now.", "签名时间（Unix 秒）；默认当前时间。"}},
    {.name = "as",
     .kind = CLI_CHOICE,
     .value = "headers|curl|request",
     .standard = "headers",
     .help = {"Header lines, a curl command, or the raw request.",
              "请求头、curl 命令或原始请求。"}},
    {.name = NULL},
};

const cli_command cli_sign = {
    .verb = "sign",
    .summary = {"Make the signature headers of a request", "生成请求的签名头"},
    .about =
        {"Prints the header lines that a signed request needs (RFC 9421), for 'curl --header @-', or with --as the "
         "whole of it. Nothing is sent. 'feiqian verify' is its other half.",
         "打印签名请求所需的请求头（RFC 9421），可供 curl --header @- 使用；用 --as 可打印完整请求。不发送任何内容。"
         "对应的检验命令为 feiqian verify。"},
    .flags = flags,
    .examples =
        {{"feiqian sign --key key.json --url http://127.0.0.1:8080/v1/orders --body order.json --as curl | sh",
          {"Make an order", "创建订单"}},
         {"feiqian sign --key key.json --url http://127.0.0.1:8080/v1/users | curl -H @- "
          "http://127.0.0.1:8080/v1/users",
          {"List users", "列出用户"}}},
    .run = sign,
};
