/* Sobol points: published values, stratification, keys. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "ucb/sobol.h"

Test(ucb_sobol, first_plain_points_are_the_textbook_ones)
{
    /* Natural order; the usual Gray-code listing visits the same points as 0 1 3 2 6 7 5 4. */
    static const double want[8][3] = {
        {0, 0, 0},          {.5, .5, .5},       {.25, .75, .75},    {.75, .25, .25},
        {.125, .625, .375}, {.625, .125, .875}, {.375, .375, .625}, {.875, .875, .125}};

    for (uint64_t i = 0; i < 8; i++) {
        double x[3];

        cr_assert_eq(cn_sobol_plain(i, 3, x, NULL), CN_OK);
        for (int d = 0; d < 3; d++)
            cr_assert_eq(x[d], want[i][d], "point %d coordinate %d: %g", (int)i, d, x[d]);
    }
}

Test(ucb_sobol, point_thousand_agrees_with_an_independent_library)
{
#include "cases/ucb/sobol_1000.inc"
    double x[CN_SOBOL_DIMS];

    cr_assert_eq(cn_sobol_plain(SOBOL_INDEX, CN_SOBOL_DIMS, x, NULL), CN_OK);
    for (int d = 0; d < CN_SOBOL_DIMS; d++)
        cr_assert_eq(x[d], sobol_want[d], "coordinate %d: %.17g", d, x[d]);
}

static void check_strata(uint64_t seed, int m)
{
    double x[CN_SOBOL_DIMS];
    static char hit[CN_SOBOL_DIMS][1 << 10];
    uint64_t n = 1u << m;

    memset(hit, 0, sizeof(hit));
    for (uint64_t i = 0; i < n; i++) {
        cr_assert_eq(cn_sobol_point(seed, i, CN_SOBOL_DIMS, x, NULL), CN_OK);
        for (int d = 0; d < CN_SOBOL_DIMS; d++) {
            cr_assert(x[d] >= 0 && x[d] < 1);
            hit[d][(int)(x[d] * (double)n)]++;
        }
    }
    for (int d = 0; d < CN_SOBOL_DIMS; d++)
        for (uint64_t k = 0; k < n; k++)
            cr_assert_eq(hit[d][k], 1, "seed %d: coordinate %d stratum %d of %d has %d points",
                         (int)seed, d, (int)k, (int)n, hit[d][k]);
}

Test(ucb_sobol, scrambled_points_keep_one_point_per_stratum)
{
    check_strata(1, 4);
    check_strata(2, 8);
    check_strata(3, 10);
}

Test(ucb_sobol, first_two_coordinates_keep_their_net_property)
{
    /* 2^6 points of a (0,2)-sequence: one in each 2^a x 2^(6-a) box. */
    for (int a = 0; a <= 6; a++) {
        char hit[64] = {0};

        for (uint64_t i = 0; i < 64; i++) {
            double x[2];

            cr_assert_eq(cn_sobol_point(99, i, 2, x, NULL), CN_OK);
            hit[((int)(x[0] * (1 << a)) << (6 - a)) + (int)(x[1] * (1 << (6 - a)))]++;
        }
        for (int k = 0; k < 64; k++)
            cr_assert_eq(hit[k], 1);
    }
}

Test(ucb_sobol, seeds_differ_and_draws_repeat)
{
    double a[4], b[4], c[4];

    cr_assert_eq(cn_sobol_point(1, 5, 4, a, NULL), CN_OK);
    cr_assert_eq(cn_sobol_point(1, 5, 4, b, NULL), CN_OK);
    cr_assert_eq(cn_sobol_point(2, 5, 4, c, NULL), CN_OK);
    cr_assert_arr_eq(a, b, sizeof(a));
    cr_assert_neq(a[0], c[0]);
}

Test(ucb_sobol, too_many_dimensions_or_points_are_refused)
{
    double x[CN_SOBOL_DIMS + 1];

    cr_assert_eq(cn_sobol_point(1, 0, CN_SOBOL_DIMS + 1, x, NULL), CN_EINPUT);
    cr_assert_eq(cn_sobol_point(1, 0, 0, x, NULL), CN_EINPUT);
    cr_assert_eq(cn_sobol_point(1, (uint64_t)1 << 32, 1, x, NULL), CN_EINPUT);
}
