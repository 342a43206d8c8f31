/* Figures: the script is safe and complete, gnuplot takes it, hard data make no trouble. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/plot.h"
#include "base/proc.h"

static struct cn_err err;
static char dir[64];

static void begin(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/cairn_plot_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void end(void)
{
    cr_assert_eq(cn_file_remove_tree(dir, &err), CN_OK);
}

TestSuite(base_plot, .init = begin, .fini = end, .timeout = 120);

static const char *at(const char *name)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];

    (void)snprintf(p, 256, "%s/%s", dir, name);
    return p;
}

/* Write and make sure; a machine without gnuplot shows the refusal instead. */
static void written(struct cn_plot *p, const char *stem)
{
    char *gnuplot = cn_proc_which("gnuplot");
    cn_status st = cn_plot_write(p, at(stem), &err);

    if (!gnuplot) {
        cr_assert_eq(st, CN_EUNSUPPORTED);
        cr_skip_test("gnuplot is not installed");
    }
    cr_assert_eq(st, CN_OK, "%s", err.text);
    cn_free(gnuplot);
    cn_plot_free(p);
}

static struct cn_buf script(const char *name)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_FILE);
    cr_assert_eq(cn_file_read(at(name), CN_CAP_FILE, &b, &err), CN_OK, "%s", err.text);
    return b;
}

Test(base_plot, a_figure_has_script_png_and_svg)
{
    double x[3] = {1, 2, 3}, y[3] = {.1, .5, .9};
    struct cn_plot *p = cn_plot_new("R2 over training", 1, 2);
    struct cn_buf b;

    cn_plot_panel(p, "connectivity", "iteration", "R2");
    cn_plot_range(p, 'y', 0, 1);
    cn_plot_series(p, "connectivity_R2", CN_PLOT_LINE, x, y, 3);
    cn_plot_hline(p, .9);
    written(p, "fig");
    b = script("fig.gp");
    cr_assert(strstr(b.data, "$d1 << EOD\n1 0.1\n2 0.5\n3 0.9\nEOD\n"));
    cr_assert(strstr(b.data, "set output \"fig.png\""));
    cr_assert(strstr(b.data, "set yrange [0:1]"));
    cn_buf_clear(&b);
    b = script("fig.png");
    cr_assert_eq(memcmp(b.data, "\x89PNG", 4), 0);
    cn_buf_clear(&b);
    b = script("fig.svg");
    cr_assert(strstr(b.data, "connectivity_R2") && strstr(b.data, "</svg>"));
    cn_buf_clear(&b);
}

Test(base_plot, labels_cannot_run_anything)
{
    double x[2] = {1, 2};
    const char *const evil = "`touch hacked` $(touch hacked) it's \"q\" ' ; !touch "
                             "hacked\n!touch hacked\n' ; system('touch hacked') ; '\\";
    struct cn_plot *p = cn_plot_new(evil, 1, 1);
    char **names;
    int n;

    cn_plot_panel(p, evil, evil, evil);
    cn_plot_series(p, evil, CN_PLOT_LINEPOINTS, x, x, 2);
    cn_plot_series(p, "two", CN_PLOT_POINTS, x, x, 2);
    cn_plot_note(p, evil);
    cn_plot_band(p, 1, 1.5, evil);
    written(p, "-it's");
    cr_assert_eq(cn_file_list(dir, &names, &n, &err), CN_OK);
    cr_assert_eq(n, 3, "%s", names[n - 1]);
    cr_assert_str_eq(names[0], "-it's.gp");
    cn_file_list_free(names, n);
}

