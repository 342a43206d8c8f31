/* Small questions that several projections ask of a history. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/yaml.h"
#include "logs/gain.h"
#include "logs/project_int.h"

bool cn_fact_committed(const struct cn_iteration *it)
{
    return it->state == CN_ITER_COMMITTED;
}

bool cn_fact_ok(const struct cn_iteration *it)
{
    return cn_fact_committed(it) && it->outcome == CN_OUTCOME_OK;
}

double cn_fact_metric(const struct cn_history *h, double reward)
{
    return h->info.reward_lower_is_better ? -reward : reward;
}

struct cn_spread cn_fact_metric_spread(const struct cn_history *h, struct cn_spread s)
{
    struct cn_spread m = s;

    m.mean = cn_fact_metric(h, s.mean);
    if (h->info.reward_lower_is_better) {
        m.min = -s.max;
        m.max = -s.min;
    }
    return m;
}

struct cn_spread cn_fact_spread(const struct cn_history *h, int64_t node, cn_pool pool,
                                int64_t last)
{
    return cn_history_spread_upto(h, node, pool, CN_ITER_COMMITTED, last);
}

double cn_fact_cv(const struct cn_spread *s)
{
    return s->n > 1 && fabs(s->mean) > 0 ? 100 * s->std / fabs(s->mean) : (double)NAN;
}

/* Of a closed block, as it was at its end: its rows need not be there. The node is NULL when it is
 * not in the window (b->roll.best_node has its id). */
static cn_status rolled_leader(const struct cn_history *h, const struct cn_block *b,
                               struct cn_best *out)
{
    const struct cn_rollup *r = &b->roll;

    memset(out, 0, sizeof *out);
    out->block = b->number;
    out->confidence = CN_BEST_CONFIDENCE;
    out->by_mean = isnan(r->lo);
    out->noise = (struct cn_noise)CN_NOISE_INIT;
    out->first = (struct cn_standing){.node = cn_history_node(h, r->best_node),
                                      .n = r->config.n,
                                      .mean = r->config.mean,
                                      .std = r->config.std,
                                      .min = r->config.min,
                                      .max = r->config.max,
                                      .cv = cn_fact_cv(&r->config),
                                      .lo = r->lo,
                                      .hi = r->hi,
                                      .stability = (cn_stability)r->stability,
                                      .few = r->few,
                                      .broken = -1};
    return CN_OK;
}

cn_status cn_fact_leader(const struct cn_history *h, int64_t block, struct cn_best *out)
{
    const struct cn_block *b = cn_history_block(h, block);
    struct cn_best_query q = CN_BEST_QUERY_INIT;

    if (b && b->roll.known)
        return rolled_leader(h, b, out);
    q.block = block;
    q.state = CN_ITER_COMMITTED;
    if (b) /* an entry about a block does not change with what comes after it */
        q.last = b->last;
    return cn_history_best(h, &q, out, NULL);
}

const struct cn_node *cn_fact_best(const struct cn_history *h, int64_t block)
{
    struct cn_best b;

    return cn_fact_leader(h, block, &b) == CN_OK ? b.first.node : NULL;
}

struct cn_fact_counts cn_fact_count(const struct cn_history *h, int64_t block)
{
    const struct cn_block *b = cn_history_block(h, block);
    struct cn_fact_counts c = {0, 0, 0, 0};

    /* A window need not have the rows of a closed block. */
    if (b && b->roll.known)
        return (struct cn_fact_counts){b->roll.all, b->roll.ok, b->roll.converged,
                                       b->roll.failed};
    if (block == 0)
        c = (struct cn_fact_counts){h->older.searched, h->older.ok, h->older.converged,
                                    h->older.failed};
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        if (!cn_fact_committed(it) || it->confirmation || (block && it->block != block) ||
            (block == 0 && it->id < h->older.first))
            continue;
        c.all++;
        c.ok += it->outcome == CN_OUTCOME_OK;
        c.failed += it->outcome != CN_OUTCOME_OK;
        c.converged += it->cls == CN_CLASS_CONVERGED;
    }
    return c;
}

