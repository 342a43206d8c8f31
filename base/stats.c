/* See stats.h.
 *
 * The quantiles are found by Newton's method from the left: the distribution function of |Z| and
 * of |T| is concave above 0, so every step stays below the answer and they rise towards it.
 */
#include "base/stats.h"

#include <math.h>
#include <stddef.h>

#include "base/banned.h"

static const struct cn_interval no_interval = {(double)NAN, (double)NAN};

/* ------------------------------------------------------------------ quantiles */

/* 0 for confidence <= 0, infinity for >= 1, else false: to be computed. */
static bool is_edge(double confidence, double *out)
{
    *out = isnan(confidence) ? (double)NAN : confidence <= 0 ? 0 : (double)INFINITY;
    return !(confidence > 0 && confidence < 1);
}

double cn_stats_normal(double confidence)
{
    double z, q = 1 - confidence;

    if (is_edge(confidence, &z))
        return z;
    z = 0;
    for (int i = 0; i < 200; i++) {
        double step = (erfc(z / sqrt(2.0)) - q) / (sqrt(2 / acos(-1.0)) * exp(-z * z / 2));

        if (!(step > 1e-14 * (1 + z)))
            break;
        z += step;
    }
    return z;
}

/* log(gamma(x)) for x > 0, without the global sign that lgamma writes: the recurrence up to 10,
 * then Stirling's series (DLMF 5.11.1). */
static double log_gamma(double x)
{
    double shift = 0, y;

    for (; x < 10; x++)
        shift += log(x);
    y = 1 / (x * x);
    return (x - 0.5) * log(x) - x + 0.5 * log(2 * acos(-1.0)) - shift +
           (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680 - y / 1188)))) / x;
}

static double off_zero(double x)
{
    return fabs(x) < 1e-300 ? 1e-300 : x;
}

/* The continued fraction of DLMF 8.17.22 by Lentz's method; good for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    double c = 1, d = 1 / off_zero(1 - (a + b) * x / (a + 1)), f = d;

    for (int m = 1; m <= 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double factor;

        d = 1 / off_zero(1 + even * d);
        c = off_zero(1 + even / c);
        f *= c * d;
        d = 1 / off_zero(1 + odd * d);
        c = off_zero(1 + odd / c);
        factor = c * d;
        f *= factor;
        if (fabs(factor - 1) < 1e-15)
            break;
    }
    return f;
}

/* I_x(a, b), y = 1 - x given apart so that neither end loses digits. */
static double beta_regularised(double x, double y, double a, double b)
{
    double front;

    if (x <= 0 || y <= 0)
        return x <= 0 ? 0 : 1;
    front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(y, b, a) / b;
}

/* P(|T| > t). */
static double student_tail(double t, double df)
{
    return beta_regularised(df / (df + t * t), t * t / (df + t * t), df / 2, 0.5);
}

static double student_density(double t, double df)
{
    return exp(log_gamma((df + 1) / 2) - log_gamma(df / 2) - 0.5 * log(df * acos(-1.0)) -
               (df + 1) / 2 * log1p(t * t / df));
}

double cn_stats_student(double confidence, double df)
{
    double t, q = 1 - confidence;

    if (!(df > 0))
        return (double)NAN;
    if (is_edge(confidence, &t))
        return t;
    t = cn_stats_normal(confidence); /* below every Student's quantile */
    if (df > 1e6)                    /* the first term of Cornish and Fisher; error 1e-12 */
        return t + (t * t * t + t) / (4 * df);
    for (int i = 0; i < 10000 && isfinite(t); i++) {
        double step = (student_tail(t, df) - q) / (2 * student_density(t, df));

        if (!(step > 1e-14 * (1 + t)))
            break;
        t += step;
    }
    return t;
}

struct cn_interval cn_stats_wilson(int64_t k, int64_t n, double confidence)
{
    double z = cn_stats_normal(confidence), p, zz, centre, half;

    if (n <= 0 || k < 0 || k > n || !isfinite(z))
        return no_interval;
    p = (double)k / (double)n;
    zz = z * z / (double)n;
    centre = (p + zz / 2) / (1 + zz);
    half = sqrt(zz * p * (1 - p) + zz * zz / 4) / (1 + zz);
    return (struct cn_interval){k == 0 ? 0 : centre - half, k == n ? 1 : centre + half};
}

/* ------------------------------------------------------------------ noise */

void cn_noise_add(struct cn_noise *p, int64_t n, double std)
{
    double df = (double)(n - 1), before = p->df > 0 ? p->df * p->std * p->std : 0;

    if (n < 2 || isnan(std))
        return;
    p->df += df;
    p->std = sqrt((before + df * std * std) / p->df);
}

struct cn_noise cn_noise_without(const struct cn_noise *p, int64_t n, double std)
{
    struct cn_noise rest = CN_NOISE_INIT;
    double df = (double)(n - 1), left;

    if (n < 2 || isnan(std))
        return *p;
    if (!(p->df - df > 0.5)) /* nothing else was in it */
        return rest;
    left = p->df * p->std * p->std - df * std * std;
    rest.df = p->df - df;
    rest.std = sqrt(left > 0 ? left / rest.df : 0);
    return rest;
}

struct cn_sample cn_stats_sample(const double *x, int64_t n)
{
    struct cn_sample s = {n > 0 ? n : 0, (double)NAN, (double)NAN};
    double sum = 0, squares = 0;

