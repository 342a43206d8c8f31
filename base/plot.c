/* Figures: panels kept in memory, written as one gnuplot script, run by gnuplot. */
#include "base/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/plot_int.h"
#include "base/proc.h"
#include "base/text.h"

enum { TIMEOUT_MS = 60000 };

/* ---- building ---- */

/* Text that can stand in single quotes in a script: valid UTF-8 without control characters (but
 * line breaks where wanted), and the typographic apostrophe for the quote. */
static char *clean(const char *s, bool keep_lines)
{
    static const char apostrophe[3] = {'\xE2', '\x80', '\x99'};
    size_t n = s ? strlen(s) : 0, at = 0;
    char *out = cn_alloc(3 * n + 1, 1);

    for (size_t i = 0, len; out && i < n; i += len) {
        const char *c = s + i;

        for (len = 1; len < 4 && i + len < n && !cn_text_utf8_valid(c, len); len++)
            ;
        if (!cn_text_utf8_valid(c, len)) {
            len = 1;
            out[at++] = '?';
        } else if (*c == '\'') {
            memcpy(out + at, apostrophe, sizeof apostrophe);
            at += sizeof apostrophe;
        } else if (((unsigned char)*c >= 0x20 && *c != 0x7F) || (keep_lines && *c == '\n')) {
            memcpy(out + at, c, len);
            at += len;
        }
    }
    return out;
}

struct cn_plot *cn_plot_new(const char *title, int rows, int cols)
{
    struct cn_plot *p = cn_alloc(1, sizeof *p);

    if (!p)
        return NULL;
    CN_ASSERT(rows > 0 && cols > 0);
    p->rows = rows;
    p->cols = cols;
    p->title = clean(title, false);
    if (!p->title) {
        cn_free(p);
        return NULL;
    }
    return p;
}

static void free_panel(struct panel *q)
{
    while (q->series) {
        struct series *s = q->series;

        q->series = s->next;
        cn_free(s->label);
        cn_free(s->x);
        cn_free(s->y);
        cn_free(s->cls);
        cn_free(s->high);
        cn_free(s);
    }
    while (q->marks) {
        struct mark *m = q->marks;

        q->marks = m->next;
        cn_free(m->text);
        cn_free(m);
    }
    cn_free(q->title);
    cn_free(q->xlabel);
    cn_free(q->ylabel);
    cn_free(q);
}

void cn_plot_free(struct cn_plot *p)
{
    if (!p)
        return;
    while (p->panels) {
        struct panel *q = p->panels;

        p->panels = q->next;
        free_panel(q);
    }
    cn_free(p->title);
    cn_free(p);
}

void cn_plot_size(struct cn_plot *p, int width_px, int height_px)
{
    p->width = width_px;
    p->height = height_px;
}

void cn_plot_raster_only(struct cn_plot *p)
{
    p->raster_only = true;
}

void cn_plot_panel(struct cn_plot *p, const char *title, const char *xlabel, const char *ylabel)
{
    struct panel *q = cn_alloc(1, sizeof *q);

    CN_ASSERT(p->n_panels < p->rows * p->cols);
    if (!q) {
        p->broken = true;
        return;
    }
    q->title = clean(title, false);
    q->xlabel = clean(xlabel, false);
    q->ylabel = clean(ylabel, false);
    q->x = q->y = (struct axis){false, (double)NAN, (double)NAN};
    if (!q->title || !q->xlabel || !q->ylabel)
        p->broken = true;
    if (p->last)
        p->last->next = q;
    else
        p->panels = q;
    p->last = q;
    p->n_panels++;
}

/* The panel that calls go to; NULL only after memory ran out. */
static struct panel *current(struct cn_plot *p)
{
    CN_ASSERT(p->last || p->broken);
    return p->broken ? NULL : p->last;
}

static struct axis *axis_of(struct cn_plot *p, char name)
{
    struct panel *q = current(p);

    CN_ASSERT(name == 'x' || name == 'y');
    return !q ? NULL : name == 'x' ? &q->x : &q->y;
}

void cn_plot_log(struct cn_plot *p, char axis)
{
    struct axis *a = axis_of(p, axis);

    if (a)
        a->log = true;
}

void cn_plot_range(struct cn_plot *p, char axis, double lo, double hi)
{
    struct axis *a = axis_of(p, axis);

    if (a) {
        a->lo = lo;
        a->hi = hi;
    }
}

