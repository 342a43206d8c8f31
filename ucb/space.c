/* Parameters and their scales; see space.h. */
#include "ucb/space.h"

#include <math.h>

#include "base/banned.h"
#include "base/rng.h"

enum { STREAM_SPACE = 0x5face };

static cn_status check_range(const struct cn_param *p, struct cn_err *err)
{
    if (!isfinite(p->lo) || !isfinite(p->hi) || p->lo > p->hi)
        return cn_err_set(err, CN_EINPUT, "%s: range %g to %g: finite bounds, lower first",
                          p->path, p->lo, p->hi);
    if (!(p->hard_lo <= p->lo && p->hi <= p->hard_hi))
        return cn_err_set(err, CN_EINPUT, "%s: range %g to %g reaches outside %g to %g",
                          p->path, p->lo, p->hi, p->hard_lo, p->hard_hi);
    if (p->log && (p->lo < 0 || p->hi <= 0))
        return cn_err_set(err, CN_EINPUT,
                          "%s: range %g to %g: a log scale wants positive bounds", p->path,
                          p->lo, p->hi);
    if (p->type == CN_PARAM_INT && ceil(p->lo) > floor(p->hi))
        return cn_err_set(err, CN_EINPUT, "%s: range %g to %g holds no whole number", p->path,
                          p->lo, p->hi);
    return CN_OK;
}

cn_status cn_space_check(const struct cn_space *s, struct cn_err *err)
{
    if (s->n < 0 || s->n > CN_SPACE_PARAMS)
        return cn_err_set(err, CN_ECAP, "space: %d parameters, at most %d", (int)s->n,
                          (int)CN_SPACE_PARAMS);
    for (int32_t i = 0; i < s->n; i++) {
        const struct cn_param *p = &s->params[i];
        cn_status st = CN_OK;

        if (p->type == CN_PARAM_FLOAT || p->type == CN_PARAM_INT)
            st = check_range(p, err);
        else if (p->type == CN_PARAM_CHOICE && p->n_choices < 1)
            st = cn_err_set(err, CN_EINPUT, "%s: a choice of no values", p->path);
        if (st != CN_OK)
            return st;
    }
    return CN_OK;
}

/* Equal shares of [0,1) to 0..n-1. */
static double share(double u, double n)
{
    double k = floor(u * n);

    return k < 0 ? 0 : k > n - 1 ? n - 1 : k;
}

static double log_floor(const struct cn_param *p)
{
    return p->lo > 0 ? p->lo : p->hi * CN_SPACE_LOG_FLOOR;
}

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* Ints take the half-open cells around them, so that the end values get their whole share. */
static double int_lo(const struct cn_param *p)
{
    return ceil(p->lo);
}

static double int_hi(const struct cn_param *p)
{
    return floor(p->hi);
}

static double int_from_unit(const struct cn_param *p, double u)
{
    double a = int_lo(p), b = int_hi(p);

    if (p->log && a > 0) {
        double la = log(a - .5 > 0 ? a - .5 : .5), lb = log(b + .5);

        return clamp(floor(exp(la + u * (lb - la)) + .5), a, b);
    }
    return a + share(u, b - a + 1);
}

double cn_space_from_unit(const struct cn_param *p, double u)
{
    switch (p->type) {
    case CN_PARAM_BOOL:
        return share(u, 2);
    case CN_PARAM_CHOICE:
        return share(u, p->n_choices);
    case CN_PARAM_INT:
        return int_from_unit(p, u);
    case CN_PARAM_FLOAT:
        break;
    }
    if (p->log) {
        double a = log(log_floor(p));

        return clamp(exp(a + u * (log(p->hi) - a)), p->lo, p->hi);
    }
    return clamp(p->lo + u * (p->hi - p->lo), p->lo, p->hi);
}

static double int_to_unit(const struct cn_param *p, double x)
{
    double a = int_lo(p), b = int_hi(p);

    if (p->log && a > 0) {
        double la = log(a - .5 > 0 ? a - .5 : .5), lb = log(b + .5);

        return (log(x > .5 ? x : .5) - la) / (lb - la);
    }
    return (x - a + .5) / (b - a + 1);
}

double cn_space_place(const struct cn_param *p, double x)
{
    double a, u = .5;

    switch (p->type) {
    case CN_PARAM_BOOL:
        u = (x + .5) / 2;
        break;
    case CN_PARAM_CHOICE:
        u = (x + .5) / p->n_choices;
        break;
    case CN_PARAM_INT:
        u = int_to_unit(p, x);
        break;
    case CN_PARAM_FLOAT:
        if (p->hi <= p->lo)
            break;
        a = log_floor(p);
        if (p->log) /* below the floor of a range from 0 the scale has no more places */
            u = log((x > 0 && p->lo > 0 ? x : x > a ? x : a) / a) / log(p->hi / a);
        else
            u = (x - p->lo) / (p->hi - p->lo);
        break;
    }
    return u;
}

double cn_space_to_unit(const struct cn_param *p, double x)
{
    return clamp(cn_space_place(p, x), 0.0, 1.0);
}

bool cn_space_is_off(const struct cn_param *p, double x)
{
    return p->type == CN_PARAM_FLOAT && p->log && p->lo <= 0 && x <= 0;
}

void cn_space_cell(const struct cn_param *p, double x, double *out_lo, double *out_hi)
{
    double n = p->type == CN_PARAM_INT    ? int_hi(p) - int_lo(p) + 1
               : p->type == CN_PARAM_BOOL ? 2
                                          : p->n_choices;
    double k = p->type == CN_PARAM_INT ? x - int_lo(p) : x;

    if (p->type == CN_PARAM_INT && p->log && int_lo(p) > 0) {
        double la = log(int_lo(p) - .5), lb = log(int_hi(p) + .5);

        *out_lo = (log(x - .5 > 0 ? x - .5 : .5) - la) / (lb - la);
        *out_hi = (log(x + .5 > 0 ? x + .5 : .5) - la) / (lb - la);
        return;
    }
    *out_lo = k / n;
    *out_hi = (k + 1) / n;
}

void cn_space_random(const struct cn_space *s, uint64_t seed, int64_t iteration, uint64_t retry,
                     double *out)
{
    struct cn_rng r;

    cn_rng_init(&r, seed, ((uint64_t)STREAM_SPACE << 32) ^ (uint64_t)iteration);
    cn_rng_seek(&r, retry * 2u * (uint64_t)(s->n > 0 ? s->n : 1));
    for (int32_t i = 0; i < s->n; i++)
        out[i] = cn_space_from_unit(&s->params[i], cn_rng_uniform(&r));
}
