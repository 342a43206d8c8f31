#include "logs/record.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
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
    int64_t lo = 0, hi = h->n_blocks;

    /* Nearly always all of them are there. */
    if (number >= 1 && number <= h->n_blocks && h->blocks[number - 1].number == number)
        return &h->blocks[number - 1];
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (h->blocks[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < h->n_blocks && h->blocks[lo].number == number ? &h->blocks[lo] : NULL;
}

/* ---- the trainings of a node ---- */

cn_status cn_history_index(struct cn_history *h)
{
    int64_t *first = h->first_run, *next = h->next_run;

    /* Chains that were made with room to spare are made again in place. */
    if (!next || h->n_nodes > h->room_nodes || h->n_iterations > h->room_iterations) {
        int64_t n = h->room_nodes > h->n_nodes ? h->room_nodes : h->n_nodes;
        int64_t m = h->room_iterations > h->n_iterations ? h->room_iterations : h->n_iterations;

        first = cn_arena_alloc(&h->arena, (size_t)n + 1, sizeof *first);
        next = cn_arena_alloc(&h->arena, (size_t)m + 1, sizeof *next);
    }
    h->first_run = h->next_run = NULL;
    if (!first || !next)
        return CN_ENOMEM;
    for (int64_t k = 0; k < h->n_nodes; k++)
        first[k] = -1;
    /* From the end, so that the chains come out in id order. */
    for (int64_t i = h->n_iterations - 1; i >= 0; i--) {
        const struct cn_node *n = cn_history_node(h, h->iterations[i].node);
        next[i] = n ? first[n - h->nodes] : -1;
        if (n)
            first[n - h->nodes] = i;
    }
    h->first_run = first;
    h->next_run = next;
    return CN_OK;
}

static uint64_t regime_hash(const struct cn_block *b)
{
    uint64_t x = 14695981039346656037u; /* FNV-1a */

    for (int i = 0; i < b->n_regime; i++)
        for (int k = 0; k < 2; k++)
            for (const char *s = k ? b->regime[i].new_text : b->regime[i].path;; s++) {
                x = (x ^ (unsigned char)*s) * 1099511628211u;
                if (!*s)
                    break;
            }
    return x;
}

static bool regimes_agree(const struct cn_block *a, const struct cn_block *b)
{
    if (a->n_regime != b->n_regime)
        return false;
    for (int i = 0; i < a->n_regime; i++)
        if (strcmp(a->regime[i].path, b->regime[i].path) != 0 ||
            strcmp(a->regime[i].new_text, b->regime[i].new_text) != 0)
            return false;
    return true;
}

cn_status cn_history_regimes(struct cn_history *h)
{
    size_t room = 16;
    int64_t *slots; /* position + 1 of a regime's first block; 0: empty */

    while (room < 2 * (size_t)h->n_blocks)
        room *= 2;
    slots = cn_alloc(room, sizeof *slots);
    if (!slots)
        return CN_ENOMEM;
    for (int64_t i = 0; i < h->n_blocks; i++) {
        struct cn_block *b = &h->blocks[i];
        size_t at = (size_t)regime_hash(b) & (room - 1);
        while (slots[at] && !regimes_agree(&h->blocks[slots[at] - 1], b))
            at = (at + 1) & (room - 1);
        if (!slots[at])
            slots[at] = i + 1;
        b->regime_of = h->blocks[slots[at] - 1].number;
    }
    cn_free(slots);
    return CN_OK;
}

static const struct cn_iteration *scan_for_run(const struct cn_history *h, int64_t node,
                                               int64_t from)
{
    for (int64_t i = from; i < h->n_iterations; i++)
        if (h->iterations[i].node == node)
            return &h->iterations[i];
    return NULL;
}

const struct cn_iteration *cn_history_run(const struct cn_history *h, int64_t node,
                                          const struct cn_iteration *prev)
{
    const struct cn_node *n;
    int64_t at;

    if (!h->next_run)
        return scan_for_run(h, node, prev ? prev - h->iterations + 1 : 0);
    if (prev) {
        at = h->next_run[prev - h->iterations];
    } else {
        n = cn_history_node(h, node);
        at = n ? h->first_run[n - h->nodes] : -1;
    }
    /* A history that was cut short by hand ends where its count says. */
    return at >= 0 && at < h->n_iterations ? &h->iterations[at] : NULL;
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
    const struct cn_node *of = cn_history_node(h, node);
    const struct cn_before *before = of && pool == CN_POOL_SEARCH ? of->before : NULL;
    /* Welford, "Note on a method for calculating corrected sums" (1962). */
    double mean = 0, m2 = 0;

    if (before && before->search.n > 0) {
        s = before->search;
        mean = s.mean;
        m2 = before->m2;
    }

    for (const struct cn_iteration *it = cn_history_run(h, node, NULL); it && it->id <= last;
         it = cn_history_run(h, node, it)) {
        if (it->state < state || it->outcome != CN_OUTCOME_OK ||
            it->confirmation != (pool == CN_POOL_CONFIRMATION) ||
            (before && it->id <= before->last))
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
