// The operations of the command line: decoding, the call, encoding. No rules; who may ask is the
// caller's affair.
#include "house/operations.h"

#include "base/fields.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "user/keys.h"

typedef struct {
    fq_str operation, scope, algorithm, public_key;
    fq_key_id replaces, id;
} operation_request;

static const fq_field rows[] = {
    {.name = "operation",
     .kind = FQ_FIELD_ASCII,
     .required = true,
     .minimum = 1,
     .maximum = 64,
     .offset = FQ_AT(operation_request, operation)},
    {.name = "scope",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = 64,
     .offset = FQ_AT(operation_request, scope)},
    {.name = "algorithm",
     .kind = FQ_FIELD_ASCII,
     .minimum = 1,
     .maximum = 64,
     .offset = FQ_AT(operation_request, algorithm)},
    {.name = "public_key",
     .kind = FQ_FIELD_STRING,
     .minimum = 1,
     .maximum = FQ_PEM_BYTES_MAX,
     .offset = FQ_AT(operation_request, public_key)},
    {.name = "replaces",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_key,
     .offset = FQ_AT(operation_request, replaces)},
    {.name = "id",
     .kind = FQ_FIELD_ID,
     .id_kind = FQ_ID_key,
     .offset = FQ_AT(operation_request, id)},
};
static const fq_fields fields = FQ_FIELDS(rows, operation_request);

typedef struct {
    fq_service *user;
    fq_arena *arena;
    const operation_request *request;
    fq_json_writer *out;  // within "done"
} operation_call;

static fq_err create_key(const operation_call *call) {
    fq_key_request asked = {.scope = call->request->scope,
                            .public_key = call->request->public_key,
                            .replaces = call->request->replaces};
    if (!fq_algorithm_parse(call->request->algorithm, &asked.algorithm)) {
        return fq_refuse(FQ_INVALID_FIELD, "algorithm");
    }
    fq_created_key made;
    FQ_TRY(fq_user_key_create(call->user, &asked, call->arena, &made));
    fq_json_put_id(call->out, "id", FQ_ID_key, made.id.v);
    fq_json_put_literal(call->out, "algorithm", fq_algorithm_name(made.algorithm));
    fq_json_put_text(call->out, "scope", made.scope);
    if (made.secret.len > 0) {
        fq_json_put_text(call->out, "secret", made.secret);
    } else {
        fq_json_put_null(call->out, "secret");
    }
    return FQ_OK;
}

static fq_err revoke_key(const operation_call *call) {
    if (!call->request->id.v) {
        return fq_refuse(FQ_MISSING_FIELD, "id");
    }
    FQ_TRY(fq_user_key_revoke(call->user, call->request->id));
    fq_json_put_id(call->out, "id", FQ_ID_key, call->request->id.v);
    fq_json_put_literal(call->out, "status", "revoked");
    return FQ_OK;
}

static fq_err list_keys(const operation_call *call) {
    fq_listed_key *keys;
    size_t count;
    FQ_TRY(fq_user_key_list(call->user, call->arena, &keys, &count));
    fq_json_put_literal(call->out, "object", "list");
    fq_json_array_begin(call->out, "data");
    for (size_t i = 0; i < count; i++) {
        fq_json_object_begin(call->out, NULL);
        fq_json_put_id(call->out, "id", FQ_ID_key, keys[i].id.v);
        fq_json_put_literal(call->out, "algorithm", fq_algorithm_name(keys[i].algorithm));
        fq_json_put_text(call->out, "scope", keys[i].scope);
        fq_json_put_literal(call->out, "status", keys[i].revoked_ms ? "revoked" : "active");
        if (keys[i].root.v != keys[i].id.v) {
            fq_json_put_id(call->out, "root", FQ_ID_key, keys[i].root.v);
        }
        fq_json_put_time(call->out, "created_at", keys[i].created_ms);
        if (keys[i].revoked_ms) {
            fq_json_put_time(call->out, "revoked_at", keys[i].revoked_ms);
        }
        fq_json_object_end(call->out);
    }
    fq_json_array_end(call->out);
    return FQ_OK;
}

static fq_err rotate_data(const operation_call *call) {
    FQ_TRY(fq_user_rotate_data(call->user));
    fq_json_put_bool(call->out, "rotated", true);
    return FQ_OK;
}

// To add an operation, add a row, and its shape to operations.h.
static const struct {
    const char *name;
    fq_err (*run)(const operation_call *call);
} operations[] = {
    {"keys.create", create_key},
    {"keys.revoke", revoke_key},
    {"keys.list", list_keys},
    {"keys.rotate_data", rotate_data},
};

static fq_err operate(fq_house *house, fq_str text, fq_arena *arena, fq_json_writer *out) {
    operation_request request = {0};
    FQ_TRY(fq_fields_decode_body(arena, &fields, text, false, &request));
    const operation_call call = {.user = fq_house_service(house, FQ_SERVICE_USER),
                                 .arena = arena,
                                 .request = &request,
                                 .out = out};
    if (!call.user) {
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (fq_str_equal(request.operation, fq_str_of(operations[i].name))) {
            const fq_err err = operations[i].run(&call);
            fq_log(FQ_LOG_INFO, "asked by the command line",
                   FQ_LOG_TEXT("operation", operations[i].name),
                   FQ_LOG_TEXT("outcome", err.code ? fq_error_row_of(err.code)->name : "done"));
            return err;
        }
    }
    return fq_refuse(FQ_INVALID_FIELD, "operation");
}

static void put_refusal(fq_json_writer *out, fq_err err) {
    static const char *const names[] = {[FQ_ENGLISH] = "en", [FQ_CHINESE] = "zh"};
    char sentence[512];
    fq_json_put_literal(out, "code", fq_error_row_of(err.code)->name);
    if (err.param) {
        fq_json_put_literal(out, "param", err.param);
    }
    fq_json_object_begin(out, "detail");
    for (fq_language language = FQ_ENGLISH; language <= FQ_CHINESE; language++) {
        fq_error_sentence(err, language, sentence, sizeof(sentence));
        fq_json_put_literal(out, names[language], sentence);
    }
    fq_json_object_end(out);
}

void fq_house_operate(fq_house *house, fq_str request, fq_arena *arena, fq_buffer *answer) {
    fq_json_writer out = fq_json_writer_on(answer);
    fq_json_object_begin(&out, NULL);
    fq_json_object_begin(&out, "done");
    const fq_err err = operate(house, request, arena, &out);
    if (err.code) {  // what was written is taken back
        fq_buffer_clear(answer);
        out = fq_json_writer_on(answer);
        fq_json_object_begin(&out, NULL);
        put_refusal(&out, err);
    } else {
        fq_json_object_end(&out);
    }
    fq_json_object_end(&out);
}
