// Structured fields from a stranger: what parses must write a canonical form that parses to the
// same form again.
#include "crypto/structured_fields.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_type(fq_str text, fq_sf_type type, bool refuse_duplicates) {
    fq_arena arena;
    fq_buffer first_text, second_text;
    fq_arena_init(&arena, 4 << 20);
    fq_buffer_init(&first_text, 1 << 20);
    fq_buffer_init(&second_text, 1 << 20);
    const fq_sf_rules rules = {type, FQ_SF_NODES_MAX, refuse_duplicates};
    fq_sf_node *node = NULL;
    if (fq_sf_parse(&arena, text, rules, &node)) {
        fq_sf_write(&first_text, type, node);
        FQ_ASSERT(fq_sf_parse(&arena, fq_buffer_str(&first_text), rules, &node));
        fq_sf_write(&second_text, type, node);
        FQ_ASSERT(fq_str_equal(fq_buffer_str(&first_text), fq_buffer_str(&second_text)));
    }
    fq_buffer_free(&first_text);
    fq_buffer_free(&second_text);
    fq_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 16384) {
        return 0;
    }
    const fq_str text = {(const char *)data, size};
    check_type(text, FQ_SF_ITEM, false);
    check_type(text, FQ_SF_LIST, false);
    check_type(text, FQ_SF_DICTIONARY, false);
    check_type(text, FQ_SF_DICTIONARY, true);
    return 0;
}
