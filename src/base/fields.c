// Decoding bodies and queries by their tables: one small decoder a kind of field. Knows no
// resource.
#include "base/fields.h"

enum { ROWS_MAX = 64, PARAM_BYTES_MAX = 64 };

typedef struct {
    fq_arena *arena;
    const char *path;  // before the names in `param`, or NULL
    bool from_query;   // everything is a string
} decoding;

fq_err fq_fault_first(fq_err a, fq_err b) {
    return a.code == FQ_DONE || (b.code != FQ_DONE && b.code < a.code) ? b : a;
}

static const char *param_of(const decoding *d, const char *name) {
    return d->path ? fq_arena_printf(d->arena, "%s%s", d->path, name).at : name;
}

static fq_err refuse_with(const decoding *d, const fq_field *row, const char *reason,
                          int64_t number) {
    return fq_refuse_reason(FQ_INVALID_FIELD, param_of(d, row->name), reason, number);
}

static fq_err refuse(const decoding *d, const fq_field *row, const char *reason) {
    return refuse_with(d, row, reason, 0);
}

static bool has_integer(const decoding *d, const fq_json *value, int64_t *out) {
    if (d->from_query) {
        return value->type == FQ_JSON_STRING && fq_str_to_i64(value->text, out);
    }
    if (value->type == FQ_JSON_NUMBER && value->is_integer) {
        *out = value->integer;
        return true;
    }
    return false;
}

static fq_err decode_id(const decoding *d, const fq_field *row, const fq_json *value, void *out) {
    const bool any = row->kind == FQ_FIELD_ID_ANY;
    bool right = false;
    if (value->type == FQ_JSON_STRING) {
        right = any ? fq_id_parse_any(row->id_kind, value->text, out)
                    : fq_id_parse(row->id_kind, value->text, out);
    } else if (any && value->type == FQ_JSON_NUMBER && value->is_integer && value->integer > 0) {
        *(uint64_t *)out = (uint64_t)value->integer;
        right = true;
    }
    return right ? FQ_OK
                 : refuse(d, row, "must be an id of its kind: its prefix and 13 characters");
}

// The reader has checked the text to be UTF-8.
static int64_t code_points(fq_str text) {
    int64_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.at[i] & 0xC0) != 0x80;
    }
    return count;
}

static fq_err decode_string(const decoding *d, const fq_field *row, const fq_json *value,
                            void *out) {
    if (value->type != FQ_JSON_STRING) {
        return refuse(d, row, "must be a string");
    }
    const int64_t length = code_points(value->text);
    if (length < row->minimum) {
        return refuse_with(d, row, "must have at least {1} characters", row->minimum);
    }
    if (length > row->maximum) {
        return refuse_with(d, row, "must have at most {1} characters", row->maximum);
    }
    *(fq_str *)out = value->text;
    return FQ_OK;
}

static fq_err decode_ascii(const decoding *d, const fq_field *row, const fq_json *value,
                           void *out) {
    fq_str text = {0};
    FQ_TRY(decode_string(d, row, value, &text));
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '!' || text.at[i] > '~') {
            return refuse(d, row, "must be visible ASCII characters only");
        }
    }
    *(fq_str *)out = text;
    return FQ_OK;
}

// Is it an integer that was only too large for 64 bits?
static bool is_huge(const fq_json *value) {
    if (value->type != FQ_JSON_NUMBER || value->is_integer) {
        return false;
    }
    for (size_t i = 0; i < value->text.len; i++) {
        const char c = value->text.at[i];
        if (c != '-' && (c < '0' || c > '9')) {
            return false;
        }
    }
    return true;
}

static fq_err decode_amount(const decoding *d, const fq_field *row, const fq_json *value,
                            void *out) {
    int64_t amount;
    if (!has_integer(d, value, &amount)) {
        if (is_huge(value)) {
            return fq_refuse_reason(FQ_MALFORMED_JSON, param_of(d, row->name),
                                    "number too large, at byte {1}", value->offset);
        }
        return refuse(d, row, "must be an integer in the currency's minor unit");
    }
    if (amount > FQ_AMOUNT_MAX) {
        return refuse(d, row, "must be at most 9007199254740991");
    }
    if (amount <= 0) {
        return fq_refuse(FQ_AMOUNT_NOT_POSITIVE, param_of(d, row->name));
    }
    *(int64_t *)out = amount;
    return FQ_OK;
}

