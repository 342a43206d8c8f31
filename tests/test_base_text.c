#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/rng.h"
#include "base/text.h"

static const char *plain(double x)
{
    static char out[CN_NUM_TEXT];

    return cn_text_double(x, out);
}

static const char *yaml(double x)
{
    static char out[CN_NUM_TEXT];

    return cn_text_yaml_double(x, out);
}

Test(base_text, doubles_are_short)
{
    cr_assert_str_eq(plain(0.1), "0.1");
    cr_assert_str_eq(plain(1e-7), "1e-07");
    cr_assert_str_eq(plain(1.0 / 3), "0.3333333333333333");
    cr_assert_str_eq(plain(0.1 + 0.2), "0.30000000000000004");
    cr_assert_str_eq(plain(3), "3");
    cr_assert_str_eq(plain(-0.0), "-0");
    cr_assert_str_eq(plain(5e-324), "5e-324");
    cr_assert_str_eq(plain(DBL_MAX), "1.7976931348623157e+308");
    cr_assert_str_eq(plain(NAN), "nan");
    cr_assert_str_eq(plain(-NAN), "nan");
    cr_assert_str_eq(plain(INFINITY), "inf");
    cr_assert_str_eq(plain(-INFINITY), "-inf");
}

Test(base_text, yaml_floats_carry_a_dot)
{
    cr_assert_str_eq(yaml(1e-5), "1.0e-05");
    cr_assert_str_eq(yaml(1e22), "1.0e+22");
    cr_assert_str_eq(yaml(1.5e-7), "1.5e-07");
    cr_assert_str_eq(yaml(2), "2.0");
    cr_assert_str_eq(yaml(-2), "-2.0");
    cr_assert_str_eq(yaml(0.25), "0.25");
    cr_assert_str_eq(yaml(NAN), ".nan");
    cr_assert_str_eq(yaml(INFINITY), ".inf");
    cr_assert_str_eq(yaml(-INFINITY), "-.inf");
}

/* Random bit patterns: normals, subnormals, both signs. */
Test(base_text, every_double_reads_back)
{
    struct cn_rng r;
    int i, n = 0;

    cn_rng_init(&r, 1, 0);
    for (i = 0; i < 200000; i++) {
        uint64_t bits = cn_rng_u64(&r);
        double x, y;

        if (i % 4 == 0)
            bits &= ~UINT64_C(0x7fe0000000000000); /* small exponents: subnormals too */
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        cr_assert(cn_text_parse_double(plain(x), &y), "%s", plain(x));
        cr_assert_eq(memcmp(&x, &y, sizeof x), 0, "%a came back as %a", x, y);
        cr_assert(cn_text_parse_double(yaml(x), &y), "%s", yaml(x));
        cr_assert_eq(memcmp(&x, &y, sizeof x), 0, "%a came back as %a", x, y);
        n++;
    }
    cr_assert_gt(n, 190000);
}

Test(base_text, parse_double_takes_whole_decimals_only)
{
    static const char *const bad[] = {
        "",  " 1", "1 ",  "1x",    "0x10", "nan",   "inf", "-inf",  "1e",  "1e+",
        ".", "-",  "1,5", "1e400", "--1",  "1.2.3", "e5",  "1_000", "+-1", "infinity"};
    double x = 7;
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(cn_text_parse_double(bad[i], &x), "\"%s\" was read", bad[i]);
    cr_assert_eq(x, 7);
    cr_assert(cn_text_parse_double("1.5e-3", &x) && x == 1.5e-3);
    cr_assert(cn_text_parse_double("+.5", &x) && x == 0.5);
    cr_assert(cn_text_parse_double("5.", &x) && x == 5);
    cr_assert(cn_text_parse_double("-1E3", &x) && x == -1000);
    cr_assert(cn_text_parse_double("1e-400", &x) && x == 0);
}

Test(base_text, parse_integers_checks_the_range)
{
    int64_t i = 3;
    uint64_t u = 3;

    cr_assert(cn_text_parse_int64("-9223372036854775808", &i) && i == INT64_MIN);
    cr_assert(cn_text_parse_int64("9223372036854775807", &i) && i == INT64_MAX);
    cr_assert_not(cn_text_parse_int64("9223372036854775808", &i));
    cr_assert_not(cn_text_parse_int64("", &i));
    cr_assert_not(cn_text_parse_int64("-", &i));
    cr_assert_not(cn_text_parse_int64("1.0", &i));
    cr_assert_not(cn_text_parse_int64(" 1", &i));
    cr_assert_not(cn_text_parse_int64("1\n", &i));
    cr_assert_not(cn_text_parse_int64("0x1", &i));
    cr_assert_eq(i, INT64_MAX);
    cr_assert(cn_text_parse_uint64("18446744073709551615", &u) && u == UINT64_MAX);
    cr_assert_not(cn_text_parse_uint64("18446744073709551616", &u));
    cr_assert_not(cn_text_parse_uint64("-1", &u));
    cr_assert(cn_text_parse_uint64("007", &u) && u == 7);
}

