/* See hybrid.h. */
#include "harness/loop/hybrid.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/rng.h"
#include "base/stats.h"
#include "base/text.h"
#include "harness/loop/observations.h"
#include "harness/loop/run_int.h"
#include "logs/best.h"

static const double lowest = 0.1, highest = 0.9, prior_runs = 4;
enum { HYBRID_STREAM = 0x68796272, SHOWN = 5, FEW = 3 };

/* ------------------------------------------------------------------ the share */

static bool is_models(const struct cn_node *n)
{
    return cn_text_starts(n->proposer, "llm:");
}

/* Std of one training of a config; 0 while no config was trained twice. */
static double noise_of(const struct cn_history *h)
{
    struct cn_noise noise = CN_NOISE_INIT;

    for (int64_t i = 0; i < h->n_nodes; i++) {
        struct cn_spread s = cn_history_spread(h, h->nodes[i].id, CN_POOL_SEARCH);

        if (s.n > 1)
            cn_noise_add(&noise, s.n, s.std);
    }
    return noise.df > 0 ? noise.std : 0;
}

/* What the node's first training brought over its parent, beyond the noise; NaN: does not count. */
static double earned(const struct cn_history *h, const struct cn_node *n, double noise)
{
    const struct cn_iteration *it = cn_history_iteration(h, n->id);
    struct cn_spread parent;
    int64_t above = n->parent;

    if (!above) {
        const struct cn_node *root = cn_plan_block_root(h, n->block);

        above = root ? root->id : 0;
    }
    if (!it || it->state != CN_ITER_COMMITTED || it->confirmation || n->n_mutations == 0 ||
        strcmp(n->strategy, "root") == 0 || it->outcome == CN_OUTCOME_INFRA ||
        it->outcome == CN_OUTCOME_INVALID || above == n->id)
        return (double)NAN;
    if (it->outcome != CN_OUTCOME_OK)
        return 0;
    parent = cn_history_spread(h, above, CN_POOL_SEARCH);
    return parent.n > 0 ? fmax(0, it->reward - parent.mean - noise) : (double)NAN;
}

void cn_hybrid_share(const struct cn_planner *pl, const struct cn_history *h,
                     struct cn_hybrid *out)
{
    double s0 = pl->settings->llm_hybrid_share, noise = noise_of(h), m = 0, e = 0, all, a, b;

    *out = (struct cn_hybrid){.share = s0};
    for (int64_t i = 0; i < h->n_nodes; i++) {
        const struct cn_node *n = &h->nodes[i];
        double x = earned(h, n, noise);

        if (isnan(x) || (!is_models(n) && strcmp(n->proposer, "embedded") != 0))
            continue;
        *(is_models(n) ? &m : &e) += x;
        ++*(is_models(n) ? &out->model_runs : &out->embedded_runs);
    }
    out->model_gain = out->model_runs ? m / (double)out->model_runs : (double)NAN;
    out->embedded_gain = out->embedded_runs ? e / (double)out->embedded_runs : (double)NAN;
    if (!(m + e > 0))
        return;
    all = (m + e) / (double)(out->model_runs + out->embedded_runs);
    a = s0 * (m + prior_runs * all) / ((double)out->model_runs + prior_runs);
    b = (1 - s0) * (e + prior_runs * all) / ((double)out->embedded_runs + prior_runs);
    out->share = fmin(fmax(a / (a + b), lowest), highest);
}

bool cn_hybrid_turn(const struct cn_planner *pl, const struct cn_history *h, int64_t iteration)
{
    struct cn_hybrid x;
    struct cn_rng rng;

    if (strcmp(pl->settings->proposer, "llm") == 0)
        return true;
    if (strcmp(pl->settings->proposer, "hybrid") != 0)
        return false;
    cn_hybrid_share(pl, h, &x);
    cn_rng_init(&rng, (uint64_t)pl->settings->seed, HYBRID_STREAM);
    cn_rng_seek(&rng, 2 * (uint64_t)iteration);
    return cn_rng_uniform(&rng) < x.share;
}

void cn_hybrid_text(const struct cn_hybrid *x, struct cn_buf *out)
{
    char number[CN_NUM_TEXT];

    cn_buf_printf(out, "the model's share is %.2f", x->share);
    if (x->model_runs > 0)
        cn_buf_printf(out, "; it gained %s a run over %lld",
                      cn_text_brief(x->model_gain, number), (long long)x->model_runs);
    if (x->embedded_runs > 0)
        cn_buf_printf(out, "; embedded gained %s a run over %lld",
                      cn_text_brief(x->embedded_gain, number), (long long)x->embedded_runs);
}

