/* The gnuplot script of a figure.
 *   1. ranges      every axis gets an explicit range: gnuplot refuses empty ones
 *   2. the script  data as named datablocks, then the panels once for PNG and once for SVG
 * The script names its outputs without folder, so a moved figure can be made again where it
 * lies.
 */
#include <math.h>
#include <string.h>

#include "base/plot.h"
#include "base/plot_int.h"
#include "base/text.h"

enum { PANEL_W = 480, PANEL_H = 360, TITLE_H = 34, MANY_POINTS = 2000 };
#define LARGEST 1e300 /* an axis of more has an infinite width */

/* The ten and twenty colours that most plotting programs start with; neighbours differ in
 * hue. */
static const unsigned series_colours[10] = {0x1f77b4, 0xff7f0e, 0x2ca02c, 0xd62728, 0x9467bd,
                                            0x8c564b, 0xe377c2, 0x7f7f7f, 0xbcbd22, 0x17becf};
static const unsigned class_colours[20] = {0x1f77b4, 0xaec7e8, 0xff7f0e, 0xffbb78, 0x2ca02c,
                                           0x98df8a, 0xd62728, 0xff9896, 0x9467bd, 0xc5b0d5,
                                           0x8c564b, 0xc49c94, 0xe377c2, 0xf7b6d2, 0x7f7f7f,
                                           0xc7c7c7, 0xbcbd22, 0xdbdb8d, 0x17becf, 0x9edae5};

/* ---- 1. ranges ---- */

struct range {
    double lo, hi;
};

static void widen(struct range *r, const struct axis *a, double v)
{
    if (!isfinite(v) || (a->log && v <= 0))
        return;
    r->lo = fmin(r->lo, v); /* fmin leaves NaN out */
    r->hi = fmax(r->hi, v);
}

static bool is_visible(const struct panel *q, double x, double y)
{
    return isfinite(x) && isfinite(y) && !(q->x.log && x <= 0) && !(q->y.log && y <= 0);
}

/* A little air, and never an empty range. */
static struct range padded(struct range r, const struct axis *a, double air)
{
    double lo = fmax(r.lo, -LARGEST), hi = fmin(r.hi, LARGEST), width;

    if (isnan(r.lo))
        return a->log ? (struct range){1, 10} : (struct range){0, 1};
    if (a->log && hi / lo < 100) /* whole decades, or the axis would carry no number */
        return (struct range){pow(10, floor(log10(lo))), pow(10, floor(log10(hi)) + 1)};
    if (a->log) {
        double factor = pow(hi / lo, air);

        return (struct range){lo / factor, hi * factor};
    }
    width = hi - lo;
    if (!(width > 1e-12 * fmax(fabs(lo), fabs(hi))))
        width = lo == 0 ? 1 : fabs(lo);
    return (struct range){lo - air * width, hi + air * width};
}

static void apply_set(struct range *r, const struct axis *a)
{
    if (isfinite(a->lo) && !(a->log && a->lo <= 0))
        r->lo = a->lo;
    if (isfinite(a->hi) && !(a->log && a->hi <= 0))
        r->hi = a->hi;
    if (!(r->hi > r->lo))
        r->hi = a->log ? r->lo * 10 : r->lo + 1;
}

static bool has_boxes(const struct panel *q)
{
    for (const struct series *s = q->series; s; s = s->next)
        if (s->style == CN_PLOT_BOXES)
            return true;
    return false;
}

/* Boxes reach half a spacing beyond their centres. */
static double box_margin(const struct panel *q)
{
    double smallest = (double)INFINITY;

    for (const struct series *s = q->series; s; s = s->next)
        for (int64_t i = 1; s->style == CN_PLOT_BOXES && i < s->n; i++)
            if (fabs(s->x[i] - s->x[i - 1]) > 0)
                smallest = fmin(smallest, fabs(s->x[i] - s->x[i - 1]));
    return isfinite(smallest) ? smallest / 2 : 0.5;
}

