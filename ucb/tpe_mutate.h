/* One-key mutations of a parent, ranked by the Parzen estimator: the embedded proposer's model
 * "tpe".
 *
 *     struct cn_tpe_mutate_query q = {.tpe = t, .n_thompson = CN_TPE_THOMPSON,
 *                                     .base = {.space = &space, .parent = values, ...}};
 *     st = cn_tpe_mutate(&q, tried, ctx, &change, &err); // CN_ENOTFOUND: nothing new is left
 *
 * The candidates are the first n_thompson of CN_MUTATE_EXPLOIT (mutate.h): moves that Thompson's
 * rule draws from what one-key mutations have shown. They know directions; the estimator knows
 * which whole configs were good, and which died. Each stands for the whole config that it would
 * give; they are offered in the order of cn_tpe_gain. With `all`, further candidates: per
 * parameter half a step, a step and one and a half steps up and down, every other choice, off and
 * on again, and CN_TPE_MUTATE_DRAWS draws from the good density given the parent's other values.
 * Alone these search worse (docs/SEARCH.md), so they are for when the first are used up.
 */
#ifndef CN_UCB_TPE_MUTATE_H
#define CN_UCB_TPE_MUTATE_H

#include "ucb/mutate.h"
#include "ucb/tpe.h"

enum { CN_TPE_MUTATE_DRAWS = 8, CN_TPE_THOMPSON = 6 };

struct cn_tpe_mutate_query {
    const struct cn_tpe *tpe;    /* of the same space; ready */
    struct cn_mutate_query base; /* kind is not read */
    /* The parent's values where base.parent hides some (NaN: not to be changed); NULL: it hides
     * none. double[space->n] */
    const double *opt_whole;
    int64_t n_thompson;
    bool all;
};

/* The first candidate by gain that is not tried (`tried` may be NULL). change.why: static words;
 * the caller may ask cn_tpe_explain for better ones. CN_EINPUT from cn_space_check. */
CN_MUST_CHECK cn_status cn_tpe_mutate(const struct cn_tpe_mutate_query *q,
                                      cn_mutate_tried_fn *tried, void *ctx,
                                      struct cn_mutate_change *out, struct cn_err *err);

#endif
