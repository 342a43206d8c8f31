/* The step's plan: sizes, memory, options, and what is counted about it. See step.h; the work
 * is in step.c. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "trainer/fly/step_int.h"

static const char *const phase_names[CN_FLY_N_PHASES + 1] = {
    "g forward",  "messages and f", "f terms", "g backward",
    "W and nets", "clip and Adam",  NULL};

const char *const *cn_fly_step_phase_names(void)
{
    return phase_names;
}

const char *cn_fly_term_name(cn_fly_term t)
{
    static const char *const names[] = {
#define X(name) #name,
        CN_FLY_TERM_MAP(X)
#undef X
    };
    return names[t];
}

/* ---- life ---- */

void cn_fly_step_free(struct cn_fly_step *s)
{
    if (!s)
        return;
    for (int32_t c = 0; c < CN_FLY_MAX_CHUNKS; c++) {
        cn_mlp_grad_free(s->g_acc[c]);
        cn_mlp_grad_free(s->f_acc[c]);
        cn_mlp_grad_free(s->x_acc[c]);
    }
    cn_mlp_tiles_free(s->g_tiles);
    cn_mlp_tiles_free(s->f_tiles);
    cn_mlp_free(s->g);
    cn_mlp_free(s->f);
    cn_free(s->mask);
    cn_free(s->slab);
    cn_free(s);
}

static int64_t round16(int64_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* Cut one slab into the arrays; base NULL counts only. */
static int64_t lay_out(struct cn_fly_step *s, float *base)
{
    int64_t n = s->n, ld = cn_frame_stride(s->max_frames), used = 0;
    struct {
        float **to;
        int64_t floats;
    } parts[] = {{&s->G, n * ld},
                 {&s->m, n * ld},
                 {&s->dm, n * ld},
                 {&s->dG, n * ld},
                 {&s->yg, n * (s->max_frames + 2)},
                 {&s->da, n * s->d},
                 {&s->da_reg, n * s->d},
                 {&s->dG_reg, n * 2},
                 {&s->sign_plus, n},
                 {&s->sign_minus, n},
                 {&s->gw, s->e},
                 {&s->grad, s->mod->n_params}};

    for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
        *parts[k].to = base ? base + used : NULL;
        used += round16(parts[k].floats);
    }
    return used;
}

static cn_status make_nets(struct cn_fly_step *s, struct cn_err *err)
{
    int threads = cn_pool_threads(s->pool);

    s->g = cn_mlp_new(&s->mod->gs, err);
    s->f = s->g ? cn_mlp_new(&s->mod->fs, err) : NULL;
    if (!s->f)
        return err->status;
    s->mask_size = cn_mlp_mask_size(s->g);
    s->mask = cn_alloc_aligned((size_t)(s->n * (s->max_frames + 2) * s->mask_size + 1),
                               sizeof *s->mask);
    s->g_tiles = cn_mlp_tiles_new(s->g, threads);
    s->f_tiles = cn_mlp_tiles_new(s->f, threads);
    for (int32_t c = 0; c < s->chunks; c++) {
        s->g_acc[c] = cn_mlp_grad_new(s->g);
        s->f_acc[c] = cn_mlp_grad_new(s->f);
        s->x_acc[c] = cn_mlp_grad_new(s->f);
        if (!s->g_acc[c] || !s->f_acc[c] || !s->x_acc[c])
            return cn_err_set(err, CN_ENOMEM, "step: no memory for gradients");
    }
    if (!s->g_tiles || !s->f_tiles || !s->mask)
        return cn_err_set(err, CN_ENOMEM, "step: no memory for tiles");
    return CN_OK;
}

/* Chunks of neurons with about equal numbers of in-edges, a function of the graph alone. */
static void split_edges(struct cn_fly_step *s)
{
    const int64_t *ptr = s->mod->graph->in_ptr;
    int64_t i = 0;

    for (int32_t c = 0; c <= s->chunks; c++) {
        while (i < s->n && ptr[i] < s->e * c / s->chunks)
            i++;
        s->edge_start[c] = c == s->chunks ? s->n : i;
    }
}

cn_status cn_fly_step_new(struct cn_fly_model *mod, int32_t max_frames, struct cn_pool *pool,
                          struct cn_fly_step **out, struct cn_err *err)
{
    struct cn_err local = CN_ERR_INIT;
    struct cn_fly_step *s;
    cn_status st = CN_OK;

    *out = NULL;
    err = err ? err : &local;
    if (max_frames < 1 || max_frames > 1024)
        return cn_err_set(err, CN_EINPUT, "training.batch_size: %d, expected 1..1024",
                          max_frames);
    s = cn_alloc(1, sizeof *s);
    if (!s)
        return cn_err_set(err, CN_ENOMEM, "step: no memory");
    s->mod = mod;
    s->pool = pool;
    s->n = mod->graph->n;
    s->e = mod->graph->e;
    s->d = mod->cfg.embedding_dim > 0 ? mod->cfg.embedding_dim : 1;
    s->max_frames = max_frames;
    s->chunks = cn_fly_chunks(s->n);
    split_edges(s);
    s->slab = cn_alloc_aligned((size_t)lay_out(s, NULL), sizeof(float));
    s->kernels = cn_kernels_get(err);
    if (!s->kernels)
        st = err->status;
    else if (!s->slab)
        st = cn_err_set(err, CN_ENOMEM, "step: no memory for %d frames of %lld neurons",
                        max_frames, (long long)s->n);
    else if (mod->cfg.kind == CN_FLY_A)
        st = make_nets(s, err);
    if (st != CN_OK) {
        cn_fly_step_free(s);
        return st;
    }
    (void)lay_out(s, s->slab);
    *out = s;
    return CN_OK;
}

void cn_fly_step_set_stats(struct cn_fly_step *s, double xnorm, const float *mu,
                           const float *sigma)
{
    s->xnorm = xnorm;
    s->mu = mu;
    s->sigma = sigma;
}

void cn_fly_step_set_clip(struct cn_fly_step *s, double grad_clip_W)
{
    s->clip = grad_clip_W;
}

/* ---- time and cost ---- */

void cn_fly_step_run(struct cn_fly_step *s, cn_pool_fn *fn, int64_t jobs, int phase)
{
    int64_t t = cn_clock_mono_us();

    cn_pool_run(s->pool, fn, s, jobs);
    s->seconds[phase] += 1e-6 * (double)(cn_clock_mono_us() - t);
}

void cn_fly_step_phase_seconds(const struct cn_fly_step *s, double out[CN_FLY_N_PHASES])
{
    memcpy(out, s->seconds, sizeof s->seconds);
}

/* Rows of g: frames, second point, norm; rows of f: frames. Edges: two products of 2 e frames
 * and one of weights. Adam: about 14 operations and 28 bytes a parameter; edges read ids and
 * weights three times. */
void cn_fly_step_cost(const struct cn_fly_step *s, int32_t frames, double *out_flop,
                      double *out_bytes)
{
    double n = (double)s->n, e = (double)s->e, p = (double)s->mod->n_params, nets = 0;

    if (s->g)
        nets = n * ((frames + 2) * cn_mlp_flops_both(&s->mod->gs) +
                    frames * cn_mlp_flops_both(&s->mod->fs));
    *out_flop = nets + 6 * e * frames + 14 * p;
    *out_bytes = 28 * p + 3 * 8 * e + 4 * n * (3 * frames + 2 * s->d + 6 * frames);
}
