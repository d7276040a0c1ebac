// feiqian config check|show: what the configuration says, or what is wrong with it. Changes
// nothing.
#include "base/json_writer.h"
#include "cli/output.h"

enum { SHOWN_BYTES_MAX = 256 * 1024 };

// --- check ---

static cli_exit check(cli_call *call) {
    fq_config_fault fault;
    const bool valid = cli_load_settings(call, &fault);
    if (!call->json) {
        if (valid) {
            fputs(call->language == FQ_CHINESE ? "配置正确\n" : "the configuration is right\n",
                  call->out);
        } else {
            cli_complain(call, "{0}", "{0}", fault.sentence[call->language], NULL);
        }
        return valid ? CLI_DONE : CLI_NO;
    }
    fq_buffer json __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&json, 4 * FQ_CONFIG_FAULT_MAX);
    fq_json_writer writer = fq_json_writer_on(&json);
    fq_json_object_begin(&writer, NULL);
    fq_json_put_bool(&writer, "valid", valid);
    if (!valid) {
        fq_json_put_literal(&writer, "detail", fault.sentence[call->language]);
    }
    fq_json_object_end(&writer);
    cli_print_json(call, &json);
    return valid ? CLI_DONE : CLI_NO;
}

const cli_command cli_config_check = {
    .noun = "config",
    .verb = "check",
    .summary = {"Say whether the configuration is right", "检查配置是否正确"},
    .about =
        {"Reads defaults, the file, the environment and flags as 'feiqian serve' would, and names the first fault "
         "with its place. Exit code 1 when there is one.",
         "按 feiqian serve 的方式读取默认值、配置文件、环境变量与参数，并指出第一处错误及其位置。有错误时退出码为 1。"},
    .examples = {{"feiqian config check --config /etc/feiqian/feiqian.conf",
                  {"Before a restart", "重启之前"}},
                 {"FEIQIAN_LOG_LEVEL=debug feiqian config check",
                  {"The environment counts too", "环境变量同样生效"}}},
    .settings = CLI_WITH_SETTINGS_LATER,
    .serves = true,
    .run = check,
};

// --- show ---

static void show_json(cli_call *call, fq_buffer *out) {
    fq_json_writer writer = fq_json_writer_on(out);
    fq_json_object_begin(&writer, NULL);
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        const fq_setting_row *row = &fq_setting_rows()[i];
        const bool hidden = row->secret && call->config.text[i][0];
        fq_json_object_begin(&writer,
                             fq_arena_printf(&call->arena, "%s.%s", row->section, row->name).at);
        fq_json_put_literal(&writer, "value", hidden ? "(hidden)" : call->config.text[i]);
        fq_json_put_literal(&writer, "origin", call->config.origin[i]);
        fq_json_object_end(&writer);
    }
    fq_json_object_end(&writer);
}

static cli_exit show(cli_call *call) {
    fq_buffer text __attribute__((cleanup(fq_buffer_free)));
    fq_buffer_init(&text, SHOWN_BYTES_MAX);
    if (call->json) {
        show_json(call, &text);
        cli_print_json(call, &text);
        return CLI_DONE;
    }
    fq_config_print(&call->config, call->language, &text);
    FQ_ASSERT(!text.overflowed);
    fwrite(text.at, 1, text.len, call->out);
    return CLI_DONE;
}

const cli_command cli_config_show = {
    .noun = "config",
    .verb = "show",
    .summary = {"Print all settings, with what they mean and their defaults",
                "打印全部设置、含义与默认值"},
    .about = {"The output is a configuration file itself. Secrets are hidden.",
              "输出本身即为一份配置文件。密钥等机密不显示。"},
    .examples = {{"feiqian config show > feiqian.conf",
                  {"Begin a configuration file", "生成配置文件"}},
                 {"feiqian config show --output json",
                  {"Which value came from where", "查看每个值的来源"}}},
    .settings = CLI_WITH_SETTINGS,
    .run = show,
};
