/* The seven figures. In this file:
 *   1. the table and shared aids
 *   2. loss
 *   3. R2
 *   4. weights
 *   5. dynamics and embedding
 *   6. functions
 *   7. traces
 *   8. all of them
 */
#include "trainer/fly/figures.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/file.h"
#include "base/plot.h"
#include "base/text.h"

/* ---- 1. the table and shared aids ---- */

const struct cn_fly_figure_info cn_fly_figure_table[CN_FLY_N_FIGURES] = {
#define X(stem, words) {#stem, #stem ".png", words},
    CN_FLY_FIGURE_MAP(X)
#undef X
};

enum { MAX_SCATTER = 20000, CURVE_POINTS = 200, NOTE = 160 };

typedef void draw_fn(const struct cn_fly_figures *f, struct cn_plot *p);

/* One column of a history table; owned by the caller (cn_free), NULL when out of memory or
 * empty. */
static double *column(const struct cn_fly_table *t, int k)
{
    double *x = t->rows ? cn_alloc((size_t)t->rows, sizeof *x) : NULL;

    for (int64_t r = 0; x && r < t->rows; r++)
        x[r] = cn_fly_table_row(t, r)[k];
    return x;
}

static void history_line(struct cn_plot *p, const struct cn_fly_table *t, int k,
                         const char *label, cn_plot_style style)
{
    double *x = column(t, CN_FLY_H_STEP), *y = column(t, k);

    if (x && y)
        cn_plot_series(p, label, style, x, y, t->rows);
    cn_free(x);
    cn_free(y);
}

/* Shade the V_rest stage of every epoch. */
static void phase_bands(const struct cn_fly_figures *f, struct cn_plot *p)
{
    const struct cn_fly_training *t = &f->cfg->train;
    int64_t niter =
        cn_fly_niter(f->data->train.frames, t->data_augmentation_loop, t->batch_size);
    const struct cn_fly_table *h = &f->history->report;
    int64_t end = h->rows ? (int64_t)cn_fly_table_row(h, h->rows - 1)[CN_FLY_H_STEP] : 0;
    int64_t joint = (int64_t)((double)niter * t->alternate_joint_ratio);

    if (!t->alternate_training)
        return;
    for (int32_t e = 0; e < t->n_epochs && e * niter + joint < end; e++) {
        int64_t to = (e + 1) * niter < end ? (e + 1) * niter : end;

        cn_plot_band(p, (double)(e * niter + joint), (double)to, e == 0 ? "V_rest stage" : "");
    }
}

static void fit_note(struct cn_plot *p, const struct cn_fly_fit *fit)
{
    char note[NOTE];

    cn_text_format(note, sizeof note, "R2 %.3f  slope %.3f", fit->r2, fit->slope);
    cn_plot_note(p, note);
}

/* ---- 2. loss ---- */

static void draw_loss(const struct cn_fly_figures *f, struct cn_plot *p)
{
    const struct cn_fly_table *t = &f->history->report;

    cn_plot_panel(p, "loss", "iteration", "||r|| / N");
    cn_plot_log(p, 'y');
    history_line(p, t, CN_FLY_REPORT_TOTAL, "with regularisers", CN_PLOT_LINE);
    history_line(p, t, CN_FLY_REPORT_LOSS, "prediction", CN_PLOT_LINE);
    phase_bands(f, p);
    cn_plot_panel(p, "regularisers", "iteration", "share of the loss / N");
    cn_plot_log(p, 'y');
    for (int k = 0; k < CN_FLY_N_TERMS; k++) {
        bool used = false;

        for (int64_t r = 0; r < t->rows; r++)
            used = used || cn_fly_table_row(t, r)[CN_FLY_REPORT_TERMS + k] != 0;
        if (used)
            history_line(p, t, CN_FLY_REPORT_TERMS + k, cn_fly_term_name((cn_fly_term)k),
                         CN_PLOT_LINE);
    }
    phase_bands(f, p);
}

/* ---- 3. R2 ---- */

