/* Measuring a model against the truth it was trained to recover (specs flyvis_gnn 5, errata).
 *
 *     struct cn_fly_evaluator *ev;
 *     st = cn_fly_evaluator_new(model, &data, pool, &ev, &err); // metrics.h's self-test first
 *     cn_fly_evaluator_recover(ev);                             // W*, tau, V_rest as they are
 *     cn_fly_evaluator_recovered(ev)->connectivity.r2
 *     st = cn_fly_evaluator_test(ev, target, &test, &err);      // one step ahead, rolled out
 *     cn_fly_evaluator_free(ev);
 *
 * recover allocates nothing and can be called during training; results do not depend on the
 * number of threads.
 */
#ifndef CN_FLY_EVALUATE_H
#define CN_FLY_EVALUATE_H

#include <math.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "trainer/fly/data.h"
#include "trainer/fly/dataset.h"
#include "trainer/fly/metrics.h"
#include "trainer/fly/model.h"

/* Every number a training reports: name, hard minimum, hard maximum (infinite = none), better,
 * role, meaning. The order is the order in result.json. */
#define CN_FLY_METRIC_MAP(X)                                                                  \
    X(connectivity_R2, 0, 1, higher, primary,                                                 \
      "true against corrected W: squared correlation, |error| > 5 dropped")                   \
    X(connectivity_slope, -INFINITY, INFINITY, higher, info, "slope of that fit; 1 is right") \
    X(connectivity_R2_identity, -INFINITY, 1, higher, guardrail,                              \
      "corrected W against W = truth: negative for a wrong sign or scale")                    \
    X(connectivity_outliers, 0, INFINITY, lower, info, "edges that connectivity_R2 dropped")  \
    X(connectivity_not_finite, 0, INFINITY, lower, info,                                      \
      "edges whose correction was not a number; counted as 0")                                \
    X(raw_W_R2, 0, 1, higher, info, "true against learned W before the correction")           \
    X(raw_W_slope, -INFINITY, INFINITY, higher, info, "slope of that fit")                    \
    X(tau_R2, 0, 1, higher, guardrail, "time constants: squared correlation")                 \
    X(tau_slope, -INFINITY, INFINITY, higher, info, "slope of that fit")                      \
    X(V_rest_R2, 0, 1, higher, guardrail, "resting potentials: squared correlation")          \
    X(V_rest_slope, -INFINITY, INFINITY, higher, info, "slope of that fit")                   \
    X(onestep_RMSE, 0, INFINITY, lower, info, "dv/dt on test frames, mean over neurons")      \
    X(onestep_pearson, -1, 1, higher, info, "dv/dt on test frames, mean over neurons")        \
    X(onestep_R2, -INFINITY, 1, higher, info, "dv/dt on test frames, against the identity")   \
    X(onestep_FEVE, -INFINITY, 1, higher, info, "fraction of explained variance of dv/dt")    \
    X(test_RMSE, 0, INFINITY, lower, info, "rollout over the whole test split")               \
    X(test_pearson, -1, 1, higher, guardrail, "rollout, mean over neurons")                   \
    X(test_R2, -INFINITY, 1, higher, info, "rollout, against the identity")                   \
    X(test_FEVE, -INFINITY, 1, higher, info, "rollout, fraction of explained variance")       \
    X(rollout_clamped, 0, INFINITY, lower, info, "voltages clamped to +-100 in the rollout")  \
    X(final_loss, 0, INFINITY, lower, info, "||r||/N over the last twentieth of an epoch")    \
    X(iterations, 0, INFINITY, higher, info, "training iterations done")                      \
    X(training_time_min, 0, INFINITY, lower, info, "minutes spent training")

typedef enum {
#define X(name, lo, hi, better, role, words) CN_FLY_METRIC_##name,
    CN_FLY_METRIC_MAP(X)
#undef X
        CN_FLY_N_METRICS
} cn_fly_metric;

struct cn_fly_metric_info {
    const char *name, *better, *role, *meaning;
    double min, max;
};
extern const struct cn_fly_metric_info cn_fly_metric_table[CN_FLY_N_METRICS];

/* What the learned parameters say about the network. Arrays are owned by the evaluator. */
struct cn_fly_recovered {
    struct cn_fly_fit connectivity, raw, tau, V_rest;
    double connectivity_identity;
    int64_t outliers, not_finite;
    const double *W_true, *W, *W_star;    /* (e) */
    const double *tau_true, *tau_learned; /* (n) */
    const double *V_true, *V_learned;     /* (n) */
    const double *s_g, *s_f, *o_f, *gm;   /* (n); 1, -1/tau, V/tau, 1/tau for a linear model */
};

/* Test split: statistics, and full traces of a few neurons for the figures. */
enum { CN_FLY_PICKS = 6 };
struct cn_fly_test {
    struct cn_fly_trace_stats onestep, rollout;
    int64_t clamped; /* voltages */
    int64_t frames, n_picks;
    int64_t pick[CN_FLY_PICKS]; /* neurons */
    /* Owned, (4, CN_FLY_PICKS, frames): y true, y predicted, v true, v rolled out. */
    double *trace;
};
void cn_fly_test_clear(struct cn_fly_test *t);

struct cn_fly_evaluator;

/* Borrows all three for its life. CN_EINPUT with the failed check when the self-test does not
 * pass. */
CN_MUST_CHECK cn_status cn_fly_evaluator_new(struct cn_fly_model *model,
                                             const struct cn_fly_data *data,
                                             struct cn_pool *pool,
                                             struct cn_fly_evaluator **out, struct cn_err *err);
void cn_fly_evaluator_free(struct cn_fly_evaluator *ev); /* NULL is fine */
/* Always on CN_FLY_SLOPE_POINTS points: a row during training is as exact as the last one. */
void cn_fly_evaluator_recover(struct cn_fly_evaluator *ev);
const struct cn_fly_recovered *cn_fly_evaluator_recovered(const struct cn_fly_evaluator *ev);
/* Borrowed, for curves. */
struct cn_fly_eval *cn_fly_evaluator_rows(struct cn_fly_evaluator *ev);

CN_MUST_CHECK cn_status cn_fly_evaluator_test(struct cn_fly_evaluator *ev,
                                              struct cn_fly_target *target,
                                              struct cn_fly_test *out, struct cn_err *err);

/* The metrics of both into out; final_loss, iterations and training_time_min are the caller's
 * and stay NaN. */
void cn_fly_metrics_fill(const struct cn_fly_recovered *r, const struct cn_fly_test *t,
                         double out[CN_FLY_N_METRICS]);

#endif
