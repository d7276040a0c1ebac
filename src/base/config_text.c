// Settings as text: faults in words, checks across settings, and the printed configuration.
#include "base/config_text.h"

#include <stdarg.h>
#include <stdio.h>

enum { NAME_MAX_BYTES = 96, VALUE_SHOWN_MAX = 200 };

static void word(char *out, const char *format, va_list arguments) {
// The formats are literals of this program; passing two of them with one list hides that from the
// compiler.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(out, FQ_CONFIG_FAULT_MAX, format, arguments);
#pragma GCC diagnostic pop
}

void fq_config_say(fq_config_fault *fault, const char *english, const char *chinese, ...) {
    va_list arguments, again;
    va_start(arguments, chinese);
    va_copy(again, arguments);
    word(fault->sentence[FQ_ENGLISH], english, arguments);
    word(fault->sentence[FQ_CHINESE], chinese, again);
    va_end(again);
    va_end(arguments);
}

static const char *what_is_allowed(const fq_setting_row *row, fq_language language) {
    static const char *const words[][2] = {
        [FQ_TYPE_TEXT] = {"text in UTF-8", "UTF-8 文本"},
        [FQ_TYPE_INTEGER] = {"a whole number", "整数"},
        [FQ_TYPE_DURATION] = {"a duration such as 500ms, 30s, 15m, 24h or 7d",
                              "时长，例如 500ms、30s、15m、24h 或 7d"},
        [FQ_TYPE_SIZE] = {"a size such as 512B, 64KiB, 1MiB or 2GiB",
                          "大小，例如 512B、64KiB、1MiB 或 2GiB"},
        [FQ_TYPE_BOOL] = {"true or false", "true 或 false"},
        [FQ_TYPE_CHOICE] = {"one of the following", "下列之一"},
    };
    return words[row->type][language];
}

void fq_config_say_bad_value(fq_config_fault *fault, const char *origin, const fq_setting_row *row,
                             const char *value) {
    for (fq_language language = FQ_ENGLISH; language <= FQ_CHINESE; language++) {
        const char *shown = row->secret ? "(hidden)" : value;
        const bool english = language == FQ_ENGLISH;
        const char *between = row->allowed[0] == '\0' ? "" : english ? ": " : "：";
        const char *origin_colon = english ? ": " : "：", *stop = english ? "." : "。";
        const fq_str shown_cut = fq_str_cut(fq_str_of(shown), VALUE_SHOWN_MAX);
        snprintf(fault->sentence[language], FQ_CONFIG_FAULT_MAX, "%s%s%s.%s = %.*s%s%s%s%s%s",
                 origin, origin_colon, row->section, row->name, FQ_STR_ARGS(shown_cut),
                 english ? " is not allowed; it takes " : " 无效；应为",
                 what_is_allowed(row, language), between, row->allowed, stop);
    }
}

// The name in the form of the place where it is looked for.
static void write_name(const fq_setting_row *row, fq_name_form form, char out[NAME_MAX_BYTES]) {
    static const char *const forms[][2] = {[FQ_NAME_OF_FILE] = {"", "."},
                                           [FQ_NAME_OF_ENVIRONMENT] = {"FEIQIAN_", "_"},
                                           [FQ_NAME_OF_FLAG] = {"--", "-"}};
    snprintf(out, NAME_MAX_BYTES, "%s%s%s%s", forms[form][0], row->section, forms[form][1],
             row->name);
    const size_t prefix_len = strlen(forms[form][0]);
    for (char *at = out + prefix_len; *at; at++) {
        if (form == FQ_NAME_OF_ENVIRONMENT && *at >= 'a' && *at <= 'z') {
            *at = (char)(*at - 'a' + 'A');
        } else if (form == FQ_NAME_OF_FLAG && *at == '_') {
            *at = '-';
        }
    }
}

void fq_config_say_unknown(fq_config_fault *fault, const char *origin, const char *name,
                           fq_name_form form) {
    char nearest[NAME_MAX_BYTES] = "", known[NAME_MAX_BYTES];
    unsigned least = UINT32_MAX;
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        write_name(&fq_setting_rows()[i], form, known);
        const unsigned distance = fq_str_distance(fq_str_of(name), fq_str_of(known));
        if (distance < least) {
            least = distance;
            memcpy(nearest, known, sizeof(nearest));
        }
    }
    const fq_str shown = fq_str_cut(fq_str_of(name), NAME_MAX_BYTES);
    fq_config_say(fault, "%s: there is no setting %.*s; the nearest is %s.",
                  "%s：没有设置项 %.*s；最接近的是 %s。", origin, FQ_STR_ARGS(shown), nearest);
}

