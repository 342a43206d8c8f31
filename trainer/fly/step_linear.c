/* The step's phases for flyvis_linear: the same shape, with the known equation in the place of
 * g and f. See step.c. */
#include <math.h>

#include "base/banned.h"
#include "trainer/fly/step_int.h"

void cn_fly_linear_forward_chunk(void *ctx, int64_t c)
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

void cn_fly_linear_chunk(void *ctx, int64_t c)
{
    struct cn_fly_step *s = ctx;
    struct cn_edges in = cn_fly_in_edges(s->mod);
    int64_t lo = cn_fly_step_start(s, c), hi = cn_fly_step_start(s, c + 1);

    s->kernels->gather(&in, lo, hi, s->ld, s->G, s->m);
    for (int64_t i = lo; i < hi; i++)
        linear_neuron(s, &s->part[c], i);
}

void cn_fly_linear_scale(struct cn_fly_step *s)
{
    for (int64_t k = s->mod->otau; k < s->mod->n_params; k++)
        s->grad[k] *= (float)s->scale;
}
