/* One training step: loss, gradient, Adam (specs flyvis_gnn 4.3-4.5). Planned and allocated
 * once; a step allocates nothing.
 *
 *     L = || [yhat_b - y_b]_b ||_2 + sum of regularisers
 *
 * (Euclidean norm over all frames and neurons, not squared, not averaged).
 *
 *     struct cn_fly_step *s;
 *     st = cn_fly_step_new(mod, cfg.train.batch_size, pool, &s, &err);
 *     cn_fly_step_set_stats(s, data.xnorm, data.mu, data.sigma);
 *     for (...) {
 *         struct cn_fly_coef c = cn_fly_coef_at(&cfg.train, epoch, it, niter); // schedule.h
 *         struct cn_fly_lrs lr = cn_fly_lrs_at(&cfg.train, epoch, it, niter);
 *         st = cn_fly_step_train(s, &batch, &c, &lr, &terms, &err); // CN_EDIVERGED: no update
 *     }
 *     cn_fly_step_free(s);
 *
 * cn_fly_step_train = cn_fly_step_loss_grad + cn_fly_step_adam to the last bit, with the edges'
 * Adam fused into their gradient pass. Same seed, same CPU type: same bits for any number of
 * threads (fixed chunks of neurons, reduced in chunk order).
 */
#ifndef CN_FLY_STEP_H
#define CN_FLY_STEP_H

#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "trainer/fly/model.h"
#include "trainer/fly/schedule.h"

/* `frames` snapshots. v[b], y[b] (n); y NULL = no data loss, regularisers only. Stimulus as in
 * cn_fly_eval_frame: neuron i < i_count sees I[b][i % i_period], others 0. */
struct cn_fly_batch {
    int32_t frames;
    const float *const *v, *const *I, *const *y;
    int64_t i_count, i_period;
};

/* The loss's parts, as added to it (coefficient included). */
#define CN_FLY_TERM_MAP(X) \
    X(W_L1)                \
    X(W_L2)                \
    X(W_sign)              \
    X(g_phi_weight)        \
    X(g_phi_diff)          \
    X(g_phi_norm)          \
    X(f_theta_weight)      \
    X(f_theta_zero)        \
    X(f_theta_diff)        \
    X(f_theta_msg_diff) X(f_theta_msg_sign) X(f_theta_linearity) X(f_theta_centering)

typedef enum {
#define X(name) CN_FLY_TERM_##name,
    CN_FLY_TERM_MAP(X)
#undef X
        CN_FLY_N_TERMS
} cn_fly_term;

const char *cn_fly_term_name(cn_fly_term t); /* "W_L1" */

struct cn_fly_terms {
    double data;   /* ||r|| */
    double logged; /* ||r|| / n: what the reference prints */
    double term[CN_FLY_N_TERMS];
    double total; /* data + terms */
};

struct cn_fly_step;

CN_MUST_CHECK cn_status cn_fly_step_new(struct cn_fly_model *mod, int32_t max_frames,
                                        struct cn_pool *pool, struct cn_fly_step **out,
                                        struct cn_err *err);
void cn_fly_step_free(struct cn_fly_step *s);
/* xnorm is needed by g_phi_diff, g_phi_norm and the delta rules; mu, sigma (n, borrowed, may be
 * NULL) by f_theta_linearity and f_theta_centering. */
void cn_fly_step_set_stats(struct cn_fly_step *s, double xnorm, const float *mu,
                           const float *sigma);
/* Limit the 2-norm of dL/dW (grad_clip_W of the config); 0 = no limit. */
void cn_fly_step_set_clip(struct cn_fly_step *s, double grad_clip_W);

/* CN_EDIVERGED when the loss is not finite, CN_EINPUT for a batch or coefficient that does not
 * fit (frames, missing mu/sigma, regulariser of flyvis_A on a linear model). */
CN_MUST_CHECK cn_status cn_fly_step_loss_grad(struct cn_fly_step *s,
                                              const struct cn_fly_batch *b,
                                              const struct cn_fly_coef *c,
                                              struct cn_fly_terms *out, struct cn_err *err);
/* (n_params) gradient of the last loss_grad, before clipping, in the model's layout.
 * Borrowed. */
const float *cn_fly_step_grad(struct cn_fly_step *s);
void cn_fly_step_adam(struct cn_fly_step *s, const struct cn_fly_lrs *lr);
CN_MUST_CHECK cn_status cn_fly_step_train(struct cn_fly_step *s, const struct cn_fly_batch *b,
                                          const struct cn_fly_coef *c,
                                          const struct cn_fly_lrs *lr, struct cn_fly_terms *out,
                                          struct cn_err *err);

/* Seconds spent in each phase of the last step, for the bench; names end with NULL. */
enum { CN_FLY_N_PHASES = 8 };
const char *const *cn_fly_step_phase_names(void);
void cn_fly_step_phase_seconds(const struct cn_fly_step *s, double out[CN_FLY_N_PHASES]);
/* FLOPs and main-memory bytes that one step of `frames` frames with g_phi_diff and g_phi_norm
 * on needs (counted, not measured). */
void cn_fly_step_cost(const struct cn_fly_step *s, int32_t frames, double *out_flop,
                      double *out_bytes);

#endif
