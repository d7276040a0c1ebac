// Routes as a tree by path segment. Pure but for the making.
#include "http/router.h"

#include <stdlib.h>

enum { SEGMENTS_MAX = 16 };

typedef struct route_node route_node;
struct route_node {
    fq_str segment;            // a literal, or empty for a parameter
    route_node *child, *next;  // literals among the children stand before the parameter
    const char *path;          // the template that ends here, or NULL
    unsigned methods;          // bits that have a route
    int routes[FQ_METHOD_COUNT];
};

struct fq_router {
    route_node root;
};

fq_router *fq_router_make(void) {
    fq_router *router = calloc(1, sizeof(*router));
    FQ_ASSERT(router != NULL);
    return router;
}

static void free_children(route_node *node, int depth) {
    FQ_ASSERT(depth <= SEGMENTS_MAX);
    while (node->child) {
        route_node *child = node->child;
        node->child = child->next;
        free_children(child, depth + 1);
        free(child);
    }
}

void fq_router_free(fq_router *router) {
    if (router) {
        free_children(&router->root, 0);
        free(router);
    }
}

// Takes the next segment off "/a/b". False at the end. "/" has one segment, which is empty.
static bool take_segment(fq_str *path, fq_str *out) {
    if (path->len == 0 || path->at[0] != '/') {
        return false;
    }
    const fq_str rest = {path->at + 1, path->len - 1};
    const char *end = rest.len > 0 ? memchr(rest.at, '/', rest.len) : NULL;
    *out = (fq_str){rest.at, end ? (size_t)(end - rest.at) : rest.len};
    *path = (fq_str){out->at + out->len, rest.len - out->len};
    return true;
}

static route_node *add_child(route_node *node, fq_str segment) {
    const bool parameter = segment.len > 0 && segment.at[0] == '{';
    const fq_str name = parameter ? (fq_str){0} : segment;
    route_node **at = &node->child;
    while (*at && (*at)->segment.at) {
        if (!parameter && fq_str_equal((*at)->segment, name)) {
            return *at;
        }
        at = &(*at)->next;
    }
    if (parameter && *at) {
        return *at;
    }
    route_node *made = calloc(1, sizeof(*made));
    FQ_ASSERT(made != NULL);
    made->segment = name;
    made->next = *at;
    *at = made;
    return made;
}

void fq_router_add(fq_router *router, fq_method method, const char *path, int route) {
    route_node *node = &router->root;
    fq_str rest = fq_str_of(path), segment;
    int segments = 0, params = 0;
    while (take_segment(&rest, &segment)) {
        node = add_child(node, segment);
        segments++;
        params += segment.len > 0 && segment.at[0] == '{';
    }
    FQ_ASSERT(rest.len == 0 && segments > 0 && segments <= SEGMENTS_MAX &&
              params <= FQ_PATH_PARAMS_MAX);
    FQ_ASSERT(!(node->methods & (1u << method)));
    node->methods |= 1u << method;
    node->routes[method] = route;
    node->path = path;
}

// The node for `path`, literals first: where they lead nowhere, the parameter is tried. Each node
// of the table is looked at once at most.
static const route_node *find(const route_node *node, fq_str path, fq_match *out, int depth) {
    fq_str segment;
    if (path.len == 0) {
        return node->path ? node : NULL;
    }
    if (depth == SEGMENTS_MAX || !take_segment(&path, &segment)) {
        return NULL;
    }
    for (const route_node *child = node->child; child; child = child->next) {
        const bool parameter = child->segment.at == NULL;
        if (parameter ? segment.len == 0 : !fq_str_equal(child->segment, segment)) {
            continue;
        }
        const size_t param_count = out->param_count;
        if (parameter) {
            out->params[out->param_count++] = segment;
        }
        const route_node *found = find(child, path, out, depth + 1);
        if (found) {
            return found;
        }
        out->param_count = param_count;
    }
    return NULL;
}

fq_err fq_router_match(const fq_router *router, fq_method method, fq_str path, fq_match *out) {
    fq_match match = {.route = -1};
    const route_node *node = find(&router->root, path, &match, 0);
    if (!node) {
        *out = match;
        return fq_refuse(FQ_ROUTE_NOT_FOUND, NULL);
    }
    match.path = node->path;
    match.methods = node->methods | 1u << FQ_OPTIONS;
    match.methods |= node->methods & 1u << FQ_GET ? 1u << FQ_HEAD : 0;
    const bool by_get = method == FQ_HEAD && !(node->methods & 1u << FQ_HEAD);
    const fq_method served_by = by_get ? FQ_GET : method;
    const bool found = node->methods & 1u << served_by;
    match.route = found ? node->routes[served_by] : -1;
    *out = match;
    return found ? FQ_OK : fq_refuse(FQ_METHOD_NOT_ALLOWED, NULL);
}

void fq_router_allow(fq_exchange *exchange, unsigned methods) {
    fq_buffer *head = &exchange->head;
    const char *separator = "Allow: ";
    for (int method = 0; method < FQ_METHOD_COUNT; method++) {
        if (methods & 1u << method) {
            fq_buffer_add(head, fq_str_of(separator));
            fq_buffer_add(head, fq_method_text((fq_method)method));
            separator = ", ";
        }
    }
    FQ_ADD(head, "\r\n");
}
