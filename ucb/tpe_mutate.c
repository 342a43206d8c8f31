/* Ranked one-key mutations; see tpe_mutate.h. */
#include "ucb/tpe_mutate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/rng.h"

enum { STREAM_STEPS = 0x79e3, N_STEPS = 6 };

struct candidate {
    struct cn_mutate_change change;
    double gain;
    int64_t order; /* ties: as made */
};

struct list {
    const struct cn_tpe_mutate_query *q;
    struct candidate *c; /* owned */
    int64_t n, room;
};

static bool directed(const struct cn_param *p)
{
    return p->type == CN_PARAM_FLOAT || p->type == CN_PARAM_INT ||
           (p->type == CN_PARAM_CHOICE && p->ordered);
}

static struct cn_mutate_change change_of(const struct cn_mutate_query *q, int32_t j, double to,
                                         const char *why)
{
    double from = q->parent[j];
    struct cn_mutate_change c = {.param = j, .from = from, .to = to, .why = why};

    if (directed(&q->space->params[j]))
        c.direction = (to > from) - (to < from);
    return c;
}

static void offer(struct list *l, struct cn_mutate_change c)
{
    double point[CN_SPACE_PARAMS];
    struct candidate *x = &l->c[l->n];

    if (c.to == c.from || l->n == l->room)
        return;
    for (int64_t i = 0; i < l->n; i++)
        if (l->c[i].change.param == c.param && l->c[i].change.to == c.to)
            return;
    memcpy(point, l->q->opt_whole ? l->q->opt_whole : l->q->base.parent,
           (size_t)l->q->base.space->n * sizeof *point);
    point[c.param] = c.to;
    *x = (struct candidate){c, cn_tpe_gain(l->q->tpe, point), l->n};
    l->n++;
}

static const char model_words[] = "the good configs so far lie this way";

static void offer_directed(struct list *l, int32_t j, struct cn_rng *r)
{
    static const double steps[N_STEPS] = {-1.5, -1, -.5, .5, 1, 1.5};
    const struct cn_mutate_query *q = &l->q->base;
    const struct cn_param *p = &q->space->params[j];
    double from = q->parent[j], z0 = cn_space_to_unit(p, from);
    double step = cn_mutate_step(p) * (.8 + .4 * cn_rng_uniform(r));
    double on = cn_space_from_unit(p, .35 + .45 * cn_rng_uniform(r));

    if (cn_space_is_off(p, from)) {
        offer(l, change_of(q, j, on, model_words));
    } else {
        for (int k = 0; k < N_STEPS; k++)
            offer(l,
                  change_of(q, j, cn_mutate_moved(p, from, z0, steps[k] * step), model_words));
        if (cn_space_is_off(p, p->lo))
            offer(l, change_of(q, j, 0, model_words));
    }
}

static void offer_param(struct list *l, int32_t j)
{
    const struct cn_mutate_query *q = &l->q->base;
    const struct cn_param *p = &q->space->params[j];
    int32_t n = p->type == CN_PARAM_BOOL ? 2 : p->n_choices;
    struct cn_rng r;

    cn_rng_init(&r, q->seed, ((uint64_t)STREAM_STEPS << 32) ^ (uint64_t)q->iteration);
    cn_rng_seek(&r, (uint64_t)j * 8u);
    if (directed(p))
        offer_directed(l, j, &r);
    for (int32_t v = 0; !directed(p) && v < n; v++)
        offer(l, change_of(q, j, v, model_words));
    for (uint64_t k = 0; k < CN_TPE_MUTATE_DRAWS; k++)
        offer(l, change_of(q, j, cn_tpe_draw_one(l->q->tpe, q->parent, j, k), model_words));
}

static int by_gain(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;

    if (a->gain != b->gain)
        return a->gain > b->gain ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* Room for everything that offer_param and mutate.c may give. */
static int64_t room_for(const struct cn_tpe_mutate_query *q)
{
    int64_t room = q->n_thompson + 1;

    for (int32_t j = 0; j < q->base.space->n; j++)
        room += N_STEPS + 2 + CN_TPE_MUTATE_DRAWS + q->base.space->params[j].n_choices;
    return room;
}

cn_status cn_tpe_mutate(const struct cn_tpe_mutate_query *q, cn_mutate_tried_fn *tried,
                        void *ctx, struct cn_mutate_change *out, struct cn_err *err)
{
    struct cn_mutate_query slope = q->base;
    struct list l = {.q = q, .room = room_for(q)};
    cn_status st = cn_space_check(q->base.space, err);

    *out = (struct cn_mutate_change){.param = -1, .why = ""};
    if (st != CN_OK)
        return st;
    l.c = cn_alloc((size_t)l.room, sizeof *l.c);
    if (!l.c)
        return cn_err_set(err, CN_ENOMEM, "no memory for %lld candidates", (long long)l.room);
    slope.kind = CN_MUTATE_EXPLOIT;
    for (int64_t k = 0; k < q->n_thompson && k < CN_MUTATE_MODEL; k++) {
        struct cn_mutate_change c;

        if (cn_mutate_draw(&slope, (uint64_t)k, &c))
            offer(&l, c);
    }
    for (int32_t j = 0; q->all && j < q->base.space->n; j++)
        if (!isnan(q->base.parent[j]))
            offer_param(&l, j);
    qsort(l.c, (size_t)l.n, sizeof *l.c, by_gain);
    st = CN_ENOTFOUND;
    for (int64_t i = 0; i < l.n && st == CN_ENOTFOUND; i++)
        if (!(tried && tried(ctx, &l.c[i].change))) {
            *out = l.c[i].change;
            st = CN_OK;
        }
    cn_free(l.c);
    return st == CN_OK ? st
                       : cn_err_set(err, st, "no new one-key mutation among %lld candidates",
                                    (long long)l.n);
}
