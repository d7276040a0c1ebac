// feiqian verify: reads one raw HTTP request from standard input and says whether its signature
// holds, and if not, why.
// Asks no server: nonces and the key's state there are not looked at.
#include "base/clock.h"
#include "base/json_writer.h"
#include "cli/key_file.h"
#include "cli/output.h"
#include "crypto/message_signature.h"
#include "http/parser.h"

enum { BODY_BYTES_MAX = 1024 * 1024, REQUEST_BYTES_MAX = FQ_HEAD_BYTES_MAX + 2 * BODY_BYTES_MAX };

typedef struct {
    bool valid;
    fq_code code;
    const char *detail;
    fq_str signature_base;
} verdict;

// --- the request ---

static verdict refused(cli_call *call, fq_err err) {
    char *sentence = fq_arena_alloc(&call->arena, 512);
    fq_error_sentence(err, call->language, sentence, 512);
    return (verdict){.code = err.code, .detail = sentence};
}

static verdict cut_short(cli_call *call) {
    return refused(call, fq_refuse_text(FQ_BAD_REQUEST, NULL,
                                        call->language == FQ_CHINESE ? "请求在结束之前中断"
                                                                     : "it ends too early"));
}

// What follows the request must be blank: a shell adds line breaks readily, a second request would
// go unread.
static bool only_blanks(fq_str rest) {
    for (size_t i = 0; i < rest.len; i++) {
        if (!strchr(" \t\r\n", rest.at[i])) {
            return false;
        }
    }
    return true;
}

// Parses `raw` (which is written over: chunks are decoded in place). False with `out_refusal` when
// it is not one request.
static bool parse_request(cli_call *call, fq_str raw, fq_request *out, verdict *out_refusal) {
    fq_parser *parser = FQ_NEW(&call->arena, fq_parser);
    fq_header *fields = FQ_NEW_ARRAY(&call->arena, fq_header, FQ_HEADERS_MAX);
    char *text = fq_arena_text(&call->arena, raw);
    fq_parser_reset(parser);
    fq_parse_step step = fq_parser_head(parser, text, raw.len);
    if (step == FQ_PARSE_DONE) {
        step = fq_parser_request(parser, text, fields, out);
    }
    if (step == FQ_PARSE_DONE) {
        size_t len = raw.len - parser->head_bytes;
        char *body = text + parser->head_bytes;
        step = fq_parser_body(parser, BODY_BYTES_MAX, body, &len);
        out->body = (fq_str){body, parser->body_bytes};
        if (step == FQ_PARSE_DONE &&
            !only_blanks((fq_str){body + out->body.len, len - out->body.len})) {
            *out_refusal = refused(call, fq_refuse_text(FQ_BAD_REQUEST, NULL,
                                                        call->language == FQ_CHINESE
                                                            ? "请求之后还有内容"
                                                            : "something follows it"));
            return false;
        }
    }
    if (step != FQ_PARSE_DONE) {
        *out_refusal = step == FQ_PARSE_FAULT ? refused(call, parser->fault) : cut_short(call);
    }
    return step == FQ_PARSE_DONE;
}

// --- the key ---

static void free_key(fq_verify_key **key) {
    fq_verify_key_free(*key);
}

static bool read_key(cli_call *call, fq_verify_key **out, cli_exit *out_code) {
    const char *secret_path = cli_text(call, "secret-file"),
               *public_path = cli_text(call, "public-key");
    fq_algorithm algorithm;
    FQ_ASSERT(fq_algorithm_parse(fq_str_of(cli_text(call, "algorithm")), &algorithm));
    const bool pair = fq_algorithm_uses_pair(algorithm);
    *out_code = CLI_USAGE;
    if (pair ? !public_path || secret_path : !secret_path || public_path) {
        cli_complain(call, "{0} wants --{1}, and only that", "{0} 需要且仅需要 --{1}",
                     fq_algorithm_name(algorithm), pair ? "public-key" : "secret-file");
        return false;
    }
    fq_str material;
    if (pair ? !cli_read_pem(call, public_path, &material, out_code)
             : !cli_read_secret(call, secret_path, &material, out_code)) {
        return false;
    }
    const fq_err err = pair ? fq_verify_key_from_pem(algorithm, material, "public-key", out)
                            : fq_verify_key_from_secret(algorithm, material, "secret-file", out);
    if (err.code) {
        cli_complain_err(call, err);
        *out_code = CLI_USAGE;
    }
    return !err.code;
}

