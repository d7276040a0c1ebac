// feiqian keys: makes, lists and revokes API keys, and replaces the data key. Works beside a
// running server and without one; what a key may do is the user service's affair.
#include "base/clock.h"
#include "base/json_writer.h"
#include "cli/databases.h"
#include "cli/key_file.h"
#include "cli/operate.h"
#include "cli/output.h"

enum { REQUEST_BYTES_MAX = 64 << 10 };

static fq_str text_of(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member ? member->text : (fq_str){0};
}

// The outcome for programs: what was done, unchanged.
static void print_text(cli_call *call, fq_str text) {
    fprintf(call->out, "%.*s\n", FQ_STR_ARGS(text));
}

// A misspelt --data makes no new data but by `keys create`, which may come before the first start.
static cli_exit ask_about_data(cli_call *call, fq_str request, fq_str *out_text,
                               const fq_json **out_done) {
    return cli_expect_database(call, FQ_SERVICE_USER)
               ? cli_operate(call, false, request, out_text, out_done)
               : CLI_UNREACHABLE;
}

static fq_json_writer begin_request(fq_buffer *out, const char *operation) {
    fq_buffer_init(out, REQUEST_BYTES_MAX);
    fq_json_writer writer = fq_json_writer_on(out);
    fq_json_object_begin(&writer, NULL);
    fq_json_put_literal(&writer, "operation", operation);
    return writer;
}

// --- create ---

static bool put_public_key(cli_call *call, fq_json_writer *request, cli_exit *out_code) {
    const char *name = cli_text(call, "algorithm"), *path = cli_text(call, "public-key");
    fq_algorithm algorithm;
    fq_str pem;
    FQ_ASSERT(fq_algorithm_parse(fq_str_of(name), &algorithm));
    *out_code = CLI_USAGE;
    if (fq_algorithm_uses_pair(algorithm) != (path != NULL)) {
        cli_complain(call,
                     path ? "{0} has no public key: leave --public-key out"
                          : "{0} wants --public-key; the private half stays with you",
                     path ? "{0} 没有公钥：请去掉 --public-key"
                          : "{0} 需要 --public-key；私钥由您自己保管",
                     name, NULL);
        return false;
    }
    if (!path) {
        return true;
    }
    if (!cli_read_pem(call, path, &pem, out_code)) {
        return false;
    }
    if (!fq_utf8_valid(pem, NULL)) {
        cli_complain(call, "{0} is no PEM file", "{0} 不是 PEM 文件", path, NULL);
        *out_code = CLI_USAGE;
        return false;
    }
    fq_json_put_text(request, "public_key", pem);
    return true;
}

static void print_created(cli_call *call, const fq_json *key) {
    const fq_str secret = text_of(key, "secret");
    const cli_fact facts[] = {
        {{"id", "编号"}, text_of(key, "id")},
        {{"algorithm", "算法"}, text_of(key, "algorithm")},
        {{"scope", "权限"}, text_of(key, "scope")},
        {{"secret", "密钥"}, secret},
    };
    cli_print_facts(call, facts, secret.len > 0 ? 4 : 3);
    if (secret.len > 0) {
        fputs(call->language == FQ_CHINESE ? "密钥只显示这一次，请妥善保存。\n"
                                           : "The secret is shown this once: keep it.\n",
              call->err);
    }
}

static cli_exit create(cli_call *call) {
    fq_buffer request __attribute__((cleanup(fq_buffer_free)));
    fq_json_writer writer = begin_request(&request, "keys.create");
    const char *replaces = cli_text(call, "replaces");
    const fq_json *done;
    fq_str text;
    cli_exit code;
    if (!cli_expect_place_for_users(call)) {
        return CLI_UNREACHABLE;
    }
    fq_json_put_text(&writer, "scope", fq_str_of(cli_text(call, "scope")));
    fq_json_put_literal(&writer, "algorithm", cli_text(call, "algorithm"));
    if (replaces) {
        fq_json_put_text(&writer, "replaces", fq_str_of(replaces));
    }
    if (!put_public_key(call, &writer, &code)) {
        return code;
    }
    fq_json_object_end(&writer);
    code = cli_operate(call, true, fq_buffer_str(&request), &text, &done);
    if (code == CLI_DONE && call->json) {
        print_text(call, text);
    } else if (code == CLI_DONE) {
        print_created(call, done);
    }
    return code;
}

