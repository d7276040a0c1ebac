// feiqian ledger verify: computes every balance and every seal again, and says whether they are
// what the databases say. Reads only; runs beside a server too.
#include "cli/databases.h"
#include "cli/operate.h"
#include "cli/output.h"

enum { JSON_BYTES_MAX = 16 << 10 };

static cli_exit verify_one(cli_call *call, fq_service_number number, cli_verified *out) {
    fq_engine *engine __attribute__((cleanup(fq_database_close))) = NULL;
    const fq_settings *settings = &call->config.settings;
    *out = (cli_verified){.number = number};
    fq_err err = fq_database_open(settings, fq_house_where(settings, number), number,
                                  FQ_DATABASE_READ, &engine);
    if (!err.code) {
        err = cli_verify_database(call, engine, out);
    }
    if (err.code) {
        cli_complain_database(call, number, err);
        return CLI_UNREACHABLE;
    }
    return out->fault.kind == FQ_LEDGER_SOUND ? CLI_DONE : CLI_NO;
}

static void print_json(cli_call *call, const cli_verified *verified, size_t count, bool valid) {
    fq_buffer json __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&json, JSON_BYTES_MAX);
    fq_json_writer writer = fq_json_writer_on(&json);
    fq_json_object_begin(&writer, NULL);
    fq_json_put_bool(&writer, "valid", valid);
    fq_json_array_begin(&writer, "databases");
    for (size_t i = 0; i < count; i++) {
        cli_put_verified(call, &writer, &verified[i]);
    }
    fq_json_array_end(&writer);
    fq_json_object_end(&writer);
    cli_print_json(call, &json);
}

static cli_exit verify(cli_call *call) {
    cli_verified verified[FQ_SERVICE_NUMBERS];
    size_t count = 0;
    cli_exit code;
    cli_prepare_data_command();
    const unsigned services = cli_services_there(call, &code);
    if (!services) {
        return code;
    }
    code = CLI_DONE;
    for (fq_service_number number = FQ_SERVICE_USER; number < FQ_SERVICE_NUMBERS; number++) {
        if (services & 1u << number) {
            const cli_exit one = verify_one(call, number, &verified[count]);
            if (one != CLI_DONE && one != CLI_NO) {
                return one;
            }
            code = one == CLI_NO ? CLI_NO : code;
            if (!call->json) {
                cli_print_verified(call, &verified[count]);
            }
            count++;
        }
    }
    if (call->json) {
        print_json(call, verified, count, code == CLI_DONE);
    }
    return code;
}

static const cli_flag flags[] = {
    CLI_DATA_FLAG,
    {.name = NULL},
};

const cli_command cli_ledger_verify = {
    .noun = "ledger",
    .verb = "verify",
    .summary = {"Compute every balance and the audit chain again", "重新计算所有余额与审计链"},
    .about =
        {"Reads each service's database from its first batch to its last: seals, positions, the balance of both "
         "accounts after each transfer, every account's balance, the sum of each currency. Exit code 0 when all "
         "is right, 1 and the first fault when not. May run beside a server.",
         "从第一批到最后一批读取各服务的数据库：封印、位置、每笔转账后双方账户的余额、各账户余额、各币种总和。"
         "全部正确时退出码为 0，否则为 1 并给出首个错误。可在服务器运行时使用。"},
    .flags = flags,
    .examples = {{"feiqian ledger verify --data ./var", {"All three databases", "三个数据库"}},
                 {"feiqian ledger verify --data /backup/monday --output json",
                  {"A backup, for a script", "在脚本中核对备份"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = verify,
};
