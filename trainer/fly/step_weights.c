/* The step's last phase: dL/dW with its regularisers and Adam in one pass over the edges, and
 * the networks' chunks summed, regularised and updated beside it. See step.c.
 *
 * Contents: edges, networks, the phase, sums over W that its regularisers need first, learning
 * rates and clipping
 */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/clock.h"
#include "trainer/fly/step_int.h"

/* ---- edges ---- */

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

/* ---- networks ---- */

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

/* ---- the phase ---- */

/* The short jobs first, so that they never end alone. */
void cn_fly_weights_job(void *ctx, int64_t job)
{
    struct cn_fly_step *s = ctx;
    const struct cn_fly_model *mod = s->mod;

    if (job >= CN_FLY_WEIGHTS_FIRST)
        w_chunk(s, job - CN_FLY_WEIGHTS_FIRST);
    else if (job == 2 && s->update && s->g)
        adam_range(s, CN_FLY_GROUP_A, mod->oa, s->n * s->d);
    else if (job == 2 && s->update)
        adam_range(s, CN_FLY_GROUP_DYN, mod->otau, mod->n_params - mod->otau);
    else if (job == 1 && s->g)
        g_reduce(s);
    else if (job == 0 && s->g)
        f_reduce(s);
}

/* ---- sums over W ---- */

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

void cn_fly_weights_sums(struct cn_fly_step *s)
{
    const struct cn_fly_graph *g = s->mod->graph;
    double square = 0, sum = 0;

    s->W_L2_scale = 0;
    if (!(s->coef.W_L2 > 0) && !(s->coef.W_sign > 0))
        return;
    cn_fly_step_run(s, w_sums_chunk, s->chunks, CN_FLY_PHASE_W);
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

/* ---- rates, clipping, and Adam apart from the gradient ---- */

void cn_fly_step_rates(struct cn_fly_step *s, const struct cn_fly_lrs *lr)
{
    s->mod->adam_steps++;
    for (int k = 0; k < CN_FLY_N_GROUPS; k++)
        s->rate[k] = cn_adam_rate(lr->group[k], s->mod->adam_steps);
}

/* Rescale dL/dW to norm clip where it is above; then Adam of W. */
void cn_fly_clip_then_adam(struct cn_fly_step *s)
{
    int64_t start = cn_clock_mono_us();
    double square = 0;

    for (int32_t c = 0; c < s->chunks; c++)
        square += s->part[c].W_grad_square;
    for (int64_t k = 0; s->clip > 0 && square > s->clip * s->clip && k < s->e; k++)
        s->gw[k] *= (float)(s->clip / sqrt(square));
    adam_W(s, 0, s->e);
    s->seconds[CN_FLY_PHASE_ADAM] += 1e-6 * (double)(cn_clock_mono_us() - start);
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

    cn_fly_step_rates(s, lr);
    if (s->g) {
        adam_range(s, CN_FLY_GROUP_A, mod->oa, s->n * s->d);
        adam_range(s, CN_FLY_GROUP_G, mod->og, mod->n_g);
        adam_range(s, CN_FLY_GROUP_F, mod->of, mod->n_f);
    } else {
        adam_range(s, CN_FLY_GROUP_DYN, mod->otau, mod->n_params - mod->otau);
    }
    (void)cn_fly_step_grad(s); /* before clipping, as promised */
    cn_fly_clip_then_adam(s);
    s->mod->slab_behind = true;
}
