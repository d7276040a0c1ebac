// The house: services wired to each other and to the edge.
#include "house/house.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "order/order.h"
#include "payment/payment.h"
#include "service/follow.h"
#include "user/user.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { URL_MAX = 128, SERVICE_KEY_MAX = 256, CATCH_UP_MS = 60000, PEM_MAX = 16384 };

struct fq_house {
    const fq_settings *settings;
    fq_service services[FQ_SERVICE_NUMBERS];
    fq_service *running[FQ_SERVICE_NUMBERS];
    size_t running_count;
    fq_peers peers;
    uint8_t service_key[SERVICE_KEY_MAX];
    fq_edge *edge;
    fq_server *server;
    fq_sign_key *signing_key;
    char url[URL_MAX + 32], address[URL_MAX], admin_address[URL_MAX];
    unsigned threads;
    atomic_bool serving;  // `server` is there
    atomic_bool draining;
};

static const fq_service_kind *const kinds[FQ_SERVICE_NUMBERS] = {
    [FQ_SERVICE_USER] = &fq_user_service,
    [FQ_SERVICE_ORDER] = &fq_order_service,
    [FQ_SERVICE_PAYMENT] = &fq_payment_service,
};

unsigned fq_house_services(const char *list) {
    unsigned services = 0;
    for (const char *at = list; *at;) {
        const size_t len = strcspn(at, ",");
        unsigned bit = 0;
        for (unsigned number = 1; number < FQ_SERVICE_NUMBERS; number++) {
            if (fq_str_equal(fq_str_of(kinds[number]->name), fq_str_trim((fq_str){at, len}))) {
                bit = 1u << number;
            }
        }
        if (!bit || (services & bit)) {
            return 0;
        }
        services |= bit;
        at += len + (at[len] == ',');
    }
    return services;
}

// --- what is read from files ---

static fq_err read_text(const char *setting, const char *path, char *out, size_t bytes_max,
                        size_t *out_len) {
    FILE *file = fopen(path, "re");
    errno = file ? 0 : errno;
    *out_len = file ? fread(out, 1, bytes_max, file) : 0;
    const bool whole = file && feof(file) && !ferror(file);
    const char *reason = errno ? strerror(errno) : "too long";
    if (file) {
        fclose(file);
    }
    if (!whole) {
        fq_log(FQ_LOG_ERROR, "a file of the configuration cannot be read",
               FQ_LOG_TEXT("setting", setting), FQ_LOG_TEXT("path", path),
               FQ_LOG_TEXT("reason", reason));
        return fq_refuse(FQ_INVALID_FIELD, NULL);
    }
    return FQ_OK;
}

// The shared secret of the services: base64, as `keys create` would print one.
static fq_err read_service_key(fq_house *house) {
    const char *path = house->settings->server_service_key_file;
    if (!path[0]) {
        return FQ_OK;
    }
    char text[SERVICE_KEY_MAX];
    size_t len, bytes = 0;
    FQ_TRY(read_text("server.service_key_file", path, text, sizeof(text), &len));
    fq_str trimmed = {text, len};
    while (trimmed.len > 0 &&
           (trimmed.at[trimmed.len - 1] == '\n' || trimmed.at[trimmed.len - 1] == '\r')) {
        trimmed.len--;
    }
    const bool decoded =
        fq_base64_decode(trimmed, house->service_key, &bytes) && bytes >= FQ_SECRET_BYTES_MIN;
    fq_wipe(text, sizeof(text));
    if (!decoded) {
        fq_log(FQ_LOG_ERROR, "server.service_key_file must hold at least 16 bytes in base64",
               FQ_LOG_TEXT("path", path));
        return fq_refuse(FQ_INVALID_FIELD, NULL);
    }
    house->peers.service_key = (fq_str){(const char *)house->service_key, bytes};
    return FQ_OK;
}