/* ------------------------------------------------------------------ the view */

struct look {
    struct cn_run *r;
    const struct cn_history *h;
    struct cn_observations known;
    int64_t *order; /* of observations with a reward under the block's regime, best first */
    int64_t n, n_failed;
    struct cn_buf *out;
};

static void sort_known(struct look *k)
{
    for (int64_t i = 0; i < k->known.n; i++) {
        const struct cn_tpe_obs *o = &k->known.obs[i];
        int64_t at = k->n;

        k->n_failed += o->failed;
        if (o->failed || o->in_flight || isnan(o->reward) || o->regime != k->known.regime)
            continue;
        for (; at > 0 && k->known.obs[k->order[at - 1]].reward < o->reward; at--)
            k->order[at] = k->order[at - 1];
        k->order[at] = i;
        k->n++;
    }
}

static double metric_of(const struct cn_history *h, double reward)
{
    return h->info.reward_lower_is_better ? -reward : reward;
}

static void put_best(struct look *k)
{
    char number[CN_NUM_TEXT];

    cn_buf_adds(k->out, "Best configs under this regime (node, mean, trainings): ");
    for (int64_t i = 0; i < k->n && i < SHOWN; i++) {
        const struct cn_tpe_obs *o = &k->known.obs[k->order[i]];

        cn_buf_printf(k->out, "%s%lld %s of %lld", i ? "; " : "",
                      (long long)k->known.node[k->order[i]],
                      cn_text_brief(metric_of(k->h, o->reward), number), (long long)o->n);
    }
    cn_buf_adds(k->out, "\n");
}

/* Smallest and largest coordinate of a parameter among some observations. */
struct span {
    double lo, hi;
    int64_t n;
};

static void widen(struct span *s, double x)
{
    if (isnan(x))
        return;
    s->lo = s->n ? fmin(s->lo, x) : x;
    s->hi = s->n ? fmax(s->hi, x) : x;
    s->n++;
}

static void put_span(struct look *k, int32_t param, const char *what, const struct span *s)
{
    char lo[CN_VALUE_TEXT], hi[CN_VALUE_TEXT];

    if (s->n == 0)
        return;
    cn_search_text(&k->r->search.training, param, s->lo, lo);
    cn_search_text(&k->r->search.training, param, s->hi, hi);
    cn_buf_printf(k->out, "; %s %s", what, lo);
    if (strcmp(lo, hi) != 0)
        cn_buf_printf(k->out, " to %s", hi);
}

/* The good quarter (at least three), all that has a result, and what failed. */
static void put_param(struct look *k, int32_t param)
{
    struct span good = {0, 0, 0}, all = {0, 0, 0}, failed = {0, 0, 0};
    int64_t n_good = k->n / 4 > FEW ? k->n / 4 : FEW;

    for (int64_t i = 0; i < k->n; i++) {
        double x = k->known.obs[k->order[i]].point[param];

        widen(&all, x);
        if (i < n_good)
            widen(&good, x);
    }
    for (int64_t i = 0; i < k->known.n; i++)
        if (k->known.obs[i].failed)
            widen(&failed, k->known.obs[i].point[param]);
    cn_buf_printf(k->out, "- %s", k->r->search.training.of[param]->path);
    put_span(k, param, "good ones lie at", &good);
    put_span(k, param, "tried", &all);
    put_span(k, param, "failed at", &failed);
    cn_buf_adds(k->out, "\n");
}

void cn_hybrid_view(struct cn_run *r, const struct cn_history *h, struct cn_buf *out)
{
    struct look k = {.r = r, .h = h, .out = out};
    struct cn_hybrid share;
    struct cn_arena a;

    cn_arena_init(&a, CN_CAP_ARENA);
    if (h->n_blocks > 0 &&
        cn_observations_of(&r->planner, h, h->n_blocks, &a, &k.known, NULL) == CN_OK)
        k.order = cn_arena_alloc(&a, (size_t)k.known.n + 1, sizeof *k.order);
    if (k.order)
        sort_known(&k);
    if (k.n > 0) {
        put_best(&k);
        cn_buf_printf(out,
                      "Where the classical search sees each parameter (%lld configs with a "
                      "result, %lld that failed):\n",
                      (long long)k.n, (long long)k.n_failed);
        for (int32_t p = 0; p < r->search.training.space.n; p++)
            put_param(&k, p);
    }
    if (strcmp(r->settings.proposer, "hybrid") == 0) {
        cn_hybrid_share(&r->planner, h, &share);
        cn_hybrid_text(&share, out);
        cn_buf_adds(out, "\n");
    }
    cn_arena_clear(&a);
}