static fq_err decode_integer(const decoding *d, const fq_field *row, const fq_json *value,
                             void *out) {
    int64_t number;
    if (!has_integer(d, value, &number)) {
        return refuse(d, row, "must be an integer");
    }
    if (number < row->minimum) {
        return refuse_with(d, row, "must be at least {1}", row->minimum);
    }
    if (number > row->maximum) {
        return refuse_with(d, row, "must be at most {1}", row->maximum);
    }
    *(int64_t *)out = number;
    return FQ_OK;
}

static fq_err decode_currency(const decoding *d, const fq_field *row, const fq_json *value,
                              void *out) {
    const fq_str text = value->type == FQ_JSON_STRING ? value->text : (fq_str){0};
    return fq_currency_parse(text, param_of(d, row->name), out);
}

static fq_err decode_bool(const decoding *d, const fq_field *row, const fq_json *value, void *out) {
    if (value->type == FQ_JSON_BOOL) {
        *(bool *)out = value->boolean;
        return FQ_OK;
    }
    const bool yes = fq_str_equal(value->text, FQ_STR("true"));
    if (!d->from_query || !(yes || fq_str_equal(value->text, FQ_STR("false")))) {
        return refuse(d, row, "must be true or false");
    }
    *(bool *)out = yes;
    return FQ_OK;
}

static const fq_choice *find_choice(const fq_choice *choices, const fq_json *value) {
    for (const fq_choice *choice = choices; choice->text; choice++) {
        if (value->type == FQ_JSON_STRING && fq_str_equal(value->text, fq_str_of(choice->text))) {
            return choice;
        }
    }
    return NULL;
}

static fq_err decode_enum(const decoding *d, const fq_field *row, const fq_json *value, void *out) {
    const fq_choice *choice = find_choice(row->choices, value);
    if (!choice) {
        return refuse(d, row, "must be one of the values that the documentation names");
    }
    memcpy(out, &choice->value, sizeof(choice->value));  // an enum is as large as an int
    return FQ_OK;
}

static fq_err check_count(const decoding *d, const fq_field *row, const fq_json *list) {
    if (list->type != FQ_JSON_ARRAY) {
        return refuse(d, row, "must be a list");
    }
    if (list->count < row->minimum) {
        return refuse_with(d, row, "must have at least {1} elements", row->minimum);
    }
    if (list->count > row->maximum) {
        return refuse_with(d, row, "must have at most {1} elements", row->maximum);
    }
    return FQ_OK;
}

static fq_err decode_flags(const decoding *d, const fq_field *row, const fq_json *value,
                           void *out) {
    FQ_TRY(check_count(d, row, value));
    int flags = 0;
    for (const fq_json *element = value->first; element; element = element->next) {
        const fq_choice *choice = find_choice(row->choices, element);
        if (!choice) {
            return refuse(d, row, "must be one of the values that the documentation names");
        }
        if (flags & choice->value) {
            return refuse(d, row, "must not name the same value twice");
        }
        flags |= choice->value;
    }
    memcpy(out, &flags, sizeof(flags));
    return FQ_OK;
}

static fq_err decode_time(const decoding *d, const fq_field *row, const fq_json *value, void *out) {
    if (value->type != FQ_JSON_STRING || !fq_time_parse(value->text, out)) {
        return refuse(d, row, "must be a time as RFC 3339 writes it");
    }
    return FQ_OK;
}

