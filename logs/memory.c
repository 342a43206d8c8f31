/* <run>_memory.md: what the next proposer should know, on a page. The host computes every table
 * from the record; the free sections come from the latest version of the text "memory". No
 * clock: equal histories, equal bytes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "logs/memory_int.h"
#include "logs/project_int.h"

/* A table that grew beyond this would not be read; the record has the rest. */
enum { ROWS_MAX = 30, CELL_MAX = 60 };

static void put_heading(struct cn_buf *out, const char *hashes, const char *name, bool computed)
{
    cn_buf_printf(out, "%s %s%s\n", hashes, name, computed ? " " CN_MEMORY_MARK : "");
}

static void put_free(struct cn_buf *out, const char *free_text, const char *name)
{
    put_heading(out, "###", name, false);
    size_t before = out->len;
    cn_memory_section(free_text, name, out);
    if (cn_buf_status(out) == CN_OK && out->len > before)
        cn_buf_addc(out, '\n');
    cn_buf_addc(out, '\n');
}

static void put_more(struct cn_buf *out, int64_t shown, int64_t all)
{
    if (all > shown)
        cn_buf_printf(out, "\n%lld more are in run.db.\n", (long long)(all - shown));
}

/* ---- regimes ---- */

static void put_regimes(const struct cn_history *h, struct cn_buf *out)
{
    put_heading(out, "###", CN_MEMORY_REGIME, true);
    cn_buf_adds(out, "| Block | Iterations | Regime | Best ");
    cn_prose_name(out, h->info.reward);
    cn_buf_adds(out,
                " | at node | Converged | Without result |\n|---|---|---|---|---|---|---|\n");
    for (int64_t i = 0; i < h->n_blocks; i++) {
        const struct cn_block *b = &h->blocks[i];
        const struct cn_node *best = cn_fact_best(h, b->number);
        struct cn_fact_counts c = cn_fact_count(h, b->number);
        cn_buf_printf(out, "| %lld | %lld | ", (long long)b->number, (long long)c.all);
        if (b->n_regime)
            cn_prose_pairs(out, b->regime, b->n_regime);
        else
            cn_buf_adds(out, "as configured");
        cn_buf_adds(out, " | ");
        if (best) {
            struct cn_spread s = cn_fact_metric_spread(
                h, cn_fact_spread(h, best->id, CN_POOL_SEARCH, INT64_MAX));
            cn_prose_spread(out, &s);
            cn_buf_printf(out, " | %lld", (long long)best->id);
        } else {
            cn_buf_adds(out, "- | -");
        }
        cn_buf_printf(out, " | %lld of %lld | %lld |\n", (long long)c.converged,
                      (long long)c.all, (long long)c.failed);
    }
    cn_buf_addc(out, '\n');
}

/* ---- replicates ---- */

/* Their classes: all runs above the threshold and a CV below 3 or 5 per cent. In terms of
 * rewards. */
static const char *stability(const struct cn_history *h, const struct cn_spread *s)
{
    double threshold = cn_fact_metric(h, h->info.converged);
    double cv = cn_fact_cv(s);

    if (isnan(threshold) || isnan(cv))
        return "-";
    if (s->min < threshold)
        return s->max < threshold ? "no" : "partly";
    return cv < 3 ? "stable" : cv < 5 ? "robust" : "variable";
}

static void put_replicated(const struct cn_history *h, const struct cn_node *n, cn_pool pool,
                           struct cn_buf *out)
{
    struct cn_spread r = cn_fact_spread(h, n->id, pool, INT64_MAX);
    struct cn_spread s = cn_fact_metric_spread(h, r);

    cn_buf_printf(out, "| %lld | %s | ", (long long)n->id,
                  pool == CN_POOL_SEARCH ? "search" : "confirmation");
    cn_prose_mutations(out, n);
    cn_buf_printf(out, " | %lld | ", (long long)s.n);
    cn_prose_short(out, s.mean);
    cn_buf_adds(out, " | ");
    cn_prose_short(out, s.std);
    cn_buf_adds(out, " | ");
    cn_prose_short(out, cn_fact_cv(&s));
    cn_buf_adds(out, " | ");
    cn_prose_short(out, s.min);
    cn_buf_adds(out, " | ");
    cn_prose_short(out, s.max);
    cn_buf_printf(out, " | %s |\n", stability(h, &r));
}

