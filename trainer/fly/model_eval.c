/* Evaluation of a model on frames, rows and grids, on all threads of a pool. See model.h.
 *
 * Work is cut into a fixed number of chunks; every result is written by one chunk, so threads
 * never show.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "trainer/fly/model.h"
#include "trainer/fly/model_int.h"

enum { ROWS = CN_MLP_ROWS };

struct cn_fly_eval {
    struct cn_fly_model *mod;               /* borrowed */
    struct cn_pool *pool;                   /* borrowed */
    const struct cn_kernels *kernels;       /* static */
    struct cn_mlp *g, *f;                   /* owned, NULL for a linear model */
    struct cn_mlp_tiles *g_tiles, *f_tiles; /* owned */
    float *G, *m;                           /* owned (n) */
};

void cn_fly_eval_free(struct cn_fly_eval *ev)
{
    if (!ev)
        return;
    cn_mlp_tiles_free(ev->g_tiles);
    cn_mlp_tiles_free(ev->f_tiles);
    cn_mlp_free(ev->g);
    cn_mlp_free(ev->f);
    cn_free(ev->G);
    cn_free(ev->m);
    cn_free(ev);
}

static cn_status make_nets(struct cn_fly_eval *ev, struct cn_err *err)
{
    int threads = cn_pool_threads(ev->pool);

    ev->g = cn_mlp_new(&ev->mod->gs, err);
    ev->f = ev->g ? cn_mlp_new(&ev->mod->fs, err) : NULL;
    if (!ev->g || !ev->f)
        return err ? err->status : CN_ENOMEM;
    ev->g_tiles = cn_mlp_tiles_new(ev->g, threads);
    ev->f_tiles = cn_mlp_tiles_new(ev->f, threads);
    if (!ev->g_tiles || !ev->f_tiles)
        return cn_err_set(err, CN_ENOMEM, "evaluation: no memory for %d tiles", threads);
    return CN_OK;
}

cn_status cn_fly_eval_new(struct cn_fly_model *mod, struct cn_pool *pool,
                          struct cn_fly_eval **out, struct cn_err *err)
{
    struct cn_err local = CN_ERR_INIT;
    struct cn_fly_eval *ev = cn_alloc(1, sizeof *ev);
    cn_status st = CN_OK;

    *out = NULL;
    err = err ? err : &local;
    if (!ev)
        return cn_err_set(err, CN_ENOMEM, "evaluation: no memory");
    ev->mod = mod;
    ev->pool = pool;
    ev->G = cn_alloc_aligned((size_t)mod->graph->n, sizeof(float));
    ev->m = cn_alloc_aligned((size_t)mod->graph->n, sizeof(float));
    ev->kernels = cn_kernels_get(err);
    if (!ev->kernels)
        st = err->status;
    else if (!ev->G || !ev->m)
        st = cn_err_set(err, CN_ENOMEM, "evaluation: no memory for %lld neurons",
                        (long long)mod->graph->n);
    else if (mod->cfg.kind == CN_FLY_A)
        st = make_nets(ev, err);
    if (st != CN_OK)
        cn_fly_eval_free(ev);
    else
        *out = ev;
    return st;
}

/* ---- arbitrary rows ---- */

struct rows {
    struct cn_fly_eval *ev;
    int64_t n;
    int32_t chunks;
    const int32_t *neuron;
    const float *v, *m, *I;
    int64_t i_count, i_period;
    float *out, *dfdm;
};

static int64_t row_neuron(const struct rows *w, int64_t r)
{
    return w->neuron ? w->neuron[r] : r;
}

/* [v, a] into a tile row. */
static void put_va(const struct cn_fly_model *mod, float *x, int64_t neuron, float v)
{
    const float *a = mod->params + mod->oa + neuron * mod->cfg.embedding_dim;

    x[0] = v;
    for (int32_t k = 0; k < mod->cfg.embedding_dim; k++)
        x[1 + k] = a[k];
}

static float gain(const struct cn_fly_model *mod, float y)
{
    return mod->cfg.g_phi_positive ? y * y : y;
}

static void g_rows(void *ctx, int64_t chunk)
{
    const struct rows *w = ctx;
    struct cn_mlp_tile *t = cn_mlp_tiles_take(w->ev->g_tiles);
    int64_t hi = cn_fly_chunk_start(w->n, w->chunks, chunk + 1);

    for (int64_t r = cn_fly_chunk_start(w->n, w->chunks, chunk); r < hi; r += ROWS) {
        int32_t k, count = hi - r < ROWS ? (int32_t)(hi - r) : ROWS;
        for (k = 0; k < count; k++)
            put_va(w->ev->mod, t->x + k * t->ldx, row_neuron(w, r + k), w->v[r + k]);
        cn_mlp_forward(w->ev->g, t, count);
        for (k = 0; k < count; k++)
            w->out[r + k] = gain(w->ev->mod, t->y[k]);
    }
    cn_mlp_tiles_give(w->ev->g_tiles, t);
}

