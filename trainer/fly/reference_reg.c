/* The regularisers of specs flyvis_gnn 4.4 in double precision, value and adjoint side by side.
 * See reference.h.
 *
 * Conventions: every norm is Euclidean and not squared, its gradient at zero is zero;
 * relu'(0) = sign(0) = 0. "Detached" = no gradient to that input; the weights of g and f always
 * get theirs. x is the regularised frame (first of the batch, V1: last); terms "over the batch"
 * use every frame.
 *
 *   1 weights  W_L1 W_L2 W_sign g_phi_weight f_theta_weight
 *   2 g        diff, norm
 *   3 f        zero, diff, message, line
 */
#include <math.h>

#include "base/alloc.h"
#include "trainer/fly/reference_int.h"

/* ---- 1 weights ---- */

static double l1(double c, int64_t n, const double *p, double *grad)
{
    double sum = 0;

    for (int64_t k = 0; k < n; k++) {
        sum += fabs(p[k]);
        grad[k] += c * (double)((p[k] > 0) - (p[k] < 0));
    }
    return c * sum;
}

static double l2(double c, int64_t n, const double *p, double *grad)
{
    double sum = 0, norm;

    for (int64_t k = 0; k < n; k++)
        sum += p[k] * p[k];
    norm = sqrt(sum);
    for (int64_t k = 0; k < n && norm > 0; k++)
        grad[k] += c * p[k] / norm;
    return c * norm;
}

/* Sum over the network's tensors of c1 |p|_1 + c2 |p|_2. */
static double net_weights(const struct cn_mlp_shape *s, double c1, double c2, const double *p,
                          double *grad)
{
    double sum = 0;

    for (int32_t k = 0; k < 2 * s->n_layers; k++) {
        int64_t rows, cols, off = cn_mlp_tensor(s, k, &rows, &cols);
        sum +=
            l1(c1, rows * cols, p + off, grad + off) + l2(c2, rows * cols, p + off, grad + off);
    }
    return sum;
}

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* Dale: c sum_j n+ n- / deg^2, n+- = sum over out-edges of j of sigmoid(+-T W). */
static double w_sign(const struct ref *r, double c, double T)
{
    const double *W = r->p + r->oW;
    double *grad = r->grad + r->oW, sum = 0;

    for (int64_t j = 0; j < r->n; j++) {
        int64_t lo = r->graph->out_ptr[j], hi = r->graph->out_ptr[j + 1];
        double plus = 0, minus = 0, deg = (double)(hi - lo);

        for (int64_t k = lo; k < hi; k++) {
            plus += sigmoid(T * W[r->graph->out_edge[k]]);
            minus += sigmoid(-T * W[r->graph->out_edge[k]]);
        }
        for (int64_t k = lo; k < hi; k++) {
            int32_t e = r->graph->out_edge[k];
            double s = sigmoid(T * W[e]), slope = T * s * (1 - s);
            grad[e] += c * slope * (minus - plus) / (deg * deg);
        }
        if (hi > lo)
            sum += plus * minus / (deg * deg);
    }
    return c * sum;
}

/* ---- 2 g; first frame's voltages v (n) ---- */

/* relu(G1 - G2) for one neuron. */
static double second_point(const struct cn_fly_coef *c, double xnorm, double v)
{
    return c->generation == CN_FLY_V1 ? 1.05 * v : v + 0.05 * fmax(xnorm, 1e-6);
}

/* c || relu(G(v,a) - G(v2,a)) ||, v and a detached. t (n) scratch. */
static double g_diff(const struct ref *r, const struct cn_fly_coef *c, double xnorm,
                     const double *v, double *t)
{
    double sum = 0, norm;

    for (int64_t i = 0; i < r->n; i++) {
        t[i] = fmax(0, ref_g(r, i, v[i]) - ref_g(r, i, second_point(c, xnorm, v[i])));
        sum += t[i] * t[i];
    }
    norm = sqrt(sum);
    for (int64_t i = 0; i < r->n && norm > 0; i++) {
        double seed = c->g_phi_diff * t[i] / norm;
        ref_g_back(r, i, v[i], seed, 0);
        ref_g_back(r, i, second_point(c, xnorm, v[i]), -seed, 0);
    }
    return c->g_phi_diff * norm;
}

/* c || G(2 xnorm, a) - 2 xnorm ||, a detached. */
static double g_norm(const struct ref *r, double c, double xnorm, double *t)
{
    double sum = 0, norm;

    for (int64_t i = 0; i < r->n; i++) {
        t[i] = ref_g(r, i, 2 * xnorm) - 2 * xnorm;
        sum += t[i] * t[i];
    }
    norm = sqrt(sum);
    for (int64_t i = 0; i < r->n && norm > 0; i++)
        ref_g_back(r, i, 2 * xnorm, c * t[i] / norm, 0);
    return c * norm;
}

/* ---- 3 f ---- */