static void put_robustness(const struct cn_history *h, struct cn_buf *out)
{
    int64_t shown = 0, all = 0;

    put_heading(out, "###", CN_MEMORY_ROBUST, true);
    cn_buf_adds(out, "| Node | Runs of | Mutation | n | ");
    cn_prose_name(out, h->info.reward);
    cn_buf_adds(out, " mean | std | CV % | min | max | Robust? |\n"
                     "|---|---|---|---|---|---|---|---|---|---|\n");
    /* Newest first: what a proposer needs when not all rows fit. */
    for (int64_t i = h->n_nodes - 1; i >= 0; i--)
        for (int pool = CN_POOL_SEARCH; pool <= CN_POOL_CONFIRMATION; pool++) {
            const struct cn_node *n = &h->nodes[i];
            if (cn_fact_spread(h, n->id, (cn_pool)pool, INT64_MAX).n < 2)
                continue;
            if (all++ < ROWS_MAX) {
                put_replicated(h, n, (cn_pool)pool, out);
                shown++;
            }
        }
    put_more(out, shown, all);
    cn_buf_addc(out, '\n');
}

/* ---- effects: a node's mean against its parent's, by the key that was changed ---- */

struct effect {
    const char *path;
    int64_t tries, better, failed;
    double best, worst;              /* differences of rewards */
    const struct cn_mutation *b, *w; /* what made them */
};

static struct effect *effect_of(struct effect *all, int64_t *n, const char *path)
{
    for (int64_t i = 0; i < *n; i++)
        if (strcmp(all[i].path, path) == 0)
            return &all[i];
    all[*n] = (struct effect){path, 0, 0, 0, -(double)INFINITY, (double)INFINITY, NULL, NULL};
    return &all[(*n)++];
}

/* What a node is measured against: its parent, or for a child of the root the config that its
 * block began with. */
static const struct cn_node *baseline(const struct cn_history *h, const struct cn_node *n)
{
    if (n->parent)
        return cn_history_node(h, n->parent);
    for (int64_t i = 0; i < h->n_nodes && h->nodes[i].id < n->id; i++)
        if (n->block && h->nodes[i].block == n->block)
            return strcmp(h->nodes[i].strategy, "root") == 0 ? &h->nodes[i] : NULL;
    return NULL;
}

static void add_effect(const struct cn_history *h, const struct cn_node *n,
                       const struct cn_node *base, struct effect *e)
{
    const struct cn_iteration *it = cn_history_iteration(h, n->id);
    struct cn_spread s = cn_fact_spread(h, n->id, CN_POOL_SEARCH, INT64_MAX);
    struct cn_spread p = cn_fact_spread(h, base->id, CN_POOL_SEARCH, INT64_MAX);

    if (!it || !cn_fact_committed(it) || it->confirmation)
        return;
    e->tries++;
    e->failed += s.n == 0;
    if (s.n == 0 || p.n == 0)
        return;
    double d = s.mean - p.mean;
    e->better += d > 0;
    if (d > e->best) {
        e->best = d;
        e->b = &n->mutations[0];
    }
    if (d < e->worst) {
        e->worst = d;
        e->w = &n->mutations[0];
    }
}

static void put_change(const struct cn_history *h, const struct cn_mutation *m, double d,
                       struct cn_buf *out)
{
    if (!m) {
        cn_buf_addc(out, '-');
        return;
    }
    cn_buf_printf(out, "%+.3g (", cn_fact_metric(h, d));
    cn_prose_cell(out, m->old_text, CELL_MAX);
    cn_buf_adds(out, " -> ");
    cn_prose_cell(out, m->new_text, CELL_MAX);
    cn_buf_addc(out, ')');
}

