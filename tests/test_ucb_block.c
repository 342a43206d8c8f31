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
