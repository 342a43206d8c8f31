/* The tree figure. See figure.h. */
#include "harness/loop/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/plot.h"
#include "base/text.h"
#include "logs/gain.h"

/* Fill and border by what became of the node: quiet greens for converged, ambers for partial,
 * reds for failed, grey for what never said anything. */
struct paint {
    const char *fill, *line;
};
static const struct paint paint_converged = {"#d6ecd2", "#3c8d40"},
                          paint_partial = {"#fdebc8", "#d08a1d"},
                          paint_failed = {"#f8d5d0", "#c0392b"},
                          paint_broken = {"#e9e4ee", "#7d6b91"},
                          paint_open = {"#f2f3f5", "#9aa3ad"};

/* Characters that mean something in Graphviz's HTML labels. */
static void put_escaped(struct cn_buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '<')
            cn_buf_adds(out, "&lt;");
        else if (*s == '>')
            cn_buf_adds(out, "&gt;");
        else if (*s == '&')
            cn_buf_adds(out, "&amp;");
        else if (*s == '"')
            cn_buf_adds(out, "&quot;");
        else if ((unsigned char)*s >= ' ')
            cn_buf_addc(out, *s);
    }
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

/* The node's search iterations that are over. */
struct tally {
    int64_t ok, failed, open;
    double mean; /* of the metric */
    cn_outcome outcome;
};

static struct tally tally_of(const struct cn_history *h, int64_t node)
{
    struct tally t = {0, 0, 0, 0, CN_OUTCOME_NONE};

    for (const struct cn_iteration *it = cn_history_run(h, node, NULL); it;
         it = cn_history_run(h, node, it)) {
        if (it->confirmation)
            continue;
        if (it->state < CN_ITER_MEASURED) {
            t.open++;
        } else if (it->outcome == CN_OUTCOME_OK) {
            t.ok++;
            t.mean += h->info.reward_lower_is_better ? -it->reward : it->reward;
        } else {
            t.failed++;
            t.outcome = it->outcome;
        }
    }
    t.mean = t.ok > 0 ? t.mean / (double)t.ok : (double)NAN;
    return t;
}

static struct paint paint_of(const struct cn_history *h, const struct tally *t)
{
    double m = h->info.reward_lower_is_better ? -t->mean : t->mean;
    double good = h->info.reward_lower_is_better ? -h->info.converged : h->info.converged;
    double bad = h->info.reward_lower_is_better ? -h->info.failed : h->info.failed;

    if (t->ok == 0)
        return t->failed ? paint_broken : paint_open;
    return m > good ? paint_converged : m < bad ? paint_failed : paint_partial;
}

static void put_numbers(const struct cn_history *h, const struct tally *t,
                        const struct cn_score_row *row, struct cn_buf *out)
{
    char brief[CN_NUM_TEXT];

    if (t->ok > 0) {
        cn_buf_printf(out, "<font point-size=\"15\"><b>%s</b></font>",
                      cn_text_brief(t->mean, brief));
        if (t->ok > 1)
            cn_buf_printf(out, "<font point-size=\"9\" color=\"#5b6570\"> mean of %lld</font>",
                          (long long)t->ok);
    } else {
        cn_buf_printf(out, "<font point-size=\"12\"><b>%s</b></font>",
                      t->failed ? cn_outcome_name(t->outcome) : "running");
    }
    if (row)
        cn_buf_printf(
            out,
            "<br/><font point-size=\"9\" color=\"#5b6570\">%s %.3f &#183; visits %lld</font>",
            strcmp(h->info.score_kind, "puct") == 0 ? "PUCT" : "UCB", row->score,
            (long long)row->visits);
}

/* Where a block's root came from: the best of the block before, as it was known then. */
static void put_origin(const struct cn_history *h, const struct cn_node *n, struct cn_buf *out)
{
    struct cn_best_query q = cn_plan_query(n->block - 1);
    struct cn_best from;

    if (n->block < 2 || n != cn_plan_block_root(h, n->block))
        return;
    q.last = n->id - 1;
    if (cn_history_best(h, &q, &from, NULL) == CN_OK && from.first.node)
        cn_buf_printf(out,
                      "<br/><font point-size=\"9\" color=\"#5b6570\">node %lld re-run</font>",
                      (long long)from.first.node->id);
}

/* "tau_R2 0.11 breaks tau_R2 >= 0.2". */
static void put_breach(const struct cn_ranking *r, const struct cn_node *n, struct cn_buf *out)
{
    struct cn_buf text;

    for (int64_t i = r->n_kept; i < r->n; i++) {
        if (r->rows[i].node != n)
            continue;
        cn_buf_init(&text, CN_CAP_RECORD);
        cn_standing_breach(&r->guardrails, &r->rows[i], &text);
        cn_buf_adds(out, "<br/><font point-size=\"9\" color=\"#c0392b\">");
        put_escaped(out, cn_buf_str(&text));
        cn_buf_adds(out, "</font>");
        cn_buf_clear(&text);
    }
}

