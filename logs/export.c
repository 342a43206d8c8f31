/* What every export does; see export.h. The formats: export_jsonl.c, export_csv.c. */
#include "logs/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "logs/export_int.h"
#include "logs/log.h"

enum { RANGE = 256 }; /* iterations that are in memory at a time */

const char *const cn_export_facts[CN_EXPORT_FACTS] = {"overrides", "iterations", "end", "goal"};

static cn_status no_memory(struct cn_exporter *x)
{
    return cn_err_set(x->err, CN_ENOMEM, "no memory for the export");
}

cn_status cn_export_flush(struct cn_exporter *x)
{
    cn_status st = cn_buf_status(&x->line);

    if (st != CN_OK)
        return cn_err_set(x->err, st, "a line of the export is too large");
    if (x->line.len > 0)
        st = x->write(x->ctx, x->line.data, x->line.len, x->err);
    cn_buf_reset(&x->line);
    return st;
}

cn_status cn_export_each(struct cn_exporter *x, cn_export_range_fn *fn)
{
    cn_status st = CN_OK;

    for (int64_t first = 1; st == CN_OK && first <= x->last; first += RANGE) {
        const int64_t last = first + RANGE - 1 < x->last ? first + RANGE - 1 : x->last;
        struct cn_history h;

        st = cn_store_range(x->s, first, last, &h, x->err);
        for (int64_t i = 0; st == CN_OK && i < h.n_iterations; i++)
            if (h.iterations[i].id >= first && h.iterations[i].id <= last)
                st = fn(x, &h, &h.iterations[i]);
        cn_history_clear(&h);
    }
    return st;
}

/* ---- names ---- */

bool cn_export_beside(const char *path)
{
    return strcmp(path, "simulation.seed") == 0 || strcmp(path, "training.seed") == 0 ||
           strcmp(path, "description") == 0 || cn_text_starts(path, "explore.") ||
           cn_text_starts(path, "claude.");
}

static cn_status add_name(struct cn_exporter *x, struct cn_export_names *to, const char *name)
{
    for (int64_t i = 0; i < to->n; i++)
        if (strcmp(to->name[i], name) == 0)
            return CN_OK;
    if (to->n == to->room) {
        const int64_t room = to->room ? 2 * to->room : 16;
        const char **more = cn_arena_alloc(&x->arena, (size_t)room, sizeof(*more));
        if (!more)
            return no_memory(x);
        if (to->n)
            memcpy(more, to->name, (size_t)to->n * sizeof(*more));
        to->name = more;
        to->room = room;
    }
    to->name[to->n] = cn_arena_strdup(&x->arena, name);
    return to->name[to->n++] ? CN_OK : no_memory(x);
}

struct leaves {
    struct cn_exporter *x;
    const struct cn_yaml *other; /* what to compare with */
};

static bool same_scalar(const struct cn_yaml_node *a, const struct cn_yaml_node *b)
{
    double x, y;
    const char *p = cn_yaml_string(a), *q = cn_yaml_string(b);

    if (cn_yaml_kind(a) != cn_yaml_kind(b) && !(cn_yaml_number(a, &x) && cn_yaml_number(b, &y)))
        return false;
    if (cn_yaml_number(a, &x) && cn_yaml_number(b, &y))
        return x == y;
    return p && q && strcmp(p, q) == 0;
}

static cn_status compare_leaf(void *ctx, const char *path, const struct cn_yaml_node *v)
{
    struct leaves *l = ctx;

    if (cn_export_beside(path) || cn_yaml_kind(v) == CN_YAML_SEQ ||
        same_scalar(v, cn_yaml_path(cn_yaml_root(l->other), path)))
        return CN_OK;
    return add_name(l->x, &l->x->keys, path);
}

