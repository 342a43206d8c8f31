/* The model of run times: slopes learnt, doubt kept, deadlines understood. */
#include <math.h>

#include <criterion/criterion.h>

#include "base/rng.h"
#include "ucb/runtime.h"

enum { DIMS = 3, MANY = 40 };

/* seconds = 10 epochs / batch, whatever the learning rate, and 5 per cent of noise. */
static double truth(const double *x)
{
    return 10 * exp(x[0]) / exp(x[1]);
}

static void make(double x[MANY][DIMS], struct cn_runtime_row *rows, int n)
{
    struct cn_rng r;

    cn_rng_init(&r, 7, 1);
    for (int i = 0; i < n; i++) {
        x[i][0] = log(1 + (double)(i % 5));
        x[i][1] = log((double)(1 << (i % 3)));
        x[i][2] = log(1e-3) + (double)(i % 4);
        rows[i] = (struct cn_runtime_row){
            x[i], truth(x[i]) * exp(0.05 * (2 * cn_rng_uniform(&r) - 1)), false};
    }
}

Test(ucb_runtime, learns_what_costs_and_what_does_not)
{
    double x[MANY][DIMS], at[DIMS] = {log(10), 0, log(1e-2)};
    struct cn_runtime_row rows[MANY];
    struct cn_runtime *m;
    struct cn_runtime_guess g, same;

    make(x, rows, MANY);
    cr_assert_eq(cn_runtime_new(rows, MANY, DIMS, &m, NULL), CN_OK);
    g = cn_runtime_predict(m, at, 0.9);
    cr_assert(g.known);
    cr_assert(g.lo < truth(at) && truth(at) < g.hi, "%g in %g..%g", truth(at), g.lo, g.hi);
    cr_assert(fabs(g.mean / truth(at) - 1) < 0.1, "%g for %g", g.mean, truth(at));
    at[2] = log(1e-4);
    same = cn_runtime_predict(m, at, 0.9);
    cr_assert(fabs(same.mean / g.mean - 1) < 0.1, "a learning rate costs nothing");
    cn_runtime_free(m);
}

Test(ucb_runtime, says_nothing_before_three_trainings)
{
    double x[MANY][DIMS];
    struct cn_runtime_row rows[MANY];
    struct cn_runtime *m;

    make(x, rows, MANY);
    cr_assert_eq(cn_runtime_new(rows, 2, DIMS, &m, NULL), CN_OK);
    cr_assert_not(cn_runtime_predict(m, x[0], 0.9).known);
    cn_runtime_free(m);
    cr_assert_eq(cn_runtime_new(rows, 3, DIMS, &m, NULL), CN_OK);
    cr_assert(cn_runtime_predict(m, x[0], 0.9).known);
    cn_runtime_free(m);
}

Test(ucb_runtime, far_away_it_doubts_more)
{
    double x[MANY][DIMS], near[DIMS] = {log(2), 0, log(1e-2)}, far[DIMS] = {log(2000), 0, 0};
    struct cn_runtime_row rows[MANY];
    struct cn_runtime *m;
    struct cn_runtime_guess a, b;

    make(x, rows, 6);
    cr_assert_eq(cn_runtime_new(rows, 6, DIMS, &m, NULL), CN_OK);
    a = cn_runtime_predict(m, near, 0.9);
    b = cn_runtime_predict(m, far, 0.9);
    cr_assert(log(b.hi / b.lo) > 3 * log(a.hi / a.lo));
    cn_runtime_free(m);
}

Test(ucb_runtime, a_deadline_is_a_lower_bound)
{
    double x[4][1] = {{0}, {0.1}, {0.2}, {log(20)}};
    struct cn_runtime_row rows[4] = {
        {x[0], 60, false}, {x[1], 62, false}, {x[2], 70, false}, {x[3], 600, true}};
    struct cn_runtime *m;
    struct cn_runtime_guess g;

    cr_assert_eq(cn_runtime_new(rows, 4, 1, &m, NULL), CN_OK);
    g = cn_runtime_predict(m, x[3], 0.9);
    cr_assert(g.mean > 500, "%g", g.mean);
    cn_runtime_free(m);
}

Test(ucb_runtime, odd_rows_are_passed_over)
{
    double x[5][1] = {{0}, {0}, {(double)NAN}, {0}, {0}};
    struct cn_runtime_row rows[5] = {{x[0], (double)NAN, false},
                                     {x[1], -1, false},
                                     {x[2], 10, false},
                                     {x[3], 10, false},
                                     {x[4], 10, false}};
    struct cn_runtime *m;
    struct cn_runtime_guess g;

    cr_assert_eq(cn_runtime_new(rows, 5, 1, &m, NULL), CN_OK);
    g = cn_runtime_predict(m, x[2], 0.9);
    cr_assert(g.known && fabs(g.mean - 10) < 1e-9);
    cn_runtime_free(m);
    cr_assert_eq(cn_runtime_new(rows, 5, CN_RUNTIME_DIMS + 1, &m, NULL), CN_ECAP);
}
