// Outgoing HTTP over libcurl's multi interface: one thread, a queue in, callbacks out. Knows
// nothing of who is called.
#include "http/client.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_HEADERS_MAX = 64, ANSWER_HEAD_BYTES_MAX = 16 * 1024 };

// One request under way; everything it needs is its own.
typedef struct transfer transfer;
struct transfer {
    transfer *next, *previous;
    CURL *easy;
    struct curl_slist *sent_headers;
    char *url, *body;
    fq_reply_callback *callback;
    void *context;
    fq_method method;
    int64_t begun_ns;
    fq_buffer answer_head, answer;  // the head as lines "name: value\n", the last answer's only
};

struct fq_client {
    fq_client_config config;
    char *ca_file;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t mutex;  // guards `waiting` and `stopping`
    transfer *waiting;      // newest first
    bool stopping;
    transfer *running;  // the thread's own
    _Atomic(unsigned) under_way;
};

// --- The answer ---

static size_t on_body(char *data, size_t size, size_t count, void *context) {
    transfer *t = context;
    fq_buffer_add(&t->answer, (fq_str){data, size * count});
    return t->answer.overflowed ? 0 : size * count;
}

static size_t on_header(char *data, size_t size, size_t count, void *context) {
    transfer *t = context;
    const fq_str line = {data, size * count};
    if (fq_str_starts(line, FQ_STR("HTTP/"))) {
        fq_buffer_clear(&t->answer_head);  // what came before was a 1xx
    } else {
        fq_buffer_add(&t->answer_head, line);
    }
    return t->answer_head.overflowed ? 0 : line.len;
}

static size_t split_headers(fq_str lines, fq_header *out, size_t count_max) {
    size_t count = 0;
    while (lines.len > 0 && count < count_max) {
        const char *end = memchr(lines.at, '\n', lines.len);
        const size_t len = end ? (size_t)(end - lines.at) : lines.len;
        const char *colon = memchr(lines.at, ':', len);
        if (colon) {
            const size_t name = (size_t)(colon - lines.at);
            fq_str value = {colon + 1, len - name - 1};
            value.len -= value.len > 0 && value.at[value.len - 1] == '\r';
            out[count++] = (fq_header){{lines.at, name}, fq_str_trim(value)};
        }
        const size_t used = len + (end ? 1 : 0);
        lines = (fq_str){lines.at + used, lines.len - used};
    }
    return count;
}

fq_str fq_reply_header(const fq_reply *reply, fq_str name) {
    for (size_t i = 0; i < reply->header_count; i++) {
        if (fq_str_equal_nocase(reply->headers[i].name, name)) {
            return reply->headers[i].value;
        }
    }
    return (fq_str){0};
}

// --- Transfers ---

static void free_transfer(transfer *t) {
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->sent_headers);
    free(t->url);
    free(t->body);
    fq_buffer_free(&t->answer_head);
    fq_buffer_free(&t->answer);
    free(t);
}

static char *copy_text(fq_str s) {
    char *text = malloc(s.len + 1);
    FQ_ASSERT(text != NULL);
    if (s.len > 0) {
        memcpy(text, s.at, s.len);
    }
    text[s.len] = '\0';
    return text;
}

static bool append_line(transfer *t, const char *line) {
    struct curl_slist *longer = curl_slist_append(t->sent_headers, line);
    t->sent_headers = longer ? longer : t->sent_headers;
    return longer != NULL;
}

// False for a field that would break out of its line.
static bool add_sent_header(transfer *t, fq_header header) {
    char *line = NULL;
    // curl takes "Name;" for a field without a value.
    const int len = asprintf(&line, header.value.len > 0 ? "%.*s: %.*s" : "%.*s;%.*s",
                             FQ_STR_ARGS(header.name), FQ_STR_ARGS(header.value));
    FQ_ASSERT(len >= 0);
    const bool added =
        !strpbrk(line, "\r\n") && strlen(line) == (size_t)len && append_line(t, line);
    free(line);
    return added;
}

static bool add_sent_headers(transfer *t, const fq_outgoing *call) {
    for (size_t i = 0; i < call->header_count; i++) {
        if (!add_sent_header(t, call->headers[i])) {
            return false;
        }
    }
    const fq_header trace = {FQ_STR("traceparent"), call->traceparent};
    return (call->traceparent.len == 0 || add_sent_header(t, trace)) &&
           append_line(t, "Expect:");  // no 100-continue
}

