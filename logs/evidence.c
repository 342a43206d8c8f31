/* See evidence.h. One pass over the iterations, one over the nodes, one sort: a run of a hundred
 * thousand iterations costs no more than reading it. */
#include "logs/evidence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "logs/project_int.h"

/* ---- runs of a node ---- */

/* Welford, "Note on a method for calculating corrected sums" (1962); `std` holds the sum of
 * squares until the end. */
static void add_run(struct cn_runs *r, double x)
{
    double d = x - (r->sample.n ? r->sample.mean : 0);

    if (r->sample.n++ == 0) {
        r->sample.mean = r->min = r->max = x;
        r->sample.std = 0;
        return;
    }
    r->sample.mean += d / (double)r->sample.n;
    r->sample.std += d * (x - r->sample.mean);
    r->min = fmin(r->min, x);
    r->max = fmax(r->max, x);
}

static void finish_runs(struct cn_runs *r)
{
    r->sample.std =
        r->sample.n > 1 ? sqrt(r->sample.std / (double)(r->sample.n - 1)) : (double)NAN;
}

static bool says_nothing(cn_outcome o)
{
    return o == CN_OUTCOME_INFRA || o == CN_OUTCOME_INVALID || o == CN_OUTCOME_NONE;
}

static void gather_runs(struct cn_evidence *e, const struct cn_history *h)
{
    static const struct cn_runs none = {{0, NAN, NAN}, NAN, NAN};

    for (int64_t i = 0; i < h->n_nodes; i++)
        e->runs[i].search = e->runs[i].confirmation = none;
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        const struct cn_node *n = cn_history_node(h, it->node);
        struct cn_node_runs *r = n ? &e->runs[n - h->nodes] : NULL;
        if (!r || !cn_fact_committed(it) || says_nothing(it->outcome))
            continue;
        if (it->outcome == CN_OUTCOME_OK) {
            add_run(it->confirmation ? &r->confirmation : &r->search, it->reward);
        } else if (!it->confirmation) {
            r->how = r->failures++ ? r->how : it->outcome;
        }
    }
    for (int64_t i = 0; i < h->n_nodes; i++) {
        finish_runs(&e->runs[i].search);
        finish_runs(&e->runs[i].confirmation);
    }
}

static cn_status find_noise(struct cn_evidence *e, const struct cn_history *h)
{
    struct cn_best_query q = CN_BEST_QUERY_INIT;
    struct cn_history_noises n;
    cn_status st;

    q.state = CN_ITER_COMMITTED;
    st = cn_history_noise(h, &q, 0, &n, NULL);
    if (st == CN_OK)
        e->noise = n.same_data ? n.search : n.all;
    return st;
}

/* ---- tries ---- */

static bool is_number(const char *s, double *out)
{
    *out = (double)NAN;
    return cn_text_parse_double(s, out) && isfinite(*out);
}

static void fill_try(struct cn_evidence *e, const struct cn_history *h, const struct cn_node *n,
                     const struct cn_node *base, struct cn_try *t)
{
    const struct cn_mutation *m = &n->mutations[0];
    const struct cn_node_runs *child = &e->runs[n - h->nodes], *old = &e->runs[base - h->nodes];
    const struct cn_iteration *first = cn_history_iteration(h, n->id);
    bool numbers = is_number(m->old_text, &t->from) & is_number(m->new_text, &t->to);

    t->node = n->id;
    t->base = base->id;
    t->block = n->block;
    t->path = m->path;
    t->old_text = m->old_text;
    t->new_text = m->new_text;
    t->direction = numbers ? (t->to > t->from) - (t->to < t->from) : 0;
    t->failed = child->search.sample.n == 0;
    t->how = child->how;
    t->seed = first ? first->train_seed : 0;
    t->compared = !t->failed && old->search.sample.n > 0;
    t->gain = (struct cn_difference){NAN, NAN, NAN, false, false, false};
    if (t->compared)
        t->gain = cn_stats_difference(&child->search.sample, &old->search.sample, &e->noise,
                                      CN_BEST_CONFIDENCE);
}

