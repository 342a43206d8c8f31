/* The double-precision reference against golden/fly_gnn.json, at 1e-6. */
#include <math.h>
#include <stdio.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/support/cases.h"
#include "tests/support/fly_golden.h"

static void reference(struct cn_fly_model *mod, const double *params,
                      const struct cn_fly_reference_batch *b, const struct cn_fly_coef *c,
                      const struct cn_fly_stats *stats, struct cn_fly_terms *out, double *grad)
{
    struct cn_err err = CN_ERR_INIT;
    cr_assert_eq(cn_fly_reference_loss_grad(mod, params, b, c, stats, out, grad, &err), CN_OK,
                 "%s", err.text);
}

Test(fly_reference, flyvis_A_forward_matches_golden)
{
    struct fly_golden g;
    struct cn_err err = CN_ERR_INIT;
    int seen = 0;

    fly_golden_open(&g);
    for (const struct cn_json *c = cn_json_first(cn_json_get(g.root, "cases")); c && seen < 4;
         c = cn_json_next(c), seen++) {
        struct cn_fly_reference_batch b = {g.frames, g.v, g.I, g.y};
        struct cn_fly_model *mod = fly_golden_model(
            &g, CN_FLY_A, seen < 2 ? CN_ACT_RELU : CN_ACT_TANH, seen % 2 == 0, false);
        double *p = fly_golden_params(&g, mod), out[3][36];
        static const char *const names[] = {"G", "m", "yhat"};
        cr_assert_eq(cn_fly_reference_forward(mod, p, &b, out[0], out[1], out[2], &err), CN_OK);
        for (int k = 0; k < 3; k++) {
            double *want = cn_case_array(cn_json_get(c, names[k]), NULL);
            cr_expect(cn_case_close(names[k], out[k], want, 36, 1e-10, 0));
            cn_free(want);
        }
        cn_free(p);
        cn_fly_model_free(mod);
    }
    fly_golden_close(&g);
}

Test(fly_reference, flyvis_A_gradients_match_golden)
{
    struct fly_golden g;
    fly_golden_open(&g);
    cr_assert_eq(fly_golden_cases(&g, reference, 1e-9), 0);
    fly_golden_close(&g);
}

Test(fly_reference, linear_gradients_match_golden)
{
    struct fly_golden g;
    fly_golden_open(&g);
    cr_assert_eq(fly_golden_linear(&g, reference, 1e-9), 0);
    fly_golden_close(&g);
}

Test(fly_reference, every_regulariser_matches_golden)
{
    struct fly_golden g;
    fly_golden_open(&g);
    cr_assert_eq(fly_golden_regularisers(&g, reference, false), 0);
    fly_golden_close(&g);
}

Test(fly_reference, two_adam_steps_match_golden)
{
    struct fly_golden g;
    struct cn_fly_model *mod;
    double *p, *m, *v, *grad;
    int64_t n;
    const struct cn_json *adam;

    fly_golden_open(&g);
    adam = cn_json_get(g.root, "adam");
    mod = fly_golden_model(&g, CN_FLY_A, CN_ACT_RELU, true, false);
    n = cn_fly_model_n_params(mod);
    p = fly_golden_params(&g, mod);
    m = cn_alloc((size_t)n, sizeof *m);
    v = cn_alloc((size_t)n, sizeof *v);
    for (int step = 0; step < 2; step++) {
        struct cn_fly_reference_batch b = {g.frames, g.v, g.I, g.y};
        struct cn_fly_coef c = fly_golden_adam_coef();
        const struct cn_json *want = cn_json_at(cn_json_get(adam, "steps"), step);
        struct cn_fly_terms terms;
        double total;
        grad = cn_alloc((size_t)n, sizeof *grad);
        reference(mod, p, &b, &c, &g.stats, &terms, grad);
        cr_assert(cn_json_number(cn_json_get(want, "loss_before_step"), &total));
        cr_expect_float_eq(terms.total, total, 1e-9 * total);
        if (step == 0)
            cr_expect(fly_golden_grads_close("adam", mod, cn_json_get(adam, "grads_at_start"),
                                             grad, 1e-9));
        for (int32_t k = 0; k < cn_fly_model_n_tensors(mod); k++) {
            const struct cn_fly_tensor *t = cn_fly_model_tensor(mod, k);
            char letter[2] = {t->name[0], 0};
            double lr,
                *after = cn_case_array(cn_json_get(cn_json_get(want, "params"), t->name), NULL);
            cr_assert(cn_json_number(cn_json_get(cn_json_get(adam, "lr"), letter), &lr));
            cn_fly_reference_adam(t->count, grad + t->offset, p + t->offset, m + t->offset,
                                  v + t->offset, lr, step + 1);
            cr_expect(cn_case_close(t->name, p + t->offset, after, t->count, 1e-6 * lr, 1));
            cn_free(after);
        }
        cn_free(grad);
    }
    cr_expect(
        fly_golden_grads_close("first moment", mod, cn_json_get(adam, "m_after_2"), m, 1e-6));
    cr_expect(
        fly_golden_grads_close("second moment", mod, cn_json_get(adam, "v_after_2"), v, 1e-6));
    cn_free(p);
    cn_free(m);
    cn_free(v);
    cn_fly_model_free(mod);
    fly_golden_close(&g);
}
