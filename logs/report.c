/* report.md: what was asked, what was found, what failed, how to go on. One screen first,
 * details after. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "logs/project_int.h"

enum { CELL_MAX = 80 };

static void put_metric_spread(const struct cn_history *h, int64_t node, cn_pool pool,
                              struct cn_buf *out)
{
    struct cn_spread s = cn_fact_metric_spread(h, cn_fact_spread(h, node, pool, INT64_MAX));

    cn_prose_spread(out, &s);
}

/* ---- the first screen ---- */

static void put_asked(const struct cn_history *h, const char *goal, struct cn_buf *out)
{
    cn_buf_adds(out, "# ");
    cn_prose(out, h->info.name);
    cn_buf_adds(out, "\n\n## What was asked\n\n");
    if (goal && goal[0]) {
        cn_buf_adds(out, "> ");
        cn_prose(out, goal);
        cn_buf_adds(out, "\n\n");
    }
    cn_buf_adds(out, "Study ");
    cn_prose(out, h->info.study);
    cn_buf_adds(out, ", reward ");
    cn_prose_name(out, h->info.reward);
    cn_buf_printf(out, " (%s is better), proposer ",
                  h->info.reward_lower_is_better ? "lower" : "higher");
    cn_prose(out, h->info.proposer);
    cn_buf_adds(out, ".\n\n");
}

static void put_best(const struct cn_history *h, struct cn_buf *out)
{
    const struct cn_node *best = cn_fact_best(h, 0);
    const struct cn_iteration *it = best ? cn_history_iteration(h, best->id) : NULL;

    if (!best) {
        cn_buf_adds(out, "No training has ended with a result yet.\n");
        return;
    }
    cn_buf_printf(out, "Best of the search: node %lld, ", (long long)best->id);
    put_metric_spread(h, best->id, CN_POOL_SEARCH, out);
    if (h->n_blocks > 1)
        cn_buf_printf(out, ", found in block %lld", (long long)best->block);
    cn_buf_adds(out, ".\n\n- Config: ");
    cn_fact_config(h, best, out);
    cn_buf_adds(out, "\n- Change against its parent: ");
    cn_prose_mutations(out, best);
    if (it && it->dir[0]) {
        cn_buf_adds(out, "\n- The whole of it: [");
        cn_prose_name(out, it->dir);
        cn_buf_adds(out, "/config.yaml](");
        cn_prose_name(out, it->dir);
        cn_buf_adds(out, "/config.yaml)");
    }
    cn_buf_addc(out, '\n');
}

/* The difference of two means with the standard error of that difference. */
static void put_difference(const struct cn_history *h, const struct cn_spread *a,
                           const struct cn_spread *b, struct cn_buf *out)
{
    cn_buf_printf(out, "**%+.4g**", cn_fact_metric(h, b->mean) - cn_fact_metric(h, a->mean));
    if (a->n > 1 && b->n > 1)
        cn_buf_printf(out, " (standard error %.2g)",
                      sqrt(a->std * a->std / (double)a->n + b->std * b->std / (double)b->n));
    else
        cn_buf_adds(out, " (one run of a kind has no spread)");
}

/* The simulation that the confirmations ran under: a gain holds for its regime, not beyond. */
static void put_regime(const struct cn_history *h, const struct cn_node *base,
                       struct cn_buf *out)
{
    const struct cn_block *b = cn_history_block(h, base->block);

    if (!b || b->n_regime == 0)
        return;
    cn_buf_adds(out, ", under ");
    cn_prose_pairs(out, b->regime, b->n_regime);
}

static void put_gain(const struct cn_history *h, struct cn_buf *out)
{
    const struct cn_node *base, *best;

    cn_fact_confirmed(h, &base, &best);
    cn_buf_addc(out, '\n');
    if (!base || !best) {
        cn_buf_adds(out,
                    base ? "Nothing beat the default config, so there is no gain to confirm.\n"
                         : "Not confirmed yet: the search picks the luckiest run, so its best "
                           "value is likely too good.\n");
        return;
    }
    struct cn_spread a = cn_fact_spread(h, base->id, CN_POOL_CONFIRMATION, INT64_MAX);
    struct cn_spread b = cn_fact_spread(h, best->id, CN_POOL_CONFIRMATION, INT64_MAX);
    cn_buf_adds(out,
                "Gain over the default config, from fresh seeds that the search never saw: ");
    put_difference(h, &a, &b, out);
    put_regime(h, base, out);
    cn_buf_adds(out, "\n\n| | Node | ");
    cn_prose_name(out, h->info.reward);
    cn_buf_printf(out, " |\n|---|---|---|\n| default | %lld | ", (long long)base->id);
    put_metric_spread(h, base->id, CN_POOL_CONFIRMATION, out);
    cn_buf_printf(out, " |\n| best | %lld | ", (long long)best->id);
    put_metric_spread(h, best->id, CN_POOL_CONFIRMATION, out);
    cn_buf_adds(out, " |\n");
}

static void put_time(const struct cn_history *h, struct cn_buf *out)
{
    double sum = 0;

    for (int64_t i = 0; i < h->n_iterations; i++) {
        double x = cn_iteration_metric(&h->iterations[i], "training_time_min");
        sum += cn_fact_committed(&h->iterations[i]) && isfinite(x) ? x : 0;
    }
    if (sum > 0)
        cn_buf_printf(out, "Training took %.3g minutes in all, as the trainer measured it.\n",
                      sum);
}

