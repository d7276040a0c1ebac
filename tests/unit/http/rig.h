// A server in this process with a small handler, and raw sockets to talk to it: for the tests of
// server and client.
#pragma once

#include "http/server.h"

#include <stdatomic.h>

// What the handler does, by path:
//   GET /healthz            200 at once
//   POST /v1/orders         401 at once
//   PUT /echo               200 with the body, at once; bodies up to 1 MiB
//   GET /later              200, kept and returned by another thread
//   GET /never              kept until rig_release
//   GET /large              200 with 3 MiB
//   GET /hang               204, after its loop has waited for `hang_over`: what no handler may do
//   POST /act               204, with a body or without
typedef struct rig rig;
struct rig {
    fq_server *server;
    uint16_t port, second_port;
    _Atomic(int) handled, finished, dropped, resumed;
    _Atomic(fq_exchange *) held;  // of /never
    _Atomic(bool) hang_over;
};

void rig_start(rig *r, const fq_server_config *limits, const fq_tls_files *tls);
void rig_stop(rig *r);
// Gives back what /never keeps.
void rig_release(rig *r);

int rig_connect(uint16_t port);
void rig_send(int fd, const char *data, size_t len);
#define RIG_SEND(fd, literal) rig_send((fd), "" literal, sizeof(literal) - 1)
// Reads until `answers` have begun and nothing comes for 30 ms, the end, or `timeout_ms`.
// NUL-terminated; the caller frees. `out_closed`, where it is not NULL, says whether the end came.
char *rig_read(int fd, int answers, int timeout_ms, bool *out_closed);
// Sends, reads, closes.
char *rig_ask(const rig *r, const char *data, size_t len, int answers, bool *out_closed);
#define RIG_ASK(r, literal, answers, out_closed) \
    rig_ask((r), "" literal, sizeof(literal) - 1, (answers), (out_closed))
#define RIG_GET(path) "GET " path " HTTP/1.1\r\nHost: pay.example\r\n\r\n"
// How many answers stand in `text`, and the status of the first (0: none).
int rig_count_answers(const char *text);
int rig_status(const char *text);
// Fails where `part` does not stand in it.
void rig_assert_holds(const char *text, const char *part);
