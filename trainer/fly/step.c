/* One training step in four parallel phases over fixed chunks of neurons. See step.h.
 *
 *   1 g forward        G = g(v, a) for every frame, and the regularisers' extra rows
 *   2 f                m = W G (CSR), then f forward and backward in one tile visit: residuals, dL/dm, gradient of f
 *     f terms          regularisers of f, rarely used (regularise.c)
 *   3 g backward       dL/dG = W^T dL/dm (CSC), then the gradient of g and of a
 *   4 W and the rest   dL/dW = dL/dm . G, Adam of W; sum of the chunks' network gradients, Adam of g, f, a
 *
 * The factor 1/||r|| is not known before phase 2 ends; phases 3 and 4 apply it ("raw" until then).
 *
 * Contents: life, chunk helpers, phases 1-4, the linear model's phases, gradient and Adam, entry points.
 */
#include "trainer/fly/step.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "trainer/fly/step_int.h"

enum { ROWS = CN_MLP_ROWS };
enum { PHASE_G, PHASE_F, PHASE_TERMS, PHASE_G_BACK, PHASE_W, PHASE_ADAM };

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

/* ---- chunk helpers ---- */

static void run(struct cn_fly_step *s, cn_pool_fn *fn, int64_t jobs, int phase)
{
    int64_t t = cn_clock_mono_us();

    cn_pool_run(s->pool, fn, s, jobs);
    s->seconds[phase] += 1e-6 * (double)(cn_clock_mono_us() - t);
}

static float *embedding(const struct cn_fly_step *s, int64_t i)
{
    return s->mod->params + s->mod->oa + i * s->d;
}

static uint32_t embedding_bits(const struct cn_fly_step *s)
{
    return ((1u << s->d) - 1) << 1;
}

/* ---- phase 1: g forward ---- */

/* Voltage of row `slot` of neuron i: the frames, the second point, 2 xnorm. */
static float g_row_voltage(const struct cn_fly_step *s, int64_t i, int32_t slot)
{
    if (slot < s->frames)
        return s->batch->v[slot][i];
    if (slot == s->second)
        return cn_fly_second_v(s, s->batch->v[s->frame_of_reg][i]);
    return (float)(2 * s->xnorm);
}

/* Fill up to a tile of g rows, starting at row (i, slot) and moving both on. Returns the rows filled. */
static int32_t fill_g(const struct cn_fly_step *s, struct cn_mlp_tile *t, int64_t hi,
                      int64_t *i, int32_t *slot)
{
    int32_t r = 0;

    for (; r < ROWS && *i < hi; r++) {
        float *x = t->x + r * t->ldx;
        x[0] = g_row_voltage(s, *i, *slot);
        memcpy(x + 1, embedding(s, *i), (size_t)s->d * sizeof(float));
        if (++*slot == s->g_rows) {
            *slot = 0;
            ++*i;
        }
    }
    return r;
}

static float positive(const struct cn_fly_step *s, float y)
{
    return s->mod->cfg.g_phi_positive ? y * y : y;
}

/* d positive(y) / dy. */
static float positive_slope(const struct cn_fly_step *s, float y)
{
    return s->mod->cfg.g_phi_positive ? 2 * y : 1;
}

/* relu(G(v) - G(second point)) and G(2 xnorm) - 2 xnorm of a neuron. */
static float diff_excess(const struct cn_fly_step *s, const float *y)
{
    float t = positive(s, y[s->frame_of_reg]) - positive(s, y[s->second]);
    return t > 0 ? t : 0;
}

static float norm_excess(const struct cn_fly_step *s, const float *y)
{
    return positive(s, y[s->norm]) - (float)(2 * s->xnorm);
}

/* What g's forward leaves for its backward: the masks of neuron i's rows. */
static uint16_t *g_mask(const struct cn_fly_step *s, int64_t i)
{
    return s->mask + i * s->g_rows * s->mask_size;
}

