/* The record as observations for the Parzen estimator (ucb/tpe.h): one per config, its trainings
 * pooled.
 *
 *     struct cn_observations o;
 *     st = cn_observations_of(pl, h, block, &arena, &o, &err);  // arrays live in the arena
 *     opts.regime = o.regime;
 *     st = cn_tpe_new(&space, o.obs, o.n, &opts, &tpe, &err);
 *     ... o.node[i]: the first node with that config ...
 *
 * Blocks of one simulation regime share a number, that of the first of them: their rewards are
 * comparable. Infra and invalid iterations and confirmations say nothing here; a training that
 * was pruned is a poor one, not a dead one.
 */
#ifndef CN_LOOP_OBSERVATIONS_H
#define CN_LOOP_OBSERVATIONS_H

#include "harness/loop/plan.h"
#include "ucb/tpe.h"

struct cn_observations {
    struct cn_tpe_obs *obs;
    int64_t *node;
    int64_t n;
    int64_t regime; /* of the block */
};

CN_MUST_CHECK cn_status cn_observations_of(const struct cn_planner *pl,
                                           const struct cn_history *h, int64_t block,
                                           struct cn_arena *arena, struct cn_observations *out,
                                           struct cn_err *err);

#endif