static bool lists_service(const char *services, const char *service) {
    const size_t len = strlen(service);
    for (const char *at = services; *at;
         at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',' ? 1 : 0)) {
        if (strcspn(at, ",") == len && strncmp(at, service, len) == 0) {
            return true;
        }
    }
    return false;
}

// Its digits are those of a port; 0 stands for "any free one".
static bool is_port(const char *text, bool any) {
    uint64_t port;
    return fq_str_to_u64(fq_str_of(text), &port) && port <= UINT16_MAX && (any || port > 0);
}

// Where a process listens: "127.0.0.1:8080", "[::1]:0".
static bool is_listen(const char *text) {
    const char *colon = strrchr(text, ':');
    return colon && colon > text && is_port(colon + 1, true) && !strpbrk(text, "/ ");
}

// A scheme and an authority; `path`: maybe more behind them.
static bool is_url(const char *url, bool path) {
    const fq_str text = fq_str_of(url);
    const size_t scheme = fq_str_starts(text, FQ_STR("http://"))    ? 7
                          : fq_str_starts(text, FQ_STR("https://")) ? 8
                                                                    : 0;
    const char *host = url + scheme, *end = host + strcspn(host, "/");
    if (scheme == 0 || end == host || strpbrk(host, "?#@ ") || (*end && !path)) {
        return false;
    }
    char authority[FQ_CONFIG_FAULT_MAX];
    snprintf(authority, sizeof(authority), "%.*s", (int)(end - host), host);
    // The last colon is a port's, unless it stands inside of an IPv6 address.
    const char *colon = strrchr(authority, ':'), *bracket = strrchr(authority, ']');
    return !colon || (bracket && bracket > colon) ||
           (colon > authority && is_port(colon + 1, false));
}

// A misspelt scheme would become a folder of that name.
static bool is_data(const char *where) {
    const fq_str text = fq_str_of(where);
    return !strstr(where, "://") || fq_str_starts(text, FQ_STR("postgresql://")) ||
           fq_str_starts(text, FQ_STR("postgres://"));
}

static bool is_origin(const char *url) {
    return is_url(url, false);
}

static bool is_checkout_url(const char *url) {
    return is_url(url, true);
}

// Texts that have a form. To add one, add a row.
static bool check_forms(const fq_settings *s, fq_config_fault *out_fault) {
    static const char data_form[] = "./var, postgresql://feiqian@db/feiqian";
    static const char listen_form[] = "127.0.0.1:8080, [::1]:8080";
    static const char origin_form[] = "https://pay.example";
    const struct {
        const char *name, *value, *like;
        bool (*is_right)(const char *text);
        bool needed;
    } rows[] = {
        {"server.listen", s->server_listen, listen_form, is_listen, true},
        {"server.admin_listen", s->server_admin_listen, listen_form, is_listen, false},
        {"server.origin", s->server_origin, origin_form, is_origin, false},
        {"order.checkout_url", s->order_checkout_url, origin_form, is_checkout_url, false},
        {"server.data", s->server_data, data_form, is_data, true},
        {"user.data", s->user_data, data_form, is_data, false},
        {"order.data", s->order_data, data_form, is_data, false},
        {"payment.data", s->payment_data, data_form, is_data, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value[0] ? !rows[i].is_right(rows[i].value) : rows[i].needed) {
            const fq_str shown = fq_str_cut(fq_str_of(rows[i].value), VALUE_SHOWN_MAX);
            fq_config_say(out_fault, "%s = %.*s must be like %s.", "%s = %.*s 应形如 %s。",
                          rows[i].name, FQ_STR_ARGS(shown), rows[i].like);
            return false;
        }
    }
    return true;
}

enum { SERVICES = 3 };

typedef struct {
    const char *name, *url;
} service_row;

static void list_services(const fq_settings *s, service_row out[SERVICES]) {
    out[0] = (service_row){"user", s->user_url};
    out[1] = (service_row){"order", s->order_url};
    out[2] = (service_row){"payment", s->payment_url};
}