cn_status cn_export_config(struct cn_exporter *x, const struct cn_node *n, struct cn_yaml **out)
{
    struct cn_err why = CN_ERR_INIT;
    const cn_status st = cn_yaml_parse("config", n->config, strlen(n->config), out, &why);

    if (st == CN_OK)
        return st;
    return cn_err_set(x->err, st == CN_EINPUT ? CN_ECORRUPT : st, "node %lld: its config: %s",
                      (long long)n->id, why.text);
}

static cn_status find_names(struct cn_exporter *x, const struct cn_history *h,
                            const struct cn_iteration *it)
{
    const struct cn_node *n = cn_history_node(h, it->node);
    struct cn_yaml *y = NULL;
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < it->n_metrics; i++)
        st = add_name(x, &x->metrics, it->metrics[i].name);
    if (st != CN_OK || !n || n->id != it->id || strcmp(n->config, x->base) == 0)
        return st;
    st = cn_export_config(x, n, &y);
    if (st == CN_OK) /* what the node has and the base has not, and the other way round */
        st = cn_yaml_leaves(cn_yaml_root(y), compare_leaf, &(struct leaves){x, x->base_yaml});
    if (st == CN_OK)
        st = cn_yaml_leaves(cn_yaml_root(x->base_yaml), compare_leaf, &(struct leaves){x, y});
    cn_yaml_free(y);
    return st;
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

cn_status cn_export_names(struct cn_exporter *x)
{
    const cn_status st = cn_export_each(x, find_names);

    if (x->keys.n)
        qsort(x->keys.name, (size_t)x->keys.n, sizeof(*x->keys.name), by_name);
    if (x->metrics.n)
        qsort(x->metrics.name, (size_t)x->metrics.n, sizeof(*x->metrics.name), by_name);
    return st;
}

/* ---- all of it ---- */

static cn_status prepare(struct cn_exporter *x)
{
    struct cn_buf base;
    int64_t next = 1;
    cn_status st = cn_store_next_iteration(x->s, &next, x->err);

    x->last = next - 1;
    cn_buf_init(&base, CN_CAP_CONFIG * 2);
    if (st == CN_OK)
        st = cn_store_window(x->s, 1, &x->around, x->err);
    if (st == CN_OK)
        st = cn_store_text(x->s, "config", 1, &base, x->err);
    x->base = st == CN_OK ? cn_arena_strdup(&x->arena, cn_buf_str(&base)) : NULL;
    if (st == CN_OK && !x->base)
        st = no_memory(x);
    if (st == CN_OK && x->base)
        st = cn_yaml_parse("base.yaml", x->base, strlen(x->base), &x->base_yaml, x->err);
    cn_buf_clear(&base);
    return st == CN_OK ? cn_export_names(x) : st;
}

/* Piece by piece: neither the log nor the run has to fit in memory. */
static cn_status export_analysis(struct cn_exporter *x)
{
    struct cn_history h;
    cn_status st = cn_store_window(x->s, CN_STORE_WINDOW, &h, x->err);

    if (st == CN_OK)
        st = cn_log_print(x->s, &h, x->write, x->ctx, x->err);
    cn_history_clear(&h);
    return st;
}

cn_status cn_export(struct cn_store *s, cn_export_format format, cn_export_write *write,
                    void *ctx, struct cn_err *err)
{
    struct cn_exporter x = {.s = s, .write = write, .ctx = ctx, .err = err};
    cn_status st = CN_OK;

    cn_arena_init(&x.arena, CN_CAP_ARENA);
    cn_buf_init(&x.line, CN_CAP_TEXT);
    if (format == CN_EXPORT_ANALYSIS)
        st = export_analysis(&x);
    else
        st = prepare(&x);
    if (st == CN_OK && format == CN_EXPORT_JSONL)
        st = cn_export_jsonl(&x);
    if (st == CN_OK && format == CN_EXPORT_CSV)
        st = cn_export_csv(&x);
    cn_history_clear(&x.around);
    cn_yaml_free(x.base_yaml);
    cn_buf_clear(&x.line);
    cn_arena_clear(&x.arena);
    return st;
}
