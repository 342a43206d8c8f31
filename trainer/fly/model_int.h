/* The model's inside, for model.c, model_eval.c, step.c and regularise.c only.
 *
 * W lives twice: in the slab in edge order, and in CSR order (w, wm, wv: weights and Adam's
 * moments) where the step works. At any time at least one of the two is current; the flags say
 * which one is behind.
 */
#ifndef CN_FLY_MODEL_INT_H
#define CN_FLY_MODEL_INT_H

#include "trainer/engine/kernels.h"
#include "trainer/engine/mlp.h"
#include "trainer/fly/model.h"

/* Neurons are cut into this many ranges at most, whatever the number of threads. */
enum { CN_FLY_MAX_CHUNKS = 32 };

struct cn_fly_model {
    struct cn_fly_graph_model cfg;
    cn_fly_winit w_init;
    double w_init_scale;
    const struct cn_fly_graph *graph; /* borrowed */
    struct cn_mlp_shape gs, fs;
    struct cn_fly_tensor tensor[CN_FLY_MAX_TENSORS];
    int32_t n_tensors;
    int64_t n_params, n_g, n_f;
    int64_t oW, oa, og, of, otau, oV, os; /* offsets of tensors, -1: absent */
    float *slab;                          /* owned: params, m, v one after the other */
    float *params, *m, *v;
    int64_t adam_steps;

    float *csr; /* owned: w, wm, wv */
    float *w, *wm, *wv;
    int32_t *index;                       /* owned: the three below */
    int32_t *csr_src, *csc_dst, *csc_pos; /* (e) */
    bool slab_behind, csr_behind;
};

void cn_fly_model_refresh_csr(struct cn_fly_model *mod);
void cn_fly_model_refresh_slab(struct cn_fly_model *mod);
/* Number of chunks for n neurons: a function of n alone. */
int32_t cn_fly_chunks(int64_t n);
static inline int64_t cn_fly_chunk_start(int64_t n, int32_t chunks, int64_t c)
{
    return n * c / chunks;
}
/* Message edges by destination (CSR), and by source with weights looked up in CSR order
 * (CSC). */
struct cn_edges cn_fly_in_edges(const struct cn_fly_model *mod);
struct cn_edges cn_fly_out_edges(const struct cn_fly_model *mod);

#endif