    if (n < 1)
        return s;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    s.mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - s.mean) * (x[i] - s.mean);
    if (n > 1)
        s.std = sqrt(squares / (double)(n - 1));
    return s;
}

/* ------------------------------------------------------------------ intervals */

/* The two estimates of a config's variance, as weights that sum to 1. */
struct shares {
    double own_df, pool_df;
    double own, pool; /* share times variance */
    bool known;
};

static struct shares share(const struct cn_sample *a, const struct cn_noise *noise)
{
    struct shares s = {0};
    double df;

    if (a->n < 1 || isnan(a->mean))
        return s;
    s.own_df = a->n > 1 && !isnan(a->std) ? (double)(a->n - 1) : 0;
    if (noise && noise->df > 0 && !isnan(noise->std))
        s.pool_df = fmin(noise->df, CN_STATS_POOL_DF);
    df = s.own_df + s.pool_df;
    s.known = df > 0;
    if (s.own_df > 0)
        s.own = s.own_df / df * a->std * a->std;
    if (s.pool_df > 0)
        s.pool = s.pool_df / df * noise->std * noise->std;
    return s;
}

struct cn_interval cn_stats_mean(const struct cn_sample *a, const struct cn_noise *noise,
                                 double confidence)
{
    struct shares s = share(a, noise);
    double half;

    if (!s.known)
        return no_interval;
    half = cn_stats_student(confidence, s.own_df + s.pool_df) *
           sqrt((s.own + s.pool) / (double)a->n);
    return (struct cn_interval){a->mean - half, a->mean + half};
}

static struct cn_difference judged(double mean, double half)
{
    struct cn_difference d = {.mean = mean, .lo = mean - half, .hi = mean + half};

    d.known = !isnan(d.lo) && !isnan(d.hi);
    d.better = d.known && d.lo > 0;
    d.worse = d.known && d.hi < 0;
    return d;
}

/* Welch's degrees of freedom of a sum of independent variances. The pool is one part of it, not
 * one of each side: both sides lean on the same estimate. */
static double welch(const double *part, const double *df, int n)
{
    double sum = 0, below = 0, all = 0;

    for (int i = 0; i < n; i++) {
        sum += part[i];
        all += df[i];
        if (df[i] > 0)
            below += part[i] * part[i] / df[i];
    }
    return below > 0 ? sum * sum / below : all;
}

struct cn_difference cn_stats_difference(const struct cn_sample *a, const struct cn_sample *b,
                                         const struct cn_noise *noise, double confidence)
{
    struct shares p = share(a, noise), q = share(b, noise);
    double part[3], df[3] = {p.own_df, q.own_df, fmax(p.pool_df, q.pool_df)};

    if (!p.known || !q.known)
        return judged(a->n > 0 && b->n > 0 ? a->mean - b->mean : (double)NAN, (double)NAN);
    part[0] = p.own / (double)a->n;
    part[1] = q.own / (double)b->n;
    part[2] = p.pool / (double)a->n + q.pool / (double)b->n;
    return judged(a->mean - b->mean, cn_stats_student(confidence, welch(part, df, 3)) *
                                         sqrt(part[0] + part[1] + part[2]));
}

struct cn_difference cn_stats_paired(const double *d, int64_t n, double confidence)
{
    struct cn_sample s = cn_stats_sample(d, n);

    if (n < 2)
        return judged(s.mean, (double)NAN);
    return judged(s.mean,
                  cn_stats_student(confidence, (double)(n - 1)) * s.std / sqrt((double)n));
}

/* ------------------------------------------------------------------ stability */

/* Standard deviation over mean, in parts, of the runs that gave a number. */
static double variation(const double *x, int64_t n)
{
    double mean = 0, squares = 0;
    int64_t k = 0;

    for (int64_t i = 0; i < n; i++)
        if (!isnan(x[i]))
            mean += (x[i] - mean) / (double)++k;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(x[i]))
            squares += (x[i] - mean) * (x[i] - mean);
    if (k < 2 || !(squares > 0))
        return 0;
    return sqrt(squares / (double)(k - 1)) / fabs(mean);
}

cn_stability cn_stats_stability(const double *rewards, int64_t n, double threshold,
                                double floor, bool *opt_few)
{
    int64_t reached = 0;
    double cv;

    if (opt_few)
        *opt_few = n < 4;
    if (n < 2 || isnan(threshold))
        return CN_STABILITY_UNKNOWN;
    for (int64_t i = 0; i < n; i++) {
        if (!isnan(floor) && !(rewards[i] >= floor))
            return CN_STABILITY_DISQUALIFIED;
        reached += rewards[i] >= threshold;
    }
    if (reached < n)
        return 2 * reached >= n ? CN_STABILITY_PARTIAL : CN_STABILITY_FRAGILE;
    cv = variation(rewards, n);
    return cv < 0.03   ? CN_STABILITY_STABLE
           : cv < 0.05 ? CN_STABILITY_ROBUST
                       : CN_STABILITY_VARIABLE;
}

const char *cn_stability_name(cn_stability s)
{
    static const char *const names[] = {"",        "stable-robust", "robust",      "variable",
                                        "partial", "fragile",       "disqualified"};

    return s >= 0 && (size_t)s < sizeof names / sizeof *names ? names[s] : "";
}