static fq_err read_signing_key(fq_house *house) {
    const char *path = house->settings->crypto_signing_key_file;
    static const fq_algorithm candidates[] = {FQ_ALGORITHM_ED25519, FQ_ALGORITHM_ECDSA_P256_SHA256,
                                              FQ_ALGORITHM_RSA_PSS_SHA512};
    if (!path[0]) {
        return FQ_OK;
    }
    char pem[PEM_MAX];
    size_t len;
    FQ_TRY(read_text("crypto.signing_key_file", path, pem, sizeof(pem), &len));
    fq_err err = fq_refuse(FQ_INVALID_FIELD, NULL);
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]) && err.code; i++) {
        err = fq_sign_key_from_pem(candidates[i], (fq_str){pem, len}, NULL, &house->signing_key);
    }
    fq_wipe(pem, sizeof(pem));
    if (err.code) {
        fq_log(FQ_LOG_ERROR, "crypto.signing_key_file is no private key that can sign",
               FQ_LOG_TEXT("path", path));
    }
    return err;
}

// --- opening ---

const char *fq_house_where(const fq_settings *settings, fq_service_number number) {
    const char *own = number == FQ_SERVICE_USER    ? settings->user_data
                      : number == FQ_SERVICE_ORDER ? settings->order_data
                                                   : settings->payment_data;
    return own[0] ? own : settings->server_data;
}

static fq_err open_services(fq_house *house, unsigned services, bool any_mode) {
    const fq_settings *settings = house->settings;
    const char *const urls[FQ_SERVICE_NUMBERS] = {"", settings->user_url, settings->order_url,
                                                  settings->payment_url};
    for (fq_service_number number = FQ_SERVICE_USER; number < FQ_SERVICE_NUMBERS; number++) {
        fq_service *service = &house->services[number];
        if (!(services & 1u << number)) {
            house->peers.peer[number].url = urls[number];
            continue;
        }
        *service = (fq_service){.kind = kinds[number],
                                .settings = settings,
                                .peers = &house->peers,
                                .live = settings->server_mode == FQ_MODE_LIVE,
                                .any_mode = any_mode};
        house->peers.peer[number].local = service;
        house->running[house->running_count++] = service;
        FQ_TRY(fq_service_open(service, fq_house_where(settings, number)));
    }
    return FQ_OK;
}

static fq_err open_house(const fq_settings *settings, unsigned services, bool any_mode,
                         fq_house **out) {
    fq_house *house = calloc(1, sizeof(*house));
    FQ_ASSERT(house != NULL);
    house->settings = settings;
    house->peers.settings = settings;
    fq_err err = read_service_key(house);
    if (!err.code) {
        err = read_signing_key(house);
    }
    if (!err.code) {
        err = fq_client_start(&(fq_client_config){0}, &house->peers.client);
    }
    if (!err.code) {
        err = open_services(house, services, any_mode);
    }
    if (err.code) {
        fq_house_close(house);
        return err;
    }
    *out = house;
    return FQ_OK;
}

fq_err fq_house_open(const fq_settings *settings, unsigned services, fq_house **out) {
    return open_house(settings, services, false, out);
}

fq_err fq_house_open_for_command(const fq_settings *settings, unsigned services, fq_house **out) {
    return open_house(settings, services, true, out);
}

fq_err fq_house_start_writers(fq_house *house) {
    for (size_t i = 0; i < house->running_count; i++) {
        FQ_TRY(fq_writer_start(house->running[i]->writer));
    }
    return FQ_OK;
}

// --- serving ---

static fq_unready unready(void *context) {
    const fq_house *house = context;
    if (atomic_load(&house->draining)) {
        return (fq_unready){.reason = "draining"};
    }
    for (size_t i = 0; i < house->running_count; i++) {
        const fq_service *service = house->running[i];
        if (!fq_writer_healthy(service->writer)) {
            return (fq_unready){"store_lost", service->kind->name};
        }
        if (!fq_follow_has_caught_up(service)) {
            return (fq_unready){"catching_up", service->kind->name};
        }
    }
    return (fq_unready){NULL, NULL};
}

