/* The Parzen estimator: its densities, its draws, and what it learns. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/rng.h"
#include "ucb/tpe.h"
#include "ucb/tpe_mutate.h"

enum { D = 5 };
static const struct cn_param mixed[D] = {
    {.path = "lr", .lo = 1e-4, .hi = 1e-1, .hard_lo = 0, .hard_hi = 10, .log = true},
    {.path = "l1", .lo = 0, .hi = 1e-2, .hard_lo = 0, .hard_hi = 1, .log = true},
    {.path = "n",
     .type = CN_PARAM_INT,
     .lo = 1,
     .hi = 8,
     .hard_lo = 1,
     .hard_hi = 99,
     .log = true},
    {.path = "mode", .type = CN_PARAM_CHOICE, .n_choices = 3},
    {.path = "batch", .type = CN_PARAM_CHOICE, .n_choices = 4, .ordered = true},
};
static const struct cn_space space = {mixed, D};

enum { N = 12 };
static double points[N][D];
static struct cn_tpe_obs obs[N];

/* Good where lr and n are high and mode is 2. */
static double worth(const double *x)
{
    return cn_space_to_unit(&mixed[0], x[0]) + .3 * cn_space_to_unit(&mixed[2], x[2]) +
           (x[3] == 2 ? .5 : 0);
}

static void fill(void)
{
    for (int i = 0; i < N; i++) {
        cn_space_random(&space, 7, i + 1, 0, points[i]);
        if (i % 4 == 0)
            points[i][1] = 0;
        obs[i] = (struct cn_tpe_obs){points[i], worth(points[i]), 1, 1, false, false};
    }
}

static struct cn_tpe *make(const struct cn_space *s, const struct cn_tpe_obs *o, int64_t n)
{
    struct cn_tpe_opts opts = CN_TPE_OPTS_INIT;
    struct cn_err err = CN_ERR_INIT;
    struct cn_tpe *t;

    opts.regime = 1;
    opts.seed = 3;
    opts.bandwidth = .2; /* wide enough for sums over grids */
    opts.iteration = 9;
    cr_assert_eq(cn_tpe_new(s, o, n, &opts, &t, &err), CN_OK, "%s", err.text);
    return t;
}

TestSuite(ucb_tpe, .init = fill);

/* Integral over every state of every parameter: grids on the scales, sums over values. */
static double integral(const struct cn_tpe *t, bool good)
{
    enum { GRID = 24 };
    double sum = 0, x[D];

    for (int a = 0; a < GRID; a++)
        for (int b = -1; b < GRID; b++)
            for (int n = 1; n <= 8; n++)
                for (int m = 0; m < 3; m++)
                    for (int k = 0; k < 4; k++) {
                        x[0] = cn_space_from_unit(&mixed[0], (a + .5) / GRID);
                        x[1] = b < 0 ? 0 : cn_space_from_unit(&mixed[1], (b + .5) / GRID);
                        x[2] = n;
                        x[3] = m;
                        x[4] = k;
                        sum += exp(cn_tpe_log_density(t, good, x)) / GRID / (b < 0 ? 1 : GRID);
                    }
    return sum;
}

Test(ucb_tpe, both_densities_integrate_to_one)
{
    struct cn_tpe *t = make(&space, obs, N);

    cr_assert_float_eq(integral(t, true), 1, 2e-3);
    cr_assert_float_eq(integral(t, false), 1, 2e-3);
    cn_tpe_free(t);
}

