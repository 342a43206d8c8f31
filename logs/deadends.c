/* See deadends.h.
 *
 * Per key one list of all configs that have a value for it, sorted by regime and value: a side of
 * a key is then an end of a stretch of that list.
 *
 * 1. values of keys   2. the list of a key   3. sides   4. single values   5. the functions
 */
#include "logs/deadends.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "base/yaml.h"
#include "logs/best.h"
#include "logs/project_int.h"

enum { LEAST = 2, CONTEXT_KEYS = 6 };

/* One config that has a value for the key. */
struct point {
    const char *text;
    double x; /* NaN: no number */
    int64_t node, regime;
    const struct cn_try *t; /* its single change, when that is of this key; else NULL */
};

struct finder {
    const struct cn_history *h;
    const struct cn_evidence *e;
    struct cn_dead_ends *out;
    int64_t room;
    const char **paths; /* keys of the single changes, sorted */
    int64_t n_paths;
    int64_t *regime;             /* per node: number of the first block of its regime */
    const char **at_root;        /* [n_paths][n_nodes of no base]: from its config */
    int64_t *root;               /* per node: its row in at_root; -1 when it has a base */
    const struct cn_try **tries; /* per node; NULL: none */
    const char **values;         /* per node: of the key at hand */
    struct point *points;
    int64_t n_points;
};

/* ---- 1. values of keys ---- */

static const char *mutated_to(const struct cn_node *n, const char *path)
{
    for (int i = 0; i < n->n_mutations; i++)
        if (strcmp(n->mutations[i].path, path) == 0)
            return n->mutations[i].new_text;
    return NULL;
}

/* The value of key k in the config of node i; NULL when it is not known. */
static const char *value_of(const struct finder *f, int64_t i, int64_t k)
{
    for (; f->e->base[i] >= 0; i = f->e->base[i]) {
        const char *v = mutated_to(&f->h->nodes[i], f->paths[k]);
        if (v)
            return v;
    }
    return f->at_root[f->root[i] * f->n_paths + k];
}

/* Bases come before their children, so one pass fills them all. */
static void fill_values(struct finder *f, int64_t k)
{
    for (int64_t i = 0; i < f->h->n_nodes; i++) {
        const char *v = f->e->base[i] < 0 ? f->at_root[f->root[i] * f->n_paths + k]
                                          : mutated_to(&f->h->nodes[i], f->paths[k]);
        f->values[i] = v || f->e->base[i] < 0 ? v : f->values[f->e->base[i]];
    }
}

/* A config that was read back from a log may be absent: its values are then not known. */
static cn_status read_root(struct finder *f, int64_t i)
{
    const char *config = f->h->nodes[i].config;
    struct cn_yaml *y = NULL;
    cn_status st = cn_yaml_parse("config", config, strlen(config), &y, NULL);

    if (st != CN_OK)
        return st == CN_ENOMEM ? st : CN_OK;
    for (int64_t k = 0; st == CN_OK && k < f->n_paths; k++) {
        const char *v = cn_yaml_string(cn_yaml_path(cn_yaml_root(y), f->paths[k]));
        const char **to = &f->at_root[f->root[i] * f->n_paths + k];
        *to = v ? cn_arena_strdup(&f->out->arena, v) : NULL;
        st = v && !*to ? CN_ENOMEM : CN_OK;
    }
    cn_yaml_free(y);
    return st;
}

static cn_status read_roots(struct finder *f)
{
    int64_t n = 0;
    cn_status st = CN_OK;

    for (int64_t i = 0; i < f->h->n_nodes; i++)
        f->root[i] = f->e->base[i] < 0 ? n++ : -1;
    f->at_root = cn_alloc((size_t)(n * f->n_paths) + 1, sizeof *f->at_root);
    if (!f->at_root)
        return CN_ENOMEM;
    for (int64_t i = 0; st == CN_OK && i < f->h->n_nodes; i++)
        if (f->root[i] >= 0)
            st = read_root(f, i);
    return st;
}

/* ---- 2. the list of a key ---- */

