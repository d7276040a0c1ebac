// feiqian demo: the whole first hour in a second, against a running server or one of its own in a
// temporary folder. Every call is signed (RFC 9421); what is shown is what was sent and answered.
#include "cli/demo.h"

#include "base/clock.h"
#include "base/random.h"
#include "cli/key_file.h"
#include "cli/operate.h"
#include "crypto/digest.h"
#include "crypto/message_signature.h"
#include "house/house.h"
#include "http/client.h"
#include "user/keys.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ANSWER_BYTES_MAX = 512 << 10,
    NAMES_MAX = 12,
    NONCE_TEXT = 32,
    HEADERS = 6,
};

// {name} in path and body stands for an id that an earlier step kept. To add a step, add a row.
typedef struct {
    const char *what[2];
    const char *method, *path, *body;
    int status;         // what must come back
    const char *keeps;  // the name under which the answer's id is kept
    const char *again;  // the Idempotency-Key of the step that kept this name, once more
} demo_step;

static const demo_step steps[] = {
    {{"Ann opens an account", "小安开户"},
     "POST",
     "/v1/users",
     "{\"name\":\"Ann\"}",
     201,
     "ann",
     NULL},
    {{"Bob opens a shop", "小鲍开店"},
     "POST",
     "/v1/users",
     "{\"name\":\"Bob\",\"roles\":[\"merchant\"]}",
     201,
     "bob",
     NULL},
    {{"Ann puts 100.00 CNY into her wallet", "小安充值 100.00 元"},
     "POST",
     "/v1/topups",
     "{\"user_id\":\"{ann}\",\"amount\":10000,\"currency\":\"CNY\",\"method\":\"sandbox\"}",
     201,
     NULL,
     NULL},
    {{"Bob asks 19.99 CNY for a pot of tea", "小鲍为一壶茶下单收款 19.99 元"},
     "POST",
     "/v1/orders",
     "{\"payee_id\":\"{bob}\",\"amount\":1999,\"currency\":\"CNY\",\"description\":\"A pot of tea\"}",
     201,
     "order",
     NULL},
    {{"Ann pays", "小安付款"},
     "POST",
     "/v1/payments",
     "{\"order_id\":\"{order}\",\"user_id\":\"{ann}\",\"amount\":1999,\"currency\":\"CNY\",\"method\":\"balance\"}",
     201,
     "payment",
     NULL},
    {{"Her phone lost the answer and asks again: the same answer, no second payment",
      "手机没收到应答，用同一幂等键重试：同样的应答，不会重复付款"},
     "POST",
     "/v1/payments",
     "{\"order_id\":\"{order}\",\"user_id\":\"{ann}\",\"amount\":1999,\"currency\":\"CNY\",\"method\":\"balance\"}",
     201,
     NULL,
     "payment"},
    {{"A new try to pay the same order is refused", "再次支付同一订单会被拒绝"},
     "POST",
     "/v1/payments",
     "{\"order_id\":\"{order}\",\"user_id\":\"{ann}\",\"amount\":1999,\"currency\":\"CNY\",\"method\":\"balance\"}",
     409,
     NULL,
     NULL},
    {{"Bob gives 5.00 CNY back", "小鲍退款 5.00 元"},
     "POST",
     "/v1/refunds",
     "{\"payment_id\":\"{payment}\",\"amount\":500,\"reason\":\"one cup was cold\"}",
     201,
     NULL,
     NULL},
    {{"The order knows", "查看订单"}, "GET", "/v1/orders/{order}", NULL, 200, NULL, NULL},
    {{"Bob takes a table booking: 30.00 CNY", "小鲍接受订座，30.00 元"},
     "POST",
     "/v1/orders",
     "{\"payee_id\":\"{bob}\",\"amount\":3000,\"currency\":\"CNY\",\"description\":\"A table for two\"}",
     201,
     "booking",
     NULL},
    {{"Ann's money is held, not moved", "小安的资金被冻结，尚未划转"},
     "POST",
     "/v1/payments",
     "{\"order_id\":\"{booking}\",\"user_id\":\"{ann}\",\"amount\":3000,\"currency\":\"CNY\",\"method\":\"balance\","
     "\"capture\":\"manual\"}",
     201,
     "hold",
     NULL},
    {{"They ate for 25.00 CNY; the rest is released", "实际消费 25.00 元，其余释放"},
     "POST",
     "/v1/payments/{hold}/capture",
     "{\"amount\":2500}",
     200,
     NULL,
     NULL},
    {{"What Ann has", "小安的余额"}, "GET", "/v1/users/{ann}/balances", NULL, 200, NULL, NULL},
    {{"What Bob has", "小鲍的余额"}, "GET", "/v1/users/{bob}/balances", NULL, 200, NULL, NULL},
    {{"How it got there: the ledger's entries", "账本分录"},
     "GET",
     "/v1/payments/{payment}/entries",
     NULL,
     200,
     NULL,
     NULL},
    {{"Everything that happened, in order", "按顺序查看全部事件"},
     "GET",
     "/v1/events",
     NULL,
     200,
     NULL,
     NULL},
};

