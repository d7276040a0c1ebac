// A server that answers the load generator's requests from memory.
#include "fake_server.h"

#include "base/buffer.h"
#include "base/id.h"
#include "bench/answer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 400,
    ORDERS_MAX = 2000000,
    REQUEST_BYTES_MAX = 1 << 20,
    ANSWER_BYTES_MAX = 4 << 20
};

typedef struct {
    int fd;
    fq_buffer in;
} client;

static void answer(int fd, int status, fq_str body) {
    fq_buffer out;
    fq_buffer_init(&out, ANSWER_BYTES_MAX);
    fq_buffer_printf(
        &out, "HTTP/1.1 %d Any\r\nContent-Type: application/json\r\ncontent-length: %zu\r\n\r\n",
        status, body.len);
    fq_buffer_add(&out, body);
    for (size_t sent = 0; sent < out.len;) {
        const ssize_t count = send(fd, out.at + sent, out.len - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            break;
        }
        sent += (size_t)count;
    }
    fq_buffer_free(&out);
}

static uint64_t id_after(fq_str json, fq_id_kind kind, fq_str name) {
    fq_str text;
    uint64_t id = 0;
    return bench_json_text(json, name, &text) && fq_id_parse(kind, text, &id) ? id : 0;
}

static bool is_nth(uint64_t count, unsigned every) {
    return every > 0 && count % every == 0;
}

// Pays one `{"order_id":…}` and appends what a server would answer; returns the status.
static int pay(fake_server *server, fq_str item, fq_buffer *out) {
    const fake_faults *faults = &server->faults;
    const uint64_t order = id_after(item, FQ_ID_order, FQ_STR("\"order_id\":\""));
    const uint64_t payer = id_after(item, FQ_ID_user, FQ_STR("\"user_id\":\""));
    int64_t amount = 0;
    const uint64_t count = ++server->payments;
    if (order < 1 || order > server->orders || payer < 1 || payer > server->users ||
        !bench_json_i64(item, FQ_STR("\"amount\":"), &amount) ||
        amount != server->order_rows[order].amount_minor ||
        payer == server->order_rows[order].payee) {
        FQ_ADD(out, "{\"code\":\"invalid_field\"}");
        return 400;
    }
    if (is_nth(count, faults->refuse_every)) {
        FQ_ADD(
            out,
            "{\"type\":\"/errors/insufficient_balance\",\"status\":402,\"code\":\"insufficient_balance\"}");
        return 402;
    }
    const uint32_t payee = server->order_rows[order].payee;
    server->hot_payments += payee == 1;
    server->balances[payer] -= amount;
    server->balances[payee] += is_nth(count, faults->lose_money_every) ? 0 : amount;
    char payment_text[FQ_ID_TEXT_MAX], order_text[FQ_ID_TEXT_MAX];
    fq_id_text(FQ_ID_payment, (order << 16) | (uint64_t)amount, payment_text);
    fq_id_text(FQ_ID_order, order + is_nth(count, faults->wrong_order_every), order_text);
    fq_buffer_printf(
        out,
        "{\"id\":\"%s\",\"object\":\"payment\",\"order_id\":\"%s\",\"amount\":%lld,\"currency\":\"CNY\","
        "\"status\":\"succeeded\"}",
        payment_text, order_text, (long long)amount + is_nth(count, faults->wrong_amount_every));
    return 201;
}

static void make_orders(fake_server *server, fq_str body, fq_buffer *out) {
    fq_str rest = body;
    FQ_ADD(out, "{\"object\":\"list\",\"data\":[");
    for (uint64_t payee; (payee = id_after(rest, FQ_ID_user, FQ_STR("\"payee_id\":\""))) != 0;) {
        const char *next = memmem(rest.at, rest.len, "\"payee_id\":\"", 12);
        rest = (fq_str){next + 12, rest.len - (size_t)(next + 12 - rest.at)};
        int64_t amount = 0;
        FQ_ASSERT(bench_json_i64(rest, FQ_STR("\"amount\":"), &amount) &&
                  server->orders + 1 < ORDERS_MAX);
        const uint64_t order = ++server->orders;
        server->order_rows[order].payee = (uint32_t)payee;
        server->order_rows[order].amount_minor = (uint32_t)amount;
        char text[FQ_ID_TEXT_MAX];
        fq_id_text(FQ_ID_order, order, text);
        fq_buffer_printf(out, "%s{\"status\":201,\"body\":{\"id\":\"%s\",\"status\":\"pending\"}}",
                         out->at[out->len - 1] == '[' ? "" : ",", text);
    }
    FQ_ADD(out, "]}");
}

