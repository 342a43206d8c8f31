/* Coefficients, learning rates and frames in force. See schedule.h. */
#include "trainer/fly/schedule.h"

#include <math.h>

double cn_fly_anneal(double rate, int32_t epoch)
{
    return 1 - exp(-rate * epoch);
}

double cn_fly_anneal_g_v1(double rate, int32_t epoch)
{
    return 1 - exp(-pow(rate, epoch));
}

double cn_fly_ramp(double warmup_fraction, int64_t rampup_iters, int64_t niter,
                   int64_t iteration)
{
    double past = (double)(iteration - (int64_t)(warmup_fraction * (double)niter));

    if (past <= 0)
        return 0;
    return rampup_iters > 0 ? fmin(1, past / (double)rampup_iters) : 1;
}

/* Factors of the six weight coefficients: V2 one rate for all (0 = full strength), V1 three of
 * its own. */
static void anneal(struct cn_fly_coef *c, const struct cn_fly_training *t, int32_t epoch)
{
    double all =
        t->regul_annealing_rate == 0 ? 1 : cn_fly_anneal(t->regul_annealing_rate, epoch);

    if (t->generation == CN_FLY_V1) {
        c->W_L1 *= cn_fly_anneal(t->rate_W_L1, epoch);
        c->f_theta_weight_L1 *= cn_fly_anneal(t->rate_f_theta_weight_L1, epoch);
        c->g_phi_weight_L1 *= cn_fly_anneal_g_v1(t->rate_g_phi_weight_L1, epoch);
        return;
    }
    c->W_L1 *= all;
    c->W_L2 *= all;
    c->g_phi_weight_L1 *= all;
    c->g_phi_weight_L2 *= all;
    c->f_theta_weight_L1 *= all;
    c->f_theta_weight_L2 *= all;
}

struct cn_fly_coef cn_fly_coef_at(const struct cn_fly_training *t, int32_t epoch,
                                  int64_t iteration, int64_t niter)
{
    double ramp =
        cn_fly_ramp(t->linearity_warmup_fraction, t->linearity_rampup_iters, niter, iteration);
    struct cn_fly_coef c = {
        .W_L1 = t->coeff_W_L1,
        .W_L2 = t->coeff_W_L2,
        .W_sign = epoch > 0 ? t->coeff_W_sign : 0,
        .W_sign_temperature = t->W_sign_temperature,
        .g_phi_diff = t->coeff_g_phi_diff,
        .g_phi_norm = t->coeff_g_phi_norm,
        .g_phi_weight_L1 = t->coeff_g_phi_weight_L1,
        .g_phi_weight_L2 = t->coeff_g_phi_weight_L2,
        .f_theta_zero = t->coeff_f_theta_zero,
        .f_theta_diff = t->coeff_f_theta_diff,
        .f_theta_msg_diff = t->coeff_f_theta_msg_diff,
        .f_theta_msg_sign = t->coeff_f_theta_msg_sign,
        .f_theta_weight_L1 = t->coeff_f_theta_weight_L1,
        .f_theta_weight_L2 = t->coeff_f_theta_weight_L2,
        .f_theta_linearity = ramp * t->coeff_f_theta_linearity,
        .f_theta_centering = ramp * t->coeff_f_theta_centering,
        .generation = t->generation,
        .regularise_last_frame = t->generation == CN_FLY_V1,
    };

    anneal(&c, t, epoch);
    if (t->W_L2_shadowed && c.W_L1 > 0)
        c.W_L2 = 0;
    return c;
}

int64_t cn_fly_niter(int64_t frames, int32_t augmentation, int32_t batch_size)
{
    int64_t batches = frames * augmentation / batch_size; /* rounded down, as the rule says */
    int64_t niter = (int64_t)((double)batches * 0.2);

    return niter > 0 ? niter : 1;
}

/* First iteration of the second stage. */
static int64_t joint_iterations(const struct cn_fly_training *t, int64_t niter)
{
    return (int64_t)((double)niter * t->alternate_joint_ratio);
}

struct cn_fly_lrs cn_fly_lrs_at(const struct cn_fly_training *t, int32_t epoch,
                                int64_t iteration, int64_t niter)
{
    double slow = t->alternate_training && iteration >= joint_iterations(t, niter)
                      ? t->alternate_lr_ratio
                      : 1;
    struct cn_fly_lrs r;

    (void)epoch; /* rates return to the joint ones at every epoch's start */
    r.group[CN_FLY_GROUP_W] = slow * t->lr_W;
    r.group[CN_FLY_GROUP_A] = t->lr_embedding;
    r.group[CN_FLY_GROUP_G] = slow * t->lr;
    r.group[CN_FLY_GROUP_F] = t->lr_update != 0 ? t->lr_update : t->lr;
    r.group[CN_FLY_GROUP_DYN] = t->lr;
    return r;
}

const char *cn_fly_phase_at(const struct cn_fly_training *t, int64_t iteration, int64_t niter)
{
    if (!t->alternate_training)
        return "";
    return iteration < joint_iterations(t, niter) ? "joint" : "V_rest";
}

cn_status cn_fly_sampler_init(struct cn_fly_sampler *s, const struct cn_fly_training *t,
                              int64_t frames, int32_t epoch, struct cn_err *err)
{
    int64_t range = frames - 4 - t->time_step - t->time_window;

    if (range < 1 || range > UINT32_MAX)
        return cn_err_set(
            err, CN_EINPUT,
            "sampler: %lld training frames leave %lld to draw from, expected at least 1",
            (long long)frames, (long long)range);
    s->range = (uint32_t)range;
    s->window = t->time_window;
    cn_mt19937_init(&s->mt, (uint32_t)(t->seed + (uint64_t)(uint32_t)epoch));
    return CN_OK;
}

void cn_fly_sampler_next(struct cn_fly_sampler *s, int32_t batch_size, int64_t *out_frames)
{
    for (int32_t b = 0; b < batch_size; b++)
        out_frames[b] = (int64_t)cn_mt19937_below(&s->mt, s->range) + s->window;
}
