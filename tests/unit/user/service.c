// The user service on a real store in a folder of its own: keys as the command line manages them,
// the key ring over restarts, rotation, and what other services ask.
#include "user/rows.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARENA_BYTES = 8 << 20, PATH_BYTES = 128, FILE_BYTES_MAX = 8 << 20 };

typedef struct {
    char folder[PATH_BYTES];
    fq_config config;
    fq_service service;
    fq_peers peers;
    fq_arena arena;
} world;

static void set(world *at, const char *name, const char *value) {
    fq_config_fault fault;
    if (!fq_config_set(&at->config, name, value, "test", &fault)) {
        fail_msg("%s", fault.sentence[FQ_ENGLISH]);
    }
}

static fq_err try_open(world *at) {
    at->service = (fq_service){.kind = &fq_user_service,
                               .settings = &at->config.settings,
                               .peers = &at->peers,
                               .live = at->config.settings.server_mode == FQ_MODE_LIVE};
    at->peers.peer[FQ_SERVICE_USER].local = &at->service;
    FQ_TRY(fq_service_open(&at->service, at->folder));
    return fq_writer_start(at->service.writer);
}

static void close_service(world *at) {
    fq_service_stop(&at->service);
}

static int set_up(void **state) {
    world *at = calloc(1, sizeof(*at));
    assert_non_null(at);
    snprintf(at->folder, sizeof(at->folder), "/tmp/feiqian-user-XXXXXX");
    assert_non_null(mkdtemp(at->folder));
    fq_arena_init(&at->arena, ARENA_BYTES);
    fq_config_init(&at->config);
    set(at, "server.data", at->folder);
    *state = at;
    return 0;
}

static void path_of(const world *at, const char *name, char out[2 * PATH_BYTES + 256]) {
    snprintf(out, 2 * PATH_BYTES + 256, "%s/%s", at->folder, name);
}

static int tear_down(void **state) {
    world *at = *state;
    char path[2 * PATH_BYTES + 256];
    DIR *folder = opendir(at->folder);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        path_of(at, entry->d_name, path);
        unlink(path);
    }
    closedir(folder);
    rmdir(at->folder);
    fq_arena_free(&at->arena);
    fq_config_free(&at->config);
    free(at);
    return 0;
}

// What stands in the store's files, to be searched for what must not.
static bool files_hold(world *at, const char *text) {
    static const char *const names[] = {"user.db", "user.db-wal", "user-index.db"};
    bool found = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[2 * PATH_BYTES + 256];
        path_of(at, names[i], path);
        FILE *file = fopen(path, "rb");
        if (!file) {
            continue;
        }
        char *bytes = malloc(FILE_BYTES_MAX);
        assert_non_null(bytes);
        const size_t len = fread(bytes, 1, FILE_BYTES_MAX, file);
        found |= memmem(bytes, len, text, strlen(text)) != NULL;
        free(bytes);
        fclose(file);
    }
    return found;
}

static fq_created_key make_key(world *at, fq_algorithm algorithm, const char *scope,
                               fq_key_id replaces) {
    fq_created_key made;
    const fq_key_request request = {
        .algorithm = algorithm, .scope = fq_str_of(scope), .replaces = replaces};
    assert_int_equal(fq_user_key_create(&at->service, &request, &at->arena, &made).code, FQ_DONE);
    return made;
}

static uint64_t make_user(world *at, const char *name, const char *email) {
    const fq_caller admin = {.scope = FQ_SCOPE_ADMIN};
    user_profile profile = {
        .base = {.kind = &user_create_kind, .arena = &at->arena, .units = 1, .by = admin},
        .name = {.given = FQ_GIVEN, .text = fq_str_of(name)},
        .email = {.given = FQ_GIVEN, .text = fq_str_of(email)},
        .keyring = at->service.keyring};
    assert_int_equal(sealed_index(at->service.keyring, &at->arena, "user.email", profile.email.text,
                                  &profile.email.index)
                         .code,
                     FQ_DONE);
    assert_int_equal(fq_writer_run(at->service.writer, &profile.base).code, FQ_DONE);
    return profile.base.subject;
}

static fq_key_record record_of(world *at, fq_key_id id) {
    fq_key_record record;
    assert_int_equal(fq_user_keys_of(&at->peers, &at->arena, &id.v, 1, &record).code, FQ_DONE);
    return record;
}