typedef struct {
    const fq_verify_key *key;
    fq_str id;  // empty: any
} known_key;

static fq_key_state look_up(void *context, fq_str keyid, const fq_verify_key **out_key) {
    const known_key *known = context;
    if (known->id.len > 0 && !fq_str_equal(known->id, keyid)) {
        return FQ_KEY_STATE_UNKNOWN;
    }
    *out_key = known->key;
    return FQ_KEY_STATE_ACTIVE;
}

// --- the check ---

// "https://pay.example" to its two halves. False where it is no origin.
static bool split_origin(fq_str origin, fq_str *out_scheme, fq_str *out_authority) {
    const char *mark = origin.len > 0 ? memmem(origin.at, origin.len, "://", 3) : NULL;
    if (!mark) {
        return false;
    }
    *out_scheme = (fq_str){origin.at, (size_t)(mark - origin.at)};
    *out_authority = (fq_str){mark + 3, origin.len - out_scheme->len - 3};
    const bool http =
        fq_str_equal(*out_scheme, FQ_STR("http")) || fq_str_equal(*out_scheme, FQ_STR("https"));
    return http && out_authority->len > 0 && !memchr(out_authority->at, '/', out_authority->len);
}

static fq_str without_default_port(fq_str scheme, fq_str authority) {
    const fq_str port = fq_str_equal(scheme, FQ_STR("https")) ? FQ_STR(":443") : FQ_STR(":80");
    const size_t len = authority.len - (authority.len > port.len ? port.len : 0);
    const bool ends_so = len < authority.len && memcmp(authority.at + len, port.at, port.len) == 0;
    return (fq_str){authority.at, ends_so ? len : authority.len};
}

// A request for another host is not meant for the server of that origin, whatever it signed.
static bool is_for(fq_str scheme, fq_str authority, fq_str host) {
    return authority.len == 0 || fq_str_equal_nocase(without_default_port(scheme, authority),
                                                     without_default_port(scheme, host));
}

static verdict check(cli_call *call, const fq_request *request, fq_str scheme, fq_str authority,
                     known_key *known) {
    fq_message_field *fields =
        FQ_NEW_ARRAY(&call->arena, fq_message_field, request->header_count + 1);
    for (size_t i = 0; i < request->header_count; i++) {
        fields[i] = (fq_message_field){request->headers[i].name, request->headers[i].value};
    }
    const fq_message message = {
        .method = fq_method_text(request->method),
        .scheme = scheme,
        .authority = authority.len > 0 ? authority : request->host,
        .path = request->path,
        .query = request->query_given ? (fq_str){request->query.at - 1, request->query.len + 1}
                                      : (fq_str){0},
        .target = request->target,
        .fields = fields,
        .field_count = request->header_count,
    };
    const fq_signature_policy policy = {.now_s = cli_integer(call, "now", fq_wall_ms() / 1000),
                                        .lookup = look_up,
                                        .lookup_context = known};
    const fq_explanation why =
        fq_signature_explain(&call->arena, &message, request->body, &policy, call->language);
    return (verdict){.valid = !why.err.code,
                     .code = why.err.code,
                     .detail = fq_arena_text(&call->arena, why.detail),
                     .signature_base = why.verdict.base};
}

static verdict judge(cli_call *call, fq_str raw, fq_str scheme, fq_str authority,
                     known_key *known) {
    fq_request request = {0};
    verdict refusal;
    if (!parse_request(call, raw, &request, &refusal)) {
        return refusal;
    }
    if (!is_for(scheme, authority, request.host)) {
        const char *why =
            call->language == FQ_CHINESE ? "Host 与 --origin 不符" : "Host is not that of --origin";
        return refused(call, fq_refuse_text(FQ_SIGNATURE_INVALID, NULL, why));
    }
    return check(call, &request, scheme, authority, known);
}

// --- the answer ---

static void print_json(cli_call *call, const verdict *it) {
    fq_buffer json __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&json, 8 * FQ_SIGNATURE_BASE_BYTES_MAX);
    fq_json_writer writer = fq_json_writer_on(&json);
    fq_json_object_begin(&writer, NULL);
    fq_json_put_bool(&writer, "valid", it->valid);
    if (it->valid) {
        fq_json_put_null(&writer, "code");
    } else {
        fq_json_put_literal(&writer, "code", fq_error_row_of(it->code)->name);
    }
    fq_json_put_literal(&writer, "detail", it->detail);
    if (it->signature_base.len > 0) {
        fq_json_put_text(&writer, "signature_base", it->signature_base);
    } else {
        fq_json_put_null(&writer, "signature_base");
    }
    fq_json_object_end(&writer);
    cli_print_json(call, &json);
}