static void ranges(const struct panel *q, struct range *out_x, struct range *out_y)
{
    struct range x = {(double)NAN, (double)NAN}, y = x;

    for (const struct series *s = q->series; s; s = s->next) {
        for (int64_t i = 0; i < s->n; i++) {
            if (is_visible(q, s->x[i], s->y[i])) {
                widen(&x, &q->x, s->x[i]);
                widen(&y, &q->y, s->y[i]);
                if (s->high)
                    widen(&y, &q->y, s->high[i]);
            }
        }
    }
    for (const struct mark *m = q->marks; m; m = m->next) {
        if (m->kind == MARK_H)
            widen(&y, &q->y, m->a);
        if (m->kind == MARK_V || m->kind == MARK_BAND)
            widen(&x, &q->x, m->a);
        if (m->kind == MARK_BAND)
            widen(&x, &q->x, m->b);
    }
    if (has_boxes(q)) {
        widen(&y, &q->y, 0);
        if (!q->x.log && isfinite(x.lo)) {
            x.lo -= box_margin(q);
            x.hi += box_margin(q);
        }
    }
    if (q->square && isfinite(x.lo)) {
        x.lo = y.lo = fmin(x.lo, y.lo);
        x.hi = y.hi = fmax(x.hi, y.hi);
    }
    *out_x = padded(x, &q->x, 0.02);
    *out_y = padded(y, &q->y, q->square ? 0.02 : 0.05);
    if (has_boxes(q) && !q->y.log && y.lo == 0)
        out_y->lo = 0;
    apply_set(out_x, &q->x);
    apply_set(out_y, &q->y);
}

/* ---- 2. the script ---- */

/* 'text': nothing is expanded in single quotes, and no quote is inside (clean() in plot.c):
 * gnuplot takes a doubled one at the beginning for an empty string, and what follows for
 * commands. */
static void put_quoted(struct cn_buf *b, const char *s, size_t n)
{
    CN_ASSERT(!memchr(s, 0x27, n) && !memchr(s, 0x0A, n)); /* neither quote nor line break */
    cn_buf_addc(b, '\'');
    cn_buf_add(b, s, n);
    cn_buf_addc(b, '\'');
}

/* A file name must stay as it is: in double quotes, all but plain characters as octal
 * escapes. */
static void put_file_name(struct cn_buf *b, const char *name, const char *ending)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. ";

    cn_buf_addc(b, '"');
    for (; *name; name++) {
        if (strchr(plain, *name))
            cn_buf_addc(b, *name);
        else
            cn_buf_printf(b, "\\%03o", (unsigned)(unsigned char)*name);
    }
    cn_buf_printf(b, "%s\"", ending);
}

static void put_text(struct cn_buf *b, const char *command, const char *s, const char *tail)
{
    cn_buf_printf(b, "%s ", command);
    put_quoted(b, s, strlen(s));
    cn_buf_printf(b, "%s\n", tail);
}

static void put_data(struct cn_buf *b, const struct panel *q, const struct series *s)
{
    char x[CN_NUM_TEXT], y[CN_NUM_TEXT];
    bool gap = true;

    cn_buf_printf(b, "$d%lld << EOD\n", (long long)s->id);
    for (int64_t i = 0; i < s->n; i++) {
        if (!is_visible(q, s->x[i], s->y[i]) ||
            (s->high && !is_visible(q, s->x[i], s->high[i]))) {
            if (!gap)
                cn_buf_addc(b, '\n'); /* an empty line breaks a curve; two would end the data */
            gap = true;
            continue;
        }
        gap = false;
        cn_buf_printf(b, "%s %s", cn_text_double(s->x[i], x), cn_text_double(s->y[i], y));
        if (s->high)
            cn_buf_printf(b, " %s", cn_text_double(s->high[i], y));
        if (s->cls)
            cn_buf_printf(b, " %u", s->cls[i] < 0 ? 0xb0b0b0 : class_colours[s->cls[i] % 20]);
        cn_buf_addc(b, '\n');
    }
    cn_buf_adds(b, "EOD\n");
}

static int64_t visible(const struct panel *q, const struct series *s)
{
    int64_t n = 0;

    for (int64_t i = 0; i < s->n; i++)
        n += is_visible(q, s->x[i], s->y[i]);
    return n;
}

static void put_style(struct cn_buf *b, const struct series *s, int64_t n, int colour)
{
    unsigned rgb = series_colours[colour % 10];
    double size = n > MANY_POINTS ? 0.3 : n > 200 ? 0.45 : 0.6;
    const char *alpha = n > MANY_POINTS ? "80" : "20";

    switch (s->style) {
    case CN_PLOT_CLASSES:
        cn_buf_printf(b, "with points pt 7 ps %g lc rgb variable", size);
        break;
    case CN_PLOT_RIBBON:
        cn_buf_printf(b, "with filledcurves fs transparent solid 0.15 noborder lc rgb '#%06x'",
                      rgb);
        break;
    case CN_PLOT_LINE:
        cn_buf_printf(b, "with lines lw 1.6 lc rgb '#%06x'", rgb);
        break;
    case CN_PLOT_POINTS:
        cn_buf_printf(b, "with points pt 7 ps %g lc rgb '#%s%06x'", size, alpha, rgb);
        break;
    case CN_PLOT_LINEPOINTS:
        cn_buf_printf(b, "with linespoints pt 7 ps %g lw 1.4 lc rgb '#%06x'", size, rgb);
        break;
    case CN_PLOT_DOTS:
        cn_buf_printf(b, "with points pt 7 ps 0.12 lc rgb '#80%06x'", rgb);
        break;
    case CN_PLOT_STEPS:
        cn_buf_printf(b, "with steps lw 1.6 lc rgb '#%06x'", rgb);
        break;
    case CN_PLOT_BOXES:
        cn_buf_printf(b, "with boxes fs solid 0.75 noborder lc rgb '#%06x'", rgb);
        break;
    default:
        CN_BUG("plot style %d", s->style);
    }
}

