// The router: what it finds is in the path it was asked for. The first byte is the method.
#include "http/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fq_router *make(void) {
    static const char *const paths[] = {
        "/",
        "/v1/orders",
        "/v1/orders/{order_id}",
        "/v1/orders/{order_id}/cancel",
        "/v1/orders/bulk",
        "/v1/{a}/{b}/{c}/{d}",
        "/payment/{order_id}",
        "/a/{a}/a/{b}/a/{c}/a/{d}",
        "/a/a/a/a/a/a/a/{d}",
    };
    fq_router *router = fq_router_make();
    for (int i = 0; i < (int)(sizeof(paths) / sizeof(paths[0])); i++) {
        fq_router_add(router, i % 2 ? FQ_GET : FQ_POST, paths[i], i);
    }
    return router;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fq_router *router;
    router = router ? router : make();
    if (size < 1) {
        return 0;
    }
    const fq_str path = {(const char *)data + 1, size - 1};
    fq_match match;
    const fq_err refusal =
        fq_router_match(router, (fq_method)(data[0] % FQ_METHOD_COUNT), path, &match);
    FQ_ASSERT((refusal.code == FQ_DONE) == (match.route >= 0));
    FQ_ASSERT(match.param_count <= FQ_PATH_PARAMS_MAX);
    for (size_t i = 0; i < match.param_count; i++) {
        const fq_str param = match.params[i];
        FQ_ASSERT(param.len > 0 && param.at > path.at &&
                  param.at + param.len <= path.at + path.len);
        FQ_ASSERT(memchr(param.at, '/', param.len) == NULL);
    }
    return 0;
}
