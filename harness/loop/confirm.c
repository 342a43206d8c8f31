/* Fresh-seed replicates after the search: default and candidates, in rounds. See
 * cn_plan_confirmation in plan.h. */
#include <string.h>

#include "base/banned.h"
#include "harness/loop/plan_int.h"

static const char confirm_default[] = "confirm-default"; /* logs/gain.c looks for it */

/* What is confirmed after the search: role 0 is the default, 1.. are the candidates. */
enum { CANDIDATES_MOST = 8 };
struct plan_of {
    const struct cn_node *first;   /* the config as given */
    const struct cn_node *control; /* the same under this regime; NULL: to be made */
    const struct cn_node *nodes[CANDIDATES_MOST];
    int64_t n;      /* candidates */
    int64_t block;  /* whose regime all are trained under */
    int64_t search; /* id of the last iteration of the search; the confirmations follow it */
};

/* The default config under the regime of a block; clear with cn_mutated_clear. */
static cn_status control_config(const struct cn_work *w, const struct cn_node *first,
                                int64_t block, struct cn_mutated *m)
{
    const struct cn_block *b = cn_history_block(w->h, block);
    const int n = b ? b->n_regime : 0;
    struct cn_change *c = cn_arena_alloc(&w->out->arena, (size_t)n + 1, sizeof *c);
    struct cn_vet vet = cn_work_vet(w);

    if (!c)
        return cn_work_no_memory(w);
    for (int i = 0; i < n; i++)
        c[i] = (struct cn_change){b->regime[i].path, b->regime[i].new_text};
    vet.simulation = vet.same_is_fine = vet.probe = true;
    return cn_mutation_vet(&vet, first->config, c, n, m, w->err);
}

static const struct cn_node *node_with(const struct cn_history *h, const char *hash)
{
    for (int64_t i = 0; i < h->n_nodes; i++)
        if (h->nodes[i].config_hash[0] && strcmp(h->nodes[i].config_hash, hash) == 0)
            return &h->nodes[i];
    return NULL;
}

/* The node that is the default under the regime that is confirmed: the first one, or one with its
 * config and that regime; NULL: it is yet to be made. */
static cn_status find_control(const struct cn_work *w, struct plan_of *p)
{
    struct cn_mutated m;
    cn_status st;

    p->control = p->first;
    if (cn_history_same_regime(w->h, p->first->block, p->block))
        return CN_OK;
    st = control_config(w, p->first, p->block, &m);
    if (st != CN_OK)
        return st;
    p->control = node_with(w->h, m.hash);
    cn_mutated_clear(&m);
    return CN_OK;
}

static cn_status plan_control(const struct cn_work *w, const struct plan_of *p)
{
    struct cn_mutated m;
    cn_status st = control_config(w, p->first, p->block, &m);

    if (st != CN_OK)
        return st;
    st = cn_work_take_node(w, &m, p->first->id, "default-control", "user");
    w->out->node.block = p->block;
    cn_mutated_clear(&m);
    return st;
}

static bool is_default(const struct cn_node *n, const struct cn_node *control)
{
    return control && (n == control || (n->config_hash[0] &&
                                        strcmp(n->config_hash, control->config_hash) == 0));
}

/* The best by its lower bound, then those whose interval overlaps it; the default is confirmed
 * anyway. Judged by what the search alone knew, so that the choice stands while the confirmations
 * come in. */
static cn_status choose(const struct cn_work *w, struct plan_of *p)
{
    struct cn_best_query q = cn_plan_query(0);
    struct cn_ranking r;
    cn_status st;

    for (int64_t i = 0; i < w->h->n_iterations; i++)
        if (!w->h->iterations[i].confirmation)
            p->search = w->h->iterations[i].id;
    q.last = p->search;
    st = cn_history_rank(w->h, &q, &w->out->arena, &r, w->err);
    if (st != CN_OK)
        return st;
    p->first = cn_history_node(w->h, 1);
    if (!p->first || r.n_kept == 0)
        return cn_err_set(w->err, CN_ENOTFOUND, "nothing is left to confirm");
    p->block = r.rows[0].node->block;
    st = find_control(w, p);
    if (st != CN_OK)
        return st;
    for (int64_t i = 0; i < r.n_kept && p->n < w->pl->settings->confirm_top; i++) {
        bool near = i == 0 || r.rows[i].hi >= r.rows[0].lo; /* not when the noise is unknown */

        if (near && !is_default(r.rows[i].node, p->control))
            p->nodes[p->n++] = r.rows[i].node;
    }
    return CN_OK;
}

