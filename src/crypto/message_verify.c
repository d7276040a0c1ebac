// Checks signed messages in the order that the contract gives. The nonce's uniqueness is the
// caller's last step.
#include "crypto/message_signature.h"

#include "crypto/verify_steps.h"

static const struct {
    fq_code code;
    const char *text[2];  // [FQ_ENGLISH], [FQ_CHINESE]
} faults[FQ_FAULT_COUNT] = {
#define X(name, refusal, english, chinese) [FQ_FAULT_##name] = {refusal, {english, chinese}},
#include "crypto/signature_faults.def"
#undef X
};

const char *fq_signature_fault_text(fq_signature_fault fault, fq_language language) {
    FQ_ASSERT(fault < FQ_FAULT_COUNT);
    return faults[fault].text[language];
}

fq_err verify_refusal(fq_signature_fault fault) {
    const fq_code code = faults[fault].code;
    if (code == FQ_SIGNATURE_INVALID) {
        return fq_refuse_text(code, NULL, faults[fault].text[FQ_ENGLISH]);
    }
    return fq_refuse(code, code == FQ_MISSING_FIELD ? "Idempotency-Key" : NULL);
}

// One pass over the head. Names differ in length, so most are told apart by it.
static verify_fields find_fields(const fq_message *message) {
    verify_fields found = {0};
    const struct {
        fq_str name;
        verify_field *out;
    } wanted[] = {
        {FQ_STR("signature"), &found.signature},
        {FQ_STR("signature-input"), &found.signature_input},
        {FQ_STR("content-digest"), &found.content_digest},
        {FQ_STR("content-type"), &found.content_type},
        {FQ_STR("idempotency-key"), &found.idempotency_key},
    };
    for (size_t i = 0; i < message->field_count; i++) {
        for (size_t j = 0; j < sizeof(wanted) / sizeof(wanted[0]); j++) {
            if (fq_str_equal_nocase(message->fields[i].name, wanted[j].name)) {
                if (wanted[j].out->count++ == 0) {
                    wanted[j].out->first = i;
                }
                break;
            }
        }
    }
    return found;
}

// The field's lines joined by ", ": one line needs no copy.
static fq_str joined(fq_arena *arena, const fq_message *message, verify_field field) {
    const fq_message_field *first = &message->fields[field.first];
    fq_str value = fq_str_trim(first->value);
    if (field.count == 1) {
        return value;
    }
    size_t len = 0;
    for (size_t i = field.first; i < message->field_count; i++) {
        if (fq_str_equal_nocase(message->fields[i].name, first->name)) {
            len += message->fields[i].value.len + 2;
        }
    }
    char *text = fq_arena_alloc(arena, len);
    len = 0;
    for (size_t i = field.first; i < message->field_count; i++) {
        if (fq_str_equal_nocase(message->fields[i].name, first->name)) {
            value = fq_str_trim(message->fields[i].value);
            if (i > field.first) {
                text[len++] = ',';
                text[len++] = ' ';
            }
            if (value.len > 0) {
                memcpy(text + len, value.at, value.len);
            }
            len += value.len;
        }
    }
    return (fq_str){text, len};
}

static size_t count_siblings(const fq_sf_node *first) {
    size_t count = 0;
    for (; first; first = first->next) {
        count++;
    }
    return count;
}

// Both fields, strictly.
static fq_signature_fault parse_fields(verify_state *state) {
    enum { INPUT_NODES_MAX = 192, SIGNATURE_NODES_MAX = 32 };
    const fq_message *message = state->message;
    state->fields = find_fields(message);
    const bool has_input = state->fields.signature_input.count > 0,
               has_signature = state->fields.signature.count > 0;
    if (!has_input || !has_signature) {
        return has_input || has_signature ? FQ_FAULT_ONE_FIELD : FQ_FAULT_NO_FIELDS;
    }
    const fq_str input = joined(state->arena, message, state->fields.signature_input);
    const fq_str signature = joined(state->arena, message, state->fields.signature);
    if (!fq_sf_parse(state->arena, input, (fq_sf_rules){FQ_SF_DICTIONARY, INPUT_NODES_MAX, true},
                     &state->inputs) ||
        !state->inputs) {
        return FQ_FAULT_INPUT_MALFORMED;
    }
    if (!fq_sf_parse(state->arena, signature,
                     (fq_sf_rules){FQ_SF_DICTIONARY, SIGNATURE_NODES_MAX, true},
                     &state->signatures)) {
        return FQ_FAULT_SIGNATURE_MALFORMED;
    }
    if (count_siblings(state->inputs) > FQ_SIGNATURE_LABELS_MAX ||
        count_siblings(state->signatures) > FQ_SIGNATURE_LABELS_MAX) {
        return FQ_FAULT_TOO_MANY_LABELS;
    }
    for (const fq_sf_node *label = state->inputs; label; label = label->next) {
        if (label->kind != FQ_SF_INNER_LIST) {
            return FQ_FAULT_INPUT_MALFORMED;
        }
    }
    return FQ_FAULT_NONE;
}

