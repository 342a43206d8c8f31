/* The regularisers of f_theta that have rows of their own (specs flyvis_gnn 4.4; doubles in
 * reference_reg.c).
 *
 * Each is one parallel pass: its rows go through f forward and backward in one visit with
 * unnormalised seeds, and the factor (c/||t||, or 2c/rows for a mean square) is applied when
 * the chunks are summed. They are off in most configs and share nothing with the data loss but
 * the messages m and the outputs G.
 *
 *   term             t                        rows of f (inputs detached unless said)
 *   f_theta_zero     f                        (0, a, 1, 1), gradient to a
 *   f_theta_diff V2  relu(f1 - f2)            (0, a, G(v), 1), (0, a, G(v2), 1), gradient to a
 *                                             and through G
 *   f_theta_diff V1  relu(f1 - f2)            (1.05 v, a, m, I), (v, a, m, I), whole batch
 *   msg_diff         relu(f1 - f2)            (v, a, m, I), (v, a, m2, I), whole batch
 *   msg_sign         tanh(f/.1) - tanh(m/.1)  (0, a, m, I), whole batch
 *   centering        f                        (mu, a, 0, 0), mean of squares
 *   linearity        f - its own line         200 points (mu - 2 sigma .. mu + 2 sigma,
 *                                             a, 0, 0), mean square
 */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "trainer/fly/step_int.h"

enum { ROWS = CN_MLP_ROWS, LINE = 200 };
typedef enum { ZERO, DIFF_G, DIFF_V, MSG_DIFF, MSG_SIGN, CENTERING } kind;

struct job {
    struct cn_fly_step *s;
    kind kind;
    float msg_delta;
};

bool cn_fly_needs_second_point(const struct cn_fly_coef *c)
{
    return c->g_phi_diff > 0 || (c->f_theta_diff > 0 && c->generation == CN_FLY_V2);
}

static int is_pair(kind k)
{
    return k == DIFF_G || k == DIFF_V || k == MSG_DIFF;
}

static int over_batch(kind k)
{
    return k == DIFF_V || k == MSG_DIFF || k == MSG_SIGN;
}

/* G at the regularised frame (which = 0) or at the second point (1). */
static float g_at(const struct cn_fly_step *s, int64_t i, int which)
{
    float y = s->yg[i * s->g_rows + (which ? s->second : s->frame_of_reg)];
    return s->mod->cfg.g_phi_positive ? y * y : y;
}

/* v, m, I of the item's row `which` (0, or 1 of a pair). */
static void inputs(const struct job *j, int64_t i, int32_t b, int which, float *v, float *m,
                   float *I)
{
    const struct cn_fly_step *s = j->s;
    float v0 = s->batch->v[b][i], m0 = s->m[i * s->ld + b], I0 = cn_fly_input(s->batch, b, i);
    float m2 = s->coef.generation == CN_FLY_V1 ? 1.05f * m0 : m0 + j->msg_delta;

    *v = 0;
    *m = *I = 1;
    switch (j->kind) {
    case ZERO:
        return;
    case DIFF_G:
        *m = g_at(s, i, which);
        return;
    case DIFF_V:
        *v = which ? v0 : 1.05f * v0;
        break;
    case MSG_DIFF:
        *v = v0;
        break;
    case MSG_SIGN:
        break;
    case CENTERING:
        *v = s->mu[i];
        *m = *I = 0;
        return;
    }
    *m = j->kind == MSG_DIFF && which ? m2 : m0;
    *I = I0;
}

static void put_row(const struct cn_fly_step *s, float *x, int64_t i, float v, float m, float I)
{
    x[0] = v;
    memcpy(x + 1, s->mod->params + s->mod->oa + i * s->d, (size_t)s->d * sizeof(float));
    x[1 + s->d] = m;
    x[2 + s->d] = I;
}

/* Unnormalised seeds of an item that starts at row r; returns t. */
static float seeds(kind k, struct cn_mlp_tile *t, int32_t r, float m)
{
    float f = t->y[r], th;

    if (is_pair(k)) {
        float excess = f - t->y[r + 1];
        excess = excess > 0 ? excess : 0;
        t->seed[r] = excess;
        t->seed[r + 1] = -excess;
        return excess;
    }
    if (k != MSG_SIGN)
        return t->seed[r] = f;
    th = tanhf(f * 10);
    f = th - tanhf(m * 10);
    t->seed[r] = f * (1 - th * th) * 10;
    return f;
}