typedef struct {
    cli_call *call;
    fq_client *client;
    fq_sign_key *key;
    const char *key_id, *url;  // without a slash at its end
    struct {
        const char *name, *id, *idempotency_key;
    } kept[NAMES_MAX];
    size_t kept_count;
    int64_t began_ns;
} demonstration;

// --- one call ---

static const char *random_text(demonstration *demo) {
    uint8_t bytes[NONCE_TEXT / 2];
    char *text = fq_arena_alloc(&demo->call->arena, NONCE_TEXT + 1);
    fq_random(bytes, sizeof(bytes));
    fq_hex_encode((fq_str){(const char *)bytes, sizeof(bytes)}, text);
    return text;
}

static size_t find_kept(const demonstration *demo, fq_str name) {
    size_t i = 0;
    while (i < demo->kept_count && !fq_str_equal(fq_str_of(demo->kept[i].name), name)) {
        i++;
    }
    FQ_ASSERT(i < demo->kept_count);  // a step names what one before it keeps
    return i;
}

// `{ann}` is filled in; a brace before anything but a small letter is JSON's.
static const char *filled(demonstration *demo, const char *text) {
    fq_buffer out __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&out, 4096);
    for (const char *at = text; *at; at++) {
        if (*at == '{' && at[1] >= 'a' && at[1] <= 'z') {
            const fq_str name = {at + 1, strcspn(at + 1, "}")};
            fq_buffer_add(&out, fq_str_of(demo->kept[find_kept(demo, name)].id));
            at += name.len + 1;
        } else {
            fq_buffer_add_char(&out, *at);
        }
    }
    return fq_arena_text(&demo->call->arena, fq_buffer_str(&out));
}

static fq_err sign(demonstration *demo, const demo_exchange *it, const char *idempotency_key,
                   fq_message_field fields[HEADERS], size_t *out_count) {
    const char *authority = strstr(demo->url, "://") + 3;
    size_t count = 0;
    if (it->body.len > 0) {
        fields[count++] = (fq_message_field){FQ_STR("Content-Type"), FQ_STR("application/json")};
        fields[count++] = (fq_message_field){FQ_STR("Idempotency-Key"), fq_str_of(idempotency_key)};
    }
    const fq_message message = {.method = fq_str_of(it->method),
                                .scheme = {demo->url, (size_t)(authority - 3 - demo->url)},
                                .authority = fq_str_of(authority),
                                .path = fq_str_of(it->path),
                                .fields = fields,
                                .field_count = count};
    const fq_signing signing = {.key = demo->key,
                                .keyid = fq_str_of(demo->key_id),
                                .nonce = fq_str_of(random_text(demo)),
                                .created_s = fq_wall_ms() / 1000};
    fq_signed_fields made;
    FQ_TRY(fq_message_sign(&demo->call->arena, &message, it->body, &signing, &made));
    if (made.content_digest.len > 0) {
        fields[count++] = (fq_message_field){FQ_STR("Content-Digest"), made.content_digest};
    }
    fields[count++] = (fq_message_field){FQ_STR("Signature-Input"), made.signature_input};
    fields[count++] = (fq_message_field){FQ_STR("Signature"), made.signature};
    *out_count = count;
    return FQ_OK;
}

static fq_err send(demonstration *demo, demo_exchange *it, const char *idempotency_key) {
    fq_message_field fields[HEADERS];
    fq_header headers[HEADERS];
    size_t count;
    fq_buffer answer __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&answer, ANSWER_BYTES_MAX);
    FQ_TRY(sign(demo, it, idempotency_key, fields, &count));
    for (size_t i = 0; i < count; i++) {
        headers[i] = (fq_header){.name = fields[i].name, .value = fields[i].value};
    }
    const fq_outgoing call = {.method = strcmp(it->method, "GET") == 0 ? FQ_GET : FQ_POST,
                              .url =
                                  fq_arena_printf(&demo->call->arena, "%s%s", demo->url, it->path),
                              .headers = headers,
                              .header_count = count,
                              .body = it->body};
    const int64_t began_ns = fq_monotonic_ns();
    FQ_TRY(fq_client_call(demo->client, &call, &it->status, &answer));
    it->took_ns = fq_monotonic_ns() - began_ns;
    it->answer = fq_arena_copy(&demo->call->arena, fq_buffer_str(&answer));
    const fq_json_limits limits = {
        .depth_max = FQ_JSON_DEPTH_MAX, .values_max = 65536, .any_top_level = true};
    if (fq_json_parse(&demo->call->arena, it->answer, limits, &it->read).code) {
        it->read = NULL;
    }
    return FQ_OK;
}

