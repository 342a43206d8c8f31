/* Observations out of the record. See observations.h. */
#include "harness/loop/observations.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "harness/loop/places.h"

static bool same_regime(const struct cn_block *a, const struct cn_block *b)
{
    if (a->n_regime != b->n_regime)
        return false;
    for (int i = 0; i < a->n_regime; i++)
        if (strcmp(a->regime[i].path, b->regime[i].path) != 0 ||
            strcmp(a->regime[i].new_text, b->regime[i].new_text) != 0)
            return false;
    return true;
}

/* Number of the first block under the same regime. */
static int64_t regime_of(const struct cn_history *h, int64_t block)
{
    const struct cn_block *b = cn_history_block(h, block);

    if (b && b->regime_of)
        return b->regime_of;
    for (int64_t i = 0; b && i < h->n_blocks; i++)
        if (same_regime(&h->blocks[i], b))
            return h->blocks[i].number;
    return block;
}

struct state {
    bool said; /* some training says something, or will */
    bool over, failed;
};

static struct state state_of(const struct cn_history *h, int64_t node)
{
    struct state s = {false, false, false};

    for (const struct cn_iteration *it = cn_history_run(h, node, NULL); it;
         it = cn_history_run(h, node, it)) {
        bool over = it->state >= CN_ITER_MEASURED;

        if (it->confirmation ||
            (over && (it->outcome == CN_OUTCOME_INFRA || it->outcome == CN_OUTCOME_INVALID)))
            continue;
        s.said = true;
        s.over = s.over || over;
        s.failed = s.failed ||
                   (over && it->outcome != CN_OUTCOME_OK && it->outcome != CN_OUTCOME_PRUNED);
    }
    return s;
}

static cn_status place_of(const struct cn_planner *pl, const struct cn_node *node,
                          struct cn_arena *arena, const double **out, struct cn_err *err)
{
    const struct cn_dims *d = &pl->search->training;
    double *values = cn_arena_alloc(
        arena, (size_t)d->space.n + (size_t)pl->search->simulation.space.n + 1, sizeof *values);
    char rest[CN_HASH_TEXT];

    *out = values;
    if (!values)
        return cn_err_set(err, CN_ENOMEM, "no memory for node %lld", (long long)node->id);
    return cn_place_of(pl->search, node->config, values, rest, err);
}

/* Into an earlier observation of the same config: means are pooled, a result beats a failure. */
static void merge(struct cn_tpe_obs *into, const struct cn_tpe_obs *o)
{
    bool had = !isnan(into->reward), has = !isnan(o->reward);

    if (had && has) {
        into->reward = (into->reward * (double)into->n + o->reward * (double)o->n) /
                       (double)(into->n + o->n);
        into->n += o->n;
    } else if (has) {
        into->reward = o->reward;
        into->n = o->n;
    }
    into->failed = isnan(into->reward) && (into->failed || o->failed);
    into->in_flight = isnan(into->reward) && !into->failed && into->in_flight && o->in_flight;
}

static int64_t find(const struct cn_observations *o, const struct cn_history *h,
                    const char *hash)
{
    for (int64_t i = 0; i < o->n; i++)
        if (strcmp(cn_history_node(h, o->node[i])->config_hash, hash) == 0)
            return i;
    return -1;
}

static cn_status add(const struct cn_planner *pl, const struct cn_history *h,
                     const struct cn_node *node, struct cn_arena *arena,
                     struct cn_observations *out, struct cn_err *err)
{
    struct cn_spread s = cn_history_spread(h, node->id, CN_POOL_SEARCH);
    struct state state = state_of(h, node->id);
    struct cn_tpe_obs o = {.reward = s.n > 0 ? s.mean : (double)NAN,
                           .n = s.n > 0 ? s.n : 1,
                           .regime = regime_of(h, node->block),
                           .failed = s.n == 0 && state.failed,
                           .in_flight = !state.over};
    int64_t at = find(out, h, node->config_hash);
    cn_status st;

    if (!state.said)
        return CN_OK;
    if (at >= 0) {
        merge(&out->obs[at], &o);
        return CN_OK;
    }
    st = place_of(pl, node, arena, &o.point, err);
    if (st == CN_OK) {
        out->node[out->n] = node->id;
        out->obs[out->n++] = o;
    }
    return st;
}

cn_status cn_observations_of(const struct cn_planner *pl, const struct cn_history *h,
                             int64_t block, struct cn_arena *arena, struct cn_observations *out,
                             struct cn_err *err)
{
    int64_t first = h->n_nodes > CN_TPE_OBSERVATIONS ? h->n_nodes - CN_TPE_OBSERVATIONS : 0;
    cn_status st = CN_OK;

    memset(out, 0, sizeof *out);
    out->regime = regime_of(h, block);
    out->obs = cn_arena_alloc(arena, (size_t)(h->n_nodes - first) + 1, sizeof *out->obs);
    out->node = cn_arena_alloc(arena, (size_t)(h->n_nodes - first) + 1, sizeof *out->node);
    if (!out->obs || !out->node)
        return cn_err_set(err, CN_ENOMEM, "no memory for %lld observations",
                          (long long)h->n_nodes);
    for (int64_t i = first; st == CN_OK && i < h->n_nodes; i++)
        st = add(pl, h, &h->nodes[i], arena, out, err);
    return st;
}
