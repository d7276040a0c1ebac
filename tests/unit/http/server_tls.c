// The running server over TLS: versions, and certificates that are read anew.
#include "rig.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void write_certificate(const char *certificate_file, const char *key_file) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(certificate_file, "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    file = fopen(key_file, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

// Asks over TLS; returns how many bytes came back, or -1 when there was no handshake.
static long ask_tls(uint16_t port, int version, const char *data, char *out, size_t room) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_security_level(context, 0);
    SSL *tls = SSL_new(context);
    const int fd = rig_connect(port);
    SSL_set_fd(tls, fd);
    long total = -1;
    if (SSL_connect(tls) == 1) {
        total = 0;
        assert_true(SSL_write(tls, data, (int)strlen(data)) > 0);
        int got;
        while ((got = SSL_read(tls, out + total, (int)(room - 1 - (size_t)total))) > 0) {
            total += got;
        }
        out[total] = '\0';
    }
    SSL_free(tls);
    SSL_CTX_free(context);
    close(fd);
    return total;
}

static void tls_serves_and_reloads(void **state) {
    (void)state;
    char folder[] = "/tmp/feiqian-tls-XXXXXX", certificate_file[64], key_file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(certificate_file, sizeof(certificate_file), "%s/certificate.pem", folder);
    snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
    write_certificate(certificate_file, key_file);
    const fq_tls_files files = {certificate_file, key_file, false};
    rig r;
    rig_start(&r, NULL, &files);
    enum { ROOM = 4 * 1024 * 1024 };
    char *text = malloc(ROOM);
    static const char request[] = RIG_GET("/healthz")
        RIG_GET("/later?1") "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        assert_true(ask_tls(r.port, versions[i], request, text, ROOM) > 3 * 1024 * 1024);
        assert_int_equal(rig_count_answers(text), 3);
    }
    assert_int_equal(ask_tls(r.port, TLS1_1_VERSION, request, text, ROOM), -1);
    // Plain HTTP on the TLS port gets no answer at all.
    char *plain = RIG_ASK(&r, RIG_GET("/healthz"), 1, NULL);
    assert_int_equal(rig_count_answers(plain), 0);
    free(plain);

    write_certificate(certificate_file, key_file);
    assert_int_equal(fq_server_reload_tls(r.server).code, FQ_DONE);
    assert_true(ask_tls(r.port, TLS1_3_VERSION, request, text, ROOM) > 0);
    unlink(key_file);
    assert_int_equal(fq_server_reload_tls(r.server).code, FQ_UNAVAILABLE);
    assert_true(ask_tls(r.port, TLS1_3_VERSION, request, text, ROOM) > 0);
    free(text);
    rig_stop(&r);
    unlink(certificate_file);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_serves_and_reloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
