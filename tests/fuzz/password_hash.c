// A stored PHC string that somebody tampered with, and passwords of any bytes: nothing may crash or
// cost much.
#include "crypto/password.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) {
        return 0;
    }
    const fq_str text = {(const char *)data, size};
    // Nothing is hashed unless the string parses, and then only where it is cheap: the fuzzer is to
    // find parser faults.
    if (!fq_password_is_outdated(text, (fq_password_cost){0, 0, 0}) &&
        fq_password_is_outdated(text, (fq_password_cost){64, 0, 0}) &&
        fq_password_is_outdated(text, (fq_password_cost){0, 2, 0})) {
        bool match = false;
        (void)fq_password_verify(text, FQ_STR("correct horse battery"), &match).code;
    }
    (void)fq_password_accept(text, FQ_STR("feiqian"), "password").code;
    (void)fq_password_accept(text, text, "password").code;
    return 0;
}
