/* cairn status, log, tree: look at a run; takes no lock, a harness may be at work. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/text.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/run.h"
#include "logs/project.h"
#include "logs/store.h"

/* The history of the run that the first word names. */
static cn_status load(const struct cn_cli_args *args, char **out_dir, struct cn_history *h,
                      struct cn_err *err)
{
    struct cn_store *store = NULL;

    memset(h, 0, sizeof *h);
    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, out_dir, err);
    if (st == CN_OK)
        st = cn_store_open(*out_dir, CN_STORE_READ, &store, err);
    if (st == CN_OK)
        st = cn_store_history(store, h, err);
    cn_store_close(store);
    return st;
}

/* -- status -- */

static void status_json(const struct cn_run_status *s)
{
    struct cn_buf b;
    struct cn_json_writer w;

    cn_buf_init(&b, CN_CAP_RECORD);
    cn_json_begin(&w, &b, 2);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "name", s->name);
    cn_json_add_string(&w, "state", s->state);
    cn_json_add_int(&w, "committed", s->committed);
    cn_json_add_int(&w, "in_flight", s->in_flight);
    cn_json_add_int(&w, "total", s->total);
    cn_json_add_int(&w, "block", s->block);
    cn_json_add_int(&w, "best_node", s->best_node);
    cn_json_add_int(&w, "best_count", s->best_count);
    cn_json_add_double(&w, "best_reward", s->best_reward);
    cn_json_add_double(&w, "default_reward", s->default_reward);
    cn_json_add_bool(&w, "harness_alive", s->harness_alive);
    cn_json_add_string(&w, "holder", s->holder);
    cn_json_add_int(&w, "pending_messages", s->pending_messages);
    cn_json_close(&w);
    puts(cn_buf_str(&b));
    cn_buf_clear(&b);
}

static void status_text(const char *dir, const struct cn_run_status *s)
{
    char when[CN_TIME_TEXT];

    printf("%s (%s): %s\n", s->name, dir, s->state);
    printf("  iterations  %lld of %lld committed, %lld running; block %lld\n",
           (long long)s->committed, (long long)s->total, (long long)s->in_flight,
           (long long)s->block);
    if (s->best_node > 0)
        printf("  best        node %lld, mean reward %.4f of %d training%s (the config as "
               "given: %.4f)\n",
               (long long)s->best_node, s->best_reward, s->best_count,
               s->best_count == 1 ? "" : "s", s->default_reward);
    if (s->harness_alive)
        printf("  harness     %s, last heartbeat %s\n", s->holder,
               cn_clock_iso(s->heartbeat_ms, when));
    else if (s->heartbeat_ms > 0)
        printf("  harness     none at work; last heartbeat %s\n",
               cn_clock_iso(s->heartbeat_ms, when));
    if (s->pending_messages > 0)
        printf("  messages    %lld pending\n", (long long)s->pending_messages);
    if (!s->harness_alive && s->committed < s->total)
        printf("  go on with  cairn resume %s\n", dir);
}

