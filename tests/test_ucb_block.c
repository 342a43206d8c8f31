/* What a block's history says about the search. */
#include <math.h>

#include <criterion/criterion.h>

#include "ucb/block.h"

#define DONE(i, p, r)                                                                 \
    {                                                                                 \
        .iteration = (i), .node = (i), .parent = (p), .finished = true, .reward = (r) \
    }

static struct cn_block_stats measure(const struct cn_block_fact *f, int64_t n)
{
    struct cn_block_stats s;

    cn_block_measure(f, n, 12, .05, 3, &s);
    return s;
}

Test(ucb_block, empty_block_knows_nothing)
{
    struct cn_block_stats s = measure(NULL, 0);

    cr_assert(isnan(s.best) && isnan(s.branching_rate) && isnan(s.failure_share));
    cr_assert_eq(s.best_node, 0);
    cr_assert_not(s.stuck);
}

Test(ucb_block, chain_never_branches_and_its_parent_was_always_the_best)
{
    const struct cn_block_fact f[] = {DONE(1, 0, .5), DONE(2, 1, .6), DONE(3, 2, .7),
                                      DONE(4, 3, .8)};
    struct cn_block_stats s = measure(f, 4);

    cr_assert_eq(s.branching_rate, 0.0);
    cr_assert_eq(s.branching_n, 3);
    cr_assert_eq(s.improvement_rate, 1.0);
    cr_assert_eq(s.parent_was_best, 1.0);
    cr_assert_eq(s.best_node, 4);
}

Test(ucb_block, branching_looks_at_the_last_quarter_and_at_planned_iterations)
{
    const struct cn_block_fact f[] = {DONE(1, 0, .5), DONE(2, 1, .6),
                                      DONE(3, 1, .7), DONE(4, 3, .8),
                                      DONE(5, 4, .8), {.iteration = 6, .node = 6, .parent = 1}};
    struct cn_block_stats s = measure(f, 6);

    cr_assert_float_eq(s.branching_rate, 1.0 / 3, 1e-15,
                       "3 branched, but is out of the window");
    cr_assert(isnan(measure(f, 3).branching_rate), "two steps are fewer than a quarter of 12");
}

Test(ucb_block, replicate_of_the_last_node_is_no_branch_and_no_improvement)
{
    const struct cn_block_fact f[] = {DONE(1, 0, .5),
                                      DONE(2, 1, .6),
                                      DONE(3, 2, .9),
                                      {.iteration = 4,
                                       .node = 3,
                                       .parent = 2,
                                       .replicate = true,
                                       .finished = true,
                                       .reward = .5}};
    struct cn_block_stats s = measure(f, 4);

    cr_assert_eq(s.branching_rate, 0.0);
    cr_assert_eq(s.improvement_n, 2);
    cr_assert_eq(s.best_node, 3);
    cr_assert_float_eq(s.best_mean, .7, 1e-15);
    cr_assert_eq(s.best_count, 2);
}

Test(ucb_block, failures_are_no_improvement_and_have_a_share)
{
    const struct cn_block_fact f[] = {
        DONE(1, 0, .5),
        {.iteration = 2, .node = 2, .parent = 1, .finished = true, .failed = true},
        DONE(3, 1, .4),
        DONE(4, 1, .9)};
    struct cn_block_stats s = measure(f, 4);

    cr_assert_float_eq(s.improvement_rate, 1.0 / 3, 1e-15);
    cr_assert_eq(s.failure_share, .25);
    cr_assert_eq(s.worst, .4);
    cr_assert_float_eq(s.spread, .5, 1e-15);
}

Test(ucb_block, parent_was_best_sees_greed)
{
    const struct cn_block_fact f[] = {DONE(1, 0, .5), DONE(2, 1, .9), DONE(3, 1, .4),
                                      DONE(4, 2, .3)};
    struct cn_block_stats s = measure(f, 4);

    cr_assert_eq(s.parent_was_best_n, 3);
    cr_assert_float_eq(s.parent_was_best, 2.0 / 3, 1e-15, "3 came from 1 when 2 was better");
}

Test(ucb_block, plateau_is_within_the_tolerance_and_failures_break_it)
{
    const struct cn_block_fact flat[] = {DONE(1, 0, .5), DONE(2, 1, .90), DONE(3, 2, .95),
                                         DONE(4, 3, .99)};
    const struct cn_block_fact broken[] = {
        DONE(1, 0, .9),
        DONE(2, 1, .9),
        {.iteration = 3, .node = 3, .parent = 2, .finished = true, .failed = true},
        DONE(4, 2, .9),
        DONE(5, 4, .9)};

    cr_assert_eq(measure(flat, 4).plateau_length, 3);
    cr_assert(measure(flat, 4).stuck);
    cr_assert_eq(measure(broken, 5).plateau_length, 2);
    cr_assert_not(measure(broken, 5).stuck);
}

Test(ucb_block, undefined_metric_is_neither_best_nor_gain)
{
    const struct cn_block_fact f[] = {DONE(1, 0, .5), DONE(2, 1, NAN)};
    struct cn_block_stats s = measure(f, 2);

    cr_assert_eq(s.ok, 2);
    cr_assert_eq(s.best_node, 1);
    cr_assert_eq(s.improvement_rate, 0.0);
}