static void gather_tries(struct cn_evidence *e, const struct cn_history *h)
{
    const struct cn_node *root = NULL; /* of the block that is being walked */

    for (int64_t i = 0; i < h->n_nodes; i++) {
        const struct cn_node *n = &h->nodes[i], *base;
        const struct cn_node_runs *r = &e->runs[i];
        if (!root || root->block != n->block)
            root = n;
        base = n->parent ? cn_history_node(h, n->parent)
               : root != n && strcmp(root->strategy, "root") == 0 ? root
                                                                  : NULL;
        e->base[i] = base ? base - h->nodes : -1;
        if (n->n_mutations == 1 && base && (r->search.sample.n > 0 || r->failures > 0))
            fill_try(e, h, n, base, &e->tries[e->n_tries++]);
    }
}

/* ---- groups ---- */

struct key {
    const struct cn_try *t;
    int64_t index;
};

static int compare_kind(const struct cn_try *a, const struct cn_try *b)
{
    int c = strcmp(a->path, b->path);

    if (c == 0)
        c = a->direction - b->direction;
    if (c == 0 && a->direction == 0)
        c = strcmp(a->new_text, b->new_text);
    return c;
}

static int by_kind(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int c = compare_kind(x->t, y->t);

    return c ? c : (x->index > y->index) - (x->index < y->index);
}

static void count_try(struct cn_group *g, const struct cn_try *t)
{
    g->n++;
    g->failed += t->failed;
    g->compared += t->compared;
    g->better += t->compared && t->gain.better;
    g->worse += t->compared && t->gain.worse;
}

static cn_status finish_group(struct cn_evidence *e, struct cn_group *g)
{
    double *d = cn_arena_alloc(&e->arena, (size_t)g->n, sizeof *d);
    int64_t n = 0;

    if (!d)
        return CN_ENOMEM;
    for (int64_t i = 0; i < g->n; i++)
        if (e->tries[g->tries[i]].compared) {
            g->effect = e->tries[g->tries[i]].gain;
            d[n++] = g->effect.mean;
        }
    if (n == 0)
        g->effect = (struct cn_difference){NAN, NAN, NAN, false, false, false};
    else if (n > 1)
        g->effect = cn_stats_paired(d, n, CN_BEST_CONFIDENCE);
    return CN_OK;
}

static cn_status gather_groups(struct cn_evidence *e)
{
    struct key *keys = cn_alloc((size_t)e->n_tries, sizeof *keys);
    int64_t *order = cn_arena_alloc(&e->arena, (size_t)e->n_tries, sizeof *order);
    cn_status st = keys && order ? CN_OK : CN_ENOMEM;

    for (int64_t i = 0; st == CN_OK && i < e->n_tries; i++)
        keys[i] = (struct key){&e->tries[i], i};
    if (st == CN_OK)
        qsort(keys, (size_t)e->n_tries, sizeof *keys, by_kind);
    for (int64_t i = 0; st == CN_OK && i < e->n_tries; i++) {
        bool fresh = i == 0 || compare_kind(keys[i - 1].t, keys[i].t) != 0;
        struct cn_group *g = &e->groups[fresh ? e->n_groups++ : e->n_groups - 1];
        order[i] = keys[i].index;
        if (fresh) {
            g->path = keys[i].t->path;
            g->direction = keys[i].t->direction;
            g->value = g->direction ? NULL : keys[i].t->new_text;
            g->tries = &order[i];
        }
        count_try(g, keys[i].t);
    }
    for (int64_t i = 0; st == CN_OK && i < e->n_groups; i++)
        st = finish_group(e, &e->groups[i]);
    cn_free(keys);
    return st;
}

/* ---- the functions ---- */

