/* Against published tables: Student's t (Fisher & Yates, two-sided), the normal quantiles, and
 * Wilson's interval for the worked example of Newcombe (Statistics in Medicine 17 (1998) 857). */
#include <math.h>

#include <criterion/criterion.h>

#include "base/stats.h"

static void near(double got, double want, double tol, const char *what)
{
    cr_assert(fabs(got - want) <= tol, "%s: %.10g, expected %.10g", what, got, want);
}

Test(base_stats, student_agrees_with_the_table)
{
    static const struct {
        double df, confidence, t;
    } rows[] = {{1, 0.5, 1.000},     {1, 0.9, 6.314},    {1, 0.95, 12.706},  {1, 0.99, 63.657},
                {1, 0.999, 636.619}, {2, 0.9, 2.920},    {2, 0.95, 4.303},   {3, 0.9, 2.353},
                {3, 0.99, 5.841},    {4, 0.9, 2.132},    {4, 0.95, 2.776},   {5, 0.95, 2.571},
                {9, 0.95, 2.262},    {10, 0.9, 1.812},   {20, 0.999, 3.850}, {30, 0.95, 2.042},
                {60, 0.99, 2.660},   {120, 0.95, 1.980}, {120, 0.9, 1.658}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        near(cn_stats_student(rows[i].confidence, rows[i].df), rows[i].t, 0.0006, "t");
}

/* With one degree of freedom t is the tangent, with two it is algebraic. */
Test(base_stats, student_in_closed_form)
{
    for (double c = 0.05; c < 0.9999; c += 0.05) {
        double t = tan(acos(-1.0) * c / 2);

        near(cn_stats_student(c, 1) / t, 1, 1e-10, "df 1");
        near(cn_stats_student(c, 2) / sqrt(2 * c * c / (1 - c * c)), 1, 1e-10, "df 2");
    }
}

Test(base_stats, student_falls_towards_the_normal_also_between_whole_numbers)
{
    double last = INFINITY;

    for (double df = 0.5; df < 4e6; df *= 1.37) {
        double t = cn_stats_student(0.95, df);

        cr_assert(t < last && t > cn_stats_normal(0.95), "df %g: %.12g after %.12g", df, t,
                  last);
        last = t;
    }
    near(last, 1.959964, 1e-6, "in the limit");
    near(cn_stats_student(0.95, 1e6 * 1.0001), cn_stats_student(0.95, 1e6 * 0.9999), 1e-8,
         "seam");
}

Test(base_stats, normal_agrees_with_the_table)
{
    near(cn_stats_normal(0.5), 0.6744897502, 1e-9, "50 %");
    near(cn_stats_normal(0.9), 1.6448536270, 1e-9, "90 %");
    near(cn_stats_normal(0.95), 1.9599639845, 1e-9, "95 %");
    near(cn_stats_normal(0.99), 2.5758293035, 1e-9, "99 %");
    near(cn_stats_normal(0.999), 3.2905267315, 1e-9, "99.9 %");
    cr_assert_eq(cn_stats_normal(0), 0);
    cr_assert(isinf(cn_stats_normal(1)) && isnan(cn_stats_normal(NAN)));
    cr_assert(isnan(cn_stats_student(0.9, 0)) && isnan(cn_stats_student(0.9, NAN)));
    cr_assert(isinf(cn_stats_student(1, 3)));
}

/* Newcombe's table I, method 3 (score, without continuity correction), 95 %. */
Test(base_stats, wilson_agrees_with_newcombe)
{
    static const struct {
        int64_t k, n;
        double lo, hi;
    } rows[] = {{81, 263, 0.2553, 0.3662},
                {15, 148, 0.0624, 0.1605},
                {0, 20, 0.0000, 0.1611},
                {1, 29, 0.0061, 0.1718}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cn_interval w = cn_stats_wilson(rows[i].k, rows[i].n, 0.95);

        near(w.lo, rows[i].lo, 0.00006, "lower");
        near(w.hi, rows[i].hi, 0.00006, "upper");
    }
    cr_assert_eq(cn_stats_wilson(0, 5, 0.9).lo, 0);
    cr_assert_eq(cn_stats_wilson(5, 5, 0.9).hi, 1);
    cr_assert(isnan(cn_stats_wilson(0, 0, 0.9).lo) && isnan(cn_stats_wilson(3, 2, 0.9).hi));
}

Test(base_stats, samples_count_mean_and_deviation)
{
    static const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
    struct cn_sample s = cn_stats_sample(x, 8), one = cn_stats_sample(x, 1),
                     none = cn_stats_sample(x, 0);

    cr_assert_eq(s.n, 8);
    near(s.mean, 5, 1e-15, "mean");
    near(s.std, sqrt(32.0 / 7), 1e-15, "std");
    cr_assert(one.n == 1 && one.mean == 2 && isnan(one.std));
    cr_assert(none.n == 0 && isnan(none.mean) && isnan(none.std));
}

Test(base_stats, noise_pools_squares_by_degrees_of_freedom)
{
    struct cn_noise p = CN_NOISE_INIT, rest;

    cn_noise_add(&p, 1, 9);
    cn_noise_add(&p, 3, NAN);
    cr_assert(p.df == 0 && isnan(p.std), "nothing was learned yet");
    cn_noise_add(&p, 3, 0.02);
    cn_noise_add(&p, 2, 0.05);
    near(p.df, 3, 0, "df");
    near(p.std, sqrt((2 * 0.0004 + 0.0025) / 3), 1e-15, "std");
    rest = cn_noise_without(&p, 2, 0.05);
    near(rest.std, 0.02, 1e-12, "what is left");
    near(rest.df, 2, 0, "df left");
    rest = cn_noise_without(&rest, 3, 0.02);
    cr_assert(rest.df == 0 && isnan(rest.std), "its own runs are not evidence about others");
}

Test(base_stats, an_interval_needs_a_noise)
{
    struct cn_noise p = CN_NOISE_INIT;
    struct cn_sample one = {1, 0.9, NAN}, two = {2, 0.9, 0.01}, none = {0, NAN, NAN};

    cr_assert(isnan(cn_stats_mean(&one, &p, 0.9).lo) &&
              isnan(cn_stats_mean(&one, NULL, 0.9).hi));
    near(cn_stats_mean(&two, &p, 0.9).lo, 0.9 - 6.3138 * 0.01 / sqrt(2), 1e-5,
         "two runs alone");
    cn_noise_add(&p, 5, 0.02);
    near(cn_stats_mean(&one, &p, 0.9).lo, 0.9 - 2.1318 * 0.02, 1e-5, "a single run, pooled");
    cr_assert(isnan(cn_stats_mean(&none, &p, 0.9).lo));
}

Test(base_stats, the_own_spread_is_shrunk_towards_the_pool)
{
    struct cn_noise p = CN_NOISE_INIT;
    struct cn_sample lucky = {2, 0.9, 0}, wild = {5, 0.9, 0.1};
    struct cn_interval i;

    cn_noise_add(&p, 41, 0.02); /* many runs, but they count as four */
    i = cn_stats_mean(&lucky, &p, 0.9);
    near(i.hi - 0.9, 2.01505 * sqrt(4.0 / 5 * 0.0004 / 2), 1e-6,
         "two equal runs are not certain");
    near(0.9 - i.lo, i.hi - 0.9, 1e-15, "symmetric");
    i = cn_stats_mean(&wild, &p, 0.9);
    near(i.hi - 0.9, 1.85955 * sqrt((4.0 / 8 * 0.01 + 4.0 / 8 * 0.0004) / 5), 1e-6,
         "a wild one");
}

Test(base_stats, welch_by_hand)
{
    struct cn_sample a = {5, 1.2, 0.1}, b = {10, 1.0, 0.3};
    double va = 0.01 / 5, vb = 0.09 / 10;
    double df = (va + vb) * (va + vb) / (va * va / 4 + vb * vb / 9);
    struct cn_difference d = cn_stats_difference(&a, &b, NULL, 0.95);

    near(d.mean, 0.2, 1e-15, "mean");
    near(d.hi - d.mean, cn_stats_student(0.95, df) * sqrt(va + vb), 1e-12, "half width");
    cr_assert(d.known && !d.better && !d.worse);
    a.mean = 1.4;
    cr_assert(cn_stats_difference(&a, &b, NULL, 0.95).better);
    cr_assert(cn_stats_difference(&b, &a, NULL, 0.95).worse);
}

/* Two single runs lean on the same four degrees of freedom, not on eight. */
Test(base_stats, the_pool_is_shared_by_both_sides)
{
    struct cn_noise p = CN_NOISE_INIT;
    struct cn_sample a = {1, 0.95, NAN}, b = {1, 0.90, NAN};
    struct cn_difference d;

    cr_assert(!cn_stats_difference(&a, &b, &p, 0.9).known);
    near(cn_stats_difference(&a, &b, &p, 0.9).mean, 0.05, 1e-15, "the mean needs no noise");
    cn_noise_add(&p, 5, 0.01);
    d = cn_stats_difference(&a, &b, &p, 0.9);
    near(d.mean - d.lo, 2.131847 * 0.01 * sqrt(2), 1e-7, "half width");
    cr_assert(d.better);
}

/* Student's sleep data (Biometrika 6 (1908) 1), the paired example of every textbook: mean 1.58,
 * t = 4.0621 with 9 df, 95 % interval 0.7001 .. 2.4599. */
Test(base_stats, paired_sleep)
{
    static const double d[] = {1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4};
    struct cn_difference p = cn_stats_paired(d, 10, 0.95);

    near(p.mean, 1.58, 1e-12, "mean");
    near(p.lo, 0.7001142, 1e-6, "lower");
    near(p.hi, 2.4598858, 1e-6, "upper");
    cr_assert(p.known && p.better);
    cr_assert(!cn_stats_paired(d, 1, 0.95).known && cn_stats_paired(d, 1, 0.95).mean == 1.2);
    cr_assert(isnan(cn_stats_paired(d, 0, 0.95).mean));
}

Test(base_stats, stability_classes)
{
    static const struct {
        double x[4];
        cn_stability want;
    } rows[] = {{{0.98, 0.97, 0.98, 0.99}, CN_STABILITY_STABLE},
                {{0.91, 0.92, 0.99, 0.98}, CN_STABILITY_ROBUST},
                {{0.91, 1.10, 0.99, 0.98}, CN_STABILITY_VARIABLE},
                {{0.95, 0.96, 0.95, 0.89}, CN_STABILITY_PARTIAL},
                {{0.95, 0.96, 0.88, 0.89}, CN_STABILITY_PARTIAL},
                {{0.95, 0.88, 0.88, 0.89}, CN_STABILITY_FRAGILE},
                {{0.95, 0.96, 0.95, 0.86}, CN_STABILITY_DISQUALIFIED},
                {{0.95, 0.96, 0.95, NAN}, CN_STABILITY_DISQUALIFIED}};
    bool few;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(cn_stats_stability(rows[i].x, 4, 0.9, 0.87, &few), rows[i].want, "row %zu",
                     i);
        cr_assert(!few);
    }
    cr_assert_eq(cn_stats_stability(rows[6].x, 4, 0.9, NAN, NULL), CN_STABILITY_PARTIAL);
    cr_assert_eq(cn_stats_stability(rows[7].x, 4, 0.9, NAN, NULL), CN_STABILITY_PARTIAL);
    cr_assert_eq(cn_stats_stability(rows[0].x, 3, 0.9, 0.87, &few), CN_STABILITY_STABLE);
    cr_assert(few);
    cr_assert_eq(cn_stats_stability(rows[0].x, 1, 0.9, 0.87, &few), CN_STABILITY_UNKNOWN);
    cr_assert_str_eq(cn_stability_name(CN_STABILITY_STABLE), "stable-robust");
    cr_assert_str_eq(cn_stability_name(CN_STABILITY_DISQUALIFIED), "disqualified");
    cr_assert_str_eq(cn_stability_name(CN_STABILITY_UNKNOWN), "");
}