Test(ucb_tpe, draws_follow_the_good_density)
{
    enum { DRAWS = 20000 };
    struct cn_tpe *t = make(&space, obs, N);
    double x[D], counted[3] = {0}, wanted[3] = {0}, off = 0, off_wanted = 0, low = 0, low_w = 0;

    for (int k = 0; k < DRAWS; k++) {
        cn_tpe_draw(t, (uint64_t)k, x);
        for (int j = 0; j < D; j++)
            cr_assert(j == 3 || j == 4 ? x[j] >= 0 && x[j] < mixed[j].n_choices
                                       : x[j] >= mixed[j].lo && x[j] <= mixed[j].hi);
        counted[(int)x[3]] += 1.0 / DRAWS;
        off += (x[1] == 0) / (double)DRAWS;
        low += (cn_space_to_unit(&mixed[0], x[0]) < .6) / (double)DRAWS;
    }
    /* The same shares by importance sampling from the uniform: the density says so itself. */
    for (int k = 0; k < 10 * DRAWS; k++) {
        double w;

        cn_space_random(&space, 11, k, 0, x);
        if (k % 2)
            x[1] = 0; /* half the points off, half on: weights 2 */
        w = 2 * exp(cn_tpe_log_density(t, true, x)) / (10 * DRAWS);
        w *= 8 * 3 * 4; /* uniform shares of mode and batch; n by its shares, below */
        {
            double lo, hi;

            cn_space_cell(&mixed[2], x[2], &lo, &hi);
            w *= 1 / (hi - lo) / 8;
        }
        wanted[(int)x[3]] += w;
        off_wanted += x[1] == 0 ? w : 0;
        low_w += cn_space_to_unit(&mixed[0], x[0]) < .6 ? w : 0;
    }
    for (int m = 0; m < 3; m++)
        cr_assert_float_eq(counted[m], wanted[m], .02, "mode %d: %g, %g", m, counted[m],
                           wanted[m]);
    cr_assert_float_eq(off, off_wanted, .02, "%g, %g", off, off_wanted);
    cr_assert_float_eq(low, low_w, .02, "%g, %g", low, low_w);
    cn_tpe_free(t);
}

Test(ucb_tpe, one_coordinate_is_drawn_given_the_others)
{
    enum { DRAWS = 4000, BINS = 4 };
    struct cn_tpe *t = make(&space, obs, N);
    double x[D], share[BINS] = {0}, density[BINS] = {0}, sum = 0;

    memcpy(x, points[5], sizeof x);
    for (int b = 0; b < 400; b++) {
        double d;

        x[0] = cn_space_from_unit(&mixed[0], (b + .5) / 400);
        d = exp(cn_tpe_log_density(t, true, x));
        density[b * BINS / 400] += d;
        sum += d;
    }
    for (int k = 0; k < DRAWS; k++) {
        double u = cn_space_to_unit(&mixed[0], cn_tpe_draw_one(t, points[5], 0, (uint64_t)k));

        share[u >= 1 ? BINS - 1 : (int)(u * BINS)] += 1.0 / DRAWS;
    }
    for (int b = 0; b < BINS; b++)
        cr_assert_float_eq(share[b], density[b] / sum, .03, "%d: %g, %g", b, share[b],
                           density[b] / sum);
    cn_tpe_free(t);
}

Test(ucb_tpe, the_gain_prefers_what_was_good)
{
    struct cn_tpe *t = make(&space, obs, N);
    const double good[D] = {5e-2, 1e-4, 7, 2, 1}, poor[D] = {3e-4, 1e-4, 1, 0, 1};

    cr_assert(cn_tpe_is_ready(t));
    cr_assert_gt(cn_tpe_gain(t, good), cn_tpe_gain(t, poor) + .5);
    cn_tpe_free(t);
}

/* Rewards matter by their order inside a regime alone. */
Test(ucb_tpe, nothing_changes_under_monotone_transforms_of_the_reward)
{
    struct cn_tpe *a, *b;
    double x[D], y[D];

    for (int i = 0; i < N; i++)
        obs[i].regime = i < 5;
    a = make(&space, obs, N);
    for (int i = 0; i < N; i++) /* an error of 1e6 in one regime, of 1e-4 in the other */
        obs[i].reward = i < 5 ? -1e6 * exp(-3 * obs[i].reward) : 1e-4 * obs[i].reward - 7;
    b = make(&space, obs, N);
    for (int k = 0; k < 50; k++) {
        cn_tpe_draw(a, (uint64_t)k, x);
        cn_tpe_draw(b, (uint64_t)k, y);
        cr_assert_arr_eq(x, y, sizeof x);
        cr_assert_eq(cn_tpe_gain(a, x), cn_tpe_gain(b, x));
    }
    cn_tpe_free(a);
    cn_tpe_free(b);
}

