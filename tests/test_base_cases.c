/* The aids of tests/support: a comparison that cannot fail would make every numeric test
 * worthless. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/support/cases.h"

static struct cn_json_doc *doc_of(const char *text)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_json_doc *doc;

    cr_assert_eq(cn_json_parse("case", text, strlen(text), &doc, &err), CN_OK, "%s", err.text);
    return doc;
}

Test(base_cases, path_follows_the_environment)
{
    char path[64];

    cr_assert_eq(setenv("CAIRN_TEST_CASES", "/some/where", 1), 0);
    cr_assert_str_eq(cn_case_path("a.json", path, sizeof path), "/some/where/a.json");
    cr_assert_eq(unsetenv("CAIRN_TEST_CASES"), 0);
    cr_assert_str_eq(cn_case_path("a.json", path, sizeof path), "tests/cases/a.json");
}

Test(base_cases, golden_arrays_are_read)
{
    struct cn_json_doc *doc = doc_of("{\"shape\":[2,2],\"data\":[1,2.5,null,-4]}");
    int64_t n;
    double *x = cn_case_array(cn_json_root(doc), &n);

    cr_assert_eq(n, 4);
    cr_assert(x[0] == 1 && x[1] == 2.5 && isnan(x[2]) && x[3] == -4);
    cn_free(x);
    cn_json_free(doc);
    doc = doc_of("[[1,2],[3,4],[5,6]]");
    x = cn_case_array(cn_json_root(doc), &n);
    cr_assert_eq(n, 6);
    cr_assert_eq(x[5], 6);
    cn_free(x);
    cn_json_free(doc);
}

Test(base_cases, wrong_shape_aborts, .signal = SIGABRT)
{
    (void)cn_case_array(cn_json_root(doc_of("{\"shape\":[2,2],\"data\":[1,2,3]}")), NULL);
}

Test(base_cases, missing_array_aborts, .signal = SIGABRT)
{
    (void)cn_case_array(cn_json_path(cn_json_root(doc_of("{\"a\":1}")), "b"), NULL);
}

Test(base_cases, missing_file_aborts, .signal = SIGABRT)
{
    (void)cn_case_json("there/is/no/such.json");
}

Test(base_cases, comparison_is_by_array_and_can_fail)
{
    const double g[] = {100, 1e-3, NAN};
    const float f[] = {100, 0, NAN};
    double x[] = {100, 1e-3 + 5e-5, NAN};

    cr_assert(cn_case_close("x", x, g, 3, 1e-6, 0), "scale is the largest, 100");
    cr_assert_not(cn_case_close("x", x, g, 3, 1e-6, 1));
    cr_assert(cn_case_close_float("f", f, g, 3, 1e-4, 0));
    cr_assert_not(cn_case_close_float("f", f, g, 3, 1e-6, 0));
    x[2] = 0;
    cr_assert_not(cn_case_close("x", x, g, 3, 1e-6, 0), "a number where a NaN belongs");
    x[2] = NAN;
    x[0] = NAN;
    cr_assert_not(cn_case_close("x", x, g, 3, 1e-6, 0), "a NaN where a number belongs");
    x[0] = INFINITY;
    cr_assert_not(cn_case_close("x", x, g, 3, 1e-6, 0));
}
