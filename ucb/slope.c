/* The posterior of one parameter's line and parabola; see slope.h. */
#include "ucb/slope.h"

#include <math.h>

#include "base/banned.h"

/* A step of .15 of the range usually changes the reward by about one scale; optima lie inside
 * the range more often than not (a negative bend); a gain carries noise of a third of a scale.
 * Results of test_ucb_search change little when any of these is halved or doubled. */
#define SLOPE_SD  (1 / .15)
#define BEND_MEAN (-6.0)
#define BEND_SD   6.0
#define NOISE_SD  .3

void cn_slope_init(struct cn_slope *s, double scale)
{
    double pa = 1 / (SLOPE_SD * scale * SLOPE_SD * scale);
    double pb = 1 / (BEND_SD * scale * BEND_SD * scale);

    *s = (struct cn_slope){scale, {pa, 0, pb}, {0, pb * BEND_MEAN * scale}, 0};
}

void cn_slope_add(struct cn_slope *s, double d_from, double d_to, double gain)
{
    double u = d_to - d_from, v = d_to * d_to - d_from * d_from;
    double w = 1 / (NOISE_SD * s->scale * NOISE_SD * s->scale);

    s->precision[0] += w * u * u;
    s->precision[1] += w * u * v;
    s->precision[2] += w * v * v;
    s->rhs[0] += w * u * gain;
    s->rhs[1] += w * v * gain;
    s->n++;
}

/* precision = L L^T. Solving L^T x = L^-1 rhs + n gives the mean for n = 0, and a draw for
 * normal n, because L^-T n has the covariance (L L^T)^-1. */
static void solve(const struct cn_slope *s, double n0, double n1, double out[2])
{
    double l00 = sqrt(s->precision[0]), l10 = s->precision[1] / l00;
    double l11 = sqrt(fmax(s->precision[2] - l10 * l10, 1e-12 * s->precision[2]));
    double y0 = s->rhs[0] / l00, y1 = (s->rhs[1] - l10 * y0) / l11;

    out[1] = (y1 + n1) / l11;
    out[0] = (y0 + n0 - l10 * out[1]) / l00;
}

void cn_slope_draw(const struct cn_slope *s, struct cn_rng *r, double out[2])
{
    double n0 = cn_rng_normal(r), n1 = cn_rng_normal(r);

    solve(s, n0, n1, out);
}

void cn_slope_mean(const struct cn_slope *s, double out[2])
{
    solve(s, 0, 0, out);
}
