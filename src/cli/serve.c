// feiqian serve: the server, from reading its configuration to its last answer.
#include "base/log.h"
#include "base/metrics.h"
#include "cli/command.h"
#include "cli/first_steps.h"
#include "cli/notify.h"
#include "crypto/crypto.h"
#include "house/control.h"
#include "house/house.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// --- before anything is opened ---

// Secrets live in this process: no core file and no debugger of the same user shall have them.
static void harden(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    umask(077);
}

// A connection is a descriptor: as many as this process is allowed.
static void raise_file_limit(const fq_settings *settings) {
    enum { BESIDE_CONNECTIONS = 256 };  // databases, listeners, logs
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return;
    }
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < (rlim_t)settings->server_connections_max + BESIDE_CONNECTIONS) {
        fq_log(FQ_LOG_WARN, "too few open files are allowed for server.connections_max",
               FQ_LOG_INT("allowed", files.rlim_max),
               FQ_LOG_INT("connections_max", settings->server_connections_max));
    }
}

static void configure_log(const fq_settings *settings) {
    static const fq_log_format formats[] = {FQ_LOG_AUTO, FQ_LOG_JSON, FQ_LOG_PLAIN};
    fq_log_configure(STDERR_FILENO, (fq_log_level)settings->log_level,
                     formats[settings->log_format]);
}

static cli_exit print_config(cli_call *call) {
    fq_buffer text;
    fq_buffer_init(&text, 1 << 20);
    fq_config_print(&call->config, call->language, &text);
    fwrite(text.at, 1, text.len, call->out);
    fq_buffer_free(&text);
    return CLI_DONE;
}

// --- while it runs ---

static cli_exit exit_of(fq_err err) {
    return err.code == FQ_INVALID_FIELD ? CLI_USAGE : CLI_UNREACHABLE;
}

// Waits for a signal, and meanwhile tells the service manager that this process does not hang. A
// store that is lost is no reason to be started anew: /readyz tells of it.
static int next_signal(const sigset_t *signals, fq_house *house) {
    const int64_t interval_ms = cli_notify_watchdog_ms();
    for (;;) {
        const struct timespec wait = {interval_ms / 1000, interval_ms % 1000 * 1000000};
        const int number =
            interval_ms > 0 ? sigtimedwait(signals, NULL, &wait) : sigwaitinfo(signals, NULL);
        if (number > 0) {
            return number;
        }
        if (errno == EAGAIN && fq_house_is_alive(house)) {
            cli_notify("WATCHDOG=1");
        }
    }
}

// A second signal ends the process at once: what was acknowledged is durable already.
static void end_at_once(int number) {
    (void)number;
    _exit(CLI_DONE);
}

static void announce(cli_call *call, fq_house *house) {
    const fq_config *config = &call->config;
    fq_log(FQ_LOG_INFO, "started", FQ_LOG_TEXT("version", FQ_PROGRAM_VERSION),
           FQ_LOG_TEXT("mode", config->text[FQ_SETTING_server_mode]),
           FQ_LOG_TEXT("services", config->settings.server_services),
           FQ_LOG_TEXT("listen", fq_house_url(house)),
           FQ_LOG_INT("threads", fq_house_threads(house)), FQ_LOG_INT("pid", getpid()));
    cli_notify("READY=1");
    fprintf(call->out, "ready %s\n", fq_house_url(house));
    fflush(call->out);
    if (cli_switch(call, "first-steps")) {
        cli_print_first_steps(call, house);
    }
}

static void tell_change(const fq_setting_row *row, bool taken) {
    fq_log(taken ? FQ_LOG_INFO : FQ_LOG_WARN, "a setting has changed",
           FQ_LOG_TEXT("section", row->section), FQ_LOG_TEXT("name", row->name),
           FQ_LOG_TEXT("taken_over", taken ? "now" : "at the next start"));
}

// On SIGHUP: what can change while it runs does; a configuration with a fault changes nothing.
static void reload(cli_call *call, fq_house *house) {
    cli_call again = *call;
    fq_config_fault fault;
    if (cli_load_settings(&again, &fault)) {
        configure_log(&again.config.settings);
        fq_config_take_over(&call->config, &again.config, tell_change);
    } else {
        fq_log(FQ_LOG_ERROR, "the configuration could not be read again; the old one stays",
               FQ_LOG_TEXT("reason", fault.sentence[FQ_ENGLISH]));
    }
    call->arena = again.arena;  // it may have grown
    fq_config_free(&again.config);
    fq_house_reload(house);
}