static void measure(void *context) {
    const fq_house *house = context;
    if (atomic_load(&house->serving)) {
        fq_metrics_set(fq_metrics_plain(FQ_METRIC_HTTP_ACTIVE_REQUESTS),
                       fq_server_active_requests(house->server));
        fq_metrics_set(fq_metrics_plain(FQ_METRIC_HTTP_CONNECTIONS),
                       fq_server_connections(house->server));
    }
    for (size_t i = 0; i < house->running_count; i++) {
        fq_measure_now(house->running[i]);
    }
}

bool fq_house_is_alive(fq_house *house) {
    bool alive = fq_server_is_alive(house->server);
    if (!alive) {
        fq_log(FQ_LOG_ERROR, "an HTTP thread hangs");
    }
    for (size_t i = 0; i < house->running_count; i++) {
        if (!fq_writer_is_alive(house->running[i]->writer)) {
            alive = false;
            fq_log(FQ_LOG_ERROR, "a writer hangs",
                   FQ_LOG_TEXT("service", house->running[i]->kind->name));
        }
    }
    return alive;
}

// "127.0.0.1:8080" or "[::1]:8080" to its parts.
static fq_err split_listen(const char *listen, char address[URL_MAX], uint16_t *out_port) {
    const char *colon = strrchr(listen, ':');
    uint64_t port;
    const bool bracketed = listen[0] == '[';
    const size_t len = colon ? (size_t)(colon - listen) : 0;
    if (!colon || len >= URL_MAX || len < (bracketed ? 3u : 1u) ||
        !fq_str_to_u64(fq_str_of(colon + 1), &port) || port > 65535) {
        fq_log(FQ_LOG_ERROR, "server.listen must be ADDRESS:PORT", FQ_LOG_TEXT("value", listen));
        return fq_refuse(FQ_INVALID_FIELD, NULL);
    }
    snprintf(address, URL_MAX, "%.*s", (int)(bracketed ? len - 2 : len), listen + bracketed);
    *out_port = (uint16_t)port;
    return FQ_OK;
}

static fq_server_limits limits_of(const fq_settings *settings) {
    return (fq_server_limits){
        .head_timeout_ms = settings->server_head_timeout,
        .body_timeout_ms = settings->server_body_timeout,
        .body_bytes_per_s = settings->server_body_rate_min,
        .idle_timeout_ms = settings->server_idle_timeout,
        .request_timeout_ms = settings->server_request_timeout,
    };
}

static fq_err start_server(fq_house *house) {
    const fq_settings *settings = house->settings;
    const fq_tls_files tls = {settings->tls_certificate_file, settings->tls_private_key_file,
                              settings->tls_version_min == FQ_TLS_1_3};
    const bool secure = settings->tls_certificate_file[0];
    fq_server_config config = {
        .listen_count = 1,
        .threads = house->threads,
        .connections_max = (unsigned)settings->server_connections_max,
        .body_bytes_max = (size_t)settings->server_body_bytes_max,
        .limits = limits_of(settings),
    };
    fq_listen *listen = &config.listens[0];
    *listen = (fq_listen){.address = house->address,
                          .handlers = fq_edge_handlers(house->edge),
                          .tls = secure ? &tls : NULL};
    FQ_TRY(split_listen(settings->server_listen, house->address, &listen->port));
    if (settings->server_admin_listen[0]) {
        fq_listen *admin = &config.listens[config.listen_count++];
        *admin = (fq_listen){.address = house->admin_address,
                             .handlers = fq_edge_operators_handlers(house->edge),
                             .one_loop = true};
        FQ_TRY(split_listen(settings->server_admin_listen, house->admin_address, &admin->port));
    }
    char reason[200];
    const fq_err err = fq_server_start(&config, &house->server, reason);
    if (err.code) {
        fq_log(FQ_LOG_ERROR, "cannot listen", FQ_LOG_TEXT("reason", reason));
        return err;
    }
    const bool v6 = strchr(house->address, ':') != NULL;
    snprintf(house->url, sizeof(house->url), "%s://%s%s%s:%u", secure ? "https" : "http",
             v6 ? "[" : "", house->address, v6 ? "]" : "", fq_server_port(house->server, 0));
    for (size_t i = 0; i < house->running_count; i++) {
        atomic_store(&house->running[i]->url, house->url);
    }
    return FQ_OK;
}

