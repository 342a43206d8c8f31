/* Annealing, ramps, iteration counts, two-stage learning rates and the frame sampler against
 * golden numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/support/cases.h"
#include "trainer/fly/schedule.h"

static double number(const struct cn_json *o, const char *key)
{
    double x = 0;
    cr_assert(cn_json_number(cn_json_get(o, key), &x), "no number %s", key);
    return x;
}

/* Factor of a coefficient by its golden name, with all coefficients 1. */
static double factor(const struct cn_fly_coef *c, const char *name)
{
    const struct {
        const char *name;
        double x;
    } all[] = {{"W_L1", c->W_L1},
               {"W_L2", c->W_L2},
               {"g_phi_weight_L1", c->g_phi_weight_L1},
               {"g_phi_weight_L2", c->g_phi_weight_L2},
               {"f_theta_weight_L1", c->f_theta_weight_L1},
               {"f_theta_weight_L2", c->f_theta_weight_L2}};
    for (int k = 0; k < 6; k++)
        if (strcmp(all[k].name, name) == 0)
            return all[k].x;
    cr_assert_fail("unknown coefficient %s", name);
    return -1;
}

Test(fly_schedule, annealing_factors_of_both_generations_match_golden)
{
    struct cn_json_doc *doc = cn_case_json("golden/fly_gnn.json");
    int seen = 0;

    for (int v1 = 0; v1 < 2; v1++) {
        const struct cn_json *set =
            cn_json_get(cn_json_get(cn_json_root(doc), "annealing"), v1 ? "v1" : "v2");
        for (const struct cn_json *rate = cn_json_first(set); rate; rate = cn_json_next(rate))
            for (const struct cn_json *one = cn_json_first(rate); one;
                 one = cn_json_next(one)) {
                double r = strtod(cn_json_name(rate) + strlen("rate_"), NULL), want[4];
                struct cn_fly_training t = {.generation = v1 ? CN_FLY_V1 : CN_FLY_V2,
                                            .coeff_W_L1 = 1,
                                            .coeff_W_L2 = 1,
                                            .coeff_g_phi_weight_L1 = 1,
                                            .coeff_g_phi_weight_L2 = 1,
                                            .coeff_f_theta_weight_L1 = 1,
                                            .coeff_f_theta_weight_L2 = 1,
                                            .regul_annealing_rate = r,
                                            .rate_W_L1 = r,
                                            .rate_g_phi_weight_L1 = r,
                                            .rate_f_theta_weight_L1 = r};
                cr_assert(cn_json_doubles(one, want, 4));
                for (int epoch = 0; epoch < 4; epoch++) {
                    struct cn_fly_coef c = cn_fly_coef_at(&t, epoch, 0, 100);
                    cr_expect_float_eq(factor(&c, cn_json_name(one)), want[epoch], 1e-12,
                                       "%s %s epoch %d", cn_json_name(rate), cn_json_name(one),
                                       epoch);
                    seen++;
                }
            }
    }
    cr_assert_eq(seen, 5 * 6 * 4);
    cn_json_free(doc);
}

Test(fly_schedule, ramp_and_iteration_counts_match_golden)
{
    struct cn_json_doc *doc = cn_case_json("golden/fly_gnn.json");
    const struct cn_json *a = cn_json_get(cn_json_root(doc), "annealing"),
                         *ramp = cn_json_get(a, "ramp");
    double it[10], want[10];
    int seen = 0;

    cr_assert(cn_json_doubles(cn_json_get(ramp, "iteration"), it, 10));
    cr_assert(cn_json_doubles(cn_json_get(ramp, "factor"), want, 10));
    for (int k = 0; k < 10; k++)
        cr_expect_float_eq(cn_fly_ramp(number(ramp, "warmup_fraction"),
                                       (int64_t)number(ramp, "rampup_iters"),
                                       (int64_t)number(ramp, "Niter"), (int64_t)it[k]),
                           want[k], 1e-12, "iteration %g", it[k]);
    for (const struct cn_json *r = cn_json_first(cn_json_get(a, "niter_rule")); r;
         r = cn_json_next(r), seen++)
        cr_expect_eq(cn_fly_niter((int64_t)number(r, "T"), (int32_t)number(r, "aug"),
                                  (int32_t)number(r, "B")),
                     (int64_t)number(r, "Niter"));
    cr_assert_eq(seen, 7);
    cr_expect_eq(cn_fly_niter(3, 1, 4), 1, "never no iteration at all");
    cn_json_free(doc);
}