// --- all of them ---

static void keep(demonstration *demo, const char *name, const char *idempotency_key,
                 const fq_json *answer) {
    const fq_json *id = fq_json_member(answer, "id");
    FQ_ASSERT(demo->kept_count < NAMES_MAX);
    demo->kept[demo->kept_count].name = name;
    demo->kept[demo->kept_count].id = id ? fq_arena_text(&demo->call->arena, id->text) : "";
    demo->kept[demo->kept_count++].idempotency_key = idempotency_key;
}

static cli_exit play_step(demonstration *demo, const demo_step *step, int number) {
    cli_call *call = demo->call;
    demo_exchange it = {.number = number,
                        .what = step->what[call->language],
                        .method = step->method,
                        .path = filled(demo, step->path),
                        .body = fq_str_of(step->body ? filled(demo, step->body) : NULL)};
    const char *idempotency_key =
        step->again ? demo->kept[find_kept(demo, fq_str_of(step->again))].idempotency_key
                    : random_text(demo);
    const fq_err err = send(demo, &it, idempotency_key);
    if (err.code) {
        cli_complain(call, "{0} cannot be reached", "无法连接 {0}", demo->url, NULL);
        return CLI_UNREACHABLE;
    }
    if (call->json) {
        demo_print_json(call, &it);
    } else {
        demo_print_text(call, &it);
    }
    if (it.status != step->status) {
        cli_complain(call, "step {0} was not answered as it should be", "第 {0} 步的应答与预期不符",
                     fq_arena_printf(&call->arena, "%d", number).at, NULL);
        return CLI_REFUSED;
    }
    if (step->keeps) {
        keep(demo, step->keeps, idempotency_key, it.read);
    }
    return CLI_DONE;
}

static cli_exit play(demonstration *demo) {
    cli_call *call = demo->call;
    const int count = sizeof(steps) / sizeof(steps[0]);
    cli_exit code = CLI_DONE;
    for (int i = 0; i < count && code == CLI_DONE; i++) {
        code = play_step(demo, &steps[i], i + 1);
    }
    if (code == CLI_DONE && !call->json) {
        fprintf(call->out,
                call->language == FQ_CHINESE ? "%d 次调用，共 %.2f 秒。\n"
                                             : "%d calls, %.2f seconds from nothing to here.\n",
                count, (double)(fq_monotonic_ns() - demo->began_ns) / 1e9);
    }
    return code;
}

// --- against a server that runs ---

static cli_exit play_there(demonstration *demo) {
    cli_call *call = demo->call;
    cli_key_record record;
    fq_str secret;
    cli_exit code;
    const char *path = cli_text(call, "key");
    const size_t len = strlen(cli_text(call, "url"));
    if (!path) {
        cli_complain(call, "--url wants --key too", "--url 需与 --key 一起使用", NULL, NULL);
        return CLI_USAGE;
    }
    char *url = fq_arena_text(&call->arena, (fq_str){cli_text(call, "url"), len});
    if (len > 0 && url[len - 1] == '/') {
        url[len - 1] = '\0';
    }
    demo->url = url;
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
        strchr(strstr(url, "://") + 3, '/')) {
        cli_complain(call, "--url wants a scheme and a host, such as http://127.0.0.1:8080",
                     "--url 应为协议与主机，例如 http://127.0.0.1:8080", NULL, NULL);
        return CLI_USAGE;
    }
    if (!cli_read_key_record(call, path, &record, &code)) {
        return code;
    }
    if (record.algorithm != FQ_ALGORITHM_HMAC_SHA256) {
        cli_complain(call, "{0} must hold an hmac-sha256 key", "{0} 中应为 hmac-sha256 密钥", path,
                     NULL);
        return CLI_USAGE;
    }
    if (!cli_decode_secret(call, record.secret, path, &secret, &code)) {
        return code;
    }
    demo->key_id = record.id;
    const fq_err err = fq_sign_key_from_secret(secret, "key", &demo->key);
    if (err.code) {
        cli_complain_err(call, err);
        return CLI_USAGE;
    }
    return play(demo);
}

// --- against one of its own ---

