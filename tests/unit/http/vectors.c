// Reads the raw requests of the vectors.
#include "vectors.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// Each character of the file's text is one byte, so UTF-8 becomes Latin-1 again.
static size_t add_latin1(char *out, const char *utf8, size_t len) {
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        const unsigned char byte = (unsigned char)utf8[i];
        if (byte < 0x80) {
            out[at++] = utf8[i];
        } else {
            assert_true(byte <= 0xC3 && i + 1 < len);
            out[at++] = (char)(((byte & 3) << 6) | ((unsigned char)utf8[++i] & 0x3F));
        }
    }
    return at;
}

static void load_bytes(json_t *one, raw_request *out) {
    json_t *text = json_object_get(one, "bytes"), *parts = json_object_get(one, "parts");
    if (text) {
        out->bytes = malloc(json_string_length(text) + 1);
        out->len = add_latin1(out->bytes, json_string_value(text), json_string_length(text));
        return;
    }
    size_t index;
    json_t *part;
    json_array_foreach(parts, index, part) {
        json_t *piece = json_array_get(part, 0);
        const size_t len = json_string_length(piece);
        const size_t times = (size_t)json_integer_value(json_array_get(part, 1));
        out->bytes = realloc(out->bytes, out->len + len * times + 1);
        for (size_t i = 0; i < times; i++) {
            out->len += add_latin1(out->bytes + out->len, json_string_value(piece), len);
        }
    }
}

raw_request *load_raw_requests(size_t *out_count) {
    json_error_t error;
    json_t *root =
        json_load_file(FQ_TEST_VECTORS "/security/http-malformed.json", JSON_ALLOW_NUL, &error);
    assert_non_null(root);
    json_t *cases = json_object_get(root, "cases"), *one;
    const size_t count = json_array_size(cases);
    assert_true(count >= 134);
    raw_request *requests = calloc(count, sizeof(*requests));
    size_t index;
    json_array_foreach(cases, index, one) {
        raw_request *out = &requests[index];
        snprintf(out->id, sizeof(out->id), "%s", json_string_value(json_object_get(one, "id")));
        load_bytes(one, out);
        json_t *expect = json_object_get(one, "expect"), *status;
        size_t i;
        json_array_foreach(expect, i, status) {
            assert_true(i < sizeof(out->expect) / sizeof(out->expect[0]));
            out->expect[out->expect_count++] = (int)json_integer_value(status);
        }
        out->close = json_is_true(json_object_get(one, "close"));
        out->well_formed = json_is_true(json_object_get(one, "well_formed"));
        out->answers_at_most = (int)json_integer_value(json_object_get(one, "answers_at_most"));
    }
    json_decref(root);
    *out_count = count;
    return requests;
}

void free_raw_requests(raw_request *requests, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(requests[i].bytes);
    }
    free(requests);
}

bool raw_request_expects(const raw_request *request, int status) {
    for (size_t i = 0; i < request->expect_count; i++) {
        if (request->expect[i] == status) {
            return true;
        }
    }
    return false;
}
