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
#include "logs/exchange.h"
#include "logs/export.h"
#include "logs/log.h"
#include "logs/project.h"
#include "logs/store.h"

/* The store of the run that the first word names. */
static cn_status open_run(const struct cn_cli_args *args, char **out_dir,
                          struct cn_store **out_store, struct cn_err *err)
{
    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, out_dir, err);

    *out_store = NULL;
    return st == CN_OK ? cn_store_open(*out_dir, CN_STORE_READ, out_store, err) : st;
}

/* -- status -- */

/* What its model cost so far; nothing when none was asked. */
struct model_cost {
    struct cn_exchange_sums sums;
    char prices[128];
};

static cn_status model_cost(const char *dir, struct model_cost *out, struct cn_err *err)
{
    struct cn_store *store = NULL;
    struct cn_buf prices;

    memset(out, 0, sizeof *out);
    cn_buf_init(&prices, sizeof out->prices - 1);
    cn_status st = cn_store_open(dir, CN_STORE_READ, &store, err);
    if (st == CN_OK)
        st = cn_exchange_sum(store, 0, false, &out->sums, err);
    if (st == CN_OK && cn_store_fact(store, "llm.prices", &prices, NULL) == CN_OK)
        cn_text_copy(out->prices, sizeof out->prices, cn_buf_str(&prices));
    cn_buf_clear(&prices);
    cn_store_close(store);
    return st;
}

static void json_model(struct cn_json_writer *w, const struct model_cost *m)
{
    cn_json_open(w, "model", '{');
    cn_json_add_int(w, "exchanges", m->sums.exchanges);
    cn_json_add_int(w, "requests", m->sums.requests);
    cn_json_add_int(w, "input_tokens", m->sums.input);
    cn_json_add_int(w, "cache_read_tokens", m->sums.cache_read);
    cn_json_add_int(w, "cache_write_tokens", m->sums.cache_write);
    cn_json_add_int(w, "output_tokens", m->sums.output);
    cn_json_add_double(w, "usd", m->sums.usd);
    cn_json_add_int(w, "requests_at_the_worst_case", m->sums.lost);
    cn_json_add_int(w, "requests_without_a_price", m->sums.unpriced);
    cn_json_add_int(w, "replayed", m->sums.replayed);
    cn_json_add_string(w, "prices", m->prices);
    cn_json_close(w);
}

static void text_model(const struct model_cost *m)
{
    struct cn_buf line;

    cn_buf_init(&line, CN_CAP_RECORD);
    cn_exchange_words(&m->sums, m->prices, &line);
    if (m->sums.exchanges > 0)
        printf("  model       %s\n", cn_buf_str(&line));
    cn_buf_clear(&line);
}

static void status_json(const struct cn_run_status *s, const struct model_cost *m)
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
    cn_json_add_double(&w, "best_std", s->best_std);
    cn_json_add_double(&w, "best_bound", s->best_bound);
    cn_json_add_double(&w, "confidence", s->confidence);
    cn_json_add_string(&w, "best_regime", s->best_regime);
    cn_json_add_double(&w, "default_reward", s->default_reward);
    cn_json_add_int(&w, "default_count", s->default_count);
    cn_json_add_bool(&w, "harness_alive", s->harness_alive);
    cn_json_add_string(&w, "holder", s->holder);
    cn_json_add_int(&w, "pending_messages", s->pending_messages);
    if (m->sums.exchanges > 0)
        json_model(&w, m);
    cn_json_close(&w);
    puts(cn_buf_str(&b));
    cn_buf_clear(&b);
}

void cn_cli_print_best(const char *before, const struct cn_run_status *s)
{
    char given[CN_NUM_TEXT];

    printf("%snode %lld, %s %s", before, (long long)s->best_node, s->reward, s->best_words);
    if (s->best_regime[0])
        printf("; under %s", s->best_regime);
    if (s->default_count > 0)
        printf("; the config as given %s of %d", cn_text_brief(s->default_reward, given),
               s->default_count);
    putchar('\n');
}

static void status_text(const char *dir, const struct cn_run_status *s,
                        const struct model_cost *m)
{
    char when[CN_TIME_TEXT];

    printf("%s (%s): %s\n", s->name, dir, s->state);
    printf("  iterations  %lld of %lld committed, %lld running; block %lld\n",
           (long long)s->committed, (long long)s->total, (long long)s->in_flight,
           (long long)s->block);
    if (s->best_node > 0)
        cn_cli_print_best("  best        ", s);
    if (s->harness_alive)
        printf("  harness     %s, last heartbeat %s\n", s->holder,
               cn_clock_iso(s->heartbeat_ms, when));
    else if (s->heartbeat_ms > 0)
        printf("  harness     none at work; last heartbeat %s\n",
               cn_clock_iso(s->heartbeat_ms, when));
    text_model(m);
    if (s->pending_messages > 0)
        printf("  messages    %lld pending\n", (long long)s->pending_messages);
    if (!s->harness_alive && s->committed < s->total)
        printf("  go on with  cairn resume %s\n", dir);
}

