/* Definitions of section 5 of the FlyVis notes; see the header for which R2 is which. */
#include "trainer/fly/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"

/* ---- 1. two arrays ---- */

static int kept(const uint8_t *keep, int64_t i)
{
    return !keep || keep[i];
}

/* Means of both arrays over the kept pairs; returns how many there are. */
static int64_t means(const double *x, const double *y, const uint8_t *keep, int64_t n,
                     double *out_mx, double *out_my)
{
    double sx = 0, sy = 0;
    int64_t m = 0;

    for (int64_t i = 0; i < n; i++) {
        if (!kept(keep, i))
            continue;
        sx += x[i];
        sy += y[i];
        m++;
    }
    *out_mx = m ? sx / (double)m : 0;
    *out_my = m ? sy / (double)m : 0;
    return m;
}

struct cn_fly_fit cn_fly_fit(const double *truth, const double *learned, const uint8_t *keep,
                             int64_t n)
{
    struct cn_fly_fit fit = {0, 0, 0, 0};
    double mx, my, sxx = 0, sxy = 0, syy = 0, ssres = 0;

    fit.n = means(truth, learned, keep, n, &mx, &my);
    for (int64_t i = 0; i < n; i++) {
        if (!kept(keep, i))
            continue;
        sxx += (truth[i] - mx) * (truth[i] - mx);
        sxy += (truth[i] - mx) * (learned[i] - my);
        syy += (learned[i] - my) * (learned[i] - my);
    }
    if (!(sxx > 0))
        return fit;
    fit.slope = sxy / sxx;
    fit.offset = my - fit.slope * mx;
    if (!(syy > 0))
        return fit;
    /* Residuals are summed, not derived from the sums above: near a perfect fit the difference
     * would be noise. */
    for (int64_t i = 0; i < n; i++) {
        if (!kept(keep, i))
            continue;
        double r = (learned[i] - my) - fit.slope * (truth[i] - mx);
        ssres += r * r;
    }
    fit.r2 = 1 - ssres / syy;
    return fit;
}

double cn_fly_r2_identity(const double *truth, const double *learned, const uint8_t *keep,
                          int64_t n)
{
    double mx, my, sst = 0, sse = 0;

    (void)means(truth, learned, keep, n, &mx, &my);
    for (int64_t i = 0; i < n; i++) {
        if (!kept(keep, i))
            continue;
        sst += (truth[i] - mx) * (truth[i] - mx);
        sse += (learned[i] - truth[i]) * (learned[i] - truth[i]);
    }
    return sst > 0 ? 1 - sse / sst : (double)NAN;
}

/* ---- 2. slopes ---- */

void cn_fly_slope_range(double mu, double sigma, int of_g, double *out_lo, double *out_hi)
{
    double lo = mu - 2 * sigma;

    *out_lo = of_g && lo < 0 ? 0 : lo;
    *out_hi = mu + 2 * sigma;
}

void cn_fly_line(double lo, double hi, const double *y, int64_t n, double *out_slope,
                 double *out_offset)
{
    double step = n > 1 ? (hi - lo) / (double)(n - 1) : 0;
    double mx = lo + step * (double)(n - 1) / 2, my = 0, sxx = 0, sxy = 0;

    *out_slope = 0;
    *out_offset = 0;
    for (int64_t k = 0; k < n; k++)
        my += y[k];
    my /= (double)n;
    for (int64_t k = 0; k < n; k++) {
        double dx = lo + step * (double)k - mx;
        sxx += dx * dx;
        sxy += dx * (y[k] - my);
    }
    if ((double)n * sxx <= 1e-12) /* n Sxx - Sx^2 = n * sum of squared deviations */
        return;
    *out_slope = sxy / sxx;
    *out_offset = my - *out_slope * mx;
}

void cn_fly_gm_frames(int64_t T, int64_t out[CN_FLY_GM_FRAMES])
{
    double first = (double)(T / 10), last = (double)(T - 100);
    double step;

    if (last < first)
        last = (double)(T - 1);
    step = (last - first) / (CN_FLY_GM_FRAMES - 1);
    for (int k = 0; k < CN_FLY_GM_FRAMES; k++)
        out[k] = (int64_t)(first + step * k);
    out[CN_FLY_GM_FRAMES - 1] = (int64_t)last; /* exactly the end, whatever step*7 rounds to */
}

