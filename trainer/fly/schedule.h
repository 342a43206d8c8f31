/* What is in force at (epoch, iteration): pure functions of the config (specs
 * flyvis_gnn 4.1, 4.2, 4.4, 4.5, 4.6).
 *
 * Epochs and iterations count from 0; niter = iterations of an epoch.
 */
#ifndef CN_FLY_SCHEDULE_H
#define CN_FLY_SCHEDULE_H

#include <stdint.h>

#include "base/mt19937.h"
#include "base/status.h"
#include "trainer/fly/config.h"
#include "trainer/fly/model.h"

/* Coefficients in force: annealed over epochs, ramped over iterations, W_L2 shadowed by W_L1
 * where the config says so. */
struct cn_fly_coef {
    double W_L1, W_L2, W_sign, W_sign_temperature;
    double g_phi_diff, g_phi_norm, g_phi_weight_L1, g_phi_weight_L2;
    double f_theta_zero, f_theta_diff, f_theta_msg_diff, f_theta_msg_sign, f_theta_weight_L1,
        f_theta_weight_L2;
    double f_theta_linearity, f_theta_centering;
    cn_fly_generation generation; /* second points: V2 v + delta, V1 1.05 v (and m alike);
                                     delta = .05 max(xnorm, 1e-6) */
    double msg_delta; /* f_theta_msg_diff, V2: step of m; 0 = delta above (the reference calls
                         it with 1e-6) */
    bool regularise_last_frame; /* V1 keeps the last frame's value of a batch, V2 the first's */
};

struct cn_fly_coef cn_fly_coef_at(const struct cn_fly_training *t, int32_t epoch,
                                  int64_t iteration, int64_t niter);

/* Factors alone, for tests and displays. */
double cn_fly_anneal(double rate, int32_t epoch);      /* 1 - exp(-rate epoch) */
double cn_fly_anneal_g_v1(double rate, int32_t epoch); /* 1 - exp(-(rate^epoch)) */
double cn_fly_ramp(double warmup_fraction, int64_t rampup_iters, int64_t niter,
                   int64_t iteration);

/* int(((T * aug) // B) * 0.2), at least 1. */
int64_t cn_fly_niter(int64_t frames, int32_t augmentation, int32_t batch_size);

/* Learning rates by group; two-stage training (4.6): from joint_ratio of every epoch on, g and
 * W at lr_ratio. */
struct cn_fly_lrs {
    double group[CN_FLY_N_GROUPS];
};
struct cn_fly_lrs cn_fly_lrs_at(const struct cn_fly_training *t, int32_t epoch,
                                int64_t iteration, int64_t niter);
/* "joint" or "V_rest" with alternate_training, "" without. */
const char *cn_fly_phase_at(const struct cn_fly_training *t, int64_t iteration, int64_t niter);

/* Frames of the training split, as the reference draws them: one MT19937 stream per epoch,
 * seeded training.seed + epoch (mod 2^32), draws in [0, R), R = T - 4 - time_step -
 * time_window, plus time_window. State is plain data for checkpoints. */
struct cn_fly_sampler {
    struct cn_mt19937 mt;
    uint32_t range;
    int32_t window;
};
/* CN_EINPUT when the split is too short (R < 1). */
CN_MUST_CHECK cn_status cn_fly_sampler_init(struct cn_fly_sampler *s,
                                            const struct cn_fly_training *t, int64_t frames,
                                            int32_t epoch, struct cn_err *err);
void cn_fly_sampler_next(struct cn_fly_sampler *s, int32_t batch_size, int64_t *out_frames);

#endif