static fq_err make_key(demonstration *demo, fq_house *house) {
    const fq_key_request asked = {.algorithm = FQ_ALGORITHM_HMAC_SHA256, .scope = FQ_STR("admin")};
    fq_created_key made;
    FQ_TRY(fq_user_key_create(fq_house_service(house, FQ_SERVICE_USER), &asked, &demo->call->arena,
                              &made));
    char *id = fq_arena_alloc(&demo->call->arena, FQ_ID_TEXT_MAX);
    fq_id_text(FQ_ID_key, made.id.v, id);
    demo->key_id = id;
    uint8_t secret[FQ_SECRET_BYTES_MAX];
    size_t len;
    FQ_ASSERT(made.secret.len <= FQ_SECRET_BYTES_MAX &&
              fq_base64_decode(made.secret, secret, &len));
    const fq_err err =
        fq_sign_key_from_secret((fq_str){(const char *)secret, len}, "key", &demo->key);
    fq_wipe(secret, sizeof(secret));
    return err;
}

static cli_exit play_in(demonstration *demo, const char *folder) {
    // Whatever is configured, the demonstration touches nothing but its own folder.
    fq_config standard;
    fq_house *house;
    fq_config_init(&standard);
    fq_settings settings = standard.settings;
    settings.server_data = folder;
    settings.server_listen = "127.0.0.1:0";
    fq_err err = fq_house_open(&settings, fq_house_services("user,order,payment"), &house);
    cli_exit code = CLI_UNREACHABLE;
    if (!err.code) {
        err = fq_house_start(house);
        if (!err.code) {
            err = make_key(demo, house);
        }
        if (!err.code) {
            demo->url = fq_house_url(house);
            code = play(demo);
        }
        fq_client_stop(demo->client);  // its connections would be waited for
        demo->client = NULL;
        fq_house_close(house);
    }
    if (err.code) {
        cli_complain_err(demo->call, err);
    }
    fq_config_free(&standard);
    return code;
}

static void remove_folder(const char *folder) {
    DIR *all = opendir(folder);
    for (const struct dirent *entry = all ? readdir(all) : NULL; entry; entry = readdir(all)) {
        unlinkat(dirfd(all), entry->d_name, 0);  // "." and ".." are refused
    }
    if (all) {
        closedir(all);
    }
    rmdir(folder);
}

static cli_exit play_here(demonstration *demo) {
    cli_call *call = demo->call;
    const char *where = getenv("TMPDIR");
    where = where && where[0] ? where : "/tmp";
    const fq_str made = fq_arena_printf(&call->arena, "%s/feiqian-demo-XXXXXX", where);
    char *folder = fq_arena_text(&call->arena, made);
    if (!mkdtemp(folder)) {
        cli_complain(call, "no folder can be made in {0}: {1}", "无法在 {0} 中创建目录：{1}", where,
                     strerror(errno));
        return CLI_UNREACHABLE;
    }
    const cli_exit code = play_in(demo, folder);
    remove_folder(folder);
    return code;
}

static cli_exit demo(cli_call *call) {
    demonstration it = {.call = call, .began_ns = fq_monotonic_ns()};
    cli_prepare_data_command();
    fq_err err = fq_client_start(&(fq_client_config){0}, &it.client);
    if (err.code) {
        cli_complain_err(call, err);
        return CLI_UNREACHABLE;
    }
    const cli_exit code = cli_text(call, "url") ? play_there(&it) : play_here(&it);
    if (it.client) {
        fq_client_stop(it.client);
    }
    fq_sign_key_free(it.key);
    return code;
}

static const cli_flag flags[] = {
    {.name = "url",
     .kind = CLI_TEXT,
     .value = "URL",
     .help = {"A running server; else one is started in a temporary folder.",
              "运行中的服务器；缺省则在临时目录中启动一个。"}},
    {.name = "key",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"With --url: what 'feiqian keys create --output json' printed.",
              "配合 --url：feiqian keys create --output json 的输出。"}},
    {.name = NULL},
};

const cli_command cli_demo = {
    .verb = "demo",
    .summary = {"Play the whole first hour: users, orders, payments, refunds, the ledger",
                "演示完整流程：用户、订单、支付、退款与账本"},
    .about =
        {"Makes two users, tops up, orders, pays, repeats, refunds, holds and captures, and shows each signed call "
         "with its answer. A live server has no sandbox top-up, so it must be a sandbox one.",
         "创建两个用户，充值、下单、支付、重试、退款、预授权与请款，并显示每个签名请求及其应答。服务器须为沙箱模式。"},
    .flags = flags,
    .examples = {{"feiqian demo",
                  {"On a server of its own, gone afterwards", "自动启动临时服务器"}},
                 {"feiqian demo --url http://127.0.0.1:8080 --key key.json --output json",
                  {"Against a running one; one object a step",
                   "针对运行中的服务器，每步输出一个 JSON 对象"}}},
    .run = demo,
};