static void fill_regimes(struct finder *f)
{
    int64_t n = 0, last = -1, regime = 0;
    int64_t *distinct = f->root; /* not in use yet: at most one per node */

    for (int64_t i = 0; i < f->h->n_nodes; i++) {
        int64_t block = f->h->nodes[i].block;
        if (block != last) {
            int64_t d = 0;
            while (d < n && !cn_history_same_regime(f->h, distinct[d], block))
                d++;
            if (d == n)
                distinct[n++] = block;
            regime = distinct[d];
        }
        last = block;
        f->regime[i] = regime;
    }
}

static bool failed(const struct finder *f, const struct point *p)
{
    return f->e->runs[p->node].search.sample.n == 0;
}

static cn_outcome how(const struct finder *f, const struct point *p)
{
    return f->e->runs[p->node].how;
}

static int compare_values(const struct point *a, const struct point *b)
{
    if (isnan(a->x) || isnan(b->x))
        return isnan(a->x) != isnan(b->x) ? (isnan(a->x) ? 1 : -1) : strcmp(a->text, b->text);
    return (a->x > b->x) - (a->x < b->x);
}

static int by_place(const void *a, const void *b)
{
    const struct point *p = a, *q = b;
    int c = (p->regime > q->regime) - (p->regime < q->regime);

    if (c == 0)
        c = compare_values(p, q);
    return c ? c : (p->node > q->node) - (p->node < q->node);
}

static void fill_points(struct finder *f, int64_t k)
{
    f->n_points = 0;
    for (int64_t i = 0; i < f->h->n_nodes; i++) {
        const struct cn_node_runs *r = &f->e->runs[i];
        const struct cn_try *t = f->tries[i];
        struct point p = {f->values[i], (double)NAN, i, f->regime[i],
                          t && strcmp(t->path, f->paths[k]) == 0 ? t : NULL};
        if (!p.text || (r->search.sample.n == 0 && r->failures == 0))
            continue;
        if (!cn_text_parse_double(p.text, &p.x))
            p.x = (double)NAN;
        f->points[f->n_points++] = p;
    }
    if (f->n_points > 1)
        qsort(f->points, (size_t)f->n_points, sizeof *f->points, by_place);
}

/* ---- 3. sides ---- */

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* What all evidence shares besides the key itself. */
static cn_status put_context(struct finder *f, int64_t k, struct cn_dead_end *d)
{
    struct cn_buf text;
    int shown = 0;
    cn_status st;

    cn_buf_init(&text, CN_CAP_RECORD);
    for (int64_t j = 0; j < f->n_paths && shown < CONTEXT_KEYS; j++) {
        const char *v = NULL;
        for (int64_t i = 0; i < d->n; i++) {
            const struct cn_node *n = cn_history_node(f->h, d->nodes[i]);
            const char *w = value_of(f, n - f->h->nodes, j);
            v = i == 0 ? w : v && w && strcmp(v, w) == 0 ? v : NULL;
        }
        if (j == k || !v)
            continue;
        cn_buf_adds(&text, shown++ ? ", " : "");
        cn_prose_name(&text, f->paths[j]);
        cn_buf_addc(&text, '=');
        cn_prose_value(&text, v);
    }
    d->context = cn_arena_strdup(&f->out->arena, cn_buf_str(&text));
    st = cn_buf_status(&text);
    cn_buf_clear(&text);
    return st == CN_OK && !d->context ? CN_ENOMEM : st;
}

/* A stretch of the list, from its outermost point inwards. */
struct stretch {
    const struct point *outer;
    int64_t n, step; /* step: -1 from the upper end down, +1 from the lower end up */
    int side;
};

static const struct point *at(const struct stretch *s, int64_t i)
{
    return s->outer + i * s->step;
}

/* Points from the end on for which `stop` is false, whole values at a time. */
static int64_t run_of(const struct finder *f, const struct stretch *s,
                      bool (*stop)(const struct finder *, const struct point *, int))
{
    int64_t n = 0, end = 0;

    while (end < s->n) {
        bool stopped = false;
        while (end < s->n && compare_values(at(s, n), at(s, end)) == 0)
            stopped = stop(f, at(s, end++), s->side) || stopped;
        if (stopped)
            return n;
        n = end;
    }
    return n;
}

