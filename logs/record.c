#include "logs/record.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/banned.h"

static const char *const state_names[] = {
#define X(name, text) [CN_ITER_##name] = text,
    CN_ITER_STATE_MAP(X)
#undef X
};
static const char *const outcome_names[] = {
#define X(name, text) [CN_OUTCOME_##name] = text,
    CN_OUTCOME_MAP(X)
#undef X
};
static const char *const class_names[] = {
    [CN_CLASS_NONE] = "",
    [CN_CLASS_CONVERGED] = "converged",
    [CN_CLASS_PARTIAL] = "partial",
    [CN_CLASS_FAILED] = "failed",
};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static int index_of(const char *name, const char *const *names, int n)
{
    for (int i = 0; name && i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

const char *cn_iter_state_name(cn_iter_state s)
{
    return state_names[s];
}

const char *cn_outcome_name(cn_outcome o)
{
    return outcome_names[o];
}

const char *cn_class_name(cn_class c)
{
    return class_names[c];
}

bool cn_iter_state_parse(const char *name, cn_iter_state *out)
{
    int i = index_of(name, state_names, COUNT(state_names));

    *out = i < 0 ? CN_ITER_PLANNED : (cn_iter_state)i;
    return i >= 0;
}

bool cn_outcome_parse(const char *name, cn_outcome *out)
{
    int i = index_of(name, outcome_names, COUNT(outcome_names));

    *out = i < 0 ? CN_OUTCOME_NONE : (cn_outcome)i;
    return i >= 0;
}

bool cn_class_parse(const char *name, cn_class *out)
{
    int i = index_of(name, class_names, COUNT(class_names));

    *out = i < 0 ? CN_CLASS_NONE : (cn_class)i;
    return i >= 0;
}

/* Lookups by bisection: the arrays are in id order, with holes only where a log was read
 * back. */

const struct cn_node *cn_history_node(const struct cn_history *h, int64_t id)
{
    int64_t lo = 0, hi = h->n_nodes;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (h->nodes[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < h->n_nodes && h->nodes[lo].id == id ? &h->nodes[lo] : NULL;
}

const struct cn_iteration *cn_history_iteration(const struct cn_history *h, int64_t id)
{
    int64_t lo = 0, hi = h->n_iterations;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (h->iterations[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < h->n_iterations && h->iterations[lo].id == id ? &h->iterations[lo] : NULL;
}

const struct cn_block *cn_history_block(const struct cn_history *h, int64_t number)
{
    for (int64_t i = 0; i < h->n_blocks; i++)
        if (h->blocks[i].number == number)
            return &h->blocks[i];
    return NULL;
}

double cn_iteration_metric(const struct cn_iteration *it, const char *name)
{
    for (int i = 0; i < it->n_metrics; i++)
        if (strcmp(it->metrics[i].name, name) == 0)
            return it->metrics[i].value;
    return (double)NAN;
}

struct cn_spread cn_history_spread(const struct cn_history *h, int64_t node, cn_pool pool)
{
    return cn_history_spread_upto(h, node, pool, CN_ITER_MEASURED, INT64_MAX);
}

struct cn_spread cn_history_spread_upto(const struct cn_history *h, int64_t node, cn_pool pool,
                                        cn_iter_state state, int64_t last)
{
    struct cn_spread s = {0, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
    /* Welford, "Note on a method for calculating corrected sums" (1962). */
    double mean = 0, m2 = 0;

    for (int64_t i = 0; i < h->n_iterations && h->iterations[i].id <= last; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        if (it->node != node || it->state < state || it->outcome != CN_OUTCOME_OK ||
            it->confirmation != (pool == CN_POOL_CONFIRMATION))
            continue;
        double d = it->reward - mean;
        s.n++;
        mean += d / (double)s.n;
        m2 += d * (it->reward - mean);
        s.min = s.n == 1 ? it->reward : fmin(s.min, it->reward);
        s.max = s.n == 1 ? it->reward : fmax(s.max, it->reward);
    }
    if (s.n > 0)
        s.mean = mean;
    if (s.n > 1)
        s.std = sqrt(m2 / (double)(s.n - 1));
    return s;
}

void cn_history_clear(struct cn_history *h)
{
    cn_arena_clear(&h->arena);
    memset(h, 0, sizeof(*h));
}