static fq_err decode_map(const decoding *d, const fq_field *row, const fq_json *value, void *out) {
    if (value->type != FQ_JSON_OBJECT) {
        return refuse(d, row, "must be an object");
    }
    if (value->count > FQ_METADATA_PAIRS_MAX) {
        return refuse_with(d, row, "must have at most {1} pairs", FQ_METADATA_PAIRS_MAX);
    }
    for (const fq_json *pair = value->first; pair; pair = pair->next) {
        const int64_t key_length = code_points(pair->key);
        if (key_length < 1 || key_length > FQ_METADATA_KEY_MAX) {
            return refuse_with(d, row, "its keys must have 1 to {1} characters",
                               FQ_METADATA_KEY_MAX);
        }
        if (pair->type != FQ_JSON_STRING || code_points(pair->text) > FQ_METADATA_VALUE_MAX) {
            return refuse_with(d, row, "its values must be strings of at most {1} characters",
                               FQ_METADATA_VALUE_MAX);
        }
    }
    if (value->count == 0) {
        *(fq_str *)out = (fq_str){0};
        return FQ_OK;
    }
    // Six bytes for one at most: a control character escaped.
    fq_buffer text;
    fq_buffer_init(&text,
                   FQ_METADATA_PAIRS_MAX * 6 * (FQ_METADATA_KEY_MAX + FQ_METADATA_VALUE_MAX + 2));
    const fq_err err = fq_json_canonical(value, NULL, &text);
    FQ_ASSERT(err.code == FQ_DONE && !text.overflowed);
    *(fq_str *)out = fq_arena_copy(d->arena, fq_buffer_str(&text));
    fq_buffer_free(&text);
    return FQ_OK;
}

static fq_err decode_object(const decoding *d, const fq_field *row, const fq_json *value,
                            void *out) {
    if (value->type != FQ_JSON_OBJECT) {
        return refuse(d, row, "must be an object");
    }
    const char *path = fq_arena_printf(d->arena, "%s%s.", d->path ? d->path : "", row->name).at;
    return fq_fields_decode(d->arena, row->nested, value, path, out);
}

static fq_err decode_list(const decoding *d, const fq_field *row, const fq_json *value, void *out) {
    FQ_TRY(check_count(d, row, value));
    const size_t bytes = row->nested->bytes;
    fq_list list = {.count = value->count};
    list.at = list.count > 0 ? fq_arena_alloc(d->arena, fq_array_bytes(list.count, bytes)) : NULL;
    fq_err fault = FQ_OK;
    size_t index = 0;
    for (const fq_json *element = value->first; element; element = element->next, index++) {
        const char *path =
            fq_arena_printf(d->arena, "%s%s[%zu]", d->path ? d->path : "", row->name, index).at;
        if (element->type != FQ_JSON_OBJECT) {
            fault = fq_fault_first(
                fault, fq_refuse_reason(FQ_INVALID_FIELD, path, "must be an object", 0));
            continue;
        }
        path = fq_arena_printf(d->arena, "%s.", path).at;
        const fq_err element_fault =
            fq_fields_decode(d->arena, row->nested, element, path, (char *)list.at + index * bytes);
        fault = fq_fault_first(fault, element_fault);
    }
    *(fq_list *)out = list;
    return fault;
}

static fq_err decode_value(const decoding *d, const fq_field *row, const fq_json *value,
                           void *out) {
    (void)d, (void)row;
    *(const fq_json **)out = value;
    return FQ_OK;
}

// To add a kind, add it to fq_field_kind and its decoder here.
static fq_err (*const decoders[])(const decoding *, const fq_field *, const fq_json *, void *) = {
    [FQ_FIELD_ID] = decode_id,
    [FQ_FIELD_ID_ANY] = decode_id,
    [FQ_FIELD_STRING] = decode_string,
    [FQ_FIELD_ASCII] = decode_ascii,
    [FQ_FIELD_AMOUNT] = decode_amount,
    [FQ_FIELD_INTEGER] = decode_integer,
    [FQ_FIELD_CURRENCY] = decode_currency,
    [FQ_FIELD_BOOL] = decode_bool,
    [FQ_FIELD_ENUM] = decode_enum,
    [FQ_FIELD_FLAGS] = decode_flags,
    [FQ_FIELD_TIME] = decode_time,
    [FQ_FIELD_MAP] = decode_map,
    [FQ_FIELD_OBJECT] = decode_object,
    [FQ_FIELD_LIST] = decode_list,
    [FQ_FIELD_VALUE] = decode_value,
};

