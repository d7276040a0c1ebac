// Certificates and TLS settings (RFC 9325: TLS 1.2 with forward secrecy and AEAD, TLS 1.3). No
// sockets.
#include "http/loop.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int choose_protocol(SSL *tls, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned offered_len, void *unused) {
    (void)tls;
    (void)unused;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        // A client of another protocol must not be understood by accident.
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// On failure `out_blame` is the file at fault, or "".
static bool configure(SSL_CTX *context, const fq_tls_files *files, const char **out_blame) {
    char groups[] = "X25519:P-256:P-384";  // OpenSSL's macro takes no const
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    const int oldest = files->only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    *out_blame = "";
    if (SSL_CTX_set_min_proto_version(context, oldest) != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1) {
        return false;
    }
    *out_blame = files->certificate_file;
    if (SSL_CTX_use_certificate_chain_file(context, files->certificate_file) != 1) {
        return false;
    }
    *out_blame = files->key_file;
    return SSL_CTX_use_PrivateKey_file(context, files->key_file, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_check_private_key(context) == 1;
}

static SSL_CTX *make_context(const fq_tls_files *files, const char **out_blame) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context && !configure(context, files, out_blame)) {
        SSL_CTX_free(context);
        context = NULL;
    }
    return context;
}

static void say_why(const char *blame, char out_reason[200]) {
    const unsigned long error = ERR_peek_error();
    const char *reason =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
    snprintf(out_reason, 200, "TLS: %.120s: %s", blame, reason ? reason : "not usable");
}

http_tls *http_tls_make(const fq_tls_files *files, char out_reason[200]) {
    ERR_clear_error();
    const char *blame = "";
    SSL_CTX *context = make_context(files, &blame);
    if (!context) {
        say_why(blame, out_reason);
        ERR_clear_error();
        return NULL;
    }
    http_tls *tls = calloc(1, sizeof(*tls));
    FQ_ASSERT(tls != NULL);
    tls->context = context;
    tls->certificate_file = strdup(files->certificate_file);
    tls->key_file = strdup(files->key_file);
    tls->only_1_3 = files->only_1_3;
    FQ_ASSERT(tls->certificate_file != NULL && tls->key_file != NULL);
    pthread_mutex_init(&tls->mutex, NULL);
    return tls;
}

bool http_tls_reload(http_tls *tls) {
    const fq_tls_files files = {tls->certificate_file, tls->key_file, tls->only_1_3};
    const char *blame;
    SSL_CTX *fresh = make_context(&files, &blame);
    if (!fresh) {
        ERR_clear_error();
        return false;
    }
    pthread_mutex_lock(&tls->mutex);
    SSL_CTX *old = tls->context;
    tls->context = fresh;
    pthread_mutex_unlock(&tls->mutex);
    SSL_CTX_free(old);  // connections hold their own reference
    return true;
}

void http_tls_free(http_tls *tls) {
    if (tls) {
        SSL_CTX_free(tls->context);
        pthread_mutex_destroy(&tls->mutex);
        free(tls->certificate_file);
        free(tls->key_file);
        free(tls);
    }
}

SSL *http_tls_accept(http_tls *tls, int fd) {
    pthread_mutex_lock(&tls->mutex);
    SSL *session = SSL_new(tls->context);
    pthread_mutex_unlock(&tls->mutex);
    if (session && SSL_set_fd(session, fd) != 1) {
        SSL_free(session);
        session = NULL;
    }
    if (session) {
        SSL_set_accept_state(session);
    }
    return session;
}