static void g_forward_chunk(void *ctx, int64_t c)
{
    struct cn_fly_step *s = ctx;
    struct cn_mlp_tile *t = cn_mlp_tiles_take(s->g_tiles);
    int64_t lo = cn_fly_step_start(s, c), hi = cn_fly_step_start(s, c + 1), i = lo;
    struct cn_fly_partial *part = &s->part[c];
    float *y = s->yg + lo * s->g_rows;
    uint16_t *mask = g_mask(s, lo);

    for (int32_t slot = 0, count; (count = fill_g(s, t, hi, &i, &slot)) > 0; y += count) {
        cn_mlp_forward(s->g, t, count);
        memcpy(y, t->y, (size_t)count * sizeof(float));
        memcpy(mask, t->mask, (size_t)(count * s->mask_size) * sizeof *mask);
        mask += count * s->mask_size;
    }
    for (i = lo; i < hi; i++) {
        y = s->yg + i * s->g_rows;
        for (int32_t b = 0; b < s->frames; b++)
            s->G[i * s->ld + b] = positive(s, y[b]);
        if (s->coef.g_phi_diff > 0)
            part->g_diff += (double)(diff_excess(s, y) * diff_excess(s, y));
        if (s->norm >= 0)
            part->g_norm += (double)(norm_excess(s, y) * norm_excess(s, y));
    }
    cn_mlp_tiles_give(s->g_tiles, t);
}

/* ---- phase 2: messages, f forward and backward ---- */

struct frame_row {
    int64_t i;
    int32_t b;
};

static int32_t fill_f(const struct cn_fly_step *s, struct cn_mlp_tile *t, int64_t hi,
                      struct frame_row *at)
{
    int32_t r = 0;

    for (; r < ROWS && at->i < hi; r++) {
        float *x = t->x + r * t->ldx;
        x[0] = s->batch->v[at->b][at->i];
        memcpy(x + 1, embedding(s, at->i), (size_t)s->d * sizeof(float));
        x[1 + s->d] = s->m[at->i * s->ld + at->b];
        x[2 + s->d] = cn_fly_input(s->batch, at->b, at->i);
        if (++at->b == s->frames) {
            at->b = 0;
            at->i++;
        }
    }
    return r;
}

/* Residuals of a tile's rows into its seeds; returns their squares' sum. */
static double residuals(const struct cn_fly_step *s, struct cn_mlp_tile *t, int32_t count,
                        struct frame_row at)
{
    double sum = 0;

    for (int32_t r = 0; r < count; r++) {
        float res = s->batch->y ? t->y[r] - s->batch->y[at.b][at.i] : 0;

        t->seed[r] = res;
        sum += (double)res * (double)res;
        if (++at.b == s->frames) {
            at.b = 0;
            at.i++;
        }
    }
    return sum;
}

/* What the tile's input adjoints say: raw dL/dm, and raw dL/da (+=). */
static void spread_f(struct cn_fly_step *s, const struct cn_mlp_tile *t, int32_t count,
                     struct frame_row at)
{
    for (int32_t r = 0; r < count; r++) {
        const float *dx = t->dx + r * t->ldx;
        s->dm[at.i * s->ld + at.b] = t->seed[r] * dx[1 + s->d];
        for (int32_t k = 0; k < s->d; k++)
            s->da[at.i * s->d + k] += t->seed[r] * dx[1 + k];
        if (++at.b == s->frames) {
            at.b = 0;
            at.i++;
        }
    }
}

