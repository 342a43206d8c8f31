/* Plain double-precision models: networks row by row, the data loss and its adjoint, Adam. See
 * reference.h. */
#include "trainer/fly/reference.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "trainer/engine/adam.h"
#include "trainer/fly/reference_int.h"

/* ---- one row through a perceptron ---- */

static double act(cn_mlp_act a, double z)
{
    switch (a) {
    case CN_MLP_RELU:
        return z > 0 ? z : 0;
    case CN_MLP_TANH:
        return tanh(z);
    case CN_MLP_SIGMOID:
        return 1 / (1 + exp(-z));
    case CN_MLP_LEAKY_RELU:
        return z > 0 ? z : 0.01 * z;
    case CN_MLP_SOFT_RELU:
        return z > 30 ? z : log1p(exp(z));
    case CN_MLP_NONE:
        break;
    }
    return z;
}

/* act'(z) expressed by h = act(z). */
static double act_slope(cn_mlp_act a, double h)
{
    switch (a) {
    case CN_MLP_RELU:
        return h > 0 ? 1 : 0;
    case CN_MLP_TANH:
        return 1 - h * h;
    case CN_MLP_SIGMOID:
        return h * (1 - h);
    case CN_MLP_LEAKY_RELU:
        return h > 0 ? 1 : 0.01;
    case CN_MLP_SOFT_RELU:
        return 1 - exp(-h);
    case CN_MLP_NONE:
        break;
    }
    return 1;
}

/* x (in) -> y; h (n_layers-1, hidden) keeps the hidden outputs. */
static double mlp_forward(const struct cn_mlp_shape *s, const double *p, const double *x,
                          double *h)
{
    double y = 0;

    for (int32_t l = 0; l < s->n_layers; l++) {
        int64_t rows, cols;
        const double *w = p + cn_mlp_tensor(s, 2 * l, &rows, &cols), *b = w + rows * cols;
        const double *below = l ? h + (int64_t)(l - 1) * s->hidden : x;

        for (int64_t k = 0; k < rows; k++) {
            double z = b[k];
            for (int64_t j = 0; j < cols; j++)
                z += w[k * cols + j] * below[j];
            if (l == s->n_layers - 1)
                y = z;
            else
                h[(int64_t)l * s->hidden + k] = act(s->act, z);
        }
    }
    return y;
}

/* Adjoint of mlp_forward: dL/dy = seed. grad += (slab order), dx (in) overwritten. */
static void mlp_backward(const struct cn_mlp_shape *s, const double *p, const double *x,
                         const double *h, double seed, double *delta, double *below_delta,
                         double *grad, double *dx)
{
    delta[0] = seed;
    for (int32_t l = s->n_layers - 1; l >= 0; l--) {
        int64_t rows, cols, off = cn_mlp_tensor(s, 2 * l, &rows, &cols);
        const double *w = p + off, *below = l ? h + (int64_t)(l - 1) * s->hidden : x;
        double *gw = grad + off, *gb = gw + rows * cols, *to = l ? below_delta : dx;

        for (int64_t j = 0; j < cols; j++)
            to[j] = 0;
        for (int64_t k = 0; k < rows; k++) {
            gb[k] += delta[k];
            for (int64_t j = 0; j < cols; j++) {
                gw[k * cols + j] += delta[k] * below[j];
                to[j] += delta[k] * w[k * cols + j];
            }
        }
        for (int64_t j = 0; l && j < cols; j++)
            delta[j] = to[j] * act_slope(s->act, below[j]);
    }
}

static void fill_g(const struct ref *r, int64_t i, double v, double *x)
{
    x[0] = v;
    for (int32_t k = 0; k < r->d; k++)
        x[1 + k] = r->p[r->oa + i * r->d + k];
}

static void fill_f(const struct ref *r, int64_t i, double v, double m, double I, double *x)
{
    fill_g(r, i, v, x);
    x[1 + r->d] = m;
    x[2 + r->d] = I;
}

