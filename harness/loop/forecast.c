/* See forecast.h. */
#include "harness/loop/forecast.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"

static const double target_slack = 2; /* limit = this times the time target */

struct cn_forecast {
    const struct cn_search *search;
    struct cn_runtime *model; /* owned */
    int32_t d;
    double limit_s, confidence;
};

/* ------------------------------------------------------------------ features */

static int32_t feature_count(const struct cn_search *s)
{
    int32_t n = s->training.space.n + s->simulation.space.n;

    return n < CN_RUNTIME_DIMS ? n : CN_RUNTIME_DIMS;
}

static double feature(const struct cn_dims *d, int32_t i, double x)
{
    const struct cn_param *p = &d->space.params[i];

    if (p->type == CN_PARAM_CHOICE &&
        (isnan(x) || !cn_text_parse_double(d->choices[i][(int32_t)x], &x)))
        return (double)NAN;
    return p->type != CN_PARAM_BOOL && x > 0 ? log(x) : (double)NAN;
}

/* double[d]: first the training's, then the simulation's parameters. */
static void features(const struct cn_forecast *f, const struct cn_yaml *config, double *x)
{
    double values[CN_SPACE_PARAMS];
    const struct cn_dims *dims[2] = {&f->search->training, &f->search->simulation};
    int32_t at = 0;

    for (int k = 0; k < 2; k++) {
        cn_search_values(dims[k], config, values);
        for (int32_t i = 0; i < dims[k]->space.n && at < f->d; i++)
            x[at++] = feature(dims[k], i, values[i]);
    }
}

/* ------------------------------------------------------------------ the past */

static bool counts(const struct cn_iteration *it)
{
    return it->state >= CN_ITER_MEASURED && it->seconds > 0 &&
           (it->outcome == CN_OUTCOME_OK || it->outcome == CN_OUTCOME_TIMEOUT);
}

struct past {
    struct cn_runtime_row *rows;
    double *slab;
    int64_t n;
};

static cn_status take_node(const struct cn_forecast *f, const struct cn_node *node, double *x,
                           struct cn_err *err)
{
    struct cn_yaml *y = NULL;
    cn_status st = cn_yaml_parse("config", node->config, strlen(node->config), &y, err);

    if (st == CN_OK)
        features(f, y, x);
    cn_yaml_free(y);
    return st;
}

/* The newest CN_RUNTIME_ROWS trainings with a known time, oldest first. */
static cn_status take_past(const struct cn_forecast *f, const struct cn_history *h,
                           struct past *p, struct cn_err *err)
{
    int64_t first = h->n_iterations, n = 0;
    cn_status st = CN_OK;

    while (first > 0 && n < CN_RUNTIME_ROWS)
        n += counts(&h->iterations[--first]);
    p->rows = cn_alloc((size_t)n + 1, sizeof *p->rows);
    p->slab = cn_alloc((size_t)(n + 1) * (size_t)(f->d + 1), sizeof *p->slab);
    if (!p->rows || !p->slab)
        return cn_err_set(err, CN_ENOMEM, "no memory for the run times of %lld trainings",
                          (long long)n);
    for (int64_t i = first; st == CN_OK && i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        const struct cn_node *node = cn_history_node(h, it->node);
        double *x = p->slab + p->n * f->d;

        if (!counts(it) || !node || !node->config[0])
            continue;
        st = take_node(f, node, x, err);
        p->rows[p->n++] =
            (struct cn_runtime_row){x, it->seconds, it->outcome == CN_OUTCOME_TIMEOUT};
    }
    return st;
}

/* ------------------------------------------------------------------ the future */

static double limit_of(const struct cn_settings *s)
{
    if (strcmp(s->refuse_hopeless, "true") != 0)
        return 0;
    return 60 *
           (s->deadline_min > 0 ? s->deadline_min : target_slack * s->training_time_target_min);
}

cn_status cn_forecast_new(const struct cn_planner *pl, const struct cn_history *h,
                          struct cn_forecast **out, struct cn_err *err)
{
    double limit = limit_of(pl->settings);
    struct cn_forecast *f;
    struct past p = {0};
    cn_status st;

    *out = NULL;
    if (!(limit > 0))
        return CN_OK;
    f = cn_alloc(1, sizeof *f);
    if (!f)
        return cn_err_set(err, CN_ENOMEM, "no memory for a forecast");
    *f = (struct cn_forecast){.search = pl->search,
                              .d = feature_count(pl->search),
                              .limit_s = limit,
                              .confidence = pl->settings->confidence};
    st = take_past(f, h, &p, err);
    if (st == CN_OK)
        st = cn_runtime_new(p.rows, p.n, f->d, &f->model, err);
    cn_free(p.rows);
    cn_free(p.slab);
    if (st != CN_OK) {
        cn_forecast_free(f);
        return st;
    }
    *out = f;
    return CN_OK;
}

void cn_forecast_free(struct cn_forecast *f)
{
    if (f)
        cn_runtime_free(f->model);
    cn_free(f);
}

struct cn_runtime_guess cn_forecast_guess(const struct cn_forecast *f,
                                          const struct cn_yaml *config)
{
    double x[CN_RUNTIME_DIMS];

    features(f, config, x);
    return cn_runtime_predict(f->model, x, f->confidence);
}

cn_status cn_forecast_check(const struct cn_forecast *f, const struct cn_yaml *config,
                            struct cn_err *err)
{
    struct cn_runtime_guess g = cn_forecast_guess(f, config);

    if (!g.known || !(g.lo > f->limit_s))
        return CN_OK;
    return cn_err_set(err, CN_EINPUT,
                      "would take about %.3g min (at least %.3g), the limit is %.3g min",
                      g.mean / 60, g.lo / 60, f->limit_s / 60);
}