static void pay_bulk(fake_server *server, fq_str body, fq_buffer *out) {
    fq_str rest = body;
    FQ_ADD(out, "{\"object\":\"list\",\"data\":[");
    for (const char *item; (item = memmem(rest.at, rest.len, "{\"order_id\"", 11)) != NULL;) {
        const char *end = memchr(item, '}', rest.len - (size_t)(item - rest.at));
        fq_buffer one;
        fq_buffer_init(&one, 4096);
        const int status = pay(server, (fq_str){item, (size_t)(end - item)}, &one);
        fq_buffer_printf(out, "%s{\"status\":%d,\"body\":", out->at[out->len - 1] == '[' ? "" : ",",
                         status);
        fq_buffer_add(out, fq_buffer_str(&one));
        FQ_ADD(out, "}");
        fq_buffer_free(&one);
        rest = (fq_str){end, rest.len - (size_t)(end - rest.at)};
    }
    FQ_ADD(out, "]}");
}

static int read_back(const fake_server *server, fq_str path, fq_buffer *out) {
    const fq_str id_text = {(const char *)memrchr(path.at, '_', path.len) - 3, FQ_ID_TEXT_MAX - 3};
    uint64_t id;
    if (fq_id_parse(FQ_ID_user, id_text, &id) && id <= server->users) {
        fq_buffer_printf(out,
                         "[{\"currency\":\"CNY\",\"available\":%lld,\"pending\":0,\"held\":0}]",
                         (long long)server->balances[id]);
        return 200;
    }
    if (fq_id_parse(FQ_ID_payment, id_text, &id)) {
        char order[FQ_ID_TEXT_MAX];
        fq_id_text(FQ_ID_order, id >> 16, order);
        fq_buffer_printf(
            out, "{\"id\":\"%.*s\",\"order_id\":\"%s\",\"amount\":%d,\"status\":\"succeeded\"}",
            FQ_STR_ARGS(id_text), order, (int)(id & 0xffff));
        return 200;
    }
    return 404;
}

// Makes the answer's body and returns the status; 0 to close the connection instead.
static int serve(fake_server *server, fq_str path, fq_str body, fq_buffer *out) {
    char text[FQ_ID_TEXT_MAX];
    if (fq_str_equal(path, FQ_STR("/v1/users"))) {
        if (server->faults.refuse_users) {
            FQ_ADD(out, "{\"code\":\"signature_invalid\"}");
            return 401;
        }
        fq_id_text(FQ_ID_user, ++server->users, text);
        fq_buffer_printf(out, "{\"id\":\"%s\",\"object\":\"user\"}", text);
        return 201;
    }
    if (fq_str_equal(path, FQ_STR("/v1/topups"))) {
        int64_t amount = 0;
        FQ_ASSERT(bench_json_i64(body, FQ_STR("\"amount\":"), &amount));
        server->balances[id_after(body, FQ_ID_user, FQ_STR("\"user_id\":\""))] += amount;
        FQ_ADD(out, "{\"status\":\"succeeded\"}");
        return 201;
    }
    if (fq_str_equal(path, FQ_STR("/v1/orders/bulk"))) {
        make_orders(server, body, out);
        return 200;
    }
    if (!fq_str_starts(path, FQ_STR("/v1/payments")) || memchr(path.at, '_', path.len)) {
        return read_back(server, path, out);
    }
    if (++server->payment_requests == server->faults.stall_at) {
        usleep(server->faults.stall_ms * 1000);
    }
    if (is_nth(server->payment_requests, server->faults.drop_every)) {
        return 0;
    }
    if (fq_str_equal(path, FQ_STR("/v1/payments/bulk"))) {
        pay_bulk(server, body, out);
        return 200;
    }
    return pay(server, body, out);
}