static int run_status(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_run_status s;
    struct model_cost m;
    char *dir;

    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, &dir, &err);
    if (st == CN_OK)
        st = cn_run_status(dir, &s, &err);
    if (st == CN_OK)
        st = model_cost(dir, &m, &err);
    if (st == CN_OK) {
        if (cn_cli_flag(args, "json"))
            status_json(&s, &m);
        else
            status_text(dir, &s, &m);
    }
    cn_free(dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

/* -- log -- */

static cn_status print_event(void *ctx, const struct cn_event *e)
{
    char when[CN_TIME_TEXT];

    (void)ctx;
    printf("%s  ", cn_clock_iso(e->at_ms, when));
    if (e->iteration > 0)
        printf("iteration %lld  ", (long long)e->iteration);
    printf("%s: %s\n", e->kind, e->text);
    return CN_OK;
}

static cn_status print_piece(void *ctx, const char *text, size_t n, struct cn_err *err)
{
    (void)ctx;
    return fwrite(text, 1, n, stdout) == n ? CN_OK : cn_err_errno(err, "standard output");
}

static cn_status print_last(const struct cn_history *h, int64_t last, struct cn_err *err)
{
    int64_t i = h->n_iterations;
    struct cn_buf b;

    while (i > 0 && last > 0)
        last -= h->iterations[--i].state == CN_ITER_COMMITTED;
    cn_buf_init(&b, CN_CAP_TEXT);
    for (; i < h->n_iterations; i++)
        if (h->iterations[i].state == CN_ITER_COMMITTED &&
            h->iterations[i].id >= h->older.first)
            cn_project_entry(h, &h->iterations[i], &b);
    cn_status st = cn_buf_status(&b);
    if (st == CN_OK)
        st = print_piece(NULL, cn_buf_str(&b), b.len, err);
    else
        st = cn_err_set(err, st, "the log is too large to print");
    cn_buf_clear(&b);
    return st;
}

static int run_log(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_store *store = NULL;
    struct cn_history h;
    char *dir = NULL;
    int64_t last = 0;
    const bool events = cn_cli_flag(args, "events");

    memset(&h, 0, sizeof h);
    cn_status st = cn_cli_int(args, "last", 1, 1000000, 0, &last, &err);
    if (st == CN_OK)
        st = open_run(args, &dir, &store, &err);
    if (st == CN_OK && !events)
        st = cn_store_window(store, last, &h, &err);
    if (st == CN_OK && events)
        st = cn_store_each_event(store, print_event, NULL, &err);
    else if (st == CN_OK && last > 0)
        st = print_last(&h, last, &err);
    else if (st == CN_OK)
        st = cn_log_print(store, &h, print_piece, NULL, &err);
    cn_history_clear(&h);
    cn_store_close(store);
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

/* Children of every node of a history, by position: the first one, then the next with the same
 * parent; -1 = none. */
struct tree {
    const struct cn_history *h;
    int64_t *child, *next; /* owned */
    int64_t block;         /* only its nodes hang below each other; 0: all of them */
    bool colour;
};

static cn_status tree_init(struct tree *t, const struct cn_history *h, int64_t block,
                           struct cn_err *err)
{
    *t = (struct tree){.h = h, .block = block};
    t->colour = cn_progress_colour(STDOUT_FILENO);
    t->child = cn_alloc((size_t)h->n_nodes + 1, sizeof *t->child);
    t->next = cn_alloc((size_t)h->n_nodes + 1, sizeof *t->next);
    if (!t->child || !t->next)
        return cn_err_set(err, CN_ENOMEM, "no memory for %lld nodes", (long long)h->n_nodes);
    for (int64_t i = 0; i < h->n_nodes; i++)
        t->child[i] = t->next[i] = -1;
    for (int64_t i = h->n_nodes - 1; i >= 0; i--) { /* so that they come out by id */
        const struct cn_node *p = cn_history_node(h, h->nodes[i].parent);
        if (!p || (block && p->block != h->nodes[i].block))
            continue;
        t->next[i] = t->child[p - h->nodes];
        t->child[p - h->nodes] = i;
    }
    return CN_OK;
}

static void tree_clear(struct tree *t)
{
    cn_free(t->child);
    cn_free(t->next);
}

static void print_node(const struct tree *t, int64_t at, int depth)
{
    const struct cn_node *node = &t->h->nodes[at];
    const struct cn_iteration *it = cn_history_iteration(t->h, node->id);

    printf("%*s%s%lld%s", 2 * depth + 2, "", it ? colour_of(it, t->colour) : "",
           (long long)node->id, t->colour ? "\033[0m" : "");
    print_mean(t->h, node->id, CN_POOL_SEARCH);
    print_mean(t->h, node->id, CN_POOL_CONFIRMATION);
    if (it && it->outcome != CN_OUTCOME_OK)
        printf("  %s", it->state >= CN_ITER_MEASURED ? cn_outcome_name(it->outcome)
                                                     : cn_iter_state_name(it->state));
    printf("  %s", node->strategy);
    for (int k = 0; k < node->n_mutations; k++)
        printf("%s %s: %s -> %s", k ? "," : " ", node->mutations[k].path,
               node->mutations[k].old_text, node->mutations[k].new_text);
    putchar('\n');
}

/* Depth first, without recursion: a chain may be as deep as the run is long. */
static cn_status print_below(const struct tree *t, int64_t root, struct cn_err *err)
{
    struct step {
        int64_t at;
        int depth;
    } *stack = cn_alloc((size_t)t->h->n_nodes + 1, sizeof *stack);
    int64_t n = 0;

    if (!stack)
        return cn_err_set(err, CN_ENOMEM, "no memory for %lld nodes", (long long)t->h->n_nodes);
    stack[n++] = (struct step){root, 0};
    while (n > 0) {
        struct step s = stack[--n];
        int64_t from = n;
        print_node(t, s.at, s.depth);
        for (int64_t c = t->child[s.at]; c >= 0; c = t->next[c])
            stack[n++] = (struct step){c, s.depth + 1};
        for (int64_t a = from, b = n - 1; a < b; a++, b--) { /* the smallest id on top */
            struct step swap = stack[a];
            stack[a] = stack[b];
            stack[b] = swap;
        }
    }
    cn_free(stack);
    return CN_OK;
}

/* The tree below one node, also where it reaches into other blocks. */
static cn_status print_subtree(struct cn_store *store, int64_t node, int64_t depth,
                               int64_t most, struct cn_err *err)
{
    struct cn_history h;
    struct tree t = {.h = NULL};
    bool left;
    cn_status st = cn_store_subtree(store, node, depth, most, &h, &left, err);

    if (st == CN_OK)
        st = tree_init(&t, &h, 0, err);
    if (st == CN_OK)
        st = print_below(&t, cn_history_node(&h, node) - h.nodes, err);
    if (st == CN_OK && left)
        printf("not all of it; --all shows the rest, --depth fewer levels\n");
    tree_clear(&t);
    cn_history_clear(&h);
    return st;
}

static cn_status print_block(struct cn_store *store, const struct cn_block *b,
                             struct cn_err *err)
{
    struct cn_history h;
    struct tree t = {.h = NULL};
    cn_status st = cn_store_block_nodes(store, b->number, &h, err);

    printf("block %lld", (long long)b->number);
    for (int k = 0; k < b->n_regime; k++)
        printf("%s %s = %s", k ? "," : ":", b->regime[k].path, b->regime[k].new_text);
    putchar('\n');
    if (st == CN_OK)
        st = tree_init(&t, &h, b->number, err);
    for (int64_t i = 0; st == CN_OK && i < h.n_nodes; i++) {
        const struct cn_node *parent = cn_history_node(&h, h.nodes[i].parent);
        if (!parent || parent->block != h.nodes[i].block)
            st = print_below(&t, i, err);
    }
    tree_clear(&t);
    cn_history_clear(&h);
    return st;
}

/* The newest blocks, as many as fit. */
static cn_status print_blocks(struct cn_store *store, int64_t most, struct cn_err *err)
{
    struct cn_history h;
    cn_status st = cn_store_window(store, 0, &h, err);
    int64_t from = st == CN_OK ? h.n_blocks : 0, rows = 0;

    while (from > 0 && (from == h.n_blocks || rows < most)) {
        const struct cn_block *b = &h.blocks[--from];
        rows += b->last - b->first + 1;
    }
    if (from > 0)
        printf("blocks 1 to %lld: not shown; --all shows them, --node N a part\n",
               (long long)h.blocks[from - 1].number);
    for (int64_t b = from; st == CN_OK && b < h.n_blocks; b++)
        st = print_block(store, &h.blocks[b], err);
    cn_history_clear(&h);
    return st;
}

enum { ROWS_OF_A_TREE = 2000 };

static int run_tree(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_store *store = NULL;
    char *dir = NULL;
    int64_t node = 0, depth = 0;
    const int64_t most = cn_cli_flag(args, "all") ? INT64_MAX : ROWS_OF_A_TREE;

    cn_status st = cn_cli_int(args, "node", 1, INT64_MAX, 0, &node, &err);
    if (st == CN_OK)
        st = cn_cli_int(args, "depth", 0, INT64_MAX - 1, INT64_MAX - 1, &depth, &err);
    if (st == CN_OK)
        st = open_run(args, &dir, &store, &err);
    if (st == CN_OK)
        st = node > 0 ? print_subtree(store, node, depth, most, &err)
                      : print_blocks(store, most, &err);
    cn_store_close(store);
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
    {"node", "N", "only the tree below this node"},
    {"depth", "D", "with --node: at most so many levels below it"},
    {"all", NULL, "all of it, however long (else the newest blocks, about 2000 nodes)"},
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
    "RUN [--node N [--depth D]] [--all]",
    "print the exploration tree with rewards and mutations",
    "",
    "cairn tree demo --node 12",
    tree_options,
    4,
    1,
    1,
    false,
    run_tree};
