/* The step's plan and work space, for step.c and regularise.c only.
 *
 * Frames of a neuron stand together: arrays marked (n, ld) hold frame b of neuron i at
 * [i*ld + b], padding 0. "raw" gradients still lack the factor 1/||r||, which is known only
 * when every residual is.
 */
#ifndef CN_FLY_STEP_INT_H
#define CN_FLY_STEP_INT_H

#include "trainer/fly/model_int.h"
#include "trainer/fly/step.h"

/* Sums of one chunk, reduced in chunk order. */
struct cn_fly_partial {
    double residual, g_diff, g_norm, f_term, W_abs, W_square, W_grad_square;
};

struct cn_fly_step {
    struct cn_fly_model *mod; /* borrowed */
    struct cn_pool *pool;     /* borrowed */
    const struct cn_kernels *kernels;
    int64_t n, e;
    int32_t d, max_frames, chunks;
    double xnorm, clip;
    const float *mu, *sigma; /* borrowed, may be NULL */

    struct cn_mlp *g, *f;                   /* owned, NULL for a linear model */
    struct cn_mlp_tiles *g_tiles, *f_tiles; /* owned */
    struct cn_mlp_grad *g_acc[CN_FLY_MAX_CHUNKS], *f_acc[CN_FLY_MAX_CHUNKS],
        *x_acc[CN_FLY_MAX_CHUNKS]; /* owned */
    struct cn_fly_partial part[CN_FLY_MAX_CHUNKS];
    /* Neurons: chunks of about equal numbers of in-edges. */
    int64_t edge_start[CN_FLY_MAX_CHUNKS + 1];

    uint16_t *mask; /* owned (n, g rows, mask_size): kept from g's forward for its backward */
    int64_t mask_size; /* 0: none, g's forward is run again */
    float *slab;       /* owned; the arrays below */
    float *G, *m, *dm; /* (n, ld max) outputs of g, messages, raw dL/dm */
    float *dG;         /* (n, ld max) dL/dG of the data loss, raw */
    float *yg;         /* (n, g rows) outputs of g before squaring */
    float *da;         /* (n, d) raw embedding gradient that f left */
    float *da_reg;     /* (n, d) the same of a regulariser; 0 between terms */
    float *dG_reg;     /* (n, 2) dL/dG of regularisers at v and at the second point */
    float *sign_plus, *sign_minus; /* (n) W_sign's sums over out-edges */
    float *gw;                     /* (e) dL/dW in CSR order */
    float *grad;                   /* (n_params) W part filled on request */
    bool grad_W_behind;

    /* the step in progress */
    const struct cn_fly_batch *batch;
    struct cn_fly_coef coef;
    struct cn_fly_terms *terms;
    int32_t frames, ld, g_rows, second, norm; /* slots of a neuron's g rows; -1: not in use */
    int32_t frame_of_reg;
    double delta, scale, diff_scale, norm_scale; /* scale = 1/||r||; the others c/norm */
    double W_L2_scale;                           /* c/||W|| */
    struct cn_adam_rate rate[CN_FLY_N_GROUPS];
    bool update; /* Adam at once (train) or later (loss_grad) */

    double seconds[CN_FLY_N_PHASES];
};

/* ---- step_plan.c ---- */
enum {
    CN_FLY_PHASE_G,
    CN_FLY_PHASE_F,
    CN_FLY_PHASE_TERMS,
    CN_FLY_PHASE_G_BACK,
    CN_FLY_PHASE_W,
    CN_FLY_PHASE_ADAM
};
/* Run jobs on the pool and book the time to a phase. */
void cn_fly_step_run(struct cn_fly_step *s, cn_pool_fn *fn, int64_t jobs, int phase);

/* ---- step_weights.c ---- */
/* Jobs of the last phase: 0 f, 1 g, 2 per-neuron parameters, from CN_FLY_WEIGHTS_FIRST one a
 * chunk of edges. ctx is the step. */
enum { CN_FLY_WEIGHTS_FIRST = 3 };
void cn_fly_weights_job(void *ctx, int64_t job);
/* ||W|| and W_sign's sums, where a coefficient asks for them: their terms, and what the edges'
 * pass needs. */
void cn_fly_weights_sums(struct cn_fly_step *s);
/* Counts the Adam step. */
void cn_fly_step_rates(struct cn_fly_step *s, const struct cn_fly_lrs *lr);
/* Rescale dL/dW to the clip norm where it is above; then Adam of W. */
void cn_fly_clip_then_adam(struct cn_fly_step *s);

/* ---- step_linear.c ---- */
void cn_fly_linear_forward_chunk(void *ctx, int64_t chunk);
void cn_fly_linear_chunk(void *ctx, int64_t chunk);
void cn_fly_linear_scale(struct cn_fly_step *s); /* raw per-neuron gradients times 1/||r|| */

/* ---- regularise.c ---- */
/* Terms of f_theta that the data loss does not share rows with (regularise.c): values into
 * terms, gradients into grad and dG_reg. */
void cn_fly_f_regularisers(struct cn_fly_step *s);
bool cn_fly_needs_second_point(const struct cn_fly_coef *c);

static inline float cn_fly_input(const struct cn_fly_batch *b, int32_t frame, int64_t i)
{
    return i < b->i_count ? b->I[frame][i % b->i_period] : 0;
}
static inline int64_t cn_fly_step_start(const struct cn_fly_step *s, int64_t chunk)
{
    return cn_fly_chunk_start(s->n, s->chunks, chunk);
}
/* The neuron's second voltage for differences: V2 v + delta, V1 1.05 v. */
static inline float cn_fly_second_v(const struct cn_fly_step *s, float v)
{
    return s->coef.generation == CN_FLY_V1 ? 1.05f * v : v + (float)s->delta;
}

#endif