double cn_fly_lower_median8(double v[CN_FLY_GM_FRAMES])
{
    for (int i = 1; i < CN_FLY_GM_FRAMES; i++) {
        double x = v[i];
        int j = i;

        for (; j > 0 && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
    return v[CN_FLY_GM_FRAMES / 2 - 1];
}

/* ---- 3. connectivity, tau, V_rest ---- */

int64_t cn_fly_correct(int64_t e, const int32_t *src, const int32_t *dst, const double *W,
                       const double *s_g, const double *gm, const double *s_f, double *out_star)
{
    int64_t bad = 0;

    for (int64_t k = 0; k < e; k++) {
        double w = -W[k] * s_g[src[k]] * gm[dst[k]] / s_f[dst[k]];

        if (!isfinite(w)) {
            w = 0;
            bad++;
        }
        out_star[k] = w;
    }
    return bad;
}

int64_t cn_fly_outliers(const double *truth, const double *star, int64_t e, uint8_t *out_keep)
{
    int64_t dropped = 0;

    for (int64_t k = 0; k < e; k++) {
        out_keep[k] = fabs(star[k] - truth[k]) <= 5;
        dropped += !out_keep[k];
    }
    return dropped;
}

void cn_fly_dynamics(int64_t n, const double *s_f, const double *o_f, double *out_tau,
                     double *out_V)
{
    for (int64_t i = 0; i < n; i++) {
        double tau = s_f[i] == 0 ? 1 : -1 / s_f[i];

        out_tau[i] = tau < 0 ? 0 : tau > 1 ? 1 : tau;
        out_V[i] = s_f[i] == 0 ? 1 : -o_f[i] / s_f[i];
    }
}

/* ---- 4. traces ---- */

/* Per neuron: [0] first truth (the shift), then sums of t, p, t^2, p^2, t*p, e, e^2 with t, p
 * shifted and e = p - truth. The shift keeps the one-pass variances exact for a constant trace
 * and accurate for the rest. */
enum { T0, ST, SP, STT, SPP, STP, SE, SEE };

cn_status cn_fly_traces_init(struct cn_fly_traces *t, int64_t n, struct cn_err *err)
{
    t->n = n;
    t->frames = 0;
    t->sum = cn_alloc((size_t)n, CN_FLY_TRACE_SUMS * sizeof(double));
    if (!t->sum)
        return cn_err_set(err, CN_ENOMEM, "no memory for the traces of %lld neurons",
                          (long long)n);
    return CN_OK;
}

void cn_fly_traces_clear(struct cn_fly_traces *t)
{
    cn_free(t->sum);
    t->sum = NULL;
    t->n = t->frames = 0;
}

void cn_fly_traces_add(struct cn_fly_traces *t, const double *truth, const double *predicted)
{
    for (int64_t i = 0; i < t->n; i++) {
        double *s = t->sum + i * CN_FLY_TRACE_SUMS;

        if (t->frames == 0)
            s[T0] = truth[i];
        double a = truth[i] - s[T0], p = predicted[i] - s[T0], e = predicted[i] - truth[i];
        s[ST] += a;
        s[SP] += p;
        s[STT] += a * a;
        s[SPP] += p * p;
        s[STP] += a * p;
        s[SE] += e;
        s[SEE] += e * e;
    }
    t->frames++;
}

static double var_of(double sum, double sum2, double n)
{
    double var = sum2 / n - (sum / n) * (sum / n);

    return var > 0 ? var : 0;
}

static double pearson_of(const double *s, double n)
{
    double vt = var_of(s[ST], s[STT], n), vp = var_of(s[SP], s[SPP], n);

    if (!(sqrt(vt) > 1e-8) || !(sqrt(vp) > 1e-8))
        return NAN;
    return (s[STP] / n - s[ST] / n * (s[SP] / n)) / sqrt(vt * vp);
}

static double r2_of(const double *s, double n)
{
    double sst = var_of(s[ST], s[STT], n) * n;

    return sst > 1e-8 ? 1 - s[SEE] / sst : (double)NAN;
}

void cn_fly_traces_get(const struct cn_fly_traces *t, double *rmse, double *pearson,
                       double *feve, double *r2)
{
    double n = (double)t->frames;

    for (int64_t i = 0; i < t->n; i++) {
        const double *s = t->sum + i * CN_FLY_TRACE_SUMS;

        if (rmse)
            rmse[i] = sqrt(s[SEE] / n);
        if (pearson)
            pearson[i] = pearson_of(s, n);
        if (feve)
            feve[i] = 1 - var_of(s[SE], s[SEE], n) / (var_of(s[ST], s[STT], n) + 1e-8);
        if (r2)
            r2[i] = r2_of(s, n);
    }
}

/* Mean and population std; NaN means "undefined for this neuron" and is left out, unless `all`
 * values are always defined: then a NaN is a broken prediction and must show. */
static void mean_std(const double *x, int64_t n, bool all, double *out_mean, double *out_std)
{
    double s = 0, s2 = 0;
    int64_t m = 0;

    for (int64_t i = 0; i < n; i++) {
        if (!all && isnan(x[i]))
            continue;
        s += x[i];
        m++;
    }
    *out_mean = m ? s / (double)m : (double)NAN;
    for (int64_t i = 0; i < n; i++)
        if (all || !isnan(x[i]))
            s2 += (x[i] - *out_mean) * (x[i] - *out_mean);
    if (out_std)
        *out_std = m ? sqrt(s2 / (double)m) : (double)NAN;
}

cn_status cn_fly_traces_stats(const struct cn_fly_traces *t, struct cn_fly_trace_stats *out,
                              struct cn_err *err)
{
    double *x = cn_alloc((size_t)t->n, 4 * sizeof *x);
    int64_t n = t->n;

    memset(out, 0, sizeof *out);
    if (!x)
        return cn_err_set(err, CN_ENOMEM, "no memory for trace statistics of %lld neurons",
                          (long long)n);
    cn_fly_traces_get(t, x, x + n, x + 2 * n, x + 3 * n);
    mean_std(x, n, true, &out->rmse, &out->rmse_std);
    mean_std(x + n, n, false, &out->pearson, &out->pearson_std);
    mean_std(x + 2 * n, n, true, &out->feve, NULL);
    mean_std(x + 3 * n, n, false, &out->r2, NULL);
    cn_free(x);
    return CN_OK;
}

/* ---- 5. the evaluator checks itself ---- */

struct selftest {
    const double *truth;
    double *star; /* (e) */
    int64_t e;
    struct cn_err *err;
};

static cn_status expect(struct selftest *t, const char *what, double value, double lo,
                        double hi)
{
    if (value >= lo && value <= hi) /* false for NaN */
        return CN_OK;
    return cn_err_set(t->err, CN_EINPUT,
                      "evaluator self-test: %s is %g on %lld weights, expected %g..%g", what,
                      value, (long long)t->e, lo, hi);
}

static void scale_into(struct selftest *t, double c)
{
    for (int64_t k = 0; k < t->e; k++)
        t->star[k] = c * t->truth[k];
}

static double squared_correlation(const struct selftest *t)
{
    return cn_fly_fit(t->truth, t->star, NULL, t->e).r2;
}

static double identity(const struct selftest *t)
{
    return cn_fly_r2_identity(t->truth, t->star, NULL, t->e);
}

/* A permutation keeps mean and variance, so R2 against identity tends to -1 and the squared
 * correlation to 0; the bound allows chance, which shrinks with the number of weights. */
static cn_status check_shuffled(struct selftest *t)
{
    struct cn_rng r;
    double bound = t->e >= 20 ? 20.0 / (double)t->e + 0.02 : 1.0;

    scale_into(t, 1);
    cn_rng_init(&r, 1, 0x5e1f7e57u);
    for (int64_t k = t->e - 1; k > 0; k--) {
        int64_t j = (int64_t)cn_rng_below(&r, (uint64_t)k + 1);
        double w = t->star[k];

        t->star[k] = t->star[j];
        t->star[j] = w;
    }
    return expect(t, "squared correlation of shuffled weights", squared_correlation(t), 0,
                  bound < 1 ? bound : 1);
}

static cn_status check_scaled(struct selftest *t, const char *what, double c, double worst)
{
    cn_status st;

    scale_into(t, c);
    st = expect(t, what, squared_correlation(t), 1 - 1e-9, 1 + 1e-9);
    if (st == CN_OK)
        st = expect(t, what, identity(t), -INFINITY, worst);
    if (st == CN_OK)
        st = expect(t, what, cn_fly_fit(t->truth, t->star, NULL, t->e).slope,
                    c - 1e-9 * fabs(c), c + 1e-9 * fabs(c));
    return st;
}

/* A known gauge: W learned = W / (s_g gm tau) with s_f = -1/tau must be undone exactly. */
static cn_status check_gauge(struct selftest *t)
{
    const double s_g = 0.4, gm = 25, tau = 0.05, s_f = -1 / tau;
    const int32_t zero = 0;
    double worst = 0;

    for (int64_t k = 0; k < t->e; k++) {
        double w = t->truth[k] / (s_g * gm * tau), star;

        (void)cn_fly_correct(1, &zero, &zero, &w, &s_g, &gm, &s_f, &star);
        worst = fmax(worst, fabs(star - t->truth[k]) / (1 + fabs(t->truth[k])));
    }
    return expect(t, "error of the gauge correction", worst, 0, 1e-12);
}

cn_status cn_fly_metrics_selftest(const double *W_true, int64_t e, struct cn_err *err)
{
    struct selftest t = {W_true, NULL, e, err};
    cn_status st;

    t.star = e > 0 ? cn_alloc((size_t)e, sizeof(double)) : NULL;
    if (!t.star)
        return cn_err_set(err, e > 0 ? CN_ENOMEM : CN_EINPUT,
                          "evaluator self-test: no room for %lld weights", (long long)e);
    scale_into(&t, 1);
    st = expect(&t, "squared correlation of the true weights", squared_correlation(&t),
                1 - 1e-12, 1 + 1e-12);
    if (st == CN_OK)
        st = expect(&t, "R2 against identity of the true weights", identity(&t), 1, 1);
    if (st == CN_OK)
        st = check_shuffled(&t);
    if (st == CN_OK)
        st = check_scaled(&t, "R2 of sign-flipped weights", -1, -1);
    if (st == CN_OK)
        st = check_scaled(&t, "R2 of weights scaled by 2.5", 2.5, 0);
    if (st == CN_OK)
        st = check_gauge(&t);
    cn_free(t.star);
    return st;
}
