// The one home of randomness: the kernel's.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Fills `out` from getrandom(2); stops the process when the kernel has none.
void fq_random(void *out, size_t bytes);
