/* The hunt for one new mutation of a parent. See plan_int.h. */
#include <string.h>

#include "base/banned.h"
#include "harness/loop/plan_int.h"
#include "ucb/mutate.h"

/* A candidate that the vetting refuses counts as tried; the one that passes is kept. */
static bool was_tried(void *ctx, const struct cn_mutate_change *c)
{
    struct cn_hunt *t = ctx;
    const struct cn_dims *d = &t->w->pl->search->training;
    char text[CN_VALUE_TEXT];
    struct cn_change change;

    cn_search_text(d, c->param, c->to, text);
    change = (struct cn_change){d->of[c->param]->path, text};
    return cn_mutation_vet(&t->vet, t->parent->config, &change, 1, &t->found, NULL) != CN_OK;
}

cn_status cn_hunt_for(struct cn_hunt *t, cn_mutate_kind kind, struct cn_mutate_change *c)
{
    const struct cn_dims *d = &t->w->pl->search->training;
    struct cn_arena *a = &t->w->out->arena;
    struct cn_mutate_query q = {.space = &d->space,
                                .kind = kind,
                                .seed = (uint64_t)t->w->pl->settings->seed,
                                .iteration = t->w->id};
    double *values = cn_arena_alloc(a, (size_t)d->space.n, sizeof *values);
    struct cn_effect *effects;
    struct cn_yaml *y = NULL;
    cn_status st;

    if (!values)
        return cn_work_no_memory(t->w);
    st = cn_yaml_parse("config", t->parent->config, strlen(t->parent->config), &y, t->w->err);
    if (st != CN_OK)
        return st;
    cn_search_values(d, y, values);
    cn_yaml_free(y);
    st = cn_view_effects(t->w->h, t->w->pl, a, &effects, &q.n_effects, t->w->err);
    q.parent = values;
    q.effects = effects;
    t->vet = cn_work_vet(t->w);
    t->vet.probe = kind == CN_MUTATE_PROBE;
    return st == CN_OK ? cn_mutate_propose(&q, was_tried, t, c, t->w->err) : st;
}