static fq_str name_of(world *at, uint64_t id, uint32_t *out_data_key) {
    fq_row *row;
    fq_str name;
    assert_int_equal(user_look(&at->service, &at->arena, &user_table, id, 0, &row).code, FQ_DONE);
    const fq_str envelope = ((const user_row *)row)->name;
    *out_data_key = fq_envelope_key_id(envelope);
    assert_int_equal(
        sealed_open(&at->service, &at->arena, (sealed_place){"users", "name", id}, envelope, &name)
            .code,
        FQ_DONE);
    return name;
}

// --- keys ---

static void test_hmac_key(void **state) {
    world *at = *state;
    assert_int_equal(try_open(at).code, FQ_DONE);
    const fq_created_key made = make_key(at, FQ_ALGORITHM_HMAC_SHA256, "admin", (fq_key_id){0});
    uint8_t secret[FQ_SECRET_BYTES + 3];
    size_t len;
    assert_true(fq_base64_decode(made.secret, secret, &len));
    assert_int_equal(len, FQ_SECRET_BYTES);
    const fq_key_record record = record_of(at, made.id);
    assert_true(record.exists && !record.revoked);
    assert_int_equal(record.scope, FQ_SCOPE_ADMIN);
    assert_int_equal(record.algorithm, FQ_ALGORITHM_HMAC_SHA256);
    assert_true(fq_str_equal(record.material, (fq_str){(const char *)secret, len}));
    assert_false(record_of(at, (fq_key_id){made.id.v + 1}).exists);
    // Neither the text of the secret nor its bytes are in the clear.
    secret[FQ_SECRET_BYTES] = '\0';
    assert_false(files_hold(at, fq_arena_text(&at->arena, made.secret)));
    assert_int_equal(fq_user_key_revoke(&at->service, made.id).code, FQ_DONE);
    assert_true(record_of(at, made.id).revoked);
    assert_int_equal(fq_user_key_revoke(&at->service, made.id).code, FQ_DONE);
    assert_int_equal(fq_user_key_revoke(&at->service, (fq_key_id){1}).code, FQ_KEY_UNKNOWN);
    close_service(at);
}

static void test_bearer_key(void **state) {
    world *at = *state;
    assert_int_equal(try_open(at).code, FQ_DONE);
    const fq_created_key made = make_key(at, FQ_ALGORITHM_BEARER, "read", (fq_key_id){0});
    assert_true(fq_str_starts(made.secret, FQ_STR("fq_test_")));
    assert_int_equal(made.secret.len, sizeof("fq_test_") - 1 + 43);
    fq_hash hash = fq_sha256_of(made.secret);
    fq_key_record record;
    assert_int_equal(fq_user_key_of_token(&at->peers, &at->arena, &hash, &record).code, FQ_DONE);
    assert_true(record.exists);
    assert_int_equal(record.id.v, made.id.v);
    assert_false(files_hold(at, fq_arena_text(&at->arena, made.secret)));
    // The first half of a hash finds the row; the other half must fit too.
    hash.bytes[FQ_HASH_BYTES - 1] ^= 1;
    assert_int_equal(fq_user_key_of_token(&at->peers, &at->arena, &hash, &record).code, FQ_DONE);
    assert_false(record.exists);
    close_service(at);
}

static void test_key_pair(void **state) {
    world *at = *state;
    fq_str private_pem;
    fq_sign_key *key;
    fq_created_key made;
    assert_int_equal(try_open(at).code, FQ_DONE);
    fq_key_request request = {.algorithm = FQ_ALGORITHM_ED25519, .scope = FQ_STR("admin")};
    assert_int_equal(fq_user_key_create(&at->service, &request, &at->arena, &made).code,
                     FQ_MISSING_FIELD);
    assert_int_equal(fq_sign_key_generate(FQ_ALGORITHM_ED25519, &at->arena, &private_pem).code,
                     FQ_DONE);
    assert_int_equal(fq_sign_key_from_pem(FQ_ALGORITHM_ED25519, private_pem, NULL, &key).code,
                     FQ_DONE);
    request.public_key = fq_str_of(fq_sign_key_public_pem(key, &at->arena));
    fq_sign_key_free(key);
    request.algorithm = FQ_ALGORITHM_ECDSA_P256_SHA256;
    assert_int_equal(fq_user_key_create(&at->service, &request, &at->arena, &made).code,
                     FQ_INVALID_FIELD);
    request.algorithm = FQ_ALGORITHM_HMAC_SHA256;
    assert_int_equal(fq_user_key_create(&at->service, &request, &at->arena, &made).code,
                     FQ_INVALID_FIELD);
    request.algorithm = FQ_ALGORITHM_ED25519;
    assert_int_equal(fq_user_key_create(&at->service, &request, &at->arena, &made).code, FQ_DONE);
    assert_int_equal(made.secret.len, 0);
    assert_true(fq_str_equal(record_of(at, made.id).material, request.public_key));
    close_service(at);
}

