/* See inert.h. */
#include "logs/inert.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"

static bool tells(const struct cn_iteration *it)
{
    return it->state == CN_ITER_COMMITTED && it->outcome == CN_OUTCOME_OK;
}

/* How long a training took is its own matter. */
static bool is_clock(const char *name)
{
    return strstr(name, "time") || strstr(name, "seconds") || strstr(name, "duration");
}

static bool same_numbers(const struct cn_iteration *a, const struct cn_iteration *b)
{
    if (a->reward != b->reward)
        return false;
    for (int i = 0; i < a->n_metrics; i++) {
        double x = a->metrics[i].value, y = cn_iteration_metric(b, a->metrics[i].name);

        if (!is_clock(a->metrics[i].name) && x != y && !(isnan(x) && isnan(y)))
            return false;
    }
    return true;
}

struct twins {
    int64_t all, equal;
};

/* Pairs of trainings of two nodes under the same seeds. */
static struct twins compare(const struct cn_history *h, int64_t base, int64_t node)
{
    struct twins t = {0, 0};

    for (const struct cn_iteration *a = cn_history_run(h, base, NULL); a;
         a = cn_history_run(h, base, a))
        for (const struct cn_iteration *b = cn_history_run(h, node, NULL); tells(a) && b;
             b = cn_history_run(h, node, b)) {
            if (!tells(b) || a->sim_seed != b->sim_seed || a->train_seed != b->train_seed)
                continue;
            t.all++;
            t.equal += same_numbers(a, b);
        }
    return t;
}

static struct cn_inert *row_of(struct cn_inert_list *l, const char *path)
{
    for (int64_t i = 0; i < l->n; i++)
        if (strcmp(l->all[i].path, path) == 0)
            return &l->all[i];
    l->all[l->n] = (struct cn_inert){.path = path};
    return &l->all[l->n++];
}

cn_status cn_inert_init(struct cn_inert_list *l, const struct cn_history *h,
                        const struct cn_evidence *e)
{
    int64_t kept = 0;

    memset(l, 0, sizeof *l);
    cn_arena_init(&l->arena, CN_CAP_ARENA);
    l->all = cn_arena_alloc(&l->arena, (size_t)e->n_tries + 1, sizeof *l->all);
    if (!l->all)
        return CN_ENOMEM;
    for (int64_t i = 0; i < e->n_tries; i++) {
        const struct cn_try *t = &e->tries[i];
        struct twins pairs = compare(h, t->base, t->node);
        struct cn_inert *row;

        if (pairs.all == 0)
            continue;
        row = row_of(l, t->path);
        if (pairs.equal < pairs.all)
            row->twins = -1; /* it does something */
        else if (row->twins >= 0) {
            if (row->twins == 0) {
                row->base = t->base;
                row->node = t->node;
            }
            row->twins += pairs.all;
        }
    }
    for (int64_t i = 0; i < l->n; i++)
        if (l->all[i].twins > 0)
            l->all[kept++] = l->all[i];
    l->n = kept;
    return CN_OK;
}

void cn_inert_words(const struct cn_inert_list *l, const char *before, struct cn_buf *out)
{
    for (int64_t i = 0; i < l->n && i < CN_INERT_MOST; i++)
        cn_buf_printf(
            out,
            "%sWithout any effect: %s. Node %lld differs from node %lld by nothing else, "
            "and %s under the same seeds ended equal to the last digit. The trainer does "
            "not use it here.\n",
            before, l->all[i].path, (long long)l->all[i].node, (long long)l->all[i].base,
            l->all[i].twins == 1 ? "their trainings" : "all their trainings");
}

void cn_inert_clear(struct cn_inert_list *l)
{
    cn_arena_clear(&l->arena);
    memset(l, 0, sizeof *l);
}