/* A legend helps when there is more than one curve, or when the one says more than its axis.
 * Classes have too many colours for one. */
static bool wants_key(const struct panel *q)
{
    const char *only = NULL;
    int labels = 0;

    for (const struct series *s = q->series; s; s = s->next) {
        if (s->style == CN_PLOT_CLASSES || !*s->label)
            continue;
        labels++;
        only = s->style == CN_PLOT_POINTS || s->style == CN_PLOT_DOTS ? NULL : s->label;
    }
    return labels > 1 ||
           (labels == 1 && only && strcmp(only, q->ylabel) != 0 && strcmp(only, q->title) != 0);
}

static bool inside(struct range r, double v)
{
    return v >= r.lo && v <= r.hi;
}

static void put_band(struct cn_buf *b, const struct mark *m, struct range x, int *n_labels)
{
    double from = fmax(m->a, x.lo), to = fmin(m->b, x.hi);

    if (!(to > from))
        return;
    cn_buf_printf(b,
                  "set object rectangle from first %.17g, graph 0 to first %.17g, graph 1 fc "
                  "rgb '#eaf0f8' "
                  "fs solid noborder behind\n",
                  from, to);
    if (!*m->text)
        return;
    cn_buf_printf(b, "set label %d ", ++*n_labels);
    put_quoted(b, m->text, strlen(m->text));
    cn_buf_printf(b,
                  " at first %.17g, graph 0.03 left offset 0.4,0 noenhanced font ',8' tc rgb "
                  "'#5b6b80' front\n",
                  from);
}

/* One label a line, downwards from the top left. */
static void put_note(struct cn_buf *b, const struct mark *m, int *line, int *n_labels)
{
    for (const char *s = m->text; *s;) {
        size_t n = strcspn(s, "\n");

        cn_buf_printf(b, "set label %d ", ++*n_labels);
        put_quoted(b, s, n);
        cn_buf_printf(b,
                      " at graph 0.025, graph 0.95 offset 0,-%g left noenhanced font ',9' tc "
                      "rgb '#333333' front\n",
                      1.0 * (*line)++);
        s += n + (s[n] == '\n');
    }
}

static void put_marks(struct cn_buf *b, const struct panel *q, struct range x)
{
    int n_labels = 0, line = 0;

    for (const struct mark *m = q->marks; m; m = m->next) {
        if (m->kind == MARK_BAND)
            put_band(b, m, x, &n_labels);
        else if (m->kind == MARK_NOTE)
            put_note(b, m, &line, &n_labels);
        else if (m->kind == MARK_V && inside(x, m->a))
            cn_buf_printf(b,
                          "set arrow from first %.17g, graph 0 to first %.17g, graph 1 nohead "
                          "dt 2 lw 1.2 "
                          "lc rgb '#888888' front\n",
                          m->a, m->a);
    }
}

static void put_axis(struct cn_buf *b, char name, const struct axis *a, struct range r)
{
    if (a->log) {
        cn_buf_printf(b, "set logscale %c\n", name);
        /* powers of ten where there are several; else plain numbers, or an axis might have one
         * label */
        if (r.hi / r.lo >= 1000)
            cn_buf_printf(b, "set format %c '10^{%%T}'\nset m%ctics 10\n", name, name);
    }
    cn_buf_printf(b, "set %crange [%.17g:%.17g]\n", name, r.lo, r.hi);
}

/* Dots of a cloud are too small for the legend; it gets a larger one of the same colour. */
static void put_label(struct cn_buf *b, const struct series *s, int colour)
{
    bool cloud = s->style == CN_PLOT_POINTS || s->style == CN_PLOT_DOTS;

    if (s->style == CN_PLOT_CLASSES || !*s->label) {
        cn_buf_adds(b, " notitle");
        return;
    }
    if (cloud)
        cn_buf_printf(b, " notitle, \\\n     keyentry with points pt 7 ps 0.7 lc rgb '#%06x'",
                      series_colours[colour % 10]);
    cn_buf_adds(b, " title ");
    put_quoted(b, s->label, strlen(s->label));
    cn_buf_adds(b, " noenhanced");
}

