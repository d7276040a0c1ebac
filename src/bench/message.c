// Signed requests, made fast. No I/O but the wall clock.
#include "bench/message.h"

#include "base/clock.h"
#include "base/random.h"

#include <stdio.h>

enum {
    CREATED_LEN = 10,
    TOKEN_RANDOM_LEN = 9,
    TOKEN_COUNT_LEN = 12,
    DIGEST_LEN = FQ_CONTENT_DIGEST_LEN
};

static const char TOKEN_BLANK[] = "0000000000000000000000";
static const char DIGEST_BLANK[] = "sha-256=:0000000000000000000000000000000000000000000=:";
static const char CREATED_BLANK[] = "1000000000";
_Static_assert(sizeof(TOKEN_BLANK) - 1 == BENCH_TOKEN_LEN, "the blank is as wide as the token");
_Static_assert(sizeof(DIGEST_BLANK) - 1 == DIGEST_LEN, "the blank is as wide as the digest");

#define COVERED \
    "(\"@method\" \"@authority\" \"@path\" \"content-type\" \"content-digest\" \"idempotency-key\")"
#define COVERED_OF_GET "(\"@method\" \"@authority\" \"@path\" \"@query\")"

static size_t place_of(const char *text, const char *mark) {
    const char *found = strstr(text, mark);
    FQ_ASSERT(found != NULL);
    return (size_t)(found - text) + strlen(mark);
}

// Writes `number` right-aligned over `width` characters, in decimal or hexadecimal.
static void put_number(char *at, int width, uint64_t number, unsigned radix) {
    for (int i = width - 1; i >= 0; i--) {
        at[i] = "0123456789abcdef"[number % radix];
        number /= radix;
    }
}

static int digits_of(size_t number) {
    int digits = 1;
    for (; number >= 10; number /= 10) {
        digits++;
    }
    return digits;
}

// Signs and writes the base64 of the signature. A library that cannot sign stops the process: there
// is nothing to measure.
static size_t put_signature(const fq_sign_key *key, fq_str base, char *out) {
    uint8_t signature[FQ_SIGNATURE_BYTES_MAX];
    size_t bytes = 0;
    const fq_err err = fq_signature_make(key, base, signature, &bytes);
    FQ_ASSERT(err.code == FQ_DONE);
    return fq_base64_encode((fq_str){(const char *)signature, bytes}, out);
}

static size_t checked(int len) {
    FQ_ASSERT(len > 0 && len < BENCH_HEAD_BYTES_MAX);
    return (size_t)len;
}

// `alg` and `keyid` never change; so that they do not have to be written, they stand in the
// template.
static void write_parameters(const bench_caller *caller, char out[256]) {
    checked(snprintf(out, 256, COVERED ";created=%s;nonce=\"%s\";keyid=\"%s\";alg=\"%s\"",
                     CREATED_BLANK, TOKEN_BLANK, caller->key_id,
                     fq_algorithm_name(fq_sign_key_algorithm(caller->key))));
}

void bench_template_init(bench_template *template, const bench_caller *caller, const char *path) {
    *template = (bench_template){.caller = caller};
    char parameters[256];
    write_parameters(caller, parameters);
    template->base_len = checked(snprintf(
        template->base, sizeof(template->base),
        "\"@method\": POST\n\"@authority\": %s\n\"@path\": %s\n\"content-type\": application/json\n"
        "\"content-digest\": %s\n\"idempotency-key\": %s\n\"@signature-params\": %s",
        caller->authority, path, DIGEST_BLANK, TOKEN_BLANK, parameters));
    // How long a signature is, is known after making one; it is the same for each signature of a
    // key.
    char signature[FQ_BASE64_LEN(FQ_SIGNATURE_BYTES_MAX) + 1];
    const fq_str base = {template->base, template->base_len};
    template->signature_len = put_signature(caller->key, base, signature);
    signature[template->signature_len] = '\0';
    template->head_len = checked(snprintf(
        template->head, sizeof(template->head),
        "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nIdempotency-Key: %s\r\n"
        "Content-Digest: %s\r\nSignature-Input: fq=%s\r\nSignature: fq=:%s:\r\nContent-Length: ",
        path, caller->authority, TOKEN_BLANK, DIGEST_BLANK, parameters, signature));
    template->in_head.idempotency_key = place_of(template->head, "Idempotency-Key: ");
    template->in_head.digest = place_of(template->head, "Content-Digest: ");
    template->in_head.created = place_of(template->head, ";created=");
    template->in_head.nonce = place_of(template->head, ";nonce=\"");
    template->in_head.signature = place_of(template->head, "Signature: fq=:");
    template->in_base.digest = place_of(template->base, "\"content-digest\": ");
    template->in_base.idempotency_key = place_of(template->base, "\"idempotency-key\": ");
    template->in_base.created = place_of(template->base, ";created=");
    template->in_base.nonce = place_of(template->base, ";nonce=\"");
    uint64_t random;
    fq_random(&random, sizeof(random));
    put_number(template->token + 1, TOKEN_RANDOM_LEN, random, 16);
}

