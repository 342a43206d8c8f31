/* What "recovered" means: the numbers of specs flyvis_gnn section 5, by definition and in
 * double.
 *
 * Pure functions on plain arrays: no model, no data set, no files. evaluate.h feeds them.
 * Symbols of the paper are kept: G = g_phi(v, a), f = f_theta(v, a, m, I), s_g, s_f, o_f, gm,
 * W*.
 *
 * Two different R2 stand side by side and are never mixed:
 *   - cn_fly_fit: learned = slope*truth + offset by least squares,
 *     R2 = 1 - SSres/SStot(learned). This is the squared correlation that connectivity_R2,
 *     tau_R2 and V_rest_R2 report; it cannot see a wrong sign or scale, hence the slope beside
 *     it;
 *   - cn_fly_r2_identity: 1 - SSE/SStot(truth) against learned = truth; negative when worse
 *     than the mean of the truth.
 */
#ifndef CN_FLY_METRICS_H
#define CN_FLY_METRICS_H

#include <stdint.h>

#include "base/status.h"

/* ---- 1. two arrays ---- */

struct cn_fly_fit {
    double r2, slope, offset;
    int64_t n; /* pairs that were used */
};

/* Least squares learned = slope*truth + offset; r2 = 0 if the learned values do not vary, all 0
 * if the truth does not. `opt_keep` (n) drops the pairs where it is 0. */
struct cn_fly_fit cn_fly_fit(const double *truth, const double *learned,
                             const uint8_t *opt_keep, int64_t n);
/* 1 - sum (learned-truth)^2 / sum (truth-mean)^2; NaN when the truth does not vary. */
double cn_fly_r2_identity(const double *truth, const double *learned, const uint8_t *opt_keep,
                          int64_t n);

/* ---- 2. slopes of the learned functions ---- */

enum { CN_FLY_SLOPE_POINTS = 1000, CN_FLY_GM_FRAMES = 8 };

/* The voltages at which G or f is sampled for a neuron: mu +- 2 sigma, for G not below 0
 * (`of_g`). Point k of n is lo + k*(hi-lo)/(n-1). */
void cn_fly_slope_range(double mu, double sigma, int of_g, double *out_lo, double *out_hi);
/* Least-squares line through y[k] at n equispaced points on lo..hi. A range so narrow that |n
 * Sxx - Sx^2| <= 1e-12 gives slope 0 and offset 0, as the reference does. */
void cn_fly_line(double lo, double hi, const double *y, int64_t n, double *out_slope,
                 double *out_offset);
/* The 8 training frames at which gm = df/dm is read: trunc(linspace(T div 10, T-100, 8)). With
 * fewer than 112 frames the span ends at T-1 instead. T >= 1. */
void cn_fly_gm_frames(int64_t T, int64_t out[CN_FLY_GM_FRAMES]);
/* The 4th smallest of 8 (element-wise lower median); v is reordered. */
double cn_fly_lower_median8(double v[CN_FLY_GM_FRAMES]);

/* ---- 3. connectivity, tau, V_rest ---- */

/* W*_e = -W_e s_g[src] gm[dst] / s_f[dst]; what is not finite becomes 0 and is counted. Returns
 * that count. */
int64_t cn_fly_correct(int64_t e, const int32_t *src, const int32_t *dst, const double *W,
                       const double *s_g, const double *gm, const double *s_f,
                       double *out_star);
/* keep[i] = |star - truth| <= 5. Returns how many were dropped. */
int64_t cn_fly_outliers(const double *truth, const double *star, int64_t e, uint8_t *out_keep);
/* tau = clip(-1/s_f, 0, 1), V = -o_f/s_f; both 1 where s_f is 0. */
void cn_fly_dynamics(int64_t n, const double *s_f, const double *o_f, double *out_tau,
                     double *out_V);

/* ---- 4. traces: truth against prediction, frame after frame, per neuron ---- */

struct cn_fly_traces {
    int64_t n, frames;
    double *sum; /* owned, (n, CN_FLY_TRACE_SUMS), shifted by the first frame of the truth */
};
enum { CN_FLY_TRACE_SUMS = 8 };

struct cn_fly_trace_stats {
    double rmse, rmse_std;       /* mean and population std over neurons */
    double pearson, pearson_std; /* over the neurons where both traces vary (std > 1e-8) */
    double feve; /* mean of 1 - var(err)/(var(truth)+1e-8), population variances */
    double r2;   /* mean r2 against identity, over the neurons whose truth varies */
};

CN_MUST_CHECK cn_status cn_fly_traces_init(struct cn_fly_traces *t, int64_t n,
                                           struct cn_err *err);
void cn_fly_traces_clear(struct cn_fly_traces *t);
/* One frame: truth (n), predicted (n). */
void cn_fly_traces_add(struct cn_fly_traces *t, const double *truth, const double *predicted);
/* Per neuron; each out (n) or NULL; undefined values are NaN. */
void cn_fly_traces_get(const struct cn_fly_traces *t, double *opt_rmse, double *opt_pearson,
                       double *opt_feve, double *opt_r2);
CN_MUST_CHECK cn_status cn_fly_traces_stats(const struct cn_fly_traces *t,
                                            struct cn_fly_trace_stats *out, struct cn_err *err);

/* ---- 5. the evaluator checks itself ---- */

/* Before any number is believed: perfect parameters must score 1, shuffled ones about 0,
 * sign-flipped and scaled ones must be caught by the identity R2 while the squared correlation
 * stays 1, and the correction must undo a known gauge. Run on `e` true weights (the ones about
 * to be evaluated). CN_EINPUT with the check that failed; an all-equal truth is CN_EINPUT too,
 * since nothing can be recovered from it. */
CN_MUST_CHECK cn_status cn_fly_metrics_selftest(const double *W_true, int64_t e,
                                                struct cn_err *err);

#endif
