/* Tables of what a model is shown, every number from the record. See evidence_int.h.
 *
 * 1. pieces  2. the tree  3. results  4. metrics  5. parameters  6. effects */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/evidence_int.h"
#include "logs/evidence.h"

/* ------------------------------------------------------------------ 1. pieces */

static void put_number(struct cn_buf *out, double x)
{
    char text[CN_NUM_TEXT];

    cn_buf_adds(out, isnan(x) ? "-" : cn_text_brief(x, text));
}

void cn_ev_mutations(struct cn_buf *out, const struct cn_node *n)
{
    for (int i = 0; i < n->n_mutations; i++) {
        cn_buf_adds(out, i ? "; " : "");
        cn_ev_line(out, n->mutations[i].path);
        cn_buf_adds(out, ": ");
        cn_ev_line(out, n->mutations[i].old_text);
        cn_buf_adds(out, " -> ");
        cn_ev_line(out, n->mutations[i].new_text);
    }
}

/* All trainings of the node's config in the ranking, as the metric; n 0: none. */
static struct cn_standing standing_of(const struct cn_ev *e, const struct cn_node *node)
{
    for (int64_t i = 0; i < e->rank.n; i++)
        if (strcmp(e->rank.rows[i].node->config_hash, node->config_hash) == 0)
            return cn_standing_metric(&e->h->info, &e->rank.rows[i]);
    return (struct cn_standing){.mean = (double)NAN,
                                .std = (double)NAN,
                                .cv = (double)NAN,
                                .lo = (double)NAN,
                                .hi = (double)NAN,
                                .broken = -1};
}

/* The end of the interval that a careful reader takes: lower, or upper where lower is better. */
static double careful(const struct cn_ev *e, const struct cn_standing *s)
{
    return e->h->info.reward_lower_is_better ? s->hi : s->lo;
}

static const char *careful_name(const struct cn_ev *e)
{
    return e->h->info.reward_lower_is_better ? "at most" : "at least";
}

static const char *outcome_name(const struct cn_iteration *it)
{
    return it->state < CN_ITER_MEASURED     ? cn_iter_state_name(it->state)
           : it->outcome != CN_OUTCOME_OK   ? cn_outcome_name(it->outcome)
           : cn_class_name(it->cls)[0] != 0 ? cn_class_name(it->cls)
                                            : "ok";
}

/* What the node was made from: its parent; for a child of the root what its block began with. */
static const struct cn_node *base_of(const struct cn_ev *e, const struct cn_node *node)
{
    const struct cn_node *root = cn_plan_block_root(e->h, node->block);

    if (node->parent)
        return cn_history_node(e->h, node->parent);
    return root && root->id != node->id ? root : NULL;
}

/* ------------------------------------------------------------------ 2. the tree */

static void put_parent(struct cn_buf *out, int64_t parent)
{
    if (parent)
        cn_buf_printf(out, "%" PRId64, parent);
    else
        cn_buf_adds(out, "root");
}

static void put_outcomes(const struct cn_ev *e, const struct cn_node *node, struct cn_buf *out)
{
    const char *last = "";

    for (const struct cn_iteration *it = cn_history_run(e->h, node->id, NULL); it;
         it = cn_history_run(e->h, node->id, it)) {
        if (it->confirmation || strcmp(outcome_name(it), last) == 0)
            continue;
        cn_buf_printf(out, "%s%s", last[0] ? ", " : "", outcome_name(it));
        last = outcome_name(it);
    }
}

static void put_node(struct cn_ev *e, const struct cn_node *node, struct cn_buf *out)
{
    struct cn_standing s = standing_of(e, node);
    const struct cn_score_row *row = cn_score_get(&e->scores, node->id);

    cn_buf_printf(out, "%" PRId64 " | ", node->id);
    put_parent(out, node->parent);
    cn_buf_adds(out, " | ");
    put_number(out, s.mean);
    cn_buf_printf(out, " | %" PRId64 " | ", s.n);
    put_number(out, careful(e, &s));
    cn_buf_adds(out, " | ");
    put_number(out, row ? row->score : (double)NAN);
    if (row)
        cn_buf_printf(out, " | %" PRId64 " | ", row->visits);
    else
        cn_buf_adds(out, " | - | ");
    put_outcomes(e, node, out);
    cn_buf_adds(out, s.broken >= 0 ? ", breaks a guardrail | " : " | ");
    cn_ev_line(out, node->strategy);
    cn_buf_adds(out, " | ");
    cn_ev_mutations(out, node);
    cn_buf_adds(out, "\n");
}

