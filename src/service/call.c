// What routes' decoders and encoders share.
#include "service/call.h"

#include <stdio.h>

fq_err fq_call_path_id(const fq_call *call, size_t index, fq_id_kind kind, fq_code not_found,
                       uint64_t *out) {
    return fq_id_parse(kind, call->exchange->path_params[index], out) ? FQ_OK
                                                                      : fq_refuse(not_found, NULL);
}

fq_err fq_call_path_id_any(const fq_call *call, size_t index, fq_id_kind kind, fq_code not_found,
                           uint64_t *out) {
    return fq_id_parse_any(kind, call->exchange->path_params[index], out)
               ? FQ_OK
               : fq_refuse(not_found, NULL);
}

fq_err fq_call_body(fq_call *call, const fq_fields *fields, void *out) {
    static const fq_json empty = {.type = FQ_JSON_OBJECT};
    return fq_fields_decode(call->arena, fields, call->body ? call->body : &empty, NULL, out);
}

fq_err fq_call_query(fq_call *call, const fq_fields *fields, void *out) {
    fq_str query = call->exchange->request.query;
    if (query.len > 0 && query.at[0] == '?') {
        query = (fq_str){query.at + 1, query.len - 1};
    }
    return fq_fields_decode_query(call->arena, fields, query, out);
}

fq_err fq_call_if_match(const fq_call *call, uint64_t *out_version) {
    const fq_str tag = fq_str_trim(fq_exchange_header(call->exchange, FQ_STR("if-match")));
    *out_version = 0;
    if (!tag.at || fq_str_equal(tag, FQ_STR("*"))) {
        return FQ_OK;
    }
    if (tag.len < 3 || tag.at[0] != '"' || tag.at[tag.len - 1] != '"' ||
        !fq_str_to_u64((fq_str){tag.at + 1, tag.len - 2}, out_version) || *out_version == 0) {
        return fq_refuse(FQ_PRECONDITION_FAILED, NULL);
    }
    return FQ_OK;
}

fq_json_writer fq_call_answer(fq_call *call, int status, uint64_t version) {
    fq_exchange *exchange = call->exchange;
    exchange->status = status;
    if (version != 0) {
        char tag[24];
        const int len = snprintf(tag, sizeof(tag), "\"%llu\"", (unsigned long long)version);
        fq_exchange_add_header(exchange, FQ_STR("ETag"), (fq_str){tag, (size_t)len});
    }
    fq_buffer_clear(&exchange->body);
    return fq_json_writer_on(&exchange->body);
}