void cn_plot_square(struct cn_plot *p)
{
    if (current(p))
        current(p)->square = true;
}

static void *copy(const void *from, int64_t n, size_t size)
{
    void *to = cn_alloc(n > 0 ? (size_t)n : 1, size);

    if (to && n > 0)
        memcpy(to, from, (size_t)n * size);
    return to;
}

static void add_series(struct cn_plot *p, const char *label, int style, const double *x,
                       const double *y, const int *cls, int64_t n)
{
    struct panel *q = current(p);
    struct series *s = q ? cn_alloc(1, sizeof *s) : NULL;

    if (!s) {
        p->broken = true;
        return;
    }
    *s = (struct series){.style = style, .n = n, .id = ++p->n_series};
    s->label = clean(label, false);
    s->x = copy(x, n, sizeof *x);
    s->y = copy(y, n, sizeof *y);
    s->cls = cls ? copy(cls, n, sizeof *cls) : NULL;
    if (!s->label || !s->x || !s->y || (cls && !s->cls))
        p->broken = true;
    if (q->last_series)
        q->last_series->next = s;
    else
        q->series = s;
    q->last_series = s;
}

void cn_plot_series(struct cn_plot *p, const char *label, cn_plot_style style, const double *x,
                    const double *y, int64_t n)
{
    add_series(p, label, (int)style, x, y, NULL, n);
}

void cn_plot_ribbon(struct cn_plot *p, const double *x, const double *low, const double *high,
                    int64_t n)
{
    add_series(p, "", CN_PLOT_RIBBON, x, low, NULL, n);
    if (p->broken)
        return;
    p->last->last_series->high = copy(high, n, sizeof *high);
    if (!p->last->last_series->high)
        p->broken = true;
}

void cn_plot_classes(struct cn_plot *p, const char *label, const double *x, const double *y,
                     const int *cls, int64_t n)
{
    add_series(p, label, CN_PLOT_CLASSES, x, y, cls, n);
}

static void add_mark(struct cn_plot *p, enum mark_kind kind, double a, double b,
                     const char *text)
{
    struct panel *q = current(p);
    struct mark *m = q ? cn_alloc(1, sizeof *m) : NULL;

    if (!m) {
        p->broken = true;
        return;
    }
    *m = (struct mark){.kind = kind, .a = a, .b = b, .text = clean(text, kind == MARK_NOTE)};
    if (!m->text)
        p->broken = true;
    if (q->last_mark)
        q->last_mark->next = m;
    else
        q->marks = m;
    q->last_mark = m;
}

void cn_plot_identity(struct cn_plot *p)
{
    add_mark(p, MARK_IDENTITY, 0, 0, NULL);
}

void cn_plot_hline(struct cn_plot *p, double y)
{
    add_mark(p, MARK_H, y, 0, NULL);
}

void cn_plot_vline(struct cn_plot *p, double x)
{
    add_mark(p, MARK_V, x, 0, NULL);
}

void cn_plot_band(struct cn_plot *p, double x0, double x1, const char *label)
{
    add_mark(p, MARK_BAND, x0, x1, label);
}

void cn_plot_note(struct cn_plot *p, const char *text)
{
    add_mark(p, MARK_NOTE, 0, 0, text);
}

/* ---- running ---- */

/* "<folder>" and "<name>" of "<folder>/<name>", both owned. */
static cn_status split_stem(const char *stem, char **out_dir, char **out_name,
                            struct cn_err *err)
{
    const char *slash = strrchr(stem, '/');

    *out_dir = slash == stem ? cn_strdup("/")
               : slash       ? cn_strndup(stem, (size_t)(slash - stem))
                             : cn_strdup(".");
    *out_name = cn_strdup(slash ? slash + 1 : stem);
    if (!*out_dir || !*out_name)
        return cn_err_set(err, CN_ENOMEM, "no memory for the figure %s", stem);
    if (!**out_name || strpbrk(*out_name, "\n\r"))
        return cn_err_set(err, CN_EINPUT, "\"%s\" is no name for a figure", stem);
    return CN_OK;
}

/* Run in the figure's folder; what the program says on failure goes into the message, first
 * line first. */
