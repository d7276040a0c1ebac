// Bytes in and out of a connection, plain or through TLS. Never waits, knows nothing of HTTP.
#include "http/loop.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

static ssize_t plain_result(ssize_t moved) {
    if (moved >= 0) {
        return moved;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? HTTP_AGAIN : HTTP_BROKEN;
}

// Right after an SSL call that moved nothing. OpenSSL's queue of errors is per thread and must be
// left empty.
static ssize_t tls_result(fq_connection *connection, int result) {
    const int error = SSL_get_error(connection->tls, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_WRITE) {
        connection->wants_write = true;
    }
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return HTTP_AGAIN;
    }
    return error == SSL_ERROR_ZERO_RETURN ? 0 : HTTP_BROKEN;
}

ssize_t http_transport_read(fq_connection *connection, char *out, size_t bytes_max) {
    if (!connection->tls) {
        return plain_result(recv(connection->source.fd, out, bytes_max, 0));
    }
    // One record a call: go on until OpenSSL holds nothing back, since epoll cannot see what it
    // holds.
    size_t total = 0;
    while (total < bytes_max) {
        size_t moved = 0;
        const int result = SSL_read_ex(connection->tls, out + total, bytes_max - total, &moved);
        if (result != 1) {
            const ssize_t why = tls_result(connection, result);
            return total > 0 ? (ssize_t)total : why;
        }
        total += moved;
    }
    return (ssize_t)total;
}

ssize_t http_transport_write(fq_connection *connection, const char *data, size_t len) {
    if (!connection->tls) {
        return plain_result(send(connection->source.fd, data, len, MSG_NOSIGNAL));
    }
    size_t moved = 0;
    const int result = SSL_write_ex(connection->tls, data, len, &moved);
    if (result == 1) {
        return (ssize_t)moved;
    }
    const ssize_t why = tls_result(connection, result);
    return why == 0 ? HTTP_BROKEN : why;
}

int http_transport_handshake(fq_connection *connection) {
    const int result = SSL_do_handshake(connection->tls);
    if (result == 1) {
        return 1;
    }
    return tls_result(connection, result) == HTTP_AGAIN ? HTTP_AGAIN : HTTP_BROKEN;
}

void http_transport_say_end(fq_connection *connection) {
    if (connection->tls && SSL_is_init_finished(connection->tls)) {
        SSL_shutdown(connection->tls);
        ERR_clear_error();
    }
    shutdown(connection->source.fd, SHUT_WR);
}
