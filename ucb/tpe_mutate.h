/* One-key mutations of a parent, ranked by the Parzen estimator: the embedded proposer's model
 * "tpe". Also the first moves of a run, before anything is known.
 *
 *     struct cn_tpe_mutate_query q = {.tpe = t, .base = {.space = &space, .parent = values, ...}};
 *     st = cn_tpe_mutate(&q, tried, ctx, &change, &err); // CN_ENOTFOUND: nothing new is left
 *
 * The candidates are those of CN_MUTATE_EXPLOIT (mutate.h), and per parameter: half a step, a
 * step and one and a half steps up and down, every other choice, off and on again, and
 * CN_TPE_MUTATE_DRAWS draws from the good density given the parent's other values. Each stands
 * for the whole config that it would give; they are offered in the order of cn_tpe_gain.
 *
 * Start-up (cn_tpe_startup): the run's first moves each go to where a scrambled Sobol point lies
 * in the parameter that was tried least, so that the first observations spread over the
 * parameters and over their ranges.
 */
#ifndef CN_UCB_TPE_MUTATE_H
#define CN_UCB_TPE_MUTATE_H

#include "ucb/mutate.h"
#include "ucb/tpe.h"

enum { CN_TPE_MUTATE_DRAWS = 8 };

struct cn_tpe_mutate_query {
    const struct cn_tpe *tpe;    /* of the same space; ready */
    struct cn_mutate_query base; /* kind is not read */
    int64_t n_slope;             /* so many of mutate.c's candidates as well */
    bool slope_only;             /* no others */
};

/* The first candidate by gain that is not tried (`tried` may be NULL). change.why: static words;
 * the caller may ask cn_tpe_explain for better ones. CN_EINPUT from cn_space_check. */
CN_MUST_CHECK cn_status cn_tpe_mutate(const struct cn_tpe_mutate_query *q,
                                      cn_mutate_tried_fn *tried, void *ctx,
                                      struct cn_mutate_change *out, struct cn_err *err);

/* Move number `index` (0 ..) of the start-up. CN_ENOTFOUND: no such move that is new. */
CN_MUST_CHECK cn_status cn_tpe_startup(const struct cn_mutate_query *q, int64_t index,
                                       cn_mutate_tried_fn *tried, void *ctx,
                                       struct cn_mutate_change *out, struct cn_err *err);

#endif
