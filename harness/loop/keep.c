/* See keep.h.
 *
 * 1 the large files of a folder   2 which trainings stay   3 the plan   4 data sets
 */
#include "harness/loop/keep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "logs/store.h"

struct planner {
    const char *dir;
    const struct cn_keep_opts *o;
    int64_t now_ms;
    struct cn_history h;
    struct cn_keep_plan *out;
    struct cn_buf items; /* of struct cn_archive_item, of the folder at hand */
    struct cn_err *err;
};

static cn_status no_memory(struct cn_err *err, const char *what)
{
    return cn_err_set(err, CN_ENOMEM, "%s: no memory to look at it", what);
}

/* ------------------------------------------------------------------ 1 large files */

static bool ends_in(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (cn_text_ends(name, *list))
            return true;
    return false;
}

/* By its name and size; `in_checkpoint`: below a folder whose name says so. */
static bool may_go(const char *name, int64_t bytes, bool in_checkpoint)
{
    static const char *const models[] = {".safetensors", ".pt", ".pth", ".ckpt", NULL};
    static const char *const never[] = {".yaml", ".yml", ".json", ".jsonl", ".md",
                                        ".txt",  ".log", ".err",  ".lock",  NULL};

    if (ends_in(name, models))
        return true;
    if (ends_in(name, never))
        return false;
    return in_checkpoint || bytes >= CN_KEEP_LARGE;
}

enum { DEEPEST = 6 };

/* `below`: path relative to the run. Links and what is no plain file stay where they are. */
static cn_status add_files(struct cn_arena *arena, struct cn_buf *items, const char *root,
                           const char *below, bool in_checkpoint, bool all, int depth,
                           struct cn_err *err)
{
    char *dir = cn_file_join(root, below), **names = NULL;
    int n = 0;
    cn_status st = dir ? cn_file_list(dir, &names, &n, err) : no_memory(err, root);

    for (int i = 0; st == CN_OK && i < n; i++) {
        const char *path = cn_arena_printf(arena, "%s/%s", below, names[i]);
        char *whole = path ? cn_file_join(root, path) : NULL;
        struct stat s;

        if (!whole) {
            st = no_memory(err, root);
        } else if (lstat(whole, &s) != 0) {
            st = CN_OK; /* gone meanwhile */
        } else if (S_ISDIR(s.st_mode) && depth < DEEPEST) {
            st = add_files(arena, items, root, path,
                           in_checkpoint || cn_text_starts(names[i], "checkpoint"), all,
                           depth + 1, err);
        } else if (S_ISREG(s.st_mode) &&
                   (all || may_go(names[i], (int64_t)s.st_size, in_checkpoint))) {
            const struct cn_archive_item item = {path, (int64_t)s.st_size};
            cn_buf_add(items, &item, sizeof item);
        }
        cn_free(whole);
    }
    cn_file_list_free(names, n);
    cn_free(dir);
    return st == CN_OK && cn_buf_status(items) != CN_OK ? no_memory(err, root) : st;
}

static cn_status take_items(struct cn_arena *arena, struct cn_buf *items,
                            struct cn_archive_item **out, int64_t *out_n, int64_t *out_bytes,
                            struct cn_err *err)
{
    *out_n = (int64_t)(items->len / sizeof **out);
    *out_bytes = 0;
    *out = NULL;
    if (*out_n == 0)
        return CN_OK;
    *out = cn_arena_alloc(arena, items->len, 1);
    if (!*out)
        return no_memory(err, "the folder");
    memcpy(*out, items->data, items->len);
    for (int64_t i = 0; i < *out_n; i++)
        *out_bytes += (*out)[i].bytes;
    cn_buf_reset(items);
    return CN_OK;
}

/* ------------------------------------------------------------------ 2 which stay */

struct ranked {
    int64_t at; /* index of the node */
    double mean;
};

/* The highest mean first, ties by age. */
static int by_mean(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->mean != y->mean)
        return x->mean > y->mean ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* best[i]: node i is among the o->best best of the search. */
