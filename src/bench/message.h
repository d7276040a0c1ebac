// Signed requests, made fast: a template holds the whole head and the whole signature base (RFC
// 9421), and only what differs from one request to the next is written in place.
#pragma once

#include "crypto/keys.h"

#include <netinet/in.h>

// Who calls, and whom.
typedef struct {
    fq_sign_key *key;
    char key_id[64];
    char authority[64];  // "127.0.0.1:8080"
    struct sockaddr_in address;
} bench_caller;

enum {
    BENCH_HEAD_BYTES_MAX = 3072,  // an RSA signature of 8,192 bits takes 1,368 of them
    BENCH_TOKEN_LEN = 22,
};

// A template of POST requests to one path. For one thread; the caller it points to may be shared.
typedef struct {
    const bench_caller *caller;
    char head[BENCH_HEAD_BYTES_MAX], base[BENCH_HEAD_BYTES_MAX];
    size_t head_len, base_len, signature_len;
    // Where the changing parts stand in the head and in the signature base.
    struct {
        size_t idempotency_key, digest, created, nonce, signature;
    } in_head, in_base;
    char token[BENCH_TOKEN_LEN];  // a letter, a random part of this template's own, a counter
    uint64_t count;
} bench_template;

void bench_template_init(bench_template *template, const bench_caller *caller, const char *path);

// Starts a request with a body of exactly `body_bytes` and returns where in `out` the body is to be
// written.
char *bench_message_begin(const bench_template *template, size_t body_bytes, char *out);
// Once the body is there: a new nonce and idempotency key, the time, the digest and the signature.
// Returns the length of the whole request, at most BENCH_HEAD_BYTES_MAX + body_bytes.
size_t bench_message_end(bench_template *template, size_t body_bytes, char *out);

// A signed GET of `path`, which has no query. `out` holds BENCH_HEAD_BYTES_MAX. Returns the length.
size_t bench_message_get(const bench_caller *caller, const char *path, char *out);
