// The simulator's door: runs seeds, one after the other, and stops at the first that shows a fault.
#include "sim/sim.h"

#include "base/log.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <unistd.h>

enum { SEEDS = 1000, STEPS = 800, FOUND = 0, NOT_FOUND = 1, WRONG_USAGE = 2 };

typedef struct {
    uint64_t first, count, steps;
    sim_mutant mutant;
    bool trace;
} options;

static const char *const mutant_names[] = {"none",
#define X(name, what) #name,
                                           SIM_MUTANTS(X)
#undef X
};
static const char *const mutant_faults[] = {"nothing",
#define X(name, what) what,
                                            SIM_MUTANTS(X)
#undef X
};
enum { MUTANTS = sizeof(mutant_names) / sizeof(mutant_names[0]) };

// --- what is said ---

void sim_trace(sim_world *world, const char *format, ...) {
    if (world->trace) {
        va_list arguments;
        va_start(arguments, format);
        printf("%6llu  ", (unsigned long long)world->step);
        vprintf(format, arguments);
        putchar('\n');
        va_end(arguments);
    }
}

static void say_where(const sim_world *world) {
    printf("\nto see it again: sim --seed %llu --steps %llu%s%s --trace\n",
           (unsigned long long)world->seed, (unsigned long long)world->steps,
           world->mutant ? " --mutant " : "", world->mutant ? mutant_names[world->mutant] : "");
    fflush(stdout);
}

// The sanitizers', where the program is built with them.
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void die(void) {
    if (sim_now) {
        printf("seed %llu, step %llu: stopped by a sanitizer", (unsigned long long)sim_now->seed,
               (unsigned long long)sim_now->step);
        say_where(sim_now);
    }
}

// A fault was found: the end, since nothing after it means anything. For a mutant that is what was
// wanted.
void sim_fail(sim_world *world, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("seed %llu, step %llu: ", (unsigned long long)world->seed,
           (unsigned long long)world->step);
    vprintf(format, arguments);
    va_end(arguments);
    say_where(world);
    _exit(world->mutant ? FOUND : NOT_FOUND);
}

static int usage(void) {
    fprintf(stderr,
            "sim [--seeds COUNT] [--seed FIRST] [--steps COUNT] [--trace] [--mutant NAME]\n");
    for (size_t i = 1; i < MUTANTS; i++) {
        fprintf(stderr, "    %-20s %s\n", mutant_names[i], mutant_faults[i]);
    }
    return WRONG_USAGE;
}

// --- running ---

typedef struct {
    uint64_t steps, commits, crashes, conflicts, unknowns, replays, takeovers, answers;
} totals;

static void run_seed(const options *given, uint64_t seed, totals *sum) {
    sim_world *world = sim_world_make(seed, given->steps, given->mutant, given->trace);
    while (world->step < given->steps) {
        sim_world_step(world);
    }
    sim_world_settle(world);
    sum->steps += world->step;
    sum->commits += world->order_db->commits + world->payment_db->commits;
    sum->crashes += world->crashes;
    sum->conflicts += world->conflicts;
    sum->unknowns += world->unknowns;
    sum->replays += world->replays;
    sum->takeovers += world->takeovers;
    sum->answers += world->answers;
    sim_world_free(world);
}

static bool mutant_parse(const char *name, sim_mutant *out) {
    for (size_t i = 1; i < MUTANTS; i++) {
        if (strcmp(name, mutant_names[i]) == 0) {
            *out = (sim_mutant)i;
            return true;
        }
    }
    return false;
}

static bool read_options(int argc, char **argv, options *out) {
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
        {"steps", required_argument, NULL, 'c'}, {"mutant", required_argument, NULL, 'm'},
        {"trace", no_argument, NULL, 't'},       {NULL, 0, NULL, 0}};
    *out = (options){.first = 1, .steps = STEPS};
    bool fits = true;
    for (int flag; (flag = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (flag) {
        case 'n':
            fits &= fq_str_to_u64(fq_str_of(optarg), &out->count);
            break;
        case 's':
            fits &= fq_str_to_u64(fq_str_of(optarg), &out->first);
            out->count = out->count ? out->count : 1;
            break;
        case 'c':
            fits &= fq_str_to_u64(fq_str_of(optarg), &out->steps);
            break;
        case 'm':
            fits &= mutant_parse(optarg, &out->mutant);
            break;
        case 't':
            out->trace = true;
            break;
        default:
            fits = false;
        }
    }
    out->count = out->count ? out->count : SEEDS;
    return fits && optind == argc;
}

int main(int argc, char **argv) {
    options given;
    totals sum = {0};
    if (!read_options(argc, argv, &given)) {
        return usage();
    }
    // The services' log would tell of each fault that was meant to be.
    fq_log_configure(open("/dev/null", O_WRONLY | O_CLOEXEC), FQ_LOG_ERROR, FQ_LOG_JSON);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(die);
    }
    for (uint64_t seed = given.first; seed < given.first + given.count; seed++) {
        run_seed(&given, seed, &sum);
    }
    printf(
        "%llu seeds, %llu steps: %llu commits, %llu answers, %llu of them again, %llu crashes, %llu conflicts, "
        "%llu unknown outcomes, %llu leases taken over; %s\n",
        (unsigned long long)given.count, (unsigned long long)sum.steps,
        (unsigned long long)sum.commits, (unsigned long long)sum.answers,
        (unsigned long long)sum.replays, (unsigned long long)sum.crashes,
        (unsigned long long)sum.conflicts, (unsigned long long)sum.unknowns,
        (unsigned long long)sum.takeovers,
        given.mutant ? "the bug put in was not found" : "no fault found");
    return given.mutant ? NOT_FOUND : 0;
}