/* The rows on the way and the final measurement as the last point. */
static void r2_line(const struct cn_fly_figures *f, struct cn_plot *p, int k, double last,
                    const char *label)
{
    const struct cn_fly_table *t = &f->history->r2, *h = &f->history->report;
    int64_t n = t->rows;
    double *x = cn_alloc(2 * (size_t)(n + 1), sizeof *x), *y = x ? x + n + 1 : NULL;

    if (!x)
        return;
    for (int64_t r = 0; r < n; r++) {
        x[r] = cn_fly_table_row(t, r)[CN_FLY_H_STEP];
        y[r] = cn_fly_table_row(t, r)[k];
    }
    x[n] = h->rows ? cn_fly_table_row(h, h->rows - 1)[CN_FLY_H_STEP] : 0;
    y[n] = last;
    cn_plot_series(p, label, CN_PLOT_LINEPOINTS, x, y, n + 1);
    cn_free(x);
}

static void draw_r2(const struct cn_fly_figures *f, struct cn_plot *p)
{
    const struct cn_fly_recovered *r = cn_fly_evaluator_recovered(f->ev);

    cn_plot_panel(p, "recovery", "iteration", "R2");
    cn_plot_range(p, 'y', 0, 1.02);
    r2_line(f, p, CN_FLY_R2_CONNECTIVITY, r->connectivity.r2, "connectivity");
    r2_line(f, p, CN_FLY_R2_TAU, r->tau.r2, "tau");
    r2_line(f, p, CN_FLY_R2_V_REST, r->V_rest.r2, "V_rest");
    cn_plot_hline(p, 0.9);
    phase_bands(f, p);
}

/* ---- 4. weights ---- */

/* Every stride-th edge, at most MAX_SCATTER: more dots would only be a bigger file. */
static void scatter(struct cn_plot *p, const double *x, const double *y, int64_t n)
{
    int64_t stride = (n + MAX_SCATTER - 1) / MAX_SCATTER, m = 0;
    double *a = cn_alloc(2 * (size_t)(n / stride + 1), sizeof *a), *b;

    if (!a)
        return;
    b = a + n / stride + 1;
    for (int64_t k = 0; k < n; k += stride, m++) {
        a[m] = x[k];
        b[m] = y[k];
    }
    cn_plot_series(p, "", CN_PLOT_POINTS, a, b, m);
    cn_free(a);
}

static void draw_weights(const struct cn_fly_figures *f, struct cn_plot *p)
{
    const struct cn_fly_recovered *r = cn_fly_evaluator_recovered(f->ev);
    int64_t e = f->data->graph.e;
    double lo = 0, hi = 0, air;

    for (int64_t k = 0; k < e; k++) {
        lo = fmin(lo, r->W_true[k]);
        hi = fmax(hi, r->W_true[k]);
    }
    air = 0.15 * (hi - lo);
    cn_plot_raster_only(p);
    cn_plot_panel(p, "learned W, raw", "true W", "learned W");
    scatter(p, r->W_true, r->W, e);
    fit_note(p, &r->raw);
    cn_plot_panel(p, "learned W, corrected", "true W", "W*");
    cn_plot_square(p);
    cn_plot_range(p, 'x', lo - air, hi + air); /* single wild edges must not hide the rest */
    cn_plot_range(p, 'y', lo - air, hi + air);
    scatter(p, r->W_true, r->W_star, e);
    cn_plot_identity(p);
    fit_note(p, &r->connectivity);
}

/* ---- 5. dynamics and embedding ---- */

static void by_type(const struct cn_fly_figures *f, struct cn_plot *p, const double *x,
                    const double *y)
{
    int64_t n = f->data->graph.n;
    int *cls = cn_alloc((size_t)n, sizeof *cls);

    if (!cls)
        return;
    for (int64_t i = 0; i < n; i++)
        cls[i] = f->data->graph.type[i];
    cn_plot_classes(p, "", x, y, cls, n);
    cn_free(cls);
}

static void draw_dynamics(const struct cn_fly_figures *f, struct cn_plot *p)
{
    const struct cn_fly_recovered *r = cn_fly_evaluator_recovered(f->ev);

    cn_plot_panel(p, "time constant", "true tau (s)", "learned tau (s)");
    cn_plot_square(p);
    by_type(f, p, r->tau_true, r->tau_learned);
    cn_plot_identity(p);
    fit_note(p, &r->tau);
    cn_plot_panel(p, "resting potential", "true V_rest", "learned V_rest");
    cn_plot_square(p);
    by_type(f, p, r->V_true, r->V_learned);
    cn_plot_identity(p);
    fit_note(p, &r->V_rest);
}

