/* The Parzen estimator; see tpe.h.
 *
 * 1. ranks and weights
 * 2. mixtures
 * 3. densities and the gain
 * 4. draws
 * 5. reasons */
#include "ucb/tpe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "ucb/tpe_int.h"

enum { STREAM_DRAW = 0x79e1, STREAM_ONE = 0x79e2 };

/* Components of one density, all of one width. */
struct mixture {
    int32_t *at;      /* owned; observations */
    double *log_mass; /* owned; double[n * d], of their Gaussians */
    int64_t n;
    double sigma, total, prior; /* total: weights with the prior's */
};

enum { GOOD, REST, FEASIBLE, FAILED, N_MIXTURES };

struct cn_tpe {
    struct cn_axis *axes; /* owned; d */
    int32_t d;
    struct cn_tpe_opts opts;
    struct cn_coord *coords;   /* owned; n * d */
    double *log_weight, *rank; /* owned; n. rank: inside the regime, 0 to 1; -1: no reward */
    int64_t n, first;          /* observation i is the caller's first + i */
    int64_t n_finished, n_ok;
    struct mixture mix[N_MIXTURES];
};

/* ---- 1. ranks and weights ---- */

static bool has_reward(const struct cn_tpe_obs *o)
{
    return !o->failed && !o->in_flight && !isnan(o->reward);
}

/* Share of the regime's rewards that lie below, ties and itself by half. */
static double rank_of(const struct cn_tpe_obs *obs, int64_t n, int64_t i)
{
    double below = 0, all = 0;

    for (int64_t k = 0; k < n; k++) {
        if (obs[k].regime != obs[i].regime || !has_reward(&obs[k]))
            continue;
        all++;
        below += obs[k].reward < obs[i].reward ? 1 : obs[k].reward == obs[i].reward ? .5 : 0;
    }
    return below / all;
}

static double weight_of(const struct cn_tpe_obs *o, const struct cn_tpe_opts *opts)
{
    double age = fabs((double)(opts->regime - o->regime));
    double n = has_reward(o) && o->n > 1 ? (double)o->n : 1;

    return fmax(pow(opts->old_weight, age), 1e-6) * fmin(sqrt(n), 2.0);
}

/* Best first; of equal ranks the heavier (its mean is known better), then the newer. */
struct entry {
    double rank, weight;
    int32_t at;
};

static int by_rank(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;

    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return b->at - a->at;
}

/* ---- 2. mixtures ---- */

static double width(const struct cn_tpe *t, int64_t n)
{
    double s = t->opts.bandwidth * pow((double)(n > 0 ? n : 1), -1.0 / (t->d + 4));

    return fmax(s, t->opts.floor);
}

static bool finish_mixture(struct cn_tpe *t, struct mixture *m, double prior, double sigma)
{
    int64_t cells = m->n * t->d;

    m->prior = prior;
    m->sigma = sigma;
    m->total = prior;
    m->log_mass = cn_alloc((size_t)(cells > 0 ? cells : 1), sizeof *m->log_mass);
    for (int64_t k = 0; m->log_mass && k < m->n; k++) {
        m->total += exp(t->log_weight[m->at[k]]);
        for (int32_t j = 0; j < t->d; j++)
            m->log_mass[k * t->d + j] =
                t->axes[j].numeric
                    ? log(cn_kernel_mass(t->coords[(int64_t)m->at[k] * t->d + j].z, sigma))
                    : 0;
    }
    return m->log_mass != NULL;
}

/* Observations into mixtures: good or rest, feasible or failed. */
static void sort_out(struct cn_tpe *t, const struct cn_tpe_obs *obs, struct entry *e)
{
    int64_t n_good = (int64_t)ceil(t->opts.gamma * (double)t->n_ok), n = 0;

    for (int64_t i = 0; i < t->n; i++)
        if (t->rank[i] >= 0)
            e[n++] = (struct entry){t->rank[i], t->log_weight[i], (int32_t)i};
    qsort(e, (size_t)n, sizeof *e, by_rank);
    n_good = n_good > CN_TPE_GOOD_MAX ? CN_TPE_GOOD_MAX : n_good;
    for (int64_t k = 0; k < n && k < n_good; k++)
        t->mix[GOOD].at[t->mix[GOOD].n++] = e[k].at;
    for (int64_t k = n_good; k < n; k++)
        t->mix[REST].at[t->mix[REST].n++] = e[k].at;
    for (int64_t i = 0; i < t->n; i++) {
        if (t->rank[i] < 0)
            t->mix[REST].at[t->mix[REST].n++] = (int32_t)i;
        if (obs[i].failed)
            t->mix[FAILED].at[t->mix[FAILED].n++] = (int32_t)i;
        else if (!obs[i].in_flight)
            t->mix[FEASIBLE].at[t->mix[FEASIBLE].n++] = (int32_t)i;
    }
}

