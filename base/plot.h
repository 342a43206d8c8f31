/* Figures through gnuplot, the script kept beside the figure. The only home of gnuplot.
 *
 * A figure is built in memory, then cn_plot_write puts <stem>.gp (self-contained: data inline
 * as named datablocks) and runs gnuplot to make <stem>.png and <stem>.svg. Labels are emitted
 * in single quotes only (backticks in double quotes would run a shell) and control characters
 * are dropped.
 *
 *     struct cn_plot *p = cn_plot_new("R2 over training", 1, 2); // 1 row, 2 columns
 *     cn_plot_panel(p, "connectivity", "iteration", "R2");
 *     cn_plot_range(p, 'y', 0, 1);
 *     cn_plot_series(p, "connectivity_R2", CN_PLOT_LINE, x, y, n);
 *     cn_plot_hline(p, 0.9);
 *     st = cn_plot_write(p, "runs/a/iter_000001/r2", &err); // CN_EUNSUPPORTED without gnuplot
 *     cn_plot_free(p);
 *
 * Non-finite points are left out (gaps). Memory trouble sticks and is reported by
 * cn_plot_write.
 */
#ifndef CN_BASE_PLOT_H
#define CN_BASE_PLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

struct cn_plot;
typedef enum {
    CN_PLOT_LINE,
    CN_PLOT_POINTS,
    CN_PLOT_LINEPOINTS,
    CN_PLOT_DOTS,
    CN_PLOT_STEPS,
    CN_PLOT_BOXES
} cn_plot_style;

/* NULL when out of memory. */
struct cn_plot *cn_plot_new(const char *title, int rows, int cols);
void cn_plot_free(struct cn_plot *p);
/* Default 480 x 360 per panel. */
void cn_plot_size(struct cn_plot *p, int width_px, int height_px);
void cn_plot_raster_only(struct cn_plot *p); /* PNG, no SVG: for large scatters */
void cn_plot_panel(struct cn_plot *p, const char *title, const char *xlabel,
                   const char *ylabel);         /* next panel */
void cn_plot_log(struct cn_plot *p, char axis); /* 'x' or 'y' */
void cn_plot_range(struct cn_plot *p, char axis, double lo, double hi);
void cn_plot_square(struct cn_plot *p); /* equal aspect, as for true-against-learned */
void cn_plot_series(struct cn_plot *p, const char *label, cn_plot_style style, const double *x,
                    const double *y, int64_t n);
/* The space between two curves, shaded in the colour of the series that comes next: quartiles. */
void cn_plot_ribbon(struct cn_plot *p, const double *x, const double *low, const double *high,
                    int64_t n);
/* Points coloured by an integer class; classes >= 0 cycle through a palette of 20. */
void cn_plot_classes(struct cn_plot *p, const char *label, const double *x, const double *y,
                     const int *cls, int64_t n);
void cn_plot_identity(struct cn_plot *p); /* the line y = x */
void cn_plot_hline(struct cn_plot *p, double y);
void cn_plot_vline(struct cn_plot *p, double x);
/* Shaded phase. */
void cn_plot_band(struct cn_plot *p, double x0, double x1, const char *label);
void cn_plot_note(struct cn_plot *p, const char *text); /* small text, top left of the panel */
CN_MUST_CHECK cn_status cn_plot_write(struct cn_plot *p, const char *stem, struct cn_err *err);

/* Graphviz: run `dot` on a source kept as <stem>.dot, giving <stem>.svg and <stem>.png. */
CN_MUST_CHECK cn_status cn_plot_dot(const char *source, const char *stem, struct cn_err *err);

/* The same in the background, for a caller that has better to do: one run of dot for both files,
 * which take the old ones' place when it is over.
 *
 *     struct cn_dot d = CN_DOT_INIT;
 *     st = cn_dot_start(&d, source, stem, &err);    // CN_EUNSUPPORTED without Graphviz
 *     st = cn_dot_end(&d, 0, &err);                 // CN_ETIMEOUT: still at it
 *     cn_dot_stop(&d);                              // give it up; fine when nothing runs
 */
struct cn_dot {
    pid_t pid;  /* 0: nothing runs */
    char *stem; /* owned */
};
/* clang-format off */
#define CN_DOT_INIT {0, NULL}
/* clang-format on */
CN_MUST_CHECK cn_status cn_dot_start(struct cn_dot *d, const char *source, const char *stem,
                                     struct cn_err *err);
/* Waits for at most timeout_ms (-1: for ever). On success and when dot failed, nothing runs any
 * more. */
CN_MUST_CHECK cn_status cn_dot_end(struct cn_dot *d, int64_t timeout_ms, struct cn_err *err);
void cn_dot_stop(struct cn_dot *d);

#endif
