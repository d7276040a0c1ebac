// Base64 and hex, strict. Pure.
#include "crypto/digest.h"

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t fq_base64_encode(fq_str bytes, char *out) {
    const uint8_t *in = (const uint8_t *)bytes.at;
    char *at = out;
    size_t i = 0;
    for (; i + 3 <= bytes.len; i += 3) {
        const uint32_t group = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *at++ = base64_letters[group >> 18];
        *at++ = base64_letters[group >> 12 & 63];
        *at++ = base64_letters[group >> 6 & 63];
        *at++ = base64_letters[group & 63];
    }
    const size_t left = bytes.len - i;
    if (left > 0) {
        const uint32_t group = (uint32_t)in[i] << 16 | (left == 2 ? (uint32_t)in[i + 1] << 8 : 0);
        *at++ = base64_letters[group >> 18];
        *at++ = base64_letters[group >> 12 & 63];
        *at++ = left == 2 ? base64_letters[group >> 6 & 63] : '=';
        *at++ = '=';
    }
    return (size_t)(at - out);
}

// One above the value, so that what is not named here is 0.
#define ROW(c, v) [c] = (v) + 1
static const uint8_t base64_values[256] = {
    ROW('A', 0),  ROW('B', 1),  ROW('C', 2),  ROW('D', 3),  ROW('E', 4),  ROW('F', 5),
    ROW('G', 6),  ROW('H', 7),  ROW('I', 8),  ROW('J', 9),  ROW('K', 10), ROW('L', 11),
    ROW('M', 12), ROW('N', 13), ROW('O', 14), ROW('P', 15), ROW('Q', 16), ROW('R', 17),
    ROW('S', 18), ROW('T', 19), ROW('U', 20), ROW('V', 21), ROW('W', 22), ROW('X', 23),
    ROW('Y', 24), ROW('Z', 25), ROW('a', 26), ROW('b', 27), ROW('c', 28), ROW('d', 29),
    ROW('e', 30), ROW('f', 31), ROW('g', 32), ROW('h', 33), ROW('i', 34), ROW('j', 35),
    ROW('k', 36), ROW('l', 37), ROW('m', 38), ROW('n', 39), ROW('o', 40), ROW('p', 41),
    ROW('q', 42), ROW('r', 43), ROW('s', 44), ROW('t', 45), ROW('u', 46), ROW('v', 47),
    ROW('w', 48), ROW('x', 49), ROW('y', 50), ROW('z', 51), ROW('0', 52), ROW('1', 53),
    ROW('2', 54), ROW('3', 55), ROW('4', 56), ROW('5', 57), ROW('6', 58), ROW('7', 59),
    ROW('8', 60), ROW('9', 61), ROW('+', 62), ROW('/', 63),
};
#undef ROW

// Four letters to 24 bits; false when one is foreign.
static bool decode_group(const char *letters, uint32_t *out) {
    uint32_t group = 0;
    bool good = true;
    for (size_t i = 0; i < 4; i++) {
        const uint8_t value = base64_values[(uint8_t)letters[i]];
        good &= value != 0;
        group = group << 6 | (uint32_t)(value - 1) % 64;
    }
    *out = group;
    return good;
}

bool fq_base64_decode(fq_str text, uint8_t *out, size_t *out_bytes) {
    if (text.len % 4 != 0) {
        return false;
    }
    const size_t padding = text.len == 0                  ? 0
                           : text.at[text.len - 2] == '=' ? 2
                           : text.at[text.len - 1] == '=' ? 1
                                                          : 0;
    const size_t whole = padding > 0 ? text.len - 4 : text.len;
    uint8_t *at = out;
    for (size_t i = 0; i < whole; i += 4) {
        uint32_t group;
        if (!decode_group(text.at + i, &group)) {
            return false;
        }
        *at++ = (uint8_t)(group >> 16);
        *at++ = (uint8_t)(group >> 8);
        *at++ = (uint8_t)group;
    }
    if (padding > 0) {
        char last[4] = {text.at[whole], text.at[whole + 1], padding == 2 ? 'A' : text.at[whole + 2],
                        'A'};
        uint32_t group;
        const uint32_t unused = padding == 2 ? 0xFFFF : 0xFF;
        if (text.at[text.len - 1] != '=' || !decode_group(last, &group) || (group & unused) != 0) {
            return false;
        }
        *at++ = (uint8_t)(group >> 16);
        if (padding == 1) {
            *at++ = (uint8_t)(group >> 8);
        }
    }
    *out_bytes = (size_t)(at - out);
    return true;
}

void fq_hex_encode(fq_str bytes, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = digits[(uint8_t)bytes.at[i] >> 4];
        out[2 * i + 1] = digits[(uint8_t)bytes.at[i] & 15];
    }
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool fq_hex_decode(fq_str text, uint8_t *out) {
    if (text.len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i += 2) {
        const int high = hex_value(text.at[i]), low = hex_value(text.at[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}