/* c || f(0, a, 1, 1) ||, a not detached. */
static double f_zero(const struct ref *r, double c, double *t)
{
    double sum = 0, norm;

    for (int64_t i = 0; i < r->n; i++) {
        t[i] = ref_f(r, i, 0, 1, 1);
        sum += t[i] * t[i];
    }
    norm = sqrt(sum);
    for (int64_t i = 0; i < r->n && norm > 0; i++)
        (void)ref_f_back(r, i, 0, 1, 1, c * t[i] / norm, 1);
    return c * norm;
}

/* c || relu(f(0,a,G(v),1) - f(0,a,G(v2),1)) ||: monotonic in the message through g; a detached
 * inside g only. */
static double f_diff_v2(const struct ref *r, const struct cn_fly_coef *c, double xnorm,
                        const double *v, double *t)
{
    double sum = 0, norm;

    for (int64_t i = 0; i < r->n; i++) {
        double G1 = ref_g(r, i, v[i]), G2 = ref_g(r, i, second_point(c, xnorm, v[i]));
        t[i] = fmax(0, ref_f(r, i, 0, G1, 1) - ref_f(r, i, 0, G2, 1));
        sum += t[i] * t[i];
    }
    norm = sqrt(sum);
    for (int64_t i = 0; i < r->n && norm > 0; i++) {
        double seed = c->f_theta_diff * t[i] / norm, v2 = second_point(c, xnorm, v[i]);
        ref_g_back(r, i, v[i], ref_f_back(r, i, 0, ref_g(r, i, v[i]), 1, seed, 1), 0);
        ref_g_back(r, i, v2, ref_f_back(r, i, 0, ref_g(r, i, v2), 1, -seed, 1), 0);
    }
    return c->f_theta_diff * norm;
}

/* Terms over the batch compare f at two points of one row, or f with the message; all inputs
 * detached. */
struct pair {
    double v1, m1, v2, m2, I;
};

/* c || relu(f(p1) - f(p2)) || over k < count. */
static double f_pairs(const struct ref *r, double c, int64_t count, const struct pair *p,
                      double *t)
{
    double sum = 0, norm;

    for (int64_t k = 0; k < count; k++) {
        t[k] = fmax(0, ref_f(r, k % r->n, p[k].v1, p[k].m1, p[k].I) -
                           ref_f(r, k % r->n, p[k].v2, p[k].m2, p[k].I));
        sum += t[k] * t[k];
    }
    norm = sqrt(sum);
    for (int64_t k = 0; k < count && norm > 0; k++) {
        (void)ref_f_back(r, k % r->n, p[k].v1, p[k].m1, p[k].I, c * t[k] / norm, 0);
        (void)ref_f_back(r, k % r->n, p[k].v2, p[k].m2, p[k].I, -c * t[k] / norm, 0);
    }
    return c * norm;
}

/* c || tanh(f(v=0,..)/.1) - tanh(m/.1) ||. */
static double f_msg_sign(const struct ref *r, double c, int64_t count, const struct pair *p,
                         double *t)
{
    double sum = 0, norm;

    for (int64_t k = 0; k < count; k++) {
        t[k] = tanh(ref_f(r, k % r->n, 0, p[k].m1, p[k].I) / 0.1) - tanh(p[k].m1 / 0.1);
        sum += t[k] * t[k];
    }
    norm = sqrt(sum);
    for (int64_t k = 0; k < count && norm > 0; k++) {
        double th = tanh(ref_f(r, k % r->n, 0, p[k].m1, p[k].I) / 0.1);
        (void)ref_f_back(r, k % r->n, 0, p[k].m1, p[k].I, c * t[k] / norm * (1 - th * th) / 0.1,
                         0);
    }
    return c * norm;
}

enum { LINE = 200 };

/* c mean over (n, 200) of the squared residual of f(v,a,0,0) on mu +- 2 sigma from its own
 * least-squares line. The residual is a projection of y, so its adjoint is 2 c residual / (200
 * n). */
static double f_linearity(const struct ref *r, double c, const double *mu, const double *sigma)
{
    double total = 0, y[LINE], x[LINE];

    for (int64_t i = 0; i < r->n; i++) {
        double mx = 0, my = 0, sxx = 0, sxy = 0, slope;
        for (int k = 0; k < LINE; k++) {
            x[k] = mu[i] - 2 * sigma[i] + 4 * sigma[i] * k / (LINE - 1);
            y[k] = ref_f(r, i, x[k], 0, 0);
            mx += x[k] / LINE;
            my += y[k] / LINE;
        }
        for (int k = 0; k < LINE; k++) {
            sxx += (x[k] - mx) * (x[k] - mx);
            sxy += (x[k] - mx) * (y[k] - my);
        }
        slope = sxx > 0 ? sxy / sxx : 0;
        for (int k = 0; k < LINE; k++) {
            double res = y[k] - my - slope * (x[k] - mx);
            total += res * res;
            (void)ref_f_back(r, i, x[k], 0, 0, 2 * c * res / (double)(LINE * r->n), 0);
        }
    }
    return c * total / (double)(LINE * r->n);
}