static fq_err decode_row(const decoding *d, const fq_field *row, const fq_json *value, void *out) {
    fq_given given = FQ_GIVEN;
    if (value->type == FQ_JSON_NULL && row->kind != FQ_FIELD_VALUE) {
        if (!row->null_allowed) {
            return refuse(d, row, "must not be null");
        }
        given = FQ_GIVEN_NULL;
    } else {
        FQ_TRY(decoders[row->kind](d, row, value, (char *)out + row->offset));
    }
    if (row->given > 0) {
        memcpy((char *)out + row->given - 1, &given, sizeof(given));
    }
    return FQ_OK;
}

// Members mostly come in the table's order, so the search begins where the last one ended.
static size_t find_row(const fq_fields *fields, size_t start, fq_str name) {
    for (size_t i = 0; i < fields->count; i++) {
        const size_t index = start + i < fields->count ? start + i : start + i - fields->count;
        if (fq_str_equal(fq_str_of(fields->rows[index].name), name)) {
            return index;
        }
    }
    return fields->count;
}

static fq_err refuse_unknown(const decoding *d, fq_str name) {
    const char *param = param_of(d, fq_arena_text(d->arena, fq_str_cut(name, PARAM_BYTES_MAX)));
    return d->from_query
               ? fq_refuse_reason(FQ_INVALID_FIELD, param, "there is no such query parameter", 0)
               : fq_refuse(FQ_UNKNOWN_FIELD, param);
}

static fq_err decode(const decoding *d, const fq_fields *fields, const fq_json *object, void *out) {
    FQ_ASSERT(fields->count <= ROWS_MAX);
    fq_err fault = FQ_OK;
    uint64_t seen = 0;
    size_t next = 0;
    for (const fq_json *member = object ? object->first : NULL; member; member = member->next) {
        const size_t index = find_row(fields, next, member->key);
        if (index == fields->count) {
            fault = fq_fault_first(fault, refuse_unknown(d, member->key));
            continue;
        }
        seen |= UINT64_C(1) << index;
        next = index + 1;
        fault = fq_fault_first(fault, decode_row(d, &fields->rows[index], member, out));
    }
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->rows[i].required && !(seen >> i & 1)) {
            const char *param = param_of(d, fields->rows[i].name);
            fault = fq_fault_first(fault, fq_refuse(FQ_MISSING_FIELD, param));
        }
    }
    return fault;
}

// Something else stands where an object should: as the whole, or where `path` points to.
static fq_err refuse_other(fq_arena *arena, const char *path) {
    if (!path) {
        return fq_refuse_reason(FQ_MALFORMED_JSON, NULL, "the top level must be an object", 0);
    }
    const char *param = fq_arena_text(arena, (fq_str){path, strlen(path) - 1});
    return fq_refuse_reason(FQ_INVALID_FIELD, param, "must be an object", 0);
}

fq_err fq_fields_decode(fq_arena *arena, const fq_fields *fields, const fq_json *object,
                        const char *path, void *out) {
    if (object && object->type != FQ_JSON_OBJECT) {
        return refuse_other(arena, path);
    }
    return decode(&(decoding){.arena = arena, .path = path}, fields, object, out);
}

fq_err fq_fields_decode_body(fq_arena *arena, const fq_fields *fields, fq_str body,
                             bool empty_allowed, void *out) {
    const fq_json *object = NULL;
    if (body.len > 0 || !empty_allowed) {
        FQ_TRY(fq_json_parse(arena, body, FQ_JSON_REQUEST, &object));
    }
    return fq_fields_decode(arena, fields, object, NULL, out);
}

fq_err fq_fields_decode_query(fq_arena *arena, const fq_fields *fields, fq_str query, void *out) {
    const fq_json *object = NULL;
    FQ_TRY(fq_query_parse(arena, query, &object));
    return decode(&(decoding){.arena = arena, .from_query = true}, fields, object, out);
}