Test(base_text, utf8_is_checked_strictly)
{
    static const char *const good[] = {"",
                                       "abc",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF",
                                       "a\xE2\x82\xACz"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "\xC2",
                                      "\xE2\x82",
                                      "\xF0\x9F\x98",
                                      "\xC2z",
                                      "\xE2\x82z"};
    size_t i;

    for (i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert(cn_text_utf8_valid(good[i], strlen(good[i])), "good %zu", i);
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(cn_text_utf8_valid(bad[i], strlen(bad[i])), "bad %zu", i);
    cr_assert(cn_text_utf8_valid("a\0b", 3));
}

Test(base_text, cut_falls_between_characters)
{
    const char *s = "a\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* 1 + 3 + 4 + 1 bytes */
    static const size_t want[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9};
    size_t max;

    for (max = 0; max < sizeof want / sizeof *want; max++)
        cr_assert_eq(cn_text_utf8_cut(s, 9, max), want[max], "max %zu gives %zu", max,
                     cn_text_utf8_cut(s, 9, max));
    cr_assert_eq(cn_text_utf8_cut("\x80\x80\x80\x80\x80\x80\x80\x80", 8, 6), 6,
                 "no UTF-8: cut anywhere");
}

Test(base_text, starts_and_ends)
{
    cr_assert(cn_text_starts("abc", "ab"));
    cr_assert(cn_text_starts("abc", ""));
    cr_assert_not(cn_text_starts("a", "ab"));
    cr_assert(cn_text_ends("abc", "bc"));
    cr_assert(cn_text_ends("abc", ""));
    cr_assert_not(cn_text_ends("c", "bc"));
}

Test(base_text, nearest_name_is_found)
{
    static const char *const names[] = {"learning_rate_W", "learning_rate", "batch_size",
                                        "seed", "n_epochs"};

    cr_assert_eq(cn_text_nearest("learnign_rate", names, 5), 1, "a swap counts one");
    cr_assert_eq(cn_text_nearest("ba21cd", (const char *const[]){"ab12cd"}, 1), 0,
                 "two swaps are two edits");
    cr_assert_eq(cn_text_nearest("batchsize", names, 5), 2);
    cr_assert_eq(cn_text_nearest("sede", names, 5), 3);
    cr_assert_eq(cn_text_nearest("n_epoch", names, 5), 4);
    cr_assert_eq(cn_text_nearest("learning_rate_W", names, 5), 0);
    cr_assert_eq(cn_text_nearest("coeff_g_phi_diff", names, 5), -1);
    cr_assert_eq(cn_text_nearest("xy", names, 5), -1);
    cr_assert_eq(cn_text_nearest("", names, 5), -1);
    cr_assert_eq(cn_text_nearest("xy", (const char *const[]){"ab"}, 1), -1,
                 "nothing in common is not near");
    cr_assert_eq(cn_text_nearest("seed", names, 0), -1);
}

Test(base_text, copy_and_format_fill_to_the_last_byte)
{
    char b[4];

    cn_text_copy(b, sizeof b, "abc");
    cr_assert_str_eq(b, "abc");
    cn_text_format(b, sizeof b, "%d", 123);
    cr_assert_str_eq(b, "123");
}

Test(base_text, copy_that_does_not_fit_is_a_bug, .signal = SIGABRT)
{
    char b[4];

    cn_text_copy(b, sizeof b, "abcd");
}

Test(base_text, format_that_does_not_fit_is_a_bug, .signal = SIGABRT)
{
    char b[4];

    cn_text_format(b, sizeof b, "%d", 1234);
}

Test(base_text, a_brief_number_never_rounds_to_a_whole_one)
{
    static const struct {
        double x;
        const char *text;
    } row[] = {{0.9996, "0.9996"},
               {0.99999, "0.99999"},
               {1, "1.000"},
               {0.5, "0.500"},
               {0, "0"},
               {-0.12, "-0.120"},
               {12.3456, "12.346"},
               {3.1e-5, "3.1e-05"},
               {1234567, "1.23e+06"}};
    char b[CN_NUM_TEXT];

    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        cr_expect_str_eq(cn_text_brief(row[i].x, b), row[i].text, "%s", b);
}
