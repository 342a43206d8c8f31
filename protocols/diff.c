/* Unified differences of two texts, line by line.
 *
 * Myers, "An O(ND) difference algorithm and its variations", Algorithmica 1 (1986) 251: furthest
 * reaching paths by number of changes D, one row kept per D to walk back. Texts that differ in
 * more than MAX_CHANGES lines, or that memory is too short for, are shown as replaced between
 * their common beginning and end: longer than need be, still true. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/banned.h"
#include "base/caps.h"
#include "protocols/edit.h"

enum { MAX_CHANGES = 1500, CONTEXT = 3 };

struct side {
    const char *text;
    int *start; /* of line i; n + 1 of them */
    int n;
    bool *kept; /* the line stands in the other text as well */
};

struct diff {
    struct cn_arena arena;
    struct side a, b;
    int head, tail; /* lines in common at both ends */
};

static bool side_init(struct cn_arena *arena, struct side *s, const char *text)
{
    size_t len = strlen(text), lines = 1;

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    s->text = text;
    s->start = cn_arena_alloc(arena, lines + 1, sizeof *s->start);
    s->kept = cn_arena_alloc(arena, lines + 1, sizeof *s->kept);
    if (len > INT32_MAX || !s->start || !s->kept)
        return false;
    s->n = 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\n' || i + 1 == len)
            s->start[++s->n] = (int)i + 1;
    return true;
}

static size_t line_length(const struct side *s, int i)
{
    return (size_t)(s->start[i + 1] - s->start[i]);
}

static bool same_line(const struct diff *d, int i, int j)
{
    size_t n = line_length(&d->a, i);

    return n == line_length(&d->b, j) &&
           memcmp(d->a.text + d->a.start[i], d->b.text + d->b.start[j], n) == 0;
}

static void keep(struct diff *d, int i, int j)
{
    d->a.kept[i] = true;
    d->b.kept[j] = true;
}

static void find_ends(struct diff *d)
{
    int n = d->a.n < d->b.n ? d->a.n : d->b.n;

    while (d->head < n && same_line(d, d->head, d->head)) {
        keep(d, d->head, d->head);
        d->head++;
    }
    while (d->tail < n - d->head && same_line(d, d->a.n - 1 - d->tail, d->b.n - 1 - d->tail)) {
        d->tail++;
        keep(d, d->a.n - d->tail, d->b.n - d->tail);
    }
}

/* From diagonal k with c changes: did the path come down (a line of b was added)? */
static bool came_down(const int *v, int k, int c)
{
    return k == -c || (k != c && v[k - 1] < v[k + 1]);
}

/* Walk back from the ends (x, y); rows[c] is the state before change c. */
static void walk_back(struct diff *d, int *const *rows, int changes, int x, int y)
{
    for (int c = changes; c >= 0; c--) {
        const int *v = rows[c] + c + 1; /* v[k] for k in -(c+1)..c+1 */
        int k = x - y, px = 0, py = 0;

        if (c > 0) {
            int pk = came_down(v, k, c) ? k + 1 : k - 1;

            px = v[pk];
            py = px - pk;
        }
        while (x > px && y > py) {
            x--;
            y--;
            keep(d, d->head + x, d->head + y);
        }
        x = px;
        y = py;
    }
}

/* The middle, between the common ends. False: too different, or no memory. */
static bool find_middle(struct diff *d)
{
    int n = d->a.n - d->head - d->tail, m = d->b.n - d->head - d->tail;
    int most = n + m < MAX_CHANGES ? n + m : MAX_CHANGES;
    int **rows = cn_arena_alloc(&d->arena, (size_t)most + 1, sizeof *rows);
    int *v = cn_arena_alloc(&d->arena, 2 * (size_t)most + 3, sizeof *v);

    if (!rows || !v)
        return false;
    v += most + 1;
    for (int c = 0; c <= most; c++) {
        rows[c] = cn_arena_alloc(&d->arena, 2 * (size_t)c + 3, sizeof *rows[c]);
        if (!rows[c])
            return false;
        memcpy(rows[c], v - c - 1, (2 * (size_t)c + 3) * sizeof *v);
        for (int k = -c; k <= c; k += 2) {
            int x = c == 0 ? 0 : came_down(v, k, c) ? v[k + 1] : v[k - 1] + 1;

            while (x < n && x - k < m && same_line(d, d->head + x, d->head + x - k))
                x++;
            v[k] = x;
            if (x >= n && x - k >= m) {
                walk_back(d, rows, c, n, m);
                return true;
            }
        }
    }
    return false;
}

