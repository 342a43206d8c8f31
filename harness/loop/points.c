/* The proposers sobol, random and tpe: points of the whole space. See plan.h. */
#include <string.h>

#include "base/banned.h"
#include "harness/loop/observations.h"
#include "harness/loop/plan_int.h"
#include "ucb/sobol.h"

enum { POINT_TRIES = 200, TPE_CANDIDATES = 24 };

/* `tpe`: a model that knows enough, else NULL. */
static cn_status draw_point(const struct cn_work *w, const struct cn_tpe *tpe,
                            uint64_t try_number, double *point)
{
    const struct cn_space *s = &w->pl->search->training.space;
    bool sobol = strcmp(w->pl->settings->proposer, "random") != 0;
    cn_status st;

    if (tpe) {
        cn_tpe_best(tpe, try_number * TPE_CANDIDATES, TPE_CANDIDATES, point);
        return CN_OK;
    }
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

cn_status cn_plan_vet_point(const struct cn_work *w, const struct cn_view *v,
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

/* The first point that passes the vetting. CN_EEXIST, CN_EINPUT: none of many did. */
static cn_status find_point(const struct cn_work *w, const struct cn_view *v,
                            const struct cn_tpe *tpe, struct cn_mutated *m)
{
    double *point =
        cn_arena_alloc(&w->out->arena, (size_t)w->pl->search->training.space.n, sizeof *point);
    cn_status st = point ? CN_EEXIST : cn_work_no_memory(w);

    for (uint64_t k = 0; (st == CN_EEXIST || st == CN_EINPUT) && k < POINT_TRIES; k++) {
        st = draw_point(w, tpe, k, point);
        if (st != CN_OK)
            return st;
        st = cn_plan_vet_point(w, v, point, m);
    }
    return st;
}

static const char *words_for(const struct cn_work *w, bool model)
{
    const char *proposer = w->pl->settings->proposer;

    if (strcmp(proposer, "tpe") == 0)
        return model ? "the best of 24 draws from the good configs' density"
                     : "start-up: a Sobol point of the whole space";
    return strcmp(proposer, "sobol") == 0 ? "a Sobol point of the whole space"
                                          : "a random point of the whole space";
}

cn_status cn_plan_point(const struct cn_work *w, const struct cn_view *v)
{
    const char *proposer = w->pl->settings->proposer;
    struct cn_observations known;
    struct cn_tpe *tpe = NULL;
    struct cn_mutated m = {0};
    bool model = false;
    cn_status st = CN_OK;

    if (strcmp(proposer, "tpe") == 0)
        st = cn_work_tpe(w, &known, &tpe);
    if (st != CN_OK)
        return st;
    model = tpe && cn_tpe_is_ready(tpe);
    st = find_point(w, v, model ? tpe : NULL, &m);
    cn_tpe_free(tpe);
    if (st == CN_EEXIST)
        return cn_plan_nothing_new(w, v);
    if (st == CN_OK)
        st = cn_work_take_node(w, &m, 0, "explore", proposer);
    if (st == CN_OK)
        w->out->iteration.parent_rule = cn_work_words(w, words_for(w, model));
    cn_mutated_clear(&m);
    return st;
}