Test(fly_schedule, sampled_frames_match_golden)
{
    struct cn_json_doc *doc = cn_case_json("golden/fly_metrics.json");
    const struct cn_json *sampling = cn_json_get(cn_json_root(doc), "sampling");
    struct cn_err err = CN_ERR_INIT;
    int streams = 0;

    for (const struct cn_json *r = cn_json_first(cn_json_get(sampling, "range_rule")); r;
         r = cn_json_next(r)) {
        struct cn_fly_training t = {.time_step = (int32_t)number(r, "time_step"),
                                    .time_window = (int32_t)number(r, "time_window")};
        struct cn_fly_sampler s;
        cr_assert_eq(cn_fly_sampler_init(&s, &t, (int64_t)number(r, "T"), 0, &err), CN_OK);
        cr_expect_eq(s.range, (uint32_t)number(r, "R"));
    }
    for (const struct cn_json *c = cn_json_first(cn_json_get(sampling, "streams")); c;
         c = cn_json_next(c), streams++) {
        int64_t n, window = (int64_t)number(c, "time_window"), R = (int64_t)number(c, "R"),
                   got[4], skip = 0;
        double *want = cn_case_array(cn_json_get(c, "frames"), &n);
        struct cn_fly_training t = {.seed = (uint64_t)number(c, "seed_plus_epoch") - 3,
                                    .time_step = 1,
                                    .time_window = (int32_t)window};
        struct cn_fly_sampler s;
        (void)cn_json_int64(cn_json_get(c, "first"), &skip);
        cr_assert_eq(cn_fly_sampler_init(&s, &t, R + 5 + window, 3, &err), CN_OK);
        for (int64_t k = 0; k < skip; k++)
            cn_fly_sampler_next(&s, 1, got);
        for (int64_t k = 0; k + 4 <= n; k += 4) {
            cn_fly_sampler_next(&s, 4, got);
            for (int j = 0; j < 4; j++)
                cr_expect_eq(got[j], (int64_t)want[k + j], "stream %d draw %lld", streams,
                             (long long)(skip + k + j));
        }
        cn_free(want);
    }
    cr_assert_gt(streams, 2);
    cn_json_free(doc);
}

Test(fly_schedule, a_split_too_short_to_draw_from_is_refused)
{
    struct cn_fly_training t = {.time_step = 1};
    struct cn_fly_sampler s;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_sampler_init(&s, &t, 5, 0, &err), CN_EINPUT);
    cr_expect(strstr(err.text, "5 training frames"), "%s", err.text);
}

Test(fly_schedule, two_stage_training_slows_g_and_W_and_comes_back_every_epoch)
{
    struct cn_fly_training t = {.alternate_training = true,
                                .alternate_joint_ratio = 0.4,
                                .alternate_lr_ratio = 0.1,
                                .lr_W = 1,
                                .lr = 2,
                                .lr_embedding = 3};
    struct cn_fly_lrs joint = cn_fly_lrs_at(&t, 1, 39, 100),
                      late = cn_fly_lrs_at(&t, 0, 40, 100);

    cr_expect_str_eq(cn_fly_phase_at(&t, 39, 100), "joint");
    cr_expect_str_eq(cn_fly_phase_at(&t, 40, 100), "V_rest");
    cr_expect_eq(joint.group[CN_FLY_GROUP_W], 1);
    cr_expect_eq(joint.group[CN_FLY_GROUP_F], 2);
    cr_expect_float_eq(late.group[CN_FLY_GROUP_W], 0.1, 1e-15);
    cr_expect_float_eq(late.group[CN_FLY_GROUP_G], 0.2, 1e-15);
    cr_expect_eq(late.group[CN_FLY_GROUP_F], 2);
    cr_expect_eq(late.group[CN_FLY_GROUP_A], 3);
    t.lr_update = 5;
    cr_expect_eq(cn_fly_lrs_at(&t, 0, 40, 100).group[CN_FLY_GROUP_F], 5);
    t.alternate_training = false;
    cr_expect_eq(cn_fly_lrs_at(&t, 0, 99, 100).group[CN_FLY_GROUP_W], 1);
    cr_expect_str_eq(cn_fly_phase_at(&t, 99, 100), "");
}

Test(fly_schedule, W_L2_hides_behind_W_L1_only_where_the_config_says_so)
{
    struct cn_fly_training t = {.coeff_W_L1 = 1,
                                .coeff_W_L2 = 2,
                                .W_L2_shadowed = true,
                                .generation = CN_FLY_V1,
                                .rate_W_L1 = 0.5};

    cr_expect_eq(cn_fly_coef_at(&t, 0, 0, 10).W_L2, 2,
                 "W_L1 is annealed to 0 in epoch 0, so W_L2 is reached");
    cr_expect_eq(cn_fly_coef_at(&t, 1, 0, 10).W_L2, 0);
    t.W_L2_shadowed = false;
    cr_expect_eq(cn_fly_coef_at(&t, 1, 0, 10).W_L2, 2);
    cr_expect_eq(cn_fly_coef_at(&t, 1, 0, 10).regularise_last_frame, true);
    t.coeff_W_sign = 1;
    cr_expect_eq(cn_fly_coef_at(&t, 0, 0, 10).W_sign, 0);
    cr_expect_eq(cn_fly_coef_at(&t, 1, 0, 10).W_sign, 1);
}