static void add_to_a(const struct ref *r, int64_t i, const double *dx)
{
    for (int32_t k = 0; k < r->d; k++)
        r->grad[r->oa + i * r->d + k] += dx[1 + k];
}

double ref_g(const struct ref *r, int64_t i, double v)
{
    double x[CN_MLP_MAX_IN] = {0}, y;

    fill_g(r, i, v, x);
    y = mlp_forward(&r->gs, r->p + r->og, x, r->h);
    return r->cfg->g_phi_positive ? y * y : y;
}

void ref_g_back(const struct ref *r, int64_t i, double v, double seed, int to_a)
{
    double x[CN_MLP_MAX_IN] = {0}, dx[CN_MLP_MAX_IN] = {0}, y;

    fill_g(r, i, v, x);
    y = mlp_forward(&r->gs, r->p + r->og, x, r->h);
    seed *= r->cfg->g_phi_positive ? 2 * y : 1;
    mlp_backward(&r->gs, r->p + r->og, x, r->h, seed, r->delta, r->below, r->grad + r->og, dx);
    if (to_a)
        add_to_a(r, i, dx);
}

double ref_f(const struct ref *r, int64_t i, double v, double m, double I)
{
    double x[CN_MLP_MAX_IN] = {0};

    fill_f(r, i, v, m, I, x);
    return mlp_forward(&r->fs, r->p + r->of, x, r->h);
}

double ref_f_back(const struct ref *r, int64_t i, double v, double m, double I, double seed,
                  int to_a)
{
    double x[CN_MLP_MAX_IN] = {0}, dx[CN_MLP_MAX_IN] = {0};

    fill_f(r, i, v, m, I, x);
    (void)mlp_forward(&r->fs, r->p + r->of, x, r->h);
    mlp_backward(&r->fs, r->p + r->of, x, r->h, seed, r->delta, r->below, r->grad + r->of, dx);
    if (to_a)
        add_to_a(r, i, dx);
    return dx[1 + r->d];
}

/* ---- whole frames ---- */

static double input_at(const struct cn_fly_reference_batch *b, int64_t k)
{
    return b->I ? b->I[k] : 0;
}

static double softplus(double x)
{
    return x > 30 ? x : log1p(exp(x));
}

/* yhat of the linear model: ((-v + m + I + V [+ s tanh v]) / softplus(raw_tau)). */
static double linear_yhat(const struct ref *r, int64_t i, double v, double m, double I)
{
    double z = -v + m + I + r->p[r->oV + i];

    if (r->os >= 0)
        z += r->p[r->os + i] * tanh(v);
    return z / softplus(r->p[r->otau + i]);
}

/* Adjoint of linear_yhat; returns seed * dyhat/dm = seed / tau. */
static double linear_back(const struct ref *r, int64_t i, double v, double m, double I,
                          double seed)
{
    double raw = r->p[r->otau + i], tau = softplus(raw), y = linear_yhat(r, i, v, m, I);

    r->grad[r->otau + i] -= seed * y / tau / (1 + exp(-raw)); /* softplus' = sigmoid */
    r->grad[r->oV + i] += seed / tau;
    if (r->os >= 0)
        r->grad[r->os + i] += seed * tanh(v) / tau;
    return seed / tau;
}

/* G and m of every frame. */
static void messages(const struct ref *r, const struct cn_fly_reference_batch *b)
{
    for (int64_t k = 0; k < b->frames * r->n; k++) {
        double v = b->v[k];
        r->G[k] = r->cfg->kind == CN_FLY_A ? ref_g(r, k % r->n, v) : (v > 0 ? v : 0);
        r->m[k] = 0;
    }
    for (int32_t f = 0; f < b->frames; f++)
        for (int64_t e = 0; e < r->e; e++)
            r->m[f * r->n + r->graph->dst[e]] +=
                r->p[r->oW + e] * r->G[f * r->n + r->graph->src[e]];
}

