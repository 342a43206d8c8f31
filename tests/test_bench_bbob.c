/* The bench's functions against what their definitions imply. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/rng.h"
#include "bench/bbob.h"

static struct cn_bbob b;

static double at(const double *shift)
{
    double x[CN_BBOB_DIMS];

    for (int i = 0; i < b.dim; i++)
        x[i] = b.x_opt[i] + shift[i];
    return cn_bbob_value(&b, x);
}

Test(bench_bbob, every_function_is_0_at_its_optimum_and_above_elsewhere)
{
    static const int dims[] = {2, 5, 10};
    struct cn_rng r;

    cn_rng_init(&r, 1, 1);
    for (int k = 0; k < CN_BBOB_COUNT; k++)
        for (int d = 0; d < 3; d++)
            for (uint64_t instance = 1; instance <= 3; instance++) {
                double best = INFINITY;

                cn_bbob_init(&b, (cn_bbob_kind)k, dims[d], instance);
                cr_assert_lt(fabs(cn_bbob_value(&b, b.x_opt)), 1e-6, "%s: %g",
                             cn_bbob_name(b.kind), cn_bbob_value(&b, b.x_opt));
                for (int i = 0; i < 500; i++) {
                    double x[CN_BBOB_DIMS];

                    for (int j = 0; j < b.dim; j++)
                        x[j] = -5 + 10 * cn_rng_uniform(&r);
                    best = fmin(best, cn_bbob_value(&b, x));
                }
                cr_assert_gt(best, 1e-6, "%s in %d: %g", cn_bbob_name(b.kind), b.dim, best);
            }
}

Test(bench_bbob, rotations_are_orthogonal_and_differ)
{
    double worst = 0, apart = 0;

    cn_bbob_init(&b, CN_BBOB_POWERS, 10, 4);
    for (int i = 0; i < 10; i++)
        for (int k = 0; k < 10; k++) {
            double dot = 0;

            for (int j = 0; j < 10; j++)
                dot += b.r[i][j] * b.r[k][j];
            worst = fmax(worst, fabs(dot - (i == k)));
            apart = fmax(apart, fabs(b.r[i][k] - b.q[i][k]));
        }
    cr_assert_lt(worst, 1e-12);
    cr_assert_gt(apart, .1);
}

Test(bench_bbob, values_worked_out_by_hand)
{
    const double one[2] = {1, 0}, other[2] = {0, 1}, both[2] = {3, -4}, back[2] = {-1, -1};

    /* T_osz: 0, 1 and -1 stay; log|e| = 1 gives e^(1 + .049 (sin 10 + sin 7.9)). */
    cr_assert_eq(cn_bbob_osz(0), 0);
    cr_assert_eq(cn_bbob_osz(1), 1);
    cr_assert_eq(cn_bbob_osz(-1), -1);
    cr_assert_float_eq(cn_bbob_osz(exp(1)), exp(1 + .049 * (sin(10) + sin(7.9))), 1e-12);
    cr_assert_float_eq(cn_bbob_osz(-exp(1)), -exp(1 + .049 * (sin(5.5) + sin(3.1))), 1e-12);
    cn_bbob_init(&b, CN_BBOB_SPHERE, 2, 1);
    cr_assert_float_eq(at(both), 25, 1e-12);
    cn_bbob_init(&b, CN_BBOB_ELLIPSOID, 2, 1);
    cr_assert_float_eq(at(one), 1, 1e-9);
    cr_assert_float_eq(at(other), 1e6, 1e-3);
    /* Rastrigin, a step of 1 in the first coordinate: cos 2 pi = 1. */
    cn_bbob_init(&b, CN_BBOB_RASTRIGIN, 2, 1);
    cr_assert_float_eq(at(one), 1, 1e-9);
    /* Rosenbrock in two dimensions, scale 1: z = 0 costs (0 - 1)^2. */
    cn_bbob_init(&b, CN_BBOB_ROSENBROCK, 2, 1);
    cr_assert_float_eq(at(back), 1, 1e-9);
    cr_assert_float_eq(at(one), 100 * 3 * 3 + 1, 1e-9); /* z = (2, 1): bow 4 - 1 */
    /* Different powers in the frame of the rotation: sqrt(|z1|^2 + |z2|^6). */
    cn_bbob_init(&b, CN_BBOB_POWERS, 2, 1);
    {
        const double turned[2] = {2 * b.r[1][0], 2 * b.r[1][1]}; /* z = (0, 2) */

        cr_assert_float_eq(at(turned), 8, 1e-9);
    }
    /* The rotated ellipsoid along its long axis, z = (0, 1). */
    cn_bbob_init(&b, CN_BBOB_ROTATED, 2, 1);
    cr_assert_float_eq(at(b.r[1]), 1e6, 1e-3);
}

Test(bench_bbob, the_step_ellipsoid_has_plateaus)
{
    double flat = 0;
    struct cn_rng r;

    cn_rng_init(&r, 2, 2);
    cn_bbob_init(&b, CN_BBOB_STEPS, 5, 1);
    for (int i = 0; i < 200; i++) {
        double s[5], t[5];

        for (int j = 0; j < 5; j++) {
            s[j] = cn_rng_uniform(&r);
            t[j] = s[j] + 1e-6;
        }
        flat += at(s) == at(t);
    }
    cr_assert_gt(flat, 190);
}

Test(bench_bbob, gallaghers_second_peak_is_a_local_one_and_optima_can_be_moved)
{
    const double there[3] = {1.5, -2, .5};
    double near[3];

    cn_bbob_init(&b, CN_BBOB_GALLAGHER, 3, 1);
    cr_assert(cn_bbob_move(&b, there));
    cr_assert_lt(fabs(cn_bbob_value(&b, there)), 1e-9);
    for (int k = 1; k < CN_BBOB_PEAKS; k++) {
        double t = cn_bbob_osz(10 - b.height[k]);

        cr_assert_leq(cn_bbob_value(&b, b.peak[k]), t * t + 1e-9);
    }
    memcpy(near, b.peak[100], sizeof near);
    near[0] += .05;
    cr_assert_gt(cn_bbob_value(&b, near), cn_bbob_value(&b, b.peak[100]));
    cn_bbob_init(&b, CN_BBOB_SCHWEFEL, 3, 1);
    cr_assert_not(cn_bbob_move(&b, there));
}

/* Weierstrass and Schaffers have many valleys: along a line the value turns often. */
Test(bench_bbob, rugged_functions_turn_often_and_smooth_ones_do_not)
{
    static const cn_bbob_kind kinds[] = {CN_BBOB_SPHERE, CN_BBOB_RASTRIGIN, CN_BBOB_WEIERSTRASS,
                                         CN_BBOB_SCHAFFERS};
    int turns[4] = {0};

    for (int k = 0; k < 4; k++) {
        double was = 0, slope = 0;

        cn_bbob_init(&b, kinds[k], 2, 1);
        for (int i = 0; i <= 1000; i++) {
            double s[2] = {.003 * i, .002 * i}, f = at(s);

            turns[k] += i > 1 && (f - was) * slope < 0;
            slope = f - was;
            was = f;
        }
    }
    cr_assert_eq(turns[0], 0);
    for (int k = 1; k < 4; k++)
        cr_assert_gt(turns[k], 5, "%s: %d", cn_bbob_name(kinds[k]), turns[k]);
}
