// Time comes from one home. The wall clock serves signatures and ids, the business clock expiry and
// holds, the monotonic clock timeouts.
#pragma once

#include "base/str.h"

// Unix milliseconds of the wall clock.
int64_t fq_wall_ms(void);
// Milliseconds and nanoseconds that never go back; their zero means nothing.
int64_t fq_monotonic_ms(void);
int64_t fq_monotonic_ns(void);

#define FQ_TIME_TEXT_MAX 25  // "2026-11-23T18:54:28.123Z" and a NUL
// RFC 3339 in UTC with milliseconds.
void fq_time_text(int64_t unix_ms, char out[FQ_TIME_TEXT_MAX]);
// RFC 3339 with any offset and 0 to 9 digits of fraction (cut to milliseconds). False on anything
// else.
bool fq_time_parse(fq_str text, int64_t *out_unix_ms);
// "30s", "15m", "24h", "7d", "500ms" to milliseconds. False on anything else or overflow.
bool fq_duration_parse(fq_str text, int64_t *out_ms);
// "64KiB", "1MiB", "2GiB", "512B", "512" to bytes.
bool fq_size_parse(fq_str text, int64_t *out_bytes);