static double yhat_at(const struct ref *r, const struct cn_fly_reference_batch *b, int64_t k)
{
    int64_t i = k % r->n;

    if (r->cfg->kind == CN_FLY_LINEAR)
        return linear_yhat(r, i, b->v[k], r->m[k], input_at(b, k));
    return ref_f(r, i, b->v[k], r->m[k], input_at(b, k));
}

/* Edges and g, given dm (frames, n): dW_e = sum_b dm[dst] G[src], dG[src] += W_e dm[dst]. */
static void message_back(const struct ref *r, const struct cn_fly_reference_batch *b,
                         const double *dm, double *dG)
{
    for (int32_t f = 0; f < b->frames; f++) {
        const double *dmf = dm + f * r->n, *G = r->G + f * r->n;

        memset(dG, 0, (size_t)r->n * sizeof *dG);
        for (int64_t e = 0; e < r->e; e++) {
            r->grad[r->oW + e] += dmf[r->graph->dst[e]] * G[r->graph->src[e]];
            dG[r->graph->src[e]] += r->p[r->oW + e] * dmf[r->graph->dst[e]];
        }
        for (int64_t i = 0; r->cfg->kind == CN_FLY_A && i < r->n; i++)
            ref_g_back(r, i, b->v[f * r->n + i], dG[i], 1);
    }
}

/* L = ||yhat - y||; the norm's gradient at zero is zero. */
static cn_status data_loss(const struct ref *r, const struct cn_fly_reference_batch *b,
                           struct cn_fly_terms *out, struct cn_err *err)
{
    int64_t total = b->frames * r->n;
    double *res = cn_alloc((size_t)total, sizeof *res),
           *dG = cn_alloc((size_t)r->n, sizeof *dG), sum = 0;
    cn_status st = CN_OK;

    if (!res || !dG) {
        st = cn_err_set(err, CN_ENOMEM, "reference: no memory for %lld residuals",
                        (long long)total);
        goto out;
    }
    for (int64_t k = 0; k < total; k++) {
        res[k] = yhat_at(r, b, k) - b->y[k];
        sum += res[k] * res[k];
    }
    out->data = sqrt(sum);
    out->logged = out->data / (double)r->n;
    for (int64_t k = 0; k < total; k++) {
        double seed = out->data > 0 ? res[k] / out->data : 0, I = input_at(b, k);
        res[k] = r->cfg->kind == CN_FLY_A
                     ? ref_f_back(r, k % r->n, b->v[k], r->m[k], I, seed, 1)
                     : linear_back(r, k % r->n, b->v[k], r->m[k], I, seed);
    }
    message_back(r, b, res, dG);
out:
    cn_free(res);
    cn_free(dG);
    return st;
}

/* ---- entry points ---- */

static int64_t offset_of(const struct cn_fly_model *mod, const char *name)
{
    const struct cn_fly_tensor *t = cn_fly_model_find(mod, name);
    return t ? t->offset : -1;
}

static void ref_clear(struct ref *r)
{
    cn_free(r->h);
    cn_free(r->delta);
    cn_free(r->below);
    cn_free(r->G);
    cn_free(r->m);
}

