/* The search bench's figure; see search.h. */
#include <math.h>

#include "base/banned.h"
#include "base/plot.h"
#include "bench/search.h"

/* From the fourth training on: before, all are alike. */
enum { FIRST = 4 };

static void draw_method(struct cn_plot *p, const struct results *r, int g, method by,
                        double *room)
{
    double x[SEARCH_BUDGET], low[SEARCH_BUDGET], mid[SEARCH_BUDGET], high[SEARCH_BUDGET];
    int64_t n = 0;

    for (int64_t at = FIRST; at <= r->budget; at++, n++) {
        struct quartiles q = quartiles_of(room, gather(r, g, (int)by, at, room));

        x[n] = (double)at;
        low[n] = q.low;
        mid[n] = q.median;
        high[n] = q.high;
    }
    cn_plot_ribbon(p, x, low, high, n);
    cn_plot_series(p, method_name(by), CN_PLOT_LINE, x, mid, n);
}

cn_status draw_figure(const struct results *r, const char *stem, double *room,
                      struct cn_err *err)
{
    static const method shown[] = {BY_RANDOM, BY_TPE_POINTS, BY_SLOPE, BY_TPE};
    struct cn_plot *p =
        cn_plot_new("Loss of the best config so far, as a share of the default's: median and "
                    "quartiles",
                    2, 2);
    cn_status st;

    if (!p)
        return cn_err_set(err, CN_ENOMEM, "no memory for the figure %s", stem);
    cn_plot_size(p, 900, 720);
    cn_plot_raster_only(p);
    for (int g = 0; g < N_GROUPS; g++) {
        cn_plot_panel(p, group_names[g], "trainings", "loss / default's loss");
        cn_plot_log(p, 'y');
        cn_plot_range(p, 'y', (double)NAN, 1.2);
        for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
            draw_method(p, r, g, shown[i], room);
    }
    st = cn_plot_write(p, stem, err);
    cn_plot_free(p);
    return st;
}
