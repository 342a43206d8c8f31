/* ucb_scores.txt, kept for eyes and scripts that know it. Field order of the first published
 * sample (UCB, parent, visits, R2), further metrics behind it, so that a reader of that sample
 * finds every node. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "logs/project_int.h"

static int by_score(const void *a, const void *b)
{
    const struct cn_score_line *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->node < y->node ? -1 : x->node > y->node;
}

/* Their short names for the metrics that they show. */
static const struct {
    const char *metric, *label;
    int digits;
} shown[] = {
    {"stimuli_R2", "stimuli_R2", 3},    {"tau_R2", "tau_R2", 3},
    {"V_rest_R2", "V_rest_R2", 3},      {"test_pearson", "Pearson", 3},
    {"cluster_accuracy", "Cluster", 3}, {"training_time_min", "Time", 1},
    {"final_r2", "final_R2", 3},        {"best_r2", "best_R2", 3},
    {"r2_drop", "R2drop", 3},           {"final_loss", "Loss", 3},
};

static void put_row(const struct cn_history *h, const struct cn_score_line *r,
                    struct cn_buf *out)
{
    const struct cn_iteration *it = r->iteration ? cn_history_iteration(h, r->iteration) : NULL;

    cn_buf_printf(out, "Node %lld: UCB=%.3f, parent=", (long long)r->node, r->score);
    cn_prose_parent(out, r->parent);
    cn_buf_printf(out, ", visits=%lld, R2=%.3f", (long long)r->visits, r->reward);
    for (size_t i = 0; it && i < sizeof(shown) / sizeof(shown[0]); i++) {
        double x = cn_iteration_metric(it, shown[i].metric);
        if (!isnan(x) && strcmp(shown[i].metric, h->info.reward) != 0)
            cn_buf_printf(out, ", %s=%.*f", shown[i].label, shown[i].digits, x);
    }
    if (r->mutation && r->mutation[0]) {
        cn_buf_adds(out, ", Mutation=");
        cn_prose(out, r->mutation);
    }
    cn_buf_addc(out, '\n');
}

void cn_project_scores(const struct cn_history *h, const struct cn_project_opts *o,
                       struct cn_buf *out)
{
    const struct cn_block *b = cn_history_block(h, o->score_block);
    struct cn_score_line *rows;

    if (o->n_scores <= 0)
        return; /* a block's start: an empty file means parent = root */
    rows = cn_alloc((size_t)o->n_scores, sizeof(*rows));
    if (!rows) {
        out->status = CN_ENOMEM;
        return;
    }
    memcpy(rows, o->scores, (size_t)o->n_scores * sizeof(*rows));
    qsort(rows, (size_t)o->n_scores, sizeof(*rows), by_score);
    cn_buf_printf(out,
                  "=== UCB Scores (Simulation block %lld, iters %lld-%lld, N=%d, c=%g) ===\n\n",
                  (long long)o->score_block, b ? (long long)b->first : 0LL,
                  b ? (long long)b->last : 0LL, o->n_scores, o->score_c);
    for (int i = 0; i < o->n_scores; i++)
        put_row(h, &rows[i], out);
    cn_free(rows);
}
