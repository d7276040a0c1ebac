// feiqian db: brings databases up to date, checks them, and backs them up.
#include "cli/databases.h"
#include "cli/operate.h"
#include "cli/output.h"
#include "store/migrate.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JSON_BYTES_MAX = 64 << 10 };

// Runs `job` on each service's database in turn; the first that is not done ends it, but for
// CLI_NO.
typedef cli_exit database_job(cli_call *call, fq_service_number number, fq_json_writer *out,
                              void *context);

// The order of backups: those who follow before those whom they follow, so that no copy has
// followed further than its source's copy goes.
static const fq_service_number followers_first[] = {FQ_SERVICE_ORDER, FQ_SERVICE_PAYMENT,
                                                    FQ_SERVICE_USER};

// Prints {"databases": […]} for programs; for people each job prints its own line.
static cli_exit for_each(cli_call *call, unsigned services, database_job *job, void *context) {
    fq_buffer json __attribute__((cleanup(fq_buffer_free)));
    cli_exit code = CLI_DONE;
    fq_buffer_init(&json, JSON_BYTES_MAX);
    fq_json_writer writer = fq_json_writer_on(&json);
    fq_json_object_begin(&writer, NULL);
    fq_json_array_begin(&writer, "databases");
    for (size_t i = 0; i < sizeof(followers_first) / sizeof(followers_first[0]); i++) {
        if ((code == CLI_DONE || code == CLI_NO) && (services & 1u << followers_first[i])) {
            const cli_exit one = job(call, followers_first[i], &writer, context);
            code = one == CLI_DONE ? code : one;
        }
    }
    fq_json_array_end(&writer);
    fq_json_object_end(&writer);
    if (call->json && (code == CLI_DONE || code == CLI_NO)) {
        cli_print_json(call, &json);
    }
    return code;
}

static cli_exit complain(cli_call *call, fq_service_number number, fq_err err) {
    cli_complain_database(call, number, err);
    return CLI_UNREACHABLE;
}

static const char *where_of(const cli_call *call, fq_service_number number) {
    return fq_house_where(&call->config.settings, number);
}

// --- migrate ---

static cli_exit migrate_one(cli_call *call, fq_service_number number, fq_json_writer *out,
                            void *context) {
    (void)context;
    fq_engine *engine __attribute__((cleanup(fq_database_close))) = NULL;
    const fq_err err = fq_database_open(&call->config.settings, where_of(call, number), number,
                                        FQ_DATABASE_MIGRATE, &engine);
    if (err.code) {
        return complain(call, number, err);
    }
    const size_t count = engine->schema->migration_count;
    fq_json_object_begin(out, NULL);
    fq_json_put_literal(out, "service", fq_service_name_of(number));
    fq_json_put_u64(out, "migrations", count);
    fq_json_object_end(out);
    if (!call->json) {
        fprintf(call->out, call->language == FQ_CHINESE ? "%-8s 已升级至 %zu\n" : "%-8s at %zu\n",
                fq_service_name_of(number), count);
    }
    return CLI_DONE;
}

static cli_exit migrate(cli_call *call) {
    cli_prepare_data_command();
    const unsigned services = cli_services(call);
    return services ? for_each(call, services, migrate_one, NULL) : CLI_USAGE;
}

// --- check ---

static cli_exit examine(cli_call *call, fq_service_number number, fq_engine *engine,
                        fq_store_health *out, fq_str *out_mode) {
    fq_buffer mode __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&mode, 64);
    fq_err err = fq_store_stamp(engine, "mode", (fq_str){0}, &mode);
    if (!err.code) {
        err = engine->ops->examine(engine, out);
    }
    if (err.code) {
        return complain(call, number, err);
    }
    *out_mode = fq_arena_copy(&call->arena, fq_buffer_str(&mode));
    return out->sound ? CLI_DONE : CLI_NO;
}

static void put_health(fq_json_writer *out, const fq_engine *engine, const fq_store_health *health,
                       fq_str mode) {
    fq_json_object_begin(out, NULL);
    fq_json_put_literal(out, "service", engine->schema->service);
    fq_json_put_i64(out, "migrations", health->migration_last);
    fq_json_put_u64(out, "migrations_known", engine->schema->migration_count);
    fq_json_put_text(out, "mode", mode);
    fq_json_put_bool(out, "sound", health->sound);
    if (!health->sound) {
        fq_json_put_literal(out, "fault", health->fault);
    }
    fq_json_object_end(out);
}

