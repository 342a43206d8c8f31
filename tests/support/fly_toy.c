#include "tests/support/fly_toy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"

static void die(const char *what, const struct cn_err *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    abort();
}

static double *random_doubles(struct cn_rng *r, int64_t n, double scale, float **floats)
{
    double *x = cn_alloc((size_t)n, sizeof *x);

    *floats = cn_alloc((size_t)n, sizeof **floats);
    for (int64_t k = 0; k < n; k++) {
        (*floats)[k] = (float)(scale * cn_rng_normal(r));
        x[k] = (double)(*floats)[k];
    }
    return x;
}

static void random_params(struct fly_toy *t, struct cn_rng *r)
{
    struct cn_err err = CN_ERR_INIT;

    t->params = cn_alloc((size_t)cn_fly_model_n_params(t->mod), sizeof *t->params);
    for (int32_t k = 0; k < cn_fly_model_n_tensors(t->mod); k++) {
        const struct cn_fly_tensor *tensor = cn_fly_model_tensor(t->mod, k);
        double scale = tensor->name[0] == 'W'                             ? 0.3
                       : tensor->name[0] == 'g' || tensor->name[0] == 'f' ? 0.4
                                                                          : 0.8;
        float *f;
        double *x = random_doubles(r, tensor->count, scale, &f);
        memcpy(t->params + tensor->offset, x, (size_t)tensor->count * sizeof *x);
        if (cn_fly_model_set(t->mod, tensor->name, f, &err) != CN_OK)
            die("toy", &err);
        cn_free(x);
        cn_free(f);
    }
}

void fly_toy_make(struct fly_toy *t, const struct cn_fly_graph_model *cfg, int64_t n, int64_t e,
                  uint64_t seed)
{
    struct cn_fly_config config = {.model = *cfg};
    struct cn_err err = CN_ERR_INIT;
    struct cn_rng r;

    memset(t, 0, sizeof *t);
    cn_rng_init(&r, seed, 77);
    t->graph.n = n;
    t->graph.e = e;
    t->graph.src = cn_alloc((size_t)e, sizeof *t->graph.src);
    t->graph.dst = cn_alloc((size_t)e, sizeof *t->graph.dst);
    for (int64_t k = 0; k < e; k++) {
        t->graph.src[k] = (int32_t)cn_rng_below(&r, (uint64_t)n);
        t->graph.dst[k] = (int32_t)cn_rng_below(&r, (uint64_t)n);
    }
    if (cn_fly_graph_index(&t->graph, &err) != CN_OK ||
        cn_fly_model_new(&config, &t->graph, &t->mod, &err) != CN_OK)
        die("toy", &err);
    random_params(t, &r);
    t->v = random_doubles(&r, n * FLY_TOY_FRAMES, 1, &t->vf);
    t->I = random_doubles(&r, n * FLY_TOY_FRAMES, 0.5, &t->If);
    t->y = random_doubles(&r, n * FLY_TOY_FRAMES, 2, &t->yf);
    t->mu = random_doubles(&r, n, 0.5, &t->muf);
    t->sigma = random_doubles(&r, n, 0.5, &t->sigmaf);
    for (int64_t i = 0; i < n; i++) {
        t->sigmaf[i] = fabsf(t->sigmaf[i]);
        t->sigma[i] = fabs(t->sigma[i]);
    }
    for (int32_t b = 0; b < FLY_TOY_FRAMES; b++) {
        t->v_at[b] = t->vf + b * n;
        t->I_at[b] = t->If + b * n;
        t->y_at[b] = t->yf + b * n;
    }
    t->stats = (struct cn_fly_stats){1.25, t->mu, t->sigma};
}

void fly_toy_clear(struct fly_toy *t)
{
    void *all[] = {t->params, t->v,  t->I,  t->y,   t->mu,    t->sigma,
                   t->vf,     t->If, t->yf, t->muf, t->sigmaf};

    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
        cn_free(all[k]);
    cn_fly_model_free(t->mod);
    cn_fly_graph_clear(&t->graph);
}

struct cn_fly_batch fly_toy_batch(const struct fly_toy *t, int32_t frames)
{
    return (struct cn_fly_batch){frames, t->v_at, t->I_at, t->y_at, t->graph.n, t->graph.n};
}

struct cn_fly_reference_batch fly_toy_reference_batch(const struct fly_toy *t, int32_t frames)
{
    return (struct cn_fly_reference_batch){frames, t->v, t->I, t->y};
}

static float *floats(const double *x, int64_t n)
{
    float *f = cn_alloc((size_t)n, sizeof *f);

    for (int64_t k = 0; x && k < n; k++)
        f[k] = (float)x[k];
    return f;
}

void fly_step_loss_grad(struct cn_fly_model *mod, const double *params,
                        const struct cn_fly_reference_batch *b, const struct cn_fly_coef *c,
                        const struct cn_fly_stats *stats, struct cn_fly_terms *out,
                        double *grad)
{
    int64_t n = cn_fly_model_graph(mod)->n, total = n * b->frames,
            n_params = cn_fly_model_n_params(mod);
    float *p = floats(params, n_params), *v = floats(b->v, total), *I = floats(b->I, total),
          *y = floats(b->y, total);
    float *mu = floats(stats->mu, n), *sigma = floats(stats->sigma, n);
    const float *v_at[FLY_TOY_FRAMES], *I_at[FLY_TOY_FRAMES], *y_at[FLY_TOY_FRAMES];
    struct cn_fly_batch batch = {b->frames, v_at, I_at, b->y ? y_at : NULL, n, n};
    struct cn_pool *pool = cn_pool_new(2);
    struct cn_fly_step *s = NULL;
    struct cn_err err = CN_ERR_INIT;

    for (int32_t k = 0; k < b->frames; k++) {
        v_at[k] = v + k * n;
        I_at[k] = I + k * n;
        y_at[k] = y + k * n;
    }
    for (int32_t k = 0; k < cn_fly_model_n_tensors(mod); k++)
        if (cn_fly_model_set(mod, cn_fly_model_tensor(mod, k)->name,
                             p + cn_fly_model_tensor(mod, k)->offset, &err) != CN_OK)
            die("step", &err);
    if (!pool || cn_fly_step_new(mod, b->frames, pool, &s, &err) != CN_OK)
        die("step", &err);
    cn_fly_step_set_stats(s, stats->xnorm, mu, sigma);
    if (cn_fly_step_loss_grad(s, &batch, c, out, &err) != CN_OK)
        die("step", &err);
    for (int64_t k = 0; k < n_params; k++)
        grad[k] = (double)cn_fly_step_grad(s)[k];
    cn_fly_step_free(s);
    cn_pool_free(pool);
    void *all[] = {p, v, I, y, mu, sigma};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
        cn_free(all[k]);
}

double fly_toy_worst(const struct cn_fly_model *mod, const double *got, const double *want,
                     double tol, const char *what)
{
    double scale = 0, worst = 0;

    for (int64_t k = 0; k < cn_fly_model_n_params(mod); k++)
        scale = fmax(scale, fabs(want[k]));
    for (int32_t k = 0; k < cn_fly_model_n_tensors(mod); k++) {
        const struct cn_fly_tensor *t = cn_fly_model_tensor(mod, k);
        double here = 0;
        for (int64_t j = t->offset; j < t->offset + t->count; j++)
            here =
                isnan(got[j]) ? (double)INFINITY : fmax(here, fabs(got[j] - want[j]) / scale);
        if (here > tol)
            fprintf(stderr, "%s: d%s is off by %.3g of the largest gradient\n", what, t->name,
                    here);
        worst = fmax(worst, here);
    }
    return worst;
}