static fq_err catch_up(fq_house *house) {
    const int64_t until_ms = fq_monotonic_ms() + CATCH_UP_MS;
    for (size_t i = 0; i < house->running_count; i++) {
        if (!fq_follow_catch_up(house->running[i], until_ms - fq_monotonic_ms())) {
            fq_log(FQ_LOG_WARN, "not caught up with the other services yet",
                   FQ_LOG_TEXT("service", house->running[i]->kind->name));
        }
    }
    return FQ_OK;
}

fq_err fq_house_start(fq_house *house) {
    for (size_t i = 0; i < house->running_count; i++) {
        FQ_TRY(fq_service_start(house->running[i]));
    }
    const fq_edge_config config = {
        .settings = house->settings,
        .services = house->running,
        .service_count = house->running_count,
        .peers = &house->peers,
        .keys_of = fq_user_keys_of,
        .key_of_token = fq_user_key_of_token,
        .signing_key = house->signing_key,
        .signing_keyid = FQ_STR("feiqian"),
        .unready = unready,
        .measure = measure,
        .context = house,
    };
    house->edge = fq_edge_make(&config);
    house->threads = house->settings->server_threads ? (unsigned)house->settings->server_threads
                                                     : fq_process_cores();
    // Services of one process wait for each other in memory; one alone must answer the others
    // before it can follow them.
    FQ_TRY(start_server(house));
    atomic_store(&house->serving, true);
    return catch_up(house);
}

const char *fq_house_url(const fq_house *house) {
    return house->url;
}

fq_service *fq_house_service(fq_house *house, fq_service_number number) {
    return house->peers.peer[number].local;
}

unsigned fq_house_threads(const fq_house *house) {
    return house->threads;
}

void fq_house_reload(fq_house *house) {
    const fq_server_limits limits = limits_of(house->settings);
    fq_server_set_limits(house->server, &limits);
    if (house->settings->tls_certificate_file[0] && fq_server_reload_tls(house->server).code) {
        fq_log(FQ_LOG_ERROR, "the certificate could not be read again; the old one stays");
    }
}

void fq_house_close(fq_house *house) {
    atomic_store(&house->draining, true);
    if (house->server) {
        const int64_t delay_ms = house->settings->server_drain_delay;
        if (delay_ms > 0) {
            nanosleep(&(struct timespec){delay_ms / 1000, delay_ms % 1000 * 1000000}, NULL);
        }
        if (!fq_server_drain(house->server, house->settings->server_drain_timeout)) {
            fq_log(FQ_LOG_WARN, "some requests did not finish in time");
        }
        fq_server_hang_up(house->server);
    }
    for (size_t i = 0; i < house->running_count; i++) {
        if (house->running[i]->writer) {
            fq_writer_give_up(house->running[i]->writer);
        }
    }
    if (house->server) {
        fq_server_stop(house->server);
    }
    // Those who follow stop before those who are followed: a follower reads its source's store.
    for (size_t i = house->running_count; i > 0; i--) {
        fq_service_quiet(house->running[i - 1]);
    }
    for (size_t i = house->running_count; i > 0; i--) {
        fq_service_stop(house->running[i - 1]);
    }
    if (house->edge) {
        fq_edge_free(house->edge);
    }
    if (house->peers.client) {
        fq_client_stop(house->peers.client);
    }
    fq_sign_key_free(house->signing_key);
    fq_wipe(house->service_key, sizeof(house->service_key));
    free(house);
}
