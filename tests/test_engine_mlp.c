/* The perceptron kernels of every instruction set against plain double loops: outputs, input
 * and weight gradients, resumed backward passes, and rows that share a tile with stale ones;
 * Adam on any split of a slab. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "trainer/engine/adam.h"
#include "trainer/engine/kernels.h"
#include "trainer/engine/mlp.h"

static const char *const tables[] = {"portable", "avx2", "avx512"};

/* Plain ReLU network in double, with its gradient for dL/dy = seed. h holds (layers,
 * hidden). */
static double plain(const struct cn_mlp_shape *s, const float *p, const float *x, double seed,
                    double *grad, double *dx)
{
    double h[8][512], d[512] = {0}, to[512], y = 0;

    for (int l = 0; l < s->n_layers; l++) {
        int64_t rows, cols, off = cn_mlp_tensor(s, 2 * l, &rows, &cols);
        for (int64_t k = 0; k < rows; k++) {
            double z = (double)p[off + rows * cols + k];
            for (int64_t j = 0; j < cols; j++)
                z += (double)p[off + k * cols + j] * (l ? h[l - 1][j] : (double)x[j]);
            h[l][k] = z > 0 ? z : 0;
            y = z;
        }
    }
    d[0] = 1;
    for (int l = s->n_layers - 1; l >= 0; l--) {
        int64_t rows, cols, off = cn_mlp_tensor(s, 2 * l, &rows, &cols);
        memset(to, 0, sizeof to);
        for (int64_t k = 0; k < rows; k++) {
            grad[off + rows * cols + k] += seed * d[k];
            for (int64_t j = 0; j < cols; j++) {
                grad[off + k * cols + j] += seed * d[k] * (l ? h[l - 1][j] : (double)x[j]);
                to[j] += d[k] * (double)p[off + k * cols + j];
            }
        }
        for (int64_t j = 0; j < cols; j++)
            d[j] = l && h[l - 1][j] <= 0 ? 0 : to[j];
    }
    memcpy(dx, d, (size_t)s->in * sizeof *dx);
    return y;
}

struct case_of {
    struct cn_mlp_shape s;
    int32_t rows;
};

static void one_case(const char *table, struct case_of c)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_mlp *net = cn_mlp_new(&c.s, &err);
    struct cn_mlp_tile *t = cn_mlp_tile_new(net);
    struct cn_mlp_grad *g = cn_mlp_grad_new(net);
    int64_t n = cn_mlp_n_params(&c.s);
    float *p = cn_alloc((size_t)n, sizeof *p), *grad = cn_alloc((size_t)n, sizeof *grad);
    double *want = cn_alloc((size_t)n, sizeof *want), scale = 0, worst = 0, dx[32];
    uint16_t *mask =
        cn_alloc((size_t)(CN_MLP_ROWS * (cn_mlp_mask_size(net) + 1)), sizeof *mask);
    struct cn_rng r;

    cn_rng_init(&r, 3, (uint64_t)c.s.hidden);
    for (int64_t k = 0; k < n; k++)
        p[k] = (float)(0.4 * cn_rng_normal(&r));
    cn_mlp_pack(net, p);
    cn_mlp_grad_zero(net, g);
    for (int pass = 0; pass < 2; pass++) { /* the second pass finds stale rows in its tile */
        int32_t rows = pass ? c.rows : CN_MLP_ROWS;
        for (int32_t q = 0; q < rows; q++) {
            for (int32_t j = 0; j < c.s.in; j++)
                t->x[q * t->ldx + j] = (float)cn_rng_normal(&r);
            t->seed[q] = q % 5 == 4 ? 0 : (float)cn_rng_normal(&r);
        }
        cn_mlp_forward(net, t, rows);
        if (pass) { /* as if time had passed between the visits */
            memcpy(mask, t->mask, (size_t)(rows * cn_mlp_mask_size(net)) * sizeof *mask);
            memset(t->mask, 0xff, (size_t)(CN_MLP_ROWS * cn_mlp_mask_size(net)) * sizeof *mask);
            cn_mlp_resume(net, t, rows, mask);
        }
        cn_mlp_backward(net, t, rows, g, (1u << c.s.in) - 1);
        for (int32_t q = 0; q < rows; q++) {
            double y = plain(&c.s, p, t->x + q * t->ldx, (double)t->seed[q], want, dx);
            cr_expect_float_eq((double)t->y[q], y, 1e-4 * (1 + fabs(y)), "%s h %d row %d",
                               table, c.s.hidden, q);
            for (int32_t j = 0; j < c.s.in; j++)
                cr_expect_float_eq((double)t->dx[q * t->ldx + j], dx[j],
                                   1e-4 * (1 + fabs(dx[j])), "%s h %d row %d input %d", table,
                                   c.s.hidden, q, j);
        }
    }
    cn_mlp_grad_add(net, g, 0.5f, grad);
    for (int64_t k = 0; k < n; k++)
        scale = fmax(scale, fabs(0.5 * want[k]));
    for (int64_t k = 0; k < n; k++)
        worst = fmax(worst, fabs((double)grad[k] - 0.5 * want[k]));
    cr_expect_lt(worst, 1e-5 * scale, "%s h %d layers %d: gradient off by %g of %g", table,
                 c.s.hidden, c.s.n_layers, worst, scale);
    cn_free(p);
    cn_free(grad);
    cn_free(want);
    cn_free(mask);
    cn_mlp_grad_free(g);
    cn_mlp_tile_free(t);
    cn_mlp_free(net);
}

