/* Tree-structured Parzen estimator over mixed spaces, multivariate, with failed regions.
 *
 *     struct cn_tpe_opts o = CN_TPE_OPTS_INIT;
 *     struct cn_tpe *t;
 *     st = cn_tpe_new(&space, obs, n_obs, &o, &t, &err);  // obs: oldest first, all regimes
 *     if (cn_tpe_is_ready(t)) ...                         // else scrambled Sobol points
 *     double g = cn_tpe_gain(t, point);                   // higher = better
 *     cn_tpe_draw(t, k, point);                           // k-th draw from the good density
 *     cn_tpe_free(t);
 *
 * Two mixtures stand for the past: l of the good configs, g of the rest (Bergstra et al. 2011),
 * with one multivariate component per observation, all parameters at once (Falkner et al. 2018,
 * BOHB; Watanabe 2023, arXiv 2304.11127), and a uniform one for the unknown. A component is, per
 * parameter: a Gaussian on the unit scale (cn_space_place), cut off at 0 and 1; its integral over
 * the value's share for ints and ordered choices; own value or uniform for bools and unordered
 * choices; "off" (0 of a log range from 0) and "absent" (NaN) are values beside the scale.
 *
 * Who is good: rewards are compared inside their own regime only, by rank, and the ranks of all
 * regimes together are split: the best gamma of n. So the model does not change under any
 * monotone transform of the reward, nor of one regime's alone. Observations of a regime that is
 * `a` regimes away weigh old_weight^a; the mean of n trainings weighs sqrt(n), at most 2. Those in
 * flight count among the rest (a constant liar), so that slots do not all draw the same; those
 * without a reward and failures do too.
 *
 * Failed regions (after c-TPE, Watanabe & Hutter 2023, arXiv 2211.14411): the gain is
 *
 *     log P(good | x) / P(good)  +  log P(feasible | x) / P(feasible)
 *
 * with P(good | x) / P(good) = 1 / (q + (1 - q) g(x) / l(x)), q the share of good weight, and
 * P(feasible | x) the same of finished against failed observations (diverged, oom, timeout,
 * crashed), whose uniform components are in the proportion of their weights: where nobody
 * has been, the overall share counts. A probe's value beyond the range is a component beyond the
 * edge: it tells little about the inside.
 */
#ifndef CN_UCB_TPE_H
#define CN_UCB_TPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ucb/space.h"

enum { CN_TPE_STARTUP = 4, CN_TPE_OBSERVATIONS = 1024, CN_TPE_GOOD_MAX = 25 };

struct cn_tpe_obs {
    const double *point; /* double[space->n], borrowed during cn_tpe_new; NaN: no such value */
    double reward;       /* mean of the node, higher is better; NaN: none */
    int64_t n;           /* trainings behind it; 1 when in flight or failed */
    int64_t regime;      /* rewards of one number are comparable; neighbours are alike */
    bool failed;
    bool in_flight;
};

struct cn_tpe_opts {
    int64_t regime;    /* the one that is searched */
    double old_weight; /* of an observation one regime away */
    double gamma;      /* share of finished observations that is good; at least one */
    double bandwidth;  /* h of sigma = h n^(-1/(d+4)), n components, d parameters (Scott) */
    double floor;      /* sigma is at least this */
    double prior;      /* weight of the uniform component */
    uint64_t seed;
    int64_t iteration;
};
/* Chosen by `cairn bench search` (docs/SEARCH.md). */
/* clang-format off */
#define CN_TPE_OPTS_INIT {0, 0.5, 0.1, 0.1, 0.03, 1.0, 0, 0}
/* clang-format on */

struct cn_tpe;

/* At most CN_TPE_OBSERVATIONS are used: the newest. Copies what it needs but the parameters'
 * paths. CN_EINPUT from cn_space_check, CN_ENOMEM. */
CN_MUST_CHECK cn_status cn_tpe_new(const struct cn_space *s, const struct cn_tpe_obs *obs,
                                   int64_t n, const struct cn_tpe_opts *o, struct cn_tpe **out,
                                   struct cn_err *err);
void cn_tpe_free(struct cn_tpe *t); /* NULL is fine */
/* Enough finished observations for densities (CN_TPE_STARTUP, one of them with a reward). */
bool cn_tpe_is_ready(const struct cn_tpe *t);

double cn_tpe_gain(const struct cn_tpe *t, const double *point);
/* P(failed | x), in [0, 1]; 0 when nothing failed. */
double cn_tpe_failed_share(const struct cn_tpe *t, const double *point);
/* log of l, or of g: densities over the unit scale, masses where the value is discrete. */
double cn_tpe_log_density(const struct cn_tpe *t, bool good, const double *point);

/* The k-th draw from the good density: double[space->n], values inside the range, none absent.
 * A pure function of (observations, options, k). */
void cn_tpe_draw(const struct cn_tpe *t, uint64_t k, double *out);
/* The best by gain of `n` draws from number `first` on. */
void cn_tpe_best(const struct cn_tpe *t, uint64_t first, int64_t n, double *out);
/* The k-th draw of one coordinate from the good density, given the point's other values. */
double cn_tpe_draw_one(const struct cn_tpe *t, const double *point, int32_t param, uint64_t k);

/* Why `to` and not `from`: indices into the caller's observations, most telling first. */
enum { CN_TPE_WHY = 2 };
struct cn_tpe_why {
    int64_t towards[CN_TPE_WHY]; /* good ones that come nearer */
    int32_t n_towards;
    int64_t away[CN_TPE_WHY]; /* failed ones, or without them poor ones, that are left behind */
    int32_t n_away;
    bool away_failed;
};
void cn_tpe_explain(const struct cn_tpe *t, const double *from, const double *to,
                    struct cn_tpe_why *out);

#endif
