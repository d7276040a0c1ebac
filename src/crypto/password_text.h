// A password as it is judged and hashed: NFKC, in code points and in UTF-8. For inside the room
// only.
#pragma once

#include "base/str.h"

enum { PASSWORD_POINTS_ROOM = 1024 };

typedef struct {
    int32_t points[PASSWORD_POINTS_ROOM];
    size_t count;
    char text[4 * PASSWORD_POINTS_ROOM];
    size_t len;
} password_text;

// False when it is not UTF-8 or longer than FQ_PASSWORD_BYTES_MAX. The caller wipes `out` in either
// case.
bool password_normalise(fq_str password, password_text *out);
