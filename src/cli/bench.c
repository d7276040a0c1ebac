// feiqian bench: flags to options, the report to standard output. What is measured, and how, is the
// bench room's affair.
#include "bench/bench.h"
#include "cli/output.h"

#define CONNECTIONS "256"
#define SECONDS "10"
#define WALLETS "10000"

enum { DAY_SECONDS = FQ_BENCH_SECONDS_MAX, HOUR_SECONDS = 3600, RATE_MAX = 10000000 };

static const cli_flag flags[] = {
    {.name = "url",
     .kind = CLI_TEXT,
     .value = "URL",
     .required = true,
     .help = {"The running server.", "运行中的服务器地址。"}},
    {.name = "key",
     .kind = CLI_FILE,
     .value = "FILE",
     .required = true,
     .help = {"What 'feiqian keys create --scope admin --output json' printed.",
              "feiqian keys create --scope admin --output json 的输出。"}},
    {.name = "private-key",
     .kind = CLI_FILE,
     .value = "FILE",
     .help = {"The key's private half as PEM, where its algorithm is not hmac-sha256.",
              "密钥算法不是 hmac-sha256 时，其私钥的 PEM 文件。"}},
    {.name = "connections",
     .kind = CLI_INTEGER,
     .value = "N",
     .standard = CONNECTIONS,
     .minimum = 1,
     .maximum = FQ_BENCH_CONNECTIONS_MAX,
     .help = {"Kept-alive connections, one request at a time on each.",
              "长连接数，每个连接同时只有一个请求。"}},
    {.name = "seconds",
     .kind = CLI_DECIMAL,
     .value = "S",
     .standard = SECONDS,
     .minimum = 0,
     .maximum = DAY_SECONDS,
     .help = {"How long to pay.", "支付持续的秒数。"}},
    {.name = "payments",
     .kind = CLI_INTEGER,
     .value = "N",
     .minimum = 1,
     .maximum = FQ_BENCH_PAYMENTS_MAX,
     .help = {"Exactly so many payments, however long that takes.",
              "恰好支付这么多笔，不论耗时。"}},
    {.name = "warmup",
     .kind = CLI_DECIMAL,
     .value = "S",
     .standard = "2",
     .minimum = 0,
     .maximum = HOUR_SECONDS,
     .help = {"Seconds of paying that are not counted.", "不计入结果的预热秒数。"}},
    {.name = "rate",
     .kind = CLI_DECIMAL,
     .value = "R",
     .minimum = 0,
     .maximum = RATE_MAX,
     .help =
         {"Open loop: so many payments a second, whether or not the server keeps up; times count from when each was due",
          "开环：每秒固定支付笔数，不论服务器能否跟上；延迟自应发出之时起算"}},
    {.name = "arrivals",
     .kind = CLI_CHOICE,
     .value = "poisson|even",
     .standard = "poisson",
     .help = {"With --rate: as strangers come, or evenly spaced.",
              "配合 --rate：随机到达或均匀间隔。"}},
    {.name = "hot",
     .kind = CLI_DECIMAL,
     .value = "SHARE",
     .standard = "0",
     .minimum = 0,
     .maximum = 1,
     .help = {"The share of payments that goes to one merchant.", "流向同一商户的支付比例。"}},
    {.name = "bulk",
     .kind = CLI_INTEGER,
     .value = "N",
     .standard = "1",
     .minimum = 1,
     .maximum = FQ_BENCH_BULK_MAX,
     .help = {"Payments a request; more than 1 asks POST /v1/payments/bulk.",
              "每个请求的支付笔数；大于 1 时使用 POST /v1/payments/bulk。"}},
    {.name = "wallets",
     .kind = CLI_INTEGER,
     .value = "N",
     .standard = WALLETS,
     .minimum = 2,
     .maximum = FQ_BENCH_WALLETS_MAX,
     .help = {"Users to make, each of them payer and merchant.",
              "创建的用户数，每个用户既付款也收款。"}},
    {.name = "threads",
     .kind = CLI_INTEGER,
     .value = "N",
     .standard = "1",
     .minimum = 1,
     .maximum = FQ_BENCH_THREADS_MAX,
     .help = {"Threads of the load generator.", "压测程序的线程数。"}},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = "N",
     .standard = "1",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = {"Decides who pays whom, how much, and when in open loop.",
              "决定付款人、收款人、金额与到达时刻。"}},
    {.name = "server-pid",
     .kind = CLI_INTEGER,
     .value = "PID",
     .minimum = 1,
     .maximum = INT32_MAX,
     .help = {"The process to watch; found by the port without it.",
              "要观察的进程；缺省时按端口查找。"}},
    {.name = "prepare-only",
     .kind = CLI_SWITCH,
     .help = {"Make users, top-ups and orders, and stop.", "只创建用户、充值与订单。"}},
    {.name = "verify",
     .kind = CLI_SWITCH,
     .help = {"Afterwards read payments back, and check that no money appeared or vanished.",
              "结束后读回部分支付，并核对资金总额。"}},
    {0},
};

