/* One-key mutations: order, steps, ranges, keys. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "ucb/mutate.h"

enum { LR, COEFF, L1, BATCH, FLAG, MODE, N };
static const struct cn_param params[N] = {
    {.path = "lr", .lo = 1e-5, .hi = 1e-2, .hard_lo = 0, .hard_hi = 1, .log = true},
    {.path = "coeff", .lo = 0, .hi = 1000, .hard_lo = 0, .hard_hi = 1e6},
    {.path = "l1", .lo = 0, .hi = 1e-3, .hard_lo = 0, .hard_hi = 1, .log = true},
    {.path = "batch", .type = CN_PARAM_CHOICE, .n_choices = 4, .ordered = true},
    {.path = "flag", .type = CN_PARAM_BOOL},
    {.path = "mode", .type = CN_PARAM_CHOICE, .n_choices = 5},
};
static const struct cn_space space = {params, N};
static const double parent[N] = {1e-3, 500, 0, 1, 1, 2};

static struct cn_mutate_query query(const struct cn_effect *e, int64_t n, int64_t iteration)
{
    return (struct cn_mutate_query){.space = &space,
                                    .parent = parent,
                                    .effects = e,
                                    .n_effects = n,
                                    .seed = 2026,
                                    .iteration = iteration};
}

static struct cn_mutate_change propose(const struct cn_mutate_query *q)
{
    struct cn_mutate_change ch;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_mutate_propose(q, NULL, NULL, &ch, &err), CN_OK, "%s", err.text);
    return ch;
}

Test(ucb_mutate, same_key_same_draw_other_iteration_other_draw)
{
    struct cn_mutate_query q = query(NULL, 0, 3);
    bool differs = false;

    for (uint64_t k = 0; k < 100; k++) {
        struct cn_mutate_change a, b;
        bool ok = cn_mutate_draw(&q, k, &a);

        cr_assert_eq(ok, cn_mutate_draw(&q, k, &b));
        cr_assert_eq(a.to, b.to);
        cr_assert_eq(a.param, b.param);
    }
    for (int64_t i = 4; i < 12; i++) {
        struct cn_mutate_query r = query(NULL, 0, i);
        differs |= propose(&r).param != propose(&q).param;
    }
    cr_assert(differs);
}

Test(ucb_mutate, exploit_values_stay_in_range_change_one_key_and_are_never_no_ops)
{
    for (int64_t i = 1; i < 60; i++) {
        struct cn_mutate_query q = query(NULL, 0, i);

        for (uint64_t k = 0; k < 120; k++) {
            struct cn_mutate_change c;

            if (!cn_mutate_draw(&q, k, &c))
                continue;
            cr_assert_neq(c.to, parent[c.param]);
            cr_assert_eq(c.from, parent[c.param]);
            if (params[c.param].type == CN_PARAM_FLOAT)
                cr_assert(c.to >= params[c.param].lo && c.to <= params[c.param].hi);
            else if (params[c.param].type == CN_PARAM_CHOICE)
                cr_assert(c.to >= 0 && c.to < params[c.param].n_choices && c.to == rint(c.to));
            else
                cr_assert_eq(c.to, 0);
        }
    }
}

Test(ucb_mutate, first_step_on_a_log_scale_is_a_factor_of_two_to_three)
{
    int seen = 0;

    for (int64_t i = 1; i < 80; i++) {
        struct cn_mutate_query q = query(NULL, 0, i);

        for (uint64_t k = 0; k < 9;
             k++) { /* round 0: 4 directed parameters twice, 2 others once */
            struct cn_mutate_change c;

            if (cn_mutate_draw(&q, k, &c) && c.param == LR) {
                double f = c.to > c.from ? c.to / c.from : c.from / c.to;

                cr_assert(f >= 2 - 1e-9 && f <= 3 + 1e-9, "%g", f);
                seen++;
            }
        }
    }
    cr_assert_gt(seen, 40);
}