static bool set_options(const fq_client *client, transfer *t, const fq_outgoing *call) {
    CURL *easy = t->easy;
    const int64_t timeout_ms =
        call->timeout_ms > 0 ? call->timeout_ms : client->config.total_timeout_ms;
    bool set = curl_easy_setopt(easy, CURLOPT_URL, t->url) == CURLE_OK;
#define SET(option, value) set = set && curl_easy_setopt(easy, option, value) == CURLE_OK
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)client->config.connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, (void *)t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, (void *)t);
    SET(CURLOPT_PRIVATE, (void *)t);
    SET(CURLOPT_HTTPHEADER, t->sent_headers);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)client->config.answer_bytes_max);
    if (client->ca_file) {
        SET(CURLOPT_CAINFO, client->ca_file);
    }
    const bool has_body = call->body.len > 0 || call->method == FQ_POST || call->method == FQ_PUT ||
                          call->method == FQ_PATCH;
    if (has_body) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, t->body);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    }
    SET(CURLOPT_NOBODY, call->method == FQ_HEAD ? 1L : 0L);
    if (call->method != FQ_HEAD) {
        SET(CURLOPT_CUSTOMREQUEST, fq_method_text(call->method).at);
    }
#undef SET
    return set;
}

static void refuse(fq_reply_callback *callback, void *context) {
    const fq_reply reply = {.err = fq_refuse(FQ_UNAVAILABLE, NULL)};
    callback(context, &reply);
}

// "127.0.0.1" of "http://127.0.0.1:8080/path". Few hosts are ever called: those of the settings.
static fq_str host_of(const char *url) {
    const char *mark = strstr(url, "://");
    const char *at = mark ? mark + 3 : url;
    const size_t len = at[0] == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/?#");
    return (fq_str){at, len};
}

static void count(const transfer *t, long status) {
    char text[24] = "";
    if (status > 0) {
        snprintf(text, sizeof(text), "%ld", status);
    }
    fq_metrics_observe(fq_metrics_series(FQ_METRIC_HTTP_CLIENT_DURATION, fq_method_text(t->method),
                                         host_of(t->url), fq_str_of(text)),
                       fq_monotonic_ns() - t->begun_ns);
}

static void finish(fq_client *client, transfer *t, CURLcode result) {
    long status = 0, sent_bytes = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent_bytes);
    fq_header headers[ANSWER_HEADERS_MAX];
    fq_reply reply = {.sent = sent_bytes > 0 || status > 0};
    if (result == CURLE_OK) {
        reply.status = (int)status;
        reply.headers = headers;
        reply.header_count =
            split_headers(fq_buffer_str(&t->answer_head), headers, ANSWER_HEADERS_MAX);
        reply.body = fq_buffer_str(&t->answer);
    } else {
        reply.err = fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    if (t->previous) {
        t->previous->next = t->next;
    } else {
        client->running = t->next;
    }
    if (t->next) {
        t->next->previous = t->previous;
    }
    curl_multi_remove_handle(client->multi, t->easy);
    atomic_fetch_sub(&client->under_way, 1);
    count(t, result == CURLE_OK ? status : 0);
    t->callback(t->context, &reply);
    free_transfer(t);
}

// --- The thread ---

static bool take_waiting(fq_client *client) {
    pthread_mutex_lock(&client->mutex);
    transfer *newest = client->waiting, *oldest = NULL;
    client->waiting = NULL;
    const bool stopping = client->stopping;
    pthread_mutex_unlock(&client->mutex);
    while (newest) {
        transfer *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        transfer *t = oldest;
        oldest = t->next;
        t->previous = NULL;
        t->next = client->running;
        if (client->running) {
            client->running->previous = t;
        }
        client->running = t;
        if (curl_multi_add_handle(client->multi, t->easy) != CURLM_OK) {
            finish(client, t, CURLE_OUT_OF_MEMORY);
        }
    }
    return !stopping;
}

static void *run(void *argument) {
    enum { POLL_MS = 1000 };
    fq_client *client = argument;
    while (take_waiting(client)) {
        int running, left;
        curl_multi_perform(client->multi, &running);
        const CURLMsg *message;
        while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
            transfer *t = NULL;
            if (message->msg == CURLMSG_DONE &&
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t) ==
                    CURLE_OK) {
                finish(client, t, message->data.result);
            }
        }
        curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
    }
    while (client->running) {
        finish(client, client->running, CURLE_ABORTED_BY_CALLBACK);
    }
    return NULL;
}

