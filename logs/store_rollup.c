/* A block in numbers when it is closed: made by the same functions that speak of blocks whose rows
 * are there, so a block reads the same before and after it leaves the window. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/project_int.h"
#include "logs/store.h"
#include "logs/store_int.h"

/* What the choice of a best may lean on: the spread within configs is pooled over the window. */
static void roll(const struct cn_history *h, int64_t block, struct cn_rollup *out)
{
    const struct cn_fact_counts c = cn_fact_count(h, block);
    const struct cn_node *best = cn_fact_best(h, block);

    *out = (struct cn_rollup){.known = true,
                              .all = c.all,
                              .ok = c.ok,
                              .converged = c.converged,
                              .failed = c.failed,
                              .best_node = best ? best->id : 0,
                              .best = {0, (double)NAN, (double)NAN, (double)NAN, (double)NAN},
                              .worst = (double)NAN};
    if (best)
        out->best = cn_fact_spread(h, best->id, CN_POOL_SEARCH, INT64_MAX);
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        double minutes = cn_iteration_metric(it, "training_time_min");

        if (it->block != block || it->confirmation || !cn_fact_committed(it))
            continue;
        out->minutes += isfinite(minutes) ? minutes : 0;
        if (it->outcome == CN_OUTCOME_OK && !(out->worst <= it->reward))
            out->worst = it->reward;
    }
}

static cn_status put(struct cn_store *s, int64_t block, const struct cn_rollup *r,
                     struct cn_err *err)
{
    return cn_sql_run(s,
                      "INSERT INTO block_roll VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      SQL_ARGS(SQL_I(block), SQL_I(r->all), SQL_I(r->ok), SQL_I(r->converged),
                               SQL_I(r->failed), SQL_ID(r->best_node), SQL_I(r->best.n),
                               SQL_D(r->best.mean), SQL_D(r->best.std), SQL_D(r->best.min),
                               SQL_D(r->best.max), SQL_D(r->worst), SQL_D(r->minutes)),
                      err);
}

/* `window` 0: the block alone, as a migration of a long run can afford. */
static cn_status roll_one(struct cn_store *s, int64_t block, int64_t window, struct cn_err *err)
{
    struct cn_history h;
    struct cn_rollup r;

    memset(&h, 0, sizeof h);
    cn_arena_init(&h.arena, CN_CAP_ARENA);
    cn_status st = cn_store_load_window(s, window ? 0 : block, window, &h, err);
    if (st == CN_OK) {
        roll(&h, block, &r);
        st = put(s, block, &r, err);
    }
    cn_history_clear(&h);
    return st;
}

cn_status cn_store_roll_block(struct cn_store *s, int64_t block, struct cn_err *err)
{
    return roll_one(s, block, CN_STORE_WINDOW, err);
}

cn_status cn_store_roll_all(struct cn_store *s, struct cn_err *err)
{
    int64_t next = 0;
    cn_status st = CN_OK;

    for (int64_t b = 0; st == CN_OK; b = next) {
        st = cn_sql_int(s,
                        "SELECT number FROM block WHERE number > ? AND closed ORDER BY number",
                        SQL_ARGS(SQL_I(b)), 0, &next, err);
        if (st != CN_OK || next == 0)
            break;
        st = roll_one(s, next, 0, err);
    }
    return st;
}