static cn_status build_mixtures(struct cn_tpe *t, const struct cn_tpe_obs *obs,
                                struct cn_err *err)
{
    struct entry *e = cn_alloc((size_t)t->n + 1, sizeof *e);
    double pooled, share, prior = t->opts.prior;
    bool ok = e != NULL;

    for (int m = 0; m < N_MIXTURES && ok; m++) {
        t->mix[m].at = cn_alloc((size_t)t->n + 1, sizeof *t->mix[m].at);
        ok = t->mix[m].at != NULL;
    }
    if (ok) {
        sort_out(t, obs, e);
        pooled = width(t, t->n_finished);
        share = t->n_finished > 0 ? (double)t->mix[FAILED].n / (double)t->n_finished : 0;
        ok = finish_mixture(t, &t->mix[GOOD], prior, width(t, t->mix[GOOD].n)) &&
             finish_mixture(t, &t->mix[REST], prior, width(t, t->mix[REST].n)) &&
             finish_mixture(t, &t->mix[FEASIBLE], prior * (1 - share), pooled) &&
             finish_mixture(t, &t->mix[FAILED], prior * share, pooled);
    }
    cn_free(e);
    return ok ? CN_OK
              : cn_err_set(err, CN_ENOMEM, "no memory for %lld observations", (long long)t->n);
}

static cn_status fill(struct cn_tpe *t, const struct cn_space *s, const struct cn_tpe_obs *obs,
                      struct cn_err *err)
{
    size_t n = (size_t)t->n + 1, d = (size_t)t->d + 1;

    t->axes = cn_alloc(d, sizeof *t->axes);
    t->coords = cn_alloc(n * d, sizeof *t->coords);
    t->log_weight = cn_alloc(n, sizeof *t->log_weight);
    t->rank = cn_alloc(n, sizeof *t->rank);
    if (!t->axes || !t->coords || !t->log_weight || !t->rank)
        return cn_err_set(err, CN_ENOMEM, "no memory for %lld observations", (long long)t->n);
    for (int32_t j = 0; j < t->d; j++) {
        t->axes[j] = cn_axis_of(&s->params[j]);
        for (int64_t i = 0; i < t->n; i++) {
            t->coords[i * t->d + j] = cn_axis_coord(&t->axes[j], obs[i].point[j]);
            t->axes[j].may_lack |= isnan(obs[i].point[j]);
        }
    }
    for (int64_t i = 0; i < t->n; i++) {
        t->log_weight[i] = log(weight_of(&obs[i], &t->opts));
        t->rank[i] = has_reward(&obs[i]) ? rank_of(obs, t->n, i) : -1;
        t->n_ok += has_reward(&obs[i]);
        t->n_finished += !obs[i].in_flight;
    }
    return build_mixtures(t, obs, err);
}

cn_status cn_tpe_new(const struct cn_space *s, const struct cn_tpe_obs *obs, int64_t n,
                     const struct cn_tpe_opts *o, struct cn_tpe **out, struct cn_err *err)
{
    cn_status st = cn_space_check(s, err);
    struct cn_tpe *t;

    *out = NULL;
    if (st != CN_OK)
        return st;
    t = cn_alloc(1, sizeof *t);
    if (!t)
        return cn_err_set(err, CN_ENOMEM, "no memory for the estimator");
    t->d = s->n;
    t->opts = *o;
    t->first = n > CN_TPE_OBSERVATIONS ? n - CN_TPE_OBSERVATIONS : 0;
    t->n = n - t->first;
    st = fill(t, s, n > 0 ? obs + t->first : obs, err);
    if (st == CN_OK)
        *out = t;
    else
        cn_tpe_free(t);
    return st;
}

void cn_tpe_free(struct cn_tpe *t)
{
    if (!t)
        return;
    for (int m = 0; m < N_MIXTURES; m++) {
        cn_free(t->mix[m].at);
        cn_free(t->mix[m].log_mass);
    }
    cn_free(t->axes);
    cn_free(t->coords);
    cn_free(t->log_weight);
    cn_free(t->rank);
    cn_free(t);
}

bool cn_tpe_is_ready(const struct cn_tpe *t)
{
    return t->n_finished >= CN_TPE_STARTUP && t->n_ok > 0;
}

/* ---- 3. densities and the gain ---- */

static void encode(const struct cn_tpe *t, const double *point, struct cn_coord *out)
{
    for (int32_t j = 0; j < t->d; j++)
        out[j] = cn_axis_coord(&t->axes[j], point[j]);
}

