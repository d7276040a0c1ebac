// The signature base (RFC 9421 section 2): what is signed, byte for byte. Decides nothing about who
// may sign what.
#include "crypto/message_signature.h"

#include "base/buffer.h"
#include "crypto/digest.h"

typedef struct {
    fq_arena *arena;
    const fq_message *message;
    fq_buffer out;            // lies in the arena and never grows
    size_t parse_bytes_left;  // of fields that must be parsed for ;sf and ;key
} base_builder;

enum {
    USUAL_BASE_BYTES =
        2048,  // enough for nearly every request; a larger one is built again with the full ceiling
    PARSE_BYTES_MAX = 16384,  // of all parsed fields together
    PARSE_NODES_MAX = 64,
};

// The parameters of one component identifier (sections 2.1 and 2.2).
typedef struct {
    bool sf, bs, req;
    const fq_sf_node *key, *name;
} component_options;

static fq_signature_fault read_options(const fq_sf_node *component, component_options *out) {
    for (const fq_sf_node *parameter = component->parameters; parameter;
         parameter = parameter->next) {
        const bool is_true = parameter->kind == FQ_SF_BOOLEAN && parameter->value.number;
        const bool is_string = parameter->kind == FQ_SF_STRING;
        if (is_true && fq_str_equal(parameter->key, FQ_STR("req"))) {
            out->req = true;
        } else if (is_true && fq_str_equal(parameter->key, FQ_STR("sf"))) {
            out->sf = true;
        } else if (is_true && fq_str_equal(parameter->key, FQ_STR("bs"))) {
            out->bs = true;
        } else if (is_string && fq_str_equal(parameter->key, FQ_STR("key"))) {
            out->key = parameter;
        } else if (is_string && fq_str_equal(parameter->key, FQ_STR("name"))) {
            out->name = parameter;
        } else {
            return FQ_FAULT_COMPONENT_PARAMETER;  // ;tr among them: trailers are dropped here
        }
    }
    return out->bs && (out->sf || out->key) ? FQ_FAULT_COMPONENT_PARAMETER : FQ_FAULT_NONE;
}

static bool values_equal(const fq_sf_node *a, const fq_sf_node *b) {
    return a->kind == b->kind &&
           (a->kind == FQ_SF_STRING ? fq_str_equal(a->value.text, b->value.text)
                                    : a->value.number == b->value.number);
}

// The order of parameters does not count (section 2). Parameters of other types than these are
// refused later.
static bool same_component(const fq_sf_node *a, const fq_sf_node *b) {
    if (!fq_str_equal(a->value.text, b->value.text)) {
        return false;
    }
    size_t a_count = 0, b_count = 0;
    for (const fq_sf_node *parameter = a->parameters; parameter; parameter = parameter->next) {
        const fq_sf_node *other = fq_sf_find(b->parameters, parameter->key);
        if (!other || !values_equal(parameter, other)) {
            return false;
        }
        a_count++;
    }
    for (const fq_sf_node *parameter = b->parameters; parameter; parameter = parameter->next) {
        b_count++;
    }
    return a_count == b_count;
}

static fq_signature_fault check_components(const fq_sf_node *input) {
    size_t count = 0;
    for (const fq_sf_node *component = input->value.items; component; component = component->next) {
        if (++count > FQ_SIGNATURE_COMPONENTS_MAX) {
            return FQ_FAULT_TOO_LARGE;
        }
        if (component->kind != FQ_SF_STRING || component->value.text.len == 0) {
            return FQ_FAULT_COMPONENT_UNKNOWN;
        }
        for (size_t i = 0; i < component->value.text.len; i++) {
            if (component->value.text.at[i] >= 'A' && component->value.text.at[i] <= 'Z') {
                return FQ_FAULT_COMPONENT_NAME;
            }
        }
        for (const fq_sf_node *earlier = input->value.items; earlier != component;
             earlier = earlier->next) {
            if (same_component(earlier, component)) {
                return FQ_FAULT_COMPONENT_TWICE;
            }
        }
    }
    return FQ_FAULT_NONE;
}

// Whether a value can stand on one line of the base: no control characters but HTAB, ASCII only.
static bool is_one_line(fq_str value) {
    bool bad = false;
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t c = (uint8_t)value.at[i];
        bad |= (c < 0x20 && c != '\t') | (c > 0x7E);
    }
    return !bad;
}

