// What questions between services have in common. Knows no question.
#include "service/question.h"

enum { ID_BYTES_MAX = 24 };  // 20 digits, a sign, a comma

fq_str fq_question_ids(fq_arena *arena, const uint64_t *ids, size_t count) {
    FQ_ASSERT(count <= FQ_QUESTION_IDS_MAX);
    const size_t room = 32 + count * ID_BYTES_MAX;
    fq_buffer body = {.at = fq_arena_alloc(arena, room), .capacity = room, .bytes_max = room};
    FQ_ADD(&body, "{\"ids\":[");
    for (size_t i = 0; i < count; i++) {
        fq_buffer_printf(&body, "%s%lld", i > 0 ? "," : "", (long long)ids[i]);
    }
    FQ_ADD(&body, "]}");
    return fq_buffer_str(&body);
}

typedef struct {
    const fq_json *ids;
} ids_query;

static const fq_field ids_rows[] = {
    {.name = "ids", .kind = FQ_FIELD_VALUE, .required = true, .offset = FQ_AT(ids_query, ids)}};
static const fq_fields ids_fields = FQ_FIELDS(ids_rows, ids_query);

fq_err fq_question_decode_ids(fq_call *call, uint64_t **out, size_t *out_count) {
    ids_query query;
    FQ_TRY(fq_call_body(call, &ids_fields, &query));
    if (query.ids->type != FQ_JSON_ARRAY || query.ids->count > FQ_QUESTION_IDS_MAX) {
        return fq_refuse_text(FQ_INVALID_FIELD, "ids", "a list of at most 1,000");
    }
    uint64_t *ids = FQ_NEW_ARRAY(call->arena, uint64_t, query.ids->count + 1);
    size_t count = 0;
    for (const fq_json *id = query.ids->first; id; id = id->next) {
        if (!id->is_integer) {
            return fq_refuse(FQ_INVALID_FIELD, "ids");
        }
        ids[count++] = (uint64_t)id->integer;
    }
    *out = ids;
    *out_count = count;
    return FQ_OK;
}

int64_t fq_question_integer(const fq_json *object, const char *name) {
    const fq_json *member = fq_json_member(object, name);
    return member && member->is_integer ? member->integer : 0;
}
