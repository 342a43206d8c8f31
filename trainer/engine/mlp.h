/* Multilayer perceptrons with one output, evaluated on tiles of rows: forward, and backward
 * while the tile is hot.
 *
 *     z1 = W0 x + b0,  h1 = act(z1),  z2 = W1 h1 + b1,  ...,  y = w_last . h + b_last
 *
 * (no output activation).
 *
 * Parameters live in the caller's slab, tensors in the order w0 b0 w1 b1 ... , weights (out,
 * in) row-major: w0 (hidden, in), w1.. (hidden, hidden), last (1, hidden). n_layers counts the
 * linear maps (2..8).
 *
 *     struct cn_mlp *net = cn_mlp_new(&shape, &err); // packed, padded copy of the weights
 *     struct cn_mlp_tile *t = cn_mlp_tile_new(net);  // one per chunk of rows
 *     struct cn_mlp_grad *g = cn_mlp_grad_new(net);  // one accumulator per chunk
 *     cn_mlp_pack(net, params);                      // after every change of the parameters
 *     cn_mlp_grad_zero(net, g);
 *     for each tile: fill t->x rows 0..n;
 *                    cn_mlp_forward(net, t, n);
 *                    set t->seed;
 *                    cn_mlp_backward(net, t, n, g, inputs);
 *     cn_mlp_grad_add(net, g, scale, dparams); // += scale * g, unpadded, in slab order
 *
 * backward: weight gradients += seed[r] * dy[r]/dparams; t->dx[r][j] = dy[r]/dx[j] for UNIT
 * seed, for the inputs j whose bit is set in `inputs` (others keep what they held). So one
 * visit serves rows whose weights and inputs want different seeds. A tile belongs to one thread
 * at a time; the net is read-only between packs. Nothing here allocates after new.
 */
#ifndef CN_ENGINE_MLP_H
#define CN_ENGINE_MLP_H

#include <stdint.h>

#include "base/status.h"

typedef enum {
    CN_MLP_RELU,
    CN_MLP_TANH,
    CN_MLP_SIGMOID,
    CN_MLP_LEAKY_RELU, /* slope .01 */
    CN_MLP_SOFT_RELU,  /* log(1 + e^x) */
    CN_MLP_NONE
} cn_mlp_act;

enum {
    CN_MLP_ROWS = 128,    /* rows of a tile */
    CN_MLP_MAX_IN = 32,   /* inputs */
    CN_MLP_MAX_LAYERS = 8 /* linear maps */
};

struct cn_mlp_shape {
    int32_t in, hidden, n_layers;
    cn_mlp_act act;
};

struct cn_mlp;
struct cn_mlp_grad;

struct cn_mlp_tile {
    int64_t ldx; /* floats from one row of x (and dx) to the next */
    float *x;    /* (CN_MLP_ROWS, ldx) inputs, filled by the caller */
    float *y;    /* (CN_MLP_ROWS) outputs */
    float *seed; /* (CN_MLP_ROWS) weight seeds dL/dy, filled by the caller before backward */
    float *dx;   /* (CN_MLP_ROWS, ldx) unit-seed input gradients */
    /* (CN_MLP_ROWS, cn_mlp_mask_size) which units of the last hidden layer are active. */
    uint16_t *mask;
    float *scratch; /* private */
};

/* Parameters in the slab, and where tensor k (2*layer = weight, 2*layer+1 = bias) stands. */
int64_t cn_mlp_n_params(const struct cn_mlp_shape *s);
int64_t cn_mlp_tensor(const struct cn_mlp_shape *s, int32_t k, int64_t *out_rows,
                      int64_t *out_cols); /* offset */

/* FLOPs of one row: forward, and forward + backward (weights and inputs). */
double cn_mlp_flops_forward(const struct cn_mlp_shape *s);
double cn_mlp_flops_both(const struct cn_mlp_shape *s);

/* NULL with a message: sizes out of range (CN_EINPUT), no memory, or an unknown CAIRN_CPU
 * (engine/kernels.h). */
struct cn_mlp *cn_mlp_new(const struct cn_mlp_shape *s, struct cn_err *err);
void cn_mlp_free(struct cn_mlp *net);
struct cn_mlp_tile *cn_mlp_tile_new(const struct cn_mlp *net); /* NULL: no memory */
void cn_mlp_tile_free(struct cn_mlp_tile *t);

/* As many tiles as threads may want at once: a chunk takes one and gives it back, so that tiles
 * stay in the cache of the thread that used them last. What a tile held before never shows in
 * results. */
struct cn_mlp_tiles;
/* NULL: no memory. */
struct cn_mlp_tiles *cn_mlp_tiles_new(const struct cn_mlp *net, int count);
void cn_mlp_tiles_free(struct cn_mlp_tiles *ts);
struct cn_mlp_tile *cn_mlp_tiles_take(struct cn_mlp_tiles *ts);
void cn_mlp_tiles_give(struct cn_mlp_tiles *ts, const struct cn_mlp_tile *t);

struct cn_mlp_grad *cn_mlp_grad_new(const struct cn_mlp *net);
void cn_mlp_grad_free(struct cn_mlp_grad *g);

void cn_mlp_pack(struct cn_mlp *net, const float *params);
void cn_mlp_forward(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n_rows);
/* Forward and backward may be visits apart: keep t->mask after forward (mask_size shorts a row,
 * 0 when the network keeps none), fill t->x again and call resume instead of forward. y is not
 * recomputed. */
int64_t cn_mlp_mask_size(const struct cn_mlp *net);
void cn_mlp_resume(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n_rows,
                   const uint16_t *mask);
/* After cn_mlp_forward on the same tile; the hidden rows are consumed. */
void cn_mlp_backward(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n_rows,
                     struct cn_mlp_grad *g, uint32_t inputs);
/* The same without weight gradients: only t->dx. */
void cn_mlp_input_grad(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n_rows,
                       uint32_t inputs);
void cn_mlp_grad_zero(const struct cn_mlp *net, struct cn_mlp_grad *g);
/* g[0] += g[1] + ... + g[count-1], in that order. */
void cn_mlp_grad_sum(const struct cn_mlp *net, struct cn_mlp_grad *const g[], int32_t count);
void cn_mlp_grad_add(const struct cn_mlp *net, const struct cn_mlp_grad *g, float scale,
                     float *dparams);

#endif