Test(ucb_block, branching_of_the_whole_block)
{
    const struct cn_block_fact f[] = {DONE(1, 0, .5), DONE(2, 1, .6),
                                      DONE(3, 1, .7), DONE(4, 3, .8),
                                      DONE(5, 4, .8), {.iteration = 6, .node = 6, .parent = 1}};
    struct cn_block_stats s = measure(f, 6);

    cr_assert_eq(s.branching_all_n, 5);
    cr_assert_float_eq(s.branching_all, 2.0 / 5, 1e-15, "3 and 6 left the node before them");
    cr_assert_eq(measure(f, 3).branching_all, .5, "known before the last quarter is");
    cr_assert(isnan(measure(f, 1).branching_all));
    cr_assert_eq(measure(f, 1).branching_all_n, 0);
}

/* Wilson's interval by its formula, written down again: (p + z2/2n -+ z sqrt(p(1-p)/n +
 * z2/4n2)) / (1 + z2/n) with z = 1.6448536 for 90 %. */
static void check_wilson(struct cn_interval i, double k, double n)
{
    const double z = 1.6448536269514722, p = k / n, d = 1 + z * z / n;
    double middle = p + z * z / (2 * n), half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

    cr_assert_float_eq(i.lo, fmax(0, (middle - half) / d), 1e-9);
    cr_assert_float_eq(i.hi, fmin(1, (middle + half) / d), 1e-9);
}

#define MUTATED(i, p, r, q)                                                            \
    {                                                                                  \
        .iteration = (i), .node = (i), .parent = (p), .finished = true, .reward = (r), \
        .one_key = true, .param = (q)                                                  \
    }

Test(ucb_block, failures_and_converged_have_shares_with_their_doubt)
{
    /* 5 finished of 6: 2 failed, 2 converged, the replicate among them. */
    const struct cn_block_fact f[] = {
        DONE(1, 0, .5),
        {.iteration = 2, .node = 2, .parent = 1, .finished = true, .failed = true},
        {.iteration = 3,
         .node = 3,
         .parent = 1,
         .finished = true,
         .reward = .95,
         .converged = true},
        {.iteration = 4,
         .node = 3,
         .parent = 1,
         .replicate = true,
         .finished = true,
         .reward = .92,
         .converged = true},
        {.iteration = 5, .node = 5, .parent = 3, .finished = true, .failed = true},
        {.iteration = 6, .node = 6, .parent = 3}};
    struct cn_block_stats s = measure(f, 6);

    cr_assert_eq(s.planned, 6);
    cr_assert_eq(s.finished, 5);
    cr_assert_float_eq(s.failure_share, .4, 1e-15);
    cr_assert_eq(s.converged, 2);
    cr_assert_float_eq(s.converged_share, .4, 1e-15);
    check_wilson(s.failure_interval, 2, 5);
    check_wilson(s.converged_interval, 2, 5);
    cr_assert_gt(s.failure_interval.lo, .1);
    cr_assert_lt(s.failure_interval.hi, .75);
    check_wilson(measure(f, 2).failure_interval, 1, 2);
    cr_assert(isnan(measure(f + 5, 1).failure_interval.lo), "nothing has finished");
}

Test(ucb_block, dimension_diversity_counts_mutations_not_replicates)
{
    struct cn_block_fact f[] = {DONE(1, 0, .5),        MUTATED(2, 1, .6, 3),
                                MUTATED(3, 2, .6, 0),  MUTATED(4, 3, .6, 3),
                                MUTATED(5, 4, NAN, 3), MUTATED(6, 4, .7, 0),
                                MUTATED(7, 6, .7, 200)};
    struct cn_block_stats s;

    f[4].finished = false; /* in flight: it was chosen all the same */
    f[5].node = 3;
    f[5].replicate = true;
    s = measure(f, 7);
    cr_assert_eq(s.mutations, 5);
    cr_assert_eq(s.params_touched, 3);
    cr_assert_eq(s.top_param, 3);
    cr_assert_eq(s.top_param_n, 3);
    cr_assert_float_eq(s.top_param_share, .6, 1e-15);
    s = measure(f, 3);
    cr_assert_eq(s.top_param, 0, "one each: the one touched last");
}

Test(ucb_block, block_of_one)
{
    const struct cn_block_fact f[] = {
        {.iteration = 7, .node = 7, .finished = true, .reward = .93, .converged = true}};
    struct cn_block_stats s = measure(f, 1);

    cr_assert(isnan(s.branching_rate) && isnan(s.branching_all) && isnan(s.improvement_rate) &&
              isnan(s.parent_was_best) && isnan(s.top_param_share));
    cr_assert_eq(s.best_node, 7);
    cr_assert_eq(s.best_count, 1);
    cr_assert_eq(s.top_param, -1);
    cr_assert_eq(s.converged_share, 1.0);
    check_wilson(s.converged_interval, 1, 1);
    cr_assert_not(s.stuck);
}