// A line folded as HTTP/1.1 once allowed counts as one with a single space (section 2.1).
static bool write_unfolded(fq_buffer *out, fq_str value) {
    for (;;) {
        const char *feed = memchr(value.at, '\n', value.len);
        if (!feed) {
            fq_buffer_add(out, value);
            return is_one_line(value);
        }
        fq_str before = {value.at, (size_t)(feed - value.at)};
        if (before.len > 0 && before.at[before.len - 1] == '\r') {
            before.len--;
        }
        before = fq_str_trim(before);
        const fq_str after = {feed + 1, value.len - (size_t)(feed + 1 - value.at)};
        value = fq_str_trim(after);
        if (value.at == after.at || !is_one_line(before)) {
            return false;
        }
        fq_buffer_add(out, before);
        fq_buffer_add_char(out, ' ');
    }
}

static bool write_line(fq_buffer *out, fq_str value) {
    if (is_one_line(value)) {
        fq_buffer_add(out, value);
        return true;
    }
    return write_unfolded(out, value);
}

static void write_wrapped(fq_buffer *out, fq_str value) {
    fq_buffer_add_char(out, ':');
    char *at = fq_buffer_reserve(out, FQ_BASE64_LEN(value.len));
    if (at) {
        out->len += fq_base64_encode(value, at);
    }
    fq_buffer_add_char(out, ':');
}

// All lines of a field: trimmed and joined by ", ", with ;bs each wrapped.
static fq_signature_fault write_field(fq_buffer *out, const fq_message *message, fq_str name,
                                      bool wrapped) {
    bool found = false;
    for (size_t i = 0; i < message->field_count; i++) {
        if (!fq_str_equal_nocase(message->fields[i].name, name)) {
            continue;
        }
        if (found) {
            FQ_ADD(out, ", ");
        }
        found = true;
        const fq_str value = fq_str_trim(message->fields[i].value);
        if (wrapped) {
            write_wrapped(out, value);
        } else if (!write_line(out, value)) {
            return FQ_FAULT_COMPONENT_MALFORMED;
        }
    }
    return found ? FQ_FAULT_NONE : FQ_FAULT_COMPONENT_ABSENT;
}

// ;sf needs to know a field's type. To add a field, add a row. The last one is RFC 9421's own
// example.
static bool structured_type(fq_str name, fq_sf_type *out) {
    static const struct {
        const char *name;
        fq_sf_type type;
    } known[] = {
        {"content-digest", FQ_SF_DICTIONARY},  {"repr-digest", FQ_SF_DICTIONARY},
        {"signature-input", FQ_SF_DICTIONARY}, {"signature", FQ_SF_DICTIONARY},
        {"priority", FQ_SF_DICTIONARY},        {"example-dict", FQ_SF_DICTIONARY},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (fq_str_equal(name, fq_str_of(known[i].name))) {
            *out = known[i].type;
            return true;
        }
    }
    return false;
}

// ;sf and ;key: the field parsed and written anew, whole or one member (sections 2.1.1 and 2.1.2).
static fq_signature_fault write_parsed_field(base_builder *builder, const fq_message *message,
                                             fq_str name, const fq_sf_node *key) {
    fq_sf_type type = FQ_SF_DICTIONARY;
    if (!key && !structured_type(name, &type)) {
        return FQ_FAULT_COMPONENT_PARAMETER;
    }
    // The raw text is written, read and then replaced by its canonical form.
    fq_buffer *out = &builder->out;
    const size_t start = out->len;
    const fq_signature_fault fault = write_field(out, message, name, false);
    if (fault || out->overflowed) {
        return fault;
    }
    const size_t raw_len = out->len - start;
    if (raw_len > builder->parse_bytes_left) {
        return FQ_FAULT_TOO_LARGE;
    }
    builder->parse_bytes_left -= raw_len;
    const fq_str raw = fq_arena_copy(builder->arena, (fq_str){out->at + start, raw_len});
    out->len = start;
    fq_sf_node *first = NULL;
    if (!fq_sf_parse(builder->arena, raw, (fq_sf_rules){type, PARSE_NODES_MAX, false}, &first)) {
        return FQ_FAULT_COMPONENT_MALFORMED;
    }
    if (!key) {
        fq_sf_write(out, type, first);
        return FQ_FAULT_NONE;
    }
    const fq_sf_node *member = fq_sf_find(first, key->value.text);
    if (!member) {
        return FQ_FAULT_COMPONENT_ABSENT;
    }
    fq_sf_write_member(out, member);
    return FQ_FAULT_NONE;
}

