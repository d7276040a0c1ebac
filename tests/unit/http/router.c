// The router: literals, parameters, methods.
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static fq_router *make(void) {
    static const struct {
        fq_method method;
        const char *path;
    } routes[] = {
        {FQ_GET, "/v1/orders"},
        {FQ_POST, "/v1/orders"},
        {FQ_GET, "/v1/orders/{order_id}"},
        {FQ_POST, "/v1/orders/{order_id}/cancel"},
        {FQ_POST, "/v1/orders/bulk"},
        {FQ_GET, "/v1/{a}/{b}/{c}/{d}"},
        {FQ_GET, "/"},
    };
    fq_router *router = fq_router_make();
    for (int i = 0; i < (int)(sizeof(routes) / sizeof(routes[0])); i++) {
        fq_router_add(router, routes[i].method, routes[i].path, i);
    }
    return router;
}

static void paths_find_their_routes(void **state) {
    (void)state;
    static const struct {
        fq_method method;
        const char *path;
        fq_code code;
        int route;
        size_t param_count;
        const char *first_param;
    } rows[] = {
        {FQ_GET, "/v1/orders", FQ_DONE, 0, 0, NULL},
        {FQ_HEAD, "/v1/orders", FQ_DONE, 0, 0, NULL},
        {FQ_POST, "/v1/orders", FQ_DONE, 1, 0, NULL},
        {FQ_PUT, "/v1/orders", FQ_METHOD_NOT_ALLOWED, -1, 0, NULL},
        {FQ_OPTIONS, "/v1/orders", FQ_METHOD_NOT_ALLOWED, -1, 0, NULL},
        {FQ_GET, "/v1/orders/ord_1", FQ_DONE, 2, 1, "ord_1"},
        {FQ_POST, "/v1/orders/ord_1/cancel", FQ_DONE, 3, 1, "ord_1"},
        {FQ_GET, "/v1/orders/ord_1/cancel", FQ_METHOD_NOT_ALLOWED, -1, 1, "ord_1"},
        {FQ_POST, "/v1/orders/bulk", FQ_DONE, 4, 0, NULL},
        // A literal that leads nowhere gives way to a parameter.
        {FQ_POST, "/v1/orders/bulk/cancel", FQ_DONE, 3, 1, "bulk"},
        {FQ_GET, "/v1/orders/bulk/x/y", FQ_DONE, 5, 4, "orders"},
        {FQ_GET, "/", FQ_DONE, 6, 0, NULL},
        {FQ_GET, "", FQ_ROUTE_NOT_FOUND, -1, 0, NULL},
        {FQ_GET, "*", FQ_ROUTE_NOT_FOUND, -1, 0, NULL},
        {FQ_GET, "/v1", FQ_ROUTE_NOT_FOUND, -1, 0, NULL},
        {FQ_GET, "/v1/orders/", FQ_ROUTE_NOT_FOUND, -1, 0, NULL},
        {FQ_GET, "/v1/Orders", FQ_ROUTE_NOT_FOUND, -1, 0, NULL},
        {FQ_GET, "/v1/orders/a/b/c/d", FQ_ROUTE_NOT_FOUND, -1, 0, NULL},
        {FQ_GET, "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", FQ_ROUTE_NOT_FOUND, -1, 0, NULL},
    };
    fq_router *router = make();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fq_match match;
        assert_int_equal(
            fq_router_match(router, rows[i].method, fq_str_of(rows[i].path), &match).code,
            rows[i].code);
        assert_int_equal(match.route, rows[i].route);
        assert_int_equal(match.param_count, rows[i].param_count);
        if (rows[i].first_param) {
            assert_true(fq_str_equal(match.params[0], fq_str_of(rows[i].first_param)));
        }
    }
    fq_router_free(router);
}

static void allowed_methods_are_told(void **state) {
    (void)state;
    fq_router *router = make();
    fq_match match;
    fq_exchange exchange = {.route = -1};
    fq_buffer_init(&exchange.head, 1000);
    assert_int_equal(fq_router_match(router, FQ_DELETE, FQ_STR("/v1/orders"), &match).code,
                     FQ_METHOD_NOT_ALLOWED);
    fq_router_allow(&exchange, match.methods);
    assert_true(
        fq_str_equal(fq_buffer_str(&exchange.head), FQ_STR("Allow: GET, HEAD, POST, OPTIONS\r\n")));
    fq_buffer_free(&exchange.head);
    fq_router_free(router);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_routes),
        cmocka_unit_test(allowed_methods_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
