/* A proposal against what the host knows, in words that can go back to a model. Asked twice: when
 * the model proposes, and again when the iteration is planned, because a person may have changed
 * the protocol and another slot may have taken the config in between. See consult_int.h. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/consult_int.h"

/* ------------------------------------------------------------------ the strategy */

cn_status cn_consult_strategy(const struct cn_protocol *p, const char *name, struct cn_err *err)
{
    static const char *const known[] = {
#define X(id, text) text,
        CN_STRATEGY_MAP(X)
#undef X
    };
    const int n = (int)(sizeof known / sizeof *known);
    cn_strategy s;
    int near;

    if (cn_strategy_parse(name, &s) && s != CN_STRATEGY_OTHER)
        return CN_OK;
    for (int32_t i = 0; i < p->n_rules; i++)
        if (strcmp(p->rules[i].strategy_text, name) == 0)
            return CN_OK;
    near = cn_text_nearest(name, known, n);
    return cn_err_set(err, CN_EINPUT,
                      "strategy: \"%.60s\": expected a strategy of the rule table, or one of "
                      "exploit, failure-probe, explore, robustness-test, force-branch, "
                      "recombine, switch-dimension, scale-up, degeneracy-break, boundary-skip, "
                      "seed-vary, principle-test, random-restart%s%s%s",
                      name, near >= 0 ? "; did you mean \"" : "", near >= 0 ? known[near] : "",
                      near >= 0 ? "\"?" : "");
}

static cn_strategy strategy_of(const char *name)
{
    cn_strategy s = CN_STRATEGY_OTHER;

    (void)cn_strategy_parse(name, &s);
    return s;
}

/* How many keys one proposal may change: one, so that its effect is known, but for the strategies
 * that stand for a whole new point, and for the first configs of a block. */
static int most_changes(const struct cn_work *w, const struct cn_view *v, cn_strategy s)
{
    bool begins = cn_plan_block_count(w->h, v->block->number) <= w->pl->settings->n_parallel;
    bool point = s == CN_STRATEGY_RECOMBINE || s == CN_STRATEGY_RANDOM_RESTART ||
                 s == CN_STRATEGY_EXPLORE || s == CN_STRATEGY_OTHER;

    return begins || point ? CN_CONSULT_CHANGES : 1;
}

/* ------------------------------------------------------------------ the parent */

/* "0 (the block's root config), 4, 5 or 7", the newest ones when there are many. */
static void put_parents(const struct cn_work *w, const struct cn_view *v, struct cn_buf *out)
{
    enum { SHOWN = 12 };
    int64_t n = 0, skip = 0;

    for (int64_t i = 0; i < w->h->n_nodes; i++)
        n += w->h->nodes[i].block == v->block->number;
    skip = n > SHOWN ? n - SHOWN : 0;
    cn_buf_adds(out, "0 (the block's root config)");
    for (int64_t i = 0; i < w->h->n_nodes; i++)
        if (w->h->nodes[i].block == v->block->number && skip-- <= 0)
            cn_buf_printf(out, ", %lld", (long long)w->h->nodes[i].id);
}

static cn_status find_parent(const struct cn_work *w, const struct cn_view *v, int64_t id,
                             const struct cn_node **out, struct cn_err *err)
{
    const struct cn_node *node = id == 0 ? v->root : cn_history_node(w->h, id);
    struct cn_buf list;

    *out = node;
    if (node && node->block == v->block->number)
        return CN_OK;
    cn_buf_init(&list, CN_ERR_TEXT / 2);
    put_parents(w, v, &list);
    (void)cn_err_set(err, CN_EINPUT, "parent: %lld: %s; expected %s", (long long)id,
                     node ? "a node of another block" : "there is no such node",
                     cn_buf_str(&list));
    cn_buf_clear(&list);
    return CN_EINPUT;
}

/* ------------------------------------------------------------------ the changes */

static int32_t dim_of(const struct cn_dims *d, const struct cn_trainer_param *p)
{
    for (int32_t i = 0; i < d->space.n; i++)
        if (d->of[i] == p)
            return i;
    return -1;
}

