/* The float step: against golden/fly_gnn.json, against the double reference on random networks,
 * for every kernel table, activation and depth; the same bits for any number of threads; fused
 * and separate Adam alike; no allocation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/support/cases.h"
#include "tests/support/fly_golden.h"
#include "tests/support/fly_toy.h"
#include "trainer/engine/kernels.h"

static const char *const tables[] = {"portable", "avx2", "avx512"};

/* False when this CPU cannot run the table. */
static int use_table(int k)
{
    (void)setenv("CAIRN_CPU", tables[k], 1);
    return cn_kernels_get(NULL) != NULL;
}

static const struct cn_fly_graph_model gs = {.kind = CN_FLY_A,
                                             .embedding_dim = 2,
                                             .hidden_dim = 80,
                                             .n_layers = 3,
                                             .hidden_dim_update = 80,
                                             .n_layers_update = 3,
                                             .g_phi_positive = true,
                                             .activation = CN_ACT_RELU};

static struct cn_fly_coef usual(void)
{
    return (struct cn_fly_coef){.W_L1 = 0.002,
                                .g_phi_diff = 0.7,
                                .g_phi_norm = 0.9,
                                .g_phi_weight_L1 = 0.003,
                                .f_theta_weight_L1 = 0.004,
                                .f_theta_weight_L2 = 0.001};
}

static struct cn_fly_coef everything(void)
{
    struct cn_fly_coef c = usual();
    c.W_L2 = 0.1;
    c.W_sign = 0.2;
    c.W_sign_temperature = 10;
    c.f_theta_zero = 0.3;
    c.f_theta_diff = 0.4;
    c.f_theta_msg_diff = 0.5;
    c.f_theta_msg_sign = 0.05;
    c.f_theta_linearity = 0.6;
    c.f_theta_centering = 0.7;
    return c;
}

Test(fly_step, golden_cases_hold_in_float_for_every_kernel_table)
{
    struct fly_golden g;
    int seen = 0;

    fly_golden_open(&g);
    for (int k = 0; k < 3; k++) {
        if (!use_table(k))
            continue;
        seen++;
        cr_expect_eq(fly_golden_cases(&g, fly_step_loss_grad, 1e-4), 0, "%s", tables[k]);
        cr_expect_eq(fly_golden_linear(&g, fly_step_loss_grad, 1e-4), 0, "%s", tables[k]);
        cr_expect_eq(fly_golden_regularisers(&g, fly_step_loss_grad, true), 0, "%s", tables[k]);
    }
    cr_assert_gt(seen, 0);
    fly_golden_close(&g);
}

