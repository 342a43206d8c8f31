/* One iteration: draw frames, read voltages and targets, step, keep the books. Nothing here
 * allocates after new. */
#include "trainer/fly/train.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/rng.h"

struct cn_fly_trainer {
    struct cn_fly_config cfg;
    const struct cn_fly_data *data; /* borrowed */
    struct cn_fly_model *model;     /* owned, as everything below */
    struct cn_fly_step *step;
    struct cn_fly_target *target;
    struct cn_fly_evaluator *ev;
    struct cn_fly_history history;
    struct cn_fly_position at;
    int64_t niter, total;
    int64_t started_us; /* monotonic, of this session */
    double seconds_before;
    /* the batch */
    int64_t *frames;              /* (B) */
    float *v, *y;                 /* (B, n) */
    float *noise;                 /* (n), for loss_noise_level */
    const float **vp, **Ip, **yp; /* (B) each */
};

/* ---- 1. making ---- */

static cn_status allocate_batch(struct cn_fly_trainer *t, struct cn_err *err)
{
    size_t b = (size_t)t->cfg.train.batch_size, n = (size_t)t->data->graph.n;

    t->frames = cn_alloc(b, sizeof *t->frames);
    t->v = cn_alloc_aligned(b * n, sizeof(float));
    t->y = cn_alloc_aligned(b * n, sizeof(float));
    t->noise = cn_alloc_aligned(n, sizeof(float));
    t->vp = cn_alloc(3 * b, sizeof *t->vp);
    if (!t->frames || !t->v || !t->y || !t->noise || !t->vp)
        return cn_err_set(err, CN_ENOMEM, "no memory for a batch of %zu frames", b);
    t->Ip = t->vp + b;
    t->yp = t->vp + 2 * b;
    for (size_t k = 0; k < b; k++) {
        t->vp[k] = t->v + k * n;
        t->yp[k] = t->y + k * n;
    }
    return CN_OK;
}

/* Rows of history: at most 41 reports and 32 R2 rows per epoch, and a last report. */
static cn_status allocate_history(struct cn_fly_trainer *t, struct cn_err *err)
{
    return cn_fly_history_init(&t->history, 41 * (int64_t)t->cfg.train.n_epochs + 2,
                               32 * (int64_t)t->cfg.train.n_epochs + 1, err);
}

static void plan(struct cn_fly_trainer *t)
{
    const struct cn_fly_training *c = &t->cfg.train;

    t->niter = cn_fly_niter(t->data->train.frames, c->data_augmentation_loop, c->batch_size);
    t->total = t->niter * c->n_epochs;
    if (c->max_iterations > 0 && c->max_iterations < t->total)
        t->total = c->max_iterations;
    t->started_us = cn_clock_mono_us();
}

static cn_status make_parts(struct cn_fly_trainer *t, struct cn_pool *pool, struct cn_err *err)
{
    const struct cn_fly_training *c = &t->cfg.train;
    cn_status st = cn_fly_model_new(&t->cfg, &t->data->graph, &t->model, err);

    if (st != CN_OK)
        return st;
    cn_fly_model_init(t->model, c->seed);
    st = cn_fly_step_new(t->model, c->batch_size, pool, &t->step, err);
    if (st == CN_OK) {
        cn_fly_step_set_stats(t->step, t->data->xnorm, t->data->mu, t->data->sigma);
        cn_fly_step_set_clip(t->step, c->grad_clip_W);
        st = cn_fly_target_new(t->data, c->batch_size, pool, &t->target, err);
    }
    if (st == CN_OK)
        st = cn_fly_evaluator_new(t->model, t->data, pool, &t->ev, err);
    return st;
}

cn_status cn_fly_trainer_new(const struct cn_fly_config *cfg, const struct cn_fly_data *data,
                             struct cn_pool *pool, struct cn_fly_trainer **out,
                             struct cn_err *err)
{
    struct cn_fly_trainer *t = cn_alloc(1, sizeof *t);
    cn_status st;

    *out = NULL;
    if (!t)
        return cn_err_set(err, CN_ENOMEM, "no memory for a trainer");
    t->cfg = *cfg;
    t->data = data;
    t->at.last_loss = (double)NAN;
    st = make_parts(t, pool, err);
    if (st == CN_OK)
        st = allocate_batch(t, err);
    if (st == CN_OK)
        st = allocate_history(t, err);
    if (st == CN_OK) /* also refuses a split that is too short */
        st = cn_fly_sampler_init(&t->at.sampler, &cfg->train, data->train.frames, 0, err);
    if (st != CN_OK) {
        cn_fly_trainer_free(t);
        return st;
    }
    plan(t);
    *out = t;
    return CN_OK;
}