static void f_chunk(void *ctx, int64_t c)
{
    struct cn_fly_step *s = ctx;
    struct cn_edges in = cn_fly_in_edges(s->mod);
    struct cn_mlp_tile *t = cn_mlp_tiles_take(s->f_tiles);
    int64_t lo = cn_fly_step_start(s, c), hi = cn_fly_step_start(s, c + 1);
    struct frame_row at = {lo, 0}, from = at;
    uint32_t wanted = embedding_bits(s) | 1u << (1 + s->d);

    s->kernels->gather(&in, lo, hi, s->ld, s->G, s->m);
    memset(s->da + lo * s->d, 0, (size_t)((hi - lo) * s->d) * sizeof(float));
    cn_mlp_grad_zero(s->f, s->f_acc[c]);
    for (int32_t count; (count = fill_f(s, t, hi, &at)) > 0; from = at) {
        cn_mlp_forward(s->f, t, count);
        s->part[c].residual += residuals(s, t, count, from);
        cn_mlp_backward(s->f, t, count, s->f_acc[c], wanted);
        spread_f(s, t, count, from);
    }
    cn_mlp_tiles_give(s->f_tiles, t);
}

/* ---- phase 3: g backward ---- */

/* Seeds of row (i, slot): *embed for a (data loss only), returned for the weights (data loss and regularisers). */
static float g_seed(const struct cn_fly_step *s, int64_t i, int32_t slot, float *embed)
{
    const float *y = s->yg + i * s->g_rows;
    float main = 0, reg = 0;

    if (slot < s->frames)
        main = (float)s->scale * s->dG[i * s->ld + slot];
    if (s->second >= 0 && (slot == s->second || slot == s->frame_of_reg)) {
        if (s->coef.g_phi_diff > 0)
            reg +=
                (float)s->diff_scale * diff_excess(s, y) * (slot == s->second ? -1.0f : 1.0f);
        reg += s->dG_reg[2 * i + (slot == s->second)];
    }
    if (slot == s->norm)
        reg += (float)s->norm_scale * norm_excess(s, y);
    *embed = main * positive_slope(s, y[slot]);
    return (main + reg) * positive_slope(s, y[slot]);
}

static void g_backward_chunk(void *ctx, int64_t c)
{
    struct cn_fly_step *s = ctx;
    struct cn_edges out = cn_fly_out_edges(s->mod);
    struct cn_mlp_tile *t = cn_mlp_tiles_take(s->g_tiles);
    int64_t lo = cn_fly_step_start(s, c), hi = cn_fly_step_start(s, c + 1), i = lo, at = lo;
    int32_t slot = 0, at_slot = 0, count;
    float *grad_a = s->grad + s->mod->oa, embed[ROWS];
    const uint16_t *mask = g_mask(s, lo);

    s->kernels->gather(&out, lo, hi, s->ld, s->dm, s->dG);
    for (int64_t k = lo * s->d; k < hi * s->d; k++)
        grad_a[k] += (float)s->scale * s->da[k];
    cn_mlp_grad_zero(s->g, s->g_acc[c]);
    while ((count = fill_g(s, t, hi, &i, &slot)) > 0) {
        int64_t row_i = at;
        int32_t row_slot = at_slot;
        for (int32_t r = 0; r < count; r++) {
            t->seed[r] = g_seed(s, row_i, row_slot, &embed[r]);
            if (++row_slot == s->g_rows) {
                row_slot = 0;
                row_i++;
            }
        }
        cn_mlp_resume(s->g, t, count, mask);
        mask += count * s->mask_size;
        cn_mlp_backward(s->g, t, count, s->g_acc[c], embedding_bits(s));
        for (int32_t r = 0; r < count; r++) {
            if (at_slot < s->frames)
                for (int32_t k = 0; k < s->d; k++)
                    grad_a[at * s->d + k] += embed[r] * t->dx[r * t->ldx + 1 + k];
            if (++at_slot == s->g_rows) {
                at_slot = 0;
                at++;
            }
        }
    }
    cn_mlp_tiles_give(s->g_tiles, t);
}

/* ---- phase 4: W, and the networks' chunks ---- */

static float sign(float x)
{
    return (float)((x > 0) - (x < 0));
}