static void put_counts(const struct cn_history *h, struct cn_buf *out)
{
    struct cn_fact_counts c = cn_fact_count(h, 0);

    cn_buf_printf(
        out,
        "\n%lld iterations in %lld blocks: %lld with a result, %lld of them converged; "
        "%lld without.\n",
        (long long)c.all, (long long)h->n_blocks, (long long)c.ok, (long long)c.converged,
        (long long)c.failed);
    put_time(h, out);
}

static void put_commands(const struct cn_history *h, struct cn_buf *out)
{
    static const char *const verbs[][2] = {
        {"resume", "go on"},
        {"tree", "the search tree"},
        {"log", "the log, entry by entry"},
        {"verify", "compare these files with run.db"},
    };

    cn_buf_adds(out, "\n## How to go on\n\n");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        cn_buf_printf(out, "    cairn %s ", verbs[i][0]);
        cn_prose_name(out, h->info.name);
        cn_buf_printf(out, "   # %s\n", verbs[i][1]);
    }
}

/* ---- details ---- */

static void put_row(const struct cn_history *h, const struct cn_iteration *it,
                    struct cn_buf *out)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    cn_buf_printf(out, "| %lld | ", (long long)it->id);
    if (it->block)
        cn_buf_printf(out, "%lld", (long long)it->block);
    else
        cn_buf_addc(out, '-');
    cn_buf_printf(out, " | %lld | ", (long long)it->node);
    cn_prose_parent(out, n ? n->parent : 0);
    cn_buf_adds(out, " | ");
    cn_prose_cell(out, it->strategy, CELL_MAX);
    cn_buf_adds(out, " | ");
    if (n && it->node == it->id)
        cn_prose_mutations(out, n);
    else
        cn_buf_adds(out, it->confirmation ? "none (confirmation)" : "none (replicate)");
    cn_buf_adds(out, " | ");
    if (it->outcome == CN_OUTCOME_OK) {
        cn_prose_short(out, cn_fact_metric(h, it->reward));
        cn_buf_printf(out, " | %s |\n", cn_class_name(it->cls));
    } else {
        cn_buf_printf(out, "- | %s |\n", cn_outcome_name(it->outcome));
    }
}

static void put_iterations(const struct cn_history *h, struct cn_buf *out)
{
    cn_buf_adds(
        out, "\n## All iterations\n\n| Iter | Block | Node | Parent | Strategy | Mutation | ");
    cn_prose_name(out, h->info.reward);
    cn_buf_adds(out, " | Outcome |\n|---|---|---|---|---|---|---|---|\n");
    for (int64_t i = 0; i < h->n_iterations; i++)
        if (cn_fact_committed(&h->iterations[i]))
            put_row(h, &h->iterations[i], out);
}

static void put_failures(const struct cn_history *h, struct cn_buf *out)
{
    bool any = false;

    cn_buf_adds(out, "\n## What failed and why\n\n");
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        const struct cn_node *n = cn_history_node(h, it->node);
        if (!cn_fact_committed(it) || it->outcome == CN_OUTCOME_OK)
            continue;
        cn_buf_printf(out, "- Iteration %lld (", (long long)it->id);
        if (n)
            cn_prose_mutations(out, n);
        cn_buf_printf(out, "): %s", cn_outcome_name(it->outcome));
        if (it->message[0]) {
            cn_buf_adds(out, ", ");
            cn_prose(out, it->message);
        }
        cn_buf_addc(out, '\n');
        any = true;
    }
    if (!any)
        cn_buf_adds(out, "Nothing.\n");
}

static void put_blocks(const struct cn_history *h, struct cn_buf *out)
{
    cn_buf_adds(out, "\n## Blocks\n");
    for (int64_t i = 0; i < h->n_blocks; i++) {
        const struct cn_block *b = &h->blocks[i];
        const struct cn_node *best = cn_fact_best(h, b->number);
        cn_buf_printf(out, "\n%lld. iterations %lld to %lld", (long long)b->number,
                      (long long)b->first, (long long)b->last);
        if (b->n_regime) {
            cn_buf_adds(out, ", ");
            cn_prose_pairs(out, b->regime, b->n_regime);
        }
        if (best) {
            cn_buf_printf(out, ": best node %lld, ", (long long)best->id);
            put_metric_spread(h, best->id, CN_POOL_SEARCH, out);
        }
        if (b->edit_note[0]) {
            cn_buf_adds(out, ". Protocol: ");
            cn_prose(out, b->edit_note);
        }
        cn_buf_addc(out, '\n');
    }
}

void cn_project_report(const struct cn_history *h, const char *goal, struct cn_buf *out)
{
    put_asked(h, goal, out);
    cn_buf_adds(out, "## What was found\n\n");
    put_best(h, out);
    put_gain(h, out);
    put_counts(h, out);
    cn_buf_adds(out, "\n![The search tree](tree.png)\n");
    put_commands(h, out);
    put_blocks(h, out);
    put_iterations(h, out);
    put_failures(h, out);
}