Test(ucb_mutate, unknown_parameters_come_before_known_ones_on_even_iterations)
{
    const struct cn_effect e[] = {{.param = LR, .from = 1e-3, .to = 2e-3, .gain = .1},
                                  {.param = COEFF, .from = 500, .to = 400, .gain = -.1}};
    struct cn_mutate_query q = query(e, 2, 8);
    struct cn_mutate_change c = propose(&q);

    cr_assert(c.param != LR && c.param != COEFF, "%s", params[c.param].path);
    q.iteration = 9;
    c = propose(&q);
    cr_assert_eq(c.param, LR);
    cr_assert_eq(c.direction, 1, "%s", c.why);
}

Test(ucb_mutate, gain_is_followed_at_once_but_not_a_third_time_in_a_row)
{
    const struct cn_effect e[] = {{.param = LR, .from = 1e-3, .to = 2e-3, .gain = .1},
                                  {.param = LR, .from = 2e-3, .to = 5e-3, .gain = .1}};
    struct cn_mutate_query q = query(e, 1, 8);
    struct cn_mutate_change c = propose(&q);

    cr_assert(c.param == LR && c.direction == 1);
    q.n_effects = 2;
    c = propose(&q);
    cr_assert_neq(c.param, LR);
}

Test(ucb_mutate, after_harm_the_other_direction_comes_before_the_same_one)
{
    struct cn_effect e[N];
    struct cn_mutate_query q;
    int lr_up = -1, lr_down = -1;

    for (int i = 0; i < N; i++)
        e[i] = (struct cn_effect){.param = i, .from = 1, .to = 2, .gain = -.1};
    q = query(e, N, 8);
    for (uint64_t k = 0; k < 12; k++) {
        struct cn_mutate_change c;

        if (cn_mutate_draw(&q, k, &c) && c.param == LR) {
            if (c.direction > 0 && lr_up < 0)
                lr_up = (int)k;
            if (c.direction < 0 && lr_down < 0)
                lr_down = (int)k;
        }
    }
    cr_assert(lr_down >= 0 && lr_up > lr_down);
}

Test(ucb_mutate, steps_shrink_after_harm_and_failure)
{
    const struct cn_effect e[] = {
        {.param = LR, .from = 1e-3, .to = 2e-3, .gain = -.1},
        {.param = LR, .from = 1e-3, .to = 2e-3, .failed = true, .gain = NAN}};
    struct cn_mutate_query q = query(e, 2, 8);

    for (uint64_t k = 0; k < 10; k++) {
        struct cn_mutate_change c;

        if (cn_mutate_draw(&q, k, &c) && c.param == LR && c.direction > 0) {
            cr_assert_leq(c.to / c.from, pow(3, .25) + 1e-9);
            cr_assert_geq(c.to / c.from, pow(2, .25) - 1e-9);
            return;
        }
    }
    cr_assert_fail("the arm that hurt never came");
}

Test(ucb_mutate, zero_on_a_log_scale_can_be_left_and_reached)
{
    const struct cn_space one = {&params[L1], 1};
    const double zero[] = {0}, tiny[] = {2e-9};
    struct cn_mutate_query q = {.space = &one, .parent = zero, .seed = 1, .iteration = 1};
    struct cn_mutate_change c;
    bool reached = false;

    c = propose(&q);
    cr_assert(c.to > 1e-8 && c.to < 1e-3, "%g", c.to);
    q.parent = tiny;
    for (uint64_t k = 0; k < 8; k++)
        reached |= cn_mutate_draw(&q, k, &c) && c.to == 0;
    cr_assert(reached);
}

struct seen {
    double values[64];
    int n;
};

static bool in_list(void *ctx, const struct cn_mutate_change *c)
{
    struct seen *s = ctx;

    for (int i = 0; i < s->n; i++)
        if (s->values[i] == c->param * 100 + c->to)
            return true;
    return false;
}

Test(ucb_mutate, finite_space_is_walked_whole_and_then_ends)
{
    const struct cn_space finite = {&params[BATCH],
                                    3}; /* 4 + 2 + 5 values: 3 + 1 + 4 neighbours */
    struct seen s = {.n = 0};
    struct cn_mutate_query q = {.space = &finite, .parent = &parent[BATCH], .seed = 3};
    struct cn_mutate_change c;
    struct cn_err err = CN_ERR_INIT;

    for (int i = 0; i < 8; i++) {
        q.iteration = i + 1;
        cr_assert_eq(cn_mutate_propose(&q, in_list, &s, &c, &err), CN_OK, "%d: %s", i,
                     err.text);
        s.values[s.n++] = c.param * 100 + c.to;
    }
    cr_assert_eq(cn_mutate_propose(&q, in_list, &s, &c, &err), CN_ENOTFOUND);
}