/* Every curve, then the lines on top of them: gnuplot wants one comma-separated list. */
static void put_plot(struct cn_buf *b, const struct panel *q, struct range y)
{
    const char *const next = ", \\\n     ", *comma = "plot ";
    int colour = 0;

    /* A ribbon has the colour of the series that it belongs to. */
    for (const struct series *s = q->series; s;
         colour += s->style != CN_PLOT_RIBBON, s = s->next) {
        int64_t n = visible(q, s);

        if (n == 0)
            continue;
        cn_buf_printf(b, "%s$d%lld using 1:2%s ", comma, (long long)s->id,
                      s->cls || s->high ? ":3" : "");
        put_style(b, s, n, colour);
        put_label(b, s, colour);
        comma = next;
    }
    if (comma != next)
        cn_buf_adds(b, "set label 'no data' at graph 0.5, graph 0.5 center tc rgb '#999999'\n");
    for (const struct mark *m = q->marks; m; m = m->next) {
        if (m->kind == MARK_IDENTITY)
            cn_buf_printf(b, "%sx with lines dt 2 lw 1.2 lc rgb '#666666' notitle", comma);
        else if (m->kind == MARK_H && inside(y, m->a))
            cn_buf_printf(b, "%s%.17g with lines dt 2 lw 1.2 lc rgb '#888888' notitle", comma,
                          m->a);
        else
            continue;
        comma = next;
    }
    cn_buf_adds(b, comma == next ? "\n" : "plot 1/0 notitle\n");
}

static void put_panel(struct cn_buf *b, const struct panel *q)
{
    struct range x, y;

    ranges(q, &x, &y);
    cn_buf_adds(b, "\nunset arrow\nunset label\nunset object\nunset logscale\nset format '% "
                   "h'\nset mxtics default\n"
                   "set mytics default\n");
    put_text(b, "set title", q->title, " noenhanced font ',10'");
    put_text(b, "set xlabel", q->xlabel, " noenhanced");
    put_text(b, "set ylabel", q->ylabel, " noenhanced");
    cn_buf_adds(b, wants_key(q) ? "set key outside bottom center horizontal Left reverse "
                                  "noenhanced font ',9' samplen 1.5 "
                                  "height 0.6 tc rgb '#333333'\n"
                                : "set key off\n");
    cn_buf_adds(b, q->square ? "set size square\n" : "set size nosquare\n");
    put_axis(b, 'x', &q->x, x);
    put_axis(b, 'y', &q->y, y);
    put_marks(b, q, x);
    put_plot(b, q, y);
}

static void put_page(struct cn_buf *b, const struct cn_plot *p, const char *terminal,
                     const char *name, const char *ending)
{
    int width = p->width > 0 ? p->width : PANEL_W * p->cols;
    int height = p->height > 0 ? p->height : PANEL_H * p->rows + (*p->title ? TITLE_H : 0);

    cn_buf_printf(
        b, "\nset terminal %s size %d,%d font 'sans,10' background rgb 'white'\nset output ",
        terminal, width, height);
    put_file_name(b, name, ending);
    cn_buf_printf(b, "\nset multiplot layout %d,%d", p->rows, p->cols);
    if (*p->title) {
        cn_buf_adds(b, " title ");
        put_quoted(b, p->title, strlen(p->title));
        cn_buf_adds(b, " noenhanced font ',12'");
    }
    cn_buf_addc(b, '\n');
    for (const struct panel *q = p->panels; q; q = q->next)
        put_panel(b, q);
    cn_buf_adds(b, "\nunset multiplot\nunset output\n");
}

void cn_plot_script(struct cn_buf *b, const struct cn_plot *p, const char *name)
{
    cn_buf_adds(
        b, "# A figure of cairn. Run gnuplot on this file, in this folder, to make it again.\n"
           "set encoding utf8\n");
    for (const struct panel *q = p->panels; q; q = q->next)
        for (const struct series *s = q->series; s; s = s->next)
            put_data(b, q, s);
    cn_buf_adds(b, "\nset border 3 lw 0.8 lc rgb '#555555'\n"
                   "set tics nomirror out scale 0.6,0.3 font ',9' tc rgb '#333333'\n"
                   "set grid lt 1 lw 0.6 lc rgb '#e6e6e6' back\n"
                   "set boxwidth 0.8 relative\n"
                   "set samples 200\n");
    put_page(b, p, "pngcairo", name, ".png");
    if (!p->raster_only)
        put_page(b, p, "svg dynamic", name, ".svg");
}

#include "base/banned.h"