/* c mean_i f(mu_i, a_i, 0, 0)^2, a detached. */
static double f_centering(const struct ref *r, double c, const double *mu)
{
    double total = 0;

    for (int64_t i = 0; i < r->n; i++) {
        double y = ref_f(r, i, mu[i], 0, 0);
        total += y * y;
        (void)ref_f_back(r, i, mu[i], 0, 0, 2 * c * y / (double)r->n, 0);
    }
    return c * total / (double)r->n;
}

/* ---- all of them ---- */

static void weights(const struct ref *r, const struct cn_fly_coef *c, double *term)
{
    double *gW = r->grad + r->oW;
    const double *W = r->p + r->oW;

    if (c->W_L1 > 0)
        term[CN_FLY_TERM_W_L1] = l1(c->W_L1, r->e, W, gW);
    if (c->W_L2 > 0)
        term[CN_FLY_TERM_W_L2] = l2(c->W_L2, r->e, W, gW);
    if (c->W_sign > 0)
        term[CN_FLY_TERM_W_sign] = w_sign(r, c->W_sign, c->W_sign_temperature);
    if (r->cfg->kind != CN_FLY_A)
        return;
    term[CN_FLY_TERM_g_phi_weight] = net_weights(&r->gs, c->g_phi_weight_L1, c->g_phi_weight_L2,
                                                 r->p + r->og, r->grad + r->og);
    term[CN_FLY_TERM_f_theta_weight] = net_weights(
        &r->fs, c->f_theta_weight_L1, c->f_theta_weight_L2, r->p + r->of, r->grad + r->of);
}

/* p and t hold frames * n entries. */
static void over_batch(const struct ref *r, const struct cn_fly_reference_batch *b,
                       const struct cn_fly_coef *c, double xnorm, struct pair *p, double *t,
                       double *term)
{
    int64_t count = b->frames * r->n;
    double step = c->msg_delta > 0 ? c->msg_delta : 0.05 * fmax(xnorm, 1e-6);

    for (int64_t k = 0; k < count; k++) {
        double m = r->m[k];
        p[k] =
            (struct pair){b->v[k], m, b->v[k], c->generation == CN_FLY_V1 ? 1.05 * m : m + step,
                          b->I ? b->I[k] : 0};
    }
    if (c->f_theta_msg_diff > 0)
        term[CN_FLY_TERM_f_theta_msg_diff] = f_pairs(r, c->f_theta_msg_diff, count, p, t);
    if (c->f_theta_msg_sign > 0)
        term[CN_FLY_TERM_f_theta_msg_sign] = f_msg_sign(r, c->f_theta_msg_sign, count, p, t);
    for (int64_t k = 0; k < count; k++)
        p[k] = (struct pair){1.05 * b->v[k], r->m[k], b->v[k], r->m[k], b->I ? b->I[k] : 0};
    if (c->f_theta_diff > 0 && c->generation == CN_FLY_V1)
        term[CN_FLY_TERM_f_theta_diff] = f_pairs(r, c->f_theta_diff, count, p, t);
}

cn_status ref_regularise(const struct ref *r, const struct cn_fly_reference_batch *b,
                         const struct cn_fly_coef *c, const struct cn_fly_stats *stats,
                         struct cn_fly_terms *out, struct cn_err *err)
{
    int64_t count = b->frames * r->n;
    const double *v = b->v + (c->regularise_last_frame ? (b->frames - 1) * r->n : 0);
    double *t = cn_alloc((size_t)count, sizeof *t), *term = out->term;
    struct pair *p = cn_alloc((size_t)count, sizeof *p);
    cn_status st = CN_OK;

    if (!t || !p) {
        st = cn_err_set(err, CN_ENOMEM, "reference: no memory for %lld rows", (long long)count);
        goto out;
    }
    weights(r, c, term);
    if (r->cfg->kind != CN_FLY_A)
        goto out;
    if (c->g_phi_diff > 0)
        term[CN_FLY_TERM_g_phi_diff] = g_diff(r, c, stats->xnorm, v, t);
    if (c->g_phi_norm > 0)
        term[CN_FLY_TERM_g_phi_norm] = g_norm(r, c->g_phi_norm, stats->xnorm, t);
    if (c->f_theta_zero > 0)
        term[CN_FLY_TERM_f_theta_zero] = f_zero(r, c->f_theta_zero, t);
    if (c->f_theta_diff > 0 && c->generation == CN_FLY_V2)
        term[CN_FLY_TERM_f_theta_diff] = f_diff_v2(r, c, stats->xnorm, v, t);
    over_batch(r, b, c, stats->xnorm, p, t, term);
    if (c->f_theta_linearity > 0)
        term[CN_FLY_TERM_f_theta_linearity] =
            f_linearity(r, c->f_theta_linearity, stats->mu, stats->sigma);
    if (c->f_theta_centering > 0)
        term[CN_FLY_TERM_f_theta_centering] = f_centering(r, c->f_theta_centering, stats->mu);
out:
    cn_free(t);
    cn_free(p);
    return st;
}
