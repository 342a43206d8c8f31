/* The kernels behind the layers: one table per instruction set, chosen once at run time.
 *
 * CAIRN_CPU=portable|avx2|avx512 overrides the choice (tests, comparisons); an unknown name, or
 * one that this CPU cannot run, is CN_EINPUT. The tables differ in the last bits of their
 * results, never in meaning; each is tested against the double-precision reference.
 */
#ifndef CN_ENGINE_KERNELS_H
#define CN_ENGINE_KERNELS_H

#include <stdint.h>

#include "base/status.h"
#include "trainer/engine/adam.h"
#include "trainer/engine/mlp.h"

/* Frames of a neuron stand together, padded to a stride: 1, 2, 4 or a multiple of 4 floats. */
static inline int32_t cn_frame_stride(int32_t frames)
{
    return frames <= 2 ? frames : (frames + 3) / 4 * 4;
}

/* CSR rows lo..hi of a weighted graph on frame-strided values. */
struct cn_edges {
    const int64_t *ptr; /* (n+1) */
    const int32_t *col; /* (e) the other end of each edge */
    const int32_t *pos; /* (e) where the edge's weight stands, NULL = in this order */
    const float *w;     /* (e) */
};

struct cn_kernels {
    const char *name;
    void (*forward)(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n);
    void (*backward)(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n,
                     struct cn_mlp_grad *g, uint32_t inputs);
    void (*adam)(const struct cn_adam_rate *r, int64_t n, const float *g, float *p, float *m,
                 float *v);
    /* out[i] (stride) = sum_k w x[col], rows i in lo..hi. */
    void (*gather)(const struct cn_edges *e, int64_t lo, int64_t hi, int32_t stride,
                   const float *x, float *out);
    /* gw[k] = scale * (row[i] . x[col k]), edges k of rows i in lo..hi. */
    void (*outer)(const struct cn_edges *e, int64_t lo, int64_t hi, int32_t stride, float scale,
                  const float *row, const float *x, float *gw);
    /* Three-map ReLU networks by subset sums (kernels_tables.h); NULL where there are none. */
    void (*tables_pack)(struct cn_mlp *net);
    void (*tables_forward)(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n);
    void (*tables_backward)(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n,
                            struct cn_mlp_grad *g, uint32_t inputs);
};

/* NULL with a message when CAIRN_CPU does not fit. */
const struct cn_kernels *cn_kernels_get(struct cn_err *err);

extern const struct cn_kernels cn_kernels_portable, cn_kernels_avx2, cn_kernels_avx512;

#endif