char *bench_message_begin(const bench_template *template, size_t body_bytes, char *out) {
    memcpy(out, template->head, template->head_len);
    const int digits = digits_of(body_bytes);
    char *at = out + template->head_len;
    put_number(at, digits, body_bytes, 10);
    return mempcpy(at + digits, "\r\n\r\n", 4);
}

size_t bench_message_end(bench_template *template, size_t body_bytes, char *out) {
    const size_t head_bytes = template->head_len + (size_t)digits_of(body_bytes) + 4;
    char *base = template->base;
    fq_content_digest_make((fq_str){out + head_bytes, body_bytes}, base + template->in_base.digest);
    put_number(template->token + 1 + TOKEN_RANDOM_LEN, TOKEN_COUNT_LEN, template->count++, 16);
    // Two tokens that differ in their letter: nonces and idempotency keys share a space in the
    // contract's short form.
    template->token[0] = 'i';
    memcpy(base + template->in_base.idempotency_key, template->token, BENCH_TOKEN_LEN);
    template->token[0] = 'n';
    memcpy(base + template->in_base.nonce, template->token, BENCH_TOKEN_LEN);
    put_number(base + template->in_base.created, CREATED_LEN, (uint64_t)fq_wall_ms() / 1000, 10);

    memcpy(out + template->in_head.digest, base + template->in_base.digest, DIGEST_LEN);
    memcpy(out + template->in_head.idempotency_key, base + template->in_base.idempotency_key,
           BENCH_TOKEN_LEN);
    memcpy(out + template->in_head.nonce, base + template->in_base.nonce, BENCH_TOKEN_LEN);
    memcpy(out + template->in_head.created, base + template->in_base.created, CREATED_LEN);
    const size_t signature_len =
        put_signature(template->caller->key, (fq_str){base, template->base_len},
                      out + template->in_head.signature);
    FQ_ASSERT(signature_len == template->signature_len);
    return head_bytes + body_bytes;
}

size_t bench_message_get(const bench_caller *caller, const char *path, char *out) {
    char parameters[256], base[BENCH_HEAD_BYTES_MAX];
    checked(snprintf(parameters, sizeof(parameters),
                     COVERED_OF_GET ";created=%lld;keyid=\"%s\";alg=\"%s\"",
                     (long long)(fq_wall_ms() / 1000), caller->key_id,
                     fq_algorithm_name(fq_sign_key_algorithm(caller->key))));
    const size_t base_len = checked(snprintf(
        base, sizeof(base),
        "\"@method\": GET\n\"@authority\": %s\n\"@path\": %s\n\"@query\": ?\n\"@signature-params\": %s",
        caller->authority, path, parameters));
    char signature[FQ_BASE64_LEN(FQ_SIGNATURE_BYTES_MAX)];
    const size_t signature_len = put_signature(caller->key, (fq_str){base, base_len}, signature);
    return checked(snprintf(
        out, BENCH_HEAD_BYTES_MAX,
        "GET %s HTTP/1.1\r\nHost: %s\r\nSignature-Input: fq=%s\r\nSignature: fq=:%.*s:\r\n\r\n",
        path, caller->authority, parameters, (int)signature_len, signature));
}
