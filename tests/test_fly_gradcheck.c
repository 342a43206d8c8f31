/* The reference's adjoints against central differences of its own loss, for every regulariser
 * of both generations, activations and depths.
 *
 * Kinks: a difference quotient over a ReLU's kink is wrong, so a parameter whose quotients
 * at two steps disagree is skipped, and only few may be. W_L1's kink is never met (no W near
 * 0). */
#include <math.h>
#include <stdio.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/support/fly_toy.h"

static double loss_at(const struct fly_toy *t, const struct cn_fly_reference_batch *b,
                      const struct cn_fly_coef *c, double *scratch)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_fly_terms terms;

    cr_assert_eq(
        cn_fly_reference_loss_grad(t->mod, t->params, b, c, &t->stats, &terms, scratch, &err),
        CN_OK);
    return terms.total;
}

static double quotient(struct fly_toy *t, const struct cn_fly_reference_batch *b,
                       const struct cn_fly_coef *c, int64_t k, double h, double *scratch)
{
    double keep = t->params[k], up, down;

    t->params[k] = keep + h;
    up = loss_at(t, b, c, scratch);
    t->params[k] = keep - h;
    down = loss_at(t, b, c, scratch);
    t->params[k] = keep;
    return (up - down) / (2 * h);
}

/* Detached inputs are constants of a regulariser: their gradient is not the loss's derivative.
 * `free_of` says which tensors a term's gradient reaches; others are held out. */
static void check(const char *what, const struct cn_fly_graph_model *m,
                  const struct cn_fly_coef *c, const char *tensors)
{
    struct fly_toy t;
    struct cn_fly_reference_batch b;
    struct cn_fly_terms terms;
    struct cn_err err = CN_ERR_INIT;
    double *grad, *scratch, scale = 0, worst = 0;
    int64_t n_params, skipped = 0, tested = 0;

    fly_toy_make(&t, m, 7, 20, 3);
    b = fly_toy_reference_batch(&t, 2);
    n_params = cn_fly_model_n_params(t.mod);
    grad = cn_alloc((size_t)n_params, sizeof *grad);
    scratch = cn_alloc((size_t)n_params, sizeof *scratch);
    cr_assert_eq(
        cn_fly_reference_loss_grad(t.mod, t.params, &b, c, &t.stats, &terms, grad, &err),
        CN_OK);
    for (int64_t k = 0; k < n_params; k++)
        scale = fmax(scale, fabs(grad[k]));
    for (int32_t q = 0; q < cn_fly_model_n_tensors(t.mod); q++) {
        const struct cn_fly_tensor *one = cn_fly_model_tensor(t.mod, q);
        for (const char *p = tensors; *p; p++)
            for (int64_t k = one->offset; *p == one->name[0] && k < one->offset + one->count;
                 k++) {
                double a = quotient(&t, &b, c, k, 1e-6, scratch),
                       d = quotient(&t, &b, c, k, 2e-6, scratch);
                tested++;
                if (fabs(a - d) > 1e-6 * scale) {
                    skipped++;
                    continue;
                }
                worst = fmax(worst, fabs(a - grad[k]) / scale);
            }
    }
    cr_expect_gt(scale, 0, "%s", what);
    cr_expect_lt(worst, 1e-5, "%s: worst %g of the largest gradient", what, worst);
    cr_expect_leq(skipped * 20, tested, "%s: %lld of %lld parameters at a kink", what,
                  (long long)skipped, (long long)tested);
    cn_free(grad);
    cn_free(scratch);
    fly_toy_clear(&t);
}

static const struct cn_fly_graph_model small = {.kind = CN_FLY_A,
                                                .embedding_dim = 2,
                                                .hidden_dim = 5,
                                                .n_layers = 3,
                                                .hidden_dim_update = 4,
                                                .n_layers_update = 3,
                                                .g_phi_positive = true,
                                                .activation = CN_ACT_RELU};

Test(fly_gradcheck, data_loss_and_weight_terms_reach_every_parameter)
{
    struct cn_fly_coef c = {.W_L1 = 0.1,
                            .W_L2 = 0.2,
                            .W_sign = 0.3,
                            .W_sign_temperature = 3,
                            .g_phi_weight_L1 = 0.1,
                            .g_phi_weight_L2 = 0.2,
                            .f_theta_weight_L1 = 0.3,
                            .f_theta_weight_L2 = 0.1};
    struct cn_fly_graph_model linear = {.kind = CN_FLY_LINEAR, .linear_tanh = true};
    struct cn_fly_coef w = {.W_L1 = 0.1, .W_L2 = 0.2};

    for (int act = CN_ACT_RELU; act <= CN_ACT_NONE; act++) {
        struct cn_fly_graph_model m = small;
        char what[32];
        m.activation = (cn_activation)act;
        m.g_phi_positive = act % 2;
        m.n_layers = 2 + act % 3;
        m.n_layers_update = 4 - act % 3;
        (void)snprintf(what, sizeof what, "activation %d", act);
        check(what, &m, &c, "Wagf");
    }
    check("linear", &linear, &w, "WrVs");
}

Test(fly_gradcheck, f_theta_zero_and_the_line_terms_are_derivatives_where_not_detached)
{
    struct cn_fly_coef zero = {.f_theta_zero = 0.7}, line = {.f_theta_linearity = 5},
                       centre = {.f_theta_centering = 5};

    check("f_theta_zero", &small, &zero, "Wagf");
    check("f_theta_linearity", &small, &line, "Wgf"); /* a is detached */
    check("f_theta_centering", &small, &centre, "Wgf");
}

Test(fly_gradcheck, g_terms_are_derivatives_with_respect_to_g)
{
    for (int v1 = 0; v1 < 2; v1++) {
        struct cn_fly_coef diff = {.g_phi_diff = 7, .generation = v1 ? CN_FLY_V1 : CN_FLY_V2},
                           norm = {.g_phi_norm = 0.9};
        check("g_phi_diff", &small, &diff, "Wgf"); /* a is detached */
        check("g_phi_norm", &small, &norm, "Wgf");
    }
}

Test(fly_gradcheck, terms_over_the_batch_are_derivatives_with_respect_to_f)
{
    for (int v1 = 0; v1 < 2; v1++) {
        cn_fly_generation gen = v1 ? CN_FLY_V1 : CN_FLY_V2;
        struct cn_fly_coef sign = {.f_theta_msg_sign = 0.4},
                           msg = {.f_theta_msg_diff = 0.8, .generation = gen};
        struct cn_fly_coef diff = {.f_theta_diff = 0.6, .generation = gen};
        /* m is detached: W and g are constants of the term. */
        check("f_theta_msg_sign", &small, &sign, "f");
        check("f_theta_msg_diff", &small, &msg, "f");
        check("f_theta_diff", &small, &diff, v1 ? "f" : "gf"); /* V2 lets G through */
    }
}