Test(base_plot, every_style_and_every_mark_is_taken)
{
    double x[40], y[40];
    int cls[40];
    struct cn_plot *p = cn_plot_new("all of it", 3, 3);

    for (int i = 0; i < 40; i++) {
        x[i] = i + 1;
        y[i] = exp(-i / 7.0);
        cls[i] = i - 1;
    }
    for (int style = CN_PLOT_LINE; style <= CN_PLOT_BOXES; style++) {
        cn_plot_panel(p, "style", "x", "y");
        cn_plot_series(p, "s", (cn_plot_style)style, x, y, 40);
        cn_plot_identity(p);
        cn_plot_hline(p, .5);
        cn_plot_vline(p, 20);
        cn_plot_band(p, 10, INFINITY, "band");
        cn_plot_note(p, "n = 40\nR2 = 1");
        if (style % 2)
            cn_plot_log(p, 'y');
        if (style % 3 == 0)
            cn_plot_log(p, 'x');
    }
    cn_plot_panel(p, "classes", "x", "y");
    cn_plot_classes(p, "c", x, y, cls, 40);
    cn_plot_square(p);
    cn_plot_size(p, 900, 700);
    cn_plot_raster_only(p);
    written(p, "all");
    cr_assert(cn_file_exists(at("all.png")));
    cr_assert_not(cn_file_exists(at("all.svg")));
}

/* What gnuplot refuses or warns of when it must find ranges itself. */
Test(base_plot, a_ribbon_is_shaded_in_the_colour_of_its_curve_and_counts_for_the_range)
{
    const double x[] = {1, 2, 3}, low[] = {1, 1, 1}, mid[] = {2, 2, 2}, high[] = {3, 40, 3};
    struct cn_plot *p = cn_plot_new("", 1, 1);
    struct cn_buf b;

    cn_plot_panel(p, "", "x", "y");
    cn_plot_series(p, "first", CN_PLOT_LINE, x, mid, 3);
    cn_plot_ribbon(p, x, low, high, 3);
    cn_plot_series(p, "second", CN_PLOT_LINE, x, mid, 3);
    written(p, "ribbon");
    b = script("ribbon.gp");
    cr_assert(strstr(cn_buf_str(&b), "2 1 40\n"), "%s", cn_buf_str(&b));
    cr_assert(strstr(cn_buf_str(&b), "using 1:2:3 with filledcurves fs transparent solid 0.15 "
                                     "noborder lc rgb '#ff7f0e'"));
    cr_assert(strstr(cn_buf_str(&b), "with lines lw 1.6 lc rgb '#ff7f0e' title 'second'"));
    cr_assert(strstr(cn_buf_str(&b), "set yrange [-0.95"), "1 to 40 and a little air");
    cn_buf_clear(&b);
}

Test(base_plot, hard_data_make_no_trouble)
{
    double none[3] = {NAN, INFINITY, -INFINITY}, x[3] = {1, 2, 3}, same[3] = {5, 5, 5},
           minus[3] = {-1, -2, 0};
    double huge[3] = {-1e308, 0, 1e308}, tiny[3] = {1e-300, 2e-300, 3e-300};
    struct cn_plot *p = cn_plot_new("", 3, 3);

    cn_plot_panel(p, "nothing", "x", "y");
    cn_plot_panel(p, "not finite", "x", "y");
    cn_plot_series(p, "a", CN_PLOT_LINE, x, none, 3);
    cn_plot_panel(p, "same", "x", "y");
    cn_plot_series(p, "a", CN_PLOT_LINE, x, same, 3);
    cn_plot_panel(p, "one", "x", "y");
    cn_plot_series(p, "a", CN_PLOT_BOXES, x, same, 1);
    cn_plot_panel(p, "negative on log", "x", "y");
    cn_plot_series(p, "a", CN_PLOT_POINTS, x, minus, 3);
    cn_plot_log(p, 'y');
    cn_plot_panel(p, "huge", "x", "y");
    cn_plot_series(p, "a", CN_PLOT_LINE, x, huge, 3);
    cn_plot_panel(p, "tiny", "x", "y");
    cn_plot_series(p, "a", CN_PLOT_LINE, x, tiny, 3);
    cn_plot_panel(p, "tiny on log", "x", "y");
    cn_plot_series(p, "a", CN_PLOT_LINE, x, tiny, 3);
    cn_plot_log(p, 'y');
    cn_plot_panel(p, "range upside down", "x", "y");
    cn_plot_series(p, "", CN_PLOT_LINE, x, x, 0);
    cn_plot_range(p, 'x', 5, 1);
    cn_plot_range(p, 'y', NAN, NAN);
    written(p, "hard");
}