/* The first two dimensions; a linear model has none and shows tau against V_rest. */
static void draw_embedding(const struct cn_fly_figures *f, struct cn_plot *p)
{
    int64_t n = f->data->graph.n;
    int32_t d = f->cfg->model.embedding_dim;
    const float *a = cn_fly_model_get(f->model, "a", NULL);
    double *x = cn_alloc(2 * (size_t)n, sizeof *x), *y = x ? x + n : NULL;

    if (!x)
        return;
    if (!a) {
        const struct cn_fly_recovered *r = cn_fly_evaluator_recovered(f->ev);

        cn_plot_panel(p, "coloured by cell type", "learned tau (s)", "learned V_rest");
        by_type(f, p, r->tau_learned, r->V_learned);
        cn_free(x);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        x[i] = (double)a[i * d];
        y[i] = d > 1 ? (double)a[i * d + 1] : 0;
    }
    cn_plot_panel(p, "coloured by cell type", "a_1", "a_2");
    by_type(f, p, x, y);
    cn_free(x);
}

/* ---- 6. functions ---- */

/* The neuron in the middle of the eye, of this type; the first of the type when there is
 * none. */
static int32_t neuron_of_type(const struct cn_fly_graph *g, int32_t type)
{
    int32_t first = -1;

    for (int64_t i = 0; i < g->n; i++) {
        if (g->type[i] != type)
            continue;
        if (first < 0)
            first = (int32_t)i;
        if (g->u[i] == 0 && g->v[i] == 0)
            return (int32_t)i;
    }
    return first;
}

/* One type's curve over the voltages it visits. */
static void curve(const struct cn_fly_figures *f, struct cn_plot *p, int32_t neuron, int of_g)
{
    float v[CURVE_POINTS], out[CURVE_POINTS];
    double x[CURVE_POINTS], y[CURVE_POINTS], lo, hi;
    int32_t who[CURVE_POINTS];
    struct cn_fly_eval *rows = cn_fly_evaluator_rows(f->ev);

    cn_fly_slope_range((double)f->data->mu[neuron], (double)f->data->sigma[neuron], of_g, &lo,
                       &hi);
    if (!(hi > lo))
        return;
    for (int k = 0; k < CURVE_POINTS; k++) {
        x[k] = lo + (hi - lo) * k / (CURVE_POINTS - 1);
        v[k] = (float)x[k];
        who[k] = neuron;
    }
    if (of_g)
        cn_fly_eval_g(rows, CURVE_POINTS, who, v, out);
    else
        cn_fly_eval_f(rows, CURVE_POINTS, who, v, NULL, NULL, out, NULL);
    for (int k = 0; k < CURVE_POINTS; k++)
        y[k] = (double)out[k];
    cn_plot_series(p, "", CN_PLOT_LINE, x, y, CURVE_POINTS);
}

static void curves(const struct cn_fly_figures *f, struct cn_plot *p, int of_g)
{
    const struct cn_fly_graph *g = &f->data->graph;

    for (int32_t t = 0; t < g->n_types; t++) {
        int32_t i = neuron_of_type(g, t);

        if (i >= 0 && (!of_g || f->data->mu[i] + f->data->sigma[i] > 0))
            curve(f, p, i, of_g);
    }
}

static void draw_functions(const struct cn_fly_figures *f, struct cn_plot *p)
{
    cn_plot_panel(p, "g_phi: what a neuron sends", "v", "g_phi(v, a)");
    curves(f, p, 1);
    cn_plot_identity(p);
    cn_plot_panel(p, "f_theta without input", "v", "f_theta(v, a, 0, 0)");
    curves(f, p, 0);
    cn_plot_hline(p, 0);
}

/* ---- 7. traces ---- */

