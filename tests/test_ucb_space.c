/* Scales and ranges of parameters. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "ucb/space.h"

static const struct cn_param params[] = {
    {.path = "lr", .lo = 1e-5, .hi = 1e-3, .hard_lo = 0, .hard_hi = 1, .log = true},
    {.path = "coeff", .lo = 0, .hi = 1000, .hard_lo = 0, .hard_hi = INFINITY},
    {.path = "l1", .lo = 0, .hi = 1e-3, .hard_lo = 0, .hard_hi = 1, .log = true},
    {.path = "batch", .type = CN_PARAM_INT, .lo = 1, .hi = 4, .hard_lo = 1, .hard_hi = 512},
    {.path = "loop",
     .type = CN_PARAM_INT,
     .lo = 10,
     .hi = 1000,
     .hard_lo = 1,
     .hard_hi = 10000,
     .log = true},
    {.path = "flag", .type = CN_PARAM_BOOL},
    {.path = "mode", .type = CN_PARAM_CHOICE, .n_choices = 3},
};
static const struct cn_space space = {params, 7};

Test(ucb_space, values_stay_in_range_and_types)
{
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_space_check(&space, &err), CN_OK, "%s", err.text);
    for (int k = 0; k < 1000; k++)
        for (int i = 0; i < space.n; i++) {
            const struct cn_param *p = &params[i];
            double x = cn_space_from_unit(p, k / 1000.0);
            double hi = p->type == CN_PARAM_BOOL     ? 1
                        : p->type == CN_PARAM_CHOICE ? p->n_choices - 1
                                                     : p->hi;

            cr_assert(x >= p->lo && x <= hi, "%s %g", p->path, x);
            if (p->type != CN_PARAM_FLOAT)
                cr_assert_eq(x, rint(x));
        }
}

Test(ucb_space, log_scale_halves_at_the_geometric_middle)
{
    cr_assert_float_eq(cn_space_from_unit(&params[0], .5), 1e-4, 1e-12);
    cr_assert_float_eq(cn_space_from_unit(&params[1], .5), 500, 1e-9);
}

Test(ucb_space, unit_round_trip)
{
    for (int i = 0; i < space.n; i++)
        for (int k = 0; k < 40; k++) {
            double x = cn_space_from_unit(&params[i], (k + .5) / 40);
            double back = cn_space_from_unit(&params[i], cn_space_to_unit(&params[i], x));

            cr_assert_float_eq(back, x, 1e-9 * fabs(x), "%s %g %g", params[i].path, x, back);
        }
}

Test(ucb_space, random_points_are_keyed_by_iteration_and_retry)
{
    double a[7], b[7], c[7], d[7];

    cn_space_random(&space, 7, 12, 0, a);
    cn_space_random(&space, 7, 12, 0, b);
    cn_space_random(&space, 7, 13, 0, c);
    cn_space_random(&space, 7, 12, 1, d);
    cr_assert_arr_eq(a, b, sizeof(a));
    cr_assert_neq(a[0], c[0]);
    cr_assert_neq(a[0], d[0]);
    cr_assert_neq(c[0], d[0]);
}

static void refused(struct cn_param p, const char *words)
{
    struct cn_space s = {&p, 1};
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_space_check(&s, &err), CN_EINPUT);
    cr_assert(strstr(err.text, words), "%s", err.text);
}

Test(ucb_space, nonsense_is_refused_by_name)
{
    refused((struct cn_param){.path = "a.b", .lo = 2, .hi = 1, .hard_hi = 9},
            "a.b: range 2 to 1");
    refused(
        (struct cn_param){
            .path = "x", .lo = -1, .hi = 1, .hard_lo = -1, .hard_hi = 1, .log = 1},
        "log scale");
    refused((struct cn_param){.path = "x", .hi = 2, .hard_hi = 1}, "reaches outside 0 to 1");
    refused((struct cn_param){.path = "x", .type = CN_PARAM_CHOICE}, "choice of no values");
    refused(
        (struct cn_param){.path = "x", .type = CN_PARAM_INT, .lo = .2, .hi = .8, .hard_hi = 1},
        "no whole number");
}