cn_status cn_ev_tree(struct cn_ev *e, struct cn_buf *out)
{
    if (!e->root)
        return CN_OK;
    cn_buf_printf(
        out,
        "node | parent | mean %s | trainings | %s (%.0f %%) | score | visits | outcome "
        "| strategy | changed against the parent\n",
        e->h->info.reward, careful_name(e), 100 * e->rank.confidence);
    for (int64_t i = 0; i < e->h->n_nodes; i++)
        for (int64_t k = 0; k < e->view.n_nodes; k++)
            if (e->view.nodes[k].id == e->h->nodes[i].id)
                put_node(e, &e->h->nodes[i], out);
    if (e->rank.n_kept > 0)
        cn_buf_printf(out, "best: node %" PRId64 "%s\n", e->rank.rows[0].node->id,
                      e->rank.by_mean ? ", by its mean alone: nothing was trained twice" : "");
    return CN_OK;
}

/* ------------------------------------------------------------------ 3. results */

static struct cn_sample sample_of(const struct cn_history *h, int64_t node)
{
    struct cn_spread s = cn_history_spread(h, node, CN_POOL_SEARCH);

    return (struct cn_sample){s.n, s.mean, s.std};
}

static void put_difference(struct cn_ev *e, const struct cn_node *node, struct cn_buf *out)
{
    const struct cn_node *base = base_of(e, node);
    struct cn_sample a = sample_of(e->h, node->id), b;
    struct cn_difference d;

    if (!base) {
        cn_buf_adds(out, "began the block");
        return;
    }
    b = sample_of(e->h, base->id);
    if (a.n == 0 || b.n == 0) {
        cn_buf_printf(out, "node %" PRId64 ": no result to compare", base->id);
        return;
    }
    d = cn_stats_difference(&a, &b, &e->rank.noise, e->rank.confidence);
    cn_buf_printf(out, "node %" PRId64 ": ", base->id);
    cn_evidence_words(e->h, &d, out);
    cn_buf_adds(out, !d.known   ? ", noise unknown"
                     : d.better ? ", better"
                     : d.worse  ? ", worse"
                                : ", within the noise");
}

static void put_result(struct cn_ev *e, const struct cn_iteration *it, struct cn_buf *out)
{
    const struct cn_node *node = cn_history_node(e->h, it->node);
    struct cn_standing s;

    cn_buf_printf(out, "| %" PRId64 " | %" PRId64 "%s | %s | ", it->id, it->node,
                  it->replicate ? " again" : "", outcome_name(it));
    put_number(out, cn_ev_metric(e->h, it->reward));
    if (!node) {
        cn_buf_adds(out, " | - | - | - | - | - | |\n");
        return;
    }
    s = standing_of(e, node);
    cn_buf_printf(out, " | %" PRId64 " | ", s.n);
    put_number(out, s.mean);
    cn_buf_adds(out, " | ");
    put_number(out, s.cv);
    cn_buf_adds(out, " | ");
    put_number(out, careful(e, &s));
    cn_buf_adds(out, " | ");
    put_difference(e, node, out);
    cn_buf_adds(out, " | ");
    cn_ev_line(out, it->trajectory);
    cn_buf_adds(out, " |\n");
}

cn_status cn_ev_results(struct cn_ev *e, struct cn_buf *out)
{
    if (e->need->n_finished == 0)
        return CN_OK;
    if (isnan(e->rank.noise.std))
        cn_buf_adds(out, "Noise: unknown, no config was trained twice.\n\n");
    else
        cn_buf_printf(
            out,
            "Noise: standard deviation %.3g within a config%s (%g degrees of freedom).\n\n",
            e->rank.noise.std, e->rank.borrowed ? ", from other simulations" : "",
            e->rank.noise.df);
    cn_buf_printf(
        out,
        "| iteration | node | outcome | %s | trainings of the config | mean | CV %% | %s "
        "(%.0f %%) | against the parent's mean | curve |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n",
        e->h->info.reward, careful_name(e), 100 * e->rank.confidence);
    for (int i = 0; i < e->need->n_finished; i++) {
        const struct cn_iteration *it = cn_history_iteration(e->h, e->need->finished[i]);

        if (it)
            put_result(e, it, out);
    }
    return CN_OK;
}

/* ------------------------------------------------------------------ 4. metrics */

