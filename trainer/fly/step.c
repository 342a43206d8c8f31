/* One training step in four parallel phases over fixed chunks of neurons. See step.h.
 *
 *   1 g forward        G = g(v, a) for every frame, and the regularisers' extra rows
 *   2 f                m = W G (CSR), then f forward and backward in one tile visit: residuals,
 *                      dL/dm, gradient of f
 *     f terms          regularisers of f, rarely used (regularise.c)
 *   3 g backward       dL/dG = W^T dL/dm (CSC), then the gradient of g and of a
 *   4 W and the rest   dL/dW = dL/dm . G, Adam of W; sum of the chunks' network gradients,
 *                      Adam of g, f, a
 *
 * The factor 1/||r|| is not known before phase 2 ends; phases 3 and 4 apply it ("raw" until
 * then).
 *
 * Phase 4 is in step_weights.c, the linear model's phases in step_linear.c, memory and options
 * in step_plan.c.
 */
#include "trainer/fly/step.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "trainer/fly/step_int.h"

enum { ROWS = CN_MLP_ROWS };

/* ---- chunk helpers ---- */

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

/* Fill up to a tile of g rows, starting at row (i, slot) and moving both on. Returns the rows
 * filled. */
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

/* Seeds of row (i, slot): *embed for a (data loss only), returned for the weights (data loss
 * and regularisers). */
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
    /* All but W: it stands first. */
    memset(s->grad + s->e, 0, (size_t)(s->mod->n_params - s->e) * sizeof(float));
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
    cn_fly_step_run(s, s->g ? g_forward_chunk : cn_fly_linear_forward_chunk, s->chunks,
                    CN_FLY_PHASE_G);
    cn_fly_step_run(s, s->g ? f_chunk : cn_fly_linear_chunk, s->chunks, CN_FLY_PHASE_F);
    reduce_partials(s);
    cn_fly_weights_sums(s);
    if (s->g) {
        int64_t t = cn_clock_mono_us();
        cn_fly_f_regularisers(s);
        s->seconds[CN_FLY_PHASE_TERMS] += 1e-6 * (double)(cn_clock_mono_us() - t);
    }
    st = finite_loss(s, err);
    if (st != CN_OK)
        return st;
    s->update = lr != NULL;
    if (lr)
        cn_fly_step_rates(s, lr);
    if (s->g)
        cn_fly_step_run(s, g_backward_chunk, s->chunks, CN_FLY_PHASE_G_BACK);
    else
        cn_fly_linear_scale(s);
    cn_fly_step_run(s, cn_fly_weights_job, s->chunks + CN_FLY_WEIGHTS_FIRST, CN_FLY_PHASE_W);
    if (lr && s->clip > 0)
        cn_fly_clip_then_adam(s);
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
