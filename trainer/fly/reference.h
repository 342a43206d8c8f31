/* The models and their losses in double precision, plain loops: the specification of
 * fly/step.c, and its test oracle.
 *
 * Formulas as in specs flyvis_gnn 3 and 4.4; the adjoint stands beside each formula. Nothing
 * here is fast: g_phi is evaluated once per neuron and frame, everything else is a loop over
 * rows. Parameters and gradient are double slabs in the layout of a cn_fly_model (its tensor
 * table is read, its values are not).
 *
 *     double *p = ..., *g = ...;                     // (n_params), g zeroed by the caller
 *     st = cn_fly_reference_loss_grad(mod, p, &batch, &coef, &stats, &terms, g, &err);
 */
#ifndef CN_FLY_REFERENCE_H
#define CN_FLY_REFERENCE_H

#include "base/status.h"
#include "trainer/fly/model.h"
#include "trainer/fly/schedule.h"
#include "trainer/fly/step.h"

/* (frames, n) each, row-major. I may be NULL (no stimulus); y may be NULL when only
 * regularisers are wanted. */
struct cn_fly_reference_batch {
    int32_t frames;
    const double *v, *I, *y;
};

struct cn_fly_stats {
    double xnorm;
    const double *mu, *sigma; /* (n) or NULL */
};

/* Terms overwrite *out; the gradient is added to grad (+=). */
CN_MUST_CHECK cn_status cn_fly_reference_loss_grad(const struct cn_fly_model *mod,
                                                   const double *params,
                                                   const struct cn_fly_reference_batch *b,
                                                   const struct cn_fly_coef *c,
                                                   const struct cn_fly_stats *stats,
                                                   struct cn_fly_terms *out, double *grad,
                                                   struct cn_err *err);

/* (frames, n) each: G (flyvis_A; relu(v) for linear), message m, yhat. Any may be NULL. */
CN_MUST_CHECK cn_status cn_fly_reference_forward(const struct cn_fly_model *mod,
                                                 const double *params,
                                                 const struct cn_fly_reference_batch *b,
                                                 double *opt_out_G, double *opt_out_m,
                                                 double *opt_out_yhat, struct cn_err *err);

void cn_fly_reference_adam(int64_t n, const double *g, double *p, double *m, double *v,
                           double lr, int64_t t);

#endif