static void print_health(const cli_call *call, const fq_engine *engine,
                         const fq_store_health *health, fq_str mode) {
    const bool chinese = call->language == FQ_CHINESE;
    fprintf(call->out, "%-8s %s%s%s", engine->schema->service,
            cli_escape(call->colour, health->sound ? CLI_GREEN : CLI_RED),
            health->sound ? (chinese ? "完好" : "sound") : (chinese ? "损坏" : "DAMAGED"),
            cli_escape(call->colour, CLI_PLAIN));
    fprintf(call->out,
            chinese ? "  结构 %lld（已知 %zu），模式 %.*s  %s\n"
                    : "  schema %lld of %zu known, mode %.*s  %s\n",
            (long long)health->migration_last, engine->schema->migration_count, FQ_STR_ARGS(mode),
            health->fault);
}

static cli_exit check_one(cli_call *call, fq_service_number number, fq_json_writer *out,
                          void *context) {
    (void)context;
    fq_engine *engine __attribute__((cleanup(fq_database_close))) = NULL;
    fq_store_health health;
    fq_str mode;
    const fq_err err = fq_database_open(&call->config.settings, where_of(call, number), number,
                                        FQ_DATABASE_READ, &engine);
    if (err.code) {
        cli_complain_database(call, number, err);
        return err.code == FQ_STATE_CONFLICT ? CLI_NO : CLI_UNREACHABLE;
    }
    const cli_exit code = examine(call, number, engine, &health, &mode);
    if (code == CLI_DONE || code == CLI_NO) {
        put_health(out, engine, &health, mode);
    }
    if (!call->json && (code == CLI_DONE || code == CLI_NO)) {
        print_health(call, engine, &health, mode);
    }
    return code;
}

static cli_exit check(cli_call *call) {
    cli_exit code;
    cli_prepare_data_command();
    const unsigned services = cli_services_there(call, &code);
    return services ? for_each(call, services, check_one, NULL) : code;
}

// --- backup ---

// A copy is verified where it lies. Reading it leaves SQLite's side files, empty, beside it.
static void remove_side_files(cli_call *call, const char *path) {
    unlink(fq_arena_printf(&call->arena, "%s-wal", path).at);
    unlink(fq_arena_printf(&call->arena, "%s-shm", path).at);
}

// A dump of PostgreSQL cannot be read without a server: what it was made of is verified instead.
static cli_exit verify_copy(cli_call *call, fq_service_number number, const char *where,
                            cli_verified *out) {
    fq_engine *engine __attribute__((cleanup(fq_database_close))) = NULL;
    fq_store_health health = {0};
    fq_err err = fq_database_open(&call->config.settings, where, number, FQ_DATABASE_READ, &engine);
    if (!err.code) {
        err = engine->ops->examine(engine, &health);
    }
    if (!err.code && !health.sound) {
        cli_complain(call, "the copy of {0} is damaged: {1}", "{0} 的备份已损坏：{1}",
                     fq_service_name_of(number), health.fault);
        return CLI_NO;
    }
    if (!err.code) {
        err = cli_verify_database(call, engine, out);
    }
    if (err.code) {
        return complain(call, number, err);
    }
    return out->fault.kind == FQ_LEDGER_SOUND ? CLI_DONE : CLI_NO;
}

static cli_exit backup_one(cli_call *call, fq_service_number number, fq_json_writer *out,
                           void *context) {
    fq_engine *engine __attribute__((cleanup(fq_database_close))) = NULL;
    const char *folder = context, *where = where_of(call, number), *path;
    const bool is_url = fq_where_is_url(where);
    fq_err err = fq_database_open(&call->config.settings, where, number, FQ_DATABASE_READ, &engine);
    if (!err.code) {
        err = fq_database_backup(engine, folder, is_url, &call->arena, &path);
    }
    if (err.code) {
        return complain(call, number, err);
    }
    cli_verified verified = {.number = number};
    const cli_exit code = verify_copy(call, number, is_url ? where : folder, &verified);
    if (!is_url) {
        remove_side_files(call, path);
    }
    if (code == CLI_DONE || (code == CLI_NO && verified.fault.kind != FQ_LEDGER_SOUND)) {
        cli_put_verified(call, out, &verified);
    }
    if (!call->json && (code == CLI_DONE || code == CLI_NO)) {
        cli_print_verified(call, &verified);
    }
    return code;
}