/* Regularisers of the edges k into neuron rows lo..hi, added to gw; and W_L1's sum. */
static void w_terms(struct cn_fly_step *s, struct cn_fly_partial *part, int64_t from,
                    int64_t to)
{
    float l1 = (float)s->coef.W_L1, l2 = (float)s->W_L2_scale,
          T = (float)s->coef.W_sign_temperature;
    const float *w = s->mod->w;
    const int32_t *src = s->mod->csr_src;
    double sum = 0;

    if (s->coef.W_L1 > 0)
        for (int64_t k = from; k < to; k++) {
            sum += (double)fabsf(w[k]);
            s->gw[k] += l1 * sign(w[k]);
        }
    part->W_abs = sum;
    if (s->W_L2_scale > 0)
        for (int64_t k = from; k < to; k++)
            s->gw[k] += l2 * w[k];
    if (s->coef.W_sign > 0)
        for (int64_t k = from; k < to; k++) {
            int64_t j = src[k];
            float deg = (float)(s->mod->graph->out_ptr[j + 1] - s->mod->graph->out_ptr[j]);
            float q = 1 / (1 + expf(-T * w[k]));
            s->gw[k] += (float)s->coef.W_sign * T * q * (1 - q) *
                        (s->sign_minus[j] - s->sign_plus[j]) / (deg * deg);
        }
}

static void adam_W(struct cn_fly_step *s, int64_t from, int64_t to)
{
    s->kernels->adam(&s->rate[CN_FLY_GROUP_W], to - from, s->gw + from, s->mod->w + from,
                     s->mod->wm + from, s->mod->wv + from);
}

static void w_chunk(struct cn_fly_step *s, int64_t c)
{
    struct cn_edges in = cn_fly_in_edges(s->mod);
    int64_t lo = s->edge_start[c], hi = s->edge_start[c + 1], from = in.ptr[lo],
            to = in.ptr[hi];
    double sum = 0;

    s->kernels->outer(&in, lo, hi, s->ld, (float)s->scale, s->dm, s->G, s->gw);
    w_terms(s, &s->part[c], from, to);
    for (int64_t k = from; s->clip > 0 && k < to; k++)
        sum += (double)s->gw[k] * (double)s->gw[k];
    s->part[c].W_grad_square = sum;
    if (s->update && !(s->clip > 0) && to > from)
        adam_W(s, from, to);
}

static void adam_range(struct cn_fly_step *s, cn_fly_group group, int64_t off, int64_t count)
{
    struct cn_fly_model *mod = s->mod;

    s->kernels->adam(&s->rate[group], count, s->grad + off, mod->params + off, mod->m + off,
                     mod->v + off);
}

/* Sum over a network's tensors of c1 |p|_1 + c2 |p|_2, and its gradient. */
static double net_weights(const struct cn_mlp_shape *shape, double c1, double c2,
                          const float *p, float *grad)
{
    double total = 0;

    for (int32_t k = 0; (c1 > 0 || c2 > 0) && k < 2 * shape->n_layers; k++) {
        int64_t rows, cols, off = cn_mlp_tensor(shape, k, &rows, &cols);
        double l1 = 0, l2 = 0;
        for (int64_t j = off; j < off + rows * cols; j++) {
            l1 += (double)fabsf(p[j]);
            l2 += (double)p[j] * (double)p[j];
        }
        l2 = sqrt(l2);
        for (int64_t j = off; j < off + rows * cols; j++)
            grad[j] += (float)c1 * sign(p[j]) + (l2 > 0 ? (float)(c2 / l2) * p[j] : 0);
        total += c1 * l1 + c2 * l2;
    }
    return total;
}

static void g_reduce(struct cn_fly_step *s)
{
    const struct cn_fly_model *mod = s->mod;
    float *grad = s->grad + mod->og;

    cn_mlp_grad_sum(s->g, s->g_acc, s->chunks);
    cn_mlp_grad_add(s->g, s->g_acc[0], 1, grad);
    s->terms->term[CN_FLY_TERM_g_phi_weight] =
        net_weights(&mod->gs, s->coef.g_phi_weight_L1, s->coef.g_phi_weight_L2,
                    mod->params + mod->og, grad);
    if (s->update)
        adam_range(s, CN_FLY_GROUP_G, mod->og, mod->n_g);
}

