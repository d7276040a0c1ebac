// Any bytes as an id, a time, a duration, a size and a query: what is taken must be written as it
// was read.
#include "base/id.h"
#include "base/clock.h"
#include "base/fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const fq_str text = {(const char *)data, size};
    for (fq_id_kind kind = 0; kind < FQ_ID_KIND_COUNT; kind++) {
        uint64_t id = 0;
        if (fq_id_parse(kind, text, &id)) {
            char back[FQ_ID_TEXT_MAX];
            fq_id_text(kind, id, back);
            FQ_ASSERT(fq_str_equal(fq_str_of(back), text));
        }
        FQ_ASSERT(!fq_id_parse_any(kind, text, &id) || (id > 0 && id <= INT64_MAX));
    }
    int64_t number, again;
    if (fq_time_parse(text, &number)) {
        char back[FQ_TIME_TEXT_MAX];
        fq_time_text(number, back);
        FQ_ASSERT(fq_time_parse(fq_str_of(back), &again) && again == number);
    }
    FQ_ASSERT(!fq_duration_parse(text, &number) || number >= 0);
    FQ_ASSERT(!fq_size_parse(text, &number) || number >= 0);
    fq_arena arena;
    const fq_json *query = NULL;
    fq_arena_init(&arena, 64 * 1024 + 4 * size);
    if (fq_query_parse(&arena, text, &query).code == FQ_DONE) {
        for (const fq_json *parameter = query->first; parameter; parameter = parameter->next) {
            FQ_ASSERT(fq_utf8_valid(parameter->text, NULL));
        }
    }
    fq_arena_free(&arena);
    return 0;
}
