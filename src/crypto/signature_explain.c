// Tells people why a signature is refused, down to the usual mistakes. Slower than a check, and
// never in its place.
#include "crypto/message_signature.h"

#include "base/buffer.h"
#include "crypto/verify_steps.h"

#include <inttypes.h>

// A mistake that can be shown: the signature fits another base.
typedef struct {
    const char *text[2];  // [FQ_ENGLISH], [FQ_CHINESE]
} mistake;

// The base with each line feed made CRLF.
static fq_str with_crlf(fq_arena *arena, fq_str base) {
    char *text = fq_arena_alloc(arena, 2 * base.len);
    size_t len = 0;
    for (size_t i = 0; i < base.len; i++) {
        if (base.at[i] == '\n') {
            text[len++] = '\r';
        }
        text[len++] = base.at[i];
    }
    return (fq_str){text, len};
}

static const mistake *find_mistake(const verify_state *state, fq_str base) {
    static const mistake line_feed = {
        {"it was made over the base with a line feed after the last line",
         "签名时基串末行之后多了换行符"}};
    static const mistake crlf = {
        {"it was made over the base with CRLF between the lines; LF alone is right",
         "签名时各行以 CRLF 分隔，应只用 LF"}};
    static const mistake der = {{"an ECDSA signature is r then s, 64 bytes, and not DER",
                                 "ECDSA 签名应为 r 接 s 共 64 字节，而非 DER"}};
    static const mistake length = {{"an HMAC-SHA256 has 32 bytes; this one is cut, or hex",
                                    "HMAC-SHA256 应为 32 字节；此签名被截断或为十六进制"}};
    FQ_ASSERT(state->key && base.at);
    const fq_algorithm algorithm = fq_verify_key_algorithm(state->key);
    if (algorithm == FQ_ALGORITHM_ECDSA_P256_SHA256 && state->signature.len != 64) {
        return &der;
    }
    if (algorithm == FQ_ALGORITHM_HMAC_SHA256 && state->signature.len != FQ_HASH_BYTES) {
        return &length;
    }
    const fq_str longer = fq_arena_printf(state->arena, "%.*s\n", FQ_STR_ARGS(base));
    if (fq_signature_check(state->key, longer, state->signature)) {
        return &line_feed;
    }
    if (fq_signature_check(state->key, with_crlf(state->arena, base), state->signature)) {
        return &crlf;
    }
    return NULL;
}

// What was seen, for the faults where a figure helps. Empty for the others.
static fq_str what_was_seen(const verify_state *state, const fq_verdict *verdict, int64_t now_s,
                            fq_language language) {
    fq_arena *arena = state->arena;
    const bool zh = language == FQ_CHINESE;
    const fq_signature_fault fault = verdict->fault;
    if (fault == FQ_FAULT_TOO_OLD || fault == FQ_FAULT_FROM_THE_FUTURE) {
        return fq_arena_printf(arena,
                               zh ? "created=%" PRId64 "，当前时间 %" PRId64 "，相差 %" PRId64 " 秒"
                                  : "created=%" PRId64 ", now is %" PRId64
                                    ", the difference %" PRId64 " s",
                               verdict->created_s, now_s, now_s - verdict->created_s);
    }
    if (fault == FQ_FAULT_EXPIRED) {
        return fq_arena_printf(arena,
                               zh ? "expires=%" PRId64 "，当前时间 %" PRId64
                                  : "expires=%" PRId64 ", now is %" PRId64,
                               state->parameters.expires_s, now_s);
    }
    if (fault == FQ_FAULT_KEY_UNKNOWN || fault == FQ_FAULT_KEY_REVOKED) {
        return fq_arena_printf(arena, "keyid=\"%.*s\"", FQ_STR_ARGS(verdict->keyid));
    }
    if (fault == FQ_FAULT_ALGORITHM_DIFFERS) {
        return fq_arena_printf(arena,
                               zh ? "alg=\"%.*s\"，密钥算法为 %s" : "alg=\"%.*s\", the key's is %s",
                               FQ_STR_ARGS(state->parameters.alg),
                               fq_algorithm_name(fq_verify_key_algorithm(state->key)));
    }
    if (fault == FQ_FAULT_WRONG_SIGNATURE) {
        const mistake *found = find_mistake(state, verdict->base);
        return fq_str_of(found ? found->text[language]
                         : zh  ? "请将自己签名的内容与签名基串逐字节比较"
                               : "compare, byte for byte, what was signed with the signature base");
    }
    return FQ_STR("");
}

static fq_str sentence(const verify_state *state, const fq_verdict *verdict, int64_t now_s,
                       fq_language language) {
    const char *clause = fq_signature_fault_text(verdict->fault, language);
    const fq_str seen = what_was_seen(state, verdict, now_s, language);
    const bool zh = language == FQ_CHINESE;
    if (seen.len == 0) {
        return fq_arena_printf(state->arena, zh ? "%s。" : "%s.", clause);
    }
    return fq_arena_printf(state->arena, zh ? "%s：%.*s。" : "%s: %.*s.", clause,
                           FQ_STR_ARGS(seen));
}

fq_explanation fq_signature_explain(fq_arena *arena, const fq_message *request, fq_str body,
                                    const fq_signature_policy *policy, fq_language language) {
    verify_state state = {.arena = arena, .message = request};
    fq_explanation out = {0};
    out.err = verify_with_state(&state, body, policy, &out.verdict);
    if (!out.verdict.base.at && state.input) {
        fq_str base;
        if (fq_signature_base(arena, request, state.input, &base) == FQ_FAULT_NONE) {
            out.verdict.base = base;
        }
    }
    out.detail = sentence(&state, &out.verdict, policy->now_s, language);
    return out;
}