static void f_reduce(struct cn_fly_step *s)
{
    const struct cn_fly_model *mod = s->mod;
    float *grad = s->grad + mod->of;

    cn_mlp_grad_sum(s->f, s->f_acc, s->chunks);
    cn_mlp_grad_add(s->f, s->f_acc[0], (float)s->scale, grad);
    s->terms->term[CN_FLY_TERM_f_theta_weight] =
        net_weights(&mod->fs, s->coef.f_theta_weight_L1, s->coef.f_theta_weight_L2,
                    mod->params + mod->of, grad);
    if (s->update)
        adam_range(s, CN_FLY_GROUP_F, mod->of, mod->n_f);
}

/* The short jobs first, so that they never end alone. */
static void last_phase_chunk(void *ctx, int64_t job)
{
    struct cn_fly_step *s = ctx;
    const struct cn_fly_model *mod = s->mod;

    if (job >= 3)
        w_chunk(s, job - 3);
    else if (job == 2 && s->update && s->g)
        adam_range(s, CN_FLY_GROUP_A, mod->oa, s->n * s->d);
    else if (job == 2 && s->update)
        adam_range(s, CN_FLY_GROUP_DYN, mod->otau, mod->n_params - mod->otau);
    else if (job == 1 && s->g)
        g_reduce(s);
    else if (job == 0 && s->g)
        f_reduce(s);
}

/* Before it: sums over W that its regularisers need. */
static void w_sums_chunk(void *ctx, int64_t c)
{
    struct cn_fly_step *s = ctx;
    const struct cn_fly_graph *g = s->mod->graph;
    const float *w = s->mod->w;
    float T = (float)s->coef.W_sign_temperature;
    double sum = 0;

    for (int64_t k = g->in_ptr[s->edge_start[c]]; k < g->in_ptr[s->edge_start[c + 1]]; k++)
        sum += (double)w[k] * (double)w[k];
    s->part[c].W_square = sum;
    for (int64_t j = cn_fly_step_start(s, c);
         s->coef.W_sign > 0 && j < cn_fly_step_start(s, c + 1); j++) {
        double plus = 0, minus = 0;
        for (int64_t k = g->out_ptr[j]; k < g->out_ptr[j + 1]; k++) {
            double q = 1 / (1 + exp(-(double)(T * w[s->mod->csc_pos[k]])));
            plus += q;
            minus += 1 - q;
        }
        s->sign_plus[j] = (float)plus;
        s->sign_minus[j] = (float)minus;
    }
}

static void w_sums(struct cn_fly_step *s)
{
    const struct cn_fly_graph *g = s->mod->graph;
    double square = 0, sum = 0;

    s->W_L2_scale = 0;
    if (!(s->coef.W_L2 > 0) && !(s->coef.W_sign > 0))
        return;
    run(s, w_sums_chunk, s->chunks, PHASE_W);
    for (int32_t c = 0; c < s->chunks; c++)
        square += s->part[c].W_square;
    if (s->coef.W_L2 > 0) {
        s->terms->term[CN_FLY_TERM_W_L2] = s->coef.W_L2 * sqrt(square);
        s->W_L2_scale = square > 0 ? s->coef.W_L2 / sqrt(square) : 0;
    }
    for (int64_t j = 0; s->coef.W_sign > 0 && j < s->n; j++) {
        double deg = (double)(g->out_ptr[j + 1] - g->out_ptr[j]);
        sum += deg > 0 ? (double)s->sign_plus[j] * (double)s->sign_minus[j] / (deg * deg) : 0;
    }
    s->terms->term[CN_FLY_TERM_W_sign] = s->coef.W_sign * sum;
}

/* ---- the linear model ---- */

static void linear_forward_chunk(void *ctx, int64_t c)
{
    struct cn_fly_step *s = ctx;

    for (int64_t i = cn_fly_step_start(s, c); i < cn_fly_step_start(s, c + 1); i++)
        for (int32_t b = 0; b < s->frames; b++) {
            float v = s->batch->v[b][i];
            s->G[i * s->ld + b] = v > 0 ? v : 0;
        }
}