// A String parameter; empty where it is absent.
static bool read_text(const fq_sf_node *input, fq_str key, fq_str *out) {
    const fq_sf_node *parameter = fq_sf_find(input->parameters, key);
    if (parameter && parameter->kind == FQ_SF_STRING) {
        *out = parameter->value.text;
        return true;
    }
    return !parameter;
}

static bool read_seconds(const fq_sf_node *input, fq_str key, bool *out_there, int64_t *out) {
    const fq_sf_node *parameter = fq_sf_find(input->parameters, key);
    *out_there = parameter && parameter->kind == FQ_SF_INTEGER;
    if (*out_there) {
        *out = parameter->value.number;
    }
    return !parameter || *out_there;
}

static fq_signature_fault read_parameters(verify_state *state, const fq_sf_node *input) {
    verify_parameters *out = &state->parameters;
    fq_str tag = {0};
    *out = (verify_parameters){0};
    const bool good = read_text(input, FQ_STR("keyid"), &out->keyid) &&
                      read_text(input, FQ_STR("alg"), &out->alg) &&
                      read_text(input, FQ_STR("nonce"), &out->nonce) &&
                      read_text(input, FQ_STR("tag"), &tag) &&
                      read_seconds(input, FQ_STR("created"), &out->has_created, &out->created_s) &&
                      read_seconds(input, FQ_STR("expires"), &out->has_expires, &out->expires_s);
    return good ? FQ_FAULT_NONE : FQ_FAULT_PARAMETER_MALFORMED;
}

static void choose(verify_state *state, const fq_sf_node *input, fq_verdict *out) {
    state->input = input;
    out->label = input->key;
    out->keyid = state->parameters.keyid;
    out->nonce = state->parameters.nonce;
    out->created_s = state->parameters.created_s;
}

// The first label whose key is known decides alone.
static fq_signature_fault find_key(verify_state *state, const fq_signature_policy *policy,
                                   fq_verdict *out) {
    bool has_keyid = false;
    for (const fq_sf_node *input = state->inputs; input; input = input->next) {
        const fq_signature_fault fault = read_parameters(state, input);
        if (!state->input) {
            choose(state, input, out);  // for the reader of a refusal
        }
        if (fault) {
            return fault;
        }
        if (state->parameters.keyid.len == 0) {
            continue;
        }
        has_keyid = true;
        switch (policy->lookup(policy->lookup_context, state->parameters.keyid, &state->key)) {
        case FQ_KEY_STATE_UNKNOWN:
            continue;
        case FQ_KEY_STATE_REVOKED:
            choose(state, input, out);
            return FQ_FAULT_KEY_REVOKED;
        case FQ_KEY_STATE_ACTIVE:
            choose(state, input, out);
            return FQ_FAULT_NONE;
        }
    }
    return has_keyid ? FQ_FAULT_KEY_UNKNOWN : FQ_FAULT_NO_KEYID;
}