static void put_effect(const struct cn_history *h, const struct effect *e, struct cn_buf *out)
{
    cn_buf_adds(out, "| ");
    cn_prose_name(out, e->path);
    cn_buf_printf(out, " | %lld | %lld | %lld | ", (long long)e->tries, (long long)e->better,
                  (long long)e->failed);
    put_change(h, e->b, e->best, out);
    cn_buf_adds(out, " | ");
    put_change(h, e->w, e->worst, out);
    cn_buf_adds(out, " |\n");
}

/* Only one-key mutations: with two, nobody knows which did it. */
static void put_effects(const struct cn_history *h, struct cn_buf *out)
{
    struct effect *all = h->n_nodes ? cn_alloc((size_t)h->n_nodes, sizeof(*all)) : NULL;
    int64_t n = 0;

    if (h->n_nodes && !all)
        out->status = CN_ENOMEM;
    for (int64_t i = 0; all && i < h->n_nodes; i++) {
        const struct cn_node *node = &h->nodes[i], *base = baseline(h, node);
        if (node->n_mutations == 1 && base)
            add_effect(h, node, base, effect_of(all, &n, node->mutations[0].path));
    }
    put_heading(out, "###", CN_MEMORY_EFFECTS, true);
    cn_buf_adds(out, "| Key | Tried | Better | Without result | Best change of ");
    cn_prose_name(out, h->info.reward);
    cn_buf_adds(out, " | Worst change |\n|---|---|---|---|---|---|\n");
    for (int64_t i = 0; i < n; i++)
        if (all[i].tries)
            put_effect(h, &all[i], out);
    cn_buf_addc(out, '\n');
    cn_free(all);
}

/* ---- failures ---- */

static void put_failed(const struct cn_history *h, const struct cn_iteration *it,
                       struct cn_buf *out)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    cn_buf_printf(out, "| %lld | %lld | %s | ", (long long)it->id, (long long)it->node,
                  cn_outcome_name(it->outcome));
    if (n)
        cn_prose_mutations(out, n);
    cn_buf_adds(out, " | ");
    cn_prose_cell(out, it->message, (size_t)2 * CELL_MAX);
    cn_buf_adds(out, " |\n");
}

static void put_failures(const struct cn_history *h, struct cn_buf *out)
{
    int64_t shown = 0, all = 0;

    put_heading(out, "###", CN_MEMORY_FAILURES, true);
    cn_buf_adds(out, "| Iter | Node | Outcome | Mutation | Message |\n|---|---|---|---|---|\n");
    for (int64_t i = h->n_iterations - 1; i >= 0; i--) {
        const struct cn_iteration *it = &h->iterations[i];
        if (!cn_fact_committed(it) || it->outcome == CN_OUTCOME_OK)
            continue;
        if (all++ < ROWS_MAX) {
            put_failed(h, it, out);
            shown++;
        }
    }
    put_more(out, shown, all);
    cn_buf_addc(out, '\n');
}

/* ---- blocks ---- */

static void put_previous(const struct cn_history *h, struct cn_buf *out)
{
    const struct cn_block *last = NULL;

    for (int64_t i = 0; i < h->n_blocks; i++)
        if (h->blocks[i].closed)
            last = &h->blocks[i];
    put_heading(out, "##", CN_MEMORY_PREVIOUS, true);
    if (last) {
        struct cn_fact_counts c = cn_fact_count(h, last->number);
        const struct cn_node *best = cn_fact_best(h, last->number);
        cn_buf_printf(out, "Block %lld: %lld iterations, %lld converged, %lld without result.",
                      (long long)last->number, (long long)c.all, (long long)c.converged,
                      (long long)c.failed);
        if (best) {
            struct cn_spread s = cn_fact_metric_spread(
                h, cn_fact_spread(h, best->id, CN_POOL_SEARCH, INT64_MAX));
            cn_buf_printf(out, " Best: node %lld, ", (long long)best->id);
            cn_prose_spread(out, &s);
            cn_buf_adds(out, ", ");
            cn_fact_config(h, best, out);
            cn_buf_addc(out, '.');
        }
        cn_buf_adds(out, "\nProtocol edit: ");
        cn_prose(out, last->edit_note);
        cn_buf_addc(out, '\n');
    }
    cn_buf_addc(out, '\n');
}