Test(fly_step, two_golden_adam_steps_hold_in_float)
{
    struct fly_golden g;
    struct cn_fly_model *mod;
    const struct cn_json *adam;
    struct cn_err err = CN_ERR_INIT;
    struct cn_pool *pool = cn_pool_new(1);
    struct cn_fly_step *s;
    struct cn_fly_terms terms;
    struct cn_fly_coef c = fly_golden_adam_coef();
    struct cn_fly_lrs lr = {{0}};
    static const char *const letters[] = {"W", "a", "g", "f"};
    double *p;
    float f[3][36], *start;
    const float *at[3][3];

    fly_golden_open(&g);
    adam = cn_json_get(g.root, "adam");
    mod = fly_golden_model(&g, CN_FLY_A, CN_ACT_RELU, true, false);
    p = fly_golden_params(&g, mod);
    start = cn_alloc((size_t)cn_fly_model_n_params(mod), sizeof *start);
    for (int64_t k = 0; k < cn_fly_model_n_params(mod); k++)
        start[k] = (float)p[k];
    for (int32_t k = 0; k < cn_fly_model_n_tensors(mod); k++)
        cr_assert_eq(cn_fly_model_set(mod, cn_fly_model_tensor(mod, k)->name,
                                      start + cn_fly_model_tensor(mod, k)->offset, &err),
                     CN_OK);
    for (int k = 0; k < 36; k++) {
        f[0][k] = (float)g.v[k];
        f[1][k] = (float)g.I[k];
        f[2][k] = (float)g.y[k];
    }
    for (int k = 0; k < 9; k++)
        at[k / 3][k % 3] = f[k / 3] + (k % 3) * 12;
    for (int k = 0; k < 4; k++)
        cr_assert(
            cn_json_number(cn_json_get(cn_json_get(adam, "lr"), letters[k]), &lr.group[k]));
    cr_assert_eq(cn_fly_step_new(mod, 3, pool, &s, &err), CN_OK);
    cn_fly_step_set_stats(s, g.stats.xnorm, NULL, NULL);
    for (int step = 0; step < 2; step++) {
        struct cn_fly_batch b = {3, at[0], at[1], at[2], 12, 12};
        const struct cn_json *want = cn_json_at(cn_json_get(adam, "steps"), step);
        double total;
        cr_assert_eq(cn_fly_step_train(s, &b, &c, &lr, &terms, &err), CN_OK, "%s", err.text);
        cr_assert(cn_json_number(cn_json_get(want, "loss_before_step"), &total));
        cr_expect_float_eq(terms.total, total, 1e-4 * total);
        for (int32_t k = 0; k < cn_fly_model_n_tensors(mod); k++) {
            const struct cn_fly_tensor *t = cn_fly_model_tensor(mod, k);
            double *after =
                cn_case_array(cn_json_get(cn_json_get(want, "params"), t->name), NULL);
            cr_expect(cn_case_close_float(t->name, cn_fly_model_get(mod, t->name, NULL), after,
                                          t->count, 0.05 * lr.group[t->group], 1));
            cn_free(after);
        }
    }
    cn_fly_step_free(s);
    cn_pool_free(pool);
    cn_free(p);
    cn_free(start);
    cn_fly_model_free(mod);
    fly_golden_close(&g);
}

/* Worst error of the step's gradient against the reference, relative to the largest entry. */
static double compare(const struct cn_fly_graph_model *cfg, int64_t n, int64_t e,
                      int32_t frames, const struct cn_fly_coef *c, double tol, const char *what)
{
    struct fly_toy t;
    struct cn_fly_terms want, got;
    struct cn_fly_reference_batch b;
    struct cn_err err = CN_ERR_INIT;
    double worst, *ref, *fast;
    size_t count;

    fly_toy_make(&t, cfg, n, e, 5);
    b = fly_toy_reference_batch(&t, frames);
    count = (size_t)cn_fly_model_n_params(t.mod);
    ref = cn_alloc(count, sizeof *ref);
    fast = cn_alloc(count, sizeof *fast);
    cr_assert_eq(cn_fly_reference_loss_grad(t.mod, t.params, &b, c, &t.stats, &want, ref, &err),
                 CN_OK);
    fly_step_loss_grad(t.mod, t.params, &b, c, &t.stats, &got, fast);
    worst = fly_toy_worst(t.mod, fast, ref, tol, what);
    worst = fmax(worst, fabs(got.total - want.total) / want.total);
    for (int k = 0; k < CN_FLY_N_TERMS; k++)
        if (fabs(got.term[k] - want.term[k]) > tol * (want.term[k] + 1e-3 * want.total)) {
            fprintf(stderr, "%s: %s is %.9g, the reference says %.9g\n", what,
                    cn_fly_term_name((cn_fly_term)k), got.term[k], want.term[k]);
            worst = INFINITY;
        }
    cn_free(ref);
    cn_free(fast);
    fly_toy_clear(&t);
    return worst;
}