static fq_signature_fault check_algorithm(verify_state *state) {
    FQ_ASSERT(state->key != NULL);
    const fq_algorithm algorithm = fq_verify_key_algorithm(state->key);
    if (algorithm == FQ_ALGORITHM_BEARER) {
        return FQ_FAULT_KEY_CANNOT_SIGN;
    }
    const fq_str alg = state->parameters.alg;
    if (alg.at && !fq_str_equal(alg, fq_str_of(fq_algorithm_name(algorithm)))) {
        return FQ_FAULT_ALGORITHM_DIFFERS;
    }
    const fq_sf_node *signature = fq_sf_find(state->signatures, state->input->key);
    if (!signature) {
        return FQ_FAULT_LABELS_DIFFER;
    }
    if (signature->kind != FQ_SF_BYTES) {
        return FQ_FAULT_SIGNATURE_MALFORMED;
    }
    state->signature = signature->value.text;
    return FQ_FAULT_NONE;
}

// Covered as a whole: without parameters.
static bool covers(const fq_sf_node *input, fq_str name) {
    for (const fq_sf_node *component = input->value.items; component; component = component->next) {
        if (!component->parameters && component->kind == FQ_SF_STRING &&
            fq_str_equal(component->value.text, name)) {
            return true;
        }
    }
    return false;
}

bool fq_message_is_write(const fq_message *request) {
    return !fq_str_equal(request->method, FQ_STR("GET")) &&
           !fq_str_equal(request->method, FQ_STR("HEAD")) &&
           !fq_str_equal(request->method, FQ_STR("OPTIONS"));
}

// What the contract wants covered ("Who is calling").
static fq_signature_fault check_coverage(const verify_state *state, bool has_body) {
    const fq_sf_node *input = state->input;
    const bool writes = fq_message_is_write(state->message);
    if (!state->parameters.has_created) {
        return FQ_FAULT_NO_CREATED;
    }
    if ((writes && state->parameters.nonce.len == 0) ||
        state->parameters.nonce.len > FQ_NONCE_BYTES_MAX) {
        return FQ_FAULT_NO_NONCE;
    }
    if (!covers(input, FQ_STR("@method"))) {
        return FQ_FAULT_METHOD_NOT_COVERED;
    }
    if (!covers(input, FQ_STR("@authority"))) {
        return FQ_FAULT_AUTHORITY_NOT_COVERED;
    }
    if (!covers(input, FQ_STR("@path"))) {
        return FQ_FAULT_PATH_NOT_COVERED;
    }
    if ((!writes || state->message->query.len > 0) && !covers(input, FQ_STR("@query"))) {
        return FQ_FAULT_QUERY_NOT_COVERED;
    }
    if (has_body && writes) {
        if (!covers(input, FQ_STR("content-digest"))) {
            return FQ_FAULT_CONTENT_DIGEST_NOT_COVERED;
        }
        if (!covers(input, FQ_STR("content-type"))) {
            return FQ_FAULT_CONTENT_TYPE_NOT_COVERED;
        }
    }
    if (state->fields.idempotency_key.count > 1 || state->fields.content_type.count > 1) {
        return FQ_FAULT_FIELD_TWICE;
    }
    if (writes && state->fields.idempotency_key.count == 0) {
        return FQ_FAULT_IDEMPOTENCY_KEY_ABSENT;
    }
    if (writes && !covers(input, FQ_STR("idempotency-key"))) {
        return FQ_FAULT_IDEMPOTENCY_KEY_NOT_COVERED;
    }
    return FQ_FAULT_NONE;
}

static fq_signature_fault check_time(const verify_parameters *parameters, int64_t now_s) {
    // Integers of structured fields have 15 digits, so no sum here overflows.
    if (parameters->created_s < now_s - FQ_SIGNATURE_AGE_MAX_S) {
        return FQ_FAULT_TOO_OLD;
    }
    if (parameters->created_s > now_s + FQ_SIGNATURE_AHEAD_MAX_S) {
        return FQ_FAULT_FROM_THE_FUTURE;
    }
    return parameters->has_expires && parameters->expires_s < now_s ? FQ_FAULT_EXPIRED
                                                                    : FQ_FAULT_NONE;
}

static fq_signature_fault check_signature(const verify_state *state, fq_verdict *out) {
    const fq_signature_fault fault =
        fq_signature_base(state->arena, state->message, state->input, &out->base);
    if (fault) {
        return fault;
    }
    return fq_signature_check(state->key, out->base, state->signature) ? FQ_FAULT_NONE
                                                                       : FQ_FAULT_WRONG_SIGNATURE;
}