static bool has_result(const struct finder *f, const struct point *p, int side)
{
    (void)side;
    return !failed(f, p);
}

static bool got_better(const struct finder *f, const struct point *p, int side)
{
    (void)f;
    return p->t && p->t->direction == side && p->t->gain.better;
}

/* Evidence of one kind: CN_OUTCOME_OK means worse than before. */
static bool is_evidence(const struct finder *f, const struct point *p, int side,
                        cn_outcome kind)
{
    if (!p->t || p->t->direction != side)
        return false;
    return kind == CN_OUTCOME_OK ? p->t->gain.worse : failed(f, p) && how(f, p) == kind;
}

/* What a region is counted out of: configs for failures, tries for what got worse. */
static bool is_counted(const struct point *p, int side, cn_outcome kind)
{
    return kind != CN_OUTCOME_OK || (p->t && p->t->direction == side && p->t->compared);
}

static cn_status add(struct finder *f, int64_t k, const struct stretch *s, int64_t n,
                     cn_outcome kind)
{
    struct cn_dead_end *d = &f->out->all[f->out->n];
    const struct point *mildest = NULL; /* there are LEAST of them at least */
    int64_t all = 0;

    if (f->out->n == f->room)
        return CN_OK;
    memset(d, 0, sizeof *d);
    d->nodes = cn_arena_alloc(&f->out->arena, (size_t)n, sizeof *d->nodes);
    if (!d->nodes)
        return CN_ENOMEM;
    for (int64_t i = 0; i < n; i++) {
        const struct point *p = at(s, i);
        all += is_counted(p, s->side, kind);
        if (is_evidence(f, p, s->side, kind)) {
            d->nodes[d->n++] = f->h->nodes[p->node].id;
            mildest = p;
        }
        if (mildest && compare_values(mildest, p) == 0)
            d->all = all;
    }
    d->bound = mildest->text;
    d->path = f->paths[k];
    d->side = s->side;
    d->how = kind;
    d->block = at(s, 0)->regime;
    if (d->n > 1)
        qsort(d->nodes, (size_t)d->n, sizeof *d->nodes, by_id);
    f->out->n++;
    return put_context(f, k, d);
}

static cn_status look(struct finder *f, int64_t k, const struct stretch *s)
{
    int64_t dead = run_of(f, s, has_result), worse = run_of(f, s, got_better);
    int64_t count[CN_OUTCOME_INVALID + 1] = {0}, n_worse = 0;
    cn_outcome most = CN_OUTCOME_NONE;
    cn_status st = CN_OK;

    for (int64_t i = 0; i < dead; i++) {
        cn_outcome o = how(f, at(s, i));
        count[o] += is_evidence(f, at(s, i), s->side, o);
        most = count[o] > count[most] ? o : most;
    }
    for (int64_t i = 0; i < worse; i++)
        n_worse += is_evidence(f, at(s, i), s->side, CN_OUTCOME_OK);
    if (count[most] >= LEAST)
        st = add(f, k, s, dead, most);
    if (st == CN_OK && n_worse >= LEAST)
        st = add(f, k, s, worse, CN_OUTCOME_OK);
    return st;
}

/* ---- 4. the stretches of a key ---- */

static cn_status look_at_run(struct finder *f, int64_t k, const struct point *p, int64_t n)
{
    int64_t numbers = 0;
    cn_status st = CN_OK;

    while (numbers < n && !isnan(p[numbers].x))
        numbers++;
    if (numbers > 0) {
        const struct stretch up = {p + numbers - 1, numbers, -1, 1}, down = {p, numbers, 1, -1};
        st = look(f, k, &up);
        if (st == CN_OK)
            st = look(f, k, &down);
    }
    for (int64_t i = numbers, end; st == CN_OK && i < n; i = end) { /* values without order */
        for (end = i; end < n && compare_values(&p[i], &p[end]) == 0;)
            end++;
        st = look(f, k, &(struct stretch){p + i, end - i, 1, 0});
    }
    return st;
}

