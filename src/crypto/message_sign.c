// Makes signed messages, for the command line, the load generator, calls between services and
// answers.
#include "crypto/message_signature.h"

#include "base/buffer.h"

enum { INPUT_BYTES_MAX = 2048 };

static const fq_message_field *find_field(const fq_message *message, fq_str name) {
    for (size_t i = 0; i < message->field_count; i++) {
        if (fq_str_equal_nocase(message->fields[i].name, name)) {
            return &message->fields[i];
        }
    }
    return NULL;
}

// What may stand between the quotes of a String without an escape.
static bool is_plain(fq_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < 0x21 || text.at[i] > 0x7E || text.at[i] == '"' || text.at[i] == '\\') {
            return false;
        }
    }
    return text.len <= FQ_NONCE_BYTES_MAX;
}

static bool is_label(fq_str label) {
    for (size_t i = 0; i < label.len; i++) {
        const char c = label.at[i];
        if (!(c >= 'a' && c <= 'z') &&
            (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '_'))) {
            return false;
        }
    }
    return label.len <= 64;
}

static fq_err check_signing(const fq_signing *signing) {
    if (signing->keyid.len == 0 || !is_plain(signing->keyid)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "keyid",
                              "1 to 256 visible ASCII characters without quotes");
    }
    if (!is_plain(signing->nonce)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "nonce",
                              "at most 256 visible ASCII characters without quotes");
    }
    return is_label(signing->label)
               ? FQ_OK
               : fq_refuse_text(FQ_INVALID_FIELD, "label", "not a key of RFC 9651");
}

static fq_str label_of(const fq_signing *signing) {
    return signing->label.len > 0 ? signing->label : FQ_STR("fq");
}

static void add_component(fq_buffer *input, fq_str name) {
    if (input->at[input->len - 1] != '(') {
        fq_buffer_add_char(input, ' ');
    }
    fq_buffer_add_char(input, '"');
    fq_buffer_add(input, name);
    fq_buffer_add_char(input, '"');
}

static void add_parameters(fq_buffer *input, const fq_signing *signing) {
    FQ_ADD(input, ");created=");
    fq_buffer_add_i64(input, signing->created_s);
    if (signing->nonce.len > 0) {
        FQ_ADD(input, ";nonce=\"");
        fq_buffer_add(input, signing->nonce);
        FQ_ADD(input, "\"");
    }
    FQ_ADD(input, ";keyid=\"");
    fq_buffer_add(input, signing->keyid);
    FQ_ADD(input, "\";alg=\"");
    fq_buffer_add(input, fq_str_of(fq_algorithm_name(fq_sign_key_algorithm(signing->key))));
    FQ_ADD(input, "\"");
}

static fq_buffer start_input(fq_arena *arena, const fq_signing *signing) {
    fq_buffer input = {.at = fq_arena_alloc(arena, INPUT_BYTES_MAX),
                       .capacity = INPUT_BYTES_MAX,
                       .bytes_max = INPUT_BYTES_MAX};
    fq_buffer_add(&input, label_of(signing));
    FQ_ADD(&input, "=(");
    return input;
}

// The message with this Content-Digest and no other.
static fq_message with_digest(fq_arena *arena, const fq_message *message, fq_str digest) {
    fq_message copy = *message;
    fq_message_field *fields = FQ_NEW_ARRAY(arena, fq_message_field, message->field_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        if (!fq_str_equal_nocase(message->fields[i].name, FQ_STR("content-digest"))) {
            fields[count++] = message->fields[i];
        }
    }
    fields[count++] = (fq_message_field){FQ_STR("content-digest"), digest};
    copy.fields = fields;
    copy.field_count = count;
    return copy;
}

static fq_str make_digest(fq_arena *arena, fq_str body) {
    char *digest = fq_arena_alloc(arena, FQ_CONTENT_DIGEST_LEN);
    fq_content_digest_make(body, digest);
    return (fq_str){digest, FQ_CONTENT_DIGEST_LEN};
}