static cli_exit backup(cli_call *call) {
    const char *folder = cli_text(call, "to");
    cli_exit code;
    cli_prepare_data_command();
    const unsigned services = cli_services_there(call, &code);
    if (!services) {
        return code;
    }
    if (mkdir(folder, 0700) != 0) {
        cli_complain(call, "{0} cannot be made, and must be new: {1}",
                     "无法创建 {0}（必须是新目录）：{1}", folder, strerror(errno));
        return CLI_UNREACHABLE;
    }
    code = for_each(call, services, backup_one, (void *)(uintptr_t)folder);
    if (code == CLI_DONE) {
        fputs(call->language == FQ_CHINESE
                  ? "备份完成。主密钥不在其中：请另行妥善保管，缺少它无法读取个人信息。\n"
                  : "Backed up. The master key is not in it: keep it elsewhere, personal fields "
                    "cannot be read without it.\n",
              call->err);
    }
    return code;
}

// --- the commands ---

static const cli_flag flags[] = {
    CLI_DATA_FLAG,
    {.name = NULL},
};

static const cli_flag backup_flags[] = {
    CLI_DATA_FLAG,
    {.name = "to",
     .kind = CLI_FOLDER,
     .value = "FOLDER",
     .required = true,
     .help = {"A folder that is not there yet.", "尚不存在的目录。"}},
    {.name = NULL},
};

const cli_command cli_db_migrate = {
    .noun = "db",
    .verb = "migrate",
    .summary = {"Bring the databases up to date", "升级数据库结构"},
    .about =
        {"Applies what this version adds, each migration whole or not at all; makes databases that are missing. "
         "With store.migrate the server does it at start.",
         "应用本版本新增的结构变更，每次变更要么完整要么不生效；缺少的数据库会被创建。启用 store.migrate 时服务器启动会自动执行。"},
    .flags = flags,
    .examples = {{"feiqian db migrate --data ./var",
                  {"Before the first start of a new version", "新版本首次启动之前"}},
                 {"feiqian db migrate --data postgresql://owner@db/feiqian",
                  {"By a role that may change tables", "以有权修改表结构的角色执行"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = migrate,
};

const cli_command cli_db_check = {
    .noun = "db",
    .verb = "check",
    .summary = {"Say whether the databases are sound and up to date",
                "检查数据库是否完好、结构是否最新"},
    .about =
        {"Reads each database whole (SQLite) or asks it (PostgreSQL). Changes nothing, and may run beside a "
         "server. Exit code 0 or 1. What the numbers in it say is checked by 'feiqian ledger verify'.",
         "完整读取每个数据库（SQLite）或向其查询（PostgreSQL）。不作任何修改，可在服务器运行时使用。退出码 0 或 1。"
         "账目由 feiqian ledger verify 核对。"},
    .flags = flags,
    .examples = {{"feiqian db check --data ./var", {"After a power cut", "断电之后"}},
                 {"feiqian db check --data ./var --output json", {"For a script", "供脚本使用"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = check,
};

const cli_command cli_db_backup = {
    .noun = "db",
    .verb = "backup",
    .summary = {"Copy the databases to a new folder, and verify the copies",
                "将数据库备份到新目录并核对"},
    .about =
        {"Runs beside a server too; each copy is one state of its database. SQLite's copies are verified as "
         "'feiqian ledger verify' does, and are a data folder to start from: put master.key beside them. "
         "PostgreSQL's are pg_dump archives.",
         "可在服务器运行时使用；每份备份是其数据库的一个一致状态。SQLite 备份会按 feiqian ledger verify 核对，"
         "放入 master.key 后即可作为数据目录启动。PostgreSQL 备份为 pg_dump 归档。"},
    .flags = backup_flags,
    .examples = {{"feiqian db backup --data ./var --to /backup/monday",
                  {"Every night", "每晚备份"}},
                 {"feiqian db backup --data postgresql://pay@db/feiqian --to /backup/monday",
                  {"By pg_dump", "使用 pg_dump"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = backup,
};
