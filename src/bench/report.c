// The report as JSON and as a table. Measures nothing but this machine's description.
#include "base/buffer.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "bench/bench.h"

#include <inttypes.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 16384 };

typedef struct {
    char cpu[128], kernel[130];
    long cores;
    int64_t memory_bytes;
} machine;

static void describe_cpu(char out[128]) {
    snprintf(out, 128, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "model name : %127[^\n]", out) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
}

static machine describe_machine(void) {
    machine m = {
        .cores = sysconf(_SC_NPROCESSORS_ONLN),
        .memory_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE),
    };
    struct utsname name = {0};
    uname(&name);
    describe_cpu(m.cpu);
    snprintf(m.kernel, sizeof(m.kernel), "%.64s %.64s", name.sysname, name.release);
    return m;
}

static double per_second(const fq_bench_report *report) {
    return report->seconds > 0 ? (double)report->payments / report->seconds : 0;
}

static double percentile_ms(const fq_bench_report *report, double percent) {
    return (double)fq_histogram_percentile(&report->latency_us, percent) / 1000.0;
}

// CPU time of one payment.
static double cpu_us(const fq_bench_report *report, double cpu_seconds) {
    const uint64_t payments = report->payments + report->errors;
    return payments > 0 ? cpu_seconds * 1e6 / (double)payments : 0;
}

static void put_server(fq_json_writer *w, const fq_bench_report *report) {
    if (!report->server_known) {
        fq_json_put_null(w, "server_rss_bytes");
        fq_json_put_null(w, "server_rss_idle_bytes");
        fq_json_put_null(w, "server_cpu_seconds");
        return;
    }
    fq_json_put_i64(w, "server_rss_bytes", report->server_rss_bytes);
    fq_json_put_i64(w, "server_rss_idle_bytes", report->server_rss_idle_bytes);
    fq_json_put_decimal(w, "server_cpu_seconds", report->server_cpu_seconds, 2);
    fq_json_put_decimal(w, "server_cpu_us_per_payment", cpu_us(report, report->server_cpu_seconds),
                        2);
}

static void put_machine(fq_json_writer *w) {
    const machine m = describe_machine();
    fq_json_object_begin(w, "machine");
    fq_json_put_literal(w, "cpu", m.cpu);
    fq_json_put_i64(w, "cores", m.cores);
    fq_json_put_i64(w, "memory_bytes", m.memory_bytes);
    fq_json_put_literal(w, "kernel", m.kernel);
    fq_json_object_end(w);
}

static void put_options(fq_json_writer *w, const fq_bench_options *options) {
    fq_json_put_u64(w, "connections", options->connections);
    fq_json_put_u64(w, "threads", options->threads);
    fq_json_put_u64(w, "wallets", options->wallets);
    fq_json_put_u64(w, "bulk", options->bulk);
    fq_json_put_decimal(w, "hot_share", options->hot_share, 4);
    fq_json_put_decimal(w, "rate", options->rate, 3);
    fq_json_put_literal(w, "loop", options->rate > 0 ? "open" : "closed");
    fq_json_put_u64(w, "seed", options->seed);
}

static void put_preparation(fq_json_writer *w, const fq_bench_report *report) {
    fq_json_object_begin(w, "preparation");
    fq_json_put_decimal(w, "users_per_second", report->users_per_second, 0);
    fq_json_put_decimal(w, "topups_per_second", report->topups_per_second, 0);
    fq_json_put_decimal(w, "orders_per_second", report->orders_per_second, 0);
    fq_json_put_u64(w, "orders", report->orders);
    fq_json_object_end(w);
}