static cn_status mark_best(struct planner *p, bool *best)
{
    struct ranked *r = cn_alloc((size_t)p->h.n_nodes + 1, sizeof *r);
    int64_t n = 0;

    if (!r)
        return no_memory(p->err, p->dir);
    for (int64_t i = 0; i < p->h.n_nodes; i++) {
        const struct cn_spread s = cn_history_spread(&p->h, p->h.nodes[i].id, CN_POOL_SEARCH);
        if (s.n > 0)
            r[n++] = (struct ranked){i, s.mean};
    }
    if (n > 0)
        qsort(r, (size_t)n, sizeof *r, by_mean);
    for (int64_t i = 0; i < n && i < p->o->best; i++)
        best[r[i].at] = true;
    cn_free(r);
    return CN_OK;
}

static bool was_confirmed(const struct cn_history *h, int64_t node)
{
    for (const struct cn_iteration *it = cn_history_run(h, node, NULL); it;
         it = cn_history_run(h, node, it))
        if (it->confirmation)
            return true;
    return false;
}

static const char *why_it_stays(struct planner *p, const struct cn_iteration *it,
                                const bool *best)
{
    const struct cn_node *n = cn_history_node(&p->h, it->node);
    const double age = (double)(p->now_ms - it->finished_ms) / 86400e3;

    if (it->state != CN_ITER_COMMITTED)
        return "it is not over";
    if (it->confirmation || was_confirmed(&p->h, it->node))
        return "it was confirmed";
    if (n && best[n - p->h.nodes])
        return "it is among the best";
    if (n && n->id == p->h.nodes[0].id)
        return "it is the config as given";
    if (p->o->days > 0 && it->finished_ms == 0)
        return "when it ended is not known";
    if (p->o->days > 0 && age < p->o->days)
        return "it is too young";
    return "";
}

/* ------------------------------------------------------------------ 3 the plan */

static cn_status look_at(struct planner *p, const struct cn_iteration *it, const bool *best)
{
    struct cn_kept *k = &p->out->kept[p->out->n];
    char *dir;
    cn_status st = CN_OK;

    if (!it->dir[0])
        return CN_OK;
    dir = cn_file_join(p->dir, it->dir);
    if (!dir)
        return no_memory(p->err, p->dir);
    if (cn_file_is_dir(dir)) {
        st = add_files(&p->out->arena, &p->items, p->dir, it->dir, false, false, 0, p->err);
        if (st == CN_OK)
            st = take_items(&p->out->arena, &p->items, &k->items, &k->n_items, &k->bytes,
                            p->err);
    }
    cn_free(dir);
    if (st != CN_OK || k->n_items == 0)
        return st;
    k->iteration = it->id;
    k->reason = why_it_stays(p, it, best);
    p->out->n++;
    return CN_OK;
}

/* No more than the budget asks for: the oldest first, which ids are. */
static void apply_budget(struct planner *p)
{
    double stays = (double)p->out->run_bytes;

    for (int64_t i = 0; i < p->out->n; i++) {
        struct cn_kept *k = &p->out->kept[i];

        if (k->reason[0])
            continue;
        if (!isnan(p->o->budget) && stays <= p->o->budget) {
            k->reason = "the budget is kept without it";
            continue;
        }
        stays -= (double)k->bytes;
        p->out->bytes += k->bytes;
    }
}

static cn_status plan_all(struct planner *p)
{
    bool *best = cn_alloc((size_t)p->h.n_nodes + 1, sizeof *best);
    cn_status st;

    p->out->kept =
        cn_arena_alloc(&p->out->arena, (size_t)p->h.n_iterations + 1, sizeof *p->out->kept);
    if (!best || !p->out->kept) {
        cn_free(best);
        return no_memory(p->err, p->dir);
    }
    st = mark_best(p, best);
    for (int64_t i = 0; st == CN_OK && i < p->h.n_iterations; i++)
        st = look_at(p, &p->h.iterations[i], best);
    if (st == CN_OK)
        apply_budget(p);
    cn_free(best);
    return st;
}

cn_status cn_keep_plan(const char *dir, const struct cn_keep_opts *o, int64_t now_ms,
                       struct cn_keep_plan *out, struct cn_err *err)
{
    struct planner p = {.dir = dir, .o = o, .now_ms = now_ms, .out = out, .err = err};
    struct cn_store *s = NULL;
    cn_status st;