/* What the item's input adjoints feed: a, and G through m. Raw; scaled with the rest by
 * finish(). */
static void spread(const struct job *j, const struct cn_mlp_tile *t, int32_t r, int64_t i,
                   int which)
{
    struct cn_fly_step *s = j->s;
    const float *dx = t->dx + r * t->ldx;

    for (int32_t k = 0; k < s->d; k++)
        s->da_reg[i * s->d + k] += t->seed[r] * dx[1 + k];
    if (j->kind == DIFF_G)
        s->dG_reg[2 * i + which] = t->seed[r] * dx[1 + s->d];
}

static uint32_t wanted_inputs(const struct job *j)
{
    uint32_t a = ((1u << j->s->d) - 1) << 1;
    return j->kind == ZERO ? a : j->kind == DIFF_G ? a | 1u << (1 + j->s->d) : 0;
}

static void term_chunk(void *ctx, int64_t c)
{
    const struct job *j = ctx;
    struct cn_fly_step *s = j->s;
    struct cn_mlp_tile *t = cn_mlp_tiles_take(s->f_tiles);
    int32_t per = is_pair(j->kind) ? 2 : 1, frames = over_batch(j->kind) ? s->frames : 1;
    int64_t item = cn_fly_step_start(s, c) * frames, end = cn_fly_step_start(s, c + 1) * frames;
    double sum = 0;
    float v, m, I;

    cn_mlp_grad_zero(s->f, s->x_acc[c]);
    while (item < end) {
        int32_t items = end - item < ROWS / per ? (int32_t)(end - item) : ROWS / per;
        for (int32_t r = 0; r < items * per; r++) {
            int64_t k = item + r / per;
            inputs(j, k / frames, (int32_t)(k % frames), r % per, &v, &m, &I);
            put_row(s, t->x + r * t->ldx, k / frames, v, m, I);
        }
        cn_mlp_forward(s->f, t, items * per);
        for (int32_t q = 0; q < items; q++) {
            float value =
                seeds(j->kind, t, q * per, t->x[(int64_t)q * per * t->ldx + 1 + s->d]);
            sum += (double)value * (double)value;
        }
        cn_mlp_backward(s->f, t, items * per, s->x_acc[c], wanted_inputs(j));
        for (int32_t r = 0; wanted_inputs(j) && r < items * per; r++)
            spread(j, t, r, item + r / per, r % per);
        item += items;
    }
    s->part[c].f_term = sum;
    cn_mlp_tiles_give(s->f_tiles, t);
}

/* One neuron of f_theta_linearity: outputs at 200 points, their line, and the residuals as
 * seeds of a second visit. */
static double line_neuron(struct cn_fly_step *s, struct cn_mlp_tile *t, struct cn_mlp_grad *acc,
                          int64_t i)
{
    float y[LINE];
    double x[LINE], mx = 0, my = 0, sxx = 0, sxy = 0, sum = 0;

    for (int32_t visit = 0; visit < 2; visit++) {
        for (int32_t p = 0, count; p < LINE; p += count) {
            count = LINE - p < ROWS ? LINE - p : ROWS;
            for (int32_t r = 0; r < count; r++) {
                x[p + r] =
                    (double)s->mu[i] + (double)s->sigma[i] * (4.0 * (p + r) / (LINE - 1) - 2);
                put_row(s, t->x + r * t->ldx, i, (float)x[p + r], 0, 0);
            }
            cn_mlp_forward(s->f, t, count);
            if (visit == 0)
                memcpy(y + p, t->y, (size_t)count * sizeof(float));
            for (int32_t r = 0; visit && r < count; r++) {
                double res =
                    (double)y[p + r] - my - (sxx > 0 ? sxy / sxx : 0) * (x[p + r] - mx);
                sum += res * res;
                t->seed[r] = (float)res;
            }
            if (visit)
                cn_mlp_backward(s->f, t, count, acc, 0);
        }
        for (int32_t p = 0; visit == 0 && p < LINE; p++) {
            mx += x[p] / LINE;
            my += (double)y[p] / LINE;
        }
        for (int32_t p = 0; visit == 0 && p < LINE; p++) {
            sxx += (x[p] - mx) * (x[p] - mx);
            sxy += (x[p] - mx) * ((double)y[p] - my);
        }
    }
    return sum;
}