// Answers the request in the client's buffer once it is whole. False when the connection is to be
// closed.
static bool take(fake_server *server, client *c) {
    const fq_str in = fq_buffer_str(&c->in);
    const char *blank = memmem(in.at, in.len, "\r\n\r\n", 4);
    if (!blank) {
        return true;
    }
    const fq_str head = {in.at, (size_t)(blank - in.at)};
    int64_t body_bytes = 0;
    (void)bench_json_i64(head, FQ_STR("Content-Length: "), &body_bytes);
    const fq_str body = {blank + 4, (size_t)body_bytes};
    if (in.len < head.len + 4 + body.len) {
        return true;
    }
    const char *path = (const char *)memchr(in.at, ' ', in.len) + 1;
    fq_buffer out;
    fq_buffer_init(&out, ANSWER_BYTES_MAX);
    const fq_str path_text = {path, (size_t)((const char *)memchr(path, ' ', in.len) - path)};
    const int status = serve(server, path_text, body, &out);
    if (status > 0) {
        answer(c->fd, status, fq_buffer_str(&out));
    }
    fq_buffer_free(&out);
    fq_buffer_clear(&c->in);
    return status > 0;
}

static void close_client(client *c) {
    close(c->fd);
    fq_buffer_free(&c->in);
    c->fd = -1;
}

static void *run(void *argument) {
    fake_server *server = argument;
    static client clients[CONNECTIONS_MAX];
    struct pollfd polled[CONNECTIONS_MAX + 1];
    nfds_t count = 0;
    while (!atomic_load(&server->stop)) {
        polled[count] = (struct pollfd){.fd = server->listener, .events = POLLIN};
        for (nfds_t i = 0; i < count; i++) {
            polled[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        }
        poll(polled, count + 1, 20);
        for (nfds_t i = 0; i < count; i++) {
            if (polled[i].revents == 0) {
                continue;
            }
            char *at = fq_buffer_reserve(&clients[i].in, 65536);
            const ssize_t got = at ? recv(clients[i].fd, at, 65536, 0) : 0;
            clients[i].in.len += got > 0 ? (size_t)got : 0;
            if (got <= 0 || !take(server, &clients[i])) {
                close_client(&clients[i]);
            }
        }
        if (polled[count].revents != 0 && count < CONNECTIONS_MAX) {
            clients[count].fd = accept(server->listener, NULL, NULL);
            fq_buffer_init(&clients[count++].in, REQUEST_BYTES_MAX);
            server->connections++;
        }
        for (nfds_t i = 0; i < count;) {
            if (clients[i].fd >= 0) {
                i++;
            } else {
                clients[i] = clients[--count];
            }
        }
    }
    while (count > 0) {
        close_client(&clients[--count]);
    }
    return NULL;
}

void fake_server_start(fake_server *server, fake_faults faults) {
    *server = (fake_server){.faults = faults};
    server->order_rows = calloc(ORDERS_MAX, sizeof(*server->order_rows));
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    FQ_ASSERT(server->order_rows && server->listener >= 0);
    FQ_ASSERT(bind(server->listener, (const struct sockaddr *)&address, len) == 0 &&
              listen(server->listener, 512) == 0);
    FQ_ASSERT(getsockname(server->listener, (struct sockaddr *)&address, &len) == 0);
    server->port = ntohs(address.sin_port);
    FQ_ASSERT(pthread_create(&server->thread, NULL, run, server) == 0);
}

void fake_server_stop(fake_server *server) {
    atomic_store(&server->stop, true);
    pthread_join(server->thread, NULL);
    close(server->listener);
    free(server->order_rows);
}
