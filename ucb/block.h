/* Blocks of n_iter_block iterations, and what a block's history says about the search.
 *
 *     struct cn_block_span b = cn_block_span(13, 12);   // number 2: 13 to 24, position 1
 *     struct cn_block_stats s;
 *     cn_block_measure(facts, n, 12, .05, 3, &s);       // facts of this block, ascending id
 *
 * Facts must be in ascending iteration order and of one block. Iterations that ended infra or
 * invalid are left out by the caller. Iterations in flight have finished = false: their parents
 * count (branching is decided when an iteration is planned), their rewards do not.
 */
#ifndef CN_UCB_BLOCK_H
#define CN_UCB_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stats.h"

/* Of every interval here: a block is short, and its shares are doubtful. */
#define CN_BLOCK_CONFIDENCE .9

struct cn_block_span {
    int64_t number, first, last; /* 1-based; iteration ids */
    int64_t position;            /* of the iteration in its block, 1..n_iter_block */
    bool is_end;
};
/* iteration >= 1, n_iter_block >= 1 (CN_BUG otherwise). */
struct cn_block_span cn_block_span(int64_t iteration, int64_t n_iter_block);

struct cn_block_fact {
    int64_t iteration, node;
    int64_t parent; /* of the node; 0 = root; a replicate repeats its node's parent */
    bool replicate; /* a repeated training of `node` */
    bool finished;  /* measured or later */
    bool failed;    /* finished, but diverged / oom / timeout / crashed */
    double reward;  /* finished and ok; NaN = undefined: neither success nor gain */
    bool converged; /* finished, ok and of class converged */
    bool one_key;   /* its node differs from its parent in one explored parameter: `param` */
    int32_t param;  /* index into the space, 0 .. CN_SPACE_PARAMS - 1 */
};

struct cn_block_stats {
    int64_t planned, finished, ok, failed;
    double best, worst; /* ok rewards; NaN when none */
    double spread;      /* best - worst */
    int64_t best_node;  /* highest mean over its ok iterations; ties: lower id; 0 = none */
    double best_mean;
    int64_t best_count; /* ok iterations behind best_mean */

    /* Share of the last quarter block (n_iter_block/4, at least 2 iterations) that did not
     * continue the previous iteration's node: the parent (of a replicate: the node itself)
     * differs. The block's first iteration has no previous one and does not enter. NaN while
     * fewer iterations exist. */
    double branching_rate;
    int64_t branching_n; /* iterations it is taken over */
    /* The same over the whole block: of all iterations but the first. NaN with none. */
    double branching_all;
    int64_t branching_all_n;

    /* Share of finished mutations (no replicates, parent measured inside the block) whose
     * reward is above the mean their parent had from iterations with lower ids. A failed child
     * is no improvement. NaN with none. */
    double improvement_rate;
    int64_t improvement_n;

    /* The last finished iterations all ok and within +/- plateau_tolerance of the middle of
     * their range. */
    int64_t plateau_length;
    bool stuck; /* plateau_length >= plateau_k */

    /* Share of mutations whose parent was the node with the best mean among lower iteration
     * ids. NaN with none. Near 1 says that the tree is a greedy chain. */
    double parent_was_best;
    int64_t parent_was_best_n;

    /* failed / finished and converged / finished; NaN with none. Wilson's intervals. */
    double failure_share, converged_share;
    struct cn_interval failure_interval, converged_interval;
    int64_t converged;

    /* Dimension diversity: of the block's one-parameter mutations (no replicates, in flight
     * included), how many there are, how many parameters they touch, and the parameter that they
     * touch most (ties: the one touched last; -1: none). */
    int64_t mutations, params_touched;
    int32_t top_param;
    int64_t top_param_n;
    double top_param_share; /* top_param_n / mutations; NaN with none */
};

/* O(n^2) in the worst case; blocks are short. */
void cn_block_measure(const struct cn_block_fact *f, int64_t n, int64_t n_iter_block,
                      double plateau_tolerance, int64_t plateau_k, struct cn_block_stats *out);

#endif
