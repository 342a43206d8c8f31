/* Names, random start, the two orders of W, and evaluation against the reference. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/support/fly_toy.h"

static const struct cn_fly_graph_model gs = {.kind = CN_FLY_A,
                                             .embedding_dim = 2,
                                             .hidden_dim = 80,
                                             .n_layers = 3,
                                             .hidden_dim_update = 48,
                                             .n_layers_update = 3,
                                             .g_phi_positive = true,
                                             .activation = CN_ACT_RELU};

Test(fly_model, parameter_counts_are_the_published_ones)
{
    struct fly_toy t;
    struct cn_fly_graph_model m = gs;

    m.hidden_dim_update = 80;
    fly_toy_make(&t, &m, 100, 300, 1);
    cr_expect_eq(cn_fly_model_n_params(t.mod), 300 + 200 + 6881 + 7041);
    cr_expect_eq(cn_fly_model_n_tensors(t.mod), 14);
    cr_expect_str_eq(cn_fly_model_tensor(t.mod, 2)->name, "g.w0");
    cr_expect_eq(cn_fly_model_find(t.mod, "f.w0")->shape[1], 5);
    cr_expect_null(cn_fly_model_find(t.mod, "raw_tau"));
    fly_toy_clear(&t);
}

Test(fly_model, an_unknown_tensor_and_a_bad_size_are_refused_by_name)
{
    struct fly_toy t;
    struct cn_err err = CN_ERR_INIT;
    struct cn_fly_config cfg = {.model = gs};
    struct cn_fly_model *mod;

    fly_toy_make(&t, &gs, 10, 30, 1);
    cr_assert_eq(cn_fly_model_set(t.mod, "g.w9", t.vf, &err), CN_ENOTFOUND);
    cr_expect(strstr(err.text, "g.w9") && strstr(err.text, "f.b2"), "%s", err.text);
    cfg.model.n_layers = 1;
    cr_assert_eq(cn_fly_model_new(&cfg, &t.graph, &mod, &err), CN_EINPUT);
    cr_expect(strstr(err.text, "graph_model.n_layers: 1"), "%s", err.text);
    cr_assert_null(mod);
    fly_toy_clear(&t);
}

static void moments(const float *x, int64_t n, double *mean, double *std, double *max)
{
    double s = 0, s2 = 0;

    *max = 0;
    for (int64_t k = 0; k < n; k++) {
        s += (double)x[k];
        s2 += (double)x[k] * (double)x[k];
        *max = fmax(*max, fabs((double)x[k]));
    }
    *mean = s / (double)n;
    *std = sqrt(s2 / (double)n - *mean * *mean);
}

Test(fly_model, random_start_follows_its_rules_and_its_seed)
{
    struct fly_toy t, u;
    struct cn_fly_config cfg = {
        .model = gs, .train = {.w_init_mode = CN_WINIT_RANDN_SCALED, .w_init_scale = 2}};
    struct cn_fly_model *mod;
    struct cn_err err = CN_ERR_INIT;
    double mean, std, max;
    int64_t n;
    const float *x;

    fly_toy_make(&t, &gs, 100, 20000, 1);
    fly_toy_make(&u, &gs, 100, 20000, 1);
    cr_assert_eq(cn_fly_model_new(&cfg, &t.graph, &mod, &err), CN_OK);
    cn_fly_model_init(mod, 42);
    x = cn_fly_model_get(mod, "W", &n);
    moments(x, n, &mean, &std, &max);
    cr_expect_float_eq(std, 2 / sqrt(20000), 0.02 * 2 / sqrt(20000));
    x = cn_fly_model_get(mod, "g.w0", &n);
    moments(x, n, &mean, &std, &max);
    cr_expect(max <= 1 / sqrt(3) && max > 0.95 / sqrt(3), "%g", max);
    x = cn_fly_model_get(mod, "g.b0", &n);
    moments(x, n, &mean, &std, &max);
    cr_expect(max <= 1 / sqrt(3) && std > 0.25, "%g", max);
    x = cn_fly_model_get(mod, "g.w1", &n);
    moments(x, n, &mean, &std, &max);
    cr_expect_float_eq(std, 0.1, 0.005);
    x = cn_fly_model_get(mod, "f.b1", &n);
    moments(x, n, &mean, &std, &max);
    cr_expect_eq(max, 0);
    cr_expect_eq(cn_fly_model_get(mod, "a", &n)[17], 1);
    /* same seed, same start; another seed, another start */
    cn_fly_model_init(t.mod, 7);
    cn_fly_model_init(u.mod, 7);
    cr_expect_eq(memcmp(cn_fly_model_params(t.mod), cn_fly_model_params(u.mod),
                        (size_t)cn_fly_model_n_params(t.mod) * sizeof(float)),
                 0);
    cn_fly_model_init(u.mod, 8);
    cr_expect_neq(memcmp(cn_fly_model_params(t.mod), cn_fly_model_params(u.mod),
                         (size_t)cn_fly_model_n_params(t.mod) * sizeof(float)),
                  0);
    cn_fly_model_free(mod);
    fly_toy_clear(&t);
    fly_toy_clear(&u);
}