/* yhat = (-v + m + I + V [+ s tanh v]) / softplus(raw_tau); raw gradients into grad. */
static void linear_neuron(struct cn_fly_step *s, struct cn_fly_partial *part, int64_t i)
{
    struct cn_fly_model *mod = s->mod;
    float raw = mod->params[mod->otau + i], tau = raw > 30 ? raw : log1pf(expf(raw)),
          slope = 1 / (1 + expf(-raw));
    float dtau = 0, dV = 0, ds = 0;

    for (int32_t b = 0; b < s->frames; b++) {
        float v = s->batch->v[b][i], th = mod->os >= 0 ? tanhf(v) : 0;
        float z =
            -v + s->m[i * s->ld + b] + cn_fly_input(s->batch, b, i) + mod->params[mod->oV + i];
        float y = (z + (mod->os >= 0 ? mod->params[mod->os + i] * th : 0)) / tau;
        float res = s->batch->y ? y - s->batch->y[b][i] : 0;

        part->residual += (double)res * (double)res;
        s->dm[i * s->ld + b] = res / tau;
        dtau -= res * y / tau * slope;
        dV += res / tau;
        ds += res * th / tau;
    }
    s->grad[mod->otau + i] = dtau;
    s->grad[mod->oV + i] = dV;
    if (mod->os >= 0)
        s->grad[mod->os + i] = ds;
}

static void linear_chunk(void *ctx, int64_t c)
{
    struct cn_fly_step *s = ctx;
    struct cn_edges in = cn_fly_in_edges(s->mod);
    int64_t lo = cn_fly_step_start(s, c), hi = cn_fly_step_start(s, c + 1);

    s->kernels->gather(&in, lo, hi, s->ld, s->G, s->m);
    for (int64_t i = lo; i < hi; i++)
        linear_neuron(s, &s->part[c], i);
}

static void linear_scale(struct cn_fly_step *s)
{
    for (int64_t k = s->mod->otau; k < s->mod->n_params; k++)
        s->grad[k] *= (float)s->scale;
}

/* ---- a step ---- */

static cn_status check(const struct cn_fly_step *s, const struct cn_fly_batch *b,
                       const struct cn_fly_coef *c, struct cn_err *err)
{
    double of_A = c->g_phi_diff + c->g_phi_norm + c->g_phi_weight_L1 + c->g_phi_weight_L2 +
                  c->f_theta_zero + c->f_theta_diff + c->f_theta_msg_diff +
                  c->f_theta_msg_sign + c->f_theta_weight_L1 + c->f_theta_weight_L2 +
                  c->f_theta_linearity + c->f_theta_centering;

    if (b->frames < 1 || b->frames > s->max_frames)
        return cn_err_set(err, CN_EINPUT, "step: a batch of %d frames, expected 1..%d",
                          b->frames, s->max_frames);
    if (b->i_count > 0 && b->i_period < 1)
        return cn_err_set(err, CN_EINPUT, "step: stimulus period %lld, expected at least 1",
                          (long long)b->i_period);
    if (!s->g && (of_A > 0 || c->W_sign > 0))
        return cn_err_set(err, CN_EINPUT,
                          "step: the linear model knows the regularisers W_L1 and W_L2 only");
    if (c->f_theta_linearity > 0 && (!s->mu || !s->sigma))
        return cn_err_set(err, CN_EINPUT,
                          "step: f_theta_linearity needs the voltages' mu and sigma");
    if (c->f_theta_centering > 0 && !s->mu)
        return cn_err_set(err, CN_EINPUT, "step: f_theta_centering needs the voltages' mu");
    return CN_OK;
}