// Whatever digest is there must be right, also of an empty body.
static fq_signature_fault check_digest(const verify_state *state, fq_str body) {
    if (state->fields.content_digest.count == 0) {
        return FQ_FAULT_NONE;
    }
    const fq_str field = joined(state->arena, state->message, state->fields.content_digest);
    switch (fq_content_digest_check(state->arena, field, body)) {
    case FQ_DIGEST_MATCH:
        return FQ_FAULT_NONE;
    case FQ_DIGEST_MISMATCH:
        return FQ_FAULT_DIGEST_MISMATCH;
    case FQ_DIGEST_UNUSABLE:
        return FQ_FAULT_DIGEST_UNUSABLE;
    case FQ_DIGEST_MALFORMED:
        return FQ_FAULT_DIGEST_MALFORMED;
    }
    return FQ_FAULT_DIGEST_MALFORMED;
}

// Leaves at the first fault.
#define CHECK(call)                              \
    do {                                         \
        const fq_signature_fault fault = (call); \
        if (fault) {                             \
            return fault;                        \
        }                                        \
    } while (0)

static fq_signature_fault verify_request(verify_state *state, fq_str body,
                                         const fq_signature_policy *policy, fq_verdict *out) {
    CHECK(parse_fields(state));
    CHECK(find_key(state, policy, out));
    CHECK(check_algorithm(state));
    CHECK(check_coverage(state, body.len > 0));
    CHECK(check_time(&state->parameters, policy->now_s));
    CHECK(check_signature(state, out));
    return check_digest(state, body);
}

fq_err verify_with_state(verify_state *state, fq_str body, const fq_signature_policy *policy,
                         fq_verdict *out) {
    *out = (fq_verdict){0};
    out->fault = verify_request(state, body, policy, out);
    return verify_refusal(out->fault);
}

fq_err fq_message_verify(fq_arena *arena, const fq_message *request, fq_str body,
                         const fq_signature_policy *policy, fq_verdict *out) {
    FQ_ASSERT(request->status == 0);
    verify_state state = {.arena = arena, .message = request};
    return verify_with_state(&state, body, policy, out);
}

bool fq_message_is_signed(const fq_message *message) {
    for (size_t i = 0; i < message->field_count; i++) {
        if (fq_str_equal_nocase(message->fields[i].name, FQ_STR("signature")) ||
            fq_str_equal_nocase(message->fields[i].name, FQ_STR("signature-input"))) {
            return true;
        }
    }
    return false;
}

// Binds an answer to its request: "signature";req, whole or the member of one label.
static bool covers_request(const fq_sf_node *input) {
    for (const fq_sf_node *component = input->value.items; component; component = component->next) {
        if (component->kind == FQ_SF_STRING &&
            fq_str_equal(component->value.text, FQ_STR("signature")) &&
            fq_sf_find(component->parameters, FQ_STR("req"))) {
            return true;
        }
    }
    return false;
}

static fq_signature_fault verify_answer(verify_state *state, fq_str body, fq_verdict *out) {
    CHECK(parse_fields(state));
    CHECK(read_parameters(state, state->inputs));
    choose(state, state->inputs, out);
    CHECK(check_algorithm(state));
    if (!covers(state->input, FQ_STR("@status"))) {
        return FQ_FAULT_STATUS_NOT_COVERED;
    }
    if (!covers(state->input, FQ_STR("content-digest"))) {
        return FQ_FAULT_CONTENT_DIGEST_NOT_COVERED;
    }
    const fq_message *request = state->message->request;
    if (request && fq_message_is_signed(request) && !covers_request(state->input)) {
        return FQ_FAULT_REQUEST_NOT_COVERED;
    }
    CHECK(check_signature(state, out));
    return check_digest(state, body);
}

fq_err fq_answer_verify(fq_arena *arena, const fq_message *answer, fq_str body,
                        const fq_verify_key *key, fq_verdict *out) {
    FQ_ASSERT(answer->status != 0);
    verify_state state = {.arena = arena, .message = answer, .key = key};
    *out = (fq_verdict){0};
    out->fault = verify_answer(&state, body, out);
    return verify_refusal(out->fault);
}
