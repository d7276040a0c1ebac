// Reading the URL and the key file.
#include "bench/caller.h"

#include "base/json.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>

enum { USAGE = 2, UNREACHABLE = 3, KEY_FILE_BYTES_MAX = 16384, WHY_BYTES_MAX = 512 };

__attribute__((format(printf, 3, 4))) static int fail(char *why, int exit_code, const char *format,
                                                      ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, WHY_BYTES_MAX, format, arguments);
    va_end(arguments);
    return exit_code;
}

static void close_file(FILE **file) {
    if (*file) {
        fclose(*file);
    }
}

// "http://127.0.0.1:8080" to the authority that is signed and the address that is called.
static int read_url(const char *url, bench_caller *out, char *why) {
    char host[51], port[6] = "80", more = '\0';
    const int found = sscanf(url, "http://%50[A-Za-z0-9.-]:%5[0-9]%c%c", host, port, &more, &more);
    const size_t len = strlen(url);
    const bool plain =
        found == 2 || (found == 3 && more == '/') ||
        (found == 1 && (url[len - 1] == '/' || url[len - 1] == host[strlen(host) - 1]));
    if (!plain) {
        return fail(why, USAGE, "%s: not a URL like http://127.0.0.1:8080 (no path, no TLS)", url);
    }
    // The default port is not part of what is signed (RFC 9421 section 2.2.3), so it is not sent
    // either.
    const bool is_default = strcmp(port, "80") == 0;
    snprintf(out->authority, sizeof(out->authority), "%s%s%s", host, is_default ? "" : ":",
             is_default ? "" : port);
    struct addrinfo *addresses = NULL;
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    const int error = getaddrinfo(host, port, &hints, &addresses);
    if (error != 0) {
        return fail(why, UNREACHABLE, "%s: %s", host, gai_strerror(error));
    }
    memcpy(&out->address, addresses->ai_addr, sizeof(out->address));
    freeaddrinfo(addresses);
    return 0;
}

// Reads the whole file into the arena.
static int read_file(const char *path, fq_arena *arena, fq_str *out, char *why) {
    __attribute__((cleanup(close_file))) FILE *file = fopen(path, "re");
    if (!file) {
        return fail(why, UNREACHABLE, "%s: %s", path, strerror(errno));
    }
    char *bytes = FQ_NEW_ARRAY(arena, char, KEY_FILE_BYTES_MAX);
    *out = (fq_str){bytes, fread(bytes, 1, KEY_FILE_BYTES_MAX, file)};
    if (out->len == KEY_FILE_BYTES_MAX) {
        return fail(why, USAGE, "%s: longer than a key file can be", path);
    }
    return 0;
}

static fq_str text_of(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member && member->type == FQ_JSON_STRING ? member->text : (fq_str){0};
}

static int make_key(const fq_bench_options *options, const fq_json *json, fq_arena *arena,
                    bench_caller *out, char *why) {
    const fq_str name = text_of(json, "algorithm"), secret = text_of(json, "secret");
    fq_algorithm algorithm;
    if (!fq_algorithm_parse(name, &algorithm) || algorithm == FQ_ALGORITHM_BEARER) {
        return fail(why, USAGE, "%s: \"algorithm\" names no algorithm that signs",
                    options->key_path);
    }
    if (algorithm != FQ_ALGORITHM_HMAC_SHA256) {
        fq_str pem = {0};
        if (!options->private_key_path) {
            return fail(why, USAGE, "%s: a key of this algorithm needs its private key too",
                        options->key_path);
        }
        const int exit_code = read_file(options->private_key_path, arena, &pem, why);
        if (exit_code != 0) {
            return exit_code;
        }
        const fq_err err = fq_sign_key_from_pem(algorithm, pem, NULL, &out->key);
        return err.code ? fail(why, USAGE, "%s: not a private key of that algorithm",
                               options->private_key_path)
                        : 0;
    }
    uint8_t bytes[KEY_FILE_BYTES_MAX];
    size_t count = 0;
    const bool decoded = fq_base64_decode(secret, bytes, &count);
    const bool made =
        decoded &&
        fq_sign_key_from_secret((fq_str){(const char *)bytes, count}, NULL, &out->key).code == 0;
    fq_wipe(bytes, sizeof(bytes));
    return made ? 0 : fail(why, USAGE, "%s: \"secret\" is no secret in base64", options->key_path);
}

static int read_key(const fq_bench_options *options, fq_arena *arena, bench_caller *out,
                    char *why) {
    fq_str text = {0};
    const int exit_code = read_file(options->key_path, arena, &text, why);
    if (exit_code != 0) {
        return exit_code;
    }
    const fq_json *json = NULL;
    if (fq_json_parse(arena, text, FQ_JSON_REQUEST, &json).code) {
        return fail(why, USAGE, "%s: not the JSON that `keys create --output json` prints",
                    options->key_path);
    }
    const fq_str id = text_of(json, "id");
    if (id.len == 0 || id.len >= sizeof(out->key_id) || memchr(id.at, '"', id.len) ||
        memchr(id.at, '\\', id.len)) {
        return fail(why, USAGE, "%s: \"id\" is not a key's id", options->key_path);
    }
    memcpy(out->key_id, id.at, id.len);
    return make_key(options, json, arena, out, why);
}

int bench_caller_make(const fq_bench_options *options, bench_caller *out, char why[512]) {
    *out = (bench_caller){0};
    const int exit_code = read_url(options->url, out, why);
    if (exit_code != 0) {
        return exit_code;
    }
    fq_arena arena;
    fq_arena_init(&arena, 2 * KEY_FILE_BYTES_MAX +
                              fq_json_arena_bytes(KEY_FILE_BYTES_MAX, FQ_JSON_REQUEST) + 64);
    const int key_exit_code = read_key(options, &arena, out, why);
    fq_arena_wipe(&arena);
    fq_arena_free(&arena);
    return key_exit_code;
}

void bench_caller_free(bench_caller *caller) {
    fq_sign_key_free(caller->key);
    *caller = (bench_caller){0};
}
