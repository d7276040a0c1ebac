// The master key's file: only ours, only for us.
#include "crypto/envelope.h"

#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[80], link_path[80];

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "%s", "feiqian-key-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/master", folder);
    snprintf(link_path, sizeof(link_path), "%s/link", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    unlink(link_path);
    return rmdir(folder);
}

static void write_file(const void *bytes, size_t len, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void makes_a_file_once_and_reads_it(void **state) {
    (void)state;
    fq_master_key made, again, read;
    assert_done(fq_master_key_make_file(path, "master_key_file", &made));
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_refused(fq_master_key_make_file(path, "master_key_file", &again), FQ_INVALID_FIELD);
    assert_done(fq_master_key_from_file(path, "master_key_file", &read));
    assert_memory_equal(made.bytes, read.bytes, sizeof(made.bytes));
    fq_master_key_wipe(&made);
    assert_memory_not_equal(made.bytes, read.bytes, sizeof(made.bytes));
}

static void reads_raw_bytes(void **state) {
    (void)state;
    uint8_t bytes[FQ_MASTER_KEY_BYTES];
    memset(bytes, 0xA5, sizeof(bytes));
    write_file(bytes, sizeof(bytes), 0600);
    fq_master_key read;
    assert_done(fq_master_key_from_file(path, "master_key_file", &read));
    assert_memory_equal(bytes, read.bytes, sizeof(bytes));
}

static void refuses_what_others_may_touch(void **state) {
    (void)state;
    fq_master_key key;
    static const mode_t modes[] = {0640, 0604, 0660, 0601, 0610};
    char bytes[FQ_MASTER_KEY_BYTES] = {0};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        write_file(bytes, sizeof(bytes), modes[i]);
        const fq_err err = fq_master_key_from_file(path, "master_key_file", &key);
        assert_int_equal(err.code, FQ_INVALID_FIELD);
        assert_string_equal(err.param, "master_key_file");
    }
    write_file(bytes, sizeof(bytes), 0600);
    assert_int_equal(symlink(path, link_path), 0);
    assert_refused(fq_master_key_from_file(link_path, "f", &key), FQ_INVALID_FIELD);
    assert_refused(fq_master_key_from_file(folder, "f", &key), FQ_INVALID_FIELD);
    assert_refused(fq_master_key_make_file(link_path, "f", &key), FQ_INVALID_FIELD);
    assert_int_equal(unlink(path), 0);
    assert_refused(fq_master_key_from_file(path, "f", &key), FQ_INVALID_FIELD);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(fq_master_key_from_file(path, "f", &key), FQ_INVALID_FIELD);
}

static void refuses_another_length(void **state) {
    (void)state;
    fq_master_key key;
    const char text[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_done(fq_master_key_from_base64(FQ_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                                          "f", &key));
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        assert_refused(fq_master_key_from_base64((fq_str){text, len}, "f", &key), FQ_INVALID_FIELD);
    }
    write_file("", 0, 0600);
    assert_refused(fq_master_key_from_file(path, "f", &key), FQ_INVALID_FIELD);
    write_file(text, 31, 0600);
    assert_refused(fq_master_key_from_file(path, "f", &key), FQ_INVALID_FIELD);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(makes_a_file_once_and_reads_it),
        TEST(reads_raw_bytes),
        TEST(refuses_what_others_may_touch),
        TEST(refuses_another_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