static void run(cli_call *call, fq_house *house, const sigset_t *signals) {
    announce(call, house);
    for (int number = next_signal(signals, house); number == SIGHUP;
         number = next_signal(signals, house)) {
        cli_notify_reloading();
        reload(call, house);
        cli_notify("READY=1");
    }
    fq_log(FQ_LOG_INFO, "stopping");
    cli_notify("STOPPING=1");
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = end_at_once}, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = end_at_once}, NULL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

// Beside the user service, whose keys are what is asked about.
static fq_err start_control(fq_house *house, const fq_settings *settings, fq_control **out) {
    *out = NULL;
    return fq_house_service(house, FQ_SERVICE_USER)
               ? fq_control_start(house, fq_house_where(settings, FQ_SERVICE_USER), out)
               : FQ_OK;
}

static cli_exit serve(cli_call *call) {
    const fq_settings *settings = &call->config.settings;
    if (cli_switch(call, "print-config")) {
        return print_config(call);
    }
    const unsigned services = fq_house_services(settings->server_services);
    if (!services) {
        cli_complain(call, "--services wants user, order, payment, by comma, each once: {0}",
                     "--services 应为以逗号分隔、各出现一次的 user、order、payment：{0}",
                     settings->server_services, NULL);
        return CLI_USAGE;
    }
    harden();
    configure_log(settings);
    raise_file_limit(settings);
    fq_crypto_init();
    fq_metrics_build_info(FQ_PROGRAM_VERSION, "");
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    fq_house *house;
    fq_err err = fq_house_open(settings, services, &house);
    if (err.code) {
        return CLI_UNREACHABLE;  // the log says what could not be opened
    }
    fq_control *control = NULL;
    err = fq_house_start(house);
    if (!err.code) {
        err = start_control(house, settings, &control);
    }
    if (!err.code) {
        run(call, house, &signals);
    }
    fq_control_stop(control);
    fq_house_close(house);
    fq_log(FQ_LOG_INFO, "stopped", FQ_LOG_TEXT("version", FQ_PROGRAM_VERSION));
    return err.code ? exit_of(err) : CLI_DONE;
}

static const cli_flag flags[] = {
    {.name = "data",
     .kind = CLI_TEXT,
     .value = "WHERE",
     .setting = "server.data",
     .help = {"Folder (SQLite) or postgresql:// URL of the data.",
              "数据所在的目录（SQLite）或 postgresql:// 地址。"}},
    {.name = "listen",
     .kind = CLI_TEXT,
     .value = "ADDR:PORT",
     .setting = "server.listen",
     .help = {"Address and port to serve at; port 0 picks a free one.",
              "监听的地址和端口；端口 0 表示自动选择。"}},
    {.name = "mode",
     .kind = CLI_CHOICE,
     .value = "sandbox|live",
     .setting = "server.mode",
     .help = {"sandbox plays, live moves money.", "sandbox 为演练，live 为真实资金。"}},
    {.name = "services",
     .kind = CLI_TEXT,
     .value = "LIST",
     .setting = "server.services",
     .help = {"Services of this process: user, order, payment.",
              "本进程运行的服务：user、order、payment。"}},
    {.name = "print-config",
     .kind = CLI_SWITCH,
     .help = {"Print the whole configuration and end.", "打印完整配置后退出。"}},
    {.name = "first-steps",
     .kind = CLI_SWITCH,
     .help = {"When ready, print curl lines for a first payment (sandbox).",
              "就绪后打印完成首笔支付的 curl 命令（沙箱模式）。"}},
    {.name = NULL},
};

const cli_command cli_serve = {
    .verb = "serve",
    .summary = {"run the server", "运行服务器"},
    .about =
        {"Serves the API until SIGTERM or SIGINT. When ready it prints one line, `ready URL`, on standard output; "
         "logs go to standard error.",
         "提供 API 服务，直到收到 SIGTERM 或 SIGINT。就绪时在标准输出打印一行“ready URL”；日志写往标准错误。"},
    .flags = flags,
    .examples = {{"feiqian serve --data ./var --listen 127.0.0.1:8080",
                  {"all services on an embedded database", "在内嵌数据库上运行全部服务"}},
                 {"feiqian serve --services payment --data postgresql://pay@db/feiqian",
                  {"one service on PostgreSQL", "在 PostgreSQL 上运行一个服务"}}},
    .settings = CLI_WITH_SETTINGS,
    .serves = true,
    .run = serve,
};
