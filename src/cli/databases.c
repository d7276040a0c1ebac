// Databases on the command line.
#include "cli/databases.h"

#include "cli/output.h"

#include <errno.h>
#include <unistd.h>

unsigned cli_services(cli_call *call) {
    const char *list = call->config.settings.server_services;
    const unsigned services = fq_house_services(list);
    if (!services) {
        cli_complain(call, "server.services wants user, order, payment, by comma, each once: {0}",
                     "server.services 应为以逗号分隔、各出现一次的 user、order、payment：{0}", list,
                     NULL);
    }
    return services;
}

static bool is_there(cli_call *call, fq_service_number number) {
    const char *where = fq_house_where(&call->config.settings, number);
    const fq_str path =
        fq_arena_printf(&call->arena, "%s/%s.db", where, fq_service_name_of(number));
    return fq_where_is_url(where) || access(path.at, R_OK) == 0;
}

// What may not be looked into is not missing.
static void complain_missing(cli_call *call, fq_service_number number) {
    if (!is_there(call, number) && errno == EACCES) {
        cli_complain(call, "this user may not read the {1} database in {0}",
                     "当前用户无权读取 {0} 中的 {1} 数据库",
                     fq_house_where(&call->config.settings, number), fq_service_name_of(number));
        return;
    }
    cli_complain(call, "there is no {1} database in {0}", "{0} 中没有 {1} 数据库",
                 fq_house_where(&call->config.settings, number), fq_service_name_of(number));
}

bool cli_expect_database(cli_call *call, fq_service_number number) {
    const bool there = is_there(call, number);
    if (!there) {
        complain_missing(call, number);
    }
    return there;
}

bool cli_expect_place_for_users(cli_call *call) {
    const char *where = fq_house_where(&call->config.settings, FQ_SERVICE_USER);
    bool others = false;
    for (fq_service_number number = FQ_SERVICE_USER + 1; number < FQ_SERVICE_NUMBERS; number++) {
        const fq_str path =
            fq_arena_printf(&call->arena, "%s/%s.db", where, fq_service_name_of(number));
        others |= access(path.at, F_OK) == 0;
    }
    return others ? cli_expect_database(call, FQ_SERVICE_USER) : true;
}

void cli_complain_database(cli_call *call, fq_service_number number, fq_err err) {
    char sentence[512];
    if (err.code == FQ_STATE_CONFLICT) {
        cli_complain(call, "the {0} database does not fit this version; the line above says why",
                     "{0} 数据库与本版本不符；原因见上一行日志", fq_service_name_of(number), NULL);
        return;
    }
    fq_error_sentence(err, call->language, sentence, sizeof(sentence));
    cli_complain(call, "the {0} database cannot be used: {1}", "无法使用 {0} 数据库：{1}",
                 fq_service_name_of(number), sentence);
}

unsigned cli_services_there(cli_call *call, cli_exit *out_code) {
    const unsigned asked = cli_services(call);
    const bool chosen = strcmp(call->config.origin[FQ_SETTING_server_services], "default") != 0;
    unsigned there = 0;
    fq_service_number missing = FQ_SERVICE_USER;
    for (fq_service_number number = FQ_SERVICE_USER; number < FQ_SERVICE_NUMBERS; number++) {
        if (asked & 1u << number) {
            there |= is_there(call, number) ? 1u << number : 0;
            missing = there & 1u << number ? missing : number;
        }
    }
    *out_code = asked ? CLI_UNREACHABLE : CLI_USAGE;
    if (asked && (!there || (chosen && there != asked))) {
        complain_missing(call, missing);
        return 0;
    }
    return there;
}

// --- verifying ---

static void show(void *context, uint64_t done, uint64_t total) {
    cli_progress_at(context, done, total);
}

fq_err cli_verify_database(cli_call *call, fq_engine *engine, cli_verified *out) {
    cli_progress progress;
    const char *label =
        fq_arena_printf(&call->arena, call->language == FQ_CHINESE ? "核对 %s" : "Verifying %s",
                        engine->schema->service)
            .at;
    cli_progress_begin(&progress, call, label);
    const fq_ledger_watch watch = {.at = show, .context = &progress};
    const fq_err err = fq_ledger_verify(engine, &watch, &out->summary, &out->fault);
    cli_progress_end(&progress);
    return err;
}

static const char *const codes[] = {[FQ_LEDGER_SOUND] = "",
#define X(name, english, chinese) [FQ_LEDGER_##name] = #name,
                                    FQ_LEDGER_FAULTS(X)
#undef X
};

static void put_fault(cli_call *call, fq_json_writer *out, const fq_ledger_fault *fault) {
    char sentence[FQ_LEDGER_FAULT_TEXT_MAX];
    fq_ledger_fault_text(fault, call->language, sentence);
    char *code = fq_arena_text(&call->arena, fq_str_of(codes[fault->kind]));
    for (char *at = code; *at; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
    fq_json_object_begin(out, "fault");
    fq_json_put_literal(out, "code", code);
    fq_json_put_u64(out, "batch", fault->batch);
    if (fault->position) {
        fq_json_put_u64(out, "position", fault->position);
    }
    fq_json_put_id(out, "account", FQ_ID_account, fault->account);
    fq_json_put_literal(out, "detail", sentence);
    fq_json_object_end(out);
}

void cli_put_verified(cli_call *call, fq_json_writer *out, const cli_verified *verified) {
    const fq_ledger_summary *summary = &verified->summary;
    fq_json_object_begin(out, NULL);
    fq_json_put_literal(out, "service", fq_service_name_of(verified->number));
    fq_json_put_bool(out, "valid", verified->fault.kind == FQ_LEDGER_SOUND);
    fq_json_put_u64(out, "batches", summary->batches);
    fq_json_put_u64(out, "events", summary->events);
    fq_json_put_u64(out, "transfers", summary->transfers);
    fq_json_put_u64(out, "accounts", summary->accounts);
    if (verified->fault.kind == FQ_LEDGER_SOUND) {
        fq_json_put_null(out, "fault");
    } else {
        put_fault(call, out, &verified->fault);
    }
    fq_json_object_end(out);
}

void cli_print_verified(cli_call *call, const cli_verified *verified) {
    const bool chinese = call->language == FQ_CHINESE;
    const bool sound = verified->fault.kind == FQ_LEDGER_SOUND;
    const fq_ledger_summary *summary = &verified->summary;
    char sentence[FQ_LEDGER_FAULT_TEXT_MAX];
    fprintf(call->out, "%-8s %s%s%s", fq_service_name_of(verified->number),
            cli_escape(call->colour, sound ? CLI_GREEN : CLI_RED),
            sound ? (chinese ? "正确" : "right") : (chinese ? "有误" : "WRONG"),
            cli_escape(call->colour, CLI_PLAIN));
    if (!sound) {
        fq_ledger_fault_text(&verified->fault, call->language, sentence);
        fprintf(call->out, "  %s\n", sentence);
    } else {
        fprintf(call->out,
                chinese ? "  批次 %llu，事件 %llu，转账 %llu，账户 %llu\n"
                        : "  %llu batches, %llu events, %llu transfers, %llu accounts\n",
                (unsigned long long)summary->batches, (unsigned long long)summary->events,
                (unsigned long long)summary->transfers, (unsigned long long)summary->accounts);
    }
}
