/* What a block's history says about the search, in words for the log. See plan.h. */
#include <inttypes.h>
#include <math.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/view.h"

static const char *gap(const struct cn_buf *out)
{
    return out->len > 0 ? "; " : "";
}

static void put_share(struct cn_buf *out, const char *name, double share, int64_t n)
{
    if (!isnan(share))
        cn_buf_printf(out, "%s%s %.0f %% of %" PRId64, gap(out), name, 100 * share, n);
}

static void put_branching(struct cn_buf *out, const struct cn_block_stats *s)
{
    if (!isnan(s->branching_rate))
        cn_buf_printf(out, "%sbranching rate %.0f %% of the last %" PRId64, gap(out),
                      100 * s->branching_rate, s->branching_n);
    if (!isnan(s->branching_all))
        cn_buf_printf(out, "%s%.0f %% of all %" PRId64,
                      isnan(s->branching_rate) ? "branching rate " : ", ",
                      100 * s->branching_all, s->branching_all_n);
}

/* "3 of 12 failed (9 to 48 %)" */
static void put_count(struct cn_buf *out, const char *what, int64_t k, int64_t n,
                      struct cn_interval i)
{
    if (n > 0)
        cn_buf_printf(out, "%s%" PRId64 " of %" PRId64 " %s (%.0f to %.0f %%)", gap(out), k, n,
                      what, 100 * i.lo, 100 * i.hi);
}

static void put_dimensions(const struct cn_planner *pl, struct cn_buf *out,
                           const struct cn_block_stats *s)
{
    if (s->mutations == 0)
        return;
    cn_buf_printf(out,
                  "%s%s was changed most, in %" PRId64 " of %" PRId64 " mutations; %" PRId64
                  " of %" PRId32 " parameters were touched",
                  gap(out), pl->search->training.of[s->top_param]->path, s->top_param_n,
                  s->mutations, s->params_touched, pl->search->training.space.n);
}

static void put_best(const struct cn_history *h, int64_t block, struct cn_buf *out)
{
    const struct cn_best_query q = cn_plan_query(block);
    struct cn_best best;

    if (cn_history_best(h, &q, &best, NULL) != CN_OK) {
        out->status = CN_ENOMEM;
        return;
    }
    if (!best.first.node)
        return;
    cn_buf_printf(out, "%sbest: node %" PRId64 ", ", gap(out), best.first.node->id);
    cn_standing_words(&h->info, &best.first, best.confidence, out);
}

void cn_plan_block_note(const struct cn_planner *pl, const struct cn_history *h, int64_t block,
                        struct cn_buf *out)
{
    struct cn_block_stats s;
    struct cn_view v;

    if (cn_view_init(&v, h, block, NULL) != CN_OK)
        return;
    if (cn_view_rules(&v, h, pl, NULL) == CN_OK) {
        cn_block_measure(v.facts, v.n_facts, pl->settings->n_iter_block, CN_PLATEAU_TOLERANCE,
                         CN_PLATEAU_K, &s);
        put_branching(out, &s);
        put_share(out, "improvement rate", s.improvement_rate, s.improvement_n);
        put_share(out, "the parent was the best so far:", s.parent_was_best,
                  s.parent_was_best_n);
        put_count(out, "converged", s.converged, s.finished, s.converged_interval);
        put_count(out, "failed", s.failed, s.finished, s.failure_interval);
        put_dimensions(pl, out, &s);
        if (s.stuck)
            cn_buf_printf(out, "%sstuck within +/-%g for %" PRId64 " iterations", gap(out),
                          CN_PLATEAU_TOLERANCE, s.plateau_length);
        else if (s.finished > 0)
            cn_buf_printf(out, "%snot stuck", gap(out));
        put_best(h, block, out);
    }
    cn_view_clear(&v);
}