static void f_rows(void *ctx, int64_t chunk)
{
    const struct rows *w = ctx;
    int32_t d = w->ev->mod->cfg.embedding_dim;
    struct cn_mlp_tile *t = cn_mlp_tiles_take(w->ev->f_tiles);
    int64_t hi = cn_fly_chunk_start(w->n, w->chunks, chunk + 1);

    for (int64_t r = cn_fly_chunk_start(w->n, w->chunks, chunk); r < hi; r += ROWS) {
        int32_t k, count = hi - r < ROWS ? (int32_t)(hi - r) : ROWS;
        for (k = 0; k < count; k++) {
            float *x = t->x + k * t->ldx;
            put_va(w->ev->mod, x, row_neuron(w, r + k), w->v[r + k]);
            x[1 + d] = w->m ? w->m[r + k] : 0;
            x[2 + d] = w->I && r + k < w->i_count ? w->I[(r + k) % w->i_period] : 0;
        }
        cn_mlp_forward(w->ev->f, t, count);
        for (k = 0; k < count; k++)
            w->out[r + k] = t->y[k];
        if (!w->dfdm)
            continue;
        for (k = 0; k < count; k++)
            t->seed[k] = 1;
        cn_mlp_input_grad(w->ev->f, t, count, 1u << (1 + d));
        for (k = 0; k < count; k++)
            w->dfdm[r + k] = t->dx[k * t->ldx + 1 + d];
    }
    cn_mlp_tiles_give(w->ev->f_tiles, t);
}

static void run_rows(cn_pool_fn *fn, struct rows *w)
{
    struct cn_fly_model *mod = w->ev->mod;

    if (w->n < 1)
        return;
    w->chunks = cn_fly_chunks(w->n);
    cn_mlp_pack(w->ev->g, mod->params + mod->og);
    cn_mlp_pack(w->ev->f, mod->params + mod->of);
    cn_pool_run(w->ev->pool, fn, w, w->chunks);
}

void cn_fly_eval_g(struct cn_fly_eval *ev, int64_t n_rows, const int32_t *opt_neuron,
                   const float *v, float *out)
{
    struct rows w = {.ev = ev, .n = n_rows, .neuron = opt_neuron, .v = v, .out = out};

    CN_ASSERT(ev->g);
    run_rows(g_rows, &w);
}

void cn_fly_eval_f(struct cn_fly_eval *ev, int64_t n_rows, const int32_t *opt_neuron,
                   const float *v, const float *opt_m, const float *opt_I, float *out,
                   float *opt_out_dfdm)
{
    struct rows w = {.ev = ev,
                     .n = n_rows,
                     .neuron = opt_neuron,
                     .v = v,
                     .m = opt_m,
                     .I = opt_I,
                     .i_count = n_rows,
                     .i_period = n_rows,
                     .out = out,
                     .dfdm = opt_out_dfdm};

    CN_ASSERT(ev->f);
    run_rows(f_rows, &w);
}

/* ---- one frame ---- */

static void message_chunk(void *ctx, int64_t chunk)
{
    const struct rows *w = ctx;
    struct cn_edges in = cn_fly_in_edges(w->ev->mod);

    w->ev->kernels->gather(&in, cn_fly_chunk_start(w->n, w->chunks, chunk),
                           cn_fly_chunk_start(w->n, w->chunks, chunk + 1), 1, w->ev->G,
                           w->ev->m);
}

static float softplus(float x)
{
    return x > 30 ? x : log1pf(expf(x));
}

static void linear_frame(const struct rows *w)
{
    const struct cn_fly_model *mod = w->ev->mod;

    for (int64_t i = 0; i < w->n; i++) {
        float tau = softplus(mod->params[mod->otau + i]);
        float z = -w->v[i] + w->ev->m[i] + mod->params[mod->oV + i];
        z += w->I && i < w->i_count ? w->I[i % w->i_period] : 0;
        z += mod->os >= 0 ? mod->params[mod->os + i] * tanhf(w->v[i]) : 0;
        w->out[i] = z / tau;
        if (w->dfdm)
            w->dfdm[i] = 1 / tau;
    }
}