/* Only what the protocol explores: everything else is held fixed. */
static cn_status refuse_path(const struct cn_dims *d, const char *path, struct cn_err *err)
{
    const char *names[CN_SPACE_PARAMS];
    struct cn_buf list;
    int near;

    cn_buf_init(&list, CN_ERR_TEXT / 2);
    for (int32_t i = 0; i < d->space.n; i++) {
        names[i] = d->of[i]->path;
        cn_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    near = cn_text_nearest(path, names, d->space.n);
    (void)cn_err_set(err, CN_EINPUT,
                     "path: \"%.120s\": the protocol does not explore it; expected one of "
                     "%s%s%s%s",
                     path, cn_buf_str(&list), near >= 0 ? "; did you mean \"" : "",
                     near >= 0 ? names[near] : "", near >= 0 ? "\"?" : "");
    cn_buf_clear(&list);
    return CN_EINPUT;
}

static cn_status refuse_choice(const struct cn_dims *d, int32_t i, const char *value,
                               struct cn_err *err)
{
    struct cn_buf list;

    cn_buf_init(&list, CN_ERR_TEXT / 2);
    for (int32_t k = 0; k < d->space.params[i].n_choices; k++)
        cn_buf_printf(&list, "%s%s", k ? ", " : "", d->choices[i][k]);
    (void)cn_err_set(err, CN_EINPUT, "%s: %.100s: expected one of %s", d->of[i]->path, value,
                     cn_buf_str(&list));
    cn_buf_clear(&list);
    return CN_EINPUT;
}

/* The parameter that a change names, in the space of its class. */
static cn_status check_place(const struct cn_work *w, const struct cn_dims *d,
                             const struct cn_change *c, int32_t *out, struct cn_err *err)
{
    const struct cn_trainer_param *p = cn_trainer_param(w->pl->trainer, c->path, err);

    *out = -1;
    if (!p)
        return CN_EINPUT;
    *out = dim_of(d, p);
    if (*out < 0 && p->simulation && d == &w->pl->search->training)
        return cn_err_set(err, CN_EINPUT,
                          "path: %s: changes the simulation; that is for the start of a block "
                          "(propose_regime at a block's end)",
                          p->path);
    if (*out < 0)
        return refuse_path(d, c->path, err);
    if (d->space.params[*out].type == CN_PARAM_CHOICE &&
        isnan(cn_search_value(d, *out, c->value)))
        return refuse_choice(d, *out, c->value, err);
    return CN_OK;
}

static cn_status check_places(const struct cn_work *w, const struct cn_dims *d,
                              const struct cn_change *c, int n, struct cn_err *err)
{
    int32_t seen[CN_CONSULT_MANY];
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < n; i++) {
        st = check_place(w, d, &c[i], &seen[i], err);
        for (int k = 0; st == CN_OK && k < i; k++)
            if (seen[k] == seen[i])
                st = cn_err_set(err, CN_EINPUT, "path: %s: is changed twice",
                                d->of[seen[i]]->path);
        if (st == CN_OK && d == &w->pl->search->training && w->opt_focus &&
            !w->opt_focus[seen[i]])
            st = cn_err_set(err, CN_EINPUT,
                            "path: %s: the protocol's partition keeps it fixed in this block",
                            d->of[seen[i]]->path);
    }
    return st;
}

/* ------------------------------------------------------------------ the whole */

static cn_status vet_rerun(const struct cn_said_proposal *p, const struct cn_node *node,
                           int64_t *out_rerun, struct cn_err *err)
{
    if (p->n_changes > 0)
        return cn_err_set(err, CN_EINPUT,
                          "mutations: a replicate trains node %lld again, unchanged; expected "
                          "none, or replicate false",
                          (long long)node->id);
    *out_rerun = node->id;
    return CN_OK;
}

cn_status cn_consult_vet(const struct cn_work *w, const struct cn_view *v,
                         const struct cn_said_proposal *p, struct cn_mutated *m,
                         int64_t *out_rerun, struct cn_err *err)
{
    struct cn_vet vet = cn_work_vet(w);
    const struct cn_node *parent;
    cn_strategy s = strategy_of(p->strategy);
    int most = most_changes(w, v, s);
    cn_status st = find_parent(w, v, p->parent, &parent, err);

    *out_rerun = 0;
    memset(m, 0, sizeof *m);
    if (st == CN_OK)
        st = cn_consult_strategy(w->pl->protocol, p->strategy, err);
    if (st != CN_OK)
        return st;
    if (p->replicate)
        return vet_rerun(p, parent, out_rerun, err);
    if (p->n_changes == 0)
        return cn_err_set(err, CN_EINPUT,
                          "mutations: none; expected one change, or replicate true");
    if (p->n_changes > most)
        return cn_err_set(err, CN_EINPUT,
                          "mutations: %d changes; expected %s for %s, so that the effect of "
                          "each is known",
                          p->n_changes, most == 1 ? "one" : "at most four", p->strategy);
    st = check_places(w, &w->pl->search->training, p->changes, p->n_changes, err);
    vet.probe = s == CN_STRATEGY_FAILURE_PROBE;
    return st == CN_OK ? cn_mutation_vet(&vet, parent->config, p->changes, p->n_changes, m, err)
                       : st;
}

cn_status cn_consult_vet_regime(const struct cn_work *w, const struct cn_change *c, int n,
                                struct cn_err *err)
{
    struct cn_vet vet = cn_work_vet(w);
    const struct cn_node *root;
    struct cn_mutated m;
    struct cn_best_query q = cn_plan_query(w->h->n_blocks);
    struct cn_best best;
    cn_status st = cn_history_best(w->h, &q, &best, err);

    if (st != CN_OK)
        return st;
    root = best.first.node ? best.first.node : cn_plan_block_root(w->h, w->h->n_blocks);
    if (!root)
        return cn_err_set(err, CN_EINPUT, "changes: the block has no root to change");
    st = check_places(w, &w->pl->search->simulation, c, n, err);
    vet.simulation = vet.same_is_fine = true;
    vet.history = NULL;
    if (st != CN_OK)
        return st;
    st = cn_mutation_vet(&vet, root->config, c, n, &m, err);
    if (st == CN_OK && m.n == 0)
        st = cn_err_set(err, CN_EINPUT,
                        "changes: this is the regime of the block that ended; to keep it, "
                        "propose none");
    cn_mutated_clear(&m);
    return st;
}