static void test_scopes_and_replacing(void **state) {
    world *at = *state;
    char id[FQ_ID_TEXT_MAX];
    fq_created_key made;
    assert_int_equal(try_open(at).code, FQ_DONE);
    const uint64_t user = make_user(at, "Ada", "ada@example.com");
    fq_id_text(FQ_ID_user, user, id);
    const char *scope = fq_arena_printf(&at->arena, "merchant:%s", id).at;
    const fq_created_key first = make_key(at, FQ_ALGORITHM_HMAC_SHA256, scope, (fq_key_id){0});
    const fq_created_key second = make_key(at, FQ_ALGORITHM_BEARER, scope, first.id);
    const fq_created_key third = make_key(at, FQ_ALGORITHM_BEARER, scope, second.id);
    assert_int_equal(record_of(at, third.id).root.v, first.id.v);
    assert_int_equal(record_of(at, third.id).user.v, user);
    assert_int_equal(record_of(at, third.id).scope, FQ_SCOPE_MERCHANT);
    static const struct {
        const char *scope;
        fq_code expected;
    } refused[] = {{"payer:usr_0000000000001", FQ_USER_NOT_FOUND},
                   {"merchant:", FQ_INVALID_FIELD},
                   {"root", FQ_INVALID_FIELD},
                   {"house", FQ_INVALID_FIELD}};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const fq_key_request request = {.algorithm = FQ_ALGORITHM_HMAC_SHA256,
                                        .scope = fq_str_of(refused[i].scope)};
        assert_int_equal(fq_user_key_create(&at->service, &request, &at->arena, &made).code,
                         refused[i].expected);
    }
    const fq_key_request other = {
        .algorithm = FQ_ALGORITHM_HMAC_SHA256, .scope = FQ_STR("admin"), .replaces = first.id};
    assert_int_equal(fq_user_key_create(&at->service, &other, &at->arena, &made).code,
                     FQ_INVALID_FIELD);
    fq_listed_key *keys;
    size_t count;
    assert_int_equal(fq_user_key_list(&at->service, &at->arena, &keys, &count).code, FQ_DONE);
    assert_int_equal(count, 3);
    assert_int_equal(keys[0].id.v, third.id.v);
    assert_int_equal(keys[2].algorithm, FQ_ALGORITHM_HMAC_SHA256);
    close_service(at);
}

// --- facts ---

static void test_facts(void **state) {
    world *at = *state;
    assert_int_equal(try_open(at).code, FQ_DONE);
    const uint64_t ada = make_user(at, "Ada", "ada@example.com");
    const uint64_t bob = make_user(at, "Bob", "bob@example.com");
    const uint64_t ids[] = {bob, 1, ada, bob};
    fq_user_facts facts[4];
    assert_int_equal(fq_user_facts_of(&at->peers, &at->arena, ids, 4, facts).code, FQ_DONE);
    assert_true(facts[0].exists && !facts[1].exists && facts[2].exists && facts[3].exists);
    assert_int_equal(facts[2].id.v, ada);
    assert_int_equal(facts[2].status, FQ_USER_IS_ACTIVE);
    assert_int_equal(facts[2].roles, FQ_ROLE_PAYER);
    assert_int_equal(facts[2].version, 1);
    close_service(at);
}

// --- the key ring ---