void cn_fly_trainer_free(struct cn_fly_trainer *t)
{
    if (!t)
        return;
    cn_fly_evaluator_free(t->ev);
    cn_fly_target_free(t->target);
    cn_fly_step_free(t->step);
    cn_fly_model_free(t->model);
    cn_fly_history_clear(&t->history);
    cn_free(t->frames);
    cn_free(t->v);
    cn_free(t->y);
    cn_free(t->noise);
    cn_free(t->vp);
    cn_free(t);
}

/* ---- 2. getters ---- */

int64_t cn_fly_trainer_niter(const struct cn_fly_trainer *t)
{
    return t->niter;
}

int64_t cn_fly_trainer_total(const struct cn_fly_trainer *t)
{
    return t->total;
}

bool cn_fly_trainer_done(const struct cn_fly_trainer *t)
{
    return t->at.step >= t->total;
}

double cn_fly_trainer_seconds(const struct cn_fly_trainer *t)
{
    return t->seconds_before + (double)(cn_clock_mono_us() - t->started_us) * 1e-6;
}

double cn_fly_trainer_final_loss(const struct cn_fly_trainer *t)
{
    return t->at.last_loss;
}

struct cn_fly_model *cn_fly_trainer_model(struct cn_fly_trainer *t)
{
    return t->model;
}

struct cn_fly_evaluator *cn_fly_trainer_evaluator(struct cn_fly_trainer *t)
{
    return t->ev;
}

struct cn_fly_target *cn_fly_trainer_target(struct cn_fly_trainer *t)
{
    return t->target;
}

struct cn_fly_history *cn_fly_trainer_history(struct cn_fly_trainer *t)
{
    return &t->history;
}

const struct cn_fly_data *cn_fly_trainer_data(const struct cn_fly_trainer *t)
{
    return t->data;
}

void cn_fly_trainer_position(const struct cn_fly_trainer *t, struct cn_fly_position *out)
{
    *out = t->at;
    out->seconds = cn_fly_trainer_seconds(t);
}

void cn_fly_trainer_set_position(struct cn_fly_trainer *t, const struct cn_fly_position *p)
{
    t->at = *p;
    t->seconds_before = p->seconds;
    t->started_us = cn_clock_mono_us();
}

/* ---- 3. one iteration ---- */

/* Label noise: a function of (seed, step, frame, neuron), so a resumed run draws the same. */
static void add_label_noise(struct cn_fly_trainer *t)
{
    const struct cn_fly_training *c = &t->cfg.train;
    double level = c->loss_noise_level * pow(0.95, t->at.epoch);
    int64_t n = t->data->graph.n;

    if (level <= 0)
        return;
    for (int32_t b = 0; b < c->batch_size; b++) {
        uint64_t block = (uint64_t)(t->at.step * c->batch_size + b);
        float *y = t->y + b * n;

        cn_rng_fill_normal(c->seed, 0x6c6f7373u, block * 2 * (uint64_t)n, t->noise, n);
        for (int64_t i = 0; i < n; i++)
            y[i] += (float)level * t->noise[i];
    }
}

static void fill_batch(struct cn_fly_trainer *t, struct cn_fly_batch *out)
{
    const struct cn_fly_data *d = t->data;
    int32_t b = t->cfg.train.batch_size;

    cn_fly_sampler_next(&t->at.sampler, b, t->frames);
    cn_fly_data_voltage(d, CN_FLY_TRAIN, t->frames, b, t->v);
    cn_fly_target_batch(t->target, CN_FLY_TRAIN, t->frames, b, t->y);
    add_label_noise(t);
    for (int32_t k = 0; k < b; k++)
        t->Ip[k] = d->train.stimulus + t->frames[k] * d->graph.n_columns;
    *out = (struct cn_fly_batch){.frames = b,
                                 .v = t->vp,
                                 .I = t->Ip,
                                 .y = t->yp,
                                 .i_count = d->graph.n_input,
                                 .i_period = d->graph.n_columns};
}

static void add_to_sums(struct cn_fly_position *at, const struct cn_fly_terms *terms)
{
    at->n_sums++;
    at->sum_loss += terms->logged;
    at->sum_total += terms->total;
    for (int k = 0; k < CN_FLY_N_TERMS; k++)
        at->sum_term[k] += terms->term[k];
}

