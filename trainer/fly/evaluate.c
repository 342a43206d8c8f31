/* From a model's parameters to the numbers of section 5. */
#include "trainer/fly/evaluate.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

#define TEXT(word) #word
const struct cn_fly_metric_info cn_fly_metric_table[CN_FLY_N_METRICS] = {
#define X(name, lo, hi, better, role, words) \
    {#name, TEXT(better), TEXT(role), words, (double)(lo), (double)(hi)},
    CN_FLY_METRIC_MAP(X)
#undef X
};

struct cn_fly_evaluator {
    struct cn_fly_model *model;     /* borrowed */
    const struct cn_fly_data *data; /* borrowed */
    struct cn_fly_eval *rows;       /* owned */
    int64_t n, e;
    double *slab; /* owned: every double array below */
    double *W_true, *W, *star;
    double *tau_true, *tau, *V_true, *V, *s_g, *s_f, *o_f, *gm;
    float *fslab; /* owned */
    float *lo, *hi, *slope, *offset, *yhat, *dfdm;
    uint8_t *keep; /* owned, (e) */
    int64_t gm_frame[CN_FLY_GM_FRAMES];
    float *per_frame; /* (CN_FLY_GM_FRAMES, n) df/dm, inside fslab */
    struct cn_fly_recovered r;
};

/* ---- 1. making ---- */

static double *cut(double **from, int64_t n)
{
    double *at = *from;

    *from += n;
    return at;
}

static float *cutf(float **from, int64_t n)
{
    float *at = *from;

    *from += n;
    return at;
}

static cn_status allocate(struct cn_fly_evaluator *ev, struct cn_err *err)
{
    size_t n = (size_t)ev->n, e = (size_t)ev->e;
    double *d = ev->slab = cn_alloc(3 * e + 8 * n, sizeof *d);
    float *f = ev->fslab = cn_alloc((6 + CN_FLY_GM_FRAMES) * n, sizeof *f);

    ev->keep = cn_alloc(e, 1);
    if (!d || !f || !ev->keep)
        return cn_err_set(err, CN_ENOMEM, "no memory to evaluate %lld neurons, %lld edges",
                          (long long)ev->n, (long long)ev->e);
    double **edge[] = {&ev->W_true, &ev->W, &ev->star};
    double **node[] = {&ev->tau_true, &ev->tau, &ev->V_true, &ev->V,
                       &ev->s_g,      &ev->s_f, &ev->o_f,    &ev->gm};
    for (int k = 0; k < 3; k++)
        *edge[k] = cut(&d, ev->e);
    for (int k = 0; k < 8; k++)
        *node[k] = cut(&d, ev->n);
    float **row[] = {&ev->lo, &ev->hi, &ev->slope, &ev->offset, &ev->yhat, &ev->dfdm};
    for (int k = 0; k < 6; k++)
        *row[k] = cutf(&f, ev->n);
    ev->per_frame = f;
    return CN_OK;
}

static void fill_truth(struct cn_fly_evaluator *ev)
{
    const struct cn_fly_graph *g = &ev->data->graph;

    for (int64_t k = 0; k < ev->e; k++)
        ev->W_true[k] = (double)g->W[k];
    for (int64_t i = 0; i < ev->n; i++) {
        ev->tau_true[i] = (double)g->tau[i];
        ev->V_true[i] = (double)g->V_rest[i];
    }
    ev->r = (struct cn_fly_recovered){.W_true = ev->W_true,
                                      .W = ev->W,
                                      .W_star = ev->star,
                                      .tau_true = ev->tau_true,
                                      .tau_learned = ev->tau,
                                      .V_true = ev->V_true,
                                      .V_learned = ev->V,
                                      .s_g = ev->s_g,
                                      .s_f = ev->s_f,
                                      .o_f = ev->o_f,
                                      .gm = ev->gm};
}

cn_status cn_fly_evaluator_new(struct cn_fly_model *model, const struct cn_fly_data *data,
                               struct cn_pool *pool, struct cn_fly_evaluator **out,
                               struct cn_err *err)
{
    struct cn_fly_evaluator *ev = cn_alloc(1, sizeof *ev);
    cn_status st = CN_OK;

    *out = NULL;
    if (!ev)
        return cn_err_set(err, CN_ENOMEM, "no memory for an evaluator");
    ev->model = model;
    ev->data = data;
    ev->n = data->graph.n;
    ev->e = data->graph.e;
    st = allocate(ev, err);
    if (st == CN_OK) {
        fill_truth(ev);
        cn_fly_gm_frames(data->train.frames, ev->gm_frame);
        st = cn_fly_metrics_selftest(ev->W_true, ev->e, err);
    }
    if (st == CN_OK)
        st = cn_fly_eval_new(model, pool, &ev->rows, err);
    if (st != CN_OK)
        cn_fly_evaluator_free(ev);
    else
        *out = ev;
    return st;
}

void cn_fly_evaluator_free(struct cn_fly_evaluator *ev)
{
    if (!ev)
        return;
    cn_fly_eval_free(ev->rows);
    cn_free(ev->slab);
    cn_free(ev->fslab);
    cn_free(ev->keep);
    cn_free(ev);
}

const struct cn_fly_recovered *cn_fly_evaluator_recovered(const struct cn_fly_evaluator *ev)
{
    return &ev->r;
}

struct cn_fly_eval *cn_fly_evaluator_rows(struct cn_fly_evaluator *ev)
{
    return ev->rows;
}

/* ---- 2. recovering W*, tau, V_rest ---- */

static void ranges(struct cn_fly_evaluator *ev, int of_g)
{
    for (int64_t i = 0; i < ev->n; i++) {
        double lo, hi;

        cn_fly_slope_range((double)ev->data->mu[i], (double)ev->data->sigma[i], of_g, &lo, &hi);
        ev->lo[i] = (float)lo;
        ev->hi[i] = (float)hi;
    }
}

/* A neuron that is never active (mu + sigma <= 0) says nothing about G: slope 1. */
static void slopes_of_g(struct cn_fly_evaluator *ev)
{
    ranges(ev, 1);
    cn_fly_eval_g_lines(ev->rows, ev->lo, ev->hi, CN_FLY_SLOPE_POINTS, ev->slope, NULL);
    for (int64_t i = 0; i < ev->n; i++)
        ev->s_g[i] = ev->data->mu[i] + ev->data->sigma[i] <= 0 ? 1 : (double)ev->slope[i];
}

static void slopes_of_f(struct cn_fly_evaluator *ev)
{
    ranges(ev, 0);
    cn_fly_eval_f_lines(ev->rows, ev->lo, ev->hi, CN_FLY_SLOPE_POINTS, ev->slope, ev->offset);
    for (int64_t i = 0; i < ev->n; i++) {
        ev->s_f[i] = (double)ev->slope[i];
        ev->o_f[i] = (double)ev->offset[i];
    }
}

static void message_gain(struct cn_fly_evaluator *ev)
{
    const struct cn_fly_graph *g = &ev->data->graph;

    for (int k = 0; k < CN_FLY_GM_FRAMES; k++) {
        int64_t t = ev->gm_frame[k];

        cn_fly_eval_frame(ev->rows, ev->data->train.voltage + t * ev->n,
                          ev->data->train.stimulus + t * g->n_columns, g->n_input, g->n_columns,
                          NULL, ev->yhat, ev->per_frame + k * ev->n);
    }
    for (int64_t i = 0; i < ev->n; i++) {
        double v[CN_FLY_GM_FRAMES];

        for (int k = 0; k < CN_FLY_GM_FRAMES; k++)
            v[k] = (double)ev->per_frame[k * ev->n + i];
        ev->gm[i] = cn_fly_lower_median8(v);
    }
}

/* The linear model states its parameters: softplus(raw_tau), V_rest; W needs no correction. */
static void read_linear(struct cn_fly_evaluator *ev)
{
    const float *raw = cn_fly_model_get(ev->model, "raw_tau", NULL);
    const float *V = cn_fly_model_get(ev->model, "V_rest", NULL);

    for (int64_t i = 0; i < ev->n; i++) {
        double x = (double)raw[i];

        ev->tau[i] = x > 20 ? x : log1p(exp(x));
        ev->V[i] = (double)V[i];
        ev->s_g[i] = 1;
        ev->gm[i] = 1 / ev->tau[i];
        ev->s_f[i] = -ev->gm[i];
        ev->o_f[i] = ev->V[i] * ev->gm[i];
    }
}

static void score(struct cn_fly_evaluator *ev)
{
    struct cn_fly_recovered *r = &ev->r;
    const struct cn_fly_graph *g = &ev->data->graph;

    r->not_finite =
        cn_fly_correct(ev->e, g->src, g->dst, ev->W, ev->s_g, ev->gm, ev->s_f, ev->star);
    r->outliers = cn_fly_outliers(ev->W_true, ev->star, ev->e, ev->keep);
    r->connectivity = cn_fly_fit(ev->W_true, ev->star, ev->keep, ev->e);
    /* On the same edges, so that the two can be compared; the dropped ones are reported as a
     * count. */
    r->connectivity_identity = cn_fly_r2_identity(ev->W_true, ev->star, ev->keep, ev->e);
    r->raw = cn_fly_fit(ev->W_true, ev->W, NULL, ev->e);
    r->tau = cn_fly_fit(ev->tau_true, ev->tau, NULL, ev->n);
    r->V_rest = cn_fly_fit(ev->V_true, ev->V, NULL, ev->n);
}

void cn_fly_evaluator_recover(struct cn_fly_evaluator *ev)
{
    const float *W = cn_fly_model_get(ev->model, "W", NULL);

    for (int64_t k = 0; k < ev->e; k++)
        ev->W[k] = (double)W[k];
    if (cn_fly_model_config(ev->model)->kind == CN_FLY_LINEAR) {
        read_linear(ev);
    } else {
        slopes_of_g(ev);
        slopes_of_f(ev);
        message_gain(ev);
        cn_fly_dynamics(ev->n, ev->s_f, ev->o_f, ev->tau, ev->V);
    }
    score(ev);
}

/* ---- 3. one-step and rollout on the test split ---- */

struct testing {
    struct cn_fly_evaluator *ev;
    struct cn_fly_target *target;
    struct cn_fly_test *out;
    struct cn_fly_traces traces;
    double *truth, *predicted; /* (n) owned */
    float *y, *v;              /* (n) owned */
};

void cn_fly_test_clear(struct cn_fly_test *t)
{
    cn_free(t->trace);
    t->trace = NULL;
}

static void testing_clear(struct testing *t)
{
    cn_fly_traces_clear(&t->traces);
    cn_free(t->truth);
    cn_free(t->y);
}

static cn_status testing_init(struct testing *t, struct cn_fly_evaluator *ev,
                              struct cn_fly_target *target, struct cn_fly_test *out,
                              struct cn_err *err)
{
    size_t n = (size_t)ev->n, frames = (size_t)ev->data->test.frames;

    *t = (struct testing){.ev = ev, .target = target, .out = out};
    memset(out, 0, sizeof *out);
    out->frames = ev->data->test.frames;
    t->truth = cn_alloc(2 * n, sizeof(double));
    t->y = cn_alloc(2 * n, sizeof(float));
    out->trace = cn_alloc(frames * 4 * CN_FLY_PICKS, sizeof(double));
    if (!t->truth || !t->y || !out->trace)
        return cn_err_set(err, CN_ENOMEM, "no memory to test %lld neurons", (long long)ev->n);
    t->predicted = t->truth + n;
    t->v = t->y + n;
    return cn_fly_traces_init(&t->traces, ev->n, err);
}

/* A photoreceptor, and neurons of five other types spread over the list, each from the middle
 * of the eye. The first eight types are the photoreceptors, which all see the same light. */
static void choose_picks(struct testing *t)
{
    const struct cn_fly_graph *g = &t->ev->data->graph;
    struct cn_fly_test *out = t->out;
    int32_t inner = g->n_types - 8, before = -1;

    for (int k = 0; k < CN_FLY_PICKS && inner > 0; k++) {
        int32_t type =
            k == 0 ? 0 : 8 + (int32_t)((int64_t)(k - 1) * inner / (CN_FLY_PICKS - 1));

        for (int64_t i = 0; i < g->n && type != before; i++)
            if (g->type[i] == type && g->u[i] == 0 && g->v[i] == 0) {
                out->pick[out->n_picks++] = i;
                break;
            }
        before = type;
    }
}

static void keep_picks(struct testing *t, int part, int64_t frame)
{
    struct cn_fly_test *out = t->out;

    for (int64_t k = 0; k < out->n_picks; k++) {
        int64_t at = ((int64_t)part * CN_FLY_PICKS + k) * out->frames + frame;

        out->trace[at] = t->truth[out->pick[k]];
        out->trace[at + CN_FLY_PICKS * out->frames] = t->predicted[out->pick[k]];
    }
}

static const float *stimulus_at(const struct testing *t, int64_t frame)
{
    return t->ev->data->test.stimulus + frame * t->ev->data->graph.n_columns;
}

static void predict(struct testing *t, const float *v, int64_t frame)
{
    const struct cn_fly_graph *g = &t->ev->data->graph;

    cn_fly_eval_frame(t->ev->rows, v, stimulus_at(t, frame), g->n_input, g->n_columns, NULL,
                      t->ev->yhat, NULL);
}

static void run_onestep(struct testing *t)
{
    int64_t n = t->ev->n;

    for (int64_t k = 0; k + 1 < t->out->frames; k++) {
        predict(t, t->ev->data->test.voltage + k * n, k);
        cn_fly_data_target(t->target, CN_FLY_TEST, k, t->y);
        for (int64_t i = 0; i < n; i++) {
            t->truth[i] = (double)t->y[i];
            t->predicted[i] = (double)t->ev->yhat[i];
        }
        cn_fly_traces_add(&t->traces, t->truth, t->predicted);
        keep_picks(t, 0, k);
    }
}

/* v <- v + dt yhat, kept within +-100; a value that had to be held back is counted. */
static void euler(struct testing *t)
{
    double dt = t->ev->data->delta_t;

    for (int64_t i = 0; i < t->ev->n; i++) {
        double v = (double)t->v[i] + dt * (double)t->ev->yhat[i];

        if (v > 100 || v < -100) {
            v = v > 0 ? 100 : -100;
            t->out->clamped++;
        }
        t->v[i] = (float)v;
    }
}

static void run_rollout(struct testing *t)
{
    int64_t n = t->ev->n;
    const float *voltage = t->ev->data->test.voltage;

    t->traces.frames = 0;
    memset(t->traces.sum, 0, (size_t)n * CN_FLY_TRACE_SUMS * sizeof(double));
    memcpy(t->v, voltage, (size_t)n * sizeof(float));
    for (int64_t k = 0; k < t->out->frames; k++) {
        for (int64_t i = 0; i < n; i++) {
            t->truth[i] = (double)voltage[k * n + i];
            t->predicted[i] = (double)t->v[i];
        }
        cn_fly_traces_add(&t->traces, t->truth, t->predicted);
        keep_picks(t, 2, k);
        predict(t, t->v, k);
        euler(t);
    }
}

cn_status cn_fly_evaluator_test(struct cn_fly_evaluator *ev, struct cn_fly_target *target,
                                struct cn_fly_test *out, struct cn_err *err)
{
    struct testing t;
    cn_status st = testing_init(&t, ev, target, out, err);

    if (st == CN_OK) {
        choose_picks(&t);
        run_onestep(&t);
        st = cn_fly_traces_stats(&t.traces, &out->onestep, err);
    }
    if (st == CN_OK) {
        run_rollout(&t);
        st = cn_fly_traces_stats(&t.traces, &out->rollout, err);
    }
    testing_clear(&t);
    if (st != CN_OK)
        cn_fly_test_clear(out);
    return st;
}

/* ---- 4. as a list ---- */

void cn_fly_metrics_fill(const struct cn_fly_recovered *r, const struct cn_fly_test *t,
                         double out[CN_FLY_N_METRICS])
{
    for (int k = 0; k < CN_FLY_N_METRICS; k++)
        out[k] = (double)NAN;
    out[CN_FLY_METRIC_connectivity_R2] = r->connectivity.r2;
    out[CN_FLY_METRIC_connectivity_slope] = r->connectivity.slope;
    out[CN_FLY_METRIC_connectivity_R2_identity] = r->connectivity_identity;
    out[CN_FLY_METRIC_connectivity_outliers] = (double)r->outliers;
    out[CN_FLY_METRIC_connectivity_not_finite] = (double)r->not_finite;
    out[CN_FLY_METRIC_raw_W_R2] = r->raw.r2;
    out[CN_FLY_METRIC_raw_W_slope] = r->raw.slope;
    out[CN_FLY_METRIC_tau_R2] = r->tau.r2;
    out[CN_FLY_METRIC_tau_slope] = r->tau.slope;
    out[CN_FLY_METRIC_V_rest_R2] = r->V_rest.r2;
    out[CN_FLY_METRIC_V_rest_slope] = r->V_rest.slope;
    out[CN_FLY_METRIC_onestep_RMSE] = t->onestep.rmse;
    out[CN_FLY_METRIC_onestep_pearson] = t->onestep.pearson;
    out[CN_FLY_METRIC_onestep_R2] = t->onestep.r2;
    out[CN_FLY_METRIC_onestep_FEVE] = t->onestep.feve;
    out[CN_FLY_METRIC_test_RMSE] = t->rollout.rmse;
    out[CN_FLY_METRIC_test_pearson] = t->rollout.pearson;
    out[CN_FLY_METRIC_test_R2] = t->rollout.r2;
    out[CN_FLY_METRIC_test_FEVE] = t->rollout.feve;
    out[CN_FLY_METRIC_rollout_clamped] = (double)t->clamped;
}