static void line_chunk(void *ctx, int64_t c)
{
    struct cn_fly_step *s = ((const struct job *)ctx)->s;
    struct cn_mlp_tile *t = cn_mlp_tiles_take(s->f_tiles);

    cn_mlp_grad_zero(s->f, s->x_acc[c]);
    s->part[c].f_term = 0;
    for (int64_t i = cn_fly_step_start(s, c); i < cn_fly_step_start(s, c + 1); i++)
        s->part[c].f_term += line_neuron(s, t, s->x_acc[c], i);
    cn_mlp_tiles_give(s->f_tiles, t);
}

/* Run one pass, return the sum of squares. */
static double pass(struct cn_fly_step *s, cn_pool_fn *fn, struct job *j)
{
    double sum = 0;

    cn_pool_run(s->pool, fn, j, s->chunks);
    for (int32_t c = 0; c < s->chunks; c++)
        sum += s->part[c].f_term;
    return sum;
}

/* Gradient of f (and of a, and of G) += scale * raw. */
static void finish(struct cn_fly_step *s, kind k, double scale)
{
    float *grad_a = s->grad + s->mod->oa;

    cn_mlp_grad_sum(s->f, s->x_acc, s->chunks);
    cn_mlp_grad_add(s->f, s->x_acc[0], (float)scale, s->grad + s->mod->of);
    for (int64_t q = 0; (k == ZERO || k == DIFF_G) && q < s->n * s->d; q++) {
        grad_a[q] += (float)scale * s->da_reg[q];
        s->da_reg[q] = 0; /* for the next term */
    }
    for (int64_t q = 0; k == DIFF_G && q < 2 * s->n; q++)
        s->dG_reg[q] *= (float)scale;
}

/* c ||t||. */
static double norm_pass(struct cn_fly_step *s, kind k, double c, float msg_delta)
{
    struct job j = {.s = s, .kind = k, .msg_delta = msg_delta};
    double norm = sqrt(pass(s, term_chunk, &j));

    finish(s, k, norm > 0 ? c / norm : 0);
    return c * norm;
}

/* c * mean of squares over `count` values. */
static double mean_pass(struct cn_fly_step *s, cn_pool_fn *fn, double c, double count)
{
    struct job j = {.s = s, .kind = CENTERING};
    double sum = pass(s, fn, &j);

    finish(s, CENTERING, 2 * c / count);
    return c * sum / count;
}

void cn_fly_f_regularisers(struct cn_fly_step *s)
{
    const struct cn_fly_coef *c = &s->coef;
    double *term = s->terms->term;

    if (c->f_theta_zero > 0)
        term[CN_FLY_TERM_f_theta_zero] = norm_pass(s, ZERO, c->f_theta_zero, 0);
    if (c->f_theta_diff > 0)
        term[CN_FLY_TERM_f_theta_diff] =
            norm_pass(s, c->generation == CN_FLY_V1 ? DIFF_V : DIFF_G, c->f_theta_diff, 0);
    if (c->f_theta_msg_diff > 0)
        term[CN_FLY_TERM_f_theta_msg_diff] =
            norm_pass(s, MSG_DIFF, c->f_theta_msg_diff,
                      (float)(c->msg_delta > 0 ? c->msg_delta : s->delta));
    if (c->f_theta_msg_sign > 0)
        term[CN_FLY_TERM_f_theta_msg_sign] = norm_pass(s, MSG_SIGN, c->f_theta_msg_sign, 0);
    if (c->f_theta_centering > 0)
        term[CN_FLY_TERM_f_theta_centering] =
            mean_pass(s, term_chunk, c->f_theta_centering, (double)s->n);
    if (c->f_theta_linearity > 0)
        term[CN_FLY_TERM_f_theta_linearity] =
            mean_pass(s, line_chunk, c->f_theta_linearity, (double)s->n * LINE);
}
