/* Pieces of planning that plan.c, blocks.c, embedded.c, points.c and confirm.c share. */
#ifndef CN_LOOP_PLAN_INT_H
#define CN_LOOP_PLAN_INT_H

#include "harness/loop/plan.h"
#include "harness/loop/view.h"
#include "ucb/mutate.h"

enum { CN_SEEDS_PER_ITERATION = 1000, CN_TRAIN_SEED_OFFSET = 500 };

/* Everything one call works with. */
struct cn_work {
    const struct cn_planner *pl;
    const struct cn_history *h;
    struct cn_plan *out;
    int64_t id;                   /* of the iteration being planned */
    int64_t n_blocks;             /* before the one that is being begun */
    const struct cn_block *begun; /* opened, its first iteration not planned: we were killed */
    /* The parameters that a block's partition row lets change: bool[search->training.space.n];
     * NULL: all. */
    const bool *opt_focus;
    struct cn_err *err;
};

/* An empty plan for the next id. */
void cn_work_begin(struct cn_work *w, const struct cn_planner *pl, const struct cn_history *h,
                   struct cn_plan *out, struct cn_err *err);
static inline cn_status cn_work_no_memory(const struct cn_work *w)
{
    (void)cn_err_set(w->err, CN_ENOMEM, "no memory to plan iteration %lld", (long long)w->id);
    return CN_ENOMEM;
}
/* A copy that lives as long as the plan; "" when out of memory. */
const char *cn_work_words(const struct cn_work *w, const char *s);
struct cn_vet cn_work_vet(const struct cn_work *w);
/* The Parzen estimator of the record (hunt.c); free with cn_tpe_free. `known` lives as long as
 * the plan. */
struct cn_observations;
struct cn_tpe;
CN_MUST_CHECK cn_status cn_work_tpe(const struct cn_work *w, struct cn_observations *known,
                                    struct cn_tpe **out);
/* simulation.seed of an iteration: id * 1000 + slot. */
uint64_t cn_work_seed(const struct cn_work *w, int64_t iteration);
/* The vetted config becomes the plan's new node. */
CN_MUST_CHECK cn_status cn_work_take_node(const struct cn_work *w, const struct cn_mutated *m,
                                          int64_t parent, const char *strategy,
                                          const char *proposer);

/* -- the proposers: each fills the plan with one iteration -- */

/* The first iteration of a new block (blocks.c). */
CN_MUST_CHECK cn_status cn_plan_root(const struct cn_work *w);
/* Rule table, parent, mutation (embedded.c). */
CN_MUST_CHECK cn_status cn_plan_embedded(const struct cn_work *w, struct cn_view *v);
/* The row of the rule table that holds now, with what it found; completes the view by
 * cn_view_rules. */
CN_MUST_CHECK cn_status cn_plan_choose_row(const struct cn_work *w, struct cn_view *v,
                                           struct cn_rule_choice *choice);
/* The parent that the row's rule selects among the block's scored nodes, in words: "highest UCB:
 * node 7 (score 1.932, visits 1)". For rows that do not choose their node themselves. */
CN_MUST_CHECK cn_status cn_plan_row_parent(const struct cn_work *w, const struct cn_view *v,
                                           const struct cn_rule_choice *choice,
                                           struct cn_buf *words);
/* What the block's partition row asks for (partition.c): *out_planned tells whether it filled
 * the plan. Else the proposers search, over the parameters of *out_focus alone (NULL: all). */
CN_MUST_CHECK cn_status cn_plan_partition(const struct cn_work *w, const struct cn_view *v,
                                          const bool **out_focus, bool *out_planned);
/* A block that begins with the best of the whole run and trains it again. */
bool cn_partition_replicates(const struct cn_work *w, int64_t block);
/* The row's simulation values into to[simulation.space.n]; false: no row speaks for the block.
 * *out_draw: one of the parameters in out_free[n] is to be changed by a draw. */
bool cn_partition_regime(const struct cn_work *w, int64_t block, double *to, bool *out_free,
                         bool *out_draw);