Test(ucb_tpe, a_region_where_trainings_die_is_left_alone)
{
    enum { M = 10 };
    static double p[M][1];
    const struct cn_space line = {mixed, 1};
    struct cn_tpe_obs o[M];
    double x, inside, edge;
    int died = 0;
    struct cn_tpe *t;

    /* The better the nearer to the cliff at .7 of the scale; beyond it everything dies. */
    for (int i = 0; i < M; i++) {
        double u = (i + .5) / M;

        p[i][0] = cn_space_from_unit(&mixed[0], u);
        o[i] = (struct cn_tpe_obs){p[i], u > .7 ? (double)NAN : u, 1, 1, u > .7, false};
    }
    t = make(&line, o, M);
    inside = cn_space_from_unit(&mixed[0], .6);
    edge = cn_space_from_unit(&mixed[0], .9);
    cr_assert_gt(cn_tpe_failed_share(t, &edge), .7);
    cr_assert_lt(cn_tpe_failed_share(t, &inside), .25);
    cr_assert_gt(cn_tpe_gain(t, &inside), cn_tpe_gain(t, &edge) + 1);
    for (uint64_t k = 0; k < 100; k++) {
        cn_tpe_best(t, k * 24, 24, &x);
        died += cn_space_to_unit(&mixed[0], x) > .75;
    }
    cr_assert_leq(died, 2, "%d", died);
    cn_tpe_free(t);
}

/* A probe ten times beyond the range died: the upper end of the range itself is not condemned. */
Test(ucb_tpe, a_probe_far_beyond_the_range_tells_little_about_the_inside)
{
    static double p[6][1] = {{1e-3}, {1e-2}, {3e-2}, {6e-2}, {8e-2}, {10}};
    const struct cn_space line = {mixed, 1};
    struct cn_tpe_obs o[6];
    struct cn_tpe *t;
    double top = 1e-1;

    for (int i = 0; i < 6; i++)
        o[i] = (struct cn_tpe_obs){p[i], i < 5 ? i : (double)NAN, 1, 1, i == 5, false};
    t = make(&line, o, 6);
    cr_assert_lt(cn_tpe_failed_share(t, &top), .2);
    cn_tpe_free(t);
    p[5][0] = 1e-1;
    t = make(&line, o, 6);
    cr_assert_gt(cn_tpe_failed_share(t, &top), .25);
    cn_tpe_free(t);
}

Test(ucb_tpe, what_is_in_flight_keeps_others_away)
{
    struct cn_tpe *t = make(&space, obs, N);
    double x[D], before;
    struct cn_tpe_obs more[N + 1];

    cn_tpe_best(t, 0, 64, x);
    before = cn_tpe_gain(t, x);
    cn_tpe_free(t);
    memcpy(more, obs, sizeof obs);
    more[N] = (struct cn_tpe_obs){x, (double)NAN, 1, 1, false, true};
    t = make(&space, more, N + 1);
    cr_assert_lt(cn_tpe_gain(t, x), before - .2);
    cr_assert_eq(cn_tpe_failed_share(t, x), 0, "in flight is no failure");
    cn_tpe_free(t);
}

Test(ucb_tpe, old_regimes_count_less_and_repeated_trainings_more)
{
    static double p[2][1] = {{1e-3}, {5e-2}};
    const struct cn_space line = {mixed, 1};
    struct cn_tpe_obs o[2] = {{p[0], 1, 1, 0, false, false}, {p[1], 1, 1, 1, false, false}};
    struct cn_tpe_opts opts = CN_TPE_OPTS_INIT;
    struct cn_tpe *t;

    opts.regime = 1;
    opts.gamma = 1;
    cr_assert_eq(cn_tpe_new(&line, o, 2, &opts, &t, NULL), CN_OK);
    cr_assert_gt(cn_tpe_log_density(t, true, p[1]), cn_tpe_log_density(t, true, p[0]) + .2);
    cn_tpe_free(t);
    o[0] = (struct cn_tpe_obs){p[0], 1, 9, 1, false, false};
    cr_assert_eq(cn_tpe_new(&line, o, 2, &opts, &t, NULL), CN_OK);
    cr_assert_gt(cn_tpe_log_density(t, true, p[0]), cn_tpe_log_density(t, true, p[1]) + .2);
    cn_tpe_free(t);
}