static const struct cn_guardrail *guardrail_of(const struct cn_ev *e, const char *metric)
{
    for (int i = 0; i < e->rank.guardrails.n; i++)
        if (strcmp(e->rank.guardrails.rows[i].metric, metric) == 0)
            return &e->rank.guardrails.rows[i];
    return NULL;
}

static void put_head(const struct cn_ev *e, int n, struct cn_buf *out)
{
    const struct cn_trainer *t = e->r->trainer;

    cn_buf_adds(out, "| iteration |");
    for (int i = 0; i < n; i++) {
        const struct cn_guardrail *g = guardrail_of(e, t->metrics[i].name);

        cn_buf_adds(out, " ");
        cn_ev_line(out, t->metrics[i].name);
        cn_buf_printf(out, " (%s is better",
                      t->metrics[i].lower_is_better ? "lower" : "higher");
        if (g)
            cn_buf_printf(out, "; guardrail %s %g", g->at_most ? "<=" : ">=", g->bound);
        else if (t->metrics[i].guardrail)
            cn_buf_adds(out, "; to be watched");
        cn_buf_adds(out, ") |");
    }
    cn_buf_adds(out, "\n|---|");
    for (int i = 0; i < n; i++)
        cn_buf_adds(out, "---|");
    cn_buf_adds(out, "\n");
}

static void put_metric_row(const struct cn_ev *e, const struct cn_iteration *it, int n,
                           struct cn_buf *out)
{
    cn_buf_printf(out, "| %" PRId64 " |", it->id);
    for (int i = 0; i < n; i++) {
        const char *name = e->r->trainer->metrics[i].name;
        const struct cn_guardrail *g = guardrail_of(e, name);
        double x = cn_iteration_metric(it, name);

        cn_buf_adds(out, " ");
        put_number(out, x);
        if (g && (isnan(x) || (g->at_most ? x > g->bound : x < g->bound)))
            cn_buf_adds(out, " breaks it");
        cn_buf_adds(out, " |");
    }
    cn_buf_adds(out, "\n");
}

/* Those that the trainer's table describes: other names in a result are nobody's. */
cn_status cn_ev_metrics(struct cn_ev *e, struct cn_buf *out)
{
    int n = e->r->trainer->n_metrics;

    if (e->need->n_finished == 0 || n == 0)
        return CN_OK;
    if (n > CN_EVIDENCE_METRICS)
        n = CN_EVIDENCE_METRICS;
    put_head(e, n, out);
    for (int i = 0; i < e->need->n_finished; i++) {
        const struct cn_iteration *it = cn_history_iteration(e->h, e->need->finished[i]);

        if (it)
            put_metric_row(e, it, n, out);
    }
    if (n < e->r->trainer->n_metrics)
        cn_buf_printf(out, "%d more metrics stand in the entries.\n",
                      e->r->trainer->n_metrics - n);
    return CN_OK;
}

/* ------------------------------------------------------------------ 5. parameters */

static void put_range(const struct cn_dims *d, int32_t i, struct cn_buf *out)
{
    const struct cn_param *p = &d->space.params[i];

    if (p->type == CN_PARAM_CHOICE) {
        for (int32_t k = 0; k < p->n_choices; k++) {
            cn_buf_adds(out, k ? ", " : "one of ");
            cn_ev_line(out, d->choices[i][k]);
        }
    } else if (p->type == CN_PARAM_BOOL) {
        cn_buf_adds(out, "true, false");
    } else {
        cn_buf_printf(out, "%g to %g%s", p->lo, p->hi,
                      p->type == CN_PARAM_INT ? ", whole" : "");
    }
    cn_buf_adds(out, p->type == CN_PARAM_CHOICE || p->type == CN_PARAM_BOOL ? " | - | "
                     : p->log                                               ? " | log | "
                                                                            : " | linear | ");
}

/* Coordinates of a config; all NaN when it cannot be read. */
static cn_status values_of(struct cn_ev *e, const struct cn_dims *d, const struct cn_node *node,
                           double **out)
{
    struct cn_yaml *y = NULL;

    *out = cn_arena_alloc(e->a, (size_t)d->space.n + 1, sizeof **out);
    if (!*out)
        return cn_err_set(e->err, CN_ENOMEM, "no memory for the parameters");
    for (int32_t i = 0; i < d->space.n; i++)
        (*out)[i] = (double)NAN;
    if (node && cn_yaml_parse("config", node->config, strlen(node->config), &y, NULL) == CN_OK)
        cn_search_values(d, y, *out);
    cn_yaml_free(y);
    return CN_OK;
}