    memset(out, 0, sizeof *out);
    cn_arena_init(&out->arena, CN_CAP_ARENA);
    cn_buf_init(&p.items, CN_CAP_TEXT);
    st = cn_store_open(dir, CN_STORE_READ, &s, err);
    if (st == CN_OK)
        st = cn_store_history(s, &p.h, err);
    cn_store_close(s);
    out->run_bytes = cn_file_tree_size(dir);
    if (st == CN_OK)
        st = plan_all(&p);
    cn_history_clear(&p.h);
    cn_buf_clear(&p.items);
    return st;
}

void cn_keep_clear(struct cn_keep_plan *p)
{
    cn_arena_clear(&p->arena);
    memset(p, 0, sizeof *p);
}

/* ------------------------------------------------------------------ 4 data sets */

static bool is_key(const char *name)
{
    return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

/* A living process has the set open: it holds <key>.use.<pid>.<n>. */
static bool in_use(const char *cache, const char *key, char *const *names, int n)
{
    bool used = false;

    for (int i = 0; i < n && !used; i++) {
        if (!cn_text_starts(names[i], key) || !cn_text_starts(names[i] + 64, ".use."))
            continue;
        char *path = cn_file_join(cache, names[i]);
        used = !path || cn_file_is_locked(path);
        cn_free(path);
    }
    return used;
}

/* Its header's time is when it was opened last (trainer/fly/dataset.h). The header is the first
 * item: without it the folder does not count as a data set. */
static cn_status look_at_set(const char *cache, const char *key, double days, int64_t now_ms,
                             struct cn_arena *arena, struct cn_keep_set *out, bool *taken,
                             struct cn_err *err)
{
    const char *header = cn_arena_printf(arena, "%s/%s/header.json", cache, key);
    struct cn_buf items;
    struct stat s;
    cn_status st;

    *taken = false;
    if (!header)
        return no_memory(err, cache);
    if (lstat(header, &s) != 0 || !S_ISREG(s.st_mode))
        return CN_OK;
    out->days = ((double)now_ms - (double)s.st_mtim.tv_sec * 1e3) / 86400e3;
    if (out->days < days)
        return CN_OK;
    cn_buf_init(&items, CN_CAP_TEXT);
    st = add_files(arena, &items, cache, key, false, true, 0, err);
    if (st == CN_OK)
        st = take_items(arena, &items, &out->items, &out->n_items, &out->bytes, err);
    for (int64_t i = 1; st == CN_OK && i < out->n_items; i++)
        if (cn_text_ends(out->items[i].path, "/header.json") &&
            strlen(out->items[i].path) == 64 + sizeof "/header.json" - 1) {
            const struct cn_archive_item first = out->items[0];
            out->items[0] = out->items[i];
            out->items[i] = first;
        }
    cn_buf_clear(&items);
    out->key = cn_arena_strdup(arena, key);
    *taken = st == CN_OK && out->key;
    return st;
}

cn_status cn_keep_sets(const char *cache, double days, int64_t now_ms, struct cn_arena *arena,
                       struct cn_keep_set **out, int64_t *out_n, struct cn_err *err)
{
    struct cn_keep_set *sets;
    char **names = NULL;
    int n = 0;
    cn_status st;

    *out = NULL;
    *out_n = 0;
    if (!cn_file_is_dir(cache))
        return CN_OK;
    st = cn_file_list(cache, &names, &n, err);
    if (st != CN_OK)
        return st;
    sets = cn_arena_alloc(arena, (size_t)n + 1, sizeof *sets);
    if (!sets) {
        cn_file_list_free(names, n);
        return no_memory(err, cache);
    }
    for (int i = 0; st == CN_OK && i < n; i++) {
        bool taken = false;

        if (!is_key(names[i]) || in_use(cache, names[i], names, n))
            continue;
        st = look_at_set(cache, names[i], days, now_ms, arena, &sets[*out_n], &taken, err);
        *out_n += taken;
    }
    *out = sets;
    cn_file_list_free(names, n);
    return st;
}