static void head(const struct cn_fly_trainer *t, double *row)
{
    row[CN_FLY_H_STEP] = (double)t->at.step;
    row[CN_FLY_H_EPOCH] = t->at.epoch;
    row[CN_FLY_H_ITERATION] = (double)t->at.iteration;
    row[CN_FLY_H_SECONDS] = cn_fly_trainer_seconds(t);
}

/* Means since the last report; all but the loss itself are divided by N, as the loss is. */
static void report(struct cn_fly_trainer *t)
{
    double *row = cn_fly_table_add(&t->history.report);
    double m = (double)t->at.n_sums, mn = m * (double)t->data->graph.n;

    head(t, row);
    row[CN_FLY_REPORT_LOSS] = t->at.last_loss = t->at.sum_loss / m;
    row[CN_FLY_REPORT_TOTAL] = t->at.sum_total / mn;
    for (int k = 0; k < CN_FLY_N_TERMS; k++)
        row[CN_FLY_REPORT_TERMS + k] = t->at.sum_term[k] / mn;
    t->at.n_sums = 0;
    t->at.sum_loss = t->at.sum_total = 0;
    memset(t->at.sum_term, 0, sizeof t->at.sum_term);
}

static void measure(struct cn_fly_trainer *t)
{
    double *row = cn_fly_table_add(&t->history.r2);
    const struct cn_fly_recovered *r = cn_fly_evaluator_recovered(t->ev);

    cn_fly_evaluator_recover(t->ev);
    head(t, row);
    row[CN_FLY_R2_CONNECTIVITY] = r->connectivity.r2;
    row[CN_FLY_R2_V_REST] = r->V_rest.r2;
    row[CN_FLY_R2_TAU] = r->tau.r2;
    row[CN_FLY_R2_IDENTITY] = r->connectivity_identity;
}

static int64_t at_least_1(int64_t x)
{
    return x > 1 ? x : 1;
}

bool cn_fly_r2_due(int64_t it, int64_t niter)
{
    int64_t tenth = at_least_1(niter / 10), early = at_least_1(tenth / 5);

    return it > 0 && (it % tenth == 0 || (it < tenth && it % early == 0));
}

/* Books after iteration `it`; at.step counts it already. */
static unsigned keep_books(struct cn_fly_trainer *t, int64_t it)
{
    int64_t done = it + 1;
    unsigned events = 0;

    if (done == 1 || done % at_least_1(t->niter / 20) == 0 || cn_fly_trainer_done(t)) {
        report(t);
        events |= CN_FLY_EVENT_REPORT;
    }
    if (cn_fly_r2_due(it, t->niter)) {
        measure(t);
        events |= CN_FLY_EVENT_R2;
    }
    if (done % at_least_1(t->niter / 10) == 0)
        events |= CN_FLY_EVENT_TENTH;
    if (done == t->niter)
        events |= CN_FLY_EVENT_EPOCH;
    return events;
}

static cn_status next_position(struct cn_fly_trainer *t, struct cn_err *err)
{
    if (++t->at.iteration < t->niter)
        return CN_OK;
    t->at.iteration = 0;
    t->at.epoch++;
    return cn_fly_sampler_init(&t->at.sampler, &t->cfg.train, t->data->train.frames,
                               t->at.epoch, err);
}

cn_status cn_fly_trainer_advance(struct cn_fly_trainer *t, unsigned *out_events,
                                 struct cn_err *err)
{
    const struct cn_fly_training *c = &t->cfg.train;
    int64_t it = t->at.iteration;
    struct cn_fly_batch batch;
    struct cn_fly_terms terms;
    struct cn_fly_coef coef = cn_fly_coef_at(c, t->at.epoch, it, t->niter);
    struct cn_fly_lrs lrs = cn_fly_lrs_at(c, t->at.epoch, it, t->niter);
    cn_status st;

    *out_events = 0;
    fill_batch(t, &batch);
    st = cn_fly_step_train(t->step, &batch, &coef, &lrs, &terms, err);
    if (st != CN_OK)
        return cn_err_prefix(err, "epoch %d, iteration %lld", t->at.epoch, (long long)it);
    add_to_sums(&t->at, &terms);
    t->at.step++;
    *out_events = keep_books(t, it);
    return next_position(t, err);
}
