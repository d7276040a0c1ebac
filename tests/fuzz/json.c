// Any bytes as JSON: what is taken must read the same again from its canonical form, within its
// memory.
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fq_err canonical_of(fq_arena *arena, fq_str text, fq_buffer *out) {
    const fq_json_limits limits = {.depth_max = FQ_JSON_DEPTH_MAX,
                                   .values_max = 4096,
                                   .any_top_level = true,
                                   .nul_allowed = true};
    const fq_json *value = NULL;
    FQ_TRY(fq_json_parse(arena, text, limits, &value));
    return fq_json_canonical(value, NULL, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const fq_str text = {(const char *)data, size};
    fq_arena arena;
    fq_buffer first, second;
    fq_arena_init(&arena, fq_json_arena_bytes(size, FQ_JSON_REQUEST));
    fq_buffer_init(&first, 1024 * 1024);
    fq_buffer_init(&second, 1024 * 1024);
    const fq_json *object = NULL;
    if (fq_json_parse(&arena, text, FQ_JSON_REQUEST, &object).code == FQ_DONE) {
        FQ_ASSERT(object->type == FQ_JSON_OBJECT);
    }
    fq_arena_free(&arena);
    fq_arena_init(&arena, 16 * 1024 * 1024);
    if (canonical_of(&arena, text, &first).code == FQ_DONE && !first.overflowed) {
        FQ_ASSERT(canonical_of(&arena, fq_buffer_str(&first), &second).code == FQ_DONE);
        FQ_ASSERT(fq_str_equal(fq_buffer_str(&first), fq_buffer_str(&second)));
    }
    fq_buffer_free(&second);
    fq_buffer_free(&first);
    fq_arena_free(&arena);
    return 0;
}
