// The canonical form of structured fields (RFC 9651 section 4.1). Takes what the parser made;
// checks nothing again.
#include "crypto/structured_fields.h"

#include "base/err.h"
#include "crypto/digest.h"

static void write_decimal(fq_buffer *out, int64_t thousandths) {
    if (thousandths < 0) {
        fq_buffer_add_char(out, '-');
        thousandths = -thousandths;
    }
    fq_buffer_add_i64(out, thousandths / 1000);
    char fraction[4] = {'.', (char)('0' + thousandths / 100 % 10),
                        (char)('0' + thousandths / 10 % 10), (char)('0' + thousandths % 10)};
    size_t len = sizeof(fraction);
    while (len > 2 && fraction[len - 1] == '0') {
        len--;
    }
    fq_buffer_add(out, (fq_str){fraction, len});
}

static void write_string(fq_buffer *out, fq_str text) {
    fq_buffer_add_char(out, '"');
    size_t plain = 0;  // what needs no escape goes out in one piece
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"' || text.at[i] == '\\') {
            fq_buffer_add(out, (fq_str){text.at + plain, i - plain});
            fq_buffer_add_char(out, '\\');
            plain = i;
        }
    }
    fq_buffer_add(out, (fq_str){text.at + plain, text.len - plain});
    fq_buffer_add_char(out, '"');
}

static void write_bytes(fq_buffer *out, fq_str bytes) {
    fq_buffer_add_char(out, ':');
    char *at = fq_buffer_reserve(out, FQ_BASE64_LEN(bytes.len));
    if (at) {
        out->len += fq_base64_encode(bytes, at);
    }
    fq_buffer_add_char(out, ':');
}

static void write_display_string(fq_buffer *out, fq_str text) {
    FQ_ADD(out, "%\"");
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t byte = (uint8_t)text.at[i];
        if (byte == '%' || byte == '"' || byte < 0x20 || byte > 0x7E) {
            char escape[3] = {'%'};
            fq_hex_encode((fq_str){text.at + i, 1}, escape + 1);
            fq_buffer_add(out, (fq_str){escape, sizeof(escape)});
        } else {
            fq_buffer_add_char(out, text.at[i]);
        }
    }
    fq_buffer_add_char(out, '"');
}

// Items have no inner lists, so the depth is two.
static void write_inner_list(fq_buffer *out, const fq_sf_node *list) {
    fq_buffer_add_char(out, '(');
    for (const fq_sf_node *item = list->value.items; item; item = item->next) {
        fq_sf_write_member(out, item);
        if (item->next) {
            fq_buffer_add_char(out, ' ');
        }
    }
    fq_buffer_add_char(out, ')');
}

static void write_value(fq_buffer *out, const fq_sf_node *node) {
    switch (node->kind) {
    case FQ_SF_INTEGER:
        fq_buffer_add_i64(out, node->value.number);
        return;
    case FQ_SF_DECIMAL:
        write_decimal(out, node->value.number);
        return;
    case FQ_SF_STRING:
        write_string(out, node->value.text);
        return;
    case FQ_SF_TOKEN:
        fq_buffer_add(out, node->value.text);
        return;
    case FQ_SF_BYTES:
        write_bytes(out, node->value.text);
        return;
    case FQ_SF_BOOLEAN:
        fq_buffer_add(out, node->value.number ? FQ_STR("?1") : FQ_STR("?0"));
        return;
    case FQ_SF_DATE:
        fq_buffer_add_char(out, '@');
        fq_buffer_add_i64(out, node->value.number);
        return;
    case FQ_SF_DISPLAY_STRING:
        write_display_string(out, node->value.text);
        return;
    case FQ_SF_INNER_LIST:
        write_inner_list(out, node);
        return;
    }
}

static bool is_true(const fq_sf_node *node) {
    return node->kind == FQ_SF_BOOLEAN && node->value.number;
}

void fq_sf_write_parameters(fq_buffer *out, const fq_sf_node *first) {
    for (const fq_sf_node *parameter = first; parameter; parameter = parameter->next) {
        fq_buffer_add_char(out, ';');
        fq_buffer_add(out, parameter->key);
        if (!is_true(parameter)) {
            fq_buffer_add_char(out, '=');
            write_value(out, parameter);
        }
    }
}

void fq_sf_write_member(fq_buffer *out, const fq_sf_node *member) {
    write_value(out, member);
    fq_sf_write_parameters(out, member->parameters);
}

void fq_sf_write(fq_buffer *out, fq_sf_type type, const fq_sf_node *first) {
    for (const fq_sf_node *member = first; member; member = member->next) {
        if (type == FQ_SF_DICTIONARY) {
            fq_buffer_add(out, member->key);
            if (is_true(member)) {
                fq_sf_write_parameters(out, member->parameters);
            } else {
                fq_buffer_add_char(out, '=');
                fq_sf_write_member(out, member);
            }
        } else {
            fq_sf_write_member(out, member);
        }
        if (member->next) {
            FQ_ADD(out, ", ");
        }
    }
}