static void put_value(const struct cn_dims *d, int32_t i, double x, struct cn_buf *out)
{
    char text[CN_VALUE_TEXT];

    if (isnan(x)) {
        cn_buf_adds(out, "-");
        return;
    }
    cn_search_text(d, i, x, text);
    cn_ev_line(out, text);
}

static const char *may_change(const struct cn_ev *e, bool simulation, int32_t i)
{
    if (simulation)
        return e->need->next_regime ? "for the next block" : "no: between blocks only";
    return !e->opt_focus || e->opt_focus[i] ? "yes" : "no: not in this block";
}

static cn_status put_params(struct cn_ev *e, const struct cn_dims *d, bool simulation,
                            const struct cn_node *root, const struct cn_node *best,
                            struct cn_buf *out)
{
    double *at_root, *at_best;
    cn_status st = values_of(e, d, root, &at_root);

    if (st == CN_OK)
        st = values_of(e, d, best, &at_best);
    for (int32_t i = 0; st == CN_OK && i < d->space.n; i++) {
        cn_buf_printf(out, "| %s | ", d->of[i]->path);
        put_range(d, i, out);
        cn_buf_printf(out, "%s | ", may_change(e, simulation, i));
        put_value(d, i, at_root[i], out);
        cn_buf_adds(out, " | ");
        put_value(d, i, at_best[i], out);
        cn_buf_adds(out, " | ");
        cn_ev_line(out, d->of[i]->meaning);
        cn_buf_adds(out, " |\n");
    }
    return st;
}

cn_status cn_ev_params(struct cn_ev *e, struct cn_buf *out)
{
    const struct cn_search *s = e->r->planner.search;
    const struct cn_node *best = e->rank.n_kept > 0 ? e->rank.rows[0].node : NULL;
    cn_status st;

    cn_buf_printf(out,
                  "| parameter | range | scale | may change now | %s | best so far | "
                  "meaning |\n|---|---|---|---|---|---|---|\n",
                  e->root ? "the block's first config" : "as given");
    st = put_params(e, &s->training, false, e->root, best, out);
    return st == CN_OK ? put_params(e, &s->simulation, true, e->root, best, out) : st;
}

/* ------------------------------------------------------------------ 6. effects */

struct effects {
    const struct cn_effect *best, *worst; /* of those with a known gain; NULL: none */
    int64_t n, failed, open;
};

static struct effects gather(const struct cn_effect *all, int64_t n, int32_t param)
{
    struct effects x = {0};

    for (int64_t i = 0; i < n; i++) {
        const struct cn_effect *f = &all[i];

        if (f->param != param)
            continue;
        x.n++;
        x.failed += f->failed;
        x.open += f->in_flight;
        if (f->failed || f->in_flight || isnan(f->gain))
            continue;
        if (!x.best || f->gain > x.best->gain)
            x.best = f;
        if (!x.worst || f->gain < x.worst->gain)
            x.worst = f;
    }
    return x;
}

static void put_effect(const struct cn_ev *e, const struct cn_dims *d,
                       const struct cn_effect *f, struct cn_buf *out)
{
    if (!f) {
        cn_buf_adds(out, "-");
        return;
    }
    put_value(d, f->param, f->from, out);
    cn_buf_adds(out, " -> ");
    put_value(d, f->param, f->to, out);
    cn_buf_printf(out, ": %+.3g", cn_ev_metric(e->h, f->gain));
}

cn_status cn_ev_effects(struct cn_ev *e, struct cn_buf *out)
{
    const struct cn_dims *d = &e->r->planner.search->training;
    struct cn_effect *all;
    int64_t n;
    cn_status st = cn_view_effects(e->h, &e->r->planner, e->a, &all, &n, e->err);

    if (st != CN_OK)
        return st;
    cn_buf_printf(out,
                  "Change of the mean %s by one-parameter changes of all blocks, against the "
                  "parent.\n\n| parameter | tried | failed | in flight | best | worst |\n"
                  "|---|---|---|---|---|---|\n",
                  e->h->info.reward);
    for (int32_t i = 0; i < d->space.n; i++) {
        struct effects x = gather(all, n, i);

        cn_buf_printf(out, "| %s | %" PRId64 " | %" PRId64 " | %" PRId64 " | ", d->of[i]->path,
                      x.n, x.failed, x.open);
        put_effect(e, d, x.best, out);
        cn_buf_adds(out, " | ");
        put_effect(e, d, x.worst, out);
        cn_buf_adds(out, " |\n");
    }
    return CN_OK;
}
