/* The figures of a training, drawn by gnuplot from numbers already measured (base/plot.h keeps
 * each script).
 *
 *     struct cn_fly_figures f = {.dir = out, .cfg = &cfg, .data = &data, .history = history,
 *                                .model = model, .ev = ev, .test = &test};
 *     st = cn_fly_figures_draw(&f, &n_drawn, &err); // CN_EUNSUPPORTED: no gnuplot
 */
#ifndef CN_FLY_FIGURES_H
#define CN_FLY_FIGURES_H

#include "base/status.h"
#include "trainer/fly/evaluate.h"
#include "trainer/fly/history.h"

/* file stem, meaning */
#define CN_FLY_FIGURE_MAP(X)                                                      \
    X(loss, "loss and regularisers over the iterations")                          \
    X(r2, "connectivity, tau and V_rest R2 over the iterations, with the phases") \
    X(weights, "true against learned W, raw and corrected")                       \
    X(dynamics, "true against learned tau and V_rest")                            \
    X(embedding, "learned embeddings, coloured by cell type")                     \
    X(functions, "g_phi and f_theta, one curve per cell type")                    \
    X(traces, "dv/dt one step ahead, and voltages rolled out, of six neurons")

typedef enum {
#define X(stem, words) CN_FLY_FIGURE_##stem,
    CN_FLY_FIGURE_MAP(X)
#undef X
        CN_FLY_N_FIGURES
} cn_fly_figure;

struct cn_fly_figure_info {
    const char *stem, *file, *meaning; /* file = stem.png */
};
extern const struct cn_fly_figure_info cn_fly_figure_table[CN_FLY_N_FIGURES];

struct cn_fly_figures {
    const char *dir; /* run folder */
    const struct cn_fly_config *cfg;
    const struct cn_fly_data *data;
    const struct cn_fly_history *history;
    struct cn_fly_model *model;
    struct cn_fly_evaluator *ev; /* after cn_fly_evaluator_recover */
    const struct cn_fly_test *test;
};

CN_MUST_CHECK cn_status cn_fly_figures_draw(const struct cn_fly_figures *f, int *out_drawn,
                                            struct cn_err *err);

#endif