static double log_component(const struct cn_tpe *t, const struct mixture *m, int64_t k,
                            const struct cn_coord *x, int32_t without)
{
    const struct cn_coord *c = &t->coords[(int64_t)m->at[k] * t->d];
    double sum = t->log_weight[m->at[k]];

    for (int32_t j = 0; j < t->d; j++)
        if (j != without)
            sum +=
                cn_kernel_log(&t->axes[j], &c[j], m->sigma, m->log_mass[k * t->d + j], &x[j]);
    return sum;
}

static double log_prior(const struct cn_tpe *t, const struct mixture *m,
                        const struct cn_coord *x, int32_t without)
{
    double sum = log(fmax(m->prior, 1e-300));

    for (int32_t j = 0; j < t->d; j++)
        if (j != without)
            sum += cn_kernel_log_uniform(&t->axes[j], &x[j]);
    return sum;
}

static double add_logs(double a, double b)
{
    double hi = fmax(a, b);

    return isinf(hi) ? hi : hi + log1p(exp(-fabs(a - b)));
}

/* log of the components' weighted sum, before it is divided by the total weight. */
static double log_sum(const struct cn_tpe *t, const struct mixture *m, const struct cn_coord *x)
{
    double sum = log_prior(t, m, x, -1);

    for (int64_t k = 0; k < m->n; k++)
        sum = add_logs(sum, log_component(t, m, k, x, -1));
    return sum;
}

double cn_tpe_log_density(const struct cn_tpe *t, bool good, const double *point)
{
    const struct mixture *m = &t->mix[good ? GOOD : REST];
    struct cn_coord x[CN_SPACE_PARAMS];

    encode(t, point, x);
    return log_sum(t, m, x) - log(m->total);
}

/* log of 1 / (1 + exp(d)): the probability whose odds are exp(-d). */
static double log_odds(double d)
{
    return d > 0 ? -d - log1p(exp(-d)) : -log1p(exp(d));
}

static double log_feasible(const struct cn_tpe *t, const struct cn_coord *x)
{
    if (t->mix[FAILED].n == 0)
        return 0;
    return log_odds(log_sum(t, &t->mix[FAILED], x) - log_sum(t, &t->mix[FEASIBLE], x));
}

double cn_tpe_gain(const struct cn_tpe *t, const double *point)
{
    const struct mixture *l = &t->mix[GOOD], *g = &t->mix[REST];
    double q = (l->total - l->prior) / (l->total - l->prior + g->total - g->prior + 1e-300);
    double share = (double)t->mix[FEASIBLE].n / (double)(t->n_finished > 0 ? t->n_finished : 1);
    struct cn_coord x[CN_SPACE_PARAMS];
    double log_ratio, good;

    encode(t, point, x);
    log_ratio = log_sum(t, g, x) - log(g->total) - log_sum(t, l, x) + log(l->total);
    good = -add_logs(log(fmax(q, 1e-300)), log(fmax(1 - q, 1e-300)) + log_ratio);
    return good + log_feasible(t, x) - log(fmax(share, 1e-300));
}

double cn_tpe_failed_share(const struct cn_tpe *t, const double *point)
{
    struct cn_coord x[CN_SPACE_PARAMS];

    encode(t, point, x);
    return -expm1(log_feasible(t, x));
}

/* ---- 4. draws ---- */

static void rng_for(const struct cn_tpe *t, uint64_t stream, uint64_t word, struct cn_rng *r)
{
    cn_rng_init(r, t->opts.seed, (stream << 32) ^ (uint64_t)t->opts.iteration);
    cn_rng_seek(r, word);
}

static const struct cn_coord *center(const struct cn_tpe *t, const struct mixture *m, int64_t k,
                                     int32_t j)
{
    return k < 0 ? NULL : &t->coords[(int64_t)m->at[k] * t->d + j];
}

/* A component by its weight, -1: the uniform one. u in [0, 1). */
static int64_t pick(const double *w, int64_t n, double prior, double u)
{
    double sum = prior;

    for (int64_t k = 0; k < n; k++)
        sum += w[k];
    u = u * sum - prior;
    if (u < 0 || n == 0)
        return -1;
    for (int64_t k = 0; k < n - 1; k++) {
        u -= w[k];
        if (u < 0)
            return k;
    }
    return n - 1;
}