static void print_for_people(cli_call *call, const verdict *it) {
    const bool chinese = call->language == FQ_CHINESE;
    const char *word = it->valid ? (chinese ? "有效" : "valid") : (chinese ? "无效" : "not valid");
    fprintf(call->out, "%s%s%s", cli_escape(call->colour, it->valid ? CLI_GREEN : CLI_RED), word,
            cli_escape(call->colour, CLI_PLAIN));
    if (!it->valid) {
        fprintf(call->out, " (%s)", fq_error_row_of(it->code)->name);
    }
    fprintf(call->out, "\n%s\n", it->detail);
    if (it->signature_base.len > 0) {
        fprintf(call->out, "\n%.*s\n", FQ_STR_ARGS(it->signature_base));
    }
}

static cli_exit verify(cli_call *call) {
    fq_verify_key *key __attribute__((cleanup(free_key))) = NULL;
    cli_exit code;
    if (!read_key(call, &key, &code)) {
        return code;
    }
    fq_str scheme = FQ_STR("http"), authority = {0}, raw;
    const char *origin = cli_text(call, "origin");
    if (origin && !split_origin(fq_str_of(origin), &scheme, &authority)) {
        cli_complain(call, "--origin wants a scheme and a host, such as https://pay.example",
                     "--origin 应为协议与主机，例如 https://pay.example", NULL, NULL);
        return CLI_USAGE;
    }
    if (!cli_read_file(call, "-", REQUEST_BYTES_MAX, &raw)) {
        return CLI_UNREACHABLE;
    }
    const char *key_id = cli_text(call, "key-id");
    known_key known = {key, fq_str_of(key_id)};
    const verdict it = judge(call, raw, scheme, authority, &known);
    if (call->json) {
        print_json(call, &it);
    } else {
        print_for_people(call, &it);
    }
    return it.valid ? CLI_DONE : CLI_NO;
}

static const cli_flag flags[] = {
    {.name = "algorithm",
     .kind = CLI_CHOICE,
     .value = CLI_SIGNING_ALGORITHMS,
     .required = true,
     .help = {"The key's algorithm.", "密钥的算法。"}},
    {.name = "secret-file",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"The secret of hmac-sha256 as 'keys create' printed it.",
              "hmac-sha256 的密钥，格式与 keys create 打印的相同。"}},
    {.name = "public-key",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"The public key of the other algorithms (PEM).", "其他算法的公钥（PEM）。"}},
    {.name = "key-id",
     .kind = CLI_TEXT,
     .value = "ID",
     .help = {"The only keyid that counts; else any does.", "唯一有效的 keyid；默认任意。"}},
    {.name = "now",
     .kind = CLI_INTEGER,
     .value = "UNIX",
     .minimum = 0,
     .maximum = INT64_C(253402300799),
     .help = {"Check as of this time, in Unix seconds; else now.",
              "以该 Unix 时间（秒）检验；默认当前时间。"}},
    {.name = "origin",
     .kind = CLI_TEXT,
     .value = "URL",
     .help = {"The server's origin where it is configured; else the request's Host counts.",
              "服务器配置的 origin；默认取请求的 Host。"}},
    {.name = NULL},
};

const cli_command cli_verify = {
    .verb = "verify",
    .summary = {"Say whether a request's signature holds, and if not, why",
                "检验请求签名，并说明无效的原因"},
    .about =
        {"Reads one raw HTTP request from standard input, with CR LF line ends as on the wire, and checks it as the "
         "server would, but for the nonce, which only the server knows. Prints valid, code, detail and the "
         "signature base that was signed, to compare with your own. Exit code 0 or 1.",
         "从标准输入读取一个原始 HTTP 请求（行尾为 CR LF），按服务器的规则检验，但不检查只有服务器知道的随机数。打印是否有效、"
         "错误码、说明与签名基串，便于与自己的对照。退出码 0 或 1。"},
    .flags = flags,
    .examples =
        {{"feiqian verify --algorithm hmac-sha256 --secret-file secret < request.http",
          {"A request that was refused", "检验被拒绝的请求"}},
         {"feiqian verify --algorithm ed25519 --public-key key.pem --now 1767225600 -o table < request.http",
          {"As of another time, for people", "按指定时间检验，供人阅读"}}},
    .json_first = true,
    .run = verify,
};