// Which stage the bar on the terminal shows.
typedef struct {
    const cli_call *call;
    cli_progress progress;
    const char *stage;
} watcher;

static void show_progress(void *state, const char *stage, uint64_t done, uint64_t total) {
    watcher *w = state;
    if (w->stage != stage) {
        if (w->stage) {
            cli_progress_end(&w->progress);
        }
        cli_progress_begin(&w->progress, w->call, stage);
        w->stage = stage;
    }
    cli_progress_at(&w->progress, done, total);
}

static fq_bench_options read_options(const cli_call *call) {
    fq_bench_options options = fq_bench_defaults;
    options.url = cli_text(call, "url");
    options.key_path = cli_text(call, "key");
    options.private_key_path = cli_text(call, "private-key");
    options.connections = (uint32_t)cli_integer(call, "connections", 0);
    options.seconds = cli_decimal(call, "seconds", 0);
    options.payments = (uint64_t)cli_integer(call, "payments", 0);
    options.warmup_seconds = cli_decimal(call, "warmup", 0);
    options.rate = cli_decimal(call, "rate", 0);
    options.even = strcmp(cli_text(call, "arrivals"), "even") == 0;
    options.hot_share = cli_decimal(call, "hot", 0);
    options.bulk = (uint32_t)cli_integer(call, "bulk", 0);
    options.wallets = (uint32_t)cli_integer(call, "wallets", 0);
    options.threads = (uint32_t)cli_integer(call, "threads", 0);
    options.seed = (uint64_t)cli_integer(call, "seed", 0);
    options.server_pid = (int)cli_integer(call, "server-pid", 0);
    options.prepare_only = cli_switch(call, "prepare-only");
    options.verify = cli_switch(call, "verify");
    return options;
}

static cli_exit bench(cli_call *call) {
    watcher seen = {.call = call};
    fq_bench_options options = read_options(call);
    options.progress = show_progress;
    options.progress_state = &seen;
    fq_bench_report *report = FQ_NEW(&call->arena, fq_bench_report);
    const cli_exit outcome = (cli_exit)fq_bench_run(&options, report);
    if (seen.stage) {
        cli_progress_end(&seen.progress);
    }
    if (outcome != CLI_DONE) {
        cli_complain(call, "{0}", "{0}", report->first_error, NULL);
    }
    if (outcome != CLI_DONE && outcome != CLI_NO) {
        return outcome;
    }
    if (call->json) {
        fq_bench_report_json(&options, report, call->out);
    } else {
        fq_bench_report_table(&options, report, call->out);
    }
    return outcome;
}

const cli_command cli_bench = {
    .verb = "bench",
    .summary = {"Drive a running server with signed payments and measure it",
                "以签名支付对运行中的服务器进行压力测试"},
    .about =
        {"Makes users, tops them up and makes orders through the API, then pays the orders while the clock runs. "
         "Every answer is checked; exit code 1 when one was wrong.",
         "先通过 API 创建用户、充值并下单，再在计时期间支付这些订单。每个应答都会检查；有错误时退出码为 1。"},
    .flags = flags,
    .examples =
        {{"feiqian bench --url http://127.0.0.1:8080 --key admin.json",
          {"As fast as it goes", "尽可能快"}},
         {"feiqian bench --url http://127.0.0.1:8080 --key admin.json --rate 5000 --seconds 30 --output json",
          {"At a steady pace, for programs", "固定速率，供程序读取"}}},
    .run = bench,
};