static cn_status run_tool(const char *const *argv, const char *package, const char *dir,
                          const char *stem, struct cn_err *err)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_proc_exit end;
    struct cn_buf words;
    cn_status st;

    cn_buf_init(&words, CN_CAP_CAPTURE);
    o.argv = argv;
    o.cwd = dir;
    st = cn_proc_run(&o, NULL, 0, TIMEOUT_MS, NULL, &words, &end, err);
    if (st == CN_ENOTFOUND && cn_file_is_dir(dir))
        st = cn_err_set(err, CN_EUNSUPPORTED, "%s is not installed (package %s): no figure %s",
                        argv[0], package, stem);
    else if (st == CN_OK && !(end.exited && end.code == 0))
        st = cn_err_set(err, CN_EIO, "%s failed on %s: %.400s", argv[0], stem,
                        cn_buf_str(&words) + strspn(cn_buf_str(&words), " \n"));
    cn_buf_clear(&words);
    return st;
}

static char *with_ending(const char *stem, const char *ending)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_printf(&b, "%s%s", stem, ending);
    return cn_buf_take(&b);
}

/* "./<name><ending>": a name that begins with '-' is no option then. */
static char *in_folder(const char *name, const char *ending)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_printf(&b, "./%s%s", name, ending);
    return cn_buf_take(&b);
}

/* A figure that was not finished would look like one that was. */
static void remove_outputs(const char *stem)
{
    static const char *const endings[] = {".png", ".svg"};

    for (size_t i = 0; i < 2; i++) {
        char *path = with_ending(stem, endings[i]);

        if (path)
            (void)unlink(path);
        cn_free(path);
    }
}

static cn_status write_source(const char *stem, const char *ending, const struct cn_buf *b,
                              struct cn_err *err)
{
    char *path = with_ending(stem, ending);
    cn_status st = cn_buf_status(b);

    if (!path || st != CN_OK)
        st = cn_err_set(err, path ? st : CN_ENOMEM, "cannot build the script of %s: %s", stem,
                        cn_status_text(path ? st : CN_ENOMEM));
    else
        st = cn_file_replace(path, cn_buf_str(b), b->len, err);
    cn_free(path);
    return st;
}

cn_status cn_plot_write(struct cn_plot *p, const char *stem, struct cn_err *err)
{
    struct cn_buf script;
    char *dir = NULL, *name = NULL, *file = NULL;
    cn_status st;

    cn_buf_init(&script, CN_CAP_TEXT);
    if (p->broken) {
        st = cn_err_set(err, CN_ENOMEM, "no memory for the figure %s", stem);
        goto out;
    }
    st = split_stem(stem, &dir, &name, err);
    if (st != CN_OK)
        goto out;
    cn_plot_script(&script, p, name);
    st = write_source(stem, ".gp", &script, err);
    file = in_folder(name, ".gp");
    if (st == CN_OK && !file)
        st = cn_err_set(err, CN_ENOMEM, "no memory for the figure %s", stem);
    if (st == CN_OK) {
        const char *const argv[] = {"gnuplot", file, NULL};

        remove_outputs(stem);
        st = run_tool(argv, "gnuplot-nox", dir, stem, err);
        if (st != CN_OK)
            remove_outputs(stem);
    }
out:
    cn_free(file);
    cn_free(name);
    cn_free(dir);
    cn_buf_clear(&script);
    return st;
}

static cn_status run_dot(const char *format, const char *dir, const char *name,
                         const char *stem, struct cn_err *err)
{
    char *in = in_folder(name, ".dot"), *to = in_folder(name, format), type[8];
    cn_status st = CN_OK;

    (void)snprintf(type, sizeof type, "-T%s", format + 1);
    if (!in || !to) {
        st = cn_err_set(err, CN_ENOMEM, "no memory for the figure %s", stem);
    } else {
        const char *const argv[] = {"dot", type, "-o", to, in, NULL};

        st = run_tool(argv, "graphviz", dir, stem, err);
    }
    cn_free(in);
    cn_free(to);
    return st;
}