void cn_fly_eval_frame(struct cn_fly_eval *ev, const float *v, const float *I, int64_t i_count,
                       int64_t i_period, float *opt_out_m, float *out_yhat, float *opt_out_dfdm)
{
    int64_t n = ev->mod->graph->n;
    struct rows w = {.ev = ev,
                     .n = n,
                     .chunks = cn_fly_chunks(n),
                     .v = v,
                     .m = ev->m,
                     .I = I,
                     .i_count = i_count,
                     .i_period = i_period,
                     .out = out_yhat,
                     .dfdm = opt_out_dfdm};

    cn_fly_model_refresh_csr(ev->mod);
    if (ev->g)
        cn_fly_eval_g(ev, n, NULL, v, ev->G);
    for (int64_t i = 0; !ev->g && i < n; i++)
        ev->G[i] = v[i] > 0 ? v[i] : 0;
    cn_pool_run(ev->pool, message_chunk, &w, w.chunks);
    if (ev->f)
        run_rows(f_rows, &w);
    else
        linear_frame(&w);
    for (int64_t i = 0; opt_out_m && i < n; i++)
        opt_out_m[i] = ev->m[i];
}

/* ---- lines over grids ---- */

struct lines {
    struct cn_fly_eval *ev;
    int32_t chunks, points;
    int is_f;
    const float *lo, *hi;
    float *slope, *intercept;
};

struct sums {
    double x, y, xx, xy;
};

static void grid_neuron(const struct lines *w, struct cn_mlp_tile *t, int64_t i, struct sums *s)
{
    const struct cn_mlp *net = w->is_f ? w->ev->f : w->ev->g;
    double lo = (double)w->lo[i],
           step = w->points > 1 ? ((double)w->hi[i] - lo) / (w->points - 1) : 0;
    int32_t d = w->ev->mod->cfg.embedding_dim;

    for (int32_t p = 0; p < w->points; p += ROWS) {
        int32_t k, count = w->points - p < ROWS ? w->points - p : ROWS;
        for (k = 0; k < count; k++) {
            float *x = t->x + k * t->ldx;
            put_va(w->ev->mod, x, i, (float)(lo + step * (p + k)));
            if (w->is_f)
                x[1 + d] = x[2 + d] = 0;
        }
        cn_mlp_forward(net, t, count);
        for (k = 0; k < count; k++) {
            /* From lo: a flat grid gives exact zeros. */
            double x = (double)t->x[k * t->ldx] - lo;
            double y = (double)(w->is_f ? t->y[k] : gain(w->ev->mod, t->y[k]));
            s->x += x;
            s->y += y;
            s->xx += x * x;
            s->xy += x * y;
        }
    }
}

static void lines_chunk(void *ctx, int64_t chunk)
{
    const struct lines *w = ctx;
    struct cn_mlp_tiles *tiles = w->is_f ? w->ev->f_tiles : w->ev->g_tiles;
    struct cn_mlp_tile *t = cn_mlp_tiles_take(tiles);
    int64_t n = w->ev->mod->graph->n, hi = cn_fly_chunk_start(n, w->chunks, chunk + 1);

    for (int64_t i = cn_fly_chunk_start(n, w->chunks, chunk); i < hi; i++) {
        struct sums s = {0};
        double below, slope, p = w->points;
        grid_neuron(w, t, i, &s);
        below = p * s.xx - s.x * s.x;
        slope = fabs(below) <= 1e-12 ? 0 : (p * s.xy - s.x * s.y) / below;
        w->slope[i] = (float)slope;
        if (w->intercept)
            w->intercept[i] = fabs(below) <= 1e-12
                                  ? 0
                                  : (float)((s.y - slope * s.x) / p - slope * (double)w->lo[i]);
    }
    cn_mlp_tiles_give(tiles, t);
}

static void lines(struct cn_fly_eval *ev, int is_f, const float *lo, const float *hi,
                  int32_t n_points, float *out_slope, float *opt_out_intercept)
{
    struct lines w = {ev,        cn_fly_chunks(ev->mod->graph->n),
                      n_points,  is_f,
                      lo,        hi,
                      out_slope, opt_out_intercept};

    CN_ASSERT(ev->g && n_points > 0);
    cn_mlp_pack(ev->g, ev->mod->params + ev->mod->og);
    cn_mlp_pack(ev->f, ev->mod->params + ev->mod->of);
    cn_pool_run(ev->pool, lines_chunk, &w, w.chunks);
}

void cn_fly_eval_g_lines(struct cn_fly_eval *ev, const float *lo, const float *hi,
                         int32_t n_points, float *out_slope, float *opt_out_intercept)
{
    lines(ev, 0, lo, hi, n_points, out_slope, opt_out_intercept);
}

void cn_fly_eval_f_lines(struct cn_fly_eval *ev, const float *lo, const float *hi,
                         int32_t n_points, float *out_slope, float *opt_out_intercept)
{
    lines(ev, 1, lo, hi, n_points, out_slope, opt_out_intercept);
}
