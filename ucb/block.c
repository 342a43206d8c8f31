/* Blocks and what their history says; the definitions stand in block.h. */
#include "ucb/block.h"

#include <inttypes.h>
#include <math.h>

#include "base/banned.h"
#include "base/status.h"
#include "ucb/space.h"

struct cn_block_span cn_block_span(int64_t iteration, int64_t n_iter_block)
{
    struct cn_block_span b;

    if (iteration < 1 || n_iter_block < 1)
        CN_BUG("block of iteration %" PRId64 " with n_iter_block %" PRId64, iteration,
               n_iter_block);
    b.number = (iteration - 1) / n_iter_block + 1;
    b.first = (b.number - 1) * n_iter_block + 1;
    b.last = b.first + n_iter_block - 1;
    b.position = iteration - b.first + 1;
    b.is_end = iteration == b.last;
    return b;
}

static bool is_ok(const struct cn_block_fact *f)
{
    return f->finished && !f->failed && isfinite(f->reward);
}

/* Mean of the node's ok rewards among f[0..n); NaN without one. */
static double node_mean(const struct cn_block_fact *f, int64_t n, int64_t node, int64_t *count)
{
    double sum = 0;

    *count = 0;
    for (int64_t i = 0; i < n; i++)
        if (f[i].node == node && is_ok(&f[i])) {
            sum += f[i].reward;
            ++*count;
        }
    return *count > 0 ? sum / (double)*count : (double)NAN;
}

/* The node with the best mean among f[0..n); 0 without one. Ties go to the lower id. */
static int64_t best_of(const struct cn_block_fact *f, int64_t n, double *mean, int64_t *count)
{
    int64_t best = 0;

    *mean = (double)NAN;
    *count = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t m;
        double v;

        v = node_mean(f, n, f[i].node, &m);
        if (m > 0 && (best == 0 || v > *mean || (v == *mean && f[i].node < best))) {
            best = f[i].node;
            *mean = v;
            *count = m;
        }
    }
    return best;
}

static void count_outcomes(const struct cn_block_fact *f, int64_t n, struct cn_block_stats *s)
{
    for (int64_t i = 0; i < n; i++) {
        s->planned++;
        if (!f[i].finished)
            continue;
        s->finished++;
        if (f[i].failed)
            s->failed++;
        else
            s->ok++;
        s->converged += f[i].converged && !f[i].failed;
        if (is_ok(&f[i])) {
            s->best = fmax(s->best, f[i].reward); /* fmax drops a NaN */
            s->worst = fmin(s->worst, f[i].reward);
        }
    }
    s->spread = s->best - s->worst;
    if (s->finished > 0) {
        s->failure_share = (double)s->failed / (double)s->finished;
        s->converged_share = (double)s->converged / (double)s->finished;
    }
    s->failure_interval = cn_stats_wilson(s->failed, s->finished, CN_BLOCK_CONFIDENCE);
    s->converged_interval = cn_stats_wilson(s->converged, s->finished, CN_BLOCK_CONFIDENCE);
}

static bool branches(const struct cn_block_fact *f, int64_t i)
{
    return (f[i].replicate ? f[i].node : f[i].parent) != f[i - 1].node;
}

static void measure_branching(const struct cn_block_fact *f, int64_t n, int64_t n_iter_block,
                              struct cn_block_stats *s)
{
    int64_t window = n_iter_block / 4 < 2 ? 2 : n_iter_block / 4, late = 0, all = 0;

    for (int64_t i = 1; i < n; i++) {
        all += branches(f, i);
        late += i >= n - window && branches(f, i);
    }
    if (n > 1) {
        s->branching_all_n = n - 1;
        s->branching_all = (double)all / (double)(n - 1);
    }
    if (n - 1 < window)
        return;
    s->branching_n = window;
    s->branching_rate = (double)late / (double)window;
}

/* Improvement over the parent, and whether the parent was the best one known; both from lower
 * ids only, so that they do not depend on which slot finished first. */
static void measure_parents(const struct cn_block_fact *f, int64_t n, struct cn_block_stats *s)
{
    int64_t improved = 0, was_best = 0;

    for (int64_t i = 0; i < n; i++) {
        int64_t best_count, parent_count;
        double best_mean, parent_mean;

        if (f[i].replicate || f[i].parent == 0)
            continue;
        parent_mean = node_mean(f, i, f[i].parent, &parent_count);
        if (parent_count == 0)
            continue;
        s->parent_was_best_n++;
        was_best += best_of(f, i, &best_mean, &best_count) == f[i].parent;
        if (f[i].finished) {
            s->improvement_n++;
            improved += is_ok(&f[i]) && f[i].reward > parent_mean;
        }
    }
    if (s->parent_was_best_n > 0)
        s->parent_was_best = (double)was_best / (double)s->parent_was_best_n;
    if (s->improvement_n > 0)
        s->improvement_rate = (double)improved / (double)s->improvement_n;
}

static void measure_plateau(const struct cn_block_fact *f, int64_t n, double tolerance,
                            int64_t plateau_k, struct cn_block_stats *s)
{
    double lo = INFINITY, hi = -INFINITY;

    for (int64_t i = n - 1; i >= 0; i--) {
        if (!f[i].finished)
            continue;
        if (!is_ok(&f[i]))
            break;
        lo = fmin(lo, f[i].reward);
        hi = fmax(hi, f[i].reward);
        if ((hi - lo) / 2 > tolerance)
            break;
        s->plateau_length++;
    }
    s->stuck = s->plateau_length >= plateau_k;
}

static void measure_dimensions(const struct cn_block_fact *f, int64_t n,
                               struct cn_block_stats *s)
{
    int64_t times[CN_SPACE_PARAMS] = {0};

    for (int64_t i = 0; i < n; i++) {
        if (f[i].replicate || !f[i].one_key || f[i].param < 0 || f[i].param >= CN_SPACE_PARAMS)
            continue;
        s->mutations++;
        s->params_touched += times[f[i].param] == 0;
        if (++times[f[i].param] >= s->top_param_n) {
            s->top_param = f[i].param;
            s->top_param_n = times[f[i].param];
        }
    }
    if (s->mutations > 0)
        s->top_param_share = (double)s->top_param_n / (double)s->mutations;
}

void cn_block_measure(const struct cn_block_fact *f, int64_t n, int64_t n_iter_block,
                      double plateau_tolerance, int64_t plateau_k, struct cn_block_stats *out)
{
    double nan = (double)NAN;

    *out = (struct cn_block_stats){.best = nan,
                                   .worst = nan,
                                   .spread = nan,
                                   .best_mean = nan,
                                   .branching_rate = nan,
                                   .branching_all = nan,
                                   .improvement_rate = nan,
                                   .parent_was_best = nan,
                                   .failure_share = nan,
                                   .converged_share = nan,
                                   .top_param = -1,
                                   .top_param_share = nan};
    for (int64_t i = 1; i < n; i++)
        if (f[i].iteration <= f[i - 1].iteration)
            CN_BUG("block facts: iteration %" PRId64 " after %" PRId64, f[i].iteration,
                   f[i - 1].iteration);
    count_outcomes(f, n, out);
    out->best_node = best_of(f, n, &out->best_mean, &out->best_count);
    measure_branching(f, n, n_iter_block, out);
    measure_parents(f, n, out);
    measure_plateau(f, n, plateau_tolerance, plateau_k, out);
    measure_dimensions(f, n, out);
}