static void put_node(const struct cn_history *h, const struct cn_node *n,
                     const struct cn_score_row *row, const struct cn_ranking *r, bool best,
                     struct cn_buf *out)
{
    const struct tally t = tally_of(h, n->id);
    const struct paint p = paint_of(h, &t);

    cn_buf_printf(out, "    n%lld [fillcolor=\"%s\", color=\"%s\", penwidth=%s, label=<",
                  (long long)n->id, p.fill, p.line, best ? "3.2" : "1.2");
    cn_buf_printf(out, "<font point-size=\"10\" color=\"#39424c\"><b>%lld</b> &#183; ",
                  (long long)n->id);
    put_escaped(out, n->strategy);
    cn_buf_printf(out, "%s</font><br/>", best ? " &#9733;" : "");
    put_numbers(h, &t, row, out);
    put_origin(h, n, out);
    put_breach(r, n, out);
    cn_buf_adds(out, ">];\n");
}

/* "lr_W 6.0e-4 -> 1.3e-3", at most two of them. */
static void put_edge_label(const struct cn_node *n, struct cn_buf *out)
{
    cn_buf_adds(out, "label=<<font point-size=\"9\" color=\"#39424c\">");
    for (int i = 0; i < n->n_mutations && i < 2; i++) {
        cn_buf_printf(out, "%s ", i ? "<br/>" : "");
        put_escaped(out, last_part(n->mutations[i].path));
        cn_buf_adds(out, "<br/> ");
        put_escaped(out, n->mutations[i].old_text);
        cn_buf_adds(out, " &#8594; ");
        put_escaped(out, n->mutations[i].new_text);
    }
    if (n->n_mutations > 2)
        cn_buf_printf(out, "<br/> and %d more", n->n_mutations - 2);
    cn_buf_adds(out, " </font>>");
}

static void put_edges(const struct cn_history *h, int64_t first, const struct cn_node *best,
                      struct cn_buf *out)
{
    for (int64_t i = 0; i < h->n_nodes; i++) {
        const struct cn_node *n = &h->nodes[i], *root = cn_plan_block_root(h, n->block);
        const struct cn_node *from = n->parent ? cn_history_node(h, n->parent) : root;
        bool on_path = false;

        if (!from || from == n || from->block != n->block || n->block < first)
            continue;
        for (const struct cn_node *b = best; b && !on_path;
             b = b->parent ? cn_history_node(h, b->parent) : NULL)
            on_path = b == n;
        cn_buf_printf(out, "  n%lld -> n%lld [%s%s, ", (long long)from->id, (long long)n->id,
                      n->parent ? "style=solid" : "style=dashed",
                      on_path ? ", color=\"#3c8d40\", penwidth=2.2" : "");
        put_edge_label(n, out);
        cn_buf_adds(out, "];\n");
    }
}

static bool is_searched(const struct cn_history *h, const struct cn_node *n)
{
    const struct tally t = tally_of(h, n->id);

    return t.ok + t.failed + t.open > 0;
}

static void put_block(const struct cn_planner *pl, const struct cn_history *h,
                      const struct cn_block *b, const struct cn_node *best, struct cn_buf *out)
{
    const struct cn_best_query q = cn_plan_query(b->number);
    struct cn_score_table scores;
    struct cn_ranking r;
    struct cn_arena a;
    bool scored = cn_plan_scores(pl, h, b->number, &scores, NULL) == CN_OK;

    cn_arena_init(&a, CN_CAP_ARENA);
    if (cn_history_rank(h, &q, &a, &r, NULL) != CN_OK) /* no memory, or words that are none */
        out->status = out->status == CN_OK ? CN_ENOMEM : out->status;

    cn_buf_printf(out,
                  "  subgraph cluster_%lld {\n    label=<<font point-size=\"13\" "
                  "color=\"#39424c\"><b>Block %lld</b>",
                  (long long)b->number, (long long)b->number);
    for (int i = 0; i < b->n_regime; i++) {
        cn_buf_adds(out, i ? " &#183; " : "<br/>");
        put_escaped(out, last_part(b->regime[i].path));
        cn_buf_addc(out, ' ');
        put_escaped(out, b->regime[i].new_text);
    }
    cn_buf_adds(out, "</font>>;\n    style=\"rounded,filled\"; fillcolor=\"#fafbfc\"; "
                     "color=\"#d5dae0\"; margin=18;\n");
    for (int64_t i = 0; i < h->n_nodes; i++)
        if (h->nodes[i].block == b->number && is_searched(h, &h->nodes[i]))
            put_node(h, &h->nodes[i], scored ? cn_score_get(&scores, h->nodes[i].id) : NULL, &r,
                     &h->nodes[i] == best, out);
    cn_buf_adds(out, "  }\n");
    cn_arena_clear(&a);
    if (scored)
        cn_score_clear(&scores);
}

