// Any bytes as a configuration file: it loads, or there is a fault in words of both languages.
#include "base/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const int file = memfd_create("config", MFD_CLOEXEC);
    char path[64];
    FQ_ASSERT(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    fq_config config;
    fq_config_fault fault = {0};
    fq_config_init(&config);
    if (fq_config_load_file(&config, path, &fault)) {
        fq_buffer out;
        fq_buffer_init(&out, 4 * 1024 * 1024);
        fq_config_print(&config, FQ_CHINESE, &out);
        FQ_ASSERT(!out.overflowed);
        fq_buffer_free(&out);
    } else {
        FQ_ASSERT(fault.sentence[FQ_ENGLISH][0] != '\0' && fault.sentence[FQ_CHINESE][0] != '\0');
    }
    fq_config_free(&config);
    close(file);
    return 0;
}