static void begin(struct cn_fly_step *s, const struct cn_fly_batch *b,
                  const struct cn_fly_coef *c, struct cn_fly_terms *out)
{
    int32_t ld = cn_frame_stride(b->frames);
    int64_t floats = s->n * cn_frame_stride(s->max_frames);

    *out = (struct cn_fly_terms){0};
    if (s->frames != b->frames || s->ld != ld) /* padding of the new stride must read 0 */
        for (int k = 0; k < 4; k++)
            memset((float *[]){s->G, s->m, s->dm, s->dG}[k], 0, (size_t)floats * sizeof(float));
    s->batch = b;
    s->coef = *c;
    s->terms = out;
    s->frames = b->frames;
    s->ld = ld;
    s->second = cn_fly_needs_second_point(c) ? b->frames : -1;
    s->norm = c->g_phi_norm > 0 ? b->frames + (s->second >= 0) : -1;
    s->g_rows = b->frames + (s->second >= 0) + (s->norm >= 0);
    s->frame_of_reg = c->regularise_last_frame ? b->frames - 1 : 0;
    s->delta = 0.05 * fmax(s->xnorm, 1e-6);
    memset(s->part, 0, sizeof s->part);
    memset(s->seconds, 0, sizeof s->seconds);
    memset(s->dG_reg, 0, (size_t)(2 * s->n) * sizeof(float));
    memset(s->grad + s->e, 0,
           (size_t)(s->mod->n_params - s->e) * sizeof(float)); /* all but W: it stands first */
    s->grad_W_behind = true;
    cn_fly_model_refresh_csr(s->mod);
    if (s->g) {
        cn_mlp_pack(s->g, s->mod->params + s->mod->og);
        cn_mlp_pack(s->f, s->mod->params + s->mod->of);
    }
}

/* c ||t|| from the squares' sum; *out_scale = c / ||t||, 0 at 0. */
static double norm_term(double c, double square, double *out_scale)
{
    double norm = sqrt(square);

    *out_scale = norm > 0 ? c / norm : 0;
    return c * norm;
}

static void reduce_partials(struct cn_fly_step *s)
{
    double residual = 0, diff = 0, norm = 0;

    for (int32_t c = 0; c < s->chunks; c++) {
        residual += s->part[c].residual;
        diff += s->part[c].g_diff;
        norm += s->part[c].g_norm;
    }
    s->terms->data = norm_term(1, residual, &s->scale);
    s->terms->logged = s->terms->data / (double)s->n;
    s->terms->term[CN_FLY_TERM_g_phi_diff] =
        norm_term(s->coef.g_phi_diff, diff, &s->diff_scale);
    s->terms->term[CN_FLY_TERM_g_phi_norm] =
        norm_term(s->coef.g_phi_norm, norm, &s->norm_scale);
}

static cn_status finite_loss(const struct cn_fly_step *s, struct cn_err *err)
{
    if (!isfinite(s->terms->data))
        return cn_err_set(err, CN_EDIVERGED, "loss: ||yhat - y|| is %g", s->terms->data);
    for (int k = 0; k < CN_FLY_N_TERMS; k++)
        if (!isfinite(s->terms->term[k]))
            return cn_err_set(err, CN_EDIVERGED, "loss: the term %s is %g",
                              cn_fly_term_name((cn_fly_term)k), s->terms->term[k]);
    return CN_OK;
}

static void set_rates(struct cn_fly_step *s, const struct cn_fly_lrs *lr)
{
    s->mod->adam_steps++;
    for (int k = 0; k < CN_FLY_N_GROUPS; k++)
        s->rate[k] = cn_adam_rate(lr->group[k], s->mod->adam_steps);
}

/* Rescale dL/dW to norm clip where it is above; then Adam of W. */
static void clip_then_adam(struct cn_fly_step *s)
{
    int64_t start = cn_clock_mono_us();
    double square = 0;

    for (int32_t c = 0; c < s->chunks; c++)
        square += s->part[c].W_grad_square;
    for (int64_t k = 0; s->clip > 0 && square > s->clip * s->clip && k < s->e; k++)
        s->gw[k] *= (float)(s->clip / sqrt(square));
    adam_W(s, 0, s->e);
    s->seconds[PHASE_ADAM] += 1e-6 * (double)(cn_clock_mono_us() - start);
}

