/* The exploration tree of one block; the rules of counting stand in tree.h. */
#include "ucb/tree.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"

static bool kept(const struct cn_tree_input *in)
{
    return in->n_rewards > 0 || in->in_flight > 0 || in->failed > 0;
}

static bool measured(const struct cn_tree_input *in)
{
    return in->n_rewards > 0 || in->failed > 0;
}

static cn_status check_input(const struct cn_tree_input *in, struct cn_err *err)
{
    if (in->id <= 0)
        return cn_err_set(err, CN_EINPUT, "tree: node id %" PRId64 ": ids start at 1", in->id);
    if (in->parent < 0 || in->parent >= in->id)
        return cn_err_set(err, CN_EINPUT,
                          "tree: node %" PRId64 ": parent %" PRId64
                          " wants 0 (root) or an id below the node's own",
                          in->id, in->parent);
    if (in->n_rewards < 0 || in->in_flight < 0 || in->failed < 0)
        return cn_err_set(err, CN_EINPUT,
                          "tree: node %" PRId64 ": negative count (rewards %" PRId64
                          ", in flight %" PRId64 ", failed %" PRId64 ")",
                          in->id, in->n_rewards, in->in_flight, in->failed);
    if (in->n_rewards > 0 && !in->rewards)
        CN_BUG("tree: node %" PRId64 " has rewards but no array", in->id);
    return CN_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct cn_tree_input *x = *(const struct cn_tree_input *const *)a;
    const struct cn_tree_input *y = *(const struct cn_tree_input *const *)b;

    return (x->id > y->id) - (x->id < y->id);
}

/* The ok reward under the NaN rule; NaN when it has no value of its own. */
static double ok_value(double r, cn_tree_nan_rule rule)
{
    if (isfinite(r))
        return r;
    return rule == CN_TREE_NAN_ZERO ? 0.0 : (double)NAN;
}

static double worst_of(const struct cn_tree_input *const *in, int64_t n, cn_tree_nan_rule rule,
                       double hint)
{
    double worst = (double)NAN;

    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < in[i]->n_rewards; k++) {
            double v = ok_value(in[i]->rewards[k], rule);

            if (!isnan(v) && !(v >= worst))
                worst = v;
        }
    return isnan(worst) ? hint : worst;
}

/* NaN when the node has no measured iteration, or only ones worth the unknown worst. */
static double mean_reward(const struct cn_tree_input *in, cn_tree_nan_rule rule, double worst)
{
    double sum = 0;

    if (!measured(in))
        return (double)NAN;
    for (int64_t k = 0; k < in->n_rewards; k++) {
        double v = ok_value(in->rewards[k], rule);

        sum += isnan(v) ? worst : v;
    }
    if (in->failed > 0) /* not 0 * NaN */
        sum += (double)in->failed * worst;
    return sum / (double)(in->n_rewards + in->failed);
}

static struct cn_tree_node *find(const struct cn_tree *t, int64_t n, int64_t id)
{
    int64_t lo = 0, hi = n;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (t->nodes[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && t->nodes[lo].id == id ? &t->nodes[lo] : NULL;
}

static void fill_node(struct cn_tree *t, struct cn_tree_node *node,
                      const struct cn_tree_input *in, cn_tree_nan_rule rule)
{
    node->id = in->id;
    node->parent = find(t, t->n, in->parent) ? in->parent : 0;
    /* The node itself, and each iteration in flight beyond the one that makes it a node. */
    node->visits = 1 + in->in_flight - (!measured(in) ? 1 : 0);
    node->finished = in->n_rewards + in->failed;
    node->reward = mean_reward(in, rule, t->worst);
    node->scored = !isnan(node->reward);
    node->failed = in->n_rewards == 0 && in->failed > 0;
    t->total += node->visits;
    t->n++;
}

/* Parents have lower ids than their children, so one descending pass is the whole backup. */
static void add_descendants(struct cn_tree *t)
{
    for (int64_t i = t->n - 1; i >= 0; i--) {
        struct cn_tree_node *parent = find(t, t->n, t->nodes[i].parent);

        if (parent)
            parent->visits += t->nodes[i].visits;
    }
}

cn_status cn_tree_init(struct cn_tree *t, const struct cn_tree_input *nodes, int64_t n,
                       cn_tree_nan_rule nan_rule, double worst_hint, struct cn_err *err)
{
    cn_status st = CN_OK;
    const struct cn_tree_input **in = NULL;

    *t = (struct cn_tree){.worst = worst_hint};
    if (n < 0 || n > CN_CAP_TREE_NODES)
        return cn_err_set(err, CN_ECAP, "tree: %" PRId64 " nodes, at most %d are allowed", n,
                          CN_CAP_TREE_NODES);
    if (n == 0)
        return CN_OK;
    in = cn_alloc((size_t)n, sizeof(*in));
    t->nodes = cn_alloc((size_t)n, sizeof(*t->nodes));
    if (!in || !t->nodes) {
        st = cn_err_set(err, CN_ENOMEM, "tree: no memory for %" PRId64 " nodes", n);
        goto out;
    }
    for (int64_t i = 0; i < n && st == CN_OK; i++) {
        in[i] = &nodes[i];
        st = check_input(&nodes[i], err);
    }
    if (st != CN_OK)
        goto out;
    qsort(in, (size_t)n, sizeof(*in), by_id);
    for (int64_t i = 1; i < n; i++)
        if (in[i]->id == in[i - 1]->id) {
            st =
                cn_err_set(err, CN_EINPUT, "tree: node id %" PRId64 " stands twice", in[i]->id);
            goto out;
        }
    t->worst = worst_of(in, n, nan_rule, worst_hint);
    for (int64_t i = 0; i < n; i++)
        if (kept(in[i]))
            fill_node(t, &t->nodes[t->n], in[i], nan_rule);
    add_descendants(t);
out:
    cn_free(in);
    if (st != CN_OK)
        cn_tree_clear(t);
    return st;
}

void cn_tree_clear(struct cn_tree *t)
{
    cn_free(t->nodes);
    *t = (struct cn_tree){.worst = (double)NAN};
}

const struct cn_tree_node *cn_tree_get(const struct cn_tree *t, int64_t id)
{
    return find(t, t->n, id);
}