/* ---- confirmations ---- */

void cn_fact_confirmed(const struct cn_history *h, const struct cn_node **out_default,
                       const struct cn_node **out_best)
{
    struct cn_best_query q = CN_BEST_QUERY_INIT;
    struct cn_gain g;
    cn_status st;

    q.state = CN_ITER_COMMITTED;
    st = cn_history_gain(h, &q, &g, NULL);
    *out_default = st == CN_OK ? g.base : NULL;
    *out_best = st == CN_OK ? g.best : NULL;
}

/* ---- a node's config as "k=v, ..." ---- */

static void put_pair(const struct cn_yaml *y, const char *path, bool *first, struct cn_buf *out)
{
    const struct cn_yaml_node *v = cn_yaml_path(cn_yaml_root(y), path);
    const char *text = cn_yaml_string(v);

    if (!v)
        return;
    cn_buf_adds(out, *first ? "" : ", ");
    *first = false;
    cn_prose_name(out, path);
    cn_buf_addc(out, '=');
    cn_prose_value(out, text ? text : cn_yaml_kind_name(cn_yaml_kind(v)));
}

static void put_listed(const struct cn_yaml *y, const char *keys, struct cn_buf *out)
{
    bool first = true;
    struct cn_buf path;

    cn_buf_init(&path, CN_CAP_RECORD);
    while (*keys) {
        size_t n = strcspn(keys, ",");
        cn_buf_reset(&path);
        cn_buf_add(&path, keys, n);
        if (cn_buf_status(&path) != CN_OK)
            out->status = cn_buf_status(&path);
        put_pair(y, cn_buf_str(&path), &first, out);
        keys += n + (keys[n] == ',');
    }
    cn_buf_clear(&path);
}

/* True when `path` is in the list; else it is added. The list is a buffer of pointers. */
static bool seen(struct cn_buf *list, const char *path)
{
    const char *known;

    for (size_t at = 0; at + sizeof(known) <= list->len; at += sizeof(known)) {
        memcpy(&known, list->data + at, sizeof(known));
        if (strcmp(known, path) == 0)
            return true;
    }
    cn_buf_add(list, &path, sizeof(path));
    return false;
}

/* Only nodes up to this one: later mutations must not change an entry that was written. */
static void put_mutated(const struct cn_history *h, const struct cn_node *n,
                        const struct cn_yaml *y, struct cn_buf *out)
{
    bool first = true;
    struct cn_buf paths;

    cn_buf_init(&paths, CN_CAP_TEXT);
    for (int64_t i = 0; i < h->older.n_paths; i++)
        if (h->older.path_nodes[i] <= n->id && !seen(&paths, h->older.paths[i]))
            put_pair(y, h->older.paths[i], &first, out);
    for (int64_t i = 0; i < h->n_nodes && h->nodes[i].id <= n->id; i++)
        for (int k = 0; k < h->nodes[i].n_mutations; k++)
            if (!seen(&paths, h->nodes[i].mutations[k].path))
                put_pair(y, h->nodes[i].mutations[k].path, &first, out);
    cn_buf_clear(&paths);
}

void cn_fact_config(const struct cn_history *h, const struct cn_node *n, struct cn_buf *out)
{
    struct cn_yaml *y = NULL;
    cn_status st = cn_yaml_parse("config", n->config, strlen(n->config), &y, NULL);

    /* A config that was read back from a log may be absent; its line is then left out. */
    if (st == CN_ENOMEM)
        out->status = st;
    if (st != CN_OK)
        return;
    if (h->info.log_keys && h->info.log_keys[0])
        put_listed(y, h->info.log_keys, out);
    else
        put_mutated(h, n, y, out);
    cn_yaml_free(y);
}