Test(ucb_tpe, values_that_some_configs_do_not_have_are_no_trouble)
{
    struct cn_tpe *t;
    double x[D];

    for (int i = 0; i < N; i += 2)
        points[i][1] = (double)NAN;
    t = make(&space, obs, N);
    for (int i = 0; i < N; i++)
        cr_assert(isfinite(cn_tpe_gain(t, points[i])));
    for (uint64_t k = 0; k < 200; k++) {
        cn_tpe_draw(t, k, x);
        for (int j = 0; j < D; j++)
            cr_assert(isfinite(x[j]));
    }
    cn_tpe_free(t);
}

Test(ucb_tpe, the_reasons_name_the_good_neighbours_and_the_failed_ones)
{
    static double p[6][1] = {{1e-3}, {2e-3}, {2e-2}, {2.5e-2}, {9e-2}, {1.2e-3}};
    static const double reward[6] = {.1, .2, .8, .9, NAN, .15};
    const struct cn_space line = {mixed, 1};
    struct cn_tpe_obs o[6];
    struct cn_tpe_why why;
    struct cn_tpe *t;
    double near_death = 8e-2, good = 2.2e-2;

    for (int i = 0; i < 6; i++)
        o[i] = (struct cn_tpe_obs){p[i], reward[i], 1, 1, i == 4, false};
    t = make(&line, o, 6);
    cn_tpe_explain(t, &near_death, &good, &why);
    cr_assert_eq(why.n_towards, 1);
    cr_assert_eq(why.towards[0], 3);
    cr_assert(why.away_failed);
    cr_assert_eq(why.n_away, 1);
    cr_assert_eq(why.away[0], 4);
    cn_tpe_explain(t, &p[0][0], &good, &why);
    cr_assert_not(why.away_failed);
    cr_assert_eq(why.n_away, 2);
    cr_assert(why.away[0] == 0 || why.away[0] == 5 || why.away[0] == 1);
    cn_tpe_explain(t, &good, &near_death, &why);
    cr_assert_eq(why.n_towards, 0, "no good one comes nearer");
    cn_tpe_free(t);
}

Test(ucb_tpe, few_or_no_observations_give_no_model_but_no_trouble_either)
{
    struct cn_tpe *t = make(&space, NULL, 0);
    double x[D];

    cr_assert_not(cn_tpe_is_ready(t));
    cn_tpe_draw(t, 0, x);
    cr_assert(isfinite(cn_tpe_gain(t, x)));
    cn_tpe_free(t);
    for (int i = 0; i < N; i++)
        obs[i] = (struct cn_tpe_obs){points[i], (double)NAN, 1, 1, true, false};
    t = make(&space, obs, N); /* everything died: no good density */
    cr_assert_not(cn_tpe_is_ready(t));
    cr_assert(isfinite(cn_tpe_gain(t, points[0])));
    cn_tpe_free(t);
}

/* ---- search ---- */