Test(fly_model, restored_state_continues_as_if_unbroken)
{
    struct fly_toy t, u;
    struct cn_fly_coef c = {.W_L1 = 0.01, .g_phi_diff = 1, .g_phi_norm = 1};
    struct cn_fly_lrs lr = {{1e-3, 1e-3, 1e-3, 1e-3, 1e-3}};
    struct cn_fly_terms terms;
    struct cn_fly_model_state state;
    struct cn_pool *pool = cn_pool_new(2);
    struct cn_fly_step *s[2];
    struct cn_err err = CN_ERR_INIT;

    fly_toy_make(&t, &gs, 200, 1500, 1);
    fly_toy_make(&u, &gs, 200, 1500, 1);
    cr_assert_eq(cn_fly_step_new(t.mod, 2, pool, &s[0], &err), CN_OK);
    cr_assert_eq(cn_fly_step_new(u.mod, 2, pool, &s[1], &err), CN_OK);
    for (int k = 0; k < 6; k++) {
        struct cn_fly_batch b = fly_toy_batch(&t, 2);
        cr_assert_eq(cn_fly_step_train(s[0], &b, &c, &lr, &terms, &err), CN_OK);
        if (k == 2) {
            cn_fly_model_state(t.mod, &state);
            cn_fly_model_restore(u.mod, &state);
        }
        if (k > 2)
            cr_assert_eq(cn_fly_step_train(s[1], &b, &c, &lr, &terms, &err), CN_OK);
    }
    cr_expect_eq(memcmp(cn_fly_model_params(t.mod), cn_fly_model_params(u.mod),
                        (size_t)cn_fly_model_n_params(t.mod) * sizeof(float)),
                 0);
    cn_fly_step_free(s[0]);
    cn_fly_step_free(s[1]);
    cn_pool_free(pool);
    fly_toy_clear(&t);
    fly_toy_clear(&u);
}

static void expect_close(const char *what, const float *got, const double *want, int64_t n,
                         double tol)
{
    double scale = 0, worst = 0;

    for (int64_t k = 0; k < n; k++) {
        scale = fmax(scale, fabs(want[k]));
        worst = fmax(worst, fabs((double)got[k] - want[k]));
    }
    cr_expect_leq(worst, tol * scale, "%s: off by %g of %g", what, worst, scale);
}

Test(fly_model, a_frame_and_rows_agree_with_the_reference)
{
    for (int kind = 0; kind < 2; kind++) {
        struct cn_fly_graph_model m = gs;
        struct fly_toy t;
        struct cn_fly_reference_batch b;
        struct cn_fly_eval *ev;
        struct cn_pool *pool = cn_pool_new(2);
        struct cn_err err = CN_ERR_INIT;
        double G[300], msg[300], yhat[300];
        float gf[300], mf[300], yf[300];
        m.kind = kind ? CN_FLY_LINEAR : CN_FLY_A;
        fly_toy_make(&t, &m, 300, 2000, 9);
        b = fly_toy_reference_batch(&t, 1);
        cr_assert_eq(cn_fly_reference_forward(t.mod, t.params, &b, G, msg, yhat, &err), CN_OK);
        cr_assert_eq(cn_fly_eval_new(t.mod, pool, &ev, &err), CN_OK);
        cn_fly_eval_frame(ev, t.vf, t.If, 300, 300, mf, yf, NULL);
        expect_close("m", mf, msg, 300, 1e-5);
        expect_close("yhat", yf, yhat, 300, 1e-5);
        if (!kind) {
            cn_fly_eval_g(ev, 300, NULL, t.vf, gf);
            expect_close("G", gf, G, 300, 1e-5);
            cn_fly_eval_f(ev, 300, NULL, t.vf, mf, t.If, gf, NULL);
            cr_expect_eq(memcmp(gf, yf, sizeof gf), 0,
                         "rows and frames share their arithmetic");
        }
        cn_fly_eval_free(ev);
        cn_pool_free(pool);
        fly_toy_clear(&t);
    }
}