Test(ucb_mutate, probe_goes_far_and_may_use_the_hard_range)
{
    bool beyond = false;

    for (int64_t i = 1; i < 40; i++) {
        struct cn_mutate_query q = query(NULL, 0, i);
        struct cn_mutate_change c;

        q.kind = CN_MUTATE_PROBE;
        c = propose(&q);
        if (c.param == LR) {
            cr_assert_float_eq(fabs(log10(c.to / c.from)), 1, 1e-9);
            cr_assert_str_eq(c.why, "probe: looking for the edge");
        }
        if (c.param == COEFF)
            cr_assert(c.to == 0 || c.to == 1500);
        beyond |= c.param == COEFF && c.to > params[COEFF].hi;
        if (params[c.param].type == CN_PARAM_FLOAT)
            cr_assert(c.to >= params[c.param].hard_lo && c.to <= params[c.param].hard_hi);
    }
    cr_assert(beyond);
}

Test(ucb_mutate, probes_take_turns_and_do_not_count_as_harm)
{
    struct cn_effect e[] = {
        {.param = LR, .from = 1e-3, .to = 1e-2, .gain = NAN, .failed = true, .probe = true}};
    struct cn_mutate_query q = query(e, 1, 5);
    struct cn_mutate_change c;

    q.kind = CN_MUTATE_PROBE;
    cr_assert_neq(propose(&q).param, LR);
    q.kind = CN_MUTATE_EXPLOIT;
    for (uint64_t k = 0; k < 10; k++)
        if (cn_mutate_draw(&q, k, &c) && c.param == LR && c.direction > 0) {
            cr_assert_geq(c.to / c.from, 2 - 1e-9);
            return;
        }
    cr_assert_fail("the arm never came");
}

Test(ucb_mutate, explore_takes_the_least_tried_parameter)
{
    struct cn_effect e[N - 1];
    struct cn_mutate_query q;

    for (int i = 1; i < N; i++)
        e[i - 1] = (struct cn_effect){.param = i, .from = 1, .to = 2, .gain = .1};
    q = query(e, N - 1, 4);
    q.kind = CN_MUTATE_EXPLORE;
    cr_assert_eq(propose(&q).param, LR);
}

Test(ucb_mutate, parameters_the_parent_lacks_are_skipped)
{
    const double lacking[N] = {NAN, NAN, NAN, NAN, NAN, 2};
    struct cn_mutate_query q = query(NULL, 0, 4);

    q.parent = lacking;
    cr_assert_eq(propose(&q).param, MODE);
}

Test(ucb_mutate, climbs_a_smooth_landscape)
{
    /* Reward falls with the distance in decades from (1e-4, 3e-4); greedy parent, 40
     * iterations. */
    const struct cn_param two[] = {
        {.path = "a", .lo = 1e-6, .hi = 1, .hard_lo = 0, .hard_hi = 1, .log = true},
        {.path = "b", .lo = 1e-6, .hi = 1, .hard_lo = 0, .hard_hi = 1, .log = true}};
    const struct cn_space s = {two, 2};
    struct cn_effect e[40];
    double best[2] = {1e-1, 1e-1}, reward = -(3 + log10(1e-1 / 3e-4));

    for (int i = 0; i < 40; i++) {
        struct cn_mutate_query q = {.space = &s,
                                    .parent = best,
                                    .effects = e,
                                    .n_effects = i,
                                    .seed = 5,
                                    .iteration = i + 2};
        struct cn_mutate_change c = propose(&q);
        double x[2] = {best[0], best[1]}, r;

        x[c.param] = c.to;
        r = -(fabs(log10(x[0] / 1e-4)) + fabs(log10(x[1] / 3e-4)));
        e[i] = (struct cn_effect){
            .param = c.param, .from = c.from, .to = c.to, .gain = r - reward};
        if (r > reward) {
            reward = r;
            best[c.param] = c.to;
        }
    }
    cr_assert_gt(reward, -.2, "%g at %g %g", reward, best[0], best[1]);
}
