/* Kernels of one coordinate; see tpe_int.h.
 *
 * Besides its place on the scale a value may be off or absent. A component keeps its own state
 * but for a share `blur` of it, which is spread as the uniform component spreads it; the same
 * share of a choice is spread over all its values (Aitchison & Aitken 1976). */
#include <math.h>

#include "base/banned.h"
#include "ucb/tpe_int.h"

#define OFF_SHARE    .1 /* of the uniform component: what is not known to be on */
#define ABSENT_SHARE .1
#define TINY         1e-300

/* ---- the normal distribution ---- */

static double normal_below(double x)
{
    return .5 * erfc(-x / sqrt(2.0));
}

/* P(a < Z < b) without cancellation in the upper tail. */
static double normal_between(double a, double b)
{
    return a > 0 ? normal_below(-a) - normal_below(-b) : normal_below(b) - normal_below(a);
}

/* Acklam's rational approximation (relative error 1.2e-9), enough for draws. */
static double normal_quantile(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01,
                               2.445134137142996e+00, 3.754408661907416e+00};
    double q, r;

    if (p < .02425 || p > 1 - .02425) {
        q = sqrt(-2 * log(fmax(p < .5 ? p : 1 - p, TINY)));
        r = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
            ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
        return p < .5 ? r : -r;
    }
    q = p - .5;
    r = q * q;
    return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
           (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

/* ---- axes ---- */

struct cn_axis cn_axis_of(const struct cn_param *p)
{
    struct cn_axis a = {.param = *p};

    a.discrete = p->type != CN_PARAM_FLOAT;
    a.numeric = p->type == CN_PARAM_FLOAT || p->type == CN_PARAM_INT ||
                (p->type == CN_PARAM_CHOICE && p->ordered);
    a.can_off = p->type == CN_PARAM_FLOAT && p->log && p->lo <= 0;
    a.n_values = p->type == CN_PARAM_BOOL ? 2 : p->n_choices;
    return a;
}

struct cn_coord cn_axis_coord(const struct cn_axis *a, double x)
{
    struct cn_coord c = {.state = CN_COORD_VALUE, .z = x};

    if (isnan(x)) {
        c.state = CN_COORD_ABSENT;
    } else if (cn_space_is_off(&a->param, x)) {
        c.state = CN_COORD_OFF;
    } else if (a->numeric) {
        /* Beyond a whole range from the edge nothing changes any more. */
        c.z = fmin(fmax(cn_space_place(&a->param, x), -1.0), 2.0);
        if (a->discrete)
            cn_space_cell(&a->param, x, &c.lo, &c.hi);
    }
    return c;
}

/* ---- kernels ---- */

static double blur_of(double sigma)
{
    return fmin(2 * sigma, 1.0);
}

/* How the uniform component spreads over the states. */
static double state_share(const struct cn_axis *a, cn_coord_state s)
{
    double absent = a->may_lack ? ABSENT_SHARE : 0, off = a->can_off ? OFF_SHARE : 0;

    return s == CN_COORD_ABSENT ? absent
           : s == CN_COORD_OFF  ? (1 - absent) * off
                                : (1 - absent) * (1 - off);
}

double cn_kernel_mass(double z, double sigma)
{
    double at = fmin(fmax(z, 0.0), 1.0);

    return normal_between(-at / sigma, (1 - at) / sigma);
}

static double log_uniform_value(const struct cn_axis *a, const struct cn_coord *x)
{
    if (!a->discrete)
        return 0;
    return a->numeric ? log(fmax(x->hi - x->lo, TINY)) : -log(a->n_values);
}

static double log_value(const struct cn_axis *a, const struct cn_coord *c, double sigma,
                        double log_mass, const struct cn_coord *x)
{
    double u, blur;

    if (!a->numeric) {
        blur = blur_of(sigma);
        return log((x->z == c->z ? 1 - blur : 0) + blur / a->n_values);
    }
    if (a->discrete)
        return log(fmax(normal_between((x->lo - c->z) / sigma, (x->hi - c->z) / sigma), TINY)) -
               log_mass;
    u = (x->z - c->z) / sigma;
    return -.5 * u * u - log(sigma * sqrt(2 * acos(-1.0))) - log_mass;
}

double cn_kernel_log(const struct cn_axis *a, const struct cn_coord *c, double sigma,
                     double log_mass, const struct cn_coord *x)
{
    double sum = 0, blur;

    if (a->can_off || a->may_lack) {
        blur = blur_of(sigma);
        sum = log(fmax((x->state == c->state ? 1 - blur : 0) + blur * state_share(a, x->state),
                       TINY));
    }
    if (x->state != CN_COORD_VALUE)
        return sum;
    return sum + (c->state == CN_COORD_VALUE ? log_value(a, c, sigma, log_mass, x)
                                             : log_uniform_value(a, x));
}

double cn_kernel_log_uniform(const struct cn_axis *a, const struct cn_coord *x)
{
    double sum = a->can_off || a->may_lack ? log(fmax(state_share(a, x->state), TINY)) : 0;

    return x->state == CN_COORD_VALUE ? sum + log_uniform_value(a, x) : sum;
}

/* ---- draws ---- */

static double draw_value(const struct cn_axis *a, const struct cn_coord *opt_c, double sigma,
                         double u)
{
    double blur = blur_of(sigma), below, mass, at;

    if (!opt_c || opt_c->state != CN_COORD_VALUE)
        return cn_space_from_unit(&a->param, u);
    if (!a->numeric)
        return u < blur ? cn_space_from_unit(&a->param, u / blur) : opt_c->z;
    at = fmin(fmax(opt_c->z, 0.0), 1.0);
    below = normal_below(-at / sigma);
    mass = cn_kernel_mass(at, sigma);
    at += sigma * normal_quantile(below + u * mass);
    return cn_space_from_unit(&a->param, fmin(fmax(at, 0.0), 1 - 1e-12));
}

double cn_kernel_draw(const struct cn_axis *a, const struct cn_coord *opt_c, double sigma,
                      struct cn_rng *r)
{
    double w = cn_rng_uniform(r), u = cn_rng_uniform(r), off = a->can_off ? OFF_SHARE : 0;

    if (opt_c && opt_c->state != CN_COORD_ABSENT)
        off = (opt_c->state == CN_COORD_OFF ? 1 - blur_of(sigma) : 0) + blur_of(sigma) * off;
    return a->can_off && w < off ? 0 : draw_value(a, opt_c, sigma, u);
}