/* Confirmations of a role after the search, also those under way; the r-th of them in `nth`. */
static int64_t done_of(const struct cn_work *w, const struct plan_of *p, int64_t role,
                       int64_t r, const struct cn_iteration **nth)
{
    int64_t n = 0;

    *nth = NULL;
    for (int64_t i = 0; i < w->h->n_iterations; i++) {
        const struct cn_iteration *it = &w->h->iterations[i];
        bool of_default = strcmp(it->strategy, confirm_default) == 0;

        if (it->id <= p->search || !it->confirmation ||
            (role == 0 ? !of_default : of_default || it->node != p->nodes[role - 1]->id))
            continue;
        if (n++ == r)
            *nth = it;
    }
    return n;
}

/* All of a round share their seeds: those of the default, which is the first of it. They are made
 * of the id of an iteration that the search never had, so it never used them. */
static void confirm_seeds(const struct cn_work *w, const struct cn_iteration *same_as)
{
    struct cn_iteration *it = &w->out->iteration;

    it->slot = (int32_t)((w->id - 1) % w->pl->settings->n_parallel);
    it->sim_seed = same_as ? same_as->sim_seed : cn_work_seed(w, w->id);
    it->train_seed = same_as ? same_as->train_seed : it->sim_seed + CN_TRAIN_SEED_OFFSET;
    it->seed_mode = "different-data-generalization";
}

static cn_status confirm(const struct cn_work *w, const struct plan_of *p, int64_t role)
{
    struct cn_iteration *it = &w->out->iteration;
    const struct cn_iteration *before;
    cn_status st = CN_OK;

    it->confirmation = true;
    it->parent_rule = role == 0   ? "confirmation: the default config under fresh seeds"
                      : role == 1 ? "confirmation: the best config under the same fresh seeds"
                                  : "confirmation: a config that overlaps the best, under the "
                                    "same fresh seeds";
    (void)done_of(w, p, 0, 0, &before);
    if (role > 0)
        it->node = p->nodes[role - 1]->id;
    else if (before)
        it->node = before->node;
    else if (p->control)
        it->node = p->control->id;
    else
        st = plan_control(w, p);
    it->replicate = !w->out->new_node;
    it->strategy = role > 0 ? "confirm-best" : confirm_default;
    return st;
}

cn_status cn_plan_confirmation(const struct cn_planner *pl, const struct cn_history *h,
                               struct cn_plan *out, struct cn_err *err)
{
    const struct cn_iteration *same_as = NULL;
    int64_t fewest = INT64_MAX, role = -1;
    struct plan_of p = {0};
    struct cn_work w;
    cn_status st;

    cn_work_begin(&w, pl, h, out, err);
    st = choose(&w, &p);
    for (int64_t k = 0; st == CN_OK && k <= p.n; k++) {
        int64_t n = done_of(&w, &p, k, 0, &same_as);

        if (n < fewest) {
            fewest = n;
            role = k;
        }
    }
    if (st == CN_OK && fewest >= pl->settings->confirm)
        st = cn_err_set(err, CN_ENOTFOUND, "nothing is left to confirm");
    if (st == CN_OK)
        st = confirm(&w, &p, role);
    if (st == CN_OK) {
        (void)done_of(&w, &p, 0, fewest, &same_as);
        confirm_seeds(&w, role > 0 ? same_as : NULL);
    } else {
        cn_plan_clear(out);
    }
    return st;
}