static const cli_flag create_flags[] = {
    CLI_DATA_FLAG,
    {.name = "scope",
     .kind = CLI_TEXT,
     .value = "SCOPE",
     .required = true,
     .help = {"What the key may do: admin, read, merchant:usr_… or payer:usr_….",
              "密钥的权限：admin、read、merchant:usr_… 或 payer:usr_…。"}},
    {.name = "algorithm",
     .kind = CLI_CHOICE,
     .value = CLI_SIGNING_ALGORITHMS "|bearer",
     .required = true,
     .help = {"How requests are signed; bearer is for a first try in sandbox mode.",
              "请求的签名算法；bearer 仅供沙箱模式初次试用。"}},
    {.name = "public-key",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"The public half (SPKI PEM), for algorithms with a key pair.",
              "公钥文件（SPKI PEM），用于密钥对算法。"}},
    {.name = "replaces",
     .kind = CLI_TEXT,
     .value = "ID",
     .help = {"A key whose Idempotency-Keys the new one shares.", "新密钥沿用其幂等键的旧密钥。"}},
    {.name = NULL},
};

const cli_command cli_keys_create = {
    .noun = "keys",
    .verb = "create",
    .summary = {"Make an API key", "创建 API 密钥"},
    .about =
        {"Prints id, algorithm, scope and secret; the secret is shown this once. Works beside a running server, "
         "which knows the key at its next request.",
         "打印编号、算法、权限与密钥；密钥只显示这一次。可在服务器运行时使用，服务器在下一个请求即认得该密钥。"},
    .flags = create_flags,
    .examples =
        {{"feiqian keys create --data ./var --scope admin --algorithm hmac-sha256 --output json > key.json",
          {"A key that may do everything, as bench and sign read it",
           "全权密钥，供 bench 与 sign 读取"}},
         {"feiqian keys create --scope merchant:usr_0123456789ABC --algorithm ed25519 --public-key shop.pem",
          {"A shop's own key; its private half never leaves the shop",
           "商户自有密钥，私钥不离开商户"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = create,
};

// --- list ---

static void print_keys(cli_call *call, const fq_json *done) {
    static const cli_column columns[] = {{{"ID", "编号"}, false},
                                         {{"ALGORITHM", "算法"}, false},
                                         {{"SCOPE", "权限"}, false},
                                         {{"STATUS", "状态"}, false},
                                         {{"CREATED", "创建时间"}, false}};
    static const char *const members[] = {"id", "algorithm", "scope", "status", "created_at"};
    enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };
    const fq_json *data = fq_json_member(done, "data");
    cli_table table;
    cli_table_begin(&table, columns, COLUMNS);
    for (const fq_json *key = data ? data->first : NULL; key; key = key->next) {
        for (size_t i = 0; i < COLUMNS; i++) {
            cli_table_add(call, &table, text_of(key, members[i]));
        }
    }
    cli_table_print(call, &table);
}

static cli_exit list(cli_call *call) {
    fq_buffer request __attribute__((cleanup(fq_buffer_free)));
    fq_json_writer writer = begin_request(&request, "keys.list");
    const fq_json *done;
    fq_str text;
    fq_json_object_end(&writer);
    const cli_exit code = ask_about_data(call, fq_buffer_str(&request), &text, &done);
    if (code == CLI_DONE && call->json) {
        print_text(call, text);
    } else if (code == CLI_DONE) {
        print_keys(call, done);
    }
    return code;
}

static const cli_flag data_flags[] = {CLI_DATA_FLAG, {.name = NULL}};

const cli_command cli_keys_list = {
    .noun = "keys",
    .verb = "list",
    .summary = {"List API keys, newest first", "列出 API 密钥，新的在前"},
    .flags = data_flags,
    .examples = {{"feiqian keys list --data ./var", {"As a table", "以表格显示"}},
                 {"feiqian keys list --data postgresql://pay@db/feiqian --output json",
                  {"For programs", "供程序读取"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = list,
};

// --- revoke ---

static cli_exit revoke(cli_call *call) {
    uint64_t id;
    if (!fq_id_parse(FQ_ID_key, fq_str_of(call->arguments[0]), &id)) {
        cli_complain(call, "{0} is no key's id: key_ and 13 characters",
                     "{0} 不是密钥编号：应为 key_ 加 13 个字符", call->arguments[0], NULL);
        return CLI_USAGE;
    }
    fq_buffer request __attribute__((cleanup(fq_buffer_free)));
    fq_json_writer writer = begin_request(&request, "keys.revoke");
    const fq_json *done;
    fq_str text;
    fq_json_put_id(&writer, "id", FQ_ID_key, id);
    fq_json_object_end(&writer);
    const cli_exit code = ask_about_data(call, fq_buffer_str(&request), &text, &done);
    if (code == CLI_DONE && call->json) {
        print_text(call, text);
    } else if (code == CLI_DONE) {
        fprintf(call->out, call->language == FQ_CHINESE ? "%s 已吊销\n" : "%s is revoked\n",
                call->arguments[0]);
    }
    return code;
}

static const cli_argument revoke_arguments[] = {
    {.name = "ID", .required = true, .help = {"The key to revoke.", "要吊销的密钥编号。"}},
    {.name = NULL},
};

const cli_command cli_keys_revoke = {
    .noun = "keys",
    .verb = "revoke",
    .summary = {"Revoke an API key, for good", "吊销 API 密钥，不可恢复"},
    .about =
        {"The key is refused everywhere within a second. One that is revoked already stays so.",
         "一秒之内所有服务都会拒绝该密钥。已吊销的保持不变。"},
    .flags = data_flags,
    .arguments = revoke_arguments,
    .examples = {{"feiqian keys revoke --data ./var key_0123456789ABC",
                  {"A key that got out", "已泄露的密钥"}},
                 {"feiqian keys revoke --data ./var --output json key_0123456789ABC",
                  {"From a script", "在脚本中使用"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = revoke,
};

// --- rotate-data ---

static cli_exit rotate_data(cli_call *call) {
    fq_buffer request __attribute__((cleanup(fq_buffer_free)));
    fq_json_writer writer = begin_request(&request, "keys.rotate_data");
    const fq_json *done;
    fq_str text;
    fq_json_object_end(&writer);
    const cli_exit code = ask_about_data(call, fq_buffer_str(&request), &text, &done);
    if (code == CLI_DONE && call->json) {
        print_text(call, text);
    } else if (code == CLI_DONE) {
        fputs(call->language == FQ_CHINESE ? "个人信息与密钥已用新的数据密钥加密\n"
                                           : "Personal fields and keys are under a new data key\n",
              call->out);
    }
    return code;
}

const cli_command cli_keys_rotate_data = {
    .noun = "keys",
    .verb = "rotate-data",
    .summary = {"Put personal fields under a new data key", "以新的数据密钥重新加密个人信息"},
    .about =
        {"Makes a new data key, wrapped by the master key, and seals all personal fields and API secrets under it. "
         "May be broken off and run again.",
         "生成由主密钥包裹的新数据密钥，并用它重新加密所有个人信息与 API 密钥。可中断后再次运行。"},
    .flags = data_flags,
    .examples = {{"feiqian keys rotate-data --data ./var", {"Once a year", "每年一次"}},
                 {"feiqian keys rotate-data --data ./var --crypto-data-key-bits 128",
                  {"With AES-128 from now on", "此后使用 AES-128"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = rotate_data,
};