/* ---- printing ---- */

/* One line of the whole, longest form: ' ' both, '-' of a, '+' of b. */
struct op {
    char mark;
    int i, j; /* lines of a and b before it */
};

static int list_ops(const struct diff *d, struct op *ops)
{
    int n = 0;

    for (int i = 0, j = 0; i < d->a.n || j < d->b.n; n++) {
        bool minus = i < d->a.n && !d->a.kept[i], plus = j < d->b.n && !d->b.kept[j];

        ops[n] = (struct op){minus ? '-' : plus ? '+' : ' ', i, j};
        i += ops[n].mark != '+';
        j += ops[n].mark != '-';
    }
    return n;
}

static void put_range(struct cn_buf *out, char sign, int start, int n)
{
    /* An empty range names the line before it. */
    cn_buf_printf(out, " %c%d", sign, n > 0 ? start + 1 : start);
    if (n != 1)
        cn_buf_printf(out, ",%d", n);
}

static void put_line(const struct diff *d, const struct op *o, struct cn_buf *out)
{
    const struct side *s = o->mark == '+' ? &d->b : &d->a;
    int line = o->mark == '+' ? o->j : o->i;
    size_t n = line_length(s, line);

    cn_buf_addc(out, o->mark);
    cn_buf_add(out, s->text + s->start[line], n);
    if (s->text[s->start[line] + (int)n - 1] != '\n')
        cn_buf_adds(out, "\n\\ No newline at end of file\n");
}

static void put_hunk(const struct diff *d, const struct op *ops, int from, int to,
                     struct cn_buf *out)
{
    int a = 0, b = 0;

    for (int k = from; k < to; k++) {
        a += ops[k].mark != '+';
        b += ops[k].mark != '-';
    }
    cn_buf_adds(out, "@@");
    put_range(out, '-', ops[from].i, a);
    put_range(out, '+', ops[from].j, b);
    cn_buf_adds(out, " @@\n");
    for (int k = from; k < to; k++)
        put_line(d, &ops[k], out);
}

static void put_hunks(const struct diff *d, const struct op *ops, int n, struct cn_buf *out)
{
    for (int k = 0; k < n; k++) {
        int from = k - CONTEXT > 0 ? k - CONTEXT : 0, last = k;

        if (ops[k].mark == ' ')
            continue;
        for (int e = k; e < n && e - last <= 2 * CONTEXT; e++)
            if (ops[e].mark != ' ')
                last = e;
        put_hunk(d, ops, from, last + 1 + CONTEXT < n ? last + 1 + CONTEXT : n, out);
        k = last;
    }
}

void cn_edit_diff(const char *name_a, const char *a, const char *name_b, const char *b,
                  struct cn_buf *out)
{
    struct diff d = {.head = 0};
    struct op *ops = NULL;

    if (strcmp(a, b) == 0)
        return;
    cn_arena_init(&d.arena, CN_CAP_ARENA);
    if (side_init(&d.arena, &d.a, a) && side_init(&d.arena, &d.b, b))
        ops = cn_arena_alloc(&d.arena, (size_t)d.a.n + (size_t)d.b.n + 1, sizeof *ops);
    if (ops) {
        find_ends(&d);
        (void)find_middle(&d); /* if not: nothing of the middle is kept */
        cn_buf_printf(out, "--- %s\n+++ %s\n", name_a, name_b);
        put_hunks(&d, ops, list_ops(&d, ops), out);
    } else if (out->status == CN_OK) {
        out->status = CN_ENOMEM;
    }
    cn_arena_clear(&d.arena);
}