static cn_status look_at_key(struct finder *f, int64_t k)
{
    cn_status st = CN_OK;

    fill_values(f, k);
    fill_points(f, k);
    for (int64_t i = 0, end; st == CN_OK && i < f->n_points; i = end) {
        for (end = i; end < f->n_points && f->points[end].regime == f->points[i].regime;)
            end++;
        st = look_at_run(f, k, &f->points[i], end - i);
    }
    return st;
}

/* ---- 5. the functions ---- */

static int by_weight(const void *a, const void *b)
{
    const struct cn_dead_end *x = a, *y = b;
    int c = (x->n < y->n) - (x->n > y->n);

    if (c == 0)
        c = strcmp(x->path, y->path);
    if (c == 0)
        c = x->side - y->side;
    if (c == 0)
        c = (int)x->how - (int)y->how;
    return c ? c : (x->nodes[0] > y->nodes[0]) - (x->nodes[0] < y->nodes[0]);
}

static cn_status finder_init(struct finder *f)
{
    size_t n = (size_t)f->h->n_nodes + 1;

    f->paths = cn_alloc((size_t)f->e->n_groups + 1, sizeof *f->paths);
    f->regime = cn_alloc(n, sizeof *f->regime);
    f->root = cn_alloc(n, sizeof *f->root);
    f->tries = cn_alloc(n, sizeof *f->tries);
    f->values = cn_alloc(n, sizeof *f->values);
    f->points = cn_alloc(n, sizeof *f->points);
    /* Every dead end has two tries of its own direction and regime, twice at most (failed and
     * worse share none). */
    f->room = f->e->n_tries;
    f->out->all = cn_arena_alloc(&f->out->arena, (size_t)f->room + 1, sizeof *f->out->all);
    if (!f->paths || !f->regime || !f->root || !f->tries || !f->values || !f->points ||
        !f->out->all)
        return CN_ENOMEM;
    for (int64_t i = 0; i < f->e->n_groups; i++) /* groups stand in order of their keys */
        if (i == 0 || strcmp(f->e->groups[i - 1].path, f->e->groups[i].path) != 0)
            f->paths[f->n_paths++] = f->e->groups[i].path;
    for (int64_t i = 0; i < f->e->n_tries; i++)
        f->tries[cn_history_node(f->h, f->e->tries[i].node) - f->h->nodes] = &f->e->tries[i];
    fill_regimes(f);
    return read_roots(f);
}

static void finder_clear(struct finder *f)
{
    cn_free(f->paths);
    cn_free(f->regime);
    cn_free(f->root);
    cn_free(f->tries);
    cn_free(f->values);
    cn_free(f->points);
    cn_free(f->at_root);
}

cn_status cn_dead_ends_init(struct cn_dead_ends *d, const struct cn_history *h,
                            const struct cn_evidence *e)
{
    struct finder f = {.h = h, .e = e, .out = d};
    cn_status st;

    memset(d, 0, sizeof *d);
    cn_arena_init(&d->arena, CN_CAP_ARENA);
    st = finder_init(&f);
    for (int64_t k = 0; st == CN_OK && k < f.n_paths; k++)
        st = look_at_key(&f, k);
    if (st == CN_OK && d->n > 1)
        qsort(d->all, (size_t)d->n, sizeof *d->all, by_weight);
    finder_clear(&f);
    return st;
}

void cn_dead_ends_clear(struct cn_dead_ends *d)
{
    cn_arena_clear(&d->arena);
    memset(d, 0, sizeof *d);
}

void cn_dead_end_region(const struct cn_dead_end *d, struct cn_buf *out)
{
    cn_prose_name(out, d->path);
    cn_buf_adds(out, d->side > 0 ? " >= " : d->side < 0 ? " <= " : " is ");
    cn_prose_value(out, d->bound);
}

void cn_dead_end_reason(const struct cn_dead_end *d, struct cn_buf *out)
{
    if (d->how == CN_OUTCOME_OK)
        cn_buf_printf(out, "worse than before in %lld of %lld tries, better in none",
                      (long long)d->n, (long long)d->all);
    else
        cn_buf_printf(out, "%s in %lld of %lld configs, a result in none",
                      cn_outcome_name(d->how), (long long)d->n, (long long)d->all);
}
