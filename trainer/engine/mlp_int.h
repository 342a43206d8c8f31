/* Packed network, tile scratch and gradient accumulator: for mlp.c and the kernels only.
 *
 * hp = hidden size padded to 16 floats; padded units have weight 0 everywhere, so they neither
 * act nor learn. The bias of the first layer is one more input that is always 1, in column `in`
 * of x.
 */
#ifndef CN_ENGINE_MLP_INT_H
#define CN_ENGINE_MLP_INT_H

#include "trainer/engine/mlp.h"

struct cn_kernels;

struct cn_mlp {
    struct cn_mlp_shape shape;
    const struct cn_kernels *kernels;
    int64_t hp, ldx;
    int32_t n_inner;              /* hidden-to-hidden maps: n_layers - 2 */
    float *slab;                  /* owned; everything below points into it */
    float *w0;                    /* (in+1, hp) first layer, transposed, bias last */
    float *wt[CN_MLP_MAX_LAYERS]; /* (hp in, hp out) inner map l, for forward */
    float *w[CN_MLP_MAX_LAYERS];  /* (hp out, hp in) the same, for backward */
    float *b[CN_MLP_MAX_LAYERS];  /* (hp) */
    float *w_out;                 /* (hp) */
    float b_out;
    float *tables; /* (hp/16, hp/4, 16, 16) subset sums of w_out * w[0], NULL = dense kernels */
};

/* Limits of the subset-sum kernels: beyond them the dense ones serve. */
enum { CN_MLP_TABLES_MAX_HIDDEN = 128, CN_MLP_TABLES_MAX_IN = 7 };

/* Accumulators in padded layout, one slab. */
struct cn_mlp_grad {
    int64_t count; /* floats */
    float *slab;
    float *w0;                   /* (in+1, hp) */
    float *w[CN_MLP_MAX_LAYERS]; /* (hp out, hp in) */
    float *b[CN_MLP_MAX_LAYERS]; /* (hp) */
    float *w_out;                /* (hp) */
    float *b_out;                /* (16) the first entry counts */
};

/* Tile scratch, in this order. */
static inline float *cn_mlp_h(const struct cn_mlp *net, const struct cn_mlp_tile *t, int32_t l)
{
    /* (ROWS, hp) outputs of hidden layer l. */
    return t->scratch + (int64_t)l * CN_MLP_ROWS * net->hp;
}
static inline float *cn_mlp_d(const struct cn_mlp *net, const struct cn_mlp_tile *t, int32_t k)
{
    /* k = 0, 1: unit-seed adjoints, alternating. */
    return cn_mlp_h(net, t, net->shape.n_layers - 1 + k);
}
static inline float *cn_mlp_xs(const struct cn_mlp *net, const struct cn_mlp_tile *t)
{
    return cn_mlp_h(net, t, net->shape.n_layers + 1); /* (ROWS, ldx) seed * [x, 1] */
}
static inline int64_t cn_mlp_scratch_floats(const struct cn_mlp *net)
{
    return (int64_t)CN_MLP_ROWS * ((int64_t)(net->shape.n_layers + 1) * net->hp + net->ldx);
}

#endif