static int run_status(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_run_status s;
    char *dir;

    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, &dir, &err);
    if (st == CN_OK)
        st = cn_run_status(dir, &s, &err);
    if (st == CN_OK) {
        if (cn_cli_flag(args, "json"))
            status_json(&s);
        else
            status_text(dir, &s);
    }
    cn_free(dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

/* -- log -- */

static void print_events(const struct cn_history *h)
{
    char when[CN_TIME_TEXT];

    for (int64_t i = 0; i < h->n_events; i++) {
        const struct cn_event *e = &h->events[i];
        printf("%s  ", cn_clock_iso(e->at_ms, when));
        if (e->iteration > 0)
            printf("iteration %lld  ", (long long)e->iteration);
        printf("%s: %s\n", e->kind, e->text);
    }
}

static int run_log(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_history h;
    struct cn_buf b;
    char *dir = NULL;
    int64_t last = 0;

    memset(&h, 0, sizeof h);
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_status st = cn_cli_int(args, "last", 1, 1000000, 0, &last, &err);
    if (st == CN_OK)
        st = load(args, &dir, &h, &err);
    if (st == CN_OK && cn_cli_flag(args, "events")) {
        print_events(&h);
    } else if (st == CN_OK && last > 0) {
        int64_t skip = -last;
        for (int64_t i = 0; i < h.n_iterations; i++)
            skip += h.iterations[i].state == CN_ITER_COMMITTED;
        for (int64_t i = 0; i < h.n_iterations; i++)
            if (h.iterations[i].state == CN_ITER_COMMITTED && skip-- <= 0)
                cn_project_entry(&h, &h.iterations[i], &b);
    } else if (st == CN_OK) {
        cn_project_analysis(&h, &b);
    }
    if (st == CN_OK && cn_buf_status(&b) != CN_OK)
        st = cn_err_set(&err, cn_buf_status(&b), "the log is too large to print");
    if (st == CN_OK)
        fputs(cn_buf_str(&b), stdout);
    cn_buf_clear(&b);
    cn_history_clear(&h);
    cn_free(dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

/* -- tree -- */

static const char *colour_of(const struct cn_iteration *it, bool colour)
{
    if (!colour)
        return "";
    if (it->outcome != CN_OUTCOME_OK)
        return it->state >= CN_ITER_MEASURED ? "\033[31m" : "\033[2m";
    return it->cls == CN_CLASS_CONVERGED ? "\033[32m"
           : it->cls == CN_CLASS_PARTIAL ? "\033[33m"
                                         : "\033[31m";
}

static void print_mean(const struct cn_history *h, int64_t node, cn_pool pool)
{
    const struct cn_spread s = cn_history_spread(h, node, pool);
    const double mean = h->info.reward_lower_is_better ? -s.mean : s.mean;

    if (s.n > 0)
        printf("  %.4f%s", mean, pool == CN_POOL_CONFIRMATION ? " (fresh seeds)" : "");
    if (s.n > 1)
        printf(" x%lld", (long long)s.n);
}

static void print_node(const struct cn_history *h, const struct cn_node *node, int depth,
                       bool colour)
{
    const struct cn_iteration *it = cn_history_iteration(h, node->id);

    printf("%*s%s%lld%s", 2 * depth + 2, "", it ? colour_of(it, colour) : "",
           (long long)node->id, colour ? "\033[0m" : "");
    print_mean(h, node->id, CN_POOL_SEARCH);
    print_mean(h, node->id, CN_POOL_CONFIRMATION);
    if (it && it->outcome != CN_OUTCOME_OK)
        printf("  %s", it->state >= CN_ITER_MEASURED ? cn_outcome_name(it->outcome)
                                                     : cn_iter_state_name(it->state));
    printf("  %s", node->strategy);
    for (int k = 0; k < node->n_mutations; k++)
        printf("%s %s: %s -> %s", k ? "," : " ", node->mutations[k].path,
               node->mutations[k].old_text, node->mutations[k].new_text);
    putchar('\n');
    for (int64_t i = 0; i < h->n_nodes; i++)
        if (h->nodes[i].parent == node->id && h->nodes[i].block == node->block)
            print_node(h, &h->nodes[i], depth + 1, colour);
}

static int run_tree(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_history h;
    char *dir = NULL;
    const bool colour = cn_progress_colour(STDOUT_FILENO);

    const cn_status st = load(args, &dir, &h, &err);
    for (int64_t b = 0; st == CN_OK && b < h.n_blocks; b++) {
        printf("block %lld", (long long)h.blocks[b].number);
        for (int k = 0; k < h.blocks[b].n_regime; k++)
            printf("%s %s = %s", k ? "," : ":", h.blocks[b].regime[k].path,
                   h.blocks[b].regime[k].new_text);
        putchar('\n');
        for (int64_t i = 0; i < h.n_nodes; i++) {
            const struct cn_node *parent = cn_history_node(&h, h.nodes[i].parent);
            if (h.nodes[i].block == h.blocks[b].number &&
                (!parent || parent->block != h.nodes[i].block))
                print_node(&h, &h.nodes[i], 0, colour);
        }
    }
    cn_history_clear(&h);
    cn_free(dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

static const struct cn_cli_option status_options[] = {
    {"json", NULL, "for scripts"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};
static const struct cn_cli_option log_options[] = {
    {"last", "N", "only the last N entries"},
    {"events", NULL, "what happened to the run, with times, instead of the log"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};
static const struct cn_cli_option tree_options[] = {
    {"runs", "DIR", "folder of the runs (default: runs)"},
};

const struct cn_cli_verb cn_verb_status = {
    "status",
    "RUN [--json]",
    "how far a run is, its best, whether its harness lives",
    "",
    "cairn status demo",
    status_options,
    2,
    1,
    1,
    false,
    run_status};
const struct cn_cli_verb cn_verb_log = {"log",
                                        "RUN [--last N] [--events]",
                                        "print the log of a run",
                                        "",
                                        "cairn log demo --last 3",
                                        log_options,
                                        3,
                                        1,
                                        1,
                                        false,
                                        run_log};
const struct cn_cli_verb cn_verb_tree = {
    "tree",
    "RUN",
    "print the exploration tree with rewards and mutations",
    "",
    "cairn tree demo",
    tree_options,
    1,
    1,
    1,
    false,
    run_tree};