void fq_bench_report_json(const fq_bench_options *options, const fq_bench_report *report,
                          FILE *out) {
    fq_buffer buffer;
    fq_buffer_init(&buffer, REPORT_BYTES_MAX);
    fq_json_writer w = fq_json_writer_on(&buffer);
    fq_json_object_begin(&w, NULL);
    fq_json_put_time(&w, "started_at", report->started_at_ms);
    fq_json_put_decimal(&w, "payments_per_second", per_second(report), 1);
    fq_json_put_decimal(&w, "p50_ms", percentile_ms(report, 50), 3);
    fq_json_put_decimal(&w, "p99_ms", percentile_ms(report, 99), 3);
    fq_json_put_decimal(&w, "p999_ms", percentile_ms(report, 99.9), 3);
    fq_json_put_decimal(&w, "max_ms", (double)report->latency_us.maximum / 1000.0, 3);
    fq_json_put_decimal(&w, "mean_ms", fq_histogram_mean(&report->latency_us) / 1000.0, 3);
    fq_json_put_u64(&w, "payments", report->payments);
    fq_json_put_u64(&w, "requests", report->requests);
    fq_json_put_u64(&w, "errors", report->errors);
    fq_json_put_decimal(&w, "seconds", report->seconds, 3);
    put_options(&w, options);
    put_server(&w, report);
    fq_json_put_decimal(&w, "generator_cpu_seconds", report->generator_cpu_seconds, 2);
    fq_json_put_decimal(&w, "generator_cpu_us_per_payment",
                        cpu_us(report, report->generator_cpu_seconds), 2);
    fq_json_put_u64(&w, "rounds", report->rounds);
    put_preparation(&w, report);
    if (options->verify) {
        fq_json_put_bool(&w, "verified", report->verified);
        fq_json_put_u64(&w, "verified_payments", report->verified_payments);
        fq_json_put_u64(&w, "verified_wallets", report->verified_wallets);
    }
    if (report->first_error[0] != '\0') {
        // What a server answers may be anything, also bytes that are no text.
        const fq_str error = fq_str_of(report->first_error);
        fq_json_put_text(&w, "first_error",
                         fq_utf8_valid(error, NULL) ? error : FQ_STR("(not UTF-8)"));
    }
    put_machine(&w);
    fq_json_object_end(&w);
    fprintf(out, "%.*s\n", FQ_STR_ARGS(fq_buffer_str(&buffer)));
    fq_buffer_free(&buffer);
}

static void table_server(const fq_bench_report *report, FILE *out) {
    if (!report->server_known) {
        fprintf(out, "server          not on this machine, or not to be seen\n");
        return;
    }
    fprintf(out, "server cpu      %.2f s, %.1f us a payment\n", report->server_cpu_seconds,
            cpu_us(report, report->server_cpu_seconds));
    fprintf(out, "server memory   %.1f MiB at most, %.1f MiB before\n",
            (double)report->server_rss_bytes / 1048576.0,
            (double)report->server_rss_idle_bytes / 1048576.0);
}

void fq_bench_report_table(const fq_bench_options *options, const fq_bench_report *report,
                           FILE *out) {
    const machine m = describe_machine();
    char time[FQ_TIME_TEXT_MAX];
    fq_time_text(report->started_at_ms, time);
    fprintf(out, "payments        %" PRIu64 " in %.2f s\n", report->payments, report->seconds);
    fprintf(out, "throughput      %.0f payments/s\n", per_second(report));
    fprintf(out, "latency         p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms%s\n",
            percentile_ms(report, 50), percentile_ms(report, 99), percentile_ms(report, 99.9),
            (double)report->latency_us.maximum / 1000.0,
            options->rate > 0 ? ", from the moment each was due" : "");
    fprintf(out, "errors          %" PRIu64 "\n", report->errors);
    if (report->first_error[0] != '\0') {
        fprintf(out, "first error     %s\n", report->first_error);
    }
    table_server(report, out);
    fprintf(out, "generator cpu   %.2f s, %.1f us a payment\n", report->generator_cpu_seconds,
            cpu_us(report, report->generator_cpu_seconds));
    if (options->verify) {
        fprintf(out, "verified        %s: %" PRIu64 " payments, %" PRIu64 " balances\n",
                report->verified ? "right" : "WRONG", report->verified_payments,
                report->verified_wallets);
    }
    fprintf(out, "preparation     %.0f users/s, %.0f top-ups/s, %.0f orders/s\n",
            report->users_per_second, report->topups_per_second, report->orders_per_second);
    fprintf(out,
            "load            %" PRIu32 " connections, %" PRIu32 " wallets, %" PRIu32
            " a request, seed %" PRIu64 "\n",
            options->connections, options->wallets, options->bulk, options->seed);
    fprintf(out, "machine         %s, %ld cores, %.1f GiB, %s; %s\n", m.cpu, m.cores,
            (double)m.memory_bytes / 1073741824.0, m.kernel, time);
}