static void init_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void free_client(fq_client *client) {
    curl_multi_cleanup(client->multi);
    pthread_mutex_destroy(&client->mutex);
    free(client->ca_file);
    free(client);
}

fq_err fq_client_start(const fq_client_config *config, fq_client **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    fq_client *client = calloc(1, sizeof(*client));
    FQ_ASSERT(client != NULL);
    client->config = *config;
#define DEFAULT(field, value) \
    client->config.field = client->config.field ? client->config.field : (value)
    DEFAULT(connect_timeout_ms, 3000);
    DEFAULT(total_timeout_ms, 30000);
    DEFAULT(answer_bytes_max, 4 * 1024 * 1024);
    DEFAULT(connections_max, 64);
    DEFAULT(requests_max, 1024);
#undef DEFAULT
    client->ca_file = config->ca_file ? copy_text(fq_str_of(config->ca_file)) : NULL;
    client->multi = curl_multi_init();
    FQ_ASSERT(client->multi != NULL);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      (long)client->config.connections_max);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->config.connections_max);
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    pthread_mutex_init(&client->mutex, NULL);
    sigset_t all, before;  // signals are for the main thread; SIGPIPE is for nobody
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&client->thread, NULL, run, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        free_client(client);
        return fq_refuse(FQ_UNAVAILABLE, NULL);
    }
    *out = client;
    return FQ_OK;
}

void fq_client_stop(fq_client *client) {
    pthread_mutex_lock(&client->mutex);
    client->stopping = true;
    pthread_mutex_unlock(&client->mutex);
    curl_multi_wakeup(client->multi);
    pthread_join(client->thread, NULL);
    free_client(client);
}

void fq_client_submit(fq_client *client, const fq_outgoing *call, fq_reply_callback *callback,
                      void *context) {
    if (atomic_fetch_add(&client->under_way, 1) >= client->config.requests_max) {
        atomic_fetch_sub(&client->under_way, 1);
        refuse(callback, context);
        return;
    }
    transfer *t = calloc(1, sizeof(*t));
    FQ_ASSERT(t != NULL);
    t->callback = callback;
    t->context = context;
    t->method = call->method;
    t->begun_ns = fq_monotonic_ns();
    t->url = copy_text(call->url);
    t->body = copy_text(call->body);
    fq_buffer_init(&t->answer_head, ANSWER_HEAD_BYTES_MAX);
    fq_buffer_init(&t->answer, client->config.answer_bytes_max);
    t->easy = curl_easy_init();
    FQ_ASSERT(t->easy != NULL);
    if (!add_sent_headers(t, call) || !set_options(client, t, call)) {
        atomic_fetch_sub(&client->under_way, 1);
        refuse(callback, context);
        free_transfer(t);
        return;
    }
    pthread_mutex_lock(&client->mutex);
    t->next = client->waiting;
    client->waiting = t;
    pthread_mutex_unlock(&client->mutex);
    curl_multi_wakeup(client->multi);
}

// --- Waiting for one ---

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t done_signal;
    bool done;
    fq_err err;
    int status;
    fq_buffer *body;
} waiting_call;

static void wake_caller(void *context, const fq_reply *reply) {
    waiting_call *call = context;
    pthread_mutex_lock(&call->mutex);
    call->err = reply->err;
    call->status = reply->status;
    fq_buffer_add(call->body, reply->body);
    call->done = true;
    pthread_cond_signal(&call->done_signal);
    pthread_mutex_unlock(&call->mutex);
}

fq_err fq_client_call(fq_client *client, const fq_outgoing *call, int *out_status,
                      fq_buffer *out_body) {
    waiting_call waiting = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                            .done_signal = PTHREAD_COND_INITIALIZER,
                            .body = out_body};
    fq_client_submit(client, call, wake_caller, &waiting);
    pthread_mutex_lock(&waiting.mutex);
    while (!waiting.done) {
        pthread_cond_wait(&waiting.done_signal, &waiting.mutex);
    }
    pthread_mutex_unlock(&waiting.mutex);
    FQ_TRY(waiting.err);
    *out_status = waiting.status;
    return FQ_OK;
}