static void pair(const struct cn_fly_figures *f, struct cn_plot *p, int part, int64_t k,
                 double per_frame, int64_t n)
{
    const struct cn_fly_test *t = f->test;
    const double *truth = t->trace + ((int64_t)part * CN_FLY_PICKS + k) * t->frames;
    double *x = cn_alloc((size_t)n, sizeof *x);

    for (int64_t i = 0; x && i < n; i++)
        x[i] = (double)i * per_frame;
    if (x) {
        cn_plot_series(p, k == 0 ? "true" : "", CN_PLOT_LINE, x, truth, n);
        cn_plot_series(p, k == 0 ? "predicted" : "", CN_PLOT_LINE, x,
                       truth + CN_FLY_PICKS * t->frames, n);
    }
    cn_free(x);
}

static void draw_traces(const struct cn_fly_figures *f, struct cn_plot *p)
{
    const struct cn_fly_test *t = f->test;
    const struct cn_fly_graph *g = &f->data->graph;
    int64_t n = t->frames - 1 < 150 ? t->frames - 1 : 150;

    for (int64_t k = 0; k < t->n_picks; k++) {
        const char *type = g->type_name[g->type[t->pick[k]]];
        bool last = k == t->n_picks - 1;
        char title[NOTE];

        cn_text_format(title, sizeof title, "%s: dv/dt, one step ahead", type);
        cn_plot_panel(p, title, last ? "time (s)" : "", "dv/dt");
        pair(f, p, 0, k, f->data->delta_t, n);
        cn_text_format(title, sizeof title, "%s: voltage, rolled out", type);
        cn_plot_panel(p, title, last ? "time (s)" : "", "v");
        pair(f, p, 2, k, f->data->delta_t, n);
    }
}

/* ---- 8. all of them ---- */

static cn_status draw_one(const struct cn_fly_figures *f, cn_fly_figure which, int rows,
                          int cols, const char *title, draw_fn *draw, struct cn_err *err)
{
    struct cn_plot *p = cn_plot_new(title, rows, cols);
    char *stem = cn_file_join(f->dir, cn_fly_figure_table[which].stem);
    cn_status st;

    if (!p || !stem) {
        st = cn_err_set(err, CN_ENOMEM, "no memory for the figure %s",
                        cn_fly_figure_table[which].stem);
    } else {
        if (which == CN_FLY_FIGURE_traces)
            cn_plot_size(p, 1100, 210 * rows + 40);
        if (which == CN_FLY_FIGURE_r2)
            cn_plot_size(p, 640, 440);
        draw(f, p);
        st = cn_plot_write(p, stem, err);
    }
    cn_plot_free(p);
    cn_free(stem);
    return st;
}

cn_status cn_fly_figures_draw(const struct cn_fly_figures *f, int *out_drawn,
                              struct cn_err *err)
{
    const struct {
        int rows, cols;
        const char *title;
        draw_fn *draw;
    } all[CN_FLY_N_FIGURES] = {
        [CN_FLY_FIGURE_loss] = {1, 2, "Training loss", draw_loss},
        [CN_FLY_FIGURE_r2] = {1, 1, "What was recovered, over the training", draw_r2},
        [CN_FLY_FIGURE_weights] = {1, 2, "Synaptic weights", draw_weights},
        [CN_FLY_FIGURE_dynamics] = {1, 2, "Neuron parameters", draw_dynamics},
        [CN_FLY_FIGURE_embedding] = {1, 1, "Learned embeddings", draw_embedding},
        [CN_FLY_FIGURE_functions] = {1, 2, "Learned functions, one curve per cell type",
                                     draw_functions},
        [CN_FLY_FIGURE_traces] = {0, 2, "Test data, six neurons", draw_traces},
    };
    cn_status st = CN_OK;

    *out_drawn = 0;
    for (int k = 0; k < CN_FLY_N_FIGURES && st == CN_OK; k++) {
        int rows = k == CN_FLY_FIGURE_traces ? (int)f->test->n_picks : all[k].rows;

        if (rows == 0 || (k == CN_FLY_FIGURE_functions && f->cfg->model.kind == CN_FLY_LINEAR))
            continue;
        st = draw_one(f, (cn_fly_figure)k, rows, all[k].cols, all[k].title, all[k].draw, err);
        *out_drawn += st == CN_OK;
    }
    return st;
}