void cn_tpe_draw(const struct cn_tpe *t, uint64_t k, double *out)
{
    const struct mixture *m = &t->mix[GOOD];
    double w[CN_TPE_GOOD_MAX];
    struct cn_rng r;
    int64_t i;

    for (int64_t c = 0; c < m->n; c++)
        w[c] = exp(t->log_weight[m->at[c]]);
    rng_for(t, STREAM_DRAW, k * 4u * (uint64_t)(t->d + 1), &r);
    i = pick(w, m->n, m->prior, cn_rng_uniform(&r));
    for (int32_t j = 0; j < t->d; j++)
        out[j] = cn_kernel_draw(&t->axes[j], center(t, m, i, j), m->sigma, &r);
}

void cn_tpe_best(const struct cn_tpe *t, uint64_t first, int64_t n, double *out)
{
    double trial[CN_SPACE_PARAMS], best = 0;

    for (int64_t k = 0; k < n; k++) {
        double gain;

        cn_tpe_draw(t, first + (uint64_t)k, trial);
        gain = cn_tpe_gain(t, trial);
        if (k == 0 || gain > best) {
            best = gain;
            memcpy(out, trial, (size_t)t->d * sizeof *out);
        }
    }
}

double cn_tpe_draw_one(const struct cn_tpe *t, const double *point, int32_t param, uint64_t k)
{
    const struct mixture *m = &t->mix[GOOD];
    struct cn_coord x[CN_SPACE_PARAMS];
    double w[CN_TPE_GOOD_MAX], prior, top;
    struct cn_rng r;
    int64_t i;

    encode(t, point, x);
    top = prior = log_prior(t, m, x, param);
    for (int64_t c = 0; c < m->n; c++) {
        w[c] = log_component(t, m, c, x, param);
        top = fmax(top, w[c]);
    }
    for (int64_t c = 0; c < m->n; c++)
        w[c] = exp(w[c] - top);
    rng_for(t, STREAM_ONE, (k * CN_SPACE_PARAMS + (uint64_t)param) * 8u, &r);
    i = pick(w, m->n, exp(prior - top), cn_rng_uniform(&r));
    return cn_kernel_draw(&t->axes[param], center(t, m, i, param), m->sigma, &r);
}

/* ---- 5. reasons ---- */

struct told {
    int64_t at[CN_TPE_WHY];
    double by[CN_TPE_WHY];
    int32_t n;
};

/* Keep the largest, in order. */
static void tell(struct told *w, int64_t at, double by)
{
    int32_t i = w->n;

    if (i == CN_TPE_WHY && w->by[i - 1] >= by)
        return;
    if (i == CN_TPE_WHY)
        i--;
    else
        w->n++;
    for (; i > 0 && w->by[i - 1] < by; i--) {
        w->at[i] = w->at[i - 1];
        w->by[i] = w->by[i - 1];
    }
    w->at[i] = at;
    w->by[i] = by;
}

#define TELLING .2 /* of a log density: a fifth more or less */

/* Good ones that come nearer and hold a tenth of the good density there. */
static void tell_towards(const struct cn_tpe *t, const struct cn_coord *from,
                         const struct cn_coord *to, struct told *w)
{
    const struct mixture *m = &t->mix[GOOD];
    double all = log_sum(t, m, to);

    for (int64_t k = 0; k < m->n; k++) {
        double here = log_component(t, m, k, from, -1);
        double there = log_component(t, m, k, to, -1);

        if (there - here > TELLING && there - all > log(.1))
            tell(w, t->first + m->at[k], there);
    }
}

/* Those that are left behind, the nearest to where we come from first. */
static void tell_away(const struct cn_tpe *t, const struct mixture *m,
                      const struct cn_coord *from, const struct cn_coord *to, struct told *w)
{
    double all = log_sum(t, m, from);

    for (int64_t k = 0; k < m->n; k++) {
        double here = log_component(t, m, k, from, -1);
        double there = log_component(t, m, k, to, -1);

        if (here - there > TELLING && here - all > log(.1))
            tell(w, t->first + m->at[k], here);
    }
}

void cn_tpe_explain(const struct cn_tpe *t, const double *from, const double *to,
                    struct cn_tpe_why *out)
{
    struct cn_coord a[CN_SPACE_PARAMS], b[CN_SPACE_PARAMS];
    struct told towards = {.n = 0}, away = {.n = 0};

    memset(out, 0, sizeof *out);
    encode(t, from, a);
    encode(t, to, b);
    tell_towards(t, a, b, &towards);
    tell_away(t, &t->mix[FAILED], a, b, &away);
    out->away_failed = away.n > 0;
    if (away.n == 0)
        tell_away(t, &t->mix[REST], a, b, &away);
    out->n_towards = towards.n;
    out->n_away = away.n;
    memcpy(out->towards, towards.at, sizeof out->towards);
    memcpy(out->away, away.at, sizeof out->away);
}
