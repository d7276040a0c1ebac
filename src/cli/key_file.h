// Keys as they lie in files: secrets as `keys create` prints them, PEM, and the JSON it prints. For
// inside the cli room.
#pragma once

#include "cli/command.h"
#include "crypto/keys.h"

// The algorithms that can sign, for a flag's choices.
#define CLI_SIGNING_ALGORITHMS \
    "hmac-sha256|ecdsa-p256-sha256|rsa-pss-sha512|rsa-v1_5-sha256|ed25519"

// What `feiqian keys create --output json` prints. `secret` is empty for key pairs.
typedef struct {
    const char *id;
    fq_algorithm algorithm;
    fq_str secret;  // as printed: base64 for hmac-sha256
} cli_key_record;

// Each complains and returns false when the file cannot be read or does not hold what it should;
// `*out_code` then says how to exit. Texts live in the call's arena.
FQ_MUST_USE bool cli_read_key_record(cli_call *call, const char *path, cli_key_record *out,
                                     cli_exit *out_code);
// The raw bytes of an hmac-sha256 secret from a file that holds it as printed.
FQ_MUST_USE bool cli_read_secret(cli_call *call, const char *path, fq_str *out, cli_exit *out_code);
// The same from text that was read already.
FQ_MUST_USE bool cli_decode_secret(cli_call *call, fq_str text, const char *path, fq_str *out,
                                   cli_exit *out_code);
FQ_MUST_USE bool cli_read_pem(cli_call *call, const char *path, fq_str *out, cli_exit *out_code);