/* lr NULL: leave the parameters alone. */
static cn_status step(struct cn_fly_step *s, const struct cn_fly_batch *b,
                      const struct cn_fly_coef *c, const struct cn_fly_lrs *lr,
                      struct cn_fly_terms *out, struct cn_err *err)
{
    cn_status st = check(s, b, c, err);

    *out = (struct cn_fly_terms){0};
    if (st != CN_OK)
        return st;
    begin(s, b, c, out);
    run(s, s->g ? g_forward_chunk : linear_forward_chunk, s->chunks, PHASE_G);
    run(s, s->g ? f_chunk : linear_chunk, s->chunks, PHASE_F);
    reduce_partials(s);
    w_sums(s);
    if (s->g) {
        int64_t t = cn_clock_mono_us();
        cn_fly_f_regularisers(s);
        s->seconds[PHASE_TERMS] += 1e-6 * (double)(cn_clock_mono_us() - t);
    }
    st = finite_loss(s, err);
    if (st != CN_OK)
        return st;
    s->update = lr != NULL;
    if (lr)
        set_rates(s, lr);
    if (s->g)
        run(s, g_backward_chunk, s->chunks, PHASE_G_BACK);
    else
        linear_scale(s);
    run(s, last_phase_chunk, s->chunks + 3, PHASE_W);
    if (lr && s->clip > 0)
        clip_then_adam(s);
    if (lr)
        s->mod->slab_behind = true;
    for (int32_t k = 0; k < s->chunks; k++)
        out->term[CN_FLY_TERM_W_L1] += c->W_L1 * s->part[k].W_abs;
    out->total = out->data;
    for (int k = 0; k < CN_FLY_N_TERMS; k++)
        out->total += out->term[k];
    return CN_OK;
}

cn_status cn_fly_step_loss_grad(struct cn_fly_step *s, const struct cn_fly_batch *b,
                                const struct cn_fly_coef *c, struct cn_fly_terms *out,
                                struct cn_err *err)
{
    return step(s, b, c, NULL, out, err);
}

cn_status cn_fly_step_train(struct cn_fly_step *s, const struct cn_fly_batch *b,
                            const struct cn_fly_coef *c, const struct cn_fly_lrs *lr,
                            struct cn_fly_terms *out, struct cn_err *err)
{
    return step(s, b, c, lr, out, err);
}

const float *cn_fly_step_grad(struct cn_fly_step *s)
{
    for (int64_t k = 0; s->grad_W_behind && k < s->e; k++)
        s->grad[s->mod->oW + s->mod->graph->in_edge[k]] = s->gw[k];
    s->grad_W_behind = false;
    return s->grad;
}

void cn_fly_step_adam(struct cn_fly_step *s, const struct cn_fly_lrs *lr)
{
    const struct cn_fly_model *mod = s->mod;

    set_rates(s, lr);
    if (s->g) {
        adam_range(s, CN_FLY_GROUP_A, mod->oa, s->n * s->d);
        adam_range(s, CN_FLY_GROUP_G, mod->og, mod->n_g);
        adam_range(s, CN_FLY_GROUP_F, mod->of, mod->n_f);
    } else {
        adam_range(s, CN_FLY_GROUP_DYN, mod->otau, mod->n_params - mod->otau);
    }
    (void)cn_fly_step_grad(s); /* before clipping, as promised */
    clip_then_adam(s);
    s->mod->slab_behind = true;
}

void cn_fly_step_phase_seconds(const struct cn_fly_step *s, double out[CN_FLY_N_PHASES])
{
    memcpy(out, s->seconds, sizeof s->seconds);
}

/* Rows of g: frames, second point, norm; rows of f: frames. Edges: two products of 2 e frames and one of weights. Adam: about 14
 * operations and 28 bytes a parameter; edges read ids and weights three times. */
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