/* Names and values of all rows, before a run is made. CN_EINPUT "protocol.md:12: ...". */
CN_MUST_CHECK cn_status cn_partition_check(const struct cn_search *s,
                                           const struct cn_protocol *p,
                                           const struct cn_trainer *t, struct cn_err *err);
/* What a model said about this iteration (consult_plan.c); where it said nothing that holds, the
 * embedded proposer, and the log says why. */
CN_MUST_CHECK cn_status cn_plan_said(const struct cn_work *w, struct cn_view *v);
/* The regime that it proposed for the block into to[simulation.space.n]; false: none. */
bool cn_plan_said_regime(const struct cn_work *w, int64_t block, const double *from,
                         double *to);
/* Sobol, random and TPE points of the whole space (points.c). */
CN_MUST_CHECK cn_status cn_plan_point(const struct cn_work *w, const struct cn_view *v);

/* One mutation of one parent, being looked for (hunt.c): candidates in the order that the record
 * or the model (settings.model) ranks them, the first that passes the vetting is kept. Draws of
 * EXPLORE keep away from where trainings died. change.why lives as long as the plan.
 * CN_ENOTFOUND: nothing new is left. */
struct cn_hunt {
    const struct cn_work *w;
    const struct cn_node *parent; /* whose config is changed */
    struct cn_vet vet;
    struct cn_mutated found; /* of the candidate that passed; clear with cn_mutated_clear */
};
CN_MUST_CHECK cn_status cn_hunt_for(struct cn_hunt *t, cn_mutate_kind kind,
                                    struct cn_mutate_change *c);

/* What a strategy offers: one config and where it comes from. */
struct cn_offer {
    int64_t parent;          /* node id; 0: root */
    int32_t param;           /* the parameter that it changes; -1: several */
    struct cn_mutated found; /* clear with cn_mutated_clear */
    char how[512];           /* for the parent rule: which nodes, or why there is nothing */
    char why[512];           /* the hypothesis */
};
/* The strategies that choose their node themselves: recombine, scale-up, principle-test,
 * random-restart (strategy.c). CN_ENOTFOUND: nothing to offer, `how` says why. The view has
 * passed cn_view_rules. */
CN_MUST_CHECK cn_status cn_plan_strategy(const struct cn_work *w, const struct cn_view *v,
                                         const struct cn_rule_choice *choice,
                                         struct cn_offer *out);
/* The seeds' reversion check: when the offer puts `param` back to the value of an ancestor of its
 * parent, and differs from that ancestor in one other parameter, it becomes that change of that
 * ancestor. */
CN_MUST_CHECK cn_status cn_plan_reversion(const struct cn_work *w, const struct cn_view *v,
                                          int32_t param, struct cn_offer *o,
                                          bool *out_reverted);
/* The whole point as a change of the block's root, vetted (points.c). */
CN_MUST_CHECK cn_status cn_plan_vet_point(const struct cn_work *w, const struct cn_view *v,
                                          const double *point, struct cn_mutated *m);
/* -- noise (noise.c) -- */

/* The noise floor and the doubt about who leads, before the proposer: when a training is better
 * spent on a repeat, the plan is that repeat and *out_planned is true. */
CN_MUST_CHECK cn_status cn_plan_noise(const struct cn_work *w, const struct cn_view *v,
                                      bool *out_planned);
/* A repeat of `node` that is to be compared with `other` gets seeds that `other` was trained
 * under and `node` was not (common random numbers); when there are none, it gets fresh ones. */
void cn_plan_pair_seeds(const struct cn_work *w, int64_t node, int64_t other);
/* The rows whose nodes keep the guardrails, as parents by choice; all of them when none does.
 * The rows live in the plan's arena: never clear `out`. */
CN_MUST_CHECK cn_status cn_plan_allowed(const struct cn_work *w, int64_t block,
                                        const struct cn_score_table *scores,
                                        struct cn_score_table *out);

/* Train an existing node again. */
void cn_plan_rerun(const struct cn_work *w, int64_t node, const char *strategy,
                   const char *why);
/* Nothing new can be proposed any more: the best node once again sharpens its mean, and the log
 * says why. */
CN_MUST_CHECK cn_status cn_plan_nothing_new(const struct cn_work *w, const struct cn_view *v);

#endif