// Host and port in lower case, without the scheme's own port (section 2.2.3).
static void write_authority(fq_buffer *out, const fq_message *message) {
    fq_str authority = message->authority;
    const fq_str port =
        fq_str_equal(message->scheme, FQ_STR("https")) ? FQ_STR(":443") : FQ_STR(":80");
    if (authority.len > port.len &&
        memcmp(authority.at + authority.len - port.len, port.at, port.len) == 0) {
        authority.len -= port.len;
    }
    char *at = fq_buffer_reserve(out, authority.len);
    if (!at) {
        return;
    }
    for (size_t i = 0; i < authority.len; i++) {
        const char c = authority.at[i];
        at[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    out->len += authority.len;
}

static fq_str path_of(const fq_message *message) {
    return message->path.len > 0 ? message->path : FQ_STR("/");
}

// One byte of application/x-www-form-urlencoded text; `*at` moves past it.
static uint8_t next_form_byte(fq_str text, size_t *at) {
    const char c = text.at[(*at)++];
    uint8_t byte = (uint8_t)c;
    if (c == '+') {
        return ' ';
    }
    if (c == '%' && text.len - *at >= 2 && fq_hex_decode((fq_str){text.at + *at, 2}, &byte)) {
        *at += 2;
    }
    return byte;
}

// How section 2.2.8 writes that byte again; returns how many characters.
static size_t encode_form_byte(uint8_t byte, char out[3]) {
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9') || byte == '*' || byte == '-' || byte == '.' ||
                       byte == '_';
    if (plain) {
        out[0] = (char)byte;
        return 1;
    }
    static const char digits[] = "0123456789ABCDEF";
    out[0] = '%';
    out[1] = digits[byte >> 4];
    out[2] = digits[byte & 15];
    return 3;
}

static bool form_name_is(fq_str raw, fq_str encoded) {
    size_t seen = 0;
    for (size_t at = 0; at < raw.len;) {
        char piece[3];
        const size_t len = encode_form_byte(next_form_byte(raw, &at), piece);
        if (encoded.len - seen < len || memcmp(encoded.at + seen, piece, len) != 0) {
            return false;
        }
        seen += len;
    }
    return seen == encoded.len;
}

// "@query-param";name="...": must be there exactly once.
static fq_signature_fault write_query_parameter(fq_buffer *out, const fq_message *message,
                                                fq_str name) {
    fq_str rest = message->query;
    if (rest.len > 0) {
        rest = (fq_str){rest.at + 1, rest.len - 1};  // without '?'
    }
    unsigned found = 0;
    while (rest.len > 0) {
        const char *ampersand = memchr(rest.at, '&', rest.len);
        const fq_str pair = {rest.at, ampersand ? (size_t)(ampersand - rest.at) : rest.len};
        const char *equals = pair.len > 0 ? memchr(pair.at, '=', pair.len) : NULL;
        const size_t name_len = equals ? (size_t)(equals - pair.at) : pair.len;
        if (pair.len > 0 && form_name_is((fq_str){pair.at, name_len}, name)) {
            if (++found > 1) {
                return FQ_FAULT_COMPONENT_ABSENT;
            }
            const fq_str value =
                equals ? (fq_str){equals + 1, pair.len - name_len - 1} : FQ_STR("");
            for (size_t at = 0; at < value.len;) {
                char piece[3];
                const size_t len = encode_form_byte(next_form_byte(value, &at), piece);
                fq_buffer_add(out, (fq_str){piece, len});
            }
        }
        const size_t used = pair.len + (ampersand != NULL);
        rest = (fq_str){rest.at + used, rest.len - used};
    }
    return found == 1 ? FQ_FAULT_NONE : FQ_FAULT_COMPONENT_ABSENT;
}

// A derived component of a request (section 2.2).
static fq_signature_fault write_derived(fq_buffer *out, const fq_message *message, fq_str name,
                                        const component_options *options) {
    if (fq_str_equal(name, FQ_STR("@query-param"))) {
        return options->name ? write_query_parameter(out, message, options->name->value.text)
                             : FQ_FAULT_COMPONENT_PARAMETER;
    }
    if (fq_str_equal(name, FQ_STR("@method"))) {
        fq_buffer_add(out, message->method);
    } else if (fq_str_equal(name, FQ_STR("@authority"))) {
        write_authority(out, message);
    } else if (fq_str_equal(name, FQ_STR("@path"))) {
        fq_buffer_add(out, path_of(message));
    } else if (fq_str_equal(name, FQ_STR("@query"))) {
        fq_buffer_add(out, message->query.len > 0 ? message->query : FQ_STR("?"));
    } else if (fq_str_equal(name, FQ_STR("@scheme"))) {
        fq_buffer_add(out, message->scheme);
    } else if (fq_str_equal(name, FQ_STR("@target-uri"))) {
        fq_buffer_add(out, message->scheme);
        FQ_ADD(out, "://");
        fq_buffer_add(out, message->authority);
        fq_buffer_add(out, path_of(message));
        fq_buffer_add(out, message->query);
    } else if (fq_str_equal(name, FQ_STR("@request-target"))) {
        if (message->target.len > 0) {
            fq_buffer_add(out, message->target);
        } else {
            fq_buffer_add(out, path_of(message));
            fq_buffer_add(out, message->query);
        }
    } else {
        return FQ_FAULT_COMPONENT_UNKNOWN;  // @signature-params among them: it never covers itself
    }
    return FQ_FAULT_NONE;
}

static fq_signature_fault write_component(base_builder *builder, const fq_sf_node *component) {
    component_options options = {0};
    const fq_signature_fault fault = read_options(component, &options);
    if (fault) {
        return fault;
    }
    fq_buffer *out = &builder->out;
    fq_sf_write_member(out, component);
    FQ_ADD(out, ": ");
    const fq_message *message = builder->message;
    if (options.req) {
        message = message->status ? message->request : NULL;
        if (!message) {
            return FQ_FAULT_COMPONENT_PARAMETER;
        }
    }
    const fq_str name = component->value.text;
    if (name.at[0] != '@') {
        if (options.name) {
            return FQ_FAULT_COMPONENT_PARAMETER;
        }
        return options.sf || options.key ? write_parsed_field(builder, message, name, options.key)
                                         : write_field(out, message, name, options.bs);
    }
    const size_t start = out->len;
    if (options.sf || options.bs || options.key ||
        (options.name && !fq_str_equal(name, FQ_STR("@query-param")))) {
        return FQ_FAULT_COMPONENT_PARAMETER;
    }
    if (message->status) {
        if (!fq_str_equal(name, FQ_STR("@status"))) {
            return FQ_FAULT_COMPONENT_UNKNOWN;
        }
        fq_buffer_add_i64(out, message->status);
        return FQ_FAULT_NONE;
    }
    const fq_signature_fault derived = write_derived(out, message, name, &options);
    const fq_str written = {out->at + start, out->len - start};
    return derived || is_one_line(written) ? derived : FQ_FAULT_COMPONENT_MALFORMED;
}

static fq_signature_fault build(base_builder *builder, const fq_sf_node *input) {
    for (const fq_sf_node *component = input->value.items; component; component = component->next) {
        const fq_signature_fault fault = write_component(builder, component);
        if (fault) {
            return fault;
        }
        fq_buffer_add_char(&builder->out, '\n');
    }
    FQ_ADD(&builder->out, "\"@signature-params\": ");
    fq_sf_write_member(&builder->out, input);
    return FQ_FAULT_NONE;
}

fq_signature_fault fq_signature_base(fq_arena *arena, const fq_message *message,
                                     const fq_sf_node *input, fq_str *out_base) {
    FQ_ASSERT(input->kind == FQ_SF_INNER_LIST);
    fq_signature_fault fault = check_components(input);
    if (fault) {
        return fault;
    }
    static const size_t sizes[] = {USUAL_BASE_BYTES, FQ_SIGNATURE_BASE_BYTES_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        base_builder builder = {
            .arena = arena, .message = message, .parse_bytes_left = PARSE_BYTES_MAX};
        // Full from the start: a buffer whose capacity is its ceiling never asks for memory of its
        // own.
        builder.out = (fq_buffer){
            .at = fq_arena_alloc(arena, sizes[i]), .capacity = sizes[i], .bytes_max = sizes[i]};
        fault = build(&builder, input);
        if (fault) {
            return fault;
        }
        if (!builder.out.overflowed) {
            *out_base = fq_buffer_str(&builder.out);
            return FQ_FAULT_NONE;
        }
    }
    return FQ_FAULT_TOO_LARGE;
}
