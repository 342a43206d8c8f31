/* See gain.h. */
#include "logs/gain.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"

struct gains {
    const struct cn_history *h;
    const struct cn_best_query *q;
    const struct cn_iteration **runs; /* ok confirmations, in order of ids */
    int64_t n_runs;
    struct cn_noise noise;
    double confidence; /* corrected */
    double *x;         /* scratch, n_runs of them */
};

static bool is_confirmation(const struct gains *g, const struct cn_iteration *it)
{
    return it->confirmation && it->id <= g->q->last;
}

/* The node of the newest "confirm-default"; in logs without those words the first root that was
 * confirmed. */
static const struct cn_node *default_node(const struct gains *g)
{
    const struct cn_node *root = NULL, *named = NULL;

    for (int64_t i = 0; i < g->h->n_iterations; i++) {
        const struct cn_iteration *it = &g->h->iterations[i];
        const struct cn_node *n = cn_history_node(g->h, it->node);

        if (!is_confirmation(g, it) || !n)
            continue;
        if (strcmp(it->strategy, "confirm-default") == 0)
            named = n;
        else if (n->parent == 0 && (!root || n->id < root->id))
            root = n;
    }
    return named ? named : root;
}

static struct cn_sample sample_of(const struct gains *g, int64_t node)
{
    int64_t n = 0;

    for (int64_t i = 0; i < g->n_runs; i++)
        if (g->runs[i]->node == node)
            g->x[n++] = g->runs[i]->reward;
    return cn_stats_sample(g->x, n);
}

/* The base's run under the same seeds; each is used once, as both lie in order. */
static const struct cn_iteration *partner(const struct gains *g, const struct cn_iteration *it,
                                          int64_t base)
{
    for (int64_t i = 0; i < g->n_runs; i++)
        if (g->runs[i]->node == base && g->runs[i]->sim_seed == it->sim_seed &&
            g->runs[i]->train_seed == it->train_seed)
            return g->runs[i];
    return NULL;
}

static int64_t pair_up(const struct gains *g, int64_t base, int64_t node)
{
    int64_t n = 0;

    for (int64_t i = 0; i < g->n_runs; i++) {
        const struct cn_iteration *p =
            g->runs[i]->node == node ? partner(g, g->runs[i], base) : NULL;

        if (p)
            g->x[n++] = g->runs[i]->reward - p->reward;
    }
    return n;
}

static struct cn_gain gain_of(const struct gains *g, const struct cn_gain *shared,
                              const struct cn_node *node)
{
    struct cn_gain out = *shared;

    out.best = node;
    out.best_runs = sample_of(g, node->id);
    out.pairs = pair_up(g, out.base->id, node->id);
    out.paired = out.pairs >= 2;
    out.d = out.paired
                ? cn_stats_paired(g->x, out.pairs, g->confidence)
                : cn_stats_difference(&out.best_runs, &out.base_runs, &g->noise, g->confidence);
    return out;
}

static bool is_candidate(const struct gains *g, const struct cn_gain *out,
                         const struct cn_node *n)
{
    bool any = false;

    if (n == out->base || !cn_history_same_regime(g->h, n->block, out->block))
        return false;
    for (int64_t i = 0; i < g->n_runs && !any; i++)
        any = g->runs[i]->node == n->id;
    return any;
}

static bool leads(const struct cn_gain *a, const struct cn_gain *b)
{
    if (!b->best)
        return true;
    if (a->d.known && b->d.known && a->d.lo != b->d.lo)
        return a->d.lo > b->d.lo;
    return a->d.mean > b->d.mean;
}

/* Candidates in order of their ids; one may have many runs. */
static const struct cn_node *next_candidate(const struct gains *g, const struct cn_gain *out,
                                            const struct cn_node *after)
{
    const struct cn_node *next = NULL;

    for (int64_t i = 0; i < g->n_runs; i++) {
        const struct cn_node *n = cn_history_node(g->h, g->runs[i]->node);

        if (n && (!after || n->id > after->id) && (!next || n->id < next->id) &&
            is_candidate(g, out, n))
            next = n;
    }
    return next;
}

static void choose(struct gains *g, struct cn_gain *out)
{
    const struct cn_gain shared = *out;
    int64_t m = 0;

    for (const struct cn_node *n = next_candidate(g, out, NULL); n;
         n = next_candidate(g, out, n))
        m++;
    g->confidence = m > 0 ? 1 - (1 - g->q->confidence) / (double)m : g->q->confidence;
    for (const struct cn_node *n = next_candidate(g, &shared, NULL); n;
         n = next_candidate(g, &shared, n)) {
        struct cn_gain x = gain_of(g, &shared, n);

        if (leads(&x, out))
            *out = x;
    }
    out->candidates = m;
}

static cn_status gather(struct gains *g, struct cn_arena *a, struct cn_err *err)
{
    const struct cn_history *h = g->h;
    size_t n = 1;

    for (int64_t i = 0; i < h->n_iterations; i++)
        n += h->iterations[i].confirmation;
    g->runs = cn_arena_alloc(a, n, sizeof(const struct cn_iteration *));
    g->x = cn_arena_alloc(a, n, sizeof *g->x);
    if (!g->runs || !g->x)
        return cn_err_set(err, CN_ENOMEM, "no memory for %zu confirmations", n - 1);
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];

        if (is_confirmation(g, it) && it->state >= g->q->state &&
            it->outcome == CN_OUTCOME_OK && !isnan(it->reward))
            g->runs[g->n_runs++] = it;
    }
    return CN_OK;
}

cn_status cn_history_gain(const struct cn_history *h, const struct cn_best_query *q,
                          struct cn_gain *out, struct cn_err *err)
{
    struct gains g = {.h = h, .q = q};
    struct cn_history_noises noises;
    struct cn_arena a;
    cn_status st;

    memset(out, 0, sizeof *out);
    out->confidence = q->confidence;
    out->base = default_node(&g);
    if (!out->base)
        return CN_OK;
    cn_arena_init(&a, CN_CAP_ARENA);
    out->block = out->base->block;
    st = gather(&g, &a, err);
    if (st == CN_OK)
        st = cn_history_noise(h, q, out->block, &noises, err);
    if (st == CN_OK) {
        g.noise = noises.same_data ? noises.confirmation : noises.all;
        out->base_runs = sample_of(&g, out->base->id);
        choose(&g, out);
    }
    cn_arena_clear(&a);
    return st;
}

void cn_gain_words(const struct cn_run_info *info, const struct cn_gain *g, struct cn_buf *out)
{
    const double sign = info->reward_lower_is_better ? -1 : 1;
    const double a = sign * g->d.lo, b = sign * g->d.hi;

    cn_buf_printf(out, "%+.4g", sign * g->d.mean);
    if (!g->d.known) {
        cn_buf_adds(out, " (one run of a kind has no spread)");
        return;
    }
    cn_buf_printf(out, " (%.4g to %.4g at %.4g %%, ", fmin(a, b), fmax(a, b),
                  100 * g->confidence);
    if (g->paired)
        cn_buf_printf(out, "%lld pairs)", (long long)g->pairs);
    else
        cn_buf_printf(out, "%lld and %lld runs)", (long long)g->best_runs.n,
                      (long long)g->base_runs.n);
    if (!g->d.better)
        cn_buf_adds(out, g->d.worse ? ": worse than the default"
                                    : ": not distinguishable from the default");
}
