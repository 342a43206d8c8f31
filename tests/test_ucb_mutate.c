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

        for (uint64_t k = 0; k < 2 * CN_MUTATE_MODEL; k++) {
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

/* How often the first candidate of 200 iterations changes each parameter up and down. */
struct tally {
    int up[N], down[N], other[N];
};

static struct tally tally(struct cn_mutate_query q)
{
    struct tally t = {{0}, {0}, {0}};

    for (q.iteration = 1; q.iteration <= 200; q.iteration++) {
        struct cn_mutate_change c = propose(&q);

        if (c.direction > 0)
            t.up[c.param]++;
        else if (c.direction < 0)
            t.down[c.param]++;
        else
            t.other[c.param]++;
    }
    return t;
}

Test(ucb_mutate, without_history_every_parameter_gets_turns_in_both_directions)
{
    struct tally t = tally(query(NULL, 0, 0));

    for (int i = 0; i < N; i++) {
        if (i == FLAG || i == MODE) {
            cr_assert_gt(t.other[i], 0, "%s", params[i].path);
            continue;
        }
        cr_assert_gt(t.up[i], 0, "%s", params[i].path);
        if (i != L1) /* stands at its lower end */
            cr_assert_gt(t.down[i], 0, "%s", params[i].path);
    }
}

Test(ucb_mutate, steps_on_a_log_scale_are_moderate_factors)
{
    int seen = 0;

    for (int64_t i = 1; i < 400; i++) {
        struct cn_mutate_query q = query(NULL, 0, i);
        struct cn_mutate_change c = propose(&q);
        double f = c.to > c.from ? c.to / c.from : c.from / c.to;

        if (c.param != LR)
            continue;
        cr_assert(f > pow(2.5, .8 * .5) - 1e-9 && f < pow(2.5, 1.2 * 1.5) + 1e-9, "%g", f);
        seen++;
    }
    cr_assert_gt(seen, 20);
}

/* The others were tried and did nothing much. */
static int64_t dull(struct cn_effect *e, int except)
{
    int64_t n = 0;

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i++)
            if (i != except) {
                double up = i == L1 ? 3e-5 : parent[i] * 2, to = round ? parent[i] / 2 : up;

                if (i == FLAG)
                    to = 0;
                else if (i == MODE)
                    to = round ? 1 : 3;
                else if (i == BATCH)
                    to = round ? 0 : 2;
                e[n++] = (struct cn_effect){
                    .param = i, .from = parent[i], .to = to, .gain = round ? -.012 : -.008};
            }
    return n;
}

Test(ucb_mutate, a_parameter_without_effects_is_tried_before_those_that_did_nothing)
{
    struct cn_effect e[2 * N];
    int64_t n = dull(e, LR);
    struct tally t = tally(query(e, n, 0));

    cr_assert_gt(t.up[LR] + t.down[LR], 80, "%d", t.up[LR] + t.down[LR]);
    cr_assert_gt(t.up[LR], 20);
    cr_assert_gt(t.down[LR], 20);
}

Test(ucb_mutate, a_direction_that_helped_is_followed)
{
    struct cn_effect e[2 * N];
    int64_t n = dull(e, LR);
    struct tally t;

    e[n++] = (struct cn_effect){.param = LR, .from = 4e-4, .to = 1e-3, .gain = .1};
    t = tally(query(e, n, 0));
    cr_assert_gt(t.up[LR], 120, "%d", t.up[LR]);
    cr_assert_lt(t.down[LR], 20, "%d", t.down[LR]);
}

Test(ucb_mutate, a_direction_that_hurt_or_failed_is_turned)
{
    struct cn_effect e[2 * N];
    int64_t n = dull(e, LR);
    struct tally t;

    e[n] = (struct cn_effect){.param = LR, .from = 1e-3, .to = 2.5e-3, .gain = -.1};
    t = tally(query(e, n + 1, 0));
    cr_assert_gt(t.down[LR], 3 * t.up[LR], "%d %d", t.down[LR], t.up[LR]);
    e[n] = (struct cn_effect){.param = LR, .from = 1e-3, .to = 2.5e-3, .failed = true};
    t = tally(query(e, n + 1, 0));
    cr_assert_gt(t.down[LR], 3 * t.up[LR], "%d %d", t.down[LR], t.up[LR]);
}

