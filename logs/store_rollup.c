/* A block in numbers when it is closed: made by the same functions that speak of blocks whose rows
 * are there, so a block reads the same before and after it leaves the window. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/project_int.h"
#include "logs/store.h"
#include "logs/store_int.h"

static const struct cn_spread nothing = {0, (double)NAN, (double)NAN, (double)NAN, (double)NAN};

static void roll_best(const struct cn_history *h, const struct cn_standing *s,
                      struct cn_rollup *out)
{
    out->best_node = s->node->id;
    out->best = cn_fact_spread(h, s->node->id, CN_POOL_SEARCH, INT64_MAX);
    out->config = (struct cn_spread){s->n, s->mean, s->std, s->min, s->max};
    out->lo = s->lo;
    out->hi = s->hi;
    out->stability = (int)s->stability;
    out->few = s->few;
}

/* The leader leans on the spread within configs, pooled over what `h` holds. */
static cn_status roll(const struct cn_history *h, int64_t block, struct cn_rollup *out)
{
    const struct cn_fact_counts c = cn_fact_count(h, block);
    struct cn_best best;
    cn_status st = cn_fact_leader(h, block, &best);

    *out = (struct cn_rollup){.known = true,
                              .all = c.all,
                              .ok = c.ok,
                              .converged = c.converged,
                              .failed = c.failed,
                              .best = nothing,
                              .config = nothing,
                              .lo = (double)NAN,
                              .hi = (double)NAN,
                              .worst = (double)NAN};
    if (st == CN_OK && best.first.node)
        roll_best(h, &best.first, out);
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        double minutes = cn_iteration_metric(it, "training_time_min");

        if (it->block != block || it->confirmation || !cn_fact_committed(it))
            continue;
        out->minutes += isfinite(minutes) ? minutes : 0;
        if (it->outcome == CN_OUTCOME_OK && !(out->worst <= it->reward))
            out->worst = it->reward;
    }
    return st;
}

static cn_status put(struct cn_store *s, int64_t block, const struct cn_rollup *r,
                     struct cn_err *err)
{
    return cn_sql_run(s,
                      "INSERT INTO block_roll VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                      "?, ?, ?, ?, ?, ?,"
                      " ?, ?, ?)",
                      SQL_ARGS(SQL_I(block), SQL_I(r->all), SQL_I(r->ok), SQL_I(r->converged),
                               SQL_I(r->failed), SQL_ID(r->best_node), SQL_I(r->best.n),
                               SQL_D(r->best.mean), SQL_D(r->best.std), SQL_D(r->best.min),
                               SQL_D(r->best.max), SQL_I(r->config.n), SQL_D(r->config.mean),
                               SQL_D(r->config.std), SQL_D(r->config.min), SQL_D(r->config.max),
                               SQL_D(r->lo), SQL_D(r->hi), SQL_I(r->stability), SQL_I(r->few),
                               SQL_D(r->worst), SQL_D(r->minutes)),
                      err);
}

static cn_status roll_one(struct cn_store *s, const struct cn_history *h, int64_t block,
                          struct cn_err *err)
{
    struct cn_rollup r;
    cn_status st = roll(h, block, &r);

    return st == CN_OK
               ? put(s, block, &r, err)
               : cn_err_set(err, st, "block %lld: no memory to sum it up", (long long)block);
}

static void begin_history(struct cn_history *h)
{
    memset(h, 0, sizeof *h);
    cn_arena_init(&h->arena, CN_CAP_ARENA);
}

cn_status cn_store_roll_block(struct cn_store *s, int64_t block, struct cn_err *err)
{
    struct cn_history h;

    begin_history(&h);
    cn_status st = cn_store_load_window(s, CN_STORE_WINDOW, &h, err);
    if (st == CN_OK)
        st = roll_one(s, &h, block, err);
    cn_history_clear(&h);
    return st;
}

/* Of a run that did not write them itself: as at each block's end, when the run fits in a window;
 * of a longer one in strides, each with what stood before it. */
enum { STRIDE = 1000 };

/* Blocks that begin in first..first+n-1; none is longer than n. */
static cn_status roll_stride(struct cn_store *s, int64_t first, int64_t n, struct cn_err *err)
{
    struct cn_history h;

    begin_history(&h);
    cn_status st = cn_store_load_range(s, first - n, first + 2 * n, &h, err);
    for (int64_t i = 0; st == CN_OK && i < h.n_blocks; i++) {
        const struct cn_block *b = &h.blocks[i];
        if (b->closed && b->first >= first && b->first < first + n)
            st = roll_one(s, &h, b->number, err);
    }
    cn_history_clear(&h);
    return st;
}

cn_status cn_store_roll_all(struct cn_store *s, struct cn_err *err)
{
    int64_t last = 0, n = 0;
    cn_status st =
        cn_sql_int(s, "SELECT coalesce(max(id), 0) FROM iteration", NULL, 0, &last, err);

    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT coalesce(max(last - first), 0) + 1 FROM block", NULL, 0, &n,
                        err);
    n = last <= CN_STORE_WINDOW ? last + 1 : n > STRIDE ? n : STRIDE;
    for (int64_t at = 1; st == CN_OK && at <= last; at += n)
        st = roll_stride(s, at, n, err);
    return st;
}