Test(fly_step, agrees_with_the_reference_for_any_table_width_depth_activation_and_batch)
{
    static const int32_t widths[] = {80, 64, 16, 37, 6, 100};
    static const cn_activation acts[] = {CN_ACT_TANH, CN_ACT_SIGMOID, CN_ACT_LEAKY_RELU,
                                         CN_ACT_SOFT_RELU, CN_ACT_NONE};
    struct cn_fly_coef c = usual();
    char what[96];

    for (int k = 0; k < 3; k++) {
        if (!use_table(k))
            continue;
        for (int w = 0; w < 6; w++) {
            struct cn_fly_graph_model m = gs;
            m.hidden_dim = widths[w];
            m.hidden_dim_update = widths[(w + 1) % 6];
            (void)snprintf(what, sizeof what, "%s h %d", tables[k], widths[w]);
            cr_expect_lt(compare(&m, 201, 3001, 1 + w, &c, 1e-5, what), 1e-5, "%s", what);
        }
        for (int a = 0; a < 5; a++) {
            struct cn_fly_graph_model m = gs;
            m.hidden_dim = m.hidden_dim_update = 24;
            m.activation = acts[a];
            (void)snprintf(what, sizeof what, "%s activation %d", tables[k], acts[a]);
            cr_expect_lt(compare(&m, 150, 900, 2, &c, 1e-5, what), 1e-5, "%s", what);
        }
        for (int layers = 2; layers <= 5; layers++) {
            struct cn_fly_graph_model m = gs;
            m.hidden_dim = m.hidden_dim_update = 24;
            m.n_layers = layers;
            m.n_layers_update = 7 - layers;
            m.embedding_dim = layers;
            m.g_phi_positive = layers % 2;
            m.activation = layers == 4 ? CN_ACT_TANH : CN_ACT_RELU;
            (void)snprintf(what, sizeof what, "%s layers %d", tables[k], layers);
            cr_expect_lt(compare(&m, 150, 900, 4, &c, 1e-5, what), 1e-5, "%s", what);
        }
    }
}

Test(fly_step, every_regulariser_at_once_agrees_with_the_reference_in_both_generations)
{
    struct cn_fly_graph_model linear = {.kind = CN_FLY_LINEAR, .linear_tanh = true};
    struct cn_fly_coef c = everything(), w = {.W_L1 = 0.1, .W_L2 = 0.2};
    struct cn_fly_graph_model m = gs;

    m.hidden_dim = m.hidden_dim_update = 20;
    cr_expect_lt(compare(&m, 150, 900, 3, &c, 1e-4, "V2"), 1e-4);
    c.generation = CN_FLY_V1;
    c.regularise_last_frame = true;
    cr_expect_lt(compare(&m, 150, 900, 3, &c, 1e-4, "V1"), 1e-4);
    cr_expect_lt(compare(&linear, 150, 900, 3, &w, 1e-5, "linear"), 1e-5);
}

/* Parameters after five training steps on a number of threads. */
static float *train(int threads, int fused, double clip, uint64_t *out_steps)
{
    struct fly_toy t;
    struct cn_fly_graph_model m = gs;
    struct cn_fly_coef c = everything();
    struct cn_fly_lrs lr = {{6e-4, 1.5e-3, 1.2e-3, 1e-3, 1e-3}};
    struct cn_fly_terms terms;
    struct cn_fly_model_state state;
    struct cn_err err = CN_ERR_INIT;
    struct cn_pool *pool = cn_pool_new(threads);
    struct cn_fly_step *s;
    float *out;

    m.hidden_dim = 32;
    fly_toy_make(&t, &m, 700, 9000, 11);
    cr_assert_eq(cn_fly_step_new(t.mod, 4, pool, &s, &err), CN_OK);
    cn_fly_step_set_stats(s, 1.2, t.muf, t.sigmaf);
    cn_fly_step_set_clip(s, clip);
    for (int k = 0; k < 5; k++) {
        struct cn_fly_batch b = fly_toy_batch(&t, 1 + k % 4);
        if (fused) {
            cr_assert_eq(cn_fly_step_train(s, &b, &c, &lr, &terms, &err), CN_OK);
        } else {
            cr_assert_eq(cn_fly_step_loss_grad(s, &b, &c, &terms, &err), CN_OK);
            cn_fly_step_adam(s, &lr);
        }
    }
    cn_fly_model_state(t.mod, &state);
    *out_steps = (uint64_t)state.adam_steps;
    out = cn_alloc((size_t)(3 * cn_fly_model_n_params(t.mod)), sizeof *out);
    /* One slab: params, m, v. */
    memcpy(out, state.params, (size_t)(3 * cn_fly_model_n_params(t.mod)) * sizeof *out);
    cn_fly_step_free(s);
    cn_pool_free(pool);
    fly_toy_clear(&t);
    return out;
}