Test(ucb_mutate, a_parent_with_a_harmful_value_is_mended)
{
    struct cn_effect e[2 * N];
    int64_t n = dull(e, LR);
    double harmed[N];
    struct cn_mutate_query q;
    struct tally t;

    memcpy(harmed, parent, sizeof(harmed));
    harmed[LR] = 5e-3;
    e[n++] = (struct cn_effect){.param = LR, .from = 1e-3, .to = 5e-3, .gain = -.3};
    q = query(e, n, 0);
    q.parent = harmed;
    t = tally(q);
    cr_assert_gt(t.down[LR], 150, "%d", t.down[LR]);
}

Test(ucb_mutate, moves_stop_where_both_sides_hurt)
{
    struct cn_effect e[2 * N];
    int64_t n = dull(e, LR);
    struct tally t;

    e[n++] = (struct cn_effect){.param = LR, .from = 1e-3, .to = 2.5e-3, .gain = -.1};
    e[n++] = (struct cn_effect){.param = LR, .from = 1e-3, .to = 4e-4, .gain = -.1};
    t = tally(query(e, n, 0));
    cr_assert_lt(t.up[LR] + t.down[LR], 60, "%d", t.up[LR] + t.down[LR]);
}

Test(ucb_mutate, a_choice_that_helped_is_taken_and_one_that_hurt_is_not)
{
    struct cn_effect e[2 * N];
    int64_t n = dull(e, MODE);
    int good = 0, bad = 0;

    e[n++] = (struct cn_effect){.param = MODE, .from = 2, .to = 4, .gain = .1};
    e[n++] = (struct cn_effect){.param = MODE, .from = 2, .to = 0, .gain = -.1};
    for (int64_t i = 1; i <= 200; i++) {
        struct cn_mutate_query q = query(e, n, i);
        struct cn_mutate_change c = propose(&q);

        good += c.param == MODE && c.to == 4;
        bad += c.param == MODE && c.to == 0;
    }
    cr_assert_gt(good, 100, "%d", good);
    cr_assert_lt(bad, 5, "%d", bad);
    /* the same knowledge from the other side: 4 -> 2 cost what 2 -> 4 gains */
    e[n - 2] = (struct cn_effect){.param = MODE, .from = 4, .to = 2, .gain = -.1};
    good = 0;
    for (int64_t i = 1; i <= 200; i++) {
        struct cn_mutate_query q = query(e, n, i);
        struct cn_mutate_change c = propose(&q);

        good += c.param == MODE && c.to == 4;
    }
    cr_assert_gt(good, 100, "%d", good);
}

Test(ucb_mutate, zero_on_a_log_scale_can_be_left_and_reached)
{
    const struct cn_space one = {&params[L1], 1};
    const double zero[] = {0}, small[] = {2e-5};
    struct cn_mutate_query q = {.space = &one, .parent = zero, .seed = 1};
    struct cn_mutate_change c;
    bool reached = false;

    for (q.iteration = 1; q.iteration < 20; q.iteration++) {
        c = propose(&q);
        cr_assert(c.to > 1e-5 && c.to < 3e-4, "%g", c.to);
    }
    q.parent = small;
    for (uint64_t k = 0; k < CN_MUTATE_MODEL; k++)
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
    /* 4 + 2 + 5 values: 3 + 1 + 4 neighbours. */
    const struct cn_space finite = {&params[BATCH], 3};
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

Test(ucb_mutate, probes_take_turns)
{
    const struct cn_effect e[] = {
        {.param = LR, .from = 1e-3, .to = 1e-2, .failed = true, .probe = true}};
    struct cn_mutate_query q = query(e, 1, 0);
    struct tally t;

    q.kind = CN_MUTATE_PROBE;
    t = tally(q);
    cr_assert_eq(t.up[LR] + t.down[LR], 0);
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
    cr_assert_gt(reward, -.3, "%g at %g %g", reward, best[0], best[1]);
}