Test(engine_mlp, every_kernel_table_agrees_with_plain_loops)
{
    static const int32_t hidden[] = {80, 64, 16, 33, 5, 112, 128, 150, 48};
    int seen = 0;

    for (int k = 0; k < 3; k++) {
        (void)setenv("CAIRN_CPU", tables[k], 1);
        if (!cn_kernels_get(NULL))
            continue;
        seen++;
        for (int h = 0; h < 9; h++)
            for (int layers = 2; layers <= 4; layers++)
                one_case(tables[k],
                         (struct case_of){{2 + h, hidden[h], layers, CN_MLP_RELU}, 1 + 7 * h});
    }
    cr_assert_gt(seen, 0);
}

Test(engine_mlp, a_broken_weight_reaches_the_output)
{
    for (int k = 0; k < 3; k++) {
        struct cn_mlp_shape s = {3, 20, 3, CN_MLP_RELU};
        struct cn_mlp *net;
        struct cn_mlp_tile *t;
        float *p = cn_alloc((size_t)cn_mlp_n_params(&s), sizeof *p);
        (void)setenv("CAIRN_CPU", tables[k], 1);
        if (cn_kernels_get(NULL)) {
            net = cn_mlp_new(&s, NULL);
            t = cn_mlp_tile_new(net);
            p[4] = NAN; /* one weight of the first layer */
            cn_mlp_pack(net, p);
            t->x[0] = t->x[1] = t->x[2] = 1;
            cn_mlp_forward(net, t, 1);
            cr_expect(isnan(t->y[0]), "%s hides a NaN", tables[k]);
            cn_mlp_tile_free(t);
            cn_mlp_free(net);
        }
        cn_free(p);
    }
}

Test(engine_mlp, adam_gives_the_same_bits_for_any_split)
{
    enum { N = 1001 };
    float g[N], a[3][N], b[3][N];
    struct cn_adam_rate rate = cn_adam_rate(1e-3, 3);

    for (int k = 0; k < 3; k++) {
        (void)setenv("CAIRN_CPU", tables[k], 1);
        if (!cn_kernels_get(NULL))
            continue;
        cn_rng_fill_normal(1, 1, 0, g, N);
        for (int q = 0; q < 3; q++)
            for (int j = 0; j < N; j++)
                a[q][j] = b[q][j] = fabsf(g[(j * 7 + q) % N]);
        cn_adam_update(&rate, N, g, a[0], a[1], a[2]);
        for (int j = 0, step = 1; j < N; j += step, step = step % 37 + 1) {
            int n = N - j < step ? N - j : step;
            cn_adam_update(&rate, n, g + j, b[0] + j, b[1] + j, b[2] + j);
        }
        cr_expect_eq(memcmp(a, b, sizeof a), 0, "%s", tables[k]);
    }
}