cn_status cn_evidence_init(struct cn_evidence *e, const struct cn_history *h)
{
    size_t n = (size_t)h->n_nodes + 1;
    cn_status st;

    memset(e, 0, sizeof *e);
    cn_arena_init(&e->arena, CN_CAP_ARENA);
    e->noise = (struct cn_noise)CN_NOISE_INIT;
    e->runs = cn_arena_alloc(&e->arena, n, sizeof *e->runs);
    e->base = cn_arena_alloc(&e->arena, n, sizeof *e->base);
    e->tries = cn_arena_alloc(&e->arena, n, sizeof *e->tries);
    if (!e->runs || !e->base || !e->tries)
        return CN_ENOMEM;
    st = find_noise(e, h);
    if (st != CN_OK)
        return st;
    gather_runs(e, h);
    gather_tries(e, h);
    e->groups = cn_arena_alloc(&e->arena, (size_t)e->n_tries + 1, sizeof *e->groups);
    if (!e->groups)
        return CN_ENOMEM;
    return e->n_tries ? gather_groups(e) : CN_OK;
}

void cn_evidence_clear(struct cn_evidence *e)
{
    cn_arena_clear(&e->arena);
    memset(e, 0, sizeof *e);
}

const struct cn_node_runs *cn_evidence_runs(const struct cn_evidence *e,
                                            const struct cn_history *h, int64_t node)
{
    const struct cn_node *n = cn_history_node(h, node);

    return n ? &e->runs[n - h->nodes] : NULL;
}

const struct cn_group *cn_evidence_group(const struct cn_evidence *e, const char *path,
                                         int direction, const char *value)
{
    for (int64_t i = 0; i < e->n_groups; i++) {
        const struct cn_group *g = &e->groups[i];
        if (g->direction == direction && strcmp(g->path, path) == 0 &&
            (direction || (value && strcmp(g->value, value) == 0)))
            return g;
    }
    return NULL;
}

void cn_evidence_name(const struct cn_group *g, struct cn_buf *out)
{
    if (g->direction)
        cn_buf_adds(out, g->direction > 0 ? "raising " : "lowering ");
    cn_prose_name(out, g->path);
    if (!g->direction) {
        cn_buf_adds(out, ": any -> ");
        cn_prose_value(out, g->value);
    }
}

void cn_evidence_words(const struct cn_history *h, const struct cn_difference *d,
                       struct cn_buf *out)
{
    bool down = h->info.reward_lower_is_better;

    if (isnan(d->mean)) {
        cn_buf_addc(out, '-');
        return;
    }
    cn_buf_printf(out, "%+.3g", cn_fact_metric(h, d->mean));
    if (d->known)
        cn_buf_printf(out, " (%+.3g to %+.3g)", cn_fact_metric(h, down ? d->hi : d->lo),
                      cn_fact_metric(h, down ? d->lo : d->hi));
}

static int64_t gather_rewards(const struct cn_history *h, int64_t node, cn_pool pool,
                              int64_t last, double *opt_out)
{
    const struct cn_iteration *it = NULL;
    int64_t n = 0;

    while ((it = cn_history_run(h, node, it)) != NULL && it->id <= last)
        if (cn_fact_ok(it) && it->confirmation == (pool == CN_POOL_CONFIRMATION)) {
            if (opt_out)
                opt_out[n] = it->reward;
            n++;
        }
    return n;
}

cn_status cn_evidence_stability(const struct cn_history *h, int64_t node, cn_pool pool,
                                int64_t last, cn_stability *out, bool *out_few)
{
    int64_t n = gather_rewards(h, node, pool, last, NULL);
    double *x;

    *out = CN_STABILITY_UNKNOWN;
    *out_few = false;
    if (n < 2)
        return CN_OK;
    x = cn_alloc((size_t)n, sizeof *x);
    if (!x)
        return CN_ENOMEM;
    (void)gather_rewards(h, node, pool, last, x);
    *out = cn_stats_stability(x, n, cn_fact_metric(h, h->info.converged), (double)NAN, out_few);
    cn_free(x);
    return CN_OK;
}