static void put_iteration(const struct cn_history *h, const struct cn_iteration *it,
                          struct cn_buf *out)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    cn_buf_printf(out, "| %lld | %lld | ", (long long)it->id, (long long)it->node);
    cn_prose_parent(out, n ? n->parent : 0);
    cn_buf_adds(out, " | ");
    cn_prose_cell(out, it->strategy, CELL_MAX);
    cn_buf_adds(out, " | ");
    if (n && it->node == it->id)
        cn_prose_mutations(out, n);
    else
        cn_buf_adds(out, "none");
    cn_buf_adds(out, " | ");
    if (it->outcome == CN_OUTCOME_OK)
        cn_prose_short(out, cn_fact_metric(h, it->reward));
    else
        cn_buf_adds(out, cn_outcome_name(it->outcome));
    cn_buf_adds(out, " | ");
    cn_prose_cell(out, it->observation, (size_t)2 * CELL_MAX);
    cn_buf_adds(out, " |\n");
}

static void put_current(const struct cn_history *h, const char *free_text, struct cn_buf *out)
{
    const struct cn_block *b = h->n_blocks ? &h->blocks[h->n_blocks - 1] : NULL;

    put_heading(out, "##", CN_MEMORY_CURRENT, true);
    cn_buf_addc(out, '\n');
    put_heading(out, "###", CN_MEMORY_BLOCK, true);
    if (b && !b->closed) {
        struct cn_fact_counts c = cn_fact_count(h, b->number);
        cn_buf_printf(out, "Block %lld, iterations %lld to %lld, %lld done. Regime: ",
                      (long long)b->number, (long long)b->first, (long long)b->last,
                      (long long)c.all);
        if (b->n_regime)
            cn_prose_pairs(out, b->regime, b->n_regime);
        else
            cn_buf_adds(out, "as configured");
        cn_buf_adds(out, ".\n");
    } else {
        cn_buf_adds(out, "No block is open.\n");
    }
    cn_buf_addc(out, '\n');
    put_free(out, free_text, "Hypothesis");
    put_heading(out, "###", CN_MEMORY_ITERATIONS, true);
    cn_buf_adds(out, "| Iter | Node | Parent | Strategy | Mutation | ");
    cn_prose_name(out, h->info.reward);
    cn_buf_adds(out, " | Observation |\n|---|---|---|---|---|---|---|\n");
    for (int64_t i = 0; b && !b->closed && i < h->n_iterations; i++)
        if (h->iterations[i].block == b->number && cn_fact_committed(&h->iterations[i]))
            put_iteration(h, &h->iterations[i], out);
    cn_buf_addc(out, '\n');
}

void cn_project_memory(const struct cn_history *h, const char *free_text, struct cn_buf *out)
{
    const char *words = free_text ? free_text : "";

    cn_buf_adds(out, "# Working Memory: ");
    cn_prose(out, h->info.name);
    cn_buf_adds(out, "\n\n<!-- Sections marked " CN_MEMORY_MARK
                     " are made from run.db; the others are yours and the model's. -->\n\n");
    put_free(out, words, "Paper Summary");
    put_heading(out, "##", CN_MEMORY_KNOWLEDGE, false);
    cn_buf_addc(out, '\n');
    put_regimes(h, out);
    put_robustness(h, out);
    put_effects(h, out);
    put_failures(h, out);
    put_free(out, words, "Established Principles");
    put_free(out, words, "Falsified Hypotheses");
    put_free(out, words, "Open Questions");
    cn_memory_put_others(words, out);
    put_previous(h, out);
    put_current(h, words, out);
    put_free(out, words, "Emerging Observations");
}