Test(fly_step, same_bits_for_one_two_and_three_threads_and_for_fused_and_separate_adam)
{
    uint64_t steps;
    int64_t bytes = 3 * (9000 + 1400 + (32 * 4 + 32 * 33 + 33) + (80 * 6 + 80 * 81 + 81)) *
                    (int64_t)sizeof(float);

    for (int clip = 0; clip < 2; clip++) {
        float *one = train(1, 1, 0.5 * clip, &steps);
        cr_assert_eq(steps, 5);
        for (int k = 0; k < 4; k++) {
            float *other = train(k < 2 ? k + 2 : 2 * (k - 2) + 1, k < 2, 0.5 * clip, &steps);
            cr_expect_eq(memcmp(one, other, (size_t)bytes), 0, "variant %d, clip %d", k, clip);
            cn_free(other);
        }
        cn_free(one);
    }
}

Test(fly_step, a_step_allocates_nothing)
{
    struct fly_toy t;
    struct cn_fly_coef c = everything();
    struct cn_fly_lrs lr = {{1e-3, 1e-3, 1e-3, 1e-3, 1e-3}};
    struct cn_fly_terms terms;
    struct cn_err err = CN_ERR_INIT;
    struct cn_pool *pool = cn_pool_new(2);
    struct cn_fly_step *s;
    struct cn_fly_batch b;
    int64_t before;

    fly_toy_make(&t, &gs, 200, 900, 3);
    b = fly_toy_batch(&t, 3);
    cr_assert_eq(cn_fly_step_new(t.mod, 4, pool, &s, &err), CN_OK);
    cn_fly_step_set_stats(s, 1.2, t.muf, t.sigmaf);
    before = cn_alloc_count();
    for (int k = 0; k < 3; k++)
        cr_assert_eq(cn_fly_step_train(s, &b, &c, &lr, &terms, &err), CN_OK);
    cr_assert_eq(cn_alloc_count(), before);
    cn_fly_step_free(s);
    cn_pool_free(pool);
    fly_toy_clear(&t);
}

Test(fly_step, a_loss_that_is_not_finite_is_refused_and_changes_nothing)
{
    struct fly_toy t;
    struct cn_fly_coef c = usual();
    struct cn_fly_lrs lr = {{1e-3, 1e-3, 1e-3, 1e-3, 1e-3}};
    struct cn_fly_terms terms;
    struct cn_err err = CN_ERR_INIT;
    struct cn_pool *pool = cn_pool_new(1);
    struct cn_fly_step *s;
    struct cn_fly_batch b;
    float before;

    fly_toy_make(&t, &gs, 200, 900, 3);
    t.yf[17] = NAN;
    b = fly_toy_batch(&t, 2);
    before = cn_fly_model_params(t.mod)[0];
    cr_assert_eq(cn_fly_step_new(t.mod, 4, pool, &s, &err), CN_OK);
    cn_fly_step_set_stats(s, 1.2, t.muf, t.sigmaf);
    cr_assert_eq(cn_fly_step_train(s, &b, &c, &lr, &terms, &err), CN_EDIVERGED);
    cr_expect(strstr(err.text, "nan") != NULL, "%s", err.text);
    cr_expect_eq(cn_fly_model_params(t.mod)[0], before);
    b.frames = 5;
    cr_assert_eq(cn_fly_step_train(s, &b, &c, &lr, &terms, &err), CN_EINPUT);
    cr_expect(strstr(err.text, "5 frames") != NULL, "%s", err.text);
    b.frames = 2;
    c.f_theta_linearity = 1;
    cn_fly_step_set_stats(s, 1.2, NULL, NULL);
    cr_assert_eq(cn_fly_step_train(s, &b, &c, &lr, &terms, &err), CN_EINPUT);
    cr_expect(strstr(err.text, "f_theta_linearity") != NULL, "%s", err.text);
    cn_fly_step_free(s);
    cn_pool_free(pool);
    fly_toy_clear(&t);
}

Test(fly_step, an_unknown_cpu_name_is_refused_with_the_known_ones)
{
    struct cn_err err = CN_ERR_INIT;

    (void)setenv("CAIRN_CPU", "avx1024", 1);
    cr_assert_null(cn_kernels_get(&err));
    cr_assert_eq(err.status, CN_EINPUT);
    cr_expect(strstr(err.text, "avx1024") && strstr(err.text, "portable"), "%s", err.text);
}