/* In [0, 1], best 1 at .7, .3 of the scales; smooth. */
static double hill(const double *x)
{
    double a = cn_space_to_unit(&mixed[0], x[0]) - .7,
           b = cn_space_to_unit(&mixed[1], x[1]) - .3;

    return exp(-(a * a + 2 * b * b) / .05);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

enum { SEEDS = 20, BUDGET = 60 };

/* Best found, 1 - hill. */
static double regret(uint64_t seed, bool model)
{
    static double p[BUDGET][2];
    static struct cn_tpe_obs o[BUDGET];
    const struct cn_space plane = {mixed, 2};
    struct cn_tpe_opts opts = CN_TPE_OPTS_INIT;
    double best = 0;

    opts.regime = 1;
    opts.seed = seed;
    for (int i = 0; i < BUDGET; i++) {
        struct cn_tpe *t = NULL;

        opts.iteration = i + 1;
        cr_assert_eq(cn_tpe_new(&plane, o, i, &opts, &t, NULL), CN_OK);
        if (model && cn_tpe_is_ready(t))
            cn_tpe_best(t, 0, 24, p[i]);
        else
            cn_space_random(&plane, seed, i + 1, 0, p[i]);
        cn_tpe_free(t);
        o[i] = (struct cn_tpe_obs){p[i], hill(p[i]), 1, 1, false, false};
        best = fmax(best, o[i].reward);
    }
    return 1 - best;
}

Test(ucb_tpe, on_a_smooth_hill_it_ends_far_above_random)
{
    double with[SEEDS], without[SEEDS];

    for (int s = 0; s < SEEDS; s++) {
        with[s] = regret((uint64_t)s + 1, true);
        without[s] = regret((uint64_t)s + 1, false);
    }
    qsort(with, SEEDS, sizeof *with, by_value);
    qsort(without, SEEDS, sizeof *without, by_value);
    cr_assert_lt(with[SEEDS / 2], without[SEEDS / 2] / 4, "%g, %g", with[SEEDS / 2],
                 without[SEEDS / 2]);
}

/* ---- one-key mutations ---- */

static bool never_lr(void *ctx, const struct cn_mutate_change *c)
{
    ++*(int *)ctx;
    return c->param == 0;
}

Test(ucb_tpe, mutations_change_one_key_inside_the_range_best_gain_first)
{
    const double parent[D] = {1e-3, 1e-4, 2, 0, (double)NAN};
    struct cn_tpe *t = make(&space, obs, N);
    struct cn_tpe_mutate_query q = {
        .tpe = t,
        .base = {.space = &space, .parent = parent, .seed = 5, .iteration = 3},
        .n_thompson = 4,
        .all = true};
    struct cn_mutate_change c;
    double x[D], gain;
    int asked = 0;

    cr_assert_eq(cn_tpe_mutate(&q, NULL, NULL, &c, NULL), CN_OK);
    memcpy(x, parent, sizeof x);
    x[c.param] = c.to;
    gain = cn_tpe_gain(t, x);
    cr_assert_neq(c.param, 4, "the parent has no such value");
    cr_assert_neq(c.to, c.from);
    cr_assert_gt(gain, cn_tpe_gain(t, parent));
    cr_assert_eq(cn_tpe_mutate(&q, never_lr, &asked, &c, NULL), CN_OK);
    cr_assert_neq(c.param, 0);
    memcpy(x, parent, sizeof x);
    x[c.param] = c.to;
    cr_assert_leq(cn_tpe_gain(t, x), gain);
    cn_tpe_free(t);
}

Test(ucb_tpe, a_hidden_parameter_is_not_changed_but_counts_in_the_gain)
{
    const double whole[D] = {1e-3, 1e-4, 2, 0, 1}, open[D] = {(double)NAN, 1e-4, 2, 0, 1};
    struct cn_tpe *t = make(&space, obs, N);
    struct cn_tpe_mutate_query q = {
        .tpe = t,
        .base = {.space = &space, .parent = open, .seed = 5, .iteration = 3},
        .opt_whole = whole,
        .n_thompson = CN_TPE_THOMPSON,
        .all = true};
    struct cn_mutate_change a, b;

    cr_assert_eq(cn_tpe_mutate(&q, NULL, NULL, &a, NULL), CN_OK);
    cr_assert_neq(a.param, 0);
    q.base.parent = whole;
    q.opt_whole = NULL;
    cr_assert_eq(cn_tpe_mutate(&q, never_lr, &(int){0}, &b, NULL), CN_OK);
    cr_assert_neq(b.param, 0);
    cn_tpe_free(t);
}