// Each once, with the commas between them and nothing else.
static bool check_services(const fq_settings *s, fq_config_fault *out_fault) {
    service_row services[SERVICES];
    size_t named_len = 0, named = 0;
    list_services(s, services);
    for (size_t i = 0; i < SERVICES; i++) {
        if (lists_service(s->server_services, services[i].name)) {
            named++;
            named_len += strlen(services[i].name);
        }
    }
    if (named == 0 || strlen(s->server_services) != named_len + named - 1) {
        fq_config_say(out_fault, "server.services = %s must be some of user,order,payment.",
                      "server.services = %s 应取自 user,order,payment。", s->server_services);
        return false;
    }
    return true;
}

bool fq_config_check_peers(const fq_config *config, fq_config_fault *out_fault) {
    const fq_settings *s = &config->settings;
    service_row services[SERVICES];
    bool apart = false;
    list_services(s, services);
    for (size_t i = 0; i < SERVICES; i++) {
        if (lists_service(s->server_services, services[i].name)) {
            continue;
        }
        apart = true;
        if (services[i].url[0] == '\0') {
            fq_config_say(out_fault,
                          "server.services = %s leaves out %s, so %s.url must say where it is.",
                          "server.services = %s 不含 %s，因此必须设置 %s.url。", s->server_services,
                          services[i].name, services[i].name);
            return false;
        }
        if (!is_origin(services[i].url)) {
            fq_config_say(out_fault, "%s.url = %s must be like http://127.0.0.1:8080.",
                          "%s.url = %s 应形如 http://127.0.0.1:8080。", services[i].name,
                          services[i].url);
            return false;
        }
    }
    if (apart && s->server_service_key_file[0] == '\0') {
        fq_config_say(out_fault, "server.service_key_file is needed when services run apart.",
                      "服务分开运行时必须设置 server.service_key_file。");
        return false;
    }
    return true;
}

bool fq_config_check(const fq_config *config, fq_config_fault *out_fault) {
    const fq_settings *s = &config->settings;
    if ((s->tls_certificate_file[0] == '\0') != (s->tls_private_key_file[0] == '\0')) {
        fq_config_say(out_fault, "tls.certificate_file and tls.private_key_file go together.",
                      "tls.certificate_file 与 tls.private_key_file 必须同时设置。");
        return false;
    }
    if (s->crypto_master_key[0] != '\0' && s->crypto_master_key_file[0] != '\0') {
        fq_config_say(out_fault, "crypto.master_key and crypto.master_key_file cannot both be set.",
                      "crypto.master_key 与 crypto.master_key_file 不能同时设置。");
        return false;
    }
    return check_forms(s, out_fault) && check_services(s, out_fault);
}

static void print_row(const fq_config *config, size_t index, fq_language language, fq_buffer *out) {
    const fq_setting_row *row = &fq_setting_rows()[index];
    const bool english = language == FQ_ENGLISH,
               set = strcmp(config->origin[index], "default") != 0;
    const char *value =
        row->secret && config->text[index][0] != '\0' ? "(hidden)" : config->text[index];
    fq_buffer_printf(out, "\n# %s\n# %s", row->sentence[language], what_is_allowed(row, language));
    fq_buffer_printf(out, "%s%s", row->allowed[0] ? (english ? ": " : "：") : "", row->allowed);
    fq_buffer_printf(out, english ? "; default: %s" : "；默认：%s",
                     row->standard[0] ? row->standard : "\"\"");
    if (row->reloads) {
        fq_buffer_add(out, fq_str_of(english ? "; taken over on reload" : "；重载时生效"));
    }
    if (set) {
        fq_buffer_printf(out, english ? "; set by %s" : "；来自 %s", config->origin[index]);
    }
    fq_buffer_printf(out, "\n%s = %s\n", row->name, value);
}

void fq_config_print(const fq_config *config, fq_language language, fq_buffer *out) {
    const char *section = "";
    for (size_t i = 0; i < FQ_SETTING_COUNT; i++) {
        const fq_setting_row *row = &fq_setting_rows()[i];
        if (strcmp(section, row->section) != 0) {
            section = row->section;
            fq_buffer_printf(out, "%s[%s]\n", i > 0 ? "\n" : "", section);
        }
        print_row(config, i, language, out);
    }
}
