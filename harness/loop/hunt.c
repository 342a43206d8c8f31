/* The hunt for one new mutation of a parent. See plan_int.h. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/near.h"
#include "harness/loop/observations.h"
#include "harness/loop/plan_int.h"
#include "ucb/mutate.h"
#include "ucb/tpe_mutate.h"

/* A hunt in progress. */
struct chase {
    struct cn_hunt *t;
    struct cn_mutate_query q; /* q.parent: NaN where the block may change nothing */
    const double *whole;      /* the parent as it is */
    struct cn_observations known;
    struct cn_tpe *tpe; /* owned; NULL: not asked for */
    bool shy;           /* leave alone what most likely dies */
};

/* The whole config that a candidate gives. */
static void changed(const struct chase *h, const struct cn_mutate_change *c, double *point)
{
    memcpy(point, h->whole, (size_t)h->q.space->n * sizeof *point);
    point[c->param] = c->to;
}

/* A candidate that the vetting refuses counts as tried; the one that passes is kept. */
static bool was_tried(void *ctx, const struct cn_mutate_change *c)
{
    struct chase *h = ctx;
    struct cn_hunt *t = h->t;
    const struct cn_dims *d = &t->w->pl->search->training;
    double point[CN_SPACE_PARAMS];
    char text[CN_VALUE_TEXT];
    struct cn_change change;

    changed(h, c, point);
    if (h->shy && cn_tpe_failed_share(h->tpe, point) > .5)
        return true;
    cn_search_text(d, c->param, c->to, text);
    change = (struct cn_change){d->of[c->param]->path, text};
    return cn_mutation_vet(&t->vet, t->parent->config, &change, 1, &t->found, NULL) != CN_OK;
}

/* -- why, in words -- */

static void put_nodes(char *text, size_t size, const char *before, const struct chase *h,
                      const int64_t *at, int32_t n, const char *after)
{
    size_t used = strlen(text);

    cn_text_format(text + used, size - used, "%s%s", before, n > 1 ? " nodes " : " node ");
    for (int32_t i = 0; i < n; i++) {
        used = strlen(text);
        cn_text_format(text + used, size - used, "%s%lld", i ? ", " : "",
                       (long long)h->known.node[at[i]]);
    }
    used = strlen(text);
    cn_text_format(text + used, size - used, " (%s)", after);
}

/* "the gains so far point this way; towards nodes 4, 9 (good side), away from node 3 (failed)". */
static const char *reason(const struct chase *h, const struct cn_mutate_change *c)
{
    double point[CN_SPACE_PARAMS];
    struct cn_tpe_why why;
    char text[256];

    changed(h, c, point);
    cn_tpe_explain(h->tpe, h->whole, point, &why);
    cn_text_copy(text, sizeof text, c->why);
    if (why.n_towards > 0)
        put_nodes(text, sizeof text, "; towards", h, why.towards, why.n_towards, "good side");
    if (why.n_away > 0)
        put_nodes(text, sizeof text, why.n_towards > 0 ? ", away from" : "; away from", h,
                  why.away, why.n_away, why.away_failed ? "failed" : "poor");
    return cn_work_words(h->t->w, text);
}

/* -- the candidates -- */

/* Thompson's draws by the estimator, then everything one key away by it. */
static cn_status by_model(struct chase *h, struct cn_mutate_change *c)
{
    struct cn_tpe_mutate_query q = {
        .tpe = h->tpe, .base = h->q, .opt_whole = h->whole, .n_thompson = CN_TPE_THOMPSON};
    cn_status st = cn_tpe_mutate(&q, was_tried, h, c, h->t->w->err);

    q.all = true;
    if (st == CN_ENOTFOUND)
        st = cn_tpe_mutate(&q, was_tried, h, c, h->t->w->err);
    if (st == CN_OK)
        c->why = reason(h, c);
    return st;
}

