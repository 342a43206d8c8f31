/* Fresh-seed replicates after the search: default and best, paired. See cn_plan_confirmation in
 * plan.h. */
#include <string.h>

#include "base/banned.h"
#include "harness/loop/plan_int.h"

static bool same_regime(const struct cn_history *h, int64_t a, int64_t b)
{
    const struct cn_block *x = cn_history_block(h, a), *y = cn_history_block(h, b);

    if (!x || !y || x->n_regime != y->n_regime)
        return x == y;
    for (int i = 0; i < x->n_regime; i++)
        if (strcmp(x->regime[i].new_text, y->regime[i].new_text) != 0)
            return false;
    return true;
}

/* Confirmations after the last iteration of the search, in order. */
static int64_t confirmations(const struct cn_history *h, const struct cn_iteration **out_first,
                             const struct cn_iteration **out_last)
{
    int64_t n = 0;

    *out_first = *out_last = NULL;
    for (int64_t i = 0; i < h->n_iterations; i++) {
        if (!h->iterations[i].confirmation) {
            n = 0;
            *out_first = NULL;
            continue;
        }
        if (n++ == 0)
            *out_first = &h->iterations[i];
        *out_last = &h->iterations[i];
    }
    return n;
}

/* The default config under the regime of the best node's block, as a node of its own. */
static cn_status plan_control(const struct cn_work *w, const struct cn_node *first,
                              const struct cn_node *best)
{
    const struct cn_block *b = cn_history_block(w->h, best->block);
    struct cn_change *c = cn_arena_alloc(&w->out->arena, (size_t)b->n_regime + 1, sizeof *c);
    struct cn_vet vet = cn_work_vet(w);
    struct cn_mutated m;
    cn_status st;

    if (!c)
        return cn_work_no_memory(w);
    for (int i = 0; i < b->n_regime; i++)
        c[i] = (struct cn_change){b->regime[i].path, b->regime[i].new_text};
    vet.simulation = vet.same_is_fine = vet.probe = true;
    st = cn_mutation_vet(&vet, first->config, c, b->n_regime, &m, w->err);
    if (st != CN_OK)
        return st;
    st = cn_work_take_node(w, &m, first->id, "default-control", "user");
    w->out->node.block = best->block;
    cn_mutated_clear(&m);
    return st;
}

/* The story: a pair is default, then best, under the same fresh seeds. So the k-th confirmation
 * is of the default when k is even, and an odd one repeats the seeds of the one before. */
static void confirm_seeds(const struct cn_work *w, bool second, const struct cn_iteration *last)
{
    struct cn_iteration *it = &w->out->iteration;

    it->slot = (int32_t)((w->id - 1) % w->pl->settings->n_parallel);
    it->sim_seed = second ? last->sim_seed : cn_work_seed(w, w->id);
    it->train_seed = second ? last->train_seed : it->sim_seed + CN_TRAIN_SEED_OFFSET;
    it->seed_mode = "different-data-generalization";
}

static cn_status confirm(const struct cn_work *w, const struct cn_node *first,
                         const struct cn_node *best, bool of_best,
                         const struct cn_iteration *first_done)
{
    struct cn_iteration *it = &w->out->iteration;
    cn_status st = CN_OK;

    it->confirmation = true;
    it->parent_rule = of_best ? "confirmation: the best config under fresh seeds"
                              : "confirmation: the default config under the same fresh seeds";
    if (of_best)
        it->node = best->id;
    else if (first_done)
        it->node = first_done->node;
    else if (same_regime(w->h, first->block, best->block))
        it->node = first->id;
    else
        st = plan_control(w, first, best);
    it->replicate = !w->out->new_node;
    /* logs/facts.c looks for these. */
    it->strategy = of_best ? "confirm-best" : "confirm-default";
    return st;
}

cn_status cn_plan_confirmation(const struct cn_planner *pl, const struct cn_history *h,
                               struct cn_plan *out, struct cn_err *err)
{
    const struct cn_iteration *first_done, *last_done;
    double mean;
    int64_t count, done = confirmations(h, &first_done, &last_done);
    const struct cn_node *best = cn_plan_best(h, 0, INT64_MAX, &mean, &count),
                         *first = cn_history_node(h, 1);
    bool alone = best == first;
    struct cn_work w;
    cn_status st;

    cn_work_begin(&w, pl, h, out, err);
    if (!best || !first || done >= pl->settings->confirm * (alone ? 1 : 2))
        st = cn_err_set(err, CN_ENOTFOUND, "nothing is left to confirm");
    else
        st = confirm(&w, first, best, !alone && done % 2 == 1, first_done);
    if (st == CN_OK)
        confirm_seeds(&w, !alone && done % 2 == 1, last_done);
    else
        cn_plan_clear(out);
    return st;
}