static void test_personal_texts_are_sealed_and_survive(void **state) {
    world *at = *state;
    uint32_t data_key;
    set(at, "crypto.data_key_bits", "192");
    assert_int_equal(try_open(at).code, FQ_DONE);
    const uint64_t ada = make_user(at, "Ada Lovelace", "countess@example.com");
    const fq_created_key key = make_key(at, FQ_ALGORITHM_HMAC_SHA256, "admin", (fq_key_id){0});
    assert_false(files_hold(at, "Lovelace"));
    assert_false(files_hold(at, "countess"));
    close_service(at);
    assert_int_equal(try_open(at).code, FQ_DONE);
    assert_true(fq_str_equal(name_of(at, ada, &data_key), FQ_STR("Ada Lovelace")));
    assert_true(record_of(at, key.id).exists);
    close_service(at);
}

static void test_rotation(void **state) {
    world *at = *state;
    uint32_t data_key;
    uint64_t users[450];
    assert_int_equal(try_open(at).code, FQ_DONE);
    const fq_created_key key = make_key(at, FQ_ALGORITHM_BEARER, "admin", (fq_key_id){0});
    for (size_t i = 0; i < 450; i++) {
        users[i] = make_user(at, "Ada", "ada@example.com");
    }
    assert_int_equal(fq_user_rotate_data(&at->service).code, FQ_DONE);
    for (size_t i = 0; i < 450; i++) {
        assert_true(fq_str_equal(name_of(at, users[i], &data_key), FQ_STR("Ada")));
        assert_int_equal(data_key, 2);
    }
    const fq_hash hash = fq_sha256_of(key.secret);
    fq_key_record record;
    assert_int_equal(fq_user_key_of_token(&at->peers, &at->arena, &hash, &record).code, FQ_DONE);
    assert_true(record.exists);
    close_service(at);
    assert_int_equal(try_open(at).code, FQ_DONE);
    assert_true(fq_str_equal(name_of(at, users[7], &data_key), FQ_STR("Ada")));
    close_service(at);
}

// A key that another process has made is found when it is met.
static void test_foreign_data_key(void **state) {
    world *at = *state;
    uint32_t data_key;
    assert_int_equal(try_open(at).code, FQ_DONE);
    const uint64_t ada = make_user(at, "Ada", "ada@example.com");
    assert_int_equal(fq_user_rotate_data(&at->service).code, FQ_DONE);
    fq_keyring *whole = at->service.keyring;
    fq_master_key master;
    char path[2 * PATH_BYTES + 256];
    path_of(at, "master.key", path);
    assert_int_equal(fq_master_key_from_file(path, NULL, &master).code, FQ_DONE);
    at->service.keyring = fq_keyring_new(&master);
    assert_true(fq_str_equal(name_of(at, ada, &data_key), FQ_STR("Ada")));
    assert_int_equal(data_key, 2);
    fq_keyring_free(whole);
    close_service(at);
}

static void test_master_key_is_needed(void **state) {
    world *at = *state;
    char path[2 * PATH_BYTES + 256];
    struct stat about;
    assert_int_equal(try_open(at).code, FQ_DONE);
    close_service(at);
    path_of(at, "master.key", path);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    // Without the key, no other is made in its place; with another one, the service does not open.
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_open(at).code, FQ_INVALID_FIELD);
    close_service(at);
    assert_int_not_equal(stat(path, &about), 0);
    set(at, "crypto.master_key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_int_equal(try_open(at).code, FQ_INVALID_FIELD);
    close_service(at);
}

static void test_live_takes_no_bearer_keys(void **state) {
    world *at = *state;
    fq_created_key made;
    // A live system is given its master key; none is made for it.
    set(at, "server.mode", "live");
    assert_int_equal(try_open(at).code, FQ_INVALID_FIELD);
    close_service(at);
    set(at, "crypto.master_key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_int_equal(try_open(at).code, FQ_DONE);
    const fq_key_request request = {.algorithm = FQ_ALGORITHM_BEARER, .scope = FQ_STR("admin")};
    assert_int_equal(fq_user_key_create(&at->service, &request, &at->arena, &made).code,
                     FQ_INVALID_FIELD);
    close_service(at);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_hmac_key),
        TEST(test_bearer_key),
        TEST(test_key_pair),
        TEST(test_scopes_and_replacing),
        TEST(test_facts),
        TEST(test_personal_texts_are_sealed_and_survive),
        TEST(test_rotation),
        TEST(test_foreign_data_key),
        TEST(test_master_key_is_needed),
        TEST(test_live_takes_no_bearer_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
