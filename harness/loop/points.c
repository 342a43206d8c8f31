/* The proposers sobol and random: points of the whole space. See plan.h. */
#include <string.h>

#include "base/banned.h"
#include "harness/loop/plan_int.h"
#include "ucb/sobol.h"

enum { POINT_TRIES = 200 };

static cn_status draw_point(const struct cn_work *w, uint64_t try_number, double *point)
{
    const struct cn_space *s = &w->pl->search->training.space;
    bool sobol = strcmp(w->pl->settings->proposer, "sobol") == 0;
    cn_status st;

    /* A Sobol point that was tried before (few choices) gives way to a random one. */
    if (!sobol || try_number > 0) {
        cn_space_random(s, (uint64_t)w->pl->settings->seed, w->id, try_number, point);
        return CN_OK;
    }
    st = cn_sobol_point((uint64_t)w->pl->settings->seed, (uint64_t)(w->id - 1), s->n, point,
                        w->err);
    for (int32_t i = 0; st == CN_OK && i < s->n; i++)
        point[i] = cn_space_from_unit(&s->params[i], point[i]);
    return st;
}

static cn_status vet_point(const struct cn_work *w, const struct cn_view *v,
                           const double *point, struct cn_mutated *m)
{
    const struct cn_dims *d = &w->pl->search->training;
    struct cn_change *c = cn_arena_alloc(&w->out->arena, (size_t)d->space.n, sizeof *c);
    double *from = cn_arena_alloc(&w->out->arena, (size_t)d->space.n, sizeof *from);
    struct cn_vet vet = cn_work_vet(w);
    struct cn_yaml *y = NULL;
    int n = 0;
    cn_status st;

    if (!c || !from)
        return cn_work_no_memory(w);
    st = cn_yaml_parse("config", v->root->config, strlen(v->root->config), &y, w->err);
    if (st != CN_OK)
        return st;
    cn_search_values(d, y, from);
    cn_yaml_free(y);
    for (int32_t i = 0; i < d->space.n; i++) {
        char text[CN_VALUE_TEXT];

        if (w->opt_focus && !w->opt_focus[i])
            continue;
        cn_search_text(d, i, point[i], text);
        if (cn_search_value(d, i, text) != from[i])
            c[n++] = (struct cn_change){d->of[i]->path, cn_work_words(w, text)};
    }
    return cn_mutation_vet(&vet, v->root->config, c, n, m, w->err);
}

cn_status cn_plan_point(const struct cn_work *w, const struct cn_view *v)
{
    const char *proposer = w->pl->settings->proposer;
    double *point =
        cn_arena_alloc(&w->out->arena, (size_t)w->pl->search->training.space.n, sizeof *point);
    struct cn_mutated m = {0};
    cn_status st = point ? CN_EEXIST : cn_work_no_memory(w);

    for (uint64_t k = 0; (st == CN_EEXIST || st == CN_EINPUT) && k < POINT_TRIES; k++) {
        st = draw_point(w, k, point);
        if (st != CN_OK)
            return st;
        st = vet_point(w, v, point, &m);
    }
    if (st == CN_EEXIST) {
        cn_plan_nothing_new(w, v);
        return CN_OK;
    }
    if (st == CN_OK)
        st = cn_work_take_node(w, &m, 0, "explore", proposer);
    if (st == CN_OK)
        w->out->iteration.parent_rule = cn_work_words(
            w, strcmp(proposer, "sobol") == 0 ? "a Sobol point of the whole space"
                                              : "a random point of the whole space");
    cn_mutated_clear(&m);
    return st;
}