Test(fly_model, the_message_gain_is_the_derivative_of_the_output)
{
    for (int kind = 0; kind < 2; kind++) {
        struct cn_fly_graph_model m = gs;
        struct fly_toy t;
        struct cn_fly_eval *ev;
        struct cn_pool *pool = cn_pool_new(2);
        struct cn_err err = CN_ERR_INIT;
        float m0[200], y0[200], gain[200], up[200], down[200], mu[200];
        m.kind = kind ? CN_FLY_LINEAR : CN_FLY_A;
        /* Smooth, so that a wide difference is exact enough in float. */
        m.activation = CN_ACT_TANH;
        m.hidden_dim_update = 20;
        fly_toy_make(&t, &m, 200, 900, 9);
        cr_assert_eq(cn_fly_eval_new(t.mod, pool, &ev, &err), CN_OK);
        cn_fly_eval_frame(ev, t.vf, t.If, 200, 200, m0, y0, gain);
        for (int k = 0; k < 200; k++)
            mu[k] = m0[k] + 0.01f;
        for (int k = 0; !kind && k < 200; k++)
            m0[k] -= 0.01f;
        if (!kind) {
            cn_fly_eval_f(ev, 200, NULL, t.vf, mu, t.If, up, NULL);
            cn_fly_eval_f(ev, 200, NULL, t.vf, m0, t.If, down, NULL);
        }
        for (int k = 0; k < 200; k++) {
            double raw = kind ? t.params[cn_fly_model_find(t.mod, "raw_tau")->offset + k] : 0;
            double want = kind ? 1 / log1p(exp(raw)) : (double)(up[k] - down[k]) / 0.02;
            cr_expect_float_eq((double)gain[k], want, 2e-3, "neuron %d", k);
        }
        cn_fly_eval_free(ev);
        cn_pool_free(pool);
        fly_toy_clear(&t);
    }
}

/* The line through a grid, from single rows. */
static void line_of(struct cn_fly_eval *ev, int is_f, int32_t neuron, float lo, float hi, int n,
                    double *slope, double *offset)
{
    double sx = 0, sy = 0, sxx = 0, sxy = 0;
    float v[500], y[500];
    int32_t who[500];

    for (int k = 0; k < n; k++) {
        v[k] = (float)((double)lo + ((double)hi - (double)lo) * k / (n - 1));
        who[k] = neuron;
    }
    if (is_f)
        cn_fly_eval_f(ev, n, who, v, NULL, NULL, y, NULL);
    else
        cn_fly_eval_g(ev, n, who, v, y);
    for (int k = 0; k < n; k++) {
        sx += (double)v[k];
        sy += (double)y[k];
        sxx += (double)v[k] * (double)v[k];
        sxy += (double)v[k] * (double)y[k];
    }
    *slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    *offset = (sy - *slope * sx) / n;
}

Test(fly_model, lines_over_grids_are_least_squares_and_flat_grids_give_zero)
{
    struct fly_toy t;
    struct cn_fly_eval *ev;
    struct cn_pool *pool = cn_pool_new(2);
    struct cn_err err = CN_ERR_INIT;
    float lo[150], hi[150], slope[2][150], offset[2][150];

    fly_toy_make(&t, &gs, 150, 900, 9);
    cr_assert_eq(cn_fly_eval_new(t.mod, pool, &ev, &err), CN_OK);
    for (int k = 0; k < 150; k++) {
        lo[k] = t.muf[k] - 2 * t.sigmaf[k];
        hi[k] = k == 70 ? lo[k] : t.muf[k] + 2 * t.sigmaf[k];
    }
    cn_fly_eval_g_lines(ev, lo, hi, 500, slope[0], offset[0]);
    cn_fly_eval_f_lines(ev, lo, hi, 500, slope[1], offset[1]);
    for (int k = 0; k < 150; k += 10)
        for (int f = 0; f < 2; f++) {
            double want = 0, at = 0;
            if (k != 70)
                line_of(ev, f, k, lo[k], hi[k], 500, &want, &at);
            cr_expect_float_eq((double)slope[f][k], want, 1e-4 * (1 + fabs(want)), "neuron %d",
                               k);
            cr_expect_float_eq((double)offset[f][k], at, 1e-4 * (1 + fabs(at)), "neuron %d", k);
        }
    cn_fly_eval_free(ev);
    cn_pool_free(pool);
    fly_toy_clear(&t);
}
