/* Progress on stderr: a bar that redraws itself on a terminal, else a plain line every few
 * seconds. */
#include "base/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

enum {
    BAR_EVERY_US = 100000,
    LINE_EVERY_US = 5000000,
    BAR_CELLS = 24,
    NARROWEST = 20,
    LINE_ROOM = 512
};

struct cn_progress {
    char *what; /* owned */
    int64_t total;
    int64_t started_us, shown_us; /* shown_us 0: nothing yet */
    bool terminal;
    bool on_line; /* the cursor stands behind a bar */
    bool dirty;   /* a step that was not shown */
    int64_t done;
    char note[160];
};

static bool enabled = true;

void cn_progress_set_enabled(bool on)
{
    enabled = on;
}

static const char *env(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it here */
}

bool cn_progress_colour(int fd)
{
    const char *no_colour = env("NO_COLOR"), *term = env("TERM");

    return isatty(fd) && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
}

struct cn_progress *cn_progress_new(const char *what, int64_t total)
{
    struct cn_progress *p = enabled ? cn_alloc(1, sizeof *p) : NULL;
    const char *term = env("TERM");

    if (!p)
        return NULL;
    p->what = cn_strdup(what);
    if (!p->what) {
        cn_free(p);
        return NULL;
    }
    p->total = total;
    p->started_us = cn_clock_mono_us();
    p->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    return p;
}

static int columns(void)
{
    struct winsize w;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
    return 80;
}

static double fraction(const struct cn_progress *p)
{
    double f = p->total > 0 ? (double)p->done / (double)p->total : 0;

    return f < 0 ? 0 : f > 1 ? 1 : f;
}

/* "1:02:03" or "2:03". */
static void put_time(char *out, size_t room, double s)
{
    long t = s > 0 && s < 1e9 ? lround(s) : 0;

    if (t >= 3600)
        (void)snprintf(out, room, "%ld:%02ld:%02ld", t / 3600, t / 60 % 60, t % 60);
    else
        (void)snprintf(out, room, "%ld:%02ld", t / 60, t % 60);
}

/* "training  120/400 30%  0:12 < 0:28  loss 0.12" without the bar. */
static void describe(const struct cn_progress *p, const char *bar, char *out, size_t room)
{
    double elapsed = (double)(cn_clock_mono_us() - p->started_us) * 1e-6, f = fraction(p);
    char spent[32], left[40] = "";

    put_time(spent, sizeof spent, elapsed);
    if (f > 0 && f < 1) {
        (void)snprintf(left, sizeof left, " < ");
        put_time(left + 3, sizeof left - 3, elapsed * (1 - f) / f);
    }
    if (p->total > 0)
        (void)snprintf(out, room, "%s %s%lld/%lld %3.0f%%  %s%s  %s", p->what, bar,
                       (long long)p->done, (long long)p->total, floor(100 * f), spent, left,
                       p->note);
    else
        (void)snprintf(out, room, "%s %lld  %s  %s", p->what, (long long)p->done, spent,
                       p->note);
}

/* Eighths of a cell by Unicode blocks would be finer; '#' works in every terminal and log. */
static void draw_bar(struct cn_progress *p)
{
    char bar[BAR_CELLS + 8] = "", line[LINE_ROOM];
    int cells = (int)(fraction(p) * BAR_CELLS), width = columns() - 1;

    if (p->total > 0 && width >= 2 * BAR_CELLS) {
        bar[0] = '[';
        memset(bar + 1, '#', (size_t)cells);
        memset(bar + 1 + cells, '.', (size_t)(BAR_CELLS - cells));
        cn_text_copy(bar + 1 + BAR_CELLS, sizeof bar - 1 - BAR_CELLS, "] ");
    }
    describe(p, bar, line, sizeof line);
    line[cn_text_utf8_cut(line, strlen(line),
                          (size_t)(width < NARROWEST ? NARROWEST : width))] = '\0';
    (void)fprintf(stderr, "\r\033[K%s", line);
    (void)fflush(stderr);
    p->on_line = true;
}

static void show(struct cn_progress *p)
{
    char line[LINE_ROOM];

    if (p->terminal) {
        draw_bar(p);
    } else {
        describe(p, "", line, sizeof line);
        line[cn_text_utf8_cut(line, strlen(line), sizeof line - 1)] = '\0';
        (void)fprintf(stderr, "%s\n", line);
        (void)fflush(stderr);
    }
    p->shown_us = cn_clock_mono_us();
    p->dirty = false;
}

/* Notes may hold anything, also what a training printed: control characters would steer the
 * terminal. */
static void keep_note(struct cn_progress *p, const char *note)
{
    size_t n = note ? cn_text_utf8_cut(note, strlen(note), sizeof p->note - 1) : 0;

    for (size_t i = 0; i < n; i++)
        p->note[i] = (unsigned char)note[i] < 0x20 || note[i] == 0x7F ? ' ' : note[i];
    p->note[n] = '\0';
}

void cn_progress_step(struct cn_progress *p, int64_t done, const char *note)
{
    int64_t since;

    if (!p)
        return;
    p->done = done;
    p->dirty = true;
    keep_note(p, note);
    since = cn_clock_mono_us() - (p->shown_us ? p->shown_us : p->started_us);
    if (p->terminal ? !p->shown_us || since >= BAR_EVERY_US : since >= LINE_EVERY_US)
        show(p);
}

void cn_progress_say(struct cn_progress *p, const char *line)
{
    if (!enabled)
        return;
    if (p && p->on_line)
        (void)fputs("\r\033[K", stderr);
    (void)fprintf(stderr, "%s\n", line);
    if (p && p->on_line)
        draw_bar(p);
    (void)fflush(stderr);
}

void cn_progress_free(struct cn_progress *p)
{
    if (!p)
        return;
    if (p->dirty)
        show(p);
    if (p->on_line)
        (void)fputc('\n', stderr);
    (void)fflush(stderr);
    cn_free(p->what);
    cn_free(p);
}

#include "base/banned.h"
