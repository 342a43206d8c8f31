/* Tree-structured Parzen estimator over mixed spaces, multivariate, with failed regions.
 *
 *     struct cn_tpe t;
 *     st = cn_tpe_init(&t, &space, obs, n_obs, &opts, &err);   // obs: oldest first, all blocks
 *     for each candidate: double g = cn_tpe_gain(&t, point);   // log l(x) - log g(x), higher = better
 *     cn_tpe_draw(&t, k, point);                               // k-th draw from l(x), keyed
 *     cn_tpe_clear(&t);
 *
 * Observations are split by reward: the best gamma(n) = min(ceil(0.1 n), 25) form l, the rest g.
 * Both are mixtures with one component per observation plus a uniform prior: one multivariate
 * component holds all parameters at once (Falkner et al. 2018, BOHB; Watanabe 2023, arXiv
 * 2304.11127), floats and ints by truncated Gaussians on the unit scale (cn_space_to_unit), bools
 * and unordered choices by smoothed categorical weights, ordered choices as ints. Failed
 * observations (diverged, oom, timeout, crashed, pruned) belong to g always, and a second pair of
 * densities, feasible against failed, is multiplied in (c-TPE, arXiv 2211.14411), so the region
 * where trainings die is left alone. Observations of older blocks (other regimes) count with
 * weight `old_weight` per block of age: their rewards are first reduced by their block's median.
 *
 * Before CN_TPE_STARTUP observations are finished the caller uses scrambled Sobol points
 * (cn_tpe_is_ready). Deterministic: a draw is a function of (observations, seed, iteration, k).
 */
#ifndef CN_UCB_TPE_H
#define CN_UCB_TPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ucb/space.h"

enum { CN_TPE_STARTUP = 4, CN_TPE_OBSERVATIONS = 1024 };

struct cn_tpe_obs {
    const double *point; /* double[space->n]; NaN: this config has no such value */
    double reward;       /* mean of the node; NaN when failed or in flight */
    int64_t n;           /* trainings behind it */
    int64_t block;
    bool failed;
    bool
        in_flight; /* counts into g (a constant liar), so that slots do not all draw the same */
};

struct cn_tpe_opts {
    int64_t block;     /* the one that is searched */
    double old_weight; /* weight of an observation one block older; 0.5 */
    uint64_t seed;
    int64_t iteration;
};

struct cn_tpe; /* opaque; owned by the caller of cn_tpe_new */

/* At most CN_TPE_OBSERVATIONS are used: all of this block, then the newest. Copies what it needs.
 * CN_EINPUT from cn_space_check. */
CN_MUST_CHECK cn_status cn_tpe_new(const struct cn_space *s, const struct cn_tpe_obs *obs,
                                   int64_t n, const struct cn_tpe_opts *o, struct cn_tpe **out,
                                   struct cn_err *err);
void cn_tpe_free(struct cn_tpe *t); /* NULL is fine */
/* Enough finished observations for densities (CN_TPE_STARTUP). */
bool cn_tpe_is_ready(const struct cn_tpe *t);
/* log of (good / rest) x (feasible / failed) at a point. */
double cn_tpe_gain(const struct cn_tpe *t, const double *point);
/* Share of nearby weight that is failed, in [0, 1]: for the log ("3 of 4 neighbours died"). */
double cn_tpe_failed_share(const struct cn_tpe *t, const double *point);
/* The k-th draw from the good density: double[space->n], values inside the range. */
void cn_tpe_draw(const struct cn_tpe *t, uint64_t k, double *out);

#endif
