#include "trainer/fly/observe.h"

#include <math.h>

#include "base/banned.h"

static double drive(cn_calcium kind, double v)
{
    switch (kind) {
    case CN_CALCIUM_SOFTPLUS:
        return v > 0 ? v + log1p(exp(-v)) : log1p(exp(v));
    case CN_CALCIUM_RELU:
        return v > 0 ? v : 0;
    case CN_CALCIUM_TANH:
        return 1 + tanh(v);
    case CN_CALCIUM_IDENTITY:
        break;
    }
    return v;
}

void cn_fly_calcium_step(int64_t n, cn_calcium kind, double dt, double tau,
                         const double *v_next, double *c, double *out_y)
{
    for (int64_t i = 0; i < n; i++) {
        const double rate = (-c[i] + drive(kind, v_next[i])) / tau;

        out_y[i] = rate;
        c[i] += dt * rate;
    }
}

/* ratio x count, rounded half to even (the default rounding mode), at least 1. */
static int64_t share(int64_t count, double ratio)
{
    const int64_t rounded = (int64_t)nearbyint((double)count * ratio);

    return rounded < 1 ? 1 : rounded;
}

int64_t cn_fly_null_edges(int64_t n_neurons, int64_t out_degree, bool has_self_edge,
                          double ratio)
{
    const int64_t taken = out_degree - (has_self_edge ? 1 : 0), open = n_neurons - 1 - taken;

    if (out_degree == 0)
        return 0;
    return share(out_degree, ratio) < open ? share(out_degree, ratio) : open;
}

int64_t cn_fly_removed_edges(int64_t out_degree, double ratio)
{
    if (out_degree == 0)
        return 0;
    return share(out_degree, ratio) < out_degree ? share(out_degree, ratio) : out_degree - 1;
}

int64_t cn_fly_kept_edges(int64_t e, double ratio)
{
    return (int64_t)((double)e * (1 - ratio));
}

int64_t cn_fly_ablated_edges(int64_t e, double ratio)
{
    return (int64_t)nearbyint((double)e * ratio);
}

int64_t cn_fly_training_videos(int64_t n)
{
    return (int64_t)(.8 * (double)n);
}
