/* The training step and the evaluation under the thread sanitizer, as a plain main: phases hand
 * plain memory from chunk to chunk, and every missing order shows. Also: three threads, same
 * bits as one. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/support/fly_toy.h"

enum { N = 700, E = 6000, STEPS = 4 };

static int run(int threads, float *out, int64_t n_params)
{
    struct cn_fly_graph_model m = {.kind = CN_FLY_A,
                                   .embedding_dim = 2,
                                   .hidden_dim = 32,
                                   .n_layers = 3,
                                   .hidden_dim_update = 16,
                                   .n_layers_update = 3,
                                   .g_phi_positive = true,
                                   .activation = CN_ACT_RELU};
    struct cn_fly_coef c = {.W_L1 = 0.01,
                            .W_L2 = 0.01,
                            .W_sign = 0.1,
                            .W_sign_temperature = 10,
                            .g_phi_diff = 1,
                            .g_phi_norm = 1,
                            .f_theta_zero = 1,
                            .f_theta_msg_diff = 1,
                            .f_theta_linearity = 1};
    struct cn_fly_lrs lr = {{1e-3, 1e-3, 1e-3, 1e-3, 1e-3}};
    struct cn_fly_step *s = NULL;
    struct cn_fly_eval *ev = NULL;
    struct cn_fly_terms terms;
    struct cn_err err = CN_ERR_INIT;
    struct cn_pool *pool = cn_pool_new(threads);
    struct fly_toy t;
    struct cn_fly_batch b;
    float y[N];
    cn_status st;

    fly_toy_make(&t, &m, N, E, 1);
    b = fly_toy_batch(&t, 3);
    st = cn_fly_step_new(t.mod, 3, pool, &s, &err);
    if (st == CN_OK)
        st = cn_fly_eval_new(t.mod, pool, &ev, &err);
    if (st == CN_OK)
        cn_fly_step_set_stats(s, 1.2, t.muf, t.sigmaf);
    for (int k = 0; st == CN_OK && k < STEPS; k++) {
        st = cn_fly_step_train(s, &b, &c, &lr, &terms, &err);
        cn_fly_eval_frame(ev, t.vf, t.If, N, N, NULL, y, NULL);
    }
    if (st == CN_OK && cn_fly_model_n_params(t.mod) == n_params)
        memcpy(out, cn_fly_model_params(t.mod), (size_t)n_params * sizeof *out);
    else
        (void)fprintf(stderr, "tsan_fly_step: %s\n", err.text);
    cn_fly_eval_free(ev);
    cn_fly_step_free(s);
    cn_pool_free(pool);
    fly_toy_clear(&t);
    return st == CN_OK;
}

int main(void)
{
    int64_t n = E + 2 * N + (32 * 4 + 32 * 33 + 33) + (16 * 6 + 16 * 17 + 17);
    float *one = cn_alloc((size_t)n, sizeof *one), *three = cn_alloc((size_t)n, sizeof *three);
    int ok =
        run(1, one, n) && run(3, three, n) && memcmp(one, three, (size_t)n * sizeof *one) == 0;

    printf("tsan_fly_step: %s\n", ok ? "ok" : "three threads gave other bits than one");
    cn_free(one);
    cn_free(three);
    return !ok;
}
