/* What plot.c (building, running) and plot_script.c (the gnuplot script) share. */
#ifndef CN_BASE_PLOT_INT_H
#define CN_BASE_PLOT_INT_H

#include "base/buf.h"
#include "base/plot.h"

enum { CN_PLOT_CLASSES = -1, CN_PLOT_RIBBON = -2 }; /* styles beside those of the header */

struct axis {
    bool log;
    double lo, hi; /* as set; NaN: from the data */
};

struct series {
    struct series *next;
    char *label; /* owned */
    int style;   /* cn_plot_style, or one of those above */
    double *x, *y;
    double *high; /* NULL unless CN_PLOT_RIBBON: y is its low side */
    int *cls;     /* NULL unless CN_PLOT_CLASSES */
    int64_t n;
    int64_t id; /* number of its datablock */
};

enum mark_kind { MARK_IDENTITY, MARK_H, MARK_V, MARK_BAND, MARK_NOTE };

struct mark {
    struct mark *next;
    enum mark_kind kind;
    double a, b;
    char *text; /* owned, NULL when none */
};

struct panel {
    struct panel *next;
    char *title, *xlabel, *ylabel; /* owned */
    struct axis x, y;
    bool square;
    struct series *series, *last_series;
    struct mark *marks, *last_mark;
};

struct cn_plot {
    char *title; /* owned */
    int rows, cols;
    int width, height; /* whole figure; 0: default */
    bool raster_only;
    bool broken; /* memory ran out: cn_plot_write says so */
    int64_t n_series;
    int n_panels;
    struct panel *panels, *last;
};

/* The script that makes <name>.png and <name>.svg in its own folder. */
void cn_plot_script(struct cn_buf *b, const struct cn_plot *p, const char *name);

#endif