// Reads the input back by the parser that the other side uses, so that both sign the same base.
static fq_err finish(fq_arena *arena, const fq_message *message, const fq_buffer *input,
                     const fq_signing *signing, fq_signed_fields *out) {
    enum { NODES_MAX = 64 };
    fq_sf_node *node = NULL;
    if (input->overflowed ||
        !fq_sf_parse(arena, fq_buffer_str(input), (fq_sf_rules){FQ_SF_DICTIONARY, NODES_MAX, true},
                     &node)) {
        return fq_refuse_text(FQ_INVALID_FIELD, "signature-input", "too long");
    }
    fq_str base;
    const fq_signature_fault fault = fq_signature_base(arena, message, node, &base);
    if (fault) {
        return fq_refuse_text(FQ_INVALID_FIELD, "request",
                              fq_signature_fault_text(fault, FQ_ENGLISH));
    }
    uint8_t signature[FQ_SIGNATURE_BYTES_MAX];
    size_t signature_bytes = 0;
    FQ_TRY(fq_signature_make(signing->key, base, signature, &signature_bytes));

    const fq_str label = label_of(signing);
    char *text = fq_arena_alloc(arena, label.len + 3 + FQ_BASE64_LEN(signature_bytes));
    memcpy(text, label.at, label.len);
    size_t len = label.len;
    text[len++] = '=';
    text[len++] = ':';
    len += fq_base64_encode((fq_str){(const char *)signature, signature_bytes}, text + len);
    text[len++] = ':';
    out->signature_input = fq_buffer_str(input);
    out->signature = (fq_str){text, len};
    return FQ_OK;
}

fq_err fq_message_sign(fq_arena *arena, const fq_message *request, fq_str body,
                       const fq_signing *signing, fq_signed_fields *out) {
    FQ_ASSERT(request->status == 0);
    FQ_TRY(check_signing(signing));
    fq_signed_fields fields = {.content_digest = FQ_STR("")};
    fq_message message = *request;
    fq_buffer input = start_input(arena, signing);
    add_component(&input, FQ_STR("@method"));
    add_component(&input, FQ_STR("@authority"));
    add_component(&input, FQ_STR("@path"));
    if (!fq_message_is_write(request) || request->query.len > 0) {
        add_component(&input, FQ_STR("@query"));
    }
    if (body.len > 0) {
        if (!find_field(request, FQ_STR("content-type"))) {
            return fq_refuse(FQ_MISSING_FIELD, "Content-Type");
        }
        fields.content_digest = make_digest(arena, body);
        message = with_digest(arena, request, fields.content_digest);
        add_component(&input, FQ_STR("content-digest"));
        add_component(&input, FQ_STR("content-type"));
    }
    if (find_field(request, FQ_STR("idempotency-key"))) {
        add_component(&input, FQ_STR("idempotency-key"));
    }
    add_parameters(&input, signing);
    FQ_TRY(finish(arena, &message, &input, signing, &fields));
    *out = fields;
    return FQ_OK;
}

fq_err fq_answer_sign(fq_arena *arena, const fq_message *answer, fq_str body,
                      const fq_signing *signing, fq_signed_fields *out) {
    FQ_ASSERT(answer->status != 0);
    FQ_TRY(check_signing(signing));
    fq_signed_fields fields = {.content_digest = make_digest(arena, body)};
    const fq_message message = with_digest(arena, answer, fields.content_digest);
    fq_buffer input = start_input(arena, signing);
    add_component(&input, FQ_STR("@status"));
    add_component(&input, FQ_STR("content-digest"));
    const fq_message_field *signature =
        answer->request ? find_field(answer->request, FQ_STR("signature")) : NULL;
    if (signature) {
        add_component(&input, FQ_STR("signature"));
        FQ_ADD(&input, ";req");
        // A comma means several labels: base64 has none.
        if (signing->request_label.len > 0 && signature->value.len > 0 &&
            memchr(signature->value.at, ',', signature->value.len)) {
            FQ_ADD(&input, ";key=\"");
            fq_buffer_add(&input, signing->request_label);
            FQ_ADD(&input, "\"");
        }
    }
    add_parameters(&input, signing);
    FQ_TRY(finish(arena, &message, &input, signing, &fields));
    *out = fields;
    return FQ_OK;
}