Test(base_plot, gaps_break_the_curve_once)
{
    double x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {NAN, 1, NAN, NAN, 2, 3};
    struct cn_plot *p = cn_plot_new("gaps", 1, 1);
    struct cn_buf b;

    cn_plot_panel(p, "", "x", "y");
    cn_plot_series(p, "a", CN_PLOT_LINE, x, y, 6);
    written(p, "gaps");
    b = script("gaps.gp");
    cr_assert(strstr(b.data, "EOD\n2 1\n\n5 2\n6 3\nEOD\n"));
    cn_buf_clear(&b);
}

Test(base_plot, without_gnuplot_the_package_is_named)
{
    struct cn_plot *p = cn_plot_new("x", 1, 1);

    cr_assert_eq(setenv("PATH", "/nowhere", 1), 0);
    cn_plot_panel(p, "", "x", "y");
    cr_assert_eq(cn_plot_write(p, at("fig"), &err), CN_EUNSUPPORTED);
    cr_assert(strstr(err.text, "gnuplot is not installed (package gnuplot-nox)"), "%s",
              err.text);
    cr_assert(cn_file_exists(at("fig.gp")), "the script stays");
    cr_assert_eq(cn_plot_dot("digraph {}", at("tree"), &err), CN_EUNSUPPORTED);
    cr_assert(strstr(err.text, "package graphviz"), "%s", err.text);
    cn_plot_free(p);
}

Test(base_plot, a_missing_folder_is_named)
{
    struct cn_plot *p = cn_plot_new("x", 1, 1);

    cn_plot_panel(p, "", "x", "y");
    cr_assert_eq(cn_plot_write(p, "/nowhere/at/all/fig", &err), CN_ENOTFOUND);
    cr_assert(strstr(err.text, "/nowhere/at/all/fig"), "%s", err.text);
    cn_plot_free(p);
}

Test(base_plot, every_failed_allocation_is_reported)
{
    double x[2] = {1, 2};
    int64_t live = cn_alloc_live();

    for (int64_t nth = 1; nth <= 14; nth++) {
        struct cn_plot *p;

        cn_alloc_fail_nth(nth);
        p = cn_plot_new("x", 1, 1);
        if (p) {
            cn_plot_panel(p, "a", "x", "y");
            cn_plot_series(p, "s", CN_PLOT_LINE, x, x, 2);
            cn_plot_note(p, "note");
            cr_assert_eq(cn_plot_write(p, at("f"), &err), CN_ENOMEM, "allocation %lld",
                         (long long)nth);
        }
        cn_plot_free(p);
        cr_assert_eq(cn_alloc_live(), live, "allocation %lld", (long long)nth);
    }
    cn_alloc_fail_nth(0);
}

Test(base_plot, graphviz_draws_and_its_complaint_comes_back)
{
    char *dot = cn_proc_which("dot");

    if (!dot)
        cr_skip_test("graphviz is not installed");
    cn_free(dot);
    cr_assert_eq(cn_plot_dot("digraph { a -> b }\n", at("tree"), &err), CN_OK, "%s", err.text);
    cr_assert(cn_file_exists(at("tree.svg")) && cn_file_exists(at("tree.png")) &&
              cn_file_exists(at("tree.dot")));
    cr_assert_eq(cn_plot_dot("digraph { a -> ", at("bad"), &err), CN_EIO);
    cr_assert(strstr(err.text, "syntax error"), "%s", err.text);
    cr_assert_not(cn_file_exists(at("bad.svg")));
}