cn_status cn_plot_dot(const char *source, const char *stem, struct cn_err *err)
{
    struct cn_buf script;
    char *dir = NULL, *name = NULL;
    cn_status st;

    cn_buf_init(&script, CN_CAP_TEXT);
    cn_buf_adds(&script, source);
    st = split_stem(stem, &dir, &name, err);
    if (st == CN_OK)
        st = write_source(stem, ".dot", &script, err);
    if (st == CN_OK) {
        remove_outputs(stem);
        st = run_dot(".svg", dir, name, stem, err);
        if (st == CN_OK)
            st = run_dot(".png", dir, name, stem, err);
        if (st != CN_OK)
            remove_outputs(stem);
    }
    cn_free(name);
    cn_free(dir);
    cn_buf_clear(&script);
    return st;
}

/* ---- in the background ---- */

static const char *const fresh_endings[] = {".new.svg", ".new.png"};

/* What a run of dot that is over left: into place, or away. */
static cn_status settle(const char *stem, bool keep, struct cn_err *err)
{
    static const char *const endings[] = {".svg", ".png"};
    cn_status st = CN_OK;

    for (int i = 0; i < 2; i++) {
        char *from = with_ending(stem, fresh_endings[i]), *to = with_ending(stem, endings[i]);

        if (!from || !to)
            st = cn_err_set(err, CN_ENOMEM, "no memory for the figure %s", stem);
        else if (keep && st == CN_OK && rename(from, to) != 0)
            st = cn_err_errno(err, "%s", to);
        else if (!keep)
            (void)unlink(from);
        cn_free(from);
        cn_free(to);
    }
    return st;
}

static cn_status spawn_dot(struct cn_dot *d, const char *dir, const char *name,
                           struct cn_err *err)
{
    char *in = in_folder(name, ".dot"), *svg = in_folder(name, fresh_endings[0]),
         *png = in_folder(name, fresh_endings[1]);
    const char *const argv[] = {"dot", "-Tsvg", "-o", svg, "-Tpng", "-o", png, in, NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    cn_status st = in && svg && png
                       ? CN_OK
                       : cn_err_set(err, CN_ENOMEM, "no memory for the figure %s", d->stem);

    o.argv = argv;
    o.cwd = dir[0] ? dir : NULL;
    o.new_session = true;
    o.stdout_fd = o.stderr_fd = -2;
    if (st == CN_OK)
        st = cn_proc_spawn(&o, &d->pid, err);
    if (st == CN_ENOTFOUND)
        st = cn_err_set(err, CN_EUNSUPPORTED,
                        "%s: `dot` is not on PATH; install the package graphviz", d->stem);
    cn_free(in);
    cn_free(svg);
    cn_free(png);
    return st;
}

cn_status cn_dot_start(struct cn_dot *d, const char *source, const char *stem,
                       struct cn_err *err)
{
    struct cn_buf script;
    char *dir = NULL, *name = NULL;
    cn_status st = CN_OK;

    cn_dot_stop(d);
    cn_buf_init(&script, CN_CAP_TEXT);
    cn_buf_adds(&script, source);
    d->stem = cn_strdup(stem);
    if (!d->stem)
        st = cn_err_set(err, CN_ENOMEM, "no memory for the figure %s", stem);
    if (st == CN_OK)
        st = split_stem(stem, &dir, &name, err);
    if (st == CN_OK)
        st = write_source(stem, ".dot", &script, err);
    if (st == CN_OK)
        st = spawn_dot(d, dir, name, err);
    cn_free(name);
    cn_free(dir);
    cn_buf_clear(&script);
    return st;
}

cn_status cn_dot_end(struct cn_dot *d, int64_t timeout_ms, struct cn_err *err)
{
    struct cn_proc_exit end;
    cn_status st;

    if (d->pid == 0)
        return CN_OK;
    st = cn_proc_wait(d->pid, timeout_ms, &end, err);
    if (st == CN_ETIMEOUT)
        return st;
    d->pid = 0;
    if (st == CN_OK && (!end.exited || end.code != 0))
        st = cn_err_set(err, CN_EIO, "%s.dot: dot failed", d->stem);
    cn_status kept = settle(d->stem, st == CN_OK, st == CN_OK ? err : NULL);
    cn_free(d->stem);
    d->stem = NULL;
    return st == CN_OK ? kept : st;
}

void cn_dot_stop(struct cn_dot *d)
{
    if (d->pid > 0)
        cn_proc_kill_group(d->pid, 0);
    if (d->stem)
        (void)settle(d->stem, false, NULL);
    cn_free(d->stem);
    *d = (struct cn_dot)CN_DOT_INIT;
}

#include "base/banned.h"
