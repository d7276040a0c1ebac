// Shared by the tests of this room: vector files as JSON, and the public test keys in them.
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "crypto/keys.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// tests/vectors/security/NAME.json; the caller drops it.
json_t *vectors_load(const char *name);
// A string member as a view; empty when absent.
fq_str vectors_str(const json_t *object, const char *key);
const char *vectors_text(const json_t *object, const char *key);

// Of the keys in rfc9421.json. The caller frees them.
fq_verify_key *vectors_verify_key(const char *keyid, const char *algorithm);
fq_sign_key *vectors_sign_key(const char *keyid, const char *algorithm);

// Compares a view with a literal.
#define assert_str(actual, expected)                                                        \
    do {                                                                                    \
        const fq_str assert_a = (actual), assert_e = (expected);                            \
        if (!fq_str_equal(assert_a, assert_e)) {                                            \
            fail_msg("'%.*s' is not '%.*s'", FQ_STR_ARGS(assert_a), FQ_STR_ARGS(assert_e)); \
        }                                                                                   \
    } while (0)
#define assert_done(call) assert_int_equal((call).code, FQ_DONE)
#define assert_refused(call, expected) assert_int_equal((call).code, (expected))
