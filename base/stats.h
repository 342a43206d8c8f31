/* Numbers with their doubt: intervals, pooled noise, comparisons. Used wherever cairn says "better".
 *
 *     struct cn_noise noise = CN_NOISE_INIT;            // from all configs trained more than once
 *     for each such config: cn_noise_add(&noise, n, std);
 *     struct cn_interval i = cn_stats_mean(mean, std, n, &noise, 0.9);   // i.lo: "at least"
 *     struct cn_difference d = cn_stats_difference(&a, &b, &noise, 0.9); // a - b, with interval
 *
 * Deterministic, no I/O. NaN in, NaN out; nothing is ever invented: with no repeated training
 * anywhere the noise is unknown (df 0) and an interval of a single run is (NaN, NaN).
 *
 * Sources: Wilson, JASA 22 (1927) 209; Welch, Biometrika 34 (1947) 28; Student's quantile by the
 * regularised incomplete beta function (continued fraction, Numerical Recipes' form re-derived from
 * DLMF 8.17.22).
 */
#ifndef CN_BASE_STATS_H
#define CN_BASE_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct cn_interval {
    double lo, hi;
};

/* k successes of n at the two-sided confidence (0.9, 0.95). NaN for n = 0. */
struct cn_interval cn_stats_wilson(int64_t k, int64_t n, double confidence);

/* t with P(|T| <= t) = confidence for df degrees of freedom (df > 0, also fractional). */
double cn_stats_student(double confidence, double df);
/* z with P(|Z| <= z) = confidence. */
double cn_stats_normal(double confidence);

/* Within-config noise, pooled: std^2 = sum (n_i - 1) s_i^2 / df, df = sum (n_i - 1). */
struct cn_noise {
    double std; /* NaN while df is 0 */
    double df;
};
/* clang-format off */
#define CN_NOISE_INIT {__builtin_nan(""), 0}
/* clang-format on */
void cn_noise_add(struct cn_noise *p, int64_t n, double std); /* n < 2 or NaN: nothing */
/* The pool as if this config had not been added: what its own interval leans on, so that its own
 * runs do not count twice. */
struct cn_noise cn_noise_without(const struct cn_noise *p, int64_t n, double std);

/* What repeated trainings of one config gave. std NaN for n < 2. */
struct cn_sample {
    int64_t n;
    double mean, std;
};

/* Two-sided interval of the mean. The spread used is the config's own shrunk towards the pooled one
 * (weights: df of each, the pooled one counting at most CN_STATS_POOL_DF), so two lucky equal runs
 * do not look certain and an unstable config is not flattered by quiet neighbours. `noise` NULL:
 * unknown; it should not hold the config itself (cn_noise_without). */
enum { CN_STATS_POOL_DF = 4 };
struct cn_interval cn_stats_mean(const struct cn_sample *a, const struct cn_noise *noise,
                                 double confidence);

/* a - b, after Welch, with the pool as a part that both sides share. `known` false: no noise
 * estimate, lo and hi are NaN. */
struct cn_difference {
    double mean, lo, hi;
    bool known;
    bool better, worse; /* the interval lies above 0, below 0 */
};
struct cn_difference cn_stats_difference(const struct cn_sample *a, const struct cn_sample *b,
                                         const struct cn_noise *noise, double confidence);
/* Paired: d[i] = a_i - b_i under the same seeds. n < 2: known = false. */
struct cn_difference cn_stats_paired(const double *d, int64_t n, double confidence);

/* Student's mean and sample standard deviation (n - 1), in order of the values. */
struct cn_sample cn_stats_sample(const double *x, int64_t n);

/* How repeatable a config is (specs loop 4.3): of n >= 4 runs, in terms of a reward where higher is
 * better and `threshold` is success. DISQUALIFIED needs `floor` (NaN: not used): any run below it.
 *   stable-robust  all reach the threshold, CV < 3 %
 *   robust         all reach it, CV < 5 %
 *   variable       all reach it, CV >= 5 %
 *   partial        at least half of them reach it
 *   fragile        fewer
 * UNKNOWN: n < 2. `few` is set below 4 runs: the class is a first impression. A reward of NaN is a
 * run that failed: it reaches neither the threshold nor the floor. */
typedef enum {
    CN_STABILITY_UNKNOWN,
    CN_STABILITY_STABLE,
    CN_STABILITY_ROBUST,
    CN_STABILITY_VARIABLE,
    CN_STABILITY_PARTIAL,
    CN_STABILITY_FRAGILE,
    CN_STABILITY_DISQUALIFIED
} cn_stability;
cn_stability cn_stats_stability(const double *rewards, int64_t n, double threshold,
                                double floor, bool *opt_few);
const char *cn_stability_name(cn_stability s); /* "stable-robust", ...; "" for UNKNOWN */

#endif