static cn_status ref_init(struct ref *r, const struct cn_fly_model *mod, const double *params,
                          int32_t frames, struct cn_err *err)
{
    const struct cn_fly_graph_model *c = cn_fly_model_config(mod);
    int32_t widest =
        c->hidden_dim > c->hidden_dim_update ? c->hidden_dim : c->hidden_dim_update;

    memset(r, 0, sizeof *r);
    r->graph = cn_fly_model_graph(mod);
    r->cfg = c;
    r->n = r->graph->n;
    r->e = r->graph->e;
    r->d = c->embedding_dim;
    r->gs =
        (struct cn_mlp_shape){1 + r->d, c->hidden_dim, c->n_layers, (cn_mlp_act)c->activation};
    r->fs = (struct cn_mlp_shape){3 + r->d, c->hidden_dim_update, c->n_layers_update,
                                  (cn_mlp_act)c->activation};
    r->oW = offset_of(mod, "W");
    r->oa = offset_of(mod, "a");
    r->og = offset_of(mod, "g.w0");
    r->of = offset_of(mod, "f.w0");
    r->otau = offset_of(mod, "raw_tau");
    r->oV = offset_of(mod, "V_rest");
    r->os = offset_of(mod, "s");
    r->p = params;
    widest = widest > CN_MLP_MAX_IN ? widest : CN_MLP_MAX_IN;
    r->h = cn_alloc((size_t)widest * CN_MLP_MAX_LAYERS, sizeof(double));
    r->delta = cn_alloc((size_t)widest, sizeof(double));
    r->below = cn_alloc((size_t)widest, sizeof(double));
    r->G = cn_alloc((size_t)(frames * r->n), sizeof(double));
    r->m = cn_alloc((size_t)(frames * r->n), sizeof(double));
    if (r->h && r->delta && r->below && r->G && r->m)
        return CN_OK;
    ref_clear(r);
    return cn_err_set(err, CN_ENOMEM, "reference: no memory for %d frames of %lld neurons",
                      frames, (long long)r->n);
}

cn_status cn_fly_reference_loss_grad(const struct cn_fly_model *mod, const double *params,
                                     const struct cn_fly_reference_batch *b,
                                     const struct cn_fly_coef *c,
                                     const struct cn_fly_stats *stats, struct cn_fly_terms *out,
                                     double *grad, struct cn_err *err)
{
    struct ref r;
    cn_status st = ref_init(&r, mod, params, b->frames, err);

    *out = (struct cn_fly_terms){0};
    if (st != CN_OK)
        return st;
    r.grad = grad;
    messages(&r, b);
    if (b->y)
        st = data_loss(&r, b, out, err);
    if (st == CN_OK)
        st = ref_regularise(&r, b, c, stats, out, err);
    out->total = out->data;
    for (int k = 0; k < CN_FLY_N_TERMS; k++)
        out->total += out->term[k];
    ref_clear(&r);
    return st;
}

cn_status cn_fly_reference_forward(const struct cn_fly_model *mod, const double *params,
                                   const struct cn_fly_reference_batch *b, double *opt_out_G,
                                   double *opt_out_m, double *opt_out_yhat, struct cn_err *err)
{
    struct ref r;
    cn_status st = ref_init(&r, mod, params, b->frames, err);
    size_t bytes = (size_t)(b->frames * cn_fly_model_graph(mod)->n) * sizeof(double);

    if (st != CN_OK)
        return st;
    messages(&r, b);
    if (opt_out_G)
        memcpy(opt_out_G, r.G, bytes);
    if (opt_out_m)
        memcpy(opt_out_m, r.m, bytes);
    for (int64_t k = 0; opt_out_yhat && k < b->frames * r.n; k++)
        opt_out_yhat[k] = yhat_at(&r, b, k);
    ref_clear(&r);
    return CN_OK;
}

void cn_fly_reference_adam(int64_t n, const double *g, double *p, double *m, double *v,
                           double lr, int64_t t)
{
    double c1 = 1 - pow(CN_ADAM_B1, (double)t), c2 = 1 - pow(CN_ADAM_B2, (double)t);

    for (int64_t k = 0; k < n; k++) {
        m[k] = CN_ADAM_B1 * m[k] + (1 - CN_ADAM_B1) * g[k];
        v[k] = CN_ADAM_B2 * v[k] + (1 - CN_ADAM_B2) * g[k] * g[k];
        p[k] -= lr / c1 * m[k] / (sqrt(v[k] / c2) + CN_ADAM_EPS);
    }
}