static cn_status choose(struct chase *h, struct cn_mutate_change *c)
{
    struct cn_err *err = h->t->w->err;
    bool ready = h->tpe && cn_tpe_is_ready(h->tpe);
    cn_status st = CN_ENOTFOUND;

    if (ready && h->q.kind == CN_MUTATE_EXPLOIT)
        st = by_model(h, c);
    if (ready && h->q.kind == CN_MUTATE_EXPLORE) {
        h->shy = true;
        st = cn_mutate_propose(&h->q, was_tried, h, c, err);
        h->shy = false;
    }
    return st == CN_ENOTFOUND ? cn_mutate_propose(&h->q, was_tried, h, c, err) : st;
}

/* -- what they are made from -- */

static cn_status read_parent(struct chase *h)
{
    const struct cn_work *w = h->t->w;
    const struct cn_dims *d = &w->pl->search->training;
    double *whole = cn_arena_alloc(&w->out->arena, (size_t)d->space.n, sizeof *whole);
    double *open = cn_arena_alloc(&w->out->arena, (size_t)d->space.n, sizeof *open);
    struct cn_yaml *y = NULL;
    cn_status st;

    if (!whole || !open)
        return cn_work_no_memory(w);
    st =
        cn_yaml_parse("config", h->t->parent->config, strlen(h->t->parent->config), &y, w->err);
    if (st != CN_OK)
        return st;
    cn_search_values(d, y, whole);
    cn_yaml_free(y);
    for (int32_t i = 0; i < d->space.n; i++)
        open[i] = w->opt_focus && !w->opt_focus[i] ? (double)NAN : whole[i];
    h->whole = whole;
    h->q.parent = open;
    return CN_OK;
}

cn_status cn_work_tpe(const struct cn_work *w, struct cn_observations *known,
                      struct cn_tpe **out)
{
    struct cn_tpe_opts o = CN_TPE_OPTS_INIT;
    cn_status st =
        cn_observations_of(w->pl, w->h, w->out->iteration.block, &w->out->arena, known, w->err);

    *out = NULL;
    if (st != CN_OK)
        return st;
    o.regime = known->regime;
    o.seed = (uint64_t)w->pl->settings->seed;
    o.iteration = w->id;
    return cn_tpe_new(&w->pl->search->training.space, known->obs, known->n, &o, out, w->err);
}

static bool wants_tpe(const struct chase *h)
{
    bool model = strcmp(h->t->w->pl->settings->model, "tpe") == 0;

    return h->q.kind == CN_MUTATE_EXPLORE || (model && h->q.kind == CN_MUTATE_EXPLOIT);
}

cn_status cn_hunt_for(struct cn_hunt *t, cn_mutate_kind kind, struct cn_mutate_change *c)
{
    const struct cn_work *w = t->w;
    struct chase h = {.t = t,
                      .q = {.space = &w->pl->search->training.space,
                            .kind = kind,
                            .seed = (uint64_t)w->pl->settings->seed,
                            .iteration = w->id}};
    struct cn_effect *effects = NULL;
    struct cn_near *near = NULL;
    cn_status st = read_parent(&h);

    if (st == CN_OK)
        st = cn_view_effects(w->h, w->pl, &w->out->arena, &effects, &h.q.n_effects, w->err);
    h.q.effects = effects;
    if (st == CN_OK && wants_tpe(&h))
        st = cn_work_tpe(w, &h.known, &h.tpe);
    t->vet = cn_work_vet(w);
    t->vet.probe = kind == CN_MUTATE_PROBE;
    if (st == CN_OK && t->vet.near_duplicate > 0)
        st = cn_near_new(w->pl->search, w->h, &near, w->err);
    t->vet.opt_near = near;
    if (st == CN_OK)
        st = choose(&h, c);
    t->vet.opt_near = NULL;
    cn_near_free(near);
    cn_tpe_free(h.tpe);
    return st;
}