/* "confirmed under fresh seeds: +0.507 (0.48 to 0.53 at 90 %, 3 pairs) over the default config" */
static void put_confirmation(const struct cn_history *h, struct cn_buf *out)
{
    const struct cn_best_query q = cn_plan_query(0);
    struct cn_gain g;
    struct cn_buf text;

    if (cn_history_gain(h, &q, &g, NULL) != CN_OK || !g.best)
        return;
    cn_buf_init(&text, CN_CAP_RECORD);
    cn_gain_words(&h->info, &g, &text);
    cn_buf_printf(
        out, "<br/>node %lld against the default under fresh seeds: ", (long long)g.best->id);
    put_escaped(out, cn_buf_str(&text));
    cn_buf_clear(&text);
}

static void put_legend(struct cn_buf *out)
{
    static const struct {
        const struct paint *p;
        const char *name;
    } entries[] = {{&paint_converged, "converged"},
                   {&paint_partial, "partial"},
                   {&paint_failed, "failed"},
                   {&paint_broken, "no result"}};

    cn_buf_adds(out, "<br/><font point-size=\"11\">");
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        cn_buf_printf(out,
                      "<font color=\"%s\">&#9632;</font> <font color=\"#5b6570\">%s</font>   ",
                      entries[i].p->line, entries[i].name);
    cn_buf_adds(out, "<font color=\"#3c8d40\"><b>&#8594;</b></font> <font "
                     "color=\"#5b6570\">path to the best</font></font>");
}

/* A picture of more nodes than this is no picture, and Graphviz takes minutes: then only the
 * last blocks are drawn. */
enum { MOST_NODES = 240 };

/* The first block that is drawn. */
static int64_t first_drawn(const struct cn_history *h)
{
    int64_t b = h->n_blocks, nodes = 0;

    for (; b > 0 && h->blocks[b - 1].first >= h->older.first; b--) {
        for (int64_t i = h->n_nodes - 1; i >= 0 && h->nodes[i].id >= h->blocks[b - 1].first;
             i--)
            nodes += h->nodes[i].block == b;
        if (nodes > MOST_NODES && b < h->n_blocks)
            break;
    }
    return b + 1;
}

void cn_figure_tree(const struct cn_planner *pl, const struct cn_history *h, struct cn_buf *out)
{
    const struct cn_best_query q = cn_plan_query(0);
    const struct cn_node *best;
    struct cn_best lead;
    struct cn_buf words;
    int64_t first = first_drawn(h);

    if (cn_history_best(h, &q, &lead, NULL) != CN_OK)
        out->status = out->status == CN_OK ? CN_ENOMEM : out->status;
    best = lead.first.node;

    cn_buf_adds(out, "digraph exploration {\n  graph [fontname=\"Helvetica\", "
                     "bgcolor=\"white\", pad=0.3, nodesep=0.28, "
                     "ranksep=0.42, dpi=110, labelloc=t, label=<<font point-size=\"16\" "
                     "color=\"#1f2933\"><b>");
    put_escaped(out, h->info.name);
    cn_buf_adds(out, "</b></font><br/><font point-size=\"11\" color=\"#5b6570\">");
    put_escaped(out, h->info.reward);
    cn_buf_printf(out, " &#183; %lld trainings", (long long)cn_plan_searched(h));
    cn_buf_init(&words, CN_CAP_RECORD);
    if (best)
        cn_standing_words(&h->info, &lead.first, lead.confidence, &words);
    if (best)
        cn_buf_printf(out, " &#183; best: node %lld, ", (long long)best->id);
    put_escaped(out, cn_buf_str(&words));
    cn_buf_clear(&words);
    put_confirmation(h, out);
    if (first > 1)
        cn_buf_printf(out, "<br/>blocks 1 to %lld are not drawn", (long long)first - 1);
    cn_buf_adds(out, "</font>");
    put_legend(out);
    cn_buf_adds(out, "<br/> >];\n"
                     "  node [fontname=\"Helvetica\", shape=box, style=\"rounded,filled\", "
                     "margin=\"0.13,0.07\"];\n"
                     "  edge [fontname=\"Helvetica\", color=\"#9aa3ad\", arrowsize=0.6];\n");
    for (int64_t b = first; b <= h->n_blocks; b++)
        put_block(pl, h, &h->blocks[b - 1], best, out);
    put_edges(h, first, best, out);
    cn_buf_adds(out, "}\n");
}

cn_status cn_figure_tree_start(struct cn_dot *d, const struct cn_planner *pl,
                               const struct cn_history *h, const char *dir, struct cn_err *err)
{
    char *stem = cn_file_join(dir, "tree");
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_figure_tree(pl, h, &b);
    st = cn_buf_status(&b);
    if (!stem || st != CN_OK)
        st = cn_err_set(err, CN_ENOMEM, "%s/tree: no memory for the figure", dir);
    else
        st = cn_dot_start(d, cn_buf_str(&b), stem, err);
    cn_buf_clear(&b);
    cn_free(stem);
    return st;
}
